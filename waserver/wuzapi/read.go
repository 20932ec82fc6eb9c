package wuzapi

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/genfity/wa-gateway/message"
	"github.com/genfity/wa-gateway/waserver"
)

// Contacts implements waserver.Translator.
func (t Translator) Contacts(ctx context.Context, c *waserver.Client, page waserver.Page) ([]waserver.Contact, error) {
	token, err := token(ctx, c)
	if err != nil {
		return nil, err
	}
	// Asked for the contacts of a session that never paired, the server breaks the
	// connection off.
	s, err := readStatus(ctx, c, token)
	if err != nil {
		return nil, err
	}
	if !s.LoggedIn {
		return nil, &waserver.ServerError{Kind: waserver.KindNotConnected, Status: http.StatusOK, Message: "not logged in"}
	}
	a, err := session(ctx, c, token, http.MethodGet, []string{"user", "contacts"}, nil, nil)
	if err != nil {
		return nil, err
	}
	var all map[string]struct{ FirstName, FullName, PushName, BusinessName string }
	if err := a.read(&all); err != nil {
		return nil, err
	}
	contacts := make([]waserver.Contact, 0, len(all))
	for jid, info := range all {
		name := info.FullName
		for _, other := range []string{info.FirstName, info.BusinessName} {
			if name == "" {
				name = other
			}
		}
		contacts = append(contacts, waserver.Contact{JID: message.CanonicalJID(jid), Name: name, PushName: info.PushName})
	}
	// The server's order is another each time; pages need one that stays.
	slices.SortFunc(contacts, func(a, b waserver.Contact) int {
		return strings.Compare(a.JID+"\x00"+a.Name+"\x00"+a.PushName, b.JID+"\x00"+b.Name+"\x00"+b.PushName)
	})
	contacts = slices.CompactFunc(contacts, func(a, b waserver.Contact) bool { return a.JID == b.JID })
	return paged(contacts, page), nil
}

// paged is the page of a list that the server gives as a whole.
func paged[T any](all []T, page waserver.Page) []T {
	all = all[min(max(page.Offset, 0), len(all)):]
	if page.Limit > 0 && page.Limit < len(all) {
		all = all[:page.Limit]
	}
	return all
}

// historyIndex is what the server takes, in place of a chat, for the question which
// chats there are, of all sessions.
const historyIndex = "index"

// Messages implements waserver.Translator.
func (t Translator) Messages(ctx context.Context, c *waserver.Client, chat message.Recipient, page waserver.Page) ([]waserver.ChatMessage, error) {
	jid := chat.JID()
	if jid == historyIndex || chat.User == "" || chat.Server == "" {
		return nil, &waserver.UnsupportedError{Reason: "wuzapi's history is read by the chat"}
	}
	token, err := token(ctx, c)
	if err != nil {
		return nil, err
	}
	off := &waserver.UnsupportedError{Reason: "the WA server keeps no history of this session"}
	// Where none is kept, the server forgets by the question whom it sends webhooks to
	// and with which signature. So it is only asked where some is.
	s, err := readStatus(ctx, c, token)
	if err != nil && !says(err, "no session") {
		return nil, err
	}
	if err != nil || !s.keepsHistory() {
		return nil, off
	}
	query := url.Values{"chat_jid": {jid}}
	if page.Limit > 0 { // there is no offset: everything up to the page's end
		query.Set("limit", strconv.Itoa(max(page.Offset, 0)+page.Limit))
	}
	a, err := session(ctx, c, token, http.MethodGet, []string{"chat", "history"}, query, nil)
	switch {
	case isNoRoute(err):
		return nil, off
	case err != nil:
		if isStatus(err, http.StatusNotImplemented) {
			if c.Link.WebhookSecret != "" {
				if err := sign(ctx, c, token); err != nil {
					return nil, err
				}
			}
			return nil, off
		}
		return nil, err
	}
	var kept []historyMessage // null when there are none
	if err := a.read(&kept); err != nil {
		return nil, err
	}
	messages := make([]waserver.ChatMessage, 0, len(kept))
	for _, m := range kept {
		if m.ChatJID == jid || message.CanonicalJID(m.ChatJID) == jid {
			messages = append(messages, m.message())
		}
	}
	return paged(messages, page), nil
}

// historyMessage is a message as the server keeps it.
type historyMessage struct {
	ChatJID   string          `json:"chat_jid"`
	SenderJID string          `json:"sender_jid"` // "me" for what was sent by the API
	MessageID string          `json:"message_id"`
	Timestamp json.RawMessage `json:"timestamp"`
	Type      string          `json:"message_type"`
	Text      string          `json:"text_content"`
	Media     string          `json:"media_link"`
	Quoted    string          `json:"quoted_message_id"`
	Event     string          `json:"data_json"` // the webhook's event, of received ones
}

func (h *historyMessage) message() waserver.ChatMessage {
	m := waserver.ChatMessage{
		ID: h.MessageID, ChatJID: message.CanonicalJID(h.ChatJID),
		Type: h.Type, Body: h.Text, MediaURL: h.Media, ReplyTo: h.Quoted, At: readTime(h.Timestamp),
	}
	if h.Text == ":"+h.Type+":" { // what it writes for media without a caption
		m.Body = ""
	}
	if h.SenderJID == "me" {
		m.FromMe = true
	} else {
		m.SenderJID = message.CanonicalJID(h.SenderJID)
	}
	// Whether it was written on the account's own phone, only the event knows.
	var e messageEvent
	if h.Event != "" && json.Unmarshal([]byte(h.Event), &e) == nil {
		m.FromMe = m.FromMe || e.Info.IsFromMe
		m.PushName = e.Info.PushName
		if at := readTime(e.Info.Timestamp); !at.IsZero() {
			m.At = at
		}
		if content := e.Message.read(); content.kind != "" {
			m.MediaType, m.Filename = content.mimeType, content.filename
			if m.MediaURL == "" {
				m.MediaURL = content.url
			}
		}
	}
	return m
}

// MarkRead implements waserver.Translator. The names are those of all generations.
func (t Translator) MarkRead(ctx context.Context, c *waserver.Client, mark *waserver.ReadMark) error {
	body := map[string]any{"Id": mark.Messages, "ChatPhone": mark.Chat.JID(), "Chat": mark.Chat.JID()}
	if !mark.Chat.IsPerson() && mark.Sender.User != "" {
		body["SenderPhone"], body["Sender"] = mark.Sender.JID(), mark.Sender.JID()
	}
	if mark.Chat.IsGroup() && mark.Sender.User == "" {
		return &waserver.UnsupportedError{Reason: "wuzapi marks messages of a group only when it is told who wrote them"}
	}
	token, err := token(ctx, c)
	if err != nil {
		return err
	}
	_, err = session(ctx, c, token, http.MethodPost, []string{"chat", "markread"}, nil, body)
	// The server does not say why it could not; mostly the session is not connected.
	if e, is := errors.AsType[*waserver.ServerError](err); is && e.Status == http.StatusInternalServerError && e.Kind == waserver.KindUnknown {
		s, serr := readStatus(ctx, c, token)
		if says(serr, "no session") || serr == nil && (!s.Connected || !s.LoggedIn) {
			e.Kind = waserver.KindNotConnected
		}
	}
	return err
}
