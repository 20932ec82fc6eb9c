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
	g := guard{fetcher: Fetcher{Allow: slices.Clone(allow)}}
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

type guard struct{ fetcher Fetcher }

// dial is that of a Fetcher, with other ports. A host that has a closed address beside
// others is refused as a whole.
func (g *guard) dial(ctx context.Context, network, hostPort string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(hostPort)
	if err != nil {
		return nil, refused("is a malformed URL")
	}
	addresses, err := g.fetcher.lookup(ctx, host)
	if err != nil || len(addresses) == 0 {
		return nil, refused("names a host that is not known")
	}
	for _, address := range addresses {
		if address.Zone() == "" && within(address.Unmap(), g.fetcher.Allow) {
			continue
		}
		switch {
		case !Public(address):
			return nil, refused("leads to an address that is not public")
		case !guardedPort(port):
			return nil, refused("is a URL with a port below 1024 other than 80 and 443")
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

// guardedPort keeps calls from the services that speak something else than HTTP, such
// as mail, which some would take for commands.
func guardedPort(port string) bool {
	n, err := strconv.Atoi(port)
	return err == nil && (n == 80 || n == 443 || n >= 1024)
}
