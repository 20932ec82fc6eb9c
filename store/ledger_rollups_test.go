package store_test

import (
	"errors"
	"testing"
	"time"

	"github.com/genfity/wa-gateway/stats"
	"github.com/genfity/wa-gateway/store"
	"github.com/genfity/wa-gateway/store/storetest"
)

// of gives an event another type.
func of(kind string, e stats.Event) stats.Event {
	e.Type = kind
	return e
}

// slot is what a query for rollups is expected to find.
func slot(minutes int, kind string, sent, failed, delivered, read int64) stats.SlotCounts {
	return stats.SlotCounts{
		Start: noon.Add(time.Duration(minutes) * time.Minute), Width: stats.Slot, Type: kind,
		Counts: stats.Counts{Sent: sent, Failed: failed, Delivered: delivered, Read: read},
	}
}

func wantSlots(t *testing.T, tr *store.Transactional, query store.SlotQuery, want ...stats.SlotCounts) {
	t.Helper()
	got, err := tr.Slots(t.Context(), query)
	must(t, err)
	if len(got) != len(want) {
		t.Fatalf("slots of %+v:\n got %+v\nwant %+v", query, got, want)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("slot %d of %+v:\n got %+v\nwant %+v", i, query, got[i], want[i])
		}
	}
}

func TestRollups(t *testing.T) {
	each(t, func(t *testing.T, d *storetest.Database, tr *store.Transactional) {
		const minute = 60
		addUser(t, tr, "u")
		addUser(t, tr, "v")
		addSession(t, tr, "u", "s")
		addSession(t, tr, "u", "s2")
		addSession(t, tr, "v", "x")
		addForeign(t, d, "u", "s", 10, 10) // from nobody knows when
		of1, all := store.SlotQuery{UserID: "u", SessionID: "s"}, store.SlotQuery{}

		record(t, tr,
			told("u", "s", "a", stats.Sent, 0), of("", told("u", "s", "b", stats.Sent, 15*minute-1)),
			of("image", told("u", "s", "c", stats.Failed, 15*minute)), told("u", "s", "d", stats.Sent, 24*60*minute),
			told("u", "s2", "a", stats.Sent, 1), told("v", "x", "a", stats.Sent, 2),
		)
		wantSlots(t, tr, of1, slot(0, "", 1, 0, 0, 0), slot(0, "text", 1, 0, 0, 0), slot(15, "image", 0, 1, 0, 0), slot(1440, "text", 1, 0, 0, 0))
		wantSlots(t, tr, all, slot(0, "", 1, 0, 0, 0), slot(0, "text", 3, 0, 0, 0), slot(15, "image", 0, 1, 0, 0), slot(1440, "text", 1, 0, 0, 0))

		// Later receipts count when the message began; a type that comes later moves
		// it, and so does something that happened before.
		record(t, tr,
			told("u", "s", "a", stats.Read, 100*60*minute), of("audio", told("u", "s", "b", stats.Delivered, 20*minute)),
			of("image", told("u", "s", "c", stats.Sent, 16*minute)),
			told("u", "s", "d", stats.Failed, 24*60*minute+1), of("", told("u", "s2", "a", stats.Failed, -1)),
		)
		moved := []stats.SlotCounts{slot(0, "audio", 1, 0, 1, 0), slot(0, "text", 1, 0, 1, 1), slot(15, "image", 1, 0, 0, 0), slot(1440, "text", 0, 1, 0, 0)}
		wantSlots(t, tr, of1, moved...)
		wantSlots(t, tr, store.SlotQuery{UserID: "u", SessionID: "s2"}, slot(-15, "text", 1, 0, 0, 0))
		record(t, tr, told("u", "s", "a", stats.Read, 100*60*minute)) // no news
		wantSlots(t, tr, of1, moved...)

		// From is included, To is not.
		wantSlots(t, tr, store.SlotQuery{UserID: "u", SessionID: "s", From: after(15 * minute), To: after(24 * 60 * minute)}, moved[2])
		wantSlots(t, tr, store.SlotQuery{SessionID: "s", From: after(15*minute + 0.001)}, moved[3])
		wantSlots(t, tr, store.SlotQuery{UserID: "u", To: after(15 * minute)}, slot(-15, "text", 1, 0, 0, 0), moved[0], moved[1])
		wantSlots(t, tr, store.SlotQuery{UserID: "v", SessionID: "s"})
		wantSlots(t, tr, store.SlotQuery{UserID: "nobody"})

		// They go with a reset, and what is not counted is not in them.
		must(t, tr.ResetSession(t.Context(), "u", "s", after(30*minute)))
		wantSlots(t, tr, of1)
		record(t, tr, told("u", "s", "d", stats.Delivered, 25*60*minute), told("u", "s", "e", stats.Sent, 30*minute-1), told("u", "s", "f", stats.Sent, 31*minute))
		wantSlots(t, tr, of1, slot(30, "text", 1, 0, 0, 0))
		wantSlots(t, tr, store.SlotQuery{UserID: "u"}, slot(-15, "text", 1, 0, 0, 0), slot(30, "text", 1, 0, 0, 0))
		must(t, tr.ResetUser(t.Context(), "u", after(60*minute)))
		wantSlots(t, tr, all, slot(0, "text", 1, 0, 0, 0))
		recount(t, d)
	})
}

