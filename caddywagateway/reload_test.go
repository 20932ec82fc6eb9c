package caddywagateway

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/genfity/wa-gateway/store/storetest"
)

// loadQuietly loads a configuration that is expected to fail.
func loadQuietly(config []byte) error { return caddy.Load(config, true) }

// validate does what `caddy validate` does.
func validate(config []byte) error {
	var c *caddy.Config
	if err := json.Unmarshal(config, &c); err != nil {
		return err
	}
	return caddy.Validate(c)
}

// pooled counts what the usage pools hold.
func pooled() int {
	n := 0
	for _, pool := range []*caddy.UsagePool{databasePool, limiterPool, sandboxPool} {
		pool.Range(func(any, any) bool {
			n++
			return true
		})
	}
	return n
}

// goroutines counts those that the gateway has started, by itself or through the
// drivers of databases and Redis. Those of the tests are counted, too, if they
// use the same: compare two counts.
func goroutines() int {
	stacks := make([]byte, 8<<20)
	stacks = stacks[:runtime.Stack(stacks, true)]
	n := 0
	for stack := range strings.SplitSeq(string(stacks), "\n\n") {
		_, creator, ok := strings.Cut(stack, "\ncreated by ")
		if !ok || strings.Contains(creator, "_test.go:") {
			continue
		}
		for _, of := range []string{"github.com/genfity/wa-gateway", "database/sql", "github.com/jackc", "github.com/redis"} {
			if strings.HasPrefix(creator, of) {
				n++
				break
			}
		}
	}
	return n
}

// TestReloadUnderLoad: fifty reloads lose no request, no outcome and nothing of
// what the limiter counted, and leave nothing behind.
func TestReloadUnderLoad(t *testing.T) {
	const reloads, senders = 50, 4
	d := storetest.New(t, storetest.SQLite)
	config := func(i int) string {
		return caddyfileFor(d.DSN, "{WA_URL}", "{APP}", fmt.Sprintf("rate_limit %d 1h", 100_000+i%2))
	}
	s := &setup{wa: newWARecorder(t), db: openStore(t, d.DSN)}
	seed(t, s.db)
	load := func(i int) string { return strings.ReplaceAll(config(i), "{WA_URL}", s.wa.URL) }
	s.gateway = startCaddy(t, load(0))
	s.ready()
	for i := range 3 { // what is made once is made now
		s.load(load(i))
	}
	before := goroutines()

	var accepted, broken atomic.Int64
	var stop atomic.Bool
	var running sync.WaitGroup
	for range senders {
		running.Go(func() {
			for !stop.Load() {
				// A connection for each, as one that waits may be closed by a reload
				// at the moment at which it is used.
				res, err := s.try("POST", "/api/wa/send-message", hello, append(as(alice, aliceSession), "Connection", "close"))
				if err != nil {
					// Caddy opens a new listener beside the old one. Connections that
					// wait in the queue of the old one when it is closed are broken by
					// the kernel; a Caddy without the gateway has as many. That nobody
					// read from them is seen below.
					broken.Add(1)
					continue
				}
				if res.status != 200 {
					t.Errorf("%d %s", res.status, res.text)
					return
				}
				accepted.Add(1)
			}
		})
	}
	for i := range reloads {
		seen := accepted.Load()
		s.load(load(i))
		eventually(t, "a message between two reloads", func() bool { return accepted.Load() > seen })
	}
	stop.Store(true)
	running.Wait()

	sent := int(accepted.Load())
	if got := len(s.wa.all()); got != sent || sent < reloads {
		t.Errorf("%d messages reached the WA server, %d were accepted", got, sent)
	}
	t.Logf("%d messages accepted, %d connections broken before anybody read from them", sent, broken.Load())
	res := s.call("POST", "/api/wa/send-message", hello, as(alice, aliceSession))
	if limit, left, _ := limitState(t, res); limit-left != sent+1 {
		t.Errorf("the limiter counts %d of %d messages", limit-left, sent+1)
	}
	eventually(t, "all outcomes", func() bool { return s.sessionTotals(t, aliceSession)[0] == float64(sent+1) })
	if got := s.sessionTotals(t, aliceSession); got != [4]float64{float64(sent + 1), 0, 0, 0} {
		t.Errorf("totals %v of %d messages", got, sent+1)
	}
	if n := pooled(); n != 3 {
		t.Errorf("the pools hold %d things: databases, limiter and sandbox are three", n)
	}
	eventually(t, "the goroutines to end", func() bool { return goroutines() <= before+2 }) // a connection more to the database
}

