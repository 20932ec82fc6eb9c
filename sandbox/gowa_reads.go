package sandbox

import (
	"net/http"
	"slices"
	"strings"
	"time"
)

// onReady is a call that needs WhatsApp.
func (s *gowa) onReady(x *line, do func() *said) *said {
	s.mu.Lock()
	defer s.mu.Unlock()
	if fault := s.ready(x); fault != nil {
		return fault
	}
	return do()
}

func (s *gowa) contacts(_ *http.Request, x *line) *said {
	return s.onReady(x, func() *said {
		var list []any
		for _, jid := range x.contacts() {
			list = append(list, map[string]any{"jid": jid, "name": x.title(jid)})
		}
		return s.ok("Success get list contacts", map[string]any{"data": list})
	})
}

func (s *gowa) check(r *http.Request, x *line) *said {
	return s.onReady(x, func() *said {
		to, ok := gowaTo(r.URL.Query().Get("phone"))
		if !ok {
			return s.invalid("phone: cannot be blank.")
		}
		return s.ok("Success check user", map[string]any{"is_on_whatsapp": onWhatsApp(to)})
	})
}

// page cuts a list by limit and offset, which must be sound.
func (s *gowa) page(r *http.Request, list []any, def int) (any, map[string]any, *said) {
	limit := within(r.URL.Query().Get("limit"), def, -1, 1000)
	offset := within(r.URL.Query().Get("offset"), 0, -1, maxMessages)
	if limit < 1 || limit > 100 {
		return nil, nil, s.invalid("limit: must be between 1 and 100.")
	}
	if offset < 0 {
		return nil, nil, s.invalid("offset: must be no less than 0.")
	}
	total := len(list)
	list = list[min(offset, total):min(offset+limit, total)]
	return append([]any{}, list...), map[string]any{"limit": limit, "offset": offset, "total": total}, nil
}

func (s *gowa) chatInfo(x *line, last *record) map[string]any {
	return map[string]any{
		"jid": last.chat, "name": x.title(last.chat), "last_message_time": last.at.Format(time.RFC3339), "ephemeral_expiration": 0,
		"created_at": x.created.Format(time.RFC3339), "updated_at": last.at.Format(time.RFC3339), "archived": false,
	}
}

func (s *gowa) chats(r *http.Request, x *line) *said {
	return s.onReady(x, func() *said {
		search := strings.ToLower(r.URL.Query().Get("search"))
		list := []any{}
		for _, last := range x.chats() {
			info := s.chatInfo(x, last)
			if strings.Contains(strings.ToLower(last.chat+x.title(last.chat)), search) {
				list = append(list, info)
			}
		}
		data, pagination, fault := s.page(r, list, 25)
		if fault != nil {
			return fault
		}
		return s.ok("Success get chat list", map[string]any{"data": data, "pagination": pagination})
	})
}

func (s *gowa) messages(r *http.Request, x *line) *said {
	return s.onReady(x, func() *said {
		chat, query := r.PathValue("chat"), r.URL.Query()
		if !strings.Contains(chat, "@") {
			return s.invalid("chat_jid: must be a valid JID.")
		}
		list := []any{}
		records := x.in(chat)
		for _, m := range records {
			sender, media, name, size := m.sender, "", "", int64(0)
			if m.mine() {
				sender = x.jid()
			}
			if m.file != nil {
				media, name, size = m.kind, m.file.Name, m.file.Size
			}
			if query.Get("is_from_me") == "true" && !m.mine() || query.Get("is_from_me") == "false" && m.mine() ||
				query.Get("media_only") == "true" && m.file == nil || !strings.Contains(m.text, query.Get("search")) {
				continue
			}
			at := m.at.Format(time.RFC3339)
			list = append(list, map[string]any{
				"id": m.id, "chat_jid": m.chat, "sender_jid": sender, "sender_display_name": m.name, "content": m.text, "timestamp": at,
				"is_from_me": m.mine(), "media_type": media, "filename": name, "url": "", "file_length": size,
				"created_at": at, "updated_at": at,
			})
		}
		data, pagination, fault := s.page(r, list, defaultPage)
		if fault != nil {
			return fault
		}
		info := map[string]any{}
		if len(records) > 0 {
			info = s.chatInfo(x, records[0])
		}
		return s.ok("Success get chat messages", map[string]any{"data": data, "pagination": pagination, "chat_info": info})
	})
}

// read marks one message as read.
func (s *gowa) read(r *http.Request, x *line) *said {
	b, err := readGowa(r)
	if err != nil {
		return s.internal(plain(err))
	}
	if fault := blank("phone", b.Phone); fault != "" {
		return s.invalid(fault)
	}
	return s.onReady(x, func() *said {
		id := r.PathValue("message")
		if m := x.find(id); m != nil {
			m.seen = true
		}
		return s.ok("Mark as read success", map[string]any{"message_id": id, "status": "Mark as read success " + cut(id, maxIDBytes)})
	})
}

// hears tells whether a device's webhook takes an event: an empty list takes all.
func (h *gowaHook) hears(event string) bool {
	if strings.TrimSpace(h.Events) == "" {
		return true
	}
	return slices.ContainsFunc(strings.Split(h.Events, ","), func(name string) bool { return strings.TrimSpace(name) == event })
}
