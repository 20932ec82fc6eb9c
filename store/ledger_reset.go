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
	err := t.tx(ctx, func(q *gorm.DB, s *foreignSchema) error {
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
		err = q.Exec(`UPDATE `+t.db.own("user_stats")+` SET reset_at = `+t.db.later("reset_at", t.db.ownTime())+` WHERE user_id = ?`,
			t.db.ownTimeArg(at), userID).Error
		if err != nil {
			return err
		}
		return t.reset(q, s, at, []string{"user_id"}, userID)
	})
	return failure("reset a user's statistics", err)
}

// ResetSession starts the statistics of one session of a user again from zero,
// as ResetUser does for all of them.
func (t *Transactional) ResetSession(ctx context.Context, userID, sessionID string, at time.Time) error {
	at = at.Truncate(stats.Resolution)
	p := pair{userID, sessionID}
	err := t.tx(ctx, func(q *gorm.DB, s *foreignSchema) error {
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
		return t.reset(q, s, at, []string{"user_id", "session_id"}, userID, sessionID)
	})
	return failure("reset a session's statistics", err)
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
// of their ids, and then the foreign table's.
func (t *Transactional) reset(q *gorm.DB, s *foreignSchema, at time.Time, columns []string, values ...any) error {
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
		err := q.Exec(`UPDATE `+t.db.own("session_stats")+` SET
				base_sent = 0, base_failed = 0, sent = 0, failed = 0, delivered = 0, read = 0,
				behind_sent = 0, behind_failed = 0, behind_reason = '',
				base_last_sent_at = NULL, base_last_failed_at = NULL, last_sent_at = NULL, last_failed_at = NULL,
				archived_sent = 0, archived_failed = 0, archived_delivered = 0, archived_read = 0,
				archived_last_sent_at = NULL, archived_last_failed_at = NULL,
				epoch = epoch + 1, reset_at = `+t.db.later("reset_at", t.db.ownTime())+`, updated_at = `+t.db.ownTime()+`
			WHERE id IN ?`, t.db.ownTimeArg(at), t.db.ownTimeArg(t.now()), ids).Error
		if err != nil {
			return err
		}
	}
	if !s.hasTable(tableStats) {
		return nil
	}
	zero := map[string]any{"total_messages_sent": 0, "total_messages_failed": 0,
		"last_message_sent_at": nil, "last_message_failed_at": nil, "updated_at": timeArg(t.now())}
	return q.Model(&MessageStats{}).Where(strings.Join(foreign, " AND "), values...).Updates(s.values(tableStats, zero)).Error
}
