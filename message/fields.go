package message

import (
	"encoding/json"
	"errors"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/genfity/wa-gateway/internal/bodyedit"
	"github.com/genfity/wa-gateway/media"
)

// fields are the members of a body, or of an object in it, by their normalized names
// (bodyedit.NormalizeName): texts, json.Number, bool, []any, *fields, *medium, or twice.
// What is null or an empty text is not there.
type fields struct {
	values map[string]any
	path   string // what stands before a name in errors: "contact."
	form   bool   // values are texts: numbers and objects may stand in them
}

// twice stands for a member that is there more than once, which only matters where
// it is read.
type twice struct{}

// medium is media that came in a body.
type medium struct {
	*media.Source
}

// normal is how the members of a body are told apart.
func normal(name string) string { return bodyedit.NormalizeName(name) }

func newFields(path string, form bool) *fields {
	return &fields{values: make(map[string]any), path: path, form: form}
}

// put adds a member of JSON.
func (f *fields) put(name string, value any) {
	name = normal(name)
	if old, there := f.values[name]; there {
		// Nobody will read either.
		release(old)
		release(value)
		value = twice{}
	}
	f.values[name] = value
}

// add adds a form's field. A repeated one becomes a list.
func (f *fields) add(name string, value any) {
	name = normal(name)
	switch old := f.values[name].(type) {
	case nil:
		f.values[name] = value
	case []any:
		f.values[name] = append(old, value)
	default:
		f.values[name] = []any{old, value}
	}
}

// close lets go of all media that is still among the fields.
func (f *fields) close() {
	for _, value := range f.values {
		release(value)
	}
}

// release lets go of the media that a value is or holds.
func release(value any) {
	switch value := value.(type) {
	case *medium:
		if value.File != nil {
			value.File.Close()
		}
	case []any:
		for _, item := range value {
			release(item)
		}
	}
}

// find returns the first of the named members that is there, and its name.
func (f *fields) find(names ...string) (name string, value any, err error) {
	for _, name = range names {
		switch value := f.values[normal(name)].(type) {
		case nil:
		case twice:
			return name, nil, wrong(f.path+name, "is given more than once")
		case string:
			if strings.TrimSpace(value) != "" {
				return name, value, nil
			}
		default:
			return name, value, nil
		}
	}
	return names[0], nil, nil
}

// has tells whether one of the members is there.
func (f *fields) has(names ...string) bool {
	_, value, err := f.find(names...)
	return value != nil || err != nil
}

// text reads a text of up to limit bytes; "" where none of the members is there.
func (f *fields) text(limit int, names ...string) (string, error) {
	name, value, err := f.find(names...)
	if value == nil || err != nil {
		return "", err
	}
	text, isText := value.(string)
	if !isText {
		if _, list := value.([]any); list && f.form {
			return "", wrong(f.path+name, "is given more than once")
		}
		return "", wrong(f.path+name, "must be a text")
	}
	return text, checkText(f.path+name, text, limit)
}

// label reads a short text, without the white space around it.
func (f *fields) label(names ...string) (string, error) {
	text, err := f.text(maxLabel, names...)
	return strings.TrimSpace(text), err
}

func checkText(field, text string, limit int) error {
	switch {
	case len(text) > limit:
		return wrong(field, "is longer than %d bytes", limit)
	case !utf8.ValidString(text):
		return wrong(field, "is not valid UTF-8")
	case strings.IndexByte(text, 0) >= 0:
		return wrong(field, "has a NUL character in it")
	}
	return nil
}

// token reads a text without spaces or control characters, such as an id.
func (f *fields) token(names ...string) (string, error) {
	text, err := f.label(names...)
	if err != nil {
		return "", err
	}
	for _, r := range text {
		if r <= ' ' || r == 0x7f {
			return "", wrong(f.path+names[0], "must be an id without spaces")
		}
	}
	return text, nil
}

