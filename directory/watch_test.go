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

// told are what Options.Trouble was told.
type told struct {
	mu   sync.Mutex
	said []string
}

func (t *told) trouble(doing string, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.said = append(t.said, fmt.Sprintf("%s: %v", doing, err))
}

func (t *told) all() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return fmt.Sprint(t.said)
}

// watching runs a test on synthetic time, with Watch beside it.
func watching(t *testing.T, f func(t *testing.T, s *source, d *Directory, heard *told)) {
	synctest.Test(t, func(t *testing.T) {
		s, heard := newSource(), &told{}
		d := New(Options{Source: s, Trouble: heard.trouble})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			d.Watch(ctx)
		}()
		defer func() {
			cancel()
			<-done
			d.Close()
			synctest.Wait()
		}()
		time.Sleep(500 * time.Millisecond) // between two polls, from here on
		f(t, s, d, heard)
	})
}

// The secrets of newSource.
const (
	liveKey    = store.KeyPrefixLive + "a"
	unknownKey = store.KeyPrefixLive + "unknown"
)

func TestWatchForgets(t *testing.T) {
	watching(t, func(t *testing.T, s *source, d *Directory, _ *told) {
		ctx := t.Context()
		known := func() string {
			t.Helper()
			state := ""
			for _, try := range []struct {
				name string
				err  error
			}{
				{"key", second(d.Caller(ctx, liveKey))},
				{"new key", second(d.Caller(ctx, unknownKey))},
				{"column key", second(d.Caller(ctx, "column-key"))},
				{"session", second(d.Session(ctx, "ann", "s-ann"))},
				{"subscription", second(d.Subscription(ctx, "ann"))},
				{"bob", second(d.User(ctx, "bob"))},
			} {
				if try.err == nil {
					state += try.name + ", "
				} else if !errors.Is(try.err, store.ErrNotFound) {
					t.Fatal(try.err)
				}
			}
			return state
		}
		expect := func(when, want string) {
			t.Helper()
			if got := known(); got != want {
				t.Errorf("%s: known are %swant %s", when, got, want)
			}
		}
		const all = "key, column key, session, subscription, bob, "
		expect("at first", all)

		now := time.Now()
		s.do(func() {
			s.keys[store.HashKey(liveKey)] = store.APIKey{ID: "k1", UserID: "ann", Mode: "live", RevokedAt: &now}
			s.keys[store.HashKey(unknownKey)] = store.APIKey{ID: "k9", UserID: "ann", Mode: "live"}
			delete(s.sessions, "s-ann")
			s.subscriptions["ann"] = nil
			s.users["bob"] = store.User{ID: "bob"}
		})
		time.Sleep(100 * time.Millisecond)
		expect("changed, and nobody said so", all)
		s.do(func() {
			s.changes = []store.Change{{ID: 7, Kind: store.ChangeKey, Key: store.HashKey(liveKey)}}
		})
		time.Sleep(time.Second)
		expect("one poll after the key was revoked", "column key, session, subscription, bob, ")
		s.do(func() {
			s.changes = append([]store.Change{
				{ID: 12, Kind: store.ChangeUser, Key: "bob"},
				{ID: 11, Kind: store.ChangeSession, Key: "s-ann"},
				{ID: 10, Kind: store.ChangeKey, Key: store.HashKey(unknownKey)},
			}, s.changes...)
		})
		time.Sleep(time.Second)
		expect("the session is removed", "new key, column key, subscription, ")
		// Its transaction took longer than those after it.
		s.do(func() {
			s.changes = append(s.changes, store.Change{ID: 3, Kind: store.ChangeUser, Key: "ann"})
		})
		time.Sleep(time.Second)
		expect("a change with an earlier id", "new key, column key, ")

		// What was seen is not forgotten at every poll.
		before := s.calls.Load()
		for range 3 {
			time.Sleep(time.Second)
			known()
		}
		if n := s.calls.Load() - before; n != 0 {
			t.Errorf("%d look-ups though nothing changed", n)
		}
		s.do(func() {
			s.users["ann"] = store.User{ID: "ann"}
			s.changes = append(s.changes, store.Change{ID: 20, Kind: "of a later version", Key: "?"})
		})
		time.Sleep(time.Second)
		expect("a change of an unknown kind", "")
	})
}

