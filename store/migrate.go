package store

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/pressly/goose/v3"
	"gorm.io/gorm"
)

// Each back end has its own SQL, in a folder for each database.
//
//go:embed migrations/*/*/*.sql
var migrationFiles embed.FS

// The sets of migrations. Each has its own record of what was applied, since
// both databases may be one.
const (
	migrationsTransactional = "transactional"
	migrationsPrimary       = "primary"
)

// migrationLock is the advisory lock under which migrations run, so that nodes
// that start together do so one after another: "wagw" and a number of ours.
const migrationLock = 0x77616777_00000001

// MigrateOptions say how to migrate.
type MigrateOptions struct {
	// DryRun reports what would be done and writes nothing.
	DryRun bool
}

// Migration is one step of the gateway's own tables.
type Migration struct {
	Version int64
	Name    string // the file's name without its number: keys_and_reservations
	SQL     string // what it runs
}

// MigrateReport is what a migration did, or in a dry run would do.
type MigrateReport struct {
	Naming         Naming      // of the foreign tables; empty for the primary database
	CreatedTables  []string    // foreign tables that an empty database was given
	CreateSQL      []string    // the statements for that
	Applied        []Migration // of our own tables
	MissingTables  []string    // foreign tables that another application should have
	MissingColumns []string    // table.column, likewise
}

// Migrate brings the gateway's own tables up to date, on an empty database
// creates the foreign ones too, and ends with [Transactional.Inspect]. It is safe
// to call on many nodes at once. A foreign table that exists is never changed;
// one without which the gateway cannot work makes the error an [ErrNotReady],
// with the report filled all the same.
func (t *Transactional) Migrate(ctx context.Context, opts MigrateOptions) (*MigrateReport, error) {
	report := &MigrateReport{}
	err := t.db.migrate(ctx, migrationsTransactional, opts, &report.Applied, func(ctx context.Context) error {
		return t.createForeign(ctx, opts, report)
	})
	if err != nil {
		return nil, err
	}
	if opts.DryRun {
		return report, nil
	}
	_, err = t.Inspect(ctx)
	return report, err
}

