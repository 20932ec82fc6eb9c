package store

import (
	"context"

	"gorm.io/gorm"
)

// CountSessions returns how many sessions ExportSessions will hand over.
func (t *Transactional) CountSessions(ctx context.Context, f ExportFilter) (int64, error) {
	var count int64
	err := t.read(ctx, func(q *gorm.DB, s *foreignSchema) error {
		columns, values := f.owner()
		from, args := t.allTotals(s, columns, values...)
		return q.Raw(`SELECT count(*) FROM `+from, args...).Scan(&count).Error
	})
	return count, failure("count sessions", err)
}

// CountMessages returns about how many rows ExportMessages will hand over. Where
// nothing is chosen, PostgreSQL is asked for its estimate, since counting takes
// as long as reading: then exact is false.
func (t *Transactional) CountMessages(ctx context.Context, f ExportFilter) (count int64, exact bool, err error) {
	if t.db.backend == Postgres && f == (ExportFilter{}) {
		// -1: the server has not looked at the table yet, so it is new.
		err = t.db.read(ctx, func(q *gorm.DB) error {
			return q.Raw(`SELECT CAST(reltuples AS bigint) FROM pg_catalog.pg_class WHERE oid = CAST(? AS regclass)`, t.db.own("message_ledger")).Scan(&count).Error
		})
		if err != nil || count >= 0 {
			return count, false, failure("count messages", err)
		}
	}
	count, err = t.countTable(ctx, f, t.exportMessages())
	return count, true, failure("count messages", err)
}

// CountRollups returns how many rows ExportRollups will hand over.
func (t *Transactional) CountRollups(ctx context.Context, f ExportFilter) (int64, error) {
	count, err := t.countTable(ctx, f, t.exportRollups())
	return count, failure("count rollups", err)
}

func (t *Transactional) countTable(ctx context.Context, f ExportFilter, table exportTable) (int64, error) {
	within, times := f.within(t.db, table.at)
	sql := `SELECT count(*) FROM ` + t.db.own(table.name) + ` r WHERE `
	var total int64
	count := func(where string, args ...any) error {
		var count int64
		err := t.db.read(ctx, func(q *gorm.DB) error {
			return q.Raw(sql+where+within, append(args, times...)...).Scan(&count).Error
		})
		total += count
		return err
	}
	if f.everything() {
		err := count(`true`)
		return total, err
	}
	ids, err := f.counters(ctx, t)
	for _, id := range ids {
		if err == nil {
			err = count(`r.stats_id = ?`, id)
		}
	}
	return total, err
}
