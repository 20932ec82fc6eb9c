package caddywagateway

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/genfity/wa-gateway/store/storetest"
)

// waSecret is the WA server's admin token in the tests.
const waSecret = "wa-admin-secret"

// TestAnswerHeaders: what of a WA server's headers reaches clients.
func TestAnswerHeaders(t *testing.T) {
	s := newSetup(t, storetest.New(t, storetest.SQLite), "\twa_gateway\n",
		"\twa_gateway {\n\t\tallow GET /media/*\n\t\tanswer_headers X-Trace-Id x-echo\n\t}\n")
	contentType := ""
	s.wa.respond(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		for name, value := range map[string]string{
			"Server": "Express", "X-Powered-By": "PHP/5", "Set-Cookie": "sid=1", "Set-Cookie2": "sid=1", "Location": "/admin", "Content-Location": "/inside",
			"Access-Control-Allow-Origin": "*", "Access-Control-Allow-Credentials": "true", "Access-Control-Expose-Headers": "*", "Link": "</inside>",
			"Refresh": "0; url=/", "WWW-Authenticate": "Basic", "Authorization": r.Header.Get("Authorization"), "X-Auth-Token": "session-secret",
			"Token": "session-secret", "X-Session-Token": "session-secret", "Strict-Transport-Security": "max-age=1", "X-Accel-Redirect": "/etc",
			"Via": "1.1 inside", "X-Upstream": "10.0.0.7", "Alt-Svc": "h3", "X-RateLimit-Limit": "7",
			"X-Trace-Id": "trace", "X-Echo": "as " + r.Header.Get("Authorization"),
			"Cache-Control": "public, max-age=60", "Etag": `"1"`, "Content-Disposition": "inline", "Content-Security-Policy": "default-src *",
			"Content-Type": contentType,
		} {
			h.Set(name, value)
		}
		_, _ = w.Write([]byte(`<a href="x">look</a>`))
	})
	for _, path := range []string{"POST " + postMessage, "GET /api/wa/sessions/" + aliceSession + "/chats", "GET /api/wa/media/1", "GET /api/wa/sessions/" + aliceSession + "/qr"} {
		for _, contentType = range []string{"text/html; charset=utf-8", "image/svg+xml", "application/octet-stream"} {
			method, path, _ := strings.Cut(path, " ")
			body := ""
			if method == "POST" {
				body = hello
			}
			res := s.call(method, path, body, as(alice, aliceSession))
			if res.status != 200 {
				t.Fatalf("%s: %d %s", path, res.status, res.text)
			}
			for name, values := range res.header {
				switch name {
				case "Content-Type", "Content-Length", "Content-Disposition", "Cache-Control", "Etag", "Vary", "Date", "X-Content-Type-Options",
					"X-Trace-Id", "X-Echo", "Ratelimit", "Ratelimit-Policy", "X-Ratelimit-Remaining", "X-Ratelimit-Reset":
				case "Server":
					if values[0] != "Caddy" {
						t.Errorf("%s: Server %q", path, values)
					}
				case "Via":
					if values[0] != "1.1 Caddy" {
						t.Errorf("%s: Via %q", path, values)
					}
				case "X-Ratelimit-Limit":
					if values[0] != "100" {
						t.Errorf("%s: the WA server's own limit is shown: %q", path, values)
					}
				case "Content-Security-Policy":
					if contentType == "application/octet-stream" || !slices.Equal(values, []string{"sandbox"}) {
						t.Errorf("%s as %s: %q", path, contentType, values)
					}
				default:
					t.Errorf("%s: the client sees %s %q", path, name, values)
				}
				if strings.Contains(strings.Join(values, ""), waSecret) {
					t.Errorf("%s: %s shows the token: %q", path, name, values)
				}
			}
			if strings.Contains(contentType, "ml") && res.header.Get("Content-Security-Policy") != "sandbox" {
				t.Errorf("%s as %s may run scripts: %q", path, contentType, res.header.Get("Content-Security-Policy"))
			}
			if res.header.Get("X-Trace-Id") != "trace" || res.header.Get("X-Echo") == "" {
				t.Errorf("%s: what the operator lets through is missing: %v", path, res.header)
			}
			if got := res.header.Values("Cache-Control"); len(got) != 1 || got[0] != "private, max-age=60" {
				t.Errorf("%s: Cache-Control %q", path, got)
			}
			if !strings.Contains(strings.Join(res.header.Values("Vary"), ", "), "Authorization") {
				t.Errorf("%s: Vary %q", path, res.header.Values("Vary"))
			}
			if res.header.Get("X-Content-Type-Options") != "nosniff" {
				t.Errorf("%s may be sniffed", path)
			}
		}
	}
}

