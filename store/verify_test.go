package store_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/genfity/wa-gateway/stats"
	"github.com/genfity/wa-gateway/store"
	"github.com/genfity/wa-gateway/store/storetest"
)

// differences are what a recount of some sessions finds.
func differences(t *testing.T, tr *store.Transactional, opts store.VerifyOptions) []store.Difference {
	t.Helper()
	var found []store.Difference
	report, err := tr.Verify(t.Context(), opts, func(d store.Difference) error {
		found = append(found, d)
		return nil
	})
	must(t, err)
	if report.Differences != int64(len(found)) {
		t.Errorf("%d differences, the report says %+v", len(found), report)
	}
	return found
}

// someMessages are two sessions with messages of every kind, resets, archived
// ones and statistics that were there before. Everything that is told of u and s:
// 5 + 2 (before) sent, 1 failed, 3 delivered, 2 read.
func someMessages(t *testing.T, d *storetest.Database, tr *store.Transactional) {
	t.Helper()
	addUser(t, tr, "u")
	addUser(t, tr, "v")
	addSession(t, tr, "u", "s")
	addSession(t, tr, "v", "w")
	addForeign(t, d, "v", "w", 100, 7)
	record(t, tr,
		told("u", "s", "before", stats.Sent, 1), told("v", "w", "x", stats.Read, 1),
		told("v", "w", "y", stats.Failed, 2), told("v", "w", "z", stats.Sent, 3))
	must(t, tr.ResetSession(t.Context(), "u", "s", after(5)))
	record(t, tr,
		told("u", "s", "before2", stats.Sent, 4),
		told("u", "s", "a1", stats.Sent, 10), told("u", "s", "a2", stats.Read, 11))
	purge(t, tr, after(20))
	record(t, tr,
		told("u", "s", "sent", stats.Sent, 30),
		told("u", "s", "failed", stats.Failed, 31), told("u", "s", "failed", stats.Sent, 31),
		told("u", "s", "delivered", stats.Failed, 33), told("u", "s", "delivered", stats.Delivered, 32),
		told("u", "s", "read", stats.Read, 34), told("u", "s", "read", stats.Sent, 33))
	wantSession(t, tr, "u", "s", totals(5, 1, 3, 2, after(33), after(31)))
	record(t, tr, told("v", "w", "late", stats.Delivered, 40))
}

