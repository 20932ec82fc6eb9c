package ratelimit_test

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/url"
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
	end := time.Now().Add(3 * limit.Window)
	for range 3 {
		node := newRedis(t, ratelimit.RedisOptions{Prefix: prefix})
		for range 4 {
			wg.Go(func() {
				for time.Now().Before(end) {
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
	if len(stamps) < 2*limit.Messages {
		t.Errorf("%d messages were accepted in 3 windows of %d", len(stamps), limit.Messages)
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

// unused is an address that nobody listens on.
func unused(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func TestRedisAway(t *testing.T) {
	t.Parallel()
	r := newRedis(t, ratelimit.RedisOptions{URL: "redis://:s3cret@" + unused(t), Timeout: time.Second})
	for range 3 {
		d, err := r.Take(context.Background(), "k", 1, perMinute(1))
		if !errors.Is(err, ratelimit.ErrUnavailable) || d.Allowed || d.Limit != perMinute(1) {
			t.Fatalf("%+v, %v; want ErrUnavailable", d, err)
		}
		if strings.Contains(err.Error(), "s3cret") {
			t.Errorf("the error tells the password: %v", err)
		}
	}
	if err := r.Return(context.Background(), "k", ratelimit.Decision{Cost: 1}); !errors.Is(err, ratelimit.ErrUnavailable) {
		t.Errorf("Return: %v, want ErrUnavailable", err)
	}
	if err := r.Ping(context.Background()); !errors.Is(err, ratelimit.ErrUnavailable) {
		t.Errorf("Ping: %v, want ErrUnavailable", err)
	}
	// Between two attempts to connect, decisions fail at once.
	start := time.Now()
	for range 1000 {
		_, _ = r.Take(context.Background(), "k", 1, perMinute(1))
	}
	if took := time.Since(start); took > time.Second {
		t.Errorf("1000 decisions without Redis took %v", took)
	}
	// What the caller did wrong is said even so.
	if _, err := r.Take(context.Background(), "k", 2, perMinute(1)); !errors.Is(err, ratelimit.ErrTooMany) {
		t.Errorf("2 of 1: %v, want ErrTooMany", err)
	}
}

// A server that accepts connections and says nothing costs a decision its timeout
// and no more, and does not hold up Close.
func TestRedisSilent(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var conns sync.WaitGroup
	conns.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			conns.Go(func() { _, _ = io.Copy(io.Discard, c); _ = c.Close() })
		}
	})
	r := newRedis(t, ratelimit.RedisOptions{URL: "redis://" + l.Addr().String(), Timeout: 50 * time.Millisecond, DialTimeout: time.Minute})
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			start := time.Now()
			_, err := r.Take(context.Background(), "k", 1, perMinute(1))
			if took := time.Since(start); !errors.Is(err, ratelimit.ErrUnavailable) || took < 50*time.Millisecond || took > 5*time.Second {
				t.Errorf("after %v: %v, want ErrUnavailable after 50ms", took, err)
			}
		})
	}
	wg.Wait()
	start := time.Now()
	if err := r.Close(); err != nil || time.Since(start) > 10*time.Second {
		t.Errorf("Close took %v: %v", time.Since(start), err)
	}
	_ = l.Close()
	conns.Wait()
}

func TestRedisContext(t *testing.T) {
	t.Parallel()
	r := newRedis(t, ratelimit.RedisOptions{})
	if err := r.Ping(context.Background()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := r.Take(ctx, "k", 1, perMinute(1)); !errors.Is(err, context.Canceled) || errors.Is(err, ratelimit.ErrUnavailable) {
		t.Errorf("with a canceled context: %v, want that", err)
	}
	if d, err := r.Take(context.Background(), "k", 1, perMinute(1)); err != nil || !d.Allowed {
		t.Errorf("the next call: %+v, %v", d, err)
	}
}

// proxy stands between a limiter and Redis, and can fail as networks do.
type proxy struct {
	net.Listener
	target string
	mu     sync.Mutex
	conns  map[net.Conn]bool
	down   atomic.Bool // accepts and closes
	stall  atomic.Bool // lets nothing through
	lines  atomic.Int64
	wg     sync.WaitGroup
}

func newProxy(t *testing.T, secure *tls.Config) *proxy {
	t.Helper()
	u, err := url.Parse(redisURL(t))
	if err != nil {
		t.Fatal("WA_TEST_REDIS_URL cannot be read")
	}
	p := &proxy{target: u.Host, conns: map[net.Conn]bool{}}
	if p.Listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	if secure != nil {
		p.Listener = tls.NewListener(p.Listener, secure)
	}
	p.wg.Go(p.serve)
	t.Cleanup(func() {
		_ = p.Close()
		p.cut()
		p.wg.Wait()
	})
	return p
}

// url is Redis's with the proxy's address.
func (p *proxy) url(t *testing.T, scheme string) string {
	u, err := url.Parse(redisURL(t))
	if err != nil {
		t.Fatal("WA_TEST_REDIS_URL cannot be read")
	}
	u.Scheme, u.Host = scheme, p.Addr().String()
	return u.String()
}

func (p *proxy) serve() {
	for {
		client, err := p.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", p.target)
		if err != nil || p.down.Load() {
			_ = client.Close()
			if err == nil {
				_ = server.Close()
			}
			continue
		}
		p.mu.Lock()
		p.conns[client], p.conns[server] = true, true
		p.mu.Unlock()
		p.wg.Go(func() { p.pipe(server, client, &p.lines) })
		p.wg.Go(func() { p.pipe(client, server, new(atomic.Int64)) })
	}
}

// pipe copies until one end is closed, and counts the commands that pass.
func (p *proxy) pipe(to, from net.Conn, commands *atomic.Int64) {
	defer to.Close()
	defer from.Close()
	in := bufio.NewReader(from)
	for {
		line, err := in.ReadBytes('\n')
		for p.stall.Load() {
			time.Sleep(time.Millisecond)
		}
		if strings.HasPrefix(string(line), "*") {
			commands.Add(1)
		}
		if _, werr := to.Write(line); err != nil || werr != nil {
			return
		}
	}
}

// cut closes all connections.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		_ = c.Close()
	}
	clear(p.conns)
}

