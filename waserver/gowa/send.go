package gowa

import (
	"context"
	"errors"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/genfity/wa-gateway/message"
	"github.com/genfity/wa-gateway/waserver"
)

// Send implements waserver.Translator. Recipients are always written as JIDs: the server
// takes digits for a number or a group by how many there are.
func (t Translator) Send(ctx context.Context, c *waserver.Client, m *message.Message) (*waserver.Sent, error) {
	route, body, err := sending(m)
	if err != nil {
		return nil, err
	}
	var sent struct {
		ID     string `json:"message_id"`
		Status string `json:"status"`
	}
	err = call(ctx, c, http.MethodPost, []string{"send", route}, nil, body, &sent)
	if lacksTools(err) {
		return nil, &waserver.UnsupportedError{Reason: "it would have to convert this, for which ffmpeg is not installed there"}
	}
	if err != nil {
		return nil, err
	}
	return &waserver.Sent{ID: sent.ID, At: sentAt(sent.Status)}, nil
}

// lacksTools tells that the server cannot convert media: it does so with all videos and
// stickers, by programs that it may come without.
func lacksTools(err error) bool {
	e, is := errors.AsType[*waserver.ServerError](err)
	return is && hasAny(e.Message, "ffmpeg not installed", "cwebp is installed")
}

// sentAt finds the time in the text that is all the server says of it: "Message sent to
// … (server timestamp: 2026-06-01 12:00:00 +0000 UTC)". It is zero where there is none.
func sentAt(status string) time.Time {
	_, text, ok := strings.Cut(status, "(server timestamp: ")
	if !ok {
		return time.Time{}
	}
	text, _, _ = strings.Cut(text, ")")
	// The zone's name says no more than its offset.
	fields := strings.Fields(text)
	if len(fields) < 3 {
		return time.Time{}
	}
	at, err := time.Parse("2006-01-02 15:04:05 -0700", strings.Join(fields[:3], " "))
	if err != nil {
		return time.Time{}
	}
	return at.UTC()
}

// sending is the route below /send that sends a message, and the body for it.
func sending(m *message.Message) (route string, body any, err error) {
	if err := supported(m); err != nil {
		return "", nil, err
	}
	to := m.To.JID()
	switch m.Kind {
	case message.KindText:
		fields := map[string]any{"phone": to, "message": m.Text}
		if m.ReplyTo != "" {
			fields["reply_message_id"] = m.ReplyTo
		}
		if len(m.Mentions) > 0 {
			mentions := make([]string, len(m.Mentions))
			for i, mention := range m.Mentions {
				mentions[i] = mention.JID()
			}
			fields["mentions"] = mentions
		}
		return "message", fields, nil
	case message.KindLocation: // as texts; there is no field for what the place is called
		return "location", map[string]any{
			"phone": to, "latitude": decimal(m.Location.Latitude), "longitude": decimal(m.Location.Longitude),
		}, nil
	case message.KindContact:
		return "contact", map[string]any{"phone": to, "contact_name": m.Contact.Name, "contact_phone": m.Contact.Phone}, nil
	case message.KindPoll:
		return "poll", map[string]any{
			"phone": to, "question": m.Poll.Name, "options": m.Poll.Options, "max_answer": max(m.Poll.MaxAnswers, 1),
		}, nil
	}
	route = string(m.Kind)
	if m.Kind == message.KindDocument {
		route = "file"
	}
	return route, upload(route, m), nil
}

func decimal(degrees float64) string { return strconv.FormatFloat(degrees, 'f', -1, 64) }

// supported tells whether the server can send all of a message that matters.
func supported(m *message.Message) error {
	lacks := ""
	switch m.Kind {
	case message.KindText:
	case message.KindImage, message.KindVideo, message.KindAudio, message.KindDocument:
		if len(m.Mentions) > 0 {
			lacks = "GOWA mentions people in texts only"
		}
	case message.KindSticker, message.KindLocation, message.KindContact, message.KindPoll:
		if m.ReplyTo != "" || len(m.Mentions) > 0 {
			lacks = "GOWA cannot answer or mention in messages of kind " + string(m.Kind)
		}
	default:
		lacks = "GOWA cannot send messages of kind " + string(m.Kind)
	}
	switch {
	case lacks != "":
	case m.Kind == message.KindContact && m.Contact.Phone == "":
		lacks = "GOWA sends the contact's number, and the card has none"
	case m.Media == nil || m.Media.File == nil:
		switch m.Kind {
		case message.KindImage, message.KindVideo, message.KindAudio, message.KindDocument, message.KindSticker:
			lacks = "the message's media is not there"
		}
	}
	if lacks != "" {
		return &waserver.UnsupportedError{Reason: lacks}
	}
	return nil
}

// upload is the form for a message with media, whose file is the part that is called like
// the route. A file that the server fetched from a URL might come from its own network.
func upload(route string, m *message.Message) *waserver.Body {
	fields := [][2]string{{"phone", m.To.JID()}}
	switch m.Kind {
	case message.KindImage, message.KindVideo, message.KindDocument:
		if m.Caption != "" {
			fields = append(fields, [2]string{"caption", m.Caption})
		}
	case message.KindAudio:
		fields = append(fields, [2]string{"ptt", strconv.FormatBool(m.Voice)})
	}
	if m.ReplyTo != "" {
		fields = append(fields, [2]string{"reply_message_id", m.ReplyTo})
	}
	// The server compares the type word for word, so without parameters.
	plain, _, _ := mime.ParseMediaType(m.Media.MIMEType)
	if known := otherNames[plain]; known != "" {
		plain = known
	}
	// The name that a document is shown under is that of the part, in which the server
	// would read an escaped quote as it stands.
	name := strings.ReplaceAll(m.Media.Filename, `"`, "'")
	if name == "" {
		name = route
	}
	return waserver.MultipartBody(fields, route, name, plain, m.Media.File)
}

// otherNames are types of audio and video that the server takes under another name.
var otherNames = map[string]string{
	"audio/mp4": "audio/m4a", "audio/x-m4a": "audio/m4a", "audio/opus": "audio/ogg",
	"audio/x-aac": "audio/aac", "audio/x-flac": "audio/flac", "video/matroska": "video/x-matroska",
}
