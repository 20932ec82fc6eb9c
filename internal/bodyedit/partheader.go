package bodyedit

import (
	"strings"
	"unicode/utf8"
)

// partHeader is what is passed on of the header of a part.
type partHeader struct {
	name        string
	isFile      bool
	filename    string
	contentType string // as it came, "" = none
}

// append writes the header in the one way that all parsers agree about.
func (p *partHeader) append(dst []byte) []byte {
	dst = append(dst, `Content-Disposition: form-data; name="`...)
	dst = append(append(dst, p.name...), '"')
	if p.isFile {
		dst = append(dst, `; filename="`...)
		dst = append(append(dst, p.filename...), '"')
	}
	dst = append(dst, "\r\n"...)
	if p.contentType != "" {
		dst = append(append(append(dst, "Content-Type: "...), p.contentType...), "\r\n"...)
	}
	return dst
}

// parsePartHeader reads the header of a part without its last line break. The reason tells what is
// wrong with it.
func parsePartHeader(header []byte) (p partHeader, reason string) {
	const malformed = "a malformed header of a part"
	if !utf8.Valid(header) {
		return p, "the header of a part is not valid UTF-8"
	}
	var disposition, contentType, encoding string
	for line := range strings.SplitSeq(string(header), "\r\n") {
		name, value, found := strings.Cut(line, ":")
		value = strings.Trim(value, " \t")
		// A folded line has no token before its colon.
		if !found || !isToken(name) || value == "" || hasControl(value) {
			return p, malformed
		}
		var field *string
		switch {
		case strings.EqualFold(name, "Content-Disposition"):
			field = &disposition
		case strings.EqualFold(name, "Content-Type"):
			field = &contentType
		case strings.EqualFold(name, "Content-Transfer-Encoding"):
			field = &encoding
		default:
			continue
		}
		if *field != "" {
			return p, "a header of a part is given twice"
		}
		*field = value
	}
	switch strings.ToLower(encoding) {
	case "", "7bit", "8bit", "binary":
	default:
		return p, "the content of a part has a transfer encoding"
	}
	if reason = p.parseDisposition(disposition); reason != "" {
		return p, reason
	}
	return p, p.parseContentType(contentType)
}

// parseDisposition takes the name and the file's name from a Content-Disposition.
func (p *partHeader) parseDisposition(disposition string) (reason string) {
	header, ok := parseHeaderValue(disposition)
	if !ok || !strings.EqualFold(header.value, "form-data") {
		return "a part without a well-formed Content-Disposition: form-data"
	}
	if _, ok = header.param("name*"); ok {
		return "name*= is not allowed for a part"
	}
	p.name, _ = header.param("name")
	if reason = checkName([]byte(p.name)); reason != "" {
		return reason
	}
	plain, isPlain := header.param("filename")
	extended, isExtended := header.param("filename*")
	p.isFile = isPlain || isExtended
	p.filename = unquotePairs(plain)
	if isExtended {
		decoded, ok := decodeExtended(extended)
		if !ok && !isPlain {
			return "a malformed filename*="
		}
		if ok {
			p.filename = decoded
		}
	}
	if hasControl(p.filename) {
		return "a file name has a control character in it"
	}
	// Folders are of no use to a server, and a backslash means something else to each parser.
	if i := strings.LastIndexAny(p.filename, `/\`); i >= 0 {
		p.filename = p.filename[i+1:]
	}
	p.filename = strings.ReplaceAll(p.filename, `"`, "%22")
	return ""
}

// parseContentType checks the Content-Type of a part.
func (p *partHeader) parseContentType(contentType string) (reason string) {
	if contentType == "" {
		return ""
	}
	const malformed = "a malformed Content-Type of a part"
	header, ok := parseHeaderValue(contentType)
	if !ok || strings.Count(header.value, "/") != 1 {
		return malformed
	}
	for i := 0; i < len(contentType); i++ {
		if c := contentType[i]; c >= utf8.RuneSelf || c == '\\' {
			return malformed
		}
	}
	switch family, _, _ := strings.Cut(strings.ToLower(header.value), "/"); family {
	case "multipart", "message":
		return "a part may not consist of parts"
	}
	if charset, _ := header.param("charset"); !p.isFile && !utf8Charset(charset) {
		return "a field that is not in UTF-8"
	}
	p.contentType = contentType
	return ""
}

// unquotePairs undoes the escapes \" and \\. Other backslashes stay: browsers write them as they
// are.
func unquotePairs(s string) string {
	if strings.IndexByte(s, '\\') < 0 {
		return s
	}
	return strings.NewReplacer(`\\`, `\`, `\"`, `"`).Replace(s)
}

// decodeExtended reads an RFC 8187 value in UTF-8.
func decodeExtended(s string) (string, bool) {
	pieces := strings.SplitN(s, "'", 3)
	if len(pieces) != 3 || !strings.EqualFold(pieces[0], "utf-8") {
		return "", false
	}
	escaped := strings.ReplaceAll(pieces[2], "+", "%2B") // a plus is no space here
	decoded, ok := appendFormDecoded(nil, []byte(escaped))
	return string(decoded), ok && utf8.Valid(decoded)
}
