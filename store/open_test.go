package store_test

import (
	"context"
	"errors"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/genfity/wa-gateway/store"
	"github.com/genfity/wa-gateway/store/storetest"
)

const secret = "s3cr3tp4ss"

// No error may repeat a DSN, least of all its password.
func noSecret(t *testing.T, err error) {
	t.Helper()
	if err != nil && strings.Contains(err.Error(), secret) {
		t.Errorf("the error tells the password: %v", err)
	}
}

func TestOpenRefusesBadDSNs(t *testing.T) {
	for _, dsn := range []string{
		"",
		"mysql://u:" + secret + "@h/d",
		secret,
		"postgres://u:" + secret + "@h:port/d",
		"postgres://u:" + secret + "%zz@h/d",
		"postgres://u:" + secret + "#x@h:5432/d",
		"postgres://u:" + secret + "@h:99999/d",
		"postgres://u:" + secret + "@h/d?sslmode=" + secret,
		"postgres://u:" + secret + "@h/d?connect_timeout=" + secret,
		"postgres://u:" + secret + "@h/d?sslmode=verify-full&sslrootcert=/nowhere/" + secret,
		"postgres://u:" + secret + "@h/d?target_session_attrs=" + secret,
		"sqlite://",
		"sqlite://:memory:",
		"sqlite://" + secret + ".db?mode=ro",
	} {
		db, err := store.Open(store.Config{DSN: dsn})
		if err == nil {
			t.Errorf("opened %q", dsn)
			_ = db.Close()
			continue
		}
		noSecret(t, err)
		if len(err.Error()) < 20 {
			t.Errorf("%q: %v does not help", dsn, err)
		}
	}
}

// Open neither dials nor writes: the configuration may only be checked.
func TestOpenIsLazy(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sub", "x.db")
	for _, dsn := range []string{"sqlite://" + path, "postgres://u:" + secret + "@192.0.2.1/d"} {
		db, err := store.Open(store.Config{DSN: dsn})
		must(t, err)
		tr := store.NewTransactional(db, "")
		if tr.Ready() {
			t.Error("ready before anybody looked")
		}
		if _, err := tr.User(t.Context(), "u"); !errors.Is(err, store.ErrNotReady) || !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("a query before that: %v", err)
		}
		must(t, db.Close())
	}
	if _, err := os.Stat(filepath.Dir(path)); !os.IsNotExist(err) {
		t.Errorf("opening created something: %v", err)
	}
}

func TestBackendPingNow(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *storetest.Database) {
		db := openDB(t, d.DSN)
		want := store.SQLite
		if d.Postgres() {
			want = store.Postgres
		}
		if db.Backend() != want {
			t.Errorf("backend %s", db.Backend())
		}
		must(t, db.Ping(t.Context()))
		now, err := db.Now(t.Context())
		must(t, err)
		if off := time.Since(now); off < -time.Second || off > time.Minute || now.Location() != time.UTC {
			t.Errorf("the database's clock says %v, %v ago", now, off)
		}
	})
}

func TestPostgresUnavailable(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	silent := listener.Addr().String() // accepts, never answers
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	refusing := closed.Addr().String()
	must(t, closed.Close())
	t.Cleanup(func() { _ = listener.Close() })

	d := storetest.New(t, storetest.PostgresSnake)
	real, err := url.Parse(d.DSN)
	must(t, err)
	wrongUser, wrongName := *real, *real
	wrongUser.User = url.UserPassword("nobody_"+secret[:4], secret)
	wrongName.Path = "/no_such_database"

	for name, dsn := range map[string]string{
		"refused":           "postgres://u:" + secret + "@" + refusing + "/d?sslmode=disable",
		"silent":            "postgres://u:" + secret + "@" + silent + "/d?sslmode=disable",
		"no such host":      "postgres://u:" + secret + "@nowhere.invalid/d?sslmode=disable",
		"wrong password":    wrongUser.String(),
		"no such database":  wrongName.String(),
		"no TLS over there": strings.Replace(d.DSN, "sslmode=disable", "sslmode=require", 1),
	} {
		t.Run(name, func(t *testing.T) {
			db := openDB(t, dsn)
			ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
			if name != "silent" {
				ctx = short(t)
			}
			defer cancel()
			err := db.Ping(ctx)
			if !errors.Is(err, store.ErrUnavailable) {
				t.Errorf("not unavailable: %v", err)
			}
			noSecret(t, err)
			if err != nil && (strings.Contains(err.Error(), dsn) || strings.Contains(err.Error(), "user=")) {
				t.Errorf("the error tells the DSN: %v", err)
			}
			if _, err := store.NewTransactional(db, "").Migrate(ctx, store.MigrateOptions{}); !errors.Is(err, store.ErrUnavailable) {
				t.Errorf("migrate: %v", err)
			}
		})
	}
}

