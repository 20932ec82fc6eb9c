package store_test

import (
	"testing"
	"time"

	"github.com/genfity/wa-gateway/store"
	"github.com/genfity/wa-gateway/store/storetest"
)

// TestClaimExpired: a reservation that nobody ended is handed out once, to one at
// a time, until it is released; one whose session exists is not.
func TestClaimExpired(t *testing.T) {
	each(t, func(t *testing.T, _ *storetest.Database, db *store.Transactional) {
		addUser(t, db, "ann")
		const lease = 300 * time.Millisecond
		if _, err := db.ReserveSession(t.Context(), "ann", "left", 5, time.Millisecond); err != nil {
			t.Fatal(err)
		}
		claim := func(user string) []store.ExpiredReservation {
			t.Helper()
			got, err := db.ClaimExpired(t.Context(), user, 2, lease)
			if err != nil {
				t.Fatal(err)
			}
			return got
		}
		time.Sleep(20 * time.Millisecond)
		if got := claim("bob"); len(got) != 0 {
			t.Errorf("another user's: %v", got)
		}
		got := claim("ann")
		if len(got) != 1 || got[0].SessionID != "left" || got[0].UserID != "ann" {
			t.Fatalf("claimed %v", got)
		}
		if again := claim(""); len(again) != 0 {
			t.Errorf("claimed twice: %v", again)
		}
		time.Sleep(lease + 20*time.Millisecond)
		if again := claim(""); len(again) != 1 {
			t.Errorf("after the lease: %v", again)
		}
		if err := db.ReleaseReservation(t.Context(), got[0].ID); err != nil {
			t.Fatal(err)
		}
		time.Sleep(lease + 20*time.Millisecond)
		if again := claim(""); len(again) != 0 {
			t.Errorf("after the release: %v", again)
		}
	})
}
