package caddywagateway

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/genfity/wa-gateway/waserver"
)

// testHooksRows: what the server tells becomes rows, which belong together.
func (r *trapRig) testHooksRows(t *testing.T) {
	me := as(alice, mySession)
	eventually(t, "the session's state", func() bool { return r.rows(t, "session_states", "state = 'connected'") == 1 })
	res := r.call("POST", "/api/wa/send-message", `{"to":"6281234500009","message":"for the rows"}`, me)
	res.wantSuccess(t)
	id, _ := res.at("data", "message_id").(string)
	r.tell(t, "incoming", `{"session":"`+mySession+`","from":"628111222333","name":"Customer","text":"rows please","id":"ROWS1"}`)
	const chat, other = "628111222333@s.whatsapp.net", "6281234500009@s.whatsapp.net"
	for what, row := range map[string]func() bool{
		"the incoming message": func() bool {
			return r.rows(t, "messages", "message_id = 'ROWS1' AND chat_jid = $1 AND body = 'rows please'", chat) == 1
		},
		"its chat":          func() bool { return r.rows(t, "chats", "jid = $1", chat) == 1 },
		"its sender":        func() bool { return r.rows(t, "contacts", "jid = $1 AND push_name = 'Customer'", chat) == 1 },
		"the sent message":  func() bool { return r.rows(t, "messages", "message_id = $1 AND chat_jid = $2", id, other) == 1 },
		"that it was read":  func() bool { return r.rows(t, "receipts", "message_id = $1 AND status = 'read'", id) == 1 },
		"and delivered":     func() bool { return r.rows(t, "receipts", "message_id = $1 AND status = 'delivered'", id) == 1 },
		"all are processed": func() bool { return r.hooksKept(t, "processed_at IS NULL AND attempts = 0") == 0 },
	} {
		eventually(t, what, row)
	}
	for _, table := range []string{"messages", "chats", "contacts", "receipts"} {
		if n := r.primary.Count(t, r.primary.Own(table), "session_id = $1 AND session_id <> $1", theirSession); n != 0 {
			t.Errorf("%d rows of %s are of bob's", n, table)
		}
	}
	if n := r.primary.Count(t, r.primary.Own("messages"), "session_id = $1 AND (message_id = $2 OR message_id = 'ROWS1')", theirSession, id); n != 0 {
		t.Errorf("bob has %d of alice's messages", n)
	}
}

// testHooksDeleted: of a session that was deleted nothing comes back, neither by a
// webhook that comes late nor to whoever takes its name afterwards.
func (r *trapRig) testHooksDeleted(t *testing.T) {
	const name = "gone-line"
	r.paired(t, name)
	was := r.linkOf(t, name)
	r.tell(t, "incoming", `{"session":"`+name+`","from":"628111222333","name":"Customer","text":"private words"}`)
	rows := func(table string) int {
		return r.primary.Count(t, r.primary.Own(table), "session_id = $1", name)
	}
	eventually(t, "the message", func() bool { return rows("messages") > 0 })
	for i := range 20 {
		r.deliver(t, r.post(was, r.receipt(was, fmt.Sprint("LATE", i), "read"), was.WebhookSecret)).wantAnswer(t, http.StatusOK, "")
	}
	r.call("DELETE", "/api/wa/sessions/"+name, "", as(alice, name)).wantSuccess(t)
	nothing := func(when string) {
		t.Helper()
		eventually(t, "the webhooks to be processed", func() bool { return r.hooksKept(t, "processed_at IS NULL AND attempts = 0") == 0 })
		for _, table := range []string{"messages", "chats", "contacts", "receipts"} {
			if n := rows(table); n != 0 {
				t.Errorf("%s: %d rows of %s are left", when, n, table)
			}
		}
	}
	nothing("deleted")
	late := r.post(was, r.receipt(was, "LATER", "read"), was.WebhookSecret)
	if res := r.deliver(t, late); hookNumber(res, "counted") != 0 {
		t.Errorf("a deleted session's: %s", res.text)
	}
	r.refusedHook(t, "a deleted session's, from afar", r.post(was, r.receipt(was, "LATEST", "read"), was.WebhookSecret), "LATEST", stranger...)
	nothing("told after that")

	r.success(t, r.call("POST", "/api/wa/sessions", `{"session_id":"`+name+`"}`, as(bob, bobSession)), http.StatusCreated)
	if now := r.linkOf(t, name); now.WebhookSecret == was.WebhookSecret || now.Credential == was.Credential && was.Credential != "" {
		t.Error("the new session has the old one's secrets")
	}
	r.refusedHook(t, "the old session's secret", r.post(was, r.receipt(was, "LATEST", "read"), was.WebhookSecret), "LATEST", stranger...)
	nothing("created anew")
	for _, list := range []string{"chats", "contacts", "messages/628111222333"} {
		if res := r.call("GET", "/api/wa/sessions/"+name+"/"+list, "", as(bob, name)); strings.Contains(res.text, "private words") || strings.Contains(res.text, "Customer") {
			t.Errorf("bob reads alice's %s: %s", list, res.text)
		}
	}
	r.call("DELETE", "/api/wa/sessions/"+name, "", as(bob, name)).wantSuccess(t)
}

