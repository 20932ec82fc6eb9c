package caddywagateway

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"
)

// checkConfig reads the configuration as `caddy validate` does; false when there
// is nothing to go on with.
func (d *doctor) checkConfig(ctx context.Context) bool {
	const check = "config"
	var err error
	if d.config, err = d.read(); err != nil {
		d.fail(check, "correct the configuration; caddy adapt shows how it is read", "%v", err)
		return false
	}
	where := d.config.file
	if d.config.json == nil {
		where = "the defaults"
		d.warn(check, "run this where the gateway runs, or name its Caddyfile with --config",
			"there is no configuration: what follows is about the defaults")
	}
	for _, warning := range d.config.warnings {
		d.warn(check, "", "%s: %s", where, warning)
	}
	if d.config.json != nil {
		if err := validateConfig(d.config.json); err != nil {
			d.fail(check, "correct the configuration; caddy validate repeats this", "%s: %v", where, err)
		} else {
			d.ok(check, "%s adapts and validates", where)
		}
	}
	if err := d.config.resolve(ctx); err != nil {
		d.fail(check, "correct the settings of wa_gateway", "%v", err)
		return false
	}
	return true
}

// validateConfig provisions a configuration and lets it go again. Logs are only
// seen to be well-formed: opening a log file would create it, as whoever runs
// this.
func validateConfig(raw []byte) error {
	var config *caddy.Config
	if err := caddy.StrictUnmarshalJSON(raw, &config); err != nil {
		return err
	}
	discard := json.RawMessage(`{"output":"discard"}`)
	if config.Logging == nil {
		config.Logging = new(caddy.Logging)
	}
	if config.Logging.Sink != nil {
		config.Logging.Sink.WriterRaw = discard
	}
	if config.Logging.Logs == nil {
		config.Logging.Logs = make(map[string]*caddy.CustomLog)
	}
	if config.Logging.Logs[caddy.DefaultLoggerName] == nil {
		config.Logging.Logs[caddy.DefaultLoggerName] = new(caddy.CustomLog)
	}
	for _, log := range config.Logging.Logs {
		log.WriterRaw = discard
	}
	_, err := quietly(func() error { return caddy.Validate(config) })
	return err
}

// checkEnvironment looks for values that do not arrive as they were meant.
func (d *doctor) checkEnvironment() {
	const check = "environment"
	if path := d.unreadEnvFile(d.config); path != "" {
		d.warn(check, fmt.Sprintf("if the gateway is started with it, give --envfile %s", path), "%s was not read", path)
	}
	for _, path := range d.envfiles {
		var cut []string
		for _, e := range d.config.env[path] {
			if e.cut {
				cut = append(cut, fmt.Sprintf("%s (line %d)", e.name, e.line))
			}
		}
		if len(cut) > 0 {
			d.warn(check, "percent-encode it in URLs (%23), choose values without #, and put comments on lines of their own",
				"%s: Caddy ends values at a #, even inside quotes: %s", path, strings.Join(cut, ", "))
		} else {
			d.ok(check, "%s sets %d variables", path, len(d.config.env[path]))
		}
	}
}

func (d *doctor) checkDemo() {
	if d.config.settings.demo {
		d.warn("demo", "set TRANSACTIONAL_DB_URL, DB_URL or WA_SERVER_URL, or take demo out of wa_gateway",
			"the gateway runs on demo data, as no database and no WA server is set")
	}
}

// shortToken is how long a token should at least be, in bytes.
const shortToken = 16

func (d *doctor) checkTokens() {
	repl := caddy.NewReplacer()
	admins, allEvents := resolveAll(repl, d.config.app.AdminTokens), resolveAll(repl, d.config.app.EventsTokens)
	admin, events := shortest(admins), shortest(allEvents)
	const mend = "set a random one, such as openssl rand -hex 32 prints"

	switch {
	case admin == "":
		d.warn("admin_token", "set ADMIN_TOKEN, if you want to use them", "not set: the admin endpoints answer 403")
	case len(admin) < shortToken:
		d.warn("admin_token", mend, "set, but shorter than %d characters", shortToken)
	default:
		d.ok("admin_token", "set")
	}
	switch {
	case events == "" && d.eventsTrusted():
		d.warn("events_token", "set EVENTS_TOKEN, and give it to the WA server",
			"not set: whoever calls from a trusted address may post events of any user")
	case events == "":
		d.warn("events_token", "set EVENTS_TOKEN, and give it to the WA server",
			"not set, and wa_events trusts no client: nobody can post events")
	case len(events) < shortToken:
		d.warn("events_token", mend, "set, but shorter than %d characters", shortToken)
	case slices.ContainsFunc(allEvents, func(token string) bool { return slices.Contains(admins, token) }):
		d.warn("events_token", mend, "the same as admin_token: the WA server could read and reset all statistics")
	default:
		d.ok("events_token", "set")
	}
	d.checkLiterals()
}

// shortest is the weakest of several tokens, empty if there is none.
func shortest(tokens []string) string {
	weakest := ""
	for i, token := range tokens {
		if i == 0 || len(token) < len(weakest) {
			weakest = token
		}
	}
	return weakest
}

// checkLiterals finds secrets that stand in the configuration itself: whoever may
// ask Caddy's admin endpoint for it can read them, and so can whoever reads the
// autosaved configuration.
func (d *doctor) checkLiterals() {
	a, named := d.config.app, []string(nil)
	check := func(name string, values ...string) {
		for _, value := range values {
			if value != "" && !strings.Contains(value, "{") && !slices.Contains(named, name) {
				named = append(named, name)
			}
		}
	}
	check("admin_token", a.AdminTokens...)
	check("events_token", a.EventsTokens...)
	check("encryption_key", a.EncryptionKeys...)
	for _, s := range a.WAServers {
		check("wa_server "+s.Name+" token", s.Token)
		check("wa_server "+s.Name+" webhook_secret", s.WebhookSecrets...)
	}
	for name, db := range map[string]*Database{"primary_db": a.PrimaryDB, "transactional_db": a.TransactionalDB} {
		if db == nil {
			continue
		}
		check(name, db.Password)
		if u, err := url.Parse(db.DSN); err == nil && u.User != nil {
			if password, _ := u.User.Password(); password != "" {
				check(name, password)
			}
		}
	}
	if len(named) > 0 {
		slices.Sort(named)
		d.warn("secrets", "write placeholders, such as {env.ADMIN_TOKEN} or {file./run/secrets/admin_token}",
			"in the configuration itself, where Caddy's admin endpoint shows them: %s", strings.Join(named, ", "))
	}
}