// TestReloadBetweenJournals: reloads that open other databases, or the same ones with
// another journal, refuse nobody while these come up, and leave nothing in the journal
// that is not looked at any more.
func TestReloadBetweenJournals(t *testing.T) {
	const reloads, senders = 8, 3
	for _, kind := range []storetest.Kind{storetest.SQLite, storetest.PostgresPrisma} {
		t.Run(string(kind), func(t *testing.T) {
			d := storetest.New(t, kind)
			s := &setup{wa: newWARecorder(t), db: openStore(t, d.DSN)}
			seed(t, s.db)
			config := func(i int) string {
				return caddyfileFor(d.DSN, s.wa.URL, "{DIR}/journal", fmt.Sprintf("{DIR}/journal-%d", i%2), "{APP}", "rate_limit 100000 1h")
			}
			s.gateway = startCaddy(t, config(0))
			s.ready()

			var sent, told atomic.Int64
			var stop atomic.Bool
			var running sync.WaitGroup
			try := func(done *atomic.Int64, path, body string, header ...string) {
				res, err := s.try("POST", path, body, append(header, "Connection", "close"))
				if err != nil {
					return // as in TestReloadUnderLoad
				}
				if res.status != 200 { // spooled perhaps, by a machine that is busy
					t.Errorf("%s: %d %s", path, res.status, res.text)
					stop.Store(true)
					return
				}
				done.Add(1)
			}
			for n := range senders {
				running.Go(func() {
					for !stop.Load() {
						try(&sent, "/api/wa/send-message", hello, as(alice, aliceSession)...)
					}
				})
				running.Go(func() {
					for i := 0; !stop.Load(); i++ {
						try(&told, "/events/message", eventOf(alice, aliceOther, fmt.Sprintf("%d-%d", n, i), "failed", time.Now()))
					}
				})
			}
			for i := range reloads {
				beforeSent, beforeTold := sent.Load(), told.Load()
				s.load(config(i + 1))
				if i%3 == 0 { // at once
					s.load(config(i))
					s.load(config(i + 1))
				}
				eventually(t, "messages and events between two reloads", func() bool {
					return stop.Load() || sent.Load() > beforeSent && told.Load() > beforeTold
				})
				eventually(t, "the journal that is not looked at any more to be empty", func() bool {
					left, _ := filepath.Glob(filepath.Join(s.dir, fmt.Sprintf("journal-%d", i%2), "*", "instance-*"))
					return len(left) == 0
				})
			}
			stop.Store(true)
			running.Wait()
			eventually(t, "all of them", func() bool {
				return s.sessionTotals(t, aliceSession)[0] >= float64(sent.Load()) && s.sessionTotals(t, aliceOther)[1] >= float64(told.Load())
			})
			if text := s.written.read(t); strings.Contains(text, "waits on local disk") {
				t.Error("something was left on disk")
			}
		})
	}
}