// TestRollupsOfDays: what changes of a day whose quarter hours were put together
// goes to the day.
func TestRollupsOfDays(t *testing.T) {
	each(t, func(t *testing.T, d *storetest.Database, tr *store.Transactional) {
		addUser(t, tr, "u")
		addSession(t, tr, "u", "s")
		addSession(t, tr, "u", "s2")
		record(t, tr, of("", told("u", "s", "a", stats.Sent, 0)), told("u", "s", "b", stats.Failed, 3600), told("u", "s2", "a", stats.Sent, 0))
		rollups := d.Own("stats_rollups")
		start, day := ` start`, ` start - start % 86400000000`
		if d.Postgres() {
			day = ` date_trunc('day', start, 'UTC')`
		}
		of1 := ` WHERE stats_id = (SELECT id FROM ` + d.Own("session_stats") + ` WHERE session_id = 's') AND minutes = 15`
		d.Exec(t, `INSERT INTO `+rollups+` (stats_id, minutes, start, type, sent, failed, delivered, read)
			SELECT stats_id, 1440,`+day+`, type, sum(sent), sum(failed), sum(delivered), sum(read) FROM `+rollups+of1+` GROUP BY 1, 2, 3, 4`)
		d.Exec(t, `DELETE FROM `+rollups+of1)

		record(t, tr,
			told("u", "s", "a", stats.Read, 90_000),    // has a type from now on
			told("u", "s", "b", stats.Sent, 3601),      // not failed after all
			told("u", "s", "c", stats.Sent, 7200),      // of that day too
			told("u", "s", "d", stats.Sent, 12*3600),   // of the next
			told("u", "s", "e", stats.Sent, -12*3600),  // the first instant of the day
			told("u", "s", "f", stats.Sent, -43_200.1), // of the day before
			told("u", "s2", "a", stats.Delivered, 1),   // not put together
		)
		ofDay := slot(-720, "text", 4, 0, 1, 1)
		ofDay.Width = 24 * time.Hour
		wantSlots(t, tr, store.SlotQuery{SessionID: "s"}, slot(-735, "text", 1, 0, 0, 0), ofDay, slot(720, "text", 1, 0, 0, 0))
		wantSlots(t, tr, store.SlotQuery{SessionID: "s2"}, slot(0, "text", 1, 0, 1, 0))
		if n := d.Count(t, rollups, `stats_id = (SELECT id FROM `+d.Own("session_stats")+` WHERE session_id = 's') AND minutes = 15 AND`+start+` IN (SELECT`+day+` FROM `+rollups+` WHERE minutes = 1440)`); n != 0 {
			t.Errorf("%d quarter hours beside the day", n)
		}
		recount(t, d)
	})
}

