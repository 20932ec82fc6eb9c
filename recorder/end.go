package recorder

import (
	"time"

	"go.uber.org/zap"
)

// over reports whether run may end. r.mu is held.
func (r *Recorder[T, R]) over(now time.Time) bool {
	if !r.closing || r.waiting > 0 || r.spooling > 0 || r.held > 0 {
		return false
	}
	if r.breaker.away {
		// All that is left is on disk. The next gateway need not look there, so
		// whether the database is back is asked once more.
		return !now.Before(r.lastTry) || len(r.inflight) == 0 && len(r.loaded) == 0 && !r.unread
	}
	if len(r.inflight) > 0 || r.burying {
		return false
	}
	if now.Before(r.readAt) || now.Before(r.lettersAt) {
		return true
	}
	return len(r.loaded) == 0 && !r.unread && len(r.letters) == 0
}

// shelter brings into the journal what it did not take when it was told: while
// the database is away, memory is no safe place.
func (r *Recorder[T, R]) shelter(now time.Time) {
	if r.opts.Journal == nil || now.Before(r.shelterAt) {
		return
	}
	for {
		r.mu.Lock()
		n := min(len(r.memory), r.opts.MaxBatch)
		if n == 0 || !r.breaker.away && r.ctx.Err() == nil {
			r.mu.Unlock()
			return
		}
		var b batch[T, R]
		r.memory = b.load(r.memory, n)
		r.mu.Unlock()

		err := r.journal(SourceOutcome, b.items)
		r.mu.Lock()
		if err != nil {
			r.memory = append(b.entries, r.memory...)
			r.shelterAt = now.Add(shelterInterval)
			r.mu.Unlock()
			return
		}
		r.held -= n
		r.mu.Unlock()
	}
}

// abandon ends what is left when run ends.
func (r *Recorder[T, R]) abandon() {
	r.cancel()
	r.workers.Wait()
	r.acknowledge()
	r.shelterAt = time.Time{}
	r.shelter(time.Now())
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range r.calls {
		if !c.ended {
			r.end(c, ErrClosed)
		}
	}
	r.calls = nil
	for _, t := range []struct {
		what *throttle
		text string
	}{{&r.refusals, "more was told that was not counted"}, {&r.poisonings, "more was told that cannot be recorded"}} {
		if t.what.count > 0 {
			r.opts.Logger.Warn(t.text, zap.Int("count", t.what.count))
		}
	}
}
