package wuzapi

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/genfity/wa-gateway/waserver"
)

// messageEvent is the event of a message.
type messageEvent struct {
	Info    source
	Message content
}

// content is a message as WhatsApp has it. Only one of its parts is set.
type content struct {
	Conversation        string
	ExtendedTextMessage *struct {
		Text        string
		ContextInfo contextOf
	}
	ImageMessage, VideoMessage, PtvMessage, AudioMessage, DocumentMessage, StickerMessage *mediaOf
	LocationMessage, LiveLocationMessage                                                  *struct {
		DegreesLatitude, DegreesLongitude float64
		Name, Address, Caption            string
		ContextInfo                       contextOf
	}
	ContactMessage *struct {
		DisplayName string
		ContextInfo contextOf
	}
	ContactsArrayMessage *struct {
		DisplayName string
		ContextInfo contextOf
	}
	PollCreationMessage, PollCreationMessageV2, PollCreationMessageV3 *struct {
		Name        string
		ContextInfo contextOf
	}
	ListMessage *struct {
		Title, Description string
		ContextInfo        contextOf
	}
	ButtonsMessage *struct {
		ContentText string
		ContextInfo contextOf
	}
	ListResponseMessage *struct {
		Title       string
		ContextInfo contextOf
	}
	ButtonsResponseMessage *struct {
		SelectedDisplayText string
		ContextInfo         contextOf
	}
	ProtocolMessage *struct {
		// Type 0 takes a message back, 14 edits one.
		Type          int
		Key           struct{ ID, RemoteJID string }
		EditedMessage *content
	}
	// What other messages are wrapped in.
	ViewOnceMessage, ViewOnceMessageV2, EphemeralMessage, DocumentWithCaptionMessage *struct {
		Message *content
	}
}

type contextOf struct{ StanzaID string }

type mediaOf struct {
	URL, Mimetype, Caption, FileName string
	ContextInfo                      contextOf
}

// The types of a ProtocolMessage that are read.
const (
	protocolRevoke = 0
	protocolEdit   = 14
)

// maxWraps bounds how deep a message is looked for in others.
const maxWraps = 4

// unwrap takes a message out of those that only carry it.
func (c *content) unwrap() *content {
	for range maxWraps {
		next := (*content)(nil)
		for _, wrap := range []*struct{ Message *content }{
			c.ViewOnceMessage, c.ViewOnceMessageV2, c.EphemeralMessage, c.DocumentWithCaptionMessage,
		} {
			if wrap != nil && wrap.Message != nil {
				next = wrap.Message
			}
		}
		if next == nil {
			break
		}
		c = next
	}
	return c
}

// seen is what of a message is shown.
type seen struct {
	kind, body, replyTo     string
	url, mimeType, filename string
}

// read reads a message; kind is empty for what is none: reactions, votes, keys.
func (c *content) read() seen {
	c = c.unwrap()
	for kind, media := range map[string]*mediaOf{
		"image": c.ImageMessage, "video": c.VideoMessage, "audio": c.AudioMessage,
		"document": c.DocumentMessage, "sticker": c.StickerMessage,
	} {
		if media != nil {
			return media.read(kind)
		}
	}
	switch {
	case c.PtvMessage != nil: // a round video
		return c.PtvMessage.read("video")
	case c.ExtendedTextMessage != nil:
		return seen{kind: "text", body: c.ExtendedTextMessage.Text, replyTo: c.ExtendedTextMessage.ContextInfo.StanzaID}
	case c.LocationMessage != nil:
		body := c.LocationMessage.Name
		if body == "" {
			body = c.LocationMessage.Address
		}
		return seen{kind: "location", body: body, replyTo: c.LocationMessage.ContextInfo.StanzaID}
	case c.LiveLocationMessage != nil:
		return seen{kind: "location", body: c.LiveLocationMessage.Caption, replyTo: c.LiveLocationMessage.ContextInfo.StanzaID}
	case c.ContactMessage != nil:
		return seen{kind: "contact", body: c.ContactMessage.DisplayName, replyTo: c.ContactMessage.ContextInfo.StanzaID}
	case c.ContactsArrayMessage != nil:
		return seen{kind: "contact", body: c.ContactsArrayMessage.DisplayName, replyTo: c.ContactsArrayMessage.ContextInfo.StanzaID}
	case c.ListMessage != nil:
		body := c.ListMessage.Description
		if body == "" {
			body = c.ListMessage.Title
		}
		return seen{kind: "list", body: body, replyTo: c.ListMessage.ContextInfo.StanzaID}
	case c.ButtonsMessage != nil:
		return seen{kind: "button", body: c.ButtonsMessage.ContentText, replyTo: c.ButtonsMessage.ContextInfo.StanzaID}
	case c.ListResponseMessage != nil: // the choice from a list is a text to people
		return seen{kind: "text", body: c.ListResponseMessage.Title, replyTo: c.ListResponseMessage.ContextInfo.StanzaID}
	case c.ButtonsResponseMessage != nil:
		return seen{kind: "text", body: c.ButtonsResponseMessage.SelectedDisplayText, replyTo: c.ButtonsResponseMessage.ContextInfo.StanzaID}
	}
	for _, poll := range []*struct {
		Name        string
		ContextInfo contextOf
	}{c.PollCreationMessage, c.PollCreationMessageV2, c.PollCreationMessageV3} {
		if poll != nil {
			return seen{kind: "poll", body: poll.Name, replyTo: poll.ContextInfo.StanzaID}
		}
	}
	if c.Conversation != "" {
		return seen{kind: "text", body: c.Conversation}
	}
	return seen{}
}

