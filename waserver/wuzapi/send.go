package wuzapi

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"github.com/genfity/wa-gateway/message"
	"github.com/genfity/wa-gateway/waserver"
)

// Send implements waserver.Translator.
func (t Translator) Send(ctx context.Context, c *waserver.Client, m *message.Message) (*waserver.Sent, error) {
	route, body, err := sending(c.Link, m)
	if err != nil {
		return nil, err
	}
	token, err := token(ctx, c)
	if err != nil {
		return nil, err
	}
	a, err := session(ctx, c, token, http.MethodPost, []string{"chat", "send", route}, nil, body)
	if m.Kind == message.KindButtons && says(err, "missing title in payload") {
		older, refused := olderButtons(m)
		if refused != nil {
			return nil, refused
		}
		a, err = session(ctx, c, token, http.MethodPost, []string{"chat", "send", route}, nil, older)
	}
	switch {
	case isNoRoute(err):
		return nil, &waserver.UnsupportedError{Reason: "this version of wuzapi cannot send messages of kind " + string(m.Kind)}
	case says(err, `exec: "ffmpeg"`):
		return nil, &waserver.UnsupportedError{Reason: "it would have to convert this, for which ffmpeg is not installed there"}
	}
	if err != nil {
		return nil, err
	}
	return readSent(a)
}

// readSent reads the message's id and time. The time is in seconds in newer versions, and
// as text in the first and for some kinds.
func readSent(a *answer) (*waserver.Sent, error) {
	var sent struct {
		ID        string `json:"Id"`
		Timestamp json.RawMessage
	}
	if err := a.read(&sent); err != nil {
		return nil, err
	}
	return &waserver.Sent{ID: sent.ID, At: readTime(sent.Timestamp)}, nil
}

// readTime reads seconds, or RFC 3339. What is neither is zero.
func readTime(raw json.RawMessage) time.Time {
	if seconds, err := strconv.ParseInt(string(raw), 10, 64); err == nil && seconds > 0 && seconds < maxSeconds {
		return time.Unix(seconds, 0).UTC()
	}
	var at time.Time
	if err := json.Unmarshal(raw, &at); err != nil || at.Year() < firstYear {
		return time.Time{}
	}
	return at.UTC()
}

const (
	maxSeconds = 1 << 33 // the year 2242
	firstYear  = 2009    // before it there was no WhatsApp
)

// sending is the route below /chat/send that sends a message, and the body for it.
func sending(link *waserver.Link, m *message.Message) (route string, body any, err error) {
	fields := map[string]any{"Phone": phone(m.To)}
	switch m.Kind {
	case message.KindPoll, message.KindList, message.KindButtons:
		if m.ReplyTo != "" || len(m.Mentions) > 0 {
			return "", nil, &waserver.UnsupportedError{Reason: "wuzapi cannot answer or mention in messages of kind " + string(m.Kind)}
		}
	default:
		quote, err := contextInfo(link, m)
		if err != nil {
			return "", nil, err
		}
		if quote != nil {
			fields["ContextInfo"] = quote
		}
	}
	switch m.Kind {
	case message.KindText:
		fields["Body"] = m.Text
		return "text", fields, nil
	case message.KindImage, message.KindVideo, message.KindAudio, message.KindDocument, message.KindSticker:
		body, err := mediaMessage(fields, m)
		return string(m.Kind), body, err
	case message.KindLocation:
		location(fields, m.Location)
		return "location", fields, nil
	case message.KindContact:
		fields["Name"], fields["Vcard"] = m.Contact.Name, m.Contact.VCard
		return "contact", fields, nil
	case message.KindPoll:
		if m.Poll.MaxAnswers > 1 {
			return "", nil, &waserver.UnsupportedError{Reason: "in wuzapi's polls only one answer can be chosen"}
		}
		// A person's number is good too, in spite of the name.
		return "poll", map[string]any{"group": m.To.JID(), "header": m.Poll.Name, "options": m.Poll.Options}, nil
	case message.KindList:
		list(fields, m.List)
		return "list", fields, nil
	case message.KindButtons:
		if first(link) {
			older, err := olderButtons(m)
			return "buttons", older, err
		}
		return "buttons", newerButtons(m), nil
	}
	return "", nil, &waserver.UnsupportedError{Reason: "wuzapi cannot send messages of kind " + string(m.Kind)}
}

// quote is whatever a message answers and mentions.
type quote struct {
	StanzaID     string   `json:",omitempty"`
	Participant  string   `json:",omitempty"`
	MentionedJID []string `json:",omitempty"`
}

// contextInfo makes a quote; nil where there is nothing to be told.
func contextInfo(link *waserver.Link, m *message.Message) (*quote, error) {
	if m.ReplyTo == "" && len(m.Mentions) == 0 {
		return nil, nil
	}
	// The first generation writes the quote of other kinds to where none is, and breaks
	// the connection off; of a picture, mentions without a reply.
	if first(link) && m.Kind != message.KindText && (m.Kind != message.KindImage || m.ReplyTo == "") {
		return nil, &waserver.UnsupportedError{Reason: "this version of wuzapi cannot answer or mention in messages of kind " + string(m.Kind)}
	}
	q := &quote{StanzaID: m.ReplyTo}
	for _, mention := range m.Mentions {
		q.MentionedJID = append(q.MentionedJID, mention.JID())
	}
	if m.ReplyTo == "" {
		return q, nil
	}
	// The server takes the id only together with who wrote the message.
	switch {
	case m.ReplyToSender != "":
		q.Participant = message.CanonicalJID(m.ReplyToSender)
	case m.To.IsGroup():
		return nil, &waserver.UnsupportedError{Reason: "wuzapi answers a message in a group only when it is told who wrote it"}
	default:
		q.Participant = m.To.JID()
	}
	return q, nil
}

// location fills in a place. There is no field for the address, and a coordinate of 0 is
// taken for one that is missing, so it is moved by a centimetre.
func location(fields map[string]any, l *message.Location) {
	const centimetre = 1e-7 // degrees
	away := func(degrees float64) float64 {
		if degrees == 0 {
			return centimetre
		}
		return degrees
	}
	fields["Latitude"], fields["Longitude"] = away(l.Latitude), away(l.Longitude)
	name := l.Name
	if name != "" && l.Address != "" {
		name += ", "
	}
	if name += l.Address; name != "" {
		fields["Name"] = name
	}
}
