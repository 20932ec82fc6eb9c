package crashtest

import (
	"context"
	"database/sql"
	"strings"
	"testing"
	"time"
)

// Another application that locks the gateway's rows, for long, or in an order that
// makes deadlocks, and a database whose transactions fail to serialize: events are
// acknowledged all the same, and counted once.
func TestLocks(t *testing.T) {
	t.Parallel()
	d := newPostgres(t)
	w := newWorld(t, d)
	w.ready()
	w.greet()
	w.load.start()
	w.direct()
	err := d.look(func(db *sql.DB) error {
		w.holdAll(db, 4*time.Second)
		w.direct()
		for _, table := range []string{w.db.own("session_stats"), "whats_app_message_stats"} {
			w.crossLocks(db, table, 4*time.Second)
			w.direct()
		}
		if _, err := db.Exec(`ALTER DATABASE postgres SET default_transaction_isolation TO 'repeatable read'`); err != nil {
			return err
		}
		// New connections have it.
		if _, err := db.Exec(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'wa-gateway'`); err != nil {
			return err
		}
		w.touch(db, 3*time.Second)
		w.direct()
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	log := d.server.Log()
	deadlocks := strings.Count(log, "deadlock detected")
	t.Logf("%d deadlocks, %d failures to serialize, %d waits for locks given up", deadlocks,
		strings.Count(log, "could not serialize"), strings.Count(log, "canceling statement due to lock timeout"))
	if deadlocks == 0 {
		t.Error("there was no deadlock")
	}
	w.settle()
	for _, kind := range []string{"event 200", "event 200 spooled", "batch 200", "batch 200 spooled"} {
		if took := w.load.slow(kind); took > 4*time.Second+tolerance {
			t.Errorf("%s took %v", kind, took)
		}
	}
}

// holdAll keeps all counters locked.
func (w *world) holdAll(db *sql.DB, d time.Duration) {
	w.Helper()
	tx, err := db.Begin()
	if err != nil {
		w.Fatal(err)
	}
	defer tx.Rollback()
	if _, err := tx.Exec(`SELECT id FROM ` + w.db.own("session_stats") + ` ORDER BY id FOR UPDATE`); err != nil {
		w.Fatal(err)
	}
	time.Sleep(d)
}

// crossLocks locks the rows of one of the tables of statistics one after another, the
// last first.
func (w *world) crossLocks(db *sql.DB, table string, d time.Duration) {
	w.Helper()
	w.during(d, func(ctx context.Context) error {
		tx, err := db.BeginTx(ctx, nil)
		if err != nil {
			return err
		}
		defer tx.Rollback()
		for offset := range 8 {
			_, err := tx.ExecContext(ctx, `UPDATE `+table+` SET updated_at = now() WHERE id =
				(SELECT id FROM `+table+` ORDER BY session_id DESC OFFSET $1 LIMIT 1)`, offset)
			if err != nil {
				return nil // the deadlock may have been ours
			}
			time.Sleep(20 * time.Millisecond)
		}
		return tx.Commit()
	})
}

// touch changes counters in a way that means nothing.
func (w *world) touch(db *sql.DB, d time.Duration) {
	w.Helper()
	w.during(d, func(ctx context.Context) error {
		_, err := db.ExecContext(ctx, `UPDATE `+w.db.own("session_stats")+` SET updated_at = now()`)
		if err != nil && strings.Contains(err.Error(), "SQLSTATE 40") {
			return nil // it was us
		}
		return err
	})
}

// during does something again and again for that long.
func (w *world) during(d time.Duration, do func(ctx context.Context) error) {
	w.Helper()
	ctx, cancel := context.WithTimeout(w.Context(), d)
	defer cancel()
	for ctx.Err() == nil {
		if err := do(ctx); err != nil && ctx.Err() == nil {
			w.Fatal(err)
		}
	}
}
