package caddywagateway

import (
	"bytes"
	"image/png"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/genfity/wa-gateway/store"
	"github.com/genfity/wa-gateway/store/storetest"
)

// startOwnCaddyfile runs the repository's Caddyfile in a folder of the test's
// own, as `make run` does, and returns what was printed.
func startOwnCaddyfile(t *testing.T, env map[string]string) (*gateway, string) {
	t.Helper()
	text, err := os.ReadFile("../Caddyfile")
	if err != nil {
		t.Fatal(err)
	}
	clearEnvironment(t)
	for name, value := range env {
		t.Setenv(name, value)
	}
	t.Chdir(t.TempDir())
	printed, err := os.Create("printed")
	if err != nil {
		t.Fatal(err)
	}
	stdout := os.Stdout
	os.Stdout = printed
	defer func() { os.Stdout = stdout }()

	config := strings.Replace(string(text), "{\n", "{\n\t{GLOBAL}\n", 1)
	config = strings.Replace(config, "\t\tlog {\n", "\t\tlog {\n\t\t\toutput file {DIR}/access.log\n", 1)
	config = strings.Replace(config, "import gateway {$PORT} 8070", "import gateway {PORT}", 1)
	g := startCaddy(t, config)
	g.ready()
	if err := printed.Close(); err != nil {
		t.Fatal(err)
	}
	out, err := os.ReadFile("printed")
	if err != nil {
		t.Fatal(err)
	}
	return g, string(out)
}

// TestFirstVisit is what somebody sees who has set nothing: the curl commands of
// the first page, word for word, against the embedded databases and the sandbox.
func TestFirstVisit(t *testing.T) {
	g, printed := startOwnCaddyfile(t, nil)
	who := as(demoUser, demoSession)
	key := regexp.MustCompile(`wak_test_\w+`).FindString(printed)
	if key == "" {
		t.Fatalf("no API key was printed: %q", printed)
	}
	if strings.Contains(g.written.read(t), key) {
		t.Error("the API key is in the log")
	}
	for _, name := range []string{"transactional.db", "primary.db"} {
		if _, err := os.Stat(filepath.Join("data", "demo", name)); err != nil {
			t.Error(err)
		}
	}

	health := g.call("GET", "/api/wa/health", "", nil)
	health.wantAnswer(t, 200, "")
	if health.at("data", "dependencies", "wa_server", "status") != stateSandbox {
		t.Errorf("health: %s", health.text)
	}
	stats := func() [4]float64 {
		t.Helper()
		res := g.call("GET", "/api/wa/stats/user123", "", []string{"X-User-ID", "user123"})
		res.wantAnswer(t, 200, "")
		return totalsOf(res.at("data"))
	}

	t.Run("the curl commands", func(t *testing.T) {
		res := g.call("POST", "/api/wa/send-message", `{"to": "628123456789", "message": "Test"}`,
			[]string{"X-User-ID", "user123", "X-Session-ID", "session123", "Content-Type", "application/json"})
		if id, _ := res.at("data", "message_id").(string); res.status != 200 || id == "" {
			t.Fatalf("%d %s", res.status, res.text)
		}
		g.call("GET", "/api/wa/subscription/user123", "", who).wantAnswer(t, 200, "")
		g.call("GET", "/events/stats/user/user123", "", who).wantAnswer(t, 200, "")
		g.call("GET", "/events/stats/session/user123/session123", "", who).wantAnswer(t, 200, "")
		g.call("DELETE", "/events/admin/stats/user/user123", "", nil).wantAnswer(t, 403, "")
		eventually(t, "the message to be read", func() bool { return stats() == [4]float64{1, 0, 1, 1} })
	})

	t.Run("what becomes of messages", func(t *testing.T) {
		for number, want := range map[string][4]float64{
			"628110000": {0, 1, 0, 0}, "628110001": {1, 0, 0, 0}, "628110002": {1, 0, 1, 0}, "628111111": {1, 0, 1, 1},
		} {
			before := stats()
			res := g.call("POST", "/api/wa/send-message", `{"to":"`+number+`","message":"Hi"}`, []string{"Authorization", "Bearer " + key, "X-Session-ID", "session123"})
			if res.status != 200 {
				t.Fatalf("%s: %d %s", number, res.status, res.text)
			}
			for i := range want {
				want[i] += before[i]
			}
			eventually(t, "the events of "+number, func() bool { return stats() == want })
		}
		before := stats()
		if res := g.call("POST", "/api/wa/broadcast", `{"recipients":["628111","628110000","628222"],"message":"Hi"}`, who); res.status != 200 {
			t.Fatalf("%d %s", res.status, res.text)
		}
		want := [4]float64{before[0] + 2, before[1] + 1, before[2] + 2, before[3] + 2}
		eventually(t, "the events of a broadcast", func() bool { return stats() == want })
	})

	t.Run("a session's life", func(t *testing.T) {
		created := g.call("POST", "/api/wa/sessions", `{"name":"Office"}`, []string{"X-User-ID", demoUser})
		id, _ := created.at("data", "session_id").(string)
		if created.status != 201 || id == "" {
			t.Fatalf("%d %s", created.status, created.text)
		}
		of := as(demoUser, id)
		status := func() any { return g.call("GET", "/api/wa/sessions/"+id, "", of).at("data", "status") }
		if got := status(); got != "created" {
			t.Errorf("status %v", got)
		}
		g.call("POST", "/api/wa/sessions/"+id+"/start", "", of)
		qr := g.call("GET", "/api/wa/sessions/"+id+"/qr", "", of)
		if qr.status != 200 || qr.header.Get("Content-Type") != "image/png" {
			t.Fatalf("qr: %d %s", qr.status, qr.header.Get("Content-Type"))
		}
		if picture, err := png.Decode(bytes.NewReader([]byte(qr.text))); err != nil || picture.Bounds().Dx() < 100 {
			t.Errorf("qr: %v", err)
		}
		eventually(t, "the session to be connected", func() bool { return status() == "connected" })
		if res := g.call("POST", "/api/wa/send-message", hello, of); res.status != 200 {
			t.Errorf("%d %s", res.status, res.text)
		}
		list := g.call("GET", "/api/wa/sessions", "", of)
		if list.status != 200 || !strings.Contains(list.text, id) {
			t.Errorf("list: %d %s", list.status, list.text)
		}
		for _, path := range []string{"contacts", "chats", "messages/628123456789@s.whatsapp.net"} {
			if res := g.call("GET", "/api/wa/sessions/"+id+"/"+path, "", of); res.status != 200 || res.json == nil {
				t.Errorf("%s: %d %s", path, res.status, res.text)
			}
		}
		if res := g.call("POST", "/api/wa/sessions/"+id+"/stop", "", of); res.status != 200 {
			t.Errorf("stop: %d %s", res.status, res.text)
		}
		if res := g.call("DELETE", "/api/wa/sessions/"+id, "", of); res.status != 200 {
			t.Errorf("delete: %d %s", res.status, res.text)
		}
		g.call("GET", "/api/wa/sessions/"+id, "", of).wantAnswer(t, 403, "")
	})

	// The access log holds no credential, not even from where none belongs.
	g.call("POST", "/api/wa/send-message?token=query-secret&apikey=query-secret&api_key=query-secret", hello,
		append(who, "Token", "header-secret", "Apikey", "header-secret", "X-Api-Key", "header-secret"))
	access := &logFile{filepath.Join(g.dir, "access.log")}
	eventually(t, "the access log", func() bool { return strings.Contains(access.read(t), "REDACTED") })
	for _, secret := range []string{"query-secret", "header-secret", key} {
		if strings.Contains(g.written.read(t)+access.read(t), secret) {
			t.Errorf("%s is in the log", secret)
		}
	}
}

