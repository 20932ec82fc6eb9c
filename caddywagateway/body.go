package caddywagateway

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/genfity/wa-gateway/internal/bodyedit"
	"github.com/genfity/wa-gateway/routes"
	"github.com/genfity/wa-gateway/waserver"
)

// smallBody is how much of a body is read before anything is decided, in bytes:
// a body that fits is checked whole before it costs the caller a message. What
// is larger streams.
const smallBody = 64 << 10

// body is what of the client's body reaches the WA server.
type body struct {
	reader      io.ReadCloser
	length      int64 // -1 when not known
	contentType string
	whole       []byte // the rewritten body where it was small, else nil
	stream      *streamedBody
}

// The defaults of the bounds on bodies, in bytes.
const (
	defaultMaxMessageBody = 100 << 20
	defaultMaxBody        = 1 << 20
)

// classBroadcast is the class of broadcasts in max_body: they are held whole.
const classBroadcast = "broadcast"

// bodyClasses are the names that max_body knows.
var bodyClasses = []string{
	string(routes.ClassMessage), classBroadcast, string(routes.ClassSession),
	string(routes.ClassChat), string(routes.ClassConfig), string(routes.ClassOther),
}

func (g *Gateway) provisionBodies() error {
	for class, limit := range g.MaxBody {
		if !slices.Contains(bodyClasses, class) {
			return fmt.Errorf("max_body: there is no class %q; use one of %s", class, strings.Join(bodyClasses, ", "))
		}
		if limit <= 0 {
			return fmt.Errorf("max_body: %s must be above zero", class)
		}
	}
	if g.MaxDepth < 0 || g.MaxDepth > 1000 {
		return errors.New("max_depth must be between 1 and 1000")
	}
	return nil
}

// maxBody is the bound on the body of the call.
func (x *exchange) maxBody() int64 {
	class, limit := string(x.match.Route.Class), int64(defaultMaxBody)
	switch {
	case x.match.Route.Endpoint == waserver.Broadcast:
		class = classBroadcast
	case x.match.Route.Class == routes.ClassMessage:
		limit = defaultMaxMessageBody
	}
	if set, ok := x.MaxBody[class]; ok {
		return set
	}
	return limit
}

// streamedBody remembers why reading stopped: the transport only says that it
// could not send. The transport may go on reading after it has the answer.
type streamedBody struct {
	io.Reader
	io.Closer
	stopped atomic.Pointer[error]
}

func (s *streamedBody) Read(p []byte) (int, error) {
	n, err := s.Reader.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		s.stopped.CompareAndSwap(nil, &err)
	}
	return n, err
}

// err is why reading stopped before the end; nil when it did not, or for a body
// that was read whole.
func (s *streamedBody) err() error {
	if s == nil {
		return nil
	}
	if err := s.stopped.Load(); err != nil {
		return *err
	}
	return nil
}

// readBody rewrites the client's body: the verified identity in, every other
// spelling of one out. wholeOnly bodies are read to their end first.
func (x *exchange) readBody(wholeOnly bool) (*body, error) {
	r := x.r
	if !hasBody(r) {
		return x.emptyBody()
	}
	if err := x.refuseEncoding(); err != nil {
		return nil, err
	}
	limit := x.maxBody()
	if r.ContentLength > limit {
		return nil, tooLarge(limit)
	}
	bound := int64(smallBody)
	if wholeOnly {
		bound = limit
	}
	start, err := readUpTo(r.Body, bound+1, r.ContentLength)
	if err != nil {
		return nil, bodyRefusal(err, limit)
	}
	contentType := r.Header.Get("Content-Type")
	if int64(len(start)) <= bound {
		if len(start) == 0 {
			return x.emptyBody()
		}
		edited, newType, err := bodyedit.EditBytes(contentType, start, x.bodyRules(limit))
		if err == nil && x.call.Endpoint == waserver.CreateSession {
			// What it asks for is read once the body is known to be sound, and
			// then written into it.
			if x.call.SessionID, x.askedName, err = askedSession(contentType, start); err != nil {
				return nil, err
			}
			edited, newType, err = bodyedit.EditBytes(contentType, start, x.bodyRules(limit))
		}
		if err != nil {
			return nil, bodyRefusal(err, limit)
		}
		return wholeBody(edited, newType), nil
	}
	if wholeOnly {
		return nil, tooLarge(limit)
	}
	edited, newType, err := bodyedit.Edit(contentType, io.MultiReader(bytes.NewReader(start), r.Body), x.bodyRules(limit))
	if err != nil {
		return nil, bodyRefusal(err, limit)
	}
	stream := &streamedBody{Reader: edited, Closer: r.Body}
	return &body{reader: stream, length: -1, contentType: newType, stream: stream}, nil
}

