package caddywagateway

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/genfity/wa-gateway/routes"
)

// CORS lets pages of other sites call the gateway from a browser (the Fetch
// standard's CORS protocol). Such a page always needs an API key: its word for an
// identity is never taken, and cookies mean nothing here.
type CORS struct {
	// The origins, such as https://app.example.com, or * for all.
	Origins []string `json:"origins,omitempty"`
	// How long a browser may remember what is allowed. Default: 10m.
	MaxAge caddy.Duration `json:"max_age,omitempty"`
}

const (
	defaultCORSMaxAge = 10 * time.Minute
	corsHeaders       = "Authorization, Content-Type, X-Session-ID, X-Request-ID, Idempotency-Key"
	corsExposed       = "Retry-After, RateLimit, RateLimit-Policy, X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Reset"
)

func (c *CORS) provision() error {
	if c == nil {
		return nil
	}
	if len(c.Origins) == 0 {
		return errors.New("cors: name at least one origin")
	}
	for i, origin := range c.Origins {
		if origin == "*" {
			continue
		}
		u, err := url.Parse(origin)
		if err != nil || (u.Scheme != "https" && u.Scheme != "http") || u.Host == "" ||
			u.User != nil || strings.TrimSuffix(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" {
			return fmt.Errorf("cors: %q is not an origin such as https://app.example.com, or *", origin)
		}
		c.Origins[i] = strings.ToLower(u.Scheme + "://" + u.Host)
	}
	if c.MaxAge < 0 {
		return errors.New("cors: max_age must not be negative")
	}
	if c.MaxAge == 0 {
		c.MaxAge = caddy.Duration(defaultCORSMaxAge)
	}
	return nil
}

// answer puts the headers for the page of an allowed origin on the answer, and
// answers the browser's question what it may send (a preflight). It reports
// whether that was all.
func (c *CORS) answer(w http.ResponseWriter, r *http.Request, table *routes.Table, prefix string, rules []routes.Rule) bool {
	if c == nil {
		return false
	}
	h := w.Header()
	h.Add("Vary", "Origin")
	origin := r.Header["Origin"]
	if len(origin) != 1 || !c.allows(origin[0]) {
		return false
	}
	h.Set("Access-Control-Allow-Origin", origin[0])
	asked := r.Header.Get("Access-Control-Request-Method")
	if r.Method != http.MethodOptions || asked == "" {
		h.Set("Access-Control-Expose-Headers", corsExposed)
		return false
	}
	methods := methodsOf(table, r.URL.EscapedPath(), prefix, rules)
	if len(methods) == 0 {
		return false
	}
	h.Set("Access-Control-Allow-Methods", strings.Join(methods, ", "))
	h.Set("Access-Control-Allow-Headers", corsHeaders)
	h.Set("Access-Control-Max-Age", strconv.Itoa(int(time.Duration(c.MaxAge)/time.Second)))
	w.WriteHeader(http.StatusNoContent)
	return true
}

func (c *CORS) allows(origin string) bool {
	return slices.Contains(c.Origins, "*") || slices.Contains(c.Origins, strings.ToLower(origin))
}

// methodsOf lists the methods of an endpoint.
func methodsOf(table *routes.Table, path, prefix string, rules []routes.Rule) []string {
	segments, err := routes.Segments(path, prefix)
	if err != nil {
		return nil
	}
	var methods *routes.MethodError
	if _, err := table.Match("", segments); errors.As(err, &methods) {
		return methods.Allow
	}
	if _, err := routes.MatchAllowed(rules, "", segments); errors.As(err, &methods) {
		return methods.Allow
	}
	return nil
}
