package caddywagateway

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/genfity/wa-gateway/store/storetest"
	"github.com/genfity/wa-gateway/waserver"
)

// TestHooks holds against the endpoint of the servers' webhooks what strangers, other
// sessions and the servers themselves can do wrong.
func TestHooks(t *testing.T) {
	for _, kind := range []storetest.Kind{storetest.SQLite, storetest.PostgresSnake} {
		for _, c := range hookCases {
			t.Run(string(kind)+"/"+c.name, func(t *testing.T) {
				if kind != storetest.SQLite && c.name == "wuzapi-json" {
					return // nothing that differs by database
				}
				r := newTrapRig(t, kind, c)
				r.pair(t)
				t.Run("unproven", r.testHooksUnproven)
				t.Run("others", r.testHooksOfOthers)
				t.Run("repeated", r.testHooksRepeated)
				t.Run("disordered", r.testHooksDisordered)
				t.Run("strange", r.testHooksStrange)
				t.Run("secrets", r.testHooksSecrets)
				t.Run("rows", r.testHooksRows)
				t.Run("deleted", r.testHooksDeleted)
				t.Run("unknown", r.testHooksUnknown)
				t.Run("tokens", r.testHooksTokens)
				t.Run("guesses", r.testHooksGuesses)
			})
		}
	}
}

// hooksKept is how many webhooks are kept.
func (r *trapRig) hooksKept(t *testing.T, where string, args ...any) int {
	t.Helper()
	return r.primary.Count(t, r.primary.Own("webhook_events"), where, args...)
}

// keptWith is how many webhooks are kept in whose payload a text is.
func (r *trapRig) keptWith(t *testing.T, text string) int {
	t.Helper()
	return r.hooksKept(t, "CAST(payload AS TEXT) LIKE $1", "%"+text+"%")
}

// total waits until the session's statistics hold a message more.
func (r *trapRig) total(t *testing.T) [4]float64 {
	t.Helper()
	return r.sessionTotals(t, mySession)
}

// settle lets the receipts of the server's own come to an end.
func (r *trapRig) settle(t *testing.T) {
	t.Helper()
	last, since := r.total(t), time.Now()
	for time.Since(since) < 300*time.Millisecond {
		time.Sleep(20 * time.Millisecond)
		if now := r.total(t); now != last {
			last, since = now, time.Now()
		}
	}
}

// refusedHook checks that a webhook is refused, is not kept and counts nothing.
func (r *trapRig) refusedHook(t *testing.T, what string, h aHook, mark string, more ...string) {
	t.Helper()
	before := r.total(t)
	res := r.deliver(t, h, more...)
	if res.status != http.StatusUnauthorized {
		t.Errorf("%s: %d %s", what, res.status, res.text)
	}
	if n := r.keptWith(t, mark); n != 0 {
		t.Errorf("%s: %d are kept", what, n)
	}
	if after := r.total(t); after != before {
		t.Errorf("%s: %v is counted, and was %v", what, after, before)
	}
}

