package waservertest

import (
	"context"
	"testing"

	"github.com/genfity/wa-gateway/media"
	"github.com/genfity/wa-gateway/message"
	"github.com/genfity/wa-gateway/waserver"
)

// Named is a message and what it is an example of, in the form of a file's name.
type Named struct {
	Name string
	*message.Message
}

// People and groups of the examples.
var (
	Person  = message.Recipient{User: "6281234567890", Server: message.UserServer}
	Another = message.Recipient{User: "6289876543210", Server: message.UserServer}
	Group   = message.Recipient{User: "120363025246125486", Server: message.GroupServer}
	Hidden  = message.Recipient{User: "123456789012345", Server: message.HiddenServer}
)

// The messages that examples answer to.
const (
	RepliedID     = "3EB0C767D097B7C7C030"
	RepliedSender = "6289876543210@s.whatsapp.net"
)

// PNG is the smallest picture.
const PNG = "\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x06\x00\x00\x00\x1f\x15\xc4\x89" +
	"\x00\x00\x00\rIDATx\xdac\xfc\xcf\xc0P\x0f\x00\x04\x85\x01\x80\x84\xa9\x8c!\x00\x00\x00\x00IEND\xaeB`\x82"

// Content is a Media of content in memory.
func Content(content, filename, mimeType string) *message.Media {
	return &message.Media{File: media.FromBytes([]byte(content)), Filename: filename, MIMEType: mimeType}
}

