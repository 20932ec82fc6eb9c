package caddywagateway

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/genfity/wa-gateway/message"
	"github.com/genfity/wa-gateway/store"
	"github.com/genfity/wa-gateway/waserver"
)

// contactAnswer, chatAnswer and messageAnswer are what lists show.
type contactAnswer struct {
	ID       string `json:"id"`
	Name     string `json:"name"`
	PushName string `json:"push_name,omitempty"`
	Phone    string `json:"phone,omitempty"`
}

type chatAnswer struct {
	ChatID        string     `json:"chat_id"`
	Name          string     `json:"name"`
	IsGroup       bool       `json:"is_group"`
	UnreadCount   int64      `json:"unread_count,omitempty"` // 0 is also what is not known
	LastMessageAt *time.Time `json:"last_message_at"`
}

type messageAnswer struct {
	MessageID string    `json:"message_id"`
	ChatID    string    `json:"chat_id"`
	Sender    string    `json:"sender,omitempty"`
	FromMe    bool      `json:"from_me"`
	Type      string    `json:"type"`
	Text      string    `json:"text"`
	MediaType string    `json:"media_type,omitempty"`
	Filename  string    `json:"filename,omitempty"`
	ReplyTo   string    `json:"reply_to,omitempty"`
	Status    string    `json:"status,omitempty"`
	Revoked   bool      `json:"revoked,omitempty"` // deleted for everybody
	Timestamp time.Time `json:"timestamp"`
}

// translateReading lists contacts, chats or messages: as the server has them, or from
// the primary database, where the server keeps none or the operator says so.
func (x *exchange) translateReading() error {
	limit, cursor, err := x.pageOf()
	if err != nil {
		return err
	}
	var chat message.Recipient
	if x.call.Endpoint == waserver.ListMessages {
		if chat, err = message.ParseRecipient(x.call.ChatID, x.server.Region); err != nil {
			return refuse(http.StatusBadRequest, "The chat in the path is none").with(map[string]string{"field": "chat_id"})
		}
	}
	x.outcome = outcomeForwarded
	var data map[string]any
	if x.readsLocal() {
		data, err = x.readLocal(chat, cursor, limit)
	} else {
		data, err = x.readServer(chat, cursor, limit)
	}
	if err != nil {
		return err
	}
	return x.answerCanonical(http.StatusOK, data)
}

func (x *exchange) readsLocal() bool {
	if x.server.Reads == readsLocal {
		return true
	}
	traits := x.server.translator.Traits()
	switch x.call.Endpoint {
	case waserver.ListContacts:
		return !traits.HasContacts
	case waserver.ListChats:
		return !traits.HasChats
	default:
		return !traits.HasMessages
	}
}

// readServer asks the server. Its pages are counted, so the cursor is a number.
func (x *exchange) readServer(chat message.Recipient, cursor string, limit int) (map[string]any, error) {
	offset, err := offsetOf(cursor)
	if err != nil {
		return nil, err
	}
	ctx := x.r.Context()
	client, err := x.sessionClient(ctx)
	if err != nil {
		return nil, err
	}
	page := waserver.Page{Limit: limit, Offset: offset}
	t := x.server.translator
	var data map[string]any
	var n int
	switch x.call.Endpoint {
	case waserver.ListContacts:
		var list []waserver.Contact
		list, err = t.Contacts(ctx, client, page)
		n, data = len(list), map[string]any{"contacts": answers(list, answerContact)}
	case waserver.ListChats:
		var list []waserver.Chat
		list, err = t.Chats(ctx, client, page)
		n, data = len(list), map[string]any{"chats": answers(list, answerChat)}
	default:
		var list []waserver.ChatMessage
		list, err = t.Messages(ctx, client, chat, page)
		n, data = len(list), map[string]any{"chat_id": chat.JID(), "messages": answers(list, answerMessage)}
	}
	if err != nil {
		return nil, x.translatedFailure(err, client.Link)
	}
	data["next_cursor"] = nil
	if n >= limit {
		data["next_cursor"] = offsetCursor(offset + n)
	}
	return data, nil
}

