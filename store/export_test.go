package store_test

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/genfity/wa-gateway/stats"
	"github.com/genfity/wa-gateway/store"
	"github.com/genfity/wa-gateway/store/storetest"
)

// exported collects what an export hands over.
func exported[T any](t *testing.T, export func(fn func(T) error) error) []T {
	t.Helper()
	var list []T
	must(t, export(func(row T) error {
		list = append(list, row)
		return nil
	}))
	return list
}

func sessionsOf(t *testing.T, tr *store.Transactional, f store.ExportFilter) []store.ExportedSession {
	t.Helper()
	list := exported(t, func(fn func(store.ExportedSession) error) error { return tr.ExportSessions(t.Context(), f, fn) })
	if n, err := tr.CountSessions(t.Context(), f); err != nil || n != int64(len(list)) {
		t.Errorf("%d sessions, counted %d, %v", len(list), n, err)
	}
	return list
}

func messagesOf(t *testing.T, tr *store.Transactional, f store.ExportFilter) []store.ExportedMessage {
	t.Helper()
	list := exported(t, func(fn func(store.ExportedMessage) error) error { return tr.ExportMessages(t.Context(), f, fn) })
	if n, exact, err := tr.CountMessages(t.Context(), f); err != nil || exact && n != int64(len(list)) || !exact && f != (store.ExportFilter{}) {
		t.Errorf("%d messages, counted %d (%t), %v", len(list), n, exact, err)
	}
	return list
}

func rollupsOf(t *testing.T, tr *store.Transactional, f store.ExportFilter) []store.ExportedRollup {
	t.Helper()
	list := exported(t, func(fn func(store.ExportedRollup) error) error { return tr.ExportRollups(t.Context(), f, fn) })
	if n, err := tr.CountRollups(t.Context(), f); err != nil || n != int64(len(list)) {
		t.Errorf("%d rollups, counted %d, %v", len(list), n, err)
	}
	return list
}

// end is the end of a second that was told without parts of it.
func end(seconds float64) time.Time { return after(seconds).Add(time.Second - stats.Resolution) }

func TestExport(t *testing.T) {
	each(t, func(t *testing.T, d *storetest.Database, tr *store.Transactional) {
		addUser(t, tr, "u")
		addUser(t, tr, "v")
		for _, s := range []string{"a", "b", "idle"} {
			addSession(t, tr, "u", s)
		}
		addSession(t, tr, "v", "c")
		addForeign(t, d, "u", "a", 100, 7)
		addForeign(t, d, "u", "idle", 5, 1) // nothing counted yet: where it is
		record(t, tr, told("u", "b", "gone", stats.Sent, 1))
		must(t, tr.ResetSession(t.Context(), "u", "b", after(2)))
		failed := told("u", "a", "2", stats.Failed, 20)
		failed.Error, failed.Type = "no such number", "image"
		day := 24 * 60 * 60.0
		record(t, tr,
			told("u", "a", "1", stats.Sent, 10), told("u", "a", "1", stats.Delivered, 11), told("u", "a", "1", stats.Read, 12.000001),
			failed, told("u", "b", "3", stats.Sent, 3*day), told("v", "c", "4", stats.Delivered, 4*day))

		lastSent := after(10)
		all := sessionsOf(t, tr, store.ExportFilter{From: after(100 * day)}) // has no time
		want := []store.ExportedSession{
			{"u", "a", totals(101, 8, 1, 1, lastSent, after(20))},
			{"u", "b", totals(1, 0, 0, 0, after(3*day), time.Time{})},
			{"u", "idle", totals(5, 1, 0, 0, after(-120), time.Time{})},
			{"v", "c", totals(1, 0, 1, 0, after(4*day), time.Time{})},
		}
		if !d.Complete() {
			want[2].LastSentAt = time.Time{}
		}
		if !slices.Equal(all, want) {
			t.Errorf("sessions:\n got %+v\nwant %+v", all, want)
		}
		if got := sessionsOf(t, tr, store.ExportFilter{UserID: "u", SessionID: "idle"}); !slices.Equal(got, want[2:3]) {
			t.Errorf("session: %+v", got)
		}

		messages := messagesOf(t, tr, store.ExportFilter{})
		slices.SortFunc(messages, func(x, y store.ExportedMessage) int { return x.Message.FirstAt.Compare(y.Message.FirstAt) })
		message := func(user, session, id string, outcome stats.Outcome, m stats.Message) store.ExportedMessage {
			m.To = "628123"
			if m.Type == "" {
				m.Type = "text"
			}
			return store.ExportedMessage{UserID: user, SessionID: session, MessageID: id, Outcome: outcome, Message: m}
		}
		wantMessages := []store.ExportedMessage{
			message("u", "b", "gone", stats.OutcomeNone, stats.Message{FirstAt: end(1), SentAt: after(1)}),
			message("u", "a", "1", stats.OutcomeSent, stats.Message{FirstAt: end(10), SentAt: after(10), DeliveredAt: after(11), ReadAt: after(12.000001)}),
			message("u", "a", "2", stats.OutcomeFailed, stats.Message{FirstAt: end(20), FailedAt: after(20), Error: "no such number", Type: "image"}),
			message("u", "b", "3", stats.OutcomeSent, stats.Message{FirstAt: end(3 * day), SentAt: after(3 * day)}),
			message("v", "c", "4", stats.OutcomeSent, stats.Message{FirstAt: end(4 * day), DeliveredAt: after(4 * day)}),
		}
		if !reflect.DeepEqual(messages, wantMessages) {
			t.Errorf("messages:\n got %+v\nwant %+v", messages, wantMessages)
		}
		ids := func(f store.ExportFilter) (list []string) {
			for _, m := range messagesOf(t, tr, f) {
				list = append(list, m.MessageID)
			}
			slices.Sort(list)
			return list
		}
		for _, c := range []struct {
			filter store.ExportFilter
			want   []string
		}{
			{store.ExportFilter{UserID: "u"}, []string{"1", "2", "3", "gone"}},
			{store.ExportFilter{SessionID: "c"}, []string{"4"}},
			{store.ExportFilter{UserID: "v", SessionID: "a"}, nil},
			{store.ExportFilter{From: after(10), To: after(3 * day)}, []string{"1", "2"}},
			{store.ExportFilter{UserID: "u", From: after(20)}, []string{"2", "3"}},
			{store.ExportFilter{To: after(10)}, []string{"gone"}},
		} {
			if got := ids(c.filter); !slices.Equal(got, c.want) {
				t.Errorf("%+v: got %v", c.filter, got)
			}
		}

		_, err := tr.CompactRollups(t.Context(), after(2*day), store.PurgeOptions{})
		must(t, err)
		midnight := after(-day / 2)
		wantRollups := []store.ExportedRollup{
			{"u", "a", midnight, 1440, "image", stats.Counts{Failed: 1}},
			{"u", "a", midnight, 1440, "text", stats.Counts{Sent: 1, Delivered: 1, Read: 1}},
			{"u", "b", after(3 * day), 15, "text", stats.Counts{Sent: 1}},
			{"v", "c", after(4 * day), 15, "text", stats.Counts{Sent: 1, Delivered: 1}},
		}
		got := rollupsOf(t, tr, store.ExportFilter{})
		slices.SortStableFunc(got, func(x, y store.ExportedRollup) int { return x.Start.Compare(y.Start) })
		if !slices.Equal(got, wantRollups) {
			t.Errorf("rollups:\n got %+v\nwant %+v", got, wantRollups)
		}
		if got := rollupsOf(t, tr, store.ExportFilter{UserID: "u", From: after(0), To: after(4 * day)}); !slices.Equal(got, wantRollups[2:3]) {
			t.Errorf("rollups: %+v", got)
		}
	})
}

