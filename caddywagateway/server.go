package caddywagateway

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"

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

	server  waserver.Server
	secret  *waserver.Secret // the token, for hiding it from answers
	dialect waserver.Dialect
	sandbox bool
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
	dialect, ok := module.(waserver.Dialect)
	if !ok {
		return fmt.Errorf("wa_server %s: the module is not a dialect", s.Name)
	}
	s.dialect = dialect
	return nil
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

// GenericDialect is the dialect of contract §5: the canonical paths without
// their /api/wa prefix, the admin token as a bearer token.
type GenericDialect struct{ waserver.Generic }

// CaddyModule returns the Caddy module information.
func (GenericDialect) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "wa_gateway.dialects.generic",
		New: func() caddy.Module { return new(GenericDialect) },
	}
}

// Interface guards
var _ waserver.Dialect = (*GenericDialect)(nil)
