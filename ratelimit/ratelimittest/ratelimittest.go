// Package ratelimittest holds the tests that every [ratelimit.Limiter] has to
// pass. Call [Run] from a test of your implementation, and [RunModel] too if its
// clock can be replaced.
package ratelimittest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/genfity/wa-gateway/ratelimit"
)

// Tick is the step in time that a limiter must be able to tell apart, for
// windows up to half an hour.
const Tick = time.Microsecond

// Harness is a limiter to be tested and the time that it lives in.
type Harness struct {
	// Limiter is the limiter, empty or with keys of others. The suite does not
	// close it.
	Limiter ratelimit.Limiter
	// Advance lets time pass on the limiter's clock, which must stand still
	// otherwise, and count in whole ticks. nil means that the limiter's clock
	// is a real one: the suite sleeps then, and allows for delays.
	Advance func(d time.Duration)
}

// Run tests a limiter. open is called once per subtest and returns one that is
// ready to use; it registers its own cleanup.
func Run(t *testing.T, open func(t *testing.T) Harness) {
	tests := []struct {
		name string
		run  func(s *suite)
	}{
		{"accepts up to the limit", (*suite).fill},
		{"a message leaves at the end of its window", (*suite).halfOpen},
		{"each message leaves at its own time", (*suite).slides},
		{"refused calls do not count", (*suite).refusedCountNothing},
		{"all messages of a call or none", (*suite).costs},
		{"a call of nothing tells the state", (*suite).peek},
		{"calls that no waiting helps", (*suite).invalid},
		{"keys do not share", (*suite).keys},
		{"return", (*suite).returns},
		{"return nothing", (*suite).returnsNothing},
		{"the limit is lowered and raised", (*suite).changedLimit},
		{"the window is shortened and lengthened", (*suite).changedWindow},
		{"two limits on one key", (*suite).twoLimits},
		{"concurrent calls", (*suite).concurrent},
		{"concurrent calls over several windows", (*suite).concurrentWindows},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			h := open(t)
			s := &suite{T: t, Harness: h, window: time.Minute, key: uniqueKey(test.name)}
			if h.Advance == nil {
				t.Parallel() // most of the time is spent asleep
				s.window = 2400 * time.Millisecond
			}
			test.run(s)
		})
	}
}

// RunClosed tests a limiter that was closed.
func RunClosed(t *testing.T, l ratelimit.Limiter) {
	t.Helper()
	ctx := context.Background()
	limit := ratelimit.Limit{Messages: 5, Window: time.Minute}
	if err := l.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
	if _, err := l.Take(ctx, "closed", 1, limit); !errors.Is(err, ratelimit.ErrClosed) {
		t.Errorf("Take after Close: got error %v, want ErrClosed", err)
	}
	if err := l.Return(ctx, "closed", ratelimit.Decision{Allowed: true, Cost: 1, Stamp: 1}); !errors.Is(err, ratelimit.ErrClosed) {
		t.Errorf("Return after Close: got error %v, want ErrClosed", err)
	}
	if err := l.Close(); err != nil {
		t.Errorf("Close again: %v", err)
	}
}

var unique atomic.Int64

// uniqueKey is a key that no other test uses, in this process or another.
func uniqueKey(name string) string {
	return fmt.Sprintf("%s/%x/%d", strings.ReplaceAll(name, " ", "-"), time.Now().UnixNano(), unique.Add(1))
}

// suite is one test under way.
type suite struct {
	*testing.T
	Harness
	window time.Duration
	key    string
}

func (s *suite) limit(messages int) ratelimit.Limit {
	return ratelimit.Limit{Messages: messages, Window: s.window}
}

func (s *suite) real() bool { return s.Advance == nil }

// pass lets at least d go by; exactly d on a fake clock.
func (s *suite) pass(d time.Duration) {
	if s.real() {
		time.Sleep(d + time.Millisecond)
		return
	}
	s.Advance(d)
}

func (s *suite) take(n int, limit ratelimit.Limit) ratelimit.Decision {
	s.Helper()
	return s.takeKey(s.key, n, limit)
}

