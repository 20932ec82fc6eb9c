package caddywagateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/genfity/wa-gateway/waserver"
)

// maxTranslated bounds what is read of an answer that is translated, in bytes.
const maxTranslated = 16 << 20

// translate carries out a call by the API of a server that does not speak the
// canonical one. Nothing of the client's request goes on as it is: the call is read,
// and the server's own are made of it.
func (x *exchange) translate() error {
	switch x.call.Endpoint {
	case waserver.ListSessions:
		return x.translateList()
	case waserver.CreateSession:
		return x.translateCreate()
	case waserver.GetSession, waserver.StartSession, waserver.StopSession:
		return x.translateState()
	case waserver.DeleteSession:
		return x.translateDelete()
	case waserver.SessionQR:
		return x.translateQR()
	case waserver.ListContacts, waserver.ListChats, waserver.ListMessages:
		return x.translateReading()
	case waserver.MarkRead:
		return x.translateMarkRead()
	case waserver.GetWebhook, waserver.CreateWebhook, waserver.UpdateWebhook:
		return x.customerWebhook()
	case waserver.Broadcast:
		return x.translateBroadcast()
	case waserver.Other:
		return refuse(http.StatusNotImplemented, "Calls outside the endpoint table go to servers of dialect generic only")
	default:
		return x.translateSend()
	}
}

// client is how the translator speaks to the server about the call's session.
func (x *exchange) client(link *waserver.Link) *waserver.Client {
	return &waserver.Client{Server: &x.server.server, Link: link, Do: x.do}
}

// sessionClient is the client of the session that the call is about.
func (x *exchange) sessionClient(ctx context.Context) (*waserver.Client, error) {
	link, err := x.link(ctx)
	if err != nil {
		return nil, err
	}
	return x.client(link), nil
}

// passedOn are the headers of a client that go along with every call that is made
// for it: names under which the operator finds it again.
var passedOn = []string{"X-Request-Id", "X-Correlation-Id", "Traceparent", "Tracestate"}

// do makes one call to the WA server, by way of the next handler.
func (x *exchange) do(ctx context.Context, r *waserver.Request) (*waserver.Response, error) {
	path, err := serverPath(x.server.server.URL, r.Path)
	if err != nil {
		return nil, err
	}
	out := new(http.Request)
	*out = *x.r
	out.Method = r.Method
	out.URL = &url.URL{Scheme: x.r.URL.Scheme, Host: x.r.URL.Host, RawPath: path, RawQuery: r.Query.Encode()}
	if out.URL.Path, err = url.PathUnescape(path); err != nil {
		return nil, err
	}
	out.RequestURI = out.URL.RequestURI()
	if x.server.server.URL != nil {
		out.Host = x.server.server.URL.Host
	}
	out.Header = make(http.Header, len(r.Header)+len(passedOn)+3)
	for _, name := range passedOn {
		if values := x.r.Header[name]; len(values) > 0 {
			out.Header[name] = []string{values[0]}
		}
	}
	secrets := make(http.Header)
	for name, values := range r.Header {
		if secretHeader(name) {
			secrets[name] = values
			continue
		}
		out.Header[name] = values
	}
	out.Header["User-Agent"] = []string{"wa-gateway"}
	out.TransferEncoding, out.Trailer = nil, nil
	out.Body, out.ContentLength, out.GetBody = http.NoBody, 0, nil
	if r.Body != nil {
		out.Body, out.ContentLength = io.NopCloser(r.Body.Open()), r.Body.Length
		out.Header.Set("Content-Type", r.Body.ContentType)
	}
	caddyhttp.SetVar(out.Context(), serverVar, x.server)
	x.announce(factServer, x.server.Name)
	x.announce(factUpstream, upstreamServer)

	w := x.newAnswerWriter(copyOnly)
	w.most = maxTranslated
	ctx, dog := watch(ctx, time.Duration(x.Timeouts.WAServer))
	defer dog.end()
	w.watchdog = dog
	shown := &serverCredentials{headers: secrets}
	out = out.WithContext(context.WithValue(ctx, credentialsKey{}, shown))
	out.Body = &watchedBody{out.Body, dog}
	err = x.next.ServeHTTP(w, out)
	switch {
	case err == nil && !shown.used.Load():
		// Nothing that comes of it is the server's word, or counts.
		err = refuse(http.StatusBadGateway, messageNotForwarded).because(errNoTransport)
	case err == nil && w.silenced():
		err = errServerSilent
	case err == nil && (w.status == 0 || w.status == statusUsed):
		err = errors.New("the WA server did not answer")
	case err == nil && w.cut:
		err = errors.New("the WA server's answer is larger than the gateway reads")
	}
	if err != nil {
		return nil, err
	}
	return &waserver.Response{Status: w.status, Header: w.header, Body: w.copied.Bytes()}, nil
}