// A caller who leaves is not an unavailable database.
func TestCanceled(t *testing.T) {
	each(t, func(t *testing.T, _ *storetest.Database, tr *store.Transactional) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := tr.User(ctx, "u"); !errors.Is(err, context.Canceled) || errors.Is(err, store.ErrUnavailable) {
			t.Errorf("canceled: %v", err)
		}
		ctx, cancel = context.WithTimeout(t.Context(), -time.Second)
		defer cancel()
		if err := tr.CreateUser(ctx, &store.User{}); !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("too late: %v", err)
		}
	})
}

// Connections that died, as in a restart of the server, are replaced.
func TestPostgresConnectionsDie(t *testing.T) {
	d := storetest.New(t, storetest.PostgresPrisma)
	tr := migrated(t, d)
	addUser(t, tr, "u")
	for range 3 {
		d.Exec(t, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'wa-gateway'`)
		for attempt := 0; ; attempt++ {
			_, err := tr.User(t.Context(), "u")
			if err == nil {
				break
			}
			if !errors.Is(err, store.ErrUnavailable) || attempt == 20 {
				t.Fatal(err)
			}
		}
	}
}

// What Prisma's own engine reads from a DSN must not reach the server, and the
// schema it names is where the tables are.
func TestPrismaDSN(t *testing.T) {
	d := storetest.New(t, storetest.PostgresSnake)
	d.Exec(t, `CREATE SCHEMA "Tenant"`)
	u, err := url.Parse(d.DSN)
	must(t, err)
	q := u.Query()
	for name, value := range map[string]string{
		"schema": "Tenant", "pgbouncer": "true", "connection_limit": "5", "pool_timeout": "10", "TimeZone": "Asia/Jakarta",
	} {
		q.Set(name, value)
	}
	u.RawQuery = q.Encode()
	tr := store.NewTransactional(openDB(t, u.String()), store.NamingPrisma)
	_, err = tr.Migrate(t.Context(), store.MigrateOptions{})
	must(t, err)
	at := time.Date(2030, 1, 2, 3, 4, 5, 678_000_000, time.UTC)
	addUser(t, tr, "u")
	must(t, tr.AddPackage(t.Context(), &store.Package{ID: "p", Name: "Pro"}))
	must(t, tr.SetSubscription(t.Context(), "u", "p", "active", at))
	_, _, err = tr.CreateKey(t.Context(), store.NewKey{UserID: "u", Mode: "live", ExpiresAt: &at})
	must(t, err)
	var stored string
	d.Query(t, `SELECT "expiredAt"::text FROM "Tenant"."ServicesWhatsappCustomers"`, nil, &stored)
	if stored != "2030-01-02 03:04:05.678" {
		t.Errorf("stored %s", stored)
	}
	got, err := tr.SubscriptionsOf(t.Context(), "u")
	if must(t, err); !got[0].ExpiredAt.Equal(at) {
		t.Errorf("read %v", got[0].ExpiredAt)
	}
	keys, err := tr.ListKeys(t.Context(), "u")
	if must(t, err); !keys[0].ExpiresAt.Equal(at) {
		t.Errorf("read %v", keys[0].ExpiresAt)
	}
}

func TestSQLiteUnavailable(t *testing.T) {
	folder := t.TempDir()
	must(t, os.WriteFile(filepath.Join(folder, "file"), []byte("text that is no database, and long enough to be read as one ................................................................"), 0o600))
	for name, path := range map[string]string{
		"a folder that cannot be made": filepath.Join(folder, "file", secret, "x.db"),
		"a folder":                     folder,
		"no database":                  filepath.Join(folder, "file"),
	} {
		t.Run(name, func(t *testing.T) {
			db := openDB(t, "sqlite://"+path)
			_, err := store.NewTransactional(db, "").Migrate(t.Context(), store.MigrateOptions{})
			if !errors.Is(err, store.ErrUnavailable) {
				t.Errorf("migrate: %v", err)
			}
			if err := db.Ping(t.Context()); !errors.Is(err, store.ErrUnavailable) && name != "no database" {
				t.Errorf("ping: %v", err)
			}
			noSecret(t, err)
			if err != nil && strings.Contains(err.Error(), folder) {
				t.Errorf("the error tells the path: %v", err)
			}
		})
	}
}

// Paths are taken as they are written; what URLs treat specially is part of them.
func TestSQLitePaths(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, path := range []string{"data/x.db", "./y.db", "data/with space #1 100% \u00e9.db", filepath.Join(t.TempDir(), "abs.db")} {
		db := openDB(t, "sqlite://"+path)
		_, err := store.NewTransactional(db, "").Migrate(t.Context(), store.MigrateOptions{})
		must(t, err)
		info, err := os.Stat(path)
		must(t, err)
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v", path, info.Mode())
		}
	}
}
