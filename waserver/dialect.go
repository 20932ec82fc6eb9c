package waserver

import (
	"net/http"
	"net/url"
)

// Call is a canonical call that the gateway has authorised: everything in it
// was verified or built by the gateway, nothing is the client's raw word.
type Call struct {
	Endpoint Endpoint

	// UserID is the verified user, SessionID the session that was checked to be
	// theirs; SessionID is empty on calls that name none. On CreateSession it is
	// the id that the user asks for, empty when the WA server shall choose.
	UserID    string
	SessionID string

	// ChatID is set on ListMessages.
	ChatID string

	// Path is the normal form of the client's path below /api/wa, decoded, one
	// element per segment. Dialects need it for Other only.
	Path []string

	// Query holds the client's query parameters without those that name an
	// identity.
	Query url.Values

	// Recipients is the number of messages that the call sends: 1, or on
	// Broadcast the number of its recipients; 0 on calls that send none.
	Recipients int
}

// Server is the WA server that a call goes to.
type Server struct {
	// Name is the operator's name for it.
	Name string
	// URL is its base; nil when the operator gave the address to reverse_proxy
	// alone, or when the sandbox stands in for it.
	URL *url.URL
	// Token is its admin credential. It must never reach a client.
	Token string
}

// Message is one message that a WA server's answer speaks of.
type Message struct {
	// ID is the WA server's id of it; empty when the answer has none.
	ID string
	// Failed tells that the answer as a whole succeeded but not for this
	// message (broadcasts).
	Failed bool
}

// Dialect is the language of one kind of WA server. A dialect is stateless and
// safe for concurrent use; the gateway has already taken the client's
// credentials off the request and the client's identity out of its body.
//
// It is for servers close to the canonical form, whose bodies and answers pass as
// they are. Those with an API of their own have a Translator.
type Dialect interface {
	// Request turns the canonical request into the server's own: method, path,
	// query, headers, credentials. The request's body is already canonical; a
	// dialect with bodies of its own replaces r.Body, r.ContentLength and the
	// Content-Type. An *UnsupportedError says that the server has no such call.
	Request(r *http.Request, call *Call, server *Server) error

	// Identity tells which names, as bodyedit.NormalizeName writes them, select
	// a user or a session in this server's bodies and query. They are dropped
	// from what clients send.
	Identity(name string) bool

	// NestedIdentity tells which names, as bodyedit.NormalizeName writes them,
	// select a user or a session below the top of a body: as members of nested
	// objects, and in brackets in the names of form fields. They are dropped
	// there. Names that are ordinary content deep inside are not among them.
	NestedIdentity(name string) bool

	// Fields are the body members that carry the verified identity, written
	// into every body that can carry them, in this order.
	Fields(call *Call) []Field

	// Messages finds the messages that an answer to a sending call names.
	// body may be cut off at the gateway's bound for copies of answers.
	Messages(call *Call, body []byte) []Message

	// CreatedSession finds the id of the session that an answer to
	// CreateSession names; empty when it names none.
	CreatedSession(body []byte) string

	// FilterSessions keeps of an answer to ListSessions what belongs to the
	// sessions for which owned is true, in the answer's own shape. It reports
	// false when the shape is not understood: then nothing of the answer may
	// be shown.
	FilterSessions(body []byte, owned func(sessionID string) bool) ([]byte, bool)
}

// Field is a body member: a JSON string, a form field or a multipart part.
type Field struct{ Name, Value string }

// UnsupportedError tells that a WA server lacks what a call asks for. The
// gateway answers 501 with its reason.
type UnsupportedError struct{ Reason string }

func (e *UnsupportedError) Error() string { return "not supported by the WA server: " + e.Reason }
