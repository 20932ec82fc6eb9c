// Package storetest gives tests databases of every kind that the store must work
// on, each new, and gone after the test. It does not import the store, so that
// the store's own tests can use it.
package storetest

import (
	"context"
	"crypto/rand"
	"database/sql"
	_ "embed"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib"       // driver "pgx"
	_ "github.com/ncruces/go-sqlite3/driver" // driver "sqlite3"
)

// Kind is a kind of transactional database.
type Kind string

// The kinds. The Prisma ones exist already and belong to another application:
// foreign keys that cascade, columns of its own, timestamps without zone, no
// default for updatedAt. All PostgreSQL ones have a server time zone of
// Asia/Jakarta.
const (
	SQLite         Kind = "sqlite"          // empty
	SQLitePrisma   Kind = "sqlite-prisma"   // made by Prisma, times in milliseconds
	PostgresSnake  Kind = "postgres-snake"  // empty
	PostgresPrisma Kind = "postgres-prisma" // made by Prisma
	PostgresOld    Kind = "postgres-old"    // made by Prisma long ago: optional columns are missing
)

// Kinds are all of them.
var Kinds = []Kind{SQLite, SQLitePrisma, PostgresSnake, PostgresPrisma, PostgresOld}

// TimeZone is what the PostgreSQL databases are set to, at UTC+7.
const TimeZone = "Asia/Jakarta"

//go:embed prisma.sql
var prismaSQL string

// Database is a database for one test.
type Database struct {
	Kind Kind
	DSN  string // for the store

	// SQL is another way in, for what a test wants to arrange or see beside the
	// store. Its sessions have the server's time zone.
	SQL *sql.DB
}

// Each runs the test once on each kind of database, side by side: it returns
// before they have ended.
func Each(t *testing.T, test func(t *testing.T, d *Database)) {
	t.Helper()
	for _, kind := range Kinds {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			test(t, New(t, kind))
		})
	}
}

// New makes a database that the test's end removes. The PostgreSQL kinds need
// WA_TEST_POSTGRES_URL, a superuser's URL of a server's maintenance database.
func New(t testing.TB, kind Kind) *Database {
	t.Helper()
	d := &Database{Kind: kind}
	switch kind {
	case SQLite, SQLitePrisma:
		d.newSQLite(t)
	default:
		d.newPostgres(t)
	}
	switch kind {
	case SQLitePrisma, PostgresPrisma, PostgresOld:
		for _, statement := range d.prismaStatements() {
			d.Exec(t, statement)
		}
	}
	return d
}

// Prisma says whether the tables are spelled as Prisma does.
func (d *Database) Prisma() bool { return d.Kind != SQLite && d.Kind != PostgresSnake }

// Postgres says whether it is PostgreSQL.
func (d *Database) Postgres() bool { return d.Kind != SQLite && d.Kind != SQLitePrisma }

// Complete says whether all the optional columns are there.
func (d *Database) Complete() bool { return d.Kind != PostgresOld }

func (d *Database) newSQLite(t testing.TB) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "data", "gateway.db")
	d.DSN = "sqlite://" + path
	if d.Kind == SQLitePrisma {
		if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
			t.Fatal(err)
		}
	}
	pool, err := sql.Open("sqlite3", "file:"+(&url.URL{Path: path}).EscapedPath()+"?_pragma=busy_timeout(5000)&_pragma=foreign_keys(1)")
	if err != nil {
		t.Fatal(err)
	}
	d.keep(t, pool)
}

func (d *Database) newPostgres(t testing.TB) {
	t.Helper()
	server := os.Getenv("WA_TEST_POSTGRES_URL")
	if server == "" {
		t.Fatal("WA_TEST_POSTGRES_URL is not set: run make test, which starts a PostgreSQL server for the tests")
	}
	u, err := url.Parse(server)
	if err != nil {
		t.Fatal("WA_TEST_POSTGRES_URL is not a URL")
	}
	name := "wa_test_" + strings.ToLower(rand.Text())
	maintenance, err := sql.Open("pgx", server)
	if err != nil {
		t.Fatal(err)
	}
	run := func(ctx context.Context, query string) error {
		_, err := maintenance.ExecContext(ctx, query)
		return err
	}
	if err := run(t.Context(), "CREATE DATABASE "+name); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		if err := run(ctx, "DROP DATABASE "+name+" WITH (FORCE)"); err != nil {
			t.Error(err)
		}
		_ = maintenance.Close()
	})
	if err := run(t.Context(), "ALTER DATABASE "+name+" SET timezone TO '"+TimeZone+"'"); err != nil {
		t.Fatal(err)
	}
	u.Path = "/" + name
	d.DSN = u.String()
	pool, err := sql.Open("pgx", d.DSN)
	if err != nil {
		t.Fatal(err)
	}
	d.keep(t, pool)
}

func (d *Database) keep(t testing.TB, pool *sql.DB) {
	d.SQL = pool
	t.Cleanup(func() { _ = pool.Close() })
}

// Exec runs SQL in which {users} stands for the quoted name of a foreign table
// and {users.created_at} for that of its column, as this database spells them.
// Parameters are $1, $2, … in order.
func (d *Database) Exec(t testing.TB, query string, args ...any) {
	t.Helper()
	if _, err := d.SQL.ExecContext(t.Context(), d.Spell(query), args...); err != nil {
		t.Fatalf("%v\n%s", err, d.Spell(query))
	}
}

// Query runs SQL as Exec does and scans the only row into dest.
func (d *Database) Query(t testing.TB, query string, args []any, dest ...any) {
	t.Helper()
	if err := d.SQL.QueryRowContext(t.Context(), d.Spell(query), args...).Scan(dest...); err != nil {
		t.Fatalf("%v\n%s", err, d.Spell(query))
	}
}

// Count counts the rows of a table, {users} or another, that meet a condition.
func (d *Database) Count(t testing.TB, table, where string, args ...any) int {
	t.Helper()
	var n int
	d.Query(t, "SELECT count(*) FROM "+table+" WHERE "+where, args, &n)
	return n
}

// Own is the quoted name of one of the gateway's own tables.
func (d *Database) Own(table string) string {
	if d.Postgres() {
		return `"wa_gateway"."` + table + `"`
	}
	return `"wa_gateway_` + table + `"`
}
