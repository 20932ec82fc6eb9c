package caddywagateway

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/genfity/wa-gateway/store"
	"github.com/genfity/wa-gateway/store/storetest"
)

// createdOf are the members that the gateway may name when it has a session created.
var createdOf = map[string][]string{
	"wuzapi":    {"name", "token", "events", "expiration", "webhook", "hmacKey", "history", "hmac_key", "webhookurl", "webhookURL"},
	"gowa":      {"device_id", "webhook_url", "webhook_secret"},
	"waha":      {"name", "start", "config", "webhooks", "noweb", "webjs", "metadata", "isAdmin", "session", "isActive", "actions"},
	"evolution": {"instanceName", "integration", "qrcode", "token", "webhook"},
}

// testTrapCreation: of what a client says of a new session only its id and name count:
// it sets no webhook, no proxy, no credential and no integration.
func (r *trapRig) testTrapCreation(t *testing.T) {
	me := as(alice, mySession)
	u := "http://" + evil + ".example/"
	body := fmt.Sprintf(`{"session_id":"made-1","name":"Made","token":%[1]q,"apikey":%[1]q,"webhook":{"url":%[2]q,"enabled":true,"events":[]},
		"webhook_url":%[2]q,"webhook_secret":%[1]q,"webhookUrl":%[2]q,"events":"None","Subscribe":["None"],"hmacKey":%[1]q,"expiration":1,
		"history":999999,"proxyConfig":{"enabled":true,"proxyURL":%[2]q},"s3Config":{"enabled":true,"endpoint":%[2]q},"start":true,
		"config":{"webhooks":[{"url":%[2]q,"events":["*"]}],"proxy":{"server":%[1]q},"metadata":{"gateway.user_id":"ckbob","gateway.session_id":%[3]q}},
		"metadata":{"gateway.user_id":"ckbob"},"integration":"EVOLUTION","number":"628999000111","qrcode":true,"proxyHost":%[1]q,"chatwootUrl":%[2]q,
		"rabbitmq":{"enabled":true},"webhook_insecure_skip_verify":true,"isAdmin":true,"actions":{"setting":true}}`, evil, u, theirSession)
	for _, other := range []string{"instanceName", "instanceId", "device_id", "deviceId", "session", "id", "userID", "session\\u005fid"} {
		res, caused := r.act(t, "POST", "/api/wa/sessions", `{"session_id":"two-names","`+other+`":"`+theirSession+`"}`, me)
		for _, c := range caused {
			if c.holds(theirSession) {
				t.Errorf("%s: %s %s", other, c, c.body)
			}
		}
		if res.status == http.StatusCreated {
			r.act(t, "DELETE", "/api/wa/sessions/two-names", "", as(alice, "two-names"))
		} else if res.status != http.StatusBadRequest {
			t.Errorf("%s: %d %s", other, res.status, res.text)
		}
	}
	res, caused := r.act(t, "POST", "/api/wa/sessions", body, me)
	r.success(t, res, http.StatusCreated)
	if res.at("data", "session_id") != "made-1" || len(caused) == 0 {
		t.Errorf("created: %s", res.text)
	}
	allowed := map[string]bool{}
	for _, name := range createdOf[r.dialect] {
		allowed[name] = true
	}
	for _, c := range caused {
		for _, mark := range []string{evil, theirSession, bob, "999999", "628999000111", "None", "EVOLUTION"} {
			if c.holds(mark) {
				t.Errorf("%q is in what reached the server: %s %s", mark, c, c.body)
			}
		}
		var sent map[string]any
		if len(c.body) > 0 && json.Unmarshal(c.body, &sent) != nil {
			t.Errorf("%s: %s", c, c.body)
		}
		for name := range sent {
			if !allowed[name] && !(r.dialect == "wuzapi" && c.path() == "/webhook") {
				t.Errorf("%s sets %s", c, name)
			}
		}
		if sent["isAdmin"] == true || sent["start"] == true || sent["qrcode"] == true {
			t.Errorf("%s: %s", c, c.body)
		}
	}
	link := r.linkOf(t, "made-1")
	if link.UserID != alice || r.dialect != "gowa" && len(r.credential(link)) < 20 || len(link.WebhookSecret) < 32 {
		t.Errorf("the session is %s's, or its secrets are short", link.UserID)
	}
	// What the server tells of it goes to the gateway, and to nobody else.
	wanted := r.hooks.URL + "/events/webhook/main"
	told := false
	for _, c := range caused {
		told = told || bytes.Contains(c.body, []byte(wanted))
	}
	if !told {
		t.Errorf("the server was not told the gateway's URL: %v", caused)
	}
	_, caused = r.act(t, "DELETE", "/api/wa/sessions/made-1", "", as(alice, "made-1"))
	if len(caused) == 0 {
		t.Error("the session was not deleted at the server")
	}
	r.testSessionIDs(t)
}

