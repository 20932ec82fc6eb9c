package wuzapi_test

import (
	"context"
	"encoding/base64"
	"errors"
	"testing"

	"github.com/genfity/wa-gateway/message"
	"github.com/genfity/wa-gateway/waserver"
	"github.com/genfity/wa-gateway/waserver/waservertest"
	"github.com/genfity/wa-gateway/waserver/wuzapi"
)

const (
	adminToken    = "admin-token-of-the-server"
	credential    = "Cred3nt1alOfTheSession-0123456789abcdefghij"
	webhookSecret = "S3cretOfTheWebhooks-0123456789abcdefghijklm"
	remoteID      = "f322ed54bf68000ddf0b2aa10ccdac14"
)

// The answers of newer versions, and of the first one.
const (
	sent          = `{"code":200,"data":{"Details":"Sent","Id":"3EB0AAAA","Timestamp":1780315200},"success":true}`
	sentPoll      = `{"code":200,"data":{"Details":"Poll sent successfully","Id":"3EB0AAAA"},"success":true}`
	sentList      = `{"code":200,"data":{"Details":"Sent","Id":"3EB0AAAA","Timestamp":"2026-06-01T19:00:00+07:00"},"success":true}`
	unauthorized  = `{"code":401,"error":"unauthorized","success":false}`
	noSession     = `{"code":500,"error":"no session","success":false}`
	noSessionOld  = `{"code":500,"error":"No session","success":false}`
	notFound      = `{"code":404,"details":"No user found with ID: f322ed54bf68000ddf0b2aa10ccdac14","error":"user not found","success":false}`
	hmacSaved     = `{"Details":"HMAC configuration saved successfully"}`
	noRoute       = "404 page not found\n"
	connected     = `{"code":200,"data":{"details":"Connected!","events":"All","jid":"6281100000002:7@s.whatsapp.net","webhook":"https://gw"},"success":true}`
	connectedNew  = `{"code":200,"data":{"details":"Connected!","events":"All","jid":"","webhook":"https://gw"},"success":true}`
	statusOn      = `{"code":200,"data":{"connected":true,"loggedIn":true,"id":"f322ed54bf68000ddf0b2aa10ccdac14","name":"toko","token":"Cred3nt1alOfTheSession-0123456789abcdefghij","jid":"6281100000002:7@s.whatsapp.net","history":"50","qrcode":"","proxy_url":"http://u:p@proxy"},"success":true}`
	statusNoKept  = `{"code":200,"data":{"connected":true,"loggedIn":true,"jid":"6281100000002:7@s.whatsapp.net","history":"0","qrcode":""},"success":true}`
	statusQR      = `{"code":200,"data":{"connected":true,"loggedIn":false,"jid":"","history":"0","qrcode":"data:image/png;base64,iVBORw0KGgo="},"success":true}`
	statusAgainQR = `{"code":200,"data":{"connected":true,"loggedIn":false,"jid":"6281100000002:7@s.whatsapp.net","qrcode":"data:image/png;base64,iVBORw0KGgo="},"success":true}`
	statusJoining = `{"code":200,"data":{"connected":true,"loggedIn":false,"jid":"6281100000002:7@s.whatsapp.net","qrcode":""},"success":true}`
	statusOff     = `{"code":200,"data":{"connected":false,"loggedIn":false,"jid":"6281100000002:7@s.whatsapp.net","qrcode":""},"success":true}`
	statusNew     = `{"code":200,"data":{"connected":false,"loggedIn":false,"jid":"","qrcode":""},"success":true}`
	statusOld     = `{"code":200,"data":{"Connected":true,"LoggedIn":true},"success":true}`
	userOld       = `{"code":200,"data":[{"id":7,"name":"toko","token":"Cred3nt1alOfTheSession-0123456789abcdefghij","jid":"6281100000002.0:7@s.whatsapp.net","qrcode":"","connected":true}],"success":true}`
	noUsers       = `{"code":200,"data":[],"success":true}`
	users         = `{"code":200,"data":[
		{"id":"00000000000000000000000000000001","name":"lain","token":"of-another-session","jid":""},
		{"id":"f322ed54bf68000ddf0b2aa10ccdac14","name":"toko","token":"Cred3nt1alOfTheSession-0123456789abcdefghij","jid":"6281100000002@s.whatsapp.net"},
		{"id":"00000000000000000000000000000003","name":"kembar","token":"of-one-twin"},
		{"id":"00000000000000000000000000000004","name":"kembar","token":"of-the-other"},
		{"id":"00000000000000000000000000000005","name":"kosong","token":""}],"success":true}`
)

