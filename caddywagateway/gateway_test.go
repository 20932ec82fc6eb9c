package caddywagateway

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/genfity/wa-gateway/routes"
	"github.com/genfity/wa-gateway/store"
	"github.com/genfity/wa-gateway/store/storetest"
)

const hello = `{"to":"628123456789","message":"Hello"}`

// TestGateway plays the contract's tables through on every kind of database.
func TestGateway(t *testing.T) {
	onEach(t, func(t *testing.T, d *storetest.Database) {
		s := newSetup(t, d)
		t.Run("identity", func(t *testing.T) { s.testIdentity(t, d) })
		t.Run("subscription", s.testSubscription)
		t.Run("ownership", s.testOwnership)
		t.Run("rows", s.testRows)
		t.Run("outcomes", s.testOutcomes)
		t.Run("own endpoints", s.testOwnEndpoints)
		if d.Complete() {
			t.Run("api key column", s.testAPIKeyColumn)
			t.Run("user sessions", func(t *testing.T) { s.testUserSessions(t, d) })
		}
	})
}

func (s *setup) testIdentity(t *testing.T, d *storetest.Database) {
	key, issued, err := s.db.CreateKey(t.Context(), store.NewKey{UserID: alice, Name: "test", Mode: store.KeyModeLive})
	if err != nil {
		t.Fatal(err)
	}
	bearer := "Bearer " + key
	for name, c := range map[string]struct {
		query  string
		header []string
		want   int
	}{
		"asserted by headers":            {"", as(alice, aliceSession), 200},
		"asserted by the query":          {"?user_id=" + alice + "&session_id=" + aliceSession, nil, 200},
		"half and half":                  {"?session_id=" + aliceSession, []string{"X-User-ID", alice}, 200},
		"API key":                        {"", []string{"Authorization", bearer, "X-Session-ID", aliceSession}, 200},
		"API key and its owner":          {"", append(as(alice, aliceSession), "Authorization", bearer), 200},
		"lower-case scheme":              {"", []string{"Authorization", "bearer " + key, "X-Session-ID", aliceSession}, 200},
		"nothing":                        {"", nil, 401},
		"session alone":                  {"", []string{"X-Session-ID", aliceSession}, 401},
		"user alone":                     {"", []string{"X-User-ID", alice}, 401},
		"key without a session":          {"", []string{"Authorization", bearer}, 401},
		"API key and another user":       {"", append(as(bob, bobSession), "Authorization", bearer), 401},
		"API key and another in query":   {"?user_id=" + bob, []string{"Authorization", bearer, "X-Session-ID", aliceSession}, 401},
		"header and query disagree":      {"?user_id=" + bob, as(alice, aliceSession), 401},
		"sessions disagree":              {"?session_id=" + bobSession, as(alice, aliceSession), 401},
		"twice in the query":             {"?user_id=" + bob + "&user_id=" + alice + "&session_id=" + aliceSession, nil, 401},
		"unknown user":                   {"", as("nobody", aliceSession), 401},
		"inactive user":                  {"", as(inactive, inactiveSession), 401},
		"unknown key":                    {"", []string{"Authorization", "Bearer wak_live_unknown", "X-Session-ID", aliceSession}, 401},
		"unknown key beside an identity": {"", append(as(alice, aliceSession), "Authorization", "Bearer nonsense"), 401},
		"the WA server's token":          {"", append(as(alice, aliceSession), "Authorization", "Bearer wa-admin-secret"), 401},
		"the admin token":                {"", append(as(alice, aliceSession), "Authorization", "Bearer admin-secret"), 401},
		"basic authentication":           {"", append(as(alice, aliceSession), "Authorization", "Basic YTpi"), 401},
		"empty bearer":                   {"", append(as(alice, aliceSession), "Authorization", "Bearer "), 401},
		"through an unknown proxy":       {"", append(as(alice, aliceSession), "X-Forwarded-For", "10.0.0.9"), 401},
		"through another proxy":          {"", append(as(alice, aliceSession), "Forwarded", "for=10.0.0.9"), 401},
		"key through a proxy":            {"", []string{"Authorization", bearer, "X-Session-ID", aliceSession, "X-Forwarded-For", "8.8.8.8"}, 200},
	} {
		if name == "inactive user" && !d.Complete() {
			continue // without the column everybody is active
		}
		t.Run(name, func(t *testing.T) {
			res := s.call("POST", "/api/wa/send-message"+c.query, hello, c.header)
			if c.want == 200 {
				if res.status != 200 {
					t.Fatalf("status %d: %s", res.status, res.text)
				}
				s.wa.one(t)
				return
			}
			res.wantAnswer(t, c.want, messageUnauthenticated)
			s.wa.none(t)
		})
	}
	if err := s.db.RevokeKey(t.Context(), issued.ID); err != nil {
		t.Fatal(err)
	}
}