func TestRedisComesBack(t *testing.T) {
	t.Parallel()
	p := newProxy(t, nil)
	r := newRedis(t, ratelimit.RedisOptions{URL: p.url(t, "redis"), Timeout: 2 * time.Second})
	ctx := context.Background()
	take := func() (ratelimit.Decision, error) { return r.Take(ctx, "k", 1, perMinute(1000)) }
	if d, err := take(); err != nil || !d.Allowed {
		t.Fatalf("%+v, %v", d, err)
	}
	for range 3 {
		p.down.Store(true)
		p.cut()
		wait(t, "the loss to be noticed", func() bool { _, err := take(); return errors.Is(err, ratelimit.ErrUnavailable) })
		p.down.Store(false)
		wait(t, "decisions after Redis came back", func() bool { _, err := take(); return err == nil })
	}
	// A connection that breaks alone costs the decisions under way at most.
	p.cut()
	failed := 0
	wait(t, "decisions after a cut", func() bool {
		_, err := take()
		if err != nil {
			failed++
		}
		return err == nil
	})
	if failed > 2 {
		t.Errorf("%d decisions failed after a cut, want 2 at most", failed)
	}
}

// A connection that goes silent is given up after a while, without help from the
// system's own timeouts.
func TestRedisStalls(t *testing.T) {
	t.Parallel()
	p := newProxy(t, nil)
	r := newRedis(t, ratelimit.RedisOptions{URL: p.url(t, "redis"), Timeout: 50 * time.Millisecond})
	ctx := context.Background()
	take := func() error { _, err := r.Take(ctx, "k", 1, perMinute(1000)); return err }
	wait(t, "a connection", func() bool { return take() == nil })
	p.stall.Store(true)
	for range 5 {
		start := time.Now()
		if err := take(); !errors.Is(err, ratelimit.ErrUnavailable) || time.Since(start) > 5*time.Second {
			t.Fatalf("after %v: %v, want ErrUnavailable", time.Since(start), err)
		}
	}
	// Redis answers again, on the same connection: late answers belong to the
	// calls that asked.
	p.stall.Store(false)
	wait(t, "answers again", func() bool { return take() == nil })

	p.stall.Store(true)
	time.Sleep(3 * time.Second) // longer than an idle connection may stay silent
	p.cut()
	p.stall.Store(false)
	wait(t, "a new connection", func() bool { return take() == nil })
}

// A decision is one round trip, the first on a connection included.
func TestRedisRoundTrips(t *testing.T) {
	p := newProxy(t, nil)
	r := newRedis(t, ratelimit.RedisOptions{URL: p.url(t, "redis")})
	ctx := context.Background()
	if err := r.Ping(ctx); err != nil {
		t.Fatal(err)
	}
	before := p.lines.Load()
	for range 10 {
		if _, err := r.Take(ctx, "k", 1, perMinute(5)); err != nil {
			t.Fatal(err)
		}
	}
	if sent := p.lines.Load() - before; sent > 12 { // an idle connection's PING may be among them
		t.Errorf("10 decisions sent %d commands", sent)
	}
	// A server that lost its scripts costs one more.
	c := admin(t)
	if err := c.Do(ctx, c.B().ScriptFlush().Build()).Error(); err != nil {
		t.Fatal(err)
	}
	if d, err := r.Take(ctx, "k2", 1, perMinute(5)); err != nil || !d.Allowed {
		t.Errorf("after SCRIPT FLUSH: %+v, %v", d, err)
	}
}

func TestRedisTLS(t *testing.T) {
	t.Parallel()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(cert)
	p := newProxy(t, &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}})
	trusting := newRedis(t, ratelimit.RedisOptions{URL: p.url(t, "rediss"), TLS: &tls.Config{RootCAs: roots}})
	if d, err := trusting.Take(context.Background(), "k", 1, perMinute(1)); err != nil || !d.Allowed {
		t.Errorf("%+v, %v", d, err)
	}
	doubting := newRedis(t, ratelimit.RedisOptions{URL: p.url(t, "rediss")})
	if _, err := doubting.Take(context.Background(), "k", 1, perMinute(1)); !errors.Is(err, ratelimit.ErrUnavailable) {
		t.Errorf("with a certificate of an unknown authority: %v, want ErrUnavailable", err)
	}
}
