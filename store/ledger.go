package store

import (
	"context"
	"errors"

	"github.com/genfity/wa-gateway/stats"
)

// The ledger (contract §8) keeps one row per message, everything told about it
// boiled down by stats.Message, and one row of counters per user and session.
//
// Recording locks the counters of the sessions at hand in one order, reads the
// rows of the messages, merges, and writes rows, counters and the foreign table's
// mirror of them in the same transaction. So counters are always exactly what the
// rows say, on however many nodes, and nobody waits in a circle: everything that
// touches statistics takes its locks in the order user_stats, session_stats (by
// id), foreign tables.

// ErrUnknownUser and ErrUnknownSession are what Record says of an event whose
// user does not exist, or whose session its user neither has nor ever had.
var (
	ErrUnknownUser    = stats.ErrUnknownUser
	ErrUnknownSession = stats.ErrUnknownSession
)

// pair names the owner of statistics. A session that changes hands has
// statistics for each of its users.
type pair struct{ userID, sessionID string }

// Record counts events: all in one transaction, which is on disk when it
// returns, with one result for each event in their order. An event that names an
// unknown user or session, or that breaks the rules of stats.Event.Check, is not
// recorded; the others are.
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
