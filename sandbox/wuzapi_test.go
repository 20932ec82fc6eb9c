package sandbox

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/url"
	"strings"
	"testing"
	"time"
)

const wuzapiKey = "0123456789abcdef0123456789abcdef"

// wuzapiOn makes a user with a webhook and connects him.
func wuzapiOn(g *rig, name string, headers ...string) {
	g.t.Helper()
	g.call("POST", "/admin/users", `{"name":"`+name+`","token":"t-`+name+`","webhook":"`+hookURL+`","events":"All","history":10}`, headers...)
	g.call("POST", "/session/connect", `{"Subscribe":["All"],"Immediate":true}`, "token", "t-"+name).is(200)
	time.Sleep(5 * time.Second)
}

func formEvent(h hooked) []byte {
	form, err := url.ParseQuery(h.body)
	if err != nil {
		return []byte(err.Error())
	}
	return []byte(form.Get("jsonData"))
}

func TestWuzapiCredentials(t *testing.T) {
	on(t, Options{Dialect: "wuzapi", Token: "admin"}, func(g *rig) {
		for _, header := range []string{"", "wrong", "Bearer admin"} {
			g.call("GET", "/admin/users", "", "Authorization", header).is(401).
				has("code", 401.0, "error", "unauthorized", "success", false)
		}
		wuzapiOn(g, "a", "Authorization", "admin")
		g.call("GET", "/session/status", "").says(401, "unauthorized")
		g.call("GET", "/session/status", "", "token", "admin").says(401, "unauthorized")
		g.call("GET", "/session/status", "", "Authorization", "t-a").says(401, "unauthorized")
		// The query chooses a session where the header is absent, and answers show the token.
		g.call("GET", "/session/status?token=t-a", "").is(200).has("data.token", "t-a", "data.name", "a")
		g.call("GET", "/session/status?token=t-b", "", "TOKEN", "t-a").is(200).has("data.name", "a")
		g.call("GET", "/admin/users", "", "Authorization", "admin").is(200).has("data.0.token", "t-a", "data.0.loggedIn", true)
		g.call("GET", "/admin/users/nosuch", "", "Authorization", "admin").is(200).has("data", []any{})
		for _, path := range []string{"/", "/chat/send/nosuch", "/session"} {
			if a := g.call("GET", path, "", "token", "t-a").is(404); a.header.Get("Content-Type") == jsonType {
				t.Error(path, a.header)
			}
		}
		g.call("GET", "/chat/send/text", "", "token", "t-a").is(404)
		g.call("GET", "/health", "").is(200).has("total_users", 1.0, "logged_in_users", 1.0)
	})
}

func TestWuzapiUsers(t *testing.T) {
	on(t, Options{Dialect: "wuzapi"}, func(g *rig) {
		a := g.call("POST", "/admin/users", `{"name":"a","token":"t","proxyConfig":{"enabled":true,"proxyURL":"socks5://u:secret@h:1"},"hmacKey":"`+wuzapiKey+`"}`).is(201)
		id := a.text("data.id")
		a.has("data.token", "t", "data.hmac_key", true, "success", true, "data.proxy_config.proxy_url", "socks5://u:secret@h:1")
		g.call("POST", "/admin/users", `{"name":"b","token":"t"}`).says(409, "already exists")
		g.call("POST", "/admin/users", `{"name":"b","token":"u","events":"Nonsense"}`).says(400, "invalid event type")
		g.call("POST", "/admin/users", `{"name":"b","token":"u","hmacKey":"short"}`).says(400, "at least 32")
		g.call("POST", "/admin/users", `nonsense`).says(400, "invalid request payload")
		g.call("PUT", "/admin/users/"+id, `{"name":"c","token":""}`).is(200)
		g.call("GET", "/admin/users/"+id, "").has("data.0.name", "c", "data.0.token", "t")
		g.call("PUT", "/admin/users/x", `{}`).says(404, "user not found")
		// Deleted plainly, a used token goes on working; deleted fully it does not.
		g.call("GET", "/session/status", "", "token", "t").is(200)
		g.call("DELETE", "/admin/users/"+id, "").is(200)
		g.call("GET", "/admin/users", "").has("data", []any{})
		g.call("GET", "/session/status", "", "token", "t").is(200)
		id = g.call("POST", "/admin/users", `{"name":"d","token":"v"}`).is(201).text("data.id")
		g.call("DELETE", "/admin/users/"+id+"/full", "").is(200).has("data.name", "d")
		g.call("GET", "/session/status", "", "token", "v").is(401)
		g.call("DELETE", "/admin/users/"+id+"/full", "").is(404)
		g.call("DELETE", "/admin/users/"+id, "").is(404)
		// An empty token is not refused, and then needs none.
		g.call("POST", "/admin/users", `{"name":"e"}`).is(201)
		g.call("GET", "/session/status", "").is(200)
	})
}

