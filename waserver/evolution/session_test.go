package evolution

import (
	"context"
	"errors"
	"testing"

	"github.com/genfity/wa-gateway/waserver"
	"github.com/genfity/wa-gateway/waserver/waservertest"
)

func creating(name string, s waserver.NewSession, answers ...waservertest.Answer) waservertest.Case {
	asked := &waserver.Link{SessionID: s.ID, UserID: "user123", Server: "main", WebhookSecret: "", Credential: ""}
	return asking(name, asked, func(ctx context.Context, c *waserver.Client) (*waserver.Link, error) {
		return Translator{}.CreateSession(ctx, c, &s)
	}, answers...)
}

func deleting(name string, answers ...waservertest.Answer) waservertest.Case {
	return asking(name, link, func(ctx context.Context, c *waserver.Client) (string, error) {
		return "done", Translator{}.DeleteSession(ctx, c)
	}, answers...)
}

func TestSessions(t *testing.T) {
	tr, answer := Translator{}, waservertest.JSON
	asked := waserver.NewSession{ID: "toko-1", Name: "Toko", WebhookURL: "https://gw.example/events/webhook/main", WebhookSecret: hookKey, Credential: ownToken}
	created := `{"instance":{"instanceName":"toko-1","instanceId":"9a1b","integration":"WHATSAPP-BAILEYS","webhookWaBusiness":null,"accessTokenWaBusiness":"","status":"close"},"hash":"` + ownToken + `","webhook":{"webhookUrl":"https://gw.example/events/webhook/main"},"settings":{}}`
	const qr = `{"pairingCode":null,"code":"2@abc,def","base64":"data:image/png;base64,iVBORw0KGgoAAAA=","count":1}`
	waservertest.Golden(t, "testdata/session", []waservertest.Case{
		creating("create", asked, answer(201, created)),
		creating("create-without-webhook", waserver.NewSession{ID: "toko-1", Credential: ownToken}, answer(201, created)),
		creating("create-with-another-token", asked, answer(201, `{"instance":{"instanceName":"toko-1"},"hash":"ANOTHER"}`)),
		creating("create-with-a-token-in-an-object", asked, answer(201, `{"instance":{"instanceName":"toko-1"},"hash":{"apikey":"ANOTHER"}}`)),
		creating("create-existing", asked, answer(403, `{"status":403,"error":"Forbidden","response":{"message":["This name \"toko-1\" is already in use."]}}`)),
		creating("create-wrong-admin-key", asked, answer(401, unauthorized)),
		creating("create-fails", asked, answer(400, failed("400", `["Invalid integration"]`))),
		creating("create-makes-another", asked, answer(201, `{"instance":{"instanceName":"victim"},"hash":"x"}`)),
		creating("create-odd-name", waserver.NewSession{ID: "toko?instanceName=victim"}),
		creating("create-answers-nothing", asked, answer(201, `{}`)),

		asking("state-open", link, tr.Session, answer(200, openState), answer(200, rows(`"ownerJid":"6281111111111@s.whatsapp.net","profileName":"Toko"`))),
		asking("state-open-without-list", link, tr.Session, answer(200, openState), answer(401, unauthorized)),
		asking("state-open-in-a-list-of-others", link, tr.Session, answer(200, openState), answer(200, `[{"name":"victim","ownerJid":"620000000000@s.whatsapp.net"}]`)),
		asking("state-connecting", link, tr.Session, answer(200, connecting)),
		asking("state-never-started", link, tr.Session, answer(200, closeState), answer(200, rows(`"ownerJid":null,"profileName":null,"disconnectionReasonCode":null`))),
		asking("state-logged-out", link, tr.Session, answer(200, closeState), answer(200, rows(`"ownerJid":"6281111111111@s.whatsapp.net","disconnectionReasonCode":401`))),
		asking("state-banned", link, tr.Session, answer(200, closeState), answer(200, rows(`"ownerJid":"6281111111111@s.whatsapp.net","disconnectionReasonCode":403`))),
		asking("state-disconnected", link, tr.Session, answer(200, closeState), answer(200, rows(`"ownerJid":"6281111111111@s.whatsapp.net","disconnectionReasonCode":null`))),
		asking("state-closed-without-list", link, tr.Session, answer(200, closeState), waservertest.Answer{Err: errors.New("connection refused")}),
		asking("state-unknown-instance", link, tr.Session, answer(404, unknown)),
		asking("state-not-told", link, tr.Session, answer(200, `{"instance":{"instanceName":"toko-1"}}`)),

		asking("start", link, tr.StartSession, answer(200, qr)),
		asking("start-without-code-yet", link, tr.StartSession, answer(200, `{"count":0}`)),
		asking("start-open", link, tr.StartSession, answer(200, openState)),
		asking("start-in-trouble", link, tr.StartSession, answer(200, `{"error":true,"message":"Error: socket hang up"}`)),
		asking("start-unknown", link, tr.StartSession, answer(404, unknown)),
		asking("stop", link, tr.StopSession),

		deleting("delete", answer(200, `{"status":"SUCCESS","error":false,"response":{"message":"Instance deleted"}}`)),
		deleting("delete-unknown", answer(404, unknown)),
		deleting("delete-with-a-token-that-is-not-good", answer(401, unauthorized), answer(200, `{"status":"SUCCESS","error":false}`)),
		deleting("delete-fails", answer(400, failed("400", `["Error: busy"]`))),

		asking("qr", link, tr.QR, answer(200, qr)),
		asking("qr-not-yet", link, tr.QR, answer(200, `{"pairingCode":null,"count":0}`)),
		asking("qr-picture-broken", link, tr.QR, answer(200, `{"code":"2@abc,def","base64":"data:image/png;base64,!!!"}`)),
		asking("qr-open", link, tr.QR, answer(200, openState)),
		asking("qr-in-trouble", link, tr.QR, answer(200, `{"error":true,"message":["The \"toko-1\" instance does not exist"]}`)),
		asking("qr-unauthorized", link, tr.QR, answer(401, unauthorized)),
	})
}

