package sandbox

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha512"
	"encoding/hex"
	"strings"
	"testing"
	"time"
)

// wahaOn makes a session with a webhook and lets it pair.
func wahaOn(g *rig, name string, events string, more ...string) {
	g.t.Helper()
	g.call("POST", "/api/sessions", `{"name":"`+name+`","start":true,"config":{"metadata":{"user":"u-`+name+`"},"webhooks":[{"url":"`+hookURL+
		`","events":[`+events+`],"hmac":{"key":"k-`+name+`"},"customHeaders":[{"name":"X-Own","value":"v"}]}]`+strings.Join(more, "")+`}}`).is(201)
	time.Sleep(5 * time.Second)
}

func TestWahaCredentials(t *testing.T) {
	on(t, Options{Dialect: "waha", Token: "admin"}, func(g *rig) {
		right := []string{"X-Api-Key", "admin"}
		for _, header := range []string{"", "wrong", "Bearer admin"} {
			for _, path := range []string{"/api/sessions", "/nosuch"} {
				g.call("GET", path, "", "X-Api-Key", header).is(401).has("", map[string]any{"message": "Unauthorized", "statusCode": 401.0})
			}
		}
		g.call("GET", "/api/sessions?x-api-key=admin", "").is(200)
		g.call("GET", "/api/sessions?x-api-key=admin", "", "X-Api-Key", "wrong").is(401)
		g.call("GET", "/nosuch", "", right...).is(404).has("", map[string]any{"statusCode": 404.0, "message": "Cannot GET /nosuch", "error": "Not Found"})
		for _, name := range []string{"a", "b"} {
			g.call("POST", "/api/sessions", `{"name":"`+name+`","start":true,"config":{"webhooks":[{"url":"`+hookURL+`","events":["*"],"hmac":{"key":"secret-`+name+`"}}]}}`, right...).is(201)
		}
		time.Sleep(5 * time.Second)
		// A key of one session reaches that one.
		g.call("POST", "/api/keys", `{"isAdmin":false}`, right...).is(400)
		made := g.call("POST", "/api/keys", `{"isAdmin":false,"session":"a","isActive":true,"actions":null}`, right...).is(201)
		own := []string{"X-Api-Key", made.text("key")}
		g.call("GET", "/api/sessions", "", own...).is(200).has("0.name", "a", "1", nil)
		g.call("GET", "/api/sessions/b", "", own...).is(403).has("", map[string]any{"message": "Forbidden", "statusCode": 403.0})
		g.call("POST", "/api/sendText", `{"session":"b","chatId":"628123456789@c.us","text":"x"}`, own...).is(403)
		g.call("POST", "/api/sendText", `{"session":"a","chatId":"628123456789@c.us","text":"x"}`, own...).is(201)
		g.call("POST", "/api/sendText", `{"chatId":"628123456789@c.us","text":"x"}`, own...).is(403)
		g.call("DELETE", "/api/sessions/a", "", own...).is(403)
		g.call("GET", "/api/keys", "", own...).is(403)
		id := made.text("id")
		g.call("PUT", "/api/keys/"+id, `{"isAdmin":false,"session":"a","isActive":true,"actions":{"read":true}}`, right...).is(200)
		g.call("GET", "/api/sessions/a", "", own...).is(200).has("config.webhooks.0.hmac.key", "secret-a")
		g.call("POST", "/api/sendText", `{"session":"a","chatId":"628123456789@c.us","text":"x"}`, own...).is(403)
		g.call("PUT", "/api/keys/"+id, `{"isActive":false}`, right...).is(200)
		g.call("GET", "/api/sessions/a", "", own...).is(401)
		g.call("GET", "/api/keys", "", right...).is(200).has("0.id", id)
		g.call("DELETE", "/api/keys/"+id, "", right...).is(200)
		g.call("PUT", "/api/keys/"+id, `{}`, right...).is(404)
		// The administrator sees everybody's secrets.
		g.call("GET", "/api/sessions?all=true", "", right...).has("1.config.webhooks.0.hmac.key", "secret-b")
	})
}

