// Package store keeps what the gateway knows in its two databases (contract §2):
// the transactional one, whose user, session, package, subscription and
// statistics tables usually belong to another application, and the primary one,
// which holds what WA servers send. Both may be PostgreSQL or SQLite.
//
// It is the only package that knows GORM. Values always travel as bound
// parameters, times always as UTC, and no error ever contains a DSN.
package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/logger"
	"gorm.io/gorm/schema"
)

// Back ends, as [DB.Backend] names them.
const (
	Postgres = "postgres"
	SQLite   = "sqlite"
)

const (
	defaultMaxOpenConns = 10
	minOpenConns        = 2 // a migration holds its lock on one and works on another
	maxIdleConns        = 5
	connMaxLifetime     = 30 * time.Minute
	connMaxIdleTime     = 5 * time.Minute

	// How often a transaction that lost a race runs, and the pause in between.
	maxAttempts  = 8
	retryPause   = 5 * time.Millisecond
	maxRetryWait = 250 * time.Millisecond
)

// Config names one database.
type Config struct {
	// DSN is postgres://user:password@host:port/name?sslmode=…, as Prisma writes
	// it too, or sqlite://path with a relative path or an absolute one
	// (sqlite:///var/lib/gateway.db).
	DSN string

	// MaxOpenConns bounds the connections of the pool; default 10, at least 2.
	// SQLite has one writer whatever is set here.
	MaxOpenConns int
}

// DB is an open database: its pools and its dialect. Its methods may be called
// by many goroutines.
type DB struct {
	// gorm is for reads, and on PostgreSQL the same as writer. On SQLite its
	// connections refuse to write.
	gorm   *gorm.DB
	writer *gorm.DB
	pools  []*sql.DB // the first one writes

	backend   string
	identity  string
	file      *sqliteFile // nil on PostgreSQL
	migrating sync.Mutex
}

// Open reads the DSN and prepares the pools. It neither dials nor creates a
// file: the first query does.
func Open(cfg Config) (*DB, error) {
	conns := cfg.MaxOpenConns
	if conns <= 0 {
		conns = defaultMaxOpenConns
	}
	conns = max(conns, minOpenConns)

	scheme, rest, ok := strings.Cut(strings.TrimSpace(cfg.DSN), "://")
	switch {
	case ok && (scheme == "postgres" || scheme == "postgresql"):
		return openPostgres(strings.TrimSpace(cfg.DSN), conns)
	case ok && scheme == "sqlite":
		return openSQLite(rest, conns)
	case cfg.DSN == "":
		return nil, errors.New("no database DSN given")
	}
	return nil, errors.New("database DSN must begin with postgres:// or sqlite://")
}

// Backend is the kind of database: [Postgres] or [SQLite].
func (db *DB) Backend() string { return db.backend }

// Ping checks that the database answers.
func (db *DB) Ping(ctx context.Context) error {
	var one int
	return db.read(ctx, func(q *gorm.DB) error { return q.Raw("SELECT 1").Scan(&one).Error })
}

// Now reads the database's own clock, to the millisecond, so that doctor can
// compare it with ours.
func (db *DB) Now(ctx context.Context) (time.Time, error) {
	var at time.Time
	err := db.read(ctx, func(q *gorm.DB) (err error) {
		at, err = db.clock(q)
		return err
	})
	return at, err
}

// clock is Now inside of a transaction.
func (db *DB) clock(q *gorm.DB) (time.Time, error) {
	query := "SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint"
	if db.backend == SQLite {
		query = "SELECT CAST(unixepoch('subsec') * 1000 AS INTEGER)"
	}
	var millis int64
	err := q.Raw(query).Scan(&millis).Error
	return time.UnixMilli(millis).UTC(), err
}

// Close closes the pools; calls in flight end first.
func (db *DB) Close() error {
	var errs []error
	for _, pool := range db.pools {
		errs = append(errs, pool.Close())
	}
	return errors.Join(errs...)
}