// readLocal reads the primary database.
func (x *exchange) readLocal(chat message.Recipient, cursor string, limit int) (map[string]any, error) {
	ctx, db, session := x.r.Context(), x.app.databases.primary, x.call.SessionID
	var data map[string]any
	var next string
	var err error
	switch x.call.Endpoint {
	case waserver.ListContacts:
		var list []store.Contact
		list, next, err = db.Contacts(ctx, session, cursor, limit)
		data = map[string]any{"contacts": answers(list, keptContact)}
	case waserver.ListChats:
		var list []store.Chat
		list, next, err = db.Chats(ctx, session, cursor, limit)
		data = map[string]any{"chats": answers(list, keptChat)}
	default:
		var list []store.ChatMessage
		list, next, err = db.ChatMessages(ctx, session, chat.JID(), cursor, limit)
		data = map[string]any{"chat_id": chat.JID(), "messages": answers(list, keptMessage)}
	}
	switch {
	case errors.Is(err, store.ErrBadCursor):
		return nil, badCursor()
	case err != nil:
		return nil, databaseFailure(err)
	}
	data["next_cursor"] = nil
	if next != "" {
		data["next_cursor"] = next
	}
	return data, nil
}

func answers[T, A any](list []T, answer func(*T) A) []A {
	all := make([]A, len(list))
	for i := range list {
		all[i] = answer(&list[i])
	}
	return all
}

func answerContact(c *waserver.Contact) contactAnswer {
	return contactAnswer{ID: c.JID, Name: c.Name, PushName: c.PushName, Phone: phoneOf(c.JID)}
}

func answerChat(c *waserver.Chat) chatAnswer {
	return chatAnswer{
		ChatID: c.JID, Name: c.Name, IsGroup: c.IsGroup, UnreadCount: int64(c.Unread), LastMessageAt: timeOrNil(c.LastMessageAt),
	}
}

func answerMessage(m *waserver.ChatMessage) messageAnswer {
	return messageAnswer{
		MessageID: m.ID, ChatID: m.ChatJID, Sender: m.SenderJID, FromMe: m.FromMe, Type: m.Type, Text: m.Body,
		MediaType: m.MediaType, Filename: m.Filename, ReplyTo: m.ReplyTo, Timestamp: m.At.UTC(),
	}
}

func keptContact(c *store.Contact) contactAnswer {
	return contactAnswer{ID: c.JID, Name: c.Name, PushName: c.PushName, Phone: phoneOf(c.JID)}
}

func keptChat(c *store.Chat) chatAnswer {
	answer := chatAnswer{ChatID: c.JID, Name: c.DisplayName(), IsGroup: c.IsGroup, UnreadCount: c.UnreadCount}
	if c.LastMessageAt != nil {
		answer.LastMessageAt = timeOrNil(*c.LastMessageAt)
	}
	return answer
}

func keptMessage(m *store.ChatMessage) messageAnswer {
	if m.RevokedAt != nil {
		return messageAnswer{
			MessageID: m.MessageID, ChatID: m.ChatJID, Sender: m.SenderJID, FromMe: m.FromMe, Type: m.Type,
			Revoked: true, Timestamp: m.SentAt.UTC(),
		}
	}
	return messageAnswer{
		MessageID: m.MessageID, ChatID: m.ChatJID, Sender: m.SenderJID, FromMe: m.FromMe, Type: m.Type, Text: m.Body,
		MediaType: m.MediaType, Filename: m.Filename, ReplyTo: m.ReplyTo, Status: m.Status, Timestamp: m.SentAt.UTC(),
	}
}

func phoneOf(jid string) string {
	if r, ok := message.ParseJID(jid); ok && r.IsPerson() {
		return r.User
	}
	return ""
}

// The bounds of a list of chats.
const (
	defaultChats = 50
	maxChats     = 500
	maxOffset    = 1_000_000
)

// pageOf reads limit and cursor of a list.
func (x *exchange) pageOf() (limit int, cursor string, err error) {
	limit = defaultChats
	if text := x.query.Get("limit"); text != "" {
		if limit, err = strconv.Atoi(text); err != nil || limit < 1 || limit > maxChats {
			return 0, "", refuse(http.StatusBadRequest, "limit must be a whole number from 1 to "+strconv.Itoa(maxChats)).
				with(map[string]string{"field": "limit"})
		}
	}
	return limit, x.query.Get("cursor"), nil
}