func TestWahaSessions(t *testing.T) {
	on(t, Options{Dialect: "waha"}, func(g *rig) {
		g.call("POST", "/api/sessions", `{"name":"a","start":false,"config":{"metadata":{"k":"v"},"nonsense":1}}`).is(201).
			has("status", "STOPPED", "me", nil, "config", map[string]any{"metadata": map[string]any{"k": "v"}}, "engine.engine", "GOWS")
		g.call("POST", "/api/sessions", `{"name":"a"}`).is(422).has("error", "Unprocessable Entity")
		for _, body := range []string{
			`{"name":5}`, `{"start":"yes"}`, `{"name":"` + strings.Repeat("n", 55) + `"}`, `nonsense`, `{"config":{"metadata":{"a":1}}}`,
			`{"config":{"webhooks":[{"url":"x","events":[]}]}}`, `{"config":{"webhooks":[{"url":"` + hookURL + `"}]}}`,
			`{"config":{"webhooks":[{"url":"` + hookURL + `","events":["nonsense"]}]}}`, `{"config":{"webhooks":{}}}`,
			`{"config":{"webhooks":[{"url":"` + hookURL + `","events":[],"retries":{"policy":"never"}}]}}`,
		} {
			g.call("POST", "/api/sessions", body).is(400).has("error", "Bad Request")
		}
		g.call("GET", "/api/sessions", "").has("", []any{})
		g.call("GET", "/api/sessions?all=true", "").has("0.name", "a")
		g.call("GET", "/api/sessions/b", "").is(404).has("message", "Session not found")
		g.call("GET", "/api/a/auth/qr", "").is(404)
		g.call("POST", "/api/sessions/a/start", "").is(201).has("status", "SCAN_QR_CODE")
		g.call("POST", "/api/sessions/a/start", "").is(201)
		a := g.call("GET", "/api/a/auth/qr", "").is(200)
		if a.header.Get("Content-Type") != pngType || !bytes.HasPrefix(a.raw, []byte("\x89PNG")) {
			t.Error(a.header)
		}
		if a := g.call("GET", "/api/a/auth/qr", "", "Accept", "application/json, */*").is(200); a.header.Get("Content-Type") != pngType {
			t.Error(a.header)
		}
		a = g.call("GET", "/api/a/auth/qr", "", "Accept", "application/json").is(200).has("mimetype", pngType)
		isPicture(t, "data:image/png;base64,"+a.text("data"))
		if text := g.call("GET", "/api/a/auth/qr?format=raw", "").is(200).text("value"); !strings.HasPrefix(text, "wa-sandbox:") {
			t.Error(text)
		}
		g.call("POST", "/api/a/auth/request-code", `{"phoneNumber":"628123"}`).is(201).has("code", "ABCD-1234")
		// A send waits for the session, and then it is there.
		before := time.Now()
		g.call("POST", "/api/sendText", `{"session":"a","chatId":"628123456789@c.us","text":"x"}`).is(201)
		if time.Since(before) != 5*time.Second {
			t.Error(time.Since(before))
		}
		before = time.Now()
		g.call("GET", "/api/a/auth/qr", "").is(422).has("session", "a", "status", "WORKING", "expected", []any{"SCAN_QR_CODE"}, "statusCode", nil)
		if time.Since(before) != wahaWait {
			t.Error(time.Since(before))
		}
		me := g.call("GET", "/api/sessions/a/me", "").is(200).text("id")
		if !strings.HasSuffix(me, "@c.us") {
			t.Error(me)
		}
		g.call("POST", "/api/sessions/a/stop", "").is(201).has("status", "STOPPED", "me.id", me)
		g.call("POST", "/api/sendText", `{"session":"a","chatId":"628123456789@c.us","text":"x"}`).is(404).has("error", "Not Found")
		g.call("POST", "/api/sessions/nosuch/stop", "").is(201)
		g.call("POST", "/api/sessions/a/restart", "").is(201).has("status", "WORKING")
		g.call("PUT", "/api/sessions/a", `{"config":{}}`).is(200).has("status", "WORKING", "config", map[string]any{})
		g.call("PUT", "/api/sessions/b", `{"config":{}}`).is(404)
		g.call("POST", "/api/sessions/a/logout", "").is(201).has("status", "SCAN_QR_CODE", "me", nil)
		g.admin("script", `{"session":"a","drop":true}`)
		g.call("POST", "/api/sendText", `{"session":"a","chatId":"628123456789@c.us","text":"x"}`).is(422).has("status", "FAILED")
		if a := g.call("DELETE", "/api/sessions/a", "").is(200); len(a.raw) != 0 {
			t.Error(a.raw)
		}
		g.call("DELETE", "/api/sessions/a", "").is(200)
		// The older calls name the session in the body; stop and logout can delete it.
		g.call("POST", "/api/sessions/start", `{"name":"o"}`).is(201)
		g.call("POST", "/api/sessions/start", `{"name":"o"}`).is(422)
		g.call("POST", "/api/sessions/stop", `{"name":"o"}`).is(201)
		g.call("GET", "/api/sessions/o", "").is(200).has("status", "STOPPED")
		g.call("POST", "/api/sessions/stop", `{"name":"o","logout":true}`).is(201)
		g.call("GET", "/api/sessions/o", "").is(404)
	})
}