// TestDemoOnlyInTheDemo: demo data exists as long as nothing is set.
func TestDemoOnlyInTheDemo(t *testing.T) {
	for name, env := range map[string]map[string]string{
		"a WA server": {"WA_SERVER_URL": "http://127.0.0.1:1"},
		"a database":  {"TRANSACTIONAL_DB_URL": "sqlite://own.db"},
		"the other":   {"DB_URL": "sqlite://own.db"},
	} {
		t.Run(name, func(t *testing.T) {
			g, printed := startOwnCaddyfile(t, env)
			if printed != "" {
				t.Errorf("printed %q", printed)
			}
			g.call("POST", "/api/wa/send-message", hello, as(demoUser, demoSession)).wantAnswer(t, 401, messageUnauthenticated)
			if _, err := os.Stat(filepath.Join("data", "demo")); !os.IsNotExist(err) {
				t.Error("there are demo databases:", err)
			}
		})
	}
}

// TestTestKeys: beside a real WA server, calls with a test key go to the sandbox
// and are not counted.
func TestTestKeys(t *testing.T) {
	s := newSetup(t, storetest.New(t, storetest.SQLite), "events_url http://127.0.0.1:{PORT}/events/message", "events_url http://127.0.0.1:{PORT}/events/message\n delivered 1ms\n read 2ms")
	keys := make(map[string]string)
	for _, mode := range []string{store.KeyModeLive, store.KeyModeTest} {
		key, _, err := s.db.CreateKey(t.Context(), store.NewKey{UserID: alice, Name: mode, Mode: mode})
		if err != nil {
			t.Fatal(err)
		}
		keys[mode] = key
	}
	send := func(mode string) response {
		return s.call("POST", "/api/wa/send-message", hello, []string{"Authorization", "Bearer " + keys[mode], "X-Session-ID", aliceSession})
	}
	res := send(store.KeyModeTest)
	if id, _ := res.at("data", "message_id").(string); res.status != 200 || !strings.HasPrefix(id, "3EB0") {
		t.Fatalf("with the test key: %d %s", res.status, res.text)
	}
	if strings.Contains(res.text, "wa-admin-secret") || res.header.Get("RateLimit") == "" {
		t.Errorf("with the test key: %v %s", res.header, res.text)
	}
	s.wa.none(t)
	if res := send(store.KeyModeLive); res.status != 200 {
		t.Fatalf("with the live key: %d %s", res.status, res.text)
	}
	s.wa.one(t)
	eventually(t, "the live message", func() bool { return s.sessionTotals(t, aliceSession)[0] > 0 })
	// The sandbox would have told of the test message by now: its events come
	// within milliseconds.
	time.Sleep(100 * time.Millisecond)
	if got := s.sessionTotals(t, aliceSession); got != [4]float64{1, 0, 0, 0} {
		t.Errorf("totals %v", got)
	}
	// In the sandbox a test session is created and used, which is nobody's real one.
	res = s.send(t, "POST", "/api/wa/send-message", "application/json", io.LimitReader(strings.NewReader(hello), 1000),
		[]string{"Authorization", "Bearer " + keys[store.KeyModeTest], "X-Session-ID", bobSession})
	res.wantAnswer(t, 403, "")
}