func (m *mediaOf) read(kind string) seen {
	return seen{kind: kind, body: m.Caption, replyTo: m.ContextInfo.StanzaID, url: m.URL, mimeType: m.Mimetype, filename: m.FileName}
}

// message reads the event of a message that came, or was sent by the account's phone, or
// (sent) by the API.
func (e *event) message(received time.Time, sent bool) ([]waserver.Update, error) {
	var m messageEvent
	if err := json.Unmarshal(e.Event, &m); err != nil {
		return nil, fmt.Errorf("wuzapi: reading a message: %w", err)
	}
	info := &m.Info
	if info.ID == "" || strings.HasSuffix(info.Chat, "@broadcast") { // others' status
		return nil, nil
	}
	when := at(info.Timestamp, received)
	if p := m.Message.unwrap().ProtocolMessage; p != nil {
		return e.protocol(&m, p.Type, p.Key.ID, p.EditedMessage, when), nil
	}
	read := m.Message.read()
	if read.kind == "" {
		return nil, nil
	}
	one := chatMessage(info, read, when)
	if e.S3 != nil && e.S3.URL != "" {
		one.MediaURL = e.S3.URL
		if one.MediaType == "" {
			one.MediaType = e.S3.MimeType
		}
	}
	updates := []waserver.Update{{At: when, Message: one}}
	if sent {
		updates = append(updates, waserver.Update{
			At: when, Receipt: &waserver.Receipt{IDs: []string{info.ID}, ChatJID: info.chat(), Status: "sent"},
		})
	}
	return updates, nil
}

// protocol reads what is said of an earlier message.
func (e *event) protocol(m *messageEvent, kind int, id string, edited *content, when time.Time) []waserver.Update {
	switch {
	case id == "":
		return nil
	case kind == protocolRevoke:
		return []waserver.Update{{At: when, Revoked: &waserver.MessageRef{ID: id, ChatJID: m.Info.chat()}}}
	case kind == protocolEdit && edited != nil:
		read := edited.read()
		if read.kind == "" {
			return nil
		}
		one := chatMessage(&m.Info, read, when)
		one.ID = id
		return []waserver.Update{{At: when, Edited: one}}
	}
	return nil
}

func chatMessage(info *source, read seen, when time.Time) *waserver.ChatMessage {
	m := &waserver.ChatMessage{
		ID: info.ID, ChatJID: info.chat(), FromMe: info.IsFromMe,
		Type: read.kind, Body: read.body, ReplyTo: read.replyTo,
		MediaURL: read.url, MediaType: read.mimeType, Filename: read.filename, At: when,
	}
	if info.Sender != "" {
		m.SenderJID = info.sender()
	}
	if !info.IsFromMe {
		m.PushName = info.PushName
	}
	return m
}