func (s *suite) takeKey(key string, n int, limit ratelimit.Limit) ratelimit.Decision {
	s.Helper()
	d, err := s.Limiter.Take(context.Background(), key, n, limit)
	if err != nil {
		s.Fatalf("Take of %d: %v", n, err)
	}
	if d.Limit != limit {
		s.Errorf("the decision names the limit %v, want %v", d.Limit, limit)
	}
	if d.Allowed && d.RetryAfter != 0 {
		s.Errorf("allowed, but RetryAfter is %v", d.RetryAfter)
	}
	if !d.Allowed && d.RetryAfter <= 0 {
		s.Errorf("refused, but RetryAfter is %v", d.RetryAfter)
	}
	if !d.Allowed && n > 0 && d.Reset > d.RetryAfter {
		s.Errorf("Reset %v is after RetryAfter %v", d.Reset, d.RetryAfter)
	}
	return d
}

// allowed takes n and wants them accepted with remaining left over.
func (s *suite) allowed(n int, limit ratelimit.Limit, remaining int) ratelimit.Decision {
	s.Helper()
	d := s.take(n, limit)
	if !d.Allowed || d.Remaining != remaining {
		s.Fatalf("Take of %d under %v: allowed %v with %d remaining (retry after %v), want it allowed with %d", n, limit, d.Allowed, d.Remaining, d.RetryAfter, remaining)
	}
	return d
}

// refused takes n and wants that refused for the duration given: exactly on a
// fake clock, at most (but for rounding) on a real one.
func (s *suite) refused(n int, limit ratelimit.Limit, retry time.Duration) ratelimit.Decision {
	s.Helper()
	d := s.take(n, limit)
	if d.Allowed {
		s.Fatalf("Take of %d under %v: allowed with %d remaining, want it refused", n, limit, d.Remaining)
	}
	s.lasts("RetryAfter", d.RetryAfter, retry)
	return d
}

func (s *suite) lasts(what string, got, want time.Duration) {
	s.Helper()
	if s.real() && got <= want+2*Tick {
		return
	}
	if got != want {
		s.Fatalf("%s: got %v, want %v", what, got, want)
	}
}

func (s *suite) fill() {
	limit := s.limit(5)
	for left := 4; left >= 0; left-- {
		d := s.allowed(1, limit, left)
		s.lasts("Reset", d.Reset, s.window)
	}
	d := s.refused(1, limit, s.window)
	if d.Remaining != 0 {
		s.Errorf("refused with %d remaining", d.Remaining)
	}
	s.lasts("Reset", d.Reset, d.RetryAfter)
	s.pass(s.window)
	s.allowed(1, s.limit(1), 0)
}

func (s *suite) halfOpen() {
	limit := s.limit(1)
	s.allowed(1, limit, 0)
	d := s.refused(1, limit, s.window)
	if !s.real() {
		s.pass(d.RetryAfter - Tick)
		s.refused(1, limit, Tick)
		s.pass(Tick)
	} else {
		s.pass(d.RetryAfter)
	}
	s.allowed(1, limit, 0)
	s.refused(1, limit, s.window)
}

func (s *suite) slides() {
	limit := s.limit(3)
	step := s.window / 4
	for left := 2; left >= 0; left-- {
		s.allowed(1, limit, left)
		s.pass(step)
	}
	// One message leaves with each step from now on, none in between.
	if s.real() {
		step = s.window // delays make the gaps larger than they were meant to be
	}
	for range 3 {
		d := s.refused(1, limit, step)
		s.pass(d.RetryAfter)
		s.allowed(1, limit, 0)
	}
}

func (s *suite) refusedCountNothing() {
	limit := s.limit(2)
	s.allowed(2, limit, 0)
	s.pass(s.window / 2)
	for range 20 {
		s.refused(1, limit, s.window/2)
	}
	d := s.refused(2, limit, s.window/2)
	s.pass(d.RetryAfter)
	s.allowed(2, limit, 0)
}

