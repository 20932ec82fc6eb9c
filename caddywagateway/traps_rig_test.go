package caddywagateway

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/genfity/wa-gateway/internal/seal"
	"github.com/genfity/wa-gateway/sandbox"
	"github.com/genfity/wa-gateway/store"
	"github.com/genfity/wa-gateway/store/storetest"
	"github.com/genfity/wa-gateway/waserver"
)

// The sessions of the tests of what is dangerous: alice's, and bob's, which nothing of
// alice's may touch.
const (
	mySession    = "alice-line"
	theirSession = "bob-line"
	trapKey      = "an-encryption-key-of-the-tests"
	// evil is in what clients write where nobody may write.
	evil = "evil-7f3a"
	// causeHeader goes along with the calls that a client's call makes, so that they
	// are told from those that the gateway makes by itself.
	causeHeader = "X-Request-Id"
)

// trapCases are the servers of the tests of what is dangerous: each, and wuzapi as it
// was before it could sign.
var trapCases = []dialectCase{
	{name: "wuzapi", dialect: "wuzapi", token: "wuzapi-server-key"},
	{name: "wuzapi-old", dialect: "wuzapi", generation: "old", token: "wuzapi-server-key", lacks: []string{"poll"}},
	{name: "gowa", dialect: "gowa", token: "gowa:gowa-server-key", lacks: []string{"list", "button", "stop"}},
	{name: "waha", dialect: "waha", token: "waha-server-key"},
	{name: "evolution", dialect: "evolution", token: "evolution-server-key", lacks: []string{"stop"}},
}

// trapRig is a gateway before a server that speaks a dialect, with taps on what the
// gateway tells the server (calls) and on what the server tells the gateway (hooks).
type trapRig struct {
	*dialectRig
	d, primary   *storetest.Database
	calls, hooks *tap
	text         string // the Caddyfile
	causes       int
	mine, theirs *waserver.Link
}

