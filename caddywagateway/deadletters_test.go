package caddywagateway

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/genfity/wa-gateway/store"
	"github.com/genfity/wa-gateway/store/storetest"
)

// TestDeadLetters: what was taken while nobody could be asked, and turns out to be
// nobody's, is set aside with the reason, holds up nothing, and can be seen, tried
// again and given up.
func TestDeadLetters(t *testing.T) {
	onEach(t, func(t *testing.T, d *storetest.Database) {
		s := newSetup(t, d)
		admin := func(method, path string) response {
			return s.call(method, "/events/admin/dead-letters"+path, "", adminHeader)
		}
		s.call("POST", "/events/message", eventOf(alice, aliceSession, "first", "sent", time.Now()), nil).wantAnswer(t, http.StatusOK, "")
		release := holdLedger(t, d)
		old := time.Now().AddDate(0, 0, -120)
		for _, event := range []string{
			eventOf(alice, "later", "waits", "read", time.Now(), "to", `"628"`),
			eventOf("nobody", "none", "lost", "sent", time.Now()),
			eventOf(alice, aliceSession, "old", "sent", old),
			eventOf(alice, aliceSession, "good", "sent", time.Now()),
		} {
			s.call("POST", "/events/message", event, nil).wantAnswer(t, http.StatusOK, "Event recorded")
		}
		release()
		eventually(t, "the good one", func() bool { return s.sessionTotals(t, aliceSession)[0] == 2 })
		var page response
		eventually(t, "the letters", func() bool {
			page = admin("GET", "")
			letters, _ := page.at("data", "dead_letters").([]any)
			return page.at("data", "total") == 3.0 && len(letters) == 3
		})
		reasons := map[string]string{}
		ids := map[string]string{}
		for _, l := range page.at("data", "dead_letters").([]any) {
			letter := response{json: l}
			id, _ := letter.at("message_id").(string)
			reasons[id], _ = letter.at("reason").(string)
			ids[id], _ = letter.at("id").(string)
			if letter.at("source") != "event" || letter.at("payload", "message_id") != id {
				t.Errorf("got %v", l)
			}
		}
		for id, reason := range map[string]string{"waits": "session_id", "lost": "user_id", "old": "older"} {
			if !strings.Contains(reasons[id], reason) {
				t.Errorf("%s: %q", id, reasons[id])
			}
		}

		first := admin("GET", "?limit=2")
		next, _ := first.at("data", "next").(string)
		if len(first.at("data", "dead_letters").([]any)) != 2 || next == "" {
			t.Fatal(first.text)
		}
		if rest := admin("GET", "?limit=2&after="+next); len(rest.at("data", "dead_letters").([]any)) != 1 || rest.at("data", "next") != nil {
			t.Error(rest.text)
		}
		admin("GET", "?after=x").wantAnswer(t, http.StatusBadRequest, "")
		admin("GET", "?limit=0").wantAnswer(t, http.StatusBadRequest, "")
		admin("GET", "/"+ids["lost"]).wantAnswer(t, http.StatusOK, "OK")
		admin("GET", "/none").wantAnswer(t, http.StatusNotFound, "")
		s.call("GET", "/events/admin/dead-letters", "", as(alice, aliceSession)).wantAnswer(t, http.StatusUnauthorized, "")

		// The session comes later: then the event counts, with all that it said.
		admin("POST", "/"+ids["waits"]+"/retry").wantAnswer(t, http.StatusUnprocessableEntity, "")
		s.addSession(t, "later")
		admin("POST", "/"+ids["waits"]+"/retry").wantAnswer(t, http.StatusOK, "Event recorded")
		admin("POST", "/"+ids["waits"]+"/retry").wantAnswer(t, http.StatusNotFound, "")
		if got := s.sessionTotals(t, "later"); got != [4]float64{1, 0, 1, 1} {
			t.Errorf("totals %v", got)
		}
		admin("DELETE", "/"+ids["lost"]).wantAnswer(t, http.StatusOK, "Dead letter dropped")
		admin("DELETE", "/"+ids["lost"]).wantAnswer(t, http.StatusNotFound, "")
		if got := admin("GET", "").at("data", "total"); got != 1.0 {
			t.Errorf("%v are left", got)
		}
	})
}

// TestReplayWebhook: a webhook that was set aside gets back as it came.
func TestReplayWebhook(t *testing.T) {
	d := storetest.New(t, storetest.SQLite)
	s := newSetup(t, d, "primary_db sqlite://{DIR}/primary.db", "primary_db "+d.DSN)
	pool, err := store.Open(store.Config{DSN: d.DSN})
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	primary := store.NewPrimary(pool)
	letter := store.DeadLetter{Source: sourceWebhook, Payload: []byte(`{"source":"main","session_id":"x","event_type":"y","received_at":"2026-01-31T08:30:00Z","payload":"{\"a\" : 1}"}`)}
	if err := replay(t.Context(), s.db, primary, &letter); err != nil {
		t.Fatal(err)
	}
	hooks, err := primary.WebhookEvents(t.Context(), "x", 0, 0)
	if err != nil || len(hooks) != 1 || string(hooks[0].Payload) != `{"a" : 1}` || hooks[0].EventType != "y" {
		t.Errorf("got %+v, %v", hooks, err)
	}
	for _, broken := range []store.DeadLetter{{Source: sourceWebhook, Payload: []byte("x")}, {Source: "event", Payload: []byte("x")}, {Source: "event", Payload: []byte("{}")}} {
		if err := replay(t.Context(), s.db, primary, &broken); err == nil {
			t.Errorf("%+v was recorded", broken)
		}
	}
}
