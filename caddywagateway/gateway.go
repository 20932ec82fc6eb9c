package caddywagateway

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"

	"github.com/genfity/wa-gateway/directory"
	"github.com/genfity/wa-gateway/ratelimit"
	"github.com/genfity/wa-gateway/routes"
	"github.com/genfity/wa-gateway/store"
	"github.com/genfity/wa-gateway/waserver"
)

// Gateway is the gateway itself. It stands before reverse_proxy and handles
// everything under /api/wa/: it authenticates the caller, checks the
// subscription and that the session is the caller's, holds the session to its
// message rate, rewrites the request for the WA server, passes it to the next
// handler, and records what became of the message. Any other path is 404: put it
// into a `handle /api/wa/*` block, or give it a matcher, where other things are
// served beside it.
//
// It sets these placeholders, and adds them to the access log:
//
// Placeholder | Description
// ------------|---------------
// `{http.wa_gateway.user_id}` | The verified user
// `{http.wa_gateway.session_id}` | The session that was checked to be theirs
// `{http.wa_gateway.package}` | The package of the active subscription
// `{http.wa_gateway.outcome}` | sent, failed, forwarded (no message) or refused, once the request is done
// `{http.wa_gateway.wa_server}` | The name of the WA server
// `{http.wa_gateway.upstream}` | Where the request goes: `server`, or `sandbox` when no URL is set or the API key is a test key
// `{http.wa_gateway.mode}` | live or test, by the API key
//
// `{http.auth.user.id}` is the user, too.
type Gateway struct {
	// The clients whose word is taken for their identity (X-User-ID header or
	// user_id parameter): CIDRs, addresses, `private_ranges`, or `none`. Judged
	// by Caddy's client IP, and never for a request that came through a proxy
	// which Caddy was not told to trust. Default: private_ranges on plain HTTP,
	// none on HTTPS.
	TrustedClients TrustedClients `json:"trusted_clients,omitempty"`

	// The name of the WA server, one of the app's. Default: the first.
	WAServer string `json:"wa_server,omitempty"`

	// Calls outside the endpoint table that are forwarded all the same.
	Allow []Allowed `json:"allow,omitempty"`

	// The largest body of a message, in bytes. Default: 100 MiB.
	MaxMessageBody int64 `json:"max_message_body,omitempty"`

	// The largest body of any other call, and of a broadcast, in bytes.
	// Default: 1 MiB.
	MaxBody int64 `json:"max_body,omitempty"`

	app    *App
	server *WAServer
	trust  clientTrust
	rules  []routes.Rule
	logger *zap.Logger
}

// Allowed names calls outside the endpoint table.
type Allowed struct {
	// The method, such as POST.
	Method string `json:"method"`
	// The path below /api/wa, such as /groups/*. A * stands for one segment, as
	// the last one for one or more.
	Path string `json:"path"`
}

// CaddyModule returns the Caddy module information.
func (Gateway) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.handlers.wa_gateway",
		New: func() caddy.Module { return new(Gateway) },
	}
}

// The defaults of the bounds on bodies, in bytes.
const (
	defaultMaxMessageBody = 100 << 20
	defaultMaxBody        = 1 << 20
)

// Provision implements caddy.Provisioner.
func (g *Gateway) Provision(ctx caddy.Context) error {
	g.logger = ctx.Logger()
	var err error
	if g.app, err = app(ctx); err != nil {
		return err
	}
	if g.server, err = g.app.server(g.WAServer); err != nil {
		return err
	}
	if g.trust, err = g.TrustedClients.provision(); err != nil {
		return err
	}
	for _, allowed := range g.Allow {
		rule, err := routes.ParseRule(allowed.Method, allowed.Path)
		if err != nil {
			return err
		}
		g.rules = append(g.rules, rule)
	}
	if g.MaxMessageBody < 0 || g.MaxBody < 0 {
		return errors.New("max_message_body and max_body must not be negative")
	}
	if g.MaxMessageBody == 0 {
		g.MaxMessageBody = defaultMaxMessageBody
	}
	if g.MaxBody == 0 {
		g.MaxBody = defaultMaxBody
	}
	return nil
}

// exchange is one request on its way through the gateway.
type exchange struct {
	*Gateway
	w     http.ResponseWriter
	r     *http.Request
	next  caddyhttp.Handler
	start time.Time

	match   *routes.Match
	query   url.Values
	caller  *identity
	pkg     *store.Package
	session string // verified; empty where the endpoint needs none

	askedName string // of a session that is created
	call      waserver.Call
	decision  *ratelimit.Decision
	outcome   string

	announced *announced // nil until there is something to tell
}

// The values of {http.wa_gateway.outcome}.
const (
	outcomeSent      = "sent"
	outcomeFailed    = "failed"
	outcomeForwarded = "forwarded"
	outcomeRefused   = "refused"
)

// ServeHTTP implements caddyhttp.MiddlewareHandler.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	x := &exchange{Gateway: g, w: w, r: r, next: next, start: time.Now(), outcome: outcomeRefused}
	defer x.announceOutcome()
	return finish(w, r, x.serve(), g.logger)
}

// serve reads like contract §3 to §7: each step refuses or hands on.
func (x *exchange) serve() error {
	if err := x.route(); err != nil {
		return err
	}
	if x.match.Route.Endpoint == routes.Health {
		return x.app.serveHealth(x.w, x.r)
	}
	if !x.app.databases.ready.Load() {
		return unavailable("The gateway is starting; try again in a moment", nil)
	}
	if err := x.authenticate(); err != nil {
		return err
	}
	if x.match.Route.Class == routes.ClassOwn {
		return x.serveOwn()
	}
	if err := x.checkSubscription(); err != nil {
		return err
	}
	if err := x.checkSession(); err != nil {
		return err
	}
	return x.dispatch()
}

