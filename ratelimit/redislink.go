package ratelimit

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/rueidis"
)

const (
	// minRedial and maxRedial bound the time between failed attempts to
	// connect; it doubles with each.
	minRedial = 50 * time.Millisecond
	maxRedial = time.Second
	// pingEvery is how often an idle connection is looked at, and pingTimeout
	// how long it may stay silent then before it counts as lost.
	pingEvery   = time.Second
	pingTimeout = time.Second
)

var errLost = errors.New("the connection to Redis was lost")

// clientOptions reads the URL. Its errors do not contain it.
func clientOptions(o RedisOptions) (rueidis.ClientOption, error) {
	var none rueidis.ClientOption
	u, err := url.Parse(o.URL)
	if err != nil {
		return none, errors.New("the Redis URL cannot be read: expected redis://[user:password@]host[:port][/database]; special characters in the password need %-encoding")
	}
	secure := false
	switch u.Scheme {
	case "redis", "valkey":
	case "rediss", "valkeys":
		secure = true
	default:
		return none, errors.New("the Redis URL must begin with redis:// or, for TLS, rediss://")
	}
	if u.Hostname() == "" {
		return none, errors.New("the Redis URL names no host: expected redis://[user:password@]host[:port][/database]")
	}
	if q := u.Query(); q.Has("addr") || q.Has("master_set") {
		return none, errors.New("the Redis URL names more than one server; one is supported")
	}
	c, err := rueidis.ParseURL(o.URL)
	if err != nil {
		return none, errors.New("the Redis URL has a database or a parameter that cannot be read: expected redis://[user:password@]host[:port][/database]")
	}
	if secure && o.TLS != nil {
		c.TLSConfig = o.TLS.Clone()
		if c.TLSConfig.ServerName == "" {
			c.TLSConfig.ServerName = u.Hostname()
		}
	}
	// One connection carries all decisions, pipelined: Redis runs scripts one
	// after another anyway. A reply that is late does not cost the connection.
	c.ForceSingleClient = true
	c.PipelineMultiplex = -1
	c.AlwaysPipelining = true
	c.DisableRetry = true
	c.DisableCache = true
	c.Dialer.Timeout = o.DialTimeout
	c.Dialer.KeepAlive = pingEvery
	c.ConnWriteTimeout = pingTimeout
	// Decisions are small, so are the buffers.
	c.ReadBufferEachConn = 32 << 10
	c.WriteBufferEachConn = 32 << 10
	if c.ClientName == "" {
		c.ClientName = "wa_gateway"
	}
	return c, nil
}

// redisLink holds the connection: one client that has dialled once. The client
// could dial again by itself, but would then let decisions wait for that beyond
// their time; so a lost connection is thrown away with its client, and a new one
// is made in the background while decisions fail fast.
type redisLink struct {
	option  rueidis.ClientOption
	scripts []string
	client  atomic.Pointer[rueidis.Client] // nil: not connected

	mu      sync.Mutex
	attempt *attempt  // the one under way
	failed  error     // why the last one failed
	redial  time.Time // not before then
	delay   time.Duration
	closed  bool
	ctx     context.Context // ends with close
	cancel  context.CancelFunc
	ending  sync.WaitGroup
}

// attempt is one attempt to connect. err may be read once done is closed.
type attempt struct {
	done chan struct{}
	err  error
}

func (l *redisLink) init(option rueidis.ClientOption, scripts []string) {
	l.option, l.scripts = option, scripts
	l.ctx, l.cancel = context.WithCancel(context.Background())
}

