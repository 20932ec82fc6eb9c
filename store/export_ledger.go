package store

import (
	"context"
	"time"

	"gorm.io/gorm"

	"github.com/genfity/wa-gateway/stats"
)

// exportRow is a row of message_ledger or stats_rollups, with its session's.
type exportRow struct {
	StatsID   int64
	UserID    string
	SessionID string
	Present   bool // of the session's present epoch

	MessageID                                      string
	Outcome                                        int64
	FirstAt, SentAt, FailedAt, DeliveredAt, ReadAt *int64
	Recipient, Type, Error                         string

	Minutes                       int64
	Start                         int64
	Sent, Failed, Delivered, Read int64
}

// exportTable is what exports of a table differ in.
type exportTable struct {
	name    string
	columns string // of a row r, as exportRow names them
	key     string // the primary key but for stats_id, of a row r
	bound   string // what is bound to compare it
	at      string // the time by which rows are chosen
	after   func(last *exportRow) []any
	present string // of a row r and its session s
}

func (t *Transactional) exportMessages() exportTable {
	return exportTable{
		name: "message_ledger",
		columns: `r.message_id, r.outcome, ` + t.microColumns("r", "first_at", "sent_at", "failed_at", "delivered_at", "read_at") + `,
			r.recipient, r.type, r.error`,
		key: "r.message_id", bound: "?", at: "r.first_at",
		after:   func(last *exportRow) []any { return []any{last.MessageID} },
		present: "r.epoch >= s.epoch",
	}
}

func (t *Transactional) exportRollups() exportTable {
	return exportTable{
		name:    "stats_rollups",
		columns: `r.minutes, ` + t.microColumns("r", "start") + `, r.type, r.sent, r.failed, r.delivered, r.read`,
		key:     "r.minutes, r.start, r.type", bound: "?, " + t.db.ownTime() + ", ?", at: "r.start",
		after: func(last *exportRow) []any {
			return []any{last.Minutes, t.db.ownTimeArg(time.UnixMicro(last.Start)), last.Type}
		},
		present: "true",
	}
}

func (t *Transactional) microColumns(table string, columns ...string) string {
	var sql string
	for i, column := range columns {
		if i > 0 {
			sql += ", "
		}
		sql += t.db.micros(table+"."+column) + " AS " + column
	}
	return sql
}

// ExportMessages hands over the rows of the ledger, those of one session after
// the other's. fn's error ends it and is returned as it is.
func (t *Transactional) ExportMessages(ctx context.Context, f ExportFilter, fn func(ExportedMessage) error) error {
	return t.exportTable(ctx, f, t.exportMessages(), func(r exportRow) error {
		m := ExportedMessage{UserID: r.UserID, SessionID: r.SessionID, MessageID: r.MessageID, Message: stats.Message{
			FirstAt: timeOf(r.FirstAt), SentAt: timeOf(r.SentAt), FailedAt: timeOf(r.FailedAt),
			DeliveredAt: timeOf(r.DeliveredAt), ReadAt: timeOf(r.ReadAt), Error: r.Error, To: r.Recipient, Type: r.Type,
		}}
		if r.Present && r.Outcome > 0 {
			m.Outcome = stats.Outcome(r.Outcome)
		}
		return fn(m)
	})
}

// ExportRollups hands over what was counted over time, that of one session after
// the other's. fn's error ends it and is returned as it is.
func (t *Transactional) ExportRollups(ctx context.Context, f ExportFilter, fn func(ExportedRollup) error) error {
	return t.exportTable(ctx, f, t.exportRollups(), func(r exportRow) error {
		return fn(ExportedRollup{
			UserID: r.UserID, SessionID: r.SessionID, Start: time.UnixMicro(r.Start).UTC(), Minutes: int(r.Minutes), Type: r.Type,
			Counts: stats.Counts{Sent: r.Sent, Failed: r.Failed, Delivered: r.Delivered, Read: r.Read},
		})
	})
}

// exportTable goes through a table by its primary key: all of it, or the rows of
// one session that is meant after the other's.
func (t *Transactional) exportTable(ctx context.Context, f ExportFilter, table exportTable, fn func(exportRow) error) error {
	if f.everything() {
		return t.exportRows(ctx, f, table, nil, fn)
	}
	ids, err := f.counters(ctx, t)
	if err != nil {
		return failure("export statistics", err)
	}
	for _, id := range ids {
		if err := t.exportRows(ctx, f, table, &id, fn); err != nil {
			return err
		}
	}
	return nil
}

// exportRows goes through the rows of one session, or through all.
func (t *Transactional) exportRows(ctx context.Context, f ExportFilter, table exportTable, session *int64, fn func(exportRow) error) error {
	var last *exportRow
	return exporting(func() ([]exportRow, error) {
		var rows []exportRow
		err := t.db.readOrdered(ctx, func(q *gorm.DB) error {
			rows = nil
			sql, args := t.exportSQL(f, table, session, last)
			return q.Raw(sql, args...).Scan(&rows).Error
		})
		if err != nil {
			return nil, failure("export statistics", err)
		}
		if len(rows) > 0 {
			last = &rows[len(rows)-1]
		}
		return rows, nil
	}, fn)
}

// exportSQL reads the rows after the last one read. The sessions' names are added
// when the page is complete, so that nothing but the primary key can lead there.
func (t *Transactional) exportSQL(f ExportFilter, table exportTable, session *int64, last *exportRow) (string, []any) {
	var where string
	var args []any
	switch {
	case session != nil && last != nil:
		where, args = `r.stats_id = ? AND (`+table.key+`) > (`+table.bound+`)`, append([]any{*session}, table.after(last)...)
	case session != nil:
		where, args = `r.stats_id = ?`, []any{*session}
	case last != nil:
		where, args = `(r.stats_id, `+table.key+`) > (?, `+table.bound+`)`, append([]any{last.StatsID}, table.after(last)...)
	default:
		where = `true`
	}
	within, times := f.within(t.db, table.at)
	return `WITH p AS MATERIALIZED (SELECT * FROM ` + t.db.own(table.name) + ` r WHERE ` + where + within + `
			ORDER BY r.stats_id, ` + table.key + ` LIMIT ?)
		SELECT r.stats_id, s.user_id, s.session_id, ` + table.present + ` AS present, ` + table.columns + `
		FROM p r JOIN ` + t.db.own("session_stats") + ` s ON s.id = r.stats_id
		ORDER BY r.stats_id, ` + table.key, append(append(args, times...), exportPage)
}
