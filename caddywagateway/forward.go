package caddywagateway

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"golang.org/x/net/http/httpguts"

	"github.com/genfity/wa-gateway/internal/bodyedit"
	"github.com/genfity/wa-gateway/routes"
	"github.com/genfity/wa-gateway/waserver"
)

// dispatch builds the canonical call and hands it to whoever carries it out.
func (x *exchange) dispatch() error {
	x.call = waserver.Call{
		Endpoint:  x.match.Route.Endpoint,
		UserID:    x.user.ID,
		SessionID: x.grant.Session,
		ChatID:    x.match.Param(routes.ParamChat),
		Path:      x.match.Segments,
		Query:     x.cleanQuery(),
	}
	if x.server.translator != nil && !x.toSandbox() {
		return x.translate()
	}
	switch x.call.Endpoint {
	case waserver.ListSessions:
		return x.listSessions()
	case waserver.CreateSession:
		return x.createSession()
	case waserver.DeleteSession:
		return x.deleteSession()
	default:
		return x.pass()
	}
}

// pass forwards a call whose answer goes to the client as it is.
func (x *exchange) pass() error {
	b, err := x.readBody(x.call.Endpoint == waserver.Broadcast)
	if err != nil {
		return err
	}
	if x.match.Route.Limited {
		if err := x.app.databases.events.Ready(); err != nil && !x.isTest() {
			// What cannot be counted is not sent.
			return unavailable("Messages cannot be counted at the moment; try again later", err)
		}
		if x.call.Recipients, err = x.countRecipients(b); err != nil {
			return err
		}
		if err := x.takeLimit(x.r.Context(), x.call.Recipients); err != nil {
			return err
		}
		return x.send(b)
	}
	out, err := x.outgoing(b)
	if err != nil {
		return err
	}
	x.outcome = outcomeForwarded
	mode := copyNone
	if x.match.Route.Class != routes.ClassChat {
		mode = maskJSON
	}
	x.leaveDatabases() // it may be a stream that never ends
	w := x.newAnswerWriter(mode)
	return x.roundTrip(w, out, b)
}

// roundTrip has the WA server answer, through next and within its time. The
// error is the answer that the client gets instead of the WA server's.
func (x *exchange) roundTrip(w *answerWriter, out *http.Request, b *body) error {
	ctx, dog := watch(out.Context(), time.Duration(x.Timeouts.WAServer))
	defer dog.end()
	w.watchdog, w.stream = dog, b.stream
	out = out.WithContext(ctx)
	if b.stream != nil {
		out.Body = &watchedBody{out.Body, dog}
	}
	err := x.next.ServeHTTP(w, out)
	switch {
	case err == nil && w.silenced():
		err = errServerSilent
	case err == nil && !w.passed && b.stream.err() != nil:
		// reverse_proxy takes it for a client that went away, and is done.
		err = b.stream.err()
	}
	if err != nil {
		return x.forwardFailure(err, b, w)
	}
	return w.finish()
}

// countRecipients is what a call costs the limit: one, or one per recipient of
// a broadcast.
func (x *exchange) countRecipients(b *body) (int, error) {
	if x.call.Endpoint != waserver.Broadcast {
		return 1, nil
	}
	n, err := bodyedit.Recipients(b.contentType, b.whole)
	if err != nil {
		var syntax *bodyedit.SyntaxError
		if errors.As(err, &syntax) {
			return 0, bodyRefusal(err, x.maxBody())
		}
		return 0, refuse(http.StatusBadRequest, "Name the recipients of the broadcast in one list: "+err.Error())
	}
	if n < 1 {
		return 0, refuse(http.StatusBadRequest, "The broadcast names no recipient")
	}
	return n, nil
}

// cleanQuery is the client's query without what names an identity or carries a
// credential.
func (x *exchange) cleanQuery() url.Values {
	if len(x.query) == 0 {
		return nil
	}
	dialect := x.server.dialect
	clean := make(url.Values, len(x.query))
	for name, values := range x.query {
		normal := bodyedit.NormalizeName(name)
		switch {
		case dialect.Identity(normal), waserver.Credential(normal), bodyedit.Inside(name, dialect.NestedIdentity):
		case normal == "method" && name != "method":
			// _method, by which some servers take a POST for something else.
		case strings.ContainsAny(name, "%&;=\x00\r\n"):
			// What is still encoded may turn into another name on the way.
		default:
			clean[name] = values
		}
	}
	return clean
}

func setOf(names ...string) map[string]bool {
	set := make(map[string]bool, len(names))
	for _, name := range names {
		set[name] = true
	}
	return set
}

const headerIdempotencyKey = "Idempotency-Key"

// headerNames reads the names of headers that the operator lets pass. Those that
// carry a credential or an identity, and those of the connection, cannot be named.
func headerNames(option string, names []string, dialect waserver.Dialect) (map[string]bool, error) {
	set := make(map[string]bool, len(names))
	for _, name := range names {
		if !httpguts.ValidHeaderFieldName(name) {
			return nil, fmt.Errorf("%s: %q is not the name of a header", option, name)
		}
		canonical, normal := http.CanonicalHeaderKey(name), bodyedit.NormalizeName(name)
		if neverPass[canonical] || waserver.Credential(normal) || dialect.Identity(normal) {
			return nil, fmt.Errorf("%s: %s can never pass through the gateway", option, canonical)
		}
		set[canonical] = true
	}
	return set, nil
}

