package store_test

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/genfity/wa-gateway/store"
	"github.com/genfity/wa-gateway/store/storetest"
)

func TestReserveAndConfirm(t *testing.T) {
	each(t, func(t *testing.T, d *storetest.Database, tr *store.Transactional) {
		addUser(t, tr, "u")
		addUser(t, tr, "v")
		first, err := tr.ReserveSession(t.Context(), "u", "s1", 2, time.Minute)
		must(t, err)
		if _, err := tr.ReserveSession(t.Context(), "v", "s1", 2, time.Minute); !errors.Is(err, store.ErrConflict) {
			t.Errorf("reserved twice: %v", err)
		}
		nameless, err := tr.ReserveSession(t.Context(), "u", "", 2, time.Minute)
		must(t, err)
		if _, err := tr.ReserveSession(t.Context(), "u", "s3", 2, time.Minute); !errors.Is(err, store.ErrLimitReached) {
			t.Errorf("a third place of two: %v", err)
		}

		must(t, tr.ConfirmSession(t.Context(), first, &store.Session{SessionID: "s1", UserID: ptr("u"), Status: "created"}))
		// The WA server chose the other one's name.
		must(t, tr.ConfirmSession(t.Context(), nameless, &store.Session{SessionID: "chosen", UserID: ptr("u"), Status: "created"}))
		if n := d.Count(t, d.Own("session_reservations"), "1 = 1"); n != 0 {
			t.Errorf("%d reservations left", n)
		}
		sessions, err := tr.SessionsOf(t.Context(), "u")
		if must(t, err); len(sessions) != 2 {
			t.Errorf("sessions: %+v", sessions)
		}
		if _, err := tr.ReserveSession(t.Context(), "u", "s4", 2, time.Minute); !errors.Is(err, store.ErrLimitReached) {
			t.Errorf("two sessions of two: %v", err)
		}
		if _, err := tr.ReserveSession(t.Context(), "v", "s1", 2, time.Minute); !errors.Is(err, store.ErrConflict) {
			t.Errorf("reserved a session that exists: %v", err)
		}
		if _, err := tr.ReserveSession(t.Context(), "nobody", "s9", 2, time.Minute); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("unknown user: %v", err)
		}
		if _, err := tr.ReserveSession(t.Context(), "v", "s9", 0, time.Minute); !errors.Is(err, store.ErrLimitReached) {
			t.Errorf("a package without sessions: %v", err)
		}
	})
}

func TestReservationsEnd(t *testing.T) {
	each(t, func(t *testing.T, _ *storetest.Database, tr *store.Transactional) {
		addUser(t, tr, "u")
		addUser(t, tr, "v")
		_, err := tr.ReserveSession(t.Context(), "u", "s", 1, -time.Second)
		must(t, err)
		_, err = tr.ReserveSession(t.Context(), "v", "s", 1, -time.Second) // the name has expired too
		must(t, err)
		id, err := tr.ReserveSession(t.Context(), "u", "s", 1, time.Minute)
		must(t, err)
		must(t, tr.ReleaseReservation(t.Context(), id))
		must(t, tr.ReleaseReservation(t.Context(), id))
		late, err := tr.ReserveSession(t.Context(), "u", "s", 1, -time.Second)
		must(t, err)
		// The WA server took longer than the reservation lived.
		_, err = tr.ReserveSession(t.Context(), "u", "other", 1, time.Minute)
		must(t, err)
		must(t, tr.ConfirmSession(t.Context(), late, &store.Session{SessionID: "s", UserID: ptr("u")}))
	})
}

func TestConfirmSessionOfSomebody(t *testing.T) {
	each(t, func(t *testing.T, _ *storetest.Database, tr *store.Transactional) {
		addUser(t, tr, "u")
		addUser(t, tr, "v")
		addSession(t, tr, "v", "taken")
		must(t, tr.AddSession(t.Context(), &store.Session{SessionID: "nobodys"}))
		for _, id := range []string{"taken", "nobodys"} {
			reservation, err := tr.ReserveSession(t.Context(), "u", "", 5, time.Minute)
			must(t, err)
			if err := tr.ConfirmSession(t.Context(), reservation, &store.Session{SessionID: id, UserID: ptr("u")}); !errors.Is(err, store.ErrConflict) {
				t.Errorf("%s: %v", id, err)
			}
			must(t, tr.ReleaseReservation(t.Context(), reservation))
		}
		// Told twice, as after a lost answer.
		reservation, err := tr.ReserveSession(t.Context(), "u", "mine", 5, time.Minute)
		must(t, err)
		for range 2 {
			must(t, tr.ConfirmSession(t.Context(), reservation, &store.Session{SessionID: "mine", UserID: ptr("u"), Status: "created"}))
		}
		if err := tr.ConfirmSession(t.Context(), reservation, &store.Session{SessionID: "x"}); err == nil {
			t.Error("confirmed a session without a user")
		}
	})
}

// Whatever the timing, on two nodes: never more sessions than the package has,
// and never one name twice.
func TestReserveSessionRace(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *storetest.Database) {
		nodes := []*store.Transactional{migrated(t, d), migrated(t, d)}
		const users, limit, tries = 2, 3, 12
		for u := range users {
			addUser(t, nodes[0], fmt.Sprint("u", u))
		}
		var wg sync.WaitGroup
		var confirmed, refused atomic.Int64
		for i := range users * tries {
			wg.Go(func() {
				tr, user := nodes[i%2], fmt.Sprint("u", i%users)
				// Half of the names are wanted by both users.
				name := fmt.Sprint("s", i/2)
				id, err := tr.ReserveSession(t.Context(), user, name, limit, time.Minute)
				if errors.Is(err, store.ErrLimitReached) || errors.Is(err, store.ErrConflict) {
					refused.Add(1)
					return
				}
				if err == nil {
					err = tr.ConfirmSession(t.Context(), id, &store.Session{SessionID: name, UserID: &user})
				}
				if err != nil {
					t.Error(err)
					return
				}
				confirmed.Add(1)
			})
		}
		wg.Wait()
		for u := range users {
			if n := d.Count(t, "{whats_app_sessions}", "{whats_app_sessions.user_id} = $1", fmt.Sprint("u", u)); n != limit {
				t.Errorf("user %d has %d sessions, the limit is %d", u, n, limit)
			}
		}
		if confirmed.Load() != users*limit || confirmed.Load()+refused.Load() != users*tries {
			t.Errorf("%d confirmed, %d refused", confirmed.Load(), refused.Load())
		}
	})
}
