package sandbox

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"
)

func TestSendRefuses(t *testing.T) {
	const to = `"to":"628123456789"`
	for _, test := range []struct{ path, body, code, mention string }{
		{"message", `{"message":"x"}`, "missing_field", "to is missing"},
		{"message", `{"to":"","message":"x"}`, "missing_field", "to is missing"},
		{"message", `{"to":null,"message":"x"}`, "missing_field", "to is missing"},
		{"message", `{` + to + `}`, "missing_field", "message is missing"},
		{"message", `{` + to + `,"message":"  "}`, "missing_field", "message is missing"},
		{"message", `{` + to + `,"message":{"a":1}}`, "invalid_request", "message must be a text"},
		{"message", `{"to":["628123456789"],"message":"x"}`, "invalid_request", "to must be"},
		{"message", `{"to":"abc","message":"x"}`, "invalid_request", "to must be a phone number"},
		{"message", `{"to":"1234","message":"x"}`, "invalid_request", "5 to 15 digits"},
		{"message", `{"to":"1234567890123456","message":"x"}`, "invalid_request", "5 to 15 digits"},
		{"message", `{"to":6.28e11,"message":"x"}`, "invalid_request", "to must be a phone number"},
		{"message", `{"to":"628123456789@example.com","message":"x"}`, "invalid_request", "not a chat id"},
		{"message", `{"to":"abc@g.us","message":"x"}`, "invalid_request", "not a chat id"},
		{"image", `{` + to + `}`, "missing_field", "media is missing"},
		{"image", `{` + to + `,"media":"not media!"}`, "invalid_request", "media must be"},
		{"image", `{` + to + `,"image":"data:image/png,x"}`, "invalid_request", "image must be a data URL"},
		{"image", `{` + to + `,"media":"data:image/png;base64,***"}`, "invalid_request", "data URL"},
		{"image", `{` + to + `,"media":7}`, "invalid_request", "media must be one file or one text"},
		{"image", `{` + to + `,"media":"aGk=","caption":7}`, "invalid_request", "caption must be a text"},
		{"media", `{` + to + `,"media":"` + strings.Repeat("!", 100_000) + `"}`, "invalid_request", "media must be"},
		{"location", `{` + to + `,"longitude":1}`, "missing_field", "latitude is missing"},
		{"location", `{` + to + `,"latitude":1}`, "missing_field", "longitude is missing"},
		{"location", `{` + to + `,"latitude":"1","longitude":1}`, "invalid_request", "latitude must be a number"},
		{"location", `{` + to + `,"latitude":90.1,"longitude":1}`, "invalid_request", "-90 to 90"},
		{"location", `{` + to + `,"latitude":1,"longitude":181}`, "invalid_request", "-180 to 180"},
		{"location", `{` + to + `,"latitude":1,"longitude":1e999}`, "invalid_request", "longitude"},
		{"contact", `{` + to + `}`, "missing_field", "contact is missing"},
		{"contact", `{` + to + `,"contact":{"name":"Contact 1"}}`, "missing_field", "contact.phone is missing"},
		{"contact", `{` + to + `,"contact":{"name":"Contact 1","phone":"x"}}`, "invalid_request", "phone must be"},
		{"poll", `{` + to + `,"options":["a","b"]}`, "missing_field", "question is missing"},
		{"poll", `{` + to + `,"question":"?"}`, "missing_field", "options is missing"},
		{"poll", `{` + to + `,"question":"?","options":[]}`, "invalid_request", "2 to 12"},
		{"poll", `{` + to + `,"question":"?","options":["a"]}`, "invalid_request", "2 to 12"},
		{"poll", `{` + to + `,"question":"?","options":["a","a"]}`, "invalid_request", "different texts"},
		{"poll", `{` + to + `,"question":"?","options":["a",1]}`, "invalid_request", "different texts"},
		{"poll", `{` + to + `,"poll":{"question":"?","options":["1","2","3","4","5","6","7","8","9","10","11","12","13"]}}`, "invalid_request", "2 to 12"},
		{"list", `{` + to + `,"sections":[]}`, "missing_field", "message is missing"},
		{"list", `{` + to + `,"message":"m"}`, "missing_field", "sections is missing"},
		{"list", `{` + to + `,"message":"m","sections":[{"title":"s"}]}`, "invalid_request", "must have rows"},
		{"list", `{` + to + `,"message":"m","sections":[{"rows":[{"id":"x"}]}]}`, "invalid_request", "title"},
		{"button", `{` + to + `,"buttons":["a"]}`, "missing_field", "message is missing"},
		{"button", `{` + to + `,"message":"m"}`, "missing_field", "buttons is missing"},
		{"button", `{` + to + `,"message":"m","buttons":["1","2","3","4"]}`, "invalid_request", "1 to 3"},
		{"button", `{` + to + `,"message":"m","buttons":[{"id":"x"}]}`, "invalid_request", "title"},
		{"message", `{` + to + `,"message":"m","session_id":"other"}`, "session_mismatch", "two sessions"},
		{"message", `{` + to + `,"message":"m","session_id":["session123"]}`, "invalid_request", "session_id"},
		{"message", `{` + to, "invalid_body", "ends too early"},
		{"message", `{` + to + `]`, "invalid_body", "not valid JSON"},
		{"message", `[1]`, "invalid_body", "one JSON object"},
		{"message", `null`, "invalid_request", "must be a JSON object"},
		{"message", `{` + to + `,"message":"m"}{}`, "invalid_request", "nothing after it"},
	} {
		t.Run(test.path+test.body[:min(len(test.body), 60)], func(t *testing.T) {
			s := newServer(t, Options{})
			s.do("POST", "/send-"+test.path, test.body).refused(400, test.code, test.mention)
			data := s.do("GET", "/sessions/session123/chats", "").ok(200)
			if data["total"] != float64(greeters) {
				t.Errorf("a refused message left a chat: %v", data)
			}
		})
	}
}

