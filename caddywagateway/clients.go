package caddywagateway

import (
	"fmt"
	"net/http"
	"net/netip"
	"strings"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// TrustedClients are the clients whose word is taken for who they are (contract
// §4): CIDRs, single addresses, `private_ranges` or `none`. If nothing is set,
// private ranges and loopback are trusted on plain HTTP and nobody on HTTPS.
type TrustedClients []string

// privateRanges are those of Caddy's private_ranges: RFC 1918, loopback, RFC
// 4193. Link-local addresses are not among them.
var privateRanges = []netip.Prefix{
	netip.MustParsePrefix("192.168.0.0/16"),
	netip.MustParsePrefix("172.16.0.0/12"),
	netip.MustParsePrefix("10.0.0.0/8"),
	netip.MustParsePrefix("127.0.0.0/8"),
	netip.MustParsePrefix("fd00::/8"),
	netip.MustParsePrefix("::1/128"),
}

// clientTrust is TrustedClients made ready.
type clientTrust struct {
	ranges []netip.Prefix
	// plainOnly: the default, which trusts nobody on HTTPS.
	plainOnly bool
}

func (t TrustedClients) provision() (clientTrust, error) {
	var trust clientTrust
	words := strings.FieldsFunc(strings.Join(t, " "), func(r rune) bool { return r == ' ' || r == ',' })
	if len(words) == 0 {
		return clientTrust{ranges: privateRanges, plainOnly: true}, nil
	}
	for _, word := range words {
		switch {
		case word == "none":
			if len(words) > 1 {
				return trust, fmt.Errorf("trusted_clients: none cannot stand beside others")
			}
		case word == "private_ranges":
			trust.ranges = append(trust.ranges, privateRanges...)
		case strings.Contains(word, "/"):
			prefix, err := netip.ParsePrefix(word)
			if err != nil {
				return trust, fmt.Errorf("trusted_clients: %q is not a CIDR", word)
			}
			trust.ranges = append(trust.ranges, prefix.Masked())
		default:
			addr, err := netip.ParseAddr(word)
			if err != nil {
				return trust, fmt.Errorf("trusted_clients: %q is not an address, a CIDR, private_ranges or none", word)
			}
			trust.ranges = append(trust.ranges, netip.PrefixFrom(addr, addr.BitLen()))
		}
	}
	return trust, nil
}

// proxyHeaders are set by proxies on what they pass on.
var proxyHeaders = []string{
	"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-Port",
	"X-Forwarded-Server", "X-Real-Ip", "Via", "True-Client-Ip", "Cf-Connecting-Ip", "X-Client-Ip",
	"X-Cluster-Client-Ip", "Fastly-Client-Ip", "X-Original-Forwarded-For", "X-Envoy-External-Address",
}

// trusts tells whether the client of a request may assert an identity. The
// address is Caddy's own client IP. A request that bears the marks of a proxy
// which Caddy was not told to trust came from somebody unknown behind it.
func (t clientTrust) trusts(r *http.Request) bool {
	if len(t.ranges) == 0 || (t.plainOnly && r.TLS != nil) {
		return false
	}
	throughTrustedProxy, _ := caddyhttp.GetVar(r.Context(), caddyhttp.TrustedProxyVarKey).(bool)
	if !throughTrustedProxy {
		for _, name := range proxyHeaders {
			if len(r.Header[name]) > 0 {
				return false
			}
		}
	}
	text, _ := caddyhttp.GetVar(r.Context(), caddyhttp.ClientIPVarKey).(string)
	addr, err := netip.ParseAddr(text)
	if err != nil {
		return false
	}
	addr = addr.Unmap().WithZone("")
	for _, prefix := range t.ranges {
		if prefix.Contains(addr) {
			return true
		}
	}
	return false
}
