package evolution

import (
	"cmp"
	"encoding/json"
	"regexp"
	"strings"

	"github.com/genfity/wa-gateway/message"
	"github.com/genfity/wa-gateway/waserver"
	"github.com/genfity/wa-gateway/waserver/lenient"
)

// stories is the chat of status updates, which is nobody's chat.
const stories = "status@broadcast"

// record is a message, as the server keeps it and tells it in webhooks.
type record struct {
	Key         messageKey      `json:"key"`
	PushName    text            `json:"pushName"`
	MessageType text            `json:"messageType"`
	Message     json.RawMessage `json:"message"`
	At          unix            `json:"messageTimestamp"`
	ContextInfo contextInfo     `json:"contextInfo"`
}

// messageKey names a message. A chat that goes by a hidden number has its phone number
// in the Alt members, where the server knows it.
type messageKey struct {
	ID             text `json:"id"`
	RemoteJID      text `json:"remoteJid"`
	RemoteJIDAlt   text `json:"remoteJidAlt"`
	FromMe         bool `json:"fromMe"`
	Participant    text `json:"participant"`
	ParticipantAlt text `json:"participantAlt"`
}

func (k messageKey) chat() string { return known(k.RemoteJID, k.RemoteJIDAlt) }

func (k messageKey) participant() string { return known(k.Participant, k.ParticipantAlt) }

// known prefers somebody's phone number to their hidden one.
func known(jid, alt text) string {
	if r, ok := message.ParseJID(string(jid)); ok && r.Server == message.HiddenServer {
		if other, ok := message.ParseJID(string(alt)); ok && other.IsPerson() {
			return other.JID()
		}
	}
	return message.CanonicalJID(string(jid))
}

type contextInfo struct {
	StanzaID text `json:"stanzaId"` // the id of the message that is answered
}

// message is r in the gateway's form; nil for what is none. self is the account's own
// JID, where it is known.
func (r record) message(self string) *waserver.ChatMessage {
	if r.Key.ID == "" || r.Key.RemoteJID == "" || r.Key.RemoteJID == stories {
		return nil
	}
	m := &waserver.ChatMessage{ID: string(r.Key.ID), ChatJID: r.Key.chat(), FromMe: r.Key.FromMe, At: r.At.Time}
	switch participant := r.Key.participant(); {
	case m.FromMe:
		m.SenderJID = self
	case participant != "":
		m.SenderJID = participant
	default:
		m.SenderJID = m.ChatJID
	}
	// For those without a name the server writes a number, and a word for oneself.
	sender, _ := message.ParseJID(m.SenderJID)
	hidden, _ := message.ParseJID(string(r.Key.Participant))
	if name := string(r.PushName); !m.FromMe && name != sender.User && name != hidden.User {
		m.PushName = name
	}
	fill(m, r.Message, string(r.MessageType), 0)
	m.ReplyTo = cmp.Or(m.ReplyTo, string(r.ContextInfo.StanzaID))
	return m
}

// kinds are the parts of a message that tell its type, in the order in which they are
// looked for.
var kinds = []struct{ part, kind string }{
	{"imageMessage", "image"}, {"videoMessage", "video"}, {"ptvMessage", "video"}, {"audioMessage", "audio"},
	{"documentMessage", "document"}, {"stickerMessage", "sticker"}, {"locationMessage", "location"},
	{"liveLocationMessage", "location"}, {"contactMessage", "contact"}, {"contactsArrayMessage", "contact"},
	{"pollCreationMessage", "poll"}, {"pollCreationMessageV2", "poll"}, {"pollCreationMessageV3", "poll"},
	{"listMessage", "list"}, {"buttonsMessage", "button"}, {"templateMessage", "button"}, {"interactiveMessage", "button"},
	{"reactionMessage", "reaction"}, {"extendedTextMessage", "text"}, {"buttonsResponseMessage", "text"},
	{"templateButtonReplyMessage", "text"}, {"listResponseMessage", "text"}, {"interactiveResponseMessage", "text"},
}

// wrappers are parts that hold a message within the message.
var wrappers = []string{
	"ephemeralMessage", "viewOnceMessage", "viewOnceMessageV2", "viewOnceMessageV2Extension", "documentWithCaptionMessage",
	"editedMessage", "lottieStickerMessage",
}

// maxWrapped bounds how deeply messages are looked for in messages.
const maxWrapped = 4

// part is what the parts of a message have.
type part struct {
	Text                text        `json:"text"`
	Caption             text        `json:"caption"`
	ContentText         text        `json:"contentText"`
	SelectedDisplayText text        `json:"selectedDisplayText"`
	Name                text        `json:"name"`
	DisplayName         text        `json:"displayName"`
	Title               text        `json:"title"`
	Description         text        `json:"description"`
	URL                 text        `json:"url"`
	MIMEType            text        `json:"mimetype"`
	FileName            text        `json:"fileName"`
	ContextInfo         contextInfo `json:"contextInfo"`
	Key                 messageKey  `json:"key"` // of a reaction: to what
	Body                struct {
		Text text `json:"text"`
	} `json:"body"`
}

var otherType = regexp.MustCompile(`^[A-Za-z]{1,40}$`)

// fill sets what the content of a message tells of it.
func fill(m *waserver.ChatMessage, raw json.RawMessage, messageType string, depth int) {
	var parts map[string]json.RawMessage
	lenient.Decode(raw, &parts)
	var mediaURL text
	lenient.Decode(parts["mediaUrl"], &mediaURL)
	if mediaURL != "" {
		m.MediaURL = string(mediaURL)
	}
	for _, wrapper := range wrappers {
		var inner struct{ Message json.RawMessage }
		if lenient.IsObject(parts[wrapper]) && depth < maxWrapped && lenient.Decode(parts[wrapper], &inner) && lenient.IsObject(inner.Message) {
			fill(m, inner.Message, messageType, depth+1)
			return
		}
	}
	var conversation text
	if lenient.Decode(parts["conversation"], &conversation); conversation != "" {
		m.Type, m.Body = "text", string(conversation)
		return
	}
	for _, k := range kinds {
		if !lenient.IsObject(parts[k.part]) {
			continue
		}
		var p part
		lenient.Decode(parts[k.part], &p)
		m.Type = k.kind
		p.fill(m)
		return
	}
	m.Type = "unknown"
	if other := strings.TrimSuffix(messageType, "Message"); otherType.MatchString(other) && other != "conversation" {
		m.Type = other
	}
}

func (p part) fill(m *waserver.ChatMessage) {
	m.ReplyTo = string(p.ContextInfo.StanzaID)
	switch m.Type {
	case "image", "video", "audio", "document", "sticker":
		m.Body, m.MediaType = string(p.Caption), string(p.MIMEType)
		m.MediaURL = cmp.Or(m.MediaURL, string(p.URL))
		m.Filename = string(cmp.Or(p.FileName, p.Title))
	case "location", "poll":
		m.Body = string(p.Name)
	case "contact":
		m.Body = string(p.DisplayName)
	case "reaction":
		m.Body, m.ReplyTo = string(p.Text), string(p.Key.ID)
	default:
		m.Body = string(cmp.Or(p.Text, p.ContentText, p.SelectedDisplayText, p.Body.Text, p.Description, p.Title))
	}
}
