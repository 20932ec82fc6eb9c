package store

import (
	"context"
	"strconv"
	"time"

	"gorm.io/gorm"

	"github.com/genfity/wa-gateway/stats"
)

// On SQLite each step is one statement over a list in JSON, in a transaction
// that has the whole file to itself.

// recordSQLite is one attempt.
func (t *Transactional) recordSQLite(ctx context.Context, s *foreignSchema, b *ledgerBatch) error {
	return s.writer.WithContext(ctx).Transaction(func(q *gorm.DB) error {
		b.begin()
		if err := t.readCountersSQLite(q, b); err != nil {
			return err
		}
		if missing := b.missing(); len(missing) > 0 {
			known, err := t.known(q, s, b.pairsAt(missing))
			if err != nil {
				return err
			}
			if b.refuse(missing, known); len(b.unseen) > 0 {
				return errUnseen
			}
		}
		if err := t.readMessagesSQLite(q, b); err != nil {
			return err
		}
		messages, sessions := b.fold(t.ledgerLimit())
		if len(messages) == 0 {
			return nil
		}
		if err := t.writeMessagesSQLite(q, messages); err != nil {
			return err
		}
		if err := t.writeRollupsSQLite(q, b.rollups.sorted()); err != nil {
			return err
		}
		if err := t.writeCountersSQLite(q, b, sessions, t.now()); err != nil || b.aside.reason != "" {
			return err
		}
		if err := t.mirrorSQLite(q, s, sessions, t.now()); err != nil {
			return mirrorError{err}
		}
		return nil
	})
}

// each runs a query and calls fn for each row.
func each(q *gorm.DB, sql string, fn func(scan func(dest ...any) error) error, args ...any) error {
	rows, err := q.Raw(sql, args...).Rows()
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := fn(rows.Scan); err != nil {
			return err
		}
	}
	return rows.Err()
}

func (t *Transactional) readCountersSQLite(q *gorm.DB, b *ledgerBatch) error {
	// CROSS JOIN keeps SQLite at one look into the index for each element.
	return each(q, `SELECT x.key, s.id, s.epoch, s.reset_at, s.last_sent_at, s.last_failed_at, s.behind_sent, s.behind_failed
		FROM json_each(?) AS x CROSS JOIN `+t.db.own("session_stats")+` s
			ON s.user_id = x.value->>0 AND s.session_id = x.value->>1`,
		func(scan func(dest ...any) error) error {
			var n int
			var c sessionCounters
			var resetAt, lastSent, lastFailed *int64
			if err := scan(&n, &c.id, &c.epoch, &resetAt, &lastSent, &lastFailed, &c.behind[sideSent], &c.behind[sideFailed]); err != nil {
				return err
			}
			c.pair, c.resetAt, c.last = b.pairs[n], timeOf(resetAt), [2]time.Time{timeOf(lastSent), timeOf(lastFailed)}
			b.sessions[n] = &c
			return nil
		}, jsonPairs(b.pairs))
}

func (t *Transactional) readMessagesSQLite(q *gorm.DB, b *ledgerBatch) error {
	keys := newJSONRows(32 * len(b.messages))
	found := make([]*ledgerMessage, 0, len(b.messages))
	for _, m := range b.messages {
		if session := b.sessions[m.pair]; session != nil {
			keys.int(session.id)
			keys.text(m.id)
			keys.end()
			found = append(found, m)
		}
	}
	return each(q, `SELECT x.key, m.epoch, m.first_at, m.sent_at, m.failed_at, m.delivered_at, m.read_at, m.last_told_at, m.recipient, m.type, m.error
		FROM json_each(?) AS x CROSS JOIN `+t.db.own("message_ledger")+` m
			ON m.stats_id = x.value->>0 AND m.message_id = x.value->>1`,
		func(scan func(dest ...any) error) error {
			var n int
			var epoch int64
			var first, sent, failed, delivered, read, last *int64
			var m stats.Message
			if err := scan(&n, &epoch, &first, &sent, &failed, &delivered, &read, &last, &m.To, &m.Type, &m.Error); err != nil {
				return err
			}
			m.FirstAt, m.SentAt, m.FailedAt, m.DeliveredAt, m.ReadAt = timeOf(first), timeOf(sent), timeOf(failed), timeOf(delivered), timeOf(read)
			m.LastAt = timeOf(last)
			row := found[n]
			row.epoch, row.before, row.now = epoch, m, m
			return nil
		}, keys.String())
}

