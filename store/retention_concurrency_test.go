package store_test

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/genfity/wa-gateway/stats"
	"github.com/genfity/wa-gateway/store"
	"github.com/genfity/wa-gateway/store/storetest"
)

// fill gives a session many messages at once, as if they had been recorded: sent
// at the seconds after noon of their numbers, and read when the number is even.
func fill(t *testing.T, d *storetest.Database, tr *store.Transactional, user, session string, rows int) {
	t.Helper()
	record(t, tr, told(user, session, "first", stats.Sent, 0)) // so that it has counters
	at, slot := fmt.Sprintf(`to_timestamp(%d + g.n)`, noon.Unix()), fmt.Sprintf(`to_timestamp(floor((%d + g.n) / 900) * 900)`, noon.Unix())
	numbers := fmt.Sprintf(`generate_series(1, %d) AS g(n)`, rows)
	if !d.Postgres() {
		at, slot = fmt.Sprintf(`(%d + g.n) * 1000000`, noon.Unix()), fmt.Sprintf(`(%d + g.n) / 900 * 900000000`, noon.Unix())
		numbers = fmt.Sprintf(`(WITH RECURSIVE g(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM g WHERE n < %d) SELECT n FROM g) AS g`, rows)
	}
	of := ` FROM ` + d.Own("session_stats") + ` s CROSS JOIN ` + numbers + ` WHERE s.session_id = $1`
	d.Exec(t, `INSERT INTO `+d.Own("message_ledger")+` (stats_id, message_id, epoch, outcome, at, first_at, sent_at, read_at, type)
		SELECT s.id, 'filled' || g.n, s.epoch, 1, `+at+`, `+at+`, `+at+`, CASE WHEN g.n % 2 = 0 THEN `+at+` END, 'text'`+of, session)
	d.Exec(t, `INSERT INTO `+d.Own("stats_rollups")+` AS r (stats_id, minutes, start, type, sent, delivered, read)
		SELECT s.id, 15, `+slot+`, 'text', count(*), sum(1 - g.n % 2), sum(1 - g.n % 2)`+of+` GROUP BY 1, 2, 3, 4
		ON CONFLICT (stats_id, minutes, start, type) DO UPDATE SET
			sent = r.sent + excluded.sent, delivered = r.delivered + excluded.delivered, read = r.read + excluded.read`, session)
	d.Exec(t, fmt.Sprintf(`UPDATE %s SET sent = sent + %[2]d, delivered = delivered + %[2]d / 2, read = read + %[2]d / 2,
		last_sent_at = (SELECT %[3]s FROM (SELECT %[2]d AS n) AS g) WHERE session_id = $1`, d.Own("session_stats"), rows, at), session)
	d.Exec(t, `UPDATE {whats_app_message_stats} SET {whats_app_message_stats.total_messages_sent} = {whats_app_message_stats.total_messages_sent} + $1
		WHERE {whats_app_message_stats.session_id} = $2`, rows, session)
	if d.Postgres() {
		d.Exec(t, `ANALYZE `+d.Own("message_ledger"))
	}
}

// TestRecordBesidePurge: while many messages of a session leave, its events are
// recorded as ever, none waits for long, and its statistics only ever grow by
// what is recorded.
func TestRecordBesidePurge(t *testing.T) {
	each(t, func(t *testing.T, d *storetest.Database, tr *store.Transactional) {
		rows := 50_000
		if d.Kind != storetest.PostgresSnake { // once is enough
			rows = 5_000
		}
		node := tr
		if d.Postgres() { // on a file, another process would have to be lucky
			node = migrated(t, d)
		}
		addUser(t, tr, "u")
		addSession(t, tr, "u", "s")
		fill(t, d, tr, "u", "s", rows)
		verified(t, tr)
		n := int64(rows)
		before := totals(n+1, 0, n/2, n/2, after(float64(rows)), time.Time{})
		wantSession(t, tr, "u", "s", before)

		var done atomic.Bool
		var recorded atomic.Int64
		var slowest atomic.Int64
		var wg sync.WaitGroup
		wg.Go(func() {
			for i := 0; !done.Load(); i++ {
				began := time.Now()
				if _, err := node.Record(t.Context(), []stats.Event{told("u", "s", fmt.Sprint("new", i), stats.Sent, 100_000)}); err != nil {
					t.Error(err)
				}
				recorded.Add(1)
				slowest.Store(max(slowest.Load(), int64(time.Since(began))))
			}
		})
		wg.Go(func() {
			for ; !done.Load(); time.Sleep(200 * time.Millisecond) {
				least := recorded.Load()
				got, err := tr.SessionTotals(t.Context(), "u", "s")
				if most := recorded.Load() + 1; err != nil || got.Sent < before.Sent+least || got.Sent > before.Sent+most || got.Read != before.Read {
					t.Errorf("statistics during the purge: %+v, %v", got, err)
				}
				if _, err := node.Verify(t.Context(), store.VerifyOptions{}, func(d store.Difference) error { return errors.New(fmt.Sprint(d)) }); err != nil {
					t.Error(err)
				}
			}
		})
		began := time.Now()
		report, err := tr.Purge(t.Context(), after(float64(rows+1)), store.PurgeOptions{Batch: rows / 50})
		took, during := time.Since(began), recorded.Load()
		done.Store(true)
		wg.Wait()
		must(t, err)
		if report.Messages != n+1 || report.Counted != n+1 {
			t.Errorf("got %+v", report)
		}
		t.Logf("purge in %s; %d recorded beside it, the slowest in %s", took, during, time.Duration(slowest.Load()))
		// In one piece, it would let nothing be recorded meanwhile. On a busy machine
		// nothing finer can be told.
		if during < 20 || slowest.Load() > int64(took/4) {
			t.Errorf("only %d recorded beside a purge of %s, the slowest in %s", during, took, time.Duration(slowest.Load()))
		}
		want := before
		want.Sent += recorded.Load()
		want.LastSentAt = after(100_000)
		wantSession(t, tr, "u", "s", want)
		if left := d.Count(t, d.Own("message_ledger"), "true"); int64(left) != recorded.Load() {
			t.Errorf("%d rows are left", left)
		}
		verified(t, tr)
	})
}
