package caddywagateway

import (
	"net/http"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/genfity/wa-gateway/ratelimit"
)

func (x *exchange) replacer() *caddy.Replacer {
	return x.r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer)
}

// fact is something that the gateway tells of a request.
type fact int

const (
	factUser fact = iota
	factSession
	factPackage
	factMode
	factServer
	factUpstream
	factOutcome
	factCount
)

// factNames are how placeholders and the access log call each fact.
var factNames = [factCount]struct{ placeholder, field string }{
	factUser:     {"http.wa_gateway.user_id", "wa_gateway_user_id"},
	factSession:  {"http.wa_gateway.session_id", "wa_gateway_session_id"},
	factPackage:  {"http.wa_gateway.package", "wa_gateway_package"},
	factMode:     {"http.wa_gateway.mode", "wa_gateway_mode"},
	factServer:   {"http.wa_gateway.wa_server", "wa_gateway_wa_server"},
	factUpstream: {"http.wa_gateway.upstream", "wa_gateway_upstream"},
	factOutcome:  {"http.wa_gateway.outcome", "wa_gateway_outcome"},
}

// announced are the facts of a request that are known so far. They are in one
// place that placeholders and the log look into, when there are any: setting each
// of them in both cost one allocation in ten.
type announced struct {
	values [factCount]string
	known  [factCount]bool
}

// announcedVar is the variable that holds them, so that a gateway which runs
// again for the same request, in an error route, adds to them.
const announcedVar = "wa_gateway.announced"

// announce sets {http.wa_gateway.<name>} and adds wa_gateway_<name> to the
// access log.
func (x *exchange) announce(f fact, value string) {
	if x.announced == nil {
		x.announced = announcedOf(x)
	}
	x.announced.values[f], x.announced.known[f] = value, true
}

func announcedOf(x *exchange) *announced {
	ctx := x.r.Context()
	if a, ok := caddyhttp.GetVar(ctx, announcedVar).(*announced); ok {
		return a
	}
	a := new(announced)
	caddyhttp.SetVar(ctx, announcedVar, a)
	x.replacer().Map(a.placeholder)
	if extra, ok := ctx.Value(caddyhttp.ExtraLogFieldsCtxKey).(*caddyhttp.ExtraLogFields); ok {
		extra.Add(zap.Inline(a))
	}
	return a
}

// placeholder is a caddy.ReplacerFunc.
func (a *announced) placeholder(key string) (any, bool) {
	for f := range factCount {
		if a.known[f] && key == factNames[f].placeholder {
			return a.values[f], true
		}
	}
	return nil, false
}

// MarshalLogObject implements zapcore.ObjectMarshaler.
func (a *announced) MarshalLogObject(enc zapcore.ObjectEncoder) error {
	for f := range factCount {
		if a.known[f] {
			enc.AddString(factNames[f].field, a.values[f])
		}
	}
	return nil
}

func (x *exchange) announceOutcome() {
	if x.match != nil && x.match.Route.Class != "own" {
		x.announce(factOutcome, x.outcome)
	}
}

// limitPolicy is the name of the limit in the RateLimit fields (contract §6).
const limitPolicy = "messages"

// setLimitHeaders puts the state of the limit on an answer; on one that the
// limit refused also Retry-After.
func setLimitHeaders(h http.Header, d ratelimit.Decision) {
	d.Headers(limitPolicy, time.Now()).Set(h)
}

// limited is the answer to a call over the limit.
func limited(d ratelimit.Decision) *refusal {
	return refuse(http.StatusTooManyRequests, messageLimited).
		with(map[string]int64{"retry_after": d.RetryAfterSeconds()})
}