// newTrapRig starts one, without sessions. changes are pairs of old and new text of the
// Caddyfile; {SERVER} in it takes options of the WA server.
func newTrapRig(t *testing.T, kind storetest.Kind, c dialectCase, changes ...string) *trapRig {
	t.Helper()
	server, err := sandbox.New(sandbox.Options{
		Dialect: c.dialect, Generation: c.generation, Token: c.token, WebhookJSON: c.json,
		PairAfter: 50 * time.Millisecond, Delivered: 20 * time.Millisecond, Read: 40 * time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	r := &trapRig{dialectRig: &dialectRig{dialectCase: c, server: httptest.NewServer(server)}}
	t.Cleanup(func() {
		r.server.Close()
		_ = server.Close(t.Context())
	})
	r.d, r.primary = storetest.New(t, kind), storetest.New(t, primaryKind(kind))
	r.calls, r.hooks = newTap(t, r.server.URL), newTap(t, "")
	r.setup = &setup{db: openStore(t, r.d.DSN)}
	seed(t, r.db)
	for _, user := range []string{alice, bob} {
		if err := r.db.SetSubscription(t.Context(), user, "ckpro", store.SubscriptionActive, time.Now().Add(48*time.Hour)); err != nil {
			t.Fatal(err)
		}
	}
	block := fmt.Sprintf("wa_server main %s {\n\t\t\tdialect %s\n\t\t\ttoken %s\n\t\t\twebhook_url %s\n\t\t\tbroadcast_pace 1ms\n\t\t\t{SERVER}\n\t\t}\n\t\tencryption_key {KEYS}",
		r.calls.URL, c.dialect, c.token, r.hooks.URL)
	r.text = caddyfileFor(r.d.DSN, "", "wa_server main {WA} {\n\t\t\ttoken "+waToken+"\n\t\t}", block,
		"sqlite://{DIR}/primary.db", r.primary.DSN, "{APP}", "{APP}", "wa_events", "wa_events {\n\t\tmax_body 64KiB\n\t\t{EVENTS}\n\t}",
		"\n\tlog\n", shippedLog(t))
	r.gateway = startCaddy(t, r.caddyfile(changes...))
	r.hooks.to = r.url
	r.ready()
	return r
}

func primaryKind(kind storetest.Kind) storetest.Kind {
	if kind == storetest.SQLite {
		return storetest.SQLite
	}
	return storetest.PostgresSnake
}

// shippedLog is the access log as the repository's own Caddyfile has it, in a file of the
// test's.
func shippedLog(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../Caddyfile")
	if err != nil {
		t.Fatal(err)
	}
	_, text, found := bytes.Cut(text, []byte("\tlog {\n"))
	filter, _, ended := bytes.Cut(text, []byte("\n\t\t}\n"))
	if !found || !ended {
		t.Fatal("the Caddyfile has no log with a filter")
	}
	return "\n\tlog {\n\t\t\toutput file {DIR}/access.log\n" + string(filter) + "\n\t\t}\n"
}

// reload loads other options, and waits until they are good.
func (r *trapRig) reload(changes ...string) {
	r.t.Helper()
	r.load(r.caddyfile(changes...))
	r.client.CloseIdleConnections()
	r.ready()
}

// caddyfile is the rig's with changes.
func (r *trapRig) caddyfile(changes ...string) string {
	return strings.NewReplacer(append(changes, "{SERVER}", "", "{KEYS}", trapKey, "{APP}", "rate_limit 1000000 60s", "{EVENTS}", "")...).Replace(r.text)
}

// pair gives alice and bob a session that can send.
func (r *trapRig) pair(t *testing.T) {
	t.Helper()
	r.paired(t, mySession)
	them := as(bob, theirSession)
	r.success(t, r.call("POST", "/api/wa/sessions", `{"session_id":"`+theirSession+`","name":"Other"}`, as(bob, bobSession)), http.StatusCreated)
	r.success(t, r.call("POST", "/api/wa/sessions/"+theirSession+"/start", "", them), http.StatusOK)
	eventually(t, "bob's session to be paired", func() bool {
		return r.call("GET", "/api/wa/sessions/"+theirSession, "", them).at("data", "connected") == true
	})
	r.mine, r.theirs = r.linkOf(t, mySession), r.linkOf(t, theirSession)
}

// linkOf reads what the gateway keeps of a session, secrets and all.
func (r *trapRig) linkOf(t *testing.T, id string) *waserver.Link {
	t.Helper()
	sealed, err := r.db.Link(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	box, err := seal.New(trapKey)
	if err != nil {
		t.Fatal(err)
	}
	link, err := (&App{box: box}).openLink(sealed)
	if err != nil {
		t.Fatal(err)
	}
	return link
}

// credential is what opens a session alone; empty where the server has no such thing.
func (r *trapRig) credential(link *waserver.Link) string {
	if _, key, ok := strings.Cut(link.Credential, ":"); ok && r.dialect == "waha" {
		return key
	}
	return link.Credential
}

// secrets are what nobody may be shown.
func (r *trapRig) secrets() []string {
	all := []string{r.token, strings.TrimPrefix(r.token, "gowa:"), trapKey}
	for _, link := range []*waserver.Link{r.mine, r.theirs} {
		if link == nil {
			continue
		}
		for _, secret := range []string{r.credential(link), link.WebhookSecret} {
			if secret != "" {
				all = append(all, secret)
			}
		}
	}
	return all
}

// wantNoSecret looks for secrets in a text.
func (r *trapRig) wantNoSecret(t *testing.T, what, text string) {
	t.Helper()
	for _, secret := range r.secrets() {
		if strings.Contains(text, secret) {
			t.Errorf("%s holds a secret (%s…): %.300s", what, secret[:4], text)
		}
	}
}

// act makes a call and returns the calls of the server that it caused.
func (r *trapRig) act(t *testing.T, method, path, body string, header []string) (response, []tapped) {
	t.Helper()
	r.causes++
	cause := fmt.Sprintf("cause-%d", r.causes)
	before := len(r.calls.since(0))
	res := r.call(method, path, body, append(append([]string(nil), header...), causeHeader, cause))
	var caused []tapped
	for _, c := range r.calls.since(before) {
		switch {
		case c.header.Get(causeHeader) == cause:
			caused = append(caused, c)
		case c.header.Get(causeHeader) == "" && !r.polled(c):
			t.Errorf("%s %s: %s without a cause", method, path, c)
		}
	}
	r.wantNoSecret(t, method+" "+path+": the answer", fmt.Sprint(res.header)+res.text)
	return res, caused
}

// polled tells the calls by which the gateway asks by itself how sessions are.
func (r *trapRig) polled(c tapped) bool {
	return c.method == http.MethodGet && (c.path() == "/session/status" || strings.HasPrefix(c.path(), "/admin/users/") || strings.HasPrefix(c.path(), "/devices/") && strings.Count(c.path(), "/") == 2)
}

// wantNone checks that nothing reached the server.
func wantNone(t *testing.T, what string, caused []tapped) {
	t.Helper()
	if len(caused) > 0 {
		t.Errorf("%s: %v reached the server", what, caused)
	}
}

// wantMine checks that calls are about alice's session, with the credential of that
// session where the server has one, and have nothing in them of bob's and nothing that
// a client wrote where it may not.
func (r *trapRig) wantMine(t *testing.T, what string, caused []tapped) {
	t.Helper()
	for _, c := range caused {
		for _, mark := range []string{theirSession, r.theirs.RemoteID, r.credential(r.theirs), r.theirs.WebhookSecret, evil, "999999"} {
			if len(mark) > 3 && c.holds(mark) {
				t.Errorf("%s: %q is in what reached the server: %s %.300s", what, mark, c, c.body)
			}
		}
		if problem := r.notMine(c); problem != "" {
			t.Errorf("%s: %s: %s", what, c, problem)
		}
	}
}

// notMine tells what is wrong with a call for alice's session.
func (r *trapRig) notMine(c tapped) string {
	one := func(name, want string) string {
		if got := c.header.Values(name); len(got) != 1 || got[0] != want {
			return fmt.Sprintf("%d values of header %s, or not the right one", len(got), name)
		}
		return ""
	}
	last := c.path()[strings.LastIndex(c.path(), "/")+1:]
	var body map[string]any
	_ = json.Unmarshal(c.body, &body)
	switch r.dialect {
	case "wuzapi":
		if strings.HasPrefix(c.path(), "/admin") {
			return one("Authorization", r.token)
		}
		if c.header.Get("Authorization") != "" || c.query().Has("token") || c.query().Get("chat_jid") == "index" {
			return "another credential, or everybody's chats"
		}
		return one("Token", r.credential(r.mine))
	case "gowa":
		if strings.HasPrefix(c.path(), "/devices") && !strings.HasPrefix(c.path()+"/", "/devices/"+mySession+"/") {
			return "another device's path"
		}
		if c.query().Has("device_id") {
			return "a device in the query"
		}
		return one("X-Device-Id", mySession)
	case "waha":
		inPath := strings.HasPrefix(c.path()+"/", "/api/"+mySession+"/") || strings.HasPrefix(c.path()+"/", "/api/sessions/"+mySession+"/")
		if !inPath && body["session"] != mySession && c.query().Get("session") != mySession {
			return "no session, or another one"
		}
		if c.query().Has("x-api-key") || strings.Contains(c.path(), "/chats/all/") {
			return "a key, or all chats"
		}
		return one("X-Api-Key", r.credential(r.mine))
	default:
		if c.path() == "/instance/fetchInstances" {
			if got := c.query(); len(got) != 1 || got.Get("instanceName") != mySession {
				return "the list of more than one instance"
			}
		} else if last != mySession || strings.Contains(c.uri, "?") {
			return "another instance, or a query"
		}
		if _, ok := body["instanceName"]; ok {
			return "an instance in the body"
		}
		return one("Apikey", r.credential(r.mine))
	}
}
