package sandbox

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"mime/multipart"
	"net/textproto"
	"net/url"
	"strings"
	"testing"
	"time"
)

// gowaOn makes a device with a webhook and logs it in.
func gowaOn(g *rig, id string) {
	g.t.Helper()
	g.call("POST", "/devices", `{"device_id":"`+id+`","webhook_url":"`+hookURL+`","webhook_secret":"s-`+id+`"}`).is(200)
	g.call("GET", "/devices/"+id+"/login", "").is(200)
	time.Sleep(5 * time.Second)
}

// form makes a multipart body of texts and of one file.
func form(t *testing.T, texts map[string]string, part, filename, kind string, data []byte) (string, string) {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for name, text := range texts {
		if err := w.WriteField(name, text); err != nil {
			t.Fatal(err)
		}
	}
	if part != "" {
		p, err := w.CreatePart(textproto.MIMEHeader{
			"Content-Disposition": {fmt.Sprintf(`form-data; name=%q; filename=%q`, part, filename)}, "Content-Type": {kind},
		})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.Write(data); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String(), w.FormDataContentType()
}

func TestGowaCredentials(t *testing.T) {
	on(t, Options{Dialect: "gowa", Token: "user:pass"}, func(g *rig) {
		basic := func(text string) string { return "Basic " + base64.StdEncoding.EncodeToString([]byte(text)) }
		for _, header := range []string{"", "Bearer user:pass", basic("user:wrong"), basic("user")} {
			for _, path := range []string{"/devices", "/nosuch"} {
				a := g.call("GET", path, "", "Authorization", header).says(401, "Unauthorized")
				if a.header.Get("WWW-Authenticate") == "" || a.header.Get("Content-Type") == jsonType {
					t.Error(a.header)
				}
			}
		}
		g.call("GET", "/health", "").says(200, "OK")
		g.call("GET", "/statics/qrcode/x.png", "").is(404)
		g.call("GET", "/devices", "", "Authorization", basic("user:pass")).is(200).has("code", "SUCCESS", "results", nil)
	})
}

func TestGowaDeviceIsChosen(t *testing.T) {
	on(t, Options{Dialect: "gowa"}, func(g *rig) {
		g.call("GET", "/app/status", "").is(400).has("code", "DEVICE_ID_REQUIRED")
		gowaOn(g, "a")
		// A single device is taken without a word.
		jid := g.call("GET", "/app/status", "").is(200).has("results.device_id", "a").text("results.jid")
		gowaOn(g, "b")
		g.call("GET", "/app/status", "").is(400).has("code", "DEVICE_ID_REQUIRED")
		g.call("GET", "/app/status", "", "X-Device-Id", "c").is(404).has("code", "DEVICE_NOT_FOUND", "results.device_id", "c")
		g.call("GET", "/app/status?device_id=b", "", "X-Device-Id", "a").is(200).has("results.device_id", "a")
		g.call("GET", "/app/status?device_id=b", "").is(200).has("results.device_id", "b")
		g.call("GET", "/app/status", "", "X-Device-Id", url.QueryEscape(jid)).is(200).has("results.device_id", "a")
		g.call("GET", "/app/status", "", "X-Device-Id", "a+b").is(404).has("results.device_id", "a b")
		// Lists and paths do not look at the header.
		g.call("GET", "/app/devices", "", "X-Device-Id", "a").has("results.1.id", "b")
		g.call("GET", "/devices/b/webhook", "", "X-Device-Id", "a").has("results.webhook_secret", "s-b")
		g.call("GET", "/nosuch", "", "X-Device-Id", "a").says(404, "Not Found")
	})
}

func TestGowaDevices(t *testing.T) {
	on(t, Options{Dialect: "gowa", PairAfter: time.Minute}, func(g *rig) {
		g.call("POST", "/devices", `{"device_id":"a"}`).is(200).has("results.id", "a", "results.state", "disconnected", "results.webhook_secret", nil)
		g.call("POST", "/devices", `{"device_id":"a"}`).is(500).has("code", "INTERNAL_SERVER_ERROR")
		if id := g.call("POST", "/devices", `{}`).is(200).text("results.id"); len(id) != 36 {
			t.Error(id)
		} else {
			g.call("DELETE", "/devices/"+id, "").is(200).has("results", nil)
		}
		g.call("POST", "/devices", `nonsense`).is(400).has("code", "BAD_REQUEST")
		g.call("POST", "/devices", `{"device_id":"b"}`, "Content-Type", "text/plain").is(400)
		g.call("DELETE", "/devices/nosuch", "").is(200)
		for _, call := range [][2]string{{"GET", ""}, {"GET", "/status"}, {"POST", "/reconnect"}, {"POST", "/logout"}} {
			g.call(call[0], "/devices/nosuch"+call[1], "").is(500).has("code", "INTERNAL_SERVER_ERROR")
		}
		g.call("GET", "/devices/nosuch/webhook", "").is(404).has("code", "NOT_FOUND")
		g.call("PATCH", "/devices/a/webhook", `{}`).is(400)
		g.call("PATCH", "/devices/nosuch/webhook", `{"webhook_url":""}`).is(404)
		g.call("PATCH", "/devices/a/webhook", `{"webhook_url":"`+hookURL+`","webhook_secret":"x","webhook_events":"message"}`).has("results.webhook_secret", "x")
		g.call("PATCH", "/devices/a/webhook", `{"webhook_url":"`+hookURL+`"}`).has("results.webhook_secret", "", "results.webhook_events", "")

		g.call("POST", "/send/message", `{"phone":"628123456789","message":"x"}`).is(500).has("code", "INVALID_WA_CLI")
		g.call("POST", "/devices/a/reconnect", "").is(500)
		link := g.call("GET", "/devices/a/login", "").is(200).has("results.qr_duration", 20.0, "results.device_id", "a").text("results.qr_link")
		path, ok := strings.CutPrefix(link, "http://example.com")
		if !ok || !strings.HasPrefix(path, "/statics/qrcode/") || !strings.HasSuffix(path, ".png") {
			t.Fatal(link)
		}
		if a := g.call("GET", path, "").is(200); a.header.Get("Content-Type") != pngType || !bytes.HasPrefix(a.raw, []byte("\x89PNG")) {
			t.Error(a.header)
		}
		g.call("GET", "/devices/a/status", "").has("results.is_connected", true, "results.is_logged_in", false)
		g.call("POST", "/send/message", `{"phone":"628123456789","message":"x"}`).is(401).has("code", "AUTHENTICATION_ERROR")
		time.Sleep(20 * time.Second)
		g.call("GET", path, "").is(404)
		again := g.call("GET", "/devices/a/login", "").is(200).text("results.qr_link")
		if again == link {
			t.Error(again)
		}
		if h := g.hooks(time.Minute); len(h) != 0 {
			t.Error("a device's changes are not told", len(h))
		}
		g.call("GET", "/devices/a/login", "").is(400).has("code", "ALREADY_LOGGED_IN")
		g.call("GET", "/devices/a", "").has("results.state", "logged_in")
		g.call("POST", "/devices/a/logout", "").is(200)
		g.call("GET", "/devices/a", "").has("results.state", "disconnected", "results.jid", "")
		// An unknown id is made, and a code that nobody scans ends.
		g.call("GET", "/devices/new/login", "").is(200)
		g.admin("script", `{"session":"new","qr_expires_after":"3s"}`)
		g.call("GET", "/devices/new/login", "").is(200).has("results.qr_duration", 3.0)
		time.Sleep(4 * time.Second)
		g.call("GET", "/devices/new", "").has("results.state", "disconnected")
		g.call("POST", "/devices/new/login/code?phone=628123", "").is(200).has("results.pair_code", "ABCD-1234")
	})
}

func TestGowaSends(t *testing.T) {
	for name, row := range map[string]struct {
		path, body string
		status     int
		want       string
	}{
		"text":             {"message", `{"phone":"628123456789","message":"x"}`, 200, `"message_id":"3EB0`},
		"JID":              {"message", `{"phone":"628123456789@s.whatsapp.net","message":"x","mentions":["@everyone"]}`, 200, "SUCCESS"},
		"group":            {"message", `{"phone":"120363024512345678","message":"x"}`, 200, "@g.us"},
		"no phone":         {"message", `{"message":"x"}`, 400, "VALIDATION_ERROR"},
		"no text":          {"message", `{"phone":"628123456789"}`, 400, "VALIDATION_ERROR"},
		"local number":     {"message", `{"phone":"0812345678","message":"x"}`, 400, "should not start with 0"},
		"letters":          {"message", `{"phone":"abcdef","message":"x"}`, 400, "INVALID_JID"},
		"wrong type":       {"message", `{"phone":628123456789,"message":"x"}`, 500, "INTERNAL_SERVER_ERROR"},
		"no JSON":          {"message", `nonsense`, 500, "INTERNAL_SERVER_ERROR"},
		"duration":         {"message", `{"phone":"628123456789","message":"x","duration":5}`, 400, "duration must be"},
		"image URL":        {"image", `{"phone":"628123456789","image_url":"https://example.com/a.jpg"}`, 200, "SUCCESS"},
		"image page":       {"image", `{"phone":"628123456789","image_url":"https://example.com/a"}`, 400, "ImageURL"},
		"no image":         {"image", `{"phone":"628123456789","image":"aGVsbG8="}`, 500, "INTERNAL_SERVER_ERROR"},
		"nothing":          {"image", `{"phone":"628123456789"}`, 400, "either Image or ImageURL"},
		"file URL":         {"file", `{"phone":"628123456789","file_url":"https://example.com/a.pdf"}`, 200, "SUCCESS"},
		"location":         {"location", `{"phone":"628123456789","latitude":"-6.2","longitude":"106.8"}`, 200, "SUCCESS"},
		"location numbers": {"location", `{"phone":"628123456789","latitude":-6.2,"longitude":106.8}`, 500, "INTERNAL_SERVER_ERROR"},
		"far away":         {"location", `{"phone":"628123456789","latitude":"96","longitude":"106.8"}`, 400, "latitude"},
		"contact":          {"contact", `{"phone":"628123456789","contact_name":"n","contact_phone":"628111"}`, 200, "SUCCESS"},
		"nameless contact": {"contact", `{"phone":"628123456789","contact_phone":"628111"}`, 400, "contact_name"},
		"poll":             {"poll", `{"phone":"628123456789","question":"q","options":["a","b"],"max_answer":1}`, 200, "SUCCESS"},
		"same options":     {"poll", `{"phone":"628123456789","question":"q","options":["a","a"],"max_answer":1}`, 400, "unique"},
		"no answer":        {"poll", `{"phone":"628123456789","question":"q","options":["a","b"]}`, 400, "max_answer"},
		"link":             {"link", `{"phone":"628123456789","link":"https://example.com","caption":"c"}`, 200, "SUCCESS"},
		"list":             {"list", `{"phone":"628123456789"}`, 404, "Not Found"},
		"fails":            {"message", `{"phone":"628120000","message":"x"}`, 500, "INTERNAL_SERVER_ERROR"},
		"broken":           {"message", `{"phone":"628120006","message":"x"}`, 500, "INTERNAL_SERVER_ERROR"},
		"absent":           {"message", `{"phone":"628120008","message":"x"}`, 400, "INVALID_JID"},
	} {
		t.Run(name, func(t *testing.T) {
			on(t, Options{Dialect: "gowa"}, func(g *rig) {
				gowaOn(g, "a")
				g.call("POST", "/send/"+row.path, row.body, "X-Device-Id", "a").says(row.status, row.want)
				if sent := g.admin("sent", "")["sent"].([]any); (len(sent) == 1) != (row.status == 200) {
					t.Error(sent)
				}
			})
		})
	}
}

func TestGowaForms(t *testing.T) {
	on(t, Options{Dialect: "gowa"}, func(g *rig) {
		gowaOn(g, "a")
		g.call("POST", "/send/message", "phone=628123456789&message=a+b&is_forwarded=true", "Content-Type", "application/x-www-form-urlencoded").is(200)
		g.call("POST", "/send/message", "phone=628123456789&message=a&is_forwarded=perhaps", "Content-Type", "application/x-www-form-urlencoded").is(500)
		g.call("POST", "/send/message", "x", "Content-Type", "text/plain").is(500)
		data := bytes.Repeat([]byte("%PDF-1.4 "), 100_000)
		body, kind := form(t, map[string]string{"phone": "628123456789", "caption": "c"}, "file", "a b.pdf", "application/pdf", data)
		g.call("POST", "/send/file", body, "Content-Type", kind).is(200)
		sum := sha256.Sum256(data)
		g.call("GET", adminPath+"sent", "").has("data.sent.1.media.filename", "a b.pdf", "data.sent.1.media.size", 900000.0,
			"data.sent.1.media.sha256", hex.EncodeToString(sum[:]), "data.sent.1.kind", "document")
		body, kind = form(t, map[string]string{"phone": "628123456789"}, "image", "a.gif", "image/gif", []byte("GIF89a"))
		g.call("POST", "/send/image", body, "Content-Type", kind).says(400, "not allowed")
		g.call("POST", "/send/image", body[:len(body)-20], "Content-Type", kind).is(500)
		body, kind = form(t, map[string]string{"phone": "628123456789", "question": "q", "max_answer": "2", "options": "a,b"}, "", "", "", nil)
		g.call("POST", "/send/poll", body, "Content-Type", kind).is(200)
		body, kind = form(t, map[string]string{"phone": "628123456789", "message": strings.Repeat("x", maxValue+1)}, "", "", "", nil)
		g.call("POST", "/send/message", body, "Content-Type", kind).is(413)
	})
}

func TestGowaWebhooks(t *testing.T) {
	on(t, Options{Dialect: "gowa"}, func(g *rig) {
		gowaOn(g, "a")
		send := func(to string) string {
			return g.call("POST", "/send/message", `{"phone":"`+to+`","message":"x"}`).is(200).text("results.message_id")
		}
		id := send("628123456789")
		got := g.hooks(time.Second)
		if kinds(t, got, "payload.receipt_type", plainBody) != "delivered read" {
			t.Fatalf("%+v", got)
		}
		for _, h := range got {
			mac := hmac.New(sha256.New, []byte("s-a"))
			mac.Write([]byte(h.body))
			if h.header.Get("X-Hub-Signature-256") != "sha256="+hex.EncodeToString(mac.Sum(nil)) {
				t.Error(h.header)
			}
			a := &heard{t: t, raw: []byte(h.body)}
			a.has("event", "message.ack", "session_id", "a", "payload.ids.0", id, "payload.chat_id", "628123456789@s.whatsapp.net")
			if at, err := time.Parse(time.RFC3339, a.text("timestamp")); err != nil || at.IsZero() || a.text("device_id") == "" {
				t.Error(h.body)
			}
		}
		for to, want := range map[string]string{
			"628120001": "", "628120002": "delivered", "628120003": "delivered delivered read read", "628120004": "read delivered", "628120007": "delivered read",
		} {
			g.call("POST", "/devices/a/reconnect", "").is(200)
			send(to)
			if states := kinds(t, g.hooks(time.Second), "payload.receipt_type", plainBody); states != want {
				t.Errorf("%s: %s", to, states)
			}
		}
		// Without a secret of its own, everybody's secret signs; what is not subscribed does not come.
		g.call("PATCH", "/devices/a/webhook", `{"webhook_url":"`+hookURL+`","webhook_events":"message, message.edited"}`).is(200)
		g.call("POST", "/devices/a/reconnect", "").is(200)
		send("628123456789")
		got = nil
		for _, body := range []string{
			`{"session":"a","from":"628111111","name":"Budi","text":"halo","id":"IN1"}`,
			`{"session":"a","from":"628111111","reply_to":"IN1","media":{"kind":"image","mimetype":"image/png","data":"` + pixel + `"}}`,
			`{"session":"a","from":"628111111","text":"mine","own":true}`,
		} {
			g.admin("incoming", body)
			got = append(got, g.hooks(time.Second)...)
		}
		if kinds(t, got, "event", plainBody) != "message message message" || got[0].header.Get("X-Hub-Signature-256") != "sha256="+hexMAC("secret", []byte(got[0].body)) {
			t.Fatalf("%+v", got)
		}
		(&heard{t: t, raw: []byte(got[0].body)}).has("payload.id", "IN1", "payload.body", "halo", "payload.from", "628111111@s.whatsapp.net",
			"payload.from_name", "Budi", "payload.is_from_me", false)
		image := (&heard{t: t, raw: []byte(got[1].body)}).has("payload.quoted_body", "halo").text("payload.image")
		if a := g.call("GET", "/"+image, "").is(200); a.header.Get("Content-Type") != pngType || len(a.raw) != 70 {
			t.Error(a.header)
		}
		(&heard{t: t, raw: []byte(got[2].body)}).has("payload.is_from_me", true)

		g.call("GET", "/chats?limit=2", "").is(200).has("results.data.0.jid", "628111111@s.whatsapp.net", "results.data.0.name", "Budi", "results.pagination.limit", 2.0)
		g.call("GET", "/chats?limit=0", "").is(400)
		g.call("GET", "/chat/628111111%40s.whatsapp.net/messages?is_from_me=false", "").is(200).
			has("results.data.1.id", "IN1", "results.data.1.content", "halo", "results.pagination.total", 2.0, "results.chat_info.name", "Budi")
		g.call("GET", "/chat/628111111/messages", "").is(400)
		g.call("GET", "/user/my/contacts", "").is(200).has("results.data.0.name", "Contact 1")
		g.call("GET", "/user/check?phone=628120008", "").has("results.is_on_whatsapp", false)
		g.call("POST", "/message/IN1/read", `{"phone":"628111111"}`).is(200)
		g.call("POST", "/message/IN1/read", `{}`).is(400)
	})
}
