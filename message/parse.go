package message

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Parse reads what a client sent to one of the endpoints that send a message: JSON, a
// form or multipart/form-data, as docs/api.md describes it. Media goes to disk while it
// is read, so the message must be closed. Members that no endpoint knows are left out,
// whatever they hold. Errors are a *FieldError, a *SyntaxError, ErrTooLarge, one that
// wraps ErrUnsupported, and those of the body, ctx and disk.
func Parse(ctx context.Context, endpoint Kind, contentType string, body io.Reader, o Options) (*Message, error) {
	known := names[endpoint]
	if known == nil {
		return nil, fmt.Errorf("message: there is no kind %q", endpoint)
	}
	f, err := read(ctx, contentType, body, o, known)
	if err != nil {
		return nil, err
	}
	defer f.close()
	m := &Message{Kind: endpoint}
	if m.To, err = f.recipient(o.Region, "to"); err != nil {
		return nil, err
	}
	if err := m.fill(f, o.Region); err != nil {
		m.Close()
		return nil, err
	}
	return m, nil
}

// recipient reads one recipient.
func (f *fields) recipient(region, field string) (Recipient, error) {
	name, value, err := f.find(field)
	if err != nil {
		return Recipient{}, err
	}
	if value == nil {
		return Recipient{}, missing(f.path+name, "the recipient's number or chat id")
	}
	return recipientOf(value, region, f.path+name)
}

// recipientOf reads one recipient from a text or number.
func recipientOf(value any, region, field string) (Recipient, error) {
	var text string
	switch value := value.(type) {
	case string:
		text = value
	case json.Number:
		if text = value.String(); !allDigits(text) {
			return Recipient{}, wrong(field, "must be a phone number or chat id")
		}
	case []any:
		return Recipient{}, wrong(field, "must name one recipient: send to many with broadcast")
	default:
		return Recipient{}, wrong(field, "must be a phone number or chat id")
	}
	if strings.ContainsAny(strings.TrimSpace(text), ",;\r\n") {
		return Recipient{}, wrong(field, "must name one recipient: send to many with broadcast")
	}
	to, err := ParseRecipient(text, region)
	if bad, is := errors.AsType[*FieldError](err); is {
		return Recipient{}, &FieldError{Field: field, Reason: bad.Reason}
	}
	return to, err
}

// fill reads the rest of a message, whose kind is set.
func (m *Message) fill(f *fields, region string) (err error) {
	if m.ReplyTo, err = f.token("reply_to"); err != nil {
		return err
	}
	if f.has("reply_to_sender") {
		sender, err := f.recipient(region, "reply_to_sender")
		if err != nil {
			return err
		}
		m.ReplyToSender = sender.JID()
	}
	if m.Mentions, err = f.mentions(region); err != nil {
		return err
	}
	switch m.Kind {
	case KindText:
		m.Text, err = f.text(maxText, textNames...)
		if err == nil && m.Text == "" {
			err = missing("message", "the text to send")
		}
	case KindLocation:
		m.Location, err = f.location()
	case KindContact:
		m.Contact, err = f.contact(region)
	case KindPoll:
		m.Poll, err = f.poll()
	case KindList:
		m.List, err = f.listMessage()
	case KindButtons:
		m.Buttons, err = f.buttonsMessage()
	default:
		err = m.fillMedia(f)
	}
	return err
}

// mentions reads a list of people, or a text with commas.
func (f *fields) mentions(region string) ([]Recipient, error) {
	name, value, err := f.find("mentions")
	if value == nil || err != nil {
		return nil, err
	}
	items := []any{value}
	if text, isText := value.(string); !isText || strings.HasPrefix(text, "[") {
		if items, err = f.list(name); err != nil {
			return nil, err
		}
	}
	var people []Recipient
	seen := make(map[Recipient]bool)
	for _, item := range items {
		texts := []any{item}
		if text, isText := item.(string); isText {
			texts = texts[:0]
			for one := range strings.SplitSeq(text, ",") {
				if one = strings.TrimSpace(one); one != "" {
					texts = append(texts, one)
				}
			}
		}
		for _, text := range texts {
			field := fmt.Sprintf("mentions[%d]", len(people))
			one, err := recipientOf(text, region, field)
			if err != nil {
				return nil, err
			}
			if one.Server != UserServer && one.Server != HiddenServer {
				return nil, wrong(field, "must be a person")
			}
			if !seen[one] {
				seen[one] = true
				people = append(people, one)
			}
			if len(people) > maxMentions {
				return nil, wrong("mentions", "must be at most %d", maxMentions)
			}
		}
	}
	return people, nil
}
