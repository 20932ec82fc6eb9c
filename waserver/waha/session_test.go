package waha

import (
	"context"
	"errors"
	"testing"

	"github.com/genfity/wa-gateway/message"
	"github.com/genfity/wa-gateway/waserver"
	"github.com/genfity/wa-gateway/waserver/waservertest"
)

func TestSessions(t *testing.T) {
	tr := Translator{}
	asked := waserver.NewSession{ID: "toko-1", Name: "Toko", WebhookURL: "https://gw.example/events/webhook/main", WebhookSecret: hookKey, Credential: "unused-credential"}
	key := waservertest.JSON(201, `{"id":"key_id_0001","key":"`+ownKey+`","isActive":true,"isAdmin":false,"session":"toko-1","actions":{"read":true}}`)
	created := waservertest.JSON(201, fresh)
	unknownEvent := waservertest.JSON(400, `{"statusCode":400,"message":["config.webhooks.0.each value in events must be one of the following values: session.status, message"],"error":"Bad Request"}`)
	png := waservertest.Answer{Status: 200, Type: "image/png", Body: waservertest.PNG}
	waservertest.Golden(t, "testdata/session", []waservertest.Case{
		creating("create", tr, asked, created, key),
		creating("create-without-webhook", tr, waserver.NewSession{ID: "toko-1"}, created, key),
		creating("create-without-keys-api", tr, asked, created, waservertest.JSON(404, noRoute)),
		creating("create-with-the-admin-key-only", Translator{AdminKeyOnly: true, NoTagEvents: true}, asked, created),
		creating("create-at-an-old-server", tr, asked, unknownEvent, created, waservertest.JSON(404, noRoute)),
		creating("create-existing", tr, asked, waservertest.JSON(422, `{"message":"Session 'toko-1' already exists. Use PUT to update it.","error":"Unprocessable Entity","statusCode":422}`)),
		creating("create-at-a-server-of-one-session", tr, asked, waservertest.JSON(422, `{"message":"WAHA Core support only 'default' session. You tried to access 'toko-1' session.","error":"Unprocessable Entity","statusCode":422}`)),
		creating("create-becomes-default", tr, asked, waservertest.JSON(201, `{"name":"default","status":"STARTING"}`)),
		creating("create-default", tr, waserver.NewSession{ID: "default"}),
		creating("create-wrong-admin-key", tr, asked, waservertest.JSON(401, `{"message":"Unauthorized","statusCode":401}`)),
		creating("create-key-fails", tr, asked, created, waservertest.JSON(500, `{"statusCode":500,"exception":{"message":"disk full"}}`), waservertest.Answer{Status: 200}),
		creating("create-key-fails-and-the-session-stays", tr, asked, created, waservertest.JSON(500, `{}`), waservertest.Answer{Err: errors.New("connection refused")}),
		creating("create-key-is-an-admins", tr, asked, created, waservertest.JSON(201, `{"id":"k","key":"x","isAdmin":true,"session":null}`), waservertest.Answer{Status: 200}),

		asking("state-working", link, tr.Session, waservertest.JSON(200, working)),
		asking("state-starting", link, tr.Session, waservertest.JSON(200, `{"name":"toko-1","status":"STARTING","me":null}`)),
		asking("state-qr", link, tr.Session, waservertest.JSON(200, `{"name":"toko-1","status":"SCAN_QR_CODE","me":null}`)),
		asking("state-failed", link, tr.Session, waservertest.JSON(200, `{"name":"toko-1","status":"FAILED","me":{"id":"6281111111111@c.us","pushName":"Toko"}}`)),
		asking("state-stopped", link, tr.Session, waservertest.JSON(200, isStopped)),
		asking("state-never-started", link, tr.Session, waservertest.JSON(200, fresh)),
		asking("state-passkey", link, tr.Session, waservertest.JSON(200, `{"name":"toko-1","status":"PASSKEY_REQUIRED"}`)),
		asking("state-unknown-session", link, tr.Session, waservertest.JSON(404, notFound)),
		asking("state-of-no-session", link, tr.Session, waservertest.JSON(200, `[]`)),

		asking("start", link, tr.StartSession, waservertest.JSON(201, `{"name":"toko-1","status":"STARTING"}`)),
		asking("start-running", link, tr.StartSession, waservertest.JSON(422, `{"message":"Session 'toko-1' is already started.","statusCode":422}`), waservertest.JSON(200, working)),
		asking("start-failed", link, tr.StartSession, waservertest.JSON(201, `{"name":"toko-1","status":"FAILED"}`), waservertest.JSON(201, `{"name":"toko-1","status":"STARTING"}`)),
		asking("start-unknown", link, tr.StartSession, waservertest.JSON(404, notFound)),
		asking("stop", link, tr.StopSession, waservertest.JSON(201, isStopped)),

		deleting("delete", link, waservertest.Answer{Status: 200}, waservertest.Answer{Status: 200}),
		deleting("delete-without-own-key", plain, waservertest.Answer{Status: 200}),
		deleting("delete-again", link, waservertest.JSON(403, forbidden), waservertest.Answer{Status: 200}, waservertest.JSON(404, `{"message":"Not found","statusCode":404}`)),
		deleting("delete-unknown", link, waservertest.JSON(404, notFound), waservertest.Answer{Status: 200}),
		deleting("delete-fails", link, waservertest.JSON(500, `{"statusCode":500,"exception":{"message":"busy"}}`)),

		asking("qr", link, tr.QR, png, waservertest.JSON(200, `{"value":"2@abc,def"}`)),
		asking("qr-picture-alone", link, tr.QR, png, waservertest.JSON(500, `{}`)),
		asking("qr-in-json", link, tr.QR, waservertest.JSON(200, `{"mimetype":"image/png","data":"iVBORw0KGgoAAAA="}`), waservertest.JSON(200, `{"value":"2@abc,def"}`)),
		asking("qr-paired", link, tr.QR, waservertest.JSON(422, notInState("WORKING"))),
		asking("qr-starting", link, tr.QR, waservertest.JSON(422, notInState("STARTING"))),
		asking("qr-failed", link, tr.QR, waservertest.JSON(422, notInState("FAILED"))),
		asking("qr-stopped", link, tr.QR, waservertest.JSON(404, notFound), waservertest.JSON(200, fresh)),
		asking("qr-unknown", link, tr.QR, waservertest.JSON(404, notFound), waservertest.JSON(404, notFound)),
		asking("qr-nothing", link, tr.QR, waservertest.Answer{Status: 200}),
	})
}

