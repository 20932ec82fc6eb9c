package ratelimit_test

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/genfity/wa-gateway/ratelimit"
)

// benchKeys are as long as real ones: two cuids and a separator.
func benchKeys(n int) []string {
	keys := make([]string, n)
	for i := range keys {
		keys[i] = fmt.Sprintf("cm3k9q8z70001l208%08d:cm3k9q8z70002l208%08d", i, i)
	}
	return keys
}

var benchLimits = []struct {
	name  string
	limit ratelimit.Limit
}{
	// With few keys nearly all calls are refused, with many all are accepted.
	{"limit=100-60s", ratelimit.Limit{Messages: 100, Window: time.Minute}},
	// All calls are accepted, and each finds old messages to forget.
	{"limit=100-20us", ratelimit.Limit{Messages: 100, Window: 20 * time.Microsecond}},
}

// BenchmarkMemoryFootprint tells what a limiter holds, instead of how fast it is.
func BenchmarkMemoryFootprint(b *testing.B) {
	for _, c := range []struct{ keys, messages int }{
		{100, 5}, {10_000, 5}, {10_000, 100}, {1_000_000, 1}, {1_000_000, 5}, {1_000_000, 20},
	} {
		b.Run(fmt.Sprintf("keys=%d/messages=%d", c.keys, c.messages), func(b *testing.B) {
			var all, first int64
			for b.Loop() {
				one, _, bytes := footprint(b, c.keys, 1)
				_ = one.Close()
				first = bytes
				m, clock, bytes := footprint(b, c.keys, c.messages)
				all = bytes
				clock.advance(time.Minute)
				m.Sweep()
				if m.Len() != 0 {
					b.Errorf("%d keys are left after their window", m.Len())
				}
				_ = m.Close()
			}
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(float64(all)/1e6, "MB")
			b.ReportMetric(float64(all)/float64(c.keys), "B/key")
			if c.messages > 1 {
				b.ReportMetric(float64(all-first)/float64(c.keys*(c.messages-1)), "B/further-message")
			}
		})
	}
}

// BenchmarkMemorySweep measures how long the sweep holds up a call at most: the
// longest of the calls made beside it.
func BenchmarkMemorySweep(b *testing.B) {
	const keys = 1_000_000
	m, clock, _ := footprint(b, keys, 1)
	defer m.Close()
	names := benchKeys(1000)
	clock.advance(time.Minute - time.Second) // the keys stay
	var done atomic.Bool
	var longest, calls atomic.Int64
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := 0; !done.Load(); i++ {
			start := time.Now()
			if _, err := m.Take(context.Background(), names[i%len(names)], 1, perMinute(10)); err != nil {
				b.Error(err)
				return
			}
			longest.Store(max(longest.Load(), int64(time.Since(start))))
			calls.Add(1)
		}
	})
	for b.Loop() {
		m.Sweep()
	}
	done.Store(true)
	wg.Wait()
	b.ReportMetric(float64(b.Elapsed())/float64(b.N)/keys, "ns/key")
	b.ReportMetric(float64(longest.Load())/1e3, "longest-call-µs")
}

func BenchmarkMemoryTake(b *testing.B) {
	ctx := context.Background()
	for _, n := range []int{1, 100, 10_000, 1_000_000} {
		keys := benchKeys(n)
		for _, l := range benchLimits {
			open := func(b *testing.B) ratelimit.Limiter {
				m := ratelimit.NewMemory(ratelimit.MemoryOptions{})
				for _, key := range keys {
					if _, err := m.Take(ctx, key, 1, l.limit); err != nil {
						b.Fatal(err)
					}
				}
				runtime.GC()
				b.ReportAllocs()
				b.ResetTimer()
				return m
			}
			b.Run(fmt.Sprintf("keys=%d/%s", n, l.name), func(b *testing.B) {
				m := open(b)
				for i := 0; b.Loop(); i++ {
					// A stride that meets all keys, in an order no cache guesses.
					if _, err := m.Take(ctx, keys[i*7919%n], 1, l.limit); err != nil {
						b.Fatal(err)
					}
				}
				b.StopTimer()
				_ = m.Close()
			})
			b.Run(fmt.Sprintf("keys=%d/%s/parallel", n, l.name), func(b *testing.B) {
				m := open(b)
				var start atomic.Int64
				b.RunParallel(func(pb *testing.PB) {
					for i := int(start.Add(1)) * 104729; pb.Next(); i++ {
						if _, err := m.Take(ctx, keys[i*7919%n], 1, l.limit); err != nil {
							b.Error(err)
							return
						}
					}
				})
				b.StopTimer()
				_ = m.Close()
			})
		}
	}
}

func BenchmarkRedisTake(b *testing.B) {
	ctx := context.Background()
	for _, n := range []int{1, 10_000} {
		keys := benchKeys(n)
		for _, l := range benchLimits {
			r := newRedis(b, ratelimit.RedisOptions{})
			if err := r.Ping(ctx); err != nil {
				b.Fatal(err)
			}
			b.Run(fmt.Sprintf("keys=%d/%s", n, l.name), func(b *testing.B) {
				b.ReportAllocs()
				for i := 0; b.Loop(); i++ {
					if _, err := r.Take(ctx, keys[i*7919%n], 1, l.limit); err != nil {
						b.Fatal(err)
					}
				}
			})
			b.Run(fmt.Sprintf("keys=%d/%s/32 callers", n, l.name), func(b *testing.B) {
				b.ReportAllocs()
				b.SetParallelism(32 / runtime.GOMAXPROCS(0))
				var start atomic.Int64
				b.RunParallel(func(pb *testing.PB) {
					for i := int(start.Add(1)) * 104729; pb.Next(); i++ {
						if _, err := r.Take(ctx, keys[i*7919%n], 1, l.limit); err != nil {
							b.Error(err)
							return
						}
					}
				})
			})
		}
	}
}
