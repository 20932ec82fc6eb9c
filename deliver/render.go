package deliver

import (
	"crypto/sha256"
	"encoding/base64"
	"time"

	"github.com/genfity/wa-gateway/internal/qrcode"
	"github.com/genfity/wa-gateway/message"
	"github.com/genfity/wa-gateway/waserver"
)

// messageData is the data of message.received, .sent and .edited.
type messageData struct {
	MessageID string    `json:"message_id"`
	ChatID    string    `json:"chat_id"`
	Sender    string    `json:"sender,omitempty"`
	FromMe    bool      `json:"from_me"`
	PushName  string    `json:"push_name,omitempty"`
	Type      string    `json:"type"`
	Text      string    `json:"text"` // or caption
	MediaType string    `json:"media_type,omitempty"`
	Filename  string    `json:"filename,omitempty"`
	ReplyTo   string    `json:"reply_to,omitempty"`
	Timestamp time.Time `json:"timestamp"`
}

// statusData is the data of message.status.
type statusData struct {
	MessageID string `json:"message_id"`
	ChatID    string `json:"chat_id,omitempty"`
	Status    string `json:"status"`
	Error     string `json:"error,omitempty"`
}

// revokedData is the data of message.revoked.
type revokedData struct {
	MessageID string `json:"message_id"`
	ChatID    string `json:"chat_id"`
}

// sessionData is the data of session.status.
type sessionData struct {
	Status    string  `json:"status"`
	Connected bool    `json:"connected"`
	LoggedIn  bool    `json:"logged_in"`
	JID       *string `json:"jid"`
	Name      string  `json:"name,omitempty"`
}

// qrData is the data of session.qr.
type qrData struct {
	Status    string     `json:"status"`
	Code      string     `json:"code,omitempty"` // what the picture says, where the server tells
	QR        string     `json:"qr,omitempty"`   // a data URL of a PNG
	ExpiresAt *time.Time `json:"expires_at"`
}

// contactData is the data of contact.updated.
type contactData struct {
	ID       string `json:"id"`
	Name     string `json:"name"`
	PushName string `json:"push_name,omitempty"`
	Phone    string `json:"phone,omitempty"`
}

// chatData is the data of chat.updated.
type chatData struct {
	ChatID        string     `json:"chat_id"`
	Name          string     `json:"name"`
	IsGroup       bool       `json:"is_group"`
	UnreadCount   int        `json:"unread_count"`
	LastMessageAt *time.Time `json:"last_message_at"`
}

// Render makes events of an update: none where there is nothing to tell, one for each
// message of a receipt, one for anything else. It depends on its arguments alone.
func Render(sessionID string, u *waserver.Update) []Event {
	if !key(sessionID) {
		return nil
	}
	var e Event
	var ok bool
	switch {
	case u.Receipt != nil:
		return renderReceipt(sessionID, u)
	case u.Message != nil:
		e, ok = renderMessage(sessionID, u)
	case u.Edited != nil:
		e, ok = renderEdited(sessionID, u)
	case u.Revoked != nil:
		if r := u.Revoked; key(r.ID) && key(r.ChatJID) {
			e, ok = newEvent(sessionID, MessageRevoked, u.At, revokedData{MessageID: r.ID, ChatID: r.ChatJID}, r.ChatJID, r.ID)
		}
	case u.State != nil:
		e, ok = renderState(sessionID, u)
	case u.QR != nil:
		e, ok = renderQR(sessionID, u)
	case u.Contact != nil:
		e, ok = renderContact(sessionID, u)
	case u.Chat != nil:
		e, ok = renderChat(sessionID, u)
	}
	if !ok {
		return nil
	}
	return []Event{e}
}

// renderReceipt: in groups the first member's receipt is the one that is told.
func renderReceipt(sessionID string, u *waserver.Update) []Event {
	r := u.Receipt
	switch r.Status {
	case "sent", "delivered", "read", "failed":
	default:
		return nil
	}
	var list []Event
	for _, id := range r.IDs {
		if !key(id) {
			continue
		}
		data := statusData{MessageID: id, ChatID: bounded(r.ChatJID, maxKey), Status: r.Status, Error: bounded(r.Error, maxName)}
		if e, ok := newEvent(sessionID, MessageStatus, u.At, data, id, r.Status); ok {
			list = append(list, e)
		}
	}
	return list
}

