package sandbox

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
)

// evolutionOn makes an instance with a webhook and lets it pair.
func evolutionOn(g *rig, name, more string, headers ...string) {
	g.t.Helper()
	g.call("POST", "/instance/create", `{"instanceName":"`+name+`","token":"t-`+name+`","integration":"WHATSAPP-BAILEYS","qrcode":true,"webhook":{"url":"`+hookURL+
		`","events":[],"headers":{"Authorization":"Bearer shared-`+name+`"}`+more+`}}`, headers...).is(201)
	time.Sleep(time.Second)
}

func TestEvolutionCredentials(t *testing.T) {
	on(t, Options{Dialect: "evolution", Token: "admin"}, func(g *rig) {
		right := []string{"apikey", "admin"}
		unauthorized := map[string]any{"status": 401.0, "error": "Unauthorized", "response": map[string]any{"message": "Unauthorized"}}
		for _, header := range []string{"", "wrong", "Bearer admin"} {
			g.call("GET", "/instance/fetchInstances", "", "apikey", header).is(401).has("", unauthorized)
			g.call("POST", "/instance/create", `{"instanceName":"x"}`, "apikey", header).is(401)
			// Whether an instance is there shows before the key is looked at.
			g.call("GET", "/instance/connect/nosuch", "", "apikey", header).is(404).has("response.message.0", `The "nosuch" instance does not exist`)
		}
		evolutionOn(g, "a", "", right...)
		evolutionOn(g, "b", "", right...)
		g.call("POST", "/instance/create", `{"instanceName":"a","integration":"WHATSAPP-BAILEYS"}`).is(403).has("error", "Forbidden")
		g.call("GET", "/instance/connectionState/a?apikey=admin", "").is(401)
		g.call("GET", "/instance/connectionState/a", "", right...).is(200).has("instance.state", "open")
		g.call("GET", "/instance/connectionState/a", "", "apikey", "t-a").is(200)
		g.call("GET", "/instance/connectionState/b", "", "apikey", "t-a").is(401)
		// The list shows the administrator everybody's tokens, and an instance its own.
		g.call("GET", "/instance/fetchInstances", "", right...).is(200).has("0.token", "t-a", "1.token", "t-b")
		g.call("GET", "/instance/fetchInstances", "", "apikey", "t-b").is(200).has("0.name", "b", "1", nil)
		g.call("GET", "/instance/fetchInstances?instanceName=nosuch", "", right...).is(404)
		g.call("GET", "/nosuch?x=1", "", right...).is(404).has("response.message.0", "Cannot GET /nosuch?x=1")
		g.call("GET", "/", "").is(200).has("status", 200.0)
	})
}

func TestEvolutionQueryWins(t *testing.T) {
	on(t, Options{Dialect: "evolution", Token: "admin"}, func(g *rig) {
		right := []string{"apikey", "admin"}
		evolutionOn(g, "mine", "", right...)
		evolutionOn(g, "victim", "", right...)
		session := func(n int) any {
			sent := g.call("GET", adminPath+"sent", "", "Authorization", "Bearer admin").is(200)
			return sent.at("data.sent." + string(rune('0'+n)) + ".session")
		}
		body := `{"number":"628123456789","text":"x"}`
		// Authorized for mine, done for victim.
		g.call("POST", "/message/sendText/mine?instanceName=victim", body, "apikey", "t-mine").is(201)
		if session(0) != "victim" {
			t.Error(session(0))
		}
		// With /instance/create anywhere in the address, the body chooses.
		g.call("POST", "/message/sendText/mine?x=/instance/create", `{"instanceName":"other","number":"628123456789","text":"x"}`, "apikey", "t-mine").is(500)
		g.call("POST", "/message/sendText/mine?x=/instance/create", `{"instanceName":"victim","number":"628123456789","text":"x"}`, "apikey", "t-mine").is(403)
		g.call("POST", "/message/sendText/mine?instanceName=nosuch", body, "apikey", "t-mine").is(500).has("error", "Internal Server Error")
		g.call("GET", "/webhook/find/mine?instanceName=victim", "", "apikey", "t-mine").is(200).has("headers.Authorization", "Bearer shared-victim")
		g.call("POST", "/message/sendText/mine", body, "apikey", "t-mine").is(201)
		if session(1) != "mine" {
			t.Error(session(1))
		}
	})
}

