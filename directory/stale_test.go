package directory

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/genfity/wa-gateway/store"
)

// faulty is a database that goes away: it refuses, or it hangs until the caller
// gives up.
type faulty struct {
	*source
	refuses, hangs atomic.Bool
	slow           atomic.Int64 // how long an answer takes
	asked          atomic.Int64
	most, now      atomic.Int64 // asked at once
}

func (f *faulty) fault(ctx context.Context) error {
	f.asked.Add(1)
	now := f.now.Add(1)
	defer f.now.Add(-1)
	for most := f.most.Load(); now > most && !f.most.CompareAndSwap(most, now); most = f.most.Load() {
	}
	switch {
	case f.hangs.Load():
		<-ctx.Done()
		return ctx.Err()
	case f.refuses.Load():
		return fmt.Errorf("%w: connection refused", store.ErrUnavailable)
	}
	time.Sleep(time.Duration(f.slow.Load()))
	return nil
}

func (f *faulty) User(ctx context.Context, id string) (*store.User, error) {
	if err := f.fault(ctx); err != nil {
		return nil, err
	}
	return f.source.User(ctx, id)
}

func (f *faulty) KeyByHash(ctx context.Context, hash string) (*store.APIKey, error) {
	if err := f.fault(ctx); err != nil {
		return nil, err
	}
	return f.source.KeyByHash(ctx, hash)
}

func (f *faulty) SubscriptionsOf(ctx context.Context, id string) ([]store.Subscription, error) {
	if err := f.fault(ctx); err != nil {
		return nil, err
	}
	return f.source.SubscriptionsOf(ctx, id)
}

// failing runs a test on synthetic time with a database that can go away.
func failing(t *testing.T, o Options, f func(t *testing.T, s *faulty, d *Directory, heard *told)) {
	synctest.Test(t, func(t *testing.T) {
		s, heard := &faulty{source: newSource()}, &told{}
		o.Source, o.Trouble = s, heard.trouble
		d := New(o)
		defer func() {
			d.Close()
			time.Sleep(2 * loadTimeout) // loads that still hang
		}()
		f(t, s, d, heard)
	})
}

const (
	old  = 41 * time.Second                 // more than TTL + TTL/3
	over = old + 10*time.Minute             // and more than the grace
	said = "ask the database about callers" // what trouble hears
)

// took is how long a call took and what came of it.
func took(do func() error) (time.Duration, error) {
	began := time.Now()
	err := do()
	return time.Since(began), err
}

func TestStaleWhileAway(t *testing.T) {
	for name, fault := range map[string]struct {
		set func(*faulty, bool)
		// patience is what the first caller waits.
		patience time.Duration
	}{
		"refused": {func(f *faulty, on bool) { f.refuses.Store(on) }, 0},
		"hanging": {func(f *faulty, on bool) { f.hangs.Store(on) }, patience},
	} {
		t.Run(name, func(t *testing.T) {
			failing(t, Options{}, func(t *testing.T, s *faulty, d *Directory, heard *told) {
				use := func() error { return second(d.Caller(t.Context(), liveKey)) }
				if err := use(); err != nil {
					t.Fatal(err)
				}
				fault.set(s, true)
				time.Sleep(old)
				if d.Stale() != (time.Time{}) {
					t.Error("stale though nobody was given an old answer")
				}
				// Who it is and whose key it is are two look-ups: one of them waits.
				if waited, err := took(use); err != nil || waited != fault.patience {
					t.Errorf("the first one was answered after %v: %v", waited, err)
				}
				began := time.Now()
				if d.Stale().IsZero() || began.Sub(d.Stale()) > time.Second {
					t.Errorf("stale since %v", d.Stale())
				}
				asked := s.asked.Load()
				for range 600 { // a minute
					if waited, err := took(use); err != nil || waited != 0 {
						t.Fatalf("%v after it went away: answered after %v: %v", time.Since(began), waited, err)
					}
					time.Sleep(100 * time.Millisecond)
				}
				if n := s.asked.Load() - asked; n < 5 || n > 62 {
					t.Errorf("the database was asked %d times in a minute", n)
				}
				// Callers who were never known, and what does not exist.
				if err := second(d.User(t.Context(), "bob")); !errors.Is(err, store.ErrUnavailable) {
					t.Errorf("an unknown user: %v", err)
				}
				if got, want := heard.all(), "["+said+": database unavailable"; len(got) < len(want) || got[:len(want)] != want {
					t.Errorf("told %s", got)
				}

				fault.set(s, false)
				s.do(func() { s.users["ann"] = store.User{ID: "ann"} }) // not active any more
				for waited := time.Duration(0); use() == nil; waited += 100 * time.Millisecond {
					if waited > loadTimeout+2*probeInterval {
						t.Fatalf("still answered from memory after %v", waited)
					}
					time.Sleep(100 * time.Millisecond)
				}
				if !d.Stale().IsZero() {
					t.Error("stale though the database answers")
				}
				heard.mu.Lock()
				defer heard.mu.Unlock()
				if n := len(heard.said); n != 2 || heard.said[1] != said+": <nil>" {
					t.Errorf("told %q", heard.said)
				}
			})
		})
	}
}