// More rows than a page of each, in one session and over many.
func TestExportPages(t *testing.T) {
	each(t, func(t *testing.T, d *storetest.Database, tr *store.Transactional) {
		addUser(t, tr, "u")
		sessions := []string{"one", "two", "three"}
		for _, s := range sessions {
			addSession(t, tr, "u", s)
		}
		addForeign(t, d, "u", "one", 1, 1)
		const each, rows = 2100, 2100 + 10 + 10
		var events []stats.Event
		for n, s := range sessions {
			for i := range []int{each, 10, 10}[n] {
				e := told("u", s, fmt.Sprint(i), stats.Sent, float64(i)*900)
				e.Type = []string{"text", ""}[i%2]
				events = append(events, e)
			}
		}
		record(t, tr, events...)
		// Many sessions.
		series := `generate_series(1, 2500) AS g(n)`
		if !d.Postgres() {
			series = `(WITH RECURSIVE g(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM g WHERE n < 2500) SELECT n FROM g) AS g`
		}
		d.Exec(t, `INSERT INTO `+d.Own("session_stats")+` (user_id, session_id, sent, updated_at) SELECT 'w', 'many' || g.n, g.n, `+
			map[bool]string{true: "now()", false: "0"}[d.Postgres()]+` FROM `+series)

		for _, f := range []store.ExportFilter{{}, {UserID: "u"}} {
			seen := map[[2]string]bool{}
			for _, m := range messagesOf(t, tr, f) {
				seen[[2]string{m.SessionID, m.MessageID}] = true
			}
			rollups := rollupsOf(t, tr, f)
			slices.SortFunc(rollups, func(x, y store.ExportedRollup) int { return x.Start.Compare(y.Start) })
			if len(seen) != rows || len(rollups) != rows || !rollups[0].Start.Equal(noon) {
				t.Errorf("%+v: %d messages, %d rollups", f, len(seen), len(rollups))
			}
		}
		names := map[string]bool{}
		for _, s := range sessionsOf(t, tr, store.ExportFilter{}) {
			names[s.UserID+s.SessionID] = true
		}
		if len(names) != 2503 {
			t.Errorf("%d sessions", len(names))
		}

		// An error of fn ends the export.
		enough := errors.New("enough")
		n := 0
		err := tr.ExportMessages(t.Context(), store.ExportFilter{}, func(m store.ExportedMessage) error {
			if n++; n > 2050 {
				return enough
			}
			return nil
		})
		if err != enough || n != 2051 { //nolint:errorlint // as it is
			t.Errorf("%v after %d", err, n)
		}
	})
}
