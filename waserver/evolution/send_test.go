package evolution

import (
	"errors"
	"strings"
	"testing"

	"github.com/genfity/wa-gateway/message"
	"github.com/genfity/wa-gateway/waserver"
	"github.com/genfity/wa-gateway/waserver/waservertest"
)

func TestSends(t *testing.T) {
	waservertest.Sends(t, "testdata/send", adminKey, link, Translator{}, func(waservertest.Named) []waservertest.Answer {
		return []waservertest.Answer{waservertest.JSON(201, sentAnswer)}
	})
}

// What comes of a send, whatever the trouble.
func TestSendAnswers(t *testing.T) {
	answer := waservertest.JSON
	group := &message.Message{Kind: message.KindText, To: waservertest.Group, Text: "x"}
	channel := &message.Message{Kind: message.KindText, To: message.Recipient{User: "120363144038483540", Server: message.NewsletterServer}, Text: "x"}
	nameless := &message.Message{Kind: message.KindContact, To: waservertest.Person, Contact: &message.Contact{Name: "Budi", VCard: "BEGIN:VCARD\nEND:VCARD"}}
	lines := &message.Message{Kind: message.KindContact, To: waservertest.Person, Contact: &message.Contact{Name: "Budi\nTEL:666", Phone: "62811"}}
	twice := &message.Message{Kind: message.KindText, To: waservertest.Group, Text: "x", Mentions: []message.Recipient{waservertest.Person, waservertest.Person, waservertest.Group}}
	image := &message.Message{Kind: message.KindSticker, To: waservertest.Person, Media: waservertest.Content(waservertest.PNG, "", "image/png")}
	waservertest.Golden(t, "testdata/answers", []waservertest.Case{
		sendCase("without-own-token", plain, hello, answer(201, sentAnswer)),
		sendCase("hidden-number", link, hello, answer(201, `{"key":{"remoteJid":"123456789012345@lid","fromMe":true,"id":"3EB0A1B2C3D4E5F60718"},"messageTimestamp":{"low":1767225600,"high":0,"unsigned":true}}`)),
		sendCase("without-id", link, hello, answer(201, `{}`)),
		sendCase("no-json", link, hello, waservertest.Answer{Status: 200, Type: "text/html", Body: "<html>"}),
		sendCase("unauthorized", link, hello, answer(401, unauthorized)),
		sendCase("unknown-instance", link, hello, answer(404, unknown)),
		sendCase("unknown-call", link, hello, answer(404, `{"status":404,"error":"Not Found","response":{"message":["Cannot POST /message/sendText/toko-1?x=rahasia"]}}`)),
		sendCase("unknown-number", link, hello, answer(400, failed("400", `[{"jid":"6281234567890@s.whatsapp.net","exists":false,"number":"6281234567890@s.whatsapp.net"}]`))),
		sendCase("unknown-group", link, group, answer(400, failed("400", `["[object Object]"]`))),
		sendCase("invalid", link, hello, answer(400, failed("400", `[["requires property \"text\"","The \"number\" cannot be empty"]]`))),
		sendCase("connection-closed", link, hello, answer(400, failed("400", `["Error: Connection Closed"]`))),
		sendCase("connection-closed-at-the-look-up", link, hello, answer(500, failed("500", `"Connection Closed"`))),
		sendCase("never-started", link, hello, answer(500, failed("500", `"Cannot read properties of undefined (reading 'onWhatsApp')"`))),
		sendCase("breaks-while-closed", link, hello, answer(500, failed("500", `"something else"`)), answer(200, closeState)),
		sendCase("breaks-while-open", link, hello, answer(500, failed("500", `"something else"`)), answer(200, openState)),
		sendCase("send-fails-while-open", link, hello, answer(400, failed("400", `["Error: media upload failed"]`)), answer(200, openState)),
		sendCase("state-is-not-told", link, hello, answer(500, `{}`), answer(500, `{}`)),
		sendCase("limited", link, hello, answer(400, failed("400", `["Error: rate-overlimit"]`))),
		sendCase("too-large", link, hello, answer(413, failed("413", `"request entity too large"`))),
		sendCase("secrets-in-the-error", link, hello, answer(400, failed("400", `["the key `+adminKey+` or `+ownToken+` is odd"]`))),
		sendCase("newsletter", link, channel),
		sendCase("contact-without-number", link, nameless),
		sendCase("contact-of-two-lines", link, lines, answer(201, sentAnswer)),
		sendCase("mentions-twice", link, twice, answer(201, sentAnswer)),
		sendCase("sticker-of-a-png", link, image, answer(201, sentAnswer)),
	})
}

