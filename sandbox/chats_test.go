package sandbox

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

func rows(data map[string]any, name string) []map[string]any {
	var all []map[string]any
	for _, x := range data[name].([]any) {
		all = append(all, x.(map[string]any))
	}
	return all
}

func TestContacts(t *testing.T) {
	one, two := newServer(t, Options{}), newServer(t, Options{})
	a := one.do("GET", "/sessions/session123/contacts", "")
	if b := two.do("GET", "/sessions/session123/contacts", ""); string(a.raw) != string(b.raw) {
		t.Error("contacts differ from one sandbox to the next")
	}
	contacts := rows(a.ok(200), "contacts")
	if len(contacts) != contactCount || contacts[0]["name"] != "Contact 1" {
		t.Fatal(contacts)
	}
	if other := one.do("GET", "/sessions/other/contacts", "", sessionHeader, "other"); string(other.raw) == string(a.raw) {
		t.Error("two sessions have the same contacts")
	}
	for i := range 5000 {
		x := &session{key: sessionKey{"u", fmt.Sprint(i)}}
		for n := range contactCount + 1 {
			if number := x.contact(n); len(number) != 13 || strings.HasPrefix(suffix(number), "00") {
				t.Fatal(number)
			}
		}
	}
}

func TestChats(t *testing.T) {
	s := newServer(t, Options{})
	chats := rows(s.do("GET", "/sessions/session123/chats", "").ok(200), "chats")
	if len(chats) != greeters || chats[0]["name"] != "Contact 3" || chats[0]["unread_count"] != 1.0 {
		t.Fatal(chats)
	}
	id := chats[0]["chat_id"].(string)
	if id != chats[0]["last_message"].(map[string]any)["chat_id"] {
		t.Error(chats[0])
	}

	// To read one leaves the others; to read it again marks nothing.
	for i, want := range []float64{1, 0} {
		data := s.do("POST", "/sessions/session123/mark-read", `{"chat_id":"`+id+`","session_id":"session123"}`).ok(200)
		if data["marked"] != want || data["chat_id"] != id {
			t.Error(i, data)
		}
	}
	s.do("POST", "/sessions/session123/mark-read", `{}`).refused(400, "missing_field", "chat_id")
	s.do("POST", "/sessions/session123/mark-read", `{"chat_id":"x"}`).refused(400, "invalid_request", "chat_id")
	s.do("POST", "/sessions/session123/mark-read", `{`).refused(400, "invalid_body", "")
	chats = rows(s.do("GET", "/sessions/session123/chats", "").ok(200), "chats")
	if chats[0]["unread_count"] != 0.0 || chats[1]["unread_count"] != 1.0 {
		t.Error(chats)
	}

	s.clock.Add(time.Hour)
	s.do("POST", "/send-message", `{"to":"628123456789","message":"to a stranger"}`).ok(200)
	s.clock.Add(time.Second)
	s.do("POST", "/send-image", `{"to":"`+id+`","media":"aGk=","caption":"to a contact"}`).ok(200)
	chats = rows(s.do("GET", "/sessions/session123/chats", "").ok(200), "chats")
	if len(chats) != greeters+1 || chats[0]["chat_id"] != id || chats[1]["chat_id"] != "628123456789@s.whatsapp.net" ||
		chats[1]["name"] != chats[1]["chat_id"] || chats[0]["last_message"].(map[string]any)["text"] != "to a contact" {
		t.Error(chats)
	}
}

func TestMessages(t *testing.T) {
	s := newServer(t, Options{})
	var ids []string
	for i := range 60 {
		data := s.do("POST", "/send-message", fmt.Sprintf(`{"to":"628123456789","message":"m%d"}`, i)).ok(200)
		ids = append(ids, data["message_id"].(string))
	}
	slices.Reverse(ids)
	s.do("POST", "/send-message", `{"to":"628123450000","message":"x"}`).ok(200)
	for query, want := range map[string]int{"": 50, "?limit=1": 1, "?limit=200": 60} {
		data := s.do("GET", "/sessions/session123/messages/628123456789"+query, "").ok(200)
		messages := rows(data, "messages")
		if len(messages) != want || messages[0]["message_id"] != ids[0] || messages[want-1]["message_id"] != ids[want-1] ||
			messages[0]["text"] != "m59" || messages[0]["from_me"] != true || messages[0]["type"] != "text" {
			t.Error(query, messages[0], len(messages))
		}
	}
	for _, query := range []string{"?limit=0", "?limit=201", "?limit=x"} {
		s.do("GET", "/sessions/session123/messages/628123456789"+query, "").refused(400, "invalid_request", "limit")
	}
	s.do("GET", "/sessions/session123/messages/x@y", "").refused(400, "invalid_request", "chat")
	if data := s.do("GET", "/sessions/session123/messages/620000000", "").ok(200); data["total"] != 0.0 || data["messages"] == nil {
		t.Error(data)
	}

	// A message's status follows its course by the clock.
	status := func(chat string) any {
		return rows(s.do("GET", "/sessions/session123/messages/"+chat, "").ok(200), "messages")[0]["status"]
	}
	if got := status("628123456789"); got != "sent" {
		t.Error(got)
	}
	s.clock.Add(defaultDelivered)
	if got := []any{status("628123456789"), status("628123450000")}; fmt.Sprint(got) != "[delivered failed]" {
		t.Error(got)
	}
	s.clock.Add(defaultRead)
	if got := status("628123456789"); got != "read" {
		t.Error(got)
	}
}

func TestReadingNeedsAConnection(t *testing.T) {
	s := newServer(t, Options{})
	s.do("POST", "/sessions/session123/stop", "").ok(200)
	for _, path := range []string{"contacts", "chats", "messages/628123456789"} {
		s.do("GET", "/sessions/session123/"+path, "").refused(409, "session_not_connected", "disconnected")
	}
	s.do("POST", "/sessions/session123/mark-read", `{"chat_id":"628123456789"}`).refused(409, "session_not_connected", "")
	s.do("GET", "/sessions/nosuch/chats", "").refused(404, "session_not_found", "")
}
