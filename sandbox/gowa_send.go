package sandbox

import (
	"errors"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"
)

// gowaSends read what each kind of message needs. The text is what is wrong with it.
var gowaSends = []struct {
	path string
	read func(*gowaBody) (outgoing, string)
}{
	{"message", func(b *gowaBody) (outgoing, string) {
		for _, m := range b.Mentions {
			if m != "@everyone" && gowaPhone(m) != "" {
				return outgoing{}, "mention " + cut(m, maxIDBytes) + ": phone number must be in international format"
			}
		}
		return outgoing{kind: textKind, text: b.Message}, blank("message", b.Message)
	}},
	{"link", func(b *gowaBody) (outgoing, string) {
		return outgoing{kind: "link", text: b.Link}, blank("caption", b.Caption, "link", b.Link)
	}},
	{"image", func(b *gowaBody) (outgoing, string) {
		o, fault := gowaMedium(b, "image", "Image", b.ImageURL, "image/jpeg", "image/jpg", "image/png")
		if fault == "" && o.file.Source == "url" && !slices.Contains([]string{".jpg", ".jpeg", ".png", ".webp"}, extensionOf(o.file.URL)) {
			fault = "ImageURL must be a valid URL"
		}
		return o, fault
	}},
	{"video", func(b *gowaBody) (outgoing, string) {
		return gowaMedium(b, "video", "Video", b.VideoURL, "video/mp4", "video/x-matroska", "video/avi", "video/x-msvideo")
	}},
	{"audio", func(b *gowaBody) (outgoing, string) {
		return gowaMedium(b, "audio", "Audio", b.AudioURL, "audio/aac", "audio/amr", "audio/flac", "audio/m4a", "audio/m4r", "audio/mp3",
			"audio/mpeg", "audio/ogg", "audio/wma", "audio/x-ms-wma", "audio/wav", "audio/vnd.wav", "audio/vnd.wave", "audio/wave",
			"audio/x-pn-wav", "audio/x-wav", "audio/mp4")
	}},
	{"file", func(b *gowaBody) (outgoing, string) { return gowaMedium(b, "file", "File", b.FileURL) }},
	{"sticker", func(b *gowaBody) (outgoing, string) {
		return gowaMedium(b, "sticker", "Sticker", b.Sticker, "image/jpeg", "image/jpg", "image/png", "image/webp", "image/gif")
	}},
	{"location", func(b *gowaBody) (outgoing, string) {
		o := outgoing{kind: "location", text: b.Latitude + "," + b.Longitude}
		if fault := blank("latitude", b.Latitude, "longitude", b.Longitude); fault != "" {
			return o, fault
		}
		for name, text := range map[string]string{"latitude": b.Latitude, "longitude": b.Longitude} {
			limit := map[string]float64{"latitude": 90, "longitude": 180}[name]
			if n, err := strconv.ParseFloat(text, 64); err != nil || !(n >= -limit && n <= limit) {
				return o, name + ": must be a valid " + name + "."
			}
		}
		return o, ""
	}},
	{"contact", func(b *gowaBody) (outgoing, string) {
		o := outgoing{kind: "contact", text: b.Name}
		if fault := blank("contact_name", b.Name, "contact_phone", b.Contact); fault != "" {
			return o, fault
		}
		if fault := gowaPhone(b.Contact); fault != "" {
			return o, "contact " + fault
		}
		return o, ""
	}},
	{"poll", func(b *gowaBody) (outgoing, string) {
		o := outgoing{kind: "poll", text: b.Question}
		unique := slices.Clone(b.Options)
		slices.Sort(unique)
		switch {
		case b.Question == "":
			return o, "question: cannot be blank."
		case len(b.Options) == 0 || slices.Contains(b.Options, ""):
			return o, "options: cannot be blank."
		case len(slices.Compact(unique)) != len(b.Options):
			return o, "options should be unique"
		case b.MaxAnswer < 1 || b.MaxAnswer > len(b.Options):
			return o, "max_answer: must be no greater than the number of options."
		}
		return o, ""
	}},
}

