package sandbox

import (
	"encoding/json"
	"strings"
)

// where is a filter of a body, or nothing.
func (a *evolutionAsk) where() map[string]any {
	where, _ := a.body["where"].(map[string]any)
	return where
}

// number reads a whole number of a body.
func (a *evolutionAsk) number(name string) int {
	n, ok := a.body[name].(json.Number)
	if !ok {
		return 0
	}
	i, err := n.Int64()
	if err != nil {
		return 0
	}
	return int(min(max(i, 0), maxMessages))
}

// cutPage cuts a list by skip and take; no take is all.
func cutPage(list []any, skip, take int) []any {
	list = list[min(skip, len(list)):]
	if take > 0 {
		list = list[:min(take, len(list))]
	}
	return append([]any{}, list...)
}

func (s *evolution) contacts(a *evolutionAsk) *said {
	return s.on(a, "fetchContacts", func(x *line) *said {
		wanted, _ := a.where()["remoteJid"].(string)
		var list []any
		for _, jid := range x.contacts() {
			if wanted != "" && evolutionJID(wanted) != jid {
				continue
			}
			list = append(list, map[string]any{
				"id": "c" + x.id + jid, "remoteJid": jid, "pushName": x.title(jid), "profilePicUrl": nil, "createdAt": stamp(x.created),
				"updatedAt": stamp(x.created), "instanceId": instanceOf(x).uuid, "isGroup": false, "isSaved": true, "type": "contact",
			})
		}
		size := a.number("offset") // there it means the size of a page
		return says(200, cutPage(list, size*(max(a.number("page"), 1)-1), size))
	})
}

func (s *evolution) chats(a *evolutionAsk) *said {
	return s.on(a, "fetchChats", func(x *line) *said {
		wanted, _ := a.where()["remoteJid"].(string)
		var list []any
		for _, last := range x.chats() {
			if wanted != "" && evolutionJID(wanted) != last.chat {
				continue
			}
			unread := 0
			for _, m := range x.in(last.chat) {
				if !m.mine() && !m.seen {
					unread++
				}
			}
			list = append(list, map[string]any{
				"id": "c" + x.id + last.chat, "remoteJid": last.chat, "pushName": x.title(last.chat), "profilePicUrl": nil,
				"updatedAt": stamp(last.at), "windowStart": stamp(x.created), "windowExpires": nil, "windowActive": true,
				"lastMessage": s.savedMessage(x, last), "unreadCount": unread, "isSaved": true,
			})
		}
		return says(200, cutPage(list, a.number("skip"), a.number("take")))
	})
}

// savedMessage is a message as the database has it.
func (s *evolution) savedMessage(x *line, r *record) map[string]any {
	m := s.message(x, r, "")
	delete(m, "status")
	m["id"] = "c" + r.id
	updates := []any{}
	if r.mine() {
		for _, st := range r.course {
			if st.after <= s.now().Sub(r.at) {
				updates = append(updates, map[string]any{"status": evolutionStatus(st.status)})
			}
		}
	}
	m["MessageUpdate"] = updates
	return m
}

func (s *evolution) messages(a *evolutionAsk) *said {
	return s.on(a, "fetchMessages", func(x *line) *said {
		key, _ := a.where()["key"].(map[string]any)
		jid, _ := key["remoteJid"].(string)
		id, _ := key["id"].(string)
		var list []any
		for i := len(x.records) - 1; i >= 0; i-- {
			if r := x.records[i]; (jid == "" || r.chat == jid) && (id == "" || r.id == id) {
				list = append(list, s.savedMessage(x, r))
			}
		}
		size, page := a.number("offset"), max(a.number("page"), 1)
		if size == 0 {
			size = defaultPage
		}
		return says(200, map[string]any{"messages": map[string]any{
			"total": len(list), "pages": (len(list) + size - 1) / size, "currentPage": page, "records": cutPage(list, size*(page-1), size),
		}})
	})
}

// markRead acts on people and groups only; other chats are dropped, and it says success all the same.
func (s *evolution) markRead(a *evolutionAsk) *said {
	list, ok := a.body["readMessages"].([]any)
	if !ok || len(list) == 0 {
		return s.bad(`requires property "readMessages"`)
	}
	for _, item := range list {
		key, _ := item.(map[string]any)
		if wrong := append(lacking(key, "id", "fromMe", "remoteJid"), wrongTypes(key, "id", "string", "fromMe", "boolean", "remoteJid", "string")...); wrong != nil {
			return s.bad(wrong...)
		}
	}
	return s.on(a, "markMessageAsRead", func(x *line) *said {
		if x.phase != phaseConnected {
			return s.fail(500, "Internal Server Error", []string{"Read messages fail", "Connection Closed"})
		}
		for _, item := range list {
			key, _ := item.(map[string]any)
			jid, _ := key["remoteJid"].(string)
			id, _ := key["id"].(string)
			if m := x.find(id); m != nil && m.chat == jid && !strings.HasSuffix(jid, "@lid") {
				m.seen = true
			}
		}
		return says(201, map[string]any{"message": "Read messages", "read": "success"})
	})
}

func (s *evolution) numbers(a *evolutionAsk) *said {
	list, ok := a.body["numbers"].([]any)
	if !ok || len(list) == 0 {
		return s.bad("numbers does not meet minimum length of 1")
	}
	return s.on(a, "onWhatsApp", func(x *line) *said {
		if x.phase != phaseConnected {
			return s.fail(500, "Internal Server Error", "Connection Closed")
		}
		found := []any{}
		for _, item := range list[:min(len(list), maxRecipients)] {
			number, isText := item.(string)
			if !isText {
				return s.bad(`"numbers" must be an array of numeric strings`)
			}
			jid := evolutionJID(number)
			user, _, _ := strings.Cut(jid, "@")
			found = append(found, map[string]any{"jid": jid, "exists": onWhatsApp(user) || strings.HasSuffix(jid, "@g.us"), "number": number})
		}
		return says(200, found)
	})
}
