// Package caddywagateway is the Caddy side of the gateway: the app behind the
// global option wa_gateway, the handlers wa_gateway, wa_events and wa_sandbox,
// and the operator's command. What can be understood without Caddy lives in the
// packages beside this one.
package caddywagateway

import (
	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
)

func init() {
	caddy.RegisterModule(App{})
	caddy.RegisterModule(Gateway{})
	caddy.RegisterModule(Events{})
	caddy.RegisterModule(Sandbox{})
	caddy.RegisterModule(MemoryLimiter{})
	caddy.RegisterModule(RedisLimiter{})
	caddy.RegisterModule(GenericDialect{})
	caddy.RegisterModule(WuzapiDialect{})
	caddy.RegisterModule(GOWADialect{})
	caddy.RegisterModule(WAHADialect{})
	caddy.RegisterModule(EvolutionDialect{})
	caddy.RegisterModule(Upstreams{})
	caddy.RegisterModule(Transport{})

	httpcaddyfile.RegisterGlobalOption("wa_gateway", parseGlobalOption)
	httpcaddyfile.RegisterHandlerDirective("wa_events", parseEvents)
	httpcaddyfile.RegisterHandlerDirective("wa_gateway", parseGateway)
	httpcaddyfile.RegisterHandlerDirective("wa_sandbox", parseSandbox)

	// All three stand directly before reverse_proxy, in this order, so that
	// they run inside handle and route blocks, and inside encode: the gateway
	// reads the WA server's answer before it is compressed for the client.
	httpcaddyfile.RegisterDirectiveOrder("wa_events", httpcaddyfile.Before, "reverse_proxy")
	httpcaddyfile.RegisterDirectiveOrder("wa_gateway", httpcaddyfile.Before, "reverse_proxy")
	httpcaddyfile.RegisterDirectiveOrder("wa_sandbox", httpcaddyfile.Before, "reverse_proxy")
}
