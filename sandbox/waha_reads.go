package sandbox

import (
	"net/http"
)

func (s *waha) newID(a *wahaAsk) *said {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, fault := s.until(a, a.session(), "WORKING"); fault != nil {
		return fault
	}
	return says(200, map[string]any{"id": newMessageID()})
}

// onStore is a call that reads what the engine has stored, which NOWEB does only where its config says so.
func (s *waha) onStore(a *wahaAsk, do func(*line) *said) *said {
	s.mu.Lock()
	defer s.mu.Unlock()
	x, fault := s.until(a, a.session(), "WORKING")
	if fault != nil {
		return fault
	}
	config := wahaOf(x).config
	if s.engine == "NOWEB" && (config == nil || config.Noweb == nil || config.Noweb.Store == nil || !config.Noweb.Store.Enabled) {
		return s.fail(400, "Bad Request", "Enable NOWEB store \"config.noweb.store.enabled=True\" and \"config.noweb.store.full_sync=True\" when starting a new session.")
	}
	return do(x)
}

// page cuts a list by the query's limit and offset.
func page(r *http.Request, list []any) []any {
	q := r.URL.Query()
	offset := within(q.Get("offset"), 0, 0, len(list))
	return append([]any{}, list[offset:min(offset+within(q.Get("limit"), 100, 0, 1000), len(list))]...)
}

func (s *waha) contacts(a *wahaAsk) *said {
	return s.onStore(a, func(x *line) *said {
		var list []any
		for _, jid := range x.contacts() {
			name := x.title(jid)
			number, _, _ := cutJID(jid)
			list = append(list, map[string]any{
				"id": wahaChat(jid), "number": number, "name": name, "pushname": name, "shortName": name, "isMe": false,
				"isGroup": false, "isWAContact": true, "isMyContact": true, "isBlocked": false,
			})
		}
		return says(200, page(a.r, list))
	})
}

func (s *waha) checkExists(a *wahaAsk) *said {
	return s.onStoreless(a, func() *said {
		to, ok := wahaTo(a.r.URL.Query().Get("phone"))
		if !ok || !onWhatsApp(to) {
			return says(200, map[string]any{"numberExists": false})
		}
		return says(200, map[string]any{"numberExists": true, "chatId": wahaChat(chatOf(to)), "pn": wahaChat(chatOf(to))})
	})
}

func (s *waha) onStoreless(a *wahaAsk, do func() *said) *said {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, fault := s.until(a, a.session(), "WORKING"); fault != nil {
		return fault
	}
	return do()
}

func (s *waha) chats(a *wahaAsk) *said {
	return s.onStore(a, func(x *line) *said {
		var list []any
		for _, last := range x.chats() {
			list = append(list, map[string]any{
				"id": wahaChat(last.chat), "name": x.title(last.chat), "picture": nil, "lastMessage": s.message(x, last), "_chat": map[string]any{},
			})
		}
		return says(200, page(a.r, list))
	})
}

// messages shows a chat's, or with "all" those of every chat of the session.
func (s *waha) messages(a *wahaAsk) *said {
	return s.onStore(a, func(x *line) *said {
		var list []any
		chat := a.r.PathValue("chat")
		to, ok := wahaTo(chat)
		if !ok && chat != "all" {
			return s.broken(a, 500, "Invalid chatId")
		}
		for i := len(x.records) - 1; i >= 0; i-- {
			m := x.records[i]
			fromMe := a.r.URL.Query().Get("filter.fromMe")
			if (chat == "all" || m.chat == chatOf(to)) && (fromMe == "" || (fromMe == "true") == m.mine()) {
				list = append(list, s.message(x, m))
			}
		}
		return says(200, page(a.r, list))
	})
}

func (s *waha) readChat(a *wahaAsk) *said {
	return s.onStore(a, func(x *line) *said {
		ids := []string{}
		to, _ := wahaTo(a.r.PathValue("chat"))
		for _, m := range x.in(chatOf(to)) {
			if !m.mine() && !m.seen {
				m.seen = true
				ids = append(ids, longID(m))
			}
		}
		return says(201, map[string]any{"ids": ids})
	})
}

// file gives out a medium to everybody with a key, whoever's session it came to.
func (s *waha) file(a *wahaAsk) *said {
	s.mu.Lock()
	defer s.mu.Unlock()
	f, ok := s.stored[a.r.PathValue("file")]
	if !ok {
		return says(404, map[string]any{"error": map[string]any{"code": 404, "key": "FILE_NOT_FOUND", "message": "File not found"}})
	}
	return &said{status: 200, kind: f.kind, raw: f.data}
}