// testHooksUnproven: a webhook without the proof of the session's own server does
// nothing, wherever it comes from.
func (r *trapRig) testHooksUnproven(t *testing.T) {
	secret := r.mine.WebhookSecret
	good := r.post(r.mine, r.receipt(r.mine, "UNPROVEN", "read"), secret)
	none := r.post(r.mine, r.receipt(r.mine, "UNPROVEN", "read"), "")
	for name, h := range map[string]aHook{
		"no proof":         none,
		"another secret":   r.post(r.mine, r.receipt(r.mine, "UNPROVEN", "read"), "not-the-secret-of-anybody"),
		"a secret's half":  r.post(r.mine, r.receipt(r.mine, "UNPROVEN", "read"), secret[:len(secret)/2]),
		"the secret, more": r.post(r.mine, r.receipt(r.mine, "UNPROVEN", "read"), secret+"x"),
		"the server's key": r.post(r.mine, r.receipt(r.mine, "UNPROVEN", "read"), r.token),
		"the operator's":   r.post(r.mine, r.receipt(r.mine, "UNPROVEN", "read"), trapKey),
	} {
		for _, from := range [][]string{nil, stranger} {
			r.refusedHook(t, name, h, "UNPROVEN", from...)
		}
	}
	for name, h := range map[string]aHook{
		"the session's key":  r.post(r.mine, r.receipt(r.mine, "UNPROVEN", "read"), r.credential(r.mine)),
		"the customer's key": r.post(r.mine, r.receipt(r.mine, "UNPROVEN", "read"), customerSecret(r.mine)),
	} {
		if r.credential(r.mine) != "" && !strings.Contains(h.path, "/whsec_") {
			r.refusedHook(t, name, h, "UNPROVEN")
		}
	}
	if r.dialect != "evolution" && r.generation != "old" {
		// What is signed is the body: of what changes, nothing is taken.
		r.refusedHook(t, "another message", good.tamper("UNPROVEN", "TAMPERED"), "TAMPERED")
		r.refusedHook(t, "more", aHook{good.path, good.header, good.body + " "}, "UNPROVEN")
		r.refusedHook(t, "another session", good.tamper(r.mine.RemoteID, r.theirs.RemoteID), "UNPROVEN")
	}
	if r.dialect == "waha" {
		for _, algorithm := range []string{"sha256", "none", "md5", "SHA-512"} {
			r.refusedHook(t, algorithm, good, "UNPROVEN", "X-Webhook-Hmac-Algorithm", algorithm)
		}
	}
	// The proofs of other servers are none here.
	for name, header := range map[string][]string{
		"bearer": {"Authorization", "Bearer " + secret}, "basic": {"Authorization", "Basic " + base64.StdEncoding.EncodeToString([]byte("x:"+secret))},
		"apikey": {"Apikey", secret}, "token": {"Token", secret}, "X-Webhook-Token": {"X-Webhook-Token", secret},
	} {
		if name == "bearer" && r.dialect == "evolution" {
			continue
		}
		r.refusedHook(t, name, none, "UNPROVEN", header...)
	}
	if r.dialect == "gowa" || r.dialect == "waha" {
		// These sign: a secret in the URL is none of theirs.
		r.refusedHook(t, "a URL", aHook{"/" + secret, none.header, none.body}, "UNPROVEN")
	}
	r.refusedHook(t, "bob's URL", aHook{"/" + r.theirs.WebhookSecret + none.path, none.header, none.body}, "UNPROVEN")
	for _, path := range []string{"?token=" + secret, "?secret=" + secret, "?apikey=" + secret} {
		if r.generation == "old" {
			path = none.path + "&" + path[1:]
		}
		r.refusedHook(t, path[:7], aHook{path, none.header, none.body}, "UNPROVEN")
	}
}

// testHooksOfOthers: the secret of one session proves nothing of another's.
func (r *trapRig) testHooksOfOthers(t *testing.T) {
	r.refusedHook(t, "bob's secret", r.post(r.mine, r.receipt(r.mine, "OTHERS", "read"), r.theirs.WebhookSecret), "OTHERS")
	r.refusedHook(t, "bob's secret from afar", r.post(r.mine, r.receipt(r.mine, "OTHERS", "read"), r.theirs.WebhookSecret), "OTHERS", stranger...)
	both := *r.mine
	switch r.dialect {
	case "wuzapi":
		// Of two names the server's own counts.
		both.SessionID = r.theirs.SessionID
		if r.generation == "old" {
			h := r.post(&both, r.receipt(r.mine, "OTHERS", "read"), r.theirs.WebhookSecret)
			h.path += "&session=" + mySession
			res := r.deliver(t, h)
			if n := r.hooksKept(t, "session_id = $1 AND CAST(payload AS TEXT) LIKE '%OTHERS%'", mySession); n != 0 {
				t.Errorf("two sessions in the URL: %s", res.text)
			}
			return
		}
		r.refusedHook(t, "two names", r.post(&both, r.receipt(r.mine, "OTHERS", "read"), r.theirs.WebhookSecret), "OTHERS")
		h := r.post(r.mine, r.receipt(r.mine, "OTHERS", "read"), "")
		h.path = "/" + r.theirs.WebhookSecret + "?session=" + theirSession
		r.refusedHook(t, "bob's URL", h, "OTHERS")
	case "waha":
		e := r.receipt(r.mine, "OTHERS", "read")
		e["metadata"] = map[string]any{"gateway.session_id": theirSession, "gateway.user_id": bob}
		r.refusedHook(t, "two names", r.post(r.mine, e, r.theirs.WebhookSecret), "OTHERS")
	case "gowa":
		e := r.receipt(r.mine, "OTHERS", "read")
		e["device_id"] = theirSession
		r.refusedHook(t, "two names", r.post(r.mine, e, r.theirs.WebhookSecret), "OTHERS")
	case "evolution":
		e := r.receipt(r.mine, "OTHERS", "read")
		e["data"].(map[string]any)["instance"] = theirSession
		r.refusedHook(t, "two names", r.post(r.mine, e, r.theirs.WebhookSecret), "OTHERS")
	}
	if r.dialect == "wuzapi" {
		return // no lines
	}
	// Of several in one body each has to be proven.
	lines := r.post(r.theirs, r.receipt(r.theirs, "OTHERS", "read"), "").body + "\n" + r.post(r.mine, r.receipt(r.mine, "OTHERS", "read"), "").body + "\n"
	h := aHook{header: append([]string{"Content-Type", "application/x-ndjson"}, r.proof(r.theirs.WebhookSecret, lines)...), body: lines}
	r.refusedHook(t, "two sessions in one body", h, "OTHERS")
}

