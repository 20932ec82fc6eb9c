package sandbox

import (
	"encoding/base64"
	"encoding/json"
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// WhatsApp's own limits on what a message may hold.
const (
	minPollOptions = 2
	maxPollOptions = 12
	maxButtons     = 3
	minDigits      = 5
	maxDigits      = 15 // E.164
	maxGroupDigits = 32
)

// longBase64 is less than any cut value has, even one that was sent all in escapes.
const longBase64 = maxValue / 8

// content is what a message says, as far as the sandbox cares.
type content struct {
	kind  string
	text  string
	media *media
}

// media is what is known of a message's medium after it was read.
type media struct {
	Source string `json:"source"` // file, url, data_url or base64
	*file
}

// check tells whether a body holds what its kind of message needs.
type check func(*body) (content, error)

// text returns the first of the named fields that is there. It is an error when that is no
// text; an empty one counts as not there.
func (b *body) text(names ...string) (string, error) {
	for _, name := range names {
		switch v := b.fields[name].(type) {
		case nil:
		case string:
			if strings.TrimSpace(v) != "" {
				return v, nil
			}
		default:
			return "", invalid("%s must be a text", name)
		}
	}
	return "", nil
}

// object returns a nested object, which in a form is JSON in a text, or nil.
func (b *body) object(name string) *body {
	switch v := b.fields[name].(type) {
	case map[string]any:
		return &body{fields: v}
	case string:
		var fields map[string]any
		if b.form && decode(v, &fields) && fields != nil {
			return &body{fields: fields}
		}
	}
	return nil
}

// list returns a list, which in a form is a repeated field, one value, or JSON in a text.
func (b *body) list(name string) []any {
	switch v := b.fields[name].(type) {
	case []any:
		return v
	case string:
		if !b.form || v == "" {
			return nil
		}
		var items []any
		if strings.HasPrefix(v, "[") && decode(v, &items) {
			return items
		}
		return []any{v}
	}
	return nil
}

func decode(text string, into any) bool {
	dec := json.NewDecoder(strings.NewReader(text))
	dec.UseNumber()
	return dec.Decode(into) == nil
}

func checkText(b *body) (content, error) {
	text, err := b.text("message", "text")
	if err == nil && text == "" {
		err = missing("message", "the text to send")
	}
	return content{kind: "text", text: text}, err
}

// checkMedia takes a medium as file, URL, data URL or base64, in media, file or the field that
// is called like its kind.
func checkMedia(kind string) check {
	return func(b *body) (content, error) {
		c := content{kind: kind}
		var err error
		if c.text, err = b.text("caption", "message"); err != nil {
			return c, err
		}
		for _, name := range []string{"media", kind, "file", "url"} {
			v, found := b.fields[name]
			if !found || v == nil || v == "" {
				continue
			}
			if c.media, err = medium(name, v); err != nil {
				return c, err
			}
			return c, nil
		}
		return c, missing("media", "a file, a URL, a data URL or base64")
	}
}

func medium(name string, v any) (*media, error) {
	if f, isFile := v.(*file); isFile {
		if f.Size == 0 {
			return nil, invalid("%s is an empty file", name)
		}
		return &media{Source: "file", file: f}, nil
	}
	text, isText := v.(string)
	if !isText {
		return nil, invalid("%s must be one file or one text", name)
	}
	if rest, isData := strings.CutPrefix(text, "data:"); isData {
		head, data, found := strings.Cut(rest, ",")
		if !found || !strings.HasSuffix(head, ";base64") || !base64Text(data) {
			return nil, invalid("%s must be a data URL of the form data:<type>;base64,<data>", name)
		}
		return &media{Source: "data_url"}, nil
	}
	if u, err := url.Parse(text); err == nil && u.Host != "" && (u.Scheme == "http" || u.Scheme == "https") {
		return &media{Source: "url"}, nil
	}
	if !base64Text(text) {
		return nil, invalid("%s must be an http or https URL, a data URL or base64", name)
	}
	return &media{Source: "base64"}, nil
}

// base64Text looks at what was kept of a value. A long one may have been cut anywhere, so of it
// only the alphabet is looked at.
func base64Text(s string) bool {
	if len(s) < longBase64 {
		_, err := base64.StdEncoding.DecodeString(s)
		return s != "" && err == nil
	}
	return strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=\r\n") == ""
}

func checkLocation(b *body) (content, error) {
	c := content{kind: "location"}
	latitude, err := b.number("latitude", 90)
	if err != nil {
		return c, err
	}
	longitude, err := b.number("longitude", 180)
	if err != nil {
		return c, err
	}
	if c.text, err = b.text("name", "address"); c.text == "" {
		c.text = strconv.FormatFloat(latitude, 'f', -1, 64) + "," + strconv.FormatFloat(longitude, 'f', -1, 64)
	}
	return c, err
}

// number reads a number from -limit to limit. A text counts as one in forms only.
func (b *body) number(name string, limit float64) (float64, error) {
	var text string
	switch v := b.fields[name].(type) {
	case nil:
		return 0, missing(name, "a number of degrees")
	case json.Number:
		text = v.String()
	case string:
		if b.form {
			text = strings.TrimSpace(v)
		}
	}
	n, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsNaN(n) || math.Abs(n) > limit {
		return 0, invalid("%s must be a number from -%g to %g", name, limit, limit)
	}
	return n, nil
}

func checkContact(b *body) (content, error) {
	c := content{kind: "contact"}
	from := b.object("contact")
	if from == nil {
		from = b
	}
	card, err := from.text("vcard")
	if err != nil {
		return c, err
	}
	if c.text, err = from.text("name", "full_name", "display_name"); err != nil || card != "" {
		return c, err
	}
	if c.text == "" {
		return c, missing("contact", "a vcard, or a name and a phone")
	}
	for _, name := range []string{"phone", "number"} {
		if v := from.fields[name]; v != nil {
			_, err := recipient(name, v)
			return c, err
		}
	}
	return c, missing("contact.phone", "the contact's number")
}

func checkPoll(b *body) (content, error) {
	c := content{kind: "poll"}
	from := b.object("poll")
	if from == nil {
		from = b
	}
	var err error
	if c.text, err = from.text("question", "name"); err != nil {
		return c, err
	}
	if c.text == "" {
		return c, missing("question", "what the poll asks")
	}
	options := from.list("options")
	if options == nil {
		return c, missing("options", "a list of 2 to 12 texts")
	}
	var texts []string
	for _, o := range options {
		text, isText := o.(string)
		if !isText || strings.TrimSpace(text) == "" || slices.Contains(texts, text) {
			return c, invalid("options must be different texts")
		}
		if texts = append(texts, text); len(texts) > maxPollOptions {
			break
		}
	}
	if len(texts) < minPollOptions || len(texts) > maxPollOptions {
		return c, invalid("options must be %d to %d texts", minPollOptions, maxPollOptions)
	}
	return c, nil
}

func checkList(b *body) (content, error) {
	c := content{kind: "list"}
	from := b.object("list")
	if from == nil {
		from = b
	}
	var err error
	if c.text, err = from.text("message", "text", "title", "description"); err != nil {
		return c, err
	}
	if c.text == "" {
		return c, missing("message", "the text above the list")
	}
	sections := from.list("sections")
	if sections == nil {
		return c, missing("sections", "a list of sections, each with rows")
	}
	for _, item := range sections {
		fields, _ := item.(map[string]any)
		rows := (&body{fields: fields}).list("rows")
		if len(rows) == 0 {
			return c, invalid("every section must have rows")
		}
		if err := titled("rows", rows); err != nil {
			return c, err
		}
	}
	return c, nil
}

func checkButtons(b *body) (content, error) {
	c, err := checkText(b)
	c.kind = "button"
	if err != nil {
		return c, err
	}
	buttons := b.list("buttons")
	if buttons == nil {
		return c, missing("buttons", "a list of 1 to 3 buttons")
	}
	if len(buttons) == 0 || len(buttons) > maxButtons {
		return c, invalid("buttons must be 1 to %d", maxButtons)
	}
	return c, titled("buttons", buttons)
}

// titled wants every item to be a text, or an object with a title.
func titled(name string, items []any) error {
	for _, item := range items {
		if text, isText := item.(string); isText && strings.TrimSpace(text) != "" {
			continue
		}
		fields, _ := item.(map[string]any)
		if title, err := (&body{fields: fields}).text("title", "text"); err != nil || title == "" {
			return invalid("%s must be texts or objects with a title", name)
		}
	}
	return nil
}

// recipient brings a phone number or a chat's JID to one form: the digits of a person, or
// <id>@g.us and the like for the others.
func recipient(name string, v any) (string, error) {
	var text string
	switch v := v.(type) {
	case string:
		text = strings.TrimSpace(v)
	case json.Number:
		text = v.String()
	default:
		return "", invalid("%s must be a phone number or a chat id", name)
	}
	user, server, isJID := strings.Cut(text, "@")
	switch {
	case !isJID:
		user = strings.NewReplacer(" ", "", "-", "", "(", "", ")", "", ".", "").Replace(strings.TrimPrefix(user, "+"))
	case server == "g.us", server == "lid", server == "newsletter":
		if digits := strings.Replace(user, "-", "", 1); allDigits(digits) && len(digits) <= maxGroupDigits {
			return text, nil
		}
		return "", invalid("%s is not a chat id", name)
	case server != "s.whatsapp.net" && server != "c.us":
		return "", invalid("%s is not a chat id", name)
	}
	if !allDigits(user) || len(user) < minDigits || len(user) > maxDigits {
		return "", invalid("%s must be a phone number with country code, %d to %d digits", name, minDigits, maxDigits)
	}
	return user, nil
}

func allDigits(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}

// chatOf is the chat id of a recipient.
func chatOf(to string) string {
	if strings.Contains(to, "@") {
		return to
	}
	return to + "@s.whatsapp.net"
}
