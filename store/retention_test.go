package store_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/genfity/wa-gateway/stats"
	"github.com/genfity/wa-gateway/store"
	"github.com/genfity/wa-gateway/store/storetest"
)

// hurried are options for tests that need many transactions of few rows.
var hurried = store.PurgeOptions{Batch: 3, Pause: time.Microsecond}

// purge is what a test expects to succeed.
func purge(t *testing.T, tr *store.Transactional, before time.Time) store.PurgeReport {
	t.Helper()
	report, err := tr.Purge(t.Context(), before, hurried)
	if err != nil || report.Elsewhere {
		t.Fatalf("purge: %+v, %v", report, err)
	}
	return report
}

// verified expects a recount to find nothing.
func verified(t *testing.T, tr *store.Transactional) store.VerifyReport {
	t.Helper()
	report, err := tr.Verify(t.Context(), store.VerifyOptions{}, func(d store.Difference) error {
		t.Errorf("difference: %+v", d)
		return nil
	})
	must(t, err)
	return report
}

func TestPurge(t *testing.T) {
	each(t, func(t *testing.T, d *storetest.Database, tr *store.Transactional) {
		addUser(t, tr, "u")
		for _, s := range []string{"s", "other"} {
			addSession(t, tr, "u", s)
		}
		addForeign(t, d, "u", "other", 100, 7)
		day := 24 * 60 * 60.0
		for i := range 10 {
			record(t, tr,
				told("u", "s", fmt.Sprint("sent", i), stats.Sent, float64(i)*day),
				told("u", "s", fmt.Sprint("failed", i), stats.Failed, float64(i)*day+1),
				told("u", "s", fmt.Sprint("read", i), stats.Sent, float64(i)*day), told("u", "s", fmt.Sprint("read", i), stats.Read, float64(i)*day+5),
				told("u", "other", fmt.Sprint("delivered", i), stats.Delivered, float64(i)*day))
		}
		// Sent long ago and read lately: known still.
		record(t, tr, told("u", "s", "late", stats.Sent, 0), told("u", "s", "late", stats.Read, 9*day))
		want := totals(21, 10, 11, 11, after(9*day), after(9*day+1))
		other := totals(110, 7, 10, 0, after(9*day), time.Time{})
		wantSession(t, tr, "u", "s", want)

		report := purge(t, tr, after(4.5*day))
		if report.Sessions != 2 || report.Messages != 20 || report.Counted != 20 {
			t.Errorf("got %+v", report)
		}
		wantSession(t, tr, "u", "s", want)
		wantSession(t, tr, "u", "other", other)
		if n := d.Count(t, d.Own("message_ledger"), "true"); n != 21 {
			t.Errorf("%d rows are left", n)
		}
		if n := d.Count(t, d.Own("message_ledger"), "message_id IN ('late', 'sent5', 'failed5', 'read5', 'delivered5')"); n != 5 {
			t.Errorf("%d of those that stay are left", n)
		}
		if r := verified(t, tr); r.Sessions != 2 || r.Messages != 21 {
			t.Errorf("recounted %+v", r)
		}
		if again := purge(t, tr, after(4.5*day)); again != (store.PurgeReport{}) {
			t.Errorf("again: %+v", again)
		}

		// All: the latest are remembered though no row tells of them, and what is
		// told later counts as ever.
		purge(t, tr, after(100*day))
		wantSession(t, tr, "u", "s", want)
		verified(t, tr)
		record(t, tr, told("u", "s", "new", stats.Sent, 3), told("u", "s", "new", stats.Failed, 4), told("u", "s", "new", stats.Sent, 5))
		want.Sent++
		wantSession(t, tr, "u", "s", want)
		record(t, tr, told("u", "s", "newest", stats.Failed, 200*day))
		record(t, tr, told("u", "s", "newest", stats.Delivered, 201*day))
		want = want.Add(totals(1, 0, 1, 0, after(201*day), time.Time{}))
		wantSession(t, tr, "u", "s", want) // the latest failure is one that was purged
		verified(t, tr)
	})
}

