package store

import (
	"context"

	"gorm.io/gorm"
)

// knownSQL asks which of a list of pairs exist: rows of n, whether the user
// does, and whether the user has the session, or statistics of it.
func (t *Transactional) knownSQL(s *foreignSchema, parameter string) string {
	session := `EXISTS (SELECT 1 FROM ` + s.table(tableSessions) + ` x WHERE x.` + s.col(tableSessions, "session_id") + ` = k.session_id
		AND x.` + s.col(tableSessions, "user_id") + ` = k.user_id)`
	if s.hasTable(tableStats) {
		session += ` OR EXISTS (SELECT 1 FROM ` + s.table(tableStats) + ` x WHERE x.` + s.col(tableStats, "user_id") + ` = k.user_id
		AND x.` + s.col(tableStats, "session_id") + ` = k.session_id)`
	}
	return `SELECT k.n, EXISTS (SELECT 1 FROM ` + s.table(tableUsers) + ` x WHERE x.` + s.col(tableUsers, "id") + ` = k.user_id) AS known_user,
		` + session + ` AS known_session
		FROM ` + t.db.pairList(parameter) + ` k`
}

func (t *Transactional) known(q *gorm.DB, s *foreignSchema, pairs []pair) ([]knownPair, error) {
	var rows []struct {
		N            int
		KnownUser    bool
		KnownSession bool
	}
	if err := q.Raw(t.knownSQL(s, "?"), jsonPairs(pairs)).Scan(&rows).Error; err != nil {
		return nil, err
	}
	known := make([]knownPair, len(pairs))
	for _, r := range rows {
		known[r.N-1] = knownPair{user: r.KnownUser, session: r.KnownSession}
	}
	return known, nil
}

// adopt gives pairs their row of counters, in a transaction of its own.
func (t *Transactional) adopt(ctx context.Context, s *foreignSchema, pairs []pair) error {
	return t.db.txOn(ctx, s.writer, func(q *gorm.DB) error { return t.adoptIn(q, s, pairs) })
}

// adoptIn creates the counters of those pairs that have none, beginning from
// what the foreign table says, and locks user_stats of all. A row of counters
// that is new to us could be missed by a reset of its user, and the other way
// round; the lock orders them.
func (t *Transactional) adoptIn(q *gorm.DB, s *foreignSchema, pairs []pair) error {
	list := jsonPairs(pairs)
	if err := t.lockUsers(q, `SELECT DISTINCT k.user_id FROM `+t.db.pairList("?")+` k`, list); err != nil {
		return err
	}
	sent, failed, lastSent, lastFailed, from := "0", "0", t.db.noTime(), t.db.noTime(), ""
	if s.hasTable(tableStats) {
		sent, failed, lastSent, lastFailed = t.foreignTotals(s)
		from = ` LEFT JOIN ` + s.table(tableStats) + ` f ON f.` + s.col(tableStats, "user_id") + ` = k.user_id
			AND f.` + s.col(tableStats, "session_id") + ` = k.session_id`
	}
	return q.Exec(`INSERT INTO `+t.db.own("session_stats")+`
			(user_id, session_id, base_sent, base_failed, base_last_sent_at, base_last_failed_at, reset_at, updated_at)
		SELECT k.user_id, k.session_id, `+sent+`, `+failed+`, `+lastSent+`, `+lastFailed+`, u.reset_at, `+t.db.ownTime()+`
		FROM `+t.db.pairList("?")+` k JOIN `+t.db.own("user_stats")+` u ON u.user_id = k.user_id`+from+`
		WHERE true ORDER BY k.user_id, k.session_id
		ON CONFLICT (user_id, session_id) DO NOTHING`, t.db.ownTimeArg(t.now()), list).Error
}

// foreignTotals is SQL for what a row f of the foreign statistics table holds,
// in the types of our own. f may be missing in an outer join.
func (t *Transactional) foreignTotals(s *foreignSchema) (sent, failed, lastSent, lastFailed string) {
	total := func(column string) string {
		name := "f." + s.col(tableStats, column)
		return "CASE WHEN " + name + " > 0 THEN " + name + " ELSE 0 END"
	}
	at := func(column string) string {
		if !s.has(tableStats, column) {
			return t.db.noTime()
		}
		return t.db.foreignTime("f." + s.col(tableStats, column))
	}
	return total("total_messages_sent"), total("total_messages_failed"), at("last_message_sent_at"), at("last_message_failed_at")
}

