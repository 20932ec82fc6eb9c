package ratelimit_test

import (
	"bufio"
	"crypto/tls"
	"net"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

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
