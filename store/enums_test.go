package store_test

import (
	"net/url"
	"testing"
	"time"

	"github.com/genfity/wa-gateway/store"
	"github.com/genfity/wa-gateway/store/storetest"
)

// Prisma schemas often declare roles and states as enums, and keep them in
// PostgreSQL types of their own.
func TestEnumColumns(t *testing.T) {
	for name, options := range map[string]string{"prepared": "", "behind a pooler": "&pgbouncer=true"} {
		t.Run(name, func(t *testing.T) {
			d := storetest.New(t, storetest.PostgresPrisma)
			d.Exec(t, `CREATE TYPE "Role" AS ENUM ('customer', 'admin')`)
			d.Exec(t, `CREATE TYPE "ServiceStatus" AS ENUM ('activating', 'active', 'expired', 'failed')`)
			d.Exec(t, `ALTER TABLE "User" ALTER "role" DROP DEFAULT, ALTER "role" TYPE "Role" USING "role"::"Role", ALTER "role" SET DEFAULT 'customer'`)
			d.Exec(t, `ALTER TABLE "ServicesWhatsappCustomers" ALTER "status" DROP DEFAULT, ALTER "status" TYPE "ServiceStatus" USING "status"::"ServiceStatus"`)
			u, err := url.Parse(d.DSN)
			must(t, err)
			u.RawQuery += options
			tr := store.NewTransactional(openDB(t, u.String()), "")
			_, err = tr.Migrate(t.Context(), store.MigrateOptions{})
			must(t, err)
			must(t, tr.CreateUser(t.Context(), &store.User{ID: "u", Role: "admin", IsActive: true}))
			user, err := tr.User(t.Context(), "u")
			if must(t, err); user.Role != "admin" {
				t.Errorf("role %q", user.Role)
			}
			must(t, tr.AddPackage(t.Context(), &store.Package{ID: "p", Name: "Pro"}))
			for _, status := range store.SubscriptionStatuses {
				must(t, tr.SetSubscription(t.Context(), "u", "p", status, time.Now()))
				got, err := tr.SubscriptionsOf(t.Context(), "u")
				if must(t, err); got[0].Status != status {
					t.Errorf("status %q, want %q", got[0].Status, status)
				}
			}
			addSession(t, tr, "u", "s")
			must(t, tr.UpdateSession(t.Context(), "s", store.SessionUpdate{Connected: ptr(true)}))
			id, err := tr.ReserveSession(t.Context(), "u", "s2", 5, time.Minute)
			must(t, err)
			must(t, tr.ConfirmSession(t.Context(), id, &store.Session{SessionID: "s2", UserID: ptr("u")}))
			_, key, err := tr.CreateKey(t.Context(), store.NewKey{UserID: "u", Mode: "live"})
			must(t, err)
			must(t, tr.TouchKeys(t.Context(), map[string]time.Time{key.ID: time.Now()}))
			must(t, tr.RevokeKey(t.Context(), key.ID))
			must(t, tr.RemoveSession(t.Context(), "u", "s2"))
		})
	}
}
