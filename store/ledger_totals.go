package store

import (
	"context"
	"strings"

	"gorm.io/gorm"

	"github.com/genfity/wa-gateway/stats"
)

// SessionTotals is what was counted for one session of a user.
type SessionTotals struct {
	SessionID string
	stats.Totals
}

// UserTotals is what was counted for a user.
type UserTotals struct {
	UserID string
	stats.Totals
}

// totalsRow is what the queries below return.
type totalsRow struct {
	UserID                        string
	SessionID                     string
	Sent, Failed, Delivered, Read int64
	LastSent, LastFailed          *int64
	Users                         int64 // of AllTotals' first query
}

func (r totalsRow) totals() stats.Totals {
	return stats.Totals{
		Counts:       stats.Counts{Sent: r.Sent, Failed: r.Failed, Delivered: r.Delivered, Read: r.Read},
		LastSentAt:   timeOf(r.LastSent),
		LastFailedAt: timeOf(r.LastFailed),
	}
}

// SessionTotals returns the statistics of one session of a user (contract §8).
// It is an [ErrNotFound] when nothing was ever counted for it.
func (t *Transactional) SessionTotals(ctx context.Context, userID, sessionID string) (stats.Totals, error) {
	var rows []totalsRow
	err := t.read(ctx, func(q *gorm.DB, s *foreignSchema) error {
		rows = nil
		from, args := t.allTotals(s, []string{"user_id", "session_id"}, userID, sessionID)
		return q.Raw(`SELECT * FROM `+from, args...).Scan(&rows).Error
	})
	if err == nil && len(rows) == 0 {
		err = ErrNotFound
	}
	if err != nil {
		return stats.Totals{}, failure("read a session's statistics", err)
	}
	return rows[0].totals(), nil
}

// UserTotals returns the statistics of a user and of each of their sessions, in
// the order of their ids (contract §8). It is an [ErrNotFound] when nothing was
// ever counted for the user.
func (t *Transactional) UserTotals(ctx context.Context, userID string) (stats.Totals, []SessionTotals, error) {
	var rows []totalsRow
	err := t.read(ctx, func(q *gorm.DB, s *foreignSchema) error {
		rows = nil
		from, args := t.allTotals(s, []string{"user_id"}, userID)
		return q.Raw(`SELECT * FROM `+from+` ORDER BY session_id`, args...).Scan(&rows).Error
	})
	if err == nil && len(rows) == 0 {
		err = ErrNotFound
	}
	if err != nil {
		return stats.Totals{}, nil, failure("read a user's statistics", err)
	}
	var total stats.Totals
	sessions := make([]SessionTotals, 0, len(rows))
	for _, r := range rows {
		sessions = append(sessions, SessionTotals{r.SessionID, r.totals()})
		total = total.Add(r.totals())
	}
	return total, sessions, nil
}

// AllTotals returns the statistics of everybody together, a page of the users
// that have any in the order of their ids, limit 0 for all, and how many they
// are.
func (t *Transactional) AllTotals(ctx context.Context, limit, offset int) (total stats.Totals, users []UserTotals, count int64, err error) {
	const sums = `CAST(coalesce(sum(sent), 0) AS bigint) AS sent, CAST(coalesce(sum(failed), 0) AS bigint) AS failed,
		CAST(coalesce(sum(delivered), 0) AS bigint) AS delivered, CAST(coalesce(sum(read), 0) AS bigint) AS read,
		max(last_sent) AS last_sent, max(last_failed) AS last_failed`
	var rows []totalsRow
	var all totalsRow
	err = t.read(ctx, func(q *gorm.DB, s *foreignSchema) error {
		rows = nil
		from, _ := t.allTotals(s, nil)
		if err := q.Raw(`SELECT count(DISTINCT user_id) AS users, ` + sums + ` FROM ` + from).Scan(&all).Error; err != nil {
			return err
		}
		return q.Table(`(?) AS t`, q.Raw(`SELECT user_id, `+sums+` FROM `+from+` GROUP BY user_id`)).
			Order("user_id").Scopes(page(limit, offset)).Scan(&rows).Error
	})
	if err != nil {
		return stats.Totals{}, nil, 0, failure("read all statistics", err)
	}
	for _, r := range rows {
		users = append(users, UserTotals{r.UserID, r.totals()})
	}
	return all.totals(), users, all.Users, nil
}

// OwnersOf lists the users that have statistics for a session id, the one whose
// were written last first. There is more than one when a session changed hands.
func (t *Transactional) OwnersOf(ctx context.Context, sessionID string) ([]string, error) {
	var users []string
	err := t.read(ctx, func(q *gorm.DB, s *foreignSchema) error {
		users = nil
		from, args := t.allTotals(s, []string{"session_id"}, sessionID)
		return q.Raw(`SELECT user_id FROM `+from+` ORDER BY updated DESC, user_id`, args...).Scan(&users).Error
	})
	return users, failure("look up who used a session", err)
}

// allTotals is SQL for the statistics whose columns have these values, one row
// for each user and session: our counters, and the foreign table's where we have
// none yet.
func (t *Transactional) allTotals(s *foreignSchema, columns []string, values ...any) (sql string, args []any) {
	own, foreign := []string{"true"}, []string{"true"}
	for _, column := range columns {
		own = append(own, "c."+column+" = ?")
		foreign = append(foreign, "f."+s.col(tableStats, column)+" = ?")
	}
	micros, later := t.db.micros, t.db.later
	sql = `SELECT c.user_id, c.session_id, c.base_sent + c.sent AS sent, c.base_failed + c.failed AS failed, c.delivered, c.read,
			` + micros(later("c.base_last_sent_at", "c.last_sent_at")) + ` AS last_sent,
			` + micros(later("c.base_last_failed_at", "c.last_failed_at")) + ` AS last_failed,
			` + micros("c.updated_at") + ` AS updated
		FROM ` + t.db.own("session_stats") + ` c WHERE ` + strings.Join(own, " AND ")
	if !s.hasTable(tableStats) {
		return "(" + sql + ") AS x", values
	}
	sent, failed, lastSent, lastFailed := t.foreignTotals(s)
	updated := "0"
	if s.has(tableStats, "updated_at") {
		updated = "coalesce(" + micros(t.db.foreignTime("f."+s.col(tableStats, "updated_at"))) + ", 0)"
	}
	user, session := "f."+s.col(tableStats, "user_id"), "f."+s.col(tableStats, "session_id")
	sql += ` UNION ALL SELECT ` + t.db.bytewise(user) + `, ` + t.db.bytewise(session) + `, ` + sent + `, ` + failed + `, 0, 0,
			` + micros(lastSent) + `, ` + micros(lastFailed) + `, ` + updated + `
		FROM ` + s.table(tableStats) + ` f WHERE ` + strings.Join(foreign, " AND ") + `
			AND NOT EXISTS (SELECT 1 FROM ` + t.db.own("session_stats") + ` o WHERE o.user_id = ` + user + ` AND o.session_id = ` + session + `)`
	return "(" + sql + ") AS x", append(append([]any{}, values...), values...)
}
