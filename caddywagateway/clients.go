package caddywagateway

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
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
	"Forwarded", "X-Real-Ip", "Via", "True-Client-Ip", "X-Client-Ip", "Client-Ip", "X-Cluster-Client-Ip",
	"X-Original-Forwarded-For", "X-Original-Host", "X-Scheme", "Cdn-Loop", "Cf-Connecting-Ip", "Cf-Ray",
	"Fastly-Client-Ip", "Fly-Client-Ip", "X-Azure-Clientip", "X-Amzn-Trace-Id", "X-Envoy-External-Address",
}

// throughProxy tells whether a request bears the mark of a proxy.
func throughProxy(h http.Header) bool {
	for _, name := range proxyHeaders {
		if len(h[name]) > 0 {
			return true
		}
	}
	for name := range h {
		if strings.HasPrefix(name, "X-Forwarded") {
			return true
		}
	}
	return false
}

// fromAnotherSite tells whether a browser made the request on behalf of a page
// that is not the gateway's own: then nobody asserted anything, a page that
// somebody in the trusted network looks at did.
func fromAnotherSite(r *http.Request) bool {
	site := r.Header.Get("Sec-Fetch-Site")
	switch site {
	case "", "same-origin", "none":
	default:
		return true
	}
	origin := r.Header.Get("Origin")
	if origin == "" {
		// A browser all the same?
		if site == "" || site == "none" {
			return false
		}
		return !ownName(r.Host)
	}
	u, err := url.Parse(origin)
	return err != nil || u.Host != r.Host || !ownName(r.Host)
}

// ownName tells whether a host can be taken to be the gateway's own: an address,
// or a name without a dot. Any other name may be one that its owner lets point to
// an address in here (DNS rebinding), whose pages are no pages of the gateway's.
func ownName(hostport string) bool {
	host, _, err := net.SplitHostPort(hostport)
	if err != nil {
		host = hostport
	}
	if _, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil {
		return true
	}
	return !strings.Contains(strings.TrimSuffix(host, "."), ".")
}

// trusts tells whether the client of a request may assert an identity. The
// address is Caddy's own client IP. A request that bears the marks of a proxy
// which Caddy was not told to trust came from somebody unknown behind it.
func (t clientTrust) trusts(r *http.Request) bool {
	if len(t.ranges) == 0 || (t.plainOnly && r.TLS != nil) {
		return false
	}
	addr, vouched := clientAddress(r)
	if !vouched || fromAnotherSite(r) {
		return false
	}
	for _, prefix := range t.ranges {
		if prefix.Contains(addr) {
			return true
		}
	}
	return false
}
