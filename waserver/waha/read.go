package waha

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	"github.com/genfity/wa-gateway/message"
	"github.com/genfity/wa-gateway/waserver"
	"github.com/genfity/wa-gateway/waserver/lenient"
)

// query is a page, in the server's words.
func query(p waserver.Page) url.Values {
	return url.Values{"limit": {strconv.Itoa(max(p.Limit, 1))}, "offset": {strconv.Itoa(p.Offset)}}
}

// rows makes a call that answers with a list. Some versions know no pages: of theirs,
// which are longer than what was asked for, the page is taken here.
func rows(ctx context.Context, c *waserver.Client, path []string, query url.Values, page waserver.Page) ([]json.RawMessage, error) {
	answer, err := call(ctx, c, http.MethodGet, path, query, nil)
	if err != nil {
		return nil, stopped(ctx, c, err)
	}
	var found []json.RawMessage
	if json.Unmarshal(answer.Body, &found) != nil {
		return nil, unread(answer)
	}
	limit := max(page.Limit, 1)
	if len(found) > limit {
		found = found[min(page.Offset, len(found)):]
	}
	return found[:min(limit, len(found))], nil
}

// Contacts implements waserver.Translator.
func (Translator) Contacts(ctx context.Context, c *waserver.Client, page waserver.Page) ([]waserver.Contact, error) {
	session, err := name(c)
	if err != nil {
		return nil, err
	}
	q := query(page)
	q.Set("session", session)
	found, err := rows(ctx, c, []string{"api", "contacts", "all"}, q, page)
	if err != nil {
		return nil, err
	}
	contacts := make([]waserver.Contact, 0, len(found))
	for _, raw := range found {
		var s struct {
			ID       anyID `json:"id"`
			Name     text  `json:"name"`
			PushName text  `json:"pushname"`
		}
		lenient.Decode(raw, &s)
		if r, ok := message.ParseJID(string(s.ID)); ok && (r.IsPerson() || r.Server == message.HiddenServer) {
			contacts = append(contacts, waserver.Contact{JID: r.JID(), Name: string(s.Name), PushName: string(s.PushName)})
		}
	}
	return contacts, nil
}

// chat is a chat as the engine has it; an overview has it in _chat.
type chat struct {
	Unread       count `json:"unreadCount"`
	Timestamp    unix  `json:"timestamp"`
	Conversation unix  `json:"conversationTimestamp"`
}

// Chats implements waserver.Translator.
func (Translator) Chats(ctx context.Context, c *waserver.Client, page waserver.Page) ([]waserver.Chat, error) {
	session, err := name(c)
	if err != nil {
		return nil, err
	}
	path := []string{"api", session, "chats", "overview"}
	found, err := rows(ctx, c, path, query(page), page)
	if _, lacks := errors.AsType[*waserver.UnsupportedError](err); lacks {
		found, err = rows(ctx, c, path[:3], query(page), page)
	}
	if err != nil {
		return nil, err
	}
	chats := make([]waserver.Chat, 0, len(found))
	for _, raw := range found {
		var s struct {
			ID          anyID `json:"id"`
			Name        text  `json:"name"`
			LastMessage struct {
				At unix `json:"timestamp"`
			} `json:"lastMessage"`
			chat
			Engine chat `json:"_chat"`
		}
		lenient.Decode(raw, &s)
		if s.ID == "" || s.ID == stories {
			continue
		}
		r, _ := message.ParseJID(string(s.ID))
		one := waserver.Chat{JID: message.CanonicalJID(string(s.ID)), Name: string(s.Name), IsGroup: r.IsGroup(), Unread: int(max(s.Unread, s.Engine.Unread))}
		for _, at := range []unix{s.LastMessage.At, s.Timestamp, s.Conversation, s.Engine.Timestamp, s.Engine.Conversation} {
			if one.LastMessageAt.IsZero() {
				one.LastMessageAt = at.Time
			}
		}
		chats = append(chats, one)
	}
	return chats, nil
}

// Messages implements waserver.Translator. The chat is always one: the server has a
// word for all of them in its place, which no recipient is written like.
func (Translator) Messages(ctx context.Context, c *waserver.Client, chat message.Recipient, page waserver.Page) ([]waserver.ChatMessage, error) {
	session, err := name(c)
	if err != nil {
		return nil, err
	}
	if chat.User == "" || chat.Server == "" {
		return nil, fmt.Errorf("waha: %q is no chat", chat.JID())
	}
	q := query(page)
	q.Set("downloadMedia", "false")
	found, err := rows(ctx, c, []string{"api", session, "chats", chatID(chat), "messages"}, q, page)
	if err != nil {
		return nil, err
	}
	messages := make([]waserver.ChatMessage, 0, len(found))
	for _, raw := range found {
		var p payload
		lenient.Decode(raw, &p)
		if m := p.message(""); m != nil {
			messages = append(messages, *m)
		}
	}
	return messages, nil
}

// seen marks messages as read, under both of the names that versions know.
type seen struct {
	Session     string   `json:"session"`
	ChatID      string   `json:"chatId"`
	MessageIDs  []string `json:"messageIds,omitempty"`
	MessageID   string   `json:"messageId,omitempty"` // of old versions: one, and without a participant in it
	Participant string   `json:"participant,omitempty"`
}

// MarkRead implements waserver.Translator. Without messages it is the whole chat.
func (Translator) MarkRead(ctx context.Context, c *waserver.Client, mark *waserver.ReadMark) error {
	session, err := name(c)
	if err != nil {
		return err
	}
	body := seen{Session: session, ChatID: chatID(mark.Chat)}
	for _, id := range mark.Messages {
		bare := parseID(id).bare()
		body.MessageIDs = append(body.MessageIDs, longID(false, mark.Chat, bare, mark.Sender))
		if body.MessageID == "" {
			body.MessageID = longID(false, mark.Chat, bare, message.Recipient{})
		}
	}
	if mark.Chat.IsGroup() && mark.Sender.User != "" {
		body.Participant = chatID(mark.Sender)
	}
	encoded, err := waserver.JSONBody(body)
	if err != nil {
		return err
	}
	_, err = call(ctx, c, http.MethodPost, []string{"api", "sendSeen"}, nil, encoded)
	return stopped(ctx, c, err)
}
