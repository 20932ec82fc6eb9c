package store

import (
	"testing"
	"testing/fstest"

	"github.com/genfity/wa-gateway/store/storetest"
	"github.com/pressly/goose/v3"
)

// TestMigrationsOutOfOrder: a database that has seen a later number takes one that
// comes with another version of the gateway.
func TestMigrationsOutOfOrder(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *storetest.Database) {
		db, err := Open(Config{DSN: d.DSN})
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		if err := db.createOwnSchema(t.Context()); err != nil {
			t.Fatal(err)
		}
		dialect, pool := goose.DialectPostgres, db.pools[0]
		if db.backend == SQLite {
			dialect = goose.DialectSQLite3
			if pool, err = db.file.pool("&_txlock=immediate", 1); err != nil {
				t.Fatal(err)
			}
			defer pool.Close()
		}
		file := func(table string) *fstest.MapFile {
			return &fstest.MapFile{Data: []byte("-- +goose Up\nCREATE TABLE " + db.own(table) + " (id integer);\n")}
		}
		files := fstest.MapFS{"00001_one.sql": file("one"), "00003_three.sql": file("three")}
		for _, want := range []int{2, 1, 0} {
			done, err := db.goose(t.Context(), dialect, pool, files, "odd")
			if err != nil || len(done) != want {
				t.Fatalf("%d migrations, want %d: %v", len(done), want, err)
			}
			files["00002_two.sql"] = file("two")
		}
	})
}
