package webhook

import (
	"encoding/json"

	"github.com/genfity/wa-gateway/stats"
)

// The names under which WA servers tell the session and the type of an event, the
// surest first: GOWA has session_id, WAHA session, Evolution instance, wuzapi
// instanceName and, before it, userID (see wuzapi below).
var (
	sessionNames = []string{"session_id", "sessionId", "session", "instance", "instanceName", "instance_name"}
	typeNames    = []string{"event", "event_type", "eventType", "type", "status"}
	// within are the members that are looked into when the top level does not tell.
	within = []string{"data", "payload", "event", "message", "body"}
	// sessions are those that describe a session.
	sessions = []string{"instance", "session", "instance_data", "instanceData", "session_data"}
)

// object is a JSON object. Of repeated members it has the last.
type object map[string]json.RawMessage

// Describe finds what a payload says of its session and type, for looking it up
// later. Both may be empty; what is no id (stats.ValidID) is not taken.
func Describe(payload []byte) (sessionID, eventType string) {
	top := objectOf(payload)
	if top == nil {
		var list []json.RawMessage
		if json.Unmarshal(payload, &list) != nil || len(list) == 0 {
			return "", ""
		}
		if top = objectOf(list[0]); top == nil {
			return "", ""
		}
	}
	event := top
	if inner := objectOf([]byte(top.plain("jsonData"))); inner != nil {
		// wuzapi's form: the event is in one field, and whose it is beside it.
		event = inner
	}
	return sessionOf(top, event), typeOf(top, event)
}

// sessionOf looks at the top level, and then into members of it.
func sessionOf(top, event object) string {
	if isWuzapi(top, event) {
		if id := top.text("userID"); id != "" {
			return id
		}
	}
	if id := top.text(sessionNames...); id != "" {
		return id
	}
	if id := event.text(sessionNames...); id != "" {
		return id
	}
	for _, name := range sessions {
		inner := objectOf(event[name])
		if id := inner.text(sessionNames...); id != "" {
			return id
		}
		if id := inner.text("id", "name"); id != "" {
			return id
		}
	}
	for _, name := range within {
		if id := objectOf(event[name]).text(sessionNames...); id != "" {
			return id
		}
	}
	return ""
}

// typeOf looks at the top level, and then into members of it.
func typeOf(top, event object) string {
	if isWuzapi(top, event) {
		// Its type is always in type; event holds the event, which of a QR code is a
		// word of its own.
		if kind := event.text("type"); kind != "" {
			return kind
		}
	}
	if event.text("message_id") != "" && event.text("event") == "" {
		// An event of the gateway's own form, where type is the kind of message.
		if status := event.text("status"); stats.Status(status).Known() {
			return status
		}
	}
	if kind := event.text(typeNames...); kind != "" {
		return kind
	}
	for _, name := range within {
		if kind := objectOf(event[name]).text(typeNames[:len(typeNames)-1]...); kind != "" {
			return kind
		}
	}
	return ""
}

// isWuzapi tells wuzapi's events: in a form, or with its two names of the session.
func isWuzapi(top, event object) bool {
	if top["jsonData"] != nil {
		return true
	}
	return event["type"] != nil && top["userID"] != nil && top["instanceName"] != nil
}

// text returns the first of the members that is an id.
func (o object) text(names ...string) string {
	for _, name := range names {
		if s := o.plain(name); stats.ValidID(s) {
			return s
		}
	}
	return ""
}

// plain returns a member that is a string, else "".
func (o object) plain(name string) string {
	var s string
	if raw := o[name]; len(raw) == 0 || raw[0] != '"' || json.Unmarshal(raw, &s) != nil {
		return ""
	}
	return s
}

// objectOf reads an object; anything else is nil.
func objectOf(raw []byte) object {
	var o object
	if raw = trim(raw); len(raw) == 0 || raw[0] != '{' || json.Unmarshal(raw, &o) != nil {
		return nil
	}
	return o
}
