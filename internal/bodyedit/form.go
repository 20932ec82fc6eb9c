package bodyedit

import (
	"sync"
	"unicode/utf8"
)

// formScanner rewrites a URL-encoded form. Names are decoded and written anew; values are passed
// on as they are but for the characters that some parser takes for syntax.
type formScanner struct {
	filter
	started bool
	written bool // a field has been written, so that the next one needs a "&"
	inValue bool
	verdict verdict // on the present field
	text    utf8Check
	offset  int64  // bytes of the body before src
	decoded []byte // the present name
}

var formPool = sync.Pool{New: func() any { return new(formScanner) }}

func newFormScanner(rules Rules) *formScanner {
	s := formPool.Get().(*formScanner)
	s.reset(rules)
	s.started, s.written, s.inValue = false, false, false
	s.verdict, s.text, s.offset = keep, utf8Check{}, 0
	return s
}

func (s *formScanner) release() {
	s.forget()
	formPool.Put(s)
}

func (s *formScanner) scan(dst, src []byte, last bool) ([]byte, int, error) {
	if !s.started {
		s.started = true
		for _, field := range s.rules.Set {
			dst = s.separate(dst)
			dst = appendFormEscaped(dst, field.Name)
			dst = append(dst, '=')
			dst = appendFormEscaped(dst, field.Value)
		}
	}
	i := 0
	for i < len(src) {
		var next int
		var reason string
		if s.inValue {
			dst, next, reason = s.value(dst, src, i, last)
		} else {
			dst, next, reason = s.name(dst, src, i, last)
		}
		if reason != "" {
			return dst, next, &SyntaxError{Offset: s.offset + int64(next), Reason: reason}
		}
		if next == i { // it needs more
			break
		}
		i = next
	}
	s.offset += int64(i)
	if last && !s.text.complete() {
		return dst, i, &SyntaxError{Offset: s.offset, Reason: notUTF8}
	}
	return dst, i, nil
}

const (
	notUTF8    = "a value is not valid UTF-8"
	badPercent = "a % without two hexadecimal digits; write % as %25"
)

func (s *formScanner) separate(dst []byte) []byte {
	if s.written {
		dst = append(dst, '&')
	}
	s.written = true
	return dst
}

// name goes over a whole name and the "=" or "&" behind it, or over superfluous "&". It returns i
// when src must have more.
func (s *formScanner) name(dst, src []byte, i int, last bool) ([]byte, int, string) {
	if src[i] == '&' {
		for i < len(src) && src[i] == '&' {
			i++
		}
		return dst, i, ""
	}
	window := src[i:]
	if len(window) > maxName+1 {
		window = window[:maxName+1]
	}
	end := nameEnd(window)
	switch {
	case end < 0 && len(window) > maxName:
		return dst, i, "a name is too long"
	case end < 0 && !last:
		return dst, i, ""
	case end < 0:
		end = len(window)
	}
	var ok bool
	s.decoded, ok = appendFormDecoded(s.decoded[:0], window[:end])
	if !ok {
		return dst, i, badPercent
	}
	reason := checkName(s.decoded)
	if reason != "" {
		return dst, i, reason
	}
	s.verdict, reason = s.bracketed(s.decoded, false)
	if reason != "" {
		return dst, i, reason
	}
	s.inValue = end < len(window) && window[end] == '='
	if s.verdict != drop {
		dst = s.separate(dst)
		dst = appendFormEscaped(dst, s.decoded)
		if s.inValue {
			dst = append(dst, '=')
		}
	}
	if end < len(window) {
		end++
	}
	return dst, i + end, ""
}

