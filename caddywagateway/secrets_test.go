package caddywagateway

import (
	"bytes"
	"io"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/genfity/wa-gateway/store/storetest"
)

func init() {
	caddy.RegisterModule(panicking{})
	httpcaddyfile.RegisterHandlerDirective("test_panic", func(h httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
		return new(panicking), nil
	})
	httpcaddyfile.RegisterDirectiveOrder("test_panic", httpcaddyfile.Before, "reverse_proxy")
}

// panicking is a handler with a bug, behind the gateway, where requests carry the
// WA server's token.
type panicking struct{}

// CaddyModule returns the Caddy module information.
func (panicking) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.test_panic", New: func() caddy.Module { return new(panicking) }}
}

func (panicking) ServeHTTP(_ http.ResponseWriter, r *http.Request, _ caddyhttp.Handler) error {
	var nothing *http.Request
	_ = r.Header.Get("Authorization")
	_ = nothing.Header
	return nil
}

// TestSecretsOfARun runs Caddy with the repository's own Caddyfile and a secret in
// every variable that can hold one, breaks everything that can break, and looks for
// the secrets in all that comes out: the log and what goes to stderr, the answers,
// the configuration, metrics and debugging pages of Caddy's admin endpoint, the
// files that Caddy writes.
func TestSecretsOfARun(t *testing.T) {
	text, err := os.ReadFile("../Caddyfile")
	if err != nil {
		t.Fatal(err)
	}
	d := storetest.New(t, storetest.SQLite)
	seed(t, openStore(t, d.DSN))
	wa := newWARecorder(t)
	r := &secretRun{t: t, dir: t.TempDir(), port: freePort(t), admin: freePort(t)}
	// More is logged and shown than by default, and one path has a bug.
	caddyfile := strings.Replace(string(text), "{\n", "{\n\tadmin 127.0.0.1:"+r.admin+"\n\tdebug\n\tmetrics\n", 1)
	caddyfile = strings.Replace(caddyfile, "\t\treverse_proxy {", "\t\ttest_panic /send-sticker\n\t\ttest_panic /api/wa/send-sticker\n\t\treverse_proxy {", 1)
	if err := os.WriteFile(filepath.Join(r.dir, "Caddyfile"), []byte(caddyfile), 0o600); err != nil {
		t.Fatal(err)
	}
	// A database that lets nobody in, a Redis that is away.
	const dead = "127.0.0.1:1"
	for name, env := range map[string][]string{
		"it works":                 {"TRANSACTIONAL_DB_URL=" + d.DSN},
		"databases are away":       {"TRANSACTIONAL_DB_URL=postgres://u:hush-db@" + dead + "/x", "DB_URL=postgres://u:hush-db2@" + dead + "/y"},
		"a DSN that is none":       {"TRANSACTIONAL_DB_URL=postgres://u:hush-db@ho st:x/%zz"},
		"a database in parts":      {"TRANSACTIONAL_DB_HOST=127.0.0.1", "TRANSACTIONAL_DB_PORT=1", "TRANSACTIONAL_DB_USER=u", "TRANSACTIONAL_DB_PASSWORD=hush-db p'ss=", "TRANSACTIONAL_DB_NAME=x", "TRANSACTIONAL_DB_SSLMODE=disable"},
		"Redis is away":            {"TRANSACTIONAL_DB_URL=" + d.DSN, "REDIS_URL=redis://u:hush-redis@" + dead + "/0"},
		"a Redis URL that is none": {"TRANSACTIONAL_DB_URL=" + d.DSN, "REDIS_URL=redis://u:hush-redis@" + dead + "/%zz?hush-redis=1"},
		"a WA server with a login": {"TRANSACTIONAL_DB_URL=" + d.DSN, "WA_SERVER_URL=http://u:hush-wa@" + dead},
	} {
		t.Run(name, func(t *testing.T) {
			r.t = t
			r.run(append([]string{
				"WA_SERVER_URL=" + wa.URL, "WA_ADMIN_TOKEN=hush-wa-admin-token", "ADMIN_TOKEN=hush-admin-token", "EVENTS_TOKEN=hush-events-token",
			}, env...), func() { r.provoke(wa) })
			if name == "it works" && !strings.Contains(r.printed, "panic") {
				t.Error("nothing panicked: the test shows less than it says")
			}
		})
	}
}

