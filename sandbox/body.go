package sandbox

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"net/url"
	"strings"
)

// Bounds of what is read, and of what is kept while a call is answered.
const (
	maxBody   = 100 << 20
	maxKept   = 1 << 20   // all kept values of one body
	maxValue  = 64 << 10  // of one value; what is longer (inline media) is counted and dropped
	maxFields = 20_000    // room for a broadcast's recipients as repeated fields
	maxName   = 1_000     // bytes of a field's name
	sniffed   = 512       // bytes that http.DetectContentType looks at
	blockSize = 32 * 1024 // of reading
)

// body is what a call brought, in one form whatever it came as: JSON values as
// encoding/json gives them (numbers as json.Number), texts of forms, and *file for uploads.
// A repeated form field is a []any. Texts are cut at maxValue.
type body struct {
	fields map[string]any
	form   bool // values are texts: numbers and objects may stand in them
	kept   int
}

// file is an upload of which only this is known afterwards.
type file struct {
	Name string `json:"filename"`
	Type string `json:"mimetype"`
	Size int64  `json:"size"`
}

// readBody reads the whole body of a call, and keeps at most maxKept of it.
func readBody(r *http.Request) (*body, error) {
	b := &body{fields: make(map[string]any)}
	kind, params := "application/json", map[string]string(nil)
	if header := r.Header.Get("Content-Type"); header != "" {
		var err error
		if kind, params, err = mime.ParseMediaType(header); err != nil {
			return nil, unsupported()
		}
	}
	var err error
	switch kind {
	case "application/json", "text/plain": // a script's fetch says text/plain when told nothing
		err = b.readJSON(r.Body)
	case "application/x-www-form-urlencoded":
		b.form = true
		err = b.readForm(r.Body)
	case "multipart/form-data":
		b.form = true
		if params["boundary"] == "" {
			return nil, invalid("The multipart body has no boundary in its Content-Type")
		}
		err = b.readMultipart(multipart.NewReader(r.Body, params["boundary"]))
	default:
		return nil, unsupported()
	}
	if err != nil {
		return nil, bodyError(err)
	}
	return b, nil
}

func unsupported() error {
	return &refusal{
		status: http.StatusUnsupportedMediaType, code: "unsupported_media_type",
		message: "Send application/json, application/x-www-form-urlencoded or multipart/form-data",
	}
}

func bodyError(err error) error {
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok || errors.Is(err, errTooMuch) {
		return &refusal{
			status: http.StatusRequestEntityTooLarge, code: "too_large",
			message: "The body is too large: at most 100 MiB, of which 1 MiB besides files and media",
		}
	}
	if e, ok := errors.AsType[*refusal](err); ok {
		return e
	}
	return &refusal{status: http.StatusBadRequest, code: "invalid_body", message: "The body cannot be read: " + plain(err)}
}

// plain tells what is wrong with a body without repeating any of it.
func plain(err error) string {
	if _, ok := errors.AsType[*json.SyntaxError](err); ok {
		return "it is not valid JSON"
	}
	if _, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return "it must be one JSON object"
	}
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		return "it ends too early"
	}
	return "it is malformed"
}

var errTooMuch = errors.New("more than is kept of a body")

// keep counts towards maxKept.
func (b *body) keep(n int) error {
	if b.kept += n; b.kept > maxKept {
		return errTooMuch
	}
	return nil
}

func (b *body) readJSON(r io.Reader) error {
	dec := json.NewDecoder(&countedReader{r: &shortStrings{r: r, limit: maxValue}, b: b})
	dec.UseNumber()
	err := dec.Decode(&b.fields)
	if errors.Is(err, io.EOF) { // no body at all: no fields
		return nil
	}
	if err != nil {
		return err
	}
	if b.fields == nil { // null
		return invalid("The body must be a JSON object")
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		if _, cut := errors.AsType[*http.MaxBytesError](err); cut || errors.Is(err, errTooMuch) {
			return err
		}
		return invalid("The body must be one JSON object and nothing after it")
	}
	return nil
}

// countedReader counts what is read through it as kept.
type countedReader struct {
	r io.Reader
	b *body
}

func (c *countedReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	if e := c.b.keep(n); e != nil {
		return n, e
	}
	return n, err
}

// shortStrings passes JSON on with every string cut at a limit of bytes, in constant memory. Only
// strings are looked at: all else, errors included, is left to the decoder behind it.
type shortStrings struct {
	r        io.Reader
	limit    int
	inString bool
	escape   int // bytes of an escape still to come, which are never parted; -1: of a dropped one
	length   int // of the string so far
}

func (s *shortStrings) Read(p []byte) (int, error) {
	for {
		n, err := s.r.Read(p)
		if n = s.shorten(p[:n]); n > 0 || err != nil || len(p) == 0 {
			return n, err
		}
	}
}

