package store

import (
	"database/sql"
	"fmt"
	"strings"
	"testing"
	"time"

	"gorm.io/gorm"

	"github.com/genfity/wa-gateway/store/storetest"
)

// TestPlans: nothing that goes through the ledger by pieces reads a whole table
// for a piece. The plans are those of a database with 40,000 messages.
func TestPlans(t *testing.T) {
	t.Parallel()
	for _, kind := range []storetest.Kind{storetest.SQLite, storetest.SQLitePrisma, storetest.PostgresSnake, storetest.PostgresPrisma} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			d := storetest.New(t, kind)
			db, err := Open(Config{DSN: d.DSN})
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			tr := NewTransactional(db, "")
			if _, err := tr.Migrate(t.Context(), MigrateOptions{}); err != nil {
				t.Fatal(err)
			}
			fillForPlans(t, d)
			s, err := tr.foreign()
			if err != nil {
				t.Fatal(err)
			}
			at := time.UnixMicro(20_000_000_000)
			stamp := db.ownTimeArg(at)
			check := func(name string, more []string, query string, args ...any) {
				t.Helper()
				if plan := explain(t, db, more, query, args...); readsAll(plan) {
					t.Errorf("%s reads a whole table:\n%s", name, plan)
				}
			}
			ordered := []string{orderedSettings}
			check("shelves", ordered, tr.purgeShelvesSQL(), 0, 500, stamp, stamp)
			for _, shelf := range []purgeShelf{{7, 0, 1}, {7, 0, 0}} {
				query, args := tr.purgeOldSQL(shelf, time.UnixMicro(0), at, 1000)
				check(fmt.Sprint("old ", shelf), ordered, query, args...)
			}
			old, times := tr.purgeable(at)
			rows := db.own("message_ledger") + ` AS m WHERE m.stats_id = ? AND ` + db.amongTexts("m.message_id") + ` AND ` + old
			args := append([]any{7, jsonTexts([]string{"1", "2", "3"})}, times...)
			check("sums", nil, tr.purgeSumsSQL()+rows, append([]any{0, 0, 0, 0, 0, 0}, args...)...)
			check("removal", nil, `DELETE FROM `+rows, args...)
			check("compaction", ordered, tr.compactSessionsSQL(), 0, compactFrom, stamp, 500)
			query, args := tr.verifySQL(s, VerifyOptions{}, 7)
			check("recount", nil, query, args...)
			seven := int64(7)
			for _, table := range []exportTable{tr.exportMessages(), tr.exportRollups()} {
				last := &exportRow{StatsID: 7, MessageID: "12", Minutes: 15}
				query, args = tr.exportSQL(ExportFilter{}, table, nil, last)
				check("export "+table.name, ordered, query, args...)
				query, args = tr.exportSQL(ExportFilter{From: at}, table, &seven, last)
				check("export of a session "+table.name, ordered, query, args...)
			}
		})
	}
}

// readsAll says whether a plan goes through a table, or the whole of one of its
// indexes.
func readsAll(plan string) bool {
	// SQLite: the result of a page, which is called like the table it is of.
	plan = strings.ReplaceAll(plan, "SCAN r\nSEARCH s", "SEARCH s")
	lines := strings.Split(plan, "\n")
	for i, line := range lines {
		switch line = strings.TrimSpace(line); {
		case strings.HasPrefix(line, "SCAN m"), strings.HasPrefix(line, "SCAN r"): // SQLite's
			return true
		case strings.Contains(line, "Seq Scan on message_ledger"), strings.Contains(line, "Seq Scan on stats_rollups"):
			return true
		case strings.Contains(line, "Index") && strings.Contains(line, "Scan") &&
			(strings.Contains(line, " message_ledger_") || strings.Contains(line, " stats_rollups_")):
			if next := lines[i+1]; !strings.Contains(next, "Index Cond:") || !strings.Contains(next, "stats_id") {
				return true
			}
		case strings.Contains(line, "SEARCH m") || strings.Contains(line, "SEARCH r"):
			if !strings.Contains(line, "(stats_id") {
				return true
			}
		}
	}
	return false
}

// fillForPlans gives 100 sessions 400 messages and 100 rollups each.
func fillForPlans(t *testing.T, d *storetest.Database) {
	t.Helper()
	series := func(n int) string { return fmt.Sprintf(`generate_series(1, %d) AS g(n)`, n) }
	at := `to_timestamp(g.n)`
	if !d.Postgres() {
		at = `g.n * 1000000`
		series = func(n int) string {
			return fmt.Sprintf(`(WITH RECURSIVE g(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM g WHERE n < %d) SELECT n FROM g) AS g`, n)
		}
	}
	d.Exec(t, `INSERT INTO `+d.Own("session_stats")+` (user_id, session_id, updated_at) SELECT 'u' || g.n, 's' || g.n, `+at+` FROM `+series(100))
	d.Exec(t, `INSERT INTO `+d.Own("message_ledger")+` (stats_id, message_id, epoch, outcome, at, first_at, sent_at)
		SELECT s.id, g.n, 0, g.n % 3, `+at+`, `+at+`, `+at+` FROM `+d.Own("session_stats")+` s CROSS JOIN `+series(400))
	d.Exec(t, `INSERT INTO `+d.Own("stats_rollups")+` (stats_id, minutes, start, type)
		SELECT s.id, 15, `+at+`, 'text' FROM `+d.Own("session_stats")+` s CROSS JOIN `+series(100))
	d.Exec(t, `ANALYZE`)
}

// explain is the plan of a query, as it is run.
func explain(t *testing.T, db *DB, more []string, query string, args ...any) string {
	t.Helper()
	var plan strings.Builder
	err := db.tx(t.Context(), func(q *gorm.DB) error {
		if err := db.settled(q, "", more...); err != nil {
			return err
		}
		prefix := "EXPLAIN "
		if db.backend == SQLite {
			prefix = "EXPLAIN QUERY PLAN "
		}
		rows, err := q.Raw(prefix+query, args...).Rows()
		if err != nil {
			return err
		}
		defer rows.Close()
		columns, err := rows.Columns()
		if err != nil {
			return err
		}
		values := make([]sql.NullString, len(columns))
		dest := make([]any, len(columns))
		for i := range values {
			dest[i] = &values[i]
		}
		for rows.Next() {
			if err := rows.Scan(dest...); err != nil {
				return err
			}
			plan.WriteString(values[len(values)-1].String + "\n")
		}
		return rows.Err()
	})
	if err != nil {
		t.Fatalf("%v\n%s", err, query)
	}
	return plan.String()
}