// secretRun is a Caddy in a process of its own.
type secretRun struct {
	t           *testing.T
	dir         string
	port, admin string
	printed     string
}

// run starts Caddy, lets during do its work once Caddy answers, if it ever does,
// stops it, and looks through all that is left.
func (r *secretRun) run(env []string, during func()) {
	r.t.Helper()
	program, err := os.Executable()
	if err != nil {
		r.t.Fatal(err)
	}
	home := r.t.TempDir()
	args := []string{"run", "--config", filepath.Join(r.dir, "Caddyfile"), "--adapter", "caddyfile"}
	cmd := exec.CommandContext(r.t.Context(), program, append([]string{"-test.run=^TestCommandHelperProcess$", "--"}, args...)...)
	cmd.Dir = home
	cmd.Env = append([]string{
		"HOME=" + home, "XDG_CONFIG_HOME=" + home, "XDG_DATA_HOME=" + home, "PORT=" + r.port,
		asCaddy + "=" + strings.Repeat("x ", len(args)),
	}, env...)
	var printed bytes.Buffer
	cmd.Stdout, cmd.Stderr = &printed, &printed
	if err := cmd.Start(); err != nil {
		r.t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = cmd.Wait()
	}()
	if r.up(ended) {
		during()
		_ = cmd.Process.Signal(os.Interrupt)
	} else {
		r.t.Log("Caddy refused the configuration")
	}
	select {
	case <-ended:
	case <-time.After(20 * time.Second):
		_ = cmd.Process.Kill()
		<-ended
	}
	r.printed = printed.String()
	r.want("what Caddy printed", r.printed)
	if printed.Len() == 0 {
		r.t.Error("Caddy printed nothing: the test shows nothing")
	}
	err = filepath.WalkDir(home, func(path string, entry fs.DirEntry, err error) error {
		// What events say is data, in the databases' files and the journals' alike.
		if err != nil || entry.IsDir() || strings.Contains(entry.Name(), ".db") || strings.HasSuffix(entry.Name(), ".seg") {
			return err
		}
		text, err := os.ReadFile(path)
		r.want(path, string(text))
		return err
	})
	if err != nil {
		r.t.Error(err)
	}
}

// up waits until Caddy listens; it reports false when Caddy ended instead.
func (r *secretRun) up(ended <-chan struct{}) bool {
	for {
		select {
		case <-ended:
			return false
		case <-time.After(20 * time.Millisecond):
		}
		if _, status := r.get("http://127.0.0.1:" + r.port + "/api/wa/nothing"); status != 0 {
			return true
		}
	}
}

// get fetches a page; status 0 means that nobody answered.
func (r *secretRun) get(address string, header ...string) (text string, status int) {
	return r.do(http.MethodGet, address, "", header...)
}

func (r *secretRun) do(method, address, body string, header ...string) (text string, status int) {
	req, err := http.NewRequestWithContext(r.t.Context(), method, address, strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	req.Close = true
	req.Header.Set("Content-Type", "application/json")
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", 0
	}
	defer res.Body.Close()
	raw, _ := io.ReadAll(res.Body)
	var all strings.Builder
	_ = res.Header.Write(&all)
	return all.String() + string(raw), res.StatusCode
}

func (r *secretRun) want(what, text string) {
	r.t.Helper()
	if mark := findSecret(text); mark != "" {
		at := strings.Index(text, mark)
		r.t.Errorf("a secret (%s…) is in %s, after %q", strings.TrimSuffix(mark, "-"), what, text[max(0, at-200):at])
	}
}

