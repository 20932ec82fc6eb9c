package caddywagateway

import (
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"
)

// httpApp is what trust depends on of Caddy's HTTP app.
type httpApp struct {
	HTTPPort  int                   `json:"http_port"`
	HTTPSPort int                   `json:"https_port"`
	Servers   map[string]httpServer `json:"servers"`
}

type httpServer struct {
	Listen         []string          `json:"listen"`
	Routes         json.RawMessage   `json:"routes"`
	NamedRoutes    json.RawMessage   `json:"named_routes"`
	TLSPolicies    []json.RawMessage `json:"tls_connection_policies"`
	TrustedProxies *struct {
		Ranges []string `json:"ranges"`
	} `json:"trusted_proxies"`
	AutoHTTPS struct {
		Disable bool     `json:"disable"`
		Skip    []string `json:"skip"`
	} `json:"automatic_https"`
}

// httpAppOf reads the app out of an adapted configuration.
func httpAppOf(raw []byte) httpApp {
	var config struct {
		Apps struct {
			HTTP httpApp `json:"http"`
		} `json:"apps"`
	}
	_ = json.Unmarshal(raw, &config) // Caddy has read it before
	app := config.Apps.HTTP
	if app.HTTPPort == 0 {
		app.HTTPPort = 80
	}
	if app.HTTPSPort == 0 {
		app.HTTPSPort = 443
	}
	return app
}

// https tells whether a server speaks TLS, by Caddy's rules: it has policies, or
// automatic HTTPS gives it one.
func (a *httpApp) https(s *httpServer) bool {
	switch {
	case len(s.TLSPolicies) > 0:
		return true
	case s.AutoHTTPS.Disable || s.only(a.HTTPPort):
		return false
	case s.only(a.HTTPSPort):
		return true
	}
	var routes []struct {
		Match []struct {
			Host []string `json:"host"`
		} `json:"match"`
	}
	_ = json.Unmarshal(s.Routes, &routes)
	for _, route := range routes {
		for _, match := range route.Match {
			for _, host := range match.Host {
				if !slices.Contains(s.AutoHTTPS.Skip, host) {
					return true
				}
			}
		}
	}
	return false
}

// only tells whether a server listens on this port and no other.
func (s *httpServer) only(port int) bool {
	return !slices.ContainsFunc(s.Listen, func(listen string) bool {
		addr, err := caddy.ParseNetworkAddress(listen)
		return err != nil || addr.IsUnixNetwork() || int(addr.StartPort) != port || int(addr.EndPort) != port
	})
}

// trusting are handlers of ours in a server that trust the same clients.
type trusting struct {
	directives []string
	clients    TrustedClients
}

// handlers finds ours anywhere below a server's routes.
func (s *httpServer) handlers() []trusting {
	var found []trusting
	add := func(directive string, clients TrustedClients) {
		i := slices.IndexFunc(found, func(t trusting) bool { return slices.Equal(t.clients, clients) })
		if i < 0 {
			found = append(found, trusting{clients: clients})
			i = len(found) - 1
		}
		if !slices.Contains(found[i].directives, directive) {
			found[i].directives = append(found[i].directives, directive)
		}
	}
	var walk func(any)
	walk = func(v any) {
		switch v := v.(type) {
		case []any:
			for _, item := range v {
				walk(item)
			}
		case map[string]any:
			if name, _ := v["handler"].(string); name == "wa_gateway" || name == "wa_events" {
				add(name, wordsOf(v["trusted_clients"]))
			}
			for _, key := range slices.Sorted(maps.Keys(v)) {
				walk(v[key])
			}
		}
	}
	for _, raw := range []json.RawMessage{s.Routes, s.NamedRoutes} {
		var routes any
		if json.Unmarshal(raw, &routes) == nil {
			walk(routes)
		}
	}
	return found
}

func wordsOf(v any) (words TrustedClients) {
	items, _ := v.([]any)
	for _, item := range items {
		if word, ok := item.(string); ok {
			words = append(words, word)
		}
	}
	return words
}

// places are where our handlers stand.
func (c *loadedConfig) places() []trustPlace {
	app := httpAppOf(c.json)
	var places []trustPlace
	for _, name := range slices.Sorted(maps.Keys(app.Servers)) {
		s := app.Servers[name]
		for _, h := range s.handlers() {
			trust, err := h.clients.provision()
			if err != nil {
				continue // the configuration does not validate
			}
			places = append(places, trustPlace{server: &s, handler: h, trust: trust, https: app.https(&s)})
		}
	}
	return places
}

// eventsTrusted tells whether anybody may post events for their address alone.
func (d *doctor) eventsTrusted() bool {
	return d.config.json == nil || slices.ContainsFunc(d.config.places(), func(p trustPlace) bool {
		return p.uses("wa_events") && p.believes()
	})
}

