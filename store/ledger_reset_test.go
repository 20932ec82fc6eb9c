package store_test

import (
	"errors"
	"testing"
	"time"

	"github.com/genfity/wa-gateway/stats"
	"github.com/genfity/wa-gateway/store"
	"github.com/genfity/wa-gateway/store/storetest"
)

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
			told("u", "s", "b", stats.Sent, 49),      // happened before it
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
			told("u", "s", "e", stats.Sent, 49), told("u", "s", "f", stats.Failed, 52),
			told("u", "late", "g", stats.Sent, 39), told("u", "late", "h", stats.Sent, 41),
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

// WA servers tell whole seconds, so what they tell of a message that was sent after
// a reset may seem to be from before it. A finer time decides, whoever told it; what
// was known at the reset is from before it, whatever its times.
func TestResetWithinASecond(t *testing.T) {
	each(t, func(t *testing.T, d *storetest.Database, tr *store.Transactional) {
		addUser(t, tr, "u")
		addSession(t, tr, "u", "s")
		outcome := func(message string, began float64) stats.Event {
			e := told("u", "s", message, stats.Sent, 50)
			e.FirstAt = after(began)
			return e
		}
		record(t, tr, told("u", "s", "known", stats.Sent, 50), told("u", "s", "ahead", stats.Sent, 50.9))
		must(t, tr.ResetSession(t.Context(), "u", "s", after(50.4)))
		record(t, tr, outcome("sent after", 50.6))
		record(t, tr, told("u", "s", "told by the WA server alone", stats.Sent, 50))
		want := totals(2, 0, 0, 0, after(50), time.Time{})
		wantSession(t, tr, "u", "s", want)
		record(t, tr,
			told("u", "s", "sent after", stats.Delivered, 50),
			told("u", "s", "known", stats.Delivered, 51), told("u", "s", "ahead", stats.Delivered, 51),
			outcome("sent before", 50.4), told("u", "s", "sent before", stats.Delivered, 51),
			told("u", "s", "in milliseconds", stats.Sent, 50.399), told("u", "s", "in milliseconds", stats.Read, 50),
			told("u", "s", "the second before", stats.Sent, 49),
		)
		want.Delivered++
		wantSession(t, tr, "u", "s", want)
		wantForeign(t, d, "u", "s", 2, 0, after(50), time.Time{})
		verified(t, tr)

		// Only a second is known of it: that is what is shown.
		for _, m := range messagesOf(t, tr, store.ExportFilter{}) {
			began := map[string]float64{"sent after": 50.6, "ahead": 50.9, "sent before": 50.4, "in milliseconds": 50.399, "the second before": 49}[m.MessageID]
			if began == 0 {
				began = 50
			}
			if !m.Message.BeganAt().Equal(after(began)) {
				t.Errorf("%s began at %v, want %v", m.MessageID, m.Message.BeganAt(), after(began))
			}
		}
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
