package caddywagateway

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/genfity/wa-gateway/ratelimit"
	"github.com/genfity/wa-gateway/recorder"
)

// The states of a dependency.
const (
	stateUp       = "up"
	stateDown     = "down"
	stateStarting = "starting"
	stateUnknown  = "unknown"
	stateSandbox  = "sandbox"
	stateSpooling = "spooling" // events wait on local disk for a database
)

// dependency is the state of one thing that the gateway needs. Causes of trouble
// are in the log; this is shown to anybody.
type dependency struct {
	Status    string   `json:"status"`
	LatencyMS *float64 `json:"latency_ms,omitempty"`
}

type health struct {
	Status       string                `json:"status"`
	Dependencies map[string]dependency `json:"dependencies"`
	CheckedAt    time.Time             `json:"checked_at"`
}

// The endpoint is open to anybody, so an answer serves all who ask within
// healthTTL, and a dependency has healthTimeout to answer.
const (
	healthTTL     = time.Second
	healthTimeout = 2 * time.Second
)

// healthCache holds the last answer.
type healthCache struct {
	mu   sync.Mutex
	last *health
}

// serveHealth answers GET /api/wa/health: 200 when everything is up, else 503.
func (a *App) serveHealth(w http.ResponseWriter, r *http.Request) error {
	h := a.checkHealth(r.Context())
	if h.Status != "ok" {
		w.Header().Set("Retry-After", "5")
		return writeAnswer(w, http.StatusServiceUnavailable, "Something that the gateway needs is away", h)
	}
	return writeAnswer(w, http.StatusOK, "OK", h)
}

func (a *App) checkHealth(ctx context.Context) *health {
	a.health.mu.Lock()
	defer a.health.mu.Unlock()
	if a.health.last != nil && time.Since(a.health.last.CheckedAt) < healthTTL {
		return a.health.last
	}
	// The answer is everybody's, so it does not end with the one who asked.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), healthTimeout)
	defer cancel()
	h := &health{Status: "ok", Dependencies: a.checkAll(ctx), CheckedAt: time.Now().UTC()}
	for _, d := range h.Dependencies {
		if d.Status == stateDown || d.Status == stateStarting {
			h.Status = "degraded"
		}
	}
	a.health.last = h
	return h
}

// checkAll asks all dependencies at once.
func (a *App) checkAll(ctx context.Context) map[string]dependency {
	checks := map[string]func(context.Context) dependency{
		"transactional_db": func(ctx context.Context) dependency {
			return a.checkDatabase(ctx, a.databases.transactional.DB().Ping)
		},
		"primary_db": func(ctx context.Context) dependency {
			return a.checkDatabase(ctx, a.databases.primary.DB().Ping)
		},
		"limiter": a.checkLimiter,
		"journal": func(context.Context) dependency { return a.databases.checkJournals() },
	}
	for _, s := range a.WAServers {
		name := "wa_server"
		if len(a.WAServers) > 1 {
			name += "." + s.Name
		}
		checks[name] = s.check
	}
	var mu sync.Mutex
	var wg sync.WaitGroup
	states := make(map[string]dependency, len(checks))
	for name, check := range checks {
		wg.Go(func() {
			state := check(ctx)
			mu.Lock()
			defer mu.Unlock()
			states[name] = state
		})
	}
	wg.Wait()
	return states
}

// measure times a check; a nil error means up.
func measure(check func() error) dependency {
	start := time.Now()
	err := check()
	ms := float64(time.Since(start).Microseconds()) / 1000
	if err != nil {
		return dependency{Status: stateDown, LatencyMS: &ms}
	}
	return dependency{Status: stateUp, LatencyMS: &ms}
}

// checkJournals tells whether outcomes and events can be kept on local disk.
func (d *databases) checkJournals() dependency {
	if !d.opened.isSet() {
		return dependency{Status: stateStarting}
	}
	state := dependency{Status: stateUp}
	for _, s := range []recorder.State{d.events.State(), d.webhooks.State()} {
		switch {
		case s.Journal.Err != nil, s.Journal.Full:
			return dependency{Status: stateDown}
		case s.Away:
			state.Status = stateSpooling
		}
	}
	return state
}

func (a *App) checkDatabase(ctx context.Context, ping func(context.Context) error) dependency {
	d := measure(func() error { return ping(ctx) })
	if d.Status == stateUp && !a.databases.ready.isSet() {
		d.Status = stateStarting
	}
	return d
}

// checkLimiter takes a message of a key that is nobody's, and gives it back.
func (a *App) checkLimiter(ctx context.Context) dependency {
	const key = "\x00health"
	limit := ratelimit.Limit{Messages: 1 << 20, Window: time.Second}
	return measure(func() error {
		decision, err := a.limiter.Take(ctx, key, 1, limit)
		if err != nil {
			return err
		}
		return a.limiter.Return(ctx, key, decision)
	})
}

// healthClient asks WA servers whether they are there. It follows no redirect
// and keeps no connection: it comes by once in a while.
var healthClient = &http.Client{
	Transport:     &http.Transport{DisableKeepAlives: true, ResponseHeaderTimeout: healthTimeout},
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

// check asks for the WA server's base URL, without the token: whatever it
// answers, short of a server error of a gateway before it, it is there.
func (s *WAServer) check(ctx context.Context) dependency {
	switch {
	case s.sandbox:
		return dependency{Status: stateSandbox}
	case s.server.URL == nil:
		return dependency{Status: stateUnknown}
	}
	return measure(func() error {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.server.URL.String(), nil)
		if err != nil {
			return err
		}
		res, err := healthClient.Do(req)
		if err != nil {
			return err
		}
		defer res.Body.Close()
		switch res.StatusCode {
		case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
			return http.ErrServerClosed
		}
		return nil
	})
}
