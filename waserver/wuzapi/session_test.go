package wuzapi_test

import (
	"context"
	"errors"
	"testing"

	"github.com/genfity/wa-gateway/message"
	"github.com/genfity/wa-gateway/waserver"
	"github.com/genfity/wa-gateway/waserver/waservertest"
	"github.com/genfity/wa-gateway/waserver/wuzapi"
)

var tr = wuzapi.Translator{}

func state(ctx context.Context, c *waserver.Client) (any, error) { return tr.Session(ctx, c) }
func start(ctx context.Context, c *waserver.Client) (any, error) { return tr.StartSession(ctx, c) }
func stop(ctx context.Context, c *waserver.Client) (any, error)  { return tr.StopSession(ctx, c) }
func remove(ctx context.Context, c *waserver.Client) (any, error) {
	return nil, tr.DeleteSession(ctx, c)
}
func qr(ctx context.Context, c *waserver.Client) (any, error) { return tr.QR(ctx, c) }

func create(ctx context.Context, c *waserver.Client) (any, error) {
	return tr.CreateSession(ctx, c, &waserver.NewSession{
		ID: "toko", Name: "Toko Budi", WebhookURL: "https://gw.example/events/webhook/main",
		WebhookSecret: webhookSecret, Credential: credential,
	})
}

func createWithoutWebhook(ctx context.Context, c *waserver.Client) (any, error) {
	return wuzapi.Translator{History: 50}.CreateSession(ctx, c, &waserver.NewSession{
		ID: "toko", WebhookSecret: webhookSecret, Credential: credential,
	})
}

