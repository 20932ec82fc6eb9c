package ratelimit_test

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/genfity/wa-gateway/ratelimit"
	"pgregory.net/rapid"
)

func TestHeaders(t *testing.T) {
	at := time.Date(2030, 1, 2, 3, 4, 5, 0, time.FixedZone("WIB", 7*3600))
	unix := at.Unix()
	tests := []struct {
		name     string
		decision ratelimit.Decision
		now      time.Time
		want     ratelimit.Headers
	}{
		{
			name:     "allowed",
			decision: ratelimit.Decision{Allowed: true, Limit: perMinute(100), Remaining: 99, Reset: time.Minute},
			now:      at,
			want: ratelimit.Headers{
				Policy: `"messages";q=100;w=60`, RateLimit: `"messages";r=99;t=60`,
				Limit: "100", Remaining: "99", Reset: fmt.Sprint(unix + 60),
			},
		},
		{
			name:     "refused, rounded up",
			decision: ratelimit.Decision{Limit: perMinute(100), RetryAfter: 12*time.Second + 1, Reset: 12*time.Second + 1},
			now:      at,
			want: ratelimit.Headers{
				Policy: `"messages";q=100;w=60`, RateLimit: `"messages";r=0;t=13`,
				Limit: "100", Remaining: "0", Reset: fmt.Sprint(unix + 13), RetryAfter: "13",
			},
		},
		{
			name:     "whole seconds stay",
			decision: ratelimit.Decision{Limit: perMinute(100), RetryAfter: 12 * time.Second, Reset: 12 * time.Second},
			now:      at,
			want: ratelimit.Headers{
				Policy: `"messages";q=100;w=60`, RateLimit: `"messages";r=0;t=12`,
				Limit: "100", Remaining: "0", Reset: fmt.Sprint(unix + 12), RetryAfter: "12",
			},
		},
		{
			name:     "a broadcast that waits for several places",
			decision: ratelimit.Decision{Limit: perMinute(100), Remaining: 40, RetryAfter: 30 * time.Second, Reset: time.Microsecond},
			now:      at.Add(999_999_998),
			want: ratelimit.Headers{
				Policy: `"messages";q=100;w=60`, RateLimit: `"messages";r=40;t=1`,
				Limit: "100", Remaining: "40", Reset: fmt.Sprint(unix + 2), RetryAfter: "30",
			},
		},
		{
			name:     "nothing remembered, a window of part of a second",
			decision: ratelimit.Decision{Allowed: true, Limit: ratelimit.Limit{Messages: 5, Window: 1500 * time.Millisecond}, Remaining: 5},
			now:      at.Add(900 * time.Millisecond),
			want: ratelimit.Headers{
				Policy: `"messages";q=5;w=2`, RateLimit: `"messages";r=5;t=0`,
				Limit: "5", Remaining: "5", Reset: fmt.Sprint(unix),
			},
		},
		{
			name: "the largest of all",
			decision: ratelimit.Decision{
				Limit:     ratelimit.Limit{Messages: ratelimit.MaxMessages, Window: ratelimit.MaxWindow},
				Remaining: ratelimit.MaxMessages, RetryAfter: ratelimit.MaxWindow, Reset: ratelimit.MaxWindow,
			},
			now: at,
			want: ratelimit.Headers{
				Policy: `"messages";q=2147483647;w=316224000`, RateLimit: `"messages";r=2147483647;t=316224000`,
				Limit: "2147483647", Remaining: "2147483647", Reset: fmt.Sprint(unix + 316224000), RetryAfter: "316224000",
			},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := test.decision.Headers("messages", test.now)
			if got != test.want {
				t.Errorf("\n got %+v\nwant %+v", got, test.want)
			}
			header := http.Header{}
			got.Set(header)
			for name, want := range map[string]string{
				"RateLimit-Policy": test.want.Policy, "RateLimit": test.want.RateLimit, "X-RateLimit-Limit": test.want.Limit,
				"X-RateLimit-Remaining": test.want.Remaining, "X-RateLimit-Reset": test.want.Reset, "Retry-After": test.want.RetryAfter,
			} {
				if got := header.Get(name); got != want {
					t.Errorf("%s: got %q, want %q", name, got, want)
				}
			}
			if _, set := header["Retry-After"]; set == test.decision.Allowed {
				t.Errorf("Retry-After is set: %v, allowed: %v", set, test.decision.Allowed)
			}
			// What others add to one field must not reach the next.
			header.Add("X-RateLimit-Limit", "other")
			if got := header.Get("X-RateLimit-Remaining"); got != test.want.Remaining {
				t.Errorf("X-RateLimit-Remaining became %q", got)
			}
		})
	}
}

