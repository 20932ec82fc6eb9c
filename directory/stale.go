package directory

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/genfity/wa-gateway/store"
)

// errSlow is what an old answer is given for when the database hangs.
var errSlow = fmt.Errorf("%w: no answer within %v", store.ErrUnavailable, patience)

// renew loads a value that is too old to be answered without asking. It tells
// whether the old one may be answered in its place, because the database is away;
// if not, and there is no error, the cache is to be looked at again.
//
// While the database is believed to be away nobody waits: the cache itself has
// begun to load the value in the background if it may.
func (c *cache[K, V]) renew(ctx context.Context, key K, old found[V], l loader[K, V]) (answer bool, err error) {
	if since(old.loaded, time.Now()) > c.fresh+c.grace {
		// Its time is over, though by little, or only by the wall clock.
		c.entries.Invalidate(key)
		return false, nil
	}
	if c.outage.away() {
		c.outage.gaveOld(errAway)
		return true, nil
	}
	answers := c.outage.answers.Load()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case result := <-c.entries.Refresh(ctx, key, l):
		// The value itself is taken from the cache, where it is not if the key was
		// forgotten while it was loaded.
		if err = result.Err; err == nil || !errors.Is(err, store.ErrUnavailable) {
			return false, err
		}
	case <-timer.C:
		err = errSlow
		c.outage.waited(answers)
	case <-ctx.Done():
		return false, ctx.Err()
	}
	if !c.holds(key, old) {
		return false, nil
	}
	c.outage.gaveOld(err)
	return true, nil
}

// holds tells whether a value is still in the cache: neither forgotten meanwhile
// nor replaced by another.
func (c *cache[K, V]) holds(key K, old found[V]) bool {
	entry, ok := c.entries.GetEntryQuietly(key)
	return ok && entry.Value.value == old.value && old.era == c.era.Load()
}
