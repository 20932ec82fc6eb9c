package bodyedit

import (
	"bytes"
	"sync"
)

// jsonSpace is the white space of RFC 8259.
const jsonSpace = " \t\r\n"

// maxNumber is how long a JSON number may be, in bytes. A float64 needs 24, and there are servers
// whose time to read a number grows with the square of its length.
const maxNumber = 128

// jsonState says what may come next, apart from white space.
type jsonState uint8

const (
	jsonStart        jsonState = iota // the body's "{"
	jsonFirstName                     // a name or "}"
	jsonName                          // a name
	jsonColon                         // ":"
	jsonFirstElement                  // a value or "]"
	jsonValue                         // a value
	jsonText                          // the rest of a string value
	jsonAfter                         // "," or the end of the object or array
	jsonDone                          // nothing
)

// Flags of an open object or array.
const (
	levelObject = 1 << iota // not an array
	levelFilled             // a member has been written already
)

// jsonScanner rewrites a JSON object.
type jsonScanner struct {
	filter
	state   jsonState
	levels  []byte  // one for each open object or array
	mute    int     // the level whose present member is dropped, 0 = none
	verdict verdict // on the value that comes next
	offset  int64   // bytes of the body before src
	decoded []byte  // scratch space for a name with escapes
}

var jsonPool = sync.Pool{New: func() any { return new(jsonScanner) }}

func newJSONScanner(rules Rules) *jsonScanner {
	s := jsonPool.Get().(*jsonScanner)
	s.reset(rules)
	s.state, s.levels, s.mute, s.verdict, s.offset = jsonStart, s.levels[:0], 0, keep, 0
	return s
}

func (s *jsonScanner) release() {
	s.forget()
	jsonPool.Put(s)
}

func (s *jsonScanner) scan(dst, src []byte, last bool) ([]byte, int, error) {
	i := 0
	for {
		if s.state != jsonText {
			for i < len(src) && isSpace(src[i]) {
				i++
			}
		}
		if i == len(src) {
			break
		}
		var next int
		var reason string
		dst, next, reason = s.token(dst, src, i, last)
		if reason != "" {
			return dst, next, &SyntaxError{Offset: s.offset + int64(next), Reason: reason}
		}
		if next == i { // it needs more
			break
		}
		i = next
	}
	s.offset += int64(i)
	if last && s.state != jsonDone {
		reason := "the JSON is cut short"
		if s.state == jsonStart {
			reason = "the body is empty; a JSON object was expected"
		}
		return dst, i, &SyntaxError{Offset: s.offset, Reason: reason}
	}
	return dst, i, nil
}

// token goes over the token at src[i], or over a part of it when it is a string value, and
// returns where it ended: at i when src must have more bytes. On a mistake it returns its place.
func (s *jsonScanner) token(dst, src []byte, i int, last bool) ([]byte, int, string) {
	c := src[i]
	switch s.state {
	case jsonText:
		return s.text(dst, src, i)
	case jsonStart:
		if c != '{' {
			return dst, i, "a JSON object was expected"
		}
		return s.start(dst), i + 1, ""
	case jsonFirstName, jsonName:
		if c == '}' && s.state == jsonFirstName {
			return s.closeLevel(dst, c), i + 1, ""
		}
		if c != '"' {
			return dst, i, "a name in double quotes was expected"
		}
		return s.name(dst, src, i)
	case jsonColon:
		if c != ':' {
			return dst, i, "a colon was expected"
		}
		s.state = jsonValue
		return s.put(dst, c), i + 1, ""
	case jsonAfter:
		return s.after(dst, c, i)
	case jsonDone:
		return dst, i, "nothing may follow the JSON object"
	case jsonFirstElement:
		if c == ']' {
			return s.closeLevel(dst, c), i + 1, ""
		}
	}
	return s.value(dst, src, i, last)
}

// start opens the body's object and puts the set fields in.
func (s *jsonScanner) start(dst []byte) []byte {
	dst = append(dst, '{')
	flags := byte(levelObject)
	for i, field := range s.rules.Set {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendJSONString(dst, field.Name)
		dst = append(dst, ':')
		dst = appendJSONString(dst, field.Value)
		flags |= levelFilled
	}
	s.levels = append(s.levels, flags)
	s.state = jsonFirstName
	return dst
}

// put appends a character unless the member that it belongs to is dropped.
func (s *jsonScanner) put(dst []byte, c byte) []byte {
	if s.mute != 0 {
		return dst
	}
	return append(dst, c)
}

// after goes over what follows a value. The comma of an object is written before the next member
// that is kept.
func (s *jsonScanner) after(dst []byte, c byte, i int) ([]byte, int, string) {
	object := s.levels[len(s.levels)-1]&levelObject != 0
	switch {
	case c == ',' && object:
		s.state = jsonName
		return dst, i + 1, ""
	case c == ',':
		s.state = jsonValue
		return s.put(dst, c), i + 1, ""
	case c == '}' && object, c == ']' && !object:
		return s.closeLevel(dst, c), i + 1, ""
	case object:
		return dst, i, "a comma or } was expected"
	}
	return dst, i, "a comma or ] was expected"
}

