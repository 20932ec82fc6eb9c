package waha

import (
	"cmp"
	"context"
	"fmt"
	"mime"
	"net/http"
	"slices"
	"strings"

	"github.com/genfity/wa-gateway/message"
	"github.com/genfity/wa-gateway/waserver"
	"github.com/genfity/wa-gateway/waserver/lenient"
)

// common is what every message has: the session, which the server takes for "default"
// where it is missing, to whom it goes, and what it refers to.
type common struct {
	Session  string   `json:"session"`
	ChatID   string   `json:"chatId"`
	ReplyTo  string   `json:"reply_to,omitempty"`
	Mentions []string `json:"mentions,omitempty"`
}

func commonOf(session string, m *message.Message) common {
	b := common{Session: session, ChatID: chatID(m.To), ReplyTo: replyTo(m)}
	for _, r := range m.Mentions {
		if who := chatID(r); !r.IsGroup() && !slices.Contains(b.Mentions, who) {
			b.Mentions = append(b.Mentions, who)
		}
	}
	return b
}

// outgoing is a message in the server's form.
type outgoing struct {
	call    string // below /api
	body    any
	content *waserver.Embed // in body; nil: none
}

// Send implements waserver.Translator.
func (Translator) Send(ctx context.Context, c *waserver.Client, m *message.Message) (*waserver.Sent, error) {
	session, err := name(c)
	if err != nil {
		return nil, err
	}
	out, err := outgoingOf(commonOf(session, m), m)
	if err != nil {
		return nil, err
	}
	body, err := out.encode()
	if err != nil {
		return nil, fmt.Errorf("waha: building the message: %w", err)
	}
	answer, err := call(ctx, c, http.MethodPost, []string{"api", out.call}, nil, body)
	if err != nil {
		return nil, stopped(ctx, c, err)
	}
	// Some versions answer some kinds with nothing: that is a message whose id is not
	// known, and no error.
	var at struct {
		Timestamp        unix `json:"timestamp"`
		MessageTimestamp unix `json:"messageTimestamp"`
		Data             struct {
			MessageTimestamp unix `json:"messageTimestamp"`
		} `json:"_data"`
	}
	lenient.Decode(answer.Body, &at)
	sent := &waserver.Sent{ID: sentID(answer.Body), At: at.Timestamp.Time}
	if sent.At.IsZero() {
		sent.At = at.MessageTimestamp.Time
	}
	if sent.At.IsZero() {
		sent.At = at.Data.MessageTimestamp.Time
	}
	return sent, nil
}

func (o outgoing) encode() (*waserver.Body, error) {
	if o.content == nil {
		return waserver.JSONBody(o.body)
	}
	return waserver.JSONMediaBody(o.body, o.content)
}

func outgoingOf(b common, m *message.Message) (outgoing, error) {
	switch m.Kind {
	case message.KindText:
		return outgoing{call: "sendText", body: textBody{b, m.Text}}, nil
	case message.KindImage, message.KindVideo, message.KindAudio, message.KindDocument, message.KindSticker:
		return mediaOf(b, m), nil
	case message.KindLocation:
		return outgoing{call: "sendLocation", body: locationBody{b, m.Location.Latitude, m.Location.Longitude, title(m.Location)}}, nil
	case message.KindContact:
		return outgoing{call: "sendContactVcard", body: contactsBody{b, []card{{m.Contact.VCard}}}}, nil
	case message.KindPoll:
		// The server knows one answer, or as many as there are.
		return outgoing{call: "sendPoll", body: pollBody{b, poll{m.Poll.Name, m.Poll.Options, m.Poll.MaxAnswers > 1}}}, nil
	case message.KindList:
		if m.To.IsGroup() || m.To.Server == message.NewsletterServer {
			return outgoing{}, &waserver.UnsupportedError{Reason: "lists go to people, not to groups and newsletters"}
		}
		return outgoing{call: "sendList", body: listBody{b, listOf(m.List)}}, nil
	case message.KindButtons:
		return outgoing{call: "sendButtons", body: buttonsOf(b, m.Buttons)}, nil
	default:
		return outgoing{}, &waserver.UnsupportedError{Reason: "messages of kind " + string(m.Kind)}
	}
}

type textBody struct {
	common
	Text string `json:"text"`
}

type locationBody struct {
	common
	Latitude  float64 `json:"latitude"`
	Longitude float64 `json:"longitude"`
	Title     string  `json:"title"`
}

