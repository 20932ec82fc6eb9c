package directory

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/genfity/wa-gateway/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// source counts the calls that reach the database.
type source struct {
	calls atomic.Int64
	err   atomic.Pointer[error]
	hold  chan struct{} // closed, or nil: calls return at once

	mu            sync.Mutex
	users         map[string]store.User
	byAPIKey      map[string]string
	tokens        map[string]store.UserSession
	keys          map[string]store.APIKey
	sessions      map[string]store.Session
	links         map[string]store.SessionLink
	subscriptions map[string][]store.Subscription
	changes       []store.Change
	blind         error // of Changes
	looks         int
	touched       map[string]time.Time
	touchErr      error
}

func (s *source) call() error {
	s.calls.Add(1)
	if s.hold != nil {
		<-s.hold
	}
	if err := s.err.Load(); err != nil {
		return *err
	}
	return nil
}

func look[V any](s *source, m map[string]V, key string) (*V, error) {
	if err := s.call(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	v, ok := m[key]
	if !ok {
		return nil, store.ErrNotFound
	}
	return &v, nil
}

func (s *source) User(_ context.Context, id string) (*store.User, error) { return look(s, s.users, id) }

func (s *source) UserByAPIKey(ctx context.Context, value string) (*store.User, error) {
	id, err := look(s, s.byAPIKey, value)
	if err != nil {
		return nil, err
	}
	return s.User(ctx, *id)
}

func (s *source) UserBySessionToken(ctx context.Context, token string) (*store.User, *store.UserSession, error) {
	t, err := look(s, s.tokens, token)
	if err != nil {
		return nil, nil, err
	}
	u, err := s.User(ctx, t.UserID)
	return u, t, err
}

func (s *source) KeyByHash(_ context.Context, hash string) (*store.APIKey, error) {
	return look(s, s.keys, hash)
}

func (s *source) Session(_ context.Context, id string) (*store.Session, error) {
	return look(s, s.sessions, id)
}

func (s *source) Link(_ context.Context, id string) (*store.SessionLink, error) {
	return look(s, s.links, id)
}

func (s *source) SubscriptionsOf(_ context.Context, userID string) ([]store.Subscription, error) {
	list, err := look(s, s.subscriptions, userID)
	if err != nil {
		return nil, err
	}
	return *list, nil
}

// Changes answers even while other calls are held: they are other connections.
func (s *source) Changes(context.Context, time.Duration) ([]store.Change, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.looks++
	return slices.Clone(s.changes), s.blind
}

func (s *source) TouchKeys(_ context.Context, used map[string]time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.touchErr != nil {
		return s.touchErr
	}
	s.touched = used
	return nil
}

// do changes what the source holds.
func (s *source) do(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

func pointer[T any](v T) *T { return &v }

func newSource() *source {
	now := time.Now()
	const live, test = store.KeyPrefixLive + "a", store.KeyPrefixTest + "b"
	return &source{
		users: map[string]store.User{
			"ann": {ID: "ann", IsActive: true}, "bob": {ID: "bob", IsActive: true}, "off": {ID: "off"},
		},
		byAPIKey: map[string]string{"column-key": "ann", "off-key": "off"},
		tokens: map[string]store.UserSession{
			"token": {UserID: "bob", ExpiresAt: store.UTC(now.Add(10 * time.Minute))},
		},
		keys: map[string]store.APIKey{
			store.HashKey(live):                            {ID: "k1", UserID: "ann", Mode: store.KeyModeLive},
			store.HashKey(test):                            {ID: "k2", UserID: "ann", Mode: store.KeyModeTest, ExpiresAt: pointer(now.Add(10 * time.Minute))},
			store.HashKey(store.KeyPrefixLive + "revoked"): {ID: "k3", UserID: "ann", RevokedAt: &now},
		},
		sessions: map[string]store.Session{
			"s-ann": {SessionID: "s-ann", UserID: pointer("ann")}, "nobody": {SessionID: "nobody"},
		},
		subscriptions: map[string][]store.Subscription{
			"ann": {
				{ID: "1", Status: "active", ExpiredAt: store.UTC(now.Add(10 * time.Minute))},
				{ID: "2", Status: "active", ExpiredAt: store.UTC(now.Add(20 * time.Minute))},
				{ID: "3", Status: "failed", ExpiredAt: store.UTC(now.Add(90 * time.Minute))},
			},
			"bob": {{ID: "4", Status: "active", ExpiredAt: store.UTC(now.Add(-time.Second))}},
		},
	}
}

// at runs a test on synthetic time, which otter's clock follows as well.
func at(t *testing.T, f func(t *testing.T, s *source, d *Directory)) {
	synctest.Test(t, func(t *testing.T) {
		s := newSource()
		d := New(Options{Source: s})
		defer func() {
			d.Close()
			synctest.Wait()
		}()
		f(t, s, d)
	})
}

func TestCredentials(t *testing.T) {
	at(t, func(t *testing.T, _ *source, d *Directory) {
		for secret, want := range map[string]struct {
			user string
			mode Mode
		}{
			store.KeyPrefixLive + "a":       {"ann", ModeLive},
			store.KeyPrefixTest + "b":       {"ann", ModeTest},
			"column-key":                    {"ann", ModeLive},
			"token":                         {"bob", ModeLive},
			store.KeyPrefixLive + "revoked": {},
			store.KeyPrefixLive + "unknown": {},
			"off-key":                       {},
			"unknown":                       {},
			"":                              {},
		} {
			caller, err := d.Caller(t.Context(), secret)
			switch {
			case want.user == "":
				if !errors.Is(err, store.ErrNotFound) {
					t.Errorf("%s: %v, %v", secret, caller, err)
				}
			case err != nil || caller.User.ID != want.user || caller.Mode != want.mode:
				t.Errorf("%s: %+v, %v", secret, caller, err)
			}
		}
	})
}

func TestExpiryIsExactThoughCached(t *testing.T) {
	at(t, func(t *testing.T, s *source, d *Directory) {
		ctx := t.Context()
		time.Sleep(10*time.Minute - 2*time.Second)
		for _, secret := range []string{"token", store.KeyPrefixTest + "b"} {
			if _, err := d.Caller(ctx, secret); err != nil {
				t.Fatalf("%s before it expires: %v", secret, err)
			}
		}
		if sub, err := d.Subscription(ctx, "ann"); err != nil || sub.ID != "2" {
			t.Fatalf("before any expires: %+v, %v", sub, err)
		}
		time.Sleep(2 * time.Second)
		for _, secret := range []string{"token", store.KeyPrefixTest + "b"} {
			if _, err := d.Caller(ctx, secret); !errors.Is(err, store.ErrNotFound) {
				t.Fatalf("%s at the moment of its expiry: %v", secret, err)
			}
		}
		time.Sleep(10*time.Minute - time.Nanosecond)
		if _, err := d.Subscription(ctx, "ann"); err != nil {
			t.Fatal(err)
		}
		before := s.calls.Load()
		time.Sleep(time.Nanosecond)
		if _, err := d.Subscription(ctx, "ann"); !errors.Is(err, store.ErrNotFound) {
			t.Fatalf("at the moment of expiry: %v", err)
		}
		if s.calls.Load() != before {
			t.Error("expiry was found by asking the database")
		}
		if _, err := d.Subscription(ctx, "bob"); !errors.Is(err, store.ErrNotFound) {
			t.Fatalf("expired: %v", err)
		}
	})
}

func TestTenantsAreKeptApart(t *testing.T) {
	at(t, func(t *testing.T, _ *source, d *Directory) {
		if _, err := d.Session(t.Context(), "ann", "s-ann"); err != nil {
			t.Fatal(err)
		}
		for _, c := range [][2]string{{"bob", "s-ann"}, {"ann", "nobody"}, {"ann", "unknown"}, {"", "nobody"}} {
			if _, err := d.Session(t.Context(), c[0], c[1]); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("%v: %v", c, err)
			}
		}
	})
}

func TestKnownCallerCostsNoDatabaseCall(t *testing.T) {
	at(t, func(t *testing.T, s *source, d *Directory) {
		use := func() {
			if _, err := d.Caller(t.Context(), "column-key"); err != nil {
				t.Fatal(err)
			}
			if _, err := d.Session(t.Context(), "ann", "s-ann"); err != nil {
				t.Fatal(err)
			}
			if _, err := d.Subscription(t.Context(), "ann"); err != nil {
				t.Fatal(err)
			}
		}
		use()
		synctest.Wait()
		// A database that does not answer any more shows whether anybody waits
		// for it: refreshes in the background may, callers may not.
		away := fmt.Errorf("%w", store.ErrUnavailable)
		s.err.Store(&away)
		for range 2 {
			time.Sleep(29 * time.Second / 2)
			use()
			synctest.Wait()
		}
		s.err.Store(nil)
		time.Sleep(time.Second)
		use() // refreshes in the background
		synctest.Wait()
		s.err.Store(&away)
		time.Sleep(30 * time.Second)
		use()
		time.Sleep(11 * time.Minute)
		if _, err := d.Session(t.Context(), "ann", "s-ann"); !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("long after the last answer of the database: %v", err)
		}
	})
}