// tx runs fn in one transaction, which on SQLite begins IMMEDIATE, and runs it
// again a bounded number of times when it lost a race (deadlock, serialization
// failure, busy file). fn must therefore begin from nothing each time. The error
// is classified.
func (db *DB) tx(ctx context.Context, fn func(tx *gorm.DB) error) error {
	return db.txOn(ctx, db.writer, fn)
}

func (db *DB) txOn(ctx context.Context, writer *gorm.DB, fn func(tx *gorm.DB) error) error {
	var err error
	for attempt := range maxAttempts {
		if attempt > 0 && !pause(ctx, attempt) {
			break
		}
		err = writer.WithContext(ctx).Transaction(func(tx *gorm.DB) error {
			if db.backend == Postgres {
				if err := tx.Exec(`SELECT ` + orphanSetting).Error; err != nil {
					return err
				}
			}
			return fn(tx)
		})
		if err == nil || !retryable(err) {
			break
		}
	}
	return ended(ctx, err)
}

// read runs a query outside of a transaction, once more when another
// application's ALTER TABLE made its prepared statement stale.
func (db *DB) read(ctx context.Context, fn func(q *gorm.DB) error) error {
	return db.readOn(ctx, db.gorm, fn)
}

func (db *DB) readOn(ctx context.Context, reader *gorm.DB, fn func(q *gorm.DB) error) error {
	var err error
	for attempt := range maxAttempts {
		if attempt > 0 && !pause(ctx, attempt) {
			break
		}
		err = fn(reader.WithContext(ctx))
		if err == nil || !retryable(err) {
			break
		}
	}
	return ended(ctx, err)
}

// pause waits a little longer before each further attempt, with enough chance in
// it that two losers do not meet again; false when the caller gave up.
func pause(ctx context.Context, attempt int) bool {
	wait := min(retryPause<<attempt, maxRetryWait)
	timer := time.NewTimer(wait/2 + rand.N(wait)) //nolint:gosec // jitter is no secret
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// ownName is the unquoted name of one of the gateway's own tables, the form that
// GORM quotes by itself: in the schema wa_gateway on PostgreSQL, and with that
// prefix on SQLite, which has no schemas.
func (db *DB) ownName(table string) string {
	if db.backend == Postgres {
		return "wa_gateway." + table
	}
	return "wa_gateway_" + table
}

// own is the quoted name of one of the gateway's own tables, for SQL text.
func (db *DB) own(table string) string {
	if db.backend == Postgres {
		return `"wa_gateway".` + quote(table)
	}
	return quote("wa_gateway_" + table)
}

// quote quotes an identifier; both back ends follow the SQL standard here.
func quote(name string) string {
	return `"` + strings.ReplaceAll(name, `"`, `""`) + `"`
}

// timeArg is the form in which a time is bound to a parameter: in UTC, because a
// timestamp without zone takes the wall clock as it stands, and at the
// millisecond, which is what the foreign columns hold.
func timeArg(t time.Time) time.Time {
	return t.UTC().Truncate(time.Millisecond)
}

// newGorm puts GORM on an existing pool. Its logger is off because it would
// print bound values; transactions are begun where they are needed. GORM's own
// cache of prepared statements stays off as well: pgx has one that survives
// changes of the schema, SQLite gains 20 µs by it, and it never lets go of a
// goroutine.
func newGorm(dialector gorm.Dialector, namer schema.Namer) (*gorm.DB, error) {
	g, err := gorm.Open(dialector, &gorm.Config{
		SkipDefaultTransaction: true,
		DisableAutomaticPing:   true,
		NamingStrategy:         namer,
		Logger:                 logger.Discard,
		NowFunc:                func() time.Time { return time.Now().UTC() },
	})
	if err != nil {
		return nil, fmt.Errorf("set up GORM: %w", classify(err))
	}
	return g, nil
}
