package caddywagateway

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"

	"github.com/genfity/wa-gateway/waserver"
)

// Upstreams gives reverse_proxy the address of the WA server that wa_gateway
// chose for a request, so that it stands in one place, the app's wa_server:
//
//	reverse_proxy {
//		dynamic wa_server
//		transport wa_server
//	}
type Upstreams struct{}

// CaddyModule returns the Caddy module information.
func (Upstreams) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.reverse_proxy.upstreams.wa_server",
		New: func() caddy.Module { return new(Upstreams) },
	}
}

// errNoServer means that reverse_proxy was reached without wa_gateway, or that
// the WA server has no URL.
var errNoServer = errors.New("no WA server with a URL was chosen: wa_gateway must stand before reverse_proxy, and its wa_server must have a url")

// GetUpstreams implements reverseproxy.UpstreamSource.
func (Upstreams) GetUpstreams(r *http.Request) ([]*reverseproxy.Upstream, error) {
	u := chosenServer(r)
	if u == nil {
		return nil, errNoServer
	}
	port := u.Port()
	if port == "" {
		port = "80"
		if u.Scheme == "https" {
			port = "443"
		}
	}
	return []*reverseproxy.Upstream{{Dial: net.JoinHostPort(u.Hostname(), port)}}, nil
}

// chosenServer is the URL of the WA server that a request goes to.
func chosenServer(r *http.Request) *url.URL {
	s, ok := caddyhttp.GetVar(r.Context(), serverVar).(*WAServer)
	if !ok {
		return nil
	}
	return s.server.URL
}

// UnmarshalCaddyfile sets up the source from Caddyfile tokens:
//
//	dynamic wa_server
func (*Upstreams) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next()
	if d.NextArg() {
		return d.ArgErr()
	}
	for d.NextBlock(d.Nesting()) {
		return d.Errf("unrecognized option %q of wa_server", d.Val())
	}
	return nil
}

// Transport reaches the WA server that wa_gateway chose for a request over HTTP
// or HTTPS, as its URL says. It takes all the options of the http transport;
// those of TLS are used for https URLs alone.
type Transport struct {
	reverseproxy.HTTPTransport

	plain  *reverseproxy.HTTPTransport
	secure *reverseproxy.HTTPTransport
}

// CaddyModule returns the Caddy module information.
func (Transport) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.reverse_proxy.transport.wa_server",
		New: func() caddy.Module { return new(Transport) },
	}
}

// Provision implements caddy.Provisioner.
func (t *Transport) Provision(ctx caddy.Context) error {
	plain, secure := t.HTTPTransport, t.HTTPTransport
	plain.TLS = nil
	if secure.TLS == nil {
		secure.TLS = new(reverseproxy.TLSConfig)
	}
	t.plain, t.secure = &plain, &secure
	if err := t.plain.Provision(ctx); err != nil {
		return fmt.Errorf("transport for http: %w", err)
	}
	if err := t.secure.Provision(ctx); err != nil {
		return fmt.Errorf("transport for https: %w", err)
	}
	return nil
}

// RoundTrip implements http.RoundTripper.
func (t *Transport) RoundTrip(r *http.Request) (*http.Response, error) {
	u := chosenServer(r)
	if u == nil {
		return nil, errNoServer
	}
	transport := t.plain
	if u.Scheme == "https" {
		transport = t.secure
	}
	shown, translated := r.Context().Value(credentialsKey{}).(*serverCredentials)
	if translated {
		r = shown.on(r)
	}
	res, err := transport.RoundTrip(r)
	if err == nil {
		hideToken(r, res.Header)
		if translated {
			hideCredentials(r, res.Header)
		}
	}
	return res, err
}

// serverCredentials are headers that a WA server has to see and nobody else: reverse_proxy
// logs those of a request at level DEBUG, all but a few that it knows for secrets. So
// the transport puts them on.
type serverCredentials struct {
	headers http.Header
	used    atomic.Bool
}

// credentialsKey is where a request's context has its *serverCredentials.
type credentialsKey struct{}

// secretHeader tells the headers of credentials that Caddy does not know for such.
func secretHeader(name string) bool {
	switch http.CanonicalHeaderKey(name) {
	case "Token", "Apikey", "X-Api-Key":
		return true
	}
	return false
}

// on is the request with the credentials. The one that it came from stays as it is.
func (c *serverCredentials) on(r *http.Request) *http.Request {
	shown := new(http.Request)
	*shown = *r
	shown.Header = r.Header.Clone()
	for name, values := range c.headers {
		shown.Header[name] = values
	}
	c.used.Store(true)
	return shown
}

// hideToken takes the admin token out of the headers of a WA server that repeats
// it: reverse_proxy logs them, at level DEBUG.
func hideToken(r *http.Request, h http.Header) {
	s, ok := caddyhttp.GetVar(r.Context(), serverVar).(*WAServer)
	if !ok || s.secret == nil {
		return
	}
	hideIn(h, s.secret)
}

// hideCredentials does the same with what opens a single session.
func hideCredentials(r *http.Request, h http.Header) {
	for name, values := range r.Header {
		for _, value := range values {
			if name == "Authorization" {
				_, value, _ = strings.Cut(value, " ") // of Bearer and Basic alike
			} else if !secretHeader(name) {
				continue
			}
			hideIn(h, waserver.NewSecret(value))
		}
	}
}

func hideIn(h http.Header, secret *waserver.Secret) {
	for _, values := range h {
		for i := range values {
			values[i] = secret.Hide(values[i])
		}
	}
}

// TLSEnabled implements reverseproxy.TLSTransport: whether TLS is used is decided
// for each request.
func (*Transport) TLSEnabled() bool { return false }

// Cleanup implements caddy.CleanerUpper.
func (t *Transport) Cleanup() error {
	var errs []error
	for _, transport := range []*reverseproxy.HTTPTransport{t.plain, t.secure} {
		if transport != nil && transport.Transport != nil {
			errs = append(errs, transport.Cleanup())
		}
	}
	return errors.Join(errs...)
}

// Interface guards
var (
	_ reverseproxy.UpstreamSource = (*Upstreams)(nil)
	_ caddyfile.Unmarshaler       = (*Upstreams)(nil)
	_ http.RoundTripper           = (*Transport)(nil)
	_ caddy.Provisioner           = (*Transport)(nil)
	_ caddy.CleanerUpper          = (*Transport)(nil)
	_ caddyfile.Unmarshaler       = (*Transport)(nil)
)
