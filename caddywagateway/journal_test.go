package caddywagateway

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/genfity/wa-gateway/store/storetest"
)

// journalHolds tells whether a text stands in a file of the journals.
func (g *gateway) journalHolds(t *testing.T, text string) bool {
	t.Helper()
	found := false
	err := filepath.WalkDir(filepath.Join(g.dir, "journal"), func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return nil //nolint:nilerr // the journal removes what is done
		}
		content, err := os.ReadFile(path)
		found = found || (err == nil && bytes.Contains(content, []byte(text)))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// holdLedger keeps everybody from writing statistics until release is called.
func holdLedger(t *testing.T, d *storetest.Database) (release func()) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	conn, err := d.SQL.Conn(ctx)
	if err != nil {
		t.Fatal(err)
	}
	statements := []string{"BEGIN", "LOCK TABLE wa_gateway.session_stats IN ACCESS EXCLUSIVE MODE"}
	if !d.Postgres() {
		statements = []string{"BEGIN IMMEDIATE"}
	}
	for _, statement := range statements {
		if _, err := conn.ExecContext(ctx, statement); err != nil {
			t.Fatal(err)
		}
	}
	released := false
	release = func() {
		if released {
			return
		}
		released = true
		defer cancel()
		if _, err := conn.ExecContext(ctx, "ROLLBACK"); err != nil {
			t.Error(err)
		}
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(release)
	return release
}

// TestJournal: while nobody can write statistics, messages are sent and events are
// acknowledged, and both are on this machine's disk when the client has its answer.
// When the database is back, all of them are counted once.
func TestJournal(t *testing.T) {
	onEach(t, func(t *testing.T, d *storetest.Database) {
		s := newSetup(t, d)
		// Known callers from here on, and a session that has its counters.
		s.call("POST", "/api/wa/send-message", `{"to":"628123456789"}`, as(alice, aliceSession)).wantStatus(t, http.StatusOK)
		eventually(t, "the first message", func() bool { return s.sessionTotals(t, aliceSession)[0] == 1 })

		release := holdLedger(t, d)
		s.wa.respond(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			if r.URL.Path == "/send-image" {
				w.WriteHeader(http.StatusInternalServerError)
			}
			fmt.Fprintf(w, `{"success":true,"data":{"message_id":"held%s"}}`, strings.ReplaceAll(r.URL.Path, "/", "-"))
		})
		for path, status := range map[string]int{"/send-message": http.StatusOK, "/send-image": http.StatusInternalServerError} {
			start := time.Now()
			res := s.call("POST", "/api/wa"+path, `{"to":"628123456789"}`, as(alice, aliceSession))
			if res.status != status || time.Since(start) > 5*time.Second {
				t.Fatalf("%s: %d after %v: %s", path, res.status, time.Since(start), res.text)
			}
		}
		if !s.journalHolds(t, "held-send-message") {
			t.Error("the client was told of a message that is not on disk")
		}

		start := time.Now()
		res := s.call("POST", "/events/message", eventOf(alice, aliceSession, "held-event", "read", time.Now()), nil)
		res.wantAnswer(t, http.StatusOK, "Event recorded")
		if res.at("data", "spooled") != true || res.at("data", "recorded") != true {
			t.Errorf("after %v: %s", time.Since(start), res.text)
		}
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("the event waited %v", took)
		}
		if !s.journalHolds(t, "held-event") {
			t.Error("the event is not on disk")
		}
		// The database is known to be away: nobody waits for it.
		start = time.Now()
		batch := "[" + eventOf(alice, aliceSession, "held-1", "sent", time.Now()) + "," + eventOf(alice, aliceSession, "held-2", "failed", time.Now()) + ",{}]"
		res = s.call("POST", "/events/message/batch", batch, nil)
		res.wantAnswer(t, http.StatusOK, "Batch recorded")
		if res.at("data", "recorded") != 2.0 || res.at("data", "spooled") != 2.0 || len(res.at("data", "rejected").([]any)) != 1 {
			t.Error(res.text)
		}
		if took := time.Since(start); took > time.Second {
			t.Errorf("the batch waited %v", took)
		}
		if state := s.call("GET", "/api/wa/health", "", nil).at("data", "dependencies", "journal", "status"); state != stateSpooling {
			t.Errorf("the journal's state is %v", state)
		}

		release()
		eventually(t, "everything to be counted", func() bool {
			return s.sessionTotals(t, aliceSession) == [4]float64{4, 2, 1, 1}
		})
		eventually(t, "the journal's good health", func() bool {
			return s.call("GET", "/api/wa/health", "", nil).at("data", "dependencies", "journal", "status") == stateUp
		})
		s.call("POST", "/events/message/batch", batch, nil).wantAnswer(t, http.StatusOK, "Batch recorded")
		if got := s.sessionTotals(t, aliceSession); got != [4]float64{4, 2, 1, 1} {
			t.Errorf("told once more, they are counted twice: %v", got)
		}
	})
}