func TestEvolutionInstances(t *testing.T) {
	on(t, Options{Dialect: "evolution", PairAfter: 30 * time.Second}, func(g *rig) {
		for _, body := range []string{
			`{"instanceName":"a"}`, `{"instanceName":"a","integration":"X"}`, `{"integration":"WHATSAPP-BAILEYS"}`,
			`{"instanceName":"a","integration":"WHATSAPP-BAILEYS","qrcode":"yes"}`, `{"instanceName":5,"integration":"WHATSAPP-BAILEYS"}`, `{`,
			`{"instanceName":"a","integration":"WHATSAPP-BAILEYS","webhook":{"enabled":true}}`,
		} {
			g.call("POST", "/instance/create", body).is(400)
		}
		g.call("POST", "/instance/create", `{"instanceName":"a","integration":"WHATSAPP-BAILEYS","webhook":{"url":"`+hookURL+`"}}`).is(500)
		g.call("POST", "/instance/create", `{"instanceName":"a","integration":"WHATSAPP-BAILEYS","proxyHost":"h","proxyPassword":"secret"}`).is(201).
			has("instance.status", "close", "qrcode", nil, "settings.rejectCall", false)
		row := g.call("GET", "/instance/fetchInstances", "").is(200).has("0.name", "a", "0.connectionStatus", "close", "0.Proxy.password", "secret")
		if len(row.text("0.token")) != 36 || len(row.text("0.id")) != 36 {
			t.Errorf("%s", row.raw)
		}
		g.call("GET", "/webhook/find/a", "").is(200).has("", nil)
		g.call("POST", "/message/sendText/a", `{"number":"628123456789","text":"x"}`).says(500, "Cannot read properties")
		g.call("POST", "/instance/restart/a", "").is(200).has("error", true)
		g.call("DELETE", "/instance/logout/a", "").is(400)
		before := time.Now()
		a := g.call("GET", "/instance/connect/a", "").is(200).has("pairingCode", nil, "count", 1.0)
		isPicture(t, a.text("base64"))
		if time.Since(before) != evolutionConnectWait || !strings.HasPrefix(a.text("code"), "wa-sandbox:") {
			t.Error(time.Since(before))
		}
		g.call("GET", "/instance/connect/a?number=628123", "").is(200).has("pairingCode", "ABCD1234")
		g.call("POST", "/message/sendText/a", `{"number":"628123456789","text":"x"}`).says(500, "Connection Closed")
		g.call("GET", "/instance/connectionState/a", "").has("instance.state", "connecting")
		time.Sleep(30 * time.Second)
		g.call("GET", "/instance/connect/a", "").is(200).has("", map[string]any{"instance": map[string]any{"instanceName": "a", "state": "open"}})
		g.call("DELETE", "/instance/logout/a", "").is(200).has("status", "SUCCESS", "error", false)
		g.call("GET", "/instance/fetchInstances?instanceName=a", "").has("0.ownerJid", nil)
		g.call("DELETE", "/instance/delete/a", "").is(200)
		g.call("DELETE", "/instance/delete/a", "").is(404)
	})
}

