package store_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/genfity/wa-gateway/stats"
	"github.com/genfity/wa-gateway/store"
	"github.com/genfity/wa-gateway/store/storetest"
)

// noon is when the events of the tests begin to happen.
var noon = time.Date(2025, 3, 1, 12, 0, 0, 0, time.UTC)

func after(seconds float64) time.Time {
	return noon.Add(time.Duration(seconds * float64(time.Second)))
}

func told(user, session, message string, status stats.Status, seconds float64) stats.Event {
	return stats.Event{UserID: user, SessionID: session, MessageID: message, To: "628123", Type: "text", Status: status, At: after(seconds)}
}

// record hands over events that are expected to be known.
func record(t *testing.T, tr *store.Transactional, events ...stats.Event) []stats.Recorded {
	t.Helper()
	results, err := tr.Record(t.Context(), events)
	must(t, err)
	if len(results) != len(events) {
		t.Fatalf("%d results for %d events", len(results), len(events))
	}
	for i, r := range results {
		if r.Err != nil {
			t.Fatalf("event %d: %v", i, r.Err)
		}
	}
	return results
}

func totals(sent, failed, delivered, read int64, lastSent, lastFailed time.Time) stats.Totals {
	return stats.Totals{
		Counts:     stats.Counts{Sent: sent, Failed: failed, Delivered: delivered, Read: read},
		LastSentAt: lastSent, LastFailedAt: lastFailed,
	}
}

func wantSession(t *testing.T, tr *store.Transactional, user, session string, want stats.Totals) {
	t.Helper()
	got, err := tr.SessionTotals(t.Context(), user, session)
	must(t, err)
	if got != want {
		t.Errorf("session %s of %s:\n got %+v\nwant %+v", session, user, got, want)
	}
}

// foreignRow is a row of the foreign statistics table.
type foreignRow struct {
	sent, failed         int64
	lastSent, lastFailed store.UTCTime
}

func foreign(t *testing.T, d *storetest.Database, user, session string) foreignRow {
	t.Helper()
	var r foreignRow
	where := ` FROM {whats_app_message_stats} WHERE {whats_app_message_stats.user_id} = $1 AND {whats_app_message_stats.session_id} = $2`
	d.Query(t, `SELECT {whats_app_message_stats.total_messages_sent}, {whats_app_message_stats.total_messages_failed}`+where,
		[]any{user, session}, &r.sent, &r.failed)
	if d.Complete() {
		d.Query(t, `SELECT {whats_app_message_stats.last_message_sent_at}, {whats_app_message_stats.last_message_failed_at}`+where,
			[]any{user, session}, &r.lastSent, &r.lastFailed)
	}
	return r
}

func wantForeign(t *testing.T, d *storetest.Database, user, session string, sent, failed int64, lastSent, lastFailed time.Time) {
	t.Helper()
	got := foreign(t, d, user, session)
	if got.sent != sent || got.failed != failed {
		t.Errorf("foreign row of %s: %d sent, %d failed, want %d, %d", session, got.sent, got.failed, sent, failed)
	}
	if d.Complete() && (!got.lastSent.Equal(lastSent) || !got.lastFailed.Equal(lastFailed)) {
		t.Errorf("foreign row of %s: last %v, %v, want %v, %v", session, got.lastSent, got.lastFailed, lastSent, lastFailed)
	}
}

// addForeign writes a row as another application would.
func addForeign(t *testing.T, d *storetest.Database, user, session string, sent, failed int) {
	t.Helper()
	columns := `{whats_app_message_stats.id}, {whats_app_message_stats.user_id}, {whats_app_message_stats.session_id},
		{whats_app_message_stats.total_messages_sent}, {whats_app_message_stats.total_messages_failed}, {whats_app_message_stats.updated_at}`
	values := `$1, $2, $3, $4, $5, $6`
	args := []any{"c" + user + session, user, session, sent, failed, foreignTime(d, -60)}
	if d.Complete() {
		columns += `, {whats_app_message_stats.last_message_sent_at}`
		values += `, $7`
		args = append(args, foreignTime(d, -120))
	}
	d.Exec(t, `INSERT INTO {whats_app_message_stats} (`+columns+`) VALUES (`+values+`)`, args...)
}

// foreignTime is a time as the other application writes it.
func foreignTime(d *storetest.Database, seconds float64) any {
	switch d.Kind {
	case storetest.SQLitePrisma:
		return after(seconds).UnixMilli()
	case storetest.SQLite:
		return after(seconds).Format("2006-01-02 15:04:05")
	}
	return after(seconds).Format("2006-01-02 15:04:05.000")
}

