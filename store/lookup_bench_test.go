package store_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/genfity/wa-gateway/store"
	"github.com/genfity/wa-gateway/store/storetest"
)

// What a call costs whose caller is not in the directory's cache.
func BenchmarkLookups(b *testing.B) {
	for _, kind := range []storetest.Kind{storetest.SQLite, storetest.PostgresPrisma} {
		d := storetest.New(b, kind)
		db, err := store.Open(store.Config{DSN: d.DSN})
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { _ = db.Close() })
		tr := store.NewTransactional(db, "")
		ctx := b.Context()
		check := func(err error) {
			if err != nil {
				b.Fatal(err)
			}
		}
		_, err = tr.Migrate(ctx, store.MigrateOptions{})
		check(err)
		check(tr.CreateUser(ctx, &store.User{ID: "u", IsActive: true}))
		check(tr.AddPackage(ctx, &store.Package{ID: "p", Name: "Pro", MaxSession: 5}))
		check(tr.SetSubscription(ctx, "u", "p", "active", time.Now().AddDate(1, 0, 0)))
		user := "u"
		check(tr.AddSession(ctx, &store.Session{SessionID: "s", UserID: &user}))
		plain, _, err := tr.CreateKey(ctx, store.NewKey{UserID: "u", Mode: "live"})
		check(err)
		hash := store.HashKey(plain)

		for name, look := range map[string]func() error{
			"user":          func() error { _, err := tr.User(ctx, "u"); return err },
			"session":       func() error { _, err := tr.Session(ctx, "s"); return err },
			"key":           func() error { _, err := tr.KeyByHash(ctx, hash); return err },
			"subscriptions": func() error { _, err := tr.SubscriptionsOf(ctx, "u"); return err },
		} {
			b.Run(fmt.Sprintf("%s/%s", kind, name), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					check(look())
				}
			})
		}
	}
}
