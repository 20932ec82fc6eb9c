package caddywagateway

import (
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/dustin/go-humanize"
)

// parseGateway reads the directive:
//
//	wa_gateway [<matcher>] {
//		trusted_clients  [<cidr|address|private_ranges|none> …]
//		wa_server        <name>
//		allow            <METHOD> <path>
//		max_message_body <size>
//		max_body         <size>
//	}
func parseGateway(h httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
	g := new(Gateway)
	return g, g.UnmarshalCaddyfile(h.Dispenser)
}

// UnmarshalCaddyfile sets up the handler from Caddyfile tokens; see parseGateway
// for the syntax.
func (g *Gateway) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	return options(d, "wa_gateway", map[string]func() error{
		"trusted_clients":  func() error { return g.TrustedClients.unmarshal(d) },
		"wa_server":        func() error { return oneArg(d, &g.WAServer) },
		"allow":            func() error { return g.unmarshalAllow(d) },
		"max_message_body": func() error { return sizeArg(d, &g.MaxMessageBody) },
		"max_body":         func() error { return sizeArg(d, &g.MaxBody) },
	}, "allow")
}

func (g *Gateway) unmarshalAllow(d *caddyfile.Dispenser) error {
	var allowed Allowed
	if !d.AllArgs(&allowed.Method, &allowed.Path) {
		return d.ArgErr()
	}
	allowed.Method = strings.ToUpper(allowed.Method)
	g.Allow = append(g.Allow, allowed)
	return nil
}

// parseEvents reads the directive:
//
//	wa_events [<matcher>] {
//		trusted_clients [<cidr|address|private_ranges|none> …]
//		wa_server       <name>
//	}
func parseEvents(h httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
	e := new(Events)
	return e, e.UnmarshalCaddyfile(h.Dispenser)
}

// UnmarshalCaddyfile sets up the handler from Caddyfile tokens; see parseEvents
// for the syntax.
func (e *Events) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	return options(d, "wa_events", map[string]func() error{
		"trusted_clients": func() error { return e.TrustedClients.unmarshal(d) },
		"wa_server":       func() error { return oneArg(d, &e.WAServer) },
	})
}

// parseSandbox reads the directive:
//
//	wa_sandbox [<matcher>] {
//		events_url   <url>
//		events_token <token>
//		token        <token>
//		pair_after   <duration>
//		delivered    <duration>
//		read         <duration>
//	}
func parseSandbox(h httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
	s := new(Sandbox)
	return s, s.UnmarshalCaddyfile(h.Dispenser)
}

// UnmarshalCaddyfile sets up the handler from Caddyfile tokens; see parseSandbox
// for the syntax.
func (s *Sandbox) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	return options(d, "wa_sandbox", map[string]func() error{
		"events_url":   func() error { return oneArg(d, &s.EventsURL) },
		"events_token": func() error { return oneArg(d, &s.EventsToken) },
		"token":        func() error { return oneArg(d, &s.Token) },
		"pair_after":   func() error { return durationArg(d, &s.PairAfter) },
		"delivered":    func() error { return durationArg(d, &s.Delivered) },
		"read":         func() error { return durationArg(d, &s.Read) },
	})
}

// options reads a directive: no argument, and a block.
func options(d *caddyfile.Dispenser, directive string, known map[string]func() error, repeatable ...string) error {
	d.Next()
	if d.NextArg() {
		return d.ArgErr()
	}
	return block(d, directive, known, repeatable...)
}

// block reads the block that may follow, each option by its function. An option
// that stands twice is an error, unless it is one of repeatable: the second one
// would silently replace the first.
func block(d *caddyfile.Dispenser, owner string, known map[string]func() error, repeatable ...string) error {
	seen := make(map[string]bool)
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		name := d.Val()
		read, ok := known[name]
		if !ok {
			return d.Errf("unrecognized option %q of %s", name, owner)
		}
		if seen[name] && !slices.Contains(repeatable, name) {
			return twice(d, name)
		}
		seen[name] = true
		if err := read(); err != nil {
			return err
		}
	}
	return nil
}

func twice(d *caddyfile.Dispenser, name string) error { return d.Errf("%s is set twice", name) }

// unmarshal reads the words after trusted_clients. Without any the default
// stays, so that `trusted_clients {$TRUSTED_CLIENTS}` works with the variable
// unset or empty.
func (t *TrustedClients) unmarshal(d *caddyfile.Dispenser) error {
	*t = append(*t, d.RemainingArgs()...)
	return nil
}

func sizeArg(d *caddyfile.Dispenser, target *int64) error {
	var value string
	if err := oneArg(d, &value); err != nil {
		return err
	}
	size, err := humanize.ParseBytes(value)
	if err != nil || size == 0 || size > 1<<40 {
		return d.Errf("%q is not a size such as 1MiB", value)
	}
	*target = int64(size)
	return nil
}

// Interface guards
var (
	_ caddyfile.Unmarshaler = (*Gateway)(nil)
	_ caddyfile.Unmarshaler = (*Events)(nil)
	_ caddyfile.Unmarshaler = (*Sandbox)(nil)
	_ caddy.Module          = (*Gateway)(nil)
)
