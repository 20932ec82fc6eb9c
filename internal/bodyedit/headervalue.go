package bodyedit

import "strings"

// maxParams is how many parameters a header value may have; real ones have at most four.
const maxParams = 8

// headerValue is a header value of the form that Content-Type and Content-Disposition share:
// value *( ";" name "=" ( token / quoted-string ) ).
type headerValue struct {
	value  string
	params [maxParams]headerParam
	count  int
}

type headerParam struct {
	name string
	text string // without the quotes, but with the backslashes of quoted pairs
}

// param returns the parameter with this name, in any case.
func (h *headerValue) param(name string) (string, bool) {
	for _, p := range h.params[:h.count] {
		if strings.EqualFold(p.name, name) {
			return p.text, true
		}
	}
	return "", false
}

// parseHeaderValue reads a header value strictly: nothing before, between or after its pieces but
// spaces, no parameter twice, none without a value, none in pieces (name*0). A last ";" with
// nothing after it is tolerated, because clients write it and all parsers skip it.
func parseHeaderValue(s string) (h headerValue, ok bool) {
	rest := strings.Trim(s, " \t")
	end := strings.IndexAny(rest, "; \t")
	if end < 0 {
		end = len(rest)
	}
	h.value, rest = rest[:end], rest[end:]
	for _, piece := range strings.Split(h.value, "/") {
		if !isToken(piece) {
			return h, false
		}
	}
	for {
		rest = strings.TrimLeft(rest, " \t")
		if rest == "" {
			return h, true
		}
		if rest[0] != ';' {
			return h, false
		}
		rest = strings.TrimLeft(rest[1:], " \t")
		if rest == "" {
			return h, true
		}
		var p headerParam
		if p, rest, ok = parseParam(rest); !ok || h.count == maxParams {
			return h, false
		}
		if _, twice := h.param(p.name); twice {
			return h, false
		}
		h.params[h.count] = p
		h.count++
	}
}

func parseParam(s string) (p headerParam, rest string, ok bool) {
	name, rest, found := strings.Cut(s, "=")
	if !found || !isToken(name) {
		return p, "", false
	}
	// name* is RFC 8187; anything else with an asterisk is a continuation (RFC 2231).
	if star := strings.IndexByte(name, '*'); star >= 0 && star != len(name)-1 {
		return p, "", false
	}
	p.name = name
	if rest == "" || rest[0] != '"' {
		end := strings.IndexAny(rest, "; \t")
		if end < 0 {
			end = len(rest)
		}
		p.text, rest = rest[:end], rest[end:]
		return p, rest, isToken(p.text)
	}
	for i := 1; i < len(rest); i++ {
		switch c := rest[i]; {
		case c == '"':
			p.text = rest[1:i]
			return p, rest[i+1:], !hasControl(p.text)
		case c == '\\':
			i++
		}
	}
	return p, "", false
}

// isToken tells whether s is an RFC 9110 token.
func isToken(s string) bool {
	for i := 0; i < len(s); i++ {
		if c := s[i]; !isLetterOrDigit(c) && strings.IndexByte("!#$%&'*+-.^_`|~", c) < 0 {
			return false
		}
	}
	return s != ""
}

func isLetterOrDigit(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}
