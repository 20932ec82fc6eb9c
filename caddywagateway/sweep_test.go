package caddywagateway

import (
	"net/http"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/genfity/wa-gateway/stats"
	"github.com/genfity/wa-gateway/store"
	"github.com/genfity/wa-gateway/store/storetest"
)

// TestSweep: what is older than the retention goes, its counts stay, and it cannot be
// counted again.
func TestSweep(t *testing.T) {
	onEach(t, func(t *testing.T, d *storetest.Database) {
		s := newSetup(t, d, "primary_db sqlite://{DIR}/primary.db", "primary_db "+d.DSN,
			"{APP}", "retention {\n\t\t\tledger 30d\n\t\t\thours 60d\n\t\t\twebhooks 7d\n\t\t}")
		now := time.Now()
		var events []stats.Event
		for id, age := range map[string]int{"young": 1, "old": 40, "older": 70} {
			events = append(events, stats.Event{
				UserID: alice, SessionID: aliceSession, MessageID: id, Status: stats.Delivered, At: now.AddDate(0, 0, -age),
			})
		}
		// The tests' own way in remembers for ever.
		if _, err := s.db.Record(t.Context(), events); err != nil {
			t.Fatal(err)
		}
		for _, payload := range []string{`{"n":1}`, `{"n":2}`} {
			s.call("POST", "/events/webhook", payload, nil).wantAnswer(t, http.StatusOK, "")
		}
		d.Exec(t, "UPDATE "+d.Own("webhook_events")+" SET received_at = $1 WHERE CAST(payload AS text) LIKE '%1%'", timeOf(d, now.AddDate(0, 0, -8)))
		if _, err := s.db.AddDeadLetters(t.Context(), []store.DeadLetter{{Source: "event", Payload: []byte("x"), Reason: "test"}}); err != nil {
			t.Fatal(err)
		}

		databasePool.Range(func(_, value any) bool {
			if err := value.(*databases).sweepOnce(t.Context(), now); err != nil {
				t.Error(err)
			}
			return true
		})
		if got := s.sessionTotals(t, aliceSession); got != [4]float64{3, 0, 3, 0} {
			t.Errorf("totals %v", got)
		}
		for table, want := range map[string]int{"message_ledger": 1, "webhook_events": 1, "dead_letters": 1} {
			if got := d.Count(t, d.Own(table), "true"); got != want {
				t.Errorf("%d rows of %s are left, want %d", got, table, want)
			}
		}
		if got := d.Count(t, d.Own("stats_rollups"), "minutes = 1440"); got != 1 {
			t.Errorf("%d days were put together", got)
		}
		for _, e := range events {
			res := s.call("POST", "/events/message", eventOf(alice, aliceSession, e.MessageID, "delivered", e.At), nil)
			if want := e.MessageID == "young"; want != (res.status == http.StatusOK) || (!want && res.at("data", "field") != "timestamp") {
				t.Errorf("%s: %s", e.MessageID, res.text)
			}
		}
		report, err := s.db.Verify(t.Context(), store.VerifyOptions{}, func(diff store.Difference) error {
			t.Errorf("%+v", diff)
			return nil
		})
		if err != nil || report.Messages != 1 {
			t.Errorf("got %+v, %v", report, err)
		}
	})
}

// timeOf is a time as the tables that GORM writes hold it.
func timeOf(d *storetest.Database, at time.Time) any {
	if d.Postgres() {
		return at
	}
	return at.UTC().Format("2006-01-02T15:04:05.000Z07:00")
}

// TestRetentionOptions: what cannot be kept so is refused when the configuration is
// loaded.
func TestRetentionOptions(t *testing.T) {
	days := func(n int) time.Duration { return time.Duration(n) * day }
	for _, c := range []struct {
		given Retention
		want  retention
		wrong bool
	}{
		{Retention{}, retention{days(90), days(400), days(90)}, false},
		{Retention{Ledger: forever}, retention{0, 0, days(90)}, false},
		{Retention{Ledger: caddy.Duration(days(500))}, retention{days(500), days(500), days(90)}, false},
		{Retention{Webhooks: forever, Hours: forever}, retention{days(90), 0, 0}, false},
		{Retention{Ledger: caddy.Duration(days(90)), Hours: caddy.Duration(days(30))}, retention{}, true},
		{Retention{Ledger: forever, Hours: caddy.Duration(days(30))}, retention{}, true},
		{Retention{Ledger: caddy.Duration(time.Hour)}, retention{}, true},
	} {
		got, err := c.given.resolve()
		if got != c.want || (err != nil) != c.wrong {
			t.Errorf("%+v: %+v, %v", c.given, got, err)
		}
	}
}