// provoke calls everything, with good and bad credentials, while the WA server
// answers, fails, tells what it was sent, and breaks off.
func (r *secretRun) provoke(wa *waRecorder) {
	const message = `{"to":"628123456789","message":"hush-message"}`
	site := "http://127.0.0.1:" + r.port
	deadline := time.Now().Add(2 * time.Second)
	for {
		if _, status := r.get(site + "/api/wa/health"); status == http.StatusOK || time.Now().After(deadline) {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	alices := []string{"X-User-ID", alice, "X-Session-ID", aliceSession, "Cookie", "a=hush-cookie"}
	for _, answer := range []http.HandlerFunc{
		nil,
		jsonAnswer(500, `{"error":"broken"}`),
		func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		func(w http.ResponseWriter, r *http.Request) {
			// What a careless server says of a request that it did not like.
			w.Header().Set("X-Debug", r.Header.Get("Authorization"))
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = io.WriteString(w, `{"error":"unknown token","authorization":"`+r.Header.Get("Authorization")+`","seen":"`+r.Header.Get("Authorization")+`"}`)
		},
	} {
		wa.respond(answer)
		for _, c := range [][3]string{
			{"POST", "/api/wa/send-message", message},
			{"POST", "/api/wa/send-message?token=hush-query&apikey=hush-query&key=hush-query&access_token=hush-query", message},
			{"POST", "/api/wa/send-message", message + "}"},
			{"POST", "/api/wa/send-sticker", message}, // the bug
			{"GET", "/api/wa/sessions", ""},
			{"POST", "/api/wa/sessions", `{"session_id":"alice-9"}`},
			{"GET", "/api/wa/sessions/" + aliceSession, ""},
			{"GET", "/api/wa/stats/" + alice, ""},
			{"GET", "/api/wa/health", ""},
			{"POST", "/events/message", `{"user_id":"hush-user"`},
			{"POST", "/events/webhook", message},
			{"GET", "/events/admin/stats", ""},
		} {
			for _, header := range [][]string{
				alices,
				{"Authorization", "Bearer " + columnKey + alice, "X-Session-ID", aliceSession},
				{"Authorization", "Bearer hush-admin-token"},
				{"Authorization", "Bearer hush-events-token"},
				{"Authorization", "Bearer hush-wrong", "X-Session-ID", aliceSession, "Token", "hush-token", "Apikey", "hush-key", "X-Api-Key", "hush-key"},
			} {
				text, _ := r.do(c[0], site+c[1], c[2], header...)
				r.want("the answer to "+c[0]+" "+c[1], text)
			}
		}
	}
	wa.respond(nil)
	wa.all()
	for _, page := range []string{"/config/", "/config/apps/wa_gateway", "/metrics", "/debug/vars", "/debug/pprof/cmdline", "/debug/pprof/goroutine?debug=2", "/reverse_proxy/upstreams", "/pki/ca/local"} {
		text, status := r.get("http://127.0.0.1:" + r.admin + page)
		if page == "/config/" && status != http.StatusOK {
			r.t.Errorf("%s: %d", page, status)
		}
		r.want(page, text)
	}
}

// TestSecretsAreFound: the scanner that all tests rely on sees what it is shown.
func TestSecretsAreFound(t *testing.T) {
	for text, want := range map[string]bool{
		"nothing": false, "a wak_live_ prefix": false, "wak_live_abcd1234": false,
		"x hush-token": true, waToken: true, "Bearer " + columnKey + alice: true, "wak_test_" + strings.Repeat("a", 32): true,
	} {
		if got := findSecret(text) != ""; got != want {
			t.Errorf("%q: %v", text, got)
		}
		s := new(secretScanner)
		for i := range len(text) { // in pieces
			_, _ = s.Write([]byte{text[i]})
		}
		if got := s.found() != ""; got != want {
			t.Errorf("%q, in pieces: %v", text, got)
		}
	}
}
