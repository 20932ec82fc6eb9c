package caddywagateway

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"

	"github.com/genfity/wa-gateway/media"
	"github.com/genfity/wa-gateway/message"
	"github.com/genfity/wa-gateway/routes"
	"github.com/genfity/wa-gateway/waserver"
)

// WAServer is a WA server behind the gateway.
type WAServer struct {
	// Its name, by which handlers choose it. Default: main.
	Name string `json:"name,omitempty"`

	// Its base URL, http or https, perhaps with a path; placeholders are
	// replaced. `reverse_proxy` reaches it by `dynamic wa_server` and
	// `transport wa_server`, and the health endpoint asks it. Leave it out where
	// the address stands in `reverse_proxy` itself. If it is given but empty once
	// placeholders are replaced, the built-in sandbox stands in:
	// {http.wa_gateway.upstream} is then "sandbox".
	URL string `json:"url,omitempty"`

	// Its admin token, which the gateway puts on the requests that it forwards;
	// placeholders are replaced.
	Token string `json:"token,omitempty"`

	// The language it speaks: a module of the namespace wa_gateway.dialects.
	// Default: generic.
	DialectRaw json.RawMessage `json:"dialect,omitempty" caddy:"namespace=wa_gateway.dialects inline_key=dialect"`

	// The URL under which the WA server reaches this gateway, such as
	// `https://gateway.example.com`. With a dialect other than generic the gateway
	// has the server post what happens to `<it>/events/webhook/<name>`: receipts,
	// messages, the state of sessions. Placeholders are replaced. Default: the server
	// is told of no webhook.
	WebhookURL string `json:"webhook_url,omitempty"`

	// The secrets of webhooks that the operator set up at the server by hand, for all
	// sessions: the key of their signature, or the last segment of the URL they are
	// posted to. Placeholders are replaced. Sessions that the gateway creates have
	// secrets of their own. Two while one is exchanged.
	WebhookSecrets []string `json:"webhook_secrets,omitempty"`

	// The country in which numbers without a country code are, as ISO 3166-1 has it.
	// Used with dialects other than generic. Default: ID.
	Region string `json:"region,omitempty"`

	// Where chats, messages and contacts are read: `server` asks the server where it
	// keeps them, `local` the primary database, which the webhooks fill. Used with
	// dialects other than generic. Default: server.
	Reads string `json:"reads,omitempty"`

	// The pause between two messages of a broadcast, which the gateway sends one by
	// one with dialects other than generic. Default: 100ms.
	BroadcastPace caddy.Duration `json:"broadcast_pace,omitempty"`

	// Networks from which media is fetched although they are not public, as CIDRs or
	// addresses. Used with dialects other than generic, where the gateway itself
	// fetches what a client's URL names. Default: none.
	MediaFrom []string `json:"media_from,omitempty"`

	server     waserver.Server
	secret     *waserver.Secret // the token, for hiding it from answers
	dialect    waserver.Dialect
	translator waserver.Translator // nil: the server speaks the canonical API
	sandbox    bool
	webhookURL string
	webhooks   []string // the resolved WebhookSecrets
	fetcher    *media.Fetcher
	unproven   atomic.Int64 // when webhooks without proof were last told of, as UnixNano
}

// defaultServer is the name of the WA server that handlers use when they name
// none and none is configured.
const defaultServer = "main"

func (s *WAServer) provision(ctx caddy.Context, repl *caddy.Replacer) error {
	if s.Name == "" {
		s.Name = defaultServer
	}
	s.server = waserver.Server{Name: s.Name, Token: resolveValue(repl, s.Token)}
	s.secret = waserver.NewSecret(s.server.Token)
	if s.URL != "" {
		raw := resolveValue(repl, s.URL)
		if raw == "" {
			s.sandbox = true
		} else {
			u, err := parseServerURL(raw)
			if err != nil {
				return fmt.Errorf("wa_server %s: %w", s.Name, err)
			}
			s.server.URL = u
		}
	}
	if s.DialectRaw == nil {
		s.DialectRaw = caddyconfig.JSONModuleObject(struct{}{}, "dialect", "generic", nil)
	}
	module, err := ctx.LoadModule(s, "DialectRaw")
	if err != nil {
		return fmt.Errorf("wa_server %s: loading the dialect: %w", s.Name, err)
	}
	switch dialect := module.(type) {
	case waserver.Dialect:
		s.dialect = dialect
	case waserver.Translator:
		// The names that can stand for an identity are the same whatever the server.
		s.translator, s.dialect = dialect, waserver.Generic{}
	default:
		return fmt.Errorf("wa_server %s: the module is not a dialect", s.Name)
	}
	if err := s.provisionTranslation(repl); err != nil {
		return fmt.Errorf("wa_server %s: %w", s.Name, err)
	}
	return nil
}

