package store_test

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/genfity/wa-gateway/store"
	"github.com/genfity/wa-gateway/store/storetest"
)

// The process, too, is in another time zone than the databases' UTC.
func TestMain(m *testing.M) {
	time.Local = time.FixedZone("WIB", 7*60*60)
	os.Exit(m.Run())
}

// openDB opens a test's database.
func openDB(t *testing.T, dsn string) *store.DB {
	t.Helper()
	db, err := store.Open(store.Config{DSN: dsn})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

// migrated opens a test's database and brings it up to date.
func migrated(t *testing.T, d *storetest.Database) *store.Transactional {
	t.Helper()
	tr := store.NewTransactional(openDB(t, d.DSN), "")
	if _, err := tr.Migrate(t.Context(), store.MigrateOptions{}); err != nil {
		t.Fatal(err)
	}
	return tr
}

// each runs a test on every kind of database, brought up to date.
func each(t *testing.T, test func(t *testing.T, d *storetest.Database, tr *store.Transactional)) {
	t.Helper()
	storetest.Each(t, func(t *testing.T, d *storetest.Database) { test(t, d, migrated(t, d)) })
}

// addUser adds an active user.
func addUser(t *testing.T, tr *store.Transactional, id string) {
	t.Helper()
	if err := tr.CreateUser(t.Context(), &store.User{ID: id, IsActive: true}); err != nil {
		t.Fatal(err)
	}
}

// addSession adds a session of a user.
func addSession(t *testing.T, tr *store.Transactional, userID, sessionID string) {
	t.Helper()
	if err := tr.AddSession(t.Context(), &store.Session{SessionID: sessionID, UserID: &userID, Status: "connected"}); err != nil {
		t.Fatal(err)
	}
}

func ptr[T any](v T) *T { return &v }

// must fails the test on an error that the test is not about.
func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func short(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	t.Cleanup(cancel)
	return ctx
}
