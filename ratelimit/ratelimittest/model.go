package ratelimittest

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/genfity/wa-gateway/ratelimit"
	"pgregory.net/rapid"
)

// model is what a limiter has to do for one key, in the plainest way.
type model struct {
	now     time.Duration
	log     []time.Duration // when messages were accepted, oldest first
	longest time.Duration   // the longest window asked for since the log was empty
	largest int             // the largest limit asked for since then
}

// since is the part of the log that is younger than window.
func (m *model) since(window time.Duration) []time.Duration {
	for i, at := range m.log {
		if m.now < at+window {
			return m.log[i:]
		}
	}
	return nil
}

func (m *model) take(n int, limit ratelimit.Limit) ratelimit.Decision {
	m.log = m.since(m.longest)
	if len(m.log) == 0 {
		m.longest, m.largest = 0, 0
	}
	counted := m.since(limit.Window)
	if len(m.log) > 0 || n > 0 {
		m.longest, m.largest = max(m.longest, limit.Window), max(m.largest, limit.Messages)
	}

	d := ratelimit.Decision{Limit: limit, Remaining: max(0, limit.Messages-len(counted))}
	if over := len(counted) + n - limit.Messages; over > 0 {
		d.RetryAfter = counted[over-1] + limit.Window - m.now
		d.Reset = counted[max(0, len(counted)-limit.Messages)] + limit.Window - m.now
		return d
	}
	d.Allowed = true
	d.Remaining -= n
	m.log = slices.Clone(m.log)
	for range n {
		m.log = append(m.log, m.now)
	}
	for n > 0 && len(m.log) > m.largest && m.log[0]+limit.Window <= m.now {
		m.log = m.log[1:]
	}
	if counted = m.since(limit.Window); len(counted) > 0 {
		d.Reset = counted[0] + limit.Window - m.now
	}
	return d
}

// giveBack forgets up to n messages of the moment at: all of one moment are alike.
func (m *model) giveBack(at time.Duration, n int) {
	for ; n > 0; n-- {
		i := slices.Index(m.log, at)
		if i < 0 {
			return
		}
		m.log = slices.Delete(slices.Clone(m.log), i, i+1)
	}
}

// RunModel compares a limiter with a plain model of it over random calls: costs,
// returns, limits and windows that change from call to call, and times at which
// messages just have or just have not left. The harness needs a clock that can
// be advanced. open is called once.
func RunModel(t *testing.T, open func(t *testing.T) Harness) {
	h := open(t)
	if h.Advance == nil {
		t.Fatal("RunModel needs a harness whose clock can be advanced")
	}
	t.Run("one limit", func(t *testing.T) {
		rapid.Check(t, func(rt *rapid.T) {
			limit := drawLimit(rt)
			compare(rt, h, func(*rapid.T) ratelimit.Limit { return limit }, true)
		})
	})
	t.Run("changing limits", func(t *testing.T) {
		rapid.Check(t, func(rt *rapid.T) { compare(rt, h, drawLimit, false) })
	})
}

func drawLimit(rt *rapid.T) ratelimit.Limit {
	return ratelimit.Limit{
		Messages: rapid.OneOf(rapid.IntRange(1, 6), rapid.IntRange(1, 40)).Draw(rt, "messages"),
		Window: rapid.SampledFrom([]time.Duration{
			Tick, 5 * Tick, 40 * Tick, 1000 * Tick, time.Second, time.Minute,
		}).Draw(rt, "window"),
	}
}

// compare makes random calls of a limiter and of the model. With exact, the limit
// is always the same, and what was accepted is counted once more in every window.
func compare(rt *rapid.T, h Harness, draw func(*rapid.T) ratelimit.Limit, exact bool) {
	ctx := context.Background()
	key := uniqueKey("model")
	m := new(model)
	var last ratelimit.Limit

	type taken struct {
		at time.Duration
		d  ratelimit.Decision
	}
	var open []taken // accepted and not returned, oldest first

	take := func(n int, limit ratelimit.Limit) ratelimit.Decision {
		last = limit
		got, err := h.Limiter.Take(ctx, key, n, limit)
		if n > limit.Messages {
			if !errors.Is(err, ratelimit.ErrTooMany) {
				rt.Fatalf("Take of %d under %v: error %v, want ErrTooMany", n, limit, err)
			}
			return got
		}
		if err != nil {
			rt.Fatalf("Take of %d under %v: %v", n, limit, err)
		}
		want := m.take(n, limit)
		if got.Allowed {
			if got.Cost != n {
				rt.Fatalf("Cost is %d, want %d", got.Cost, n)
			}
			open = append(open, taken{m.now, got})
		}
		want.Stamp, want.Cost = got.Stamp, got.Cost
		if got != want {
			rt.Fatalf("at %v, Take of %d under %v:\n got %+v\nwant %+v", m.now, n, limit, got, want)
		}
		return got
	}
	advance := func(d time.Duration) {
		if d > 0 {
			h.Advance(d)
			m.now += d
		}
	}

	rt.Repeat(map[string]func(*rapid.T){
		"take": func(rt *rapid.T) {
			limit := draw(rt)
			take(rapid.OneOf(rapid.IntRange(0, 2), rapid.IntRange(0, limit.Messages+1)).Draw(rt, "n"), limit)
		},
		"fill": func(rt *rapid.T) {
			limit := draw(rt)
			if d := take(0, limit); d.Remaining > 0 {
				take(d.Remaining, limit)
			}
		},
		"retry": func(rt *rapid.T) {
			limit := draw(rt)
			n := rapid.IntRange(1, limit.Messages).Draw(rt, "n")
			d := take(n, limit)
			if d.Allowed {
				return
			}
			advance(d.RetryAfter - Tick)
			if d := take(n, limit); d.Allowed || d.RetryAfter != Tick {
				rt.Fatalf("%d under %v one tick before RetryAfter: %+v, want it refused for one more", n, limit, d)
			}
			advance(Tick)
			if d := take(n, limit); !d.Allowed {
				rt.Fatalf("%d under %v refused at RetryAfter for another %v", n, limit, d.RetryAfter)
			}
		},
		"wait": func(rt *rapid.T) {
			if last.Window == 0 {
				last.Window = Tick
			}
			part := rapid.IntRange(0, 110).Draw(rt, "percent of the window")
			advance((last.Window * time.Duration(part) / 100).Truncate(Tick))
		},
		"tick": func(*rapid.T) { advance(Tick) },
		"return": func(rt *rapid.T) {
			if len(open) == 0 {
				rt.Skip("nothing to return")
			}
			i := rapid.IntRange(0, len(open)-1).Draw(rt, "which")
			r := open[i]
			open = slices.Delete(open, i, i+1)
			if err := h.Limiter.Return(ctx, key, r.d); err != nil {
				rt.Fatalf("Return: %v", err)
			}
			m.giveBack(r.at, r.d.Cost)
		},
	})

	if !exact {
		return
	}
	for i, first := range open {
		within := 0
		for _, other := range open[i:] {
			if other.at < first.at+last.Window {
				within += other.d.Cost
			}
		}
		if within > last.Messages {
			rt.Fatalf("%d messages accepted within %v, the limit is %d", within, last.Window, last.Messages)
		}
	}
}
