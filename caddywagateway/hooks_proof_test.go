package caddywagateway

import (
	"encoding/base64"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/genfity/wa-gateway/store/storetest"
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
			both.RemoteID = r.theirs.RemoteID
		}
		if r.generation == "old" {
			h := r.post(&both, r.receipt(r.mine, "OTHERS", "read"), r.theirs.WebhookSecret)
			h.path += "&session=" + r.mine.RemoteID
			res := r.deliver(t, h)
			if n := r.hooksKept(t, "session_id = $1 AND CAST(payload AS TEXT) LIKE '%OTHERS%'", mySession); n != 0 {
				t.Errorf("two sessions in the URL: %s", res.text)
			}
			return
		}
		r.refusedHook(t, "two names", r.post(&both, r.receipt(r.mine, "OTHERS", "read"), r.theirs.WebhookSecret), "OTHERS")
		h := r.post(r.mine, r.receipt(r.mine, "OTHERS", "read"), "")
		h.path = "/" + r.theirs.WebhookSecret + "?session=" + r.theirs.RemoteID
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
		path = "/" + secret + "?session=" + r.mine.RemoteID
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
