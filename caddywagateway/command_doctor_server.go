package caddywagateway

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptrace"
	"net/netip"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/genfity/wa-gateway/ratelimit"
)

// checkServers asks each WA server for its base URL, without the token.
func (d *doctor) checkServers(ctx context.Context) {
	for _, s := range d.config.app.WAServers {
		check := "wa_server " + s.Name
		switch {
		case s.sandbox:
			d.warn(check, "set its url (WA_SERVER_URL)", "no URL is set: the built-in sandbox answers, and nothing is sent")
		case s.server.URL == nil:
			d.ok(check, "not asked: its address stands in reverse_proxy, not in wa_server")
		default:
			d.askServer(ctx, check, s)
		}
		if s.translator != nil && !s.sandbox {
			d.checkDialect(check, s)
		}
		if s.server.Token == "" && !s.sandbox {
			d.warn(check, "set its token (WA_ADMIN_TOKEN), unless it needs none", "no admin token is set for it")
		}
	}
}

// checkDialect looks at what servers with an API of their own need.
func (d *doctor) checkDialect(check string, s *WAServer) {
	switch err := d.config.app.provisionSeal(caddy.NewReplacer()); {
	case err != nil:
		d.fail(check+" encryption", "set encryption_key (WA_ENCRYPTION_KEY)", "%v", err)
	default:
		d.ok(check+" encryption", "the secrets of its sessions are encrypted")
	}
	if s.webhookURL == "" {
		d.warn(check+" webhooks", "set webhook_url (WA_WEBHOOK_URL)",
			"it is not told of the gateway: what becomes of messages is not known, unless you set its webhooks up by hand")
		return
	}
	d.ok(check+" webhooks", "new sessions post them to the gateway")
}

func (d *doctor) askServer(ctx context.Context, check string, s *WAServer) {
	ctx, cancel := context.WithTimeout(ctx, doctorTimeout)
	defer cancel()
	var remote string
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn: func(info httptrace.GotConnInfo) { remote = info.Conn.RemoteAddr().String() },
	})
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.server.URL.String(), nil)
	if err != nil {
		d.fail(check, "correct its url", "its URL cannot be used: %v", err)
		return
	}
	before, start := d.now(), time.Now()
	res, err := healthClient.Do(req)
	if err != nil {
		d.fail(check, "see that it runs, and that its url is right from here", "it does not answer: %v", err)
		return
	}
	_ = res.Body.Close()
	latency, after := time.Since(start), d.now()

	switch res.StatusCode {
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		d.fail(check, "look at what stands before it", "it is away: %d from a proxy before it", res.StatusCode)
		return
	}
	d.ok(check, "answers").took(latency)
	if date, err := http.ParseTime(res.Header.Get("Date")); err == nil {
		d.checkClock(check+" clock", date, time.Second, before, after)
	}
	if s.server.URL.Scheme == "http" && isPublic(remote) && s.server.Token != "" {
		d.warn(check, "use https, or a private network", "the admin token travels unencrypted to a public address")
	}
}

func isPublic(hostport string) bool {
	addr, err := netip.ParseAddrPort(hostport)
	if err != nil {
		return false
	}
	ip := addr.Addr().Unmap()
	return ip.IsGlobalUnicast() && !ip.IsPrivate()
}

// checkLimiter takes a message of a key that is nobody's, and gives it back.
func (d *doctor) checkLimiter(ctx context.Context) {
	const check = "limiter"
	app := d.config.app
	named := struct {
		Limiter string `json:"limiter"`
	}{"memory"}
	if app.LimiterRaw != nil {
		_ = json.Unmarshal(app.LimiterRaw, &named) // the app was validated
	}
	if app.LimiterRaw != nil {
		modules, cancelModules := caddy.NewContext(caddy.Context{Context: ctx})
		defer cancelModules()
		module, err := modules.LoadModule(app, "LimiterRaw")
		if err != nil {
			d.fail(check, "correct the settings of limiter "+named.Limiter, "%v", err)
			return
		}
		if limiter := module.(LimiterModule); limiter.Shared() {
			d.askLimiter(ctx, check, named.Limiter, limiter.Limiter())
			return
		}
	}
	if named.Limiter == "redis" {
		d.ok(check, "REDIS_URL is empty: counts in memory, which is exact for one gateway; more than one need Redis")
		return
	}
	d.ok(check, "counts in %s, which is exact for one gateway; more than one need redis", named.Limiter)
}

func (d *doctor) askLimiter(ctx context.Context, check, name string, limiter ratelimit.Limiter) {
	ctx, cancel := context.WithTimeout(ctx, doctorTimeout)
	defer cancel()
	latency, err := tryLimiter(ctx, limiter)
	if err != nil {
		d.fail(check, "see that it runs, and check its URL", "%s does not answer: %v", name, err)
		return
	}
	d.ok(check, "%s answers; all gateways that use it limit together", name).took(latency)
}

// tryLimiter measures a decision, once connected.
func tryLimiter(ctx context.Context, limiter ratelimit.Limiter) (time.Duration, error) {
	const key = "\x00doctor"
	limit := ratelimit.Limit{Messages: 1 << 20, Window: time.Second}
	var latency time.Duration
	for range 2 {
		start := time.Now()
		decision, err := limiter.Take(ctx, key, 1, limit)
		if err != nil {
			return 0, err
		}
		latency = time.Since(start)
		if err := limiter.Return(ctx, key, decision); err != nil {
			return 0, err
		}
	}
	return latency, nil
}
