package ratelimit_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/genfity/wa-gateway/ratelimit"
	"github.com/genfity/wa-gateway/ratelimit/ratelimittest"
	"go.uber.org/goleak"
	"pgregory.net/rapid"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fakeClock stands still unless told otherwise.
type fakeClock struct{ at atomic.Int64 }

func (c *fakeClock) now() time.Duration      { return time.Duration(c.at.Load()) }
func (c *fakeClock) advance(d time.Duration) { c.at.Add(int64(d)) }

func openMemory(t *testing.T) ratelimittest.Harness {
	clock := new(fakeClock)
	m := ratelimit.NewMemory(ratelimit.MemoryOptions{Now: clock.now})
	t.Cleanup(func() { _ = m.Close() })
	return ratelimittest.Harness{Limiter: m, Advance: clock.advance}
}

func TestMemory(t *testing.T) { ratelimittest.Run(t, openMemory) }

func TestMemoryOnTheRealClock(t *testing.T) {
	t.Parallel()
	ratelimittest.Run(t, func(t *testing.T) ratelimittest.Harness {
		m := ratelimit.NewMemory(ratelimit.MemoryOptions{})
		t.Cleanup(func() { _ = m.Close() })
		return ratelimittest.Harness{Limiter: m}
	})
}

func TestMemoryModel(t *testing.T) { ratelimittest.RunModel(t, openMemory) }

func TestMemoryClosed(t *testing.T) {
	m := ratelimit.NewMemory(ratelimit.MemoryOptions{})
	if _, err := m.Take(context.Background(), "k", 1, perMinute(1)); err != nil {
		t.Fatal(err)
	}
	ratelimittest.RunClosed(t, m)
	if n := m.Len(); n != 0 {
		t.Errorf("%d keys are held after Close", n)
	}
}

func perMinute(messages int) ratelimit.Limit {
	return ratelimit.Limit{Messages: messages, Window: time.Minute}
}

// TestMemoryLongWindows is about windows whose moments are stored in ticks of more
// than a microsecond, and about a clock that is read between two ticks: the limit
// must hold exactly, and RetryAfter be true and tight, to the nanosecond.
func TestMemoryLongWindows(t *testing.T) {
	windows := []time.Duration{
		time.Nanosecond, 1500 * time.Nanosecond, time.Minute, 35 * time.Minute, 36 * time.Minute, 2 * time.Hour,
		24 * time.Hour, 31 * 24 * time.Hour, 366 * 24 * time.Hour, ratelimit.MaxWindow,
	}
	rapid.Check(t, func(rt *rapid.T) {
		clock := new(fakeClock)
		m := ratelimit.NewMemory(ratelimit.MemoryOptions{Now: clock.now})
		defer m.Close()
		clock.advance(time.Duration(rapid.Int64Range(0, 1e17).Draw(rt, "start")))
		limit := ratelimit.Limit{Messages: rapid.IntRange(1, 5).Draw(rt, "messages")}
		limit.Window = rapid.SampledFrom(windows).Draw(rt, "window")
		tick := time.Microsecond
		for limit.Window/tick >= 1<<31 {
			tick *= 2
		}
		take := func(n int) ratelimit.Decision {
			d, err := m.Take(context.Background(), "k", n, limit)
			if err != nil {
				rt.Fatal(err)
			}
			return d
		}
		var accepted []time.Duration
		for range rapid.IntRange(1, 20).Draw(rt, "calls") {
			clock.advance(time.Duration(rapid.Int64Range(0, int64(limit.Window)/4).Draw(rt, "pause")))
			n := rapid.IntRange(1, limit.Messages).Draw(rt, "n")
			d := take(n)
			if !d.Allowed {
				oldest := accepted[len(accepted)-(limit.Messages-n+1)]
				if late := d.RetryAfter - (oldest + limit.Window - clock.now()); late < 0 || late > 2*tick+time.Microsecond {
					rt.Fatalf("RetryAfter is %v off with ticks of %v", late, tick)
				}
				clock.advance(d.RetryAfter - 1)
				if d := take(n); d.Allowed || d.RetryAfter != 1 {
					rt.Fatalf("1 ns before RetryAfter: %+v", d)
				}
				clock.advance(1)
				if d = take(n); !d.Allowed {
					rt.Fatalf("at RetryAfter: %+v", d)
				}
			}
			for range n {
				accepted = append(accepted, clock.now())
			}
			for i := len(accepted) - 1 - limit.Messages; i >= 0 && i >= len(accepted)-1-limit.Messages-n; i-- {
				if accepted[i+limit.Messages] < accepted[i]+limit.Window {
					rt.Fatalf("%d messages within %v", limit.Messages+1, accepted[i+limit.Messages]-accepted[i])
				}
			}
		}
	})
}

