package deliver_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/genfity/wa-gateway/deliver"
	"github.com/genfity/wa-gateway/media"
	"github.com/genfity/wa-gateway/signature"
	"github.com/genfity/wa-gateway/store"
	"github.com/genfity/wa-gateway/store/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const secret = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="

// patience is how long a test waits for what must come.
const patience = 20 * time.Second

var loopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}

// soon are pauses that no test has to wait for.
var soon = []time.Duration{1, 1, 1}

// queues runs a test on both kinds of primary databases.
func queues(t *testing.T, test func(t *testing.T, d *storetest.Database, p *store.Primary)) {
	t.Helper()
	t.Parallel()
	for _, kind := range []storetest.Kind{storetest.SQLite, storetest.PostgresSnake} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			d := storetest.New(t, kind)
			test(t, d, newQueue(t, d))
		})
	}
}

// queue runs a test to which the kind is all the same on one of them.
func queue(t *testing.T, test func(t *testing.T, d *storetest.Database, p *store.Primary)) {
	t.Helper()
	t.Parallel()
	d := storetest.New(t, storetest.SQLite)
	test(t, d, newQueue(t, d))
}

func newQueue(t *testing.T, d *storetest.Database) *store.Primary {
	t.Helper()
	p := openQueue(t, d)
	if _, err := p.Migrate(t.Context(), store.MigrateOptions{}); err != nil {
		t.Fatal(err)
	}
	return p
}

func openQueue(t *testing.T, d *storetest.Database) *store.Primary {
	t.Helper()
	db, err := store.Open(store.Config{DSN: d.DSN})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return store.NewPrimary(db)
}

// post is what a customer was told.
type post struct {
	id, session, body string
	header            http.Header
}

// customer is a server that a customer's URL leads to.
type customer struct {
	t      *testing.T
	server *httptest.Server
	posts  chan post
	// answer decides by the number of the post, from 1 on; nil: 204.
	answer func(w http.ResponseWriter, r *http.Request, n int)

	mu     sync.Mutex
	n      int
	flying map[string]bool // sessions
}

func newCustomer(t *testing.T, answer func(w http.ResponseWriter, r *http.Request, n int)) *customer {
	t.Helper()
	c := &customer{t: t, posts: make(chan post, 1000), answer: answer, flying: map[string]bool{}}
	c.server = httptest.NewServer(c)
	t.Cleanup(c.server.Close)
	return c
}

func (c *customer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	var payload struct {
		SessionID string `json:"session_id"`
	}
	if err != nil || json.Unmarshal(body, &payload) != nil || r.Method != http.MethodPost {
		c.t.Errorf("%s of %q, %v", r.Method, body, err)
	}
	verifier, err := signature.New(signature.Options{Secrets: []string{secret}, RequireTimestamp: true})
	if err != nil {
		c.t.Error(err)
		return
	}
	if _, err := verifier.Check(r.Header, body); err != nil {
		c.t.Errorf("the signature of %s: %v", body, err)
	}
	p := post{id: r.Header.Get("Webhook-Id"), session: payload.SessionID, body: string(body), header: r.Header}
	c.mu.Lock()
	c.n++
	n := c.n
	if c.flying[p.session] {
		c.t.Errorf("two posts of session %s at once", p.session)
	}
	c.flying[p.session] = true
	c.mu.Unlock()
	defer func() {
		c.landed(p.session)
		c.posts <- p
	}()
	if c.answer == nil {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	c.answer(w, r, n)
}

// landed says that the next post of a session may come. Whoever lets one hang has to say
// so before, since the sender gives up earlier than the server notices.
func (c *customer) landed(session string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.flying[session] = false
}

// told waits for the next post.
func (c *customer) told() post {
	c.t.Helper()
	select {
	case p := <-c.posts:
		return p
	case <-time.After(patience):
		c.t.Fatal("nothing was posted")
		return post{}
	}
}

// quiet checks that nothing was posted beyond what was waited for; the Sender is closed.
func (c *customer) quiet() {
	c.t.Helper()
	if n := len(c.posts); n > 0 {
		c.t.Errorf("%d more posts, the first %+v", n, <-c.posts)
	}
}

// rig is a Sender and what it has logged.
type rig struct {
	*deliver.Sender
	logs *observer.ObservedLogs
}

// send starts a Sender to a URL; set may change its options.
func send(t *testing.T, q deliver.Queue, url string, set func(*deliver.Options)) *rig {
	t.Helper()
	core, logs := observer.New(zapcore.InfoLevel)
	o := deliver.Options{
		Queue: q, Transport: media.GuardedTransport(loopback), Interval: 2 * time.Millisecond, Retries: soon, Logger: zap.New(core),
		Target: func(context.Context, string) (string, string, error) { return url, secret, nil },
	}
	if set != nil {
		set(&o)
	}
	s := &rig{deliver.New(o), logs}
	s.Start()
	t.Cleanup(func() { s.close(t) })
	return s
}

// close lets what is under way end.
func (s *rig) close(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := s.Close(ctx); err != nil {
		t.Error(err)
	}
}

// said waits until a text was logged.
func (s *rig) said(t *testing.T, text string) observer.LoggedEntry {
	t.Helper()
	deadline := time.After(patience)
	for {
		if found := s.logs.FilterMessageSnippet(text).All(); len(found) > 0 {
			return found[0]
		}
		select {
		case <-deadline:
			t.Fatalf("%q was not logged: %+v", text, s.logs.All())
		case <-time.After(time.Millisecond):
		}
	}
}

func add(t *testing.T, p *store.Primary, session string, ids ...string) {
	t.Helper()
	list := make([]store.Delivery, len(ids))
	for i, id := range ids {
		list[i] = store.Delivery{EventID: id, SessionID: session, Body: fmt.Appendf(nil, `{"session_id":%q,"id":%q}`, session, id)}
	}
	if _, err := p.AddDeliveries(t.Context(), list); err != nil {
		t.Fatal(err)
	}
}

func waiting(t *testing.T, d *storetest.Database) int {
	t.Helper()
	return d.Count(t, d.Own("deliveries"), "done_at IS NULL")
}

// lapse lets all leases and pauses end.
func lapse(t *testing.T, d *storetest.Database) {
	t.Helper()
	const past = `'2001-01-01T00:00:00.000Z'`
	d.Exec(t, `UPDATE `+d.Own("delivery_sessions")+` SET free_at = `+past+`, due_at = `+past+` WHERE due_at IS NOT NULL`)
	d.Exec(t, `UPDATE `+d.Own("deliveries")+` SET next_at = `+past+` WHERE done_at IS NULL`)
}
