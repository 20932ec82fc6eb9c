package waha

import (
	"strings"
	"time"

	"github.com/genfity/wa-gateway/message"
	"github.com/genfity/wa-gateway/waserver"
	"github.com/genfity/wa-gateway/waserver/lenient"
)

// Updates implements waserver.Translator. What became of a message has no time of its
// own: it is that of the webhook, or at older versions the time at which it was
// received.
func (Translator) Updates(raw []byte, received time.Time) ([]waserver.Update, error) {
	var e envelope
	if !lenient.Decode(raw, &e) {
		return nil, nil
	}
	at := e.At.Time
	if at.IsZero() {
		at = received
	}
	var update *waserver.Update
	switch e.Event {
	case "message", "message.any":
		update = readMessage(&e)
	case "message.reaction":
		update = readReaction(&e)
	case "message.ack", "message.ack.group":
		update = readAck(&e)
	case "message.edited":
		update = readEdited(&e)
	case "message.revoked":
		update = readRevoked(&e)
	case "session.status":
		update = readStatus(&e)
	}
	if update == nil {
		return nil, nil
	}
	if update.At.IsZero() {
		update.At = at
	}
	switch {
	case update.Message != nil && update.Message.At.IsZero():
		update.Message.At = update.At
	case update.Edited != nil && update.Edited.At.IsZero():
		update.Edited.At = update.At
	}
	return []waserver.Update{*update}, nil
}

func (e *envelope) self() string { return message.CanonicalJID(string(e.Me.ID)) }

func readMessage(e *envelope) *waserver.Update {
	var p payload
	lenient.Decode(e.Payload, &p)
	m := p.message(e.self())
	if m == nil {
		return nil
	}
	return &waserver.Update{At: m.At, Message: m}
}

func readReaction(e *envelope) *waserver.Update {
	var r struct {
		payload
		Reaction struct {
			Text      text  `json:"text"`
			MessageID anyID `json:"messageId"`
		} `json:"reaction"`
	}
	lenient.Decode(e.Payload, &r)
	m := r.message(e.self())
	if m == nil {
		return nil
	}
	m.Type, m.Body, m.ReplyTo = "reaction", string(r.Reaction.Text), parseID(string(r.Reaction.MessageID)).bare()
	return &waserver.Update{At: m.At, Message: m}
}

// acks are the server's words, and numbers, for what became of a message.
var acks = map[string]string{
	"ERROR": "failed", "-1": "failed",
	"SERVER": "sent", "1": "sent",
	"DEVICE": "delivered", "2": "delivered",
	"READ": "read", "3": "read", "PLAYED": "read", "4": "read",
}

// readAck reads what became of a message of the account's own. In groups there is one
// for each participant, whose id has the participant behind the message's.
func readAck(e *envelope) *waserver.Update {
	var p payload
	lenient.Decode(e.Payload, &p)
	id, _ := p.place()
	word := strings.ToUpper(string(p.AckName))
	if word == "" && p.Ack != nil {
		word = string(*p.Ack)
	}
	status := acks[word]
	if id.id == "" || !id.fromMe || status == "" || id.chat == stories {
		return nil
	}
	return &waserver.Update{Receipt: &waserver.Receipt{IDs: []string{id.id}, ChatJID: id.chat, Status: status}}
}

// readEdited reads an edit, which is a message with an id of its own.
func readEdited(e *envelope) *waserver.Update {
	var p struct {
		payload
		Edited text `json:"editedMessageId"`
	}
	lenient.Decode(e.Payload, &p)
	m := p.message(e.self())
	if m == nil || p.Edited == "" {
		return nil
	}
	m.ID = parseID(string(p.Edited)).bare()
	return &waserver.Update{At: m.At, Edited: m}
}

// readRevoked reads that a message was deleted for everybody: newer versions tell its
// id, older ones have it in what the engine told before or, of NOWEB, in the message
// that deletes it.
func readRevoked(e *envelope) *waserver.Update {
	type deletion struct {
		payload
		Data struct {
			Message struct {
				Protocol struct {
					Key struct {
						ID text `json:"id"`
					} `json:"key"`
				} `json:"protocolMessage"`
			} `json:"message"`
		} `json:"_data"`
	}
	var r struct {
		Revoked text     `json:"revokedMessageId"`
		After   deletion `json:"after"`
		Before  payload  `json:"before"`
	}
	lenient.Decode(e.Payload, &r)
	after, _ := r.After.place()
	before, _ := r.Before.place()
	ref := waserver.MessageRef{ChatJID: after.chat}
	if ref.ChatJID == "" {
		ref.ChatJID = before.chat
	}
	for _, id := range []string{string(r.Revoked), string(r.After.Data.Message.Protocol.Key.ID), before.id, after.id} {
		if ref.ID == "" {
			ref.ID = parseID(id).bare()
		}
	}
	if ref.ID == "" || ref.ChatJID == stories {
		return nil
	}
	return &waserver.Update{Revoked: &ref}
}

// readStatus reads where the session stands. The QR code itself is not told: it has to
// be fetched. A session tells that it stops after it ran, so it is not taken for one
// that never started.
func readStatus(e *envelope) *waserver.Update {
	var s struct {
		Status text `json:"status"`
	}
	lenient.Decode(e.Payload, &s)
	state, ok := states[string(s.Status)]
	if !ok {
		return nil
	}
	return &waserver.Update{State: &waserver.SessionState{State: state, JID: e.self(), Name: string(e.Me.PushName)}}
}
