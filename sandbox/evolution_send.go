package sandbox

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
)

// evolutionSends check a body by the server's schema, and read what is to be sent.
var evolutionSends = []struct {
	path  string
	check func(map[string]any) []string
	read  func(*evolutionAsk) (outgoing, string)
}{
	{"sendText", schema([]string{"number", "text"}, "text", "string", "linkPreview", "boolean"), func(a *evolutionAsk) (outgoing, string) {
		text, _ := a.body["text"].(string)
		return outgoing{kind: textKind, text: text}, ""
	}},
	{"sendMedia", func(b map[string]any) []string {
		wrong := schema([]string{"number", "mediatype"}, "mimetype", "string", "media", "string", "fileName", "string", "caption", "string")(b)
		if kind, ok := b["mediatype"]; ok && !slices.Contains([]any{"image", "document", "video", "audio"}, kind) {
			wrong = append(wrong, "mediatype is not one of enum values: image,document,video,audio")
		}
		return wrong
	}, func(a *evolutionAsk) (outgoing, string) {
		kind, _ := a.body["mediatype"].(string)
		media, _ := a.body["media"].(string)
		name, _ := a.body["fileName"].(string)
		if kind == "document" && name == "" && a.file == nil && isBase64(media) {
			return outgoing{}, "For base64 the file name must be informed."
		}
		return a.medium(kind, media)
	}},
	{"sendPtv", schema([]string{"number"}, "video", "string"), func(a *evolutionAsk) (outgoing, string) {
		video, _ := a.body["video"].(string)
		return a.medium("video", video)
	}},
	{"sendWhatsAppAudio", schema([]string{"number"}, "audio", "string"), func(a *evolutionAsk) (outgoing, string) {
		audio, _ := a.body["audio"].(string)
		return a.medium("audio", audio)
	}},
	{"sendSticker", schema([]string{"number"}, "sticker", "string"), func(a *evolutionAsk) (outgoing, string) {
		sticker, _ := a.body["sticker"].(string)
		return a.medium("sticker", sticker)
	}},
	{"sendLocation", schema([]string{"number", "latitude", "longitude", "name", "address"}, "latitude", "number", "longitude", "number",
		"name", "string", "address", "string"), func(a *evolutionAsk) (outgoing, string) {
		name, _ := a.body["name"].(string)
		return outgoing{kind: "location", text: name}, ""
	}},
	{"sendContact", func(b map[string]any) []string {
		wrong := schema([]string{"number", "contact"}, "contact", "array")(b)
		list, _ := b["contact"].([]any)
		if _, ok := b["contact"]; ok && len(list) == 0 {
			wrong = append(wrong, "contact does not meet minimum length of 1")
		}
		for _, item := range list {
			contact, _ := item.(map[string]any)
			if wrong = append(wrong, lacking(contact, "fullName", "phoneNumber")...); contact["fullName"] == "" {
				wrong = append(wrong, `The "fullName" cannot be empty`)
			}
			if phone, _ := contact["phoneNumber"].(string); len(phone) < 10 {
				wrong = append(wrong, "contact[0].phoneNumber does not meet minimum length of 10")
			}
		}
		return wrong
	}, func(a *evolutionAsk) (outgoing, string) {
		list, _ := a.body["contact"].([]any)
		contact, _ := list[0].(map[string]any)
		name, _ := contact["fullName"].(string)
		return outgoing{kind: "contact", text: name}, ""
	}},
	{"sendPoll", func(b map[string]any) []string {
		wrong := schema([]string{"number", "name", "selectableCount", "values"}, "name", "string", "selectableCount", "integer", "values", "array")(b)
		if n, ok := b["selectableCount"].(json.Number); ok {
			if i, err := n.Int64(); err == nil && (i < 0 || i > 10) {
				wrong = append(wrong, "selectableCount must be less than or equal to 10")
			}
		}
		values, _ := b["values"].([]any)
		seen := map[string]bool{}
		for _, item := range values {
			text, isText := item.(string)
			if !isText || seen[text] {
				wrong = append(wrong, "values contains duplicate item")
			}
			seen[text] = true
		}
		if len(values) < 2 || len(values) > 10 {
			wrong = append(wrong, "values does not meet minimum length of 2")
		}
		return wrong
	}, func(a *evolutionAsk) (outgoing, string) {
		name, _ := a.body["name"].(string)
		return outgoing{kind: "poll", text: name}, ""
	}},
	{"sendList", func(b map[string]any) []string {
		wrong := schema([]string{"number", "title", "footerText", "buttonText", "sections"}, "title", "string", "description", "string",
			"footerText", "string", "buttonText", "string", "sections", "array")(b)
		sections, _ := b["sections"].([]any)
		if len(sections) == 0 {
			wrong = append(wrong, "sections does not meet minimum length of 1")
		}
		for _, item := range sections {
			section, _ := item.(map[string]any)
			wrong = append(wrong, lacking(section, "title", "rows")...)
			rows, _ := section["rows"].([]any)
			if len(rows) == 0 {
				wrong = append(wrong, "sections[0].rows does not meet minimum length of 1")
			}
			for _, item := range rows {
				row, _ := item.(map[string]any)
				if wrong = append(wrong, lacking(row, "title", "rowId")...); row["description"] == "" {
					wrong = append(wrong, `The "description" cannot be empty`)
				}
			}
		}
		return wrong
	}, func(a *evolutionAsk) (outgoing, string) {
		title, _ := a.body["title"].(string)
		return outgoing{kind: "list", text: title}, ""
	}},
	{"sendButtons", func(b map[string]any) []string {
		wrong := schema([]string{"number"}, "title", "string", "description", "string", "footer", "string", "thumbnailUrl", "string", "buttons", "array")(b)
		buttons, _ := b["buttons"].([]any)
		for _, item := range buttons {
			button, _ := item.(map[string]any)
			if !slices.Contains([]any{"reply", "copy", "url", "call", "pix"}, button["type"]) {
				wrong = append(wrong, "buttons[0].type is not one of enum values: reply,copy,url,call,pix")
			}
		}
		return wrong
	}, func(a *evolutionAsk) (outgoing, string) {
		title, _ := a.body["title"].(string)
		buttons, _ := a.body["buttons"].([]any)
		replies := 0
		for _, item := range buttons {
			if button, _ := item.(map[string]any); button["type"] == "reply" {
				replies++
			}
		}
		switch {
		case len(buttons) == 0:
			return outgoing{}, "At least one button is required"
		case replies > maxButtons:
			return outgoing{}, "Maximum of 3 reply buttons allowed"
		case replies > 0 && replies != len(buttons):
			return outgoing{}, "Reply buttons cannot be mixed with other types"
		}
		return outgoing{kind: "button", text: title}, ""
	}},
}

