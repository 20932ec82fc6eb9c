package gowa_test

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/genfity/wa-gateway/message"
	"github.com/genfity/wa-gateway/waserver"
	"github.com/genfity/wa-gateway/waserver/gowa"
	"github.com/genfity/wa-gateway/waserver/waservertest"
)

const (
	basicAuth     = "gateway:a-long-password"
	webhookSecret = "S3cretOfTheWebhooks-0123456789abcdefghijklm"
)

var tr = gowa.Translator{Now: func() time.Time { return waservertest.Received }}

func link() *waserver.Link {
	return &waserver.Link{
		SessionID: "toko", UserID: "user1", Server: "main", RemoteID: "toko",
		WebhookSecret: webhookSecret, Webhook: "https://customer.example/hook",
	}
}

func ok(results string) waservertest.Answer {
	return waservertest.JSON(200, `{"code":"SUCCESS","message":"done","results":`+results+`}`)
}

func failed(status int, code, text string) waservertest.Answer {
	return waservertest.JSON(status, `{"code":"`+code+`","message":"`+text+`"}`)
}

func sentTo(kind string) waservertest.Answer {
	return ok(`{"message_id":"3EB0AAAA","status":"` + kind + ` (server timestamp: 2026-06-01 19:00:00 +0700 WIB)"}`)
}

func TestSend(t *testing.T) {
	refused := map[string]bool{
		"image-reply-mentions": true, "video-reply-mentions": true, "document-reply-mentions": true,
		"sticker-reply": true, "location-reply": true, "contact-reply": true,
		"list": true, "list-bare": true, "buttons": true, "buttons-of-every-type": true,
	}
	waservertest.Sends(t, "testdata/send", basicAuth, link(), tr, func(m waservertest.Named) []waservertest.Answer {
		switch {
		case refused[m.Name]:
			return nil
		case m.Kind == message.KindText:
			return []waservertest.Answer{sentTo("Message sent to 6281234567890@s.whatsapp.net")}
		}
		return []waservertest.Answer{sentTo("Sent")}
	})
}

// What the shared examples have only together with mentions.
func TestSendMediaReply(t *testing.T) {
	run := func(m *message.Message) func(context.Context, *waserver.Client) (any, error) {
		return func(ctx context.Context, c *waserver.Client) (any, error) { return tr.Send(ctx, c, m) }
	}
	reply := func(kind message.Kind, media *message.Media) *message.Message {
		return &message.Message{Kind: kind, To: waservertest.Person, Media: media, Caption: "c", ReplyTo: waservertest.RepliedID}
	}
	cases := []waservertest.Case{
		{Name: "image-reply", Run: run(reply(message.KindImage, waservertest.Content(waservertest.PNG, "a.png", "image/png")))},
		{Name: "video-reply", Run: run(reply(message.KindVideo, waservertest.Content("video", "a.mp4", "video/mp4")))},
		{Name: "document-reply", Run: run(reply(message.KindDocument, waservertest.Content("%PDF", "a.pdf", "application/pdf")))},
		{Name: "audio-m4a", Run: run(reply(message.KindAudio, waservertest.Content("m4a", "a.m4a", "audio/mp4")))},
		{Name: "location-exactly-zero", Run: run(&message.Message{Kind: message.KindLocation, To: waservertest.Person, Location: &message.Location{Longitude: 0.0000001}})},
	}
	for i := range cases {
		cases[i].Token, cases[i].Link, cases[i].Answers = basicAuth, link(), []waservertest.Answer{sentTo("Sent")}
	}
	waservertest.Golden(t, "testdata/send", cases)
}

func TestSendContactWithoutNumber(t *testing.T) {
	script := waservertest.NewScript(t)
	_, err := tr.Send(t.Context(), script.Client(basicAuth, link()), &message.Message{
		Kind: message.KindContact, To: waservertest.Person, Contact: &message.Contact{Name: "Ani", VCard: "BEGIN:VCARD\nEND:VCARD"},
	})
	if _, is := errors.AsType[*waserver.UnsupportedError](err); !is {
		t.Errorf("got %v", err)
	}
}

func send(ctx context.Context, c *waserver.Client) (any, error) {
	return tr.Send(ctx, c, &message.Message{Kind: message.KindText, To: waservertest.Person, Text: "halo"})
}

