// Package gate decides. What a request may do is found out here and nowhere
// else: which endpoint it means, who makes it, whether their key and their
// subscription allow it, and whose session it names. Whatever is not granted is
// refused. What of a request is sent on follows from its Grant alone, never from
// the client's words (waserver has the lists of what else may pass).
package gate

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"net/url"
	"time"

	"github.com/genfity/wa-gateway/directory"
	"github.com/genfity/wa-gateway/guard"
	"github.com/genfity/wa-gateway/routes"
	"github.com/genfity/wa-gateway/signature"
	"github.com/genfity/wa-gateway/store"
)

// Directory is what the gate asks about callers. *directory.Directory
// implements it.
type Directory interface {
	Caller(ctx context.Context, secret string) (*directory.Caller, error)
	User(ctx context.Context, id string) (*store.User, error)
	Session(ctx context.Context, userID, sessionID string) (*store.Session, error)
	Subscription(ctx context.Context, userID string) (*store.Subscription, error)
	// Used remembers when an API key was last used.
	Used(keyID string, at time.Time)
}

// Gate holds what decisions are made from.
type Gate struct {
	Directory Directory
	// Failures slows the guessing of credentials.
	Failures *guard.Failures
	// HookFailures slows the guessing of the events token where servers post their own
	// webhooks; apart from the others, because what such servers show is often none.
	HookFailures *guard.Failures
	// Admin opens statistics and the admin endpoints.
	Admin Tokens
	// Events, and signatures made with it, lets WA servers post events; where it
	// is not set, trusted clients may.
	Events     Tokens
	Signatures *signature.Verifier
	// Rules are calls outside the endpoint table that the operator allows.
	Rules []routes.Rule
	// Ready tells whether the databases can be asked. It may wait for that.
	Ready func(context.Context) bool
}

// Request is all that the gate looks at of an HTTP request.
type Request struct {
	Method string
	// Path is the path below the prefix of Table, escaped, as the client wrote it.
	Path   string
	Prefix string
	Table  *routes.Table
	Query  url.Values
	Header http.Header
	// Client is the client's address, as far as Caddy can vouch for it; the
	// address of a proxy that Caddy was not told to trust otherwise.
	Client netip.Addr
	// Vouched tells that Client is the client's own address.
	Vouched bool
	// Trusted tells that the client's word for its identity is taken.
	Trusted bool
}

// Grant is what a request may do. Of a request that was refused it holds what was
// found out until then.
type Grant struct {
	Match *routes.Match
	// Admin: the admin token was shown. There is no Caller then.
	Admin bool
	// Caller is the verified user, and what their API key is good for.
	Caller *directory.Caller
	// Package is that of the caller's active subscription; nil where none is
	// needed or the subscription has none.
	Package *store.Package
	// Session is the caller's own; empty where the request names none.
	Session string
	// Hook is how much is known of the WA server that posts a webhook.
	Hook HookProof

	events      *ingest
	hookAttempt guard.Attempt
}

// The reasons to refuse. Others are routes.ErrNotFound, a *routes.MethodError, a
// *guard.TooManyFailures, a *KeyError, and errors of the database.
var (
	ErrStarting        = errors.New("the databases are not ready")
	ErrUnauthenticated = errors.New("not authenticated")
	ErrNoSessionNamed  = errors.New("no session is named")
	ErrNoSubscription  = errors.New("no active subscription")
	ErrForeignSession  = errors.New("not a session of the caller")
	ErrForeignUser     = errors.New("not the caller's account")
	ErrAdminClosed     = errors.New("no admin token is set")
)

// KeyError refuses a call that the caller's API key is not good for.
type KeyError struct {
	// Scopes are those of which one would do; empty where the key's addresses or
	// sessions stand in the way.
	Scopes []routes.Scope
	// Address: the key may not be used from the client's address.
	Address bool
}

func (*KeyError) Error() string { return "the API key is not good for this call" }