func TestWuzapiSessionLife(t *testing.T) {
	on(t, Options{Dialect: "wuzapi"}, func(g *rig) {
		own := []string{"token", "t"}
		g.call("POST", "/admin/users", `{"name":"a","token":"t","webhook":"`+hookURL+`","events":"All"}`).is(201)
		for _, path := range []string{"/session/disconnect", "/session/logout", "/chat/send/text"} {
			g.call("POST", path, `{"Phone":"628123","Body":"x"}`, own...).says(500, "no session")
		}
		g.call("GET", "/session/qr", "", own...).says(500, "no session")
		g.call("POST", "/session/connect", "", own...).says(400, "could not decode")
		g.call("POST", "/session/connect", `{"Subscribe":["All","Nonsense"],"Immediate":true}`, own...).is(200).
			has("data.events", "All", "data.jid", "", "data.details", "Connected!")
		g.call("POST", "/session/connect", `{}`, own...).says(500, "already connected")
		isPicture(t, g.call("GET", "/session/qr", "", own...).is(200).text("data.QRCode"))
		g.call("GET", "/session/status", "", own...).has("data.connected", true, "data.loggedIn", false)
		g.call("POST", "/chat/send/text", `{"Phone":"628123","Body":"x"}`, own...).says(500, "device JID")
		if got := kinds(t, g.hooks(5*time.Second), "type", formEvent); got != "QR PairSuccess Connected" {
			t.Error(got)
		}
		g.call("GET", "/session/qr", "", own...).says(500, "already logged in")
		g.call("GET", "/session/status", "", own...).has("data.loggedIn", true)
		g.call("POST", "/session/disconnect", "", own...).is(200).has("data.Details", "Disconnected")
		g.call("POST", "/session/disconnect", "", own...).says(500, "no session")
		// Paired, it connects without a code. Without Immediate that takes its time.
		before := time.Now()
		g.call("POST", "/session/connect", `{"subscribe":["All"]}`, own...).is(200)
		if time.Since(before) != wuzapiConnectWait {
			t.Error(time.Since(before))
		}
		g.call("POST", "/session/logout", "", own...).is(200)
		if got := kinds(t, g.hooks(0), "type", formEvent); got != "Connected LoggedOut" {
			t.Error(got)
		}
		// A code that nobody scans ends, and with it the client.
		g.admin("script", `{"session":"a","qr_expires_after":"2s"}`)
		g.call("POST", "/session/connect", `{"Subscribe":["All"],"Immediate":true}`, own...).is(200)
		if got := kinds(t, g.hooks(2*time.Second), "type", formEvent); got != "QR QRTimeout" {
			t.Error(got)
		}
		g.call("GET", "/session/qr", "", own...).says(500, "no session")
	})
}

func TestWuzapiCodesAreRenewed(t *testing.T) {
	on(t, Options{Dialect: "wuzapi", PairAfter: time.Minute}, func(g *rig) {
		g.call("POST", "/admin/users", `{"name":"a","token":"t","webhook":"`+hookURL+`","events":"QR"}`).is(201)
		g.call("POST", "/session/connect", `{"Subscribe":["QR"],"Immediate":true}`, "token", "t").is(200)
		got := g.hooks(70 * time.Second)
		if len(got) != 3 || got[1].after-got[0].after != codeLife {
			t.Fatal(len(got))
		}
		first := dig(t, formEvent(got[0]), "qrCodeBase64").(string)
		isPicture(t, first)
		if first == dig(t, formEvent(got[1]), "qrCodeBase64") {
			t.Error("the code is the same")
		}
	})
}

