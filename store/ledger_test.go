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

func TestForeignTotalsAreTheBase(t *testing.T) {
	each(t, func(t *testing.T, d *storetest.Database, tr *store.Transactional) {
		addUser(t, tr, "u")
		for _, s := range []string{"s", "idle", "new"} {
			addSession(t, tr, "u", s)
		}
		addForeign(t, d, "u", "s", 100, 7)
		addForeign(t, d, "u", "idle", 5, -3) // less than none: the other application's mistake
		lastSent := after(-120)
		if !d.Complete() {
			lastSent = time.Time{}
		}

		// Read where they are, before anything is counted.
		wantSession(t, tr, "u", "s", totals(100, 7, 0, 0, lastSent, time.Time{}))
		total, sessions, err := tr.UserTotals(t.Context(), "u")
		must(t, err)
		if total.Sent != 105 || total.Failed != 7 || len(sessions) != 2 {
			t.Errorf("user: %+v %+v", total, sessions)
		}
		owners, err := tr.OwnersOf(t.Context(), "idle")
		if err != nil || !slices.Equal(owners, []string{"u"}) {
			t.Errorf("owners %v, %v", owners, err)
		}

		// A message fails: what was sent before stays the latest sent.
		record(t, tr, told("u", "s", "a", stats.Sent, 1), told("u", "s", "b", stats.Failed, 2))
		record(t, tr, told("u", "s", "a", stats.Failed, 3))
		wantSession(t, tr, "u", "s", totals(100, 9, 0, 0, lastSent, after(3)))
		wantForeign(t, d, "u", "s", 100, 9, lastSent, after(3))

		// What another application adds meanwhile is its own, and is kept.
		d.Exec(t, `UPDATE {whats_app_message_stats} SET {whats_app_message_stats.total_messages_sent} = {whats_app_message_stats.total_messages_sent} + 10
			WHERE {whats_app_message_stats.session_id} = 's'`)
		record(t, tr, told("u", "s", "c", stats.Sent, 4))
		wantSession(t, tr, "u", "s", totals(101, 9, 0, 0, after(4), after(3)))
		wantForeign(t, d, "u", "s", 111, 9, after(4), after(3))

		// Set back by the other application, they do not fall below zero.
		d.Exec(t, `UPDATE {whats_app_message_stats} SET {whats_app_message_stats.total_messages_sent} = 0, {whats_app_message_stats.total_messages_failed} = 0
			WHERE {whats_app_message_stats.session_id} = 's'`)
		record(t, tr, told("u", "s", "b", stats.Delivered, 5), told("u", "s", "c", stats.Failed, 6))
		wantSession(t, tr, "u", "s", totals(101, 9, 1, 0, after(5), after(6)))
		wantForeign(t, d, "u", "s", 0, 0, after(5), after(6))

		all, users, n, err := tr.AllTotals(t.Context(), 10, 0)
		must(t, err)
		if n != 1 || len(users) != 1 || users[0].UserID != "u" || users[0].Sent != 106 || all.Counts != users[0].Counts {
			t.Errorf("all: %+v %+v %d", all, users, n)
		}
	})
}

func TestStatisticsOfADeletedSessionStay(t *testing.T) {
	each(t, func(t *testing.T, d *storetest.Database, tr *store.Transactional) {
		addUser(t, tr, "u")
		for _, s := range []string{"counted", "before", "silent"} {
			addSession(t, tr, "u", s)
		}
		addForeign(t, d, "u", "before", 40, 2)
		record(t, tr, told("u", "counted", "a", stats.Sent, 1))

		for _, s := range []string{"counted", "before", "silent"} {
			must(t, tr.RemoveSession(t.Context(), "u", s))
		}
		if n := d.Count(t, "{whats_app_message_stats}", "true"); n != 0 {
			t.Fatalf("%d foreign rows are left", n)
		}
		total, _, err := tr.UserTotals(t.Context(), "u")
		must(t, err)
		if total.Sent != 41 || total.Failed != 2 {
			t.Errorf("got %+v", total)
		}
		// Late receipts count, but the foreign table cannot follow.
		record(t, tr, told("u", "counted", "a", stats.Delivered, 2), told("u", "before", "b", stats.Sent, 3), told("u", "silent", "c", stats.Sent, 4))
		wantSession(t, tr, "u", "counted", totals(1, 0, 1, 0, after(1), time.Time{}))
		if got, err := tr.SessionTotals(t.Context(), "u", "before"); err != nil || got.Sent != 41 {
			t.Errorf("got %+v, %v", got, err)
		}
		if n := d.Count(t, "{whats_app_message_stats}", "true"); n != 0 {
			t.Errorf("%d foreign rows", n)
		}
		// It comes back, and has its statistics there too.
		addSession(t, tr, "u", "counted")
		record(t, tr, told("u", "counted", "d", stats.Sent, 5))
		wantSession(t, tr, "u", "counted", totals(2, 0, 1, 0, after(5), time.Time{}))
		wantForeign(t, d, "u", "counted", 2, 0, after(5), time.Time{})
	})
}