// neverPass are credentials and cookies, claims of identity, what makes some
// servers see another method or path than was matched, what describes a body that
// the gateway rewrites, and what belongs to a connection (RFC 9110, 7.6.1):
// reverse_proxy takes out whatever Connection names, which must not be headers of
// the gateway's.
var neverPass = setOf(
	"Authorization", "Proxy-Authorization", "Cookie", "Set-Cookie",
	"X-User-Id", "X-Session-Id", "Token", "Apikey", "X-Api-Key",
	"X-Http-Method", "X-Http-Method-Override", "X-Method-Override",
	"X-Original-Url", "X-Rewrite-Url", "X-Original-Uri", "X-Forwarded-Uri", "X-Forwarded-Prefix",
	headerSandboxCallbacks, "Content-Length", "Content-Type", "Content-Encoding", "Accept-Encoding",
	"Connection", "Proxy-Connection", "Keep-Alive", "Te", "Trailer", "Transfer-Encoding", "Upgrade",
)

// cleanHeader is a copy of those of the client's headers that may reach the WA
// server. Nothing in it is shared with the client's request.
func (x *exchange) cleanHeader() http.Header {
	// The dialect and reverse_proxy add some.
	clean := make(http.Header, len(x.r.Header)+4)
	var all []string
	for name, values := range x.r.Header {
		if !waserver.RequestHeader(name) && !x.requestHeaders[name] {
			continue
		}
		if values == nil { // some modules say by nil that nothing shall be set
			clean[name] = nil
			continue
		}
		if all == nil {
			all = make([]string, 0, len(x.r.Header)+4)
		}
		start := len(all)
		all = append(all, values...)
		clean[name] = all[start:len(all):len(all)]
	}
	if class := x.match.Route.Class; class == routes.ClassSession || class == routes.ClassConfig {
		// A part of an answer cannot be read, so secrets could not be found in it.
		delete(clean, "Range")
		delete(clean, "If-Range")
	}
	if keys := clean[headerIdempotencyKey]; len(keys) > 0 {
		// The WA server sees one client; two tenants may use the same key.
		sum := sha256.Sum256([]byte(x.user.ID + "\x00" + x.grant.Session + "\x00" + keys[0]))
		clean.Set(headerIdempotencyKey, hex.EncodeToString(sum[:]))
	}
	if strings.EqualFold(x.r.Header.Get("Upgrade"), "websocket") {
		clean.Set("Connection", "Upgrade")
		clean.Set("Upgrade", "websocket")
	}
	return clean
}

// headerSandboxCallbacks tells the sandbox to send no events for a call.
const headerSandboxCallbacks = "X-Wa-Sandbox-Callbacks"

// outgoing is the request for the WA server. It is a copy: the credential that
// the dialect puts on it must not be seen by what looks at the client's request
// afterwards, such as error routes and logs.
func (x *exchange) outgoing(b *body) (*http.Request, error) {
	out := new(http.Request)
	*out = *x.r
	out.URL = &url.URL{Scheme: x.r.URL.Scheme, Host: x.r.URL.Host}
	out.Header = x.cleanHeader()
	out.Body, out.ContentLength = b.reader, b.length
	out.TransferEncoding, out.Trailer = nil, nil
	if b.contentType != "" {
		out.Header.Set("Content-Type", b.contentType)
	}
	if b.reader == http.NoBody {
		out.Header.Del("Expect")
	}

	if err := x.server.dialect.Request(out, &x.call, &x.server.server); err != nil {
		var unsupported *waserver.UnsupportedError
		if errors.As(err, &unsupported) {
			return nil, refuse(http.StatusNotImplemented, unsupported.Reason)
		}
		return nil, refuse(http.StatusInternalServerError, "Internal error").because(err)
	}
	out.RequestURI = out.URL.RequestURI()

	x.announce(factServer, x.server.Name)
	upstream := upstreamServer
	if x.toSandbox() {
		upstream = upstreamSandbox
		// The sandbox has no part in the real server's credential.
		if x.isTest() {
			out.Header.Del("Authorization")
			out.Header.Set(headerSandboxCallbacks, "off")
		}
	}
	x.announce(factUpstream, upstream)
	caddyhttp.SetVar(out.Context(), serverVar, x.server)
	return out, nil
}

// serverVar is the variable that tells the upstream source and the transport
// which WA server a request goes to.
const serverVar = "wa_gateway.wa_server"

// The values of {http.wa_gateway.upstream}.
const (
	upstreamServer  = "server"
	upstreamSandbox = "sandbox"
)

// forwardFailure turns what the next handler returned into the gateway's answer.
func (x *exchange) forwardFailure(err error, b *body, w *answerWriter) error {
	if err == nil {
		return nil
	}
	if w.passed {
		// The answer has begun; there is no other to give.
		return err
	}
	if broken := b.stream.err(); broken != nil {
		return bodyRefusal(broken, x.maxBody())
	}
	return refuse(http.StatusBadGateway, messageNotForwarded).because(err)
}
