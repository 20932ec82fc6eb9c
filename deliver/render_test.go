package deliver_test

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/genfity/wa-gateway/deliver"
	"github.com/genfity/wa-gateway/waserver"
)

var (
	noon    = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	jakarta = time.FixedZone("WIB", 7*60*60)
)

func text(id string) *waserver.ChatMessage {
	return &waserver.ChatMessage{
		ID: id, ChatJID: "628111@s.whatsapp.net", SenderJID: "628111@s.whatsapp.net", Type: "text", Body: "Halo <b>",
		PushName: "Budi", At: noon.In(jakarta),
	}
}

// every is one update of each kind.
func every() []waserver.Update {
	sent := text("M2")
	sent.FromMe = true
	image := text("M3")
	image.Type, image.MediaType, image.Filename, image.ReplyTo, image.MediaURL = "image", "image/png", "a.png", "M1", "https://mmg.whatsapp.net/secret"
	return []waserver.Update{
		{At: noon, Message: text("M1")},
		{At: noon, Message: sent},
		{At: noon, Message: image},
		{At: noon, Receipt: &waserver.Receipt{IDs: []string{"M2", "M4"}, ChatJID: "628111@s.whatsapp.net", Status: "read"}},
		{At: noon, Receipt: &waserver.Receipt{IDs: []string{"M5"}, Status: "failed", Error: "not on WhatsApp"}},
		{At: noon, Edited: text("M1")},
		{At: noon, Revoked: &waserver.MessageRef{ID: "M1", ChatJID: "628111@s.whatsapp.net"}},
		{At: noon, State: &waserver.SessionState{State: waserver.StateConnected, JID: "628999@s.whatsapp.net", Name: "Toko"}},
		{At: noon, QR: &waserver.QR{Text: "2@abc", Expires: noon.Add(20 * time.Second)}},
		{At: noon, Contact: &waserver.Contact{JID: "628111@s.whatsapp.net", Name: "Pak Budi", PushName: "Budi"}},
		{At: noon, Chat: &waserver.Chat{JID: "120363@g.us", Name: "Keluarga", IsGroup: true, Unread: 2, LastMessageAt: noon}},
	}
}

func TestRender(t *testing.T) {
	t.Parallel()
	want := []struct{ kind, data string }{
		{"message.received", `{"message_id":"M1","chat_id":"628111@s.whatsapp.net","sender":"628111@s.whatsapp.net","from_me":false,"push_name":"Budi","type":"text","text":"Halo <b>","timestamp":"2026-03-01T12:00:00Z"}`},
		{"message.sent", `{"message_id":"M2","chat_id":"628111@s.whatsapp.net","sender":"628111@s.whatsapp.net","from_me":true,"push_name":"Budi","type":"text","text":"Halo <b>","timestamp":"2026-03-01T12:00:00Z"}`},
		{"message.received", `{"message_id":"M3","chat_id":"628111@s.whatsapp.net","sender":"628111@s.whatsapp.net","from_me":false,"push_name":"Budi","type":"image","text":"Halo <b>","media_type":"image/png","filename":"a.png","reply_to":"M1","timestamp":"2026-03-01T12:00:00Z"}`},
		{"message.status", `{"message_id":"M2","chat_id":"628111@s.whatsapp.net","status":"read"}`},
		{"message.status", `{"message_id":"M4","chat_id":"628111@s.whatsapp.net","status":"read"}`},
		{"message.status", `{"message_id":"M5","status":"failed","error":"not on WhatsApp"}`},
		{"message.edited", `{"message_id":"M1","chat_id":"628111@s.whatsapp.net","sender":"628111@s.whatsapp.net","from_me":false,"push_name":"Budi","type":"text","text":"Halo <b>","timestamp":"2026-03-01T12:00:00Z"}`},
		{"message.revoked", `{"message_id":"M1","chat_id":"628111@s.whatsapp.net"}`},
		{"session.status", `{"status":"connected","connected":true,"logged_in":true,"jid":"628999@s.whatsapp.net","name":"Toko"}`},
		{"session.qr", ""},
		{"contact.updated", `{"id":"628111@s.whatsapp.net","name":"Pak Budi","push_name":"Budi","phone":"628111"}`},
		{"chat.updated", `{"chat_id":"120363@g.us","name":"Keluarga","is_group":true,"unread_count":2,"last_message_at":"2026-03-01T12:00:00Z"}`},
	}
	list := deliver.Deliveries("s1", every())
	if len(list) != len(want) {
		t.Fatalf("%d events, want %d", len(list), len(want))
	}
	seen := map[string]bool{}
	for i, w := range want {
		d := list[i]
		prefix := `{"type":"` + w.kind + `","timestamp":"2026-03-01T12:00:00Z","session_id":"s1","data":`
		if w.data != "" && string(d.Body) != prefix+w.data+"}" || !strings.HasPrefix(string(d.Body), prefix) {
			t.Errorf("event %d:\n got %s\nwant %s%s}", i, d.Body, prefix, w.data)
		}
		if d.SessionID != "s1" || len(d.EventID) != 44 || seen[d.EventID] {
			t.Errorf("event %d has the id %q of session %q", i, d.EventID, d.SessionID)
		}
		if (d.State == "connected") != (w.kind == "session.status") {
			t.Errorf("event %d has the state %q", i, d.State)
		}
		seen[d.EventID] = true
		if bytes.Contains(d.Body, []byte("mmg.whatsapp.net")) {
			t.Errorf("event %d tells a reference of the server's", i)
		}
	}
	var qr struct {
		Data struct {
			Status, Code, QR string
			ExpiresAt        time.Time `json:"expires_at"`
		}
	}
	if err := json.Unmarshal(list[9].Body, &qr); err != nil || qr.Data.Status != "qr" || qr.Data.Code != "2@abc" ||
		!strings.HasPrefix(qr.Data.QR, "data:image/png;base64,iVBOR") || !qr.Data.ExpiresAt.Equal(noon.Add(20*time.Second)) {
		t.Errorf("got %s, %v", list[9].Body, err)
	}
}

