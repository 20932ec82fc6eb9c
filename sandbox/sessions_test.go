package sandbox

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestSessionLife(t *testing.T) {
	s := newServer(t, Options{})
	want := func(data map[string]any, status string, connected, loggedIn bool) {
		t.Helper()
		if data["session_id"] != "mine" || data["name"] != "Shop" || data["status"] != status ||
			data["connected"] != connected || data["logged_in"] != loggedIn || (data["jid"] != nil) != loggedIn {
			t.Errorf("%v, want %s", data, status)
		}
	}
	get := func() map[string]any { t.Helper(); return s.do("GET", "/sessions/mine", "").ok(200) }

	s.do("GET", "/sessions/mine", "").refused(404, "session_not_found", "")
	// A header that names the session to be made brings none into being before that.
	want(s.do("POST", "/sessions", `{"session_id":"mine","name":"Shop"}`, sessionHeader, "mine").ok(201), "created", false, false)
	s.do("POST", "/sessions", `{"session_id":"mine"}`).refused(409, "session_exists", "")
	want(get(), "created", false, false)
	s.do("GET", "/sessions/mine/qr", "").refused(409, "no_qr", "start it")
	want(s.do("POST", "/sessions/mine/start", "").ok(200), "qr", false, false)
	s.clock.Add(defaultPairAfter - time.Millisecond)
	want(s.do("POST", "/sessions/mine/start", "").ok(200), "qr", false, false) // pairing goes on
	s.clock.Add(time.Millisecond)
	data := get()
	want(data, "connected", true, true)
	if data["updated_at"] != stamp(s.clock.Now()) || !strings.HasSuffix(data["jid"].(string), "@s.whatsapp.net") {
		t.Error(data)
	}
	s.do("GET", "/sessions/mine/qr", "").refused(409, "no_qr", "nothing to scan")
	want(s.do("POST", "/sessions/mine/start", "").ok(200), "connected", true, true)
	want(s.do("POST", "/sessions/mine/stop", "").ok(200), "disconnected", false, true)
	s.clock.Add(time.Hour)
	want(get(), "disconnected", false, true)
	want(s.do("POST", "/sessions/mine/stop", "").ok(200), "disconnected", false, true)
	want(s.do("POST", "/sessions/mine/start", "").ok(200), "qr", false, true)
	want(s.do("POST", "/sessions/mine/stop", "").ok(200), "disconnected", false, true)
	s.clock.Add(time.Hour)
	want(get(), "disconnected", false, true)

	s.do("DELETE", "/sessions/mine", "").ok(200)
	for _, call := range []string{"GET /sessions/mine", "DELETE /sessions/mine", "POST /sessions/mine/start", "POST /sessions/mine/stop", "GET /sessions/mine/qr", "GET /sessions/mine/chats", "GET /webhook"} {
		method, path, _ := strings.Cut(call, " ")
		s.do(method, path, "", sessionHeader, "mine").refused(404, "session_not_found", "")
	}
	s.do("POST", "/sessions", `{"session_id":"mine","name":"Shop"}`).ok(201)
	want(get(), "created", false, false)
}

func TestCreateSession(t *testing.T) {
	s := newServer(t, Options{})
	for _, body := range []string{"", "{}", `{"name":"x"}`} {
		data := s.do("POST", "/sessions", body).ok(201)
		if id := data["session_id"].(string); !strings.HasPrefix(id, "session_") || len(id) != 24 {
			t.Error(data)
		}
	}
	data := s.do("POST", "/sessions", "session_id=a+b", "Content-Type", "application/x-www-form-urlencoded").ok(201)
	if data["session_id"] != "a b" {
		t.Error(data)
	}
	s.do("POST", "/sessions", `{"session_id":7}`).refused(400, "invalid_request", "session_id")
	s.do("POST", "/sessions", `{"session_id":"a\u0000"}`).refused(400, "invalid_request", "session_id")
	s.do("POST", "/sessions", `{"session_id":"`+strings.Repeat("x", 256)+`"}`).refused(400, "invalid_request", "255")
	s.do("POST", "/sessions", `{"name":7}`).refused(400, "invalid_request", "name")
	s.do("POST", "/sessions", `{`).refused(400, "invalid_body", "")
	// One that a header brought into being is there.
	s.do("GET", "/webhook", "").ok(200)
	s.do("POST", "/sessions", `{"session_id":"session123"}`).refused(409, "session_exists", "")
}