// The values of Reads.
const (
	readsServer = "server"
	readsLocal  = "local"
)

const (
	defaultRegion        = "ID"
	defaultBroadcastPace = 100 * time.Millisecond
)

// minWebhookSecret is how long an operator's secret for webhooks must be.
const minWebhookSecret = 16

// provisionTranslation reads what concerns servers with an API of their own.
func (s *WAServer) provisionTranslation(repl *caddy.Replacer) error {
	switch s.Reads {
	case "":
		s.Reads = readsServer
	case readsServer, readsLocal:
	default:
		return fmt.Errorf("reads: %q is neither server nor local", s.Reads)
	}
	if s.Region == "" {
		s.Region = defaultRegion
	}
	if s.Region = strings.ToUpper(s.Region); !message.KnownRegion(s.Region) {
		return fmt.Errorf("region: there is no country %q", s.Region)
	}
	if s.BroadcastPace < 0 {
		return errors.New("broadcast_pace must not be negative")
	}
	if s.BroadcastPace == 0 {
		s.BroadcastPace = caddy.Duration(defaultBroadcastPace)
	}
	allow, err := prefixes(s.MediaFrom)
	if err != nil {
		return fmt.Errorf("media_from: %w", err)
	}
	s.fetcher = &media.Fetcher{Allow: allow, Dir: mediaDir()}
	if raw := resolveValue(repl, s.WebhookURL); raw != "" {
		u, err := parseServerURL(raw)
		if err != nil {
			return fmt.Errorf("webhook_url: %w", err)
		}
		s.webhookURL = strings.TrimSuffix(u.String(), "/") + routes.EventsPrefix + "webhook/" + url.PathEscape(s.Name)
	}
	for _, secret := range s.WebhookSecrets {
		if secret = resolveValue(repl, secret); secret == "" {
			continue
		}
		if len(secret) < minWebhookSecret {
			return fmt.Errorf("webhook_secret: use at least %d characters; nobody is kept from guessing", minWebhookSecret)
		}
		s.webhooks = append(s.webhooks, secret)
	}
	return nil
}

// prefixes reads CIDRs and addresses.
func prefixes(list []string) ([]netip.Prefix, error) {
	var all []netip.Prefix
	for _, text := range list {
		prefix, err := netip.ParsePrefix(text)
		if err != nil {
			address, aerr := netip.ParseAddr(text)
			if aerr != nil {
				return nil, fmt.Errorf("%q is no address and no CIDR", text)
			}
			prefix = netip.PrefixFrom(address, address.BitLen())
		}
		all = append(all, prefix.Masked())
	}
	return all, nil
}

// String is what {http.vars.wa_gateway.wa_server} shows, instead of the token.
func (s *WAServer) String() string { return s.Name }

// parseServerURL checks a base URL. Errors do not hold it: it may carry
// credentials.
func parseServerURL(raw string) (*url.URL, error) {
	if !strings.Contains(raw, "://") {
		raw = "http://" + raw
	}
	u, err := url.Parse(raw)
	switch {
	case err != nil:
		return nil, errors.New("the URL cannot be parsed")
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, errors.New("the URL must begin with http:// or https://")
	case u.Hostname() == "":
		return nil, errors.New("the URL names no host")
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return nil, errors.New("the URL must hold no credentials, query or fragment; put the admin token in token")
	}
	return u, nil
}
