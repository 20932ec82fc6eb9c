package sandbox

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// contacts is one object, by JID.
func (s *wuzapi) contacts(_ *http.Request, x *line) *said {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settle(x, false)
	if !user(x).client {
		return s.fail(500, "no session")
	}
	all := map[string]any{}
	for _, jid := range x.contacts() {
		name := x.title(jid)
		all[jid] = map[string]any{
			"Found": true, "FirstName": name, "FullName": name, "PushName": name, "BusinessName": "", "RedactedPhone": "",
		}
	}
	return s.ok(all)
}

func (s *wuzapi) checkUser(r *http.Request, x *line) *said {
	var b struct{ Phone []string }
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settle(x, false)
	if !user(x).client {
		return s.fail(500, "no session")
	}
	if !s.read(r, &b) {
		return s.fail(400, "could not decode Payload")
	}
	if len(b.Phone) == 0 {
		return s.fail(400, "missing Phone in Payload")
	}
	if x.phase != phaseConnected {
		return s.fail(500, "failed to check if users are on WhatsApp: websocket not connected")
	}
	users := []any{}
	for _, phone := range b.Phone[:min(len(b.Phone), maxRecipients)] {
		to, ok := wuzapiTo(phone)
		users = append(users, map[string]any{
			"Query": phone, "IsInWhatsapp": ok && onWhatsApp(to), "JID": chatOf(to), "VerifiedName": "",
		})
	}
	return s.ok(map[string]any{"Users": users})
}

// onWhatsApp tells whether a recipient is one that messages reach at all.
func onWhatsApp(to string) bool {
	user, server, isJID := strings.Cut(to, "@")
	return (isJID && server != "s.whatsapp.net") || (allDigits(user) && len(user) >= minDigits && suffix(to) != "0008")
}

// chatHistory shows a chat; or, asked for "index", the chats of all users, whoever asks.
func (s *wuzapi) chatHistory(r *http.Request, x *line) *said {
	s.mu.Lock()
	defer s.mu.Unlock()
	if user(x).history == 0 {
		return s.fail(501, "message history is disabled for this user")
	}
	chat := r.URL.Query().Get("chat_jid")
	if chat == "" {
		return s.fail(400, "chat_jid is required")
	}
	if chat == "index" {
		index := map[string][]any{}
		for _, other := range s.all() {
			for _, last := range other.chats() {
				index[other.id] = append(index[other.id], map[string]any{
					"chat_jid": last.chat, "last_updated": last.at.Format(time.RFC3339Nano),
				})
			}
		}
		return s.ok(index)
	}
	limit := defaultPage
	if text := r.URL.Query().Get("limit"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil {
			return s.fail(400, "invalid limit")
		}
		limit = max(n, 0)
	}
	var list []any
	records := x.in(chat)
	for _, m := range records[:min(limit, user(x).history, len(records))] {
		sender, link := m.sender, ""
		if m.mine() {
			sender = "me"
		}
		if m.file != nil {
			link = m.file.URL
		}
		list = append(list, map[string]any{
			"id": len(records) - len(list), "user_id": x.id, "chat_jid": m.chat, "sender_jid": sender, "message_id": m.id,
			"timestamp": m.at.Format(time.RFC3339Nano), "message_type": m.kind, "text_content": m.text, "media_link": link,
			"data_json": "",
		})
		if m.reply != "" {
			list[len(list)-1].(map[string]any)["quoted_message_id"] = m.reply
		}
	}
	if list == nil {
		return s.ok(nil)
	}
	return s.ok(list)
}

func (s *wuzapi) markRead(r *http.Request, x *line) *said {
	var b struct {
		ID                     []string `json:"Id"`
		Chat, Sender           string
		ChatPhone, SenderPhone string
	}
	s.mu.Lock()
	client := user(x).client
	s.mu.Unlock()
	if !client {
		return s.fail(500, "no session")
	}
	if !s.read(r, &b) {
		return s.fail(400, "could not decode Payload")
	}
	if s.old {
		b.ChatPhone, b.SenderPhone = "", ""
	}
	if b.ChatPhone == "" {
		b.ChatPhone = b.Chat
	}
	if _, ok := wuzapiTo(b.ChatPhone); b.ChatPhone == "" || !ok {
		return s.fail(400, "missing ChatPhone in Payload")
	}
	if len(b.ID) == 0 {
		return s.fail(400, "missing Id in Payload")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range b.ID {
		if m := x.find(id); m != nil {
			m.seen = true
		}
	}
	return s.ok(map[string]any{"Details": "Message(s) marked as read"})
}