// get returns the client, waiting for a connection until ctx ends.
func (l *redisLink) get(ctx context.Context) (rueidis.Client, error) {
	for {
		if c := l.client.Load(); c != nil {
			return *c, nil
		}
		l.mu.Lock()
		switch {
		case l.closed:
			l.mu.Unlock()
			return nil, ErrClosed
		case l.client.Load() != nil:
			l.mu.Unlock()
			continue
		case l.attempt == nil && time.Now().Before(l.redial):
			defer l.mu.Unlock()
			return nil, l.failed
		case l.attempt == nil:
			l.attempt = &attempt{done: make(chan struct{})}
			l.ending.Add(1)
			go l.connect(l.attempt)
		}
		a := l.attempt
		l.mu.Unlock()

		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-a.done:
			if a.err != nil {
				return nil, a.err
			}
		}
	}
}

// connect makes one attempt and publishes what came of it.
func (l *redisLink) connect(a *attempt) {
	defer l.ending.Done()
	client, err := l.dial()

	l.mu.Lock()
	defer l.mu.Unlock()
	l.attempt, a.err = nil, err
	switch {
	case err == nil && l.closed:
		a.err = ErrClosed
		client.Close()
	case err == nil:
		l.client.Store(&client)
		l.delay = 0
	default:
		l.wait(err)
	}
	close(a.done)
}

// wait puts off the next attempt. The caller holds the lock.
func (l *redisLink) wait(err error) {
	l.failed = err
	l.delay = min(max(2*l.delay, minRedial), maxRedial)
	l.redial = time.Now().Add(l.delay)
}

// dial returns a client that is connected and knows the scripts.
func (l *redisLink) dial() (rueidis.Client, error) {
	ctx, cancel := context.WithTimeout(l.ctx, l.option.Dialer.Timeout)
	defer cancel()
	// The client greets the server without looking at our context, so the end
	// of that closes the connection.
	stop := func() bool { return true }
	dialled := false
	option := l.option
	option.DialCtxFn = func(_ context.Context, addr string, dialer *net.Dialer, secure *tls.Config) (net.Conn, error) {
		if dialled {
			return nil, errLost
		}
		dialled = true
		conn, err := dialer.DialContext(ctx, "tcp", addr)
		if err != nil {
			return nil, err
		}
		stop = context.AfterFunc(ctx, func() { _ = conn.Close() })
		if secure != nil {
			conn = tls.Client(conn, secure)
		}
		return conn, nil
	}
	client, err := rueidis.NewClient(option)
	if err == nil {
		err = l.load(ctx, client)
	}
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		if client != nil {
			client.Close()
		}
		return nil, err
	}
	return client, nil
}

// load makes the server know the scripts, so that the first decisions need no
// second round trip. A user who may not do that can still run them.
func (l *redisLink) load(ctx context.Context, client rueidis.Client) error {
	for _, script := range l.scripts {
		err := client.Do(ctx, client.B().ScriptLoad().Script(script).Build()).Error()
		if reply, ok := rueidis.IsRedisErr(err); err != nil && (!ok || !strings.HasPrefix(reply.Error(), "NOPERM")) {
			return err
		}
	}
	return nil
}

// drop throws a client away whose connection is of no use any more because of err.
func (l *redisLink) drop(client rueidis.Client, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if c := l.client.Load(); c == nil || *c != client || l.closed {
		return
	}
	l.client.Store(nil)
	if isReply(err) {
		l.wait(err) // the server is there, and will say the same again
	}
	l.ending.Go(client.Close)
}

// isReply reports whether err was said by the server.
func isReply(err error) bool {
	_, ok := rueidis.IsRedisErr(err)
	return ok
}

// lost reports whether err means that the connection is of no use any more: it
// broke, or it leads to a server that has become a replica.
func lost(err error) bool {
	if reply, ok := rueidis.IsRedisErr(err); ok {
		return strings.HasPrefix(reply.Error(), "READONLY")
	}
	return !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, context.Canceled)
}

// close ends everything and waits for it.
func (l *redisLink) close() {
	l.mu.Lock()
	l.closed = true
	l.cancel()
	c := l.client.Swap(nil)
	l.mu.Unlock()
	if c != nil {
		(*c).Close()
	}
	l.ending.Wait()
}
