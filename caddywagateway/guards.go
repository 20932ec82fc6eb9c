package caddywagateway

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/genfity/wa-gateway/gate"
	"github.com/genfity/wa-gateway/guard"
	"github.com/genfity/wa-gateway/signature"
)

// AuthFailures bounds how many wrong credentials may come from one address (an
// IPv6 /64 counts as one). Past it, credentials that have not worked from there
// before are answered 429 unseen. Nothing is counted by account, so nobody can
// lock out a customer.
type AuthFailures struct {
	// The number. Default: 20.
	Max int `json:"max,omitempty"`
	// In how long a time. Default: 1m.
	Window caddy.Duration `json:"window,omitempty"`
}

// Signatures are those of events.
type Signatures struct {
	// Set to true to refuse signatures over the body alone, which can be sent again
	// for ever. Default: false.
	RequireTimestamp bool `json:"require_timestamp,omitempty"`
	// How far the timestamp of a signature may be from now. Default: 5m.
	Tolerance caddy.Duration `json:"tolerance,omitempty"`
}

const (
	defaultAuthFailures  = 20
	defaultFailureWindow = time.Minute
	defaultConcurrency   = 100
)

// guards hold what is known of clients. They outlive a config reload, lest a
// reload let guessers begin anew.
type guards struct {
	failures     *guard.Failures
	hookFailures *guard.Failures
	inFlight     *guard.InFlight
	replays      *signature.Replays
}

// Destruct implements caddy.Destructor.
func (*guards) Destruct() error { return nil }

var guardPool = caddy.NewUsagePool()

// enter takes a place among the calls of one user that are under way; leave gives
// it back. The admin needs none.
func (a *App) enter(grant *gate.Grant) (leave func(), err error) {
	if grant.Caller == nil {
		return func() {}, nil
	}
	user := grant.Caller.User.ID
	if !a.guards.inFlight.Enter(user) {
		return nil, refuse(http.StatusTooManyRequests, "Too many calls at once; wait for some to end").set("Retry-After", "1")
	}
	return func() { a.guards.inFlight.Leave(user) }, nil
}

func (a *App) validateGuards() error {
	if f := a.AuthFailures; f != nil {
		if f.Max < 0 || f.Max > 1000 {
			return errors.New("auth_failures: the number must be between 1 and 1000")
		}
		if w := time.Duration(f.Window); w < 0 || (w > 0 && w < time.Second) || w > 24*time.Hour {
			return errors.New("auth_failures: the window must be between 1s and 24h")
		}
	}
	if a.Signatures != nil && (a.Signatures.Tolerance < 0 || time.Duration(a.Signatures.Tolerance) > time.Hour) {
		return errors.New("signatures: the tolerance must be between 1s and 1h")
	}
	if a.Concurrency < 0 {
		return errors.New("concurrency must not be negative")
	}
	return nil
}

func (a *App) provisionGuards(repl *caddy.Replacer) error {
	most, window := defaultAuthFailures, defaultFailureWindow
	if f := a.AuthFailures; f != nil {
		if f.Max > 0 {
			most = f.Max
		}
		if f.Window > 0 {
			window = time.Duration(f.Window)
		}
	}
	key := fmt.Sprintf("%d %s", most, window)
	value, _, err := guardPool.LoadOrNew(key, func() (caddy.Destructor, error) {
		return &guards{
			failures:     guard.NewFailures(guard.FailuresOptions{Max: most, Window: window}),
			hookFailures: guard.NewFailures(guard.FailuresOptions{Max: most, Window: window}),
			inFlight:     guard.NewInFlight(defaultConcurrency),
			replays:      signature.NewReplays(signature.ReplaysOptions{}),
		}, nil
	})
	if err != nil {
		return err
	}
	a.guardsKey, a.guards = key, value.(*guards)
	concurrency := a.Concurrency
	if concurrency == 0 {
		concurrency = defaultConcurrency
	}
	a.guards.inFlight.SetMax(concurrency)

	a.admin = gate.NewTokens(resolveAll(repl, a.AdminTokens)...)
	tokens := resolveAll(repl, a.EventsTokens)
	a.events = gate.NewTokens(tokens...)
	if len(tokens) > 0 {
		a.eventsToken = tokens[0]
	}
	options := signature.Options{Secrets: tokens, Replays: a.guards.replays}
	if a.Signatures != nil {
		options.RequireTimestamp = a.Signatures.RequireTimestamp
		options.Tolerance = time.Duration(a.Signatures.Tolerance)
	}
	if a.signatures, err = signature.New(options); err != nil {
		return fmt.Errorf("events_token: %w", err)
	}
	return nil
}

// resolveAll replaces placeholders, and leaves out what is empty then.
func resolveAll(repl *caddy.Replacer, values []string) []string {
	var set []string
	for _, value := range values {
		if value = resolveValue(repl, value); value != "" {
			set = append(set, value)
		}
	}
	return set
}