func TestWahaSends(t *testing.T) {
	to := `"chatId":"628123456789@c.us",`
	for name, row := range map[string]struct {
		path, body string
		status     int
		want       string
	}{
		"text":               {"sendText", `{"session":"a",` + to + `"text":"x"}`, 201, `"id":"true_628123456789@c.us_3EB0`},
		"bare number":        {"sendText", `{"session":"a","chatId":"628123456789","text":"x"}`, 201, "true_628123456789@c.us"},
		"group":              {"sendText", `{"session":"a","chatId":"120363@g.us","text":"x"}`, 201, "true_120363@g.us"},
		"own id":             {"sendText", `{"session":"a",` + to + `"text":"x","id":"MINE"}`, 201, "_MINE"},
		"plus":               {"sendText", `{"session":"a","chatId":"+628123456789","text":"x"}`, 500, `"exception"`},
		"no chat":            {"sendText", `{"session":"a","text":"secret text"}`, 500, "secret text"},
		"no text":            {"sendText", `{"session":"a",` + to + `"message":"x"}`, 500, `"stack"`},
		"no JSON":            {"sendText", `{`, 400, "Bad Request"},
		"unknown session":    {"sendText", `{"session":"b",` + to + `"text":"x"}`, 404, "Not Found"},
		"no session":         {"sendText", `{` + to + `"text":"x"}`, 201, "true_"}, // it is default's
		"the last counts":    {"sendText", `{"session":"b",` + to + `"text":"x","session":"a"}`, 201, "true_"},
		"image URL":          {"sendImage", `{"session":"a",` + to + `"file":{"mimetype":"image/jpeg","url":"https://example.com/a.jpg"}}`, 201, "true_"},
		"image":              {"sendImage", `{"session":"a",` + to + `"file":{"mimetype":"image/png","data":"` + pixel + `"}}`, 201, "true_"},
		"data URL":           {"sendImage", `{"session":"a",` + to + `"file":{"mimetype":"image/png","data":"data:image/png;base64,` + pixel + `"}}`, 500, "base64"},
		"no type":            {"sendImage", `{"session":"a",` + to + `"file":{"data":"` + pixel + `"}}`, 500, "mimetype"},
		"no file":            {"sendFile", `{"session":"a",` + to + `"media":"x"}`, 500, "reading 'url'"},
		"video":              {"sendVideo", `{"session":"a",` + to + `"file":{"mimetype":"video/mp4","data":"AAAA"}}`, 201, "true_"},
		"voice":              {"sendVoice", `{"session":"a",` + to + `"file":{"mimetype":"audio/ogg; codecs=opus","data":"AAAA"}}`, 201, "true_"},
		"file":               {"sendFile", `{"session":"a",` + to + `"file":{"mimetype":"application/pdf","filename":"a.pdf","data":"AAAA"}}`, 201, "true_"},
		"sticker":            {"sendSticker", `{"session":"a",` + to + `"file":{"mimetype":"image/webp","data":"AAAA"}}`, 201, "true_"},
		"location":           {"sendLocation", `{"session":"a",` + to + `"latitude":-6.2,"longitude":106.8,"title":"Monas"}`, 201, "true_"},
		"location of texts":  {"sendLocation", `{"session":"a",` + to + `"latitude":"-6.2","longitude":"106.8"}`, 500, "numbers"},
		"location of digits": {"sendLocation", `{"session":"a","chatId":"628123456789","latitude":-6.2,"longitude":106.8}`, 500, "chatId"},
		"card":               {"sendContactVcard", `{"session":"a",` + to + `"contacts":[{"vcard":"BEGIN:VCARD"}]}`, 201, "true_"},
		"contact":            {"sendContactVcard", `{"session":"a",` + to + `"contacts":[{"fullName":"n","phoneNumber":"+62 811"}]}`, 201, "true_"},
		"no contact":         {"sendContactVcard", `{"session":"a",` + to + `"contacts":[{"fullName":"n"}]}`, 500, "vcard"},
		"poll":               {"sendPoll", `{"session":"a",` + to + `"poll":{"name":"q","options":["a","b"],"multipleAnswers":false}}`, 201, "true_"},
		"same options":       {"sendPoll", `{"session":"a",` + to + `"poll":{"name":"q","options":["a","a"]}}`, 400, "poll.options"},
		"list":               {"sendList", `{"session":"a",` + to + `"message":{"title":"t","button":"b","sections":[{"title":"s","rows":[{"title":"r","rowId":"1"}]}]}}`, 201, "true_"},
		"empty list":         {"sendList", `{"session":"a",` + to + `"message":{"title":"t","button":"b","sections":[]}}`, 400, "sections"},
		"buttons":            {"sendButtons", `{"session":"a",` + to + `"body":"b","buttons":[{"type":"reply","text":"yes"}]}`, 201, "true_"},
		"wrong button":       {"sendButtons", `{"session":"a",` + to + `"body":"b","buttons":[{"type":"x","text":"yes"}]}`, 400, "type"},
		"broken":             {"sendText", `{"session":"a","chatId":"628120006@c.us","text":"x"}`, 500, "exception"},
		"absent":             {"sendText", `{"session":"a","chatId":"628120008@c.us","text":"x"}`, 500, "no LID"},
		"fails later":        {"sendText", `{"session":"a","chatId":"628120000@c.us","text":"x"}`, 201, "true_"},
		"unknown kind":       {"sendMedia", `{"session":"a"}`, 404, "Cannot POST"},
	} {
		t.Run(name, func(t *testing.T) {
			on(t, Options{Dialect: "waha"}, func(g *rig) {
				wahaOn(g, "a", "")
				wahaOn(g, wahaDefault, "")
				g.call("POST", "/api/"+row.path, row.body).says(row.status, row.want)
				sent := g.admin("sent", "")["sent"].([]any)
				if (len(sent) == 1) != (row.status == 201) {
					t.Error(sent)
				}
				if name == "no session" && sent[0].(map[string]any)["session"] != wahaDefault {
					t.Error(sent)
				}
			})
		})
	}
}