func TestHeadersPolicyName(t *testing.T) {
	for name, want := range map[string]string{
		"daily":      `"daily";q=100;w=60`,
		`a"b\c`:      `"a\"b\\c";q=100;w=60`,
		"a\r\nb\x7f": `"ab";q=100;w=60`,
		"hari ini√":  `"hari ini";q=100;w=60`,
	} {
		if got := (ratelimit.Decision{Limit: perMinute(100)}).Headers(name, time.Now()).Policy; got != want {
			t.Errorf("%q: got %s, want %s", name, got, want)
		}
	}
}

// Retry-After is true: a client that waits that many seconds is accepted, and one
// that waits a second less is not.
func TestRetryAfterIsTrue(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		clock := new(fakeClock)
		m := ratelimit.NewMemory(ratelimit.MemoryOptions{Now: clock.now})
		defer m.Close()
		limit := perMinute(rapid.IntRange(1, 20).Draw(rt, "messages"))
		for {
			clock.advance(time.Duration(rapid.Int64Range(0, int64(5*time.Second)).Draw(rt, "pause")))
			n := rapid.IntRange(1, limit.Messages).Draw(rt, "n")
			take := func() ratelimit.Decision {
				d, err := m.Take(context.Background(), "k", n, limit)
				if err != nil {
					rt.Fatal(err)
				}
				return d
			}
			d := take()
			if d.Allowed {
				continue
			}
			seconds := d.RetryAfterSeconds()
			if d.Headers("messages", time.Now()).RetryAfter != fmt.Sprint(seconds) || seconds < 1 {
				rt.Fatalf("Retry-After for %v: %d s", d.RetryAfter, seconds)
			}
			clock.advance(time.Duration(seconds-1) * time.Second)
			if d := take(); d.Allowed {
				rt.Fatalf("accepted after %d s, Retry-After said %d", seconds-1, seconds)
			}
			clock.advance(time.Second)
			if d := take(); !d.Allowed {
				rt.Fatalf("refused after Retry-After of %d s, for another %v", seconds, d.RetryAfter)
			}
			return
		}
	})
}

func TestHeadersAllocate(t *testing.T) {
	d := ratelimit.Decision{Limit: perMinute(100), RetryAfter: time.Second, Reset: time.Second}
	now := time.Now()
	header := http.Header{}
	if n := testing.AllocsPerRun(1000, func() { d.Headers("messages", now).Set(header) }); n > 2 {
		t.Errorf("%v allocations, want 2 at most", n)
	}
}

func BenchmarkHeaders(b *testing.B) {
	d := ratelimit.Decision{Allowed: true, Limit: perMinute(100), Remaining: 42, Reset: 12 * time.Second}
	now := time.Now()
	header := http.Header{}
	b.ReportAllocs()
	for b.Loop() {
		d.Headers("messages", now).Set(header)
	}
}

func ExampleDecision_Headers() {
	clock := time.Duration(0)
	limiter := ratelimit.NewMemory(ratelimit.MemoryOptions{Now: func() time.Duration { return clock }})
	defer limiter.Close()
	limit := ratelimit.Limit{Messages: 2, Window: time.Minute}
	start := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	for range 3 {
		d, err := limiter.Take(context.Background(), "user123:session123", 1, limit)
		if err != nil {
			fmt.Println(err)
			return
		}
		h := d.Headers("messages", start.Add(clock))
		fmt.Printf("%v %s %q\n", d.Allowed, h.RateLimit, h.RetryAfter)
		clock += 10500 * time.Millisecond
	}
	// Output:
	// true "messages";r=1;t=60 ""
	// true "messages";r=0;t=50 ""
	// false "messages";r=0;t=39 "39"
}
