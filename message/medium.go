package message

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/genfity/wa-gateway/media"
)

// fillMedia reads the media of a message and what goes with it.
func (m *Message) fillMedia(f *fields) error {
	name, found, err := f.medium(mediaNames(m.Kind))
	if err != nil {
		return err
	}
	if kind, is := kindOfName(name); is {
		m.Kind = kind
	}
	if m.Kind != KindAudio && m.Kind != KindSticker {
		if m.Caption, err = f.text(maxText, captionNames...); err != nil {
			return err
		}
	}
	if m.Voice, err = f.boolean(voiceNames...); err != nil {
		return err
	}
	m.Voice = m.Voice && (m.Kind == KindAudio || m.Kind == KindMedia)
	filename, err := f.text(maxText, filenameNames...)
	if err != nil {
		return err
	}
	given, err := f.label(mimeNames...)
	if err != nil {
		return err
	}
	if given != "" {
		if given = cleanType(given); given == "" {
			return wrong("mimetype", "must be a MIME type such as image/jpeg")
		}
	}
	f.values[normal(name)] = nil // it is the message's from here on
	m.Media = &Media{File: found.File, URL: found.URL, MIMEType: given, Filename: cleanFilename(filename)}
	if m.Media.File == nil {
		if given == "" {
			return nil
		}
		return m.settleKind(given, "mimetype")
	}
	return m.settle(found.MIMEType, found.Filename, name)
}

// medium returns the one member that holds media.
func (f *fields) medium(names []string) (name string, found *medium, err error) {
	for _, one := range names {
		_, value, err := f.find(one)
		if err != nil {
			return "", nil, err
		}
		if value == nil {
			continue
		}
		if found != nil {
			return "", nil, wrong(one, "is given beside %s", name)
		}
		switch value := value.(type) {
		case *medium:
			name, found = one, value
		case []any:
			return "", nil, wrong(one, "must be one file or one text")
		default:
			return "", nil, wrong(one, "must be a file, a URL, a data URL or base64")
		}
	}
	if found == nil {
		return "", nil, missing(names[0], "a file, a URL, a data URL or base64")
	}
	return name, found, nil
}

// sniffed is how much of the content is looked at, as http.DetectContentType wants it.
const sniffed = 512

// settle completes the media that there is: its kind, MIME type and file name. told is
// the type that came with it, suggested the name.
func (m *Message) settle(told, suggested, field string) error {
	start := make([]byte, sniffed)
	n, err := io.ReadFull(m.Media.File.Open(), start)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && err != io.EOF {
		return fmt.Errorf("looking at media: %w", err)
	}
	if m.Media.Filename == "" {
		m.Media.Filename = cleanFilename(suggested)
	}
	if m.Media.MIMEType != "" {
		if err := m.settleKind(m.Media.MIMEType, "mimetype"); err != nil {
			return err
		}
	} else if told = cleanType(told); !vague(told) {
		if err := m.settleKind(told, field); err != nil {
			return err
		}
		m.Media.MIMEType = told
	} else {
		m.guess(told, http.DetectContentType(start[:n]))
	}
	m.Media.MIMEType = typeFor(m.Kind, m.Media.MIMEType)
	if m.Media.Filename == "" {
		m.Media.Filename = string(m.Kind) + extensionOf(m.Media.MIMEType)
	}
	return nil
}

// guess finds the type of content that nobody has told.
func (m *Message) guess(told, detected string) {
	detected = cleanType(detected)
	for _, guess := range []string{detected, typeOfName(m.Media.Filename)} {
		if !vague(guess) && m.settleKind(guess, "") == nil {
			m.Media.MIMEType = guess
			return
		}
	}
	switch m.Kind {
	case KindMedia, KindDocument:
		m.Kind, m.Voice, m.Media.MIMEType = KindDocument, false, detected
		if detected == octets && told != "" {
			m.Media.MIMEType = told
		}
	case KindSticker:
		m.Media.MIMEType = "image/webp"
	case KindVideo:
		m.Media.MIMEType = "video/mp4"
	case KindAudio:
		m.Media.MIMEType = "audio/ogg"
	default:
		m.Media.MIMEType = "image/jpeg"
	}
}

// settleKind makes KindMedia one of the others by a type, and holds the others to it.
func (m *Message) settleKind(kind, field string) error {
	if m.Kind == KindMedia {
		m.Kind = kindOfType(kind)
		m.Voice = m.Voice && m.Kind == KindAudio
		if m.Kind == KindAudio {
			m.Caption = ""
		}
		return nil
	}
	if !fits(m.Kind, kind) {
		return wrong(field, "is of a type that a message of this kind (%s) cannot have", string(m.Kind))
	}
	return nil
}

// Load fetches the media that the client named by a URL, where that is so, and at most
// max bytes of it. Then the message's kind is settled, and its Media is complete. What
// is wrong with the URL or what is behind it is a *FieldError; one about content that
// is too large wraps media.ErrTooLarge.
func (m *Message) Load(ctx context.Context, f *media.Fetcher, max int64) error {
	if m.Media == nil || m.Media.File != nil || m.Media.URL == "" {
		return nil
	}
	fetched, err := f.Fetch(ctx, m.Media.URL, max)
	if bad, is := errors.AsType[*media.FetchError](err); is {
		return &FieldError{Field: "media", Reason: bad.Reason, err: bad}
	}
	if err != nil {
		return err
	}
	m.Media.File = fetched.File
	return m.settle(fetched.MIMEType, fetched.Filename, "media")
}
