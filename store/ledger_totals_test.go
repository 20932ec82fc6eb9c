package store_test

import (
	"slices"
	"testing"
	"time"

	"github.com/genfity/wa-gateway/stats"
	"github.com/genfity/wa-gateway/store"
	"github.com/genfity/wa-gateway/store/storetest"
)

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
		record(t, tr, told("v", "sv", "old", stats.Sent, 49.999999), told("v", "sv", "new", stats.Sent, 50.000001))
		if got, err := tr.SessionTotals(t.Context(), "v", "sv"); err != nil || got.Sent != 1 {
			t.Errorf("got %+v, %v", got, err)
		}
	})
}

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
