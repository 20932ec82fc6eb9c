package gowa_test

import (
	"context"
	"errors"
	"testing"

	"github.com/genfity/wa-gateway/waserver"
	"github.com/genfity/wa-gateway/waserver/waservertest"
)

func state(ctx context.Context, c *waserver.Client) (any, error) { return tr.Session(ctx, c) }
func start(ctx context.Context, c *waserver.Client) (any, error) { return tr.StartSession(ctx, c) }
func stop(ctx context.Context, c *waserver.Client) (any, error)  { return tr.StopSession(ctx, c) }
func qr(ctx context.Context, c *waserver.Client) (any, error)    { return tr.QR(ctx, c) }

func remove(ctx context.Context, c *waserver.Client) (any, error) {
	return nil, tr.DeleteSession(ctx, c)
}

func create(ctx context.Context, c *waserver.Client) (any, error) {
	return tr.CreateSession(ctx, c, &waserver.NewSession{
		ID: "toko", Name: "Toko Budi", WebhookURL: "https://gw.example/events/webhook/main", WebhookSecret: webhookSecret,
	})
}

func createWithoutWebhook(ctx context.Context, c *waserver.Client) (any, error) {
	return tr.CreateSession(ctx, c, &waserver.NewSession{ID: "toko", WebhookSecret: webhookSecret})
}

func device(state, jid string) waservertest.Answer {
	jidMember := ""
	if jid != "" {
		jidMember = `"jid":"` + jid + `",`
	}
	return ok(`{"id":"toko","display_name":"Toko Uji","state":"` + state + `",` + jidMember + `"created_at":"2026-06-01T11:00:00Z"}`)
}

const own = "6281100000001@s.whatsapp.net"

func TestSessions(t *testing.T) {
	before := &waserver.Link{SessionID: "toko", UserID: "user1", Server: "main", Webhook: "https://customer.example/hook"}
	made := ok(`{"id":"toko","display_name":"","jid":"","state":"disconnected","created_at":"2026-06-01T11:00:00Z","webhook_url":"https://gw","webhook_secret":"` + webhookSecret + `","webhook_events":""}`)
	gone := failed(500, "INTERNAL_SERVER_ERROR", "device toko not found")
	login := ok(`{"device_id":"toko","qr_link":"http://wa.example:8080/base/statics/qrcode/scan-qr-1f0e.png","qr_duration":30}`)
	picture := waservertest.Answer{Status: 200, Type: "image/png", Body: waservertest.PNG}
	none := waservertest.JSON(200, `{"code":"SUCCESS","message":"done"}`)
	link4 := func(qrLink string) waservertest.Answer {
		return ok(`{"device_id":"toko","qr_link":"` + qrLink + `","qr_duration":30}`)
	}
	type answers = []waservertest.Answer
	cases := []waservertest.Case{
		{Name: "create", Link: before, Run: create, Answers: answers{made}},
		{Name: "create-without-webhook", Link: before, Run: createWithoutWebhook, Answers: answers{made}},
		{Name: "create-taken", Link: before, Run: create, Answers: answers{failed(500, "INTERNAL_SERVER_ERROR", "device toko already exists")}},
		{Name: "create-half", Link: before, Run: create, Answers: answers{failed(500, "INTERNAL_SERVER_ERROR", "device toko created but webhook config could not be saved: disk full"), none}},
		{Name: "create-another", Link: before, Run: create, Answers: answers{ok(`{"id":"1f0e"}`)}},

		{Name: "state-connected", Run: state, Answers: answers{device("logged_in", own)}},
		{Name: "state-qr", Run: state, Answers: answers{device("connected", "")}},
		{Name: "state-connecting", Run: state, Answers: answers{device("connected", own)}},
		{Name: "state-disconnected", Run: state, Answers: answers{device("disconnected", own)}},
		{Name: "state-created", Run: state, Answers: answers{device("disconnected", "")}},
		{Name: "state-unknown", Run: state, Answers: answers{gone}},

		{Name: "start-paired", Run: start, Answers: answers{device("disconnected", own), none}},
		{Name: "start-unpaired", Run: start, Answers: answers{device("disconnected", ""), login, picture}},
		{Name: "start-running", Run: start, Answers: answers{device("logged_in", own)}},
		{Name: "start-pairing", Run: start, Answers: answers{device("connected", "")}},
		{Name: "start-unknown", Run: start, Answers: answers{gone}},
		{Name: "start-unpaired-meanwhile", Run: start, Answers: answers{
			device("disconnected", own), failed(500, "INTERNAL_SERVER_ERROR", "device toko is not logged in (session deleted)"), login, picture,
		}},
		{Name: "start-without-network", Run: start, Answers: answers{device("disconnected", ""), failed(401, "AUTHENTICATION_ERROR", "reconnect error")}},
		{Name: "start-paired-without-network", Run: start, Answers: answers{device("disconnected", own), failed(500, "INTERNAL_SERVER_ERROR", "dial tcp: no route to host")}},

		{Name: "stop", Run: stop},

		{Name: "delete", Run: remove, Answers: answers{none}},
		{Name: "delete-unknown", Run: remove, Answers: answers{gone}},
		{Name: "delete-failed", Run: remove, Answers: answers{failed(500, "INTERNAL_SERVER_ERROR", "purge device toko: database is locked")}},

		{Name: "qr", Run: qr, Answers: answers{device("disconnected", ""), login, picture}},
		{Name: "qr-of-another-host", Run: qr, Answers: answers{device("disconnected", ""), link4("http://evil.example/statics/qrcode/scan-qr-1f0e.png"), picture}},
		{Name: "qr-of-another-folder", Run: qr, Answers: answers{device("disconnected", ""), link4("http://wa.example/statics/media/scan-qr-1f0e.png")}},
		{Name: "qr-climbing", Run: qr, Answers: answers{device("disconnected", ""), link4("http://wa.example/statics/qrcode/../../devices.png")}},
		{Name: "qr-climbing-escaped", Run: qr, Answers: answers{device("disconnected", ""), link4("http://wa.example/statics/qrcode/..%2f..%2fdevices.png")}},
		{Name: "qr-without-link", Run: qr, Answers: answers{device("disconnected", ""), ok(`{"device_id":"toko"}`)}},
		{Name: "qr-gone", Run: qr, Answers: answers{device("disconnected", ""), login, waservertest.Text(404, "Not Found")}},
		{Name: "qr-no-picture", Run: qr, Answers: answers{device("disconnected", ""), login, waservertest.Text(200, "<html>")}},
		{Name: "qr-paired", Run: qr, Answers: answers{device("disconnected", own)}},
		{Name: "qr-paired-meanwhile", Run: qr, Answers: answers{device("connected", ""), failed(400, "ALREADY_LOGGED_IN", "you are already logged in.")}},
		{Name: "qr-saved", Run: qr, Answers: answers{device("connected", ""), failed(500, "SESSION_SAVED_ERROR", "your session have been saved, please wait to connect 2 second and refresh again")}},
		{Name: "qr-channel", Run: qr, Answers: answers{device("connected", ""), failed(500, "QR_CHANNEL_ERROR", "QR channel error")}},
		{Name: "qr-timeout", Run: qr, Answers: answers{device("connected", ""), failed(504, "GATEWAY_TIMEOUT", "Request timed out waiting for WhatsApp server response")}},
		{Name: "qr-unknown", Run: qr, Answers: answers{gone}},
	}
	for i := range cases {
		cases[i].Token = basicAuth
		if cases[i].Link == nil {
			cases[i].Link = link()
		}
	}
	waservertest.Golden(t, "testdata/session", cases)
}

