package crashtest

import (
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"path/filepath"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib"       // driver "pgx"
	_ "github.com/ncruces/go-sqlite3/driver" // driver "sqlite3"

	"github.com/genfity/wa-gateway/crashtest/told"
	"github.com/genfity/wa-gateway/internal/pgserver"
	"github.com/genfity/wa-gateway/store"
)

// database is what a gateway counts in, the primary database included.
type database struct {
	dsn, primary string // for the gateway

	server *pgserver.Server // nil: SQLite
	driver string
	direct [2]string // our own way into both
}

func newSQLite(t testing.TB) *database {
	t.Helper()
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name+".db") }
	direct := func(name string) string {
		return "file:" + (&url.URL{Path: path(name)}).EscapedPath() + "?_pragma=busy_timeout(10000)"
	}
	return &database{
		dsn: "sqlite://" + path("transactional"), primary: "sqlite://" + path("primary"),
		driver: "sqlite3", direct: [2]string{direct("transactional"), direct("primary")},
	}
}

func newPostgres(t testing.TB) *database {
	t.Helper()
	server, err := pgserver.New(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	dsn := server.URL(server.Addr(), "postgres")
	return &database{dsn: dsn, primary: dsn, server: server, driver: "pgx", direct: [2]string{dsn, dsn}}
}

// onEach runs a test on SQLite and on PostgreSQL.
func onEach(t *testing.T, test func(t *testing.T, d *database)) {
	t.Helper()
	for name, open := range map[string]func(testing.TB) *database{"sqlite": newSQLite, "postgres": newPostgres} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, open(t))
		})
	}
}

// own is the name of one of the gateway's tables.
func (d *database) own(table string) string {
	if d.server == nil {
		return "wa_gateway_" + table
	}
	return "wa_gateway." + table
}

// look hands out a way into the transactional database that is open for that long
// only: nobody but the gateway has it open when it is killed.
func (d *database) look(look func(db *sql.DB) error) error { return d.lookInto(d.direct[0], look) }

func (d *database) lookInto(dsn string, look func(db *sql.DB) error) error {
	db, err := sql.Open(d.driver, dsn)
	if err != nil {
		return err
	}
	defer db.Close()
	return look(db)
}

// user is a customer of the tests.
type user struct {
	id, key  string
	sessions []string
}

// seed makes the tables, and users with sessions and active subscriptions.
func (d *database) seed(t testing.TB, count int) []user {
	t.Helper()
	pool, err := store.Open(store.Config{DSN: d.dsn})
	if err != nil {
		t.Fatal(err)
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	defer func() { must(pool.Close()) }()
	ctx, db := t.Context(), store.NewTransactional(pool, "")
	_, err = db.Migrate(ctx, store.MigrateOptions{})
	must(err)
	must(db.AddPackage(ctx, &store.Package{ID: "p", Name: "Package", MaxSession: 10}))
	users := make([]user, count)
	for i := range users {
		u := user{id: fmt.Sprintf("user%d", i), key: fmt.Sprintf("column-key-%d", i)}
		must(db.CreateUser(ctx, &store.User{ID: u.id, Role: "customer", APIKey: &u.key, IsActive: true}))
		must(db.SetSubscription(ctx, u.id, "p", store.SubscriptionActive, time.Now().Add(24*time.Hour)))
		for n := range 2 {
			session := fmt.Sprintf("session%d-%d", i, n)
			must(db.AddSession(ctx, &store.Session{SessionID: session, UserID: &u.id, Status: "connected"}))
			u.sessions = append(u.sessions, session)
		}
		users[i] = u
	}
	return users
}

// moment reads a time of the gateway's own tables.
type moment struct{ time.Time }

// Scan implements sql.Scanner.
func (m *moment) Scan(value any) error {
	switch v := value.(type) {
	case nil:
		m.Time = time.Time{}
	case int64:
		m.Time = time.UnixMicro(v)
	case time.Time:
		m.Time = v
	default:
		return fmt.Errorf("%T is no time", value)
	}
	return nil
}

// messages reads the ledger's rows.
func (d *database) messages(ctx context.Context, db *sql.DB) ([]told.Row, error) {
	rows, err := db.QueryContext(ctx, `SELECT s.user_id, s.session_id, m.message_id, m.epoch >= s.epoch, m.outcome,
			m.first_at, m.sent_at, m.failed_at, m.delivered_at, m.read_at
		FROM `+d.own("message_ledger")+` m JOIN `+d.own("session_stats")+` s ON s.id = m.stats_id`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var list []told.Row
	for rows.Next() {
		var r told.Row
		var present bool
		var outcome int
		var first, sent, failed, delivered, read moment
		if err := rows.Scan(&r.User, &r.Session, &r.Message, &present, &outcome, &first, &sent, &failed, &delivered, &read); err != nil {
			return nil, err
		}
		if present && outcome != 0 {
			r.Counted = map[int]string{1: told.Sent, 2: told.Failed}[outcome]
		}
		r.First, r.Times = first.Time, map[string]time.Time{}
		for status, at := range map[string]moment{told.Sent: sent, told.Failed: failed, told.Delivered: delivered, told.Read: read} {
			if !at.IsZero() {
				r.Times[status] = at.Time
			}
		}
		list = append(list, r)
	}
	return list, rows.Err()
}

// rollups reads the counts over time, added up.
func (d *database) rollups(ctx context.Context, db *sql.DB) (map[told.Owner]told.Counts, error) {
	rows, err := db.QueryContext(ctx, `SELECT s.user_id, s.session_id, CAST(sum(r.sent) AS bigint), CAST(sum(r.failed) AS bigint),
			CAST(sum(r.delivered) AS bigint), CAST(sum(r.read) AS bigint)
		FROM `+d.own("stats_rollups")+` r JOIN `+d.own("session_stats")+` s ON s.id = r.stats_id
		GROUP BY s.user_id, s.session_id`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	sums := map[told.Owner]told.Counts{}
	for rows.Next() {
		var o told.Owner
		var c told.Counts
		if err := rows.Scan(&o.User, &o.Session, &c.Sent, &c.Failed, &c.Delivered, &c.Read); err != nil {
			return nil, err
		}
		sums[o] = c
	}
	return sums, rows.Err()
}
