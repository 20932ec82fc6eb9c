package caddywagateway

import (
	"bytes"
	"encoding/json"
	"time"

	"go.uber.org/zap"

	"github.com/genfity/wa-gateway/message"
	"github.com/genfity/wa-gateway/store"
	"github.com/genfity/wa-gateway/waserver"
)

// Some servers tell nothing of the messages that are sent by their API. The gateway then
// keeps a note of each among the webhooks, in the journal first as it does with the
// outcomes, and the inbox makes of it what it would of the server's own.

// eventSent is the type of such a note, sentStart how one begins.
const (
	eventSent = "gateway.sent"
	sentStart = `{"gateway":"sent","message":`
)

type sentNote struct {
	Gateway string                `json:"gateway"`
	Message *waserver.ChatMessage `json:"message"`
}

// noteSent keeps a note of a message that was sent, where the server does not tell of
// it. It is no part of the counting: that it cannot be kept fails nothing.
func (x *exchange) noteSent(m *message.Message, sent *waserver.Sent) {
	if sent.ID == "" || x.server.translator.Traits().Echoes {
		return
	}
	note := sentNote{"sent", &waserver.ChatMessage{
		ID: sent.ID, ChatJID: m.To.JID(), FromMe: true, Type: chatType(m.Kind), Body: bodyOf(m), ReplyTo: m.ReplyTo, At: sent.At,
	}}
	if m.Media != nil {
		note.Message.MediaType, note.Message.Filename = m.Media.MIMEType, m.Media.Filename
	}
	payload, err := json.Marshal(note)
	if err == nil {
		err = x.app.databases.webhooks.Later(&store.WebhookEvent{
			Source: x.server.Name, SessionID: x.call.SessionID, EventType: eventSent,
			Payload: payload, ReceivedAt: time.Now(),
		})
	}
	if err != nil {
		x.logger.Warn("a message that was sent is missing in its chat",
			zap.String("session_id", x.call.SessionID), zap.Error(err))
	}
}

// chatType is the kind of a message as chats have it.
func chatType(kind message.Kind) string {
	if kind == message.KindText {
		return "text"
	}
	return string(kind)
}

// bodyOf is what a chat shows of a message.
func bodyOf(m *message.Message) string {
	switch {
	case m.Text != "":
		return m.Text
	case m.Caption != "":
		return m.Caption
	case m.Poll != nil:
		return m.Poll.Name
	case m.Contact != nil:
		return m.Contact.Name
	case m.Location != nil:
		return m.Location.Name
	case m.List != nil:
		return m.List.Title
	case m.Buttons != nil:
		return m.Buttons.Body
	}
	return ""
}

// withNotes reads the gateway's own notes among the webhooks of a server.
type withNotes struct{ waserver.Translator }

// Updates implements waserver.Translator.
func (t withNotes) Updates(payload []byte, received time.Time) ([]waserver.Update, error) {
	var note sentNote
	if bytes.HasPrefix(payload, []byte(sentStart)) && json.Unmarshal(payload, &note) == nil && note.Message != nil {
		return []waserver.Update{{At: note.Message.At, Message: note.Message}}, nil
	}
	return t.Translator.Updates(payload, received)
}
