package evolution

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/genfity/wa-gateway/message"
	"github.com/genfity/wa-gateway/waserver"
	"github.com/genfity/wa-gateway/waserver/lenient"
)

// pages tells which pages of a list hold what is asked for, and where in them it is:
// the server pages by number, the gateway by offset.
func pages(p waserver.Page) (size int, numbers []int, skip int) {
	size = max(p.Limit, 1)
	first := p.Offset/size + 1
	if skip = p.Offset % size; skip > 0 {
		return size, []int{first, first + 1}, skip
	}
	return size, []int{first}, 0
}

// paged gathers what fetch finds on each page.
func paged[T any](p waserver.Page, fetch func(page, size int) ([]T, error)) ([]T, error) {
	size, numbers, skip := pages(p)
	var all []T
	for _, n := range numbers {
		got, err := fetch(n, size)
		if err != nil {
			return nil, err
		}
		all = append(all, got...)
		if len(got) < size {
			break
		}
	}
	all = all[min(skip, len(all)):]
	return all[:min(size, len(all))], nil
}

// pageBody asks for one page; Offset is its size.
type pageBody struct {
	Where  any `json:"where"`
	Page   int `json:"page"`
	Offset int `json:"offset"`
}

type keyFilter struct {
	Key chatFilter `json:"key"`
}

type chatFilter struct {
	RemoteJID string `json:"remoteJid"`
}

// savedContact is somebody in the server's list, and in webhooks.
type savedContact struct {
	RemoteJID text `json:"remoteJid"`
	PushName  text `json:"pushName"`
}

// contact is nil for what is no contact.
func (s savedContact) contact() *waserver.Contact {
	r, ok := message.ParseJID(string(s.RemoteJID))
	if !ok || !r.IsPerson() && r.Server != message.HiddenServer {
		return nil
	}
	contact := &waserver.Contact{JID: r.JID()}
	// For somebody without a name the server writes the number.
	if name := string(s.PushName); name != r.User {
		contact.PushName = name
	}
	return contact
}

// Contacts implements waserver.Translator.
func (Translator) Contacts(ctx context.Context, c *waserver.Client, page waserver.Page) ([]waserver.Contact, error) {
	saved, err := paged(page, func(n, size int) ([]savedContact, error) {
		return list[savedContact](callJSON(ctx, c, []string{"chat", "findContacts"}, pageBody{struct{}{}, n, size}))
	})
	if err != nil {
		return nil, err
	}
	contacts := make([]waserver.Contact, 0, len(saved))
	for _, s := range saved {
		if contact := s.contact(); contact != nil {
			contacts = append(contacts, *contact)
		}
	}
	return contacts, nil
}

// list reads an answer that is a list.
func list[T any](answer *waserver.Response, err error) ([]T, error) {
	if err != nil {
		return nil, err
	}
	var elements []T
	if len(answer.Body) == 0 || answer.Body[0] != '[' || !lenient.Decode(answer.Body, &elements) {
		return nil, unread(answer)
	}
	return elements, nil
}

// Chats implements waserver.Translator.
func (Translator) Chats(ctx context.Context, c *waserver.Client, page waserver.Page) ([]waserver.Chat, error) {
	type saved struct {
		RemoteJID   text  `json:"remoteJid"`
		PushName    text  `json:"pushName"`
		UpdatedAt   text  `json:"updatedAt"`
		Unread      count `json:"unreadCount"`
		LastMessage struct {
			At unix `json:"messageTimestamp"`
		} `json:"lastMessage"`
	}
	body := struct {
		Where struct{} `json:"where"`
		Take  int      `json:"take"`
		Skip  int      `json:"skip"`
	}{Take: max(page.Limit, 1), Skip: page.Offset}
	found, err := list[json.RawMessage](callJSON(ctx, c, []string{"chat", "findChats"}, body))
	if err != nil {
		return nil, err
	}
	chats := make([]waserver.Chat, 0, len(found))
	for _, raw := range found {
		var s saved
		lenient.Decode(raw, &s)
		if s.RemoteJID == "" || s.RemoteJID == stories {
			continue
		}
		r, _ := message.ParseJID(string(s.RemoteJID))
		chat := waserver.Chat{JID: message.CanonicalJID(string(s.RemoteJID)), Name: string(s.PushName), IsGroup: r.IsGroup(), Unread: int(s.Unread)}
		if chat.LastMessageAt = s.LastMessage.At.Time; chat.LastMessageAt.IsZero() {
			chat.LastMessageAt, _ = time.Parse(time.RFC3339, string(s.UpdatedAt))
		}
		chats = append(chats, chat)
	}
	return chats, nil
}

// Messages implements waserver.Translator.
func (Translator) Messages(ctx context.Context, c *waserver.Client, chat message.Recipient, page waserver.Page) ([]waserver.ChatMessage, error) {
	records, err := paged(page, func(n, size int) ([]record, error) {
		body := pageBody{keyFilter{chatFilter{chat.JID()}}, n, size}
		answer, err := callJSON(ctx, c, []string{"chat", "findMessages"}, body)
		if err != nil {
			return nil, err
		}
		var found struct {
			Messages struct {
				Records []record `json:"records"`
			} `json:"messages"`
		}
		if !lenient.Decode(answer.Body, &found) || found.Messages.Records == nil {
			return nil, unread(answer)
		}
		return found.Messages.Records, nil
	})
	if err != nil {
		return nil, err
	}
	messages := make([]waserver.ChatMessage, 0, len(records))
	for _, r := range records {
		if m := r.message(""); m != nil {
			messages = append(messages, *m)
		}
	}
	return messages, nil
}

// readMark is a message that was read.
type readMark struct {
	RemoteJID string `json:"remoteJid"`
	FromMe    bool   `json:"fromMe"`
	ID        string `json:"id"`
}

// MarkRead implements waserver.Translator. The server passes over chats of hidden
// numbers and says that all is well: those are refused here.
func (Translator) MarkRead(ctx context.Context, c *waserver.Client, mark *waserver.ReadMark) error {
	switch {
	case !mark.Chat.IsPerson() && !mark.Chat.IsGroup():
		return &waserver.UnsupportedError{Reason: fmt.Sprintf("marking messages of chats at %s as read", mark.Chat.Server)}
	case len(mark.Messages) == 0:
		return &waserver.UnsupportedError{Reason: "marking a whole chat as read: name its messages"}
	}
	var body struct {
		ReadMessages []readMark `json:"readMessages"`
	}
	for _, id := range mark.Messages {
		body.ReadMessages = append(body.ReadMessages, readMark{RemoteJID: mark.Chat.JID(), ID: id})
	}
	_, err := callJSON(ctx, c, []string{"chat", "markMessageAsRead"}, body)
	return sendError(ctx, c, mark.Chat, err)
}
