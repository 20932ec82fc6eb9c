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
	// era is how often everything had been forgotten when the load began, doubts how
	// often it had been doubted.
	era, doubts uint64
	// loaded is when the load of a value ended.
	loaded time.Time
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
//
// Values are held for the grace after their time, for answers while the database is
// away (see renew). What is forgotten is gone at once, so it is not among them.
type cache[K comparable, V any] struct {
	entries *otter.Cache[K, found[V]]
	era     atomic.Uint64
	doubts  atomic.Uint64

	fresh  time.Duration // how old a value is answered without asking
	grace  time.Duration // how much older while the database is away
	outage *outage

	loads     chan struct{} // bounds the loads
	refreshes chan struct{} // and those of values that are known already
}

func newCache[K comparable, V any](o Options, away *outage, loads, refreshes chan struct{}) *cache[K, V] {
	// A refresh starts when an entry older than a third of the TTL is asked for.
	// With the end of its time that much later, whoever was seen within the TTL is
	// answered from memory.
	refresh := o.TTL / 3
	return &cache[K, V]{
		fresh:     o.TTL + refresh,
		grace:     o.Grace,
		outage:    away,
		loads:     loads,
		refreshes: refreshes,
		entries: otter.Must(&otter.Options[K, found[V]]{
			MaximumSize: o.Size,
			ExpiryCalculator: otter.ExpiryWritingFunc(func(e otter.Entry[K, found[V]]) time.Duration {
				switch {
				case e.Value.value != nil:
					return o.TTL + refresh + o.Grace
				case e.Value.lasting:
					return o.TTL
				default:
					return min(negativeTTL, o.TTL)
				}
			}),
			RefreshCalculator: refreshing[K, V]{refresh},
			Logger:            silent{},
		}),
	}
}

// get returns the value of key, loading it when it is not there. The error is
// store.ErrNotFound, or that of the load, which is not remembered.
func (c *cache[K, V]) get(ctx context.Context, key K, load func(context.Context) (*V, error)) (*V, error) {
	// The usual case first, with one look at the clock, the cache's own.
	if e, ok := c.entries.GetEntry(key); ok && e.Value.value != nil && e.Value.era == c.era.Load() &&
		e.Value.doubts == c.doubts.Load() && e.SnapshotAtNano < e.RefreshableAtNano && e.ExpiresAtNano-e.SnapshotAtNano > int64(c.grace) {
		return e.Value.value, nil
	}
	var asked time.Time // when the value was found to be old
	for {
		entry, err := c.entries.Get(ctx, key, loader[K, V]{c, load})
		switch {
		case err != nil:
			return nil, err
		case entry.era != c.era.Load():
			// Each time around, everything was forgotten once more.
			c.entries.Invalidate(key)
			continue
		case entry.value == nil && entry.doubts != c.doubts.Load():
			c.entries.Invalidate(key)
			continue
		case entry.value == nil:
			return nil, store.ErrNotFound
		case time.Since(entry.loaded) <= c.fresh && entry.doubts == c.doubts.Load():
			return entry.value, nil
		case asked.IsZero():
			asked = time.Now()
		case !entry.loaded.Before(asked): // just loaded, though its time is short
			return entry.value, nil
		}
		switch old, err := c.renew(ctx, key, entry, loader[K, V]{c, load}); {
		case err != nil:
			return nil, err
		case old:
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
	return l.cache.load(ctx, l.cache.loads, always, l.load)
}

// Reload implements otter.Loader.
func (l loader[K, V]) Reload(ctx context.Context, _ K, _ found[V]) (found[V], error) {
	if l.cache.outage.closed() {
		return found[V]{}, errAway
	}
	return l.cache.load(ctx, l.cache.refreshes, l.cache.outage.mayAsk, l.load)
}

// always allows a load of what is not known.
func always() bool { return true }

// load loads a value when there is a slot for it and, by then, it may.
func (c *cache[K, V]) load(ctx context.Context, slots chan struct{}, may func() bool, load func(context.Context) (*V, error)) (found[V], error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), loadTimeout)
	defer cancel()
	select {
	case slots <- struct{}{}:
		defer func() { <-slots }()
	case <-ctx.Done():
		return found[V]{}, fmt.Errorf("%w: too many look-ups at once", store.ErrUnavailable)
	}
	if !may() {
		return found[V]{}, errAway
	}
	era, doubts, began := c.era.Load(), c.doubts.Load(), time.Now()
	value, err := load(ctx)
	ended := time.Now()
	switch {
	case err == nil:
		c.outage.answered(ended.Sub(began))
		return found[V]{value: value, era: era, doubts: doubts, loaded: ended}, nil
	case errors.Is(err, store.ErrNotFound):
		c.outage.answered(ended.Sub(began))
		return found[V]{lasting: errors.Is(err, errLasting), era: era, doubts: doubts}, nil
	case ctx.Err() != nil && !errors.Is(err, store.ErrUnavailable):
		err = fmt.Errorf("%w: %w", store.ErrUnavailable, err)
	}
	if errors.Is(err, store.ErrUnavailable) {
		c.outage.failed()
	}
	return found[V]{}, err
}

func (c *cache[K, V]) forget(key K) { c.entries.Invalidate(key) }

// forgetAll forgets every key, and what is being loaded.
func (c *cache[K, V]) forgetAll() {
	c.era.Add(1)
	c.entries.InvalidateAll()
}

// doubt has every key asked about anew, and what is being loaded. Old values are
// answered only where the database cannot be asked, as those are whose time is over.
func (c *cache[K, V]) doubt() { c.doubts.Add(1) }

func (c *cache[K, V]) close() {
	c.entries.InvalidateAll()
	c.entries.StopAllGoroutines()
}

// refreshing is when a used entry is loaded anew.
type refreshing[K comparable, V any] struct{ after time.Duration }

// RefreshAfterCreate implements otter.RefreshCalculator.
func (r refreshing[K, V]) RefreshAfterCreate(e otter.Entry[K, found[V]]) time.Duration {
	if e.Value.value == nil {
		return neverRefresh
	}
	return r.after
}

// RefreshAfterUpdate implements otter.RefreshCalculator.
func (r refreshing[K, V]) RefreshAfterUpdate(e otter.Entry[K, found[V]], _ found[V]) time.Duration {
	return r.RefreshAfterCreate(e)
}

// RefreshAfterReload implements otter.RefreshCalculator.
func (r refreshing[K, V]) RefreshAfterReload(e otter.Entry[K, found[V]], _ found[V]) time.Duration {
	return r.RefreshAfterCreate(e)
}

// RefreshAfterReloadFailure implements otter.RefreshCalculator.
func (r refreshing[K, V]) RefreshAfterReloadFailure(otter.Entry[K, found[V]], error) time.Duration {
	return min(r.after, probeInterval)
}

// silent drops the cache's own log of failed refreshes: the value in hand is
// good until it expires, and then the failure reaches the caller.
type silent struct{}

func (silent) Warn(context.Context, string, error)  {}
func (silent) Error(context.Context, string, error) {}
