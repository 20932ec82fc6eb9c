package store_test

import (
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/genfity/wa-gateway/store"
	"github.com/genfity/wa-gateway/store/storetest"
)

func TestPackages(t *testing.T) {
	each(t, func(t *testing.T, d *storetest.Database, tr *store.Transactional) {
		pro := &store.Package{Name: "Pro", Description: ptr("many"), PriceMonth: 150_000, PriceYear: 1_500_000, MaxSession: 5}
		must(t, tr.AddPackage(t.Context(), pro))
		must(t, tr.AddPackage(t.Context(), &store.Package{ID: "pk2", Name: "Twin", MaxSession: 1}))
		must(t, tr.AddPackage(t.Context(), &store.Package{ID: "pk3", Name: "Twin", MaxSession: 1}))
		for _, name := range []string{"Pro", pro.ID} {
			got, err := tr.PackageByName(t.Context(), name)
			must(t, err)
			if got.ID != pro.ID || got.PriceMonth != 150_000 || got.PriceYear != 1_500_000 || got.MaxSession != 5 {
				t.Errorf("%s: %+v", name, got)
			}
			if d.Complete() && *got.Description != "many" {
				t.Errorf("%s: %+v", name, got)
			}
		}
		if _, err := tr.PackageByName(t.Context(), "Twin"); !errors.Is(err, store.ErrConflict) {
			t.Errorf("two of a name: %v", err)
		}
		if _, err := tr.PackageByName(t.Context(), "none"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("no such package: %v", err)
		}
		all, err := tr.Packages(t.Context())
		if must(t, err); len(all) != 3 {
			t.Errorf("%d packages", len(all))
		}
	})
}

func TestSetSubscription(t *testing.T) {
	each(t, func(t *testing.T, d *storetest.Database, tr *store.Transactional) {
		addUser(t, tr, "u")
		must(t, tr.AddPackage(t.Context(), &store.Package{ID: "p", Name: "Pro", MaxSession: 5}))
		jakarta := time.FixedZone("WIB", 7*60*60)
		expires := time.Date(2030, 3, 1, 6, 30, 0, 123_000_000, jakarta)
		must(t, tr.SetSubscription(t.Context(), "u", "p", store.SubscriptionActivating, expires.AddDate(0, -1, 0)))
		must(t, tr.SetSubscription(t.Context(), "u", "p", store.SubscriptionActive, expires))

		got, err := tr.SubscriptionsOf(t.Context(), "u")
		must(t, err)
		if len(got) != 1 || got[0].UserID != "u" || got[0].Status != "active" || got[0].Package == nil || got[0].Package.MaxSession != 5 {
			t.Fatalf("got %+v", got)
		}
		if !got[0].ExpiredAt.Equal(expires) || got[0].ExpiredAt.Location() != time.UTC {
			t.Errorf("expires %v, want %v", got[0].ExpiredAt, expires.UTC())
		}
		if d.Complete() {
			activated := got[0].ActivatedAt
			if activated == nil || time.Since(activated.Time) > time.Minute {
				t.Fatalf("activated at %v", activated)
			}
			d.Exec(t, `UPDATE {services_whatsapp_customers} SET {services_whatsapp_customers.activated_at} = '2026-01-02 03:04:05'`)
			must(t, tr.SetSubscription(t.Context(), "u", "p", store.SubscriptionActive, expires.AddDate(1, 0, 0)))
			got, err = tr.SubscriptionsOf(t.Context(), "u")
			must(t, err)
			if want := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC); !got[0].ActivatedAt.Equal(want) {
				t.Errorf("a renewal moved the activation to %v", got[0].ActivatedAt)
			}
		}
		for _, c := range []struct {
			user, pkg, status string
		}{{"nobody", "p", "active"}, {"u", "none", "active"}} {
			if err := tr.SetSubscription(t.Context(), c.user, c.pkg, c.status, expires); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("%+v: %v", c, err)
			}
		}
		if err := tr.SetSubscription(t.Context(), "u", "p", "paid", expires); err == nil {
			t.Error("took an unknown status")
		}
		all, err := tr.ListSubscriptions(t.Context(), "", 10, 0)
		if must(t, err); len(all) != 1 {
			t.Errorf("%d in all", len(all))
		}
		if none, err := tr.SubscriptionsOf(t.Context(), ""); err != nil || len(none) != 0 {
			t.Errorf("nobody has %+v, %v", none, err)
		}
	})
}

func TestSetSubscriptionRace(t *testing.T) {
	each(t, func(t *testing.T, d *storetest.Database, tr *store.Transactional) {
		addUser(t, tr, "u")
		must(t, tr.AddPackage(t.Context(), &store.Package{ID: "p", Name: "Pro", MaxSession: 5}))
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				if err := tr.SetSubscription(t.Context(), "u", "p", "active", time.Now().AddDate(1, 0, 0)); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if n := d.Count(t, "{services_whatsapp_customers}", "1 = 1"); n != 1 {
			t.Errorf("%d subscriptions", n)
		}
	})
}