func TestRecord(t *testing.T) {
	each(t, func(t *testing.T, d *storetest.Database, tr *store.Transactional) {
		addUser(t, tr, "u")
		addSession(t, tr, "u", "s")
		addSession(t, tr, "u", "s2")

		first := []stats.Event{
			told("u", "s", "a", stats.Sent, 1), told("u", "s", "a", stats.Delivered, 2), told("u", "s", "a", stats.Read, 3),
			told("u", "s", "b", stats.Sent, 4.123456), told("u", "s", "b", stats.Failed, 5),
			told("u", "s2", "a", stats.Sent, 6), told("u", "s", "a", stats.Sent, 1),
		}
		got := record(t, tr, first...)
		for i, r := range got {
			if want := i != 6; r.Recorded != want || r.Duplicate == want {
				t.Errorf("event %d: %+v", i, r)
			}
		}
		for _, r := range record(t, tr, first...) {
			if r.Recorded || !r.Duplicate {
				t.Errorf("told again: %+v", r)
			}
		}
		wantSession(t, tr, "u", "s", totals(1, 1, 1, 1, after(1), after(5)))
		wantSession(t, tr, "u", "s2", totals(1, 0, 0, 0, after(6), time.Time{}))
		wantForeign(t, d, "u", "s", 1, 1, after(1), after(5))
		wantForeign(t, d, "u", "s2", 1, 0, after(6), time.Time{})

		// b is sent again, to the millisecond in the foreign table.
		record(t, tr, told("u", "s", "b", stats.Sent, 5.987654))
		wantSession(t, tr, "u", "s", totals(2, 0, 1, 1, after(5.987654), time.Time{}))
		wantForeign(t, d, "u", "s", 2, 0, after(5.987), time.Time{})

		total, sessions, err := tr.UserTotals(t.Context(), "u")
		must(t, err)
		if want := totals(3, 0, 1, 1, after(6), time.Time{}); total != want {
			t.Errorf("user: %+v, want %+v", total, want)
		}
		if len(sessions) != 2 || sessions[0].SessionID != "s" || sessions[1].SessionID != "s2" || sessions[1].Sent != 1 {
			t.Errorf("sessions %+v", sessions)
		}
	})
}

func TestRecordRefusesStrangers(t *testing.T) {
	each(t, func(t *testing.T, d *storetest.Database, tr *store.Transactional) {
		addUser(t, tr, "u")
		addUser(t, tr, "v")
		addSession(t, tr, "u", "s")
		broken := told("u", "s", "b\x00", stats.Sent, 1)
		events := []stats.Event{
			told("u", "s", "a", stats.Sent, 1),
			told("nobody", "s", "a", stats.Sent, 1),
			told("v", "s", "a", stats.Sent, 1),
			told("u", "unknown", "a", stats.Sent, 1),
			broken,
			told("u", "s", "c", stats.Sent, 2),
		}
		want := []error{nil, store.ErrUnknownUser, store.ErrUnknownSession, store.ErrUnknownSession, stats.ErrInvalid, nil}
		for range 2 { // with and without counters of their own
			results, err := tr.Record(t.Context(), events)
			must(t, err)
			for i, r := range results {
				if !errors.Is(r.Err, want[i]) || (r.Err != nil && (r.Recorded || r.Duplicate)) {
					t.Errorf("event %d: %+v, want %v", i, r, want[i])
				}
			}
		}
		wantSession(t, tr, "u", "s", totals(2, 0, 0, 0, after(2), time.Time{}))
		if n := d.Count(t, d.Own("session_stats"), "true"); n != 1 {
			t.Errorf("%d rows of counters", n)
		}
		// Only strangers, and nothing at all.
		results, err := tr.Record(t.Context(), events[1:4])
		must(t, err)
		if !errors.Is(results[0].Err, store.ErrUnknownUser) {
			t.Errorf("got %+v", results)
		}
		if results, err := tr.Record(t.Context(), nil); err != nil || len(results) != 0 {
			t.Errorf("nothing: %v, %v", results, err)
		}
		// The session becomes the stranger's.
		must(t, tr.RemoveSession(t.Context(), "u", "s"))
		addSession(t, tr, "v", "s")
		record(t, tr, told("v", "s", "a", stats.Sent, 9))
		wantSession(t, tr, "v", "s", totals(1, 0, 0, 0, after(9), time.Time{}))
		wantSession(t, tr, "u", "s", totals(2, 0, 0, 0, after(2), time.Time{}))
		owners, err := tr.OwnersOf(t.Context(), "s")
		must(t, err)
		if !slices.Equal(owners, []string{"v", "u"}) {
			t.Errorf("owners %v", owners)
		}
	})
}

