package bodyedit

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

// identity are rules as the gateway has them: nobody's identity through, one recipient.
func identity() Rules {
	return Rules{
		Drop: func(normalized string) bool {
			switch normalized {
			case "session", "sessionid", "user", "userid":
				return true
			}
			return false
		},
		Single: func(normalized string) bool { return normalized == "to" },
		Scalar: func(normalized string) bool { return normalized == "kind" },
		Set:    []Field{{"session_id", "s1"}},
	}
}

// pieces are ways in which a body may arrive.
var pieces = []struct {
	name string
	read func(body []byte) io.Reader
}{
	{"whole", func(body []byte) io.Reader { return bytes.NewReader(body) }},
	{"bytes", func(body []byte) io.Reader { return iotest.OneByteReader(bytes.NewReader(body)) }},
	{"halves", func(body []byte) io.Reader { return iotest.HalfReader(bytes.NewReader(body)) }},
	{"end with EOF", func(body []byte) io.Reader { return iotest.DataErrReader(bytes.NewReader(body)) }},
	{"sevens", func(body []byte) io.Reader { return &stepReader{body: body, step: 7} }},
}

// stepReader hands out a few bytes at a time, and sometimes none.
type stepReader struct {
	body  []byte
	step  int
	calls int
}

func (r *stepReader) Read(p []byte) (int, error) {
	r.calls++
	if r.calls%3 == 0 {
		return 0, nil
	}
	if len(r.body) == 0 {
		return 0, io.EOF
	}
	n := copy(p, r.body[:min(r.step, len(r.body))])
	r.body = r.body[n:]
	return n, nil
}

// edit rewrites a body in one go and in pieces, and fails the test when the results differ.
func edit(t testing.TB, contentType string, body []byte, rules Rules) (out []byte, newContentType string, err error) {
	t.Helper()
	before := bytes.Clone(body)
	out, newContentType, err = EditBytes(contentType, body, rules)
	if !bytes.Equal(before, body) {
		t.Fatalf("EditBytes changed its input %q to %q", before, body)
	}
	for _, p := range pieces {
		name := p.name
		var streamed []byte
		r, streamedType, streamedErr := Edit(contentType, p.read(body), rules)
		if streamedErr == nil {
			streamed, streamedErr = io.ReadAll(iotest.HalfReader(r))
			if n, again := r.Read(make([]byte, 1)); n != 0 || again == nil {
				t.Fatalf("%s: Read after the end: %d, %v", name, n, again)
			}
		}
		if errText(err) != errText(streamedErr) {
			t.Fatalf("%s: error %v in one go, %v in pieces\n%.300q", name, err, streamedErr, body)
		}
		if err == nil && (!bytes.Equal(out, streamed) || newContentType != streamedType) {
			t.Fatalf("%s: %.300q (%s) in one go, %.300q (%s) in pieces", name, out, newContentType, streamed, streamedType)
		}
	}
	return out, newContentType, err
}

func errText(err error) string {
	var syntax *SyntaxError
	if errors.As(err, &syntax) && syntax.Reason == notSingle {
		return syntax.Reason // its place is that of the piece
	}
	if err == nil {
		return ""
	}
	return err.Error()
}

// accepted fails the test unless the body becomes want.
func accepted(t *testing.T, contentType, body, want string, rules Rules) {
	t.Helper()
	out, _, err := edit(t, contentType, []byte(body), rules)
	if err != nil {
		t.Errorf("%.300q: %v", body, err)
	} else if string(out) != want {
		t.Errorf("%.300q became\n %q, not\n %q", body, out, want)
	}
}

// refused fails the test unless the body is refused for that reason.
func refused(t *testing.T, contentType, body, reason string, rules Rules) {
	t.Helper()
	out, _, err := edit(t, contentType, []byte(body), rules)
	var syntax *SyntaxError
	switch {
	case err == nil:
		t.Errorf("%.300q was accepted: %.300q", body, out)
	case !errors.As(err, &syntax):
		t.Errorf("%.300q: %v is not a SyntaxError", body, err)
	case !strings.Contains(syntax.Reason, reason):
		t.Errorf("%.300q: %q, not for %q", body, syntax.Reason, reason)
	case syntax.Offset < 0 || syntax.Offset > int64(len(body)):
		t.Errorf("%.300q: offset %d is outside", body, syntax.Offset)
	}
}
