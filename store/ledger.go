package store

import (
	"context"
	"errors"
	"time"

	"github.com/genfity/wa-gateway/stats"
)

// The ledger (contract §8) keeps one row per message, everything told about it
// boiled down by stats.Message, and one row of counters per user and session.
//
// Recording locks the counters of the sessions at hand in one order, reads the
// rows of the messages, merges, and writes rows, rollups, counters and the foreign
// table's mirror of them in the same transaction. So counters and rollups are
// always exactly what the rows say, on however many nodes, and nobody waits in a
// circle: everything that touches statistics takes its locks in the order
// user_stats, session_stats (by id), foreign tables. Messages and rollups are
// written only while their row of session_stats is locked.

// ErrUnknownUser and ErrUnknownSession are what Record says of an event whose
// user does not exist, or whose session its user neither has nor ever had, and
// ErrTooOld of one from before what the ledger remembers (KeepLedger).
var (
	ErrUnknownUser    = stats.ErrUnknownUser
	ErrUnknownSession = stats.ErrUnknownSession
	ErrTooOld         = stats.ErrTooOld
)

// KeepLedger says how long messages stay in the ledger; 0, the default, is for
// ever. An event that is older, or whose message began before that, is not
// recorded from then on: its message may have left the ledger, and would be
// counted a second time.
func (t *Transactional) KeepLedger(d time.Duration) { t.keep.Store(int64(d)) }

// ledgerLimit is the time before which events are too old; zero: none is. It must
// be asked for when the sessions are locked: what left the ledger before the lock
// was granted is older than that then.
func (t *Transactional) ledgerLimit() time.Time {
	keep := time.Duration(t.keep.Load())
	if keep <= 0 {
		return time.Time{}
	}
	return t.now().Add(-keep)
}

// pair names the owner of statistics. A session that changes hands has
// statistics for each of its users.
type pair struct{ userID, sessionID string }

// Record counts events: all in one transaction, which is on disk when it
// returns, with one result for each event in their order. An event that names an
// unknown user or session, is too old, or breaks the rules of stats.Event.Check,
// is not recorded; the others are.
func (t *Transactional) Record(ctx context.Context, events []stats.Event) ([]stats.Recorded, error) {
	b := newLedgerBatch(events)
	if len(b.pairs) == 0 {
		return b.results, nil
	}
	err := t.looking(ctx, func(s *foreignSchema) error { return t.record(ctx, s, b) })
	if err != nil {
		return nil, failure("record events", err)
	}
	return b.results, nil
}

// errUnseen says that events name sessions which exist, but whose row of
// counters has to be created first. That happens in a transaction of its own,
// because it locks user_stats.
var errUnseen = errors.New("sessions without statistics")

func (t *Transactional) record(ctx context.Context, s *foreignSchema, b *ledgerBatch) error {
	var err error
	for attempt := 0; attempt < maxAttempts; attempt++ {
		if attempt > 0 && !pause(ctx, attempt) {
			break
		}
		if t.db.backend == Postgres {
			err = t.recordPostgres(ctx, s, b)
		} else {
			err = t.recordSQLite(ctx, s, b)
		}
		if errors.Is(err, errUnseen) {
			// Not an attempt that failed, and it cannot happen twice: rows of
			// counters are never removed.
			if err = t.adopt(ctx, s, b.unseen); err == nil {
				attempt = -1
				continue
			}
		}
		if err == nil || !(retryable(err) || b.aside.decide(err)) {
			break
		}
	}
	return classify(err)
}
