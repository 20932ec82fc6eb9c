package stats

import (
	"fmt"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// encoding/json would take "STATUS" for "status", the last of two equal keys,
// and U+FFFD for what is not UTF-8. Billing should rest on none of that, so
// events are read by this small strict scanner (RFC 8259).

// maxDepth bounds the nesting of members that are skipped.
const maxDepth = 100

// SyntaxError means that a body is not the JSON that is expected.
type SyntaxError struct {
	// Offset is the byte at which it was noticed, counted from 0.
	Offset int64
	Reason string
}

func (e *SyntaxError) Error() string {
	return "invalid JSON at byte " + strconv.FormatInt(e.Offset, 10) + ": " + e.Reason
}

// scanner walks over a JSON text that is in memory.
type scanner struct {
	data []byte
	pos  int
}

func (s *scanner) fail(format string, args ...any) error {
	return &SyntaxError{Offset: int64(s.pos), Reason: fmt.Sprintf(format, args...)}
}

// peek returns the next byte, 0 at the end.
func (s *scanner) peek() byte {
	if s.pos < len(s.data) {
		return s.data[s.pos]
	}
	return 0
}

// space skips white space and returns the next byte, 0 at the end.
func (s *scanner) space() byte {
	for s.pos < len(s.data) && isSpace(s.data[s.pos]) {
		s.pos++
	}
	return s.peek()
}

func isSpace(c byte) bool { return c == ' ' || c == '\n' || c == '\t' || c == '\r' }

// accept consumes c.
func (s *scanner) accept(c byte) error {
	if s.space() != c {
		return s.fail("expected %q", c)
	}
	s.pos++
	return nil
}

// end checks that nothing but white space follows.
func (s *scanner) end() error {
	if s.space(); s.pos < len(s.data) {
		return s.fail("expected the end")
	}
	return nil
}

// str consumes a string and returns what is between its quotes, escapes not
// yet decoded.
func (s *scanner) str() ([]byte, error) {
	if err := s.accept('"'); err != nil {
		return nil, err
	}
	start := s.pos
	for s.pos < len(s.data) {
		switch c := s.data[s.pos]; {
		case c == '"':
			s.pos++
			return s.data[start : s.pos-1], nil
		case c < 0x20:
			return nil, s.fail("control character in a string")
		case c == '\\':
			n := escapeLen(s.data[s.pos:])
			if n == 0 {
				return nil, s.fail("invalid escape in a string")
			}
			s.pos += n
		default:
			s.pos++
		}
	}
	return nil, s.fail("unfinished string")
}

// escapeLen returns the length of the escape that b starts with, 0 if invalid.
func escapeLen(b []byte) int {
	if len(b) < 2 {
		return 0
	}
	switch b[1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2
	case 'u':
		if _, ok := hex4(b); ok {
			return 6
		}
	}
	return 0
}

// hex4 decodes an escape of the form \uXXXX.
func hex4(b []byte) (rune, bool) {
	if len(b) < 6 || b[0] != '\\' || b[1] != 'u' {
		return 0, false
	}
	var r rune
	for _, c := range b[2:6] {
		r <<= 4
		switch {
		case c >= '0' && c <= '9':
			r |= rune(c - '0')
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			r |= rune(c|0x20-'a') + 10
		default:
			return 0, false
		}
	}
	return r, true
}

// unquote decodes what str returned. What is not Unicode (broken UTF-8, half a
// surrogate pair) becomes U+FFFD and is reported by valid.
func unquote(raw []byte) (text string, valid bool) {
	valid = true
	plain := true
	for _, c := range raw {
		if c == '\\' || c >= utf8.RuneSelf {
			plain = false
			break
		}
	}
	if plain {
		return string(raw), true
	}
	out := make([]byte, 0, len(raw))
	for i := 0; i < len(raw); {
		if raw[i] != '\\' {
			r, n := utf8.DecodeRune(raw[i:])
			if r == utf8.RuneError && n <= 1 {
				valid = false
			}
			out = utf8.AppendRune(out, r)
			i += n
			continue
		}
		r, n := unescape(raw[i:])
		if r == utf8.RuneError && n == 0 {
			r, n, valid = utf8.RuneError, 6, false
		}
		out = utf8.AppendRune(out, r)
		i += n
	}
	return string(out), valid
}

// unescape decodes the escape that raw starts with and returns its length; 0
// for half a surrogate pair.
func unescape(raw []byte) (rune, int) {
	switch raw[1] {
	case 'b':
		return '\b', 2
	case 'f':
		return '\f', 2
	case 'n':
		return '\n', 2
	case 'r':
		return '\r', 2
	case 't':
		return '\t', 2
	case 'u':
		r, _ := hex4(raw)
		if !utf16.IsSurrogate(r) {
			return r, 6
		}
		if low, ok := hex4(raw[6:]); ok {
			if r = utf16.DecodeRune(r, low); r != utf8.RuneError {
				return r, 12
			}
		}
		return utf8.RuneError, 0
	}
	return rune(raw[1]), 2 // one of " \ /
}

// skip consumes any one value.
func (s *scanner) skip() error { return s.skipValue(maxDepth) }

func (s *scanner) skipValue(depth int) error {
	if depth == 0 {
		return s.fail("nested too deeply")
	}
	switch c := s.space(); {
	case c == '"':
		_, err := s.str()
		return err
	case c == '{':
		return s.members(func([]byte) error { return s.skipValue(depth - 1) })
	case c == '[':
		return s.elements(func() error { return s.skipValue(depth - 1) })
	case c == '-' || (c >= '0' && c <= '9'):
		return s.number()
	default:
		return s.literal()
	}
}

// members consumes an object. value has to consume each member's value.
func (s *scanner) members(value func(key []byte) error) error {
	return s.list('{', '}', func() error {
		key, err := s.str()
		if err != nil {
			return err
		}
		if err := s.accept(':'); err != nil {
			return err
		}
		return value(key)
	})
}

// elements consumes an array. value has to consume each element.
func (s *scanner) elements(value func() error) error { return s.list('[', ']', value) }

func (s *scanner) list(open, closing byte, item func() error) error {
	if err := s.accept(open); err != nil {
		return err
	}
	if s.space() == closing {
		s.pos++
		return nil
	}
	for {
		if err := item(); err != nil {
			return err
		}
		switch s.space() {
		case ',':
			s.pos++
		case closing:
			s.pos++
			return nil
		default:
			return s.fail("expected ',' or %q", closing)
		}
	}
}

func (s *scanner) literal() error {
	for _, word := range []string{"null", "true", "false"} {
		if len(s.data)-s.pos >= len(word) && string(s.data[s.pos:s.pos+len(word)]) == word {
			s.pos += len(word)
			return nil
		}
	}
	return s.fail("expected a value")
}

func (s *scanner) number() error {
	if s.peek() == '-' {
		s.pos++
	}
	if s.peek() == '0' {
		s.pos++
	} else if !s.digits() {
		return s.fail("expected a digit")
	}
	if s.peek() == '.' {
		s.pos++
		if !s.digits() {
			return s.fail("expected a digit")
		}
	}
	if c := s.peek(); c == 'e' || c == 'E' {
		s.pos++
		if c := s.peek(); c == '+' || c == '-' {
			s.pos++
		}
		if !s.digits() {
			return s.fail("expected a digit")
		}
	}
	return nil
}

func (s *scanner) digits() bool {
	start := s.pos
	for c := s.peek(); c >= '0' && c <= '9'; c = s.peek() {
		s.pos++
	}
	return s.pos > start
}
