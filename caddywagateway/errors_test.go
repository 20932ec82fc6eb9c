package caddywagateway

import (
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/genfity/wa-gateway/store"
	"github.com/genfity/wa-gateway/store/storetest"
)

// TestHandleErrors: error routes see the status and the message; what none of
// them answers comes out in the gateway's own shape.
func TestHandleErrors(t *testing.T) {
	s := newSetup(t, storetest.New(t, storetest.SQLite), "{APP}", "rate_limit 1 60s", "{SITE}", `
	handle_errors 429 {
		header Content-Type text/plain
		header X-Path {http.request.uri}
		respond "Slow down: {err.message} ({err.status_code}, {http.error.message})" 429
	}
	handle_errors 403 {
		header Content-Type application/problem+json
		respond `+"`"+`{"title":"{err.message}","status":{http.error.status_code}}`+"`"+` 403
	}
	handle_errors 404 {
		header X-Styled yes
	}`)
	who := as(alice, aliceSession)
	if res := s.call("POST", "/api/wa/send-message", hello, who); res.status != 200 {
		t.Fatalf("%d %s", res.status, res.text)
	}
	res := s.call("POST", "/api/wa/send-message?a=b", hello, who)
	if res.status != 429 || res.text != "Slow down: Rate limit exceeded (429, Rate limit exceeded)" || !strings.HasPrefix(res.header.Get("Content-Type"), "text/plain") {
		t.Errorf("%d %s %s", res.status, res.header.Get("Content-Type"), res.text)
	}
	if got := res.header.Get("X-Path"); got != "/api/wa/send-message?a=b" {
		t.Errorf("the error route saw %q", got)
	}
	if res.header.Get("Retry-After") == "" || res.header.Get("RateLimit") == "" {
		t.Errorf("the restyled answer has no limit: %v", res.header)
	}
	res = s.call("POST", "/api/wa/send-message", hello, as(expired, expiredSession))
	if res.status != 403 || res.text != `{"title":"Subscription expired or inactive","status":403}` || res.header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("%d %s %s", res.status, res.header.Get("Content-Type"), res.text)
	}
	res = s.call("GET", "/events/stats/user/"+alice, "", as(bob, bobSession))
	if res.status != 403 || !strings.HasPrefix(res.text, `{"title":`) {
		t.Errorf("of the events handler: %d %s", res.status, res.text)
	}
	// A route that only adds to the answer leaves it to the gateway.
	res = s.call("GET", "/api/wa/unknown", "", who)
	res.wantAnswer(t, 404, "")
	if res.header.Get("X-Styled") != "yes" {
		t.Errorf("the error route was not run: %v", res.header)
	}
	// No route handles these.
	s.call("POST", "/api/wa/send-message", hello, nil).wantAnswer(t, 401, messageUnauthenticated)
	s.call("PATCH", "/api/wa/send-message", hello, who).wantAnswer(t, 405, "")
	s.call("POST", "/events/message", "{", nil).wantAnswer(t, 400, "")
	s.wa.Close()
	s.call("POST", "/api/wa/send-message", hello, as(bob, bobSession)).wantAnswer(t, 502, messageNotForwarded)
}