func TestErrors(t *testing.T) {
	one := func(a waservertest.Answer) []waservertest.Answer { return []waservertest.Answer{a} }
	cases := []waservertest.Case{
		{Name: "credential", Answers: one(waservertest.Answer{
			Status: 401, Type: "text/plain; charset=utf-8", Header: http.Header{"Www-Authenticate": {`basic realm="Restricted"`}}, Body: "Unauthorized",
		})},
		{Name: "not-connected", Answers: one(failed(401, "AUTHENTICATION_ERROR", "you are not connect to services server, please reconnect"))},
		{Name: "not-logged-in", Answers: one(failed(401, "AUTHENTICATION_ERROR", "you are not logged in"))},
		{Name: "never-started", Answers: one(failed(500, "INVALID_WA_CLI", "your WhatsApp CLI is invalid or empty"))},
		{Name: "unknown-device", Answers: one(waservertest.JSON(404, `{"code":"DEVICE_NOT_FOUND","message":"device not found; create a device first from /api/devices or provide a valid X-Device-Id","results":{"device_id":"toko"}}`))},
		{Name: "invalid", Answers: one(failed(400, "VALIDATION_ERROR", "message: cannot be blank."))},
		{Name: "not-on-whatsapp", Answers: one(failed(400, "INVALID_JID", "Phone 6281234567890@s.whatsapp.net is not on whatsapp"))},
		{Name: "bad-jid", Answers: one(failed(400, "INVALID_JID", "invalid JID"))},
		{Name: "restricted", Answers: one(failed(429, "WA_REACHOUT_TIMELOCK", "WhatsApp rejected this send with error 463"))},
		{Name: "upload", Answers: one(failed(500, "UPLOAD_MEDIA_ERROR", "Failed to upload file"))},
		{Name: "too-large", Answers: one(failed(400, "VALIDATION_ERROR", "max file upload is 50 MB, please upload in cloud"))},
		{Name: "body-too-large", Answers: one(waservertest.Text(413, "Request Entity Too Large"))},
		{Name: "server-479", Answers: one(failed(500, "INTERNAL_SERVER_ERROR", "server returned error 479"))},
		{Name: "websocket", Answers: one(failed(500, "INTERNAL_SERVER_ERROR", "failed to send usync query: websocket not connected"))},
		{Name: "no-picture", Answers: one(failed(500, "INTERNAL_SERVER_ERROR", "Failed to open image file 'statics/senditems/1f0eimage.jpg' for thumbnail generation: image: unknown format. Possible causes: file is damaged"))},
		{Name: "no-ffmpeg", Answers: one(failed(500, "INTERNAL_SERVER_ERROR", "ffmpeg not installed"))},
		{Name: "no-webp", Answers: one(failed(500, "INTERNAL_SERVER_ERROR", "neither ffmpeg nor cwebp is installed for WebP conversion"))},
		{Name: "timeout", Answers: one(failed(504, "GATEWAY_TIMEOUT", "Request timed out waiting for WhatsApp server response"))},
		{Name: "not-json", Answers: one(waservertest.Text(200, "<html>hello</html>"))},
		{Name: "odd-answer", Answers: one(ok(`[1]`))},
		{Name: "no-time", Answers: one(ok(`{"message_id":"3EB0AAAA","status":"Message sent (server timestamp: soon)"}`))},
		{Name: "broken-off", Answers: one(waservertest.Answer{Err: errors.New("connection reset")})},
		{Name: "echoes-secrets", Answers: one(failed(500, "INTERNAL_SERVER_ERROR", basicAuth+" a-long-password "+webhookSecret))},
	}
	for i := range cases {
		cases[i].Token, cases[i].Link, cases[i].Run = basicAuth, link(), send
	}
	waservertest.Golden(t, "testdata/errors", cases)
}

// A call without the device's header reaches whichever device the server has, and a JID
// in it whichever has that account.
func TestNoCallWithoutDevice(t *testing.T) {
	for _, id := range []string{"", "6281234567890@s.whatsapp.net", "a b", "a+b", "../x", "toko%2f", "ñ"} {
		l := link()
		l.RemoteID = id
		c := waservertest.NewScript(t).Client(basicAuth, l)
		calls := map[string]func() error{
			"send":     func() error { _, err := send(t.Context(), c); return err },
			"session":  func() error { _, err := tr.Session(t.Context(), c); return err },
			"start":    func() error { _, err := tr.StartSession(t.Context(), c); return err },
			"qr":       func() error { _, err := tr.QR(t.Context(), c); return err },
			"contacts": func() error { _, err := tr.Contacts(t.Context(), c, waserver.Page{}); return err },
			"chats":    func() error { _, err := tr.Chats(t.Context(), c, waserver.Page{}); return err },
			"messages": func() error {
				_, err := tr.Messages(t.Context(), c, waservertest.Person, waserver.Page{})
				return err
			},
			"mark": func() error {
				return tr.MarkRead(t.Context(), c, &waserver.ReadMark{Chat: waservertest.Person, Messages: []string{"A"}})
			},
		}
		for name, call := range calls {
			if e, is := errors.AsType[*waserver.ServerError](call()); !is || e.Kind != waserver.KindNotFound {
				t.Errorf("%s of %q: got %v", name, id, e)
			}
		}
	}
}

func TestTraits(t *testing.T) {
	traits := tr.Traits()
	if !traits.SessionCredential || !traits.Polls || !traits.HasContacts || !traits.HasChats || !traits.HasMessages {
		t.Errorf("got %+v", traits)
	}
	for id, want := range map[string]bool{"toko": true, "Toko_1-a": true, "": false, "a b": false, "a+b": false, "a.b": false, "1@s.whatsapp.net": false} {
		if got := traits.SessionID(id); got != want {
			t.Errorf("%q: got %v", id, got)
		}
	}
}
