package evolution

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/genfity/wa-gateway/message"
	"github.com/genfity/wa-gateway/waserver"
	"github.com/genfity/wa-gateway/waserver/lenient"
)

// event is a webhook. Its own date_time is not read: it is the server's local time
// with the mark of UTC, and right only where the server runs in UTC.
type event struct {
	Event  text            `json:"event"`
	Sender text            `json:"sender"` // the account's own JID
	Data   json.RawMessage `json:"data"`
}

// Updates implements waserver.Translator. Statuses and states tell no time of their own:
// theirs is the time at which they were received.
func (Translator) Updates(payload []byte, received time.Time) ([]waserver.Update, error) {
	var e event
	if !lenient.Decode(payload, &e) {
		return nil, nil
	}
	read, ok := readers[strings.ToLower(strings.NewReplacer("_", ".", "-", ".").Replace(string(e.Event)))]
	if !ok {
		return nil, nil
	}
	var updates []waserver.Update
	for _, data := range each(e.Data) {
		for _, u := range read(&e, data) {
			if u.At.IsZero() {
				u.At = received
			}
			switch {
			case u.Message != nil && u.Message.At.IsZero():
				u.Message.At = u.At
			case u.Edited != nil && u.Edited.At.IsZero():
				u.Edited.At = u.At
			}
			updates = append(updates, u)
		}
	}
	return updates, nil
}

// each is the elements of an event that brings several, or the one that it brings.
func each(data json.RawMessage) []json.RawMessage {
	var list []json.RawMessage
	if json.Unmarshal(data, &list) == nil && list != nil {
		return list
	}
	return []json.RawMessage{data}
}

// readers read one element of an event's data, by the event's name with dots.
var readers = map[string]func(e *event, data json.RawMessage) []waserver.Update{
	"messages.upsert":     readMessage,
	"send.message":        readMessage,
	"messages.update":     readStatus,
	"messages.edited":     readEdited,
	"send.message.update": readOwnEdited,
	"messages.delete":     readDeleted,
	"qrcode.updated":      readQR,
	"connection.update":   readConnection,
	"status.instance":     readEnded,
	"logout.instance":     readLoggedOut,
	"remove.instance":     readLoggedOut,
	"contacts.upsert":     readContact,
	"contacts.update":     readContact,
	"chats.upsert":        readChat,
	"chats.update":        readChat,
}

func readMessage(e *event, data json.RawMessage) []waserver.Update {
	var r record
	lenient.Decode(data, &r)
	m := r.message(message.CanonicalJID(string(e.Sender)))
	if m == nil {
		return nil
	}
	return []waserver.Update{{At: m.At, Message: m}}
}

// statuses are the server's words for what became of a message, and those of its
// channel for the business API. DELETED is also what it makes of a status that it does
// not know.
var statuses = map[string]string{
	"SERVER_ACK": "sent", "SENT": "sent",
	"DELIVERY_ACK": "delivered", "DELIVERED": "delivered",
	"READ": "read", "PLAYED": "read",
	"ERROR": "failed", "FAILED": "failed",
}

func readStatus(_ *event, data json.RawMessage) []waserver.Update {
	// messageId is the number of a row, and not the message's id.
	var s struct {
		KeyID     text       `json:"keyId"`
		Key       messageKey `json:"key"`
		RemoteJID text       `json:"remoteJid"`
		FromMe    bool       `json:"fromMe"`
		Status    text       `json:"status"`
	}
	lenient.Decode(data, &s)
	if s.KeyID == "" {
		s.KeyID, s.RemoteJID, s.FromMe = s.Key.ID, s.Key.RemoteJID, s.FromMe || s.Key.FromMe
	}
	status := statuses[strings.ToUpper(string(s.Status))]
	if s.KeyID == "" || !s.FromMe || status == "" || s.RemoteJID == stories {
		return nil
	}
	return []waserver.Update{{Receipt: &waserver.Receipt{
		IDs: []string{string(s.KeyID)}, ChatJID: message.CanonicalJID(string(s.RemoteJID)), Status: status,
	}}}
}

// editing is WhatsApp's own message about another message.
type editing struct {
	Key    messageKey      `json:"key"`
	Type   text            `json:"type"`
	Edited json.RawMessage `json:"editedMessage"`
	At     unix            `json:"timestampMs"`
}

