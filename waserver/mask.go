package waserver

import (
	"bytes"
	"encoding/json"

	"github.com/genfity/wa-gateway/internal/bodyedit"
)

// maxMaskDepth is how deeply an answer may be nested to be shown at all.
const maxMaskDepth = 64

// masked stands where a credential stood.
const masked = `"***"`

// Mask makes a WA server's answer fit to be shown to one tenant. body is one JSON
// document of any shape. The value of each member that holds a credential by its
// name becomes "***", at every depth and each time that the name occurs; null,
// true, false and what is empty tell nothing and stay. Elements of arrays that
// are objects and name a session for which foreign is true are left out; a nil
// foreign leaves none out. White space between tokens is left out as well. All
// else stays as it is written: order, duplicates, the spelling of numbers.
//
// ok is false for what is no JSON or is nested too deeply to be looked through:
// then nothing of it may be shown.
func Mask(body []byte, foreign func(sessionID string) bool) (shown []byte, ok bool) {
	if !json.Valid(body) || tooDeep(body, maxMaskDepth) {
		return nil, false
	}
	m := masker{src: body, out: make([]byte, 0, len(body)), foreign: foreign}
	m.skipSpace()
	m.value()
	return m.out, true
}

// masker goes over a valid JSON document once and writes what may be shown.
type masker struct {
	src     []byte
	at      int // the next byte of src, never white space between calls
	out     []byte
	foreign func(string) bool
	kinds   map[string]memberKind // of the names that were met, as they are written
}

// memberKind is what a member's name tells of its value.
type memberKind uint8

const (
	plainKind   memberKind = iota
	secretKind             // a credential
	sessionKind            // the id of a session
	proxyKind              // a credential when it is a URL that holds one
)

// maxKinds bounds how many names are remembered: answers repeat a few.
const maxKinds = 256

// kindOf tells the kind of the member with this name, a JSON string.
func (m *masker) kindOf(raw []byte) memberKind {
	if kind, ok := m.kinds[string(raw)]; ok {
		return kind
	}
	kind := plainKind
	switch name := bodyedit.NormalizeName(unquote(raw)); {
	case secretMember(name):
		kind = secretKind
	case namesSession(name):
		kind = sessionKind
	case name == "proxy":
		kind = proxyKind
	}
	if m.kinds == nil {
		m.kinds = make(map[string]memberKind)
	}
	if len(m.kinds) < maxKinds {
		m.kinds[string(raw)] = kind
	}
	return kind
}

// value goes over one value. It tells whether it is an object that names a
// foreign session.
func (m *masker) value() (foreign bool) {
	switch m.src[m.at] {
	case '{':
		return m.object()
	case '[':
		m.array()
	default:
		m.out = append(m.out, m.scalar()...)
	}
	return false
}

func (m *masker) object() (foreign bool) {
	m.put('{')
	for m.src[m.at] != '}' {
		raw := m.scalar()
		m.out = append(m.out, raw...)
		m.put(':')
		switch kind := m.kindOf(raw); {
		case kind == secretKind, kind == proxyKind && m.holdsAt():
			m.hide()
		case kind == sessionKind && m.foreign != nil:
			before := len(m.out)
			m.value()
			id := scalarText(m.out[before:])
			foreign = foreign || id != "" && m.foreign(id)
		default:
			m.value()
		}
		if m.src[m.at] == ',' {
			m.put(',')
		}
	}
	m.put('}')
	return foreign
}

func (m *masker) array() {
	m.put('[')
	empty := true
	for m.src[m.at] != ']' {
		before := len(m.out)
		if !empty {
			m.out = append(m.out, ',')
		}
		if m.value() {
			m.out = m.out[:before]
		} else {
			empty = false
		}
		if m.src[m.at] == ',' {
			m.skip(1)
		}
	}
	m.put(']')
}

// hide goes over a member's value and writes what may be seen of it.
func (m *masker) hide() {
	before := len(m.out)
	foreign := m.foreign
	m.foreign = nil // nothing of it stays that could name a session
	m.value()
	m.foreign = foreign
	switch string(m.out[before:]) {
	case `null`, `true`, `false`, `""`, `{}`, `[]`:
	default:
		m.out = append(m.out[:before], masked...)
	}
}

// holdsAt tells whether the value that comes next is a string with an @ in it, as
// a URL with credentials is.
func (m *masker) holdsAt() bool {
	rest := m.src[m.at:]
	return rest[0] == '"' && bytes.IndexByte(rest[:stringEnd(rest)], '@') >= 0
}

// scalar goes over a string, number or word, and returns it as it is written.
func (m *masker) scalar() []byte {
	rest := m.src[m.at:]
	end := 0
	if rest[0] == '"' {
		end = stringEnd(rest)
	} else {
		for end < len(rest) && !isSpace(rest[end]) && rest[end] != ',' && rest[end] != ']' && rest[end] != '}' {
			end++
		}
	}
	m.skip(end)
	return rest[:end]
}

// put goes over one byte of the document's structure and writes it.
func (m *masker) put(c byte) {
	m.out = append(m.out, c)
	m.skip(1)
}

// skip goes over n bytes and the white space behind them.
func (m *masker) skip(n int) {
	m.at += n
	m.skipSpace()
}

func (m *masker) skipSpace() {
	for m.at < len(m.src) && isSpace(m.src[m.at]) {
		m.at++
	}
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\r' || c == '\n' }

// stringEnd returns where the JSON string ends that src starts with.
func stringEnd(src []byte) int {
	for i := 1; ; i++ {
		i += bytes.IndexByte(src[i:], '"')
		slashes := 0
		for src[i-1-slashes] == '\\' {
			slashes++
		}
		if slashes%2 == 0 {
			return i + 1
		}
	}
}

// unquote returns the text of a JSON string.
func unquote(raw []byte) string {
	if bytes.IndexByte(raw, '\\') < 0 {
		return string(raw[1 : len(raw)-1])
	}
	var s string
	if json.Unmarshal(raw, &s) != nil {
		return "" // it is valid, so this does not happen
	}
	return s
}

// scalarText returns the text of a string or number, and nothing for any other
// value.
func scalarText(raw []byte) string {
	switch c := raw[0]; {
	case c == '"':
		return unquote(raw)
	case c == '-' || '0' <= c && c <= '9':
		return string(raw)
	default:
		return ""
	}
}

// tooDeep tells whether a valid JSON document has more than limit objects and
// arrays open at once.
func tooDeep(src []byte, limit int) bool {
	depth := 0
	for i := 0; i < len(src); i++ {
		switch src[i] {
		case '"':
			i += stringEnd(src[i:]) - 1
		case '{', '[':
			if depth++; depth > limit {
				return true
			}
		case '}', ']':
			depth--
		}
	}
	return false
}