// Admit judges a request. Every step refuses or hands on; a new endpoint is
// refused until its row in the table says who may call it.
func (g *Gate) Admit(ctx context.Context, r *Request) (*Grant, error) {
	grant := new(Grant)
	if err := g.endpoint(r, grant); err != nil {
		return grant, err
	}
	if grant.Match.Route.Anonymous {
		return grant, nil
	}
	if grant.Match.Route.Class == routes.ClassIngest {
		// No database has a part in it: events are kept until there is one.
		return grant, g.waServer(ctx, r, grant)
	}
	if grant.Match.Route.Class == routes.ClassHook {
		g.hook(ctx, r, grant)
		return grant, nil
	}
	if !g.Ready(ctx) {
		return grant, ErrStarting
	}
	switch grant.Match.Route.Class {
	case routes.ClassAdmin:
		return grant, g.admin(ctx, r)
	case routes.ClassOwn, routes.ClassStats:
		return grant, g.ownAccount(ctx, r, grant)
	case routes.ClassMessage, routes.ClassSession, routes.ClassChat, routes.ClassConfig, routes.ClassOther:
		return grant, g.forwarded(ctx, r, grant)
	default:
		return grant, routes.ErrNotFound
	}
}

// endpoint finds the row of the table, else the operator's rule.
func (g *Gate) endpoint(r *Request, grant *Grant) error {
	segments, err := routes.Segments(r.Path, r.Prefix)
	if err != nil {
		return err
	}
	grant.Match, err = r.Table.Match(r.Method, segments)
	if errors.Is(err, routes.ErrNotFound) {
		grant.Match, err = routes.MatchAllowed(g.Rules, r.Method, segments)
	}
	return err
}

// forwarded judges a call that goes to the WA server: the caller, what their key
// is good for, their subscription, and every session that is named, needed or
// not.
func (g *Gate) forwarded(ctx context.Context, r *Request, grant *Grant) error {
	named, err := g.caller(ctx, r, grant)
	if err != nil {
		return err
	}
	if grant.Admin {
		// The admin token opens statistics; it is nobody's account.
		return ErrUnauthenticated
	}
	route := grant.Match.Route
	if id := grant.Match.Param(routes.ParamSession); id != "" && route.Class != routes.ClassOther {
		named = id
	}
	if route.Session && named == "" {
		return ErrNoSessionNamed
	}
	if err := keyAllows(r, grant); err != nil {
		return err
	}
	subscription, err := g.Directory.Subscription(ctx, grant.Caller.User.ID)
	if err != nil {
		return notFoundIs(err, ErrNoSubscription)
	}
	grant.Package = subscription.Package
	if named == "" {
		return nil
	}
	return g.session(ctx, grant, named)
}

// session is the one place where tenants are kept apart: a session passes when
// the directory says that it is the caller's, and their key may use it. One that
// does not exist and one of somebody else are the same (contract §4).
func (g *Gate) session(ctx context.Context, grant *Grant, named string) error {
	if !routes.ValidID(named) || !grant.Caller.MayUseSession(named) {
		return ErrForeignSession
	}
	if _, err := g.Directory.Session(ctx, grant.Caller.User.ID, named); err != nil {
		return notFoundIs(err, ErrForeignSession)
	}
	grant.Session = named
	return nil
}

// ownAccount judges a call about an account: one's own, or any with the admin
// token.
func (g *Gate) ownAccount(ctx context.Context, r *Request, grant *Grant) error {
	if _, err := g.caller(ctx, r, grant); err != nil {
		return err
	}
	if grant.Admin {
		return nil
	}
	if err := keyAllows(r, grant); err != nil {
		return err
	}
	if userID := grant.Match.Param(routes.ParamUser); userID != "" && userID != grant.Caller.User.ID {
		return ErrForeignUser
	}
	if session := grant.Match.Param(routes.ParamSession); session != "" && !grant.Caller.MayUseSession(session) {
		return ErrForeignSession
	}
	return nil
}

// keyAllows tells whether the caller's API key is good for the endpoint, from
// the address that the call comes from.
func keyAllows(r *Request, grant *Grant) error {
	caller, route := grant.Caller, grant.Match.Route
	if len(caller.Addresses) > 0 && !(r.Vouched && caller.MayComeFrom(r.Client)) {
		return &KeyError{Address: true}
	}
	allowed := len(caller.Scopes) == 0
	for _, scope := range route.Scopes {
		allowed = allowed || caller.MayUse(string(scope))
	}
	if !allowed {
		return &KeyError{Scopes: route.Scopes}
	}
	if route.AllSessions && len(caller.Sessions) > 0 {
		return &KeyError{}
	}
	return nil
}

func notFoundIs(err, reason error) error {
	if errors.Is(err, store.ErrNotFound) {
		return reason
	}
	return err
}
