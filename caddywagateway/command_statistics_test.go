package caddywagateway

import (
	"encoding/csv"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/genfity/wa-gateway/stats"
	"github.com/genfity/wa-gateway/store"
	"github.com/genfity/wa-gateway/store/storetest"
)

// TestCommandStatistics: export, recount and dead letters, as an operator uses them.
func TestCommandStatistics(t *testing.T) {
	onEach(t, func(t *testing.T, d *storetest.Database) {
		c := cliOn(t, d)
		for _, args := range [][]string{
			{"migrate"}, {"user", "add", "one"}, {"session", "add", "one", "shop"},
		} {
			c.ok(args...)
		}
		db := openStore(t, d.DSN)
		at := time.Now().Add(-time.Hour).UTC()
		var events []stats.Event
		for _, id := range []string{"a", "b", "c"} {
			events = append(events, stats.Event{UserID: "one", SessionID: "shop", MessageID: id, Type: "text", Status: stats.Sent, At: at})
		}
		if _, err := db.Record(t.Context(), events); err != nil {
			t.Fatal(err)
		}
		t.Run("export", func(t *testing.T) { c.t = t; c.testExport(at) })
		t.Run("verify", func(t *testing.T) { c.t = t; c.testVerify(d) })
		t.Run("dead letters", func(t *testing.T) { c.t = t; c.testDeadLetters(db) })
	})
}

func (c *cli) testExport(at time.Time) {
	t := c.t
	rows, err := csv.NewReader(strings.NewReader(c.ok("stats", "export"))).ReadAll()
	if err != nil || len(rows) != 2 || strings.Join(rows[1][:4], " ") != "one shop 3 0" {
		t.Errorf("sessions: %q, %v", rows, err)
	}
	out := c.ok("stats", "export", "--of", "messages", "--format", "ndjson", "--user", "one", "--from", at.Format(time.DateOnly))
	if got := strings.Count(out, "\n"); got != 3 {
		t.Errorf("%d messages: %s", got, out)
	}
	var row map[string]any
	if err := json.Unmarshal([]byte(strings.SplitN(out, "\n", 2)[0]), &row); err != nil || row["status"] != "sent" || row["type"] != "text" {
		t.Errorf("got %v, %v", row, err)
	}
	path := t.TempDir() + "/hours.csv"
	c.ok("stats", "export", "--of", "rollups", "-o", path)
	text, err := os.ReadFile(path)
	if err != nil || strings.Count(string(text), "\n") != 2 {
		t.Errorf("got %q, %v", text, err)
	}
	c.fails(1, "exist", "stats", "export", "-o", path)
	c.fails(exitUsage, "must be one of", "stats", "export", "--of", "users")
	c.fails(exitUsage, "must be csv or ndjson", "stats", "export", "--format", "xml")
	c.fails(exitUsage, "sessions have totals", "stats", "export", "--from", "2026-01-01")
}

func (c *cli) testVerify(d *storetest.Database) {
	t := c.t
	if said := c.ok("stats", "verify"); said != "The statistics are right: 1 sessions with 3 messages recounted.\n" {
		t.Errorf("said %q", said)
	}
	d.Exec(t, `UPDATE `+d.Own("session_stats")+` SET sent = sent + 2`)
	r := c.run("stats", "verify", "one")
	if r.code != exitFailure {
		t.Errorf("exit code %d", r.code)
	}
	contains(t, r.stdout, `^USER +SESSION +WHAT +STORED +RECOUNTED$`, `^one +shop +sent +5 +3$`)
	var report struct {
		Sessions    int64
		Messages    int64
		Differences []differenceView
	}
	r = c.run("stats", "verify", "--json")
	readDocument(t, r.stdout, &report)
	if r.code != exitFailure || report.Sessions != 1 || len(report.Differences) == 0 {
		t.Errorf("got %+v with %d", report, r.code)
	}
	d.Exec(t, `UPDATE `+d.Own("session_stats")+` SET sent = sent - 2`)
	c.ok("stats", "verify", "one", "shop")
}

func (c *cli) testDeadLetters(db *store.Transactional) {
	t := c.t
	if r := c.run("dead-letters", "list"); r.code != 0 || r.stderr != "There are no dead letters.\n" {
		t.Errorf("got %+v", r)
	}
	letter := func(session, message string) store.DeadLetter {
		return store.DeadLetter{
			Source: "event", UserID: "one", SessionID: session, MessageID: message, Reason: "unknown session_id for this user_id",
			Payload: []byte(eventOf("one", session, message, "read", time.Now())),
		}
	}
	if _, err := db.AddDeadLetters(t.Context(), []store.DeadLetter{letter("shop", "d"), letter("gone", "e"), letter("gone", "f")}); err != nil {
		t.Fatal(err)
	}
	contains(t, c.ok("dead-letters", "list"), `^ID +SINCE +SOURCE +USER +SESSION +MESSAGE +REASON$`, `event +one +gone +e +unknown session_id`)
	var page struct {
		DeadLetters []letterView `json:"dead_letters"`
		Total       int64
		Next        *string
	}
	c.document(&page, "dead-letters", "list", "--limit", "2")
	if page.Total != 3 || len(page.DeadLetters) != 2 || page.Next == nil {
		t.Fatalf("got %+v", page)
	}
	r := c.run("dead-letters", "retry", "--all")
	if contains(t, r.stdout, `^1 events were recorded; 2 still cannot be\.$`); r.code != exitFailure {
		t.Errorf("exit code %d", r.code)
	}
	c.document(&page, "dead-letters", "list")
	id := page.DeadLetters[0].ID
	var shown letterView
	c.document(&shown, "dead-letters", "show", id)
	if shown.ID != id || shown.SessionID != "gone" {
		t.Errorf("got %+v", shown)
	}
	c.fails(1, "still cannot be recorded", "dead-letters", "retry", id)
	c.ok("dead-letters", "drop", id)
	c.document(&page, "dead-letters", "list")
	c.ok("dead-letters", "drop", page.DeadLetters[0].ID)
	contains(t, c.ok("dead-letters", "retry", "--all"), `^0 events were recorded; 0 still cannot be\.$`)
	c.fails(1, "no dead letter", "dead-letters", "drop", id)
	c.fails(1, "no dead letter", "dead-letters", "show", id)
	c.fails(exitUsage, "give an id, or --all", "dead-letters", "retry")
	c.fails(exitUsage, "--after", "dead-letters", "list", "--after", "x")
	totals, err := db.SessionTotals(t.Context(), "one", "shop")
	if err != nil || totals.Counts != (stats.Counts{Sent: 4, Delivered: 1, Read: 1}) {
		t.Errorf("totals %+v, %v", totals, err)
	}
}