func (s *setup) testAPIKeyColumn(t *testing.T) {
	res := s.call("POST", "/api/wa/send-message", hello, []string{"Authorization", "Bearer column-key-" + alice, "X-Session-ID", aliceSession})
	if res.status != 200 {
		t.Fatalf("status %d: %s", res.status, res.text)
	}
	if got := s.wa.one(t); got.header.Get("X-User-Id") != alice {
		t.Errorf("the WA server was told user %q", got.header.Get("X-User-Id"))
	}
	s.call("POST", "/api/wa/send-message", hello, []string{"Authorization", "Bearer column-key-" + inactive, "X-Session-ID", inactiveSession}).
		wantAnswer(t, 401, messageUnauthenticated)
}

func (s *setup) testUserSessions(t *testing.T, d *storetest.Database) {
	insertUserSession(t, d, "live-token", time.Now().Add(time.Hour), true)
	insertUserSession(t, d, "dead-token", time.Now().Add(-time.Second), true)
	insertUserSession(t, d, "closed-token", time.Now().Add(time.Hour), false)
	for token, want := range map[string]int{"live-token": 200, "dead-token": 401, "closed-token": 401} {
		res := s.call("POST", "/api/wa/send-message", hello, []string{"Authorization", "Bearer " + token, "X-Session-ID", aliceSession})
		if res.status != want {
			t.Errorf("%s: status %d, want %d: %s", token, res.status, want, res.text)
		}
	}
	s.wa.all()
}

func (s *setup) testSubscription(t *testing.T) {
	for _, who := range [][2]string{{expired, expiredSession}, {unpaid, unpaidSession}} {
		for _, route := range routes.API.Routes() {
			if !route.Subscription {
				continue
			}
			path := routes.Prefix + strings.Join(route.Pattern, "/")
			path = strings.NewReplacer(routes.ParamSession, who[1], routes.ParamChat, "1@s.whatsapp.net").Replace(path)
			s.call(route.Method, path, hello, as(who[0], who[1])).wantAnswer(t, 403, messageNoSubscription)
		}
	}
	s.wa.none(t)
}

func (s *setup) testOwnership(t *testing.T) {
	var foreign []response
	for _, session := range []string{bobSession, "does-not-exist"} {
		for _, route := range routes.API.Routes() {
			if !route.Session {
				continue
			}
			path := routes.Prefix + strings.Join(route.Pattern, "/")
			path = strings.NewReplacer(routes.ParamSession, session, routes.ParamChat, "1@s.whatsapp.net").Replace(path)
			res := s.call(route.Method, path, hello, as(alice, session))
			res.wantAnswer(t, 403, "")
			foreign = append(foreign, res)
		}
	}
	for _, res := range foreign {
		if res.text != foreign[0].text {
			t.Errorf("%q can be told from %q", res.text, foreign[0].text)
		}
	}
	// A session in the path decides, whatever stands beside it.
	s.call("GET", "/api/wa/sessions/"+bobSession, "", as(alice, aliceSession)).wantAnswer(t, 403, "")
	s.wa.none(t)
}

