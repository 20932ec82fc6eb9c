package store

import (
	"context"
	"fmt"
	"time"

	"gorm.io/gorm"

	"github.com/genfity/wa-gateway/stats"
)

// purgeSums is what the rows that are about to leave add to the archived counts.
type purgeSums struct {
	Gone                          int64
	Sent, Failed, Delivered, Read int64
	LastSent, LastFailed          *int64
}

// remove takes the rows with these ids out of the ledger, as far as they may
// still leave now that their session is locked, and returns how many did.
func (p *purge) remove(ctx context.Context, statsID int64, ids []string) (int64, error) {
	t := p.t
	list := jsonTexts(ids)
	old, times := t.purgeable(p.before)
	rows := t.db.own("message_ledger") + ` AS m WHERE m.stats_id = ? AND ` + t.db.amongTexts("m.message_id") + ` AND ` + old
	args := append([]any{statsID, list}, times...)
	var sums purgeSums
	err := t.db.tx(ctx, func(q *gorm.DB) error {
		sums = purgeSums{}
		if err := t.db.settled(q, ""); err != nil {
			return err
		}
		var epoch int64
		found := q.Raw(`SELECT s.epoch FROM `+t.db.own("session_stats")+` s WHERE s.id = ?`+t.db.lock("s"), statsID).Scan(&epoch)
		if err := oneRow(found); err != nil {
			return err
		}
		if err := q.Raw(t.purgeSumsSQL()+rows, append([]any{epoch, epoch, epoch, epoch, epoch, epoch}, args...)...).Scan(&sums).Error; err != nil {
			return err
		}
		if sums.Gone == 0 {
			return nil
		}
		gone := q.Exec(`DELETE FROM `+rows, args...)
		if gone.Error != nil {
			return gone.Error
		}
		if gone.RowsAffected != sums.Gone {
			return fmt.Errorf("%d old rows were counted and %d removed though their session is locked", sums.Gone, gone.RowsAffected)
		}
		return t.archive(q, statsID, sums)
	})
	if err != nil {
		return 0, err
	}
	p.report.Messages += sums.Gone
	p.report.Counted += sums.Sent + sums.Failed
	return sums.Gone, nil
}

// purgeSumsSQL adds up rows m. Those that count are those of the session's epoch,
// bound to its six parameters, that have an outcome.
func (t *Transactional) purgeSumsSQL() string {
	side := func(outcome stats.Outcome) string {
		return fmt.Sprintf(`m.epoch = ? AND m.outcome = %d`, outcome)
	}
	sum := func(condition string) string {
		return `CAST(coalesce(sum(CASE WHEN ` + condition + ` THEN 1 ELSE 0 END), 0) AS bigint)`
	}
	sent, failed := side(stats.OutcomeSent), side(stats.OutcomeFailed)
	return `SELECT count(*) AS gone,
		` + sum(sent) + ` AS sent, ` + sum(failed) + ` AS failed,
		` + sum(sent+` AND (m.delivered_at IS NOT NULL OR m.read_at IS NOT NULL)`) + ` AS delivered,
		` + sum(sent+` AND m.read_at IS NOT NULL`) + ` AS read,
		` + t.db.micros(`max(CASE WHEN `+sent+` THEN m.at END)`) + ` AS last_sent,
		` + t.db.micros(`max(CASE WHEN `+failed+` THEN m.at END)`) + ` AS last_failed
		FROM `
}

// archive adds to the archived counts of a locked session.
func (t *Transactional) archive(q *gorm.DB, statsID int64, sums purgeSums) error {
	if sums.Sent+sums.Failed == 0 {
		return nil
	}
	at := func(micros *int64) any {
		if micros == nil {
			return nil
		}
		return t.db.ownTimeArg(timeOf(micros))
	}
	return oneRow(q.Exec(`UPDATE `+t.db.own("session_stats")+` SET
			archived_sent = archived_sent + ?, archived_failed = archived_failed + ?,
			archived_delivered = archived_delivered + ?, archived_read = archived_read + ?,
			archived_last_sent_at = `+t.db.later("archived_last_sent_at", t.db.ownTime())+`,
			archived_last_failed_at = `+t.db.later("archived_last_failed_at", t.db.ownTime())+`
		WHERE id = ?`,
		sums.Sent, sums.Failed, sums.Delivered, sums.Read, at(sums.LastSent), at(sums.LastFailed), statsID))
}

// purgeOlder removes the rows of one of our own tables whose time is before another,
// in short transactions with pauses between them.
func (db *DB) purgeOlder(ctx context.Context, table, column string, before time.Time, opts PurgeOptions) (removed int64, err error) {
	old := `SELECT id FROM ` + db.own(table) + ` WHERE ` + column + ` < ? ORDER BY ` + column + ` LIMIT ?`
	if db.backend == Postgres {
		old += ` FOR UPDATE SKIP LOCKED` // another node may be at the same ones
	}
	turns := opts.turns()
	for {
		var gone int64
		err := turns.take(ctx, func() error {
			return db.tx(ctx, func(q *gorm.DB) error {
				done := q.Exec(`DELETE FROM `+db.own(table)+` WHERE id IN (`+old+`)`, timeArg(before), opts.batch())
				gone = done.RowsAffected
				return done.Error
			})
		})
		if err != nil {
			return removed, err
		}
		if removed += gone; gone < int64(opts.batch()) {
			return removed, nil
		}
	}
}
