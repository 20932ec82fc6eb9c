package waserver

import (
	"net/http"
	"strings"
)

// callerHeaders are the request headers on which every answer depends, whatever
// the WA server says: it has seen one client, the gateway.
const callerHeaders = "Authorization, X-User-ID, X-Session-ID"

// PrivateCache makes the cache headers of a WA server's answer true for the
// gateway's clients. The server has one client and may call its answers public;
// here they are one tenant's, and a cache that two tenants share must not keep
// them. What the server allows the client's own cache stays.
func PrivateCache(h http.Header) {
	h.Set("Cache-Control", privateCacheControl(h.Values("Cache-Control")))
	h.Add("Vary", callerHeaders)
}

// privateCacheControl keeps the directives that concern the client's own cache.
func privateCacheControl(values []string) string {
	kept := "private"
	for _, value := range values {
		for directive := range strings.SplitSeq(value, ",") {
			directive = strings.ToLower(strings.TrimSpace(directive))
			name, argument, _ := strings.Cut(directive, "=")
			switch name {
			case "no-store":
				return "no-store"
			case "no-cache":
				// With field names it speaks of those alone; without is stricter.
				kept += ", no-cache"
			case "no-transform", "must-revalidate", "immutable":
				kept += ", " + name
			case "max-age":
				if isDigits(argument) {
					kept += ", max-age=" + argument
				}
			}
		}
	}
	return kept
}

func isDigits(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return 0 < len(s) && len(s) <= 10
}
