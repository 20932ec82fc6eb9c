package webhook

import (
	"bytes"
	"encoding/json"
	"net/url"
	"strings"
	"unicode/utf8"
)

// fields are the fields of a form: texts and files, those of one name together.
type fields struct {
	values map[string][]any
	count  int
}

func (f *fields) add(name string, value any) *Error {
	if f.count++; f.count > MaxFields {
		err := wrong("the form has more than %d fields", MaxFields)
		err.kind = ErrTooMany
		return err
	}
	if !utf8.ValidString(name) {
		return wrong("field %d of the form has a name that is not in UTF-8", f.count)
	}
	if text, ok := value.(string); ok && !utf8.ValidString(text) {
		return wrong("the form's field %s is not in UTF-8", shown(name))
	}
	if f.values == nil {
		f.values = map[string][]any{}
	}
	f.values[name] = append(f.values[name], value)
	return nil
}

// payload is the object of the fields, ordered by name, so that the same form is the
// same payload. A field that is given several times becomes an array.
func (f *fields) payload() (Payload, *Error) {
	if f.count == 0 {
		return nil, &Error{Reason: "The form has no fields", kind: ErrEmpty}
	}
	object := make(map[string]any, len(f.values))
	for name, values := range f.values {
		if len(values) == 1 {
			object[name] = values[0]
		} else {
			object[name] = values
		}
	}
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(object); err != nil {
		return nil, wrong("the form cannot be written as JSON")
	}
	return trim(out.Bytes()), nil
}

// parseForm reads a URL-encoded form as an object of its fields. They are texts, those
// that hold JSON themselves (wuzapi's jsonData) too.
func parseForm(body []byte) (Payload, *Error) {
	var form fields
	for pair := range strings.SplitSeq(string(body), "&") {
		if pair == "" {
			continue
		}
		name, value, _ := strings.Cut(pair, "=")
		name, err := url.QueryUnescape(name)
		if err != nil {
			return nil, wrong("the form cannot be read: field %d has a name that is wrongly encoded", form.count+1)
		}
		if value, err = url.QueryUnescape(value); err != nil {
			return nil, wrong("the form cannot be read: field %s is wrongly encoded", shown(name))
		}
		if err := form.add(name, value); err != nil {
			return nil, err
		}
	}
	return form.payload()
}

// shown is a field's name in an error.
func shown(name string) string {
	if len(name) > 64 {
		name = name[:64]
	}
	name = strings.ToValidUTF8(name, "")
	quoted, _ := json.Marshal(name)
	return string(quoted)
}
