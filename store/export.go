package store

import (
	"context"
	"time"

	"gorm.io/gorm"

	"github.com/genfity/wa-gateway/stats"
)

// Exports go through a table page by page, each page one short statement, so they
// take as little memory and hold up as little for a table of any size. What changes meanwhile may be in an export as
// it was before or after.

// exportPage is how many rows one statement reads.
const exportPage = 2000

// ExportFilter chooses what to export.
type ExportFilter struct {
	// UserID and SessionID choose sessions; empty: all.
	UserID    string
	SessionID string
	// From and To bound the time, From included and To not; zero: no bound. A
	// message's is when the first thing told of it happened, a rollup's its start.
	// Totals of sessions have none.
	From time.Time
	To   time.Time
}

// ExportedSession is the statistics of one session of a user, as SessionTotals
// returns them.
type ExportedSession struct {
	UserID    string
	SessionID string
	stats.Totals
}

// ExportedMessage is a row of the ledger.
type ExportedMessage struct {
	UserID    string
	SessionID string
	MessageID string
	// Outcome is how the message counts: [stats.OutcomeNone] for one from before
	// a reset, whatever Message says.
	Outcome stats.Outcome
	Message stats.Message
}

// ExportedRollup is what was counted of one type of messages in a span of time.
type ExportedRollup struct {
	UserID    string
	SessionID string
	Start     time.Time
	Minutes   int // the length: 15, or 1440 for what is old
	Type      string
	stats.Counts
}

// exporting reads pages until one is not full, and hands over their rows while no
// connection is held. fn's error ends it and is returned as it is.
func exporting[T any](page func() ([]T, error), fn func(T) error) error {
	for {
		rows, err := page()
		if err != nil {
			return err
		}
		for _, row := range rows {
			if err := fn(row); err != nil {
				return err
			}
		}
		if len(rows) < exportPage {
			return nil
		}
	}
}

// ExportSessions hands over the statistics of each session, in the order of users
// and sessions. fn's error ends it and is returned as it is.
func (t *Transactional) ExportSessions(ctx context.Context, f ExportFilter, fn func(ExportedSession) error) error {
	var user, session string // the last one read; no id is empty
	return exporting(func() ([]ExportedSession, error) {
		var rows []totalsRow
		err := t.read(ctx, func(q *gorm.DB, s *foreignSchema) error {
			rows = nil
			columns, values := f.owner()
			from, args := t.allTotals(s, columns, values...)
			return q.Raw(`SELECT * FROM `+from+` WHERE (user_id, session_id) > (?, ?) ORDER BY user_id, session_id LIMIT ?`,
				append(args, user, session, exportPage)...).Scan(&rows).Error
		})
		if err != nil {
			return nil, failure("export sessions", err)
		}
		list := make([]ExportedSession, len(rows))
		for i, r := range rows {
			list[i] = ExportedSession{r.UserID, r.SessionID, r.totals()}
			user, session = r.UserID, r.SessionID
		}
		return list, nil
	}, fn)
}

// owner is the columns and values that choose sessions.
func (f ExportFilter) owner() (columns []string, values []any) {
	if f.UserID != "" {
		columns, values = append(columns, "user_id"), append(values, f.UserID)
	}
	if f.SessionID != "" {
		columns, values = append(columns, "session_id"), append(values, f.SessionID)
	}
	return columns, values
}

// everything says that all sessions are meant.
func (f ExportFilter) everything() bool { return f.UserID == "" && f.SessionID == "" }

// within is SQL that says whether a time of our own tables is between the bounds.
func (f ExportFilter) within(db *DB, column string) (sql string, args []any) {
	if !f.From.IsZero() {
		sql, args = ` AND `+column+` >= `+db.ownTime(), append(args, db.ownTimeArg(f.From))
	}
	if !f.To.IsZero() {
		sql, args = sql+` AND `+column+` < `+db.ownTime(), append(args, db.ownTimeArg(f.To))
	}
	return sql, args
}

// counters lists the ids of the counters of the sessions that are meant, in
// their order.
func (f ExportFilter) counters(ctx context.Context, t *Transactional) ([]int64, error) {
	var ids []int64
	err := t.db.read(ctx, func(q *gorm.DB) error {
		ids = nil
		q = q.Table(t.db.ownName("session_stats")).Select("id").Order("id")
		columns, values := f.owner()
		for i, column := range columns {
			q = q.Where(column+" = ?", values[i])
		}
		return q.Find(&ids).Error
	})
	return ids, err
}