func TestSessions(t *testing.T) {
	before := &waserver.Link{SessionID: "toko", UserID: "user1", Server: "main", Webhook: "https://customer.example/hook"}
	made := waservertest.JSON(201, `{"code":201,"data":{"id":"`+remoteID+`","name":"toko","token":"`+credential+`","webhook":"https://gw","events":"All","hmac_key":true},"success":true}`)
	madeFirst := waservertest.Answer{Status: 200, Type: "text/plain; charset=utf-8", Body: `{"id":7}`}
	webhookSet := ok(`{"code":200,"data":{"webhook":"https://gw"},"success":true}`)
	gone := waservertest.JSON(404, notFound)
	removed := ok(`{"code":200,"data":{"id":"` + remoteID + `","jid":"","name":"toko"},"details":"user instance removed completely","success":true}`)
	removedFirst := waservertest.Answer{Status: 200, Type: "text/plain; charset=utf-8", Body: `{"Details":"User deleted successfully"}`}
	missing := waservertest.Text(404, noRoute)
	failed := func(status int, text string) waservertest.Answer {
		return waservertest.JSON(status, `{"code":0,"error":"`+text+`","success":false}`)
	}
	// It was there before the gateway, which knows its token, but not the server's id of it.
	adopted := link()
	adopted.RemoteID = adopted.SessionID
	cases := []waservertest.Case{
		{Name: "create", Link: before, Run: create, Answers: []waservertest.Answer{made, ok(hmacSaved)}},
		{Name: "create-first", Link: before, Run: create, Answers: []waservertest.Answer{madeFirst, webhookSet}},
		{Name: "create-before-signatures", Link: before, Run: create, Answers: []waservertest.Answer{made, missing, webhookSet}},
		{Name: "create-without-webhook", Link: before, Run: createWithoutWebhook, Answers: []waservertest.Answer{made}},
		{Name: "create-taken", Link: before, Run: create, Answers: []waservertest.Answer{failed(409, "user with this token already exists")}},
		{Name: "create-refused", Link: before, Run: create, Answers: []waservertest.Answer{waservertest.JSON(401, unauthorized)}},
		{Name: "create-nothing", Link: before, Run: create, Answers: []waservertest.Answer{ok(`{"code":200,"success":true}`)}},
		{Name: "create-unsigned", Link: before, Run: create, Answers: []waservertest.Answer{made, failed(500, "failed to save HMAC configuration"), removed}},

		{Name: "state-connected", Run: state, Answers: []waservertest.Answer{ok(statusOn)}},
		{Name: "state-qr", Run: state, Answers: []waservertest.Answer{ok(statusQR)}},
		{Name: "state-qr-after-logout", Run: state, Answers: []waservertest.Answer{ok(statusAgainQR)}},
		{Name: "state-connecting", Run: state, Answers: []waservertest.Answer{ok(statusJoining)}},
		{Name: "state-disconnected", Run: state, Answers: []waservertest.Answer{ok(statusOff)}},
		{Name: "state-created", Run: state, Answers: []waservertest.Answer{ok(statusNew)}},
		{Name: "state-unknown", Run: state, Answers: []waservertest.Answer{waservertest.JSON(401, unauthorized)}},
		{Name: "state-first", Link: firstLink(), Run: state, Answers: []waservertest.Answer{ok(statusOld), ok(userOld)}},
		{Name: "state-first-not-started", Link: firstLink(), Run: state, Answers: []waservertest.Answer{waservertest.JSON(500, noSessionOld), ok(userOld)}},
		{Name: "state-first-deleted", Link: firstLink(), Run: state, Answers: []waservertest.Answer{ok(statusOld), ok(noUsers), ok(noUsers)}},
		{Name: "state-first-without-admin", Link: firstLink(), Run: state, Answers: []waservertest.Answer{ok(statusOld), waservertest.JSON(401, unauthorized)}},

		{Name: "start", Run: start, Answers: []waservertest.Answer{ok(hmacSaved), ok(connected)}},
		{Name: "start-unpaired", Run: start, Answers: []waservertest.Answer{ok(hmacSaved), ok(connectedNew)}},
		{Name: "start-running", Run: start, Answers: []waservertest.Answer{ok(hmacSaved), failed(500, "already connected"), ok(statusOn)}},
		{Name: "start-first", Link: firstLink(), Run: start, Answers: []waservertest.Answer{ok(userOld), ok(connectedNew)}},
		{Name: "start-first-deleted", Link: firstLink(), Run: start, Answers: []waservertest.Answer{ok(noUsers), ok(noUsers)}},
		{Name: "start-first-without-admin", Link: firstLink(), Run: start, Answers: []waservertest.Answer{waservertest.JSON(401, unauthorized), ok(connectedNew)}},
		{Name: "start-upgraded", Link: firstLink(), Run: start, Answers: []waservertest.Answer{ok(noUsers), ok(users), ok(connected)}},
		{Name: "start-first-running", Link: firstLink(), Run: start, Answers: []waservertest.Answer{ok(userOld), failed(500, "Already Connected"), ok(statusOld), ok(userOld)}},
		{Name: "start-refused", Run: start, Answers: []waservertest.Answer{failed(500, "failed to save HMAC configuration")}},

		{Name: "stop", Run: stop, Answers: []waservertest.Answer{ok(`{"code":200,"data":{"Details":"Disconnected"},"success":true}`), ok(statusOn)}},
		{Name: "stop-stopped", Run: stop, Answers: []waservertest.Answer{waservertest.JSON(500, noSession), ok(statusOff)}},
		{Name: "stop-disconnected", Run: stop, Answers: []waservertest.Answer{failed(500, "cannot disconnect because it is not logged in"), ok(statusOff)}},
		{Name: "stop-failed", Run: stop, Answers: []waservertest.Answer{failed(500, "out of memory")}},

		{Name: "delete", Run: remove, Answers: []waservertest.Answer{removed}},
		{Name: "delete-deleted", Run: remove, Answers: []waservertest.Answer{gone, ok(noUsers)}},
		{Name: "delete-adopted-with-token", Link: adopted, Run: remove, Answers: []waservertest.Answer{gone, ok(users), removed}},
		{Name: "delete-upgraded", Link: firstLink(), Run: remove, Answers: []waservertest.Answer{ok(users), removed}},
		{Name: "delete-first-number-of-another", Link: firstLink(), Run: remove, Answers: []waservertest.Answer{
			ok(`{"code":200,"data":[{"id":7,"name":"lain","token":"of-another-session"}],"success":true}`),
		}},
		{Name: "state-first-number-of-another", Link: firstLink(), Run: state, Answers: []waservertest.Answer{
			ok(statusOld), ok(`{"code":200,"data":[{"id":7,"name":"lain","token":"of-another-session","jid":"628000@s.whatsapp.net"}],"success":true}`), ok(noUsers),
		}},
		{Name: "delete-first", Link: firstLink(), Run: remove, Answers: []waservertest.Answer{
			ok(userOld), missing, ok(`{"code":200,"data":{"Details":"Logged out"},"success":true}`), ok(`{"code":200,"data":{},"success":true}`), removedFirst,
		}},
		{Name: "delete-first-not-started", Link: firstLink(), Run: remove, Answers: []waservertest.Answer{
			ok(userOld), missing, waservertest.JSON(500, noSessionOld), ok(`{"code":200,"data":{},"success":true}`), removedFirst,
		}},
		{Name: "delete-first-deleted-meanwhile", Link: firstLink(), Run: remove, Answers: []waservertest.Answer{
			ok(userOld), missing, waservertest.JSON(401, unauthorized), waservertest.JSON(401, unauthorized), failed(404, "User not found"),
		}},
		{Name: "delete-first-not-logged-out", Link: firstLink(), Run: remove, Answers: []waservertest.Answer{ok(userOld), missing, failed(500, "Could not perform logout")}},
		{Name: "delete-first-deleted", Link: firstLink(), Run: remove, Answers: []waservertest.Answer{ok(noUsers)}},

		{Name: "qr", Run: qr, Answers: []waservertest.Answer{ok(`{"code":200,"data":{"QRCode":"` + qrURL() + `"},"success":true}`)}},
		{Name: "qr-not-yet", Run: qr, Answers: []waservertest.Answer{ok(`{"code":200,"data":{"QRCode":""},"success":true}`)}},
		{Name: "qr-no-picture", Run: qr, Answers: []waservertest.Answer{ok(`{"code":200,"data":{"QRCode":"https://evil.example/x.png"},"success":true}`)}},
		{Name: "qr-not-started", Run: qr, Answers: []waservertest.Answer{waservertest.JSON(500, noSession)}},
		{Name: "qr-not-connected", Run: qr, Answers: []waservertest.Answer{failed(500, "not connected")}},
		{Name: "qr-paired", Run: qr, Answers: []waservertest.Answer{failed(500, "already logged in")}},
		{Name: "qr-paired-first", Run: qr, Answers: []waservertest.Answer{failed(500, "Already Loggedin")}},
	}
	for i := range cases {
		cases[i].Token = adminToken
		if cases[i].Link == nil {
			cases[i].Link = link()
		}
	}
	waservertest.Golden(t, "testdata/session", cases)
}

