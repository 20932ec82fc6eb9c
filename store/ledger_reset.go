package store

import (
	"context"
	"strings"
	"time"

	"gorm.io/gorm"

	"github.com/genfity/wa-gateway/stats"
)

// A reset (contract §8) makes every message known so far uncounted by one write
// per session: the counters go to a new epoch, and the messages' rows stay in the
// old one. The rollups go. Messages that are not known yet are recognized by their
// times.

// ResetUser starts all statistics of a user again from zero, the foreign table's
// too. Messages of which something happened at or before at are not counted from
// then on. It is an [ErrNotFound] for a user that does not exist and never did.
func (t *Transactional) ResetUser(ctx context.Context, userID string, at time.Time) error {
	at = at.Truncate(stats.Resolution)
	err := t.resetting(ctx, func(q *gorm.DB, s *foreignSchema, aside *mirrorAside) error {
		known, err := t.hasUser(q, s, userID)
		if err != nil {
			return err
		}
		if !known {
			return ErrNotFound
		}
		if err := t.lockUsers(q, "SELECT CAST(? AS text) AS user_id", userID); err != nil {
			return err
		}
		if aside.reason != "" {
			// What stays there may not be taken for statistics that nobody reset.
			if _, err := t.adoptForeign(q, s, userID); err != nil {
				return err
			}
		}
		err = q.Exec(`UPDATE `+t.db.own("user_stats")+` SET reset_at = `+t.db.later("reset_at", t.db.ownTime())+` WHERE user_id = ?`,
			t.db.ownTimeArg(at), userID).Error
		if err != nil {
			return err
		}
		return t.reset(q, s, aside, at, []string{"user_id"}, userID)
	})
	return failure("reset a user's statistics", err)
}

// ResetSession starts the statistics of one session of a user again from zero,
// as ResetUser does for all of them.
func (t *Transactional) ResetSession(ctx context.Context, userID, sessionID string, at time.Time) error {
	at = at.Truncate(stats.Resolution)
	p := pair{userID, sessionID}
	err := t.resetting(ctx, func(q *gorm.DB, s *foreignSchema, aside *mirrorAside) error {
		known, err := t.known(q, s, []pair{p})
		if err != nil {
			return err
		}
		if !known[0].session {
			var counted int64
			err := q.Raw(`SELECT count(*) FROM `+t.db.own("session_stats")+` WHERE user_id = ? AND session_id = ?`, userID, sessionID).Scan(&counted).Error
			if err != nil {
				return err
			}
			if counted == 0 {
				return ErrNotFound
			}
		}
		if err := t.adoptIn(q, s, []pair{p}); err != nil {
			return err
		}
		return t.reset(q, s, aside, at, []string{"user_id", "session_id"}, userID, sessionID)
	})
	return failure("reset a session's statistics", err)
}

// resetting runs the transaction of a reset, once more without the foreign table
// where that cannot be written: as with counting, the difference is kept then.
func (t *Transactional) resetting(ctx context.Context, fn func(q *gorm.DB, s *foreignSchema, aside *mirrorAside) error) error {
	var aside mirrorAside
	return t.looking(ctx, func(s *foreignSchema) error {
		var err error
		for attempt := 0; attempt < maxAttempts; attempt++ {
			if attempt > 0 && !pause(ctx, attempt) {
				break
			}
			err = t.db.txOn(ctx, s.writer, func(q *gorm.DB) error { return fn(q, s, &aside) })
			if err == nil || !aside.decide(err) {
				break
			}
		}
		return err
	})
}

// hasUser reports whether a user exists or has statistics.
func (t *Transactional) hasUser(q *gorm.DB, s *foreignSchema, userID string) (bool, error) {
	places := []string{
		`SELECT 1 FROM ` + s.table(tableUsers) + ` WHERE ` + s.col(tableUsers, "id") + ` = ?`,
		`SELECT 1 FROM ` + t.db.own("session_stats") + ` WHERE user_id = ?`,
	}
	args := []any{userID, userID}
	if s.hasTable(tableStats) {
		places = append(places, `SELECT 1 FROM `+s.table(tableStats)+` WHERE `+s.col(tableStats, "user_id")+` = ?`)
		args = append(args, userID)
	}
	var has bool
	err := q.Raw(`SELECT EXISTS (`+strings.Join(places, ` UNION ALL `)+`)`, args...).Scan(&has).Error
	return has, err
}

