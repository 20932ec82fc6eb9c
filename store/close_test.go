package store_test

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/genfity/wa-gateway/store"
	"github.com/genfity/wa-gateway/store/storetest"
)

// The gateway opens and closes databases with each change of its configuration.
func TestCloseLeavesNothing(t *testing.T) {
	for _, kind := range []storetest.Kind{storetest.SQLite, storetest.PostgresPrisma} {
		t.Run(string(kind), func(t *testing.T) {
			d := storetest.New(t, kind)
			before := goleak.IgnoreCurrent()
			for range 3 {
				db, err := store.Open(store.Config{DSN: d.DSN})
				must(t, err)
				tr := store.NewTransactional(db, "")
				_, err = tr.Migrate(t.Context(), store.MigrateOptions{})
				must(t, err)
				for range 3 {
					_, err = tr.Inspect(t.Context())
					must(t, err)
					_, err = tr.ListUsers(t.Context(), 0, 0)
					must(t, err)
				}
				must(t, db.Close())
			}
			goleak.VerifyNone(t, before)
		})
	}
}
