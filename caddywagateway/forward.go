package caddywagateway

import (
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/genfity/wa-gateway/internal/bodyedit"
	"github.com/genfity/wa-gateway/routes"
	"github.com/genfity/wa-gateway/waserver"
)

// dispatch builds the canonical call and hands it to whoever carries it out.
func (x *exchange) dispatch() error {
	x.call = waserver.Call{
		Endpoint:  x.match.Route.Endpoint,
		UserID:    x.caller.user.ID,
		SessionID: x.session,
		ChatID:    x.match.Param(routes.ParamChat),
		Path:      x.match.Segments,
		Query:     x.cleanQuery(),
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
	w := x.newAnswerWriter(copyNone)
	return x.forwardFailure(x.next.ServeHTTP(w, out), b, w)
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
			return 0, bodyRefusal(err, x.MaxBody)
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
	clean := make(url.Values, len(x.query))
	for name, values := range x.query {
		normal := bodyedit.NormalizeName(name)
		if !x.server.dialect.Identity(normal) && !isCredential(normal) {
			clean[name] = values
		}
	}
	return clean
}

// isCredential tells whether a name, as bodyedit.NormalizeName writes it, is one
// under which some WA server takes a credential from a query or a header.
func isCredential(name string) bool {
	switch name {
	case "token", "apikey", "accesstoken", "admintoken", "apitoken", "watoken", "authtoken",
		"xtoken", "xapikey", "xaccesstoken", "xadmintoken", "xapitoken", "xwatoken", "xauthtoken",
		"authorization", "key", "password":
		return true
	default:
		return false
	}
}

// droppedHeaders never reach the WA server: credentials, claims of identity,
// what makes some servers see another method or path than was matched, what
// describes the client's body instead of the one that is sent, and what belongs to
// the client's connection (RFC 9110, 7.6.1): reverse_proxy takes out whatever
// Connection names, which must not be headers of the gateway's.
var droppedHeaders = setOf(
	"Authorization", "Cookie", "Proxy-Authorization",
	"X-User-Id", "X-Session-Id", "Token", "Apikey", "X-Api-Key", "X-Auth-Token", "X-Access-Token",
	"X-Device-Id", "Instance", "Session", "Session-Id", "User-Id", "Sessionid", "Userid",
	"X-Http-Method", "X-Http-Method-Override", "X-Method-Override",
	"X-Original-Url", "X-Rewrite-Url", "X-Original-Uri", "X-Forwarded-Uri", "X-Forwarded-Prefix",
	headerSandboxCallbacks,
	"Content-Length", "Content-Type",
	"Connection", "Proxy-Connection", "Keep-Alive", "Te", "Trailer", "Transfer-Encoding", "Upgrade",
)

func setOf(names ...string) map[string]bool {
	set := make(map[string]bool, len(names))
	for _, name := range names {
		set[name] = true
	}
	return set
}

// cleanHeader is a copy of the client's header without what must not reach the
// WA server. Nothing in it is shared with the client's request.
func (x *exchange) cleanHeader() http.Header {
	count := 0
	for _, values := range x.r.Header {
		count += len(values)
	}
	all := make([]string, 0, count)
	// The dialect and reverse_proxy add some.
	clean := make(http.Header, len(x.r.Header)+4)
	for name, values := range x.r.Header {
		if droppedHeaders[name] {
			continue
		}
		if normal := bodyedit.NormalizeName(name); x.server.dialect.Identity(normal) || isCredential(normal) {
			continue
		}
		if values == nil { // some modules say by nil that nothing shall be set
			clean[name] = nil
			continue
		}
		start := len(all)
		all = append(all, values...)
		clean[name] = all[start:len(all):len(all)]
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
	if w.status != 0 {
		// The answer has begun; there is no other to give.
		return err
	}
	if broken := b.stream.err(); broken != nil {
		return bodyRefusal(broken, x.MaxMessageBody)
	}
	return refuse(http.StatusBadGateway, messageNotForwarded).because(err)
}
