package caddywagateway

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"

	"github.com/genfity/wa-gateway/directory"
	"github.com/genfity/wa-gateway/gate"
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

	// The largest bodies, in bytes, by class of endpoint: message, broadcast,
	// session, chat, config, other (calls that are allowed by name). Default: 100
	// MiB for message, 1 MiB for the rest.
	MaxBody map[string]int64 `json:"max_body,omitempty"`

	// How deep JSON in bodies may be nested. Default: 64.
	MaxDepth int `json:"max_depth,omitempty"`

	// Headers of clients that reach the WA server, besides those that every WA
	// server may see. Those of credentials and identities never do.
	RequestHeaders []string `json:"request_headers,omitempty"`

	// Headers of the WA server that reach clients, besides those that describe
	// the content of its answer. Cookies never do.
	AnswerHeaders []string `json:"answer_headers,omitempty"`

	// How long each side may take.
	Timeouts *Timeouts `json:"timeouts,omitempty"`

	// The pages of other sites that may call from a browser. Default: none.
	CORS *CORS `json:"cors,omitempty"`

	app            *App
	server         *WAServer
	gate           *gate.Gate
	trust          clientTrust
	requestHeaders map[string]bool
	answerHeaders  map[string]bool
	logger         *zap.Logger
}

// Allowed names calls outside the endpoint table.
type Allowed struct {
	// The method, such as POST.
	Method string `json:"method"`
	// The path below /api/wa, such as /groups/*. A * stands for one segment, as
	// the last one for one or more.
	Path string `json:"path"`
	// The scopes (send, sessions, read) of which an API key that is limited to
	// scopes must have one. Default: such keys may not make the call.
	Scopes []string `json:"scopes,omitempty"`
}

// CaddyModule returns the Caddy module information.
func (Gateway) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.handlers.wa_gateway",
		New: func() caddy.Module { return new(Gateway) },
	}
}

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
	rules, err := allowRules(g.Allow)
	if err != nil {
		return err
	}
	g.gate = g.app.newGate(rules)
	if g.requestHeaders, err = headerNames("request_headers", g.RequestHeaders, g.server.dialect); err != nil {
		return err
	}
	if g.answerHeaders, err = headerNames("answer_headers", g.AnswerHeaders, g.server.dialect); err != nil {
		return err
	}
	if err := g.provisionBodies(); err != nil {
		return err
	}
	if g.Timeouts, err = g.Timeouts.provision(); err != nil {
		return err
	}
	return g.CORS.provision()
}

func allowRules(allow []Allowed) ([]routes.Rule, error) {
	rules := make([]routes.Rule, 0, len(allow))
	for _, allowed := range allow {
		rule, err := routes.ParseRule(allowed.Method, allowed.Path)
		if err != nil {
			return nil, err
		}
		scopes := make([]routes.Scope, 0, len(allowed.Scopes))
		for _, scope := range allowed.Scopes {
			scopes = append(scopes, routes.Scope(scope))
		}
		if rule, err = rule.For(scopes...); err != nil {
			return nil, err
		}
		rules = append(rules, rule)
	}
	return rules, nil
}

// exchange is one request on its way through the gateway.
type exchange struct {
	*Gateway
	w     http.ResponseWriter
	r     *http.Request
	next  caddyhttp.Handler
	start time.Time

	query url.Values
	grant *gate.Grant // what the gate found out; complete when it admitted
	match *routes.Match
	user  *store.User

	askedName string // of a session that is created
	call      waserver.Call
	decision  *ratelimit.Decision
	outcome   string
	control   *http.ResponseController

	announced *announced // nil until there is something to tell

	leaveDatabases func() // nothing is asked of them or told them any more
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
	if g.CORS.answer(w, r, routes.API, routes.Prefix, g.gate.Rules) {
		return nil
	}
	x := &exchange{
		Gateway: g, w: w, r: r, next: next, start: time.Now(), outcome: outcomeRefused,
		control: http.NewResponseController(w),
	}
	defer x.announceOutcome()
	x.leaveDatabases = g.app.use()
	defer x.leaveDatabases()
	var reading *pacedBody
	x.r, reading = paceBody(w, r, g.Timeouts)
	if !hasBody(r) {
		reading.finish() // nobody is going to read it
	}
	err := x.serve()
	reading.finish()
	if err != nil {
		x.limitWrite()
	}
	return finish(w, r, err, g.logger)
}

// serve has the gate decide; what it admits is answered here, or forwarded.
func (x *exchange) serve() error {
	err := x.admit()
	switch {
	case err != nil:
		return err
	case x.match.Route.Endpoint == routes.Health:
		return x.app.serveHealth(x.w, x.r)
	}
	leave, err := x.app.enter(x.grant)
	if err != nil {
		return err
	}
	defer leave()
	if x.match.Route.Class == routes.ClassOwn {
		return x.serveOwn()
	}
	return x.dispatch()
}

// admit asks the gate, and tells placeholders and the access log what it found
// out, of refused requests too.
func (x *exchange) admit() error {
	var err error
	if x.query, err = url.ParseQuery(x.r.URL.RawQuery); err != nil {
		return refuse(http.StatusBadRequest, "The query string cannot be parsed")
	}
	x.grant, err = x.gate.Admit(x.r.Context(), x.trust.gateRequest(x.r, routes.API, routes.Prefix, x.query))
	x.match = x.grant.Match
	if caller := x.grant.Caller; caller != nil {
		x.user = caller.User
		x.announce(factUser, caller.User.ID)
		x.announce(factMode, string(caller.Mode))
		x.replacer().Set("http.auth.user.id", caller.User.ID)
	}
	if x.grant.Package != nil {
		x.announce(factPackage, x.grant.Package.Name)
	}
	if x.grant.Session != "" {
		x.announce(factSession, x.grant.Session)
	}
	return gateRefusal(err)
}

// limitWrite gives the client its time for what is written next. Servers that know
// no deadlines do without.
func (x *exchange) limitWrite() {
	_ = x.control.SetWriteDeadline(time.Now().Add(time.Duration(x.Timeouts.Write)))
}

// takeLimit asks the limiter for n messages.
func (x *exchange) takeLimit(ctx context.Context, n int) error {
	limit := x.app.limitFor(x.grant.Package)
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
	key := x.user.ID + "\x00" + x.grant.Session
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
	return x.grant.Caller.Mode == directory.ModeTest && !x.server.sandbox
}

// Interface guards
var (
	_ caddy.Provisioner           = (*Gateway)(nil)
	_ caddyhttp.MiddlewareHandler = (*Gateway)(nil)
)