// value goes over as much of a value as there is, and the "&" behind it.
func (s *formScanner) value(dst, src []byte, i int, last bool) ([]byte, int, string) {
	for i < len(src) {
		end := i + plainFormPrefix(src[i:])
		if end > i {
			if !s.text.complete() {
				return dst, i, notUTF8
			}
			if s.verdict != drop {
				dst = append(dst, src[i:end]...)
			}
			i = end
			continue
		}
		c, size := src[i], 1
		if c == '&' {
			if !s.text.complete() {
				return dst, i, notUTF8
			}
			s.inValue = false
			return dst, i + 1, ""
		}
		if c == '%' {
			if len(src)-i < 3 && !last {
				return dst, i, ""
			}
			if len(src)-i < 3 || unhex(src[i+1]) < 0 || unhex(src[i+2]) < 0 {
				return dst, i, badPercent
			}
			c, size = byte(unhex(src[i+1])<<4|unhex(src[i+2])), 3
		}
		if !s.text.next(c) {
			return dst, i, notUTF8
		}
		if s.verdict == single && isSeparator(c) {
			return dst, i, notSingle
		}
		switch {
		case s.verdict == drop:
		case size == 3:
			dst = append(dst, src[i:i+3]...)
		case c == ',' || c >= utf8.RuneSelf:
			dst = append(dst, c)
		default:
			dst = appendPercent(dst, c)
		}
		i += size
	}
	return dst, i, ""
}

// nameEnd returns where the first "=" or "&" is, or -1.
func nameEnd(src []byte) int {
	for i, c := range src {
		if c == '=' || c == '&' {
			return i
		}
	}
	return -1
}

// plainInForm tells the ASCII characters of a value that no rule is about.
var plainInForm = func() (plain [256]bool) {
	for c := ' '; c < 0x7f; c++ {
		plain[c] = c != '%' && c != '&' && c != ';' && c != '=' && c != ','
	}
	return plain
}()

// plainFormPrefix returns how many bytes at the start of src are such characters.
func plainFormPrefix(src []byte) int {
	for i, c := range src {
		if !plainInForm[c] {
			return i
		}
	}
	return len(src)
}

// appendFormDecoded undoes the escapes of a name. It is not ok when one is malformed.
func appendFormDecoded(dst, raw []byte) (out []byte, ok bool) {
	for i := 0; i < len(raw); i++ {
		c := raw[i]
		switch c {
		case '+':
			c = ' '
		case '%':
			if i+2 >= len(raw) || unhex(raw[i+1]) < 0 || unhex(raw[i+2]) < 0 {
				return dst, false
			}
			c = byte(unhex(raw[i+1])<<4 | unhex(raw[i+2]))
			i += 2
		}
		dst = append(dst, c)
	}
	return dst, true
}

// appendFormEscaped writes a name or value as WHATWG's serializer does, but for brackets in
// names, which stay as they are: there are parsers that look for them before they decode.
func appendFormEscaped[T string | []byte](dst []byte, s T) []byte {
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case isLetterOrDigit(c), c == '-', c == '.', c == '_', c == '*', c == '[', c == ']':
			dst = append(dst, c)
		case c == ' ':
			dst = append(dst, '+')
		default:
			dst = appendPercent(dst, c)
		}
	}
	return dst
}

func appendPercent(dst []byte, c byte) []byte {
	return append(dst, '%', hexDigits[c>>4], hexDigits[c&15])
}

// utf8Check validates UTF-8 that comes byte by byte.
type utf8Check struct {
	need   int  // continuation bytes still to come
	lo, hi byte // what the next one may be
}

// complete tells that no character is unfinished.
func (u *utf8Check) complete() bool {
	return u.need == 0
}

// next takes a byte and tells whether the text is valid so far.
func (u *utf8Check) next(c byte) bool {
	if u.need > 0 {
		if c < u.lo || c > u.hi {
			return false
		}
		u.need, u.lo, u.hi = u.need-1, 0x80, 0xbf
		return true
	}
	u.lo, u.hi = 0x80, 0xbf
	switch {
	case c < utf8.RuneSelf:
	case c < 0xc2: // a continuation byte, or an overlong form
		return false
	case c < 0xe0:
		u.need = 1
	case c < 0xf0:
		u.need = 2
		if c == 0xe0 {
			u.lo = 0xa0
		} else if c == 0xed { // surrogates
			u.hi = 0x9f
		}
	case c < 0xf5:
		u.need = 3
		if c == 0xf0 {
			u.lo = 0x90
		} else if c == 0xf4 { // beyond U+10FFFF
			u.hi = 0x8f
		}
	default:
		return false
	}
	return true
}
