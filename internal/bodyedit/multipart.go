package bodyedit

import (
	"bytes"
	"errors"
	"fmt"
	"sync"
)

// maxPartHeader is how long the header of a part may be, in bytes.
const maxPartHeader = 8 << 10

// multipartState says what comes next.
type multipartState uint8

const (
	partStart     multipartState = iota // the first boundary, perhaps after a CRLF
	partDelimited                       // what follows a boundary: CRLF or "--"
	partHeaders                         // a part's header
	partContent                         // the rest of a part's content
	partEpilogue                        // a CRLF or nothing
	partDone                            // nothing
)

// multipartScanner rewrites multipart/form-data. Part headers are written anew. The boundary stays,
// which is safe because it is refused wherever it stands but where all parsers take it for one.
type multipartScanner struct {
	filter
	delimiter []byte // "--" and the boundary
	wrong     error  // about the boundary or the fields to set
	state     multipartState
	started   bool
	verdict   verdict // on the present part
	offset    int64   // bytes of the body before src
	scratch   []byte  // a part's header, written anew
}

var multipartPool = sync.Pool{New: func() any { return new(multipartScanner) }}

func newMultipartScanner(boundary string, rules Rules) *multipartScanner {
	s := multipartPool.Get().(*multipartScanner)
	s.reset(rules)
	s.delimiter = append(append(s.delimiter[:0], "--"...), boundary...)
	s.state, s.started, s.verdict, s.offset, s.wrong = partStart, false, keep, 0, nil
	if !validBoundary(boundary) {
		s.wrong = errors.New("bodyedit: invalid boundary")
	}
	return s
}

func (s *multipartScanner) release() {
	s.forget()
	multipartPool.Put(s)
}

func (s *multipartScanner) scan(dst, src []byte, last bool) ([]byte, int, error) {
	if !s.started {
		s.started = true
		dst = s.putFields(dst)
	}
	if s.wrong != nil {
		return dst, 0, s.wrong
	}
	i := 0
	for s.state != partDone && (i < len(src) || last) {
		var next int
		var reason string
		dst, next, reason = s.step(dst, src, i, last)
		if reason != "" {
			return dst, next, &SyntaxError{Offset: s.offset + int64(next), Reason: reason}
		}
		if next == i && s.state != partDone { // it needs more
			break
		}
		i = next
	}
	s.offset += int64(i)
	switch {
	case s.state == partDone && i < len(src):
		return dst, i, &SyntaxError{Offset: s.offset, Reason: "nothing may follow the final boundary"}
	case s.state != partDone && last:
		return dst, i, &SyntaxError{Offset: s.offset, Reason: "the final boundary is missing"}
	}
	return dst, i, nil
}

// putFields writes the parts to set.
func (s *multipartScanner) putFields(dst []byte) []byte {
	for _, field := range s.rules.Set {
		if reason := checkName([]byte(field.Name)); reason != "" {
			s.wrong = fmt.Errorf("bodyedit: a field to set: %s", reason)
			return dst
		}
		dst = append(append(dst, s.delimiter...), "\r\nContent-Disposition: form-data; name=\""...)
		dst = append(append(dst, field.Name...), "\"\r\n\r\n"...)
		start := len(dst)
		dst = append(dst, field.Value...)
		if bytes.Contains(dst[start:], s.delimiter) {
			s.wrong = &SyntaxError{Reason: "the boundary occurs in a field that the gateway sets"}
			return dst
		}
		dst = append(dst, "\r\n"...)
	}
	return dst
}

// step goes over the next piece of syntax, or over as much of a part's content as there is. It
// returns where it ended: at i when src must have more.
func (s *multipartScanner) step(dst, src []byte, i int, last bool) ([]byte, int, string) {
	rest := src[i:]
	switch s.state {
	case partStart:
		size := len(s.delimiter)
		if len(rest) > 0 && rest[0] == '\r' {
			size += 2
		}
		if len(rest) < size && !last {
			return dst, i, ""
		}
		if rest = bytes.TrimPrefix(rest, crlf); !bytes.HasPrefix(rest, s.delimiter) {
			return dst, i, "the first boundary was expected"
		}
		s.state = partDelimited
		return dst, i + size, ""
	case partDelimited:
		switch {
		case len(rest) < 2:
			return dst, i, ""
		case rest[0] == '\r' && rest[1] == '\n':
			s.state = partHeaders
		case rest[0] == '-' && rest[1] == '-':
			s.state = partEpilogue
		default:
			return dst, i, "a line break or -- must follow a boundary"
		}
		return dst, i + 2, ""
	case partHeaders:
		return s.header(dst, src, i)
	case partContent:
		return s.content(dst, src, i)
	}
	// partEpilogue
	if len(rest) < 2 && !last {
		return dst, i, ""
	}
	s.state = partDone
	dst = append(append(dst, s.delimiter...), "--\r\n"...)
	return dst, i + len(rest) - len(bytes.TrimPrefix(rest, crlf)), ""
}

var (
	crlf     = []byte("\r\n")
	crlfcrlf = []byte("\r\n\r\n")
)

// header goes over a part's whole header and decides what becomes of the part.
func (s *multipartScanner) header(dst, src []byte, i int) ([]byte, int, string) {
	window := src[i:]
	if len(window) > maxPartHeader {
		window = window[:maxPartHeader]
	}
	size := bytes.Index(window, crlfcrlf)
	if size < 0 {
		if len(window) == maxPartHeader {
			return dst, i, "the header of a part is too long"
		}
		return dst, i, ""
	}
	part, reason := parsePartHeader(window[:size])
	if reason != "" {
		return dst, i, reason
	}
	s.verdict, reason = s.bracketed([]byte(part.name), part.isFile)
	if reason != "" {
		return dst, i, reason
	}
	s.scratch = part.append(s.scratch[:0])
	if bytes.Contains(window[:size], s.delimiter) || bytes.Contains(s.scratch, s.delimiter) {
		return dst, i, "the boundary occurs in the header of a part"
	}
	if s.verdict != drop {
		dst = append(append(dst, s.delimiter...), crlf...)
		dst = append(append(dst, s.scratch...), crlf...)
	}
	s.state = partContent
	return dst, i + size + len(crlfcrlf), ""
}

// content goes over a part's content up to the next boundary. At the end of src it stays as far
// back as a boundary and the line break before it may reach.
func (s *multipartScanner) content(dst, src []byte, i int) ([]byte, int, string) {
	rest := src[i:]
	at := bytes.Index(rest, s.delimiter)
	end := at - len(crlf)
	if at < 0 {
		end = len(rest) - len(crlf) - len(s.delimiter) + 1
	}
	content := rest[:max(end, 0)]
	switch {
	case s.verdict == single && bytes.ContainsAny(content, separators):
		return dst, i, notSingle
	case at >= 0 && !bytes.HasSuffix(rest[:at], crlf):
		return dst, i + at, "the boundary occurs in the content of a part"
	}
	next := len(content)
	if at >= 0 {
		next = at + len(s.delimiter)
		s.state = partDelimited
	}
	if s.verdict != drop {
		dst = append(dst, content...)
		if at >= 0 {
			dst = append(dst, crlf...)
		}
	}
	return dst, i + next, ""
}