func (s *suite) costs() {
	limit := s.limit(10)
	s.allowed(4, limit, 6)
	s.pass(s.window / 4)
	s.allowed(3, limit, 3)

	// 3 are free. 4 to 7 wait for the first call's messages, 8 to 10 for the second's.
	s.allowed(0, limit, 3)
	for n, retry := range map[int]time.Duration{4: s.window * 3 / 4, 7: s.window * 3 / 4, 8: s.window, 10: s.window} {
		d := s.refused(n, limit, retry)
		if d.Remaining != 3 {
			s.Errorf("a refused call of %d took something: %d remaining, want 3", n, d.Remaining)
		}
		s.lasts("Reset", d.Reset, s.window*3/4)
	}
	s.allowed(3, limit, 0)
	s.pass(s.take(4, limit).RetryAfter)
	if s.real() { // the others may have left in the meantime
		return
	}
	s.refused(5, limit, s.window/4)
	s.allowed(4, limit, 0)
}

func (s *suite) peek() {
	limit := s.limit(2)
	d := s.allowed(0, limit, 2)
	if d.Reset != 0 || d.Cost != 0 {
		s.Errorf("nothing is remembered, but got %+v", d)
	}
	s.allowed(1, limit, 1)
	for range 5 {
		d = s.allowed(0, limit, 1)
		s.lasts("Reset", d.Reset, s.window)
	}
	s.allowed(1, limit, 0)
	s.allowed(0, limit, 0)
}

func (s *suite) invalid() {
	ctx := context.Background()
	limit := s.limit(3)
	for _, n := range []int{4, 1000} {
		if d, err := s.Limiter.Take(ctx, s.key, n, limit); !errors.Is(err, ratelimit.ErrTooMany) || d.Allowed || d.Limit != limit {
			s.Errorf("Take of %d of 3: got %+v and error %v, want ErrTooMany", n, d, err)
		}
	}
	if _, err := s.Limiter.Take(ctx, s.key, 1, s.limit(0)); !errors.Is(err, ratelimit.ErrTooMany) {
		s.Errorf("Take of 1 of 0: got error %v, want ErrTooMany", err)
	}
	for _, bad := range []ratelimit.Limit{
		{}, {Messages: 1}, {Messages: -1, Window: s.window}, {Messages: 1, Window: -s.window},
		{Messages: 1, Window: ratelimit.MaxWindow + 1}, {Messages: ratelimit.MaxMessages + 1, Window: s.window},
	} {
		if d, err := s.Limiter.Take(ctx, s.key, 1, bad); err == nil || d.Allowed {
			s.Errorf("Take under %v: got %+v, want an error", bad, d)
		}
	}
	if d, err := s.Limiter.Take(ctx, s.key, -1, limit); err == nil || d.Allowed {
		s.Errorf("Take of -1: got %+v, want an error", d)
	}
	s.allowed(3, limit, 0) // nothing of that was counted
}

func (s *suite) keys() {
	limit := s.limit(1)
	for _, suffix := range []string{
		"", "a", "A", "a ", "{a}", "a\x00", "a\r\nb", "*", "ключ", "\xff\xfe", strings.Repeat("long", 500),
	} {
		key := s.key + suffix
		if d := s.takeKey(key, 1, limit); !d.Allowed {
			s.Errorf("key with %q: refused by another key's message", suffix)
		}
		if d := s.takeKey(key, 1, limit); d.Allowed {
			s.Errorf("key with %q: not remembered", suffix)
		}
	}
}

func (s *suite) giveBack(d ratelimit.Decision) {
	s.Helper()
	if err := s.Limiter.Return(context.Background(), s.key, d); err != nil {
		s.Fatalf("Return: %v", err)
	}
}

func (s *suite) returns() {
	limit := s.limit(6)
	var ds []ratelimit.Decision
	for _, n := range []int{1, 2, 3} {
		ds = append(ds, s.take(n, limit))
		s.pass(s.window / 10)
	}
	s.giveBack(ds[1]) // from the middle
	s.allowed(0, limit, 2)
	s.giveBack(ds[0]) // the oldest
	d := s.allowed(0, limit, 3)
	s.lasts("Reset", d.Reset, s.window*9/10)
	s.giveBack(ds[2]) // the newest, and the last
	d = s.allowed(0, limit, 6)
	if d.Reset != 0 {
		s.Errorf("Reset is %v with nothing remembered", d.Reset)
	}
	s.allowed(6, limit, 0)
	s.refused(1, limit, s.window)

	// The newest of two, so that the older one is the newest again.
	s.key += "-newest"
	first := s.allowed(1, limit, 5)
	s.pass(s.window / 10)
	s.giveBack(s.allowed(5, limit, 0))
	d = s.allowed(0, limit, 5)
	s.lasts("Reset", d.Reset, s.window*9/10)
	s.giveBack(first)
	s.allowed(6, limit, 0)

	// Some of many that were accepted at the same moment.
	s.key += "-many"
	first = s.take(2, limit)
	s.take(2, limit)
	s.giveBack(first)
	s.allowed(0, limit, 4)
}

