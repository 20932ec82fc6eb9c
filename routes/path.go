package routes

import (
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"
)

// The bounds of a path in its normal form.
const (
	maxPath     = 2048
	maxSegments = 16
	maxID       = 255
)

// Segments brings an escaped path (url.URL.EscapedPath) below prefix to its
// normal form: its segments, each decoded exactly once. Spellings with which
// parsers can be played off against each other have no normal form and are
// ErrNotFound: empty and dot segments, encoded slashes, backslashes, control
// characters, invalid UTF-8, a second layer of encoding, path parameters (";"),
// segments that end in a dot.
func Segments(escapedPath, prefix string) ([]string, error) {
	if len(escapedPath) > maxPath {
		return nil, ErrNotFound
	}
	rest, ok := strings.CutPrefix(escapedPath, prefix)
	if !ok || rest == "" {
		return nil, ErrNotFound
	}
	if strings.Count(rest, "/") >= maxSegments {
		return nil, ErrNotFound
	}
	segments := strings.Split(rest, "/")
	for i, raw := range segments {
		segment := raw
		if strings.IndexByte(raw, '%') >= 0 {
			var err error
			if segment, err = url.PathUnescape(raw); err != nil {
				return nil, ErrNotFound
			}
		}
		if !validSegment(segment) {
			return nil, ErrNotFound
		}
		segments[i] = segment
	}
	return segments, nil
}

func validSegment(s string) bool {
	if s == "" || s[len(s)-1] == '.' || !utf8.ValidString(s) {
		return false
	}
	for _, r := range s {
		switch {
		case r == '/' || r == '\\' || r == '%' || r == ';' || r == '?' || r == '#':
			return false
		case unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || r == '\uFEFF' || r == utf8.RuneError:
			return false
		}
	}
	return true
}

// ValidID tells whether s can be the id of a user or a session: 1 to 255
// printable ASCII characters that need no escaping anywhere an id can stand
// (path, query, header, JSON) and hold no path syntax.
func ValidID(s string) bool {
	if s == "" || len(s) > maxID || s == "." || s == ".." {
		return false
	}
	for i := range len(s) {
		c := s[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		case c == '-' || c == '_' || c == '.' || c == ':' || c == '@' || c == '+' || c == '|' || c == '~':
		default:
			return false
		}
	}
	return true
}