func (t *Transactional) writeMessagesSQLite(q *gorm.DB, messages []*ledgerMessage) error {
	rows := newJSONRows(192 * len(messages))
	for _, m := range messages {
		rows.int(m.session.id)
		rows.text(m.id)
		rows.int(m.epoch)
		rows.int(int64(m.outcome()))
		for _, at := range m.times() {
			rows.time(at)
		}
		rows.text(m.now.To)
		rows.text(m.now.Type)
		rows.text(m.now.Error)
		rows.end()
	}
	return q.Exec(`INSERT INTO `+t.db.own("message_ledger")+`
			(stats_id, message_id, epoch, outcome, at, first_at, sent_at, failed_at, delivered_at, read_at, last_told_at, recipient, type, error)
		SELECT value->>0, value->>1, value->>2, value->>3, value->>4, value->>5, value->>6, value->>7, value->>8, value->>9,
			value->>10, value->>11, value->>12, value->>13
		FROM json_each(?) WHERE true
		ON CONFLICT (stats_id, message_id) DO UPDATE SET
			outcome = excluded.outcome, at = excluded.at, first_at = excluded.first_at,
			sent_at = excluded.sent_at, failed_at = excluded.failed_at, delivered_at = excluded.delivered_at, read_at = excluded.read_at,
			last_told_at = excluded.last_told_at,
			recipient = excluded.recipient, type = excluded.type, error = excluded.error`, rows.String()).Error
}

// writeCountersSQLite adds to the counters.
func (t *Transactional) writeCountersSQLite(q *gorm.DB, b *ledgerBatch, sessions []*sessionCounters, now time.Time) error {
	var rows jsonRows
	for _, c := range sessions {
		rows.int(c.id)
		for _, count := range [4]int64{c.delta.Sent, c.delta.Failed, c.delta.Delivered, c.delta.Read} {
			rows.int(count)
		}
		for side := range c.last {
			rows.time(c.newest[side])
			rows.bool(c.recount[side])
		}
		var behind [2]int64
		if b.aside.reason != "" {
			behind = c.due()
		}
		rows.int(behind[sideSent])
		rows.int(behind[sideFailed])
		rows.end()
	}
	latest := func(column, at, recount string, outcome stats.Outcome) string {
		recounted := `(SELECT m.at FROM ` + t.db.own("message_ledger") + ` m
				WHERE m.stats_id = s.id AND m.epoch = s.epoch AND m.outcome = ` + strconv.Itoa(int(outcome)) + ` ORDER BY m.at DESC LIMIT 1)`
		return column + ` = CASE WHEN d.value->>` + recount + ` THEN ` + t.db.later("s.archived_"+column, recounted) + `
			ELSE ` + t.db.later("s."+column, "d.value->>"+at) + ` END`
	}
	return q.Exec(`UPDATE `+t.db.own("session_stats")+` AS s SET
			sent = s.sent + (d.value->>1), failed = s.failed + (d.value->>2), delivered = s.delivered + (d.value->>3), read = s.read + (d.value->>4),
			`+latest("last_sent_at", "5", "6", stats.OutcomeSent)+`, `+latest("last_failed_at", "7", "8", stats.OutcomeFailed)+`,
			behind_sent = d.value->>9, behind_failed = d.value->>10, behind_reason = ?, updated_at = ?
		FROM json_each(?) AS d WHERE s.id = d.value->>0`, b.aside.reason, t.db.ownTimeArg(now), rows.String()).Error
}

// mirrorSQLite makes the foreign table follow.
func (t *Transactional) mirrorSQLite(q *gorm.DB, s *foreignSchema, sessions []*sessionCounters, now time.Time) error {
	update, insert := s.mirrorSQLite(t.db)
	if update == "" {
		return nil
	}
	ctx := q.Statement.Context
	stmt, err := q.Statement.ConnPool.PrepareContext(ctx, update)
	if err != nil {
		return err
	}
	defer stmt.Close()
	for _, c := range sessions {
		if !c.mirrored() {
			continue
		}
		due := c.due()
		args := []any{NewID(), due[sideSent], due[sideFailed], timeArg(now).Format(sqliteTime), c.id}
		done, err := stmt.ExecContext(ctx, args...)
		if err != nil {
			return err
		}
		updated, err := done.RowsAffected()
		if err != nil {
			return err
		}
		if updated == 0 && insert != "" {
			if err := q.Exec(insert, args...).Error; err != nil {
				return err
			}
		}
	}
	return nil
}
