package directory

import (
	"context"
	"sync"
	"time"

	"github.com/genfity/wa-gateway/store"
)

const (
	// changesWindow is how far back each look at the changes goes. A change that is
	// committed late is still within it.
	changesWindow = time.Minute
	// maxBlind is how much time may lie between two looks without anything having
	// been missed. The rest of the window is for transactions that take long.
	maxBlind = changesWindow / 2
	// maxWatchWait is how long Watch waits at most before it tries again.
	maxWatchWait = 10 * time.Second
	// watchTimeout bounds one of its calls.
	watchTimeout = 5 * time.Second
)

// Watch forgets what others change in the database, other gateways and the
// operator's commands, within about a second, and writes down every
// LastUseInterval when keys were last used. It returns when ctx ends, and not
// before: what goes wrong is tried again, and told to Options.Trouble. Changes that
// the gateway's own tables do not tell of, because another application made them,
// are seen when the entries expire.
func (d *Directory) Watch(ctx context.Context) {
	var flushes sync.WaitGroup
	defer flushes.Wait()
	flushes.Go(func() {
		d.repeat(ctx, "remember when keys were used", LastUseInterval, d.FlushUsed)
	})
	d.repeat(ctx, "read the changes", d.interval, (&watcher{directory: d, began: time.Now()}).look)
}

// repeat calls do in intervals, longer ones while it fails.
func (d *Directory) repeat(ctx context.Context, doing string, interval time.Duration, do func(context.Context) error) {
	failing := false
	wait := interval
	timer := time.NewTimer(wait)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		err := within(ctx, watchTimeout, do)
		switch {
		case ctx.Err() != nil:
			return
		case err == nil:
			wait = interval
		default:
			wait = max(interval, min(2*wait, maxWatchWait))
		}
		if (err != nil) != failing {
			failing = err != nil
			d.trouble(doing, err)
		}
		timer.Reset(wait)
	}
}

func within(ctx context.Context, timeout time.Duration, do func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	return do(ctx)
}

// watcher follows the changes.
type watcher struct {
	directory *Directory
	// began is when the last look that succeeded began.
	began time.Time
	// seen are the changes that it showed. Those that have left the window since
	// do not come back.
	seen map[int64]struct{}
}

func (w *watcher) look(ctx context.Context) error {
	began := time.Now()
	changes, err := w.directory.source.Changes(ctx, changesWindow)
	if err != nil {
		return err
	}
	w.directory.outage.reached()
	switch {
	case w.mayMiss(changes):
		w.directory.ForgetAll()
	case since(w.began, began) > maxBlind:
		// The database was away, and may be so again in a moment: callers stay known
		// for their time of grace.
		w.directory.doubtAll()
		fallthrough
	default:
		for i := range changes {
			if _, known := w.seen[changes[i].ID]; !known {
				w.directory.forget(changes[i])
			}
		}
	}
	w.began = began
	w.seen = make(map[int64]struct{}, len(changes))
	for i := range changes {
		w.seen[changes[i].ID] = struct{}{}
	}
	return nil
}

// since is the time between two moments, by the wall clock as well: the other one
// stands still while a machine sleeps.
func since(a, b time.Time) time.Duration {
	return max(b.Sub(a), b.Round(0).Sub(a.Round(0)))
}

// mayMiss tells whether there may be more changes than those: the answer is as
// long as it can be, and does not reach back to what was seen before.
func (w *watcher) mayMiss(changes []store.Change) bool {
	if len(changes) < store.MaxChanges {
		return false
	}
	_, known := w.seen[changes[len(changes)-1].ID]
	return !known
}

func (d *Directory) forget(c store.Change) {
	switch c.Kind {
	case store.ChangeKey:
		d.ForgetKey(c.Key)
	case store.ChangeUser:
		d.ForgetUser(c.Key)
	case store.ChangeSession:
		d.ForgetSession(c.Key)
	default:
		d.ForgetAll()
	}
}
