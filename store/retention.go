package store

import (
	"context"
	"time"

	"gorm.io/gorm"
)

// Rows leave the ledger when they are old (Purge). Counters stay: what leaves is
// added to the archived counts of its session in the same transaction, so that
// counters are always archived + rows, and Verify can tell.

// PurgeMargin is how much older than the oldest event that is still recorded
// (KeepLedger) a message has to be before it may leave, or the clocks of two
// nodes could make one of them record again what the other has removed: purge
// before now - retention - PurgeMargin.
const PurgeMargin = time.Hour

// purgePage is how many sessions are looked through by one statement.
const purgePage = 500

// PurgeReport is what a purge did.
type PurgeReport struct {
	Sessions int64 // that messages left
	Messages int64 // that left
	Counted  int64 // those of them that the counters count; the others were from before a reset

	// Elsewhere: another node is purging, so nothing was done here.
	Elsewhere bool
}

// Purge removes from the ledger the messages of which everything that was told
// happened before a time. Statistics do not change by it. It works in short
// transactions, each on one session, whose events wait for no longer than one of
// them. What a purged message is told about later would be counted as a new one's,
// so events as old must not be recorded any more; see [PurgeMargin].
//
// On an error the report says what was done until then, and stays done.
func (t *Transactional) Purge(ctx context.Context, before time.Time, opts PurgeOptions) (PurgeReport, error) {
	p := purge{t: t, before: before, opts: opts, turns: opts.turns()}
	here, err := t.db.alone(ctx, purgeLock, func() error { return p.run(ctx) })
	p.report.Elsewhere = err == nil && !here
	return p.report, failure("remove old messages", err)
}

type purge struct {
	t      *Transactional
	before time.Time
	opts   PurgeOptions
	turns  *purgeTurns
	report PurgeReport
}

// purgeShelf is where old rows lie: the rows of one session, epoch and outcome.
type purgeShelf struct {
	StatsID int64
	Epoch   int64
	Outcome int64
}

func (p *purge) run(ctx context.Context) error {
	for after := int64(0); ; {
		shelves, last, err := p.page(ctx, after)
		if err != nil || last == 0 {
			return err
		}
		session := int64(0)
		for _, shelf := range shelves {
			gone, err := p.empty(ctx, shelf)
			if gone > 0 && shelf.StatsID != session {
				session = shelf.StatsID
				p.report.Sessions++
			}
			if err != nil {
				return err
			}
		}
		after = last
	}
}

// page finds the shelves with something old of the sessions after an id, and
// returns the last of these sessions, 0 when there are none.
func (p *purge) page(ctx context.Context, after int64) (shelves []purgeShelf, last int64, err error) {
	err = p.t.db.readOrdered(ctx, func(q *gorm.DB) error {
		shelves, last = nil, 0
		err := q.Raw(`SELECT coalesce(max(id), 0) FROM (SELECT id FROM `+p.t.db.own("session_stats")+` WHERE id > ? ORDER BY id LIMIT ?) x`,
			after, purgePage).Scan(&last).Error
		if err != nil || last == 0 {
			return err
		}
		at := p.t.db.ownTimeArg(p.before)
		return q.Raw(p.t.purgeShelvesSQL(), after, last, at, at).Scan(&shelves).Error
	})
	return shelves, last, err
}