// testRows checks what of each forwarded row reaches the WA server.
func (s *setup) testRows(t *testing.T) {
	dirty := []string{
		"X-User-ID", alice, "X-Session-ID", aliceSession, "Cookie", "a=b", "token", "client-token", "apikey", "client-key",
		"X-Api-Key", "client", "X-Device-Id", bobSession, "X-HTTP-Method-Override", "DELETE", "Session-Id", bobSession,
		"X-Wa-Sandbox-Callbacks", "off",
	}
	for _, route := range routes.API.Routes() {
		if route.Class == routes.ClassOwn || route.Method == "DELETE" ||
			(route.Endpoint == "create-session" || route.Endpoint == "list-sessions") {
			continue // answered by the gateway, or tests of their own
		}
		path := "/" + strings.Join(route.Pattern, "/")
		path = strings.NewReplacer(routes.ParamSession, aliceSession, routes.ParamChat, "628123@s.whatsapp.net").Replace(path)
		name := route.Method + " " + path
		body := ""
		if route.Method != "GET" {
			body = `{"session_id":"` + bobSession + `","sessionId":"x","to":"628123456789","message":"Hello","user_id":"` + bob + `"}`
		}
		if route.Endpoint == "broadcast" {
			body = `{"recipients":["1","2"],"message":"Hello","session_id":"` + bobSession + `"}`
		}
		query := "?limit=5&session_id=" + aliceSession + "&userId=" + bob + "&token=t&api_key=k"
		res := s.call(route.Method, "/api/wa"+path+query, body, dirty)
		if res.status != 200 {
			t.Fatalf("%s: status %d: %s", name, res.status, res.text)
		}
		got := s.wa.one(t)
		if got.method != route.Method || got.uri != path+"?limit=5" {
			t.Errorf("%s reached the WA server as %s %s", name, got.method, got.uri)
		}
		for header, want := range map[string]string{
			"Authorization": "Bearer wa-admin-secret", "X-User-Id": alice, "X-Session-Id": aliceSession,
			"Cookie": "", "Token": "", "Apikey": "", "X-Api-Key": "", "X-Device-Id": "",
			"X-Http-Method-Override": "", "Session-Id": "", "X-Wa-Sandbox-Callbacks": "",
		} {
			if have := strings.Join(got.header.Values(header), ", "); have != want {
				t.Errorf("%s: %s is %q, want %q", name, header, have, want)
			}
		}
		if body != "" {
			sent := got.json(t)
			if sent["session_id"] != aliceSession || sent["message"] != "Hello" {
				t.Errorf("%s: body %s", name, got.body)
			}
			if strings.Contains(string(got.body), bob) || strings.Contains(string(got.body), "sessionId") {
				t.Errorf("%s: the client's identity got through: %s", name, got.body)
			}
		}
		if limit := res.header.Get("RateLimit-Policy"); (limit != "") != route.Limited {
			t.Errorf("%s: RateLimit-Policy %q", name, limit)
		}
	}
}

func (s *setup) testOutcomes(t *testing.T) {
	const session = aliceOther
	send := func(status int, body string) response {
		t.Helper()
		s.wa.respond(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(status)
			_, _ = w.Write([]byte(body))
		})
		return s.call("POST", "/api/wa/send-image", hello, as(alice, session))
	}
	defer s.wa.all()
	defer s.wa.respond(nil)

	before := s.sessionTotals(t, session)
	for _, c := range []struct {
		status int
		body   string
	}{
		{200, `{"data":{"message_id":"ok-1"}}`},
		{201, `{"key":{"id":"ok-2"}}`},
		{200, `{}`}, // stands alone under an id of the gateway's
		{400, `{"error":"bad number"}`},
		{500, `{"message_id":"bad-2"}`},
	} {
		res := send(c.status, c.body)
		if res.status != c.status || res.text != c.body {
			t.Errorf("%d %s came out as %d %s", c.status, c.body, res.status, res.text)
		}
	}
	eventually(t, "the outcomes", func() bool {
		now := s.sessionTotals(t, session)
		return now[0]-before[0] == 3 && now[1]-before[1] == 2
	})

	// The events of the same message are the same message.
	event := func(id, status string) {
		t.Helper()
		body := `{"user_id":"` + alice + `","session_id":"` + session + `","message_id":"` + id + `","to":"628123456789","status":"` +
			status + `","timestamp":"` + time.Now().UTC().Format(time.RFC3339Nano) + `","error":null}`
		if res := s.call("POST", "/events/message", body, nil); res.status != 200 {
			t.Fatalf("%s of %s: %d %s", status, id, res.status, res.text)
		}
	}
	event("ok-1", "delivered")
	event("ok-1", "read")
	event("ok-2", "failed")
	got := s.sessionTotals(t, session)
	want := [4]float64{before[0] + 2, before[1] + 3, before[2] + 1, before[3] + 1}
	if got != want {
		t.Errorf("totals %v, want %v", got, want)
	}
}

