package waha

import (
	"encoding/json"
	"strings"

	"github.com/genfity/wa-gateway/message"
	"github.com/genfity/wa-gateway/waserver/lenient"
)

// messageID is a message's id in the server's long form,
// <fromMe>_<chat>_<id>[_<participant>], taken apart. What is in no such form is a bare
// id.
type messageID struct {
	long        bool
	fromMe      bool
	chat        string // canonical
	id          string
	participant string // canonical; empty outside of groups
}

func parseID(s string) messageID {
	parts := strings.SplitN(s, "_", 4)
	if len(parts) < 3 || parts[0] != "true" && parts[0] != "false" || !strings.Contains(parts[1], "@") {
		return messageID{id: s}
	}
	m := messageID{long: true, fromMe: parts[0] == "true", chat: message.CanonicalJID(parts[1]), id: parts[2]}
	if len(parts) == 4 {
		m.participant = message.CanonicalJID(parts[3])
	}
	return m
}

func (m messageID) bare() string { return m.id }

// longID writes an id in the long form. The WEBJS engine finds a message by nothing
// else; the others look at the bare id in it.
func longID(fromMe bool, chat message.Recipient, id string, participant message.Recipient) string {
	s := "false_"
	if fromMe {
		s = "true_"
	}
	s += chatID(chat) + "_" + id
	if participant.User != "" && chat.IsGroup() {
		s += "_" + chatID(participant)
	}
	return s
}

// replyTo is the id of the message that m answers, in the long form. A client names it
// by the bare id: whose it is follows from the sender, and in a chat of two from whether
// the sender is the other one. Nobody named means the other one.
func replyTo(m *message.Message) string {
	if m.ReplyTo == "" || parseID(m.ReplyTo).long {
		return m.ReplyTo
	}
	sender, _ := message.ParseJID(m.ReplyToSender)
	own := m.To.IsPerson() && sender.IsPerson() && sender != m.To
	return longID(own, m.To, m.ReplyTo, sender)
}

// anyID is an id in any of the forms that engines write: a text, or an object that has
// the long form in _serialized and the bare id in id.
type anyID string

// UnmarshalJSON implements json.Unmarshaler.
func (id *anyID) UnmarshalJSON(raw []byte) error {
	*id = ""
	var s string
	if json.Unmarshal(raw, &s) == nil {
		*id = anyID(s)
		return nil
	}
	var o struct {
		Serialized text `json:"_serialized"`
		ID         text `json:"id"`
	}
	if lenient.IsObject(raw) && lenient.Decode(raw, &o) {
		if *id = anyID(o.Serialized); *id == "" {
			*id = anyID(o.ID)
		}
	}
	return nil
}

// sentID finds the bare id in what a send is answered with: GOWS writes id as a text,
// NOWEB key.id as Baileys has it (or a text for polls), WEBJS id as an object.
func sentID(body []byte) string {
	var a struct {
		ID  anyID `json:"id"`
		Key struct {
			ID text `json:"id"`
		} `json:"key"`
		Data struct {
			ID  anyID `json:"id"`
			Key struct {
				ID text `json:"id"`
			} `json:"key"`
		} `json:"_data"`
	}
	lenient.Decode(body, &a)
	for _, id := range []string{string(a.ID), string(a.Key.ID), string(a.Data.ID), string(a.Data.Key.ID)} {
		if id != "" {
			return parseID(id).bare()
		}
	}
	return ""
}
