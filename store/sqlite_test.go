package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gorm.io/gorm"
)

func openFile(t *testing.T, path string) *DB {
	t.Helper()
	db, err := Open(Config{DSN: "sqlite://" + path})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func TestSQLiteSettings(t *testing.T) {
	db := openFile(t, filepath.Join(t.TempDir(), "x.db"))
	for pool, g := range map[string]*gorm.DB{"writer": db.writer, "reader": db.gorm} {
		for pragma, want := range map[string]string{
			"journal_mode": "wal", "synchronous": "2", "foreign_keys": "1", "busy_timeout": "5000",
			"query_only": map[string]string{"writer": "0", "reader": "1"}[pool],
		} {
			var got string
			if err := g.Raw("PRAGMA " + pragma).Scan(&got).Error; err != nil || got != want {
				t.Errorf("%s %s is %q, want %q: %v", pool, pragma, got, want, err)
			}
		}
	}
	if err := db.gorm.Exec("CREATE TABLE t (v text)").Error; err == nil {
		t.Error("a reader wrote")
	}
	if err := db.Close(); err != nil {
		t.Error(err)
	}
	if err := db.Ping(t.Context()); !errors.Is(err, ErrUnavailable) {
		t.Errorf("after closing: %v", err)
	}
}

func TestSQLiteFull(t *testing.T) {
	db := openFile(t, filepath.Join(t.TempDir(), "x.db"))
	for _, statement := range []string{"CREATE TABLE t (v text)", "PRAGMA max_page_count = 20"} {
		if err := db.writer.Exec(statement).Error; err != nil {
			t.Fatal(err)
		}
	}
	insert := func() error {
		return db.tx(t.Context(), func(q *gorm.DB) error {
			return q.Exec("INSERT INTO t VALUES (?)", strings.Repeat("x", 30_000)).Error
		})
	}
	var err error
	for range 10 {
		if err = insert(); err != nil {
			break
		}
	}
	if !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), "full") {
		t.Errorf("got %v", err)
	}
	// Room again.
	if err := db.writer.Exec("PRAGMA max_page_count = 1000").Error; err != nil {
		t.Fatal(err)
	}
	if err := insert(); err != nil {
		t.Error(err)
	}
}

// A deadline ends a query that runs, and says so.
func TestSQLiteDeadline(t *testing.T) {
	db := openFile(t, filepath.Join(t.TempDir(), "x.db"))
	if err := db.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	err := db.read(ctx, func(q *gorm.DB) error {
		var n int
		return q.Raw("WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < 1000000000) SELECT count(*) FROM c").Scan(&n).Error
	})
	if !errors.Is(err, ErrUnavailable) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}

// Another process that writes is waited for, and readers wait for nobody.
func TestSQLiteBesideAnotherWriter(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	db := openFile(t, path)
	if err := db.writer.Exec("CREATE TABLE t (v text)").Error; err != nil {
		t.Fatal(err)
	}
	other := openFile(t, path)
	locked, release, done := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() {
		done <- other.tx(t.Context(), func(q *gorm.DB) error {
			close(locked)
			<-release
			return q.Exec("INSERT INTO t VALUES ('other')").Error
		})
	}()
	<-locked
	var n int
	if err := db.read(t.Context(), func(q *gorm.DB) error { return q.Raw("SELECT count(*) FROM t").Scan(&n).Error }); err != nil || n != 0 {
		t.Errorf("read %d, %v", n, err)
	}
	wrote := make(chan error, 1)
	go func() {
		wrote <- db.tx(t.Context(), func(q *gorm.DB) error { return q.Exec("INSERT INTO t VALUES ('ours')").Error })
	}()
	close(release)
	for _, c := range []chan error{done, wrote} {
		if err := <-c; err != nil {
			t.Error(err)
		}
	}
}

// What was committed survives the process's sudden end, in the middle of
// whatever it was doing.
func TestSQLiteSurvivesKill(t *testing.T) {
	if path := os.Getenv("WA_TEST_SQLITE_KILL"); path != "" {
		writeUntilKilled(path)
	}
	path := filepath.Join(t.TempDir(), "x.db")
	db := openFile(t, path)
	if err := db.writer.Exec("CREATE TABLE t (v integer PRIMARY KEY, x text)").Error; err != nil {
		t.Fatal(err)
	}
	for range 3 {
		var out strings.Builder
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestSQLiteSurvivesKill$") //nolint:gosec // this very program
		cmd.Env = append(os.Environ(), "WA_TEST_SQLITE_KILL="+path)
		pipe, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		var last int64
		for n := range 20 { // some rows acknowledged, then dead at once
			if _, err := fmt.Fscanln(pipe, &last); err != nil {
				t.Fatal(n, err, out.String())
			}
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait()
		var top sql.NullInt64
		if err := db.gorm.Raw("SELECT max(v) FROM t").Scan(&top).Error; err != nil || top.Int64 < last {
			t.Errorf("row %d was acknowledged, the last there is %d: %v", last, top.Int64, err)
		}
	}
	var check string
	if err := db.gorm.Raw("PRAGMA integrity_check").Scan(&check).Error; err != nil || check != "ok" {
		t.Errorf("integrity: %s, %v", check, err)
	}
}

func writeUntilKilled(path string) {
	db, err := Open(Config{DSN: "sqlite://" + path})
	for err == nil {
		var id int64
		err = db.tx(context.Background(), func(q *gorm.DB) error {
			return q.Raw("INSERT INTO t (x) VALUES ('x') RETURNING v").Scan(&id).Error
		})
		fmt.Println(id)
	}
	fmt.Println(err)
	os.Exit(1)
}