// errNoTransport tells the operator what is wrong with the Caddyfile.
var errNoTransport = errors.New("reverse_proxy has to use transport wa_server, which shows the WA server the credentials of its sessions")

// serverPath is the escaped path of a call. A segment that means another place than
// itself cannot be part of one.
func serverPath(base *url.URL, segments []string) (string, error) {
	var escaped strings.Builder
	if base != nil {
		escaped.WriteString(strings.TrimSuffix(base.EscapedPath(), "/"))
	}
	for _, segment := range segments {
		if segment == "" || segment == "." || segment == ".." || strings.ContainsAny(segment, "/\\\x00") {
			return "", fmt.Errorf("%q cannot be a segment of a path", segment)
		}
		escaped.WriteByte('/')
		escaped.WriteString(url.PathEscape(segment))
	}
	return escaped.String(), nil
}

// canonicalAnswer is the shape of what is translated.
type canonicalAnswer struct {
	Success bool `json:"success"`
	Data    any  `json:"data"`
}

// answerCanonical gives the client the answer to a call that succeeded.
func (x *exchange) answerCanonical(status int, data any) error {
	body, err := json.Marshal(canonicalAnswer{Success: true, Data: data})
	if err != nil {
		return err
	}
	h := x.w.Header()
	h.Set("Content-Type", "application/json; charset=utf-8")
	h.Set("Content-Length", strconv.Itoa(len(body)+1))
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	if x.decision != nil {
		setLimitHeaders(h, *x.decision)
	}
	x.limitWrite()
	x.w.WriteHeader(status)
	_, err = x.w.Write(append(body, '\n'))
	return err
}

// serverWords is what an answer tells of the server's own.
type serverWords struct {
	Status  int    `json:"status"`
	Code    string `json:"code,omitempty"`
	Message string `json:"message,omitempty"`
}

// kindAnswers are the answers to what a server refuses.
var kindAnswers = map[waserver.Kind]struct {
	status  int
	message string
}{
	waserver.KindInvalid:       {http.StatusBadRequest, "The WhatsApp server does not take this call"},
	waserver.KindNotConnected:  {http.StatusConflict, "The session is not connected; start it, and scan its QR code"},
	waserver.KindAlreadyPaired: {http.StatusConflict, "The session is paired already; there is no QR code"},
	waserver.KindNotReady:      {http.StatusServiceUnavailable, "Not ready yet; try again in a moment"},
	waserver.KindNotFound:      {http.StatusNotFound, "The WhatsApp server does not have this"},
	waserver.KindExists:        {http.StatusConflict, "This session id is taken; choose another"},
	waserver.KindUnknownNumber: {http.StatusUnprocessableEntity, "The recipient is not on WhatsApp"},
	waserver.KindLimited:       {http.StatusTooManyRequests, "WhatsApp restricts this account; try again later"},
	waserver.KindTooLarge:      {http.StatusRequestEntityTooLarge, "The media is larger than the WhatsApp server takes"},
}

// notReadyAfter is what clients wait for what is not ready yet, in seconds.
const notReadyAfter = "2"

// translatedFailure is the answer to a call that the server did not carry out.
func (x *exchange) translatedFailure(err error, link *waserver.Link) error {
	var refused *refusal
	var unsupported *waserver.UnsupportedError
	var server *waserver.ServerError
	switch {
	case errors.As(err, &refused):
		return err
	case errors.As(err, &unsupported):
		return refuse(http.StatusNotImplemented, "The WhatsApp server cannot do this: "+unsupported.Reason)
	case !errors.As(err, &server):
		return refuse(http.StatusBadGateway, messageNotForwarded).because(err)
	}
	words := map[string]serverWords{"wa_server": {server.Status, server.Code, x.hide(server.Message, link)}}
	answer, known := kindAnswers[server.Kind]
	if !known {
		return refuse(http.StatusBadGateway, messageNotForwarded).with(words).because(err)
	}
	refused = refuse(answer.status, answer.message).with(words)
	if server.Kind == waserver.KindNotReady {
		return refused.set("Retry-After", notReadyAfter)
	}
	return refused
}

// hide takes out of a server's words what opens it.
func (x *exchange) hide(text string, link *waserver.Link) string {
	text = x.server.secret.Hide(text)
	if link != nil {
		for _, secret := range []string{link.Credential, link.WebhookSecret, link.CustomerKey} {
			text = waserver.NewSecret(secret).Hide(text)
		}
	}
	return text
}
