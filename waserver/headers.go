package waserver

// AnswerHeader tells whether a header of a WA server's answer may reach a
// client. name is in canonical form (http.CanonicalHeaderKey). Whatever is not
// known to be needed stays behind: what servers add tells about their inside
// (Server, Via, X-Powered-By), sets state for the gateway's own origin
// (Set-Cookie, Clear-Site-Data, Strict-Transport-Security), opens that origin
// to others (Access-Control-*), names addresses that clients cannot and must
// not reach (Location, Content-Location, Link, Refresh), asks for the admin's
// credential (WWW-Authenticate), steers proxies on the way (X-Accel-Redirect,
// X-Sendfile, Alt-Svc), or is a token under a name that nobody can foresee.
//
// The cache headers in it are the WA server's word; see PrivateCache for what
// must become of them.
func AnswerHeader(name string) bool { return answerHeaders[name] }

var answerHeaders = map[string]bool{
	// What the body is and how it is framed.
	"Content-Type":        true,
	"Content-Length":      true,
	"Content-Encoding":    true,
	"Content-Disposition": true, // the file name of media
	"Content-Language":    true,

	// Parts of media.
	"Content-Range": true,
	"Accept-Ranges": true,

	// Validators, and how long a client may keep what it got. An age belongs to
	// them: without it a lifetime would seem to start anew. Date does not: Caddy
	// writes its own.
	"Etag":          true,
	"Last-Modified": true,
	"Cache-Control": true,
	"Expires":       true,
	"Age":           true,
	"Vary":          true,

	// When to come again, with a 429 or 503 of the WA server's own.
	"Retry-After": true,

	// Says to a proxy before the gateway that events must not wait in a buffer.
	"X-Accel-Buffering": true,

	// The other half of a WebSocket's handshake. reverse_proxy has taken
	// Connection and Upgrade out of every answer that is none.
	"Connection":               true,
	"Upgrade":                  true,
	"Sec-Websocket-Accept":     true,
	"Sec-Websocket-Protocol":   true,
	"Sec-Websocket-Extensions": true,
	"Sec-Websocket-Version":    true,
}

// RequestHeader tells whether a header of a client's request goes on to the WA
// server. name is in canonical form. Credentials and identities are not the only
// ones that must not: servers exist that see another method, path, host or
// client than was matched by what some header says (X-HTTP-Method-Override,
// X-Original-URL, Forwarded, X-Real-IP), and nobody knows all of them.
//
// Left out on purpose: Content-Type and Content-Length (the body is rewritten,
// and what it is now is said anew), digests of the body (no longer true),
// Accept-Encoding (answers must be readable here; the transport compresses on
// its own account), Origin and Referer (the WA server's CORS is no part of the
// API), Connection and Upgrade (belong to the client's connection; the gateway
// sets those of a WebSocket itself).
func RequestHeader(name string) bool { return requestHeaders[name] }

var requestHeaders = map[string]bool{
	// What the client can read, and what it is.
	"Accept":          true,
	"Accept-Language": true,
	"User-Agent":      true,

	// Parts of media, and only if they have changed.
	"Range":               true,
	"If-Range":            true,
	"If-Match":            true,
	"If-None-Match":       true,
	"If-Modified-Since":   true,
	"If-Unmodified-Since": true,
	"Cache-Control":       true,

	// A message that is told twice is sent once, where the server knows how.
	"Idempotency-Key": true,

	// Names under which the operator finds a request again in both logs.
	"X-Request-Id":     true,
	"X-Correlation-Id": true,
	"Traceparent":      true,
	"Tracestate":       true,

	// Where to go on in a stream of server-sent events.
	"Last-Event-Id": true,

	// A large body waits until the server wants it.
	"Expect": true,

	// Who stood before the gateway. reverse_proxy believes those of trusted
	// proxies only, and writes its own in any case.
	"X-Forwarded-For":   true,
	"X-Forwarded-Proto": true,
	"X-Forwarded-Host":  true,

	// A WebSocket's handshake.
	"Sec-Websocket-Key":        true,
	"Sec-Websocket-Version":    true,
	"Sec-Websocket-Protocol":   true,
	"Sec-Websocket-Extensions": true,
}
