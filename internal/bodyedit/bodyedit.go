package bodyedit

import (
	"bytes"
	"errors"
	"fmt"
	"io"
)

// Defaults of Rules.
const (
	DefaultMaxDepth  = 64
	DefaultMaxFields = 1000
)

// Rules say what becomes of a body. The zero value drops nothing and sets nothing, and still
// refuses what is malformed. The functions get names that went through NormalizeName; they are
// called for names at the top level of a body only, except Nested. Rules may be shared by many
// bodies at once when their functions may.
type Rules struct {
	// Drop tells the names that must not get through.
	Drop func(normalized string) bool

	// Nested tells the names that must not get through below the top level either: members of
	// objects at any depth, and each part of a name that is put together, such as a[b] or a.b, in
	// JSON and forms, at the top as well. Nil drops none.
	Nested func(normalized string) bool

	// Set is put in first, in this order: as JSON strings, form fields or parts. What the client
	// sent under these names is dropped, whatever Drop says.
	Set []Field

	// Scalar tells the names that must hold one value: a JSON array or object there, a name with
	// brackets, a file, and the name given more than once are errors.
	Scalar func(normalized string) bool

	// Single is Scalar for names whose text must name one thing only: a comma, a semicolon or a
	// line break in it is an error too, because servers exist that split at these.
	Single func(normalized string) bool

	// MaxDepth is how deep JSON may be nested, the body's own object counted. Zero means
	// DefaultMaxDepth.
	MaxDepth int

	// MaxBytes is how long the body may be before it is rewritten. Zero means no limit.
	MaxBytes int64

	// MaxFields is how many top-level members, fields or parts a body may have, dropped ones
	// counted. Zero means DefaultMaxFields.
	MaxFields int
}

// Field is a name and a value to put into a body.
type Field struct {
	Name, Value string
}

var (
	// ErrTooLarge is the error for a body longer than Rules.MaxBytes.
	ErrTooLarge = errors.New("the body is too large")

	// ErrUnsupported is wrapped by errors about a body that is neither JSON nor a form, or that
	// is not in UTF-8.
	ErrUnsupported = errors.New("unsupported body")
)

// SyntaxError is the error for a body that is malformed, can be read in more than one way, or
// breaks one of the rules. It never quotes a value of the body.
type SyntaxError struct {
	Offset int64  // bytes of the body before the place
	Reason string // what is wrong there, for the client
}

// Error implements error.
func (e *SyntaxError) Error() string {
	return fmt.Sprintf("malformed body at byte %d: %s", e.Offset, e.Reason)
}

// JSON returns the body r, which must be one JSON object, as the rules want it. Its Read fails
// with a *SyntaxError, ErrTooLarge, or what r fails with; a piece with a mistake in it is not
// handed out, earlier pieces may have been.
func JSON(r io.Reader, rules Rules) io.Reader {
	return newReader(r, newJSONScanner(rules), rules.MaxBytes)
}

// Form returns the body r, a URL-encoded form, as the rules want it. Its Read fails like JSON's.
func Form(r io.Reader, rules Rules) io.Reader {
	return newReader(r, newFormScanner(rules), rules.MaxBytes)
}

// Multipart returns the body r, multipart/form-data with this boundary, as the rules want it and
// with the same boundary. Its Read fails like JSON's.
func Multipart(r io.Reader, boundary string, rules Rules) io.Reader {
	return newReader(r, newMultipartScanner(boundary, rules), rules.MaxBytes)
}

// Edit returns the body r as the rules want it, and the value that its Content-Type must have
// from then on. The given Content-Type decides how the body is read; a body that has none, or is
// said to be plain text or octets, is JSON when it starts with "{". Such a body that is empty
// stays so. Every other one gives an error that wraps ErrUnsupported. To tell, Edit may read from
// r. The reader fails like JSON's; the length of what it returns is not known beforehand.
func Edit(contentType string, r io.Reader, rules Rules) (out io.Reader, newContentType string, err error) {
	kind, boundary, err := kindOf(contentType)
	if err != nil {
		return nil, "", err
	}
	if kind != kindUnknown {
		return newReader(r, newScanner(kind, boundary, rules), rules.MaxBytes), contentTypeOf(kind, boundary), nil
	}
	body := newReader(r, nil, rules.MaxBytes)
	first, err := body.peek()
	if err == io.EOF {
		body.release()
		return bytes.NewReader(nil), contentType, nil
	}
	if err != nil {
		body.release()
		return nil, "", err
	}
	if first != '{' {
		body.release()
		return nil, "", errNotKnown
	}
	scanner := newJSONScanner(rules)
	scanner.offset = body.skipped
	body.scanner = scanner
	return body, contentTypeOf(kindJSON, ""), nil
}

// EditBytes does to a body in memory what Edit does to one that streams, and reports all errors
// at once. It leaves body as it is and returns a new slice.
func EditBytes(contentType string, body []byte, rules Rules) (out []byte, newContentType string, err error) {
	kind, boundary, err := kindOf(contentType)
	if err != nil {
		return nil, "", err
	}
	if rules.MaxBytes > 0 && int64(len(body)) > rules.MaxBytes {
		return nil, "", ErrTooLarge
	}
	if kind == kindUnknown {
		rest := bytes.TrimLeft(body, jsonSpace)
		if len(rest) == 0 {
			return nil, contentType, nil
		}
		if rest[0] != '{' {
			return nil, "", errNotKnown
		}
		kind = kindJSON
	}
	size := len(body) + 16
	for _, field := range rules.Set {
		size += len(field.Name) + len(field.Value) + 8
	}
	scanner := newScanner(kind, boundary, rules)
	out, _, err = scanner.scan(make([]byte, 0, size), body, true)
	scanner.release()
	if err != nil {
		return nil, "", err
	}
	return out, contentTypeOf(kind, boundary), nil
}

func newScanner(kind kind, boundary string, rules Rules) scanner {
	switch kind {
	case kindForm:
		return newFormScanner(rules)
	case kindMultipart:
		return newMultipartScanner(boundary, rules)
	default:
		return newJSONScanner(rules)
	}
}