func TestWahaErrorsEcho(t *testing.T) {
	on(t, Options{Dialect: "waha", Token: "admin-key"}, func(g *rig) {
		g.call("POST", "/api/sessions", `{"name":"a","start":true}`, "X-Api-Key", "admin-key").is(201)
		time.Sleep(5 * time.Second)
		g.call("POST", "/api/sendText?x-api-key=admin-key", `{"session":"a","text":"x"}`).is(500).
			has("request.path", "/api/sendText?x-api-key=admin-key", "request.query.x-api-key", "admin-key", "request.body.text", "x", "statusCode", 500.0)
	})
}

// TestWahaBodiesAreJSON shows what becomes of a body that does not say what it is.
func TestWahaBodiesAreJSON(t *testing.T) {
	on(t, Options{Dialect: "waha"}, func(g *rig) {
		wahaOn(g, "a", "")
		g.call("POST", "/api/sendText", `{"session":"a","chatId":"628123456789@c.us","text":"x"}`, "Content-Type", "text/plain").says(404, "'default'")
	})
}

func TestWahaEngines(t *testing.T) {
	on(t, Options{Dialect: "waha", Generation: "noweb"}, func(g *rig) {
		wahaOn(g, "a", `"message.ack"`)
		a := g.call("POST", "/api/sendText", `{"session":"a","chatId":"628123456789@c.us","text":"x"}`).is(201)
		a.has("id", nil, "key.remoteJid", "628123456789@s.whatsapp.net", "status", "PENDING")
		if !strings.HasPrefix(a.text("key.id"), "3EB0") || a.text("messageTimestamp") == "" {
			t.Errorf("%s", a.raw)
		}
		if got := g.hooks(time.Second); len(got) != 3 {
			t.Error(len(got))
		}
		// A number that is not on WhatsApp is taken, and nothing follows.
		g.call("POST", "/api/sendText", `{"session":"a","chatId":"628120008@c.us","text":"x"}`).is(201)
		if got := g.hooks(time.Second); len(got) != 0 {
			t.Error(len(got))
		}
		g.call("GET", "/api/contacts/all?session=a", "").says(400, "NOWEB store")
		g.call("POST", "/api/sendSeen", `{"session":"a","chatId":"628123456789@c.us"}`).is(500)
		wahaOn(g, "b", "", `,"noweb":{"store":{"enabled":true}}`)
		g.call("GET", "/api/contacts/all?session=b", "").is(200).has("0.name", "Contact 1")
	})
	on(t, Options{Dialect: "waha", Generation: "webjs"}, func(g *rig) {
		wahaOn(g, "a", `"message.ack"`)
		a := g.call("POST", "/api/sendText", `{"session":"a","chatId":"628123456789@c.us","text":"x"}`).is(201)
		a.has("id.remote", "628123456789@c.us", "id._serialized", "true_628123456789@c.us_"+a.text("id.id"))
		if got := g.hooks(time.Second); len(got) != 0 {
			t.Error("acks come only with tagsEventsOn", len(got))
		}
		wahaOn(g, "b", `"message.ack"`, `,"webjs":{"tagsEventsOn":true}`)
		g.call("POST", "/api/sendText", `{"session":"b","chatId":"628123456789@c.us","text":"x"}`).is(201)
		if got := g.hooks(time.Second); len(got) != 3 {
			t.Error(len(got))
		}
	})
}