// Messages are examples of every kind, plain and with what else a message of the kind
// may have.
func Messages() []Named {
	text := func(to message.Recipient) *message.Message {
		return &message.Message{Kind: message.KindText, To: to, Text: "Halo <dunia> & \"kawan\" 👋"}
	}
	reply := func(m *message.Message) *message.Message {
		m.ReplyTo, m.ReplyToSender = RepliedID, RepliedSender
		return m
	}
	mention := func(m *message.Message) *message.Message {
		m.Mentions = []message.Recipient{Person, Hidden}
		return m
	}
	image := func(to message.Recipient) *message.Message {
		return &message.Message{Kind: message.KindImage, To: to, Caption: "Peta", Media: Content(PNG, "peta.png", "image/png")}
	}
	video := func() *message.Message {
		return &message.Message{Kind: message.KindVideo, To: Person, Caption: "Film", Media: Content("\x00\x00\x00\x18ftypmp42video", "film.mp4", "video/mp4")}
	}
	audio := func() *message.Message {
		return &message.Message{Kind: message.KindAudio, To: Person, Media: Content("OggS-audio", "suara.ogg", "audio/ogg; codecs=opus")}
	}
	voice := audio()
	voice.Voice = true
	mp3 := audio()
	mp3.Media = Content("ID3-audio", "lagu.mp3", "audio/mpeg")
	document := func() *message.Message {
		return &message.Message{Kind: message.KindDocument, To: Person, Caption: "Tagihan", Media: Content("%PDF-1.7 tagihan", "tagihan \"juni\".pdf", "application/pdf")}
	}
	nameless := document()
	nameless.Caption, nameless.Media = "", Content("x", "", "")
	sticker := func() *message.Message {
		return &message.Message{Kind: message.KindSticker, To: Person, Media: Content("RIFF\x04\x00\x00\x00WEBP", "s.webp", "image/webp")}
	}
	location := func(latitude, longitude float64) *message.Message {
		return &message.Message{Kind: message.KindLocation, To: Person, Location: &message.Location{
			Latitude: latitude, Longitude: longitude, Name: "Monas", Address: "Jl. Medan Merdeka, Jakarta",
		}}
	}
	contact := func() *message.Message {
		return &message.Message{Kind: message.KindContact, To: Person, Contact: &message.Contact{
			Name: "Budi Santoso", Phone: "6289876543210", Organization: "Toko", Email: "budi@example.com",
			VCard: "BEGIN:VCARD\nVERSION:3.0\nFN:Budi Santoso\nTEL;type=CELL;waid=6289876543210:+6289876543210\nEND:VCARD",
		}}
	}
	poll := func(max int) *message.Message {
		return &message.Message{Kind: message.KindPoll, To: Group, Poll: &message.Poll{
			Name: "Kapan?", Options: []string{"Senin", "Selasa", "Rabu"}, MaxAnswers: max,
		}}
	}
	list := &message.Message{Kind: message.KindList, To: Person, List: &message.List{
		Title: "Menu", Description: "Pilih satu", Footer: "Toko", Button: "Buka",
		Sections: []message.Section{
			{Title: "Makanan", Rows: []message.Row{{ID: "m1", Title: "Nasi goreng", Description: "pedas"}, {ID: "m2", Title: "Soto"}}},
			{Title: "Minuman", Rows: []message.Row{{ID: "d1", Title: "Kopi"}}},
		},
	}}
	bareList := &message.Message{Kind: message.KindList, To: Person, List: &message.List{
		Description: "Pilih satu", Button: "Buka", Sections: []message.Section{{Rows: []message.Row{{ID: "1", Title: "Satu"}}}},
	}}
	buttons := &message.Message{Kind: message.KindButtons, To: Person, Buttons: &message.Buttons{
		Title: "Pesanan", Body: "Sudah diterima?", Footer: "Toko",
		Buttons: []message.Button{{Type: message.ButtonReply, ID: "ya", Text: "Ya"}, {Type: message.ButtonReply, ID: "tidak", Text: "Tidak"}},
	}}
	allButtons := &message.Message{Kind: message.KindButtons, To: Person, Buttons: &message.Buttons{
		Body: "Pilih", Buttons: []message.Button{
			{Type: message.ButtonReply, ID: "ya", Text: "Ya"},
			{Type: message.ButtonURL, ID: "u", Text: "Situs", URL: "https://example.com/x?a=1"},
			{Type: message.ButtonCall, ID: "c", Text: "Telepon", Phone: "6281234567890"},
			{Type: message.ButtonCopy, ID: "k", Text: "Salin", Code: "HEMAT10"},
		},
	}}
	return []Named{
		{"text", text(Person)},
		{"text-to-group", text(Group)},
		{"text-to-hidden", text(Hidden)},
		{"text-reply", reply(text(Person))},
		{"text-reply-in-group-mentions", mention(reply(text(Group)))},
		{"text-reply-without-sender", &message.Message{Kind: message.KindText, To: Person, Text: "Ya", ReplyTo: RepliedID}},
		{"text-reply-in-group-without-sender", &message.Message{Kind: message.KindText, To: Group, Text: "Ya", ReplyTo: RepliedID}},
		{"text-mentions", mention(text(Group))},
		{"image", image(Person)},
		{"image-reply-mentions", mention(reply(image(Group)))},
		{"video", video()},
		{"video-reply-mentions", mention(reply(video()))},
		{"audio", audio()},
		{"audio-mp3", mp3},
		{"voice", voice},
		{"audio-reply", reply(audio())},
		{"document", document()},
		{"document-without-name", nameless},
		{"document-reply-mentions", mention(reply(document()))},
		{"sticker", sticker()},
		{"sticker-reply", reply(sticker())},
		{"location", location(-6.1754, 106.8272)},
		{"location-at-zero", location(0, 0)},
		{"location-reply", reply(location(-6.1754, 106.8272))},
		{"contact", contact()},
		{"contact-reply", reply(contact())},
		{"poll", poll(1)},
		{"poll-several-answers", poll(3)},
		{"list", list},
		{"list-bare", bareList},
		{"buttons", buttons},
		{"buttons-of-every-type", allButtons},
	}
}

// Sends sends every one of Messages to a server that gives answers(m), and compares
// with the golden files in dir.
func Sends(t *testing.T, dir, token string, link *waserver.Link, translator waserver.Translator, answers func(Named) []Answer) {
	t.Helper()
	var cases []Case
	for _, m := range Messages() {
		cases = append(cases, Case{
			Name: m.Name, Token: token, Link: link, Answers: answers(m),
			Run: func(ctx context.Context, c *waserver.Client) (any, error) {
				return translator.Send(ctx, c, m.Message)
			},
		})
	}
	Golden(t, dir, cases)
}
