package ratelimit

import (
	"context"
	"crypto/tls"
	_ "embed"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/rueidis"
)

const (
	// DefaultRedisPrefix begins the keys in Redis.
	DefaultRedisPrefix = "wa_gateway:limit:"
	// DefaultRedisTimeout bounds a decision.
	DefaultRedisTimeout = 50 * time.Millisecond
	// DefaultRedisDialTimeout bounds an attempt to connect.
	DefaultRedisDialTimeout = 2 * time.Second
)

var (
	//go:embed take.lua
	takeScript string
	//go:embed return.lua
	returnScript string
)

// RedisOptions configure [NewRedis].
type RedisOptions struct {
	// URL names the server: redis://[user:password@]host[:port][/database], or
	// rediss://… for TLS. valkey:// and valkeys:// mean the same. Required.
	URL string

	// Prefix begins every key. Default: [DefaultRedisPrefix]. Gateways that
	// share a server count together if it is the same.
	Prefix string

	// Timeout is how long a decision may take, waiting for a connection
	// included. Default: [DefaultRedisTimeout].
	Timeout time.Duration

	// DialTimeout is how long an attempt to connect may take. No decision
	// waits for it longer than Timeout. Default: [DefaultRedisDialTimeout].
	DialTimeout time.Duration

	// TLS replaces the settings for rediss://; nil trusts the system's roots.
	TLS *tls.Config
}

// Redis is a [Limiter] for any number of processes that share a Redis (7 or
// later, Valkey included). Every decision is one round trip that runs one
// script, on the server's clock, so the processes' clocks do not matter.
// Decisions that are asked for at the same time share a connection and travel
// together.
//
// Each key is a list named by the prefix and the key, whose elements are plain
// numbers (take.lua describes them), about 10 bytes per remembered message. It
// expires by itself one second after its window. The server must not evict it
// sooner: leave maxmemory-policy at noeviction.
//
// Nothing is connected before the first decision, and a lost connection is made
// again in the background, at most once a second while it fails. Meanwhile, and
// whenever Redis does not answer in time, Take returns [ErrUnavailable] and the
// caller decides.
type Redis struct {
	prefix   string
	timeout  time.Duration
	link     redisLink
	take     *rueidis.Lua
	giveBack *rueidis.Lua

	// clock replaces the server's time in the tests' variant of the script.
	clock func() []string
}

var _ Limiter = (*Redis)(nil)

// NewRedis returns a limiter without connecting. The error says what is wrong
// with the options; it never contains the URL, which may hold a password.
func NewRedis(o RedisOptions) (*Redis, error) {
	if o.DialTimeout <= 0 {
		o.DialTimeout = DefaultRedisDialTimeout
	}
	if o.Timeout <= 0 {
		o.Timeout = DefaultRedisTimeout
	}
	if o.Prefix == "" {
		o.Prefix = DefaultRedisPrefix
	}
	client, err := clientOptions(o)
	if err != nil {
		return nil, err
	}
	r := &Redis{
		prefix:   o.Prefix,
		timeout:  o.Timeout,
		take:     rueidis.NewLuaScript(takeScript),
		giveBack: rueidis.NewLuaScript(returnScript),
	}
	r.link.init(client, []string{takeScript, returnScript})
	return r, nil
}

// Take implements [Limiter].
func (r *Redis) Take(ctx context.Context, key string, n int, limit Limit) (Decision, error) {
	none := Decision{Limit: limit}
	if err := check(n, limit); err != nil {
		return none, err
	}
	args := []string{
		strconv.Itoa(n),
		strconv.Itoa(limit.Messages),
		strconv.FormatInt(micros(limit.Window), 10),
	}
	if r.clock != nil {
		args = append(args, r.clock()...)
	}
	answer, err := r.exec(ctx, r.take, key, args)
	if err != nil {
		return none, err
	}
	v, err := answer.AsIntSlice()
	if err != nil || len(v) != 5 {
		return none, fmt.Errorf("%w: Redis answered something else than a decision", ErrUnavailable)
	}
	d := Decision{
		Allowed:    v[0] == 1,
		Limit:      limit,
		Remaining:  int(v[1]),
		RetryAfter: time.Duration(v[2]) * time.Microsecond,
		Reset:      time.Duration(v[3]) * time.Microsecond,
		Stamp:      v[4],
	}
	if d.Allowed {
		d.Cost = n
	}
	return d, nil
}

// Return implements [Limiter]. What was taken before the server's clock stepped
// back by more than a second is not found any more, and stays counted.
func (r *Redis) Return(ctx context.Context, key string, d Decision) error {
	if d.Cost <= 0 {
		return nil
	}
	_, err := r.exec(ctx, r.giveBack, key, []string{strconv.Itoa(d.Cost), strconv.FormatInt(d.Stamp, 10)})
	return err
}

// Ping asks whether Redis can decide, connecting if need be. It waits as long as
// a decision would.
func (r *Redis) Ping(ctx context.Context) error {
	return r.do(ctx, func(ctx context.Context, c rueidis.Client) error {
		return c.Do(ctx, c.B().Ping().Build()).Error()
	})
}

// Close ends the connection; decisions under way get an error.
func (r *Redis) Close() error {
	r.link.close()
	return nil
}

// exec runs a script on key.
func (r *Redis) exec(ctx context.Context, script *rueidis.Lua, key string, args []string) (answer rueidis.RedisResult, err error) {
	err = r.do(ctx, func(ctx context.Context, c rueidis.Client) error {
		answer = script.Exec(ctx, c, []string{r.prefix + key}, args)
		return answer.Error()
	})
	return answer, err
}

// do runs f on the connection within the timeout, and makes its errors ours.
func (r *Redis) do(outer context.Context, f func(context.Context, rueidis.Client) error) error {
	ctx, cancel := context.WithTimeout(outer, r.timeout)
	defer cancel()
	client, err := r.link.get(ctx)
	if err == nil {
		if err = f(ctx, client); err == nil {
			return nil
		}
		if lost(err) {
			r.link.drop(client, err)
		}
	}
	switch {
	case errors.Is(err, ErrClosed):
		return err
	case outer.Err() != nil:
		return outer.Err()
	case ctx.Err() != nil:
		return fmt.Errorf("%w: no answer from Redis within %v", ErrUnavailable, r.timeout)
	}
	return fmt.Errorf("%w: %w", ErrUnavailable, err)
}