// sessionTotals are sent, failed, delivered and read of one of alice's sessions.
func (s *setup) sessionTotals(t *testing.T, session string) [4]float64 {
	t.Helper()
	res := s.call("GET", "/events/stats/session/"+alice+"/"+session, "", as(alice, session))
	if res.status != 200 {
		t.Fatalf("statistics: %d %s", res.status, res.text)
	}
	return totalsOf(res.at("data"))
}

func totalsOf(v any) (totals [4]float64) {
	m, _ := v.(map[string]any)
	for i, name := range []string{"sent", "failed", "delivered", "read"} {
		totals[i], _ = m["total_messages_"+name].(float64)
	}
	return totals
}

func (s *setup) testOwnEndpoints(t *testing.T) {
	admin := []string{"Authorization", "Bearer admin-secret"}
	for _, path := range []string{"/api/wa/subscription/", "/api/wa/stats/", "/events/stats/user/"} {
		s.call("GET", path+alice, "", nil).wantAnswer(t, 401, messageUnauthenticated)
		s.call("GET", path+alice, "", as(bob, bobSession)).wantAnswer(t, 403, "")
		for _, header := range [][]string{as(alice, aliceSession), {"X-User-ID", alice}, admin} {
			res := s.call("GET", path+alice, "", header)
			res.wantAnswer(t, 200, "")
			if got := res.at("data", "user_id"); got != alice {
				t.Errorf("%s: user_id %v", path, got)
			}
		}
		s.call("GET", path+"nobody", "", admin).wantAnswer(t, 404, "")
	}
	sub := s.call("GET", "/api/wa/subscription/"+alice, "", as(alice, aliceSession))
	if sub.at("data", "active") != true || sub.at("data", "package", "name") != basicPackage || sub.at("data", "package", "rate_limit") != 100.0 {
		t.Errorf("subscription: %s", sub.text)
	}
	// Neither needs a subscription that is active.
	sub = s.call("GET", "/api/wa/subscription/"+expired, "", as(expired, expiredSession))
	sub.wantAnswer(t, 200, "")
	if sub.at("data", "active") != false || sub.at("data", "status") != "expired" {
		t.Errorf("expired subscription: %s", sub.text)
	}
	stats := s.call("GET", "/api/wa/stats/"+unpaid, "", as(unpaid, unpaidSession))
	stats.wantAnswer(t, 200, "")
	if rate, ok := stats.at("data").(map[string]any)["success_rate"]; !ok || rate != nil {
		t.Errorf("statistics of somebody who sent nothing: %s", stats.text)
	}
}

// insertUserSession enters a row of user_sessions as the other application does.
func insertUserSession(t *testing.T, d *storetest.Database, token string, expires time.Time, active bool) {
	t.Helper()
	at := any(expires.UTC())
	if d.Kind == storetest.SQLitePrisma {
		at = expires.UnixMilli()
	}
	d.Exec(t, d.Spell(`INSERT INTO {user_sessions} ({user_sessions.id}, {user_sessions.user_id}, {user_sessions.token}, {user_sessions.is_active}, {user_sessions.expires_at})
		VALUES ($1, $2, $3, $4, $5)`), store.NewID(), alice, token, active, at)
}

func TestUnknownPathsAndMethods(t *testing.T) {
	s := newSetup(t, storetest.New(t, storetest.SQLite))
	for _, path := range []string{"/", "/x", "/api/wa", "/api/wa/", "/api/wa/unknown", "/api/wa/admin/users", "/send-message",
		"/api/wa/send-message/", "/events", "/events/", "/events/unknown", "/events/message/x"} {
		s.call("POST", path, hello, as(alice, aliceSession)).wantAnswer(t, 404, "")
	}
	for path, allow := range map[string]string{
		"/api/wa/send-message": "POST", "/api/wa/sessions": "GET, POST", "/events/message": "POST",
		"/events/admin/stats/user/u1": "DELETE, GET", "/api/wa/health": "GET",
	} {
		res := s.call("PATCH", path, hello, as(alice, aliceSession))
		res.wantAnswer(t, 405, "")
		if got := res.header.Get("Allow"); got != allow {
			t.Errorf("%s: Allow %q, want %q", path, got, allow)
		}
	}
	s.wa.none(t)
}