// A webhook without a secret of its own would be signed with the server's, which by
// default is known to everybody.
func TestCreateSessionNeedsSecret(t *testing.T) {
	script := waservertest.NewScript(t)
	_, err := tr.CreateSession(t.Context(), script.Client(basicAuth, nil), &waserver.NewSession{ID: "toko", WebhookURL: "https://gw"})
	if err == nil || len(script.Requests) > 0 {
		t.Errorf("got %v after %d calls", err, len(script.Requests))
	}
}

func TestServerWithoutCredential(t *testing.T) {
	script := waservertest.NewScript(t, device("logged_in", own))
	if _, err := tr.Session(t.Context(), script.Client("", link())); err != nil {
		t.Fatal(err)
	}
	if got, has := script.Requests[0].Header["Authorization"]; has {
		t.Errorf("got %q", got)
	}
}

func TestReads(t *testing.T) {
	contacts := func(page waserver.Page) func(context.Context, *waserver.Client) (any, error) {
		return func(ctx context.Context, c *waserver.Client) (any, error) { return tr.Contacts(ctx, c, page) }
	}
	chats := func(page waserver.Page) func(context.Context, *waserver.Client) (any, error) {
		return func(ctx context.Context, c *waserver.Client) (any, error) { return tr.Chats(ctx, c, page) }
	}
	messages := func(page waserver.Page) func(context.Context, *waserver.Client) (any, error) {
		return func(ctx context.Context, c *waserver.Client) (any, error) {
			return tr.Messages(ctx, c, waservertest.Person, page)
		}
	}
	mark := func(ids ...string) func(context.Context, *waserver.Client) (any, error) {
		return func(ctx context.Context, c *waserver.Client) (any, error) {
			return nil, tr.MarkRead(ctx, c, &waserver.ReadMark{Chat: waservertest.Group, Messages: ids})
		}
	}
	people := ok(`{"data":[{"jid":"6289876543210@s.whatsapp.net","name":"Budi"},{"jid":"6281234567890:2@s.whatsapp.net","name":"Ani"},{"jid":"6281234567890@s.whatsapp.net","name":"Ani"}]}`)
	someChats := ok(`{"data":[
		{"jid":"6281234567890@s.whatsapp.net","name":"Ani","last_message_time":"2026-06-01T19:00:00+07:00","ephemeral_expiration":0,"archived":false},
		{"jid":"120363025246125486@g.us","name":"Keluarga","last_message_time":"0001-01-01T00:00:00Z"}],"pagination":{"limit":2,"offset":4,"total":2}}`)
	someMessages := ok(`{"data":[
		{"id":"3EB0B","chat_jid":"6281234567890@s.whatsapp.net","sender_jid":"6281234567890:4@s.whatsapp.net","sender_display_name":"Ani","content":"halo","timestamp":"2026-06-01T12:00:00Z","is_from_me":false,"media_type":"","filename":"","url":"","file_length":0},
		{"id":"3EB0A","chat_jid":"6281234567890@s.whatsapp.net","sender_jid":"6281100000001","sender_display_name":"Toko","content":"","timestamp":"2026-06-01T11:00:00Z","is_from_me":true,"media_type":"image","filename":"a.png","url":"https://mmg.example/a.enc","file_length":70}],"pagination":{"limit":50,"offset":0,"total":2}}`)
	read := ok(`{"message_id":"3EB0B","status":"Mark as read success 3EB0B"}`)
	type answers = []waservertest.Answer
	cases := []waservertest.Case{
		{Name: "contacts", Run: contacts(waserver.Page{}), Answers: answers{people}},
		{Name: "contacts-page", Run: contacts(waserver.Page{Limit: 1, Offset: 1}), Answers: answers{people}},
		{Name: "contacts-none", Run: contacts(waserver.Page{Limit: 10}), Answers: answers{ok(`{"data":null}`)}},
		{Name: "contacts-not-connected", Run: contacts(waserver.Page{}), Answers: answers{failed(401, "AUTHENTICATION_ERROR", "you are not connect to services server, please reconnect")}},
		{Name: "chats", Run: chats(waserver.Page{Limit: 2, Offset: 4}), Answers: answers{someChats}},
		{Name: "chats-none", Run: chats(waserver.Page{}), Answers: answers{ok(`{"data":[],"pagination":{}}`)}},
		{Name: "messages", Run: messages(waserver.Page{Limit: 50}), Answers: answers{someMessages}},
		{Name: "messages-invalid", Run: messages(waserver.Page{Limit: 50}), Answers: answers{failed(400, "VALIDATION_ERROR", "limit: must be no greater than 100.")}},
		{Name: "mark-read", Run: mark("3EB0B", "3EB0A"), Answers: answers{read, read}},
		{Name: "mark-read-failed", Run: mark("3EB0B", "3EB0A"), Answers: answers{failed(401, "AUTHENTICATION_ERROR", "you are not logged in")}},
		{Name: "mark-read-odd-id", Run: mark("3EB0B", "../../send/message")},
		{Name: "mark-read-nothing", Run: mark()},
	}
	for i := range cases {
		cases[i].Token, cases[i].Link = basicAuth, link()
	}
	waservertest.Golden(t, "testdata/read", cases)
}

