package store

import (
	"cmp"
	"slices"
	"time"

	"github.com/jackc/pgx/v5/pgtype"
	"gorm.io/gorm"

	"github.com/genfity/wa-gateway/stats"
)

// Rollups are the counters again, by the quarter hour in which a message began
// and by its type. They change with the counters, by the same differences, so
// that their sum is always what the counters say.

// rollupKey names a row of stats_rollups of a quarter hour.
type rollupKey struct {
	statsID int64
	start   int64 // seconds since 1970
	kind    string
}

// rollupDeltas is what has to be added to rollups.
type rollupDeltas map[rollupKey]stats.Counts

func (r rollupDeltas) key(statsID int64, m *stats.Message) rollupKey {
	return rollupKey{statsID, m.Slot().Unix(), m.Type}
}

func (r rollupDeltas) add(statsID int64, m *stats.Message, counts stats.Counts) {
	key := r.key(statsID, m)
	r[key] = r[key].Add(counts)
}

func (r rollupDeltas) take(statsID int64, m *stats.Message, counts stats.Counts) {
	key := r.key(statsID, m)
	r[key] = r[key].Sub(counts)
}

// rollupDelta is what has to be added to one row.
type rollupDelta struct {
	rollupKey
	stats.Counts
}

func (d rollupDelta) slot() time.Time { return time.Unix(d.start, 0).UTC() }

// day is the day of UTC that the row may have been put together with.
func (d rollupDelta) day() time.Time { return d.slot().Truncate(24 * time.Hour) }

// sorted lists the rows that change in the order of their key. Most messages that
// are told of again change none.
func (r rollupDeltas) sorted() []rollupDelta {
	list := make([]rollupDelta, 0, len(r))
	for key, counts := range r {
		if !counts.IsZero() {
			list = append(list, rollupDelta{key, counts})
		}
	}
	slices.SortFunc(list, func(a, b rollupDelta) int {
		return cmp.Or(cmp.Compare(a.statsID, b.statsID), cmp.Compare(a.start, b.start), cmp.Compare(a.kind, b.kind))
	})
	return list
}

// rollupUpsert is SQL that adds rows x of id, start, day, type and counts, from a
// list, to rollups. What belongs to a day whose quarter hours were put together
// goes to that day, or its quarter hours might fall below zero. The scalar
// subquery is one look into the index, whatever the planner thinks.
func (t *Transactional) rollupUpsert(list string) string {
	own := t.db.own("stats_rollups")
	return `INSERT INTO ` + own + ` AS r (stats_id, minutes, start, type, sent, failed, delivered, read)
		SELECT d.id, d.minutes, CASE d.minutes WHEN 15 THEN d.start ELSE d.day END, d.type,
			CAST(sum(d.sent) AS bigint), CAST(sum(d.failed) AS bigint), CAST(sum(d.delivered) AS bigint), CAST(sum(d.read) AS bigint)
		FROM (SELECT x.*, coalesce((SELECT y.minutes FROM ` + own + ` y
				WHERE y.stats_id = x.id AND y.minutes = 1440 AND y.start = x.day LIMIT 1), 15) AS minutes
			FROM ` + list + `) d
		WHERE true GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
		ON CONFLICT (stats_id, minutes, start, type) DO UPDATE SET sent = r.sent + excluded.sent, failed = r.failed + excluded.failed,
			delivered = r.delivered + excluded.delivered, read = r.read + excluded.read`
}

func (t *Transactional) writeRollupsPostgres(deltas []rollupDelta) statement {
	n := len(deltas)
	ids, kinds, counts := make([]int64, n), make([]string, n), int64Columns(4, n)
	starts, days := make([]pgtype.Timestamptz, n), make([]pgtype.Timestamptz, n)
	for i, d := range deltas {
		ids[i], kinds[i], starts[i], days[i] = d.statsID, d.kind, pgTime(d.slot()), pgTime(d.day())
		counts[0][i], counts[1][i], counts[2][i], counts[3][i] = d.Sent, d.Failed, d.Delivered, d.Read
	}
	return statement{
		sql: t.rollupUpsert(`unnest($1::bigint[], $2::timestamptz[], $3::timestamptz[], $4::text[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[])
			AS x(id, start, day, type, sent, failed, delivered, read)`),
		args: []any{ids, starts, days, kinds, counts[0], counts[1], counts[2], counts[3]},
	}
}

func (t *Transactional) writeRollupsSQLite(q *gorm.DB, deltas []rollupDelta) error {
	if len(deltas) == 0 {
		return nil
	}
	var rows jsonRows
	for _, d := range deltas {
		rows.int(d.statsID)
		rows.time(d.slot())
		rows.time(d.day())
		rows.text(d.kind)
		for _, count := range [4]int64{d.Sent, d.Failed, d.Delivered, d.Read} {
			rows.int(count)
		}
		rows.end()
	}
	return q.Exec(t.rollupUpsert(`(SELECT value->>0 AS id, value->>1 AS start, value->>2 AS day, value->>3 AS type,
			value->>4 AS sent, value->>5 AS failed, value->>6 AS delivered, value->>7 AS read FROM json_each(?)) AS x`), rows.String()).Error
}
