// Package deliver tells customers what happens in their sessions: it makes one form of
// event of what any WA server says, and posts it, signed, to the URL that the customer
// has set in the gateway, until it is taken.
package deliver

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"strings"
	"time"

	"github.com/genfity/wa-gateway/store"
	"github.com/genfity/wa-gateway/waserver"
)

// The types of events.
const (
	MessageReceived = "message.received"
	MessageSent     = "message.sent" // by the session's account, through the gateway or on a phone
	MessageStatus   = "message.status"
	MessageEdited   = "message.edited"
	MessageRevoked  = "message.revoked" // deleted for everybody
	SessionStatus   = "session.status"
	SessionQR       = "session.qr"
	ContactUpdated  = "contact.updated"
	ChatUpdated     = "chat.updated"
)

// Payload is the body of what is posted.
type Payload struct {
	Type      string    `json:"type"`
	Timestamp time.Time `json:"timestamp"` // when it happened, as far as the server tells
	SessionID string    `json:"session_id"`
	Data      any       `json:"data"`
}

// Event is one thing to tell a customer.
type Event struct {
	// ID is made of what the event says: it is the same whenever, and wherever, the
	// event is rendered again.
	ID        string
	SessionID string
	Type      string
	At        time.Time
	Body      []byte // a Payload as JSON
	// State is where the session stands, for events that tell it.
	State waserver.State
}

// Delivery is the event as the database keeps it until it is posted.
func (e *Event) Delivery() store.Delivery {
	return store.Delivery{EventID: e.ID, SessionID: e.SessionID, Body: e.Body, State: string(e.State)}
}

// Deliveries are the events that some updates of a session are worth.
func Deliveries(sessionID string, updates []waserver.Update) []store.Delivery {
	var list []store.Delivery
	for i := range updates {
		for _, e := range Render(sessionID, &updates[i]) {
			list = append(list, e.Delivery())
		}
	}
	return list
}

// newEvent makes an event; its id is that of the parts.
func newEvent(sessionID, kind string, at time.Time, data any, parts ...string) (Event, bool) {
	at = instant(at)
	var body bytes.Buffer
	encoder := json.NewEncoder(&body)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(Payload{Type: kind, Timestamp: at, SessionID: sessionID, Data: data}); err != nil {
		return Event{}, false
	}
	return Event{
		ID: eventID(sessionID, kind, parts), SessionID: sessionID, Type: kind, At: at,
		Body: bytes.TrimSuffix(body.Bytes(), []byte("\n")),
	}, true
}

// eventID is a hash of what makes an event another one than the next. Its letters are
// those that the id of a signed webhook may have.
func eventID(sessionID, kind string, parts []string) string {
	sum := sha256.New()
	for _, part := range append([]string{sessionID, kind}, parts...) {
		var size [8]byte
		binary.BigEndian.PutUint64(size[:], uint64(len(part)))
		sum.Write(size[:])
		sum.Write([]byte(part))
	}
	return "evt_" + hex.EncodeToString(sum.Sum(nil)[:20])
}

// instant is a time as JSON can bear it, to the millisecond.
func instant(at time.Time) time.Time {
	switch at = at.UTC().Truncate(time.Millisecond); {
	case at.Year() < 1970:
		return time.Unix(0, 0).UTC()
	case at.Year() > 9999:
		return time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)
	}
	return at
}

// stampOf is a time as a part of an id.
func stampOf(at time.Time) string { return instant(at).Format(time.RFC3339Nano) }

// Bounds of what is passed on, in bytes.
const (
	maxKey  = 256
	maxName = 1 << 10
	maxText = 64 << 10
	maxPNG  = 256 << 10
)

// key tells whether a text may name something, here as in the database.
func key(text string) bool {
	return text != "" && len(text) <= maxKey && strings.ToValidUTF8(text, "") == text && !strings.Contains(text, "\x00")
}

// bounded cuts a text.
func bounded(text string, limit int) string {
	if len(text) > limit {
		text = text[:limit]
	}
	// A letter that was cut in two goes as well.
	return strings.ToValidUTF8(text, "")
}