func TestEvolutionHooksAreSet(t *testing.T) {
	on(t, Options{Dialect: "evolution"}, func(g *rig) {
		evolutionOn(g, "a", "")
		g.call("POST", "/webhook/set/a", `{}`).says(400, `requires property \"webhook\"`)
		g.call("POST", "/webhook/set/a", `{"webhook":{"url":"`+hookURL+`"}}`).says(400, "enabled")
		g.call("POST", "/webhook/set/a", `{"webhook":{"enabled":true,"url":"`+hookURL+`"}}`).is(500)
		g.call("POST", "/webhook/set/a", `{"webhook":{"enabled":true,"url":"`+hookURL+`","events":["messages.update"]}}`).is(400)
		g.call("POST", "/webhook/set/a", `{"webhook":{"enabled":true,"url":"`+hookURL+`","events":["MESSAGES_UPDATE"],"byEvents":true,"headers":{"jwt_key":"key","X-Own":"v"}}}`).
			is(201).has("events", []any{"MESSAGES_UPDATE"}, "webhookByEvents", true)
		g.hooks(0)
		g.call("POST", "/message/sendText/a", `{"number":"628123456789","text":"x"}`).is(201)
		got := g.hooks(time.Second)
		if len(got) != 3 || got[0].url != hookURL+"/messages-update" || got[0].header.Get("X-Own") != "v" {
			t.Fatalf("%+v", got)
		}
		token, _ := strings.CutPrefix(got[0].header.Get("Authorization"), "Bearer ")
		parts := strings.Split(token, ".")
		mac := hmac.New(sha256.New, []byte("key"))
		mac.Write([]byte(parts[0] + "." + parts[1]))
		if len(parts) != 3 || parts[2] != base64.RawURLEncoding.EncodeToString(mac.Sum(nil)) {
			t.Error(token)
		}
		g.call("POST", "/webhook/set/a", `{"webhook":{"enabled":false,"url":"`+hookURL+`"}}`).is(201).has("events", []any{})
		g.call("POST", "/message/sendText/a", `{"number":"628123456789","text":"x"}`).is(201)
		if got := g.hooks(time.Second); len(got) != 0 {
			t.Error(len(got))
		}
	})
}