// purgeShelvesSQL looks into the index message_ledger_latest for each session,
// each of its epochs, which it finds by leaps, and each outcome, and into
// message_ledger_uncounted for each session. (Both are partial, and SQLite wants
// to read their condition. Where a row is asked for by a scalar subquery and not by
// EXISTS, PostgreSQL cannot make a join over the whole ledger of it.)
func (t *Transactional) purgeShelvesSQL() string {
	ledger := t.db.own("message_ledger")
	next := func(id, than string) string {
		return `(SELECT m.epoch FROM ` + ledger + ` m WHERE m.stats_id = ` + id + than + ` AND m.outcome <> 0 ORDER BY m.epoch LIMIT 1)`
	}
	return `WITH RECURSIVE page AS (SELECT s.id FROM ` + t.db.own("session_stats") + ` s WHERE s.id > ? AND s.id <= ?),
		epochs AS (
			SELECT p.id, ` + next("p.id", "") + ` AS epoch FROM page p
			UNION ALL
			SELECT e.id, ` + next("e.id", " AND m.epoch > e.epoch") + ` FROM epochs e WHERE e.epoch IS NOT NULL),
		outcomes AS (SELECT 1 AS outcome UNION ALL SELECT 2)
		SELECT e.id AS stats_id, e.epoch, o.outcome FROM epochs e CROSS JOIN outcomes o WHERE e.epoch IS NOT NULL AND (
			SELECT 1 FROM ` + ledger + ` m WHERE m.stats_id = e.id AND m.epoch = e.epoch AND m.outcome = o.outcome AND m.outcome <> 0
				AND m.at < ` + t.db.ownTime() + ` LIMIT 1) = 1
		UNION ALL
		SELECT p.id, 0, 0 FROM page p WHERE (
			SELECT 1 FROM ` + ledger + ` m WHERE m.stats_id = p.id AND m.outcome = 0 AND m.at < ` + t.db.ownTime() + ` LIMIT 1) = 1
		ORDER BY 1, 2, 3`
}

// empty removes what is old from a shelf. It walks through the index by time, so
// that what has to stay is looked at once and not for each transaction.
func (p *purge) empty(ctx context.Context, shelf purgeShelf) (gone int64, err error) {
	for from := time.UnixMicro(0); ; {
		ids, last, err := p.old(ctx, shelf, from)
		if err != nil || len(ids) == 0 {
			return gone, err
		}
		err = p.turns.take(ctx, func() error {
			n, err := p.remove(ctx, shelf.StatsID, ids)
			gone += n
			return err
		})
		if err != nil || len(ids) < p.opts.batch() {
			return gone, err
		}
		from = last
	}
}

// old lists the first rows of a shelf that may leave, from a time on, and the
// time of the last of them. No lock is held meanwhile.
func (p *purge) old(ctx context.Context, shelf purgeShelf, from time.Time) (ids []string, last time.Time, err error) {
	db := p.t.db
	err = db.readOrdered(ctx, func(q *gorm.DB) error {
		ids = ids[:0]
		sql, args := p.t.purgeOldSQL(shelf, from, p.before, p.opts.batch())
		return each(q, sql, func(scan func(dest ...any) error) error {
			var id string
			var at *int64
			if err := scan(&id, &at); err != nil {
				return err
			}
			ids, last = append(ids, id), timeOf(at)
			return nil
		}, args...)
	})
	return ids, last, err
}

func (t *Transactional) purgeOldSQL(shelf purgeShelf, from, before time.Time, limit int) (string, []any) {
	where, args := `m.stats_id = ? AND m.outcome = 0`, []any{shelf.StatsID}
	if shelf.Outcome != 0 {
		where, args = `m.stats_id = ? AND m.epoch = ? AND m.outcome = ? AND m.outcome <> 0`, []any{shelf.StatsID, shelf.Epoch, shelf.Outcome}
	}
	old, times := t.purgeable(before)
	args = append(append(args, t.db.ownTimeArg(from)), times...)
	return `SELECT m.message_id, ` + t.db.micros("m.at") + ` FROM ` + t.db.own("message_ledger") + ` m
		WHERE ` + where + ` AND m.at >= ` + t.db.ownTime() + ` AND ` + old + `
		ORDER BY m.at LIMIT ?`, append(args, limit)
}

// purgeable is the condition under which a row m may leave: everything that was ever
// told of it is from before a time, so that none of it can be told again. That is what
// last_told_at says; rows of gateways that did not know it yet have their other times
// alone. (It has no index, or every receipt would write all indexes of the row anew:
// none of the times is later, so what is old is found by at.)
func (t *Transactional) purgeable(before time.Time) (sql string, args []any) {
	for _, column := range [...]string{"at", "first_at", "sent_at", "failed_at", "delivered_at", "read_at", "last_told_at"} {
		condition := `m.` + column + ` < ` + t.db.ownTime()
		if column != "at" && column != "first_at" {
			condition = `(m.` + column + ` IS NULL OR ` + condition + `)`
		}
		if sql != "" {
			sql += ` AND `
		}
		sql += condition
		args = append(args, t.db.ownTimeArg(before))
	}
	return sql, args
}
