// Package webhook reads what WA servers send to a webhook, in any of the forms that
// they use, as JSON payloads, and finds what a payload says of itself.
package webhook

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"strings"
	"unicode/utf8"
)

const (
	// MaxPayloads is how many payloads one body may hold when Parse is given no bound.
	MaxPayloads = 10_000
	// MaxDepth bounds the nesting of a payload. Databases refuse what is far deeper.
	MaxDepth = 1000
	// MaxFields bounds the fields of a form.
	MaxFields = 10_000
)

// Payload is one JSON value: valid JSON, valid UTF-8, without white space around it.
// It may share memory with the body that it comes from.
type Payload = json.RawMessage

// Kinds of errors, for errors.Is. Each comes inside an *Error.
var (
	// ErrEmpty says that a body holds nothing.
	ErrEmpty = errors.New("empty body")
	// ErrTooMany says that a body holds more payloads or fields than it may.
	ErrTooMany = errors.New("too many")
	// ErrUnsupported says that a body is in no form that is read here.
	ErrUnsupported = errors.New("unsupported form")
)

// Error says why a body cannot be taken, in words for the one who sent it.
type Error struct {
	Line   int // of the body, counted from 1; 0: the body as a whole
	Reason string
	kind   error
}

func (e *Error) Error() string {
	if e.Line > 0 {
		return fmt.Sprintf("line %d: %s", e.Line, e.Reason)
	}
	return e.Reason
}

// Unwrap returns the kind of the error, if it has one.
func (e *Error) Unwrap() error { return e.kind }

func wrong(format string, args ...any) *Error {
	return &Error{Reason: fmt.Sprintf(format, args...)}
}

var byteOrderMark = []byte("\xef\xbb\xbf")

// Parse turns the body of a webhook into JSON payloads, one or more, or fails as a
// whole with an *Error:
//
//   - JSON, of any kind of value, is one payload and kept byte for byte, repeated
//     members included;
//   - NDJSON, JSON Lines and JSON text sequences are one payload for each value. They
//     are known by their Content-Type, and by several lines of which the first is a
//     value of its own;
//   - a form, URL-encoded or multipart, is one object of its fields (see parseForm).
//
// A body with another Content-Type, or none, is read as JSON. max bounds the payloads;
// 0 is MaxPayloads.
func Parse(contentType string, body []byte, max int) ([]Payload, error) {
	if max <= 0 {
		max = MaxPayloads
	}
	payloads, err := parse(contentType, body, max)
	if err != nil {
		return nil, err
	}
	return payloads, nil
}

func parse(contentType string, body []byte, max int) ([]Payload, *Error) {
	mediaType, params, err := mime.ParseMediaType(contentType)
	if err != nil {
		mediaType, _, _ = strings.Cut(contentType, ";")
		mediaType = strings.ToLower(strings.TrimSpace(mediaType))
	}
	if mediaType == "multipart/form-data" {
		return one(parseMultipart(body, params["boundary"]))
	}
	body = bytes.TrimPrefix(body, byteOrderMark)
	text := trim(body)
	if len(text) == 0 {
		return nil, &Error{Reason: "The body is empty", kind: ErrEmpty}
	}
	switch mediaType {
	case "application/x-www-form-urlencoded":
		// What clients call a form when nobody told them otherwise.
		if (text[0] == '{' || text[0] == '[') && json.Valid(text) {
			return one(checked(text))
		}
		return one(parseForm(text))
	case "application/json-seq":
		if bytes.IndexByte(body, recordSeparator) >= 0 {
			return parseSequence(body, max)
		}
		return parseLines(body, max)
	case "application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonlines", "application/jsonlines":
		return parseLines(body, max)
	}
	return parseJSON(body, text, max)
}

// parseJSON reads a body that is one value, or one on each line. text is the body
// without the white space around it.
func parseJSON(body, text []byte, max int) ([]Payload, *Error) {
	payload, err := checked(text)
	if err == nil {
		return []Payload{payload}, nil
	}
	if line, _, more := bytes.Cut(text, []byte("\n")); more && json.Valid(line) {
		return parseLines(body, max)
	}
	if err.kind != nil || strings.IndexByte(`{["-0123456789tfn`, text[0]) >= 0 {
		return nil, err
	}
	return nil, &Error{
		Reason: "Send the webhook as JSON (application/json), as JSON on each line (application/x-ndjson) or as a form, with its Content-Type",
		kind:   ErrUnsupported,
	}
}

// one makes a list of one payload.
func one(payload Payload, err *Error) ([]Payload, *Error) {
	if err != nil {
		return nil, err
	}
	return []Payload{payload}, nil
}

// checked returns text, which is trimmed, as a payload. A wrong one's line is counted
// from its beginning, and only given when it has several.
func checked(text []byte) (Payload, *Error) {
	if !utf8.Valid(text) {
		return nil, wrong("it is not in UTF-8")
	}
	if deep(text) {
		return nil, wrong("it is nested more than %d deep", MaxDepth)
	}
	if json.Valid(text) {
		return text, nil
	}
	reason := "it is not JSON"
	var syntax *json.SyntaxError
	if err := json.Unmarshal(text, new(json.RawMessage)); errors.As(err, &syntax) {
		reason += ": " + syntax.Error()
	}
	return nil, wrong("%s", reason)
}

// deep tells whether brackets are open more than MaxDepth deep anywhere outside of
// strings. It needs no stack, so no depth is too great for it.
func deep(text []byte) bool {
	depth, quoted := 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quoted:
			switch c {
			case '\\':
				i++
			case '"':
				quoted = false
			}
		case c == '"':
			quoted = true
		case c == '{' || c == '[':
			if depth++; depth > MaxDepth {
				return true
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	return false
}

// trim cuts off JSON's white space.
func trim(text []byte) []byte { return bytes.Trim(text, " \t\r\n") }
