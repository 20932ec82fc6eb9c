package caddywagateway

import (
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"

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

	app    *App
	server *WAServer
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
	e.trust, err = e.TrustedClients.provision()
	return err
}

// ServeHTTP implements caddyhttp.MiddlewareHandler.
func (e *Events) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	path := r.URL.EscapedPath()
	if path != strings.TrimSuffix(routes.EventsPrefix, "/") && !strings.HasPrefix(path, routes.EventsPrefix) {
		return next.ServeHTTP(w, r)
	}
	return finish(w, r, e.serve(w, r, path), e.logger)
}

func (e *Events) serve(w http.ResponseWriter, r *http.Request, path string) error {
	segments, err := routes.Segments(path, routes.EventsPrefix)
	if err != nil {
		return routeRefusal(err)
	}
	match, err := routes.Events.Match(r.Method, segments)
	if err != nil {
		return routeRefusal(err)
	}
	if !e.app.databases.ready.Load() {
		return unavailable("The gateway is starting; try again in a moment", nil)
	}
	switch match.Route.Class {
	case routes.ClassIngest:
		return e.serveIngest(w, r, match)
	case routes.ClassAdmin:
		return e.serveAdmin(w, r, match)
	default:
		return e.serveStats(w, r, match)
	}
}

// The bounds of what WA servers may post, in bytes.
const (
	maxEvent   = 64 << 10
	maxBatch   = 16 << 20
	maxWebhook = 16 << 20
)

func (e *Events) serveIngest(w http.ResponseWriter, r *http.Request, match *routes.Match) error {
	// Who shows nothing is refused before a byte of the body is read.
	if err := e.authorizeIngest(r, nil); err != nil {
		return err
	}
	limit := int64(maxBatch)
	switch match.Route.Endpoint {
	case routes.EventMessage:
		limit = maxEvent
	case routes.EventWebhook:
		limit = maxWebhook
	}
	raw, err := readWhole(r, limit)
	if err != nil {
		return err
	}
	if err := e.authorizeIngest(r, raw); err != nil {
		return err
	}
	switch match.Route.Endpoint {
	case routes.EventMessage:
		return e.recordOne(w, r, raw)
	case routes.EventWebhook:
		return e.recordWebhook(w, r, raw)
	default:
		return e.recordBatch(w, r, raw)
	}
}

// signatureHeaders are those in which WA servers send the HMAC of a body.
var signatureHeaders = []string{"X-Hub-Signature-256", "X-Hmac-Signature", "X-Signature-256"}

// authorizeIngest tells whether a WA server may post (contract §4): with the
// events token or its signature, or as a trusted client where no token is set.
// Before the body is read (raw is nil) a signature only has to be there.
func (e *Events) authorizeIngest(r *http.Request, raw []byte) error {
	if !e.app.events.set {
		if e.trust.trusts(r) {
			return nil
		}
		return unauthenticated()
	}
	if token, _ := bearer(r.Header); e.app.events.equal(token) {
		return nil
	}
	for _, name := range signatureHeaders {
		values := r.Header.Values(name)
		if len(values) == 1 && (raw == nil || e.app.events.signed(values[0], raw)) {
			return nil
		}
	}
	return unauthenticated()
}

// readWhole reads a bounded body.
func readWhole(r *http.Request, limit int64) ([]byte, error) {
	if r.ContentLength > limit {
		return nil, tooLarge(limit)
	}
	raw, err := io.ReadAll(io.LimitReader(r.Body, limit+1))
	if err != nil {
		return nil, bodyRefusal(err, limit)
	}
	if int64(len(raw)) > limit {
		return nil, tooLarge(limit)
	}
	if raw == nil {
		raw = []byte{}
	}
	return raw, nil
}

func (e *Events) serveStats(w http.ResponseWriter, r *http.Request, match *routes.Match) error {
	caller, err := e.caller(r)
	if err != nil {
		return err
	}
	userID, sessionID := match.Param(routes.ParamUser), match.Param(routes.ParamSession)
	if match.Route.Endpoint == routes.UserStats {
		if !caller.may(userID) {
			return foreignUser()
		}
		return e.app.serveUserStats(w, r, userID)
	}
	return e.app.serveSessionStats(w, r, caller, userID, sessionID)
}

// caller authenticates somebody who wants to see statistics.
func (e *Events) caller(r *http.Request) (*identity, error) {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, refuse(http.StatusBadRequest, "The query string cannot be parsed")
	}
	return e.app.identify(r, e.trust, query)
}

// serveAdmin answers the admin endpoints. Without an admin token they are closed
// (contract §4).
func (e *Events) serveAdmin(w http.ResponseWriter, r *http.Request, match *routes.Match) error {
	if !e.app.admin.set {
		return refuse(http.StatusForbidden, "The admin endpoints are closed: no admin token is set")
	}
	if token, _ := bearer(r.Header); !e.app.admin.equal(token) {
		return unauthenticated()
	}
	userID, sessionID := match.Param(routes.ParamUser), match.Param(routes.ParamSession)
	reset := r.Method == http.MethodDelete
	switch {
	case match.Route.Endpoint == routes.AdminStats:
		return e.app.serveAllStats(w, r)
	case match.Route.Endpoint == routes.AdminUserStats && reset:
		return e.app.resetStats(w, r, userID, "")
	case match.Route.Endpoint == routes.AdminUserStats:
		return e.app.serveUserStats(w, r, userID)
	case reset:
		return e.app.resetStats(w, r, userID, sessionID)
	default:
		return e.app.serveSessionStats(w, r, &identity{admin: true}, userID, sessionID)
	}
}

// Interface guards
var (
	_ caddy.Provisioner           = (*Events)(nil)
	_ caddyhttp.MiddlewareHandler = (*Events)(nil)
)