// refuseEncoding refuses bodies that could be read in two ways.
func (x *exchange) refuseEncoding() error {
	for _, encoding := range x.r.Header["Content-Encoding"] {
		if encoding != "" && !strings.EqualFold(encoding, "identity") {
			return refuse(http.StatusUnsupportedMediaType, "Send the body without Content-Encoding")
		}
	}
	if len(x.r.Header.Values("Content-Type")) > 1 {
		return bodyRefusal(bodyedit.ErrUnsupported, x.maxBody())
	}
	return nil
}

// emptyBody is what of no body reaches the WA server: nothing, unless it has to be
// told the id of a session that nobody has named.
func (x *exchange) emptyBody() (*body, error) {
	if x.call.Endpoint != waserver.CreateSession {
		return &body{reader: http.NoBody}, nil
	}
	x.call.SessionID = newSessionID()
	edited, newType, err := bodyedit.EditBytes("application/json", []byte("{}"), x.bodyRules(x.maxBody()))
	if err != nil {
		return nil, bodyRefusal(err, x.maxBody())
	}
	return wholeBody(edited, newType), nil
}

func wholeBody(content []byte, contentType string) *body {
	return &body{
		reader: io.NopCloser(bytes.NewReader(content)), length: int64(len(content)),
		contentType: contentType, whole: content,
	}
}

// readUpTo reads up to n bytes. expected is how many the client announced, -1 when
// it did not: most bodies are small and say so, and take no more memory than that.
func readUpTo(r io.Reader, n, expected int64) ([]byte, error) {
	room := int64(512)
	if expected >= 0 && expected < 4096 {
		room = expected + 1 // so that the end is seen without growing
	}
	r = io.LimitReader(r, n)
	read := make([]byte, 0, room)
	for {
		got, err := r.Read(read[len(read):cap(read)])
		read = read[:len(read)+got]
		if err == io.EOF {
			return read, nil
		}
		if err != nil {
			return read, err
		}
		if len(read) == cap(read) {
			read = append(read, 0)[:len(read)]
		}
	}
}

// bodyRules are what becomes of a body's members: identities out, the verified
// one in, and a single recipient where a single message is paid for.
func (x *exchange) bodyRules(limit int64) bodyedit.Rules {
	dialect := x.server.dialect
	rules := bodyedit.Rules{
		Drop: func(name string) bool {
			// _method makes some servers take a POST for something else.
			return dialect.Identity(name) || waserver.BodyCredential(name) || name == "method"
		},
		Nested: dialect.NestedIdentity, MaxBytes: limit, MaxDepth: x.MaxDepth,
	}
	if x.call.Endpoint == waserver.CreateSession {
		drop := rules.Drop
		rules.Drop = func(name string) bool { return drop(name) || slices.Contains(askedNames, name) }
	}
	if x.match.Route.Class == routes.ClassMessage && x.call.Endpoint != waserver.Broadcast {
		rules.Single = isRecipient
	}
	for _, field := range dialect.Fields(&x.call) {
		rules.Set = append(rules.Set, bodyedit.Field{Name: field.Name, Value: field.Value})
	}
	return rules
}

// hasBody tells whether a body may follow that is worth reading; those of GET
// and DELETE mean nothing and are not passed on.
func hasBody(r *http.Request) bool {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodDelete:
		return false
	}
	return r.Body != nil && r.Body != http.NoBody && r.ContentLength != 0
}

// isRecipient names the members that say who a single message goes to: each
// must hold one value, or one call would send many messages.
func isRecipient(name string) bool {
	switch name {
	case "tolist", "mobile", "mobiles", "msisdn", "msisdns",
		"to", "phone", "number", "recipient", "receiver", "target", "chatid", "jid", "phonenumber",
		"recipients", "receivers", "targets", "numbers", "phones", "phonenumbers":
		return true
	default:
		return false
	}
}

func tooLarge(limit int64) *refusal {
	return refuse(http.StatusRequestEntityTooLarge,
		fmt.Sprintf("The body is larger than %d bytes", limit)).with(map[string]int64{"max_bytes": limit})
}

// bodyRefusal is the answer to a body that could not be rewritten.
func bodyRefusal(err error, limit int64) *refusal {
	var syntax *bodyedit.SyntaxError
	var tooBig *http.MaxBytesError
	switch {
	case errors.As(err, &syntax):
		return refuse(http.StatusBadRequest, "The body is not valid: "+syntax.Reason).
			with(map[string]int64{"offset": syntax.Offset})
	case errors.Is(err, errTooSlow):
		return refuse(http.StatusRequestTimeout, "The body came too slowly")
	case errors.Is(err, bodyedit.ErrTooLarge), errors.As(err, &tooBig):
		return tooLarge(limit)
	case errors.Is(err, bodyedit.ErrUnsupported):
		return refuse(http.StatusUnsupportedMediaType,
			"Send the body as application/json, application/x-www-form-urlencoded or multipart/form-data, in UTF-8")
	default:
		return refuse(http.StatusBadRequest, "The body could not be read to its end").because(err)
	}
}
