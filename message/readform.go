package message

import (
	"bufio"
	"io"
	"mime"
	"mime/multipart"
	"net/url"
	"strings"

	"github.com/genfity/wa-gateway/media"
)

// readForm reads name=value&… as bodyedit.Form writes it.
func (b *reading) readForm(r io.Reader) error {
	text := bufio.NewReaderSize(r, 16<<10)
	for {
		if _, err := text.Peek(1); err != nil {
			if err == io.EOF {
				return nil
			}
			return err
		}
		raw, err := formName(text)
		if err != nil {
			return err
		}
		name, err := url.QueryUnescape(raw)
		if err != nil {
			return wrong(b.canonical(raw), "is badly escaped")
		}
		value := &formValue{r: text, plus: ' '}
		if b.isMedia(name) {
			// Nothing that names media has a space in it, and there are clients that
			// forget to escape base64's plus.
			value.plus = '+'
		}
		if err := b.formField(name, value); err != nil {
			return err
		}
		if _, err := io.Copy(io.Discard, value); err != nil {
			return err
		}
	}
}

// formName reads up to "=", or to the "&" or end that stands in for "=" and stays.
func formName(text *bufio.Reader) (string, error) {
	var name []byte
	for {
		c, err := text.ReadByte()
		switch {
		case err == io.EOF || err == nil && c == '=':
			return string(name), nil
		case err != nil:
			return "", err
		case c == '&':
			return string(name), text.UnreadByte()
		}
		name = append(name, c) // bodyedit bounds it
	}
}

// formField reads a form's field, or a part that is no file.
func (b *reading) formField(name string, value io.Reader) error {
	field := b.canonical(name)
	if b.isMedia(name) {
		m, err := b.mediaText(field, value)
		if err != nil || m == nil {
			return err
		}
		b.fields.add(name, m)
		return nil
	}
	text, err := io.ReadAll(io.LimitReader(value, maxText+1))
	if err != nil {
		return err
	}
	if len(text) > maxText || b.keep(len(text)) != nil {
		return wrong(field, "is too long")
	}
	return b.place(field, name, string(text))
}

// place puts a text where a name such as to, options[], contact[name] or
// poll[options][0] says.
func (b *reading) place(field, name, text string) error {
	base, brackets, _ := strings.Cut(name, "[")
	into := b.fields
	for brackets != "" {
		key, rest, _ := strings.Cut(brackets, "]")
		brackets = strings.TrimPrefix(rest, "[")
		if key == "" || allDigits(key) { // an element
			if brackets != "" {
				return wrong(field, "is nested too deeply for a form: send it as JSON")
			}
			into.element(base, text)
			return nil
		}
		if into != b.fields {
			return wrong(field, "is nested too deeply for a form: send it as JSON")
		}
		if into = into.nested(base, field); into == nil {
			return wrong(field, "is given more than once")
		}
		base = key
	}
	into.add(base, text)
	return nil
}

// element adds a text to a list.
func (f *fields) element(name, text string) {
	f.add(name, text)
	if f.values[normal(name)] == any(text) { // the first
		f.values[normal(name)] = []any{text}
	}
}

// nested returns the object of that name, nil where something else is there.
func (f *fields) nested(name, field string) *fields {
	switch old := f.values[normal(name)].(type) {
	case nil:
		object := newFields(field+".", true)
		f.values[normal(name)] = object
		return object
	case *fields:
		return old
	}
	return nil
}

// formValue reads a value, without its escapes, up to the "&" behind it, which it
// takes as well.
type formValue struct {
	r    *bufio.Reader
	plus byte // what "+" stands for
	done bool
}

func (v *formValue) Read(p []byte) (int, error) {
	for n := 0; ; {
		switch {
		case v.done:
			return n, io.EOF
		case n == len(p), n > 0 && v.r.Buffered() < 3:
			return n, nil
		}
		if _, err := v.r.Peek(1); err != nil {
			v.done = err == io.EOF
			return n, err
		}
		chunk, _ := v.r.Peek(v.r.Buffered())
		size := copy(p[n:], plainPrefix(chunk))
		n += size
		if size == 0 {
			c, err := v.special()
			if err != nil {
				return n, err
			}
			if !v.done {
				p[n] = c
				n++
			}
			continue
		}
		if _, err := v.r.Discard(size); err != nil {
			return n, cutShort(err)
		}
	}
}

// plainPrefix is what of a value stands for itself, up to the first character that
// does not.
func plainPrefix(chunk []byte) []byte {
	for i, c := range chunk {
		if c == '&' || c == '%' || c == '+' {
			return chunk[:i]
		}
	}
	return chunk
}

// special takes the end of the value, or a character that stands for another.
func (v *formValue) special() (byte, error) {
	c, err := v.r.ReadByte()
	switch {
	case err != nil:
		return 0, cutShort(err)
	case c == '&':
		v.done = true
		return 0, nil
	case c == '+':
		return v.plus, nil
	}
	esc, err := v.r.Peek(2)
	if err != nil {
		return 0, cutShort(err)
	}
	c = unhex(esc[0])<<4 | unhex(esc[1])
	_, err = v.r.Discard(2)
	return c, err
}

// unhex is the value of a hexadecimal digit. bodyedit has seen to it that it is one.
func unhex(c byte) byte {
	if c >= 'a' {
		return c - 'a' + 10
	}
	if c >= 'A' {
		return c - 'A' + 10
	}
	return c - '0'
}

// readMultipart reads parts as bodyedit.Multipart writes them.
func (b *reading) readMultipart(r io.Reader, boundary string) error {
	parts := multipart.NewReader(r, boundary)
	for {
		part, err := parts.NextRawPart()
		if err == io.EOF {
			_, err = io.Copy(io.Discard, r)
			return err
		}
		if err != nil {
			return err
		}
		if err := b.part(part); err != nil {
			return err
		}
	}
}

func (b *reading) part(part *multipart.Part) error {
	name := part.FormName()
	field := b.canonical(name)
	_, params, err := mime.ParseMediaType(part.Header.Get("Content-Disposition"))
	if err != nil {
		return wrong(field, "has a header that cannot be read")
	}
	filename, isFile := params["filename"]
	kind := part.Header.Get("Content-Type")
	switch {
	case !b.isMedia(name) && isFile:
		return wrong(field, "must not be a file")
	case !b.isMedia(name), !isFile && (kind == "" || strings.HasPrefix(strings.ToLower(kind), "text/")):
		return b.formField(name, part)
	}
	file, err := media.Spool(part, unbounded, b.dir)
	if err != nil {
		return err
	}
	if file.Size() == 0 {
		file.Close()
		if filename == "" { // a browser's field without a chosen file
			return nil
		}
		return wrong(field, "is an empty file")
	}
	b.fields.add(name, &medium{&media.Source{File: file, MIMEType: kind, Filename: filename}})
	return nil
}
