package caddywagateway

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	_ "github.com/caddyserver/caddy/v2/modules/standard"

	"github.com/genfity/wa-gateway/store"
)

// gateway is a real Caddy with the real handler chain, in this process. There
// can be one at a time.
type gateway struct {
	t       testing.TB
	url     string
	port    string
	client  *http.Client
	dir     string
	written *logFile
	answers *secretScanner
}

// freePort finds a port that nobody listens on.
func freePort(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// logFile is where Caddy logs to, as JSON.
type logFile struct{ path string }

func (l *logFile) read(t testing.TB) string {
	t.Helper()
	text, err := os.ReadFile(l.path)
	if errors.Is(err, fs.ErrNotExist) {
		return "" // nothing was logged
	}
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// startCaddy runs a Caddyfile. {PORT} in it becomes a free port, {LOG} the
// options of a log that the test can read, {DIR} a folder of the test's own.
func startCaddy(t testing.TB, caddyfile string) *gateway {
	t.Helper()
	g := &gateway{t: t, dir: t.TempDir(), client: &http.Client{
		Timeout:       20 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	g.written = &logFile{filepath.Join(g.dir, "caddy.log")}
	g.port = freePort(t)
	g.url = "http://127.0.0.1:" + g.port
	g.answers = new(secretScanner)
	g.client.Transport = &scannedTransport{http.DefaultTransport.(*http.Transport).Clone(), g.answers}
	t.Cleanup(func() {
		if mark := g.answers.found(); mark != "" {
			t.Errorf("a secret (%s…) is in an answer", mark)
		}
		if mark := findSecret(g.written.read(t)); mark != "" {
			t.Errorf("a secret (%s…) is in the log", mark)
		}
	})
	g.start(caddyfile)
	t.Cleanup(func() {
		g.client.CloseIdleConnections()
		if err := caddy.Stop(); err != nil {
			t.Error("stopping Caddy:", err)
		}
	})
	return g
}

// start loads the first Caddyfile. A port that was free may be another's by then.
func (g *gateway) start(caddyfile string) {
	g.t.Helper()
	for range 5 {
		config, err := g.adapt(caddyfile)
		if err != nil {
			g.t.Fatal(err)
		}
		if err = caddy.Load(config, true); err == nil {
			return
		}
		// Caddy does not always wrap what an app says.
		if !errors.Is(err, syscall.EADDRINUSE) && !strings.Contains(err.Error(), syscall.EADDRINUSE.Error()) {
			g.t.Fatal("loading the configuration:", err)
		}
		g.port = freePort(g.t)
		g.url = "http://127.0.0.1:" + g.port
	}
	g.t.Fatal("found no port that stays free")
}

// load adapts and loads a Caddyfile, as a reload does.
func (g *gateway) load(caddyfile string) {
	g.t.Helper()
	config, err := g.adapt(caddyfile)
	if err != nil {
		g.t.Fatal(err)
	}
	if err := caddy.Load(config, true); err != nil {
		g.t.Fatal("loading the configuration:", err)
	}
}

func (g *gateway) adapt(caddyfile string) ([]byte, error) {
	text := strings.NewReplacer(
		"{PORT}", g.port, "{DIR}", g.dir,
		"{GLOBAL}", "admin off\n\tpersist_config off\n\tgrace_period 2s\n\tlog {\n\t\toutput file "+g.written.path+"\n\t\tlevel DEBUG\n\t}",
	).Replace(caddyfile)
	config, warnings, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(text), map[string]any{"filename": "Caddyfile"})
	for _, w := range warnings {
		if !strings.Contains(w.Message, "not formatted") {
			g.t.Log(w)
		}
	}
	return config, err
}

// ready waits until the databases are up.
func (g *gateway) ready() {
	g.t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for {
		// Caddy itself breaks a connection now and then that waits while a reload
		// swaps the listener.
		res, err := g.try("GET", "/api/wa/health", "", nil)
		up := func(name string) bool { return res.at("data", "dependencies", name, "status") == stateUp }
		if err == nil && up("transactional_db") && up("primary_db") {
			return
		}
		if time.Now().After(deadline) {
			g.t.Fatalf("the gateway did not become ready: %s\n%s", res.text, g.written.read(g.t))
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// response is an answer with its body read.
type response struct {
	status int
	header http.Header
	text   string
	json   any
}

// at digs into the JSON of an answer.
func (r response) at(path ...string) any {
	v := r.json
	for _, name := range path {
		m, _ := v.(map[string]any)
		v = m[name]
	}
	return v
}

// call makes a request; header is a list of names and values.
func (g *gateway) call(method, path, body string, header []string) response {
	g.t.Helper()
	res, err := g.try(method, path, body, header)
	if err != nil {
		g.t.Fatalf("%s %s: %v", method, path, err)
	}
	return res
}

func (g *gateway) try(method, path, body string, header []string) (response, error) {
	var reader io.Reader
	if body != "" {
		reader = strings.NewReader(body)
	}
	req, err := http.NewRequestWithContext(context.Background(), method, g.url+path, reader)
	if err != nil {
		return response{}, err
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := g.client.Do(req)
	if err != nil {
		return response{}, err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return response{}, err
	}
	return newResponse(res.StatusCode, res.Header, text), nil
}

func newResponse(status int, header http.Header, text []byte) response {
	r := response{status: status, header: header, text: string(text)}
	_ = json.Unmarshal(text, &r.json)
	return r
}

// wantAnswer checks an answer of the gateway's own: status, shape and message.
func (r response) wantAnswer(t testing.TB, status int, message string) {
	t.Helper()
	if r.status != status {
		t.Fatalf("status %d, want %d: %s", r.status, status, r.text)
	}
	if got := r.at("status"); got != float64(status) {
		t.Errorf("status in the body is %v: %s", got, r.text)
	}
	if got, _ := r.at("message").(string); message != "" && got != message {
		t.Errorf("message %q, want %q", got, message)
	}
	if got := r.header.Get("Content-Type"); !strings.HasPrefix(got, "application/json") {
		t.Errorf("Content-Type %q", got)
	}
}

// received is a request that reached the WA server.
type received struct {
	method, uri string
	header      http.Header
	body        []byte
}

func (r received) json(t testing.TB) map[string]any {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal(r.body, &m); err != nil {
		t.Fatalf("the WA server got %q: %v", r.body, err)
	}
	return m
}

// waRecorder is a WA server that records what reaches it.
type waRecorder struct {
	*httptest.Server
	mu     sync.Mutex
	got    []received
	answer http.HandlerFunc // nil: a success with a message id
}

func newWARecorder(t testing.TB) *waRecorder {
	t.Helper()
	wa := new(waRecorder)
	count := 0
	wa.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/" {
			return // the health endpoint looks whether the server is there
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			panic(http.ErrAbortHandler) // the gateway broke the request off
		}
		wa.mu.Lock()
		wa.got = append(wa.got, received{r.Method, r.RequestURI, r.Header.Clone(), body})
		count++
		id := fmt.Sprintf("wamid.%d", count)
		answer := wa.answer
		wa.mu.Unlock()
		if answer != nil {
			r.Body = io.NopCloser(bytes.NewReader(body))
			answer(w, r)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"success":true,"data":{"message_id":%q}}`, id)
	}))
	t.Cleanup(wa.Close)
	return wa
}

func (wa *waRecorder) respond(answer http.HandlerFunc) {
	wa.mu.Lock()
	defer wa.mu.Unlock()
	wa.answer = answer
}

// all returns what was received, and forgets it.
func (wa *waRecorder) all() []received {
	wa.mu.Lock()
	defer wa.mu.Unlock()
	got := wa.got
	wa.got = nil
	return got
}

// one returns the only request that was received.
func (wa *waRecorder) one(t testing.TB) received {
	t.Helper()
	got := wa.all()
	if len(got) != 1 {
		t.Fatalf("%d requests reached the WA server", len(got))
	}
	return got[0]
}

// none checks that nothing reached the WA server.
func (wa *waRecorder) none(t testing.TB) {
	t.Helper()
	if got := wa.all(); len(got) != 0 {
		t.Fatalf("%s %s reached the WA server", got[0].method, got[0].uri)
	}
}

// The cast of the tests: two tenants, one whose subscription has ended, one who
// has none, one who is switched off.
const (
	alice, aliceSession, aliceOther = "ckalice", "alice-1", "alice-2"
	bob, bobSession                 = "ckbob", "bob-1"
	expired, expiredSession         = "ckexpired", "expired-1"
	unpaid, unpaidSession           = "ckunpaid", "unpaid-1"
	inactive, inactiveSession       = "ckinactive", "inactive-1"
	basicPackage                    = "Basic"
)

// seed enters the cast.
func seed(t testing.TB, db *store.Transactional) {
	t.Helper()
	ctx := t.Context()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, p := range []store.Package{{ID: "ckbasic", Name: basicPackage, MaxSession: 3}, {ID: "ckpro", Name: "Pro", MaxSession: 10}} {
		must(db.AddPackage(ctx, &p))
	}
	for _, id := range []string{alice, bob, expired, unpaid, inactive} {
		key := columnKey + id
		must(db.CreateUser(ctx, &store.User{ID: id, Role: "customer", APIKey: &key, IsActive: id != inactive}))
	}
	for _, s := range [][2]string{
		{alice, aliceSession}, {alice, aliceOther}, {bob, bobSession}, {expired, expiredSession},
		{unpaid, unpaidSession}, {inactive, inactiveSession},
	} {
		must(db.AddSession(ctx, &store.Session{SessionID: s[1], UserID: &s[0], Status: "connected"}))
	}
	for _, id := range []string{alice, bob, inactive} {
		must(db.SetSubscription(ctx, id, "ckbasic", store.SubscriptionActive, time.Now().Add(24*time.Hour)))
	}
	must(db.SetSubscription(ctx, expired, "ckbasic", store.SubscriptionActive, time.Now().Add(-time.Minute)))
}

// as are the headers of an asserted identity.
func as(user, session string) []string {
	return []string{"X-User-ID", user, "X-Session-ID", session}
}

// eventually waits for a condition that becomes true in the background.
func eventually(t testing.TB, what string, condition func() bool) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for !condition() {
		if time.Now().After(deadline) {
			t.Fatal("waited in vain for", what)
		}
		time.Sleep(10 * time.Millisecond)
	}
}