func TestLastTimesFollowWhatChangesSides(t *testing.T) {
	each(t, func(t *testing.T, d *storetest.Database, tr *store.Transactional) {
		addUser(t, tr, "u")
		addSession(t, tr, "u", "s")
		var never time.Time
		steps := []struct {
			event stats.Event
			want  stats.Totals
		}{
			{told("u", "s", "a", stats.Sent, 10), totals(1, 0, 0, 0, after(10), never)},
			{told("u", "s", "b", stats.Sent, 20), totals(2, 0, 0, 0, after(20), never)},
			{told("u", "s", "b", stats.Failed, 21), totals(1, 1, 0, 0, after(10), after(21))},
			{told("u", "s", "c", stats.Failed, 15), totals(1, 2, 0, 0, after(10), after(21))},
			{told("u", "s", "b", stats.Delivered, 25), totals(2, 1, 1, 0, after(20), after(15))},
			{told("u", "s", "c", stats.Read, 30), totals(3, 0, 2, 1, after(30), never)},
			// The receipt turns out to be older: the latest is b's again.
			{told("u", "s", "c", stats.Delivered, 12), totals(3, 0, 2, 1, after(20), never)},
			{told("u", "s", "a", stats.Failed, 11), totals(2, 1, 2, 1, after(20), after(11))},
		}
		for i, step := range steps {
			record(t, tr, step.event)
			got, err := tr.SessionTotals(t.Context(), "u", "s")
			must(t, err)
			if got != step.want {
				t.Fatalf("after step %d:\n got %+v\nwant %+v", i, got, step.want)
			}
			wantForeign(t, d, "u", "s", step.want.Sent, step.want.Failed, step.want.LastSentAt, step.want.LastFailedAt)
		}
	})
}

// TestRecordKeepsWhatWasTold: texts survive, the greatest of several, and odd ones.
func TestRecordKeepsWhatWasTold(t *testing.T) {
	each(t, func(t *testing.T, d *storetest.Database, tr *store.Transactional) {
		user, session, message := `ü"\'{}@$1?`, "сессия", "true_628@c.us/ 3EB0\\"
		addUser(t, tr, user)
		addSession(t, tr, user, session)
		e := told(user, session, message, stats.Failed, 1)
		e.To, e.Type, e.Error = "628\n'\"", "image\t", "no \x00such\xff number 😀\\"
		record(t, tr, e)
		e.Error = "an older failure"
		e.At = after(0)
		record(t, tr, e)
		var to, kind, text string
		d.Query(t, `SELECT recipient, type, error FROM `+d.Own("message_ledger"), nil, &to, &kind, &text)
		if to != e.To || kind != e.Type || text != "no \uFFFDsuch\uFFFD number 😀\\" {
			t.Errorf("got %q %q %q", to, kind, text)
		}
		wantSession(t, tr, user, session, totals(0, 1, 0, 0, time.Time{}, after(1)))
		if r := record(t, tr, e); !r[0].Duplicate {
			t.Errorf("told again: %+v", r)
		}
	})
}

func TestRecordManyAtOnce(t *testing.T) {
	each(t, func(t *testing.T, d *storetest.Database, tr *store.Transactional) {
		addUser(t, tr, "u")
		for i := range 7 {
			addSession(t, tr, "u", fmt.Sprint("s", i))
		}
		events := make([]stats.Event, 4_000)
		for i := range events {
			status := []stats.Status{stats.Sent, stats.Delivered}[i%2]
			events[i] = told("u", fmt.Sprint("s", i/2%7), fmt.Sprint("m", i/2), status, float64(i))
		}
		record(t, tr, events...)
		total, _, err := tr.UserTotals(t.Context(), "u")
		must(t, err)
		if want := totals(2000, 0, 2000, 0, after(3998), time.Time{}); total != want {
			t.Errorf("got %+v, want %+v", total, want)
		}
	})
}

func TestRecordSaysThatTheDatabaseIsAway(t *testing.T) {
	each(t, func(t *testing.T, d *storetest.Database, tr *store.Transactional) {
		addUser(t, tr, "u")
		addSession(t, tr, "u", "s")
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := tr.Record(ctx, []stats.Event{told("u", "s", "a", stats.Sent, 1)}); !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled: %v", err)
		}
		record(t, tr, told("u", "s", "a", stats.Sent, 1)) // the connection is fine
		must(t, tr.DB().Close())
		if _, err := tr.Record(t.Context(), []stats.Event{told("u", "s", "a", stats.Sent, 1)}); !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("closed: %v", err)
		}
		fresh := store.NewTransactional(openDB(t, d.DSN), "")
		if _, err := fresh.Record(t.Context(), []stats.Event{told("u", "s", "a", stats.Sent, 1)}); !errors.Is(err, store.ErrNotReady) {
			t.Errorf("not inspected: %v", err)
		}
	})
}