func TestWahaWebhooks(t *testing.T) {
	on(t, Options{Dialect: "waha"}, func(g *rig) {
		wahaOn(g, "a", `"session.status","message","message.any","message.ack","message.ack.group"`)
		got := g.hooks(0)
		if states := kinds(t, got, "payload.status", plainBody); states != "STARTING SCAN_QR_CODE WORKING" {
			t.Fatal(states)
		}
		send := func(to string) string {
			return g.call("POST", "/api/sendText", `{"session":"a","chatId":"`+to+`","text":"x"}`).is(201).text("id")
		}
		id := send("628123456789@c.us")
		got = g.hooks(time.Second)
		if sorted(kinds(t, got, "event", plainBody)) != "message.ack message.ack message.ack message.any" {
			t.Fatalf("%+v", got)
		}
		for _, h := range got {
			mac := hmac.New(sha512.New, []byte("k-a"))
			mac.Write([]byte(h.body))
			if h.header.Get("X-Webhook-Hmac") != hex.EncodeToString(mac.Sum(nil)) || h.header.Get("X-Webhook-Hmac-Algorithm") != "sha512" ||
				len(h.header.Get("X-Webhook-Timestamp")) != 12 || h.header.Get("X-Own") != "v" || h.header.Get("X-Webhook-Request-Id") == "" {
				t.Error(h.header)
			}
			a := &heard{t: t, raw: []byte(h.body)}
			a.has("session", "a", "metadata.user", "u-a", "payload.id", id, "payload.fromMe", true, "engine", "GOWS")
			if !strings.HasPrefix(a.text("id"), "evt_") || a.at("payload.timestamp") != nil && a.text("event") == "message.ack" {
				t.Error(h.body)
			}
		}
		acks := func() string {
			var list []hooked
			for _, h := range g.hooks(time.Second) {
				if strings.HasPrefix(dig(t, []byte(h.body), "event").(string), "message.ack") {
					list = append(list, h)
				}
			}
			return kinds(t, list, "payload.ackName", plainBody)
		}
		for to, want := range map[string]string{
			"628120000@c.us": "SERVER ERROR", "628120001@c.us": "SERVER", "628120002@c.us": "SERVER DEVICE",
			"628120003@c.us": "SERVER SERVER DEVICE DEVICE READ READ", "628120004@c.us": "READ DEVICE SERVER",
		} {
			send(to)
			if list := acks(); list != want {
				t.Errorf("%s: %s", to, list)
			}
		}
		send("120363@g.us")
		for _, h := range g.hooks(time.Second) {
			a := &heard{t: t, raw: []byte(h.body)}
			if group := a.text("event") == "message.ack.group"; group != (strings.Count(a.text("payload.id"), "_") == 3) {
				t.Error(h.body)
			}
		}
		send("628120007@c.us")
		if states := kinds(t, g.hooks(time.Second), "payload.status", plainBody); !strings.Contains(states, "FAILED") {
			t.Error(states)
		}
	})
}