func TestAllowedCalls(t *testing.T) {
	s := newSetup(t, storetest.New(t, storetest.SQLite), "	wa_gateway\n	@sandbox", "	wa_gateway {\n allow POST /groups/*\n}\n	@sandbox")
	res := s.call("POST", "/api/wa/groups/create", `{"name":"x","session_id":"`+bobSession+`"}`, as(alice, aliceSession))
	if res.status != 200 {
		t.Fatalf("%d %s", res.status, res.text)
	}
	got := s.wa.one(t)
	if got.uri != "/groups/create" || got.json(t)["session_id"] != aliceSession {
		t.Errorf("reached the WA server as %s with %s", got.uri, got.body)
	}
	s.call("GET", "/api/wa/groups/create", "", as(alice, aliceSession)).wantAnswer(t, 405, "")
	s.call("POST", "/api/wa/groups/create", hello, as(alice, bobSession)).wantAnswer(t, 403, "")
	s.call("POST", "/api/wa/groups/create", hello, as(expired, expiredSession)).wantAnswer(t, 403, messageNoSubscription)
	s.call("POST", "/api/wa/groups/create", hello, []string{"X-User-ID", alice}).wantAnswer(t, 401, messageUnauthenticated)
	s.wa.none(t)
}

func TestWAServerAway(t *testing.T) {
	s := newSetup(t, storetest.New(t, storetest.SQLite))
	s.wa.Close()
	s.call("POST", "/api/wa/send-message", hello, as(alice, aliceSession)).wantAnswer(t, 502, messageNotForwarded)
	s.call("GET", "/api/wa/sessions", "", as(alice, aliceSession)).wantAnswer(t, 502, messageNotForwarded)
	s.call("GET", "/api/wa/sessions/"+aliceSession, "", as(alice, aliceSession)).wantAnswer(t, 502, messageNotForwarded)
	eventually(t, "the failure", func() bool { return s.sessionTotals(t, aliceSession) == [4]float64{0, 1, 0, 0} })
	res := s.call("GET", "/api/wa/health", "", nil)
	for res.at("data", "dependencies", "wa_server", "status") == stateUp { // the last answer is kept for a second
		time.Sleep(50 * time.Millisecond)
		res = s.call("GET", "/api/wa/health", "", nil)
	}
	res.wantAnswer(t, 503, "")
	if res.at("data", "dependencies", "transactional_db", "status") != stateUp {
		t.Errorf("health: %s", res.text)
	}
}

func TestBrokenAnswer(t *testing.T) {
	s := newSetup(t, storetest.New(t, storetest.SQLite))
	s.wa.respond(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "1000")
		_, _ = w.Write([]byte(`{"message_id":`))
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	})
	if _, err := s.try("POST", "/api/wa/send-message", hello, as(alice, aliceSession)); err == nil {
		t.Error("a broken answer looked whole")
	}
	// 2xx was said, so it was sent; the id was cut off.
	eventually(t, "the outcome", func() bool { return s.sessionTotals(t, aliceSession)[0] == 1 })
}

// TestConnectionHeader: reverse_proxy takes out what Connection names, which must
// never be what the gateway put in.
func TestConnectionHeader(t *testing.T) {
	s := newSetup(t, storetest.New(t, storetest.SQLite))
	for _, named := range []string{
		"X-Session-ID, X-User-ID", "Authorization", "content-type", "close, x-user-id", "Upgrade, X-Session-ID",
	} {
		header := append(as(alice, aliceSession), "Connection", named, "Upgrade", "h2c", "TE", "trailers")
		if res := s.call("POST", "/api/wa/send-message", hello, header); res.status != 200 {
			t.Fatalf("%s: %d %s", named, res.status, res.text)
		}
		got := s.wa.one(t)
		for name, want := range map[string]string{
			"Authorization": "Bearer wa-admin-secret", "X-User-Id": alice, "X-Session-Id": aliceSession,
			"Content-Type": "application/json", "Upgrade": "",
		} {
			if have := got.header.Get(name); have != want {
				t.Errorf("Connection: %s: %s reached the WA server as %q, want %q", named, name, have, want)
			}
		}
	}
}