func TestEvolutionSends(t *testing.T) {
	n := `"number":"628123456789",`
	for name, row := range map[string]struct {
		path, body string
		status     int
		want       string
	}{
		"text":             {"sendText", `{` + n + `"text":"x","extra":1}`, 201, `"remoteJid":"628123456789@s.whatsapp.net"`},
		"typed number":     {"sendText", `{"number":"+62 (812) 3456789","text":"x"}`, 201, "628123456789@s"},
		"group":            {"sendText", `{"number":"120363024512345678","text":"x"}`, 201, "@g.us"},
		"Brazil":           {"sendText", `{"number":"5531987654321","text":"x"}`, 201, `"553187654321@s.whatsapp.net"`},
		"Mexico":           {"sendText", `{"number":"5215512345678","text":"x"}`, 201, `"525512345678@s.whatsapp.net"`},
		"no number":        {"sendText", `{"text":"x"}`, 400, `[["requires property \"number\""]]`},
		"no text":          {"sendText", `{` + n + `"message":"x"}`, 400, "text"},
		"number as number": {"sendText", `{"number":628123456789,"text":"x"}`, 400, "number is not of a type"},
		"broken delay":     {"sendText", `{` + n + `"text":"x","delay":"1"}`, 400, "delay"},
		"quote":            {"sendText", `{` + n + `"text":"x","quoted":{"key":{"id":"A"}}}`, 201, "stanzaId"},
		"quote of nothing": {"sendText", `{` + n + `"text":"x","quoted":{"key":{}}}`, 400, "id"},
		"mention":          {"sendText", `{` + n + `"text":"x","mentioned":["@x"]}`, 400, "mentioned"},
		"letters":          {"sendText", `{"number":"abcdef","text":"x"}`, 400, `"exists":false`},
		"absent":           {"sendText", `{"number":"628120008","text":"x"}`, 400, `"exists":false`},
		"broken":           {"sendText", `{"number":"628120006","text":"x"}`, 500, "Internal Server Error"},
		"fails later":      {"sendText", `{"number":"628120000","text":"x"}`, 201, "PENDING"},
		"image":            {"sendMedia", `{` + n + `"mediatype":"image","media":"` + pixel + `","caption":"c"}`, 201, "imageMessage"},
		"image URL":        {"sendMedia", `{` + n + `"mediatype":"image","media":"https://example.com/a.png"}`, 201, "imageMessage"},
		"near URL":         {"sendMedia", `{` + n + `"mediatype":"image","media":"http://localhost/a.png"}`, 400, "url or base64"},
		"data URL":         {"sendMedia", `{` + n + `"mediatype":"image","media":"data:image/png;base64,` + pixel + `"}`, 400, "url or base64"},
		"wrong kind":       {"sendMedia", `{` + n + `"mediatype":"sticker","media":"` + pixel + `"}`, 400, "mediatype"},
		"nameless":         {"sendMedia", `{` + n + `"mediatype":"document","media":"AAAA"}`, 400, "file name must be informed"},
		"document":         {"sendMedia", `{` + n + `"mediatype":"document","media":"AAAA","fileName":"a.pdf","mimetype":"application/pdf"}`, 201, `"fileName":"a.pdf"`},
		"audio":            {"sendWhatsAppAudio", `{` + n + `"audio":"AAAA"}`, 201, "audioMessage"},
		"no audio":         {"sendWhatsAppAudio", `{` + n + `"media":"AAAA"}`, 400, "url or base64"},
		"sticker":          {"sendSticker", `{` + n + `"sticker":"AAAA"}`, 201, "stickerMessage"},
		"location":         {"sendLocation", `{` + n + `"latitude":-6.2,"longitude":106.8,"name":"","address":""}`, 201, "PENDING"},
		"no address":       {"sendLocation", `{` + n + `"latitude":-6.2,"longitude":106.8,"name":"n"}`, 400, "address"},
		"location texts":   {"sendLocation", `{` + n + `"latitude":"-6.2","longitude":106.8,"name":"","address":""}`, 400, "latitude"},
		"contact":          {"sendContact", `{` + n + `"contact":[{"fullName":"n","phoneNumber":"6281234567"}]}`, 201, "PENDING"},
		"short contact":    {"sendContact", `{` + n + `"contact":[{"fullName":"n","phoneNumber":"62812"}]}`, 400, "minimum length of 10"},
		"no contact":       {"sendContact", `{` + n + `"contact":[]}`, 400, "contact"},
		"poll":             {"sendPoll", `{` + n + `"name":"q","selectableCount":1,"values":["a","b"]}`, 201, "PENDING"},
		"short poll":       {"sendPoll", `{` + n + `"name":"q","selectableCount":1,"values":["a"]}`, 400, "values"},
		"uncounted poll":   {"sendPoll", `{` + n + `"name":"q","values":["a","b"]}`, 400, "selectableCount"},
		"list":             {"sendList", `{` + n + `"title":"t","footerText":"","buttonText":"b","sections":[{"title":"s","rows":[{"title":"r","rowId":"1"}]}]}`, 201, "PENDING"},
		"list, no footer":  {"sendList", `{` + n + `"title":"t","buttonText":"b","sections":[{"title":"s","rows":[{"title":"r","rowId":"1"}]}]}`, 400, "footerText"},
		"buttons":          {"sendButtons", `{` + n + `"title":"t","buttons":[{"type":"reply","displayText":"y","id":"1"}]}`, 201, "PENDING"},
		"mixed buttons":    {"sendButtons", `{` + n + `"title":"t","buttons":[{"type":"reply"},{"type":"url"}]}`, 400, "mixed"},
		"no buttons":       {"sendButtons", `{` + n + `"title":"t"}`, 400, "At least one"},
		"unknown kind":     {"sendVideo", `{` + n + `"video":"AAAA"}`, 404, "Cannot POST"},
	} {
		t.Run(name, func(t *testing.T) {
			on(t, Options{Dialect: "evolution"}, func(g *rig) {
				evolutionOn(g, "a", "")
				g.call("POST", "/message/"+row.path+"/a", row.body).says(row.status, row.want)
				if sent := g.admin("sent", "")["sent"].([]any); (len(sent) == 1) != (row.status == 201) {
					t.Error(sent)
				}
			})
		})
	}
}