// lockUsers creates and locks the rows of user_stats of the users that a query
// lists.
func (t *Transactional) lockUsers(q *gorm.DB, users string, args ...any) error {
	own := t.db.own("user_stats")
	err := q.Exec(`INSERT INTO `+own+` (user_id) SELECT l.user_id FROM (`+users+`) l WHERE true ORDER BY `+t.db.bytewise("l.user_id")+`
		ON CONFLICT (user_id) DO NOTHING`, args...).Error
	if err != nil || t.db.backend != Postgres {
		return err
	}
	var locked []string
	return q.Raw(`SELECT u.user_id FROM `+own+` u WHERE u.user_id IN (`+users+`) ORDER BY u.user_id`+t.db.lock("u"), args...).Scan(&locked).Error
}

// keepStatistics sees to it that what was counted for a session survives its
// deletion, in the transaction that is about to delete it, and that what is told
// about its messages later still counts (contract §3): the foreign statistics go
// with the session. It must be called before any foreign row is locked.
func (t *Transactional) keepStatistics(q *gorm.DB, s *foreignSchema, sessionID string) error {
	owners := `SELECT ` + s.col(tableSessions, "user_id") + ` AS user_id FROM ` + s.table(tableSessions) + `
		WHERE ` + s.col(tableSessions, "session_id") + ` = ? AND ` + s.col(tableSessions, "user_id") + ` IS NOT NULL`
	args := []any{sessionID}
	if s.hasTable(tableStats) {
		owners += ` UNION SELECT ` + s.col(tableStats, "user_id") + ` FROM ` + s.table(tableStats) + ` WHERE ` + s.col(tableStats, "session_id") + ` = ?`
		args = append(args, sessionID)
	}
	var users []string
	if err := q.Raw(owners, args...).Scan(&users).Error; err != nil {
		return err
	}
	if len(users) == 0 {
		return nil
	}
	pairs := make([]pair, len(users))
	for i, user := range users {
		pairs[i] = pair{user, sessionID}
	}
	if err := t.adoptIn(q, s, pairs); err != nil || t.db.backend != Postgres {
		return err
	}
	var locked []int64
	return q.Raw(`SELECT c.id FROM `+t.db.own("session_stats")+` c WHERE c.session_id = ? ORDER BY c.id`+t.db.lock("c"), sessionID).Scan(&locked).Error
}

// AdoptStatistics takes over what the foreign statistics table holds of sessions
// that the gateway has counted nothing for yet, and returns how many they are.
// Until then those rows are read where they are; once taken over, they stay even
// if another application deletes the session.
func (t *Transactional) AdoptStatistics(ctx context.Context) (int64, error) {
	var adopted int64
	err := t.tx(ctx, func(q *gorm.DB, s *foreignSchema) (err error) {
		adopted, err = t.adoptForeign(q, s, "")
		return err
	})
	return adopted, failure("take over statistics", err)
}

// adoptForeign takes over what the foreign table holds of one user, or of all, and
// locks user_stats of those of whom there was something.
func (t *Transactional) adoptForeign(q *gorm.DB, s *foreignSchema, userID string) (int64, error) {
	if !s.hasTable(tableStats) {
		return 0, nil
	}
	user := "f." + s.col(tableStats, "user_id")
	session := "f." + s.col(tableStats, "session_id")
	unseen := ` FROM ` + s.table(tableStats) + ` f WHERE NOT EXISTS (SELECT 1 FROM ` + t.db.own("session_stats") + ` o
		WHERE o.user_id = ` + user + ` AND o.session_id = ` + session + `)`
	var of []any
	if userID != "" {
		unseen, of = unseen+` AND `+user+` = ?`, []any{userID}
	}
	if err := t.lockUsers(q, `SELECT DISTINCT `+t.db.bytewise(user)+` AS user_id`+unseen, of...); err != nil {
		return 0, err
	}
	sent, failed, lastSent, lastFailed := t.foreignTotals(s)
	done := q.Exec(`INSERT INTO `+t.db.own("session_stats")+`
			(user_id, session_id, base_sent, base_failed, base_last_sent_at, base_last_failed_at, reset_at, updated_at)
		SELECT `+t.db.bytewise(user)+`, `+t.db.bytewise(session)+`, `+sent+`, `+failed+`, `+lastSent+`, `+lastFailed+`,
			(SELECT u.reset_at FROM `+t.db.own("user_stats")+` u WHERE u.user_id = `+user+`), `+t.db.ownTime()+
		unseen+` ORDER BY `+t.db.bytewise(user)+`, `+t.db.bytewise(session)+`
		ON CONFLICT (user_id, session_id) DO NOTHING`, append([]any{t.db.ownTimeArg(t.now())}, of...)...)
	return done.RowsAffected, done.Error
}