func ok(body string) waservertest.Answer { return waservertest.JSON(200, body) }

// link is a session of a newer version, firstLink one of the first.
func link() *waserver.Link {
	return &waserver.Link{
		SessionID: "toko", UserID: "user1", Server: "main", RemoteID: remoteID,
		Credential: credential, WebhookSecret: webhookSecret, Webhook: "https://customer.example/hook",
	}
}

func firstLink() *waserver.Link {
	l := link()
	l.RemoteID = "7"
	return l
}

func TestSend(t *testing.T) {
	waservertest.Sends(t, "testdata/send", adminToken, link(), wuzapi.Translator{}, func(m waservertest.Named) []waservertest.Answer {
		switch m.Name {
		case "poll-several-answers", "text-reply-in-group-without-sender":
			return nil // refused before anything is sent
		case "poll":
			return []waservertest.Answer{ok(sentPoll)}
		case "list", "list-bare":
			return []waservertest.Answer{ok(sentList)}
		}
		return []waservertest.Answer{ok(sent)}
	})
}

// The first generation breaks the connection off over quotes in most kinds.
func TestSendFirst(t *testing.T) {
	refused := map[string]bool{
		"text-reply-in-group-without-sender": true, "poll-several-answers": true,
		"video-reply-mentions": true, "audio-reply": true, "document-reply-mentions": true,
		"sticker-reply": true, "location-reply": true, "contact-reply": true, "buttons-of-every-type": true,
	}
	waservertest.Sends(t, "testdata/send-first", adminToken, firstLink(), wuzapi.Translator{}, func(m waservertest.Named) []waservertest.Answer {
		switch {
		case refused[m.Name]:
			return nil
		case m.Name == "poll":
			return []waservertest.Answer{waservertest.Text(404, noRoute)}
		}
		return []waservertest.Answer{ok(`{"code":200,"data":{"Details":"Sent","Id":"3EB0AAAA","Timestamp":"2026-06-01T12:00:00Z"},"success":true}`)}
	})
}

func TestFirstGenerationMentionsInPictureNeedReply(t *testing.T) {
	script := waservertest.NewScript(t)
	m := &message.Message{
		Kind: message.KindImage, To: waservertest.Group, Media: waservertest.Content(waservertest.PNG, "a.png", "image/png"),
		Mentions: []message.Recipient{waservertest.Person},
	}
	_, err := wuzapi.Translator{}.Send(t.Context(), script.Client(adminToken, firstLink()), m)
	if _, is := errors.AsType[*waserver.UnsupportedError](err); !is {
		t.Errorf("got %v", err)
	}
}

func send(ctx context.Context, c *waserver.Client) (any, error) {
	return wuzapi.Translator{}.Send(ctx, c, &message.Message{Kind: message.KindText, To: waservertest.Person, Text: "halo"})
}

