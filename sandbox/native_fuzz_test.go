package sandbox

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

// FuzzServe sends calls of any form to every pretended server: each is answered, with a status of
// HTTP's and, where it says so, with JSON.
func FuzzServe(f *testing.F) {
	names := []string{"wuzapi", "gowa", "waha", "evolution"}
	all := make([]*Sandbox, len(names))
	for i, name := range names {
		s, err := New(Options{Dialect: name, PairAfter: -1, Slow: -1})
		if err != nil {
			f.Fatal(err)
		}
		f.Cleanup(func() { _ = s.Close(context.Background()) })
		all[i] = s
	}
	for _, row := range [][5]string{
		{"POST", "/admin/users", "", jsonType, `{"name":"a","token":"t","events":"All","webhook":"http://127.0.0.1:1/"}`},
		{"POST", "/session/connect", "", jsonType, `{"Subscribe":["All"],"Immediate":true}`},
		{"POST", "/chat/send/text", "", jsonType, `{"Phone":"628123456789","Body":"x","ContextInfo":{"StanzaID":"a","Participant":"b"}}`},
		{"GET", "/chat/history", "chat_jid=index&limit=-1&token=t", "", ""},
		{"PUT", "/webhook", "", jsonType, `{"webhook":"x","events":["All"],"active":true}`},
		{"POST", "/devices", "", jsonType, `{"device_id":"a"}`},
		{"GET", "/devices/a/login", "", "", ""},
		{"POST", "/send/poll", "", "application/x-www-form-urlencoded", "phone=628123456789&question=q&options=a,b&max_answer=1"},
		{"POST", "/send/image", "", "multipart/form-data; boundary=b", "--b\r\nContent-Disposition: form-data; name=\"image\"; filename=\"a\"\r\nContent-Type: image/png\r\n\r\nx\r\n--b--\r\n"},
		{"GET", "/chats", "limit=1&offset=99", "", ""},
		{"POST", "/api/sessions", "", jsonType, `{"name":"a","start":true,"config":{"webhooks":[{"url":"http://127.0.0.1:1/","events":["*"],"customHeaders":[{"name":"a","value":"b"}]}]}}`},
		{"POST", "/api/sendContactVcard", "", jsonType, `{"session":"a","chatId":"628@c.us","contacts":[null,{"vcard":"x"}]}`},
		{"GET", "/api/a/chats/all/messages", "limit=-1&offset=9", "", ""},
		{"PUT", "/api/keys/x", "", jsonType, `{"actions":{"read":true},"session":"a"}`},
		{"POST", "/instance/create", "", jsonType, `{"instanceName":"a","integration":"WHATSAPP-BAILEYS","webhook":{"url":"http://127.0.0.1:1/","events":[],"headers":{"jwt_key":1}}}`},
		{"POST", "/message/sendContact/a", "instanceName=b", jsonType, `{"number":"1","contact":[null]}`},
		{"POST", "/message/sendList/a", "", jsonType, `{"number":"1","sections":[{"rows":[1]}]}`},
		{"POST", "/chat/findMessages/a", "", jsonType, `{"where":{"key":1},"page":99999999999,"offset":-1}`},
		{"POST", "/_sandbox/script", "", jsonType, `{"session":"a","next":[{"status":500}],"qr_expires_after":"1s"}`},
		{"POST", "/_sandbox/incoming", "", jsonType, `{"session":"a","from":"628123456789","text":"x"}`},
	} {
		for i := range names {
			f.Add(uint8(i), row[0], row[1], row[2], row[3], row[4])
		}
	}
	gone, cancel := context.WithCancel(context.Background())
	cancel() // nobody waits for a slow answer
	f.Fuzz(func(t *testing.T, server uint8, method, path, query, kind, body string) {
		if !strings.HasPrefix(path, "/") {
			return
		}
		r, err := http.NewRequestWithContext(gone, method, "http://sandbox.invalid/", strings.NewReader(body))
		if err != nil {
			return
		}
		r.URL = &url.URL{Path: path, RawQuery: query}
		r.Header.Set("Content-Type", kind)
		r.Header.Set("token", "t")
		w := httptest.NewRecorder()
		all[int(server)%len(all)].ServeHTTP(w, r)
		if w.Code < 200 || w.Code > 599 {
			t.Errorf("status %d", w.Code)
		}
		if w.Header().Get("Content-Type") == jsonType && w.Body.Len() > 0 && !json.Valid(w.Body.Bytes()) {
			t.Errorf("no JSON: %q", w.Body)
		}
	})
}