func (s *jsonScanner) closeLevel(dst []byte, c byte) []byte {
	dst = s.put(dst, c)
	s.levels = s.levels[:len(s.levels)-1]
	s.valueEnd()
	return dst
}

// valueEnd is called when a value is complete.
func (s *jsonScanner) valueEnd() {
	s.state = jsonAfter
	switch len(s.levels) {
	case 0:
		s.state = jsonDone
	case s.mute:
		s.mute = 0
	}
}

// name goes over a whole name and decides what becomes of its member.
func (s *jsonScanner) name(dst, src []byte, i int) ([]byte, int, string) {
	window := src[i+1:]
	if len(window) > maxName+1 {
		window = window[:maxName+1]
	}
	end, reason := scanText(window, 0)
	if reason != "" {
		return dst, i + 1 + end, reason
	}
	if end == len(window) || window[end] != '"' {
		if len(window) > maxName {
			return dst, i, "a name is too long"
		}
		return dst, i, ""
	}
	raw, next := window[:end], i+end+2
	s.state = jsonColon
	if s.mute != 0 {
		return dst, next, ""
	}
	dropped, reason := s.judge(raw)
	if reason != "" {
		return dst, i, reason
	}
	level := &s.levels[len(s.levels)-1]
	if dropped {
		s.mute = len(s.levels)
		return dst, next, ""
	}
	if *level&levelFilled != 0 {
		dst = append(dst, ',')
	}
	*level |= levelFilled
	return append(dst, src[i:next]...), next, ""
}

// judge applies the rules to a name as it is written.
func (s *jsonScanner) judge(raw []byte) (dropped bool, reason string) {
	top := len(s.levels) == 1
	matters := top || s.rules.Nested != nil
	name := raw
	if bytes.IndexByte(raw, '\\') >= 0 {
		var whole bool
		s.decoded, whole = appendUnescaped(s.decoded[:0], raw)
		if !whole && matters {
			return false, "a name has half a surrogate pair in it"
		}
		name = s.decoded
	}
	if string(name) == protoName {
		return false, "the name " + protoName + " is not allowed"
	}
	if matters && hasControl(name) {
		return false, "a name has a control character in it"
	}
	if !top {
		return s.nested(name), ""
	}
	s.verdict, reason = s.field(name, false)
	if s.verdict != drop && s.inside(name) {
		s.verdict = drop
	}
	return s.verdict == drop, reason
}

// value goes over a value's start: all of it when it is a number or a word.
func (s *jsonScanner) value(dst, src []byte, i int, last bool) ([]byte, int, string) {
	c := src[i]
	if (c == '{' || c == '[') && len(s.levels) == 1 && s.verdict >= scalar {
		return dst, i, notScalar
	}
	switch c {
	case '"':
		s.state = jsonText
		return s.put(dst, c), i + 1, ""
	case '{', '[':
		if len(s.levels) >= s.rules.MaxDepth {
			return dst, i, "the JSON is nested too deeply"
		}
		if c == '{' {
			s.levels, s.state = append(s.levels, levelObject), jsonFirstName
		} else {
			s.levels, s.state = append(s.levels, 0), jsonFirstElement
		}
		return s.put(dst, c), i + 1, ""
	case 't':
		return s.word(dst, src, i, "true")
	case 'f':
		return s.word(dst, src, i, "false")
	case 'n':
		return s.word(dst, src, i, "null")
	}
	if c == '-' || '0' <= c && c <= '9' {
		return s.number(dst, src, i, last)
	}
	return dst, i, "a value was expected"
}

func (s *jsonScanner) word(dst, src []byte, i int, word string) ([]byte, int, string) {
	rest := src[i:]
	if len(rest) > len(word) {
		rest = rest[:len(word)]
	}
	if string(rest) != word[:len(rest)] {
		return dst, i, "a value was expected"
	}
	if len(rest) < len(word) {
		return dst, i, ""
	}
	if s.mute == 0 {
		dst = append(dst, word...)
	}
	s.valueEnd()
	return dst, i + len(word), ""
}

func (s *jsonScanner) number(dst, src []byte, i int, last bool) ([]byte, int, string) {
	end := i
	for end < len(src) && end-i <= maxNumber && inNumber(src[end]) {
		end++
	}
	switch {
	case end-i > maxNumber:
		return dst, i, "a number is too long"
	case end == len(src) && !last:
		return dst, i, ""
	case !validNumber(src[i:end]):
		return dst, i, "a malformed number"
	}
	if s.mute == 0 {
		dst = append(dst, src[i:end]...)
	}
	s.valueEnd()
	return dst, end, ""
}

// text goes over as much of a string value as there is.
func (s *jsonScanner) text(dst, src []byte, i int) ([]byte, int, string) {
	end, reason := scanText(src, i)
	if s.verdict == single && len(s.levels) == 1 && splitsJSON(src[i:end]) {
		return dst, i, notSingle
	}
	if reason != "" {
		return dst, end, reason
	}
	closed := end < len(src) && src[end] == '"'
	if closed {
		end++
	}
	if s.mute == 0 {
		dst = append(dst, src[i:end]...)
	}
	if closed {
		s.valueEnd()
	}
	return dst, end, ""
}
