// Package ratelimittest holds the tests that every [ratelimit.Limiter] has to
// pass. Call [Run] from a test of your implementation, and [RunModel] too if its
// clock can be replaced.
package ratelimittest

import (
	"context"
	"errors"
	"fmt"
	"strings"
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
