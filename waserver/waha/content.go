package waha

import (
	"encoding/json"
	"strings"

	"github.com/genfity/wa-gateway/message"
	"github.com/genfity/wa-gateway/waserver"
	"github.com/genfity/wa-gateway/waserver/lenient"
)

// stories is the chat of status updates, which is nobody's chat.
const stories = "status@broadcast"

// payload is a message, as the server tells it in webhooks and lists it, whichever the
// engine.
type payload struct {
	ID          anyID             `json:"id"`
	At          unix              `json:"timestamp"`
	From        text              `json:"from"`
	To          text              `json:"to"`
	FromMe      bool              `json:"fromMe"`
	Participant text              `json:"participant"`
	Body        text              `json:"body"`
	HasMedia    bool              `json:"hasMedia"`
	Location    json.RawMessage   `json:"location"`
	VCards      []json.RawMessage `json:"vCards"`
	Ack         *json.RawMessage  `json:"ack"`
	AckName     text              `json:"ackName"`
	Media       struct {
		URL      text `json:"url"`
		MIMEType text `json:"mimetype"`
		Filename text `json:"filename"`
	} `json:"media"`
	ReplyTo struct {
		ID anyID `json:"id"`
	} `json:"replyTo"`
	Data engineData `json:"_data"`
}

// engineData is what is read of the engine's own form of a message: of WEBJS, of NOWEB
// (Baileys) and of GOWS (whatsmeow).
type engineData struct {
	Type       text                       `json:"type"`
	NotifyName text                       `json:"notifyName"`
	PushName   text                       `json:"pushName"`
	Message    map[string]json.RawMessage `json:"message"` // GOWS: Message
	Info       struct {
		PushName     text `json:"PushName"`
		SenderAlt    text `json:"SenderAlt"`
		RecipientAlt text `json:"RecipientAlt"`
	} `json:"Info"`
	Key struct {
		RemoteJIDAlt   text `json:"remoteJidAlt"`
		ParticipantAlt text `json:"participantAlt"`
	} `json:"key"`
}

// known prefers somebody's phone number to their hidden one, where an engine tells it.
func known(jid string, others ...text) string {
	if r, ok := message.ParseJID(jid); ok && r.Server == message.HiddenServer {
		for _, other := range others {
			if o, ok := message.ParseJID(string(other)); ok && o.IsPerson() {
				return o.JID()
			}
		}
	}
	return jid
}

// place tells in which chat a message is and who sent it: its id knows, and from and to
// mean one thing with one engine and another with the next.
func (p payload) place() (id messageID, sender string) {
	id = parseID(string(p.ID))
	if !id.long {
		id.fromMe = p.FromMe
		id.chat = message.CanonicalJID(string(p.From))
		if r, ok := message.ParseJID(string(p.To)); ok && (p.FromMe || r.IsGroup()) {
			id.chat = r.JID()
		}
	}
	key, info := p.Data.Key, p.Data.Info
	if id.fromMe {
		id.chat = known(id.chat, key.RemoteJIDAlt, info.RecipientAlt)
		return id, ""
	}
	id.chat = known(id.chat, key.RemoteJIDAlt, info.SenderAlt)
	switch participant := message.CanonicalJID(string(p.Participant)); {
	case participant != "":
		sender = known(participant, key.ParticipantAlt, info.SenderAlt)
	case id.participant != "":
		sender = known(id.participant, key.ParticipantAlt, info.SenderAlt)
	default:
		sender = id.chat
	}
	return id, sender
}

// message is p in the gateway's form; nil for what is none. self is the account's own
// JID, where it is known.
func (p payload) message(self string) *waserver.ChatMessage {
	id, sender := p.place()
	if id.id == "" || id.chat == "" || id.chat == stories {
		return nil
	}
	if id.fromMe {
		sender = self
	}
	m := &waserver.ChatMessage{
		ID: id.id, ChatJID: id.chat, SenderJID: sender, FromMe: id.fromMe, At: p.At.Time, Body: string(p.Body),
		Type: p.kind(), MediaURL: withoutKey(string(p.Media.URL)), MediaType: string(p.Media.MIMEType),
		Filename: string(p.Media.Filename), ReplyTo: parseID(string(p.ReplyTo.ID)).bare(),
	}
	if !m.FromMe {
		for _, name := range []text{p.Data.NotifyName, p.Data.PushName, p.Data.Info.PushName} {
			if m.PushName == "" {
				m.PushName = string(name)
			}
		}
	}
	return m
}

// webjsTypes are the words of WEBJS for types.
var webjsTypes = map[string]string{
	"chat": "text", "image": "image", "video": "video", "ptv": "video", "audio": "audio", "ptt": "audio", "document": "document",
	"sticker": "sticker", "location": "location", "vcard": "contact", "multi_vcard": "contact", "poll_creation": "poll",
	"list": "list", "list_response": "text", "buttons_response": "text", "template_button_reply": "text", "interactive": "button",
}

// parts are the parts of a message at the other engines that tell its type, in the
// order in which they are looked for.
var parts = []struct{ part, kind string }{
	{"imageMessage", "image"}, {"videoMessage", "video"}, {"ptvMessage", "video"}, {"audioMessage", "audio"},
	{"documentMessage", "document"}, {"documentWithCaptionMessage", "document"}, {"stickerMessage", "sticker"},
	{"lottieStickerMessage", "sticker"}, {"locationMessage", "location"}, {"liveLocationMessage", "location"},
	{"contactMessage", "contact"}, {"contactsArrayMessage", "contact"}, {"pollCreationMessage", "poll"},
	{"pollCreationMessageV2", "poll"}, {"pollCreationMessageV3", "poll"}, {"listMessage", "list"}, {"buttonsMessage", "button"},
	{"templateMessage", "button"}, {"interactiveMessage", "button"}, {"conversation", "text"}, {"extendedTextMessage", "text"},
}

// kind is the message's type, which the server itself does not tell.
func (p payload) kind() string {
	if kind, ok := webjsTypes[string(p.Data.Type)]; ok {
		return kind
	}
	for _, k := range parts {
		if raw := p.Data.Message[k.part]; len(raw) > 0 && string(raw) != "null" {
			return k.kind
		}
	}
	major, minor, _ := strings.Cut(string(p.Media.MIMEType), "/")
	switch {
	case lenient.IsObject(p.Location):
		return "location"
	case len(p.VCards) > 0:
		return "contact"
	case strings.HasPrefix(minor, "webp"):
		return "sticker"
	case major == "image", major == "video", major == "audio":
		return major
	case p.HasMedia, major != "":
		return "document"
	case p.Body != "":
		return "text"
	}
	return "unknown"
}