// route finds the endpoint. What is forwarded later is built from the segments
// found here, never from the client's path.
func (x *exchange) route() error {
	segments, err := routes.Segments(x.r.URL.EscapedPath(), routes.Prefix)
	if err == nil {
		x.match, err = routes.API.Match(x.r.Method, segments)
		if errors.Is(err, routes.ErrNotFound) {
			x.match, err = routes.MatchAllowed(x.rules, x.r.Method, segments)
		}
	}
	if err != nil {
		return routeRefusal(err)
	}
	if x.query, err = url.ParseQuery(x.r.URL.RawQuery); err != nil {
		return refuse(http.StatusBadRequest, "The query string cannot be parsed")
	}
	return nil
}

// routeRefusal is the answer to a request that no route was found for.
func routeRefusal(err error) *refusal {
	var wrongMethod *routes.MethodError
	if errors.As(err, &wrongMethod) {
		e := refuse(http.StatusMethodNotAllowed, "Method not allowed; see the Allow header")
		e.header = http.Header{"Allow": {joinMethods(wrongMethod.Allow)}}
		return e
	}
	return refuse(http.StatusNotFound, "No such endpoint")
}

func (x *exchange) authenticate() error {
	caller, err := x.app.identify(x.r, x.trust, x.query)
	if err != nil {
		return err
	}
	x.caller = caller
	if caller.admin {
		if x.match.Route.Class != routes.ClassOwn {
			// The admin token opens statistics; it is nobody's account.
			return unauthenticated()
		}
		return nil
	}
	x.announce(factUser, caller.user.ID)
	x.announce(factMode, string(caller.mode))
	x.replacer().Set("http.auth.user.id", caller.user.ID)
	if x.match.Route.Session && x.namedSession() == "" {
		return unauthenticated().with(map[string]string{"missing": waserver.HeaderSessionID})
	}
	return nil
}

func (x *exchange) checkSubscription() error {
	subscription, err := x.app.databases.directory.Subscription(x.r.Context(), x.caller.user.ID)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return refuse(http.StatusForbidden, messageNoSubscription)
	case err != nil:
		return databaseFailure(err)
	}
	x.pkg = subscription.Package
	if x.pkg != nil {
		x.announce(factPackage, x.pkg.Name)
	}
	return nil
}

// namedSession is the session that a call is about: the one in the path, else
// the one that the caller names beside it.
func (x *exchange) namedSession() string {
	if x.match.Route.Class != routes.ClassOther {
		if id := x.match.Param(routes.ParamSession); id != "" {
			return id
		}
	}
	return x.caller.session
}

// checkSession verifies every session that is named, needed or not: what passes
// on is the caller's, or nothing.
func (x *exchange) checkSession() error {
	named := x.namedSession()
	if named == "" {
		return nil
	}
	if !routes.ValidID(named) {
		return foreignSession()
	}
	_, err := x.app.databases.directory.Session(x.r.Context(), x.caller.user.ID, named)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return foreignSession()
	case err != nil:
		return databaseFailure(err)
	}
	x.session = named
	x.announce(factSession, named)
	return nil
}

// foreignSession answers for a session that does not exist and for somebody
// else's alike (contract §4).
func foreignSession() *refusal {
	return refuse(http.StatusForbidden, "This session does not exist or is not yours")
}

// takeLimit asks the limiter for n messages.
func (x *exchange) takeLimit(ctx context.Context, n int) error {
	limit := x.app.limitFor(x.pkg)
	if n > limit.Messages {
		return refuse(http.StatusBadRequest,
			"More recipients than the rate limit allows at all; split the broadcast").
			with(map[string]int{"recipients": n, "limit": limit.Messages})
	}
	decision, err := x.app.limiter.Take(ctx, x.limitKey(), n, limit)
	if err != nil {
		return unavailable("The rate limiter cannot be reached; try again later", err)
	}
	x.decision = &decision
	if !decision.Allowed {
		setLimitHeaders(x.w.Header(), decision)
		return limited(decision)
	}
	return nil
}

// returnLimit gives back what takeLimit took, for a message that never was.
func (x *exchange) returnLimit() {
	if x.decision == nil || !x.decision.Allowed {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(x.r.Context()), time.Second)
	defer cancel()
	if err := x.app.limiter.Return(ctx, x.limitKey(), *x.decision); err != nil {
		x.logger.Warn("giving a message back to the limiter", zap.Error(err))
	}
}

// limitKey is the scope of contract §6. Neither id can hold a NUL.
// Tests have a count of their own, so that they cost live traffic nothing.
func (x *exchange) limitKey() string {
	key := x.caller.user.ID + "\x00" + x.session
	if x.isTest() {
		key += "\x00test"
	}
	return key
}

// toSandbox tells whether the sandbox stands in for the WA server.
func (x *exchange) toSandbox() bool { return x.server.sandbox || x.isTest() }

// isTest tells whether the call is a customer's test against a gateway that
// otherwise serves live.
func (x *exchange) isTest() bool {
	return x.caller.mode == directory.ModeTest && !x.server.sandbox
}

// Interface guards
var (
	_ caddy.Provisioner           = (*Gateway)(nil)
	_ caddyhttp.MiddlewareHandler = (*Gateway)(nil)
)
