package bodyedit

import (
	"encoding/binary"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

func isSpace(c byte) bool {
	return c == ' ' || c == '\n' || c == '\r' || c == '\t'
}

// Constants to look at eight bytes at once.
const (
	eachByte = 0x0101010101010101
	highBits = 0x80 * eachByte
)

// plainPrefix returns how many bytes at the start of src are plain characters of a JSON string:
// ASCII, no control character, no quote, no backslash. It may stop early, never late.
func plainPrefix(src []byte) int {
	i := 0
	for ; i+8 <= len(src); i += 8 {
		x := binary.LittleEndian.Uint64(src[i:])
		quote := x ^ '"'*eachByte
		slash := x ^ '\\'*eachByte
		// x-n borrows into a byte's high bit where the byte is less than n.
		odd := x | (x - ' '*eachByte) | (quote - eachByte) | (slash - eachByte)
		if odd&highBits != 0 {
			break
		}
	}
	for i < len(src) && src[i] >= ' ' && src[i] != '"' && src[i] != '\\' && src[i] < utf8.RuneSelf {
		i++
	}
	return i
}

// scanText goes over a string's characters from src[i] on, strictly by RFC 8259, and returns where
// it stopped: at the closing quote, or where src ends or has only the start of a character or an
// escape. With a reason it returns the place of a mistake.
func scanText(src []byte, i int) (end int, reason string) {
	for {
		i += plainPrefix(src[i:])
		if i == len(src) {
			return i, ""
		}
		switch c := src[i]; {
		case c == '"':
			return i, ""
		case c < ' ':
			return i, "a control character in a string"
		case c == '\\':
			size, reason := escapeLength(src[i:])
			if size == 0 || reason != "" {
				return i, reason
			}
			i += size
		default:
			for i < len(src) && src[i] >= utf8.RuneSelf {
				r, size := utf8.DecodeRune(src[i:])
				if r == utf8.RuneError && size == 1 {
					if !utf8.FullRune(src[i:]) {
						return i, ""
					}
					return i, "invalid UTF-8 in a string"
				}
				i += size
			}
		}
	}
}

// escapeLength returns the length of the escape that src starts with, 0 when src ends inside.
func escapeLength(src []byte) (int, string) {
	if len(src) < 2 {
		return 0, ""
	}
	switch src[1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2, ""
	case 'u':
		for j := 2; j < 6; j++ {
			if j == len(src) {
				return 0, ""
			}
			if unhex(src[j]) < 0 {
				return 0, "a malformed escape in a string"
			}
		}
		return 6, ""
	}
	return 0, "a malformed escape in a string"
}

// appendUnescaped appends a valid JSON string's characters without escapes. Half a surrogate pair
// becomes the replacement character, and whole is false.
func appendUnescaped(dst, raw []byte) (out []byte, whole bool) {
	whole = true
	for i := 0; i < len(raw); {
		if raw[i] != '\\' {
			dst = append(dst, raw[i])
			i++
			continue
		}
		if raw[i+1] != 'u' {
			dst = append(dst, unescape(raw[i+1]))
			i += 2
			continue
		}
		r := codeUnit(raw[i:])
		i += 6
		if utf16.IsSurrogate(r) {
			pair := rune(utf8.RuneError)
			if i+6 <= len(raw) && raw[i] == '\\' && raw[i+1] == 'u' {
				pair = utf16.DecodeRune(r, codeUnit(raw[i:]))
			}
			if pair == utf8.RuneError {
				whole = false
			} else {
				i += 6
			}
			r = pair
		}
		dst = utf8.AppendRune(dst, r)
	}
	return dst, whole
}

// unescape returns what the character after a backslash stands for.
func unescape(c byte) byte {
	switch c {
	case 'b':
		return '\b'
	case 'f':
		return '\f'
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	}
	return c
}

// codeUnit returns the number in a \uXXXX that esc starts with.
func codeUnit(esc []byte) rune {
	var r rune
	for _, c := range esc[2:6] {
		r = r<<4 | rune(unhex(c))
	}
	return r
}

// unhex returns a hexadecimal digit's value, or -1.
func unhex(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c && c <= 'f':
		return int(c-'a') + 10
	case 'A' <= c && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}

// splitsJSON tells whether a string's characters, whole escapes only, have one of those in them
// at which a server may split.
func splitsJSON(part []byte) bool {
	for i := 0; i < len(part); i++ {
		c := part[i]
		if c == '\\' {
			esc := part[i:]
			i++
			if c = unescape(esc[1]); c == 'u' {
				i += 4
				if r := codeUnit(esc); r < utf8.RuneSelf {
					c = byte(r)
				}
			}
		}
		if isSeparator(c) {
			return true
		}
	}
	return false
}

// separators are the characters that lists in a text are split at.
const separators = ",;\r\n"

func isSeparator(c byte) bool {
	return strings.IndexByte(separators, c) >= 0
}

func inNumber(c byte) bool {
	return '0' <= c && c <= '9' || c == '-' || c == '+' || c == '.' || c == 'e' || c == 'E'
}

// validNumber holds a number to the grammar of RFC 8259 §6.
func validNumber(s []byte) bool {
	if len(s) > 0 && s[0] == '-' {
		s = s[1:]
	}
	rest := digits(s)
	if len(rest) == len(s) || s[0] == '0' && len(rest) < len(s)-1 {
		return false
	}
	if s = rest; len(s) > 0 && s[0] == '.' {
		if rest = digits(s[1:]); len(rest) == len(s)-1 {
			return false
		}
		s = rest
	}
	if len(s) > 0 && (s[0] == 'e' || s[0] == 'E') {
		s = s[1:]
		if len(s) > 0 && (s[0] == '+' || s[0] == '-') {
			s = s[1:]
		}
		if rest = digits(s); len(rest) == len(s) {
			return false
		}
		s = rest
	}
	return len(s) == 0
}

// digits returns s without the decimal digits that it starts with.
func digits(s []byte) []byte {
	for len(s) > 0 && '0' <= s[0] && s[0] <= '9' {
		s = s[1:]
	}
	return s
}

const hexDigits = "0123456789ABCDEF"

// appendJSONString appends s as a JSON string. Bytes that are not UTF-8 become the replacement
// character.
func appendJSONString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			dst = append(dst, '\\', byte(r))
		case r < ' ':
			dst = append(dst, '\\', 'u', '0', '0', hexDigits[r>>4], hexDigits[r&15])
		default:
			dst = utf8.AppendRune(dst, r)
		}
	}
	return append(dst, '"')
}