// number reads a number. A text counts as one in forms only.
func (f *fields) number(names ...string) (n float64, there bool, err error) {
	name, value, err := f.find(names...)
	if value == nil || err != nil {
		return 0, false, err
	}
	var text string
	switch value := value.(type) {
	case json.Number:
		text = value.String()
	case string:
		if f.form {
			text = strings.TrimSpace(value)
		}
	}
	n, bad := strconv.ParseFloat(text, 64)
	if bad != nil || math.IsNaN(n) || math.IsInf(n, 0) || strings.ContainsAny(text, "xX_") {
		return 0, true, wrong(f.path+name, "must be a number")
	}
	return n, true, nil
}

// boolean reads true or false. In forms texts count as well.
func (f *fields) boolean(names ...string) (bool, error) {
	name, value, err := f.find(names...)
	if value == nil || err != nil {
		return false, err
	}
	switch value := value.(type) {
	case bool:
		return value, nil
	case string:
		if !f.form {
			break
		}
		switch strings.ToLower(strings.TrimSpace(value)) {
		case "true", "1", "on", "yes":
			return true, nil
		case "false", "0", "off", "no":
			return false, nil
		}
	}
	return false, wrong(f.path+name, "must be true or false")
}

// list reads a list, which in a form is a repeated field, one value, or JSON in a text.
// Nil where there is none.
func (f *fields) list(names ...string) ([]any, error) {
	name, value, err := f.find(names...)
	if value == nil || err != nil {
		return nil, err
	}
	switch value := value.(type) {
	case []any:
		return value, nil
	case string:
		if !f.form {
			break
		}
		if !strings.HasPrefix(strings.TrimSpace(value), "[") {
			return []any{value}, nil
		}
		if tree, bad := decodeTree(value, f.path+name); bad == nil {
			if items, is := tree.([]any); is {
				return items, nil
			}
		}
	}
	return nil, wrong(f.path+name, "must be a list")
}

// object reads a nested object, which in a form is JSON in a text, or fields whose
// names have brackets. Nil where there is none.
func (f *fields) object(names ...string) (*fields, error) {
	name, value, err := f.find(names...)
	if value == nil || err != nil {
		return nil, err
	}
	switch value := value.(type) {
	case *fields:
		return value, nil
	case string:
		if !f.form {
			break
		}
		if tree, bad := decodeTree(value, f.path+name); bad == nil {
			if object, is := tree.(*fields); is {
				return object, nil
			}
		}
	}
	return nil, wrong(f.path+name, "must be an object")
}

var errDepth = errors.New("nested too deeply")

// decodeTree reads JSON that is in memory.
func decodeTree(text, path string) (any, error) {
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	value, err := decodeValue(d, path, 0)
	if err != nil {
		return nil, err
	}
	if d.More() {
		return nil, errors.New("more than one value")
	}
	return value, nil
}

func decodeValue(d *json.Decoder, path string, depth int) (any, error) {
	if depth > bodyedit.DefaultMaxDepth {
		return nil, errDepth
	}
	token, err := d.Token()
	if err != nil {
		return nil, err
	}
	delim, nested := token.(json.Delim)
	if !nested {
		return token, nil
	}
	if delim == '{' {
		object := newFields(path+".", false)
		for d.More() {
			name, err := d.Token()
			if err != nil {
				return nil, err
			}
			text, _ := name.(string)
			value, err := decodeValue(d, path+"."+canonicalName(text), depth+1)
			if err != nil {
				return nil, err
			}
			object.put(text, value)
		}
		_, err = d.Token()
		return object, err
	}
	items := []any{}
	for d.More() {
		value, err := decodeValue(d, path+"["+strconv.Itoa(len(items))+"]", depth+1)
		if err != nil {
			return nil, err
		}
		items = append(items, value)
	}
	_, err = d.Token()
	return items, err
}

// canonicalName is a member's name for errors, where it is one that has members itself:
// what a client calls others is nobody's business.
func canonicalName(name string) string {
	switch name := normal(name); name {
	case "sections", "rows", "buttons", "options":
		return name
	}
	return "…"
}