// A session that the gateway did not create is found in the server's list.
func TestSessionsWithoutCredential(t *testing.T) {
	named := func(id, remote string) *waserver.Link {
		return &waserver.Link{SessionID: id, Server: "main", RemoteID: remote}
	}
	removed := ok(`{"code":200,"data":{},"success":true}`)
	waservertest.Golden(t, "testdata/lookup", []waservertest.Case{
		{Name: "by-id", Token: adminToken, Link: named("s1", remoteID), Run: send, Answers: []waservertest.Answer{ok(users), ok(sent)}},
		{Name: "by-name", Token: adminToken, Link: named("toko", "toko"), Run: send, Answers: []waservertest.Answer{ok(users), ok(sent)}},
		{Name: "twins", Token: adminToken, Link: named("kembar", "kembar"), Run: send, Answers: []waservertest.Answer{ok(users)}},
		{Name: "empty-token", Token: adminToken, Link: named("kosong", "kosong"), Run: send, Answers: []waservertest.Answer{ok(users)}},
		{Name: "unknown", Token: adminToken, Link: named("siapa", "siapa"), Run: send, Answers: []waservertest.Answer{ok(users)}},
		{Name: "admin-refused", Token: adminToken, Link: named("toko", "toko"), Run: send, Answers: []waservertest.Answer{waservertest.JSON(401, unauthorized)}},
		{Name: "delete", Token: adminToken, Link: named("toko", "toko"), Run: remove, Answers: []waservertest.Answer{ok(users), removed}},
		{Name: "delete-unknown", Token: adminToken, Link: named("siapa", "siapa"), Run: remove, Answers: []waservertest.Answer{ok(users)}},
		{Name: "start", Token: adminToken, Link: named("toko", "toko"), Run: start, Answers: []waservertest.Answer{ok(users), ok(connected)}},
	})
}

