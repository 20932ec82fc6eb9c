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
//		allow            <METHOD> <path> [<scope> …]
//		max_body         <class> <size>
//		max_depth        <number>
//		request_headers  <name> …
//		answer_headers   <name> …
//		timeouts {
//			read      <duration>
//			wa_server <duration>
//			write     <duration>
//		}
//		cors <origin> … {
//			max_age <duration>
//		}
//	}
//
// allow and max_body may stand more than once.
func parseGateway(h httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
	g := new(Gateway)
	return g, g.UnmarshalCaddyfile(h.Dispenser)
}

// UnmarshalCaddyfile sets up the handler from Caddyfile tokens; see parseGateway
// for the syntax.
func (g *Gateway) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	return options(d, "wa_gateway", map[string]func() error{
		"trusted_clients": func() error { return g.TrustedClients.unmarshal(d) },
		"wa_server":       func() error { return oneArg(d, &g.WAServer) },
		"allow":           func() error { return g.unmarshalAllow(d) },
		"max_body":        func() error { return g.unmarshalMaxBody(d) },
		"max_depth":       func() error { return numberArg(d, &g.MaxDepth) },
		"request_headers": func() error { return nameArgs(d, &g.RequestHeaders) },
		"answer_headers":  func() error { return nameArgs(d, &g.AnswerHeaders) },
		"timeouts":        func() error { return unmarshalTimeouts(d, &g.Timeouts) },
		"cors":            func() error { return unmarshalCORS(d, &g.CORS) },
	}, "allow", "max_body")
}

func (g *Gateway) unmarshalMaxBody(d *caddyfile.Dispenser) error {
	args := d.RemainingArgs()
	if len(args) != 2 {
		return d.ArgErr()
	}
	if _, ok := g.MaxBody[args[0]]; ok {
		return d.Errf("max_body %s is set twice", args[0])
	}
	size, err := parseSize(d, args[1])
	if err != nil {
		return err
	}
	if g.MaxBody == nil {
		g.MaxBody = make(map[string]int64)
	}
	g.MaxBody[args[0]] = size
	return nil
}

// nameArgs reads one or more words.
func nameArgs(d *caddyfile.Dispenser, target *[]string) error {
	if *target = d.RemainingArgs(); len(*target) == 0 {
		return d.ArgErr()
	}
	return nil
}

func unmarshalTimeouts(d *caddyfile.Dispenser, target **Timeouts) error {
	if d.NextArg() {
		return d.ArgErr()
	}
	t := new(Timeouts)
	*target = t
	return block(d, "timeouts", map[string]func() error{
		"read":      func() error { return durationArg(d, &t.Read) },
		"wa_server": func() error { return durationArg(d, &t.WAServer) },
		"write":     func() error { return durationArg(d, &t.Write) },
	})
}

func unmarshalCORS(d *caddyfile.Dispenser, target **CORS) error {
	c := new(CORS)
	*target = c
	if err := nameArgs(d, &c.Origins); err != nil {
		return err
	}
	return block(d, "cors", map[string]func() error{
		"max_age": func() error { return durationArg(d, &c.MaxAge) },
	})
}

func (g *Gateway) unmarshalAllow(d *caddyfile.Dispenser) error {
	args := d.RemainingArgs()
	if len(args) < 2 {
		return d.ArgErr()
	}
	g.Allow = append(g.Allow, Allowed{Method: strings.ToUpper(args[0]), Path: args[1], Scopes: args[2:]})
	return nil
}

// parseEvents reads the directive:
//
//	wa_events [<matcher>] {
//		trusted_clients [<cidr|address|private_ranges|none> …]
//		wa_server       <name>
//		max_body        <size>
//		timeouts { … }  # as in wa_gateway, without wa_server
//		cors <origin> … { … }
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
		"max_body":        func() error { return sizeArg(d, &e.MaxBody) },
		"timeouts":        func() error { return unmarshalTimeouts(d, &e.Timeouts) },
		"cors":            func() error { return unmarshalCORS(d, &e.CORS) },
	})
}

// parseSandbox reads the directive:
//
//	wa_sandbox [<matcher>] {
//		dialect      generic|wuzapi|gowa|waha|evolution
//		generation   <name>
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
		"dialect":      func() error { return oneArg(d, &s.Dialect) },
		"generation":   func() error { return oneArg(d, &s.Generation) },
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
	var err error
	*target, err = parseSize(d, value)
	return err
}

func parseSize(d *caddyfile.Dispenser, value string) (int64, error) {
	size, err := humanize.ParseBytes(value)
	if err != nil || size == 0 || size > 1<<40 {
		return 0, d.Errf("%q is not a size such as 1MiB", value)
	}
	return int64(size), nil
}

// Interface guards
var (
	_ caddyfile.Unmarshaler = (*Gateway)(nil)
	_ caddyfile.Unmarshaler = (*Events)(nil)
	_ caddyfile.Unmarshaler = (*Sandbox)(nil)
	_ caddy.Module          = (*Gateway)(nil)
)
