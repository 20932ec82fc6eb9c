package caddywagateway

import (
	"strconv"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
)

// parseGlobalOption reads the global option:
//
//	wa_gateway {
//		transactional_db [<dsn>] {
//			dsn|host|port|user|password|name|sslmode <value>
//			max_conns <number>
//		}
//		primary_db [<dsn>] { … }
//		naming   snake|prisma
//		migrate  on|off
//		demo
//		limiter  memory|redis|<module> …
//		rate_limit [<messages> [<window>]] {
//			messages [<number>]
//			window   [<duration>]
//		}
//		package <name> <messages> [<window>]
//		cache {
//			ttl   <duration>
//			size  <number>
//			grace <duration>|off
//		}
//		journal [<folder>] {
//			max_size <size>
//			spool    on|off
//		}
//		retention {
//			ledger|hours|webhooks <duration>|forever
//		}
//		wa_server [<name> [<url>]] {
//			url     <url>
//			token   <token>
//			dialect [<module> …]
//			webhook_url    <url>
//			webhook_secret <secret> [<older secret>]
//			region         [<country>]
//			reads          server|local
//			broadcast_pace <duration>
//			media_from     <cidr|address> …
//		}
//		encryption_key <key> [<older key>]
//		deliver_to     <cidr|address> …
//		admin_token  <token> [<older token>]
//		events_token <token> [<older token>]
//		signatures   any|timestamped [<tolerance>]
//		auth_failures <number> [<window>]
//		concurrency  <number>
//	}
//
// A window may be a number of seconds. rate_limit's messages and window,
// naming, limiter and dialect keep their defaults when nothing follows them, so
// that `messages {$DEFAULT_RATE_LIMIT}` works with the variable unset or empty.
func parseGlobalOption(d *caddyfile.Dispenser, existing any) (any, error) {
	if existing != nil {
		d.Next() // so that the error tells the line
		return nil, d.Err("the global option wa_gateway stands twice: merge the two blocks")
	}
	a := new(App)
	if err := a.UnmarshalCaddyfile(d); err != nil {
		return nil, err
	}
	return httpcaddyfile.App{Name: "wa_gateway", Value: caddyconfig.JSON(a, nil)}, nil
}

// UnmarshalCaddyfile sets up the app from Caddyfile tokens; see
// parseGlobalOption for the syntax.
func (a *App) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	return options(d, "wa_gateway", map[string]func() error{
		"transactional_db": func() error {
			a.TransactionalDB = new(Database)
			return a.TransactionalDB.unmarshal(d)
		},
		"primary_db": func() error {
			a.PrimaryDB = new(Database)
			return a.PrimaryDB.unmarshal(d)
		},
		"naming": func() error { return optionalArg(d, &a.Naming) },
		"migrate": func() error {
			var on bool
			err := onOffArg(d, &on)
			a.MigrateOff = !on
			return err
		},
		"demo": func() error {
			a.Demo = true
			return noArgs(d)
		},
		"limiter": func() error { return a.unmarshalLimiter(d) },
		"rate_limit": func() error {
			a.RateLimit = new(RateLimit)
			return a.RateLimit.unmarshal(d)
		},
		"package": func() error { return a.unmarshalPackage(d) },
		"cache": func() error {
			a.Cache = new(Cache)
			return a.Cache.unmarshal(d)
		},
		"journal": func() error {
			a.Journal = new(Journal)
			return a.Journal.unmarshal(d)
		},
		"retention": func() error {
			a.Retention = new(Retention)
			return a.Retention.unmarshal(d)
		},
		"wa_server": func() error {
			s := new(WAServer)
			a.WAServers = append(a.WAServers, s)
			return s.unmarshal(d)
		},
		"encryption_key": func() error { return tokenArgs(d, &a.EncryptionKeys) },
		"deliver_to":     func() error { return listArgs(d, &a.DeliverTo) },
		"admin_token":    func() error { return tokenArgs(d, &a.AdminTokens) },
		"events_token":   func() error { return tokenArgs(d, &a.EventsTokens) },
		"signatures": func() error {
			a.Signatures = new(Signatures)
			return a.Signatures.unmarshal(d)
		},
		"auth_failures": func() error {
			a.AuthFailures = new(AuthFailures)
			return a.AuthFailures.unmarshal(d)
		},
		"concurrency": func() error { return numberArg(d, &a.Concurrency) },
	}, "package", "wa_server")
}

func (db *Database) unmarshal(d *caddyfile.Dispenser) error {
	if d.NextArg() {
		db.DSN = d.Val()
	}
	if d.NextArg() {
		return d.ArgErr()
	}
	known := map[string]func() error{
		"dsn": func() error {
			if db.DSN != "" {
				return twice(d, "dsn")
			}
			return oneArg(d, &db.DSN)
		},
		"max_conns": func() error { return numberArg(d, &db.MaxConns) },
	}
	for name, target := range map[string]*string{
		"host": &db.Host, "port": &db.Port, "user": &db.User,
		"password": &db.Password, "name": &db.Name, "sslmode": &db.SSLMode,
	} {
		known[name] = func() error { return oneArg(d, target) }
	}
	return block(d, "a database", known)
}