// schema wants fields, and types; what all sends may have is looked at as well.
func schema(required []string, types ...string) func(map[string]any) []string {
	types = append([]string{"number", "string", "delay", "integer", "quoted", "object", "mentioned", "array", "everyOne", "boolean"}, types...)
	return func(b map[string]any) []string {
		wrong := append(lacking(b, required...), wrongTypes(b, types...)...)
		if mentioned, ok := b["mentioned"].([]any); ok {
			for _, item := range mentioned {
				if text, _ := item.(string); text == "" || text[0] < '0' || text[0] > '9' {
					wrong = append(wrong, `"mentioned" must be an array of numeric strings`)
				}
			}
		}
		if quoted, ok := b["quoted"].(map[string]any); ok {
			if key, isObject := quoted["key"].(map[string]any); isObject {
				wrong = append(wrong, lacking(key, "id")...)
			}
		}
		return wrong
	}
}

// isBase64 is strict: padded, and without a prefix.
func isBase64(text string) bool {
	if text == "" || len(text)%4 != 0 {
		return false
	}
	_, err := base64.StdEncoding.Strict().DecodeString(text)
	return err == nil
}

// isPublicURL is the server's own test, which takes no host without a dot.
func isPublicURL(text string) bool {
	u, err := url.Parse(text)
	return err == nil && isHTTP(text) && strings.ContainsAny(u.Hostname(), ".:")
}