// TestOtherSites: a page that somebody in the trusted network looks at asserts
// nothing.
func TestOtherSites(t *testing.T) {
	s := newSetup(t, storetest.New(t, storetest.SQLite))
	event := `{"user_id":"` + alice + `","session_id":"` + aliceSession + `","message_id":"m","status":"failed","timestamp":"2026-01-02T03:04:05Z"}`
	for _, header := range [][]string{
		{"Origin", "https://evil.example"}, {"Origin", "null"}, {"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"},
		{"X-Forwarded", "for=1.2.3.4"}, {"X-Forwarded-Ssl", "on"}, {"Cf-Ray", "1"}, {"Client-IP", "1.2.3.4"},
	} {
		s.call("POST", "/api/wa/send-message?user_id="+alice+"&session_id="+aliceSession, hello, header).
			wantAnswer(t, 401, messageUnauthenticated)
		s.call("POST", "/events/message", event, header).wantAnswer(t, 401, messageUnauthenticated)
	}
	s.wa.none(t)
	own := append(as(alice, aliceSession), "Origin", s.url, "Sec-Fetch-Site", "same-origin")
	if res := s.call("POST", "/api/wa/send-message", hello, own); res.status != 200 {
		t.Errorf("from the gateway's own site: %d %s", res.status, res.text)
	}
}

// TestTestKeysChangeNothingLive: sessions that a test creates or deletes are the
// sandbox's alone, and its messages cost live traffic nothing.
func TestTestKeysChangeNothingLive(t *testing.T) {
	s := newSetup(t, storetest.New(t, storetest.SQLite))
	key, _, err := s.db.CreateKey(t.Context(), store.NewKey{UserID: alice, Name: "test", Mode: store.KeyModeTest})
	if err != nil {
		t.Fatal(err)
	}
	test := []string{"Authorization", "Bearer " + key, "X-Session-ID", aliceSession}
	if res := s.call("POST", "/api/wa/sessions", `{"session_id":"unlisted"}`, test); res.status != 201 {
		t.Fatalf("create: %d %s", res.status, res.text)
	}
	s.call("POST", "/api/wa/send-message", hello, as(alice, "unlisted")).wantAnswer(t, 403, "")
	if res := s.call("DELETE", "/api/wa/sessions/"+aliceSession, "", test); res.status != 200 {
		t.Fatalf("delete: %d %s", res.status, res.text)
	}
	s.wa.none(t)
	first := s.call("POST", "/api/wa/send-message", hello, as(alice, aliceSession))
	if first.status != 200 {
		t.Fatalf("the live session after a test deleted it: %d %s", first.status, first.text)
	}
	s.call("POST", "/api/wa/send-message", hello, test)
	second := s.call("POST", "/api/wa/send-message", hello, as(alice, aliceSession))
	if first.header.Get("X-RateLimit-Remaining") != "99" || second.header.Get("X-RateLimit-Remaining") != "98" {
		t.Errorf("remaining %s, then %s", first.header.Get("X-RateLimit-Remaining"), second.header.Get("X-RateLimit-Remaining"))
	}
}

// TestClientGoesAway: the WA server's answer is awaited, or the message would be
// counted as failed though it was sent.
func TestClientGoesAway(t *testing.T) {
	s := newSetup(t, storetest.New(t, storetest.SQLite))
	reached, release := make(chan struct{}), make(chan struct{})
	s.wa.respond(func(w http.ResponseWriter, _ *http.Request) {
		close(reached)
		<-release
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"message_id":"m1"}`))
	})
	ctx, cancel := context.WithCancel(t.Context())
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		req, err := http.NewRequestWithContext(ctx, http.MethodPost,
			s.url+"/api/wa/send-message?user_id="+alice+"&session_id="+aliceSession, strings.NewReader(hello))
		if err == nil {
			req.Header.Set("Content-Type", "application/json")
			if res, err := s.client.Do(req); err == nil {
				_ = res.Body.Close()
			}
		}
	}()
	<-reached
	cancel()
	<-gone
	time.Sleep(50 * time.Millisecond) // for the server to notice
	close(release)
	eventually(t, "the outcome", func() bool { return s.sessionTotals(t, aliceSession) == [4]float64{1, 0, 0, 0} })
}