// A row shows the earliest receipt and stays as long as the latest could be told
// again, or that would be counted as a message of its own.
func TestPurgeRemembersRepeatedReceipts(t *testing.T) {
	each(t, func(t *testing.T, d *storetest.Database, tr *store.Transactional) {
		addUser(t, tr, "u")
		addSession(t, tr, "u", "s")
		const day = 24 * 60 * 60.0
		group := func(status stats.Status, days float64) stats.Event { return told("u", "s", "group", status, days*day) }
		record(t, tr, group(stats.Sent, 0), group(stats.Delivered, 1), group(stats.Read, 2))
		for _, receipt := range []stats.Event{group(stats.Delivered, 5), group(stats.Read, 7), group(stats.Read, 6)} {
			if got := record(t, tr, receipt)[0]; !got.Duplicate {
				t.Errorf("a receipt of another member: %+v", got)
			}
		}
		want := totals(1, 0, 1, 1, after(0), time.Time{})
		purge(t, tr, after(6.5*day))
		for _, status := range []stats.Status{stats.Delivered, stats.Read} {
			if got := record(t, tr, group(status, 7))[0]; !got.Duplicate {
				t.Errorf("the last receipt, told again: %+v", got)
			}
		}
		wantSession(t, tr, "u", "s", want)
		verified(t, tr)
		if report := purge(t, tr, after(7.5*day)); report.Messages != 1 || report.Counted != 1 {
			t.Errorf("got %+v", report)
		}
		wantSession(t, tr, "u", "s", want)
		verified(t, tr)
	})
}

// Messages from before a reset leave as well, and are not archived.
func TestPurgeAfterResets(t *testing.T) {
	each(t, func(t *testing.T, d *storetest.Database, tr *store.Transactional) {
		addUser(t, tr, "u")
		addSession(t, tr, "u", "s")
		for epoch := range 4 {
			for i := range 5 {
				record(t, tr, told("u", "s", fmt.Sprint(epoch, "/", i), stats.Sent, float64(100*epoch+i)))
				record(t, tr, told("u", "s", fmt.Sprint(epoch, "/", i), stats.Failed, float64(100*epoch+i)))
			}
			// The one of its own epoch that is from before the reset.
			must(t, tr.ResetSession(t.Context(), "u", "s", after(float64(100*epoch+10))))
			record(t, tr, told("u", "s", fmt.Sprint(epoch, "/old"), stats.Sent, float64(100*epoch+9)))
			// Told again after the reset: no outcome any more.
			record(t, tr, told("u", "s", fmt.Sprint(epoch, "/0"), stats.Sent, float64(100*epoch+50)))
		}
		record(t, tr, told("u", "s", "present", stats.Sent, 500))
		verified(t, tr)
		report := purge(t, tr, after(205))
		if report.Sessions != 1 || report.Messages != 16 || report.Counted != 0 {
			t.Errorf("got %+v", report)
		}
		wantSession(t, tr, "u", "s", totals(1, 0, 0, 0, after(500), time.Time{}))
		verified(t, tr)
		report = purge(t, tr, after(1000))
		if report.Messages != 9 || report.Counted != 1 || d.Count(t, d.Own("message_ledger"), "true") != 0 {
			t.Errorf("got %+v", report)
		}
		wantSession(t, tr, "u", "s", totals(1, 0, 0, 0, after(500), time.Time{}))
		verified(t, tr)

		// A reset forgets what was archived.
		must(t, tr.ResetUser(t.Context(), "u", after(2000)))
		wantSession(t, tr, "u", "s", stats.Totals{})
		verified(t, tr)
	})
}

// One that is told to stop says what was done, which stays done.
func TestPurgeStops(t *testing.T) {
	each(t, func(t *testing.T, d *storetest.Database, tr *store.Transactional) {
		addUser(t, tr, "u")
		addSession(t, tr, "u", "s")
		for i := range 10 {
			record(t, tr, told("u", "s", fmt.Sprint(i), stats.Sent, float64(i)))
		}
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		report, err := tr.Purge(ctx, after(100), store.PurgeOptions{Batch: 2, Pause: time.Hour})
		if err == nil || report.Messages != 2 || report.Sessions != 1 {
			t.Errorf("got %+v, %v", report, err)
		}
		if n := d.Count(t, d.Own("message_ledger"), "true"); n != 8 {
			t.Errorf("%d rows are left", n)
		}
		verified(t, tr)
	})
}

