package caddywagateway

import (
	"net/http"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"

	"github.com/genfity/wa-gateway/ratelimit"
)

func (x *exchange) replacer() *caddy.Replacer {
	return x.r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer)
}

// announce sets {http.wa_gateway.<name>} and adds wa_gateway_<name> to the
// access log.
func (x *exchange) announce(name, value string) {
	x.replacer().Set("http.wa_gateway."+name, value)
	if extra, ok := x.r.Context().Value(caddyhttp.ExtraLogFieldsCtxKey).(*caddyhttp.ExtraLogFields); ok {
		extra.Set(zap.String("wa_gateway_"+name, value))
	}
}

func (x *exchange) announceOutcome() {
	if x.match != nil && x.match.Route.Class != "own" {
		x.announce("outcome", x.outcome)
	}
}

func joinMethods(methods []string) string { return strings.Join(methods, ", ") }

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
