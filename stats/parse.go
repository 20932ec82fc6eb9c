package stats

import (
	"bytes"
	"fmt"
	"strings"
	"time"
	"unicode"
)

// Bounds of an event's members.
const (
	// MaxIDLength is the greatest length in bytes of user_id, session_id,
	// message_id and to.
	MaxIDLength = 255
	// MaxErrorLength is the length in bytes to which error is cut.
	MaxErrorLength = 1000
	// MaxTypeLength is the greatest length in bytes of type; a longer one is
	// ignored.
	MaxTypeLength = 64
	// MaxSkew is how far a timestamp may lie in the future: clocks differ.
	MaxSkew = 24 * time.Hour
)

// oldest is the earliest timestamp accepted. What lies before it is a clock
// that was never set.
var oldest = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// FieldError says which member of an event is wrong and why. Field is empty
// when the event as a whole is.
type FieldError struct {
	Field  string
	Reason string
}

func (e *FieldError) Error() string {
	if e.Field == "" {
		return e.Reason
	}
	return e.Field + ": " + e.Reason
}

// The members of an event, in the order in which what is wrong with them is
// reported.
const (
	memberUser = iota
	memberSession
	memberMessage
	memberTo
	memberStatus
	memberTimestamp
	memberError
	memberType
	memberCount
)

var memberNames = [memberCount]string{
	"user_id", "session_id", "message_id", "to", "status", "timestamp", "error", "type",
}

// member is one member of an event as it was found.
type member struct {
	// kind is the first byte of the value ('"', 'n' for null, …); 0 is absent.
	kind     byte
	repeated bool
	text     string
	valid    bool // text is Unicode
}

// ParseEvent reads one event of POST /events/message (contract §8). Members
// that it does not know are ignored. now bounds the timestamp. The error is a
// *SyntaxError when data is not JSON, else a *FieldError.
func ParseEvent(data []byte, now time.Time) (Event, error) {
	s := scanner{data: data}
	var members [memberCount]member
	isObject := s.space() == '{'
	var err error
	if isObject {
		err = s.members(func(key []byte) error { return s.member(&members, key) })
	} else {
		err = s.skip()
	}
	if err == nil {
		err = s.end()
	}
	if err != nil {
		return Event{}, err
	}
	if !isObject {
		return Event{}, &FieldError{Reason: "an event must be a JSON object"}
	}
	return eventOf(&members, now)
}

// member consumes the value of the member named key.
func (s *scanner) member(members *[memberCount]member, key []byte) error {
	if bytes.IndexByte(key, '\\') >= 0 {
		name, _ := unquote(key)
		key = []byte(name)
	}
	for i := range members {
		if memberNames[i] != string(key) {
			continue
		}
		m := member{kind: s.space(), repeated: members[i].kind != 0}
		var err error
		if m.kind == '"' {
			var raw []byte
			if raw, err = s.str(); err == nil {
				m.text, m.valid = unquote(raw)
			}
		} else {
			err = s.skip()
		}
		members[i] = m
		return err
	}
	return s.skip()
}

// eventOf checks the members and puts the event together.
func eventOf(members *[memberCount]member, now time.Time) (Event, error) {
	for i, m := range members {
		if m.repeated {
			return Event{}, &FieldError{memberNames[i], "is given more than once"}
		}
	}
	for i := memberUser; i <= memberTo; i++ {
		if reason := members[i].wrongID(i != memberTo); reason != "" {
			return Event{}, &FieldError{memberNames[i], reason}
		}
	}
	status := Status(members[memberStatus].text)
	if reason := members[memberStatus].wrongText(); reason != "" {
		return Event{}, &FieldError{"status", reason}
	}
	if !status.Known() {
		return Event{}, &FieldError{"status", "must be one of sent, failed, delivered, read"}
	}
	at, reason := members[memberTimestamp].time(now)
	if reason != "" {
		return Event{}, &FieldError{"timestamp", reason}
	}
	if m := members[memberError]; m.kind != 0 && m.kind != 'n' && m.kind != '"' {
		return Event{}, &FieldError{"error", "must be null or a string"}
	}
	return Event{
		UserID:    members[memberUser].text,
		SessionID: members[memberSession].text,
		MessageID: members[memberMessage].text,
		To:        members[memberTo].text,
		Type:      members[memberType].label(),
		Status:    status,
		At:        at,
		Error:     cut(members[memberError].text, MaxErrorLength),
	}, nil
}

// wrongText says why m is not a text that has to be there, or "".
func (m member) wrongText() string {
	switch {
	case m.kind == 0:
		return "is missing"
	case m.kind != '"':
		return "must be a string"
	case m.text == "":
		return "must not be empty"
	}
	return ""
}

// wrongID says why m cannot name something, or "".
func (m member) wrongID(required bool) string {
	if !required && (m.kind == 0 || m.kind == 'n' || (m.kind == '"' && m.text == "")) {
		return ""
	}
	if reason := m.wrongText(); reason != "" {
		return reason
	}
	switch {
	case !m.valid:
		return "is not valid Unicode"
	case len(m.text) > MaxIDLength:
		return fmt.Sprintf("is longer than %d bytes", MaxIDLength)
	case strings.ContainsFunc(m.text, unicode.IsControl):
		return "contains a control character"
	}
	return ""
}

// time reads m as a timestamp, or says why it is none.
func (m member) time(now time.Time) (at time.Time, reason string) {
	if reason := m.wrongText(); reason != "" {
		return at, reason
	}
	at, ok := parseTimestamp(m.text)
	switch {
	case !ok:
		return at, "must be an RFC 3339 date and time such as 2025-01-31T08:30:00Z"
	case at.Before(oldest):
		return at, "is before the year 2000"
	case at.After(now.Add(MaxSkew)):
		return at, "is more than 24 hours in the future"
	}
	return at, ""
}

// label is the text of type. The contract knows no such member, so one that
// cannot be used is ignored as any other unknown member is.
func (m member) label() string {
	if m.kind != '"' || !m.valid || len(m.text) > MaxTypeLength || strings.ContainsFunc(m.text, unicode.IsControl) {
		return ""
	}
	return m.text
}
