package bodyedit

import (
	"fmt"
	"strings"
)

type kind uint8

const (
	kindUnknown kind = iota // to be found by looking at the body
	kindJSON
	kindForm
	kindMultipart
)

const (
	typeJSON      = "application/json"
	typeForm      = "application/x-www-form-urlencoded"
	typeMultipart = "multipart/form-data"
)

var errNotKnown = fmt.Errorf("%w: send a JSON object, a form or multipart/form-data, with its Content-Type", ErrUnsupported)

// kindOf tells how a body with this Content-Type is to be read, and the boundary when it is
// multipart.
func kindOf(contentType string) (kind, string, error) {
	switch contentType { // what nearly everybody sends
	case typeJSON:
		return kindJSON, "", nil
	case typeForm:
		return kindForm, "", nil
	case "":
		return kindUnknown, "", nil
	}
	header, ok := parseHeaderValue(contentType)
	if !ok {
		return 0, "", fmt.Errorf("%w: malformed Content-Type", ErrUnsupported)
	}
	if charset, _ := header.param("charset"); !utf8Charset(charset) {
		return 0, "", fmt.Errorf("%w: send it in UTF-8", ErrUnsupported)
	}
	mediaType := strings.ToLower(header.value)
	switch mediaType {
	case typeJSON, "text/json":
		return kindJSON, "", nil
	case typeForm:
		return kindForm, "", nil
	case typeMultipart:
		boundary, ok := header.param("boundary")
		if !ok || !validBoundary(boundary) {
			return 0, "", fmt.Errorf("%w: multipart/form-data needs a boundary of 1 to 70 letters, digits or '()+_,-./:=?", ErrUnsupported)
		}
		return kindMultipart, boundary, nil
	case "text/plain", "application/octet-stream":
		return kindUnknown, "", nil
	}
	if strings.HasPrefix(mediaType, "application/") && strings.HasSuffix(mediaType, "+json") {
		return kindJSON, "", nil
	}
	return 0, "", errNotKnown
}

// contentTypeOf is the one way in which the Content-Type of a rewritten body is written.
func contentTypeOf(kind kind, boundary string) string {
	switch kind {
	case kindForm:
		return typeForm
	case kindMultipart:
		if isToken(boundary) {
			return typeMultipart + "; boundary=" + boundary
		}
		return typeMultipart + `; boundary="` + boundary + `"`
	default:
		return typeJSON
	}
}

// utf8Charset tells whether text in this character set is UTF-8 as well. No charset means UTF-8.
func utf8Charset(charset string) bool {
	switch strings.ToLower(charset) {
	case "", "utf-8", "utf8", "us-ascii", "ascii":
		return true
	}
	return false
}

// validBoundary holds a boundary to RFC 2046 §5.1.1, without the space that it allows inside:
// parsers differ about it.
func validBoundary(boundary string) bool {
	if len(boundary) == 0 || len(boundary) > 70 {
		return false
	}
	for i := 0; i < len(boundary); i++ {
		c := boundary[i]
		if !isLetterOrDigit(c) && strings.IndexByte("'()+_,-./:=?", c) < 0 {
			return false
		}
	}
	return true
}