// renderMessage: servers tell of the same message by several events, so its id alone
// decides.
func renderMessage(sessionID string, u *waserver.Update) (Event, bool) {
	m := u.Message
	if !key(m.ID) || !key(m.ChatJID) {
		return Event{}, false
	}
	kind := MessageReceived
	if m.FromMe {
		kind = MessageSent
	}
	at := firstTime(m.At, u.At)
	return newEvent(sessionID, kind, at, dataOf(m, at), m.ChatJID, m.ID)
}

// renderEdited: a message may be edited more than once.
func renderEdited(sessionID string, u *waserver.Update) (Event, bool) {
	m := u.Edited
	if !key(m.ID) || !key(m.ChatJID) {
		return Event{}, false
	}
	at := firstTime(u.At, m.At)
	return newEvent(sessionID, MessageEdited, at, dataOf(m, firstTime(m.At, u.At)), m.ChatJID, m.ID, m.Body, stampOf(at))
}

func dataOf(m *waserver.ChatMessage, at time.Time) messageData {
	return messageData{
		MessageID: m.ID, ChatID: m.ChatJID, Sender: bounded(m.SenderJID, maxKey), FromMe: m.FromMe,
		PushName: bounded(m.PushName, maxName), Type: bounded(m.Type, maxKey), Text: bounded(m.Body, maxText),
		MediaType: bounded(m.MediaType, maxKey), Filename: bounded(m.Filename, maxName),
		ReplyTo: bounded(m.ReplyTo, maxKey), Timestamp: instant(at),
	}
}

func renderState(sessionID string, u *waserver.Update) (Event, bool) {
	s := u.State
	if s.State == "" || !key(string(s.State)) {
		return Event{}, false
	}
	data := sessionData{
		Status: string(s.State), Connected: s.State == waserver.StateConnected,
		LoggedIn: s.State == waserver.StateConnected || s.State == waserver.StateDisconnected,
		Name:     bounded(s.Name, maxName),
	}
	if jid := bounded(s.JID, maxKey); jid != "" {
		data.JID = &jid
	}
	e, ok := newEvent(sessionID, SessionStatus, u.At, data, string(s.State), stampOf(u.At))
	e.State = s.State
	return e, ok
}

// renderQR draws the picture where the server does not.
func renderQR(sessionID string, u *waserver.Update) (Event, bool) {
	q := u.QR
	data := qrData{Status: string(waserver.StateQR), Code: bounded(q.Text, maxName), ExpiresAt: timeOrNil(q.Expires)}
	picture := q.PNG
	if len(picture) == 0 && q.Text != "" {
		picture, _ = qrcode.PNG(q.Text) // without one there is still the text
	}
	if len(picture) > 0 && len(picture) <= maxPNG {
		data.QR = "data:image/png;base64," + base64.StdEncoding.EncodeToString(picture)
	}
	if data.Code == "" && data.QR == "" {
		return Event{}, false
	}
	said := q.Text
	if said == "" {
		sum := sha256.Sum256(q.PNG)
		said = string(sum[:])
	}
	return newEvent(sessionID, SessionQR, u.At, data, said)
}

func renderContact(sessionID string, u *waserver.Update) (Event, bool) {
	c := u.Contact
	if !key(c.JID) {
		return Event{}, false
	}
	data := contactData{ID: c.JID, Name: bounded(c.Name, maxName), PushName: bounded(c.PushName, maxName)}
	if r, ok := message.ParseJID(c.JID); ok && r.IsPerson() {
		data.Phone = r.User
	}
	return newEvent(sessionID, ContactUpdated, u.At, data, c.JID, c.Name, c.PushName, stampOf(u.At))
}

func renderChat(sessionID string, u *waserver.Update) (Event, bool) {
	c := u.Chat
	if !key(c.JID) {
		return Event{}, false
	}
	data := chatData{
		ChatID: c.JID, Name: bounded(c.Name, maxName), IsGroup: c.IsGroup,
		UnreadCount: c.Unread, LastMessageAt: timeOrNil(c.LastMessageAt),
	}
	return newEvent(sessionID, ChatUpdated, u.At, data, c.JID, c.Name, stampOf(c.LastMessageAt), stampOf(u.At))
}

func firstTime(a, b time.Time) time.Time {
	if a.IsZero() {
		return b
	}
	return a
}

func timeOrNil(at time.Time) *time.Time {
	if at.IsZero() {
		return nil
	}
	at = instant(at)
	return &at
}