// TestReloadWhileAMessageIsUnderWay: its outcome is recorded by the configuration that
// took it, though another one has other databases by then.
func TestReloadWhileAMessageIsUnderWay(t *testing.T) {
	d := storetest.New(t, storetest.SQLite)
	s := newSetup(t, d)
	asked, answer := make(chan struct{}), make(chan struct{})
	s.wa.respond(func(w http.ResponseWriter, _ *http.Request) {
		close(asked)
		<-answer
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"success":true,"data":{"message_id":"under-way"}}`)
	})
	sent := make(chan response, 1)
	go func() {
		res, err := s.try("POST", "/api/wa/send-message", hello, as(alice, aliceSession))
		if err != nil {
			t.Error(err)
		}
		sent <- res
	}()
	<-asked
	s.load(caddyfileFor(d.DSN, s.wa.URL, "{DIR}/journal", "{DIR}/another"))
	if n := pooled(); n != 4 {
		t.Errorf("the pools hold %d things: the databases of before are still in use", n)
	}
	close(answer)
	if res := <-sent; res.status != http.StatusOK {
		t.Errorf("%d %s", res.status, res.text)
	}
	eventually(t, "its outcome", func() bool { return s.sessionTotals(t, aliceSession)[0] == 1 })
	eventually(t, "the databases of before to be let go", func() bool { return pooled() == 3 })
	if left, _ := filepath.Glob(filepath.Join(s.dir, "journal", "*", "instance-*")); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

// TestWaitingForTheDatabases: whoever comes while the databases come up waits a bounded
// time, no longer than they want to, and for nothing once that is known to be in vain.
func TestWaitingForTheDatabases(t *testing.T) {
	took := func(ctx context.Context, d *databases) (time.Duration, bool) {
		begin := time.Now()
		ready := d.awaitReady(ctx)
		return time.Since(begin), ready
	}
	fresh := func() *databases {
		return &databases{opened: newLatch(), ready: newLatch(), late: newLatch(), done: make(chan struct{})}
	}
	synctest.Test(t, func(t *testing.T) {
		d := fresh()
		if waited, ready := took(t.Context(), d); ready || waited != startPatience {
			t.Errorf("nobody starts them: %v, %v", ready, waited)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if waited, ready := took(ctx, d); ready || waited != time.Second {
			t.Errorf("an impatient one: %v, %v", ready, waited)
		}
		time.AfterFunc(time.Second, d.ready.set)
		if waited, ready := took(t.Context(), d); !ready || waited != time.Second {
			t.Errorf("they come up: %v, %v", ready, waited)
		}
		d = fresh()
		time.AfterFunc(time.Second, d.late.set)
		for i, want := range []time.Duration{time.Second, 0} {
			if waited, ready := took(t.Context(), d); ready || waited != want {
				t.Errorf("they do not come up, %d: %v, %v", i, ready, waited)
			}
		}
		d = fresh()
		close(d.done)
		if waited, ready := took(t.Context(), d); ready || waited != 0 {
			t.Errorf("they have ended: %v, %v", ready, waited)
		}
	})
}

func TestStopLeavesNothing(t *testing.T) {
	before := goroutines()
	t.Run("running", func(t *testing.T) {
		d := storetest.New(t, storetest.SQLite)
		s := newSetup(t, d, "{APP}", "limiter redis {env.WA_TEST_REDIS_URL}")
		s.call("POST", "/api/wa/send-message", hello, as(alice, aliceSession))
		s.load(caddyfileFor(d.DSN, s.wa.URL, "{WA}", "{env.NOT_SET}")) // another limiter, and the sandbox
		if n := pooled(); n != 3 {
			t.Errorf("the pools hold %d things: databases, limiter and sandbox are three", n)
		}
	})
	if n := pooled(); n != 0 {
		t.Errorf("after the end the pools hold %d things", n)
	}
	eventually(t, "the goroutines to end", func() bool { return goroutines() <= before })
}

// TestFailedLoadKeepsTheOld: a configuration that cannot be provisioned changes
// nothing, and takes nothing along.
func TestFailedLoadKeepsTheOld(t *testing.T) {
	d := storetest.New(t, storetest.SQLite)
	s := newSetup(t, d)
	before := pooled()
	for _, broken := range []string{
		"naming spaces", "rate_limit 5 10ms", "package Pro 2000000", "wa_server main http://127.0.0.1:1", "cache {\n ttl 5h\n}",
		"limiter redis redis://user:secret@ho%st/0", "wa_server other ftp://x",
	} {
		config, err := s.adapt(caddyfileFor(d.DSN, s.wa.URL, "{APP}", broken))
		if err == nil {
			err = loadQuietly(config)
		}
		if err == nil {
			t.Errorf("%s was taken", broken)
		} else if strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", broken, err)
		}
		if res := s.call("POST", "/api/wa/send-message", hello, as(alice, aliceSession)); res.status != 200 {
			t.Errorf("after %s: %d %s", broken, res.status, res.text)
		}
		if n := pooled(); n != before {
			t.Errorf("after %s the pools hold %d things, %d before", broken, n, before)
		}
	}
}

// link is a TCP proxy that can be cut.
type link struct {
	listener net.Listener
	target   string
	mu       sync.Mutex
	whole    bool
	conns    map[net.Conn]bool
	accepted int
}

// newLink stands between the gateway and the server of a DSN, whose host it
// replaces.
func newLink(t testing.TB, dsn string, whole bool) (*link, string) {
	t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := &link{listener: listener, target: u.Host, whole: whole, conns: make(map[net.Conn]bool)}
	u.Host = listener.Addr().String()
	go l.run()
	t.Cleanup(func() {
		_ = listener.Close()
		l.cut()
	})
	return l, u.String()
}

func (l *link) run() {
	for {
		client, err := l.listener.Accept()
		if err != nil {
			return
		}
		l.mu.Lock()
		l.accepted++
		whole := l.whole
		l.mu.Unlock()
		if !whole {
			_ = client.Close()
			continue
		}
		go l.join(client)
	}
}

func (l *link) join(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("tcp", l.target)
	if err != nil {
		return
	}
	defer server.Close()
	l.mu.Lock()
	if !l.whole {
		l.mu.Unlock()
		return
	}
	l.conns[client], l.conns[server] = true, true
	l.mu.Unlock()
	done := make(chan struct{}, 2)
	for _, pair := range [][2]net.Conn{{client, server}, {server, client}} {
		go func() {
			_, _ = io.Copy(pair[0], pair[1])
			done <- struct{}{}
		}()
	}
	<-done
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.conns, client)
	delete(l.conns, server)
}

// cut breaks all connections and refuses new ones.
func (l *link) cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.whole = false
	for conn := range l.conns {
		_ = conn.Close()
	}
}

func (l *link) mend() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.whole = true
}

// wantUnavailable checks a 503 that tells when to come again.
func wantUnavailable(t *testing.T, res response) {
	t.Helper()
	res.wantAnswer(t, 503, "")
	if res.header.Get("Retry-After") == "" {
		t.Errorf("no Retry-After: %v", res.header)
	}
}

func TestDatabaseAwayAtStart(t *testing.T) {
	d := storetest.New(t, storetest.PostgresPrisma)
	s := &setup{wa: newWARecorder(t), db: openStore(t, d.DSN)}
	seed(t, s.db)
	l, dsn := newLink(t, d.DSN, false)
	s.gateway = startCaddy(t, caddyfileFor(dsn, s.wa.URL))
	wantUnavailable(t, s.call("POST", "/api/wa/send-message", hello, as(alice, aliceSession)))
	wantSpooled(t, s.call("POST", "/events/message", eventOf(alice, aliceSession, "m", "read", time.Now()), nil))
	wantUnavailable(t, s.call("GET", "/events/admin/stats", "", adminHeader))
	health := s.call("GET", "/api/wa/health", "", nil)
	wantUnavailable(t, health)
	if health.at("data", "dependencies", "transactional_db", "status") != stateDown || health.at("data", "dependencies", "primary_db", "status") == stateDown {
		t.Errorf("health: %s", health.text)
	}
	s.wa.none(t)
	l.mend()
	s.ready()
	if res := s.call("POST", "/api/wa/send-message", hello, as(alice, aliceSession)); res.status != 200 {
		t.Errorf("%d %s", res.status, res.text)
	}
	eventually(t, "what came before the database", func() bool {
		return s.sessionTotals(t, aliceSession) == [4]float64{2, 0, 1, 1}
	})
}

// wantSpooled checks that an event was taken without the database.
func wantSpooled(t *testing.T, res response) {
	t.Helper()
	res.wantAnswer(t, 200, "Event recorded")
	if res.at("data", "spooled") != true {
		t.Error(res.text)
	}
}

func TestDatabaseDiesWhileRunning(t *testing.T) {
	d := storetest.New(t, storetest.PostgresPrisma)
	s := &setup{wa: newWARecorder(t), db: openStore(t, d.DSN)}
	seed(t, s.db)
	l, dsn := newLink(t, d.DSN, true)
	s.gateway = startCaddy(t, caddyfileFor(dsn, s.wa.URL))
	s.ready()
	send := func(user, session string) response {
		return s.call("POST", "/api/wa/send-message", hello, as(user, session))
	}
	if res := send(alice, aliceSession); res.status != 200 {
		t.Fatalf("%d %s", res.status, res.text)
	}
	l.cut()
	for i := range 5 {
		if res := send(alice, aliceSession); res.status != 200 {
			t.Fatalf("a caller who is known, message %d: %d %s", i, res.status, res.text)
		}
	}
	wantUnavailable(t, send(bob, bobSession))
	wantUnavailable(t, s.call("POST", "/api/wa/send-message", hello, []string{"Authorization", "Bearer wak_live_x", "X-Session-ID", aliceSession}))
	event := eventOf(alice, aliceSession, "told", "delivered", time.Now())
	wantSpooled(t, s.call("POST", "/events/message", event, nil))
	s.call("POST", "/events/message/batch", "["+event+"]", nil).wantAnswer(t, 200, "Batch recorded")
	wantUnavailable(t, s.call("GET", "/events/stats/user/"+alice, "", adminHeader))
	l.mend()
	eventually(t, "all that was told", func() bool {
		return s.sessionTotals(t, aliceSession) == [4]float64{7, 0, 1, 0}
	})
	if res := send(bob, bobSession); res.status != 200 {
		t.Errorf("%d %s", res.status, res.text)
	}
}

// TestStopWritesWhatIsQueued: outcomes that wait reach the database before the
// gateway ends.
func TestStopWritesWhatIsQueued(t *testing.T) {
	d := storetest.New(t, storetest.SQLite)
	db := openStore(t, d.DSN)
	t.Run("running", func(t *testing.T) {
		s := &setup{wa: newWARecorder(t), db: db}
		seed(t, db)
		s.gateway = startCaddy(t, caddyfileFor(d.DSN, s.wa.URL))
		s.ready()
		for range 20 {
			s.call("POST", "/api/wa/send-message", hello, as(alice, aliceSession))
		}
	})
	totals, err := db.SessionTotals(t.Context(), alice, aliceSession)
	if err != nil || totals.Sent != 20 {
		t.Errorf("%d messages are counted: %v", totals.Sent, err)
	}
}

// TestValidateTouchesNothing: `caddy validate` dials nobody, makes no file and
// leaves nothing running.
func TestValidateTouchesNothing(t *testing.T) {
	postgres, dsn := newLink(t, "postgres://user:secret@127.0.0.1:1/db", false)
	redis, redisURL := newLink(t, "redis://user:secret@127.0.0.1:1/0", false)
	server, serverURL := newLink(t, "http://127.0.0.1:1", false)
	g := &gateway{t: t, dir: t.TempDir(), port: freePort(t)}
	g.written = &logFile{filepath.Join(g.dir, "caddy.log")}
	for name, c := range map[string]string{
		"servers": caddyfileFor(dsn, serverURL, "{APP}", "limiter redis "+redisURL),
		"files":   caddyfileFor("sqlite://{DIR}/new/transactional.db", "{env.NOT_SET}", "{APP}", "demo", "sqlite://{DIR}/primary.db", "sqlite://{DIR}/new/primary.db"),
	} {
		before := goroutines()
		config, err := g.adapt(c)
		if err != nil {
			t.Fatal(err)
		}
		if err := validate(config); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if n := pooled(); n != 0 {
			t.Errorf("%s: the pools hold %d things", name, n)
		}
		eventually(t, "the goroutines to end", func() bool { return goroutines() <= before })
	}
	for name, l := range map[string]*link{"PostgreSQL": postgres, "Redis": redis, "the WA server": server} {
		l.mu.Lock()
		if l.accepted != 0 {
			t.Errorf("%s was dialled %d times", name, l.accepted)
		}
		l.mu.Unlock()
	}
	if _, err := os.Stat(filepath.Join(g.dir, "new")); !os.IsNotExist(err) {
		t.Error("a folder was made:", err)
	}
}
