package caddywagateway

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"
	"golang.org/x/sync/semaphore"

	"github.com/genfity/wa-gateway/gate"
	"github.com/genfity/wa-gateway/routes"
)

// Events answers everything under /events: it takes the events of WA servers,
// and shows the statistics to users and to the admin. Any other path goes to
// the next handler.
type Events struct {
	// The clients whose word is taken for their identity, and who may post events
	// while no events_token is set; as in wa_gateway. Default: private_ranges on
	// plain HTTP, none on HTTPS.
	TrustedClients TrustedClients `json:"trusted_clients,omitempty"`

	// The name of the WA server whose native webhooks POST /events/webhook takes,
	// one of the app's. Default: the first.
	WAServer string `json:"wa_server,omitempty"`

	// The largest body, in bytes: of a batch and of a webhook. One event has 64
	// KiB. Default: 16 MiB.
	MaxBody int64 `json:"max_body,omitempty"`

	// How long each side may take.
	Timeouts *Timeouts `json:"timeouts,omitempty"`

	// The pages of other sites that may show statistics. Default: none.
	CORS *CORS `json:"cors,omitempty"`

	app    *App
	server *WAServer
	gate   *gate.Gate
	trust  clientTrust
	logger *zap.Logger
}

// CaddyModule returns the Caddy module information.
func (Events) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.handlers.wa_events",
		New: func() caddy.Module { return new(Events) },
	}
}

// Provision implements caddy.Provisioner.
func (e *Events) Provision(ctx caddy.Context) error {
	e.logger = ctx.Logger()
	var err error
	if e.app, err = app(ctx); err != nil {
		return err
	}
	if e.server, err = e.app.server(e.WAServer); err != nil {
		return err
	}
	if e.trust, err = e.TrustedClients.provision(); err != nil {
		return err
	}
	if e.MaxBody < 0 {
		return errors.New("max_body must not be negative")
	}
	if e.MaxBody == 0 {
		e.MaxBody = defaultMaxEvents
	}
	if e.Timeouts, err = e.Timeouts.provision(); err != nil {
		return err
	}
	e.gate = e.app.newGate(nil)
	return e.CORS.provision()
}

// ServeHTTP implements caddyhttp.MiddlewareHandler.
func (e *Events) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	path := r.URL.EscapedPath()
	if path != strings.TrimSuffix(routes.EventsPrefix, "/") && !strings.HasPrefix(path, routes.EventsPrefix) {
		return next.ServeHTTP(w, r)
	}
	if e.CORS.answer(w, r, routes.Events, routes.EventsPrefix, nil) {
		return nil
	}
	defer e.app.use()()
	r, reading := paceBody(w, r, e.Timeouts)
	err := e.serve(w, r)
	reading.finish()
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(time.Duration(e.Timeouts.Write)))
	return finish(w, r, err, e.logger)
}

// serve has the gate decide, and answers what it admits.
func (e *Events) serve(w http.ResponseWriter, r *http.Request) error {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return refuse(http.StatusBadRequest, "The query string cannot be parsed")
	}
	grant, err := e.gate.Admit(r.Context(), e.trust.gateRequest(r, routes.Events, routes.EventsPrefix, query))
	if err != nil {
		return gateRefusal(err)
	}
	defer grant.Release()
	leave, err := e.app.enter(grant)
	if err != nil {
		return err
	}
	defer leave()
	switch grant.Match.Route.Class {
	case routes.ClassIngest:
		return e.serveIngest(w, r, grant)
	case routes.ClassHook:
		return e.serveHook(w, r, grant)
	case routes.ClassAdmin:
		return e.serveAdmin(w, r, grant.Match)
	default:
		return e.serveStats(w, r, grant)
	}
}

// The bounds of what WA servers may post, in bytes.
const (
	maxEvent         = 64 << 10
	defaultMaxEvents = 16 << 20
)

// unproven bounds the memory, in bytes, for bodies that have to be read before it
// is known whether their signature is good.
var unproven = semaphore.NewWeighted(64 << 20)

// errMemory tells that there is none left for another such body.
var errMemory = errors.New("too many signed bodies at once")

// metered takes of unproven what has come of one body, so that one that never
// comes takes nothing.
type metered struct{ held int64 }

const meterStep = 64 << 10