// TestAnswersAreMasked: the WA server's JSON is shown without credentials where it
// speaks of sessions and settings, or of an error; never with the admin token.
func TestAnswersAreMasked(t *testing.T) {
	s := newSetup(t, storetest.New(t, storetest.SQLite))
	const full = `{"id":"alice-1","token":"session-secret","webhook":{"url":"https://x","secret":"hook-secret"},"n":1.50,"list":[{"session_id":"alice-1"},{"session_id":"bob-1"}]}`
	const shown = `{"id":"alice-1","token":"***","webhook":{"url":"https://x","secret":"***"},"n":1.50,"list":[{"session_id":"alice-1"}]}`
	header := as(alice, aliceSession)
	for _, contentType := range []string{"application/json", "application/json; charset=utf-8", "application/vnd.x+json", "text/plain", "text/html"} {
		s.wa.respond(answering(200, contentType, full))
		for _, call := range []string{
			"GET /api/wa/sessions/alice-1", "POST /api/wa/sessions/alice-1/start", "GET /api/wa/sessions/alice-1/qr",
			"GET /api/wa/webhook", "POST /api/wa/webhook", "PUT /api/wa/webhook",
		} {
			method, path, _ := strings.Cut(call, " ")
			body := ""
			if method != "GET" {
				body = "{}"
			}
			if res := s.call(method, path, body, header); res.status != 200 || strings.TrimSpace(res.text) != shown {
				t.Errorf("%s as %s: %d %s", call, contentType, res.status, res.text)
			}
		}
	}
	// A created session's answer is the caller's, its credentials are not.
	s.wa.respond(jsonAnswer(201, `{"session_id":"new-1","token":"session-secret","qr":"data"}`))
	if res := s.create(t, `{"session_id":"new-1"}`); res.status != 201 || res.text != `{"session_id":"new-1","token":"***","qr":"data"}` {
		t.Errorf("a new session: %d %s", res.status, res.text)
	}
	s.remove(t, "new-1")

	broken := `{"token":"session-secret","id":`
	s.wa.respond(jsonAnswer(200, broken))
	for _, path := range []string{"/api/wa/sessions/alice-1", "/api/wa/webhook"} {
		if res := s.call("GET", path, "", header); strings.Contains(res.text, "secret") || res.json == nil {
			t.Errorf("%s: %d %s", path, res.status, res.text)
		}
	}
	s.wa.respond(jsonAnswer(500, broken))
	if res := s.call("POST", postMessage, hello, header); res.status != 500 || strings.Contains(res.text, "secret") || res.json == nil {
		t.Errorf("a broken error: %d %s", res.status, res.text)
	}
}

// TestEchoedToken: a WA server that tells what it was sent gives nothing away.
func TestEchoedToken(t *testing.T) {
	s := newSetup(t, storetest.New(t, storetest.SQLite))
	header := as(alice, aliceSession)
	for name, c := range map[string]struct {
		status      int
		contentType string
		before      string
		after       string
	}{
		"JSON error":   {401, "application/json", `{"error":"no access with `, `","authorization":"Bearer ` + waSecret + `"}`},
		"text error":   {403, "text/plain", "cannot log in with ", "!"},
		"text":         {200, "text/plain", "headers: ", "\n"},
		"JSON":         {200, "application/json", `{"message_id":"m1","debug":"`, `"}`},
		"binary":       {200, "application/octet-stream", "\x00\xff", "\x00"},
		"error page":   {502, "text/html", "<pre>Authorization: ", "</pre>"},
		"piece by one": {200, "text/plain", strings.Repeat("x", 40<<10), strings.Repeat("y", 100)},
	} {
		t.Run(name, func(t *testing.T) {
			s.wa.respond(func(w http.ResponseWriter, r *http.Request) {
				sent := r.Header.Get("Authorization")
				if !strings.Contains(sent, waSecret) {
					t.Errorf("the WA server got %q", sent)
				}
				w.Header().Set("Content-Type", c.contentType)
				w.Header().Set("Etag", `"`+sent+`"`)
				w.Header().Set("Content-Disposition", `inline; filename="`+sent+`"`)
				w.WriteHeader(c.status)
				// In pieces, so that it lies across what is read at a time.
				for _, piece := range []string{c.before + sent[:len(sent)-5], sent[len(sent)-5:], c.after} {
					_, _ = w.Write([]byte(piece))
					_ = http.NewResponseController(w).Flush()
				}
			})
			for _, call := range []string{"POST " + postMessage, "GET /api/wa/sessions/alice-1", "GET /api/wa/sessions/alice-1/chats", "GET /api/wa/sessions", "GET /api/wa/webhook"} {
				method, path, _ := strings.Cut(call, " ")
				body := ""
				if method == "POST" {
					body = hello
				}
				res := s.call(method, path, body, header)
				if strings.Contains(res.text, waSecret) {
					t.Errorf("%s shows it: %s", call, res.text[max(0, len(res.text)-200):])
				}
				for name, values := range res.header {
					if strings.Contains(strings.Join(values, ""), waSecret) {
						t.Errorf("%s shows it in %s: %q", call, name, values)
					}
				}
				if path != "/api/wa/sessions" && res.status != c.status {
					t.Errorf("%s: %d", call, res.status)
				}
				if method == "POST" && !strings.Contains(res.text, "***") {
					t.Errorf("%s: nothing shows that something was hidden: %s", call, res.text[max(0, len(res.text)-200):])
				}
			}
		})
	}
}

