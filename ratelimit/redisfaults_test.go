package ratelimit_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"math/big"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/genfity/wa-gateway/ratelimit"
)

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
