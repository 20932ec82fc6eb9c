package store

import (
	"context"
	"errors"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	"gorm.io/gorm"
)

// The foreign statistics table follows the counters, for the application that
// owns it (contract §2): totals by addition, so that what else adds to them is
// kept, and the times as ours are. A row that is missing is inserted with all
// that is known, unless its user or session is missing too, as after a session
// was deleted; so a session that comes back has its statistics there again.

// The table is not ours: it may be locked for a migration, get a column that we
// cannot fill, or not be ours to write. Then the events are counted all the same
// and the difference is kept with the counters, until the foreign row can be
// given it.

// mirrorError is an error in writing the foreign table.
type mirrorError struct{ error }

func (e mirrorError) Unwrap() error { return e.error }

// mirrorPatience is how long a lock of the foreign table is waited for, and
// maxWaits how often. Another application may lock the same rows in another order,
// and then one has to step back. PostgreSQL looks for such circles when somebody
// has waited for a second, and ends whoever notices. We give up well before that,
// since we can simply begin again; while we pause, others get at the counters.
const (
	mirrorPatience = "500ms"
	maxWaits       = 4
)

// mirrorPatient makes the rest of a transaction as patient as that.
var mirrorPatient = statement{sql: `SET LOCAL lock_timeout TO '` + mirrorPatience + `'`}

func lockTimedOut(err error) bool {
	var pgErr *pgconn.PgError
	return errors.As(err, &pgErr) && pgErr.Code == "55P03"
}

// mirrorAside decides about the errors in writing the foreign table.
type mirrorAside struct {
	reason string // why it is left out; empty: it is not
	races  int
	waits  int
	looked bool
}

// maxRaces is how often another application may be faster than us.
const maxRaces = 3

// decide reports whether the transaction should be tried again, with or without
// the foreign table.
func (a *mirrorAside) decide(err error) bool {
	var mirror mirrorError
	if !errors.As(err, &mirror) || a.reason != "" {
		return false
	}
	locked := lockTimedOut(err)
	if locked {
		a.waits++
	}
	switch {
	case lostRace(err) && a.races < maxRaces:
		a.races++
		return true
	case locked && a.waits < maxWaits:
		return true
	case shapeChanged(err) && !a.looked:
		// The caller takes another look at the tables and comes back.
		a.looked = true
		return false
	case errors.Is(classify(mirror.error), ErrUnavailable) && !locked, errors.Is(err, context.Canceled):
		return false
	}
	a.reason = mirror.Error()
	return true
}

// lostRace says that another application has inserted, into its own statistics
// table, the row that we were about to insert, or has deleted the session that
// the row refers to. The next attempt sees it.
func lostRace(err error) bool {
	var pgErr *pgconn.PgError
	return errors.As(err, &pgErr) && (pgErr.Code == "23505" || pgErr.Code == "23503")
}

// MirrorBehind returns how many rows of the foreign statistics table could not
// be brought up to date lately, and why one of them could not. They are as soon
// as that is possible and the next message of their session changes them.
func (t *Transactional) MirrorBehind(ctx context.Context) (rows int64, reason string, err error) {
	var found struct {
		Count  int64
		Reason string
	}
	err = t.read(ctx, func(q *gorm.DB, _ *foreignSchema) error {
		return q.Raw(`SELECT count(*) AS count, coalesce(max(behind_reason), '') AS reason
			FROM ` + t.db.own("session_stats") + ` WHERE behind_reason <> ''`).Scan(&found).Error
	})
	return found.Count, found.Reason, failure("look at the foreign statistics", err)
}

// mirrorLimit is the greatest total that the column, an integer of four bytes,
// can hold.
const mirrorLimit = "2147483647"

// mirrorReturning is what the UPDATE of session_stats s by d has to return for
// mirrorPostgres. The texts get back the collation that the foreign columns
// have, or their indexes would not be used.
const mirrorReturning = `d.mirrored, d.row_id, d.due_sent, d.due_failed,
	s.user_id COLLATE "default" AS user_id, s.session_id COLLATE "default" AS session_id,
	s.base_sent + s.sent AS total_sent, s.base_failed + s.failed AS total_failed,
	date_trunc('milliseconds', GREATEST(s.base_last_sent_at, s.last_sent_at)) AT TIME ZONE 'UTC' AS last_sent_at,
	date_trunc('milliseconds', GREATEST(s.base_last_failed_at, s.last_failed_at)) AT TIME ZONE 'UTC' AS last_failed_at`

