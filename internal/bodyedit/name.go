package bodyedit

import (
	"bytes"
	"unicode"
	"unicode/utf8"
)

// maxName is how long a name may be as written, in bytes.
const maxName = 1 << 10

// protoName is the name that a JavaScript server may take for an object's prototype, so that its
// members appear to be members of the body itself.
const protoName = "__proto__"

// NormalizeName brings all spellings of a name that some server may take for the same to one:
// session_id, sessionId, SESSION-ID, "session.id", session_id[] and [session_id] all become
// "sessionid". Letters are folded (as Unicode's simple case folding does, so that the long s
// and the Kelvin sign count as s and k; the dotless and the dotted i count as i), white space,
// underscores, hyphens, dots and invisible characters are left out, and the name ends at the
// first bracket that has something before it. Escapes must have been undone before.
func NormalizeName(name string) string {
	var buf [64]byte
	normal := appendNormal(buf[:0], []byte(name))
	if string(normal) == name {
		return name
	}
	return string(normal)
}

func appendNormal(dst, name []byte) []byte {
	start := len(dst)
	for i := 0; i < len(name); {
		c := name[i]
		if c >= utf8.RuneSelf {
			r, size := utf8.DecodeRune(name[i:])
			i += size
			if !leftOut(r) {
				dst = utf8.AppendRune(dst, foldRune(r))
			}
			continue
		}
		i++
		switch {
		case 'A' <= c && c <= 'Z':
			dst = append(dst, c+'a'-'A')
		case c == '[' || c == ']':
			if len(dst) > start {
				return dst
			}
		case c <= ' ' || c == '_' || c == '-' || c == '.' || c == 0x7f:
		default:
			dst = append(dst, c)
		}
	}
	return dst
}

// Inside tells whether a name such as a[b][c] or a.b.c is put together of names, one of which is
// selected once it went through NormalizeName: what Rules.Nested is to bodies, for the names of
// query parameters.
func Inside(name string, selects func(normalized string) bool) bool {
	return anySegment([]byte(name), func(segment []byte) bool { return selects(NormalizeName(string(segment))) })
}

// anySegment tells whether test is true for one of the names that a name is put together of. Of
// one that stands alone it is none.
func anySegment(name []byte, test func(segment []byte) bool) bool {
	if bytes.IndexByte(name, '.') < 0 && bytes.IndexByte(name, '[') < 0 {
		return false
	}
	for len(name) > 0 {
		end := bytes.IndexAny(name, ".[]")
		if end < 0 {
			end = len(name)
		}
		if end > 0 && test(name[:end]) {
			return true
		}
		name = name[min(end+1, len(name)):]
	}
	return false
}

// leftOut tells the characters beyond ASCII that a reader does not see as part of a name.
func leftOut(r rune) bool {
	return unicode.IsSpace(r) || unicode.In(r, unicode.Cc, unicode.Cf, unicode.Pc, unicode.Pd)
}

// foldRune maps all runes that are the same without regard to case to one of them. Upper-casing
// first and then lower-casing covers servers that do either (dotless and dotted i); the smallest
// of the fold's orbit covers those that fold.
func foldRune(r rune) rune {
	r = unicode.ToLower(unicode.ToUpper(r))
	smallest := r
	for f := unicode.SimpleFold(r); f != r; f = unicode.SimpleFold(f) {
		smallest = min(smallest, f)
	}
	return unicode.ToLower(smallest)
}

// checkName tells what is wrong with the decoded name of a form field or part, or "". Brackets
// must be those of name[a][b]: parsers of forms read "[a]", "a[b" and "a[b]c" each in their own
// way, some of them as the plain name that a rule drops.
func checkName(name []byte) string {
	switch {
	case len(name) == 0:
		return "a field has no name"
	case len(name) > maxName:
		return "a name is too long"
	case name[0] == '{':
		return "a form was expected; send JSON with Content-Type: application/json"
	case !utf8.Valid(name):
		return "a name is not valid UTF-8"
	case hasControl(name):
		return "a name has a control character in it"
	case bytes.ContainsAny(name, `"%&;=\`):
		return `a name has one of "%&;=\ in it`
	}
	return checkBrackets(name)
}

func checkBrackets(name []byte) string {
	base, rest := cutBracket(name)
	if len(base) == 0 || bytes.IndexByte(base, ']') >= 0 {
		return "a name has misplaced brackets"
	}
	if string(base) == protoName {
		return "the name " + protoName + " is not allowed"
	}
	for len(rest) > 0 {
		inner, after, ok := nextBracket(rest)
		if !ok {
			return "a name has misplaced brackets"
		}
		if string(inner) == protoName {
			return "the name " + protoName + " is not allowed"
		}
		rest = after
	}
	return ""
}

// cutBracket splits name[a][b] into name and [a][b].
func cutBracket(name []byte) (base, rest []byte) {
	if i := bytes.IndexByte(name, '['); i >= 0 {
		return name[:i], name[i:]
	}
	return name, nil
}

// nextBracket splits [a][b] into a and [b].
func nextBracket(s []byte) (inner, rest []byte, ok bool) {
	end := bytes.IndexByte(s, ']')
	if s[0] != '[' || end < 0 || bytes.IndexByte(s[1:end], '[') >= 0 {
		return nil, nil, false
	}
	return s[1:end], s[end+1:], true
}

func hasControl[T string | []byte](s T) bool {
	for i := 0; i < len(s); i++ {
		if c := s[i]; c < ' ' || c == 0x7f {
			return true
		}
	}
	return false
}