// A day's quota after a limit per minute makes the ticks longer while messages
// are remembered.
func TestMemoryWidens(t *testing.T) {
	ctx := context.Background()
	h := openMemory(t)
	day := ratelimit.Limit{Messages: 10, Window: 24 * time.Hour}
	take := func(n int, limit ratelimit.Limit) ratelimit.Decision {
		t.Helper()
		d, err := h.Limiter.Take(ctx, "k", n, limit)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	first := take(3, perMinute(100))
	h.Advance(time.Second + 7*time.Microsecond)
	second := take(4, perMinute(100))
	h.Advance(time.Second)
	if d := take(4, day); d.Allowed || d.Remaining != 3 {
		t.Fatalf("4 of 3: %+v", d)
	}
	if err := h.Limiter.Return(ctx, "k", second); err != nil {
		t.Fatal(err)
	}
	if d := take(0, day); d.Remaining != 7 {
		t.Errorf("%d remaining after a Return of 4, want 7", d.Remaining)
	}
	if err := h.Limiter.Return(ctx, "k", first); err != nil {
		t.Fatal(err)
	}
	if d := take(10, day); !d.Allowed {
		t.Errorf("not empty after the Return of all: %+v", d)
	}
}

func TestMemoryFreesIdleKeys(t *testing.T) {
	ctx := context.Background()
	clock := new(fakeClock)
	m := ratelimit.NewMemory(ratelimit.MemoryOptions{Now: clock.now})
	defer m.Close()
	const keys = 50_000
	for i := range keys {
		if _, err := m.Take(ctx, fmt.Sprint("idle", i), 1, perMinute(10)); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 100 {
		if _, err := m.Take(ctx, fmt.Sprint("daily", i), 1, ratelimit.Limit{Messages: 10, Window: 24 * time.Hour}); err != nil {
			t.Fatal(err)
		}
	}
	clock.advance(time.Minute - 1)
	m.Sweep()
	if n := m.Len(); n != keys+100 {
		t.Fatalf("%d keys before the end of their window, want %d", n, keys+100)
	}
	clock.advance(1)
	m.Sweep()
	if n := m.Len(); n != 100 {
		t.Fatalf("%d keys after their window, want the 100 with a longer one", n)
	}
	if n := m.Room(); n > 32*100 {
		t.Errorf("the tables still have room for %d keys", n)
	}
	for i := range 100 {
		d, err := m.Take(ctx, fmt.Sprint("daily", i), 0, ratelimit.Limit{Messages: 10, Window: 24 * time.Hour})
		if err != nil || d.Remaining != 9 {
			t.Fatalf("key with a longer window: %+v, %v", d, err)
		}
	}
}

// The background goroutine looks at all keys twice per shortest window, however
// the windows change.
func TestMemorySweepsInTime(t *testing.T) {
	ctx := context.Background()
	clock := new(fakeClock)
	m := ratelimit.NewMemory(ratelimit.MemoryOptions{Now: clock.now})
	defer m.Close()
	round := func() time.Duration { return m.SweepPause() * ratelimit.SweepSteps }
	if got := round(); got != time.Minute {
		t.Errorf("a round of nothing takes %v", got)
	}
	for _, window := range []time.Duration{time.Hour, time.Minute, 200 * time.Millisecond} {
		if _, err := m.Take(ctx, window.String(), 1, ratelimit.Limit{Messages: 1, Window: window}); err != nil {
			t.Fatal(err)
		}
		if got := round(); got > window/2 && got != time.Minute {
			t.Errorf("with a window of %v a round takes %v", window, got)
		}
	}
	// Real time: the goroutine frees what the fake clock lets expire.
	clock.advance(2 * time.Minute)
	wait(t, "the keys to be freed", func() bool { return m.Len() == 1 })
	wait(t, "rounds to get longer again", func() bool { return round() == time.Minute })
}

// wait polls until done is true.
func wait(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

func TestMemorySweepBesideCalls(t *testing.T) {
	ctx := context.Background()
	m := ratelimit.NewMemory(ratelimit.MemoryOptions{})
	defer m.Close()
	limit := ratelimit.Limit{Messages: 3, Window: time.Millisecond}
	var done atomic.Bool
	swept := make(chan struct{})
	go func() {
		defer close(swept)
		for !done.Load() {
			m.Sweep()
		}
	}()
	for i := range 50_000 {
		key := fmt.Sprint(i % 5000)
		d, err := m.Take(ctx, key, 1, limit)
		if err != nil {
			t.Fatal(err)
		}
		if i%3 == 0 {
			if err := m.Return(ctx, key, d); err != nil {
				t.Fatal(err)
			}
		}
	}
	done.Store(true)
	<-swept
	time.Sleep(2 * limit.Window)
	m.Sweep()
	if n := m.Len(); n != 0 {
		t.Errorf("%d keys are left, want none", n)
	}
}

func TestMemoryMaxKeys(t *testing.T) {
	ctx := context.Background()
	clock := new(fakeClock)
	m := ratelimit.NewMemory(ratelimit.MemoryOptions{Now: clock.now, MaxKeys: 2})
	defer m.Close()
	for _, key := range []string{"a", "b", "a"} {
		if _, err := m.Take(ctx, key, 1, perMinute(5)); err != nil {
			t.Fatal(err)
		}
	}
	if d, err := m.Take(ctx, "c", 1, perMinute(5)); !errors.Is(err, ratelimit.ErrFull) || d.Allowed {
		t.Fatalf("a third key: %+v, %v; want ErrFull", d, err)
	}
	if d, err := m.Take(ctx, "c", 0, perMinute(5)); err != nil || d.Remaining != 5 {
		t.Errorf("asking about a third key: %+v, %v", d, err)
	}
	clock.advance(time.Minute)
	m.Sweep()
	if _, err := m.Take(ctx, "c", 1, perMinute(5)); err != nil {
		t.Errorf("after the others were freed: %v", err)
	}
}

func TestMemoryDoesNotAllocate(t *testing.T) {
	ctx := context.Background()
	clock := new(fakeClock)
	m := ratelimit.NewMemory(ratelimit.MemoryOptions{Now: clock.now})
	defer m.Close()
	limit := perMinute(100)
	take := func() {
		clock.advance(limit.Window / 100)
		if d, err := m.Take(ctx, "k", 1, limit); err != nil || !d.Allowed {
			t.Fatalf("%+v, %v", d, err)
		}
	}
	for range 1000 {
		take()
	}
	if n := testing.AllocsPerRun(10_000, take); n != 0 {
		t.Errorf("%v allocations per accepted call of a known key, want none", n)
	}
}

// heap is how much memory is in use.
func heap() int64 {
	runtime.GC()
	runtime.GC()
	var s runtime.MemStats
	runtime.ReadMemStats(&s)
	return int64(s.HeapAlloc)
}

// footprint fills a limiter and tells what its keys and further messages cost.
func footprint(t testing.TB, keys, messages int) (m *ratelimit.Memory, clock *fakeClock, bytes int64) {
	ctx := context.Background()
	clock = new(fakeClock)
	m = ratelimit.NewMemory(ratelimit.MemoryOptions{Now: clock.now})
	names := benchKeys(keys)
	before := heap()
	for range messages {
		for _, key := range names {
			if d, err := m.Take(ctx, key, 1, perMinute(1000)); err != nil || !d.Allowed {
				t.Fatalf("%+v, %v", d, err)
			}
		}
		clock.advance(time.Millisecond)
	}
	bytes = heap() - before
	runtime.KeepAlive(names)
	return m, clock, bytes
}

// Issue: a million keys with 5 messages each take less than 200 MB, a message at
// most 8 bytes, and all of it is freed within two windows.
func TestMemoryFootprint(t *testing.T) {
	const keys = 30_000
	m, clock, few := footprint(t, keys, 5)
	defer m.Close()
	if perKey := few / keys; perKey > 200 {
		t.Errorf("a key with 5 messages takes %d bytes, want at most 200", perKey)
	} else {
		t.Logf("a key with 5 messages takes %d bytes", perKey)
	}
	clock.advance(time.Minute)
	before := heap()
	m.Sweep()
	if freed := before - heap(); freed < few*9/10 {
		t.Errorf("%d of %d bytes were freed", freed, few)
	}

	one, _, least := footprint(t, 400, 1)
	defer one.Close()
	for _, messages := range []int{20, 50, 100, 333} {
		m, _, all := footprint(t, 400, messages)
		perMessage := float64(all-least) / float64(400*(messages-1))
		if t.Logf("%d messages per key: %.1f bytes each", messages, perMessage); perMessage > 8 {
			t.Errorf("with %d messages per key, each takes %.1f bytes, want at most 8", messages, perMessage)
		}
		_ = m.Close()
	}
}

// A key that was busy and is not any more gives most of its memory back.
func TestMemoryShrinks(t *testing.T) {
	ctx := context.Background()
	m, clock, busy := footprint(t, 400, 500)
	defer m.Close()
	full := heap()
	clock.advance(time.Minute - 10*time.Millisecond) // message i was accepted at i ms; those from 491 on stay
	m.Sweep()
	if left := busy - (full - heap()); left > busy/4 {
		t.Errorf("keys with 500 messages held %d bytes, and hold %d for their last 9", busy, left)
	}
	d, err := m.Take(ctx, benchKeys(1)[0], 0, perMinute(1000))
	if err != nil || d.Remaining != 991 {
		t.Errorf("after shrinking: %+v, %v; want 991 remaining", d, err)
	}
}