// More than the server gives at once is fetched in its own pages.
func TestChatsInPages(t *testing.T) {
	full := `{"jid":"6281234567890@s.whatsapp.net","name":"Ani"}`
	for range 99 {
		full += `,{"jid":"6281234567890@s.whatsapp.net","name":"Ani"}`
	}
	script := waservertest.NewScript(t, ok(`{"data":[`+full+`]}`), ok(`{"data":[{"jid":"6289876543210@s.whatsapp.net","name":"Budi"}]}`))
	chats, err := tr.Chats(t.Context(), script.Client(basicAuth, link()), waserver.Page{Limit: 150, Offset: 10})
	script.Done()
	if err != nil || len(chats) != 101 {
		t.Fatalf("got %d chats, %v", len(chats), err)
	}
	for i, want := range []string{"limit=100&offset=10", "limit=50&offset=110"} {
		if got := script.Requests[i].Query.Encode(); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestMessagesNeedJID(t *testing.T) {
	script := waservertest.NewScript(t)
	chat := waservertest.Person
	chat.Server = ""
	_, err := tr.Messages(t.Context(), script.Client(basicAuth, link()), chat, waserver.Page{})
	if _, is := errors.AsType[*waserver.UnsupportedError](err); !is {
		t.Errorf("got %v", err)
	}
}