func TestErrors(t *testing.T) {
	failed := func(status int, text string) []waservertest.Answer {
		return []waservertest.Answer{waservertest.JSON(status, `{"code":`+"0"+`,"error":"`+text+`","success":false}`)}
	}
	cases := []waservertest.Case{
		{Name: "token-unknown", Answers: []waservertest.Answer{waservertest.JSON(401, unauthorized)}},
		{Name: "no-session", Answers: []waservertest.Answer{waservertest.JSON(500, noSession)}},
		{Name: "no-session-first", Answers: []waservertest.Answer{waservertest.JSON(500, noSessionOld)}},
		{Name: "websocket", Answers: failed(500, "error sending message: websocket not connected")},
		{Name: "not-paired", Answers: failed(500, "Error sending message: the store doesn't contain a device JID")},
		{Name: "upload", Answers: failed(500, "failed to upload file: failed to refresh media connections: failed to query media connections: websocket not connected")},
		{Name: "upload-refused", Answers: failed(500, "Failed to upload file: upload failed with status code 507")},
		{Name: "restricted", Answers: failed(500, "error sending message: server returned error 463")},
		{Name: "server-479", Answers: failed(500, "error sending message: server returned error 479")},
		{Name: "bad-phone", Answers: failed(400, "could not parse Phone")},
		{Name: "missing", Answers: failed(400, "missing Body in Payload")},
		{Name: "no-ffmpeg", Answers: failed(500, `failed to convert image sticker to webp: exec: \"ffmpeg\": executable file not found in $PATH`)},
		{Name: "too-large", Answers: failed(400, "failed to fetch image from url: response exceeds allowed size (10485760 bytes)")},
		{Name: "no-picture", Answers: failed(500, "could not decode image for thumbnail preparation: image: unknown format")},
		{Name: "echoes-secrets", Answers: failed(500, "token "+credential+" and "+adminToken+" and "+webhookSecret)},
		{Name: "success-false", Answers: []waservertest.Answer{ok(`{"code":200,"error":"odd","success":false}`)}},
		{Name: "not-json", Answers: []waservertest.Answer{waservertest.Text(200, "<html>hello</html>")}},
		{Name: "redirect", Answers: []waservertest.Answer{waservertest.Text(301, "Moved Permanently")}},
		{Name: "broken-off", Answers: []waservertest.Answer{{Err: errors.New("connection reset")}}},
		{Name: "odd-answer", Answers: []waservertest.Answer{ok(`{"code":200,"data":[1,2],"success":true}`)}},
		{Name: "no-id", Answers: []waservertest.Answer{ok(`{"code":200,"data":{"Details":"Sent","Timestamp":"soon"},"success":true}`)}},
	}
	for i := range cases {
		cases[i].Token, cases[i].Link, cases[i].Run = adminToken, link(), send
	}
	waservertest.Golden(t, "testdata/errors", cases)
}

// What the versions between the first and the newest take otherwise.
func TestMenus(t *testing.T) {
	refused := waservertest.JSON(400, `{"code":400,"error":"missing Title in Payload","success":false}`)
	buttons := func(kind message.ButtonType) func(context.Context, *waserver.Client) (any, error) {
		return func(ctx context.Context, c *waserver.Client) (any, error) {
			return wuzapi.Translator{}.Send(ctx, c, &message.Message{
				Kind: message.KindButtons, To: waservertest.Person, Buttons: &message.Buttons{
					Title: "Pesanan", Body: "Benar?", Footer: "Toko", Buttons: []message.Button{{Type: kind, ID: "ya", Text: "Ya", URL: "https://example.com/"}},
				},
			})
		}
	}
	list := func(ctx context.Context, c *waserver.Client) (any, error) {
		return wuzapi.Translator{}.Send(ctx, c, &message.Message{Kind: message.KindList, To: waservertest.Person, List: &message.List{
			Description: "Pilih satu", Sections: []message.Section{{Rows: []message.Row{{ID: "1", Title: "Kopi"}}}},
		}})
	}
	waservertest.Golden(t, "testdata/menus", []waservertest.Case{
		{Name: "buttons", Token: adminToken, Link: link(), Run: buttons(message.ButtonReply), Answers: []waservertest.Answer{ok(sent)}},
		{Name: "buttons-older", Token: adminToken, Link: link(), Run: buttons(message.ButtonReply), Answers: []waservertest.Answer{refused, ok(sent)}},
		{Name: "buttons-older-url", Token: adminToken, Link: link(), Run: buttons(message.ButtonURL), Answers: []waservertest.Answer{refused}},
		{Name: "buttons-first-url", Token: adminToken, Link: firstLink(), Run: buttons(message.ButtonURL)},
		{Name: "list-without-title", Token: adminToken, Link: link(), Run: list, Answers: []waservertest.Answer{ok(sentList)}},
	})
}

func TestTraits(t *testing.T) {
	traits := wuzapi.Translator{}.Traits()
	if !traits.SessionCredential || !traits.Polls || !traits.HasContacts || traits.HasChats || traits.HasMessages {
		t.Errorf("got %+v", traits)
	}
	if !(wuzapi.Translator{History: 10}).Traits().HasMessages {
		t.Error("a history that is kept is not told of")
	}
}

func qrURL() string {
	return "data:image/png;base64," + base64.StdEncoding.EncodeToString([]byte(waservertest.PNG))
}