func TestReads(t *testing.T) {
	tr := Translator{}
	page := waserver.Page{Limit: 2, Offset: 4}
	contacts := func(ctx context.Context, c *waserver.Client) ([]waserver.Contact, error) {
		return tr.Contacts(ctx, c, page)
	}
	chats := func(ctx context.Context, c *waserver.Client) ([]waserver.Chat, error) { return tr.Chats(ctx, c, page) }
	messages := func(ctx context.Context, c *waserver.Client) ([]waserver.ChatMessage, error) {
		return tr.Messages(ctx, c, waservertest.Person, page)
	}
	reading := func(name string, mark waserver.ReadMark, answers ...waservertest.Answer) waservertest.Case {
		return asking(name, link, func(ctx context.Context, c *waserver.Client) (string, error) {
			return "done", tr.MarkRead(ctx, c, &mark)
		}, answers...)
	}
	const list = `[{"id":"false_6281234567890@c.us_AAAA","timestamp":1767225600,"from":"6281234567890@c.us","fromMe":false,"body":"Halo","hasMedia":false,"ack":3,"ackName":"READ","replyTo":null,"_data":{}},` +
		`{"id":"true_6281234567890@c.us_BBBB","timestamp":1767225601,"from":"6281234567890@c.us","fromMe":true,"body":"Ya","hasMedia":false},{"id":"true_6281234567890@c.us_CCCC"}]`
	waservertest.Golden(t, "testdata/read", []waservertest.Case{
		asking("contacts", link, contacts, waservertest.JSON(200, `[{"id":"6281234567890@c.us","number":"6281234567890","name":"Budi","pushname":"budi s"},{"id":"120363025246125486@g.us","name":"Grup","isGroup":true},{"id":"1@c.us"}]`)),
		asking("contacts-stopped", link, contacts, waservertest.JSON(404, notFound), waservertest.JSON(200, isStopped)),
		asking("chats", link, chats, waservertest.JSON(200, `[{"id":"6281234567890@c.us","name":"Budi","picture":null,"lastMessage":{"id":"x","timestamp":1767225600},"_chat":{"unreadCount":3}},{"id":"status@broadcast"}]`)),
		asking("chats-of-an-old-server", link, chats, waservertest.JSON(404, `{"message":"Cannot GET /api/toko-1/chats/overview","statusCode":404}`),
			waservertest.JSON(200, `[{"id":{"server":"g.us","user":"120363025246125486","_serialized":"120363025246125486@g.us"},"name":"Grup","isGroup":true,"unreadCount":1,"timestamp":1767225600},{"id":"6281234567890@c.us","conversationTimestamp":{"low":1767225600,"high":0,"unsigned":true}}]`)),
		asking("messages", link, messages, waservertest.JSON(200, list)),
		asking("contacts-without-pages", link, contacts, waservertest.JSON(200, `[{"id":"11@c.us"},{"id":"12@c.us"},{"id":"13@c.us"},{"id":"14@c.us"},{"id":"15@c.us"},{"id":"16@c.us"},{"id":"17@c.us"}]`)),
		asking("messages-no-list", link, messages, waservertest.JSON(200, `"x"`)),
		reading("mark-read", waserver.ReadMark{Chat: waservertest.Person, Messages: []string{"BBBB", "AAAA"}}, waservertest.JSON(201, `{}`)),
		reading("mark-read-in-group", waserver.ReadMark{Chat: waservertest.Group, Sender: waservertest.Another, Messages: []string{"AAAA"}}, waservertest.Answer{Status: 201}),
		reading("mark-read-chat", waserver.ReadMark{Chat: waservertest.Person}, waservertest.Answer{Status: 201}),
		reading("mark-read-waits-for-qr", waserver.ReadMark{Chat: waservertest.Person}, waservertest.JSON(422, notInState("SCAN_QR_CODE"))),
	})
}

// The word for all chats cannot be asked for.
func TestAllChatsIsNoChat(t *testing.T) {
	c := waservertest.NewScript(t, waservertest.JSON(200, `[]`)).Client(adminKey, link)
	if _, err := (Translator{}).Messages(t.Context(), c, message.Recipient{User: "all"}, waserver.Page{Limit: 1}); err == nil {
		t.Error("a chat without a server is asked for")
	}
	if _, err := (Translator{}).Messages(t.Context(), c, message.Recipient{User: "all", Server: message.GroupServer}, waserver.Page{Limit: 1}); err != nil {
		t.Error(err)
	}
}
