package message

import (
	"bytes"
	"context"
	"fmt"
	"strings"

	"github.com/genfity/wa-gateway/internal/bodyedit"
	"github.com/genfity/wa-gateway/media"
)

// RecipientsError is the error for a broadcast whose recipients cannot be counted.
type RecipientsError = bodyedit.RecipientsError

// ParseBroadcast reads one message to many: as many messages as bodyedit.Recipients
// counts, in the order of the recipients, who may be there more than once. What kind of
// message it is says its member type, or which members there are. Its parts are shared
// by all messages and must not be changed, but each has a File of its own of one
// content, so each must be closed; the content goes with the last. Errors are those of
// Parse, or a *RecipientsError.
func ParseBroadcast(contentType string, body []byte, o Options) ([]*Message, error) {
	count, err := bodyedit.Recipients(contentType, body)
	if err != nil {
		return nil, err
	}
	f, err := read(context.Background(), contentType, bytes.NewReader(body), o, broadcastNames)
	if err != nil {
		return nil, err
	}
	defer f.close()
	recipients, err := f.recipients(o.Region)
	if err != nil {
		return nil, err
	}
	if len(recipients) != count {
		return nil, wrong("recipients", "must be one list, under the name recipients, to, numbers, phones or contacts")
	}
	first := &Message{}
	if first.Kind, err = f.kind(); err != nil {
		return nil, err
	}
	if err := first.fill(f, o.Region); err != nil {
		first.Close()
		return nil, err
	}
	return first.toAll(recipients), nil
}

// toAll makes a message for each of the recipients.
func (m *Message) toAll(recipients []Recipient) []*Message {
	all := make([]*Message, len(recipients))
	for i, to := range recipients {
		one := *m
		one.To = to
		if i > 0 && m.Media != nil {
			shared := *m.Media
			if shared.File != nil {
				shared.File = shared.File.Share()
			}
			one.Media = &shared
		}
		all[i] = &one
	}
	return all
}

// LoadBroadcast is Load for all messages of one broadcast: what a URL names is fetched
// once.
func LoadBroadcast(ctx context.Context, messages []*Message, f *media.Fetcher, max int64) error {
	if len(messages) == 0 {
		return nil
	}
	first := messages[0]
	if first.Media == nil || first.Media.File != nil {
		return nil
	}
	if err := first.Load(ctx, f, max); err != nil {
		return err
	}
	for _, m := range messages[1:] {
		shared := *first.Media
		if shared.File != nil {
			shared.File = shared.File.Share()
		}
		m.Kind, m.Caption, m.Voice, m.Media = first.Kind, first.Caption, first.Voice, &shared
	}
	return nil
}

// recipients reads the list that there is. bodyedit.Recipients has seen to it that
// there is one, and one only.
func (f *fields) recipients(region string) ([]Recipient, error) {
	name, value, err := f.find(recipientNames...)
	if err != nil || value == nil {
		return nil, err
	}
	items := []any{value}
	if list, isList := value.([]any); isList {
		items = list
	} else if text, isText := value.(string); isText && f.form && strings.HasPrefix(strings.TrimSpace(text), "[") {
		if items, err = f.list(name); err != nil {
			return nil, err
		}
	}
	var all []Recipient
	for _, item := range items {
		if object, isObject := item.(*fields); isObject {
			if _, item, err = object.find("to", "phone", "number", "jid", "id"); err != nil {
				return nil, err
			}
		}
		pieces := []any{item}
		if text, isText := item.(string); isText {
			pieces = pieces[:0]
			for _, piece := range strings.FieldsFunc(text, isSeparator) {
				if strings.TrimSpace(piece) != "" {
					pieces = append(pieces, piece)
				}
			}
		}
		for _, piece := range pieces {
			to, err := recipientOf(piece, region, fmt.Sprintf("%s[%d]", name, len(all)))
			if err != nil {
				return nil, err
			}
			all = append(all, to)
		}
	}
	return all, nil
}

func isSeparator(r rune) bool { return strings.ContainsRune(",;\r\n", r) }

// kind is what a broadcast sends.
func (f *fields) kind() (Kind, error) {
	word, err := f.label("type")
	if err != nil {
		return "", err
	}
	switch kind := Kind(strings.ToLower(word)); {
	case kind == "text":
		return KindText, nil
	case kind == "buttons":
		return KindButtons, nil
	case names[kind] != nil:
		return kind, nil
	case kind != "":
		return "", wrong("type", "must be a kind of message, such as text, media, image or poll")
	}
	for _, sign := range []struct {
		kind    Kind
		members []string
	}{
		{KindMedia, mediaNames(KindMedia)},
		{KindLocation, []string{"latitude", "longitude"}},
		{KindPoll, []string{"poll", "options"}},
		{KindList, []string{"sections"}},
		{KindButtons, []string{"buttons"}},
		{KindContact, []string{"contact", "contact_name", "contact_phone", "vcard"}},
	} {
		if f.has(sign.members...) {
			return sign.kind, nil
		}
	}
	return KindText, nil
}
