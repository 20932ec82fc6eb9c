package directory

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/maypok86/otter/v2"

	"github.com/genfity/wa-gateway/store"
)

const (
	// maxLoads bounds the database calls that the directory makes at once, and
	// maxCredentialLoads those about credentials that it does not know: whoever
	// guesses keys waits for others who do, and for nobody else.
	maxLoads           = 32
	maxCredentialLoads = 8
	// loadTimeout bounds one of them. A load serves everybody who waits for the
	// key, so it does not end with the request that happened to start it.
	loadTimeout = 5 * time.Second
	// negativeTTL is how long the absence of a thing is believed. It is short,
	// since people create a session and use it at once.
	negativeTTL = 5 * time.Second
)

// neverRefresh is for what nobody asks the database about again before it expires.
const neverRefresh = 1000 * time.Hour

// found is a cache entry: a value, or nil for a thing that does not exist.
type found[V any] struct {
	value *V
	// lasting: the thing cannot come to be without our hearing of it, so its
	// absence is believed as long as a value is.
	lasting bool
	// era is how often everything had been forgotten when the load began.
	era uint64
}

// errLasting is a store.ErrNotFound whose absence lasts.
var errLasting = fmt.Errorf("%w for good", store.ErrNotFound)

// cache holds values by key: bounded, with negative entries, one load per key
// however many wait for it, refreshed in the background while it is used.
//
// A load that began before its key was forgotten is not kept, since it may have
// read the database before the change that the forgetting is about: its waiters
// are given what another load finds. The entries do so for a single key. For all
// keys at once they would miss the loads of keys that they do not hold yet, which
// is what the eras are for.
type cache[K comparable, V any] struct {
	entries *otter.Cache[K, found[V]]
	era     atomic.Uint64

	loads     chan struct{} // bounds the loads
	refreshes chan struct{} // and those of values that are known already
}

func newCache[K comparable, V any](o Options, loads, refreshes chan struct{}) *cache[K, V] {
	// A refresh starts when an entry older than a third of the TTL is asked for.
	// With the expiry that much later, whoever was seen within the TTL is
	// answered from memory.
	refresh := o.TTL / 3
	return &cache[K, V]{
		loads:     loads,
		refreshes: refreshes,
		entries: otter.Must(&otter.Options[K, found[V]]{
			MaximumSize: o.Size,
			ExpiryCalculator: otter.ExpiryWritingFunc(func(e otter.Entry[K, found[V]]) time.Duration {
				switch {
				case e.Value.value != nil:
					return o.TTL + refresh
				case e.Value.lasting:
					return o.TTL
				default:
					return min(negativeTTL, o.TTL)
				}
			}),
			RefreshCalculator: otter.RefreshWritingFunc(func(e otter.Entry[K, found[V]]) time.Duration {
				if e.Value.value == nil {
					return neverRefresh
				}
				return refresh
			}),
			Logger: silent{},
		}),
	}
}

// get returns the value of key, loading it when it is not there. The error is
// store.ErrNotFound, or that of the load, which is not remembered.
func (c *cache[K, V]) get(ctx context.Context, key K, load func(context.Context) (*V, error)) (*V, error) {
	for {
		entry, err := c.entries.Get(ctx, key, loader[K, V]{c, load})
		switch {
		case err != nil:
			return nil, err
		case entry.era != c.era.Load():
			// Each time around, everything was forgotten once more.
			c.entries.Invalidate(key)
		case entry.value == nil:
			return nil, store.ErrNotFound
		default:
			return entry.value, nil
		}
	}
}

// loader is one call's way to load a key.
type loader[K comparable, V any] struct {
	cache *cache[K, V]
	load  func(context.Context) (*V, error)
}

// Load implements otter.Loader.
func (l loader[K, V]) Load(ctx context.Context, _ K) (found[V], error) {
	return l.cache.load(ctx, l.cache.loads, l.load)
}

// Reload implements otter.Loader.
func (l loader[K, V]) Reload(ctx context.Context, _ K, _ found[V]) (found[V], error) {
	return l.cache.load(ctx, l.cache.refreshes, l.load)
}

func (c *cache[K, V]) load(ctx context.Context, slots chan struct{}, load func(context.Context) (*V, error)) (found[V], error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), loadTimeout)
	defer cancel()
	select {
	case slots <- struct{}{}:
		defer func() { <-slots }()
	case <-ctx.Done():
		return found[V]{}, fmt.Errorf("%w: too many look-ups at once", store.ErrUnavailable)
	}
	era := c.era.Load()
	value, err := load(ctx)
	switch {
	case err == nil:
		return found[V]{value: value, era: era}, nil
	case errors.Is(err, store.ErrNotFound):
		return found[V]{lasting: errors.Is(err, errLasting), era: era}, nil
	default:
		return found[V]{}, err
	}
}

func (c *cache[K, V]) forget(key K) { c.entries.Invalidate(key) }

// forgetAll forgets every key, and what is being loaded.
func (c *cache[K, V]) forgetAll() {
	c.era.Add(1)
	c.entries.InvalidateAll()
}

func (c *cache[K, V]) close() {
	c.entries.InvalidateAll()
	c.entries.StopAllGoroutines()
}

// silent drops the cache's own log of failed refreshes: the value in hand is
// good until it expires, and then the failure reaches the caller.
type silent struct{}

func (silent) Warn(context.Context, string, error)  {}
func (silent) Error(context.Context, string, error) {}