func TestWuzapiSends(t *testing.T) {
	image := `"data:image/png;base64,` + pixel + `"`
	for name, row := range map[string]struct {
		path, body string
		status     int
		want       string
	}{
		"text":              {"text", `{"Phone":"+628123456789","Body":"x"}`, 200, `"Details":"Sent"`},
		"any case":          {"text", `{"phone":"628123456789","body":"x","id":"MINE"}`, 200, `"Id":"MINE"`},
		"JID":               {"text", `{"Phone":"628123456789@s.whatsapp.net","Body":"x"}`, 200, "Sent"},
		"group":             {"text", `{"Phone":"120363@g.us","Body":"x"}`, 200, "Sent"},
		"no phone":          {"text", `{"Body":"x"}`, 400, "missing Phone in Payload"},
		"no body":           {"text", `{"Phone":"628123456789"}`, 400, "missing Body in Payload"},
		"broken JID":        {"text", `{"Phone":"@g.us","Body":"x"}`, 400, "could not parse Phone"},
		"letters":           {"text", `{"Phone":"abcdef","Body":"x"}`, 500, "error sending message"},
		"number as number":  {"text", `{"Phone":628123456789,"Body":"x"}`, 400, "could not decode"},
		"half a quote":      {"text", `{"Phone":"628123456789","Body":"x","ContextInfo":{"StanzaID":"a"}}`, 400, "missing Participant"},
		"quote":             {"text", `{"Phone":"628123456789","Body":"x","ContextInfo":{"StanzaID":"a","Participant":"b"}}`, 200, "Sent"},
		"image":             {"image", `{"Phone":"628123456789","Image":` + image + `}`, 200, "Sent"},
		"image URL":         {"image", `{"Phone":"628123456789","Image":"https://example.com/a.png"}`, 200, "Sent"},
		"bare image":        {"image", `{"Phone":"628123456789","Image":"` + pixel + `"}`, 400, "should start with"},
		"no image":          {"image", `{"Phone":"628123456789","Image":"data:image/png;base64,aGVsbG8="}`, 500, "could not decode image"},
		"broken base64":     {"image", `{"Phone":"628123456789","Image":"data:image/png;base64,!!"}`, 400, "could not decode base64"},
		"video":             {"video", `{"Phone":"628123456789","Video":"data:video/mp4;base64,AAAA"}`, 200, "Sent"},
		"audio":             {"audio", `{"Phone":"628123456789","Audio":"data:audio/ogg;base64,AAAA","ptt":false}`, 200, "Sent"},
		"no audio":          {"audio", `{"Phone":"628123456789","Audio":"data:video/mp4;base64,AAAA"}`, 400, "audio data should"},
		"document":          {"document", `{"Phone":"628123456789","Document":"data:application/pdf;base64,AAAA","FileName":"a.pdf"}`, 200, "Sent"},
		"nameless document": {"document", `{"Phone":"628123456789","Document":"data:application/pdf;base64,AAAA"}`, 400, "missing FileName"},
		"sticker":           {"sticker", `{"Phone":"628123456789","Sticker":"data:image/webp;base64,AAAA"}`, 200, "Sent"},
		"location":          {"location", `{"Phone":"628123456789","Latitude":-6.2,"Longitude":106.8,"Name":"Monas"}`, 200, "Sent"},
		"equator":           {"location", `{"Phone":"628123456789","Latitude":0,"Longitude":106.8}`, 400, "missing Latitude"},
		"contact":           {"contact", `{"Phone":"628123456789","Name":"n","Vcard":"BEGIN:VCARD"}`, 200, "Sent"},
		"cardless":          {"contact", `{"Phone":"628123456789","Name":"n"}`, 400, "missing Vcard"},
		"poll":              {"poll", `{"group":"628123456789","header":"q","options":["a","b"]}`, 200, "Poll sent"},
		"short poll":        {"poll", `{"group":"628123456789","header":"q","options":["a"]}`, 400, "at least 2"},
		"list":              {"list", `{"Phone":"628123456789","Desc":"d","ButtonText":"b","TopText":"t","Sections":[{"title":"s","rows":[{"title":"r","desc":"","RowId":"1"}]}]}`, 200, "Sent"},
		"empty list":        {"list", `{"Phone":"628123456789","Desc":"d"}`, 400, "missing Sections"},
		"buttons":           {"buttons", `{"Phone":"628123456789","Body":"b","Buttons":[{"type":"reply","title":"yes","id":"1"}]}`, 200, "Sent"},
		"older buttons":     {"buttons", `{"Phone":"628123456789","Title":"b","Buttons":[{"ButtonId":"1","ButtonText":"yes"}]}`, 200, "Sent"},
		"no buttons":        {"buttons", `{"Phone":"628123456789","Body":"b"}`, 400, "missing Buttons"},
		"fails":             {"text", `{"Phone":"628120000","Body":"x"}`, 500, "error sending message"},
		"broken server":     {"text", `{"Phone":"628120006","Body":"x"}`, 500, "error sending message"},
		"absent":            {"text", `{"Phone":"628120008","Body":"x"}`, 500, "no LID"},
	} {
		t.Run(name, func(t *testing.T) {
			on(t, Options{Dialect: "wuzapi"}, func(g *rig) {
				wuzapiOn(g, "a")
				g.call("POST", "/chat/send/"+row.path, row.body, "token", "t-a").says(row.status, row.want)
				sent := g.admin("sent", "")["sent"].([]any)
				if (len(sent) == 1) != (row.status == 200) {
					t.Error(sent)
				}
			})
		})
	}
}

