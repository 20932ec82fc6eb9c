package caddywagateway

import (
	"database/sql"
	"strings"
	"testing"
	"time"

	"github.com/genfity/wa-gateway/store/storetest"
)

func (s *setup) testWebhooks(t *testing.T, d *storetest.Database) {
	form := []string{"Content-Type", "application/x-www-form-urlencoded"}
	event := eventOf(alice, s.addSession(t, "ev-hook"), "h1", "delivered", time.Now())
	for _, c := range []struct {
		name, body string
		header     []string
		recorded   bool
		counted    bool
	}{
		{"JSON", `{"event":"message.ack","session":"alice-1","payload":{"ack":3}}`, nil, true, false},
		{"JSON, repeated", `{"event":"message.ack","session":"alice-1","payload":{"ack":3}}`, nil, false, false},
		{"form", "event=qr&instance=alice-1&tag=a&tag=b", form, true, false},
		{"form, repeated", "event=qr&instance=alice-1&tag=a&tag=b", form, false, false},
		{"the contract's event", event, nil, true, true},
		{"the contract's event, repeated", event, nil, false, false},
	} {
		res := s.call("POST", "/events/webhook", c.body, c.header)
		res.wantAnswer(t, 200, "")
		if res.at("data", "recorded") != c.recorded || res.at("data", "duplicate") != !c.recorded || res.at("data", "counted") != c.counted {
			t.Errorf("%s: %s", c.name, res.text)
		}
	}
	s.testWebhookStreams(t)
	s.call("POST", "/events/webhook", "", nil).wantAnswer(t, 400, "")
	s.call("POST", "/events/webhook", "hello", nil).wantAnswer(t, 400, "")
	s.call("POST", "/events/webhook", "a=%zz", form).wantAnswer(t, 400, "")
	if got := s.sessionTotals(t, "ev-hook"); got != [4]float64{2, 0, 1, 0} {
		t.Errorf("the webhook's event: totals %v", got)
	}

	table := "wa_gateway_webhook_events"
	if d.Postgres() {
		table = "wa_gateway.webhook_events"
	}
	var kept, processed int
	row := d.SQL.QueryRowContext(t.Context(), "SELECT COUNT(*), COUNT(processed_at) FROM "+table+" WHERE source = 'main'")
	if err := row.Scan(&kept, &processed); err != nil {
		t.Fatal(err)
	}
	if kept != 10 || processed != 3 {
		t.Errorf("%d webhooks are kept, %d of them processed", kept, processed)
	}
}

// testWebhookStreams: several webhooks in one body, forms with files, and one that
// can be counted only later.
func (s *setup) testWebhookStreams(t *testing.T) {
	ndjson := []string{"Content-Type", "application/x-ndjson"}
	lines := eventOf(alice, "ev-hook", "h2", "sent", time.Now()) + "\n\n" + `{"event":"qr","session":"alice-1"}` + "\n" + "[1,2]\n" +
		`{"event":"qr","session":"alice-1"}` + "\n"
	res := s.call("POST", "/events/webhook", lines, ndjson)
	res.wantAnswer(t, 200, "Webhooks recorded")
	if res.at("data", "recorded") != 3.0 || res.at("data", "duplicates") != 1.0 || res.at("data", "counted") != 1.0 {
		t.Error(res.text)
	}
	res = s.call("POST", "/events/webhook", lines, ndjson)
	if res.at("data", "recorded") != 0.0 || res.at("data", "duplicates") != 4.0 || res.at("data", "counted") != 0.0 {
		t.Error(res.text)
	}
	res = s.call("POST", "/events/webhook", "{}\n{\n", ndjson)
	res.wantAnswer(t, 400, "")

	multipart := "--b\r\nContent-Disposition: form-data; name=\"jsonData\"\r\n\r\n{\"type\":\"Message\"}\r\n" +
		"--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.jpg\"\r\nContent-Type: image/jpeg\r\n\r\n\xff\xd8\r\n--b--\r\n"
	s.call("POST", "/events/webhook", multipart, []string{"Content-Type", "multipart/form-data; boundary=b"}).wantAnswer(t, 200, "Webhook recorded")
	for _, scalar := range []string{`"text"`, "12"} {
		s.call("POST", "/events/webhook", scalar, nil).wantAnswer(t, 200, "Webhook recorded")
	}

	// The session comes after the event: told again, it is counted, and kept once.
	late := eventOf(alice, "ev-hook-late", "h3", "read", time.Now())
	if res := s.call("POST", "/events/webhook", late, nil); res.at("data", "recorded") != true || res.at("data", "counted") != false {
		t.Error(res.text)
	}
	s.addSession(t, "ev-hook-late")
	if res := s.call("POST", "/events/webhook", late, nil); res.at("data", "duplicate") != true || res.at("data", "counted") != true {
		t.Error(res.text)
	}
	if got := s.sessionTotals(t, "ev-hook-late"); got != [4]float64{1, 0, 1, 1} {
		t.Errorf("totals %v", got)
	}
}

