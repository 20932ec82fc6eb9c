package caddywagateway

import (
	"testing"
	"time"

	"github.com/genfity/wa-gateway/store"
	"github.com/genfity/wa-gateway/store/storetest"
)

// changesSeen is how soon the gateway follows what others change in the database.
const changesSeen = 2 * time.Second

// TestChangesAreSeen: what the operator's commands or another gateway change is
// followed at once, though everything is cached for an hour.
func TestChangesAreSeen(t *testing.T) {
	for _, kind := range []storetest.Kind{storetest.SQLite, storetest.PostgresPrisma} {
		t.Run(string(kind), func(t *testing.T) {
			s := newSetup(t, storetest.New(t, kind), "{APP}", "cache {\n ttl 1h\n}")
			secret, row := s.key(t, store.NewKey{})
			bystander, _ := s.key(t, store.NewKey{})
			const unborn = "unborn-1"
			calls := []struct {
				what   string
				header []string
				then   int // the status once the change is seen
				change func() error
				want   int
			}{
				{what: "a revoked key", header: withKey(secret, ""), want: 200, then: 401,
					change: func() error { return s.db.RevokeKey(t.Context(), row.ID) }},
				{what: "a disabled user", header: as(bob, bobSession), want: 200, then: 401,
					change: func() error { return s.db.SetUserActive(t.Context(), bob, false) }},
				{what: "a removed session", header: as(alice, aliceOther), want: 200, then: 403,
					change: func() error { return s.db.RemoveSession(t.Context(), alice, aliceOther) }},
				{what: "a new session", header: as(alice, unborn), want: 403, then: 200,
					change: func() error { s.addSession(t, unborn); return nil }},
				{what: "a subscription", header: as(unpaid, unpaidSession), want: 403, then: 200,
					change: func() error {
						return s.db.SetSubscription(t.Context(), unpaid, "ckbasic", store.SubscriptionActive, time.Now().Add(time.Hour))
					}},
			}
			status := func(header []string) int {
				return s.call("POST", "/api/wa/send-message", hello, header).status
			}
			for _, c := range calls {
				for range 2 { // the second time from the cache
					if got := status(c.header); got != c.want {
						t.Fatalf("%s, before: %d, want %d", c.what, got, c.want)
					}
				}
			}
			for _, c := range calls {
				if err := c.change(); err != nil {
					t.Fatalf("%s: %v", c.what, err)
				}
			}
			changed := time.Now()
			for _, c := range calls {
				for status(c.header) != c.then {
					if time.Since(changed) > changesSeen {
						t.Errorf("%s is not seen after %s", c.what, time.Since(changed).Round(time.Millisecond))
						break
					}
					time.Sleep(20 * time.Millisecond)
				}
			}
			t.Logf("all were seen after %s", time.Since(changed).Round(time.Millisecond))
			if got := status(withKey(bystander, "")); got != 200 {
				t.Errorf("a key that did not change: %d", got)
			}
		})
	}
}
