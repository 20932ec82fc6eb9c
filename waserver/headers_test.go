package waserver

import (
	"net/http"
	"testing"
)

func TestHeaderNamesAreCanonical(t *testing.T) {
	for _, set := range []map[string]bool{answerHeaders, requestHeaders} {
		for name := range set {
			if canonical := http.CanonicalHeaderKey(name); canonical != name {
				t.Errorf("%s is %s in the canonical form", name, canonical)
			}
		}
	}
}

func TestAnswerHeader(t *testing.T) {
	for _, name := range []string{
		"Content-Type", "Content-Length", "Content-Encoding", "Content-Disposition", "Content-Range", "Accept-Ranges",
		"ETag", "Last-Modified", "Cache-Control", "Expires", "Retry-After", "Sec-WebSocket-Accept", "Upgrade",
	} {
		if !AnswerHeader(http.CanonicalHeaderKey(name)) {
			t.Errorf("%s does not pass", name)
		}
	}
	for _, name := range []string{
		"Set-Cookie", "Set-Cookie2", "Server", "X-Powered-By", "Via", "X-Runtime", "X-AspNet-Version", "X-Debug-Token", "X-Served-By",
		"Location", "Content-Location", "Link", "Refresh", "Alt-Svc", "X-Accel-Redirect", "X-Sendfile",
		"Access-Control-Allow-Origin", "Access-Control-Allow-Credentials", "Access-Control-Expose-Headers", "Timing-Allow-Origin",
		"Authorization", "WWW-Authenticate", "Proxy-Authenticate", "Authentication-Info", "Token", "Apikey", "X-Api-Key", "X-Auth-Token",
		"Strict-Transport-Security", "Clear-Site-Data", "Content-Security-Policy", "Service-Worker-Allowed", "Trailer", "Date",
		"X-RateLimit-Limit", "RateLimit", "X-User-Id", "X-Session-Id", "X-Request-Id", "Allow", "",
	} {
		if AnswerHeader(http.CanonicalHeaderKey(name)) {
			t.Errorf("%s passes", name)
		}
	}
}

func TestRequestHeader(t *testing.T) {
	for _, name := range []string{
		"Accept", "Accept-Language", "User-Agent", "Range", "If-None-Match", "Idempotency-Key", "X-Request-ID", "traceparent",
		"Last-Event-ID", "Expect", "X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "Sec-WebSocket-Key",
	} {
		if !RequestHeader(http.CanonicalHeaderKey(name)) {
			t.Errorf("%s does not pass", name)
		}
	}
	for _, name := range []string{
		"Authorization", "Proxy-Authorization", "Cookie", "X-User-Id", "X-Session-Id", "Token", "Apikey", "X-Api-Key", "X-Auth-Token",
		"Admin-Token", "X-Admin-Token", "Session", "Instance", "X-Device-Id", "Key", "X-WA-Session", "X_Session_Id",
		"X-HTTP-Method", "X-HTTP-Method-Override", "X-Method-Override", "X-Original-Url", "X-Rewrite-Url", "X-Original-Uri",
		"X-Forwarded-Uri", "X-Forwarded-Prefix", "X-Forwarded-Method", "X-Forwarded-Port", "X-Forwarded-User", "X-Remote-User", "Forwarded",
		"X-Real-Ip", "X-Client-Ip", "True-Client-Ip", "Cf-Connecting-Ip", "X-Cluster-Client-Ip", "X-Host", "Host",
		"Content-Type", "Content-Length", "Content-Encoding", "Content-Md5", "Content-Digest", "Digest", "Content-Range", "Accept-Encoding",
		"Origin", "Referer", "Connection", "Keep-Alive", "Te", "Trailer", "Transfer-Encoding", "Upgrade", "Http2-Settings",
		"X-Wa-Sandbox-Callbacks", "",
	} {
		if RequestHeader(http.CanonicalHeaderKey(name)) {
			t.Errorf("%s passes", name)
		}
	}
}

func TestPrivateCache(t *testing.T) {
	for given, want := range map[string]string{
		"":                                       "private",
		"public, max-age=60":                     "private, max-age=60",
		"PUBLIC,s-maxage=60":                     "private",
		"no-cache, must-revalidate":              "private, no-cache, must-revalidate",
		"max-age=60, no-store, public":           "no-store",
		`private="set-cookie", no-cache="x"`:     "private, no-cache",
		"max-age=1e9, immutable":                 "private, immutable",
		"max-age=, proxy-revalidate, x=y\tz":     "private",
		"max-age=31536000, stale-if-error=86400": "private, max-age=31536000",
	} {
		h := http.Header{"Vary": {"Accept-Language"}}
		if given != "" {
			h.Set("Cache-Control", given)
		}
		PrivateCache(h)
		if got := h.Values("Cache-Control"); len(got) != 1 || got[0] != want {
			t.Errorf("%q became %q, want %q", given, got, want)
		}
		if got := h.Values("Vary"); len(got) != 2 || got[0] != "Accept-Language" {
			t.Errorf("Vary: %q", got)
		}
	}
}
