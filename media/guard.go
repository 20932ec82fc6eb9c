package media

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"time"
)

const (
	guardedIdle      = 30 * time.Second
	guardedIdleConns = 100
)

// GuardedTransport is for calls to the URLs that clients name, without being led into
// the operator's own network: only to addresses that are public, on the ports 80 and
// 443 or from 1024 on, or that are allowed, on any port; each looked up once, checked
// and then dialled as it is; never through a proxy. Whoever uses it must not follow
// redirects without looking at them.
func GuardedTransport(allow []netip.Prefix) *http.Transport {
	g := guard{allow: slices.Clone(allow), highPorts: true}
	return &http.Transport{
		DialContext:            g.dial,
		DisableCompression:     true,
		MaxIdleConns:           guardedIdleConns,
		MaxIdleConnsPerHost:    2,
		IdleConnTimeout:        guardedIdle,
		MaxResponseHeaderBytes: maxHeader,
		ResponseHeaderTimeout:  headerTime,
		TLSHandshakeTimeout:    connectTime,
		ForceAttemptHTTP2:      true,
	}
}

// guard decides what may be connected to for a client.
type guard struct {
	allow     []netip.Prefix
	highPorts bool // besides 80 and 443 those from 1024 on
	resolve   func(ctx context.Context, host string) ([]netip.Addr, error)
}

// check tells whether an address may be spoken to on a port (empty: the usual one).
func (g *guard) check(address netip.Addr, port string) error {
	if address.Zone() == "" && within(address.Unmap(), g.allow) {
		return nil
	}
	if !Public(address) {
		return refused("leads to an address that is not public")
	}
	// The other ports are those of services that speak something else than HTTP, such
	// as mail, which some would take for commands.
	n, _ := strconv.Atoi(port)
	switch {
	case port == "", n == 80, n == 443, g.highPorts && n >= 1024:
		return nil
	case g.highPorts:
		return refused("is a URL with a port below 1024 other than 80 and 443")
	}
	return refused("is a URL with a port other than 80 and 443")
}

// dial looks a host up, once, and connects to one of the addresses that it has checked.
// A host that has a closed address beside others is refused as a whole.
func (g *guard) dial(ctx context.Context, network, hostPort string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(hostPort)
	if err != nil {
		return nil, refused("is a malformed URL")
	}
	addresses, err := g.lookup(ctx, host)
	if err != nil || len(addresses) == 0 {
		return nil, refused("names a host that is not known")
	}
	for _, address := range addresses {
		if err := g.check(address, port); err != nil {
			return nil, err
		}
	}
	dialer := net.Dialer{Timeout: connectTime}
	for _, address := range addresses[:min(len(addresses), maxAddresses)] {
		var conn net.Conn
		conn, err = dialer.DialContext(ctx, network, net.JoinHostPort(address.Unmap().String(), port))
		if err == nil {
			return conn, nil
		}
	}
	return nil, err
}

func (g *guard) lookup(ctx context.Context, host string) ([]netip.Addr, error) {
	if address, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{address}, nil
	}
	if g.resolve != nil {
		return g.resolve(ctx, host)
	}
	return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
}