// mirrorPostgres ends a statement that begins with the common table expression u
// of what mirrorReturning lists.
func (s *foreignSchema) mirrorPostgres(now string) string {
	now = "date_trunc('milliseconds', " + now + ") AT TIME ZONE 'UTC'"
	set := []string{
		s.mirrorTotal("total_messages_sent", "u.due_sent", "GREATEST", "LEAST"),
		s.mirrorTotal("total_messages_failed", "u.due_failed", "GREATEST", "LEAST"),
	}
	set = append(set, s.mirrorRest("u.last_sent_at", "u.last_failed_at", now)...)
	update := `UPDATE ` + s.table(tableStats) + ` f SET ` + strings.Join(set, ", ") + `
		FROM u WHERE u.mirrored AND f.` + s.col(tableStats, "user_id") + ` = u.user_id AND f.` + s.col(tableStats, "session_id") + ` = u.session_id`
	if s.blocker(tableStats) != nil {
		return update
	}
	columns, values := s.mirrorRow("u", "LEAST", "u.last_sent_at", "u.last_failed_at", now)
	return `, f AS (` + update + ` RETURNING u.row_id)
		INSERT INTO ` + s.table(tableStats) + ` (` + columns + `)
		SELECT ` + values + ` FROM u
		WHERE u.mirrored AND u.row_id NOT IN (SELECT f.row_id FROM f)
			AND EXISTS (SELECT 1 FROM ` + s.table(tableUsers) + ` x WHERE x.` + s.col(tableUsers, "id") + ` = u.user_id)
			AND EXISTS (SELECT 1 FROM ` + s.table(tableSessions) + ` x WHERE x.` + s.col(tableSessions, "session_id") + ` = u.session_id)`
}

// mirrorSQLite returns the statement that makes one row of the foreign table
// follow, and the one that inserts it if it was not there; none where there is
// nothing to do. Both take row_id, the differences sent and failed, now as a
// text, and the id of the counters. They are for one row because SQLite, given a
// list to update from, may walk through the whole table for it.
func (s *foreignSchema) mirrorSQLite(db *DB) (update, insert string) {
	if !s.hasTable(tableStats) {
		return "", ""
	}
	from := ` FROM (SELECT ? AS row_id, ? AS sent, ? AS failed, ? AS now, s.user_id, s.session_id,
			s.base_sent + s.sent AS total_sent, s.base_failed + s.failed AS total_failed,
			` + sqliteISO(db.later("s.base_last_sent_at", "s.last_sent_at")) + ` AS last_sent_at,
			` + sqliteISO(db.later("s.base_last_failed_at", "s.last_failed_at")) + ` AS last_failed_at
		FROM ` + db.own("session_stats") + ` s WHERE s.id = ?) AS u`
	set := []string{
		s.mirrorTotal("total_messages_sent", "u.sent", "max", "min"),
		s.mirrorTotal("total_messages_failed", "u.failed", "max", "min"),
	}
	set = append(set, s.mirrorRest("u.last_sent_at", "u.last_failed_at", "u.now")...)
	update = `UPDATE ` + s.table(tableStats) + ` AS f SET ` + strings.Join(set, ", ") + from + `
		WHERE f.` + s.col(tableStats, "user_id") + ` = u.user_id AND f.` + s.col(tableStats, "session_id") + ` = u.session_id`
	if s.blocker(tableStats) == nil {
		columns, values := s.mirrorRow("u", "min", "u.last_sent_at", "u.last_failed_at", "u.now")
		insert = `INSERT INTO ` + s.table(tableStats) + ` (` + columns + `) SELECT ` + values + from + `
			WHERE EXISTS (SELECT 1 FROM ` + s.table(tableUsers) + ` x WHERE x.` + s.col(tableUsers, "id") + ` = u.user_id)
				AND EXISTS (SELECT 1 FROM ` + s.table(tableSessions) + ` x WHERE x.` + s.col(tableSessions, "session_id") + ` = u.session_id)`
	}
	return update, insert
}

// sqliteISO is SQL for microseconds since 1970 as sqliteTime writes them.
func sqliteISO(micros string) string {
	return "strftime('%Y-%m-%dT%H:%M:%S', (" + micros + ") / 1000000, 'unixepoch') || printf('.%03dZ', (" + micros + ") / 1000 % 1000)"
}

// mirrorTotal adds to a total, which never falls below zero: another
// application may have set it back.
func (s *foreignSchema) mirrorTotal(column, delta, greatest, least string) string {
	name := s.col(tableStats, column)
	return name + " = " + least + "(" + mirrorLimit + ", " + greatest + "(0, coalesce(f." + name + ", 0) + " + delta + "))"
}

// mirrorRest sets what else the foreign table has.
func (s *foreignSchema) mirrorRest(lastSent, lastFailed, now string) []string {
	var set []string
	for _, c := range [3][2]string{{"last_message_sent_at", lastSent}, {"last_message_failed_at", lastFailed}, {"updated_at", now}} {
		if s.has(tableStats, c[0]) {
			set = append(set, s.col(tableStats, c[0])+" = "+c[1])
		}
	}
	return set
}

// mirrorRow lists the columns of a new row and where their values come from.
func (s *foreignSchema) mirrorRow(u, least, lastSent, lastFailed, now string) (columns, values string) {
	var names, sources []string
	for _, c := range [][2]string{
		{"id", u + ".row_id"}, {"user_id", u + ".user_id"}, {"session_id", u + ".session_id"},
		{"total_messages_sent", least + "(" + mirrorLimit + ", " + u + ".total_sent)"},
		{"total_messages_failed", least + "(" + mirrorLimit + ", " + u + ".total_failed)"},
		{"last_message_sent_at", lastSent}, {"last_message_failed_at", lastFailed},
		{"created_at", now}, {"updated_at", now},
	} {
		if s.has(tableStats, c[0]) {
			names = append(names, s.col(tableStats, c[0]))
			sources = append(sources, c[1])
		}
	}
	return strings.Join(names, ", "), strings.Join(sources, ", ")
}