func TestOneLoadPerKey(t *testing.T) {
	at(t, func(t *testing.T, s *source, d *Directory) {
		s.hold = make(chan struct{})
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() {
				if _, err := d.User(t.Context(), "ann"); err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		close(s.hold)
		wg.Wait()
		if n := s.calls.Load(); n != 1 {
			t.Errorf("%d loads", n)
		}
	})
}

func TestAbsenceIsRemembered(t *testing.T) {
	at(t, func(t *testing.T, s *source, d *Directory) {
		for range 100 {
			if _, err := d.Session(t.Context(), "ann", "new"); !errors.Is(err, store.ErrNotFound) {
				t.Fatal(err)
			}
		}
		if n := s.calls.Load(); n != 1 {
			t.Errorf("%d loads for a session that does not exist", n)
		}
		s.mu.Lock()
		s.sessions["new"] = store.Session{SessionID: "new", UserID: pointer("ann")}
		s.mu.Unlock()
		time.Sleep(negativeTTL + time.Millisecond)
		if _, err := d.Session(t.Context(), "ann", "new"); err != nil {
			t.Errorf("after the absence was forgotten: %v", err)
		}
	})
}

func TestForget(t *testing.T) {
	at(t, func(t *testing.T, s *source, d *Directory) {
		if _, err := d.Session(t.Context(), "ann", "s-ann"); err != nil {
			t.Fatal(err)
		}
		s.mu.Lock()
		delete(s.sessions, "s-ann")
		s.mu.Unlock()
		d.ForgetSession("s-ann")
		if _, err := d.Session(t.Context(), "ann", "s-ann"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("a removed session: %v", err)
		}
	})
}

func TestCallerWhoGoesAwayFailsNobody(t *testing.T) {
	at(t, func(t *testing.T, s *source, d *Directory) {
		s.hold = make(chan struct{})
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { _, _ = d.User(ctx, "ann") })
		synctest.Wait()
		wg.Go(func() {
			if _, err := d.User(t.Context(), "ann"); err != nil {
				t.Errorf("the one who waited: %v", err)
			}
		})
		synctest.Wait()
		cancel()
		close(s.hold)
		wg.Wait()
	})
}

func TestFailureIsNotRemembered(t *testing.T) {
	at(t, func(t *testing.T, s *source, d *Directory) {
		away := fmt.Errorf("%w", store.ErrUnavailable)
		s.err.Store(&away)
		if _, err := d.Caller(t.Context(), "column-key"); !errors.Is(err, store.ErrUnavailable) {
			t.Fatal(err)
		}
		s.err.Store(nil)
		if _, err := d.Caller(t.Context(), "column-key"); err != nil {
			t.Errorf("after the database came back: %v", err)
		}
	})
}