func TestTooOld(t *testing.T) {
	each(t, func(t *testing.T, d *storetest.Database, tr *store.Transactional) {
		addUser(t, tr, "u")
		addSession(t, tr, "u", "s")
		now := time.Now()
		event := func(message string, at, first time.Duration) stats.Event {
			e := stats.Event{UserID: "u", SessionID: "s", MessageID: message, Status: stats.Sent, At: now.Add(-at)}
			if first != 0 {
				e.FirstAt = now.Add(-first)
			}
			return e
		}
		const day = 24 * time.Hour
		stranger := event("a", 40*day, 0)
		stranger.UserID = "nobody"
		events := []stats.Event{
			event("old", 31*day, 0), event("young", 29*day, 0), event("began", 29*day, 31*day), event("seemed", 31*day, 29*day), stranger,
			event("young", 30*day-time.Hour, 0),
		}
		tr.KeepLedger(30 * day)
		for range 2 {
			got, err := tr.Record(t.Context(), events)
			must(t, err)
			for i, want := range []error{stats.ErrTooOld, nil, stats.ErrTooOld, stats.ErrTooOld, stats.ErrUnknownUser, nil} {
				if !errors.Is(got[i].Err, want) || (got[i].Recorded || got[i].Duplicate) != (want == nil) {
					t.Errorf("event %d: %+v, want %v", i, got[i], want)
				}
			}
			last := now.Add(-29 * day).UTC().Truncate(stats.Resolution)
			wantSession(t, tr, "u", "s", totals(1, 0, 0, 0, last, time.Time{}))
		}
		if n := d.Count(t, d.Own("message_ledger"), "true"); n != 1 {
			t.Errorf("%d rows", n)
		}
		recount(t, d)
		tr.KeepLedger(0)
		if got := record(t, tr, events[0], events[2], events[3]); !got[0].Recorded || !got[1].Recorded || !got[2].Recorded {
			t.Errorf("kept for ever: %+v", got)
		}
	})
}

// TestLatestOfWhatLeftTheLedger: when the latest message changes sides, the one
// before it may have left the ledger.
func TestLatestOfWhatLeftTheLedger(t *testing.T) {
	each(t, func(t *testing.T, d *storetest.Database, tr *store.Transactional) {
		addUser(t, tr, "u")
		addSession(t, tr, "u", "s")
		addSession(t, tr, "u", "s2")
		for _, s := range []string{"s", "s2"} {
			record(t, tr, told("u", s, "gone", stats.Sent, 5), told("u", s, "left", stats.Failed, 6), told("u", s, "a", stats.Sent, 4), told("u", s, "b", stats.Sent, 9))
		}
		at := func(message string) string {
			return `(SELECT at FROM ` + d.Own("message_ledger") + ` m WHERE m.stats_id = id AND m.message_id = '` + message + `')`
		}
		d.Exec(t, `UPDATE `+d.Own("session_stats")+` SET archived_sent = 1, archived_failed = 1, archived_last_sent_at = `+at("gone")+`, archived_last_failed_at = `+at("left"))
		d.Exec(t, `DELETE FROM `+d.Own("message_ledger")+` WHERE message_id IN ('gone', 'left')`)

		record(t, tr, told("u", "s", "b", stats.Failed, 10))
		wantSession(t, tr, "u", "s", totals(2, 2, 0, 0, after(5), after(10)))
		record(t, tr, told("u", "s", "b", stats.Sent, 11))
		wantSession(t, tr, "u", "s", totals(3, 1, 0, 0, after(11), after(6)))
		wantForeign(t, d, "u", "s", 3, 1, after(11), after(6))

		// A reset takes back what had left, too.
		must(t, tr.ResetSession(t.Context(), "u", "s2", after(7)))
		record(t, tr, told("u", "s2", "c", stats.Sent, 8), told("u", "s2", "d", stats.Sent, 9))
		record(t, tr, told("u", "s2", "d", stats.Failed, 10))
		wantSession(t, tr, "u", "s2", totals(1, 1, 0, 0, after(8), after(10)))
		if n := d.Count(t, d.Own("session_stats"), `archived_sent = 0 AND archived_failed = 0 AND archived_last_sent_at IS NULL AND archived_last_failed_at IS NULL`); n != 1 {
			t.Errorf("%d sessions of which nothing left the ledger, want 1", n)
		}
	})
}