// TestWebhooksWhoseEventsWait: the webhook is kept, and what it tells is on disk and
// counted by nobody yet; it may turn out to be nobody's.
func TestWebhooksWhoseEventsWait(t *testing.T) {
	d := storetest.New(t, storetest.PostgresPrisma)
	s := &setup{wa: newWARecorder(t), db: openStore(t, d.DSN)}
	seed(t, s.db)
	l, dsn := newLink(t, d.DSN, true)
	primary := "sqlite://" + t.TempDir() + "/primary.db"
	s.gateway = startCaddy(t, caddyfileFor(dsn, s.wa.URL, "sqlite://{DIR}/primary.db", primary))
	s.ready()
	l.cut()
	mine := eventOf(alice, aliceSession, "waits", "delivered", time.Now())
	nobodys := eventOf("nobody", "nothing", "waits", "delivered", time.Now())
	for _, event := range []string{mine, nobodys} {
		res := s.call("POST", "/events/webhook", event, nil)
		res.wantAnswer(t, 200, "Webhook recorded")
		if res.at("data", "recorded") != true || res.at("data", "counted") != false {
			t.Error(res.text)
		}
	}
	kept := func(where string) (n int) {
		db, err := sql.Open("sqlite3", "file:"+strings.TrimPrefix(primary, "sqlite://"))
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		if err := db.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM wa_gateway_webhook_events WHERE "+where).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	if n := kept("processed_at IS NOT NULL"); n != 0 {
		t.Errorf("%d webhooks are said to be processed", n)
	}
	l.mend()
	eventually(t, "the event", func() bool { return s.sessionTotals(t, aliceSession) == [4]float64{1, 0, 1, 0} })
	eventually(t, "the dead letter", func() bool { return d.Count(t, "wa_gateway.dead_letters", "true") == 1 })
	if n := kept("processed_at IS NULL"); n != 2 {
		t.Errorf("%d webhooks are kept unprocessed", n)
	}
	// Told once more, it is known to be counted.
	res := s.call("POST", "/events/webhook", mine, nil)
	if res.at("data", "duplicate") != true || res.at("data", "counted") != false || kept("processed_at IS NOT NULL") != 1 {
		t.Error(res.text)
	}
}

// TestWebhooksWhileDatabaseIsAway: they are kept on disk, and get to the primary
// database once when it is back.
func TestWebhooksWhileDatabaseIsAway(t *testing.T) {
	d := storetest.New(t, storetest.PostgresPrisma)
	primary := storetest.New(t, storetest.PostgresSnake)
	s := &setup{wa: newWARecorder(t), db: openStore(t, d.DSN)}
	seed(t, s.db)
	l, dsn := newLink(t, primary.DSN, true)
	s.gateway = startCaddy(t, caddyfileFor(d.DSN, s.wa.URL, "sqlite://{DIR}/primary.db", dsn))
	s.ready()
	l.cut()
	event := eventOf(alice, aliceSession, "hooked", "delivered", time.Now())
	for range 2 {
		res := s.call("POST", "/events/webhook", event, nil)
		res.wantAnswer(t, 200, "Webhook recorded")
		if res.at("data", "spooled") != true {
			t.Error(res.text)
		}
	}
	eventually(t, "the event, whose database is there", func() bool {
		return s.sessionTotals(t, aliceSession) == [4]float64{1, 0, 1, 0}
	})
	l.mend()
	eventually(t, "the webhook", func() bool {
		return primary.Count(t, "wa_gateway.webhook_events", "processed_at IS NOT NULL") == 1
	})
	if got := primary.Count(t, "wa_gateway.webhook_events", "true"); got != 1 {
		t.Errorf("%d webhooks are kept", got)
	}
}