// medium is the call's file, a URL, or base64.
func (a *evolutionAsk) medium(kind, value string) (outgoing, string) {
	caption, _ := a.body["caption"].(string)
	name, _ := a.body["fileName"].(string)
	mimetype, _ := a.body["mimetype"].(string)
	o := outgoing{kind: kind, text: caption, file: a.file}
	switch {
	case a.file != nil:
	case isPublicURL(value):
		o.file = attachURL(name, mimetype, value)
	case isBase64(value):
		var err error
		if o.file, err = attachBase64("base64", name, mimetype, value); err != nil {
			return o, "Owned media must be a url or base64"
		}
	default:
		return o, "Owned media must be a url or base64"
	}
	return o, ""
}

var brazil = regexp.MustCompile(`^55(\d{2})\d(\d{8})$`)

// evolutionJID brings a number to a JID. Numbers of Mexico, Argentina and Brazil are rewritten.
func evolutionJID(number string) string {
	if strings.Contains(number, "@") {
		return number
	}
	number = strings.NewReplacer(" ", "", "+", "", "(", "", ")", "").Replace(number)
	number, _, _ = strings.Cut(number, ":")
	switch match := brazil.FindStringSubmatch(number); {
	case strings.Contains(number, "-") || len(number) >= 18:
		return strings.Trim(number, "-") + "@g.us"
	case len(number) == 13 && (strings.HasPrefix(number, "52") || strings.HasPrefix(number, "54")):
		number = number[:2] + number[3:]
	case match != nil && match[1] >= "31" && match[2][0] >= '7':
		number = "55" + match[1] + match[2]
	}
	return number + "@s.whatsapp.net"
}

func (s *evolution) sendMessage(a *evolutionAsk, check func(map[string]any) []string, read func(*evolutionAsk) (outgoing, string)) *said {
	if wrong := check(a.body); wrong != nil {
		return s.bad(wrong...)
	}
	o, fault := read(a)
	if fault != "" {
		return s.fail(400, "Bad Request", []string{fault})
	}
	// A query's number is copied over the path's parameters, where nothing reads it.
	number, _ := a.body["number"].(string)
	jid := evolutionJID(number)
	if quoted, _ := a.body["quoted"].(map[string]any); quoted != nil {
		key, _ := quoted["key"].(map[string]any)
		id, _ := key["id"].(string)
		o.reply = cut(id, maxIDBytes)
	}
	var delay time.Duration
	if n, ok := a.body["delay"].(json.Number); ok {
		ms, _ := n.Int64()
		delay = min(time.Duration(max(ms, 0))*time.Millisecond, maxDelay)
	}
	return s.on(a, "onWhatsApp", func(x *line) *said {
		if !instanceOf(x).started {
			return s.crash("onWhatsApp")
		}
		if x.phase != phaseConnected {
			return s.fail(500, "Internal Server Error", "Connection Closed")
		}
		user, server, _ := strings.Cut(jid, "@")
		if o.to = jid; server == "s.whatsapp.net" {
			o.to = user
		}
		if len(jid) > maxIDBytes || !onWhatsApp(o.to) && suffix(o.to) != "0008" {
			return s.absent(jid, number)
		}
		s.pause(a, delay)
		m, err := s.send(a.r.Context(), x, o, honesty{absent: true})
		switch status, is := errors.AsType[statusError](err); {
		case is:
			return s.fail(int(status), "Internal Server Error", []string{"Error: the engine failed"})
		case errors.Is(err, errAbsent):
			return s.absent(jid, number)
		case err != nil:
			return s.fail(400, "Bad Request", []string{"Error: Connection Closed"})
		}
		return says(201, s.message(x, m, "PENDING"))
	})
}

func (s *evolution) absent(jid, number string) *said {
	return s.fail(400, "Bad Request", []any{map[string]any{
		"jid": cut(jid, maxIDBytes), "exists": false, "number": cut(number, maxIDBytes),
	}})
}