func TestCreateSessionNeedsToken(t *testing.T) {
	script := waservertest.NewScript(t)
	_, err := tr.CreateSession(t.Context(), script.Client(adminToken, nil), &waserver.NewSession{ID: "toko"})
	if err == nil || len(script.Requests) > 0 {
		t.Errorf("got %v after %d calls", err, len(script.Requests))
	}
}

// Whatever is called, a session's call has its own token and nothing else that opens
// anything, and no token is ever in a path or query.
func TestCredentialsStayApart(t *testing.T) {
	answers := []waservertest.Answer{ok(statusOn), ok(sent), ok(`{"code":200,"data":{},"success":true}`)}
	script := waservertest.NewScript(t, answers...)
	c := script.Client(adminToken, link())
	if _, err := tr.Session(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	if _, err := send(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	if err := tr.MarkRead(t.Context(), c, &waserver.ReadMark{Chat: waservertest.Person, Messages: []string{"A"}}); err != nil {
		t.Fatal(err)
	}
	for _, r := range script.Requests {
		if len(r.Header) != 1 || r.Header.Get("Token") != credential {
			t.Errorf("%s %v has the headers %v", r.Method, r.Path, r.Header)
		}
		if len(r.Query) != 0 {
			t.Errorf("%s %v has the query %v", r.Method, r.Path, r.Query)
		}
	}
}

func TestReads(t *testing.T) {
	contacts := func(page waserver.Page) func(context.Context, *waserver.Client) (any, error) {
		return func(ctx context.Context, c *waserver.Client) (any, error) { return tr.Contacts(ctx, c, page) }
	}
	messages := func(page waserver.Page) func(context.Context, *waserver.Client) (any, error) {
		return func(ctx context.Context, c *waserver.Client) (any, error) {
			return tr.Messages(ctx, c, waservertest.Person, page)
		}
	}
	mark := func(m waserver.ReadMark) func(context.Context, *waserver.Client) (any, error) {
		return func(ctx context.Context, c *waserver.Client) (any, error) { return nil, tr.MarkRead(ctx, c, &m) }
	}
	all := ok(`{"code":200,"data":{
		"6289876543210@s.whatsapp.net":{"Found":true,"FirstName":"","FullName":"Budi Santoso","PushName":"Budi","BusinessName":""},
		"6281234567890@s.whatsapp.net":{"Found":true,"FirstName":"Ani","FullName":"","PushName":"","BusinessName":""},
		"123456789012345@lid":{"Found":true,"FirstName":"","FullName":"","PushName":"Tersembunyi","BusinessName":"Warung"}},"success":true}`)
	history := ok(`{"code":200,"data":[
		{"id":3,"user_id":"` + remoteID + `","chat_jid":"6281234567890@s.whatsapp.net","sender_jid":"me","message_id":"3EB0C","timestamp":"2026-06-01T12:00:02Z","message_type":"image","text_content":":image:","media_link":"https://s3.example/a.png","quoted_message_id":"","data_json":""},
		{"id":2,"user_id":"` + remoteID + `","chat_jid":"6281234567890@s.whatsapp.net","sender_jid":"6281234567890:3@s.whatsapp.net","message_id":"3EB0B","timestamp":"2026-06-01T12:00:01Z","message_type":"text","text_content":"halo","media_link":"","quoted_message_id":"3EB0A","data_json":"{\"Info\":{\"ID\":\"3EB0B\",\"PushName\":\"Ani\",\"Timestamp\":\"2026-06-01T19:00:00+07:00\"},\"Message\":{\"conversation\":\"halo\"}}"},
		{"id":1,"user_id":"` + remoteID + `","chat_jid":"6281234567890@s.whatsapp.net","sender_jid":"6281100000002@s.whatsapp.net","message_id":"3EB0A","timestamp":"2026-06-01T11:00:00Z","message_type":"document","text_content":"tagihan","media_link":"","quoted_message_id":"","data_json":"{\"Info\":{\"ID\":\"3EB0A\",\"IsFromMe\":true},\"Message\":{\"documentMessage\":{\"mimetype\":\"application/pdf\",\"fileName\":\"t.pdf\",\"URL\":\"https://mmg.example/x\"}}}"},
		{"id":9,"user_id":"00000000000000000000000000000001","chat_jid":"628000@s.whatsapp.net","sender_jid":"me","message_id":"OTHER","timestamp":"2026-06-01T10:00:00Z","message_type":"text","text_content":"of another chat","media_link":"","data_json":""}],"success":true}`)
	unmarked := waservertest.JSON(500, `{"code":500,"error":"failure marking messages as read","success":false}`)
	cases := []waservertest.Case{
		{Name: "contacts", Run: contacts(waserver.Page{Limit: 100}), Answers: []waservertest.Answer{ok(statusOn), all}},
		{Name: "contacts-page", Run: contacts(waserver.Page{Limit: 1, Offset: 1}), Answers: []waservertest.Answer{ok(statusOn), all}},
		{Name: "contacts-past-the-end", Run: contacts(waserver.Page{Limit: 1, Offset: 10}), Answers: []waservertest.Answer{ok(statusOn), all}},
		{Name: "contacts-unpaired", Run: contacts(waserver.Page{}), Answers: []waservertest.Answer{ok(statusQR)}},
		{Name: "contacts-not-started", Run: contacts(waserver.Page{}), Answers: []waservertest.Answer{waservertest.JSON(500, noSession)}},
		{Name: "messages", Run: messages(waserver.Page{Limit: 10}), Answers: []waservertest.Answer{ok(statusOn), history}},
		{Name: "messages-page", Run: messages(waserver.Page{Limit: 1, Offset: 1}), Answers: []waservertest.Answer{ok(statusOn), history}},
		{Name: "messages-none", Run: messages(waserver.Page{}), Answers: []waservertest.Answer{ok(statusOn), ok(`{"code":200,"data":null,"success":true}`)}},
		{Name: "messages-not-kept", Run: messages(waserver.Page{}), Answers: []waservertest.Answer{ok(statusNoKept)}},
		{Name: "messages-not-kept-after-all", Run: messages(waserver.Page{}), Answers: []waservertest.Answer{
			ok(statusOn), waservertest.JSON(501, `{"code":501,"error":"message history is disabled for this user","success":false}`), ok(hmacSaved),
		}},
		{Name: "messages-first", Link: firstLink(), Run: messages(waserver.Page{}), Answers: []waservertest.Answer{ok(statusOld)}},
		{Name: "mark-read", Run: mark(waserver.ReadMark{Chat: waservertest.Person, Messages: []string{"3EB0B", "3EB0A"}}), Answers: []waservertest.Answer{ok(`{"code":200,"data":{"Details":"Message(s) marked as read"},"success":true}`)}},
		{Name: "mark-read-disconnected", Run: mark(waserver.ReadMark{Chat: waservertest.Person, Messages: []string{"3EB0A"}}), Answers: []waservertest.Answer{unmarked, ok(statusOff)}},
		{Name: "mark-read-failed", Run: mark(waserver.ReadMark{Chat: waservertest.Person, Messages: []string{"3EB0A"}}), Answers: []waservertest.Answer{unmarked, ok(statusOn)}},
		{Name: "mark-read-group", Run: mark(waserver.ReadMark{Chat: waservertest.Group, Sender: waservertest.Another, Messages: []string{"3EB0B"}}), Answers: []waservertest.Answer{ok(`{"code":200,"data":{},"success":true}`)}},
		{Name: "mark-read-group-without-sender", Run: mark(waserver.ReadMark{Chat: waservertest.Group, Messages: []string{"3EB0B"}})},
	}
	for i := range cases {
		cases[i].Token = adminToken
		if cases[i].Link == nil {
			cases[i].Link = link()
		}
	}
	waservertest.Golden(t, "testdata/read", cases)
}

// The list of chats is one of all sessions' chats.
func TestHistoryIndexIsNeverAsked(t *testing.T) {
	script := waservertest.NewScript(t)
	c := script.Client(adminToken, link())
	for _, chat := range []message.Recipient{{}, {User: "index"}, {Server: "index"}} {
		_, err := tr.Messages(t.Context(), c, chat, waserver.Page{})
		if _, is := errors.AsType[*waserver.UnsupportedError](err); !is {
			t.Errorf("%v: got %v", chat, err)
		}
	}
	_, err := tr.Chats(t.Context(), c, waserver.Page{})
	if _, is := errors.AsType[*waserver.UnsupportedError](err); !is {
		t.Errorf("got %v", err)
	}
}