// wantStatus checks the status of a WA server's answer.
func (r response) wantStatus(t *testing.T, status int) {
	t.Helper()
	if r.status != status {
		t.Fatalf("status %d, want %d: %s", r.status, status, r.text)
	}
}

// TestJournalOutlivesTheGateway: what waits when the gateway stops is counted by the
// next one.
func TestJournalOutlivesTheGateway(t *testing.T) {
	d := storetest.New(t, storetest.PostgresPrisma)
	s := newSetup(t, d)
	s.call("POST", "/events/message", eventOf(alice, aliceSession, "first", "sent", time.Now()), nil).wantAnswer(t, http.StatusOK, "")
	release := holdLedger(t, d)
	for i := range 20 {
		res := s.call("POST", "/events/message", eventOf(alice, aliceSession, fmt.Sprint("w", i), "sent", time.Now()), nil)
		res.wantAnswer(t, http.StatusOK, "Event recorded")
	}
	if err := caddy.Stop(); err != nil {
		t.Fatal(err)
	}
	if !s.journalHolds(t, "w19") {
		t.Fatal("what waited is gone")
	}
	release()
	s.start(caddyfileFor(d.DSN, s.wa.URL))
	s.ready()
	eventually(t, "what waited", func() bool { return s.sessionTotals(t, aliceSession)[0] == 21 })
}

// TestSpoolOff: events are refused, and outcomes kept all the same.
func TestSpoolOff(t *testing.T) {
	d := storetest.New(t, storetest.PostgresPrisma)
	s := newSetup(t, d, "journal {DIR}/journal", "journal {DIR}/journal {\n\t\t\tspool off\n\t\t}")
	s.call("POST", "/api/wa/send-message", `{"to":"628123456789"}`, as(alice, aliceSession)).wantStatus(t, http.StatusOK)
	eventually(t, "the first message", func() bool { return s.sessionTotals(t, aliceSession)[0] == 1 })
	release := holdLedger(t, d)
	res := s.call("POST", "/events/message", eventOf(alice, aliceSession, "refused", "sent", time.Now()), nil)
	res.wantAnswer(t, http.StatusServiceUnavailable, "")
	if res.header.Get("Retry-After") == "" {
		t.Error("there is no Retry-After")
	}
	s.call("POST", "/api/wa/send-message", `{"to":"628123456789"}`, as(alice, aliceSession)).wantStatus(t, http.StatusOK)
	release()
	eventually(t, "the outcome", func() bool { return s.sessionTotals(t, aliceSession)[0] == 2 })
}

// TestJournalThatCannotBe: a configuration whose journal cannot be written does not
// start, and says why.
func TestJournalThatCannotBe(t *testing.T) {
	g := startCaddy(t, "{\n{GLOBAL}\n}\nhttp://:{PORT} {\n\trespond ok\n}\n")
	file := filepath.Join(g.dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	config, err := g.adapt(caddyfileFor("sqlite://"+g.dir+"/t.db", "http://127.0.0.1:1", "{DIR}/journal", file))
	if err != nil {
		t.Fatal(err)
	}
	if err := caddy.Load(config, true); err == nil || !strings.Contains(err.Error(), "journal") {
		t.Errorf("got %v", err)
	}
}