// TestTenantsApart has two users with the same session id, who must not meet.
func TestTenantsApart(t *testing.T) {
	s := newServer(t, Options{})
	s.do("POST", "/send-message", `{"to":"628123456789","message":"secret of a"}`, userHeader, "a").ok(200)
	s.do("POST", "/webhook", `{"url":"https://a.example.com/"}`, userHeader, "a").ok(200)
	s.do("POST", "/sessions", `{"session_id":"only-a"}`, userHeader, "a").ok(201)
	s.do("DELETE", "/sessions/session123", "", userHeader, "b").ok(200)
	s.do("GET", "/sessions/only-a", "", userHeader, "b").refused(404, "session_not_found", "")
	s.do("POST", "/sessions", `{"session_id":"only-a"}`, userHeader, "b").ok(201)

	if data := s.do("GET", "/webhook", "", userHeader, "a").ok(200); data["url"] != "https://a.example.com/" {
		t.Error(data)
	}
	ids := func(user, session string) string {
		var ids []string
		for _, x := range s.do("GET", "/sessions", "", userHeader, user, sessionHeader, session).ok(200)["sessions"].([]any) {
			ids = append(ids, x.(map[string]any)["session_id"].(string))
		}
		return fmt.Sprint(ids)
	}
	if got := ids("a", "session123"); got != "[only-a session123]" {
		t.Error(got)
	}
	if got := ids("b", "session123"); got != "[only-a]" { // the other stays deleted
		t.Error(got)
	}
	if got := ids("c", "theirs"); got != "[theirs]" { // known to the gateway, so it is there
		t.Error(got)
	}
	if got := ids("d", ""); got != "[]" {
		t.Error(got)
	}
	a := s.do("GET", "/sessions/session123/messages/628123456789", "", userHeader, "c")
	if a.ok(200)["total"] != 0.0 || strings.Contains(string(a.raw), "secret") {
		t.Errorf("%s", a.raw)
	}
}

func TestWebhook(t *testing.T) {
	s := newServer(t, Options{})
	data := s.do("POST", "/webhook", `{"url":"https://example.com/hook","events":"message, status"}`).ok(200)
	if fmt.Sprint(data["events"]) != "[message status]" || data["session_id"] != "session123" {
		t.Error(data)
	}
	if again := s.do("GET", "/webhook", "").ok(200); fmt.Sprint(again) != fmt.Sprint(data) {
		t.Error(again)
	}
	s.do("PUT", "/webhook", `{"url":"http://10.0.0.1:99/"}`).ok(200)
	if data := s.do("GET", "/webhook?session_id=session123", "", sessionHeader, "").ok(200); fmt.Sprint(data["events"]) != "[]" || data["url"] != "http://10.0.0.1:99/" {
		t.Error(data)
	}
	s.do("GET", "/webhook", "", sessionHeader, "").refused(400, "missing_field", "session_id")
	for body, mention := range map[string]string{
		`{}`: "url is missing", `{"url":"/hook"}`: "absolute", `{"url":"file:///etc/passwd"}`: "http",
		`{"url":7}`: "text", `{"url":"https://e/` + strings.Repeat("x", 2048) + `"}`: "2048",
		`{"url":"https://e/","events":7}`:   "list of names",
		`{"url":"https://e/","events":[7]}`: "list of names", `{"url":"https://e/","events":[""]}`: "64 bytes",
		`{"url":"https://e/","events":"` + strings.Repeat("x,", 51) + `"}`: "at most 50",
	} {
		a := s.do("POST", "/webhook", body)
		if a.status != 400 || !strings.Contains(a.body.Error.Message, mention) {
			t.Errorf("%.50s: %s", body, a.raw)
		}
	}
}

func TestStateIsBounded(t *testing.T) {
	st, now := newState(), time.Now()
	key := func(i int) sessionKey { return sessionKey{"u", fmt.Sprint(i)} }
	for i := range maxSessions {
		st.add(key(i), phaseCreated, now)
	}
	st.get(key(0), now, 0) // used last, so the next to go is 1
	st.add(key(-1), phaseCreated, now)
	if len(st.sessions) != maxSessions || st.used.Len() != maxSessions || st.sessions[key(0)] == nil || st.sessions[key(1)] != nil {
		t.Error(len(st.sessions), st.used.Len())
	}

	st = newState()
	for i := range maxMessages/maxSessionMessages + 3 {
		x := st.add(key(i), phaseConnected, now)
		for n := range maxSessionMessages + 5 {
			st.remember(x, message{id: fmt.Sprint(n), text: strings.Repeat("é", 2000)})
		}
		if len(x.messages) != maxSessionMessages || x.messages[0].id != "5" || x.messages[199].id != "204" || len(x.messages[0].text) != maxText {
			t.Fatal(len(x.messages), x.messages[0].id)
		}
	}
	if st.messages != maxMessages || len(st.sessions) != maxMessages/maxSessionMessages {
		t.Error(st.messages, len(st.sessions))
	}
	for k, x := range st.sessions {
		if k.session == "9" {
			st.remove(x, now)
		} else if k.session == "10" {
			st.add(k, phaseCreated, now)
		}
	}
	if st.messages != maxMessages-2*maxSessionMessages {
		t.Error(st.messages)
	}
}
