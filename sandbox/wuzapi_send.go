package sandbox

import (
	"cmp"
	"errors"
	"net/http"
	"strings"
	"time"
)

// wuzapiBody has the fields of all sends. Each of them reads those that are its own.
type wuzapiBody struct {
	Phone, ID                              string
	Body, Caption, FileName, Name, Vcard   string
	Image, Video, Audio, Document, Sticker string
	MimeType                               string
	Title, Description, Desc, TopText      string
	ButtonText, FooterText, Footer         string
	Latitude, Longitude                    float64
	Group, Header                          string
	Options                                []string
	LinkPreview                            bool
	PTT                                    *bool
	Seconds                                uint32
	Waveform, JPEGThumbnail, PngThumbnail  []byte
	PackID, PackName, PackPublisher        string
	Emojis                                 []string
	QuotedText                             string
	Sections                               []struct {
		Title string
		Rows  []struct{ Title, Desc, Description, RowID string }
	}
	Buttons []struct {
		ButtonID, ButtonText string
		Type, Title, ID, URL string
		PhoneNumber          string `json:"phone_number"`
		CopyCode             string `json:"copy_code"`
	}
	ContextInfo struct {
		StanzaID     *string
		Participant  *string
		MentionedJID []string
		IsForwarded  *bool
	}
}

type wuzapiSend struct {
	path string
	read func(*wuzapiBody) (outgoing, *said)
}

func (s *wuzapi) sends() []wuzapiSend {
	all := []wuzapiSend{
		{"text", s.readText}, {"image", s.readImage}, {"video", s.readVideo}, {"audio", s.readAudio},
		{"document", s.readDocument}, {"sticker", s.readSticker}, {"location", s.readLocation},
		{"contact", s.readContact}, {"list", s.readList}, {"buttons", s.readButtons},
	}
	if !s.old {
		all = append(all, wuzapiSend{"poll", s.readPoll})
	}
	return all
}

func (s *wuzapi) sendMessage(r *http.Request, x *line, read func(*wuzapiBody) (outgoing, *said)) *said {
	s.mu.Lock()
	s.settle(x, false)
	client := user(x).client
	s.mu.Unlock()
	if !client {
		return s.fail(500, "no session")
	}
	var b wuzapiBody
	if !s.read(r, &b) {
		return s.fail(400, "could not decode Payload")
	}
	o, fault := read(&b)
	if fault != nil {
		return fault
	}
	phone := b.Phone
	if o.kind == "poll" {
		phone = b.Group
	}
	to, ok := wuzapiTo(phone)
	if !ok {
		return s.fail(400, "could not parse Phone")
	}
	info := b.ContextInfo
	if info.StanzaID != nil && info.Participant == nil {
		return s.fail(400, "missing Participant in ContextInfo")
	}
	if info.Participant != nil && info.StanzaID == nil {
		return s.fail(400, "missing StanzaID in ContextInfo")
	}
	if info.StanzaID != nil {
		o.reply = cut(*info.StanzaID, maxIDBytes)
	}
	o.to, o.id = to, cut(b.ID, maxIDBytes)
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.old && !onWhatsApp(to) && !strings.Contains(to, "@") && !allDigits(to) {
		return s.fail(500, "error sending message: no LID found for the recipient")
	}
	m, err := s.send(r.Context(), x, o, honesty{fails: true, absent: true})
	if err != nil {
		return s.sendFault(x, err)
	}
	data := map[string]any{"Details": "Sent", "Timestamp": m.at.Unix(), "Id": m.id}
	switch {
	case o.kind == "poll":
		data = map[string]any{"Details": "Poll sent successfully", "Id": m.id}
	case s.old, o.kind == "list":
		data["Timestamp"] = m.at.Format(time.RFC3339Nano)
	}
	return s.ok(data)
}

func (s *wuzapi) sendFault(x *line, err error) *said {
	if status, is := errors.AsType[statusError](err); is {
		return s.fail(int(status), "error sending message: server returned error 500")
	}
	switch {
	case errors.Is(err, errAbsent):
		return s.fail(500, "error sending message: no LID found for the recipient from server")
	case errors.Is(err, errFails):
		return s.fail(500, "error sending message: server returned error 479")
	case x.phase == phaseQR:
		return s.fail(500, "error sending message: the store doesn't contain a device JID")
	default:
		return s.fail(500, "error sending message: websocket not connected")
	}
}

// wuzapiTo reads a number or a JID. Only a broken JID is refused: letters pass.
func wuzapiTo(phone string) (string, bool) {
	phone = strings.TrimPrefix(phone, "+")
	name, server, isJID := strings.Cut(phone, "@")
	if phone == "" || len(phone) > maxIDBytes || (isJID && (name == "" || server == "" || strings.Contains(server, "@"))) {
		return "", false
	}
	if name, _, _ = strings.Cut(name, ":"); server == "s.whatsapp.net" || server == "c.us" {
		return name, true
	}
	return phone, true
}

func (s *wuzapi) missing(field string) *said { return s.fail(400, "missing "+field+" in Payload") }

// want finds the first of the fields that is empty; they come in pairs of name and value.
func (s *wuzapi) want(pairs ...string) *said {
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] == "" {
			return s.missing(pairs[i])
		}
	}
	return nil
}

func (s *wuzapi) readText(b *wuzapiBody) (outgoing, *said) {
	return outgoing{kind: textKind, text: b.Body}, s.want("Phone", b.Phone, "Body", b.Body)
}

