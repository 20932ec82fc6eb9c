package store_test

import (
	"path/filepath"
	"testing"
)

// TestIdentity: credentials and options make no other database; host, port and
// name do.
func TestIdentity(t *testing.T) {
	identity := func(dsn string) string { return openDB(t, dsn).Identity() }
	base := identity("postgres://a:secret@db.example:5432/shop?sslmode=disable")
	for _, same := range []string{"postgres://b:other@db.example/shop?sslmode=require", "postgresql://db.example/shop?schema=public&sslmode=disable"} {
		if got := identity(same); got != base {
			t.Errorf("%s is %q, want %q", same, got, base)
		}
	}
	for _, other := range []string{"postgres://db.example:5433/shop", "postgres://db2.example/shop", "postgres://db.example/shop2"} {
		if identity(other) == base {
			t.Errorf("%s is the same as another database", other)
		}
	}
	path := filepath.Join(t.TempDir(), "a.db")
	t.Chdir(filepath.Dir(path))
	if a, b := identity("sqlite://a.db"), identity("sqlite://"+path); a != b {
		t.Errorf("one file is %q and %q", a, b)
	}
	if base == identity("sqlite://b.db") {
		t.Error("a file is a server's database")
	}
}
