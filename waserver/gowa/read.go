package gowa

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/genfity/wa-gateway/message"
	"github.com/genfity/wa-gateway/waserver"
)

// Contacts implements waserver.Translator.
func (t Translator) Contacts(ctx context.Context, c *waserver.Client, page waserver.Page) ([]waserver.Contact, error) {
	var all struct {
		Data []struct{ JID, Name string } // null when there are none
	}
	if err := call(ctx, c, http.MethodGet, []string{"user", "my", "contacts"}, nil, nil, &all); err != nil {
		return nil, err
	}
	contacts := make([]waserver.Contact, 0, len(all.Data))
	for _, one := range all.Data {
		contacts = append(contacts, waserver.Contact{JID: message.CanonicalJID(one.JID), Name: one.Name})
	}
	// The server's order is another each time; pages need one that stays.
	slices.SortFunc(contacts, func(a, b waserver.Contact) int {
		return strings.Compare(a.JID+"\x00"+a.Name, b.JID+"\x00"+b.Name)
	})
	contacts = slices.CompactFunc(contacts, func(a, b waserver.Contact) bool { return a.JID == b.JID })
	contacts = contacts[min(max(page.Offset, 0), len(contacts)):]
	if page.Limit > 0 && page.Limit < len(contacts) {
		contacts = contacts[:page.Limit]
	}
	return contacts, nil
}

// mostPerPage is how many chats or messages the server gives at once.
const mostPerPage = 100

// pages reads a list of the server until a page is full: read is given the query of each of
// the server's own pages, and tells how many there were.
func pages(page waserver.Page, read func(url.Values) (int, error)) error {
	offset, left := max(page.Offset, 0), page.Limit
	if left <= 0 {
		left = mostPerPage
	}
	for left > 0 {
		limit := min(left, mostPerPage)
		n, err := read(url.Values{"limit": {strconv.Itoa(limit)}, "offset": {strconv.Itoa(offset)}})
		if err != nil {
			return err
		}
		if n < limit {
			return nil
		}
		offset, left = offset+limit, left-limit
	}
	return nil
}

// Chats implements waserver.Translator.
func (t Translator) Chats(ctx context.Context, c *waserver.Client, page waserver.Page) ([]waserver.Chat, error) {
	chats := []waserver.Chat{}
	err := pages(page, func(query url.Values) (int, error) {
		var some struct {
			Data []struct {
				JID, Name       string
				LastMessageTime string `json:"last_message_time"`
			}
		}
		if err := call(ctx, c, http.MethodGet, []string{"chats"}, query, nil, &some); err != nil {
			return 0, err
		}
		for _, one := range some.Data {
			jid := message.CanonicalJID(one.JID)
			r, _ := message.ParseJID(jid)
			chats = append(chats, waserver.Chat{JID: jid, Name: one.Name, IsGroup: r.IsGroup(), LastMessageAt: readTime(one.LastMessageTime)})
		}
		return len(some.Data), nil
	})
	if err != nil {
		return nil, err
	}
	return chats, nil
}

// readTime reads RFC 3339; what is none is zero, and so is what the server has for no
// time.
func readTime(text string) time.Time {
	const firstYear = 2009 // before it there was no WhatsApp
	at, err := time.Parse(time.RFC3339, text)
	if err != nil || at.Year() < firstYear {
		return time.Time{}
	}
	return at.UTC()
}

// Messages implements waserver.Translator.
func (t Translator) Messages(ctx context.Context, c *waserver.Client, chat message.Recipient, page waserver.Page) ([]waserver.ChatMessage, error) {
	if chat.User == "" || chat.Server == "" {
		return nil, &waserver.UnsupportedError{Reason: "GOWA reads messages by the chat's full JID"}
	}
	messages := []waserver.ChatMessage{}
	err := pages(page, func(query url.Values) (int, error) {
		var some struct{ Data []keptMessage }
		if err := call(ctx, c, http.MethodGet, []string{"chat", chat.JID(), "messages"}, query, nil, &some); err != nil {
			return 0, err
		}
		for i := range some.Data {
			messages = append(messages, some.Data[i].message())
		}
		return len(some.Data), nil
	})
	if err != nil {
		return nil, err
	}
	return messages, nil
}

// keptMessage is a message as the server keeps it.
type keptMessage struct {
	ID        string `json:"id"`
	ChatJID   string `json:"chat_jid"`
	SenderJID string `json:"sender_jid"`
	Sender    string `json:"sender_display_name"`
	Content   string `json:"content"`
	Timestamp string `json:"timestamp"`
	FromMe    bool   `json:"is_from_me"`
	MediaType string `json:"media_type"` // image, video, …; empty for texts
	Filename  string `json:"filename"`
	URL       string `json:"url"`
}

func (k *keptMessage) message() waserver.ChatMessage {
	m := waserver.ChatMessage{
		ID: k.ID, ChatJID: message.CanonicalJID(k.ChatJID), SenderJID: message.CanonicalJID(k.SenderJID), FromMe: k.FromMe,
		Type: k.MediaType, Body: k.Content, MediaURL: k.URL, Filename: k.Filename, At: readTime(k.Timestamp),
	}
	if m.Type == "" {
		m.Type = "text"
	}
	if !k.FromMe {
		m.PushName = k.Sender
	}
	return m
}

// MarkRead implements waserver.Translator. The server takes one message at a time, and
// cannot be told who wrote it.
func (t Translator) MarkRead(ctx context.Context, c *waserver.Client, mark *waserver.ReadMark) error {
	for _, id := range mark.Messages {
		if !messageID(id) { // it goes into the path, where the server decodes nothing
			return &waserver.ServerError{Kind: waserver.KindInvalid, Status: http.StatusBadRequest, Message: "a message's id has letters and digits"}
		}
	}
	for _, id := range mark.Messages {
		body := map[string]any{"phone": mark.Chat.JID()}
		if err := call(ctx, c, http.MethodPost, []string{"message", id, "read"}, nil, body, nil); err != nil {
			return err
		}
	}
	return nil
}

// messageID tells whether s may be the id of a message in WhatsApp.
func messageID(s string) bool { return validID(s) }
