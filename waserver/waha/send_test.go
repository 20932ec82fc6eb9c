package waha

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
		return []waservertest.Answer{waservertest.JSON(201, gowsAnswer)}
	})
}

// What comes of a send, whatever the engine and the trouble.
func TestSendAnswers(t *testing.T) {
	const echo = `{"statusCode":500,"timestamp":"2026-01-01T00:00:00.000Z","exception":{"message":"%","name":"TypeError","stack":"TypeError: at /app/src/x.ts:1"},"request":{"path":"/api/sendText?x-api-key=` + adminKey + `","method":"POST","body":{"text":"Halo rahasia","session":"toko-1"},"query":{"x-api-key":"` + adminKey + `"}},"version":{"version":"2026.9"}}`
	broken := func(message string) waservertest.Answer {
		return waservertest.JSON(500, strings.Replace(echo, "%", message, 1))
	}
	list := &message.Message{Kind: message.KindList, To: waservertest.Group, List: &message.List{Button: "x"}}
	sticker := &message.Message{Kind: message.KindSticker, To: waservertest.Person, Media: waservertest.Content("RIFF", "s.webp", "image/webp")}
	waservertest.Golden(t, "testdata/answers", []waservertest.Case{
		sendCase("gows", link, hello, waservertest.JSON(201, gowsAnswer)),
		sendCase("noweb", link, hello, waservertest.JSON(201, nowebAnswer)),
		sendCase("webjs", link, hello, waservertest.JSON(201, webjsAnswer)),
		sendCase("webjs-without-id-at-the-top", link, hello, waservertest.JSON(201, `{"_data":{"id":{"_serialized":"true_6281234567890@c.us_3EB0A1B2C3D4E5F60718"}}}`)),
		sendCase("group-with-participant", link, hello, waservertest.JSON(201, `{"id":"true_120363025246125486@g.us_3EB0A1B2C3D4E5F60718_6281111111111@c.us"}`)),
		sendCase("empty", link, hello, waservertest.Answer{Status: 201, Body: ""}),
		sendCase("without-own-key", plain, hello, waservertest.JSON(201, gowsAnswer)),
		sendCase("unauthorized", link, hello, waservertest.JSON(401, `{"message":"Unauthorized","statusCode":401}`)),
		sendCase("key-of-another-session", link, hello, waservertest.JSON(403, forbidden)),
		sendCase("invalid", link, hello, waservertest.JSON(400, `{"statusCode":400,"message":["chatId must be a string","text should not be empty"],"error":"Bad Request"}`)),
		sendCase("stopped", link, hello, waservertest.JSON(404, notFound), waservertest.JSON(200, isStopped)),
		sendCase("unknown-session", link, hello, waservertest.JSON(404, notFound), waservertest.JSON(404, notFound)),
		sendCase("waits-for-qr", link, hello, waservertest.JSON(422, notInState("SCAN_QR_CODE"))),
		sendCase("failed-session", link, hello, waservertest.JSON(422, notInState("FAILED"))),
		sendCase("not-in-this-engine", link, hello, waservertest.JSON(422, `{"message":"The method is not implemented by the engine.","error":"Unprocessable Entity","statusCode":422}`)),
		sendCase("only-in-plus", link, hello, waservertest.JSON(422, `{"message":"Sending media is available only in Plus version. Check this out: https://waha.devlike.pro/","error":"Unprocessable Entity","statusCode":422}`)),
		sendCase("number-is-unknown", link, hello, broken("Evaluation failed: Error: No LID for user\\n    at pptr:1")),
		sendCase("account-is-limited", link, hello, broken("reachout timelock: server returned error 463")),
		sendCase("exception", link, hello, broken("Cannot read properties of undefined (reading 'x')\\n    at /app/src/a.ts:5\\nHalo rahasia")),
		sendCase("too-large", link, hello, waservertest.JSON(413, `{"statusCode":413,"message":"request entity too large"}`)),
		sendCase("no-such-call", link, sticker, waservertest.JSON(404, `{"message":"Cannot POST /api/sendSticker","error":"Not Found","statusCode":404}`)),
		sendCase("html", link, hello, waservertest.Answer{Status: 502, Type: "text/html", Body: "<h1>Bad Gateway</h1>"}),
		sendCase("list-to-group", link, list),
	})
}