// The instance is in the path alone: what a client writes reaches neither a query nor a
// member that could choose another.
func TestInstanceIsInThePathAlone(t *testing.T) {
	for _, m := range waservertest.Messages() {
		script := waservertest.NewScript(t, waservertest.JSON(201, sentAnswer))
		if _, err := (Translator{}).Send(t.Context(), script.Client(adminKey, link), m.Message); err != nil {
			t.Fatalf("%s: %v", m.Name, err)
		}
		r := script.Requests[0]
		if len(r.Query) > 0 || r.Path[len(r.Path)-1] != "toko-1" {
			t.Errorf("%s: %q %v", m.Name, r.Path, r.Query)
		}
		for _, bad := range []string{"instanceName", "instanceId", `"token"`, `"delay"`, "toko-1"} {
			asked, _, _ := strings.Cut(script.Log(), "\n\n<")
			if _, body, _ := strings.Cut(asked, "{"); strings.Contains(body, bad) {
				t.Errorf("%s: %s is in the body", m.Name, bad)
			}
		}
	}
}

func TestNoInstanceIsNoCall(t *testing.T) {
	tr := Translator{}
	for _, l := range []*waserver.Link{{}, {RemoteID: ".."}, {SessionID: "."}} {
		c := waservertest.NewScript(t).Client(adminKey, l)
		for name, call := range map[string]func() error{
			"send":     func() error { _, err := tr.Send(t.Context(), c, hello); return err },
			"session":  func() error { _, err := tr.Session(t.Context(), c); return err },
			"start":    func() error { _, err := tr.StartSession(t.Context(), c); return err },
			"delete":   func() error { return tr.DeleteSession(t.Context(), c) },
			"qr":       func() error { _, err := tr.QR(t.Context(), c); return err },
			"contacts": func() error { _, err := tr.Contacts(t.Context(), c, waserver.Page{Limit: 1}); return err },
			"chats":    func() error { _, err := tr.Chats(t.Context(), c, waserver.Page{Limit: 1}); return err },
		} {
			if err := call(); !errors.Is(err, errNoName) {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

func TestDocumentName(t *testing.T) {
	for _, x := range []struct{ name, mimeType, want string }{
		{"laporan.pdf", "application/pdf", "laporan.pdf"},
		{"laporan", "application/pdf", "laporan.pdf"},
		{"laporan.", "application/pdf", "laporan.pdf"},
		{"", "text/plain; charset=utf-8", "file.txt"},
		{"", "", "file.bin"},
		{"Mr. Budi", "application/pdf", "Mr. Budi.pdf"},
		{"x.docx", "", "x.docx"},
	} {
		if got := documentName(&message.Media{Filename: x.name, MIMEType: x.mimeType}); got != x.want {
			t.Errorf("%q of %q: %q, not %q", x.name, x.mimeType, got, x.want)
		}
	}
}

func TestSessionID(t *testing.T) {
	id := Translator{}.Traits().SessionID
	for _, good := range []string{"toko-1", "A_b-9", "0", strings.Repeat("x", 100)} {
		if !id(good) {
			t.Errorf("%q is refused", good)
		}
	}
	for _, bad := range []string{"", "a/b", "..", "a b", "a?instanceName=victim", "toko\n", "constructor", "__proto__", "toString", strings.Repeat("x", 101)} {
		if id(bad) {
			t.Errorf("%q is taken", bad)
		}
	}
}
