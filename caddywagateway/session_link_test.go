package caddywagateway

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/genfity/wa-gateway/store"
	"github.com/genfity/wa-gateway/store/storetest"
)

// A session that was at the server before the gateway can be sent with once the
// operator has told what opens it there.
func TestSessionLinkCommand(t *testing.T) {
	d := storetest.New(t, storetest.SQLite)
	r := newDialectRig(t, d, dialectCases[0])
	const token = "token-of-the-session-that-was"
	user, session := alice, "was-there"
	if err := r.db.AddSession(t.Context(), &store.Session{SessionID: session, UserID: &user, Status: "connected"}); err != nil {
		t.Fatal(err)
	}
	remote := r.createUser(t, token)
	me := as(alice, session)
	if res := r.call("GET", "/api/wa/sessions/"+session, "", me); res.at("data", "connected") == true {
		t.Fatalf("nobody has told what opens it: %s", res.text)
	}

	c := newCLI(t, strings.NewReplacer("{DSN}", d.DSN, "{WA}", r.server.URL).Replace(`{
	wa_gateway {
		transactional_db {DSN}
		wa_server main {WA} {
			dialect wuzapi
		}
		wa_server other
		encryption_key an-encryption-key-of-the-tests
	}
}
`))
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte(" "+token+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c.fails(1, "add it first", "session", "link", "nobodys")
	c.fails(1, "needs no link", "session", "link", session, "--server", "other")
	c.fails(1, "there is no wa_server x", "session", "link", session, "--server", "x")
	c.fails(1, "name a file", "session", "link", session, "--credential", token)
	c.ok("session", "link", session, "--remote-id", remote, "--credential", "@"+file)
	if strings.Contains(c.said.String(), token) {
		t.Errorf("the command says %s", c.said.String())
	}
	link, err := r.db.Link(t.Context(), session)
	if err != nil || link.RemoteID != remote || bytes.Contains(link.Credential, []byte(token)) {
		t.Fatalf("link: %+v, %v", link, err)
	}
	eventually(t, "the gateway to hear of it", func() bool {
		return r.call("POST", "/api/wa/sessions/"+session+"/start", "", me).status == http.StatusOK
	})
	eventually(t, "the session to be paired", func() bool {
		return r.call("GET", "/api/wa/sessions/"+session, "", me).at("data", "connected") == true
	})
	r.success(t, r.call("POST", "/api/wa/send-message", `{"to":"6281234567890","message":"x"}`, me), http.StatusOK)
}

// createUser makes a session at wuzapi, as its operator.
func (r *dialectRig) createUser(t *testing.T, token string) string {
	t.Helper()
	body := fmt.Sprintf(`{"name":"was there","token":%q,"events":"All"}`, token)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, r.server.URL+"/admin/users", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", r.token)
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var made struct{ Data struct{ ID string } }
	if err := json.NewDecoder(res.Body).Decode(&made); err != nil || made.Data.ID == "" {
		t.Fatalf("%s: %+v, %v", res.Status, made, err)
	}
	return made.Data.ID
}

func TestSecretArgument(t *testing.T) {
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte(" tok-en\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for value, want := range map[string]string{"": "", "@" + file: "tok-en", "@-": "from-stdin"} {
		got, err := secretArgument("--credential", value, strings.NewReader("from-stdin\n"))
		if err != nil || got != want {
			t.Errorf("%s: %q, %v", value, got, err)
		}
	}
	for _, value := range []string{"tok-en", "@" + file + "-not-there"} {
		if got, err := secretArgument("--credential", value, nil); err == nil {
			t.Errorf("%s: %q", value, got)
		}
	}
	for _, content := range []string{"", "\n", strings.Repeat("x", maxSecretFile+1)} {
		if _, err := secretArgument("--credential", "@-", strings.NewReader(content)); err == nil {
			t.Errorf("a file of %d bytes is taken", len(content))
		}
	}
}

// A tenant who calls a session as somebody else's is called at the server gets none of
// its webhooks, whatever proves them.
func TestHookOfNamesake(t *testing.T) {
	const wide = "a-secret-for-all-sessions"
	d := storetest.New(t, storetest.SQLite)
	r := newDialectRig(t, d, dialectCases[1], "webhook_secret "+wide)
	r.paired(t, "namesake")
	body := `{"type":"Message","userID":"an-id-of-nobody","instanceName":"namesake","event":{"Info":{"ID":"3EB0FF","Chat":"628111222333@s.whatsapp.net","Sender":"628111222333@s.whatsapp.net","Timestamp":"` +
		time.Now().UTC().Format(time.RFC3339) + `","Type":"text"},"Message":{"conversation":"not for you"}}}`
	res := r.call("POST", "/events/webhook/main/"+wide, body, nil)
	res.wantAnswer(t, http.StatusOK, "Webhook recorded")
	// One that is hers, told after it, has been made a row of; so has the other, if ever.
	r.tell(t, "incoming", `{"session":"namesake","from":"628111222333","text":"for you"}`)
	const chat = "/api/wa/sessions/namesake/messages/628111222333@s.whatsapp.net"
	eventually(t, "her own message", func() bool {
		return strings.Contains(r.call("GET", chat, "", as(alice, "namesake")).text, "for you")
	})
	if res := r.call("GET", chat, "", as(alice, "namesake")); strings.Contains(res.text, "not for you") {
		t.Errorf("somebody else's message is shown: %s", res.text)
	}
}