// What is told again is the same event, whatever a server adds to it; what is another
// event has another id.
func TestEventIDs(t *testing.T) {
	t.Parallel()
	id := func(u waserver.Update) string {
		t.Helper()
		list := deliver.Render("s1", &u)
		if len(list) != 1 {
			t.Fatalf("%d events", len(list))
		}
		return list[0].ID
	}
	later := noon.Add(time.Hour)
	more := text("M1")
	more.PushName, more.At = "", later
	if id(waserver.Update{At: noon, Message: text("M1")}) != id(waserver.Update{At: later, Message: more}) {
		t.Error("a message that is told twice is two events")
	}
	receipt := func(at time.Time, ids ...string) waserver.Update {
		return waserver.Update{At: at, Receipt: &waserver.Receipt{IDs: ids, Status: "read"}}
	}
	both := receipt(noon, "M0", "M1")
	if got := deliver.Render("s1", &both); got[1].ID != id(receipt(later, "M1")) || got[0].ID == got[1].ID {
		t.Error("a receipt depends on those that come with it")
	}
	edit := func(at time.Time, body string) waserver.Update {
		m := text("M1")
		m.Body = body
		return waserver.Update{At: at, Edited: m}
	}
	state := func(at time.Time, s waserver.State) waserver.Update {
		return waserver.Update{At: at, State: &waserver.SessionState{State: s}}
	}
	for _, pair := range [][2]waserver.Update{
		{edit(noon, "a"), edit(later, "a")}, {edit(noon, "a"), edit(noon, "b")},
		{state(noon, "qr"), state(later, "qr")}, {state(noon, "qr"), state(noon, "failed")},
	} {
		if id(pair[0]) == id(pair[1]) {
			t.Errorf("one id for two events: %+v", pair)
		}
	}
	other := deliver.Render("s2", &both)
	if other[0].ID == deliver.Render("s1", &both)[0].ID {
		t.Error("two sessions have the same event")
	}
}

func TestNothingToTell(t *testing.T) {
	t.Parallel()
	for _, u := range []waserver.Update{
		{}, {Message: &waserver.ChatMessage{}}, {Message: &waserver.ChatMessage{ID: "a\x00", ChatJID: "c"}},
		{Edited: &waserver.ChatMessage{ID: "a"}}, {Revoked: &waserver.MessageRef{ID: "a"}},
		{Receipt: &waserver.Receipt{IDs: []string{"a"}, Status: "played"}}, {Receipt: &waserver.Receipt{IDs: []string{""}, Status: "read"}},
		{State: &waserver.SessionState{}}, {QR: &waserver.QR{}}, {Contact: &waserver.Contact{}},
		{Chat: &waserver.Chat{JID: strings.Repeat("1", 300)}},
	} {
		if list := deliver.Render("s1", &u); len(list) != 0 {
			t.Errorf("%+v: %s", u, list[0].Body)
		}
	}
	if list := deliver.Render("", &every()[0]); len(list) != 0 {
		t.Error("an event of no session")
	}
}

// FuzzRender: it is a pure function, whose bodies are bounded JSON that databases can
// keep and whose ids can be signed.
func FuzzRender(f *testing.F) {
	f.Add("s1", "M1", "628111@s.whatsapp.net", "Halo", "read", int64(1_700_000_000), byte(0))
	f.Add("s\xff", "\x00", strings.Repeat("a", 300), strings.Repeat("é", 40_000), "failed", int64(-1<<62), byte(3))
	for kind := range byte(9) {
		f.Add("s1", "M1", "1@g.us", "\ud7ff\U0010ffff<>&", "sent", int64(1<<60), kind)
	}
	f.Fuzz(func(t *testing.T, session, id, chat, body, word string, at int64, kind byte) {
		when := time.Unix(at, 1)
		update := func() *waserver.Update {
			m := &waserver.ChatMessage{ID: id, ChatJID: chat, SenderJID: chat, Body: body, Type: word, Filename: body, At: when}
			u := &waserver.Update{At: when}
			switch kind % 9 {
			case 0:
				u.Message = m
			case 1:
				u.Edited = m
			case 2:
				u.Revoked = &waserver.MessageRef{ID: id, ChatJID: chat}
			case 3:
				u.Receipt = &waserver.Receipt{IDs: []string{id, chat}, ChatJID: chat, Status: word, Error: body}
			case 4:
				u.State = &waserver.SessionState{State: waserver.State(word), JID: chat, Name: body}
			case 5:
				u.QR = &waserver.QR{Text: body, Expires: when}
			case 6:
				u.QR = &waserver.QR{PNG: []byte(body)}
			case 7:
				u.Contact = &waserver.Contact{JID: chat, Name: body, PushName: word}
			default:
				u.Chat = &waserver.Chat{JID: chat, Name: body, LastMessageAt: when}
			}
			return u
		}
		u := update()
		list := deliver.Render(session, u)
		if !reflect.DeepEqual(u, update()) {
			t.Fatal("the update was changed")
		}
		if again := deliver.Render(session, update()); !reflect.DeepEqual(list, again) {
			t.Fatalf("%s\nthen\n%s", list, again)
		}
		for _, e := range list {
			if !json.Valid(e.Body) || len(e.Body) > 512<<10 || bytes.Contains(e.Body, []byte("\x00")) || len(e.ID) != 44 {
				t.Fatalf("%d bytes: %q", len(e.Body), e.Body)
			}
		}
	})
}