func badCursor() error {
	return refuse(http.StatusBadRequest, "The cursor is none that this list gave out").with(map[string]string{"field": "cursor"})
}

const offsetPrefix = "offset:"

func offsetCursor(offset int) string {
	return base64.RawURLEncoding.EncodeToString([]byte(offsetPrefix + strconv.Itoa(offset)))
}

func offsetOf(cursor string) (int, error) {
	if cursor == "" {
		return 0, nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(cursor)
	text, found := strings.CutPrefix(string(raw), offsetPrefix)
	offset, aerr := strconv.Atoi(text)
	if err != nil || !found || aerr != nil || offset < 0 || offset > maxOffset {
		return 0, badCursor()
	}
	return offset, nil
}

// markReadBody is what POST …/mark-read takes.
type markReadBody struct {
	ChatID     string   `json:"chat_id"`
	MessageID  string   `json:"message_id"`
	MessageIDs []string `json:"message_ids"`
	Sender     string   `json:"sender"`
}

// maxMarked bounds the messages of one call.
const maxMarked = 100

// translateMarkRead marks messages of a chat as read: those that are named, else the
// last ones that were received.
func (x *exchange) translateMarkRead() error {
	mark, err := x.readMark()
	if err != nil {
		return err
	}
	client, err := x.sessionClient(x.r.Context())
	if err != nil {
		return err
	}
	x.outcome = outcomeForwarded
	if err := x.server.translator.MarkRead(x.r.Context(), client, mark); err != nil {
		return x.translatedFailure(err, client.Link)
	}
	return x.answerCanonical(http.StatusOK, map[string]any{"chat_id": mark.Chat.JID(), "marked": len(mark.Messages)})
}

func (x *exchange) readMark() (*waserver.ReadMark, error) {
	if err := x.plainBody(); err != nil {
		return nil, err
	}
	b, err := x.readBody(true)
	if err != nil {
		return nil, err
	}
	var asked markReadBody
	if err := json.Unmarshal(b.whole, &asked); err != nil {
		return nil, refuse(http.StatusBadRequest, "Send JSON with chat_id and message_ids")
	}
	mark := &waserver.ReadMark{Messages: asked.MessageIDs}
	if asked.MessageID != "" {
		mark.Messages = append(mark.Messages, asked.MessageID)
	}
	if mark.Chat, err = message.ParseRecipient(asked.ChatID, x.server.Region); err != nil {
		return nil, refuse(http.StatusBadRequest, "chat_id names no chat").with(map[string]string{"field": "chat_id"})
	}
	if asked.Sender != "" {
		if mark.Sender, err = message.ParseRecipient(asked.Sender, x.server.Region); err != nil {
			return nil, refuse(http.StatusBadRequest, "sender names nobody").with(map[string]string{"field": "sender"})
		}
	}
	if len(mark.Messages) == 0 {
		if mark.Messages, err = x.lastReceived(mark); err != nil {
			return nil, err
		}
	}
	if n := len(mark.Messages); n == 0 || n > maxMarked {
		return nil, refuse(http.StatusBadRequest, "Name 1 to "+strconv.Itoa(maxMarked)+" messages in message_ids").
			with(map[string]string{"field": "message_ids"})
	}
	return mark, nil
}

// lastReceived are the latest messages of a chat that the webhooks told of.
func (x *exchange) lastReceived(mark *waserver.ReadMark) ([]string, error) {
	list, _, err := x.app.databases.primary.ChatMessages(x.r.Context(), x.call.SessionID, mark.Chat.JID(), "", maxMarked)
	if err != nil {
		return nil, databaseFailure(err)
	}
	var ids []string
	for i := range list {
		if list[i].FromMe {
			continue
		}
		if sender, ok := message.ParseJID(list[i].SenderJID); ok && mark.Chat.IsGroup() {
			if mark.Sender.User == "" {
				mark.Sender = sender
			}
			if sender != mark.Sender {
				continue // one call is about one sender
			}
		}
		ids = append(ids, list[i].MessageID)
	}
	return ids, nil
}
