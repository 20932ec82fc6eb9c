package ratelimittest

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/genfity/wa-gateway/ratelimit"
)

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