// badIDs are session ids that cannot be, at any server and at each.
var badIDs = map[string][]string{
	"": {"../x", "a/b", "a b", "..", ".", "a?b=c", "a#b", "a%2fb", "a%b", "ü", `a\\b`, `a\u0000`, `a\nb`, `a\"b`, "a;b", "a,b", "*", strings.Repeat("a", 300)},
	"waha": {
		"default", "Default", "DEFAULT", "sessions", "contacts", "keys", "server", "apps", "files", "screenshot", "version", "messages", "sendText", "sendtext",
		"start", "stop", "logout", "restart", "all", "me", "6281234567890@s.whatsapp.net", "a.b", "a:b", strings.Repeat("a", 55),
	},
	"gowa":      {"6281234567890@s.whatsapp.net", "6281234567890:3@s.whatsapp.net", "a+b", "a.b", "a@b", "a~b", "a|b"},
	"evolution": {"a.b", "a@b", "a+b", "__proto__", "constructor", "toString", "hasOwnProperty", "valueOf", strings.Repeat("a", 101)},
}

// testSessionIDs: no session is created under a name that means something else to the
// server, or belongs to somebody.
func (r *trapRig) testSessionIDs(t *testing.T) {
	me := as(alice, mySession)
	for _, id := range append(append([]string(nil), badIDs[""]...), badIDs[r.dialect]...) {
		for _, name := range []string{"session_id", "sessionId"} {
			res, caused := r.act(t, "POST", "/api/wa/sessions", `{"`+name+`":"`+id+`"}`, me)
			wantNone(t, id, caused)
			if res.status != http.StatusBadRequest {
				t.Errorf("%s %.60s: %d %s", name, id, res.status, res.text)
			}
		}
	}
	for _, id := range []string{theirSession, mySession, bobSession} {
		res, caused := r.act(t, "POST", "/api/wa/sessions", `{"session_id":"`+id+`"}`, me)
		wantNone(t, id, caused)
		if res.status != http.StatusConflict {
			t.Errorf("%s: %d %s", id, res.status, res.text)
		}
	}
}

// forwardedHeaders are all that a server gets beside its credential.
var forwardedHeaders = map[string]bool{
	"Accept": true, "Accept-Encoding": true, "Content-Length": true, "Content-Type": true, "User-Agent": true, "Via": true, causeHeader: true,
	"X-Forwarded-For": true, "X-Forwarded-Host": true, "X-Forwarded-Proto": true, "X-Device-Id": true,
}

// testTrapCredentials: the server's own credential is used where nothing less is good,
// each session has its own, and none is in a URL.
func (r *trapRig) testTrapCredentials(t *testing.T) {
	other := as(alice, mySession)
	me := append(as(alice, "cred-line"), "Cookie", "a="+evil, "Apikey", evil, "User-Agent", evil, "Referer", "http://"+evil, "X-Custom", evil)
	var all []tapped
	act := func(method, path, body string, header []string) response {
		res, caused := r.act(t, method, "/api/wa/"+path, body, header)
		all = append(all, caused...)
		return res
	}
	act("POST", "sessions", `{"session_id":"cred-line"}`, other)
	link := r.linkOf(t, "cred-line")
	own := r.credential(link)
	act("POST", "sessions/cred-line/start", "", me)
	act("GET", "sessions/cred-line/qr", "", me)
	eventually(t, "the session to be paired", func() bool { return act("GET", "sessions/cred-line", "", me).at("data", "connected") == true })
	act("POST", "send-message", aText+"}", me)
	act("POST", "send-image", `{"to":"6281234567890","media":"data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="}`, me)
	act("POST", "broadcast", `{"recipients":["6281234567890"],"message":"hello"}`, me)
	for _, list := range []string{"contacts", "chats", "messages/6281234567890"} {
		act("GET", "sessions/cred-line/"+list, "", me)
	}
	act("POST", "sessions/cred-line/mark-read", `{"chat_id":"6281234567890@s.whatsapp.net","message_ids":["ABCDEF"]}`, me)
	act("GET", "webhook", "", me)
	act("POST", "sessions/cred-line/stop", "", me)
	if res := act("DELETE", "sessions/cred-line", "", me); res.status != http.StatusOK {
		t.Errorf("deleting: %d %s", res.status, res.text)
	}
	r.wantClosed(t, own)
	if own == r.credential(r.mine) && own != "" || link.WebhookSecret == r.mine.WebhookSecret {
		t.Error("two sessions have one secret")
	}
	for _, c := range all {
		for _, secret := range append(r.secrets(), own, link.WebhookSecret) {
			if secret != "" && strings.Contains(c.uri, secret) {
				t.Errorf("a secret is in the URL of %s %s", c.method, c.path())
			}
		}
		if c.holds(evil) {
			t.Errorf("%s: the client's headers went along: %v", c, c.header)
		}
		name, value := r.shownBy(c)
		admin := value == r.token || r.dialect == "gowa"
		if !admin && value != own {
			t.Errorf("%s carries neither the server's credential nor the session's", c)
		}
		if admin != r.adminCall(c) {
			t.Errorf("%s carries the server's own credential: %v", c, admin)
		}
		for header := range c.header {
			if !forwardedHeaders[header] && header != name {
				t.Errorf("%s carries header %s", c, header)
			}
		}
	}
}

