package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"github.com/genfity/wa-gateway/store"
)

// ledgerReport is what the ledger takes on disk.
type ledgerReport struct {
	Messages   int64   `json:"messages"`
	Table      int64   `json:"table_bytes"` // on SQLite with the indexes
	Indexes    int64   `json:"index_bytes"`
	PerMessage float64 `json:"bytes_per_message"`
}

func sqliteFile(dsn string) string {
	return "file:" + strings.TrimPrefix(dsn, "sqlite://") + "?_pragma=busy_timeout(5000)"
}

// ledgerSize asks the database, as it stands: nothing is vacuumed for it. SQLite
// cannot tell tables apart; there all of the file that is in use counts, less what
// was in use before the first event.
func ledgerSize(ctx context.Context, kind, dsn string, before int64) (r *ledgerReport, err error) {
	driver, source := "pgx", dsn
	query := `SELECT count(*), pg_table_size('wa_gateway.message_ledger'), pg_indexes_size('wa_gateway.message_ledger') FROM wa_gateway.message_ledger`
	if kind == kindSQLite {
		driver, source = "sqlite3", sqliteFile(dsn)
		query = `SELECT (SELECT count(*) FROM wa_gateway_message_ledger), (page_count - freelist_count) * page_size, 0
			FROM pragma_page_count(), pragma_freelist_count(), pragma_page_size()`
	}
	pool, err := sql.Open(driver, source)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, pool.Close()) }()
	r = new(ledgerReport)
	if err := pool.QueryRowContext(ctx, query).Scan(&r.Messages, &r.Table, &r.Indexes); err != nil {
		return nil, fmt.Errorf("the ledger's size: %w", err)
	}
	if kind == kindSQLite {
		r.Table -= before
	}
	r.PerMessage = quotient(float64(r.Table+r.Indexes), float64(r.Messages))
	return r, nil
}

// recount compares every counter with what the ledger's rows say.
func recount(ctx context.Context, dsn string) (err error) {
	db, err := store.Open(store.Config{DSN: dsn})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	t := store.NewTransactional(db, "")
	if _, err := t.Inspect(ctx); err != nil {
		return err
	}
	var first string
	report, err := t.Verify(ctx, store.VerifyOptions{}, func(d store.Difference) error {
		if first == "" {
			first = fmt.Sprintf("%+v", d)
		}
		return nil
	})
	if err == nil && report.Differences > 0 {
		err = fmt.Errorf("%d counters are not what the ledger says, the first is %s", report.Differences, first)
	}
	return err
}
