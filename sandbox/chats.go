package sandbox

import (
	"cmp"
	"fmt"
	"hash/fnv"
	"slices"
	"strconv"
	"time"
)

const (
	contactCount = 5
	greeters     = 3 // of the contacts have written first
	defaultPage  = 50
	textKind     = "text"
)

// base is four digits that belong to a session. Its own number and its contacts' are built on
// them; they end in nothing that the sandbox gives a meaning to (0000, 0001, 0002).
func (x *session) base() int {
	h := fnv.New32a()
	_, _ = fmt.Fprintf(h, "%q %q", x.key.user, x.key.session)
	return 1010 + int(h.Sum32()%898)*10
}

// Numbers begin with 62 800, Indonesia's free-phone prefix, so that they are no person's.
func (x *session) ownNumber() string { return fmt.Sprintf("628000001%04d", x.base()) }

// contact is the n-th of a session's contacts, from 1.
func (x *session) contact(n int) string { return fmt.Sprintf("628000000%04d", x.base()+n) }

// onConnected is onSession for what needs WhatsApp.
func (s *Sandbox) onConnected(c *call, do func(*session) (*reply, error)) (*reply, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	x, err := s.connected(c, c.id)
	if err != nil {
		return nil, err
	}
	return do(x)
}

func (s *Sandbox) listContacts(c *call) (*reply, error) {
	return s.onConnected(c, func(x *session) (*reply, error) {
		list := make([]map[string]any, contactCount)
		for i := range list {
			number := x.contact(i + 1)
			list[i] = map[string]any{"id": chatOf(number), "name": "Contact " + strconv.Itoa(i+1), "phone": number}
		}
		return answered(map[string]any{"contacts": list, "total": len(list)})
	})
}

// entry is a message of a chat as answers show it.
type entry struct {
	ID        string `json:"message_id"`
	Chat      string `json:"chat_id"`
	FromMe    bool   `json:"from_me"`
	Type      string `json:"type"`
	Text      string `json:"text"`
	Status    string `json:"status"`
	Timestamp string `json:"timestamp"`
	at        time.Time
}

// history is all messages of a session that are remembered, oldest first: what contacts wrote
// before it was made, then what was sent.
func (s *Sandbox) history(x *session, now time.Time) []entry {
	all := make([]entry, 0, greeters+len(x.messages))
	for n := 1; n <= greeters; n++ {
		at := x.created.Truncate(time.Minute).Add(time.Duration(n-greeters-1) * time.Hour)
		all = append(all, entry{
			ID: fmt.Sprintf("SANDBOX%04d%d", x.base(), n), Chat: chatOf(x.contact(n)), Type: textKind,
			Text: fmt.Sprintf("Hello, this is Contact %d.", n), Status: "received", at: at,
		})
	}
	for _, m := range x.messages {
		all = append(all, entry{
			ID: m.id, Chat: chatOf(m.to), FromMe: true, Type: m.kind,
			Text: m.text, Status: s.course(m.to).at(now.Sub(m.at)), at: m.at,
		})
	}
	for i := range all {
		all[i].Timestamp = stamp(all[i].at)
	}
	return all
}

// unread tells whether a chat holds what its contact wrote and nobody marked as read.
func (x *session) unread(chat string) int {
	for n := 1; n <= greeters; n++ {
		if chatOf(x.contact(n)) == chat && !x.seen[chat] {
			return 1
		}
	}
	return 0
}

// title is a contact's name, or the number of a stranger.
func (x *session) title(chat string) string {
	for n := 1; n <= contactCount; n++ {
		if chatOf(x.contact(n)) == chat {
			return "Contact " + strconv.Itoa(n)
		}
	}
	return chat
}

// listChats shows every chat with a message, the latest first.
func (s *Sandbox) listChats(c *call) (*reply, error) {
	return s.onConnected(c, func(x *session) (*reply, error) {
		last := make(map[string]entry)
		for _, e := range s.history(x, c.now) {
			last[e.Chat] = e
		}
		entries := make([]entry, 0, len(last))
		for _, e := range last {
			entries = append(entries, e)
		}
		slices.SortFunc(entries, func(a, b entry) int { return cmp.Or(b.at.Compare(a.at), cmp.Compare(a.Chat, b.Chat)) })
		list := make([]map[string]any, len(entries))
		for i, e := range entries {
			list[i] = map[string]any{
				"chat_id": e.Chat, "name": x.title(e.Chat), "unread_count": x.unread(e.Chat), "last_message": e,
			}
		}
		return answered(map[string]any{"chats": list, "total": len(list)})
	})
}

// listMessages shows the messages of a chat, the latest first, at most ?limit= of them. A chat
// in which nothing was written is empty, not unknown.
func (s *Sandbox) listMessages(c *call) (*reply, error) {
	chat, err := chatID("The chat in the path", c.chat)
	if err != nil {
		return nil, err
	}
	limit := defaultPage
	if text := c.r.URL.Query().Get("limit"); text != "" {
		if limit, err = strconv.Atoi(text); err != nil || limit < 1 || limit > maxSessionMessages {
			return nil, invalid("limit must be a number from 1 to %d", maxSessionMessages)
		}
	}
	return s.onConnected(c, func(x *session) (*reply, error) {
		list := slices.DeleteFunc(s.history(x, c.now), func(e entry) bool { return e.Chat != chat })
		slices.Reverse(list)
		list = list[:min(limit, len(list))]
		return answered(map[string]any{"chat_id": chat, "messages": list, "total": len(list)})
	})
}

// markRead marks what a contact wrote as read.
func (s *Sandbox) markRead(c *call) (*reply, error) {
	b, err := readBody(c.r)
	if err != nil {
		return nil, err
	}
	if b.fields["chat_id"] == nil {
		return nil, missing("chat_id", "the chat whose messages are read")
	}
	chat, err := chatID("chat_id", b.fields["chat_id"])
	if err != nil {
		return nil, err
	}
	return s.onConnected(c, func(x *session) (*reply, error) {
		marked := x.unread(chat)
		if marked > 0 {
			if x.seen == nil {
				x.seen = make(map[string]bool, greeters)
			}
			x.seen[chat] = true
		}
		return answered(map[string]any{"chat_id": chat, "marked": marked})
	})
}

func chatID(name string, v any) (string, error) {
	to, err := recipient(name, v)
	return chatOf(to), err
}
