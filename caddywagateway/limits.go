package caddywagateway

import (
	"errors"
	"fmt"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/genfity/wa-gateway/ratelimit"
	"github.com/genfity/wa-gateway/store"
)

// The limit of contract §6.
const (
	defaultMessages = 100
	defaultWindow   = 60 * time.Second
)

// RateLimit is how many messages may be sent in a window of time. It holds for
// each pair of user and session, exactly: no window of that length sees more.
type RateLimit struct {
	// The number of messages. Default: 100.
	Messages int `json:"messages,omitempty"`
	// The length of the window. Default: 60s.
	Window caddy.Duration `json:"window,omitempty"`
}

func (l *RateLimit) limit() ratelimit.Limit {
	limit := ratelimit.Limit{Messages: defaultMessages, Window: defaultWindow}
	if l == nil {
		return limit
	}
	if l.Messages != 0 {
		limit.Messages = l.Messages
	}
	if l.Window != 0 {
		limit.Window = time.Duration(l.Window)
	}
	return limit
}

func (l *RateLimit) validate() error {
	if l == nil {
		return nil
	}
	if l.Messages < 0 || l.Messages > 1_000_000 {
		return fmt.Errorf("messages must be between 1 and 1000000, not %d", l.Messages)
	}
	if w := time.Duration(l.Window); w < 0 || (w > 0 && w < time.Second) || w > 24*time.Hour {
		return errors.New("window must be between 1s and 24h")
	}
	return nil
}

// limitFor is the limit of a package: its own by name or by id, else the
// global one.
func (a *App) limitFor(pkg *store.Package) ratelimit.Limit {
	if pkg != nil {
		if l, ok := a.packages[pkg.Name]; ok {
			return l
		}
		if l, ok := a.packages[pkg.ID]; ok {
			return l
		}
	}
	return a.limit
}