// checkTrust looks for set-ups in which strangers may be believed (contract §4).
func (d *doctor) checkTrust() {
	if d.config.json == nil {
		return
	}
	places := d.config.places()
	container := inContainer(d.root)
	before := len(d.findings)
	for _, p := range places {
		d.judge(p, container)
	}
	if len(d.findings) == before {
		d.ok("trust", "nobody can pass for a user without a key who should not be able to")
	}
	if !slices.ContainsFunc(places, func(p trustPlace) bool { return p.uses("wa_gateway") }) {
		d.warn("handlers", "put wa_gateway into a site, before reverse_proxy", "no site of the configuration uses wa_gateway")
	}
	if !slices.ContainsFunc(places, func(p trustPlace) bool { return p.uses("wa_events") }) {
		d.warn("handlers", "put wa_events into a site that the WA server reaches",
			"no site of the configuration uses wa_events: nobody can post what became of messages")
	}
}

// trustPlace is where handlers stand.
type trustPlace struct {
	server  *httpServer
	handler trusting
	trust   clientTrust
	https   bool
}

func (p *trustPlace) uses(directive string) bool {
	return slices.Contains(p.handler.directives, directive)
}

// believes tells whether there is anybody who may say who they are.
func (p *trustPlace) believes() bool {
	return len(p.trust.ranges) > 0 && !(p.trust.plainOnly && p.https)
}

func (d *doctor) judge(p trustPlace, container bool) {
	if !p.believes() || p.server.local() {
		return
	}
	where := fmt.Sprintf("the site on %s (%s)", strings.Join(p.server.Listen, " "), strings.Join(p.handler.directives, ", "))
	if wide, ok := widest(p.trust.ranges); ok {
		d.fail("trust", "name the addresses that need it in trusted_clients (TRUSTED_CLIENTS), or none",
			"%s believes whatever user clients from %s say they are, and that is strangers", where, wide)
		return
	}
	if !slices.ContainsFunc(p.trust.ranges, forwarded) {
		return
	}
	const narrow = "name the addresses that need it in trusted_clients (TRUSTED_CLIENTS), or none"
	switch {
	case p.https:
		d.warn("trust", narrow,
			"%s is a public site and believes clients with private addresses: behind a container engine's or a router's port forwarding strangers may wear one", where)
	case container:
		d.warn("trust", "publish the port on loopback only (127.0.0.1:8070:8070), or "+narrow,
			"%s believes clients with private addresses, and this is a container: the engine's port forwarding may give strangers one", where)
	}
	if proxies := p.server.TrustedProxies; proxies != nil && slices.ContainsFunc(proxies.Ranges, func(text string) bool {
		prefix, err := netip.ParsePrefix(text)
		return text == "private_ranges" || err == nil && forwarded(prefix)
	}) {
		d.warn("trust", "name the one proxy's address in trusted_proxies",
			"%s takes the client's address from any private address that sends X-Forwarded-For, and believes clients with private addresses: whoever gets a private address is whoever they like", where)
	}
}

// forwarded tells whether a range holds addresses that port forwarding gives to
// strangers: those of private networks, not this machine's.
func forwarded(prefix netip.Prefix) bool {
	for _, private := range privateRanges {
		if !private.Addr().IsLoopback() && private.Overlaps(prefix) {
			return true
		}
	}
	return false
}

// widest is the largest range that holds more public addresses than anybody can
// vouch for.
func widest(ranges []netip.Prefix) (netip.Prefix, bool) {
	for _, prefix := range ranges {
		most := 16 // bits of an IPv4 prefix: 65536 addresses
		if prefix.Addr().Is6() {
			most = 32 // what a provider is given
		}
		private := slices.ContainsFunc(privateRanges, func(p netip.Prefix) bool {
			return p.Bits() <= prefix.Bits() && p.Contains(prefix.Addr())
		})
		if !private && prefix.Bits() < most {
			return prefix, true
		}
	}
	return netip.Prefix{}, false
}

// local tells whether only this machine can connect to a server.
func (s *httpServer) local() bool {
	if len(s.Listen) == 0 {
		return false
	}
	return !slices.ContainsFunc(s.Listen, func(listen string) bool {
		addr, err := caddy.ParseNetworkAddress(listen)
		if err != nil || addr.IsUnixNetwork() {
			return err != nil
		}
		ip := net.ParseIP(addr.Host)
		return addr.Host != "localhost" && (ip == nil || !ip.IsLoopback())
	})
}

// inContainer tells whether this runs in a container, by the marks that engines
// leave in the file system that begins at root.
func inContainer(root string) bool {
	for _, mark := range []string{".dockerenv", "run/.containerenv"} {
		if _, err := os.Stat(filepath.Join(root, mark)); err == nil {
			return true
		}
	}
	groups, err := os.ReadFile(filepath.Join(root, "proc/1/cgroup"))
	if err != nil {
		return false
	}
	for _, engine := range []string{"docker", "containerd", "kubepods", "libpod", "lxc", "crio"} {
		if strings.Contains(string(groups), engine) {
			return true
		}
	}
	return false
}