// An error never repeats what was sent, nor where it broke.
func TestErrorsRepeatNothing(t *testing.T) {
	body := `{"statusCode":500,"exception":{"message":"boom\nHalo rahasia","stack":"Error: boom at /app/src/secret.ts"},"request":{"path":"/api/sendText?x-api-key=` + adminKey + `","body":{"text":"Halo rahasia"}}}`
	script := waservertest.NewScript(t, waservertest.JSON(500, body))
	_, err := Translator{}.Send(t.Context(), script.Client(adminKey, link), hello)
	e, ok := errors.AsType[*waserver.ServerError](err)
	if !ok {
		t.Fatal(err)
	}
	for _, bad := range []string{"rahasia", "secret.ts", adminKey, ownKey, "sendText"} {
		if strings.Contains(e.Error(), bad) {
			t.Errorf("%q is in %q", bad, e.Error())
		}
	}
}

// The server takes a call without a session for the session "default": none goes out.
func TestNoSessionIsNoCall(t *testing.T) {
	c := waservertest.NewScript(t).Client(adminKey, &waserver.Link{})
	tr := Translator{}
	for name, call := range map[string]func() error{
		"send":     func() error { _, err := tr.Send(t.Context(), c, hello); return err },
		"session":  func() error { _, err := tr.Session(t.Context(), c); return err },
		"start":    func() error { _, err := tr.StartSession(t.Context(), c); return err },
		"stop":     func() error { _, err := tr.StopSession(t.Context(), c); return err },
		"delete":   func() error { return tr.DeleteSession(t.Context(), c) },
		"qr":       func() error { _, err := tr.QR(t.Context(), c); return err },
		"contacts": func() error { _, err := tr.Contacts(t.Context(), c, waserver.Page{Limit: 1}); return err },
		"chats":    func() error { _, err := tr.Chats(t.Context(), c, waserver.Page{Limit: 1}); return err },
		"messages": func() error {
			_, err := tr.Messages(t.Context(), c, waservertest.Person, waserver.Page{Limit: 1})
			return err
		},
		"read": func() error { return tr.MarkRead(t.Context(), c, &waserver.ReadMark{Chat: waservertest.Person}) },
	} {
		if err := call(); !errors.Is(err, errNoName) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestReplyTo(t *testing.T) {
	const bare = "3EB0C767D097B7C7C030"
	for _, x := range []struct {
		to           message.Recipient
		id, sender   string
		want, reason string
	}{
		{waservertest.Person, "", "", "", "no reply"},
		{waservertest.Person, bare, "", "false_6281234567890@c.us_" + bare, "nobody named"},
		{waservertest.Person, bare, waservertest.Person.JID(), "false_6281234567890@c.us_" + bare, "the other one"},
		{waservertest.Person, bare, waservertest.Another.JID(), "true_6281234567890@c.us_" + bare, "oneself"},
		{waservertest.Person, bare, waservertest.Hidden.JID(), "false_6281234567890@c.us_" + bare, "a hidden number may be anybody's"},
		{waservertest.Group, bare, waservertest.Another.JID(), "false_120363025246125486@g.us_" + bare + "_6289876543210@c.us", "a participant"},
		{waservertest.Group, bare, "", "false_120363025246125486@g.us_" + bare, "an unknown participant"},
		{waservertest.Hidden, bare, "", "false_123456789012345@lid_" + bare, "a hidden number"},
		{waservertest.Person, "true_6281234567890@c.us_" + bare, "", "true_6281234567890@c.us_" + bare, "in the long form already"},
	} {
		m := &message.Message{To: x.to, ReplyTo: x.id, ReplyToSender: x.sender}
		if got := replyTo(m); got != x.want {
			t.Errorf("%s: %q, not %q", x.reason, got, x.want)
		}
	}
}

func TestSessionID(t *testing.T) {
	id := Translator{}.Traits().SessionID
	for _, good := range []string{"toko-1", "A_b-9", "0", "sender", "defaults", strings.Repeat("x", 54)} {
		if !id(good) {
			t.Errorf("%q is refused", good)
		}
	}
	for _, bad := range []string{"", "default", "Default", "sessions", "contacts", "keys", "server", "apps", "files", "screenshot", "version",
		"messages", "send", "sendText", "SENDSEEN", "start", "stop", "logout", "a/b", "a.b", "..", "a b", "toko\n", "é", strings.Repeat("x", 55)} {
		if id(bad) {
			t.Errorf("%q is taken", bad)
		}
	}
}
