package ratelimittest

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/genfity/wa-gateway/ratelimit"
)

func (s *suite) concurrent() {
	const callers, calls = 16, 25
	limit := s.limit(100)
	if s.real() {
		limit.Window = time.Hour // none may leave while the calls are made
	}
	var accepted, returned atomic.Int64
	var wg sync.WaitGroup
	for caller := range callers {
		wg.Go(func() {
			for call := range calls {
				n := 1 + (caller+call)%3
				d, err := s.Limiter.Take(context.Background(), s.key, n, limit)
				switch {
				case err != nil:
					s.Errorf("Take: %v", err)
				case d.Allowed && d.Cost != n:
					s.Errorf("Cost is %d, want %d", d.Cost, n)
				case d.Allowed && call%5 == 0:
					if err := s.Limiter.Return(context.Background(), s.key, d); err != nil {
						s.Errorf("Return: %v", err)
					}
					returned.Add(int64(n))
				case d.Allowed:
					accepted.Add(int64(n))
				case d.Remaining >= n:
					s.Errorf("refused %d with %d remaining", n, d.Remaining)
				}
			}
		})
	}
	wg.Wait()
	left := limit.Messages - int(accepted.Load())
	s.Logf("%d accepted, %d more were given back", accepted.Load(), returned.Load())
	s.allowed(0, limit, left)
	if left > 0 {
		s.allowed(left, limit, 0)
	}
	s.refused(1, limit, limit.Window)
}

// concurrentWindows calls without a pause for several windows. Each accepted
// call lies between two moments that were read around it; if more of them than
// the limit lie wholly within one window, that is a breach whatever the delays.
func (s *suite) concurrentWindows() {
	limit := ratelimit.Limit{Messages: 20, Window: s.window / 6}
	const callers = 8
	var clock func() time.Duration
	step := func() {}
	if s.real() {
		start := time.Now()
		clock = func() time.Duration { return time.Since(start) }
	} else {
		// The callers move the fake clock; their own reading of it is ahead or
		// behind by no more than the steps under way.
		var mu sync.Mutex
		var now time.Duration
		clock = func() time.Duration { mu.Lock(); defer mu.Unlock(); return now }
		step = func() { mu.Lock(); defer mu.Unlock(); s.Advance(limit.Window / 200); now += limit.Window / 200 }
	}
	type span struct{ before, after time.Duration }
	spans := make([][]span, callers)
	var accepted atomic.Int64
	var wg sync.WaitGroup
	for caller := range callers {
		wg.Go(func() {
			// For five windows, and on a busy machine until there is something
			// to judge.
			for clock() < 5*limit.Window || accepted.Load() < int64(2*limit.Messages) && clock() < 200*limit.Window {
				step()
				before := clock()
				d, err := s.Limiter.Take(context.Background(), s.key, 1, limit)
				if err != nil {
					s.Errorf("Take: %v", err)
					return
				}
				if d.Allowed {
					accepted.Add(1)
					spans[caller] = append(spans[caller], span{before, clock()})
				}
			}
		})
	}
	wg.Wait()
	var all []span
	for _, list := range spans {
		all = append(all, list...)
	}
	if len(all) < 2*limit.Messages {
		s.Errorf("only %d calls were accepted in 200 windows of %d", len(all), limit.Messages)
	}
	for _, first := range all {
		within := 0
		for _, other := range all {
			if other.before >= first.before && other.after < first.before+limit.Window {
				within++
			}
		}
		if within > limit.Messages {
			s.Fatalf("%d messages were accepted within %v, the limit is %d", within, limit.Window, limit.Messages)
		}
	}
}
