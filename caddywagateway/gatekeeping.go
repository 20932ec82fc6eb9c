package caddywagateway

import (
	"errors"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/genfity/wa-gateway/gate"
	"github.com/genfity/wa-gateway/guard"
	"github.com/genfity/wa-gateway/routes"
	"github.com/genfity/wa-gateway/store"
)

// newGate is the gate of a handler; they differ in their rules alone.
func (a *App) newGate(rules []routes.Rule) *gate.Gate {
	return &gate.Gate{
		Directory: a.databases.directory,
		Failures:  a.guards.failures, HookFailures: a.guards.hookFailures,
		Admin:      a.admin,
		Events:     a.events,
		Signatures: a.signatures,
		Rules:      rules,
		Ready:      a.databases.awaitReady,
	}
}

// gateRequest is what the gate looks at of a request.
func (t clientTrust) gateRequest(r *http.Request, table *routes.Table, prefix string, query url.Values) *gate.Request {
	addr, vouched := clientAddress(r)
	return &gate.Request{
		Method: r.Method, Path: r.URL.EscapedPath(), Prefix: prefix, Table: table,
		Query: query, Header: r.Header,
		Client: addr, Vouched: vouched, Trusted: t.trusts(r),
	}
}

// clientAddress is Caddy's own client IP. It is vouched for unless the request
// bears the marks of a proxy which Caddy was not told to trust: then it is the
// proxy's, and who is behind it is unknown.
func clientAddress(r *http.Request) (addr netip.Addr, vouched bool) {
	text, _ := caddyhttp.GetVar(r.Context(), caddyhttp.ClientIPVarKey).(string)
	addr, err := netip.ParseAddr(text)
	if err != nil {
		return netip.Addr{}, false
	}
	throughTrustedProxy, _ := caddyhttp.GetVar(r.Context(), caddyhttp.TrustedProxyVarKey).(bool)
	return addr.Unmap().WithZone(""), throughTrustedProxy || !throughProxy(r.Header)
}

// gateRefusal is the answer to what the gate refused.
func gateRefusal(err error) error {
	if err == nil {
		return nil
	}
	var wrongMethod *routes.MethodError
	var tooMany *guard.TooManyFailures
	var key *gate.KeyError
	switch {
	case errors.As(err, &wrongMethod):
		return refuse(http.StatusMethodNotAllowed, "Method not allowed; see the Allow header").
			set("Allow", strings.Join(wrongMethod.Allow, ", "))
	case errors.Is(err, routes.ErrNotFound):
		return refuse(http.StatusNotFound, "No such endpoint")
	case errors.Is(err, gate.ErrStarting):
		return unavailable("The gateway is starting; try again in a moment", nil)
	case errors.As(err, &tooMany):
		seconds := int64((tooMany.RetryAfter + 999_999_999) / 1_000_000_000)
		return refuse(http.StatusTooManyRequests, "Too many wrong credentials from your address; try again later").
			with(map[string]int64{"retry_after": seconds}).set("Retry-After", strconv.FormatInt(seconds, 10))
	case errors.Is(err, gate.ErrUnauthenticated), errors.Is(err, gate.ErrUnproven):
		return unauthenticated()
	case errors.Is(err, gate.ErrNoSessionNamed):
		return unauthenticated().with(map[string]string{"missing": "X-Session-ID"})
	case errors.Is(err, gate.ErrNoSubscription):
		return refuse(http.StatusForbidden, messageNoSubscription)
	case errors.Is(err, gate.ErrForeignSession):
		return foreignSession()
	case errors.Is(err, gate.ErrForeignUser):
		return foreignUser()
	case errors.Is(err, gate.ErrAdminClosed):
		return refuse(http.StatusForbidden, "The admin endpoints are closed: no admin token is set")
	case errors.Is(err, gate.ErrReplayed):
		return refuse(http.StatusConflict, "This signed request was taken already; sign each one anew")
	case errors.As(err, &key):
		return keyRefusal(key)
	case errors.Is(err, store.ErrNotFound):
		// Nothing that the gate asks for may be missing without a reason of its own.
		return unauthenticated()
	default:
		return databaseFailure(err)
	}
}

func keyRefusal(e *gate.KeyError) *refusal {
	switch {
	case e.Address:
		return refuse(http.StatusForbidden, "This API key may not be used from your address")
	case len(e.Scopes) > 0:
		return refuse(http.StatusForbidden, "This API key is not good for this call").
			with(map[string][]routes.Scope{"scopes": e.Scopes})
	default:
		return refuse(http.StatusForbidden, "This API key is not good for this call, which concerns more than it is limited to")
	}
}

func unauthenticated() *refusal {
	return refuse(http.StatusUnauthorized, messageUnauthenticated).set("WWW-Authenticate", "Bearer")
}

// foreignSession answers for a session that does not exist and for somebody
// else's alike (contract §4).
func foreignSession() *refusal {
	return refuse(http.StatusForbidden, "This session does not exist or is not yours")
}

func foreignUser() *refusal {
	return refuse(http.StatusForbidden, "You may see your own account only")
}