func (s *suite) returnsNothing() {
	limit := s.limit(2)
	s.giveBack(ratelimit.Decision{})
	s.giveBack(ratelimit.Decision{Allowed: true, Limit: limit, Cost: 1, Stamp: 1}) // an unknown key
	s.giveBack(s.allowed(0, limit, 2))
	s.allowed(2, limit, 0)
	s.giveBack(s.take(1, limit)) // refused
	s.giveBack(ratelimit.Decision{Allowed: true, Limit: limit, Cost: 2, Stamp: 1})
	s.refused(1, limit, s.window)

	// Messages that left the window do not take others with them.
	s.key += "-left"
	old := s.allowed(2, limit, 0)
	s.pass(s.window)
	s.allowed(1, limit, 1)
	s.giveBack(old)
	s.allowed(0, limit, 1)
}

func (s *suite) changedLimit() {
	s.allowed(4, s.limit(5), 1)
	s.pass(s.window / 4)
	s.allowed(1, s.limit(5), 0)
	s.allowed(3, s.limit(8), 0)

	// 8 are remembered. Under a limit of 3, one place comes free when 6 have left.
	d := s.refused(1, s.limit(3), s.window)
	s.lasts("Reset", d.Reset, s.window)
	if d.Remaining != 0 {
		s.Errorf("%d remaining under a lowered limit", d.Remaining)
	}
	s.refused(0, s.limit(3), s.window)
	s.refused(1, s.limit(5), s.window*3/4)
	s.allowed(2, s.limit(10), 0)
}

func (s *suite) changedWindow() {
	long, short := s.limit(4), ratelimit.Limit{Messages: 4, Window: s.window / 4}
	s.allowed(2, long, 2)
	s.pass(s.window / 4)
	s.allowed(4, short, 0) // those of the long window have left the short one
	s.refused(1, short, s.window/4)
	// but are still in the long one
	d := s.refused(1, long, s.window)
	s.lasts("Reset", d.Reset, s.window)
	if s.real() {
		return
	}
	s.pass(s.window / 4)
	s.allowed(4, short, 0)
	s.refused(4, long, s.window)
	s.refused(1, ratelimit.Limit{Messages: 4, Window: 2 * s.window}, 2*s.window)
	s.pass(s.window)
	s.allowed(4, long, 0)
}

func (s *suite) twoLimits() {
	// As on two nodes of which one has a new configuration already.
	long, short := s.limit(6), ratelimit.Limit{Messages: 3, Window: s.window / 6}
	if s.real() {
		short.Messages = 2
		s.allowed(2, long, 4)
		s.pass(short.Window)
		s.allowed(2, short, 0)
		s.allowed(2, long, 0)
		s.refused(1, long, s.window)
		return
	}
	s.allowed(3, long, 3)
	s.pass(short.Window)
	s.allowed(3, short, 0)
	s.refused(1, long, s.window*5/6)
	s.pass(short.Window)
	s.allowed(3, short, 0)
	s.refused(1, long, s.window*5/6)
	s.pass(short.Window)
	s.allowed(1, short, 2)
	s.refused(1, long, s.window*4/6)
	s.refused(6, long, s.window)
}

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
	var wg sync.WaitGroup
	for caller := range callers {
		wg.Go(func() {
			for clock() < 5*limit.Window {
				step()
				before := clock()
				d, err := s.Limiter.Take(context.Background(), s.key, 1, limit)
				if err != nil {
					s.Errorf("Take: %v", err)
					return
				}
				if d.Allowed {
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
		s.Errorf("only %d calls were accepted in 5 windows of %d", len(all), limit.Messages)
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
