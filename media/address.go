package media

import (
	"net/netip"
	"strings"
)

// closed are the networks that nobody's media is in: special purposes of the IANA
// registries, and what leads to them.
var closed = prefixes(
	"0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16",
	"172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24",
	"192.88.99.0/24", "192.168.0.0/16", "192.175.48.0/24", "198.18.0.0/15",
	"168.63.129.16/32", // a cloud's own service, whose address looks public
	"198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",

	"2001::/23",     // protocols' own, Teredo, ORCHID
	"2001:db8::/32", // documentation
	"2002::/16",     // 6to4, which wraps an IPv4 address
	"2620:4f:8000::/48", "3fff::/20", "5f00::/16",
)

// open is what IPv6 has of addresses for the public. All else there is closed, among
// it the unspecified and the loopback address, IPv4 in IPv6, NAT64, unique local,
// link-local, site-local and multicast addresses.
var open = netip.MustParsePrefix("2000::/3")

func prefixes(texts ...string) []netip.Prefix {
	all := make([]netip.Prefix, len(texts))
	for i, text := range texts {
		all[i] = netip.MustParsePrefix(text)
	}
	return all
}

// Public tells whether an address may be spoken to for a client: one that everybody
// could reach as well.
func Public(address netip.Addr) bool {
	if !address.IsValid() || address.Zone() != "" {
		return false
	}
	// ::ffff:a.b.c.d goes out as IPv4.
	address = address.Unmap()
	return (address.Is4() || open.Contains(address)) && !within(address, closed)
}

func within(address netip.Addr, networks []netip.Prefix) bool {
	for _, network := range networks {
		if network.Contains(address) {
			return true
		}
	}
	return false
}

// oddNumber tells whether a host is a number that some resolvers take for an IPv4
// address and others for a name: 2130706433, 0x7f.1, 127.1, 0177.0.0.1. By the WHATWG URL
// standard that is any whose last label is a number, but for the one proper form.
func oddNumber(host string) bool {
	host = strings.TrimSuffix(host, ".")
	last := strings.ToLower(host[strings.LastIndexByte(host, '.')+1:])
	if rest, hex := strings.CutPrefix(last, "0x"); hex && strings.Trim(rest, "0123456789abcdef") == "" {
		return true
	}
	if last == "" || strings.Trim(last, "0123456789") != "" {
		return false
	}
	_, err := netip.ParseAddr(host)
	return err != nil
}
