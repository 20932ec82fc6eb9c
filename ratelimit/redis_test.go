package ratelimit_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/genfity/wa-gateway/ratelimit"
	"github.com/genfity/wa-gateway/ratelimit/ratelimittest"
	"github.com/redis/rueidis"
)

// redisURL names the Redis that the tests may use.
func redisURL(t testing.TB) string {
	t.Helper()
	u := os.Getenv("WA_TEST_REDIS_URL")
	if u == "" {
		t.Fatal("WA_TEST_REDIS_URL is not set: run make test, which starts a Redis for the tests")
	}
	return u
}

var prefixes atomic.Int64

// testPrefix keeps the tests' keys apart from each other's and from anybody's.
func testPrefix() string {
	return fmt.Sprintf("wa_gateway:limit:test:%d:%d:%d:", os.Getpid(), time.Now().UnixNano(), prefixes.Add(1))
}

func newRedis(t testing.TB, o ratelimit.RedisOptions) *ratelimit.Redis {
	t.Helper()
	if o.URL == "" {
		o.URL = redisURL(t)
	}
	if o.Prefix == "" {
		o.Prefix = testPrefix()
	}
	if o.Timeout == 0 {
		o.Timeout = 10 * time.Second // the machine may be busy with other tests
	}
	r, err := ratelimit.NewRedis(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	return r
}

// admin is a client of the test's own.
func admin(t testing.TB) rueidis.Client {
	t.Helper()
	o, err := rueidis.ParseURL(redisURL(t))
	if err != nil {
		t.Fatal("WA_TEST_REDIS_URL cannot be read")
	}
	o.ForceSingleClient = true
	c, err := rueidis.NewClient(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func TestRedis(t *testing.T) {
	t.Parallel()
	ratelimittest.Run(t, func(t *testing.T) ratelimittest.Harness {
		return ratelimittest.Harness{Limiter: newRedis(t, ratelimit.RedisOptions{})}
	})
}

func openRedisAtFakeTime(t *testing.T) ratelimittest.Harness {
	clock := new(fakeClock)
	clock.advance(1_700_000_000 * time.Second) // as the server's would be
	r := newRedis(t, ratelimit.RedisOptions{})
	r.UseClock(t, clock.now)
	return ratelimittest.Harness{Limiter: r, Advance: clock.advance}
}

// The script decides exactly like the limiter in memory when it is told the time.
func TestRedisAtFakeTime(t *testing.T) { ratelimittest.Run(t, openRedisAtFakeTime) }

func TestRedisModel(t *testing.T) { ratelimittest.RunModel(t, openRedisAtFakeTime) }

func TestRedisClosed(t *testing.T) {
	ratelimittest.RunClosed(t, newRedis(t, ratelimit.RedisOptions{}))

	r := newRedis(t, ratelimit.RedisOptions{})
	if err := r.Ping(context.Background()); err != nil {
		t.Fatal(err)
	}
	ratelimittest.RunClosed(t, r)
}

// Several limiters, as in several processes, share one limit.
func TestRedisAcrossNodes(t *testing.T) {
	t.Parallel()
	prefix := testPrefix()
	limit := ratelimit.Limit{Messages: 30, Window: 400 * time.Millisecond}
	var mu sync.Mutex
	var stamps []int64
	var wg sync.WaitGroup
	start := time.Now()
	// For three windows, and on a busy machine until there is something to judge.
	enough := func() bool {
		mu.Lock()
		defer mu.Unlock()
		passed := time.Since(start)
		return passed > 3*limit.Window && len(stamps) > 2*limit.Messages || passed > time.Minute
	}
	for range 3 {
		node := newRedis(t, ratelimit.RedisOptions{Prefix: prefix})
		for range 4 {
			wg.Go(func() {
				for !enough() {
					d, err := node.Take(context.Background(), "shared", 1, limit)
					if err != nil {
						t.Error(err)
						return
					}
					if d.Allowed {
						mu.Lock()
						stamps = append(stamps, d.Stamp)
						mu.Unlock()
					}
				}
			})
		}
	}
	wg.Wait()
	for _, first := range stamps {
		within := 0
		for _, at := range stamps {
			if at >= first && at < first+limit.Window.Microseconds() {
				within++
			}
		}
		if within > limit.Messages {
			t.Fatalf("%d messages within %v, the limit is %d", within, limit.Window, limit.Messages)
		}
	}
	if len(stamps) <= 2*limit.Messages {
		t.Errorf("only %d messages were accepted in a minute", len(stamps))
	}
}

// What is stored is documented in take.lua, for people who look into their Redis.
func TestRedisKeys(t *testing.T) {
	ctx := context.Background()
	c := admin(t)
	prefix := testPrefix()
	r := newRedis(t, ratelimit.RedisOptions{Prefix: prefix})
	list := func() []string {
		t.Helper()
		v, err := c.Do(ctx, c.B().Lrange().Key(prefix+"user:session").Start(0).Stop(-1).Build()).AsStrSlice()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	lives := func() time.Duration {
		t.Helper()
		ms, err := c.Do(ctx, c.B().Pttl().Key(prefix+"user:session").Build()).AsInt64()
		if err != nil {
			t.Fatal(err)
		}
		return time.Duration(ms) * time.Millisecond
	}
	take := func(n int, limit ratelimit.Limit) ratelimit.Decision {
		t.Helper()
		d, err := r.Take(ctx, "user:session", n, limit)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}

	take(0, perMinute(5))
	if v := list(); len(v) != 0 {
		t.Errorf("asking made the key: %q", v)
	}
	d := take(2, perMinute(5))
	if v := list(); len(v) != 3 || v[0] != "5/60000000" || v[1] != fmt.Sprint(d.Stamp) || v[2] != v[1] {
		t.Errorf("the key holds %q", v)
	}
	if now := time.Now(); now.Sub(time.UnixMicro(d.Stamp)).Abs() > time.Minute {
		t.Errorf("a message of %v was stamped %v", now, time.UnixMicro(d.Stamp))
	}
	if got := lives(); got <= time.Minute || got > time.Minute+time.Second {
		t.Errorf("the key expires in %v, want a second after its window", got)
	}
	before := list()
	take(4, perMinute(5)) // refused
	if v := list(); strings.Join(v, " ") != strings.Join(before, " ") {
		t.Errorf("a refused call changed %q to %q", before, v)
	}
	// A refused call that asks for a longer window: from now on it matters.
	take(3, ratelimit.Limit{Messages: 3, Window: time.Hour})
	if v := list(); v[0] != "5/3600000000" || len(v) != 3 {
		t.Errorf("the key holds %q", v)
	}
	if got := lives(); got <= time.Hour {
		t.Errorf("the key expires in %v, its messages may be asked for longer", got)
	}
	if err := r.Return(ctx, "user:session", d); err != nil {
		t.Fatal(err)
	}
	if v := list(); len(v) != 0 {
		t.Errorf("after the return of all, the key holds %q", v)
	}

	// The key goes away by itself.
	take(1, ratelimit.Limit{Messages: 1, Window: 50 * time.Millisecond})
	if got := lives(); got > 1050*time.Millisecond {
		t.Errorf("the key expires in %v", got)
	}
	wait(t, "the key to expire", func() bool { return len(list()) == 0 })
}

// A broadcast to many at once: more than a script may hand over in one call.
func TestRedisManyMessages(t *testing.T) {
	h := openRedisAtFakeTime(t)
	ctx := context.Background()
	limit := ratelimit.Limit{Messages: 25_000, Window: time.Minute}
	take := func(n int) ratelimit.Decision {
		t.Helper()
		d, err := h.Limiter.Take(ctx, "many", n, limit)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	first := take(10_000)
	h.Advance(time.Second)
	if d := take(15_000); !d.Allowed || d.Remaining != 0 || d.Reset != 59*time.Second {
		t.Fatalf("%+v", d)
	}
	if d := take(10_001); d.Allowed || d.RetryAfter != time.Minute {
		t.Fatalf("%+v", d)
	}
	if err := h.Limiter.Return(ctx, "many", first); err != nil {
		t.Fatal(err)
	}
	if d := take(10_000); !d.Allowed || d.Remaining != 0 {
		t.Fatalf("after the return: %+v", d)
	}
	h.Advance(time.Minute)
	if d := take(0); d.Remaining != 25_000 {
		t.Fatalf("after the window: %+v", d)
	}
}

// The server's clock can step back, or another server with a slower one can take
// over. Then messages leave later than they might, but within a window.
func TestRedisClockStepsBack(t *testing.T) {
	h := openRedisAtFakeTime(t)
	ctx := context.Background()
	take := func() ratelimit.Decision {
		t.Helper()
		d, err := h.Limiter.Take(ctx, "k", 1, perMinute(3))
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	take()
	h.Advance(10 * time.Second)
	take()
	h.Advance(-time.Hour)
	take()
	if d := take(); d.Allowed || d.RetryAfter != 50*time.Second {
		t.Fatalf("%+v, want the oldest to leave 60 s after the step, less the 10 s that it was older than the newest", d)
	}
	h.Advance(50 * time.Second)
	if d := take(); !d.Allowed || d.Remaining != 0 {
		t.Fatalf("%+v", d)
	}
	h.Advance(10 * time.Second)
	take()
	if d := take(); !d.Allowed {
		t.Fatalf("%+v", d)
	}
}

// By a little, as between two servers that take turns: no message is remembered
// for less than its window on either clock.
func TestRedisClockStepsBackALittle(t *testing.T) {
	h := openRedisAtFakeTime(t)
	ctx := context.Background()
	limit := perMinute(2)
	take := func() ratelimit.Decision {
		t.Helper()
		d, err := h.Limiter.Take(ctx, "k", 1, limit)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	take()
	h.Advance(-700 * time.Millisecond)
	d := take()
	if d.Reset != limit.Window+700*time.Millisecond {
		t.Fatalf("%+v, want the first to leave at the end of its window", d)
	}
	h.Advance(700 * time.Millisecond)
	if again := take(); again.Allowed || again.RetryAfter != limit.Window {
		t.Fatalf("%+v", again)
	}
	if err := h.Limiter.Return(ctx, "k", d); err != nil {
		t.Fatal(err)
	}
	if d := take(); !d.Allowed {
		t.Fatalf("after the return: %+v", d)
	}
}

func TestRedisURLs(t *testing.T) {
	t.Parallel()
	for _, u := range []string{
		"", "localhost:6379", "http://localhost", "redis://", "redis:///1", "redis://user:s3cret@host:port", "redis://:s3cret@host/x",
		"redis://:s3cret@host/1/2", "redis://:s3cret%@host", "redis://:s3cret@a?addr=b:1", "redis://:s3cret@a?master_set=m",
		"redis://:s3cret@host?dial_timeout=soon",
	} {
		if r, err := ratelimit.NewRedis(ratelimit.RedisOptions{URL: u}); err == nil {
			t.Errorf("%q was accepted", u)
			_ = r.Close()
		} else if strings.Contains(err.Error(), "s3cret") || u != "" && strings.Contains(err.Error(), u) && u != "redis://" {
			t.Errorf("the error tells the URL: %v", err)
		}
	}
	for _, u := range []string{
		"redis://host", "redis://host:1234/5", "redis://user:password@host", "rediss://:password@host:1/2", "valkey://[::1]:1", "valkeys://host",
	} {
		r, err := ratelimit.NewRedis(ratelimit.RedisOptions{URL: u})
		if err != nil {
			t.Errorf("%q: %v", u, err)
			continue
		}
		_ = r.Close()
	}
}