func TestEvolutionForms(t *testing.T) {
	on(t, Options{Dialect: "evolution"}, func(g *rig) {
		evolutionOn(g, "a", "")
		body, kind := form(t, map[string]string{"number": "628123456789", "mediatype": "document", "caption": "c"}, "file", "a.pdf", "application/pdf", []byte("%PDF-1.4"))
		g.call("POST", "/message/sendMedia/a", body, "Content-Type", kind).is(201).has("message.documentMessage.fileName", "a.pdf")
		g.call("GET", adminPath+"sent", "").has("data.sent.0.media.source", "file", "data.sent.0.media.size", 8.0)
		g.call("POST", "/message/sendMedia/a", body[:len(body)-30], "Content-Type", kind).is(400)
		body, kind = form(t, map[string]string{"number": "628123456789"}, "file", "a.ogg", "audio/ogg", bytes.Repeat([]byte("OggS"), 1000))
		g.call("POST", "/message/sendWhatsAppAudio/a", body, "Content-Type", kind).is(201)
		before := time.Now()
		g.call("POST", "/message/sendText/a", `{"number":"628123456789","text":"x","delay":1500}`).is(201)
		if time.Since(before) != 1500*time.Millisecond {
			t.Error(time.Since(before))
		}
	})
}

func TestEvolutionWebhooks(t *testing.T) {
	on(t, Options{Dialect: "evolution"}, func(g *rig) {
		evolutionOn(g, "a", "")
		got := g.hooks(0)
		events := kinds(t, got, "event", plainBody)
		if sorted(events) != "connection.update connection.update instance.create qrcode.updated" || strings.Join(slices.DeleteFunc(strings.Fields(events), func(e string) bool { return e == "instance.create" }), " ") != "connection.update qrcode.updated connection.update" {
			t.Fatal(events)
		}
		for _, h := range got {
			if h.header.Get("Authorization") != "Bearer shared-a" {
				t.Error(h.header)
			}
			(&heard{t: t, raw: []byte(h.body)}).has("instance", "a", "apikey", "t-a", "destination", hookURL)
		}
		if state := kinds(t, got[len(got)-1:], "data.state", plainBody); state != "open" {
			t.Error(state)
		}
		send := func(to string) string {
			return g.call("POST", "/message/sendText/a", `{"number":"`+to+`","text":"x"}`).is(201).has("status", "PENDING", "key.fromMe", true).text("key.id")
		}
		id := send("628123456789")
		statuses := func() string {
			var list []hooked
			for _, h := range g.hooks(time.Second) {
				if dig(t, []byte(h.body), "event") == "messages.update" {
					list = append(list, h)
				}
			}
			return kinds(t, list, "data.status", plainBody)
		}
		got = g.hooks(time.Second)
		if sorted(kinds(t, got, "event", plainBody)) != "messages.update messages.update messages.update send.message" {
			t.Fatalf("%+v", got)
		}
		for _, h := range got {
			a := &heard{t: t, raw: []byte(h.body)}
			if a.text("event") == "messages.update" {
				a.has("data.keyId", id, "data.fromMe", true, "data.remoteJid", "628123456789@s.whatsapp.net", "data.messageTimestamp", nil)
			} else {
				a.has("data.key.id", id, "data.status", "PENDING")
			}
		}
		for to, want := range map[string]string{
			"628120000": "SERVER_ACK ERROR", "628120001": "SERVER_ACK", "628120002": "SERVER_ACK DELIVERY_ACK",
			"628120003": "SERVER_ACK SERVER_ACK DELIVERY_ACK DELIVERY_ACK READ READ", "628120004": "READ DELIVERY_ACK SERVER_ACK",
			"120363024512345678": "SERVER_ACK DELIVERY_ACK",
		} {
			send(to)
			if list := statuses(); list != want {
				t.Errorf("%s: %s", to, list)
			}
		}
		// A webhook that is refused is not tried again, one that meets trouble is.
		for status, tries := range map[int]int{404: 1, 500: maxAttempts, 409: maxAttempts} {
			g.answer = func(int) int { return status }
			send("628120001")
			if got := g.hooks(time.Hour); len(got) != 2*tries {
				t.Errorf("%d: %d", status, len(got))
			}
		}
		g.answer = nil
		send("628120007")
		if got := g.hooks(time.Second); !strings.Contains(kinds(t, got, "data.state", plainBody), "close") {
			t.Errorf("%+v", got)
		}
		g.call("DELETE", "/instance/delete/a", "").is(200)
		if got := kinds(t, g.hooks(time.Second), "event", plainBody); got != "instance.delete" {
			t.Error(got)
		}
	})
	on(t, Options{Dialect: "evolution", PairAfter: time.Minute}, func(g *rig) {
		evolutionOn(g, "a", "")
		g.admin("script", `{"session":"a","qr_expires_after":"20s"}`)
		got := g.hooks(30 * time.Second)
		if states := kinds(t, got, "data.state", plainBody); !strings.HasSuffix(states, "refused") || !strings.Contains(got[len(got)-2].body, "limit reached") {
			t.Error(states)
		}
	})
}

