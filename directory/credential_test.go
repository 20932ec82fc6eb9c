package directory

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/genfity/wa-gateway/store"
)

func TestLimitsOfAKey(t *testing.T) {
	at(t, func(t *testing.T, s *source, d *Directory) {
		caller := func(k store.APIKey) *Caller {
			t.Helper()
			k.ID, k.UserID, k.Mode = "k1", "ann", "live"
			s.do(func() { s.keys[store.HashKey(liveKey)] = k })
			d.ForgetKey(store.HashKey(liveKey))
			c, err := d.Caller(t.Context(), liveKey)
			if err != nil {
				t.Fatal(err)
			}
			return c
		}
		addr := netip.MustParseAddr
		free := caller(store.APIKey{})
		if free.KeyID != "k1" || !free.MayUse(store.KeyScopeSend) || !free.MayUseSession("any") || !free.MayComeFrom(addr("203.0.113.1")) || !free.MayComeFrom(netip.Addr{}) {
			t.Errorf("a key without limits: %+v", free)
		}
		c := caller(store.APIKey{
			Scopes: store.Words{"read", "send"}, Sessions: store.Words{"s1", "s2"},
			Addresses: store.Words{"10.0.0.0/8", "203.0.113.7", "2001:db8::/32"},
		})
		for scope, want := range map[string]bool{"send": true, "read": true, "sessions": false, "": false} {
			if c.MayUse(scope) != want {
				t.Errorf("scope %q: %v", scope, !want)
			}
		}
		for id, want := range map[string]bool{"s1": true, "s2": true, "s3": false, "": false, "s": false} {
			if c.MayUseSession(id) != want {
				t.Errorf("session %q: %v", id, !want)
			}
		}
		for text, want := range map[string]bool{
			"10.255.0.1": true, "::ffff:10.1.2.3": true, "203.0.113.7": true, "2001:db8::1": true, "2001:db8::1%eth0": true,
			"11.0.0.1": false, "203.0.113.8": false, "2001:db9::1": false, "::a00:1": false, "::ffff:203.0.113.8": false,
		} {
			if c.MayComeFrom(addr(text)) != want {
				t.Errorf("from %s: %v", text, !want)
			}
		}
		if c.MayComeFrom(netip.Addr{}) {
			t.Error("from nowhere")
		}
		if c := caller(store.APIKey{Addresses: store.Words{"somewhere"}}); c.MayComeFrom(addr("10.0.0.1")) {
			t.Error("a list that cannot be read became no limit")
		}
	})
}

func TestUnknownKeysAreBelievedUnknown(t *testing.T) {
	at(t, func(t *testing.T, s *source, d *Directory) {
		for secret, loads := range map[string]int64{
			unknownKey:                      1, // over one TTL
			store.KeyPrefixLive + "revoked": 1,
			"not of ours":                   2 * 5, // two tables, each time the absence is over
		} {
			before := s.calls.Load()
			for range 29 {
				if _, err := d.Caller(t.Context(), secret); !errors.Is(err, store.ErrNotFound) {
					t.Fatal(err)
				}
				time.Sleep(time.Second)
				synctest.Wait()
			}
			if n := s.calls.Load() - before; n < loads || n > loads+2 {
				t.Errorf("%s: %d look-ups, want %d", secret, n, loads)
			}
		}
	})
}

// Guesses wait for each other, and not in the way of known callers.
func TestGuessingStarvesNobody(t *testing.T) {
	at(t, func(t *testing.T, s *source, d *Directory) {
		if _, err := d.Caller(t.Context(), liveKey); err != nil {
			t.Fatal(err)
		}
		time.Sleep(20 * time.Second) // its refresh is due
		slow := &guarded{source: s, hold: make(chan struct{})}
		d.source = slow
		var wg sync.WaitGroup
		for i := range 100 {
			wg.Go(func() { _, _ = d.Caller(t.Context(), fmt.Sprintf("%s%d", unknownKey, i)) })
		}
		synctest.Wait()
		if n := slow.most(); n != maxCredentialLoads {
			t.Errorf("%d look-ups of guesses at once", n)
		}
		if _, err := d.Session(t.Context(), "ann", "s-ann"); err != nil {
			t.Error(err)
		}
		if _, err := d.Caller(t.Context(), liveKey); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		if n := slow.most(); n != maxCredentialLoads+1 {
			t.Errorf("%d look-ups: the refresh of a known key waits for guesses", n)
		}
		close(slow.hold)
		wg.Wait()
	})
}

// guarded holds back the look-ups of keys, and counts those that began.
type guarded struct {
	*source
	hold  chan struct{}
	began int
}

func (g *guarded) most() (n int) {
	g.do(func() { n = g.began })
	return n
}

func (g *guarded) KeyByHash(ctx context.Context, hash string) (*store.APIKey, error) {
	g.do(func() { g.began++ })
	<-g.hold
	return g.source.KeyByHash(ctx, hash)
}
