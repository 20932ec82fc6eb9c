package store

import (
	"context"
	"time"
)

const (
	purgeBatch = 1000
	purgePause = 5 * time.Millisecond
)

// PurgeOptions say how gently to remove what is old.
type PurgeOptions struct {
	// Batch is the greatest number of rows of one transaction; default 1000.
	Batch int
	// Pause is the least time between two transactions; default 5 ms. It is as
	// long as the transaction before it was, if that is longer, so that whoever
	// waits gets half of the time at least.
	Pause time.Duration
}

func (o PurgeOptions) batch() int {
	if o.Batch <= 0 {
		return purgeBatch
	}
	return o.Batch
}

func (o PurgeOptions) turns() *purgeTurns {
	if o.Pause <= 0 {
		o.Pause = purgePause
	}
	return &purgeTurns{pause: o.Pause}
}

// purgeTurns lets others have their turn between our transactions.
type purgeTurns struct {
	pause time.Duration
	owed  time.Duration // after the transaction before; 0 for the first one
}

// take runs a transaction after the pause that is owed for the one before.
func (p *purgeTurns) take(ctx context.Context, transaction func() error) error {
	if p.owed > 0 {
		timer := time.NewTimer(p.owed)
		defer timer.Stop()
		select {
		case <-ctx.Done():
			return classify(ctx.Err())
		case <-timer.C:
		}
	}
	began := time.Now()
	err := transaction()
	p.owed = max(p.pause, time.Since(began))
	return err
}

// The advisory locks under which one node at a time does what is old in.
const (
	purgeLock   = 0x77616777_00000002
	compactLock = 0x77616777_00000003
)

// alone runs fn unless another node is at it, and says whether it did. Two at
// once would do no harm, only the same work, so SQLite needs no such lock and a
// connection that breaks meanwhile is no matter. The lock is that of a
// transaction which does nothing else, as that works behind a pooler and holds
// nothing back: between its statements it has no snapshot.
func (db *DB) alone(ctx context.Context, lock int64, fn func() error) (bool, error) {
	if db.backend != Postgres {
		return true, fn()
	}
	tx, err := db.pools[0].BeginTx(ctx, nil)
	if err != nil {
		return false, ended(ctx, err)
	}
	defer func() { _ = tx.Rollback() }()
	if _, err := tx.ExecContext(ctx, "SET TRANSACTION ISOLATION LEVEL READ COMMITTED"); err != nil {
		return false, ended(ctx, err)
	}
	var got bool
	err = tx.QueryRowContext(ctx, "SELECT set_config('idle_in_transaction_session_timeout', '0', true) IS NOT NULL AND pg_try_advisory_xact_lock($1)", lock).Scan(&got)
	if err != nil || !got {
		return false, ended(ctx, err)
	}
	return true, fn()
}