func TestEvolutionIncomingAndReads(t *testing.T) {
	on(t, Options{Dialect: "evolution"}, func(g *rig) {
		evolutionOn(g, "a", `,"base64":true`)
		g.hooks(0)
		g.admin("incoming", `{"session":"a","from":"628111111","name":"Budi","text":"halo","id":"IN1"}`)
		g.admin("incoming", `{"session":"a","from":"628111111","chat":"120363@g.us","media":{"kind":"image","mimetype":"image/png","data":"`+pixel+`"},"id":"IN2"}`)
		for _, h := range g.hooks(time.Second) {
			a := &heard{t: t, raw: []byte(h.body)}
			a.has("event", "messages.upsert", "data.key.fromMe", false)
			if a.text("data.key.id") == "IN1" {
				a.has("data.message.conversation", "halo", "data.pushName", "Budi", "data.key.remoteJid", "628111111@s.whatsapp.net")
			} else {
				a.has("data.messageType", "imageMessage", "data.key.participant", "628111111@s.whatsapp.net", "data.message.base64", pixel)
			}
		}
		jid := "628111111@s.whatsapp.net"
		g.call("POST", "/chat/findContacts/a", `{"where":{"remoteJid":"`+jid+`"}}`).is(200).has("0.pushName", "Budi", "0.type", "contact", "1", nil)
		if list := g.call("POST", "/chat/findContacts/a", `{"page":2,"offset":4}`).is(200).at("").([]any); len(list) != 2 {
			t.Error(len(list))
		}
		g.call("POST", "/chat/findChats/a", `{"take":1}`).is(200).has("0.remoteJid", "120363@g.us", "1", nil)
		g.call("POST", "/chat/findMessages/a", `{"where":{"key":{"remoteJid":"`+jid+`"}}}`).is(200).
			has("messages.total", 1.0, "messages.records.0.key.id", "IN1", "messages.records.0.message.conversation", "halo")
		g.call("POST", "/chat/markMessageAsRead/a", `{"readMessages":[{"id":"IN1","fromMe":false,"remoteJid":"`+jid+`"}]}`).is(201).has("read", "success")
		g.call("POST", "/chat/markMessageAsRead/a", `{"readMessages":[{"id":"IN1"}]}`).is(400)
		g.call("POST", "/chat/findChats/a", `{"where":{"remoteJid":"`+url.QueryEscape("628111111")+`"}}`).has("0.unreadCount", 0.0)
		g.call("POST", "/chat/whatsappNumbers/a", `{"numbers":["628123456789","628120008"]}`).is(200).has("0.exists", true, "1.exists", false)
	})
}