func TestRecipients(t *testing.T) {
	s := newServer(t, Options{})
	for given, want := range map[string]string{
		`"628123456789"`:                 "628123456789",
		`628123456789`:                   "628123456789",
		`" +62 812-345 (6789) "`:         "628123456789",
		`"628123456789@s.whatsapp.net"`:  "628123456789",
		`"628123456789@c.us"`:            "628123456789",
		`"628123456789-1600000000@g.us"`: "628123456789-1600000000@g.us",
		`"120363000000000000@g.us"`:      "120363000000000000@g.us",
		`"12345@lid"`:                    "12345@lid",
	} {
		data := s.do("POST", "/send-message", `{"to":`+given+`,"message":"x"}`).ok(200)
		wantSend(t, data, want)
	}
}

func TestSendAsForm(t *testing.T) {
	s := newServer(t, Options{})
	for path, fields := range map[string]url.Values{
		"/send-message":  {"message": {"a & b = c"}},
		"/send-image":    {"media": {"aGVsbG8="}, "caption": {"x"}},
		"/send-location": {"latitude": {"-6.2"}, "longitude": {" 106.8"}},
		"/send-poll":     {"question": {"?"}, "options[]": {"a", "b"}},
		"/send-list":     {"message": {"m"}, "sections": {`[{"rows":["r"]}]`}},
		"/send-button":   {"message": {"m"}, "buttons": {`yes`}},
		"/send-contact":  {"contact": {`{"vcard":"BEGIN:VCARD"}`}},
		"/broadcast":     {"numbers": {"628123456789, 628123456788"}, "message": {"m"}},
	} {
		if path != "/broadcast" {
			fields.Set("to", "628123456789")
		}
		fields.Set("session_id", "session123")
		data := s.do("POST", path, fields.Encode(), "Content-Type", "application/x-www-form-urlencoded").ok(200)
		if data["message_id"] == "" {
			t.Error(path, data)
		}
	}
	list := s.do("GET", "/sessions/session123/messages/628123456789", "").ok(200)["messages"].([]any)
	texts := fmt.Sprint(list)
	if len(list) != 8 || !strings.Contains(texts, "a & b = c") {
		t.Error(len(list), texts)
	}
}