func (r response) wantSuccess(t *testing.T) {
	t.Helper()
	if r.status != http.StatusOK || r.at("success") != true {
		t.Fatalf("%d %s", r.status, r.text)
	}
}

// testHooksUnknown: of a session that nobody knows, a webhook is kept where who may post
// events without a proof posts it, and counts for nobody. Whoever may not learns neither
// which servers nor which sessions there are.
func (r *trapRig) testHooksUnknown(t *testing.T) {
	nobody := &waserver.Link{SessionID: "nobody-1", RemoteID: "nobody-1"}
	h := r.post(nobody, r.receipt(nobody, "UNKNOWN1", "read"), "")
	res := r.deliver(t, h)
	res.wantAnswer(t, http.StatusOK, "")
	if hookNumber(res, "recorded") != 1 || hookNumber(res, "counted") != 0 {
		t.Error(res.text)
	}
	r.refusedHook(t, "a session that is not there, from afar", r.post(nobody, r.receipt(nobody, "UNKNOWN2", "read"), ""), "UNKNOWN2", stranger...)
	h = r.post(r.mine, r.receipt(r.mine, "UNKNOWN2", "read"), "not-the-secret")
	var first response
	for i, server := range []string{"main", "other", "MAIN", "main2", "%6dain2", "x"} {
		for _, method := range []string{"POST", "GET"} {
			path := "/events/webhook/" + server + h.path
			res := r.call(method, path, h.body, append(append([]string(nil), h.header...), stranger...))
			res.header.Del("Date")
			if method == "GET" && res.status != http.StatusMethodNotAllowed {
				t.Errorf("GET %s: %d", server, res.status)
			}
			if method == "GET" {
				continue
			}
			if i == 0 {
				first = res
			} else if res.status != first.status || res.text != first.text || fmt.Sprint(res.header) != fmt.Sprint(first.header) {
				t.Errorf("server %s: %d %v %s; main: %d %v %s", server, res.status, res.header, res.text, first.status, first.header, first.text)
			}
		}
	}
	for name, h := range map[string]aHook{
		"known, no proof": r.post(r.mine, r.receipt(r.mine, "UNKNOWN2", "read"), ""), "unknown, wrong proof": r.post(nobody, r.receipt(nobody, "UNKNOWN2", "read"), "not-the-secret"),
		"no JSON": {h.path, h.header, "UNKNOWN2"}, "no body": {h.path, h.header, ""},
	} {
		res := r.deliver(t, h, stranger...)
		if res.status != first.status || res.text != first.text {
			t.Errorf("%s: %d %s; a known session: %d %s", name, res.status, res.text, first.status, first.text)
		}
	}
}