func second[V any](_ V, err error) error { return err }

func TestWatchSurvivesADatabaseThatIsAway(t *testing.T) {
	watching(t, func(t *testing.T, s *source, d *Directory, heard *told) {
		user := func() *store.User {
			t.Helper()
			u, err := d.User(t.Context(), "ann")
			if err != nil {
				t.Fatal(err)
			}
			return u
		}
		away := fmt.Errorf("%w", store.ErrUnavailable)
		user()
		time.Sleep(time.Second)
		s.do(func() { s.blind, s.looks = away, 0 })
		time.Sleep(20 * time.Second)
		s.do(func() {
			s.blind = nil
			if s.looks > 6 {
				t.Errorf("%d looks in 20 s", s.looks)
			}
		})
		time.Sleep(10 * time.Second)
		before := s.calls.Load()
		user()
		synctest.Wait()
		if s.calls.Load() > before+1 { // the refresh of an entry that is in use
			t.Error("forgot though nothing can have been missed")
		}

		s.do(func() { s.blind = away })
		for range 12 { // the entry stays in use
			time.Sleep(5 * time.Second)
			user()
			synctest.Wait()
		}
		s.do(func() { s.blind = nil })
		first := user()
		time.Sleep(maxWatchWait + time.Second)
		if user() == first {
			t.Error("did not forget what may have changed unseen")
		}
		const want = "[read the changes: database unavailable read the changes: <nil>" +
			" read the changes: database unavailable read the changes: <nil>]"
		if got := heard.all(); got != want {
			t.Errorf("told %s", got)
		}
		s.do(func() { s.looks = 0 })
		time.Sleep(10 * time.Second)
		s.do(func() {
			if s.looks != 10 {
				t.Errorf("%d looks in 10 s when all is well again", s.looks)
			}
		})
	})
}

// A database that comes back for a moment after a long time, and is away again: who
// was known still is, for the time of grace; and once it can be asked, it is.
func TestWatchKeepsCallersOfAFlappingDatabase(t *testing.T) {
	watching(t, func(t *testing.T, s *source, d *Directory, _ *told) {
		away := fmt.Errorf("%w", store.ErrUnavailable)
		ask := func() error { return second(d.User(t.Context(), "ann")) }
		absent := func() error { return second(d.User(t.Context(), "nobody")) }
		if err := ask(); err != nil {
			t.Fatal(err)
		}
		s.err.Store(&away)
		s.do(func() { s.blind = away })
		time.Sleep(2 * time.Minute)
		s.do(func() { s.blind, s.looks = nil, 0 }) // one look gets through, and nothing else
		time.Sleep(maxWatchWait + time.Second)
		s.do(func() {
			if s.looks == 0 {
				t.Fatal("there was no look: the test shows nothing")
			}
		})
		if err := ask(); err != nil {
			t.Error("who was known is no longer:", err)
		}
		if err := absent(); !errors.Is(err, store.ErrUnavailable) {
			t.Error("what is not known was answered:", err)
		}
		s.err.Store(nil)
		s.do(func() { delete(s.users, "ann") })
		time.Sleep(awayMemory + time.Second)
		if err := ask(); !errors.Is(err, store.ErrNotFound) {
			t.Error("the database was not asked, though it could be:", err)
		}
	})
}

