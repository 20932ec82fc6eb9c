package evolution

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"slices"

	"github.com/genfity/wa-gateway/message"
	"github.com/genfity/wa-gateway/waserver"
	"github.com/genfity/wa-gateway/waserver/lenient"
)

// common is what every message has: to whom it goes, and what it refers to. Voice
// notes and contacts are sent without the reference by the server.
type common struct {
	Number    string   `json:"number"`
	Quoted    *quoted  `json:"quoted,omitempty"`
	Mentioned []string `json:"mentioned,omitempty"`
}

// quoted names the message that is answered. The server looks it up by its id in its
// own database.
type quoted struct {
	Key quotedKey `json:"key"`
}

type quotedKey struct {
	ID string `json:"id"`
}

func commonOf(m *message.Message) common {
	b := common{Number: m.To.JID()}
	if m.To.IsPerson() {
		// By its digits the server knows numbers that WhatsApp writes otherwise, as
		// those of Brazil; by a JID it finds only what is written alike.
		b.Number = m.To.User
	}
	if m.ReplyTo != "" {
		b.Quoted = &quoted{Key: quotedKey{ID: m.ReplyTo}}
	}
	for _, r := range m.Mentions {
		who := r.JID()
		if r.IsPerson() {
			who = r.User
		}
		if !r.IsGroup() && !slices.Contains(b.Mentioned, who) { // the server refuses what it has twice
			b.Mentioned = append(b.Mentioned, who)
		}
	}
	return b
}

// outgoing is a message in the server's form.
type outgoing struct {
	call    string // below /message
	body    any
	content *waserver.Embed // in body; nil: none
}

// Send implements waserver.Translator.
func (Translator) Send(ctx context.Context, c *waserver.Client, m *message.Message) (*waserver.Sent, error) {
	if m.To.Server == message.NewsletterServer {
		return nil, &waserver.UnsupportedError{Reason: "the server sends to people and groups, not to newsletters"}
	}
	out, err := outgoingOf(m)
	if err != nil {
		return nil, err
	}
	body, err := bodyOf(out)
	if err != nil {
		return nil, fmt.Errorf("evolution: building the message: %w", err)
	}
	answer, err := call(ctx, c, http.MethodPost, []string{"message", out.call}, body)
	if err != nil {
		return nil, sendError(ctx, c, m.To, err)
	}
	var sent struct {
		Key struct {
			ID text `json:"id"`
		} `json:"key"`
		At unix `json:"messageTimestamp"`
	}
	if !lenient.Decode(answer.Body, &sent) {
		return nil, unread(answer)
	}
	return &waserver.Sent{ID: string(sent.Key.ID), At: sent.At.Time}, nil
}

func outgoingOf(m *message.Message) (outgoing, error) {
	b := commonOf(m)
	switch m.Kind {
	case message.KindText:
		return outgoing{call: "sendText", body: textBody{b, m.Text}}, nil
	case message.KindImage, message.KindVideo, message.KindAudio, message.KindDocument, message.KindSticker:
		return mediaOf(b, m)
	case message.KindLocation:
		l := m.Location
		return outgoing{call: "sendLocation", body: locationBody{b, l.Latitude, l.Longitude, l.Name, l.Address}}, nil
	case message.KindContact:
		return contactOf(b, m.Contact)
	case message.KindPoll:
		return outgoing{call: "sendPoll", body: pollBody{b, m.Poll.Name, m.Poll.MaxAnswers, m.Poll.Options}}, nil
	case message.KindList:
		return outgoing{call: "sendList", body: listOf(b, m.List)}, nil
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

// locationBody has a name and an address even when they are empty: the server refuses
// a place without them.
type locationBody struct {
	common
	Latitude  float64 `json:"latitude"`
	Longitude float64 `json:"longitude"`
	Name      string  `json:"name"`
	Address   string  `json:"address"`
}

type pollBody struct {
	common
	Name            string   `json:"name"`
	SelectableCount int      `json:"selectableCount"`
	Values          []string `json:"values"`
}

type listBody struct {
	common
	Title       string        `json:"title"`
	Description string        `json:"description,omitempty"`
	FooterText  string        `json:"footerText"`
	ButtonText  string        `json:"buttonText"`
	Sections    []listSection `json:"sections"`
}

type listSection struct {
	Title string    `json:"title"`
	Rows  []listRow `json:"rows"`
}

type listRow struct {
	Title       string `json:"title"`
	RowID       string `json:"rowId"`
	Description string `json:"description,omitempty"` // refused when it is empty
}

func listOf(b common, l *message.List) listBody {
	list := listBody{common: b, Title: l.Title, Description: l.Description, FooterText: l.Footer, ButtonText: l.Button}
	for _, s := range l.Sections {
		section := listSection{Title: s.Title}
		for _, r := range s.Rows {
			section.Rows = append(section.Rows, listRow{Title: r.Title, RowID: cmp.Or(r.ID, r.Title), Description: r.Description})
		}
		list.Sections = append(list.Sections, section)
	}
	return list
}

type buttonsBody struct {
	common
	Title       string   `json:"title"`
	Description string   `json:"description,omitempty"`
	Footer      string   `json:"footer,omitempty"`
	Buttons     []button `json:"buttons"`
}

type button struct {
	Type        string `json:"type"`
	DisplayText string `json:"displayText"`
	ID          string `json:"id,omitempty"`
	URL         string `json:"url,omitempty"`
	PhoneNumber string `json:"phoneNumber,omitempty"`
	CopyCode    string `json:"copyCode,omitempty"`
}

func buttonsOf(b common, m *message.Buttons) buttonsBody {
	body := buttonsBody{common: b, Title: m.Title, Description: m.Body, Footer: m.Footer}
	if body.Title == "" {
		// The server shows an empty title as two asterisks.
		body.Title, body.Description = m.Body, ""
	}
	for _, x := range m.Buttons {
		out := button{Type: string(x.Type), DisplayText: x.Text, ID: x.ID, URL: x.URL, CopyCode: x.Code}
		if x.Phone != "" {
			out.PhoneNumber = "+" + x.Phone
		}
		body.Buttons = append(body.Buttons, out)
	}
	return body
}