func (a *App) unmarshalLimiter(d *caddyfile.Dispenser) error {
	if !d.NextArg() {
		return nil
	}
	name := d.Val()
	module, err := caddyfile.UnmarshalModule(d, "wa_gateway.limiters."+name)
	if err != nil {
		return err
	}
	a.LimiterRaw = caddyconfig.JSONModuleObject(module, "limiter", name, nil)
	return nil
}

func (l *RateLimit) unmarshal(d *caddyfile.Dispenser) error {
	args := d.RemainingArgs()
	if len(args) > 2 {
		return d.ArgErr()
	}
	if len(args) > 0 {
		if err := parseNumber(d, args[0], &l.Messages); err != nil {
			return err
		}
	}
	if len(args) > 1 {
		if err := parseDuration(d, args[1], &l.Window); err != nil {
			return err
		}
	}
	// What stands in the line may not stand in the block as well. A block's
	// option without a value leaves the default.
	return block(d, "rate_limit", map[string]func() error{
		"messages": func() error {
			if len(args) > 0 {
				return twice(d, "messages")
			}
			if value := ""; !d.Args(&value) {
				return nil
			} else if err := parseNumber(d, value, &l.Messages); err != nil {
				return err
			}
			return noArgs(d)
		},
		"window": func() error {
			if len(args) > 1 {
				return twice(d, "window")
			}
			if value := ""; !d.Args(&value) {
				return nil
			} else if err := parseDuration(d, value, &l.Window); err != nil {
				return err
			}
			return noArgs(d)
		},
	})
}

func (a *App) unmarshalPackage(d *caddyfile.Dispenser) error {
	args := d.RemainingArgs()
	if len(args) < 2 || len(args) > 3 {
		return d.ArgErr()
	}
	limit := new(RateLimit)
	if err := parseNumber(d, args[1], &limit.Messages); err != nil {
		return err
	}
	if len(args) == 3 {
		if err := parseDuration(d, args[2], &limit.Window); err != nil {
			return err
		}
	}
	if a.Packages == nil {
		a.Packages = make(map[string]*RateLimit)
	}
	if _, ok := a.Packages[args[0]]; ok {
		return d.Errf("package %s is set twice", args[0])
	}
	a.Packages[args[0]] = limit
	return nil
}

func (c *Cache) unmarshal(d *caddyfile.Dispenser) error {
	if d.NextArg() {
		return d.ArgErr()
	}
	return block(d, "cache", map[string]func() error{
		"ttl":   func() error { return durationArg(d, &c.TTL) },
		"size":  func() error { return numberArg(d, &c.Size) },
		"grace": func() error { return durationOrArg(d, &c.Grace, "off") },
	})
}

func (j *Journal) unmarshal(d *caddyfile.Dispenser) error {
	if err := optionalArg(d, &j.Dir); err != nil {
		return err
	}
	return block(d, "journal", map[string]func() error{
		"max_size": func() error { return sizeArg(d, &j.MaxSize) },
		"spool": func() error {
			var on bool
			err := onOffArg(d, &on)
			j.SpoolOff = !on
			return err
		},
	})
}

func (r *Retention) unmarshal(d *caddyfile.Dispenser) error {
	if err := noArgs(d); err != nil {
		return err
	}
	return block(d, "retention", map[string]func() error{
		"ledger":   func() error { return durationOrArg(d, &r.Ledger, "forever") },
		"hours":    func() error { return durationOrArg(d, &r.Hours, "forever") },
		"webhooks": func() error { return durationOrArg(d, &r.Webhooks, "forever") },
	})
}

func (s *WAServer) unmarshal(d *caddyfile.Dispenser) error {
	args := d.RemainingArgs()
	if len(args) > 2 {
		return d.ArgErr()
	}
	if len(args) > 0 {
		s.Name = args[0]
	}
	if len(args) > 1 {
		s.URL = args[1]
	}
	return block(d, "wa_server", map[string]func() error{
		"url": func() error {
			if s.URL != "" {
				return twice(d, "url")
			}
			return oneArg(d, &s.URL)
		},
		"token":          func() error { return oneArg(d, &s.Token) },
		"dialect":        func() error { return s.unmarshalDialect(d) },
		"webhook_url":    func() error { return oneArg(d, &s.WebhookURL) },
		"webhook_secret": func() error { return tokenArgs(d, &s.WebhookSecrets) },
		"region":         func() error { return optionalArg(d, &s.Region) },
		"reads":          func() error { return oneArg(d, &s.Reads) },
		"broadcast_pace": func() error { return durationArg(d, &s.BroadcastPace) },
		"media_from":     func() error { return listArgs(d, &s.MediaFrom) },
	})
}