func TestMoreChangesThanCanBeRead(t *testing.T) {
	watching(t, func(t *testing.T, s *source, d *Directory, _ *told) {
		full := func(newest int64) (list []store.Change) {
			for id := newest; id > newest-store.MaxChanges; id-- {
				list = append(list, store.Change{ID: id, Kind: store.ChangeSession, Key: "another"})
			}
			return list
		}
		look := func() *store.User {
			t.Helper()
			u, err := d.User(t.Context(), "ann")
			if err != nil {
				t.Fatal(err)
			}
			return u
		}
		first := look()
		s.do(func() { s.changes = full(20_000) })
		time.Sleep(time.Second)
		then := look()
		if then == first {
			t.Error("there may be older changes that were not told")
		}
		s.do(func() { s.changes = full(20_005) })
		time.Sleep(time.Second)
		if look() != then {
			t.Error("forgot all though the changes reach back to those seen")
		}
	})
}

// A load that read the database before a change must not bring back what the
// change has made forgotten, neither in the cache nor for who waits for it.
func TestForgetDiscardsALoadInFlight(t *testing.T) {
	for name, forget := range map[string]func(d *Directory){
		"the user":   func(d *Directory) { d.ForgetUser("ann") },
		"everything": func(d *Directory) { d.ForgetAll() },
	} {
		t.Run(name, func(t *testing.T) {
			at(t, func(t *testing.T, s *source, d *Directory) {
				slow := &slowSource{source: s, entered: make(chan struct{}), leave: make(chan struct{})}
				d.source = slow
				var wg sync.WaitGroup
				for range 3 {
					wg.Go(func() {
						if _, err := d.User(t.Context(), "ann"); !errors.Is(err, store.ErrNotFound) {
							t.Errorf("who waited for the load that was overtaken: %v", err)
						}
					})
				}
				<-slow.entered // it has read that the user is active
				s.do(func() { s.users["ann"] = store.User{ID: "ann"} })
				forget(d)
				close(slow.leave)
				wg.Wait()
				if _, err := d.User(t.Context(), "ann"); !errors.Is(err, store.ErrNotFound) {
					t.Errorf("afterwards: %v", err)
				}
			})
		})
	}
}

// The same for the refresh of an entry that is there, and for credentials.
func TestForgetDiscardsARefreshInFlight(t *testing.T) {
	for name, forget := range map[string]func(d *Directory){
		"the key":     func(d *Directory) { d.ForgetKey(store.HashKey(liveKey)) },
		"credentials": func(d *Directory) { d.ForgetCredentials() },
		"no hash":     func(d *Directory) { d.ForgetKey("abc") },
	} {
		t.Run(name, func(t *testing.T) {
			at(t, func(t *testing.T, s *source, d *Directory) {
				use := func() error { return second(d.Caller(t.Context(), liveKey)) }
				if err := use(); err != nil {
					t.Fatal(err)
				}
				slow := &slowSource{source: s, entered: make(chan struct{}), leave: make(chan struct{})}
				d.source = slow
				time.Sleep(20 * time.Second)
				if err := use(); err != nil {
					t.Fatal(err)
				}
				<-slow.entered
				now := time.Now()
				s.do(func() { s.keys[store.HashKey(liveKey)] = store.APIKey{ID: "k1", UserID: "ann", RevokedAt: &now} })
				forget(d)
				if err := use(); !errors.Is(err, store.ErrNotFound) {
					t.Errorf("while the refresh still runs: %v", err)
				}
				close(slow.leave)
				synctest.Wait()
				if err := use(); !errors.Is(err, store.ErrNotFound) {
					t.Errorf("after the refresh: %v", err)
				}
			})
		})
	}
}

// slowSource holds its first answer back until it may leave.
type slowSource struct {
	*source
	entered, leave chan struct{}
	held           atomic.Bool
}

func (s *slowSource) wait() {
	if s.held.CompareAndSwap(false, true) {
		close(s.entered)
		<-s.leave
	}
}

func (s *slowSource) User(ctx context.Context, id string) (*store.User, error) {
	u, err := s.source.User(ctx, id)
	s.wait()
	return u, err
}

func (s *slowSource) KeyByHash(ctx context.Context, hash string) (*store.APIKey, error) {
	k, err := s.source.KeyByHash(ctx, hash)
	s.wait()
	return k, err
}