// title is all that the server shows of a place.
func title(l *message.Location) string {
	parts := slices.DeleteFunc([]string{l.Name, l.Address}, func(s string) bool { return s == "" })
	return strings.Join(parts, ", ")
}

type contactsBody struct {
	common
	Contacts []card `json:"contacts"`
}

type card struct {
	VCard string `json:"vcard"`
}

type pollBody struct {
	common
	Poll poll `json:"poll"`
}

type poll struct {
	Name            string   `json:"name"`
	Options         []string `json:"options"`
	MultipleAnswers bool     `json:"multipleAnswers"`
}

// mediaBody is any message with a file. The caption of a video is always there: some
// versions have one of their own for those that come without.
type mediaBody struct {
	common
	File    file    `json:"file"`
	Caption *string `json:"caption,omitempty"`
	Convert *bool   `json:"convert,omitempty"`
}

type file struct {
	MIMEType string          `json:"mimetype"`
	Filename string          `json:"filename,omitempty"`
	Data     *waserver.Embed `json:"data"` // plain base64
}

// mediaOf makes a message of media. The server has no call for audio that is no voice
// note. What is in another format than the phones play is converted by it, where it
// can.
func mediaOf(b common, m *message.Message) outgoing {
	content := &waserver.Embed{File: m.Media.File}
	body := mediaBody{common: b, File: file{cmp.Or(m.Media.MIMEType, "application/octet-stream"), m.Media.Filename, content}}
	out := outgoing{content: content}
	switch m.Kind {
	case message.KindImage:
		out.call = "sendImage"
	case message.KindVideo:
		out.call, body.Caption, body.Convert = "sendVideo", &m.Caption, differs(m.Media.MIMEType, "video/mp4", "")
	case message.KindAudio:
		out.call, body.Convert = "sendVoice", differs(m.Media.MIMEType, "audio/ogg", "opus")
	case message.KindSticker:
		out.call = "sendSticker"
	default:
		out.call = "sendFile"
	}
	if m.Caption != "" && m.Kind != message.KindAudio && m.Kind != message.KindSticker {
		body.Caption = &m.Caption
	}
	out.body = body
	return out
}

// differs tells whether a MIME type is another than base with codecs.
func differs(mimeType, base, codecs string) *bool {
	got, params, err := mime.ParseMediaType(mimeType)
	other := err != nil || got != base || params["codecs"] != codecs && codecs != ""
	return &other
}

type listBody struct {
	common
	Message list `json:"message"`
}

type list struct {
	Title       string    `json:"title"`
	Description string    `json:"description"`
	Footer      string    `json:"footer"`
	Button      string    `json:"button"`
	Sections    []section `json:"sections"`
}

type section struct {
	Title string `json:"title"`
	Rows  []row  `json:"rows"`
}

type row struct {
	Title       string  `json:"title"`
	RowID       string  `json:"rowId"`
	Description *string `json:"description"`
}

func listOf(l *message.List) list {
	out := list{Title: l.Title, Description: l.Description, Footer: l.Footer, Button: l.Button}
	if out.Title == "" { // which a list has to have
		out.Title, out.Description = l.Description, ""
	}
	for _, s := range l.Sections {
		made := section{Title: s.Title}
		for _, r := range s.Rows {
			one := row{Title: r.Title, RowID: cmp.Or(r.ID, r.Title)}
			if r.Description != "" {
				one.Description = &r.Description
			}
			made.Rows = append(made.Rows, one)
		}
		out.Sections = append(out.Sections, made)
	}
	return out
}

type buttonsBody struct {
	common
	Header  string   `json:"header,omitempty"`
	Body    string   `json:"body"`
	Footer  string   `json:"footer,omitempty"`
	Buttons []button `json:"buttons"`
}

type button struct {
	Type        string `json:"type"`
	Text        string `json:"text"`
	ID          string `json:"id,omitempty"`
	URL         string `json:"url,omitempty"`
	PhoneNumber string `json:"phoneNumber,omitempty"`
	CopyCode    string `json:"copyCode,omitempty"`
}

func buttonsOf(b common, m *message.Buttons) buttonsBody {
	body := buttonsBody{common: b, Header: m.Title, Body: m.Body, Footer: m.Footer}
	for _, x := range m.Buttons {
		out := button{Type: string(x.Type), Text: x.Text, ID: x.ID, URL: x.URL, CopyCode: x.Code}
		if x.Phone != "" {
			out.PhoneNumber = "+" + x.Phone
		}
		body.Buttons = append(body.Buttons, out)
	}
	return body
}
