package directory

import (
	"context"
	"sync"
	"time"
)

// LastUseInterval is how often Watch writes down when keys were last used.
const LastUseInterval = 30 * time.Second

// uses are the keys used since they were last written down: one entry for each
// key, however often it is used, and so many keys at most.
type uses struct {
	size int

	mu sync.Mutex
	at map[string]time.Time
}

// Used remembers that a key was used, by its id. The database hears of it from
// FlushUsed.
func (d *Directory) Used(keyID string, at time.Time) {
	if keyID != "" {
		d.uses.add(keyID, at)
	}
}

// FlushUsed writes to the database when keys were last used. Watch does so by
// itself; after it has ended, once more is up to the owner. What could not be
// written is kept for the next time.
func (d *Directory) FlushUsed(ctx context.Context) error {
	used := d.uses.take()
	if len(used) == 0 {
		return nil
	}
	err := d.source.TouchKeys(ctx, used)
	if err != nil {
		for keyID, at := range used {
			d.uses.add(keyID, at)
		}
	}
	return err
}

func (u *uses) add(keyID string, at time.Time) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.at == nil {
		u.at = map[string]time.Time{}
	}
	last, known := u.at[keyID]
	if known && !at.After(last) || !known && len(u.at) >= u.size {
		return
	}
	u.at[keyID] = at
}

func (u *uses) take() map[string]time.Time {
	u.mu.Lock()
	defer u.mu.Unlock()
	taken := u.at
	u.at = nil
	return taken
}
