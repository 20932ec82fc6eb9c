package pgserver

import (
	"os"
	"testing"

	"github.com/jackc/pgx/v5"
)

// What was committed is there after a kill, what was not is not, and the server
// answers at the same address.
func TestKill(t *testing.T) {
	s, err := New(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	connect := func() *pgx.Conn {
		t.Helper()
		conn, err := pgx.Connect(t.Context(), s.URL(s.Addr(), "postgres"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close(t.Context()) })
		return conn
	}
	exec := func(conn *pgx.Conn, query string) {
		t.Helper()
		if _, err := conn.Exec(t.Context(), query); err != nil {
			t.Fatal(err)
		}
	}
	conn := connect()
	exec(conn, "CREATE TABLE t AS SELECT 1 AS n")
	exec(conn, "BEGIN")
	exec(conn, "INSERT INTO t VALUES (2)")
	family := children(s.running().Pid())
	for range 3 {
		s.Kill()
		for _, pid := range family {
			if alive(pid) {
				t.Errorf("process %d is still there", pid)
			}
		}
		if err := conn.Ping(t.Context()); err == nil {
			t.Fatal("it lives")
		}
		if err := s.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		conn = connect()
		var n int
		if err := conn.QueryRow(t.Context(), "SELECT sum(n) FROM t").Scan(&n); err != nil || n != 1 {
			t.Fatalf("after a kill: %d, %v", n, err)
		}
	}
	s.Stop()
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// Nothing stays behind.
func TestClose(t *testing.T) {
	s, err := New(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(s.dir); !os.IsNotExist(err) {
		t.Errorf("the folder is still there: %v", err)
	}
	if !s.running().Ended() {
		t.Error("the server runs")
	}
}
