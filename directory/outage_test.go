package directory

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/genfity/wa-gateway/store"
)

// Thousands of callers who are known cost the database little while it is away, and
// no more than the bound at a time when it comes back.
func TestNoHerd(t *testing.T) {
	const callers = 2000
	failing(t, Options{}, func(t *testing.T, s *faulty, d *Directory, heard *told) {
		id := func(i int) string { return fmt.Sprintf("user-%d", i) }
		s.do(func() {
			for i := range callers {
				s.users[id(i)] = store.User{ID: id(i), IsActive: true}
			}
		})
		round := func() (slowest time.Duration) {
			var wg sync.WaitGroup
			var mu sync.Mutex
			for i := range callers {
				wg.Go(func() {
					waited, err := took(func() error { return second(d.User(t.Context(), id(i))) })
					mu.Lock()
					defer mu.Unlock()
					slowest = max(slowest, waited)
					if err != nil {
						t.Error(err)
					}
				})
			}
			wg.Wait()
			return slowest
		}
		round()
		time.Sleep(old)
		s.hangs.Store(true)
		if slowest := round(); slowest > patience {
			t.Errorf("at first one waited %v", slowest)
		}
		asked := s.asked.Load()
		for range 60 {
			time.Sleep(time.Second)
			if slowest := round(); slowest != 0 {
				t.Fatalf("one waited %v", slowest)
			}
		}
		// Those that began at once, and one each second.
		if n := s.asked.Load() - asked; n > 61+2*maxLoads {
			t.Errorf("the database was asked %d times in a minute", n)
		}
		s.hangs.Store(false)
		s.slow.Store(int64(10 * time.Millisecond))
		s.most.Store(0)
		time.Sleep(loadTimeout + time.Second)
		asked = s.asked.Load()
		for range 20 {
			round()
			time.Sleep(time.Second)
		}
		if n := s.asked.Load() - asked; n < callers || n > 2*callers {
			t.Errorf("%d look-ups to know %d callers again", n, callers)
		}
		if most := s.most.Load(); most > maxLoads {
			t.Errorf("%d look-ups at once", most)
		}
		heard.mu.Lock()
		defer heard.mu.Unlock()
		if len(heard.said) != 2 || !d.Stale().IsZero() {
			t.Errorf("told %q, stale since %v", heard.said, d.Stale())
		}
	})
}

// A database that answers too slowly for callers is asked behind their backs.
func TestSlowDatabase(t *testing.T) {
	failing(t, Options{}, func(t *testing.T, s *faulty, d *Directory, heard *told) {
		if err := second(d.User(t.Context(), "ann")); err != nil {
			t.Fatal(err)
		}
		s.slow.Store(int64(2 * time.Second))
		time.Sleep(old)
		first, err := d.User(t.Context(), "ann")
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(3 * time.Second)
		then, err := d.User(t.Context(), "ann")
		if err != nil || then == first {
			t.Errorf("not loaded behind the caller's back: %v", err)
		}
		s.slow.Store(0)
		time.Sleep(old)
		if waited, err := took(func() error { return second(d.User(t.Context(), "ann")) }); err != nil || waited != 0 {
			t.Errorf("when it is quick again: after %v: %v", waited, err)
		}
		heard.mu.Lock()
		defer heard.mu.Unlock()
		if len(heard.said) != 2 {
			t.Errorf("told %q", heard.said)
		}
	})
}

// Watch notices that the database is back when nobody else does.
func TestStaleEndsThoughNobodyCalls(t *testing.T) {
	watching(t, func(t *testing.T, s *source, d *Directory, heard *told) {
		use := func() error { return second(d.User(t.Context(), "ann")) }
		if err := use(); err != nil {
			t.Fatal(err)
		}
		away := fmt.Errorf("%w", store.ErrUnavailable)
		s.err.Store(&away)
		time.Sleep(old)
		if err := use(); err != nil {
			t.Fatal(err)
		}
		s.err.Store(nil)
		if d.Stale().IsZero() {
			t.Error("not stale")
		}
		time.Sleep(staleQuiet + 2*time.Second)
		if !d.Stale().IsZero() {
			t.Error("stale though the database has long been back")
		}
		if got, want := heard.all(), "["+said+": database unavailable "+said+": <nil>]"; got != want {
			t.Errorf("told %s", got)
		}
	})
}

// Callers, forgetting and outages at once: nobody is answered what was forgotten
// before they asked.
func TestForgottenIsNeverAnswered(t *testing.T) {
	s := &faulty{source: newSource()}
	d := New(Options{Source: s, TTL: 3 * time.Millisecond})
	defer d.Close()
	var version atomic.Int64 // what was forgotten last is older than this
	name := func() *string { return pointer(fmt.Sprint(version.Load())) }
	s.do(func() { s.users["ann"] = store.User{ID: "ann", IsActive: true, Name: name()} })
	stop := make(chan struct{})
	var wg sync.WaitGroup
	var stale atomic.Int64
	for range 4 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				least := version.Load()
				u, err := d.User(context.Background(), "ann")
				if err != nil {
					if !errors.Is(err, store.ErrUnavailable) {
						t.Error(err)
					}
					continue
				}
				var got int64
				if _, err := fmt.Sscan(*u.Name, &got); err != nil || got < least {
					t.Errorf("answered %d after %d was forgotten", got, least-1)
				}
				if !d.Stale().IsZero() {
					stale.Add(1)
				}
			}
		})
	}
	for i := range 60 {
		time.Sleep(10 * time.Millisecond)
		s.refuses.Store(i%3 != 0)
		if i%2 == 0 {
			continue
		}
		s.do(func() {
			next := fmt.Sprint(version.Load() + 1)
			s.users["ann"] = store.User{ID: "ann", IsActive: true, Name: &next}
		})
		if i%4 == 1 {
			d.ForgetUser("ann")
		} else {
			d.ForgetAll()
		}
		version.Add(1)
	}
	close(stop)
	wg.Wait()
	if stale.Load() == 0 {
		t.Error("nobody was given an old answer")
	}
}