// testHooksRepeated: a webhook that comes again is kept once and counted once.
func (r *trapRig) testHooksRepeated(t *testing.T) {
	r.settle(t)
	before := r.total(t)
	h := r.post(r.mine, r.receipt(r.mine, "REPEATED", "delivered"), r.mine.WebhookSecret)
	for i := range 4 {
		res := r.deliver(t, h)
		res.wantAnswer(t, http.StatusOK, "")
		want := [3]float64{1, 0, 1}
		if i > 0 {
			want = [3]float64{0, 1, 0}
		}
		got := [3]float64{hookNumber(res, "recorded"), hookNumber(res, "duplicates"), hookNumber(res, "counted")}
		if got != want {
			t.Errorf("time %d: %s", i+1, res.text)
		}
	}
	if n := r.keptWith(t, "REPEATED"); n != 1 {
		t.Errorf("%d are kept", n)
	}
	r.wantTotals(t, [4]float64{before[0] + 1, before[1], before[2] + 1, before[3]})
	eventually(t, "the receipt's row", func() bool { return r.rows(t, "receipts", "message_id = 'REPEATED'") == 1 })
}

func hookNumber(res response, name string) float64 {
	n, _ := res.at("data", name).(float64)
	return n
}

func (r *trapRig) wantTotals(t *testing.T, want [4]float64) {
	t.Helper()
	deadline := time.Now().Add(5 * time.Second)
	for got := r.total(t); got != want; got = r.total(t) {
		if time.Now().After(deadline) {
			t.Fatalf("totals %v, want %v", got, want)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// rows counts rows of alice's session that are made of webhooks.
func (r *trapRig) rows(t *testing.T, table, where string, args ...any) int {
	t.Helper()
	return r.primary.Count(t, r.primary.Own(table), "session_id = '"+mySession+"' AND "+where, args...)
}

// testHooksDisordered: whatever comes last, a message that was read stays so.
func (r *trapRig) testHooksDisordered(t *testing.T) {
	r.settle(t)
	before := r.total(t)
	for _, status := range []string{"read", "delivered", "sent"} {
		if status == "sent" && (r.dialect == "wuzapi" || r.dialect == "gowa") {
			continue
		}
		r.deliver(t, r.post(r.mine, r.receipt(r.mine, "DISORDERED", status), r.mine.WebhookSecret)).wantAnswer(t, http.StatusOK, "")
	}
	r.wantTotals(t, [4]float64{before[0] + 1, before[1], before[2] + 1, before[3] + 1})
	eventually(t, "the rows", func() bool {
		return r.rows(t, "receipts", "message_id = 'DISORDERED' AND status = 'read'") == 1 && r.rows(t, "receipts", "message_id = 'DISORDERED' AND status = 'delivered'") == 1
	})
	if n := r.rows(t, "messages", "message_id = 'DISORDERED' AND status <> 'read'"); n != 0 {
		t.Errorf("a message that was read went back")
	}
}

// testHooksStrange: what is not known harms nothing, and what is no webhook is refused.
func (r *trapRig) testHooksStrange(t *testing.T) {
	r.settle(t)
	before := r.total(t)
	secret := r.mine.WebhookSecret
	for _, event := range []map[string]any{
		r.other(r.mine, "STRANGE1"),
		{"event": map[string]any{"deep": []any{1, "STRANGE2", nil}}, "session": r.mine.RemoteID, "session_id": r.mine.RemoteID, "instance": r.mine.RemoteID, "type": 7},
	} {
		h := r.post(r.mine, event, secret)
		res := r.deliver(t, h)
		res.wantAnswer(t, http.StatusOK, "")
		if hookNumber(res, "recorded") != 1 || hookNumber(res, "counted") != 0 {
			t.Errorf("%s: %s", h.body, res.text)
		}
	}
	for _, mark := range []string{"STRANGE1", "STRANGE2"} {
		if n := r.keptWith(t, mark); n != 1 {
			t.Errorf("%d of %s are kept", n, mark)
		}
	}
	path := ""
	if r.generation == "old" {
		path = "/" + secret + "?session=" + mySession
	}
	for _, body := range []string{"", "STRANGE3", `{"STRANGE3":`, "\x00STRANGE3", `[]`, `"STRANGE3"`, "null", "%zz=STRANGE3", strings.Repeat("[", 60_000)} {
		for _, kind := range []string{"application/json", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/plain", "application/octet-stream"} {
			h := aHook{path: strings.ReplaceAll(path, secret, "not-the-secret"), header: append([]string{"Content-Type", kind}, r.proof("not-the-secret", body)...), body: body}
			if res := r.deliver(t, h, stranger...); res.status != http.StatusUnauthorized {
				t.Errorf("%s %q: %d %s", kind, body[:min(len(body), 20)], res.status, res.text)
			}
		}
	}
	if n := r.keptWith(t, "STRANGE3"); n != 0 {
		t.Errorf("%d that are no webhooks are kept", n)
	}
	// Who is trusted is told what is wrong.
	for _, body := range []string{"", "STRANGE3", `{"STRANGE3":`, "\x00"} {
		r.deliver(t, aHook{path, []string{"Content-Type", "application/json"}, body}).wantAnswer(t, http.StatusBadRequest, "")
	}
	// More than the operator allows is not read.
	huge := r.receipt(r.mine, "STRANGE4", "read")
	huge["padding"] = strings.Repeat("x", 80<<10)
	for _, from := range [][]string{nil, stranger} {
		res := r.deliver(t, r.post(r.mine, huge, secret), from...)
		res.wantAnswer(t, http.StatusRequestEntityTooLarge, "")
	}
	if after := r.total(t); after != before || r.keptWith(t, "STRANGE4") != 0 {
		t.Errorf("totals %v, and were %v", after, before)
	}
}

// testHooksSecrets: of what a server posts, its credentials are not kept.
func (r *trapRig) testHooksSecrets(t *testing.T) {
	e := r.receipt(r.mine, "SECRETS", "read")
	marks := []string{secretMark + "in-a-hook", r.credential(r.mine)}
	switch r.dialect {
	case "wuzapi":
		e["token"] = r.credential(r.mine)
		e["Token"] = secretMark + "in-a-hook"
	case "waha":
		e["payload"].(map[string]any)["media"] = map[string]any{"url": "http://server/api/files/x.jpg?x-api-key=" + r.credential(r.mine)}
		e["config"] = map[string]any{"webhooks": []any{map[string]any{"hmac": map[string]any{"key": r.mine.WebhookSecret}}}, "proxy": map[string]any{"password": secretMark + "in-a-hook"}}
		e["payload"].(map[string]any)["apiKey"] = secretMark + "in-a-hook"
	case "evolution":
		e["apikey"] = r.credential(r.mine)
		e["data"].(map[string]any)["apikey"] = secretMark + "in-a-hook"
		e["data"].(map[string]any)["token"] = secretMark + "in-a-hook"
	case "gowa":
		marks = nil // it posts none
	}
	r.deliver(t, r.post(r.mine, e, r.mine.WebhookSecret)).wantAnswer(t, http.StatusOK, "")
	if n := r.keptWith(t, "SECRETS"); n != 1 {
		t.Errorf("%d are kept", n)
	}
	for _, mark := range marks {
		if n := r.keptWith(t, mark); n != 0 {
			t.Errorf("%d webhooks are kept with a secret (%s…)", n, mark[:4])
		}
	}
	r.wantNothingKept(t)
}

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