func TestWuzapiSentIsShown(t *testing.T) {
	on(t, Options{Dialect: "wuzapi"}, func(g *rig) {
		wuzapiOn(g, "a")
		id := g.call("POST", "/chat/send/image", `{"Phone":"628123456789","Image":"data:image/png;base64,`+pixel+`","Caption":"c"}`, "token", "t-a").is(200).text("data.Id")
		a := g.call("GET", adminPath+"sent", "").is(200)
		a.has("data.sent.0.id", id, "data.sent.0.to", "628123456789", "data.sent.0.kind", "image", "data.sent.0.text", "c",
			"data.sent.0.media.source", "data_url", "data.sent.0.media.mimetype", "image/png", "data.sent.0.media.size", 70.0)
		if sum := a.text("data.sent.0.media.sha256"); len(sum) != 64 {
			t.Error(sum)
		}
	})
}

func TestWuzapiWebhooks(t *testing.T) {
	send := func(g *rig, to string) string {
		return g.call("POST", "/chat/send/text", `{"Phone":"`+to+`","Body":"x y&z"}`, "token", "t-a").is(200).text("data.Id")
	}
	on(t, Options{Dialect: "wuzapi"}, func(g *rig) {
		wuzapiOn(g, "a")
		if h := g.hooks(0); len(h) == 0 || h[0].header.Get("x-hmac-signature") != "" {
			t.Error("signed without a key", len(h))
		}
		g.call("POST", "/session/hmac/config", `{"hmac_key":"short"}`, "token", "t-a").is(400)
		g.call("POST", "/session/hmac/config", `{"hmac_key":"`+wuzapiKey+`"}`, "token", "t-a").is(200).has("Details", "HMAC configuration saved successfully")
		id := send(g, "628123456789")
		got := g.hooks(time.Second)
		if len(got) != 3 || kinds(t, got, "type", formEvent) != "MessageSent ReadReceipt ReadReceipt" || kinds(t, got, "state", formEvent) != " Delivered Read" {
			t.Fatal(kinds(t, got, "type", formEvent), kinds(t, got, "state", formEvent))
		}
		for _, h := range got {
			mac := hmac.New(sha256.New, []byte(wuzapiKey))
			mac.Write([]byte(h.body))
			if h.header.Get("X-Hmac-Signature") != hex.EncodeToString(mac.Sum(nil)) || h.url != hookURL {
				t.Error(h.header, h.url)
			}
			form, err := url.ParseQuery(h.body)
			if err != nil || form.Get("instanceName") != "a" || form.Get("userID") == "" || form.Has("token") || h.body != form.Encode() {
				t.Error(h.body, err)
			}
		}
		if dig(t, formEvent(got[2]), "event.MessageIDs.0") != id || dig(t, formEvent(got[2]), "event.Chat") != "628123456789@s.whatsapp.net" ||
			dig(t, formEvent(got[0]), "event.Info.ID") != id {
			t.Error(got[2].body)
		}
		for to, want := range map[string]string{
			"628120001": "", "628120002": "Delivered", "628120003": "Delivered Delivered Read Read", "628120004": "Read Delivered",
		} {
			send(g, to)
			if states := strings.TrimSpace(kinds(t, g.hooks(time.Second), "state", formEvent)); states != want {
				t.Errorf("%s: %s", to, states)
			}
		}
		// Registered without events, nothing more comes, though the list still shows them.
		g.call("POST", "/webhook", `{"webhookurl":"`+hookURL+`"}`, "token", "t-a").is(200)
		g.call("GET", "/webhook", "", "token", "t-a").has("data.webhook", hookURL, "data.subscribe", []any{"All"})
		send(g, "628123456789")
		if got := g.hooks(time.Second); len(got) != 0 {
			t.Error(len(got))
		}
		// Receipts come under All only.
		g.call("PUT", "/webhook", `{"webhook":"`+hookURL+`","events":["ReadReceipt","MessageSent","x"],"active":true}`, "token", "t-a").
			is(200).has("data.events", []any{"ReadReceipt", "MessageSent"})
		send(g, "628123456789")
		if got := kinds(t, g.hooks(time.Second), "type", formEvent); got != "MessageSent" {
			t.Error(got)
		}
		g.call("PUT", "/webhook", `{"webhook":"`+hookURL+`","events":["All"]}`, "token", "t-a").is(200).has("data.webhook", "", "data.active", false)
	})
	on(t, Options{Dialect: "wuzapi", WebhookJSON: true}, func(g *rig) {
		wuzapiOn(g, "a")
		g.call("POST", "/session/hmac/config", `{"hmac_key":"`+wuzapiKey+`"}`, "token", "t-a").is(200)
		g.hooks(0)
		g.answer = func(n int) int { return []int{404, 500, 200}[min(n, 2)] } // tried again whatever it says
		send(g, "628120001")
		got := g.hooks(time.Minute)
		if len(got) != 3 || got[2].header.Get("Content-Type") != jsonType || dig(t, []byte(got[2].body), "instanceName") != "a" {
			t.Fatalf("%+v", got)
		}
		if got[2].header.Get("X-Hmac-Signature") != hexMAC(wuzapiKey, []byte(got[0].body)) {
			t.Error(got[2].header)
		}
	})
}