// createForeign gives an empty database the foreign tables, and reports what any
// other one lacks.
func (t *Transactional) createForeign(ctx context.Context, opts MigrateOptions, report *MigrateReport) error {
	found := newForeignSchema(t.naming)
	if !opts.DryRun || t.db.exists() {
		var err error
		if found, err = inspect(ctx, t.db, t.naming); err != nil {
			return err
		}
	}
	report.Naming = found.naming
	if !found.empty() {
		report.MissingTables, report.MissingColumns = found.missing()
		return nil
	}
	report.CreateSQL = found.createStatements(t.db.backend)
	for _, logical := range foreignTables {
		report.CreatedTables = append(report.CreatedTables, found.tables[logical].name)
	}
	if opts.DryRun {
		return nil
	}
	err := t.db.tx(ctx, func(q *gorm.DB) error {
		// Another process may have been here since; SQLite has no lock that
		// lasts longer than a transaction.
		seen, err := t.db.columns(q)
		if err != nil || len(seen) > 0 {
			report.CreatedTables, report.CreateSQL = nil, nil
			return err
		}
		for _, statement := range report.CreateSQL {
			if err := q.Exec(statement).Error; err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("create the tables: %w", err)
	}
	return nil
}

// migrate applies what is pending of a set of migrations, after before has run
// under the same lock, and adds it to applied. In a dry run it only reports.
func (db *DB) migrate(ctx context.Context, set string, opts MigrateOptions, applied *[]Migration, before func(context.Context) error) error {
	if opts.DryRun {
		if before != nil {
			if err := before(ctx); err != nil {
				return err
			}
		}
		pending, err := db.pending(ctx, set)
		*applied = append(*applied, pending...)
		return err
	}

	// One at a time in this process, because each holds one connection of the
	// pool for its lock and needs another.
	db.migrating.Lock()
	defer db.migrating.Unlock()
	unlock, err := db.lockMigrations(ctx)
	if err != nil {
		return fmt.Errorf("lock the migrations: %w", err)
	}
	defer unlock()
	if before != nil {
		if err := before(ctx); err != nil {
			return err
		}
	}
	if err := db.createOwnSchema(ctx); err != nil {
		return err
	}
	return db.applyMigrations(ctx, set, applied)
}

// applyMigrations runs goose. SQLite has no lock to hold meanwhile: there a
// second process fails on a table that the first has just created, is rolled
// back, and finds nothing left to do when it looks again.
func (db *DB) applyMigrations(ctx context.Context, set string, applied *[]Migration) error {
	files, err := migrationFS(db.backend, set)
	if err != nil {
		return err
	}
	known, err := readMigrations(files)
	if err != nil {
		return err
	}
	dialect, pool := goose.DialectPostgres, db.pools[0]
	if db.backend == SQLite {
		// goose reads times in SQLite's own form, so it gets a connection that
		// does, too.
		dialect = goose.DialectSQLite3
		if pool, err = db.file.pool("&_txlock=immediate", 1); err != nil {
			return err
		}
		defer pool.Close()
	}
	for attempt := 1; ; attempt++ {
		results, err := db.goose(ctx, dialect, pool, files, set)
		for _, r := range results {
			i := slices.IndexFunc(known, func(m Migration) bool { return m.Version == r.Source.Version })
			*applied = append(*applied, known[i])
		}
		if err == nil {
			return nil
		}
		if db.backend != SQLite || attempt == maxAttempts || !pause(ctx, attempt) {
			return fmt.Errorf("migrate the %s database: %w", set, ended(ctx, err))
		}
	}
}

func (db *DB) goose(ctx context.Context, dialect goose.Dialect, pool *sql.DB, files fs.FS, set string) ([]*goose.MigrationResult, error) {
	provider, err := goose.NewProvider(dialect, pool, files,
		goose.WithTableName(db.ownName("schema_migrations_"+set)),
		goose.WithDisableGlobalRegistry(true),
		// Versions of the gateway may bring a number that is below what another one
		// has applied already.
		goose.WithAllowOutofOrder(true),
		goose.WithLogger(goose.NopLogger()))
	if err != nil {
		return nil, err
	}
	results, err := provider.Up(ctx)
	var partial *goose.PartialError
	if errors.As(err, &partial) {
		results = partial.Applied
	}
	return results, err
}

// lockMigrations waits for the advisory lock, in a transaction that holds nothing
// else: it ends with its connection even if we die, and unlike a lock of the
// session it works behind a pooler.
func (db *DB) lockMigrations(ctx context.Context) (unlock func(), err error) {
	if db.backend != Postgres {
		return func() {}, nil
	}
	tx, err := db.pools[0].BeginTx(ctx, nil)
	if err != nil {
		return nil, classify(err)
	}
	for _, statement := range []string{
		"SET LOCAL idle_in_transaction_session_timeout = 0",
		fmt.Sprintf("SELECT pg_advisory_xact_lock(%d)", int64(migrationLock)),
	} {
		if _, err := tx.ExecContext(ctx, statement); err != nil {
			_ = tx.Rollback()
			return nil, ended(ctx, err)
		}
	}
	return func() { _ = tx.Rollback() }, nil
}

// createOwnSchema creates the schema wa_gateway. It looks first, because CREATE
// SCHEMA IF NOT EXISTS wants the right to create even where there is nothing to.
func (db *DB) createOwnSchema(ctx context.Context) error {
	if db.backend != Postgres {
		return nil
	}
	err := db.tx(ctx, func(q *gorm.DB) error {
		var exists bool
		err := q.Raw("SELECT EXISTS (SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = 'wa_gateway')").Scan(&exists).Error
		if err != nil || exists {
			return err
		}
		return q.Exec("CREATE SCHEMA wa_gateway").Error
	})
	var pgErr *pgconn.PgError
	if errors.As(err, &pgErr) && pgErr.Code == "42501" {
		return fmt.Errorf("the role may not create the schema wa_gateway; have the database's owner run "+
			"CREATE SCHEMA wa_gateway AUTHORIZATION <the gateway's role>: %w", err)
	}
	return err
}

// pending lists the migrations that this database has not seen. It writes
// nothing, and on SQLite creates no file.
func (db *DB) pending(ctx context.Context, set string) ([]Migration, error) {
	files, err := migrationFS(db.backend, set)
	if err != nil {
		return nil, err
	}
	known, err := readMigrations(files)
	if err != nil || !db.exists() {
		return known, err
	}
	var done []int64
	err = db.read(ctx, func(q *gorm.DB) error {
		exists, err := db.ownTableExists(q, "schema_migrations_"+set)
		if err != nil || !exists {
			return err
		}
		return q.Raw("SELECT version_id FROM " + db.own("schema_migrations_"+set) + " WHERE is_applied").Scan(&done).Error
	})
	if err != nil {
		return nil, fmt.Errorf("look for pending migrations: %w", err)
	}
	return slices.DeleteFunc(known, func(m Migration) bool { return slices.Contains(done, m.Version) }), nil
}

func (db *DB) ownTableExists(q *gorm.DB, table string) (exists bool, err error) {
	if db.backend == Postgres {
		err = q.Raw("SELECT to_regclass(?) IS NOT NULL", db.own(table)).Scan(&exists).Error
	} else {
		err = q.Raw("SELECT EXISTS (SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?)", db.ownName(table)).Scan(&exists).Error
	}
	return exists, err
}

// exists is false for an SQLite file that is not there yet.
func (db *DB) exists() bool {
	return db.file == nil || db.file.exists()
}

func migrationFS(backend, set string) (fs.FS, error) {
	return fs.Sub(migrationFiles, path.Join("migrations", backend, set))
}

// readMigrations reads the files, 00001_name.sql, in their order.
func readMigrations(files fs.FS) ([]Migration, error) {
	names, err := fs.Glob(files, "*.sql")
	if err != nil {
		return nil, err
	}
	slices.Sort(names)
	migrations := make([]Migration, 0, len(names))
	for _, file := range names {
		number, name, ok := strings.Cut(strings.TrimSuffix(file, ".sql"), "_")
		version, err := strconv.ParseInt(number, 10, 64)
		if !ok || err != nil {
			return nil, fmt.Errorf("migration file %s has no number", file)
		}
		text, err := fs.ReadFile(files, file)
		if err != nil {
			return nil, err
		}
		up, _, _ := strings.Cut(string(text), "-- +goose Down")
		up = strings.TrimSpace(strings.Replace(up, "-- +goose Up", "", 1))
		migrations = append(migrations, Migration{Version: version, Name: name, SQL: up})
	}
	return migrations, nil
}