// Only one node purges at a time, and the next one may when it is done.
func TestPurgeElsewhere(t *testing.T) {
	d := storetest.New(t, storetest.PostgresSnake)
	one, two := migrated(t, d), migrated(t, d)
	addUser(t, one, "u")
	addSession(t, one, "u", "s")
	for i := range 10 {
		record(t, one, told("u", "s", fmt.Sprint(i), stats.Sent, float64(i)))
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() {
		_, err := one.Purge(ctx, after(100), store.PurgeOptions{Batch: 2, Pause: time.Hour})
		done <- err
	}()
	for d.Count(t, d.Own("message_ledger"), "true") == 10 {
		time.Sleep(time.Millisecond)
	}
	report, err := two.Purge(t.Context(), after(100), hurried)
	if err != nil || report != (store.PurgeReport{Elsewhere: true}) {
		t.Errorf("got %+v, %v", report, err)
	}
	cancel()
	if err := <-done; err == nil {
		t.Error("the first one was not stopped")
	}
	// The database finds out a moment later that the first one has gone.
	for report.Elsewhere && err == nil {
		report, err = two.Purge(t.Context(), after(100), hurried)
	}
	if err != nil || report.Messages != 8 {
		t.Errorf("got %+v, %v", report, err)
	}
}

func TestCompactRollups(t *testing.T) {
	each(t, func(t *testing.T, d *storetest.Database, tr *store.Transactional) {
		addUser(t, tr, "u")
		for _, s := range []string{"s", "young"} {
			addSession(t, tr, "u", s)
		}
		hour := 60 * 60.0
		for i := range 72 { // noon of March 1st to noon of March 4th
			e := told("u", "s", fmt.Sprint(i), stats.Sent, float64(i)*hour)
			e.Type = []string{"text", "image"}[i%2]
			record(t, tr, e, told("u", "s", fmt.Sprint("f", i), stats.Failed, float64(i)*hour))
		}
		record(t, tr, told("u", "young", "x", stats.Read, 71*hour))
		want := totals(72, 72, 0, 0, after(71*hour), after(71*hour))

		report, err := tr.CompactRollups(t.Context(), after(48*hour), hurried) // noon: only whole days
		must(t, err)
		// 12 and 24 hours, each with a text or an image and a failed text.
		if report != (store.CompactReport{Sessions: 1, Slots: 12 + 6 + 24 + 12, Days: 4}) {
			t.Errorf("got %+v", report)
		}
		if n := d.Count(t, d.Own("stats_rollups"), "minutes = 1440"); n != 4 {
			t.Errorf("%d days", n)
		}
		var sent, failed int64
		d.Query(t, `SELECT sent, failed FROM `+d.Own("stats_rollups")+` WHERE minutes = 1440 AND type = 'text' ORDER BY start DESC LIMIT 1`, nil, &sent, &failed)
		if sent != 12 || failed != 24 {
			t.Errorf("the second day: %d sent, %d failed", sent, failed)
		}
		wantSession(t, tr, "u", "s", want)
		verified(t, tr)

		// What changes in those days goes on being right, and so does what comes.
		record(t, tr, told("u", "s", "f0", stats.Delivered, 80*hour), told("u", "s", "more", stats.Sent, 1))
		verified(t, tr)
		report, err = tr.CompactRollups(t.Context(), after(48*hour), hurried)
		if err != nil || report.Slots != 0 {
			t.Errorf("again: %+v, %v", report, err)
		}
		_, err = tr.CompactRollups(t.Context(), after(1000*hour), store.PurgeOptions{})
		must(t, err)
		if n := d.Count(t, d.Own("stats_rollups"), "minutes <> 1440"); n != 0 {
			t.Errorf("%d quarter hours are left", n)
		}
		verified(t, tr)
	})
}

// Rows that were there before the ledger knew what was told last know it by their
// other times, and so do those that a gateway of before writes still.
func TestRowsFromBeforeTheLastWasRemembered(t *testing.T) {
	each(t, func(t *testing.T, d *storetest.Database, tr *store.Transactional) {
		addUser(t, tr, "u")
		addSession(t, tr, "u", "s")
		record(t, tr, told("u", "s", "a", stats.Sent, 1), told("u", "s", "a", stats.Read, 9), told("u", "s", "a", stats.Delivered, 5), told("u", "s", "b", stats.Failed, 3))
		d.Exec(t, `ALTER TABLE `+d.Own("message_ledger")+` DROP COLUMN last_told_at`)
		d.Exec(t, `DELETE FROM `+d.Own("schema_migrations_transactional")+` WHERE version_id = 6`)
		report, err := tr.Migrate(t.Context(), store.MigrateOptions{})
		must(t, err)
		if len(report.Applied) != 1 || report.Applied[0].Version != 6 {
			t.Fatalf("applied %+v", report.Applied)
		}
		same := `(message_id = 'a' AND last_told_at = read_at) OR (message_id = 'b' AND last_told_at = failed_at)`
		if n := d.Count(t, d.Own("message_ledger"), same); n != 2 {
			t.Errorf("%d rows know what was told last", n)
		}
		d.Exec(t, `UPDATE `+d.Own("message_ledger")+` SET last_told_at = NULL`)
		if got := record(t, tr, told("u", "s", "a", stats.Delivered, 6))[0]; !got.Duplicate {
			t.Errorf("a repeated receipt: %+v", got)
		}
		if report := purge(t, tr, after(8)); report.Messages != 1 {
			t.Errorf("got %+v", report)
		}
		if report := purge(t, tr, after(10)); report.Messages != 1 {
			t.Errorf("got %+v", report)
		}
		wantSession(t, tr, "u", "s", totals(1, 1, 1, 1, after(1), after(3)))
		verified(t, tr)
	})
}