func TestWuzapiIncomingAndReads(t *testing.T) {
	on(t, Options{Dialect: "wuzapi"}, func(g *rig) {
		wuzapiOn(g, "a")
		wuzapiOn(g, "b")
		g.hooks(0)
		g.admin("incoming", `{"session":"a","from":"+62 811-1111","name":"Budi","text":"halo","id":"IN1"}`)
		got := g.hooks(time.Second)
		g.admin("incoming", `{"session":"a","from":"6281111","chat":"120363@g.us","media":{"kind":"image","mimetype":"image/png","filename":"a.png","data":"`+pixel+`"},"text":"cap"}`)
		got = append(got, g.hooks(time.Second)...)
		if len(got) != 2 {
			t.Fatal(len(got))
		}
		first := &heard{t: t, raw: formEvent(got[0])}
		first.has("type", "Message", "event.Info.ID", "IN1", "event.Info.Chat", "628111111@s.whatsapp.net", "event.Info.IsFromMe", false,
			"event.Info.PushName", "Budi", "event.Message.conversation", "halo")
		second := &heard{t: t, raw: formEvent(got[1])}
		second.has("event.Info.IsGroup", true, "event.Info.Chat", "120363@g.us", "event.Info.Sender", "6281111@s.whatsapp.net",
			"event.Message.imageMessage.caption", "cap", "base64", nil)
		g.call("POST", "/chat/send/text", `{"Phone":"628111111","Body":"hai"}`, "token", "t-a").is(200)
		g.call("GET", "/chat/history?chat_jid=628111111@s.whatsapp.net", "", "token", "t-a").is(200).
			has("data.0.text_content", "hai", "data.0.sender_jid", "me", "data.1.message_id", "IN1", "data.1.message_type", "text")
		g.call("GET", "/chat/history?chat_jid=1@s.whatsapp.net", "", "token", "t-a").is(200).has("data", nil)
		g.call("GET", "/chat/history", "", "token", "t-a").is(400)
		// The index is everybody's.
		index := g.call("GET", "/chat/history?chat_jid=index", "", "token", "t-b").is(200).at("data").(map[string]any)
		if len(index) != 2 {
			t.Error(index)
		}
		contacts := g.call("GET", "/user/contacts", "", "token", "t-a").is(200).at("data").(map[string]any)
		if len(contacts) != contactCount+2 || contacts["6281111@s.whatsapp.net"] == nil {
			t.Error(contacts)
		}
		g.call("POST", "/user/check", `{"Phone":["628123456789","628120008"]}`, "token", "t-a").is(200).
			has("data.Users.0.IsInWhatsapp", true, "data.Users.1.IsInWhatsapp", false)
		g.call("POST", "/chat/markread", `{"Id":["IN1"],"ChatPhone":"628111111"}`, "token", "t-a").is(200)
		g.call("POST", "/chat/markread", `{"ChatPhone":"628111111"}`, "token", "t-a").says(400, "missing Id")
	})
}

