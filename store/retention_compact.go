package store

import (
	"context"
	"time"

	"gorm.io/gorm"
)

// The lengths of rollups, in minutes.
const (
	compactFrom = 15
	compactTo   = 24 * 60
)

// CompactReport is what a compaction did.
type CompactReport struct {
	Sessions int64 // with something to do
	Slots    int64 // quarters of an hour that were put together
	Days     int64 // rows that they became, or were added to

	// Elsewhere: another node is compacting, so nothing was done here.
	Elsewhere bool
}

// CompactRollups puts the quarters of an hour of those days of UTC that ended
// before a time together to one row a day and type. Sums do not change. It works
// in short transactions as Purge does. What changes in such a day later goes to
// its row.
func (t *Transactional) CompactRollups(ctx context.Context, before time.Time, opts PurgeOptions) (CompactReport, error) {
	c := compaction{t: t, before: before.UTC().Truncate(compactTo * time.Minute), opts: opts, turns: opts.turns()}
	here, err := t.db.alone(ctx, compactLock, func() error { return c.run(ctx) })
	c.report.Elsewhere = err == nil && !here
	return c.report, failure("put old rollups together", err)
}

type compaction struct {
	t      *Transactional
	before time.Time // the beginning of a day
	opts   PurgeOptions
	turns  *purgeTurns
	report CompactReport
}

func (c *compaction) run(ctx context.Context) error {
	for after := int64(0); ; {
		var ids []int64
		err := c.t.db.readOrdered(ctx, func(q *gorm.DB) error {
			ids = nil
			return q.Raw(c.t.compactSessionsSQL(), after, compactFrom, c.t.db.ownTimeArg(c.before), purgePage).Scan(&ids).Error
		})
		if err != nil || len(ids) == 0 {
			return err
		}
		for _, id := range ids {
			if err := c.session(ctx, id); err != nil {
				return err
			}
			after = id
		}
	}
}

// compactSessionsSQL lists sessions with something to do: one look into the
// primary key for each.
func (t *Transactional) compactSessionsSQL() string {
	return `SELECT s.id FROM ` + t.db.own("session_stats") + ` s WHERE s.id > ? AND (
			SELECT 1 FROM ` + t.db.own("stats_rollups") + ` r WHERE r.stats_id = s.id AND r.minutes = ? AND r.start < ` + t.db.ownTime() + ` LIMIT 1) = 1
		ORDER BY s.id LIMIT ?`
}

// session does some days at a time, of about as many rows as a transaction may
// have, but one day at least.
func (c *compaction) session(ctx context.Context, id int64) error {
	c.report.Sessions++
	for {
		until, err := c.until(ctx, id)
		if err != nil || until.IsZero() {
			return err
		}
		if err := c.turns.take(ctx, func() error { return c.days(ctx, id, until) }); err != nil {
			return err
		}
		if !until.Before(c.before) {
			return nil
		}
	}
}

// until finds the end of the days that the next transaction does; zero when
// nothing is left to do.
func (c *compaction) until(ctx context.Context, id int64) (time.Time, error) {
	db := c.t.db
	start := func(q *gorm.DB, offset int) (time.Time, error) {
		var found []int64
		err := q.Raw(`SELECT `+db.micros("start")+` FROM `+db.own("stats_rollups")+` WHERE stats_id = ? AND minutes = ? AND start < `+db.ownTime()+`
			ORDER BY start LIMIT 1 OFFSET ?`, id, compactFrom, db.ownTimeArg(c.before), offset).Scan(&found).Error
		if err != nil || len(found) == 0 {
			return time.Time{}, err
		}
		return time.UnixMicro(found[0]).UTC().Truncate(compactTo * time.Minute), nil
	}
	var until time.Time
	err := db.readOrdered(ctx, func(q *gorm.DB) error {
		first, err := start(q, 0)
		if err != nil || first.IsZero() {
			until = first
			return err
		}
		next, err := start(q, c.opts.batch())
		switch {
		case next.IsZero():
			until = c.before
		case next.Equal(first):
			until = first.Add(compactTo * time.Minute)
		default:
			until = next
		}
		return err
	})
	return until, err
}

// days puts together what began before a time.
func (c *compaction) days(ctx context.Context, id int64, until time.Time) error {
	db := c.t.db
	rollups := db.own("stats_rollups")
	where := ` WHERE stats_id = ? AND minutes = ? AND start < ` + db.ownTime()
	var slots, days int64
	err := db.tx(ctx, func(q *gorm.DB) error {
		if err := db.settled(q, ""); err != nil {
			return err
		}
		var locked int64
		found := q.Raw(`SELECT s.id FROM `+db.own("session_stats")+` s WHERE s.id = ?`+db.lock("s"), id).Scan(&locked)
		if err := oneRow(found); err != nil {
			return err
		}
		// A day whose sums are all zero needs no row.
		added := q.Exec(`INSERT INTO `+rollups+` AS d (stats_id, minutes, start, type, sent, failed, delivered, read)
			SELECT * FROM (
				SELECT stats_id, CAST(? AS smallint) AS minutes, `+db.dayOf("start")+` AS start, type,
					sum(sent) AS sent, sum(failed) AS failed, sum(delivered) AS delivered, sum(read) AS read
				FROM `+rollups+where+` GROUP BY 1, 2, 3, 4) x
			WHERE sent <> 0 OR failed <> 0 OR delivered <> 0 OR read <> 0
			ON CONFLICT (stats_id, minutes, start, type) DO UPDATE SET
				sent = d.sent + excluded.sent, failed = d.failed + excluded.failed,
				delivered = d.delivered + excluded.delivered, read = d.read + excluded.read`,
			compactTo, id, compactFrom, db.ownTimeArg(until))
		if added.Error != nil {
			return added.Error
		}
		gone := q.Exec(`DELETE FROM `+rollups+where, id, compactFrom, db.ownTimeArg(until))
		slots, days = gone.RowsAffected, added.RowsAffected
		return gone.Error
	})
	if err == nil {
		c.report.Slots += slots
		c.report.Days += days
	}
	return err
}

// dayOf is SQL for the beginning of the day of UTC that a time of our own tables
// is in.
func (db *DB) dayOf(expr string) string {
	if db.backend == Postgres {
		return "date_trunc('day', " + expr + ", 'UTC')"
	}
	return expr + " - " + expr + " % 86400000000"
}