// shorten drops from p what is too much, in place, and returns what is left of its length.
func (s *shortStrings) shorten(p []byte) int {
	out := 0
	for i := 0; i < len(p); {
		switch {
		case !s.inString:
			end := len(p)
			if q := bytes.IndexByte(p[i:], '"'); q >= 0 {
				end = i + q + 1
				s.inString, s.length = true, 0
			}
			out += copy(p[out:], p[i:end])
			i = end
		case s.escape == 0 && s.length >= s.limit:
			// Jump to what ends the string, or to an escape, which may hide a quote.
			q := bytes.IndexAny(p[i:], "\"\\")
			if q < 0 {
				return out
			}
			if i += q; p[i] == '"' {
				p[out] = '"'
				out++
				s.inString = false
			} else {
				s.escape = -1
			}
			i++
		case s.escape < 0: // the byte after a dropped backslash; more of \uXXXX is harmless
			s.escape = 0
			i++
		default:
			switch b := p[i]; {
			case s.escape == 1 && b == 'u': // no hex digit, so it begins \uXXXX
				s.escape = 4
			case s.escape > 0:
				s.escape--
			case b == '\\':
				s.escape = 1
			case b == '"':
				s.inString = false
			}
			p[out] = p[i]
			out, i, s.length = out+1, i+1, s.length+1
		}
	}
	return out
}

// readForm reads name=value&…, cutting long values.
func (b *body) readForm(r io.Reader) error {
	var name, value []byte
	inValue, some := false, false
	end := func() error {
		defer func() { name, value, inValue, some = name[:0], value[:0], false, false }()
		if !some {
			return nil
		}
		key, err := url.QueryUnescape(string(name))
		if err != nil {
			return invalid("The form holds a field whose name is badly escaped")
		}
		if len(value) == maxValue { // cut, maybe inside an escape
			if i := bytes.LastIndexByte(value[maxValue-2:], '%'); i >= 0 {
				value = value[:maxValue-2+i]
			}
		}
		text, err := url.QueryUnescape(string(value))
		if err != nil {
			return invalid("The form field %q is badly escaped", cut(key, 64))
		}
		return b.add(key, text, len(name)+len(value))
	}
	block := make([]byte, blockSize)
	for {
		n, err := r.Read(block)
		for _, c := range block[:n] {
			switch {
			case c == '&':
				if err := end(); err != nil {
					return err
				}
			case c == '=' && !inValue:
				inValue, some = true, true
			case inValue:
				if len(value) < maxValue {
					value = append(value, c)
				}
			case len(name) >= maxName:
				return invalid("The form holds a field whose name is too long")
			default:
				some = true
				name = append(name, c)
			}
		}
		if errors.Is(err, io.EOF) {
			return end()
		}
		if err != nil {
			return err
		}
	}
}

func (b *body) readMultipart(mr *multipart.Reader) error {
	for {
		part, err := mr.NextRawPart()
		if err == io.EOF { //nolint:errorlint // wrapped, it means that the last boundary never came
			return nil
		}
		if err != nil {
			return err
		}
		name := part.FormName()
		if name == "" || len(name) > maxName {
			return invalid("The multipart body holds a part without a name, or with one that is too long")
		}
		if filename := part.FileName(); filename != "" {
			f := &file{Name: cut(filename, maxIDBytes)}
			if err := f.count(part, part.Header); err != nil {
				return err
			}
			err = b.add(name, f, len(name)+len(f.Name))
		} else {
			var text []byte
			if text, err = io.ReadAll(io.LimitReader(part, maxValue)); err == nil {
				_, err = io.Copy(io.Discard, part)
			}
			if err == nil {
				err = b.add(name, string(text), len(name)+len(text))
			}
		}
		if err != nil {
			return err
		}
	}
}

// count reads a file to its end, and keeps its size and type.
func (f *file) count(r io.Reader, header textproto.MIMEHeader) error {
	head, err := io.ReadAll(io.LimitReader(r, sniffed))
	if err != nil {
		return err
	}
	rest, err := io.Copy(io.Discard, r)
	if err != nil {
		return err
	}
	f.Size = int64(len(head)) + rest
	f.Type, _, err = mime.ParseMediaType(header.Get("Content-Type"))
	if err != nil || f.Type == "application/octet-stream" {
		f.Type, _, _ = mime.ParseMediaType(http.DetectContentType(head))
	}
	return nil
}

// add puts in a form's field: "to[]" is "to", and a repeated one becomes a list.
func (b *body) add(name string, value any, size int) error {
	if err := b.keep(size); err != nil {
		return err
	}
	// Small fields cost more than their bytes.
	if err := b.keep(maxKept / maxFields); err != nil {
		return err
	}
	name = strings.TrimSuffix(name, "[]")
	switch old := b.fields[name].(type) {
	case nil:
		b.fields[name] = value
	case []any:
		b.fields[name] = append(old, value)
	default:
		b.fields[name] = []any{old, value}
	}
	return nil
}