func TestWuzapiScript(t *testing.T) {
	on(t, Options{Dialect: "wuzapi"}, func(g *rig) {
		wuzapiOn(g, "a")
		g.hooks(0)
		send := func(to string) *heard {
			return g.call("POST", "/chat/send/text", `{"Phone":"`+to+`","Body":"x"}`, "token", "t-a")
		}
		g.admin("script", `{"session":"a","next":[{"status":503},{"delay":"7s","receipts":"none"},{"drop":true}]}`)
		send("628123456789").is(503)
		before := time.Now()
		send("628123456789").is(200)
		if time.Since(before) != 7*time.Second {
			t.Error(time.Since(before))
		}
		if got := kinds(t, g.hooks(time.Second), "type", formEvent); got != "MessageSent" {
			t.Error(got)
		}
		send("628120001").is(200)
		if got := sorted(kinds(t, g.hooks(time.Second), "type", formEvent)); got != "Disconnected MessageSent" {
			t.Error(got)
		}
		send("628123456789").says(500, "websocket not connected")
		g.call("POST", "/session/connect", `{"Subscribe":["All"],"Immediate":true}`, "token", "t-a").is(200)
		before = time.Now()
		send("628120005").is(200)
		if time.Since(before) != defaultSlow {
			t.Error(time.Since(before))
		}
		send("628120007").is(200)
		send("628123456789").is(500)
	})
}

func TestWuzapiOld(t *testing.T) {
	on(t, Options{Dialect: "wuzapi", Generation: "old"}, func(g *rig) {
		// Without an admin token, a call without the header is let in.
		g.call("GET", "/admin/users", "", "Authorization", "x").says(401, "Unauthorized")
		g.call("POST", "/admin/users", `{"name":"a","token":"t"}`).is(400)
		g.call("POST", "/admin/users", `{"name":"a","token":"t","webhook":"`+hookURL+`","events":"All"}`).is(200).has("", map[string]any{"id": 1.0})
		g.call("GET", "/session/status", "", "token", "t").says(500, "No session")
		g.call("POST", "/session/connect", `{"Subscribe":["All"],"Immediate":true}`, "token", "t").is(200)
		if got := g.hooks(6 * time.Second); len(got) != 0 {
			t.Error("the old generation tells of no session", len(got))
		}
		g.call("GET", "/session/status", "", "token", "t").is(200).has("data", map[string]any{"Connected": true, "LoggedIn": true})
		a := g.call("POST", "/chat/send/text", `{"Phone":"628123456789","Body":"x"}`, "token", "t").is(200)
		if _, err := time.Parse(time.RFC3339, a.text("data.Timestamp")); err != nil {
			t.Error(err)
		}
		got := g.hooks(time.Second)
		if kinds(t, got, "state", formEvent) != "Delivered Read" || got[0].header.Get("X-Hmac-Signature") != "" || !strings.HasSuffix(got[0].body, "&token=t") {
			t.Errorf("%+v", got)
		}
		g.call("POST", "/chat/send/poll", `{}`, "token", "t").is(404)
		g.call("DELETE", "/admin/users/1/full", "").is(404)
		g.call("POST", "/chat/send/document", `{"Phone":"628123456789","Document":"data:application/pdf;base64,AAAA","FileName":"a.pdf"}`, "token", "t").
			says(400, "octet-stream")
	})
}