// TestNoSecretsAnywhere scans all answers and the whole log of a run, at its
// most talkative, for what nobody may read there.
func TestNoSecretsAnywhere(t *testing.T) {
	d := storetest.New(t, storetest.PostgresSnake)
	dsn, err := url.Parse(d.DSN)
	if err != nil {
		t.Fatal(err)
	}
	password, _ := dsn.User.Password()
	redis, err := url.Parse(os.Getenv("WA_TEST_REDIS_URL"))
	if err != nil {
		t.Fatal(err)
	}
	redisPassword, _ := redis.User.Password()
	t.Setenv("DSN_OF_TEST", d.DSN)
	t.Setenv("REDIS_URL_OF_TEST", redis.String())
	changes := []string{
		"transactional_db {DSN}", "transactional_db {env.DSN_OF_TEST}", "primary_db sqlite://{DIR}/primary.db", "primary_db {env.DSN_OF_TEST}",
		"{APP}", "events_token events-secret\n limiter redis {env.REDIS_URL_OF_TEST}",
	}
	s := newSetup(t, d, changes...)
	key, _, err := s.db.CreateKey(t.Context(), store.NewKey{UserID: alice, Name: "test", Mode: store.KeyModeLive})
	if err != nil {
		t.Fatal(err)
	}
	test, _, err := s.db.CreateKey(t.Context(), store.NewKey{UserID: alice, Name: "test", Mode: store.KeyModeTest})
	if err != nil {
		t.Fatal(err)
	}
	secrets := map[string]string{
		"the WA server's token": "wa-admin-secret", "the admin token": "admin-secret", "the events token": "events-secret",
		"an API key": key, "a test key": test, "an api_key of the column": "column-key-" + alice, "an unknown key": "wak_live_unknown",
		"the database's password": password, "Redis's password": redisPassword, "a cookie": "cookie-secret", "the text of a message": "private text",
	}
	var answers strings.Builder
	call := func(method, path, body string, header ...string) {
		res := s.call(method, path, body, header)
		answers.WriteString(res.text)
		_ = res.header.Write(&answers)
	}
	message := `{"to":"628123456789","message":"private text"}`
	for _, credential := range []string{key, test, "column-key-" + alice, "wak_live_unknown", "wa-admin-secret", "admin-secret", "events-secret"} {
		header := []string{"Authorization", "Bearer " + credential, "X-Session-ID", aliceSession, "Cookie", "a=cookie-secret"}
		for _, c := range [][3]string{
			{"POST", "/api/wa/send-message", message},
			{"POST", "/api/wa/send-message", message + "}"},
			{"POST", "/api/wa/broadcast", `{"recipients":["1","2"],"message":"private text"}`},
			{"GET", "/api/wa/sessions", ""},
			{"POST", "/api/wa/sessions", `{"session_id":"` + bobSession + `"}`},
			{"GET", "/api/wa/sessions/" + bobSession, ""},
			{"GET", "/api/wa/subscription/" + alice, ""},
			{"GET", "/api/wa/stats/" + alice, ""},
			{"GET", "/api/wa/health", ""},
			{"GET", "/api/wa/unknown", ""},
			{"PATCH", "/api/wa/send-message", message},
			{"POST", "/events/message", eventOf(alice, aliceSession, "m", "failed", time.Now(), "error", `"private text"`)},
			{"POST", "/events/message", eventOf("nobody", aliceSession, "m", "sent", time.Now())},
			{"POST", "/events/message", `{"private text"`},
			{"POST", "/events/message/batch", `[{"error":"private text"}]`},
			{"POST", "/events/webhook", `{"body":"private text"}`},
			{"GET", "/events/admin/stats", ""},
			{"DELETE", "/events/admin/stats/user/nobody", ""},
		} {
			call(c[0], c[1], c[2], header...)
		}
	}
	// The WA server shows what it was sent, fails, and goes away.
	s.wa.respond(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	call("POST", "/api/wa/send-message", message, as(alice, aliceSession)...)
	s.wa.respond(jsonAnswer(500, `{"error":"broken"}`))
	call("POST", "/api/wa/sessions", `{}`, as(bob, bobSession)...)
	s.wa.Close()
	call("POST", "/api/wa/send-message", message, as(alice, aliceSession)...)
	// The databases refuse the gateway, or are not there.
	for _, change := range []func(*url.URL){
		func(u *url.URL) { u.User = url.UserPassword("nobody-there", password) },
		func(u *url.URL) { u.Host = "127.0.0.1:1" },
		func(u *url.URL) { u.Path = "/no-such-database" },
	} {
		broken := *dsn
		change(&broken)
		t.Setenv("DSN_OF_TEST", broken.String())
		s.load(caddyfileFor(d.DSN, s.wa.URL, changes...))
		eventually(t, "the log of what is wrong", func() bool {
			return strings.Contains(s.written.read(t), "databases are not ready")
		})
		call("GET", "/api/wa/health", "")
		call("POST", "/api/wa/send-message", message, as(alice, aliceSession)...)
		call("POST", "/events/message", message, "Authorization", "Bearer events-secret")
	}
	t.Setenv("DSN_OF_TEST", "postgres://u:"+password+"@ho st/x")
	if config, err := s.adapt(caddyfileFor(d.DSN, s.wa.URL, changes...)); err != nil {
		t.Error(err)
	} else if err := loadQuietly(config); err == nil {
		t.Error("a DSN that cannot be parsed was taken")
	} else {
		answers.WriteString(err.Error())
	}
	written := s.written.read(t)
	for name, secret := range secrets {
		if secret == "" {
			t.Fatalf("%s is empty", name)
		}
		if strings.Contains(answers.String(), secret) {
			t.Errorf("%s is in an answer", name)
		}
		for line := range strings.Lines(written) {
			if strings.Contains(line, secret) {
				t.Errorf("%s is in the log: %.2000s", name, strings.ReplaceAll(line, secret, "***"))
				break
			}
		}
	}
}

// TestPlaceholders: what the gateway found out serves later handlers and the log.
func TestPlaceholders(t *testing.T) {
	d := storetest.New(t, storetest.SQLite)
	s := newSetup(t, d, "	log\n", `	log
	log_append outcome {http.wa_gateway.outcome}
	header {
		defer
		X-User {http.wa_gateway.user_id}
		X-Session {http.wa_gateway.session_id}
		X-Package {http.wa_gateway.package}
		X-Auth {http.auth.user.id}
		X-Server {http.wa_gateway.wa_server}
		X-Upstream {http.wa_gateway.upstream}
	}
`)
	type entry struct {
		Status  int `json:"status"`
		Request struct {
			URI string `json:"uri"`
		} `json:"request"`
		Outcome  string `json:"outcome"`
		Field    string `json:"wa_gateway_outcome"`
		User     string `json:"wa_gateway_user_id"`
		Session  string `json:"wa_gateway_session_id"`
		Package  string `json:"wa_gateway_package"`
		Upstream string `json:"wa_gateway_upstream"`
	}
	logged := func(uri string) (found entry, ok bool) {
		for line := range strings.Lines(s.written.read(t)) {
			var e entry
			if strings.Contains(line, "http.log.access") && json.Unmarshal([]byte(line), &e) == nil && e.Request.URI == uri {
				return e, true
			}
		}
		return found, false
	}
	answer := func(status int) http.HandlerFunc { return jsonAnswer(status, "{}") }
	for i, c := range []struct {
		name, method, path string
		header             []string
		answer             http.HandlerFunc
		status             int
		user, session, pkg string
		outcome            string
	}{
		{"sent", "POST", "/api/wa/send-message", as(alice, aliceSession), nil, 200, alice, aliceSession, basicPackage, "sent"},
		{"failed", "POST", "/api/wa/send-message", as(alice, aliceSession), answer(500), 500, alice, aliceSession, basicPackage, "failed"},
		{"forwarded", "GET", "/api/wa/webhook", as(alice, aliceSession), nil, 200, alice, aliceSession, basicPackage, "forwarded"},
		{"no session", "GET", "/api/wa/sessions", []string{"X-User-ID", alice}, jsonAnswer(200, "[]"), 200, alice, "", basicPackage, "forwarded"},
		{"nobody", "POST", "/api/wa/send-message", nil, nil, 401, "", "", "", "refused"},
		{"unpaid", "POST", "/api/wa/send-message", as(unpaid, unpaidSession), nil, 403, unpaid, "", "", "refused"},
		{"another's session", "POST", "/api/wa/send-message", as(alice, bobSession), nil, 403, alice, "", basicPackage, "refused"},
	} {
		s.wa.respond(c.answer)
		uri := c.path + "?n=" + string(rune('a'+i))
		body := ""
		if c.method == "POST" {
			body = hello
		}
		res := s.call(c.method, uri, body, c.header)
		if res.status != c.status {
			t.Errorf("%s: %d %s", c.name, res.status, res.text)
		}
		for header, want := range map[string]string{"X-User": c.user, "X-Auth": c.user, "X-Session": c.session, "X-Package": c.pkg} {
			if got := res.header.Get(header); got != want && (want != "" || !strings.HasPrefix(got, "{")) {
				t.Errorf("%s: %s is %q, want %q", c.name, header, got, want)
			}
		}
		var e entry
		eventually(t, "the access log", func() bool {
			var ok bool
			e, ok = logged(uri)
			return ok
		})
		if e.Status != c.status || e.Field != c.outcome || e.Outcome != c.outcome || e.User != c.user || e.Session != c.session || e.Package != c.pkg {
			t.Errorf("%s: logged as %+v", c.name, e)
		}
	}
	s.wa.all()
}
