package waserver

import (
	"net/http"
	"net/url"
	"strings"
)

// Generic is the dialect of the WA server that contract §5 describes: the
// canonical paths without their /api/wa prefix, an admin token as a bearer
// token, the identity in two headers and in the body's session_id.
type Generic struct{}

// The identity headers of contract §4 and §5.
const (
	HeaderUserID    = "X-User-ID"
	HeaderSessionID = "X-Session-ID"
)

// Request implements Dialect.
func (Generic) Request(r *http.Request, call *Call, server *Server) error {
	segments := call.Path
	base := ""
	if server.URL != nil {
		base = strings.TrimSuffix(server.URL.EscapedPath(), "/")
		r.Host = server.URL.Host
	}
	var escaped strings.Builder
	escaped.WriteString(base)
	for _, segment := range segments {
		escaped.WriteByte('/')
		escaped.WriteString(url.PathEscape(segment))
	}
	// Both forms are set from the same segments, so that whichever of them the
	// transport writes, the server reads what was matched.
	r.URL.RawPath = escaped.String()
	path, err := url.PathUnescape(r.URL.RawPath)
	if err != nil {
		return err
	}
	r.URL.Path = path
	r.URL.RawQuery = call.Query.Encode()

	if server.Token != "" {
		r.Header.Set("Authorization", "Bearer "+server.Token)
	}
	r.Header.Set(HeaderUserID, call.UserID)
	if call.SessionID != "" {
		r.Header.Set(HeaderSessionID, call.SessionID)
	}
	return nil
}

// Identity implements Dialect. The names cover the spellings that servers of
// this kind are known to read: session_id, sessionId, session, user_id, ….
func (Generic) Identity(name string) bool {
	switch name {
	case "sessionid", "session", "sid", "sessionkey", "xsessionid", "xsession", "xsessionname",
		"userid", "user", "uid", "xuserid", "xuser",
		"instance", "instanceid", "instancename", "deviceid", "xdeviceid":
		return true
	default:
		return false
	}
}

// NestedIdentity implements Dialect. It leaves out what Identity takes for an
// identity at the top alone: a nested "user", "session" or "sid" is content, as
// in a contact or a button.
func (Generic) NestedIdentity(name string) bool {
	switch name {
	case "sessionid", "xsessionid", "sessionkey", "userid", "xuserid",
		"instanceid", "instancename", "deviceid", "xdeviceid":
		return true
	default:
		return false
	}
}

// Fields implements Dialect.
func (Generic) Fields(call *Call) []Field {
	if call.SessionID == "" {
		return nil
	}
	return []Field{{Name: "session_id", Value: call.SessionID}}
}

// Messages implements Dialect.
func (Generic) Messages(call *Call, body []byte) []Message {
	if call.Endpoint == Broadcast {
		if messages := messageList(body); len(messages) > 0 {
			return messages
		}
	}
	if id := messageID(body); id != "" {
		return []Message{{ID: id}}
	}
	return nil
}

// CreatedSession implements Dialect.
func (Generic) CreatedSession(body []byte) string { return sessionID(body) }

// FilterSessions implements Dialect.
func (Generic) FilterSessions(body []byte, owned func(string) bool) ([]byte, bool) {
	return filterSessions(body, owned)
}

var _ Dialect = Generic{}
