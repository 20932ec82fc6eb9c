package caddywagateway

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/genfity/wa-gateway/sandbox"
)

// Sandbox is a WA server that sends nothing: it accepts every call of the
// gateway's endpoint table, answers as a WA server would, and posts the events
// of its messages: sent, then delivered and read; for numbers that end in 0000
// failed. It is for trying the gateway, for customers' test keys, and for tests.
//
// Behind wa_gateway let it handle what has no other server:
//
//	@sandbox vars {http.wa_gateway.upstream} sandbox
//	wa_sandbox @sandbox
//
// With a dialect it is another server instead, in all that it takes, answers and
// tells: its webhooks go to the addresses registered with it that have the host
// of events_url.
type Sandbox struct {
	// Which WA server is pretended: `generic`, `wuzapi`, `gowa`, `waha` or
	// `evolution`. Placeholders are replaced. Default: `generic`, the gateway's own.
	Dialect string `json:"dialect,omitempty"`

	// Which of the server's generations: `old` of wuzapi, `noweb` or `webjs` of
	// waha. Placeholders are replaced. Default: the newest.
	Generation string `json:"generation,omitempty"`

	// Where events are posted, such as `http://127.0.0.1:8070/events/message`.
	// Placeholders are replaced. Default: nowhere.
	EventsURL string `json:"events_url,omitempty"`

	// The token that goes with them. Placeholders are replaced. Default: the
	// app's events_token.
	EventsToken string `json:"events_token,omitempty"`

	// The token that callers must show. Placeholders are replaced. Default: any
	// is taken.
	Token string `json:"token,omitempty"`

	// How long a started session shows its QR code before it is connected.
	// Default: 5s.
	PairAfter caddy.Duration `json:"pair_after,omitempty"`

	// How long after it was accepted a message is delivered. Default: 300ms.
	Delivered caddy.Duration `json:"delivered,omitempty"`

	// How long after it was accepted a message is read. Default: 700ms.
	Read caddy.Duration `json:"read,omitempty"`

	key     string
	handler *sandbox.Sandbox
}

// CaddyModule returns the Caddy module information.
func (Sandbox) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.handlers.wa_sandbox",
		New: func() caddy.Module { return new(Sandbox) },
	}
}

// sandboxPool keeps sandboxes across reloads, with the sessions in them.
var sandboxPool = caddy.NewUsagePool()

type pooledSandbox struct{ *sandbox.Sandbox }

// Destruct implements caddy.Destructor.
func (p pooledSandbox) Destruct() error {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	if err := p.Close(ctx); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return nil
}

// Provision implements caddy.Provisioner.
func (s *Sandbox) Provision(ctx caddy.Context) error {
	a, err := app(ctx)
	if err != nil {
		return err
	}
	repl := caddy.NewReplacer()
	eventsToken := resolveValue(repl, s.EventsToken)
	if eventsToken == "" {
		eventsToken = a.eventsToken
	}
	options := sandbox.Options{
		Dialect:     resolveValue(repl, s.Dialect),
		Generation:  resolveValue(repl, s.Generation),
		EventsURL:   resolveValue(repl, s.EventsURL),
		EventsToken: func() string { return eventsToken },
		Token:       resolveValue(repl, s.Token),
		PairAfter:   time.Duration(s.PairAfter),
		Delivered:   time.Duration(s.Delivered),
		Read:        time.Duration(s.Read),
		Logger:      caddy.Log().Named("wa_sandbox"),
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%q %q %q %q %q %d %d %d", options.Dialect, options.Generation,
		options.EventsURL, eventsToken, options.Token, options.PairAfter, options.Delivered, options.Read))
	key := hex.EncodeToString(sum[:])
	value, _, err := sandboxPool.LoadOrNew(key, func() (caddy.Destructor, error) {
		handler, err := sandbox.New(options)
		return pooledSandbox{handler}, err
	})
	if err != nil {
		return fmt.Errorf("wa_sandbox: %w", err)
	}
	s.key, s.handler = key, value.(pooledSandbox).Sandbox
	return nil
}

// Cleanup implements caddy.CleanerUpper.
func (s *Sandbox) Cleanup() error {
	if s.key == "" {
		return nil
	}
	key := s.key
	s.key = ""
	_, err := sandboxPool.Delete(key)
	return err
}

// ServeHTTP implements caddyhttp.MiddlewareHandler.
func (s *Sandbox) ServeHTTP(w http.ResponseWriter, r *http.Request, _ caddyhttp.Handler) error {
	s.handler.ServeHTTP(w, r)
	return nil
}

// Interface guards
var (
	_ caddy.Provisioner           = (*Sandbox)(nil)
	_ caddy.CleanerUpper          = (*Sandbox)(nil)
	_ caddyhttp.MiddlewareHandler = (*Sandbox)(nil)
)