func TestWahaIncomingAndReads(t *testing.T) {
	on(t, Options{Dialect: "waha"}, func(g *rig) {
		wahaOn(g, "a", `"message","message.any"`)
		g.hooks(0)
		g.admin("incoming", `{"session":"a","from":"628111111","name":"Budi","text":"halo","id":"IN1"}`)
		got := g.hooks(time.Second)
		if sorted(kinds(t, got, "event", plainBody)) != "message message.any" {
			t.Fatalf("%+v", got)
		}
		(&heard{t: t, raw: []byte(got[0].body)}).has("payload.id", "false_628111111@c.us_IN1", "payload.body", "halo", "payload.fromMe", false,
			"payload.from", "628111111@c.us", "payload.participant", nil, "payload.source", "app")
		g.admin("incoming", `{"session":"a","from":"628111111","chat":"120363@g.us","media":{"kind":"image","mimetype":"image/png","data":"`+pixel+`"},"id":"IN2"}`)
		got = g.hooks(time.Second)
		link := (&heard{t: t, raw: []byte(got[0].body)}).has("payload.id", "false_120363@g.us_IN2_628111111@c.us", "payload.hasMedia", true,
			"payload.participant", "628111111@c.us").text("payload.media.url")
		if a := g.call("GET", strings.TrimPrefix(link, "http://example.com"), "").is(200); len(a.raw) != 70 {
			t.Error(link)
		}
		g.call("GET", "/api/files/a/nosuch.png", "").is(404).has("error.key", "FILE_NOT_FOUND")
		g.admin("incoming", `{"session":"a","from":"628111111","text":"typed","own":true}`)
		if got := kinds(t, g.hooks(time.Second), "event", plainBody); got != "message.any" {
			t.Error(got)
		}
		g.call("GET", "/api/a/chats/overview?limit=1", "").is(200).has("0.id", "628111111@c.us", "0.name", "Budi", "1", nil)
		g.call("GET", "/api/a/chats/628111111%40c.us/messages?downloadMedia=false&limit=10", "").is(200).
			has("0.body", "typed", "0.source", "app", "1.id", "false_628111111@c.us_IN1")
		if list := g.call("GET", "/api/a/chats/all/messages", "").is(200).at("").([]any); len(list) != greeters+3 {
			t.Error(len(list))
		}
		g.call("POST", "/api/a/chats/628111111@c.us/messages/read", `{}`).is(201).has("ids", []any{"false_628111111@c.us_IN1"})
		g.call("POST", "/api/sendSeen", `{"session":"a","chatId":"628111111@c.us"}`).is(201)
		g.call("GET", "/api/contacts/check-exists?session=a&phone=628120008", "").has("numberExists", false)
		g.call("GET", "/api/contacts/check-exists?session=a&phone=628123456789", "").has("chatId", "628123456789@c.us")
		g.call("GET", "/api/contacts/all", "").is(404) // default's
		g.call("GET", "/api/sendText?session=a&phone=628123456789&text=x", "").is(201)
		g.call("GET", "/api/a/new-message-id", "").is(200)
	})
}