// readEdited reads what others did to their messages. The key is as they wrote it: its
// id is good, and its chat is theirs, not ours.
func readEdited(_ *event, data json.RawMessage) []waserver.Update {
	var p editing
	lenient.Decode(data, &p)
	switch {
	case p.Key.ID == "":
		return nil
	case lenient.IsObject(p.Edited):
		m := &waserver.ChatMessage{ID: string(p.Key.ID), At: p.At.Time}
		fill(m, p.Edited, "", 0)
		return []waserver.Update{{At: m.At, Edited: m}}
	case p.Type == "REVOKE" || p.Type == "0":
		return []waserver.Update{{Revoked: &waserver.MessageRef{ID: string(p.Key.ID)}}}
	}
	return nil
}

func readOwnEdited(e *event, data json.RawMessage) []waserver.Update {
	var p editing
	lenient.Decode(data, &p)
	updates := readEdited(e, data)
	for _, u := range updates {
		if u.Edited != nil {
			u.Edited.ChatJID, u.Edited.FromMe, u.Edited.SenderJID = p.Key.chat(), true, message.CanonicalJID(string(e.Sender))
		}
	}
	return updates
}

// readDeleted reads a message that is gone: its key, or the server's row of it, whose
// own id is not the message's.
func readDeleted(_ *event, data json.RawMessage) []waserver.Update {
	var d struct {
		messageKey
		Key messageKey `json:"key"`
	}
	lenient.Decode(data, &d)
	key := d.messageKey
	if d.Key.ID != "" {
		key = d.Key
	}
	if key.ID == "" || key.RemoteJID == stories {
		return nil
	}
	return []waserver.Update{{Revoked: &waserver.MessageRef{ID: string(key.ID), ChatJID: key.chat()}}}
}

func readQR(_ *event, data json.RawMessage) []waserver.Update {
	var d struct {
		QRCode scanCode `json:"qrcode"`
		Status count    `json:"statusCode"`
	}
	lenient.Decode(data, &d)
	if qr := d.QRCode.qr(); qr != nil {
		return []waserver.Update{state(waserver.StateQR), {QR: qr}}
	}
	if d.Status != 0 { // too many codes that nobody scanned
		return []waserver.Update{state(waserver.StateFailed)}
	}
	return nil
}

func state(s waserver.State) waserver.Update {
	return waserver.Update{State: &waserver.SessionState{State: s}}
}

func readConnection(_ *event, data json.RawMessage) []waserver.Update {
	var d struct {
		State  text  `json:"state"`
		Reason count `json:"statusReason"`
		WUID   text  `json:"wuid"`
		Name   text  `json:"profileName"`
	}
	lenient.Decode(data, &d)
	u := state(states[string(d.State)])
	switch {
	case u.State.State == "":
		return nil
	case d.State == "close":
		u.State.State = closed(int(d.Reason))
	}
	u.State.JID, u.State.Name = message.CanonicalJID(string(d.WUID)), string(d.Name)
	return []waserver.Update{u}
}

func readEnded(_ *event, data json.RawMessage) []waserver.Update {
	var d struct {
		Status text  `json:"status"`
		Reason count `json:"disconnectionReasonCode"`
	}
	if lenient.Decode(data, &d); d.Status != "closed" {
		return nil
	}
	return []waserver.Update{state(closed(int(d.Reason)))}
}

func readLoggedOut(*event, json.RawMessage) []waserver.Update {
	return []waserver.Update{state(waserver.StateLoggedOut)}
}

// readContact reads a contact. One that is updated to no name is not: the server does so
// at every message of the account's own.
func readContact(e *event, data json.RawMessage) []waserver.Update {
	var s savedContact
	lenient.Decode(data, &s)
	contact := s.contact()
	if contact == nil || contact.PushName == "" && !strings.HasSuffix(string(e.Event), "upsert") {
		return nil
	}
	return []waserver.Update{{Contact: contact}}
}

// readChat reads a chat that has a name or unread messages. The server tells of chats
// without either at every status of every message, and then nothing is known of them.
func readChat(_ *event, data json.RawMessage) []waserver.Update {
	var d struct {
		RemoteJID text  `json:"remoteJid"`
		Name      text  `json:"name"`
		Unread    count `json:"unreadMessages"`
	}
	lenient.Decode(data, &d)
	if d.RemoteJID == "" || d.RemoteJID == stories || d.Name == "" && d.Unread == 0 {
		return nil
	}
	r, _ := message.ParseJID(string(d.RemoteJID))
	return []waserver.Update{{Chat: &waserver.Chat{
		JID: message.CanonicalJID(string(d.RemoteJID)), Name: string(d.Name), IsGroup: r.IsGroup(), Unread: int(d.Unread),
	}}}
}