// reset zeroes the counters whose columns have these values, locked in the order
// of their ids, and then the foreign table's, or keeps what has to be taken from that.
func (t *Transactional) reset(q *gorm.DB, s *foreignSchema, aside *mirrorAside, at time.Time, columns []string, values ...any) error {
	var own, foreign []string
	for _, column := range columns {
		own = append(own, "c."+column+" = ?")
		foreign = append(foreign, s.col(tableStats, column)+" = ?")
	}
	var ids []int64
	err := q.Raw(`SELECT c.id FROM `+t.db.own("session_stats")+` c WHERE `+strings.Join(own, " AND ")+` ORDER BY c.id`+t.db.lock("c"),
		values...).Scan(&ids).Error
	if err != nil {
		return err
	}
	if len(ids) > 0 {
		if err := q.Exec(`DELETE FROM `+t.db.own("stats_rollups")+` WHERE stats_id IN ?`, ids).Error; err != nil {
			return err
		}
		behindSent, behindFailed := "0", "0"
		if aside.reason != "" {
			behindSent, behindFailed = t.owedSQL(s, "total_messages_sent"), t.owedSQL(s, "total_messages_failed")
		}
		err := q.Exec(`UPDATE `+t.db.own("session_stats")+` AS c SET
				base_sent = 0, base_failed = 0, sent = 0, failed = 0, delivered = 0, read = 0,
				behind_sent = `+behindSent+`, behind_failed = `+behindFailed+`, behind_reason = ?,
				base_last_sent_at = NULL, base_last_failed_at = NULL, last_sent_at = NULL, last_failed_at = NULL,
				archived_sent = 0, archived_failed = 0, archived_delivered = 0, archived_read = 0,
				archived_last_sent_at = NULL, archived_last_failed_at = NULL,
				epoch = epoch + 1, reset_at = `+t.db.later("reset_at", t.db.ownTime())+`, updated_at = `+t.db.ownTime()+`
			WHERE id IN ?`, aside.reason, t.db.ownTimeArg(at), t.db.ownTimeArg(t.now()), ids).Error
		if err != nil {
			return err
		}
	}
	if !s.hasTable(tableStats) || aside.reason != "" {
		return nil
	}
	if err := t.resetForeign(q, s, strings.Join(foreign, " AND "), values...); err != nil {
		return mirrorError{err}
	}
	return nil
}

// owedSQL is SQL for what a total of the foreign row has to be given so that nothing
// is left of what it holds now, for a row c of session_stats.
func (t *Transactional) owedSQL(s *foreignSchema, column string) string {
	f := func(column string) string { return "f." + s.col(tableStats, column) }
	return `coalesce((SELECT -` + f(column) + ` FROM ` + s.table(tableStats) + ` f
		WHERE ` + f("user_id") + ` = ` + t.db.foreignText("c.user_id") + ` AND ` + f("session_id") + ` = ` + t.db.foreignText("c.session_id") + `), 0)`
}

// resetForeign zeroes rows of the foreign table. Whoever has them locked is waited for
// as when they follow the counters.
func (t *Transactional) resetForeign(q *gorm.DB, s *foreignSchema, where string, values ...any) error {
	if t.db.backend == Postgres {
		if err := q.Exec(mirrorPatient.sql).Error; err != nil {
			return err
		}
	}
	zero := map[string]any{"total_messages_sent": 0, "total_messages_failed": 0,
		"last_message_sent_at": nil, "last_message_failed_at": nil, "updated_at": timeArg(t.now())}
	return q.Model(&MessageStats{}).Where(where, values...).Updates(s.values(tableStats, zero)).Error
}