func TestReads(t *testing.T) {
	tr, answer := Translator{}, waservertest.JSON
	contacts := func(p waserver.Page) func(context.Context, *waserver.Client) ([]waserver.Contact, error) {
		return func(ctx context.Context, c *waserver.Client) ([]waserver.Contact, error) {
			return tr.Contacts(ctx, c, p)
		}
	}
	chats := func(ctx context.Context, c *waserver.Client) ([]waserver.Chat, error) {
		return tr.Chats(ctx, c, waserver.Page{Limit: 2, Offset: 3})
	}
	messages := func(ctx context.Context, c *waserver.Client) ([]waserver.ChatMessage, error) {
		return tr.Messages(ctx, c, waservertest.Person, waserver.Page{Limit: 2, Offset: 4})
	}
	reading := func(name string, mark waserver.ReadMark, answers ...waservertest.Answer) waservertest.Case {
		return asking(name, link, func(ctx context.Context, c *waserver.Client) (string, error) {
			return "done", tr.MarkRead(ctx, c, &mark)
		}, answers...)
	}
	const (
		people = `[{"id":"a","remoteJid":"6281234567890@s.whatsapp.net","pushName":"Budi","isGroup":false},{"id":"b","remoteJid":"6289876543210@s.whatsapp.net","pushName":"6289876543210"}]`
		more   = `[{"id":"c","remoteJid":"123456789012345@lid","pushName":"Ani"},{"id":"d","remoteJid":"120363025246125486@g.us","pushName":"Grup","isGroup":true}]`
		found  = `{"messages":{"total":9,"pages":5,"currentPage":3,"records":[` +
			`{"id":"row1","key":{"id":"AAAA","fromMe":false,"remoteJid":"6281234567890@s.whatsapp.net"},"pushName":"Budi","messageType":"conversation","message":{"conversation":"Halo"},"messageTimestamp":1767225600,"contextInfo":null,"MessageUpdate":[]},` +
			`{"id":"row2","key":{"id":"BBBB","fromMe":true,"remoteJid":"6281234567890@s.whatsapp.net"},"pushName":"Você","messageType":"documentMessage","message":{"documentMessage":{"url":"https://mmg.example/x","mimetype":"application/pdf","fileName":"a.pdf","caption":"ini"},"mediaUrl":"https://s3.example/a.pdf"},"messageTimestamp":1767225601,"contextInfo":{"stanzaId":"AAAA"}}]}}`
	)
	waservertest.Golden(t, "testdata/read", []waservertest.Case{
		asking("contacts", link, contacts(waserver.Page{Limit: 2, Offset: 2}), answer(200, more)),
		asking("contacts-across-pages", link, contacts(waserver.Page{Limit: 2, Offset: 1}), answer(200, people), answer(200, more)),
		asking("contacts-at-the-end", link, contacts(waserver.Page{Limit: 2, Offset: 5}), answer(200, `[{"remoteJid":"1@lid"}]`)),
		asking("contacts-no-list", link, contacts(waserver.Page{Limit: 2}), answer(200, `{}`)),
		asking("chats", link, chats, answer(200, `[{"id":null,"remoteJid":"6281234567890@s.whatsapp.net","pushName":"Budi","updatedAt":"2026-01-01T00:00:00.000Z","lastMessage":{"messageTimestamp":1767225601},"unreadCount":3},`+
			`{"remoteJid":"120363025246125486@g.us","pushName":null,"updatedAt":"2026-01-01T00:00:00.000Z"},{"remoteJid":"status@broadcast","unreadCount":9},{"remoteJid":"123456789012345@lid","updatedAt":"odd","unreadCount":"x"}]`)),
		asking("messages", link, messages, answer(200, found)),
		asking("messages-no-list", link, messages, answer(200, `[]`)),
		asking("messages-unknown", link, messages, answer(404, unknown)),
		reading("mark-read", waserver.ReadMark{Chat: waservertest.Person, Messages: []string{"BBBB", "AAAA"}}, answer(201, `{"message":"Read messages","read":"success"}`)),
		reading("mark-read-in-group", waserver.ReadMark{Chat: waservertest.Group, Sender: waservertest.Another, Messages: []string{"AAAA"}}, answer(201, `{"read":"success"}`)),
		reading("mark-read-hidden", waserver.ReadMark{Chat: waservertest.Hidden, Messages: []string{"AAAA"}}),
		reading("mark-read-chat", waserver.ReadMark{Chat: waservertest.Person}),
		reading("mark-read-closed", waserver.ReadMark{Chat: waservertest.Person, Messages: []string{"AAAA"}}, answer(500, failed("500", `["Read messages fail","Error: Connection Closed"]`))),
	})
}

func TestPages(t *testing.T) {
	all := []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10}
	for limit := range 6 {
		for offset := range 14 {
			got, err := paged(waserver.Page{Limit: limit, Offset: offset}, func(page, size int) ([]int, error) {
				from := min((page-1)*size, len(all))
				return all[from:min(from+size, len(all))], nil
			})
			if err != nil {
				t.Fatal(err)
			}
			from := min(offset, len(all))
			want := all[from:min(from+max(limit, 1), len(all))]
			if len(got) != len(want) || len(got) > 0 && got[0] != want[0] {
				t.Errorf("%d from %d: %v, not %v", limit, offset, got, want)
			}
		}
	}
}