// TestRequestHeaders: what of a client's headers reaches the WA server.
func TestRequestHeaders(t *testing.T) {
	const option = "\twa_gateway {\n\t\trequest_headers X-Campaign x-shop\n\t}\n"
	d := storetest.New(t, storetest.SQLite)
	s := newSetup(t, d, "\twa_gateway\n", option)
	res := s.call("POST", postMessage, hello, append(as(alice, aliceSession),
		"X-Campaign", "spring", "X-Shop", "7", "X-Other", "no", "Cookie", "a=b", "X-Instance-Name", bobSession, "Idempotency-Key", "once",
		"Origin", "http://127.0.0.1:"+s.port, "X-Original-Url", "/admin", "X-Http-Method-Override", "DELETE"))
	if res.status != 200 {
		t.Fatalf("%d %s", res.status, res.text)
	}
	got := s.wa.one(t)
	for name, want := range map[string]string{
		"X-Campaign": "spring", "X-Shop": "7", "X-Other": "", "Cookie": "", "X-Instance-Name": "", "Origin": "",
		"X-Original-Url": "", "X-Http-Method-Override": "", "X-User-Id": alice, "X-Session-Id": aliceSession, "Authorization": "Bearer " + waSecret,
	} {
		if got.header.Get(name) != want {
			t.Errorf("%s reaches the WA server as %q, want %q", name, got.header.Values(name), want)
		}
	}
	// The WA server sees one client: equal keys of two tenants are two keys there,
	// one told again is the same.
	idempotency := func(user, session string) string {
		s.call("POST", postMessage, hello, append(as(user, session), "Idempotency-Key", "once"))
		return s.wa.one(t).header.Get("Idempotency-Key")
	}
	key := got.header.Get("Idempotency-Key")
	if key == "" || idempotency(alice, aliceSession) != key || idempotency(bob, bobSession) == key || idempotency(alice, aliceOther) == key {
		t.Errorf("Idempotency-Key reaches the WA server as %q", key)
	}
	for _, list := range []string{"request_headers", "answer_headers"} {
		for _, name := range []string{
			"Authorization", "authorization", "X-User-ID", "X_Session_Id", "Cookie", "Set-Cookie", "Token", "apikey", "X-Api-Key", "Connection",
			"Transfer-Encoding", "Content-Length", "X-Original-URL", "X-HTTP-Method-Override", "bad:name", "Upgrade", "X-Auth-Token",
		} {
			config, err := s.adapt(caddyfileFor(d.DSN, s.wa.URL, "\twa_gateway\n", "\twa_gateway {\n\t\t"+list+" X-Good "+name+"\n\t}\n"))
			if err == nil {
				err = loadQuietly(config)
			}
			if err == nil {
				t.Errorf("%s %s was taken", list, name)
			}
		}
	}
	// The old configuration still serves.
	if res := s.call("POST", postMessage, hello, as(alice, aliceSession)); res.status != 200 {
		t.Errorf("%d %s", res.status, res.text)
	}
}
