package wuzapi

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/genfity/wa-gateway/message"
	"github.com/genfity/wa-gateway/waserver"
)

// event is a webhook's event: what WhatsApp told the server, in the shape of the library
// that the server is made with.
type event struct {
	Type  string
	Event json.RawMessage
	State string // of ReadReceipt

	QRCodeBase64 string // a data URL
	Attempts     int    // of ConnectFailure, when the server gave up

	S3 *struct{ URL, MimeType string } // where the server has put media
}

// source is where a message or receipt comes from. An account under a hidden number has
// its phone number in Alt.
type source struct {
	Chat, Sender            string
	SenderAlt, RecipientAlt string
	IsFromMe                bool
	ID, PushName            string
	Timestamp               json.RawMessage
}

// chat is the chat's JID, with the phone number where that is known.
func (s *source) chat() string {
	chat, ok := message.ParseJID(s.Chat)
	if !ok {
		return s.Chat
	}
	if chat.Server == message.HiddenServer {
		alt := s.SenderAlt
		if s.IsFromMe {
			alt = s.RecipientAlt
		}
		return orAlt(chat, alt)
	}
	return chat.JID()
}

// sender is who sent it.
func (s *source) sender() string {
	sender, ok := message.ParseJID(s.Sender)
	if !ok {
		return s.Sender
	}
	if sender.Server == message.HiddenServer {
		return orAlt(sender, s.SenderAlt)
	}
	return sender.JID()
}

func orAlt(r message.Recipient, alt string) string {
	if other, ok := message.ParseJID(alt); ok && other.IsPerson() {
		return other.JID()
	}
	return r.JID()
}

// at is when it was, else received.
func at(raw json.RawMessage, received time.Time) time.Time {
	if t := readTime(raw); !t.IsZero() {
		return t
	}
	return received
}

// Updates implements waserver.Translator.
func (Translator) Updates(payload []byte, received time.Time) ([]waserver.Update, error) {
	e, err := readEvent(payload)
	if err != nil {
		return nil, err
	}
	switch e.Type {
	case "Message":
		return e.message(received, false)
	case "MessageSent": // of the fork, for what the API sent
		return e.message(received, true)
	case "ReadReceipt":
		return e.receipt(received)
	case "QR":
		if png, ok := pngOf(e.QRCodeBase64); ok {
			return []waserver.Update{
				{At: received, QR: &waserver.QR{PNG: png}},
				{At: received, State: &waserver.SessionState{State: waserver.StateQR}},
			}, nil
		}
		return nil, nil
	case "PairSuccess":
		var paired struct{ ID, BusinessName string }
		if err := json.Unmarshal(e.Event, &paired); err != nil {
			return nil, fmt.Errorf("wuzapi: reading a pairing: %w", err)
		}
		return changed(received, waserver.SessionState{
			State: waserver.StateConnecting, JID: message.CanonicalJID(paired.ID), Name: paired.BusinessName,
		}), nil
	case "Connected": // and whenever the account's name changes
		return changed(received, waserver.SessionState{State: waserver.StateConnected}), nil
	case "Disconnected":
		return changed(received, waserver.SessionState{State: waserver.StateDisconnected}), nil
	case "LoggedOut":
		return changed(received, waserver.SessionState{State: waserver.StateLoggedOut}), nil
	case "QRTimeout": // the server has stopped the session, as if it never was started
		return changed(received, waserver.SessionState{State: waserver.StateCreated}), nil
	case "ConnectFailure":
		if e.Attempts > 0 {
			return changed(received, waserver.SessionState{State: waserver.StateFailed}), nil
		}
		return changed(received, waserver.SessionState{State: waserver.StateDisconnected}), nil
	case "ClientOutdated", "TemporaryBan":
		return changed(received, waserver.SessionState{State: waserver.StateFailed}), nil
	}
	return nil, nil
}

func changed(at time.Time, s waserver.SessionState) []waserver.Update {
	return []waserver.Update{{At: at, State: &s}}
}

// readEvent reads an event, out of a form's field when it came in one.
func readEvent(payload []byte) (*event, error) {
	var e event
	var form struct{ JSONData json.RawMessage }
	if json.Unmarshal(payload, &form) == nil && len(form.JSONData) > 0 {
		payload = form.JSONData
		var text string
		if json.Unmarshal(payload, &text) == nil {
			payload = []byte(text)
		}
	}
	if err := json.Unmarshal(payload, &e); err != nil {
		return nil, fmt.Errorf("wuzapi: reading a webhook: %w", err)
	}
	return &e, nil
}

// receipt reads a receipt. Those of our own other devices say nothing of the recipient.
func (e *event) receipt(received time.Time) ([]waserver.Update, error) {
	var r struct {
		source
		MessageIDs []string
	}
	if err := json.Unmarshal(e.Event, &r); err != nil {
		return nil, fmt.Errorf("wuzapi: reading a receipt: %w", err)
	}
	status := map[string]string{"Delivered": "delivered", "Read": "read"}[e.State]
	var ids []string
	for _, id := range r.MessageIDs {
		if id != "" {
			ids = append(ids, id)
		}
	}
	if status == "" || len(ids) == 0 || r.IsFromMe {
		return nil, nil
	}
	return []waserver.Update{{
		At:      at(r.Timestamp, received),
		Receipt: &waserver.Receipt{IDs: ids, ChatJID: r.chat(), Status: status},
	}}, nil
}