// A database that is there is asked, whatever happened a while ago.
func TestNotStaleWhileTheDatabaseIsThere(t *testing.T) {
	failing(t, Options{}, func(t *testing.T, s *faulty, d *Directory, _ *told) {
		use := func() error { return second(d.User(t.Context(), "ann")) }
		if err := use(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(old)
		s.refuses.Store(true)
		if err := use(); err != nil {
			t.Fatal(err)
		}
		s.refuses.Store(false)
		s.do(func() { s.users["ann"] = store.User{ID: "ann"} })
		time.Sleep(awayMemory + time.Millisecond)
		if err := use(); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("nobody had asked for a moment: %v", err)
		}
	})
}

func TestGraceEnds(t *testing.T) {
	for name, c := range map[string]struct {
		grace      time.Duration
		last, over time.Duration
	}{
		"default": {0, 40*time.Second + 10*time.Minute - time.Second, 40*time.Second + 10*time.Minute + time.Second},
		"minute":  {time.Minute, 99 * time.Second, 101 * time.Second},
		"none":    {-1, 39 * time.Second, 41 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			failing(t, Options{Grace: c.grace}, func(t *testing.T, s *faulty, d *Directory, _ *told) {
				use := func() error { return second(d.User(t.Context(), "ann")) }
				if err := use(); err != nil {
					t.Fatal(err)
				}
				s.refuses.Store(true)
				time.Sleep(c.last)
				if err := use(); err != nil {
					t.Errorf("after %v: %v", c.last, err)
				}
				time.Sleep(c.over - c.last)
				if err := use(); !errors.Is(err, store.ErrUnavailable) {
					t.Errorf("after %v: %v", c.over, err)
				}
			})
		})
	}
}

func TestExpiryIsExactThoughStale(t *testing.T) {
	failing(t, Options{Grace: time.Hour}, func(t *testing.T, s *faulty, d *Directory, _ *told) {
		ctx := t.Context()
		use := func() error { return second(d.Subscription(ctx, "ann")) }
		if err := use(); err != nil {
			t.Fatal(err)
		}
		if err := second(d.Caller(ctx, store.KeyPrefixTest+"b")); err != nil {
			t.Fatal(err)
		}
		s.refuses.Store(true)
		time.Sleep(10*time.Minute - time.Nanosecond)
		if err := second(d.Caller(ctx, store.KeyPrefixTest+"b")); err != nil {
			t.Errorf("a key before it expires: %v", err)
		}
		time.Sleep(time.Nanosecond)
		if err := second(d.Caller(ctx, store.KeyPrefixTest+"b")); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("a key at its expiry: %v", err)
		}
		time.Sleep(10*time.Minute - time.Nanosecond)
		if err := use(); err != nil {
			t.Errorf("a subscription before it expires: %v", err)
		}
		time.Sleep(time.Nanosecond)
		if err := use(); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("a subscription at its expiry: %v", err)
		}
	})
}

func TestAbsenceIsNotAnsweredStale(t *testing.T) {
	failing(t, Options{}, func(t *testing.T, s *faulty, d *Directory, _ *told) {
		for _, use := range []func() error{
			func() error { return second(d.User(t.Context(), "nobody")) },
			func() error { return second(d.Caller(t.Context(), unknownKey)) },
		} {
			if err := use(); !errors.Is(err, store.ErrNotFound) {
				t.Fatal(err)
			}
			s.refuses.Store(true)
			time.Sleep(old)
			if err := use(); !errors.Is(err, store.ErrUnavailable) {
				t.Errorf("old: %v", err)
			}
			s.refuses.Store(false)
		}
	})
}

// What is forgotten while the database is away is not answered, not even to those
// who were waiting for the database when it was forgotten.
func TestForgottenIsNotAnsweredStale(t *testing.T) {
	for name, forget := range map[string]func(d *Directory){
		"the user":   func(d *Directory) { d.ForgetUser("ann") },
		"everything": func(d *Directory) { d.ForgetAll() },
	} {
		t.Run(name, func(t *testing.T) {
			failing(t, Options{}, func(t *testing.T, s *faulty, d *Directory, _ *told) {
				use := func() error { return second(d.User(t.Context(), "ann")) }
				if err := use(); err != nil {
					t.Fatal(err)
				}
				time.Sleep(old)
				s.hangs.Store(true)
				var wg sync.WaitGroup
				for range 5 {
					wg.Go(func() {
						if err := use(); !errors.Is(err, store.ErrUnavailable) {
							t.Errorf("who waited while it was forgotten: %v", err)
						}
					})
				}
				synctest.Wait()
				time.Sleep(patience / 2)
				forget(d)
				wg.Wait()
				if err := use(); !errors.Is(err, store.ErrUnavailable) {
					t.Errorf("afterwards: %v", err)
				}
				s.hangs.Store(false)
				if err := use(); err != nil {
					t.Errorf("when the database is back: %v", err)
				}
			})
		})
	}
}

// An error that does not mean that the database is away reaches the caller.
func TestDefectIsNotAnsweredStale(t *testing.T) {
	failing(t, Options{}, func(t *testing.T, s *faulty, d *Directory, _ *told) {
		use := func() error { return second(d.User(t.Context(), "ann")) }
		if err := use(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(old)
		defect := errors.New("syntax error")
		s.err.Store(&defect)
		if err := use(); !errors.Is(err, defect) {
			t.Errorf("%v", err)
		}
		s.err.Store(nil)
		if err := use(); err != nil {
			t.Errorf("when it is mended: %v", err)
		}
	})
}
