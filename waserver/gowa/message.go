package gowa

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/genfity/wa-gateway/message"
	"github.com/genfity/wa-gateway/waserver"
)

// told is what a webhook tells of a message.
type told struct {
	ID        string `json:"id"`
	ChatID    string `json:"chat_id"`
	From      string `json:"from"`
	FromName  string `json:"from_name"`
	Timestamp string `json:"timestamp"`
	FromMe    bool   `json:"is_from_me"`
	Body      string `json:"body"`
	ReplyTo   string `json:"replied_to_id"`

	Image     *mediaOf `json:"image"`
	Video     *mediaOf `json:"video"`
	VideoNote *mediaOf `json:"video_note"`
	Audio     *mediaOf `json:"audio"`
	Document  *mediaOf `json:"document"`
	Sticker   *mediaOf `json:"sticker"`

	Contact      *struct{ DisplayName string }         `json:"contact"`
	Contacts     []struct{ DisplayName string }        `json:"contacts_array"`
	Location     *place                                `json:"location"`
	LiveLocation *place                                `json:"live_location"`
	List         *struct{ Title, Description string }  `json:"list"`
	Order        *struct{ OrderTitle, Message string } `json:"order"`
	Interactive  string                                `json:"interactive"`

	OriginalID  string `json:"original_message_id"` // of an edit
	RevokedID   string `json:"revoked_message_id"`
	RevokedChat string `json:"revoked_chat"`
}

type place struct{ Name, Address, Caption string }

// mediaOf is media: the path of the file below the server's base; that with a caption; or,
// where the server does not fetch media, its URL at WhatsApp, which opens to nobody.
type mediaOf struct{ Path, URL, Caption, Filename string }

// UnmarshalJSON implements json.Unmarshaler.
func (m *mediaOf) UnmarshalJSON(raw []byte) error {
	if len(raw) > 0 && raw[0] == '"' {
		return json.Unmarshal(raw, &m.Path)
	}
	type fields mediaOf
	return json.Unmarshal(raw, (*fields)(m))
}

func readMessage(payload []byte, received time.Time) (*waserver.Update, error) {
	var t told
	if err := json.Unmarshal(payload, &t); err != nil {
		return nil, fmt.Errorf("gowa: reading a message: %w", err)
	}
	m := t.message(received)
	t.fill(m)
	if m.ID == "" || m.Type == "" {
		return nil, nil
	}
	return &waserver.Update{At: m.At, Message: m}, nil
}

func readEdit(payload []byte, received time.Time) (*waserver.Update, error) {
	var t told
	if err := json.Unmarshal(payload, &t); err != nil {
		return nil, fmt.Errorf("gowa: reading an edit: %w", err)
	}
	if t.OriginalID == "" {
		return nil, nil
	}
	m := t.message(received)
	m.ID, m.Type, m.Body = t.OriginalID, "text", t.Body
	return &waserver.Update{At: m.At, Edited: m}, nil
}

func readRevoke(payload []byte, received time.Time) (*waserver.Update, error) {
	var t told
	if err := json.Unmarshal(payload, &t); err != nil {
		return nil, fmt.Errorf("gowa: reading what was taken back: %w", err)
	}
	if t.RevokedID == "" {
		return nil, nil
	}
	chat := t.ChatID
	if chat == "" {
		chat = t.RevokedChat
	}
	return &waserver.Update{
		At:      at(t.Timestamp, received),
		Revoked: &waserver.MessageRef{ID: t.RevokedID, ChatJID: message.CanonicalJID(chat)},
	}, nil
}

// message is what all messages have.
func (t *told) message(received time.Time) *waserver.ChatMessage {
	m := &waserver.ChatMessage{
		ID: t.ID, ChatJID: message.CanonicalJID(t.ChatID), SenderJID: message.CanonicalJID(t.From),
		FromMe: t.FromMe, ReplyTo: t.ReplyTo, At: at(t.Timestamp, received),
	}
	if !t.FromMe {
		m.PushName = t.FromName
	}
	return m
}

// fill fills in what kind of message it is. It stays without a type when nothing of it
// can be shown.
func (t *told) fill(m *waserver.ChatMessage) {
	m.Body = t.Body
	for _, one := range []struct {
		kind  string
		media *mediaOf
	}{
		{"image", t.Image}, {"video", t.Video}, {"video", t.VideoNote}, {"audio", t.Audio},
		{"document", t.Document}, {"sticker", t.Sticker},
	} {
		if one.media == nil {
			continue
		}
		m.Type, m.Filename, m.MediaURL = one.kind, one.media.Filename, one.media.Path
		if m.MediaURL == "" {
			m.MediaURL = one.media.URL
		}
		if m.Body == "" {
			m.Body = one.media.Caption
		}
		return
	}
	other := func(kind string, texts ...string) {
		m.Type = kind
		for _, text := range texts {
			if m.Body == "" {
				m.Body = text
			}
		}
	}
	switch {
	case t.Contact != nil:
		other("contact", t.Contact.DisplayName)
	case len(t.Contacts) > 0:
		other("contact", t.Contacts[0].DisplayName)
	case t.Location != nil:
		other("location", t.Location.Name, t.Location.Address)
	case t.LiveLocation != nil:
		other("location", t.LiveLocation.Caption)
	case t.List != nil:
		other("list", t.List.Description, t.List.Title)
	case t.Order != nil:
		other("order", t.Order.OrderTitle, t.Order.Message)
	case t.Interactive != "":
		other("button", t.Interactive)
	case m.Body != "":
		m.Type = "text"
	}
}