func TestVerifyFindsWhatWasTamperedWith(t *testing.T) {
	each(t, func(t *testing.T, d *storetest.Database, tr *store.Transactional) {
		someMessages(t, d, tr)
		if r := verified(t, tr); r.Sessions != 2 || r.Messages != 5 {
			t.Errorf("recounted %+v", r)
		}

		counters, ledger, rollups := d.Own("session_stats"), d.Own("message_ledger"), d.Own("stats_rollups")
		at := func(seconds float64) string {
			if d.Postgres() {
				return "'" + after(seconds).Format(time.RFC3339Nano) + "'"
			}
			return fmt.Sprint(after(seconds).UnixMicro())
		}
		text := func(seconds float64) string { return after(seconds).Format(time.RFC3339Nano) }
		diff := func(what, stored, recounted string) store.Difference {
			return store.Difference{UserID: "u", SessionID: "s", What: what, Stored: stored, Recounted: recounted}
		}
		counter := func(column string, stored, right string) []store.Difference {
			list := []store.Difference{diff(column, stored, right), diff("rollups."+column, right, stored)}
			if column == "sent" || column == "failed" {
				list = append(list, diff("mirror."+column, right, stored))
			}
			return list
		}
		message := func(id string) string { return ` WHERE message_id = '` + id + `'` }
		session := ` WHERE session_id = 's'`
		for _, c := range []struct {
			tamper, repair string
			want           []store.Difference
		}{
			// The counters.
			{`UPDATE ` + counters + ` SET sent = 9` + session, `UPDATE ` + counters + ` SET sent = 5` + session, counter("sent", "9", "5")},
			{`UPDATE ` + counters + ` SET failed = 0` + session, `UPDATE ` + counters + ` SET failed = 1` + session, counter("failed", "0", "1")},
			{`UPDATE ` + counters + ` SET delivered = 4` + session, `UPDATE ` + counters + ` SET delivered = 3` + session, counter("delivered", "4", "3")},
			{`UPDATE ` + counters + ` SET read = 1` + session, `UPDATE ` + counters + ` SET read = 2` + session, counter("read", "1", "2")},
			{`UPDATE ` + counters + ` SET last_sent_at = ` + at(32.5) + session, `UPDATE ` + counters + ` SET last_sent_at = ` + at(33) + session,
				[]store.Difference{diff("last_sent_at", text(32.5), text(33))}},
			{`UPDATE ` + counters + ` SET last_failed_at = NULL` + session, `UPDATE ` + counters + ` SET last_failed_at = ` + at(31) + session,
				[]store.Difference{diff("last_failed_at", "", text(31))}},
			// What was archived.
			{`UPDATE ` + counters + ` SET archived_sent = 0, archived_read = 3` + session, `UPDATE ` + counters + ` SET archived_sent = 2, archived_read = 1` + session,
				[]store.Difference{diff("sent", "5", "3"), diff("read", "2", "4")}},
			{`UPDATE ` + counters + ` SET archived_last_failed_at = ` + at(50) + session, `UPDATE ` + counters + ` SET archived_last_failed_at = NULL` + session,
				[]store.Difference{diff("last_failed_at", text(31), text(50))}},
			// The ledger: what is derived, and what was told.
			{`UPDATE ` + ledger + ` SET outcome = 2` + message("read"), `UPDATE ` + ledger + ` SET outcome = 1` + message("read"),
				[]store.Difference{diff("outcomes", "1", "0")}},
			{`UPDATE ` + ledger + ` SET at = ` + at(35) + message("read"), `UPDATE ` + ledger + ` SET at = ` + at(33) + message("read"),
				[]store.Difference{diff("outcomes", "1", "0")}},
			{`UPDATE ` + ledger + ` SET sent_at = ` + at(31.000001) + message("failed"), `UPDATE ` + ledger + ` SET sent_at = ` + at(31) + message("failed"),
				[]store.Difference{diff("sent", "5", "6"), diff("failed", "1", "0"), diff("last_failed_at", text(31), ""), diff("outcomes", "1", "0")}},
			{`UPDATE ` + ledger + ` SET delivered_at = NULL` + message("delivered"), `UPDATE ` + ledger + ` SET delivered_at = ` + at(32) + message("delivered"),
				[]store.Difference{
					diff("sent", "5", "4"), diff("failed", "1", "2"), diff("delivered", "3", "2"), diff("last_failed_at", text(31), text(33)), diff("outcomes", "1", "0"),
				}},
			{`UPDATE ` + ledger + ` SET first_at = ` + at(5) + message("read"), `UPDATE ` + ledger + ` SET first_at = ` + at(33) + message("read"),
				[]store.Difference{
					diff("sent", "5", "4"), diff("delivered", "3", "2"), diff("read", "2", "1"), diff("last_sent_at", text(33), text(32)), diff("outcomes", "1", "0"),
				}},
			{`UPDATE ` + ledger + ` SET epoch = 0` + message("sent"), `UPDATE ` + ledger + ` SET epoch = 1` + message("sent"),
				[]store.Difference{diff("sent", "5", "4")}},
			{`DELETE FROM ` + ledger + message("failed"), ``,
				[]store.Difference{diff("failed", "1", "0"), diff("last_failed_at", text(31), "")}},
		} {
			d.Exec(t, c.tamper)
			if got := differences(t, tr, store.VerifyOptions{}); !slices.Equal(got, c.want) {
				t.Errorf("%s\n got %+v\nwant %+v", c.tamper, got, c.want)
			}
			if c.repair == "" {
				record(t, tr, told("u", "s", "failed", stats.Failed, 31)) // counted twice now
				d.Exec(t, `UPDATE `+counters+` SET failed = 1`+session)
				d.Exec(t, `UPDATE `+rollups+` SET failed = 1 WHERE failed = 2 AND stats_id = (SELECT id FROM `+counters+session+`)`)
				d.Exec(t, `UPDATE {whats_app_message_stats} SET {whats_app_message_stats.total_messages_failed} = 1 WHERE {whats_app_message_stats.session_id} = 's'`)
				continue
			}
			d.Exec(t, c.repair)
		}
		verified(t, tr)

		// The rollups and the foreign table.
		d.Exec(t, `UPDATE `+rollups+` SET sent = sent + 1, read = read - 1 WHERE stats_id = (SELECT id FROM `+counters+session+`)`)
		d.Exec(t, `UPDATE {whats_app_message_stats} SET {whats_app_message_stats.total_messages_sent} = {whats_app_message_stats.total_messages_sent} + 10,
			{whats_app_message_stats.total_messages_failed} = 0 WHERE {whats_app_message_stats.session_id} = 'w'`)
		want := []store.Difference{diff("rollups.sent", "6", "5"), diff("rollups.read", "1", "2"),
			{UserID: "v", SessionID: "w", What: "mirror.sent", Stored: "113", Recounted: "103"},
			{UserID: "v", SessionID: "w", What: "mirror.failed", Stored: "0", Recounted: "8"}}
		if got := differences(t, tr, store.VerifyOptions{}); !slices.Equal(got, want) {
			t.Errorf("got %+v", got)
		}

		// Only some sessions, and an end before the end.
		if got := differences(t, tr, store.VerifyOptions{UserID: "u"}); !slices.Equal(got, want[:2]) {
			t.Errorf("got %+v", got)
		}
		if got := differences(t, tr, store.VerifyOptions{SessionID: "w"}); !slices.Equal(got, want[2:]) {
			t.Errorf("got %+v", got)
		}
		if got := differences(t, tr, store.VerifyOptions{UserID: "u", SessionID: "w"}); len(got) != 0 {
			t.Errorf("got %+v", got)
		}
		enough := errors.New("enough")
		report, err := tr.Verify(t.Context(), store.VerifyOptions{}, func(store.Difference) error { return enough })
		if err != enough || report.Differences != 1 { //nolint:errorlint // as it is
			t.Errorf("got %+v, %v", report, err)
		}

		// Another application has its reasons: not while the row is known to be
		// behind, and not where there is none.
		d.Exec(t, `UPDATE `+counters+` SET behind_reason = 'locked', behind_sent = 1 WHERE session_id = 'w'`)
		if got := differences(t, tr, store.VerifyOptions{SessionID: "w"}); len(got) != 0 {
			t.Errorf("behind: got %+v", got)
		}
		d.Exec(t, `UPDATE `+counters+` SET behind_reason = ''`)
		d.Exec(t, `DELETE FROM {whats_app_message_stats}`)
		if got := differences(t, tr, store.VerifyOptions{SessionID: "w"}); len(got) != 0 {
			t.Errorf("no row: got %+v", got)
		}
	})
}