// testHooksTokens: with a secret of the whole server, and with events_token.
func (r *trapRig) testHooksTokens(t *testing.T) {
	const wide, events = "the-secret-of-the-server", "hush-events-of-hooks"
	adopted := &waserver.Link{SessionID: aliceOther, RemoteID: aliceOther}
	hook := func(link *waserver.Link, id, secret string) aHook {
		return r.post(link, r.receipt(link, id, "read"), secret)
	}
	taken := func(what string, h aHook, more ...string) {
		t.Helper()
		if res := r.deliver(t, h, more...); res.status != http.StatusOK || hookNumber(res, "counted") != 1 {
			t.Errorf("%s: %d %s", what, res.status, res.text)
		}
	}
	// A session that was there before the gateway has no secret.
	taken("adopted, trusted", hook(adopted, "TOKENS1", ""))
	r.refusedHook(t, "adopted, from afar", hook(adopted, "TOKENS2", ""), "TOKENS2", stranger...)

	r.reload("{SERVER}", "webhook_secret "+wide+" the-one-before-it")
	for i, secret := range []string{wide, "the-one-before-it"} {
		taken("adopted, the server's secret", hook(adopted, fmt.Sprint("TOKENS3-", i), secret), stranger...)
		taken("alice's, the server's secret", hook(r.mine, fmt.Sprint("TOKENS4-", i), secret), stranger...)
	}
	taken("alice's, its own", hook(r.mine, "TOKENS5", r.mine.WebhookSecret), stranger...)
	if r.dialect == "evolution" || r.dialect == "wuzapi" {
		// The webhook of a whole server has no headers: its secret stands in the URL.
		h := hook(adopted, "TOKENS5-URL", "")
		h.path = "/" + wide + h.path
		taken("adopted, the server's URL", h, stranger...)
		h = hook(adopted, "TOKENS6", "")
		h.path = "/" + r.mine.WebhookSecret + h.path
		r.refusedHook(t, "adopted, alice's URL", h, "TOKENS6", stranger...)
	}
	r.refusedHook(t, "adopted, none", hook(adopted, "TOKENS6", ""), "TOKENS6")
	r.refusedHook(t, "adopted, alice's", hook(adopted, "TOKENS6", r.mine.WebhookSecret), "TOKENS6")
	r.refusedHook(t, "unknown, none", hook(&waserver.Link{SessionID: "nobody-1", RemoteID: "nobody-1"}, "TOKENS6", ""), "TOKENS6")

	r.reload("{APP}", "rate_limit 1000000 60s\n\t\tevents_token "+events)
	bearer := []string{"Authorization", "Bearer " + events}
	r.refusedHook(t, "adopted, no token", hook(adopted, "TOKENS7", ""), "TOKENS7")
	r.refusedHook(t, "adopted, another token", hook(adopted, "TOKENS7", ""), "TOKENS7", "Authorization", "Bearer "+adminToken)
	taken("adopted, the token", hook(adopted, "TOKENS8", ""), append(bearer, stranger...)...)
	taken("alice's, its own", hook(r.mine, "TOKENS9", r.mine.WebhookSecret), stranger...)
	taken("alice's, the token", hook(r.mine, "TOKENS10", ""), append(bearer, stranger...)...)
	r.reload()
}

// testHooksGuesses: a server that signs wrongly shuts nobody out; who guesses the token
// that opens all events is stopped, as at the other endpoints.
func (r *trapRig) testHooksGuesses(t *testing.T) {
	const events = "hush-events-of-guesses"
	text := strings.Replace(r.caddyfile("{APP}", "rate_limit 1000000 60s\n\t\tevents_token "+events), "auth_failures 1000 1s", "auth_failures 5 60s", 1)
	r.load(text)
	r.client.CloseIdleConnections()
	r.ready()
	for i := range 8 {
		r.refusedHook(t, "wrongly signed", r.post(r.mine, r.receipt(r.mine, fmt.Sprint("GUESSED", i), "read"), "not-the-secret"), "GUESSED")
	}
	good := func(id string) {
		t.Helper()
		res := r.deliver(t, r.post(r.mine, r.receipt(r.mine, id, "read"), r.mine.WebhookSecret))
		if res.status != http.StatusOK || hookNumber(res, "counted") != 1 {
			t.Errorf("after guesses: %d %s", res.status, res.text)
		}
	}
	good("GOOD1")
	if res := r.call("GET", "/api/wa/sessions", "", as(alice, mySession)); res.status != http.StatusOK {
		t.Errorf("after guesses: %d %s", res.status, res.text)
	}
	adopted := &waserver.Link{SessionID: aliceOther, RemoteID: aliceOther}
	h := r.post(adopted, r.receipt(adopted, "GUESSED", "read"), "")
	for i := range 8 {
		r.deliver(t, h, append([]string{"Authorization", fmt.Sprint("Bearer guess-", i)}, stranger...)...)
	}
	res := r.deliver(t, h, append([]string{"Authorization", "Bearer " + events}, stranger...)...)
	if res.status != http.StatusUnauthorized && res.status != http.StatusTooManyRequests {
		t.Errorf("the token after eight guesses: %d %s", res.status, res.text)
	}
	good("GOOD2")
	r.reload()
	r.wantNothingKept(t)
}
