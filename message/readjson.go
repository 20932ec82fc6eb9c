package message

import (
	"bufio"
	"bytes"
	"io"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// readJSON reads an object as bodyedit.JSON writes it: well-formed, without white space
// between tokens.
func (b *reading) readJSON(r io.Reader) error {
	text := bufio.NewReaderSize(r, 16<<10)
	if _, err := text.ReadByte(); err != nil {
		if err == io.EOF { // no body at all: no fields
			return nil
		}
		return err
	}
	for {
		c, err := text.ReadByte()
		if err != nil {
			return cutShort(err)
		}
		switch c {
		case '"':
			if err := b.jsonMember(text); err != nil {
				return err
			}
		case '}':
			// To the end, where it is seen whether something else follows.
			_, err := io.Copy(io.Discard, text)
			return err
		}
	}
}

func cutShort(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// jsonMember reads a member from behind the first quote of its name.
func (b *reading) jsonMember(text *bufio.Reader) error {
	raw, err := io.ReadAll(&jsonString{r: text})
	if err != nil {
		return err
	}
	name := string(raw)
	field := b.canonical(name)
	if _, err := text.Discard(1); err != nil { // the colon
		return cutShort(err)
	}
	first, err := text.Peek(1)
	if err != nil {
		return cutShort(err)
	}
	if b.isMedia(name) && first[0] == '"' {
		if _, err := text.Discard(1); err != nil {
			return cutShort(err)
		}
		m, err := b.mediaText(field, &jsonString{r: text})
		if err != nil {
			return err
		}
		var value any
		if m != nil {
			value = m
		}
		b.fields.put(name, value)
		return nil
	}
	value, err := b.jsonValue(text)
	if err == errKept { //nolint:errorlint // jsonValue returns it itself
		return wrong(field, "is too long")
	}
	if err != nil {
		return err
	}
	tree, err := decodeTree(value, field)
	if err != nil {
		return wrong(field, "cannot be read")
	}
	b.fields.put(name, tree)
	return nil
}

// jsonValue returns a value as it is written.
func (b *reading) jsonValue(text *bufio.Reader) (string, error) {
	var value []byte
	depth, inString, escaped := 0, false, false
	for {
		c, err := text.ReadByte()
		if err != nil {
			return "", cutShort(err)
		}
		switch {
		case escaped:
			escaped = false
		case inString:
			escaped = c == '\\'
			inString = c != '"'
		case c == '"':
			inString = true
		case c == '{', c == '[':
			depth++
		case (c == '}' || c == ']' || c == ',') && depth == 0:
			return string(value), text.UnreadByte()
		case c == '}', c == ']':
			depth--
		}
		if err := b.keep(1); err != nil {
			return "", err
		}
		value = append(value, c)
	}
}

// jsonString reads the characters of a string, without its escapes, up to the closing
// quote, which it takes as well. Half a surrogate pair becomes the replacement character.
type jsonString struct {
	r    *bufio.Reader
	rest []byte // of an escape's character
	char [utf8.UTFMax]byte
	done bool
}

func (s *jsonString) Read(p []byte) (int, error) {
	for n := 0; ; {
		switch {
		case s.done:
			return n, io.EOF
		case n == len(p):
			return n, nil
		case len(s.rest) > 0:
			c := copy(p[n:], s.rest)
			s.rest = s.rest[c:]
			n += c
			continue
		}
		if n > 0 && s.r.Buffered() == 0 {
			return n, nil
		}
		if _, err := s.r.Peek(1); err != nil {
			return n, cutShort(err)
		}
		chunk, _ := s.r.Peek(s.r.Buffered())
		chunk = chunk[:min(len(chunk), len(p)-n)]
		if end := bytes.IndexByte(chunk, '"'); end >= 0 {
			chunk = chunk[:end+1]
		}
		plain := chunk
		if i := bytes.IndexByte(chunk, '\\'); i >= 0 {
			plain = chunk[:i]
		} else if i := len(chunk) - 1; chunk[i] == '"' {
			plain, s.done = chunk[:i], true
		}
		n += copy(p[n:], plain)
		used := len(plain)
		if s.done {
			used++
		}
		if _, err := s.r.Discard(used); err != nil {
			return n, cutShort(err)
		}
		if !s.done && len(plain) < len(chunk) {
			if err := s.escape(); err != nil {
				return n, err
			}
		}
	}
}

// escape takes one escape.
func (s *jsonString) escape() error {
	esc, err := s.r.Peek(2)
	if err != nil {
		return cutShort(err)
	}
	size, char := 2, rune(esc[1])
	switch char {
	case 'b':
		char = '\b'
	case 'f':
		char = '\f'
	case 'n':
		char = '\n'
	case 'r':
		char = '\r'
	case 't':
		char = '\t'
	case 'u':
		if char, size, err = s.codePoint(); err != nil {
			return err
		}
	}
	s.rest = utf8.AppendRune(s.char[:0], char)
	_, err = s.r.Discard(size)
	return cutShort(err)
}

// codePoint reads \uXXXX, or two of them.
func (s *jsonString) codePoint() (char rune, size int, err error) {
	char, err = s.codeUnit(0)
	if err != nil || !utf16.IsSurrogate(char) {
		return char, 6, err
	}
	next, err := s.r.Peek(8)
	if err == nil && next[6] == '\\' && next[7] == 'u' {
		low, err := s.codeUnit(6)
		if err != nil {
			return 0, 0, err
		}
		if pair := utf16.DecodeRune(char, low); pair != utf8.RuneError {
			return pair, 12, nil
		}
	}
	return utf8.RuneError, 6, nil
}

func (s *jsonString) codeUnit(at int) (rune, error) {
	esc, err := s.r.Peek(at + 6)
	if err != nil {
		return 0, cutShort(err)
	}
	n, err := strconv.ParseUint(string(esc[at+2:at+6]), 16, 16)
	return rune(n), err
}