// More sessions than a page, with and without messages.
func TestVerifyManySessions(t *testing.T) {
	each(t, func(t *testing.T, d *storetest.Database, tr *store.Transactional) {
		const sessions = 250
		var events []stats.Event
		addUser(t, tr, "u")
		for i := range sessions {
			addSession(t, tr, "u", fmt.Sprint(i))
			events = append(events, told("u", fmt.Sprint(i), "1", stats.Sent, 1), told("u", fmt.Sprint(i), "2", stats.Failed, 1))
		}
		record(t, tr, events...)
		must(t, tr.ResetSession(t.Context(), "u", "17", after(2)))
		d.Exec(t, `DELETE FROM `+d.Own("message_ledger")+` WHERE stats_id = (SELECT id FROM `+d.Own("session_stats")+` WHERE session_id = '17')`)
		d.Exec(t, `UPDATE `+d.Own("session_stats")+` SET delivered = 1 WHERE session_id IN ('0', '249')`)
		var progress []store.VerifyReport
		found := 0
		report, err := tr.Verify(t.Context(), store.VerifyOptions{Progress: func(r store.VerifyReport) { progress = append(progress, r) }},
			func(store.Difference) error { found++; return nil })
		must(t, err)
		if report != (store.VerifyReport{Sessions: sessions, Messages: 2*sessions - 2, Differences: 4}) || found != 4 {
			t.Errorf("got %+v, %d found", report, found)
		}
		if len(progress) != 3 || progress[2] != report {
			t.Errorf("progress %+v", progress)
		}
	})
}