func extensionOf(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return ""
	}
	return strings.ToLower(path.Ext(u.Path))
}

// blank names the first of the fields that is empty; they come in pairs of name and value.
func blank(pairs ...string) string {
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] == "" {
			return pairs[i] + ": cannot be blank."
		}
	}
	return ""
}

// gowaMedium wants a file of one of the types, by what its part says, or a URL.
func gowaMedium(b *gowaBody, part, field string, link *string, types ...string) (outgoing, string) {
	o := outgoing{kind: part, text: b.Caption, file: b.files[part]}
	if part == "file" {
		o.kind = "document"
	}
	if link != nil && *link == "" && o.file != nil {
		return o, field + "URL cannot be empty"
	}
	switch {
	case o.file == nil && (link == nil || *link == ""):
		return o, "either " + field + " or " + field + "URL must be provided"
	case o.file != nil && len(types) > 0 && !slices.Contains(types, o.file.declared):
		return o, "your " + part + " is not allowed"
	case o.file != nil && link != nil && part == "sticker":
		return o, "cannot provide both Sticker file and StickerURL"
	case link != nil && !isHTTP(*link):
		return o, field + "URL must be a valid URL"
	case o.file == nil:
		name := ""
		if u, err := url.Parse(*link); err == nil {
			name = path.Base(u.Path)
		}
		o.file = attachURL(name, "", *link)
	}
	return o, ""
}

// gowaPhone tells what is wrong with a number.
func gowaPhone(phone string) string {
	phone = strings.TrimPrefix(strings.TrimSpace(phone), "+")
	switch {
	case phone == "":
		return "phone number cannot be empty"
	case phone[0] == '0':
		return "phone number must be in international format (should not start with 0). For Indonesian numbers, use 62xxx format instead of 08xxx"
	}
	return ""
}

// gowaTo brings a number to a chat: without @ up to 15 characters are a person's, more a group's.
func gowaTo(phone string) (string, bool) {
	phone = strings.TrimPrefix(strings.TrimSpace(phone), "+")
	user, server, isJID := strings.Cut(phone, "@")
	if !isJID {
		if len(phone) > maxDigits {
			return phone + "@g.us", true
		}
		return phone, allDigits(phone)
	}
	if user == "" || server == "" || len(phone) > maxIDBytes {
		return "", false
	}
	if server == "s.whatsapp.net" {
		return user, allDigits(user)
	}
	return phone, true
}

func (s *gowa) sendMessage(r *http.Request, x *line, read func(*gowaBody) (outgoing, string)) *said {
	b, err := readGowa(r)
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge || errors.Is(err, errTooMuch) {
		return gowaText(413, "Request Entity Too Large")
	}
	if err != nil {
		return s.internal(plain(err))
	}
	if fault := blank("phone", b.Phone); fault != "" {
		return s.invalid(fault)
	}
	if fault := gowaPhone(b.Phone); fault != "" {
		return s.invalid(fault)
	}
	o, fault := read(b)
	if fault != "" {
		return s.invalid(fault)
	}
	if b.Duration != nil && !slices.Contains([]int{0, 86400, 604800, 7776000}, *b.Duration) {
		return s.invalid("duration must be one of: 0 (no expiry), 86400 (24h), 604800 (7d), 7776000 (90d)")
	}
	if b.Reply != nil {
		o.reply = cut(*b.Reply, maxIDBytes)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if fault := s.ready(x); fault != nil {
		return fault
	}
	to, ok := gowaTo(b.Phone)
	if !ok || (!strings.Contains(to, "@") && len(to) < minDigits) {
		return s.fail(400, "INVALID_JID", "your phone is not a valid JID")
	}
	o.to = to
	m, err := s.send(r.Context(), x, o, honesty{fails: true, absent: true})
	if err != nil {
		return s.sendFault(x, to, err)
	}
	status := "Message sent to " + chatOf(to) + " (server timestamp: " + m.at.Format(time.DateTime) + ")"
	return s.ok(status, map[string]any{"message_id": m.id, "status": status})
}