func TestAdoptStatistics(t *testing.T) {
	each(t, func(t *testing.T, d *storetest.Database, tr *store.Transactional) {
		for _, u := range []string{"u", "v"} {
			addUser(t, tr, u)
			addSession(t, tr, u, "s"+u)
			addForeign(t, d, u, "s"+u, 10, 1)
		}
		addSession(t, tr, "u", "mine")
		addForeign(t, d, "u", "mine", 3, 0)
		must(t, tr.ResetUser(t.Context(), "v", after(50)))
		record(t, tr, told("u", "mine", "a", stats.Sent, 1))

		for _, want := range []int64{2, 0} {
			if n, err := tr.AdoptStatistics(t.Context()); err != nil || n != want {
				t.Errorf("adopted %d, %v, want %d", n, err, want)
			}
		}
		// Another application deletes everything.
		d.Exec(t, `DELETE FROM {whats_app_message_stats}`)
		d.Exec(t, `DELETE FROM {whats_app_sessions}`)
		all, users, n, err := tr.AllTotals(t.Context(), 0, 0)
		must(t, err)
		if all.Sent != 14 || all.Failed != 1 || n != 2 || len(users) != 2 || users[1].Sent != 0 {
			t.Errorf("all: %+v %+v %d", all, users, n)
		}
		// The reset of before holds for what was adopted.
		record(t, tr, told("v", "sv", "old", stats.Sent, 50), told("v", "sv", "new", stats.Sent, 50.000001))
		if got, err := tr.SessionTotals(t.Context(), "v", "sv"); err != nil || got.Sent != 1 {
			t.Errorf("got %+v, %v", got, err)
		}
	})
}

func TestReset(t *testing.T) {
	each(t, func(t *testing.T, d *storetest.Database, tr *store.Transactional) {
		addUser(t, tr, "u")
		for _, s := range []string{"s", "s2", "late"} {
			addSession(t, tr, "u", s)
		}
		addForeign(t, d, "u", "s", 10, 10)
		record(t, tr, told("u", "s", "a", stats.Sent, 1), told("u", "s2", "a", stats.Sent, 2), told("u", "s", "ahead", stats.Sent, 90))
		must(t, tr.ResetSession(t.Context(), "u", "s", after(50)))
		wantSession(t, tr, "u", "s", stats.Totals{})
		wantForeign(t, d, "u", "s", 0, 0, time.Time{}, time.Time{})
		wantSession(t, tr, "u", "s2", totals(1, 0, 0, 0, after(2), time.Time{}))

		got := record(t, tr,
			told("u", "s", "a", stats.Read, 60),      // known before the reset
			told("u", "s", "ahead", stats.Read, 100), // likewise, though its clock is ahead
			told("u", "s", "b", stats.Sent, 50),      // happened before it
			told("u", "s", "b", stats.Delivered, 61),
			told("u", "s", "c", stats.Sent, 51), // happened after it
			told("u", "s", "d", stats.Read, 70), // so it seems
		)
		for i, r := range got {
			if !r.Recorded {
				t.Errorf("event %d: %+v", i, r)
			}
		}
		wantSession(t, tr, "u", "s", totals(2, 0, 1, 1, after(70), time.Time{}))
		wantForeign(t, d, "u", "s", 2, 0, after(70), time.Time{})
		record(t, tr, told("u", "s", "d", stats.Sent, 49)) // but no
		wantSession(t, tr, "u", "s", totals(1, 0, 0, 0, after(51), time.Time{}))
		wantForeign(t, d, "u", "s", 1, 0, after(51), time.Time{})

		// An earlier reset than the last one takes nothing back.
		must(t, tr.ResetUser(t.Context(), "u", after(40)))
		for _, s := range []string{"s", "s2"} {
			wantSession(t, tr, "u", s, stats.Totals{})
			wantForeign(t, d, "u", s, 0, 0, time.Time{}, time.Time{})
		}
		record(t, tr,
			told("u", "s", "e", stats.Sent, 50), told("u", "s", "f", stats.Failed, 52),
			told("u", "late", "g", stats.Sent, 40), told("u", "late", "h", stats.Sent, 41),
			told("u", "s2", "a", stats.Sent, 99),
		)
		wantSession(t, tr, "u", "s", totals(0, 1, 0, 0, time.Time{}, after(52)))
		wantSession(t, tr, "u", "late", totals(1, 0, 0, 0, after(41), time.Time{}))
		wantSession(t, tr, "u", "s2", stats.Totals{})

		// After a reset the latest is looked for among what counts.
		record(t, tr, told("u", "s", "i", stats.Failed, 53), told("u", "s", "i", stats.Sent, 54))
		record(t, tr, told("u", "s", "f", stats.Sent, 55))
		wantSession(t, tr, "u", "s", totals(2, 0, 0, 0, after(55), time.Time{}))
	})
}