func (m *metered) hold(ctx context.Context, size int64) error {
	for m != nil && m.held < size {
		if err := unproven.Acquire(ctx, meterStep); err != nil {
			return unavailable("Too many signed bodies at once; try again later", errMemory)
		}
		m.held += meterStep
	}
	return nil
}

func (m *metered) release() { unproven.Release(m.held) }

func (e *Events) serveIngest(w http.ResponseWriter, r *http.Request, grant *gate.Grant) error {
	endpoint := grant.Match.Route.Endpoint
	limit := e.MaxBody
	if endpoint == routes.EventMessage {
		limit = min(limit, maxEvent)
	}
	var memory *metered
	if grant.Signed() {
		memory = new(metered)
		defer memory.release()
	}
	raw, err := readWhole(r, limit, memory)
	if err != nil {
		if !errors.Is(err, errMemory) {
			grant.Spoil() // whoever never shows a whole body may be guessing
		}
		return err
	}
	if err := e.gate.Verify(grant, r.Header, raw); err != nil {
		return gateRefusal(err)
	}
	switch endpoint {
	case routes.EventMessage:
		err = e.recordOne(w, r, raw)
	case routes.EventWebhook:
		err = e.recordWebhook(w, r, raw)
	default:
		err = e.recordBatch(w, r, raw)
	}
	if err == nil {
		grant.Acknowledged()
	}
	return err
}

// readWhole reads a bounded body, as far as memory is to be had.
func readWhole(r *http.Request, limit int64, memory *metered) ([]byte, error) {
	if r.ContentLength > limit {
		return nil, tooLarge(limit)
	}
	raw := make([]byte, 0, min(max(r.ContentLength, 511)+1, meterStep))
	for {
		ctx, cancel := context.WithTimeout(r.Context(), retryAfter)
		err := memory.hold(ctx, int64(cap(raw)))
		cancel()
		if err != nil {
			return nil, err
		}
		n, err := r.Body.Read(raw[len(raw):cap(raw)])
		raw = raw[:len(raw)+n]
		switch {
		case int64(len(raw)) > limit:
			return nil, tooLarge(limit)
		case err == io.EOF:
			return raw, nil
		case err != nil:
			return nil, bodyRefusal(err, limit)
		case len(raw) == cap(raw):
			grown := make([]byte, len(raw), min(2*int64(cap(raw)), limit+1))
			copy(grown, raw)
			raw = grown
		}
	}
}

func (e *Events) serveStats(w http.ResponseWriter, r *http.Request, grant *gate.Grant) error {
	userID, sessionID := grant.Match.Param(routes.ParamUser), grant.Match.Param(routes.ParamSession)
	if grant.Match.Route.Endpoint == routes.UserStats {
		return e.app.serveUserStats(w, r, userID)
	}
	return e.app.serveSessionStats(w, r, grant, userID, sessionID)
}

func (e *Events) serveAdmin(w http.ResponseWriter, r *http.Request, match *routes.Match) error {
	userID, sessionID := match.Param(routes.ParamUser), match.Param(routes.ParamSession)
	reset := r.Method == http.MethodDelete
	switch {
	case match.Route.Endpoint == routes.AdminStats:
		return e.app.serveAllStats(w, r)
	case match.Route.Endpoint == routes.AdminExport:
		return e.serveExport(w, r)
	case match.Route.Endpoint == routes.AdminDeadLetters:
		return e.app.serveDeadLetters(w, r)
	case match.Route.Endpoint == routes.AdminDeadLetter && reset:
		return e.app.dropDeadLetter(w, r, match.Param(routes.ParamLetter))
	case match.Route.Endpoint == routes.AdminDeadLetter:
		return e.app.serveDeadLetter(w, r, match.Param(routes.ParamLetter))
	case match.Route.Endpoint == routes.AdminRetry:
		return e.app.retryDeadLetter(w, r, match.Param(routes.ParamLetter))
	case match.Route.Endpoint == routes.AdminUserStats && reset:
		return e.app.resetStats(w, r, userID, "")
	case match.Route.Endpoint == routes.AdminUserStats:
		return e.app.serveUserStats(w, r, userID)
	case reset:
		return e.app.resetStats(w, r, userID, sessionID)
	default:
		return e.app.serveSessionStats(w, r, &gate.Grant{Admin: true}, userID, sessionID)
	}
}

// Interface guards
var (
	_ caddy.Provisioner           = (*Events)(nil)
	_ caddyhttp.MiddlewareHandler = (*Events)(nil)
)
