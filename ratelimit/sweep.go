package ratelimit

import (
	"math"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// sweepBatch is how many places for keys are looked at before the shard's lock is
	// offered to others.
	sweepBatch = 64
	// sweepSteps is how many parts a round over all shards is divided into, so
	// that its work is spread evenly over the round's time.
	sweepSteps = 16
	// Rounds take half of the shortest window, within these bounds.
	minSweepRound = 100 * time.Millisecond
	maxSweepRound = time.Minute
)

// sweeper frees the keys of a Memory that nobody uses any more.
type sweeper struct {
	// shortest is the shortest window among the keys, as far as known: what the
	// last round met, lowered by the keys that are new since it began (fresh).
	shortest atomic.Int64
	fresh    atomic.Int64
	lowered  chan struct{}
	end      chan struct{}
	ended    chan struct{}
	// mu keeps rounds apart: tests start some of their own.
	mu sync.Mutex
}

func (w *sweeper) start(m *Memory) {
	w.shortest.Store(math.MaxInt64)
	w.fresh.Store(math.MaxInt64)
	w.lowered = make(chan struct{}, 1)
	w.end, w.ended = make(chan struct{}), make(chan struct{})
	go w.run(m)
}

func (w *sweeper) stop() {
	close(w.end)
	<-w.ended
}

// saw makes rounds short enough for a key with this window.
func (w *sweeper) saw(window time.Duration) {
	lower(&w.fresh, int64(window))
	if lower(&w.shortest, int64(window)) {
		select {
		case w.lowered <- struct{}{}:
		default:
		}
	}
}

// lower sets v to to where that is lower, and reports whether it is.
func lower(v *atomic.Int64, to int64) bool {
	for {
		old := v.Load()
		if to >= old {
			return false
		}
		if v.CompareAndSwap(old, to) {
			return true
		}
	}
}

// pause is how long to wait between two of a round's steps.
func (w *sweeper) pause() time.Duration {
	round := time.Duration(w.shortest.Load()) / 2
	return min(max(round, minSweepRound), maxSweepRound) / sweepSteps
}

func (w *sweeper) run(m *Memory) {
	defer close(w.ended)
	timer := time.NewTimer(w.pause())
	defer timer.Stop()
	met := int64(math.MaxInt64)
	for step := 0; ; step = (step + 1) % sweepSteps {
		select {
		case <-w.end:
			return
		case <-w.lowered:
			timer.Reset(w.pause())
			step--
			continue
		case <-timer.C:
		}
		if step == 0 {
			w.shortest.Store(min(met, w.fresh.Swap(math.MaxInt64)))
			lower(&w.shortest, w.fresh.Load()) // a key that came in between
			met = math.MaxInt64
		}
		const part = shardCount / sweepSteps
		for i := step * part; i < (step+1)*part; i++ {
			met = min(met, m.sweep(&m.shards[i]))
		}
		timer.Reset(w.pause())
	}
}

// sweep frees the idle keys of one shard, and the memory that the others do not
// need. It returns the shortest window that it met, in nanoseconds.
func (m *Memory) sweep(s *shard) (shortest int64) {
	m.sweeper.mu.Lock()
	defer m.sweeper.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()

	shortest = math.MaxInt64
	t, now := &s.logs, m.now()
	for i, seen := 0, 1; i < len(t.slots); seen++ {
		switch l := t.slots[i].log; {
		case l == nil:
			i++
		case l.forget(now):
			shortest = min(shortest, l.keepWindow*int64(time.Microsecond))
			l.shrink()
			i++
		default:
			t.remove(i) // and look at what has moved to i
			m.keys.Add(-1)
		}
		if seen%sweepBatch == 0 {
			size := len(t.slots)
			s.mu.Unlock()
			runtime.Gosched()
			s.mu.Lock()
			now = m.now()
			if len(t.slots) != size { // it has grown, in the same order
				i = i * len(t.slots) / size
			}
		}
	}
	t.compact()
	return shortest
}