// unmarshalDialect reads the name of a dialect, if there is one, and its options.
func (s *WAServer) unmarshalDialect(d *caddyfile.Dispenser) error {
	if !d.NextArg() {
		return nil
	}
	name := d.Val()
	module, err := dialectModule(d, name)
	if err != nil {
		return err
	}
	var warnings []caddyconfig.Warning
	s.DialectRaw = caddyconfig.JSONModuleObject(module, "dialect", name, &warnings)
	if len(warnings) > 0 {
		return d.Errf("dialect %s: %s", name, warnings[0].Message)
	}
	return nil
}

// dialectModule reads a dialect with its options; one without any need not
// know of Caddyfiles.
func dialectModule(d *caddyfile.Dispenser, name string) (any, error) {
	info, err := caddy.GetModule("wa_gateway.dialects." + name)
	if err != nil {
		return nil, d.Errf("there is no dialect %q", name)
	}
	if _, ok := info.New().(caddyfile.Unmarshaler); ok {
		return caddyfile.UnmarshalModule(d, string(info.ID))
	}
	if d.NextArg() {
		return nil, d.ArgErr()
	}
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		return nil, d.Errf("unrecognized option %q of dialect %s", d.Val(), name)
	}
	return info.New(), nil
}

// listArgs reads one or more values.
func listArgs(d *caddyfile.Dispenser, target *[]string) error {
	if *target = d.RemainingArgs(); len(*target) == 0 {
		return d.ArgErr()
	}
	return nil
}

// tokenArgs reads a token, and perhaps the one that it replaces.
func tokenArgs(d *caddyfile.Dispenser, target *[]string) error {
	*target = d.RemainingArgs()
	if n := len(*target); n < 1 || n > 2 {
		return d.ArgErr()
	}
	return nil
}

func (s *Signatures) unmarshal(d *caddyfile.Dispenser) error {
	args := d.RemainingArgs()
	if len(args) < 1 || len(args) > 2 {
		return d.ArgErr()
	}
	switch args[0] {
	case "any":
	case "timestamped":
		s.RequireTimestamp = true
	default:
		return d.Errf("%q is neither any nor timestamped", args[0])
	}
	if len(args) > 1 {
		return parseDuration(d, args[1], &s.Tolerance)
	}
	return nil
}

func (f *AuthFailures) unmarshal(d *caddyfile.Dispenser) error {
	args := d.RemainingArgs()
	if len(args) < 1 || len(args) > 2 {
		return d.ArgErr()
	}
	if err := parseNumber(d, args[0], &f.Max); err != nil {
		return err
	}
	if len(args) > 1 {
		return parseDuration(d, args[1], &f.Window)
	}
	return nil
}

// noArgs is for options that stand alone.
func noArgs(d *caddyfile.Dispenser) error {
	if d.NextArg() {
		return d.ArgErr()
	}
	return nil
}

// oneArg reads an option's only argument.
func oneArg(d *caddyfile.Dispenser, target *string) error {
	if !d.AllArgs(target) {
		return d.ArgErr()
	}
	return nil
}

// optionalArg reads an option's only argument, if there is one.
func optionalArg(d *caddyfile.Dispenser, target *string) error {
	if d.NextArg() {
		*target = d.Val()
	}
	return noArgs(d)
}

func onOffArg(d *caddyfile.Dispenser, target *bool) error {
	var value string
	if err := oneArg(d, &value); err != nil {
		return err
	}
	switch value {
	case "on":
		*target = true
	case "off":
		*target = false
	default:
		return d.Errf("%q is neither on nor off", value)
	}
	return nil
}

func numberArg(d *caddyfile.Dispenser, target *int) error {
	var value string
	if err := oneArg(d, &value); err != nil {
		return err
	}
	return parseNumber(d, value, target)
}

func parseNumber(d *caddyfile.Dispenser, value string, target *int) error {
	n, err := strconv.Atoi(value)
	if err != nil || n < 1 {
		return d.Errf("%q is not a whole number above zero", value)
	}
	*target = n
	return nil
}

func durationArg(d *caddyfile.Dispenser, target *caddy.Duration) error {
	var value string
	if err := oneArg(d, &value); err != nil {
		return err
	}
	return parseDuration(d, value, target)
}

// durationOrArg reads a duration, or the word that stands for -1.
func durationOrArg(d *caddyfile.Dispenser, target *caddy.Duration, word string) error {
	var value string
	if err := oneArg(d, &value); err != nil {
		return err
	}
	if value == word {
		*target = -1
		return nil
	}
	return parseDuration(d, value, target)
}

// parseDuration reads a duration; a bare number is one of seconds.
func parseDuration(d *caddyfile.Dispenser, value string, target *caddy.Duration) error {
	text := value
	if _, err := strconv.Atoi(value); err == nil {
		text += "s"
	}
	duration, err := caddy.ParseDuration(text)
	if err != nil || duration <= 0 {
		return d.Errf("%q is not a duration above zero", value)
	}
	*target = caddy.Duration(duration)
	return nil
}

// Interface guard
var _ caddyfile.Unmarshaler = (*App)(nil)