// wantClosed: what opened a session that was deleted opens nothing any more (wuzapi goes
// on taking the token of a user who was deleted plainly).
func (r *trapRig) wantClosed(t *testing.T, credential string) {
	t.Helper()
	path := map[string]string{"wuzapi": "/session/status", "waha": "/api/sessions/cred-line", "evolution": "/instance/connectionState/cred-line"}[r.dialect]
	if path == "" || r.generation == "old" {
		return // a device has none; the first generation keeps it in memory, whoever deletes
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, r.server.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	name, _ := r.shownBy(tapped{uri: path})
	req.Header.Set(name, credential)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode < 400 {
		t.Errorf("the credential of a deleted session still opens it: %s", res.Status)
	}
}

// shownBy is the header with the credential of a call.
func (r *trapRig) shownBy(c tapped) (name, value string) {
	name = map[string]string{"wuzapi": "Token", "gowa": "Authorization", "waha": "X-Api-Key", "evolution": "Apikey"}[r.dialect]
	if r.dialect == "wuzapi" && strings.HasPrefix(c.path(), "/admin/") {
		name = "Authorization"
	}
	return name, c.header.Get(name)
}

// adminCall tells the calls for which the server wants its own credential.
func (r *trapRig) adminCall(c tapped) bool {
	switch r.dialect {
	case "wuzapi":
		return strings.HasPrefix(c.path(), "/admin/users")
	case "waha":
		return c.method == http.MethodPost && (c.path() == "/api/sessions" || c.path() == "/api/keys") ||
			c.method == http.MethodDelete && strings.HasPrefix(c.path(), "/api/keys/")
	case "evolution":
		return c.path() == "/instance/create"
	}
	return true
}

// testTrapRest: the secrets of sessions are readable nowhere: not in the databases, the
// journal or the log.
func (r *trapRig) testTrapRest(t *testing.T) {
	r.wantNothingKept(t)
}

// wantNothingKept looks for secrets in all that the gateway keeps.
func (r *trapRig) wantNothingKept(t *testing.T) {
	t.Helper()
	for _, d := range []*storetest.Database{r.d, r.primary} {
		if d.Postgres() {
			r.wantNoSecret(t, "the database", dumpPostgres(t, d))
			continue
		}
		r.wantNoneInFiles(t, filepath.Dir(strings.TrimPrefix(d.DSN, "sqlite://")))
	}
	r.wantNoneInFiles(t, r.dir)
}

func (r *trapRig) wantNoneInFiles(t *testing.T, dir string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, secret := range r.secrets() {
			if at := bytes.Index(content, []byte(secret)); at >= 0 {
				t.Errorf("%s holds a secret (%s…) after %q", filepath.Base(path), secret[:4], content[max(0, at-80):at])
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// dumpPostgres is the text of all rows of a database.
func dumpPostgres(t *testing.T, d *storetest.Database) string {
	t.Helper()
	var all strings.Builder
	rows, err := d.SQL.QueryContext(t.Context(), `SELECT quote_ident(schemaname)||'.'||quote_ident(tablename) FROM pg_tables WHERE schemaname NOT IN ('pg_catalog','information_schema')`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var tables []string
	for rows.Next() {
		var table string
		if err := rows.Scan(&table); err != nil {
			t.Fatal(err)
		}
		tables = append(tables, table)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	for _, table := range tables {
		var text string
		d.Query(t, `SELECT coalesce(string_agg(t::text, E'\n'), '') FROM `+table+` t`, nil, &text)
		all.WriteString(table + ": " + text + "\n")
	}
	// What is bytes is hexadecimal in that.
	all.Write(sealedBytes(t, d))
	return all.String()
}

// testTrapKeys: without the operator's key nobody gets at a session's secrets, also not
// by putting one row's into another; a key that is exchanged opens the old ones.
func (r *trapRig) testTrapKeys(t *testing.T) {
	me := as(alice, mySession)
	send := func() response { res, _ := r.act(t, "POST", "/api/wa/send-message", aText+"}", me); return res }
	closed := func(what string) {
		t.Helper()
		res, caused := r.act(t, "POST", "/api/wa/send-message", aText+"}", me)
		res.wantAnswer(t, http.StatusInternalServerError, "")
		wantNone(t, what, caused)
		if log := r.written.read(t); !strings.Contains(log, "cannot be decrypted") || !strings.Contains(log, mySession) {
			t.Errorf("%s: the log does not say which session's secrets cannot be decrypted", what)
		}
		res, _ = r.act(t, "POST", "/api/wa/send-message", aText+"}", as(alice, aliceSession))
		if res.status == http.StatusInternalServerError {
			t.Errorf("%s: a session without secrets: %s", what, res.text)
		}
	}
	const newKey = "another-key-of-the-tests"
	r.reload("{KEYS}", newKey)
	closed("another key")
	r.exchangeKeys(t, newKey+" "+trapKey)
	if res := send(); res.status != http.StatusOK {
		t.Errorf("two keys: %d %s", res.status, res.text)
	}
	r.success(t, r.call("POST", "/api/wa/sessions", `{"session_id":"new-key-1"}`, me), http.StatusCreated)
	r.reload("{KEYS}", newKey)
	if res := r.call("GET", "/api/wa/sessions/new-key-1", "", as(alice, "new-key-1")); res.status != http.StatusOK {
		t.Errorf("what was sealed with the first key: %d %s", res.status, res.text)
	}
	eventually(t, "the new key alone to do", func() bool { return send().status == http.StatusOK })
	r.exchangeKeys(t, trapKey+" "+newKey)
	r.reload()
	eventually(t, "the key to do again", func() bool { return send().status == http.StatusOK })

	kept, theirs := r.sealed(t, mySession), r.sealed(t, theirSession)
	moved := *kept
	moved.Credential, moved.WebhookSecret = theirs.Credential, theirs.WebhookSecret
	for _, link := range []*store.SessionLink{&moved, kept} {
		if err := r.db.SaveLink(t.Context(), link); err != nil {
			t.Fatal(err)
		}
		want := http.StatusOK
		if link == &moved {
			want = http.StatusInternalServerError
		}
		eventually(t, fmt.Sprint("the answer to be ", want), func() bool { return send().status == want })
	}
}

// exchangeKeys loads two keys, and waits until the first has encrypted what the second
// had.
func (r *trapRig) exchangeKeys(t *testing.T, keys string) {
	t.Helper()
	mine, theirs := r.sealed(t, mySession).WebhookSecret, r.sealed(t, theirSession).WebhookSecret
	r.reload("{KEYS}", keys)
	eventually(t, "the secrets to be encrypted anew", func() bool {
		return !bytes.Equal(r.sealed(t, mySession).WebhookSecret, mine) && !bytes.Equal(r.sealed(t, theirSession).WebhookSecret, theirs)
	})
}

// sealed is what the database has of a session.
func (r *trapRig) sealed(t *testing.T, id string) *store.SessionLink {
	t.Helper()
	link, err := r.db.Link(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return link
}

// sealedBytes is what the links hold that is encrypted; nothing in the other database.
func sealedBytes(t *testing.T, d *storetest.Database) (all []byte) {
	t.Helper()
	rows, err := d.SQL.QueryContext(t.Context(), `SELECT credential || webhook_secret || customer_key FROM `+d.Own("session_links"))
	if err != nil {
		return nil
	}
	defer rows.Close()
	for rows.Next() {
		var sealed []byte
		if err := rows.Scan(&sealed); err != nil {
			t.Fatal(err)
		}
		all = append(all, sealed...)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}