func TestResetOfStrangers(t *testing.T) {
	each(t, func(t *testing.T, d *storetest.Database, tr *store.Transactional) {
		addUser(t, tr, "u")
		addUser(t, tr, "v")
		addSession(t, tr, "u", "s")
		must(t, tr.ResetUser(t.Context(), "v", after(0))) // has nothing
		must(t, tr.ResetSession(t.Context(), "u", "s", after(0)))
		for name, err := range map[string]error{
			"no such user":       tr.ResetUser(t.Context(), "nobody", after(0)),
			"no such session":    tr.ResetSession(t.Context(), "u", "unknown", after(0)),
			"somebody else's":    tr.ResetSession(t.Context(), "v", "s", after(0)),
			"nothing counted":    second(tr.SessionTotals(t.Context(), "v", "s")),
			"nothing of a user":  third(tr.UserTotals(t.Context(), "v")),
			"nothing of nobody ": third(tr.UserTotals(t.Context(), "nobody")),
		} {
			if !errors.Is(err, store.ErrNotFound) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if n := d.Count(t, d.Own("session_stats"), "true"); n != 1 {
			t.Errorf("%d rows of counters", n)
		}
		// One who is gone can be reset as long as there are statistics.
		record(t, tr, told("u", "s", "a", stats.Sent, 1))
		must(t, tr.RemoveSession(t.Context(), "u", "s"))
		d.Exec(t, `DELETE FROM {users} WHERE {users.id} = 'u'`)
		wantSession(t, tr, "u", "s", totals(1, 0, 0, 0, after(1), time.Time{}))
		must(t, tr.ResetSession(t.Context(), "u", "s", after(2)))
		must(t, tr.ResetUser(t.Context(), "u", after(2)))
		wantSession(t, tr, "u", "s", stats.Totals{})
	})
}

func second[A any](_ A, err error) error        { return err }
func third[A, B any](_ A, _ B, err error) error { return err }

func TestAllTotalsPages(t *testing.T) {
	each(t, func(t *testing.T, d *storetest.Database, tr *store.Transactional) {
		all, users, n, err := tr.AllTotals(t.Context(), 10, 0)
		if err != nil || n != 0 || len(users) != 0 || all != (stats.Totals{}) {
			t.Errorf("empty: %+v %+v %d %v", all, users, n, err)
		}
		for i, u := range []string{"B", "a", "c", "d"} {
			addUser(t, tr, u)
			addSession(t, tr, u, "s"+u)
			record(t, tr, told(u, "s"+u, "m", stats.Sent, float64(i)), told(u, "s"+u, "n", stats.Failed, float64(i)))
		}
		for _, tt := range []struct {
			limit, offset int
			want          []string
		}{{2, 0, []string{"B", "a"}}, {2, 2, []string{"c", "d"}}, {2, 4, nil}, {0, 1, []string{"a", "c", "d"}}} {
			all, users, n, err := tr.AllTotals(t.Context(), tt.limit, tt.offset)
			must(t, err)
			var ids []string
			for _, u := range users {
				ids = append(ids, u.UserID)
			}
			if n != 4 || !slices.Equal(ids, tt.want) || all != totals(4, 4, 0, 0, after(3), after(3)) {
				t.Errorf("limit %d offset %d: %v of %d, %+v", tt.limit, tt.offset, ids, n, all)
			}
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
		events := make([]stats.Event, 10_000)
		for i := range events {
			status := []stats.Status{stats.Sent, stats.Delivered}[i%2]
			events[i] = told("u", fmt.Sprint("s", i/2%7), fmt.Sprint("m", i/2), status, float64(i))
		}
		record(t, tr, events...)
		total, _, err := tr.UserTotals(t.Context(), "u")
		must(t, err)
		if want := totals(5000, 0, 5000, 0, after(9998), time.Time{}); total != want {
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
