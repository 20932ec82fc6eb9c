package caddywagateway

import (
	"errors"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/genfity/wa-gateway/waserver"
	"github.com/genfity/wa-gateway/waserver/evolution"
	"github.com/genfity/wa-gateway/waserver/gowa"
	"github.com/genfity/wa-gateway/waserver/waha"
	"github.com/genfity/wa-gateway/waserver/wuzapi"
)

// A dialect is a module of the namespace wa_gateway.dialects that implements
// waserver.Dialect, for servers close to the canonical API, or waserver.Translator.

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

// WuzapiDialect is for wuzapi and its forks. Its `token` is the server's admin
// token.
type WuzapiDialect struct{ wuzapi.Translator }

// CaddyModule returns the Caddy module information.
func (WuzapiDialect) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "wa_gateway.dialects.wuzapi",
		New: func() caddy.Module { return new(WuzapiDialect) },
	}
}

// GOWADialect is for GOWA (go-whatsapp-web-multidevice). Its `token` is a user and
// password of the server's Basic auth, as `user:password`.
type GOWADialect struct{ gowa.Translator }

// CaddyModule returns the Caddy module information.
func (GOWADialect) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "wa_gateway.dialects.gowa",
		New: func() caddy.Module { return new(GOWADialect) },
	}
}

// UnmarshalCaddyfile sets up the dialect from Caddyfile tokens:
//
//	dialect wuzapi {
//		history <messages of each chat>
//	}
func (w *WuzapiDialect) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next()
	if err := noArgs(d); err != nil {
		return err
	}
	return block(d, "dialect wuzapi", map[string]func() error{
		"history": func() error { return numberArg(d, &w.History) },
	})
}

// Validate implements caddy.Validator.
func (w *WuzapiDialect) Validate() error {
	if w.History < 0 {
		return errors.New("history must not be negative")
	}
	return nil
}

// WAHADialect is for WAHA. Its `token` is the server's API key.
type WAHADialect struct{ waha.Translator }

// CaddyModule returns the Caddy module information.
func (WAHADialect) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "wa_gateway.dialects.waha",
		New: func() caddy.Module { return new(WAHADialect) },
	}
}

// UnmarshalCaddyfile sets up the dialect from Caddyfile tokens:
//
//	dialect waha {
//		admin_key_only
//		no_tag_events
//	}
func (w *WAHADialect) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next()
	if err := noArgs(d); err != nil {
		return err
	}
	return block(d, "dialect waha", map[string]func() error{
		"admin_key_only": func() error {
			w.AdminKeyOnly = true
			return noArgs(d)
		},
		"no_tag_events": func() error {
			w.NoTagEvents = true
			return noArgs(d)
		},
	})
}

// EvolutionDialect is for Evolution API. Its `token` is the server's global API key.
type EvolutionDialect struct{ evolution.Translator }

// CaddyModule returns the Caddy module information.
func (EvolutionDialect) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "wa_gateway.dialects.evolution",
		New: func() caddy.Module { return new(EvolutionDialect) },
	}
}

// Interface guards
var (
	_ waserver.Dialect    = (*GenericDialect)(nil)
	_ waserver.Translator = (*WuzapiDialect)(nil)
	_ waserver.Translator = (*GOWADialect)(nil)
	_ waserver.Translator = (*WAHADialect)(nil)
	_ waserver.Translator = (*EvolutionDialect)(nil)

	_ caddyfile.Unmarshaler = (*WuzapiDialect)(nil)
	_ caddyfile.Unmarshaler = (*WAHADialect)(nil)
	_ caddy.Validator       = (*WuzapiDialect)(nil)
)
