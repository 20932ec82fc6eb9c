package caddywagateway

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/genfity/wa-gateway/ratelimit"
)

// LimiterModule is what a module of the namespace wa_gateway.limiters
// implements, so that others can write limiters of their own.
type LimiterModule interface {
	// Limiter returns the limiter. It is called once, after Provision.
	Limiter() ratelimit.Limiter
	// Shared tells whether several gateways count together.
	Shared() bool
}

// limiterPool keeps limiters across reloads: a reload must not forget what was
// counted.
var limiterPool = caddy.NewUsagePool()

type pooledLimiter struct{ ratelimit.Limiter }

// Destruct implements caddy.Destructor.
func (p pooledLimiter) Destruct() error { return p.Close() }

// MemoryLimiter counts in this process. It is exact on one node.
type MemoryLimiter struct{ pool limiterHandle }

// CaddyModule returns the Caddy module information.
func (MemoryLimiter) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "wa_gateway.limiters.memory",
		New: func() caddy.Module { return new(MemoryLimiter) },
	}
}

// Provision implements caddy.Provisioner.
func (m *MemoryLimiter) Provision(caddy.Context) error {
	return m.pool.load("memory", func() (ratelimit.Limiter, error) {
		return ratelimit.NewMemory(ratelimit.MemoryOptions{}), nil
	})
}

// Cleanup implements caddy.CleanerUpper.
func (m *MemoryLimiter) Cleanup() error { return m.pool.release() }

// Limiter implements LimiterModule.
func (m *MemoryLimiter) Limiter() ratelimit.Limiter { return m.pool.limiter }

// Shared implements LimiterModule.
func (m *MemoryLimiter) Shared() bool { return false }

// UnmarshalCaddyfile sets up the limiter from Caddyfile tokens:
//
//	limiter memory
func (m *MemoryLimiter) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next()
	if d.NextArg() {
		return d.ArgErr()
	}
	return block(d, "limiter memory", nil)
}

// RedisLimiter counts in Redis, so that all gateways that use the same Redis
// limit together, on its clock.
type RedisLimiter struct {
	// The URL: `redis://[user:password@]host:port[/db]`, or `rediss://` for TLS;
	// placeholders are replaced. If it is empty then, the gateway counts in
	// memory, so that one configuration serves with and without Redis.
	URL string `json:"url,omitempty"`

	// Put before every key. Default: wa_gateway.
	Prefix string `json:"prefix,omitempty"`

	// How long a decision may take before it fails. Default: 1s.
	Timeout caddy.Duration `json:"timeout,omitempty"`

	pool   limiterHandle
	shared bool
}

// CaddyModule returns the Caddy module information.
func (RedisLimiter) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "wa_gateway.limiters.redis",
		New: func() caddy.Module { return new(RedisLimiter) },
	}
}

// Provision implements caddy.Provisioner. It does not connect.
func (m *RedisLimiter) Provision(caddy.Context) error {
	url := resolveValue(caddy.NewReplacer(), m.URL)
	if url == "" {
		return m.pool.load("memory", func() (ratelimit.Limiter, error) {
			return ratelimit.NewMemory(ratelimit.MemoryOptions{}), nil
		})
	}
	m.shared = true
	key := fmt.Sprintf("redis %s %s %d", url, m.Prefix, m.Timeout)
	return m.pool.load(key, func() (ratelimit.Limiter, error) {
		return ratelimit.NewRedis(ratelimit.RedisOptions{
			URL: url, Prefix: m.Prefix, Timeout: time.Duration(m.Timeout),
		})
	})
}

// Cleanup implements caddy.CleanerUpper.
func (m *RedisLimiter) Cleanup() error { return m.pool.release() }

// Limiter implements LimiterModule.
func (m *RedisLimiter) Limiter() ratelimit.Limiter { return m.pool.limiter }

// Shared implements LimiterModule.
func (m *RedisLimiter) Shared() bool { return m.shared }

// UnmarshalCaddyfile sets up the limiter from Caddyfile tokens:
//
//	limiter redis [<url>] {
//		url     <url>
//		prefix  <text>
//		timeout <duration>
//	}
func (m *RedisLimiter) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next()
	if d.NextArg() {
		m.URL = d.Val()
	}
	if d.NextArg() {
		return d.ArgErr()
	}
	return block(d, "limiter redis", map[string]func() error{
		"url": func() error {
			if m.URL != "" {
				return twice(d, "url")
			}
			return oneArg(d, &m.URL)
		},
		"prefix":  func() error { return oneArg(d, &m.Prefix) },
		"timeout": func() error { return durationArg(d, &m.Timeout) },
	})
}

// limiterHandle is one hold on a pooled limiter. The zero value holds nothing,
// so releasing after a failed Provision is safe.
type limiterHandle struct {
	key     string
	limiter ratelimit.Limiter
}

// load takes hold of the limiter of these settings. The pool's key is a hash:
// the pool prints its keys when it panics, and settings hold passwords.
func (h *limiterHandle) load(settings string, construct func() (ratelimit.Limiter, error)) error {
	sum := sha256.Sum256([]byte(settings))
	key := hex.EncodeToString(sum[:])
	value, _, err := limiterPool.LoadOrNew(key, func() (caddy.Destructor, error) {
		limiter, err := construct()
		if err != nil {
			return nil, err
		}
		return pooledLimiter{limiter}, nil
	})
	if err != nil {
		return err
	}
	h.key, h.limiter = key, value.(pooledLimiter).Limiter
	return nil
}

func (h *limiterHandle) release() error {
	if h.key == "" {
		return nil
	}
	key := h.key
	h.key = ""
	_, err := limiterPool.Delete(key)
	return err
}

// Interface guards
var (
	_ LimiterModule         = (*MemoryLimiter)(nil)
	_ caddy.Provisioner     = (*MemoryLimiter)(nil)
	_ caddy.CleanerUpper    = (*MemoryLimiter)(nil)
	_ caddyfile.Unmarshaler = (*MemoryLimiter)(nil)
	_ LimiterModule         = (*RedisLimiter)(nil)
	_ caddy.Provisioner     = (*RedisLimiter)(nil)
	_ caddy.CleanerUpper    = (*RedisLimiter)(nil)
	_ caddyfile.Unmarshaler = (*RedisLimiter)(nil)
)