// readMedium reads a data URL whose type begins so, or, in the newer generation, a URL.
func (s *wuzapi) readMedium(b *wuzapiBody, kind, value, prefix, refusal string) (outgoing, *said) {
	o := outgoing{kind: kind, text: b.Caption}
	if !strings.HasPrefix(value, prefix) {
		if s.old || !isHTTP(value) {
			return o, s.fail(400, refusal)
		}
		o.file = attachURL(b.FileName, b.MimeType, value)
		return o, nil
	}
	var err error
	if o.file, err = attachDataURL(b.FileName, value); err != nil {
		return o, s.fail(400, "could not decode base64 encoded data from payload")
	}
	o.file.Type = cmp.Or(cut(b.MimeType, maxIDBytes), o.file.Type)
	return o, nil
}

func (s *wuzapi) readImage(b *wuzapiBody) (outgoing, *said) {
	if fault := s.want("Phone", b.Phone, "Image", b.Image); fault != nil {
		return outgoing{}, fault
	}
	o, fault := s.readMedium(b, "image", b.Image, "data:image", `Image data should start with "data:image/png;base64,"`)
	if fault == nil && o.file.Source != "url" && !strings.HasPrefix(o.file.looks, "image/") {
		return o, s.fail(500, "could not decode image for thumbnail preparation: image: unknown format")
	}
	return o, fault
}

func (s *wuzapi) readVideo(b *wuzapiBody) (outgoing, *said) {
	if fault := s.want("Phone", b.Phone, "Video", b.Video); fault != nil {
		return outgoing{}, fault
	}
	return s.readMedium(b, "video", b.Video, "data:", `data should start with "data:mime/type;base64,"`)
}

func (s *wuzapi) readAudio(b *wuzapiBody) (outgoing, *said) {
	if fault := s.want("Phone", b.Phone, "Audio", b.Audio); fault != nil {
		return outgoing{}, fault
	}
	if s.old {
		return s.readMedium(b, "audio", b.Audio, "data:audio/ogg", `audio data should start with "data:audio/ogg;base64,"`)
	}
	return s.readMedium(b, "audio", b.Audio, "data:audio/", `audio data should start with "data:audio/"`)
}

func (s *wuzapi) readDocument(b *wuzapiBody) (outgoing, *said) {
	if fault := s.want("Phone", b.Phone, "Document", b.Document, "FileName", b.FileName); fault != nil {
		return outgoing{}, fault
	}
	if s.old {
		return s.readMedium(b, "document", b.Document, "data:application/octet-stream;base64,",
			`document data should start with "data:application/octet-stream;base64,"`)
	}
	return s.readMedium(b, "document", b.Document, "data:", `document data should start with "data:"`)
}

func (s *wuzapi) readSticker(b *wuzapiBody) (outgoing, *said) {
	if fault := s.want("Phone", b.Phone, "Sticker", b.Sticker); fault != nil {
		return outgoing{}, fault
	}
	return s.readMedium(b, "sticker", b.Sticker, "data", `data should start with "data:mime/type;base64,"`)
}

// readLocation takes a zero for a missing number, as the server does.
func (s *wuzapi) readLocation(b *wuzapiBody) (outgoing, *said) {
	o := outgoing{kind: "location", text: b.Name}
	switch {
	case b.Phone == "":
		return o, s.missing("Phone")
	case b.Latitude == 0:
		return o, s.missing("Latitude")
	case b.Longitude == 0:
		return o, s.missing("Longitude")
	}
	return o, nil
}

func (s *wuzapi) readContact(b *wuzapiBody) (outgoing, *said) {
	return outgoing{kind: "contact", text: b.Name}, s.want("Phone", b.Phone, "Name", b.Name, "Vcard", b.Vcard)
}

func (s *wuzapi) readPoll(b *wuzapiBody) (outgoing, *said) {
	o := outgoing{kind: "poll", text: b.Header}
	switch {
	case b.Group == "":
		return o, s.fail(400, "missing Grouop in payload") // the server's own spelling
	case b.Header == "":
		return o, s.fail(400, "missing Header in payload")
	case len(b.Options) < minPollOptions:
		return o, s.fail(400, "at least 2 options are required")
	}
	return o, nil
}

func (s *wuzapi) readList(b *wuzapiBody) (outgoing, *said) {
	o := outgoing{kind: "list", text: cmp.Or(b.Desc, b.Description)}
	if s.old {
		if fault := s.want("Phone", b.Phone, "Title", b.Title, "Description", b.Description, "ButtonText", b.ButtonText); fault != nil {
			return o, fault
		}
	} else if b.Phone == "" || b.Desc == "" {
		return o, s.fail(400, "missing required fields: Phone, Desc, Sections")
	}
	if len(b.Sections) == 0 {
		return o, s.missing("Sections")
	}
	for _, section := range b.Sections {
		if len(section.Rows) == 0 {
			return o, s.fail(400, "no section or list provided")
		}
	}
	return o, nil
}

// readButtons takes the form of the newest releases, with a body and buttons of a type, and the older one.
func (s *wuzapi) readButtons(b *wuzapiBody) (outgoing, *said) {
	o := outgoing{kind: "button", text: cmp.Or(b.Body, b.Title)}
	switch {
	case b.Phone == "":
		return o, s.missing("Phone")
	case s.old && b.Title == "":
		return o, s.missing("Title")
	case o.text == "":
		return o, s.missing("Body")
	case len(b.Buttons) == 0:
		return o, s.missing("Buttons")
	case len(b.Buttons) > maxButtons:
		return o, s.fail(400, "buttons cant more than 3")
	}
	for _, button := range b.Buttons {
		if cmp.Or(button.ButtonText, button.Title) == "" {
			return o, s.fail(400, "missing title of a button in Payload")
		}
	}
	return o, nil
}
