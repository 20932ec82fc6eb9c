package directory

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/maypok86/otter/v2"

	"github.com/genfity/wa-gateway/store"
)

const (
	// maxLoads bounds the database calls that the directory makes at once.
	maxLoads = 32
	// loadTimeout bounds one of them. A load serves everybody who waits for the
	// key, so it does not end with the request that happened to start it.
	loadTimeout = 5 * time.Second
	// negativeTTL is how long the absence of a thing is believed. It is short,
	// since people create a session and use it at once.
	negativeTTL = 5 * time.Second
)

// found is a cache entry: a value, or nil for a thing that does not exist.
type found[V any] struct{ value *V }

// cache holds values by key: bounded, with negative entries, one load per key
// however many wait for it, refreshed in the background while it is used.
type cache[K comparable, V any] struct {
	entries *otter.Cache[K, found[V]]
	loads   chan struct{}
}

func newCache[K comparable, V any](o Options, loads chan struct{}) *cache[K, V] {
	// A refresh starts when an entry older than a third of the TTL is asked for.
	// With the expiry that much later, whoever was seen within the TTL is
	// answered from memory.
	refresh := o.TTL / 3
	return &cache[K, V]{
		loads: loads,
		entries: otter.Must(&otter.Options[K, found[V]]{
			MaximumSize: o.Size,
			ExpiryCalculator: otter.ExpiryWritingFunc(func(e otter.Entry[K, found[V]]) time.Duration {
				if e.Value.value == nil {
					return min(negativeTTL, o.TTL)
				}
				return o.TTL + refresh
			}),
			RefreshCalculator: otter.RefreshWriting[K, found[V]](refresh),
			Logger:            silent{},
		}),
	}
}

// get returns the value of key, loading it when it is not there. The error is
// store.ErrNotFound, or that of the load, which is not remembered.
func (c *cache[K, V]) get(ctx context.Context, key K, load func(context.Context) (*V, error)) (*V, error) {
	if entry, ok := c.entries.GetIfPresent(key); ok && entry.value == nil {
		return nil, store.ErrNotFound
	}
	entry, err := c.entries.Get(ctx, key, otter.LoaderFunc[K, found[V]](func(ctx context.Context, _ K) (found[V], error) {
		return c.load(ctx, load)
	}))
	if err != nil {
		return nil, err
	}
	if entry.value == nil {
		return nil, store.ErrNotFound
	}
	return entry.value, nil
}

func (c *cache[K, V]) load(ctx context.Context, load func(context.Context) (*V, error)) (found[V], error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), loadTimeout)
	defer cancel()
	select {
	case c.loads <- struct{}{}:
		defer func() { <-c.loads }()
	case <-ctx.Done():
		return found[V]{}, fmt.Errorf("%w: too many look-ups at once", store.ErrUnavailable)
	}
	value, err := load(ctx)
	switch {
	case err == nil:
		return found[V]{value: value}, nil
	case errors.Is(err, store.ErrNotFound):
		return found[V]{}, nil
	default:
		return found[V]{}, err
	}
}

func (c *cache[K, V]) forget(key K) { c.entries.Invalidate(key) }

func (c *cache[K, V]) close() {
	c.entries.InvalidateAll()
	c.entries.StopAllGoroutines()
}

// silent drops the cache's own log of failed refreshes: the value in hand is
// good until it expires, and then the failure reaches the caller.
type silent struct{}

func (silent) Warn(context.Context, string, error)  {}
func (silent) Error(context.Context, string, error) {}