func TestSessionOfASend(t *testing.T) {
	const body = `{"session_id":"mine","to":"628123456789","message":"x"}`
	s := newServer(t, Options{})
	s.do("POST", "/send-message", `{"to":"628123456789","message":"x"}`, sessionHeader, "").refused(400, "missing_field", "session_id")
	// Only X-Session-ID may bring a session into being.
	s.do("POST", "/send-message", body, sessionHeader, "").refused(404, "session_not_found", "POST /sessions")
	s.do("POST", "/sessions", `{"session_id":"mine"}`, sessionHeader, "").ok(201)
	s.do("POST", "/send-message", body, sessionHeader, "").refused(409, "session_not_connected", "status created): start it")
	s.do("POST", "/sessions/mine/start", "", sessionHeader, "").ok(200)
	s.do("POST", "/send-message", body, sessionHeader, "").refused(409, "session_not_connected", "status qr): scan")
	s.clock.Add(defaultPairAfter)
	s.do("POST", "/send-message", body, sessionHeader, "").ok(200)
	s.do("POST", "/send-message", body, sessionHeader, "mine").ok(200)
	s.do("POST", "/send-message?session_id=other", body, sessionHeader, "mine").refused(400, "session_mismatch", "")
	s.do("POST", "/sessions/mine/stop", "", sessionHeader, "").ok(200)
	for _, path := range []string{"/send-message", "/broadcast"} {
		s.do("POST", path, body, sessionHeader, "mine").refused(409, "session_not_connected", "disconnected")
	}
	s.do("DELETE", "/sessions/mine", "").ok(200)
	s.do("POST", "/send-message", body, sessionHeader, "mine").refused(404, "session_not_found", "")
}

func TestBroadcast(t *testing.T) {
	s := newServer(t, Options{})
	for body, want := range map[string]int{
		`{"recipients":["628123456789","628123456788","628123456789"],"message":"m"}`:    3,
		`{"to":"628123456789,628123456788","message":"m"}`:                               2,
		`{"phones":[628123456789],"message":"m"}`:                                        1,
		`{"contacts":[{"name":"n","phone":"628123456789"}],"media":"aGk=","caption":""}`: 1,
	} {
		data := s.do("POST", "/broadcast", body).ok(200)
		results := data["results"].([]any)
		ids := map[any]bool{data["broadcast_id"]: true}
		for _, r := range results {
			wantSend(t, r.(map[string]any), r.(map[string]any)["to"].(string))
			ids[r.(map[string]any)["message_id"]] = true
		}
		if len(results) != want || data["total"] != float64(want) || len(ids) != want+1 {
			t.Errorf("%s: %v", body, data)
		}
		// What the gateway counts: the answer's message is one of the recipients' messages.
		if data["message_id"] != results[0].(map[string]any)["message_id"] {
			t.Error(data)
		}
	}
	many, err := json.Marshal(map[string]any{"message": "m", "recipients": make([]int64, maxRecipients+1)})
	if err != nil {
		t.Fatal(err)
	}
	for body, mention := range map[string]string{
		`{"message":"m"}`:                                             "recipients is missing",
		`{"recipients":[],"message":"m"}`:                             "recipients is missing",
		`{"recipients":"","message":"m"}`:                             "recipients[0]",
		`{"recipients":7,"message":"m"}`:                              "recipients must be a list",
		`{"to":["628123456789"]}`:                                     "message is missing",
		`{"to":["628123456789","x"],"message":"m"}`:                   "to[1] must be",
		`{"to":["628123456789",["1"]],"message":"m"}`:                 "to[1] must be",
		`{"to":[{"name":"n"}],"message":"m"}`:                         "to[0] must be",
		`{"to":["628123456789"],"numbers":["6281234"],"message":"m"}`: "one list",
		`{"to":["628123456789"],"media":"!","message":"m"}`:           "media must be",
		string(many): "at most 10000",
	} {
		a := s.do("POST", "/broadcast", body)
		if a.status != 400 || !strings.Contains(a.body.Error.Message, mention) {
			t.Errorf("%.80s: %s, want %q", body, a.raw, mention)
		}
	}
}
