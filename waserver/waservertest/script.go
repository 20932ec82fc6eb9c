// Package waservertest tests dialects: a WA server that answers from a script and
// writes down what it was asked, golden files of calls and of webhooks, and one
// message of every kind.
package waservertest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/genfity/wa-gateway/waserver"
)

// Answer is what a scripted server answers to one call.
type Answer struct {
	Status int
	// Type is the Content-Type; empty: application/json.
	Type   string
	Header http.Header
	Body   string
	// Err stands for a server that does not answer.
	Err error
}

// JSON is an answer of JSON.
func JSON(status int, body string) Answer { return Answer{Status: status, Body: body} }

// Text is an answer of plain text.
func Text(status int, body string) Answer {
	return Answer{Status: status, Type: "text/plain; charset=utf-8", Body: body}
}

// Script is a WA server that gives its answers in order, one for each call. A call
// too many, and an answer that nobody fetched (see Done), fail the test.
type Script struct {
	t       testing.TB
	mu      sync.Mutex
	answers []Answer
	log     bytes.Buffer
	// Requests are the calls that came.
	Requests []*waserver.Request
}

// NewScript returns a Script of answers.
func NewScript(t testing.TB, answers ...Answer) *Script {
	return &Script{t: t, answers: answers}
}

// Client speaks to the scripted server with an admin token and for a session.
func (s *Script) Client(token string, link *waserver.Link) *waserver.Client {
	return &waserver.Client{
		Server: &waserver.Server{Name: "main", URL: &url.URL{Scheme: "http", Host: "wa.example:8080"}, Token: token},
		Link:   link,
		Do:     s.do,
	}
}

// Log is what was asked and answered, as golden files hold it.
func (s *Script) Log() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.log.String()
}

// Done tells whether all answers were fetched.
func (s *Script) Done() {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := len(s.answers); n > 0 {
		s.t.Errorf("%d answers were not fetched, the first of them %d %s", n, s.answers[0].Status, s.answers[0].Body)
	}
}

func (s *Script) do(ctx context.Context, r *waserver.Request) (*waserver.Response, error) {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.Requests = append(s.Requests, r)
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.log.WriteString(quote("> ", requestText(s.t, r)))
	s.log.WriteByte('\n')
	if len(s.answers) == 0 {
		s.t.Errorf("a call that was not expected:\n%s", requestText(s.t, r))
		return nil, errors.New("no answer is left")
	}
	answer := s.answers[0]
	s.answers = s.answers[1:]
	if answer.Err != nil {
		s.log.WriteString(quote("< ", "no answer: "+answer.Err.Error()) + "\n")
		return nil, answer.Err
	}
	header := answer.Header.Clone()
	if header == nil {
		header = http.Header{}
	}
	if answer.Type == "" {
		answer.Type = "application/json"
	}
	header.Set("Content-Type", answer.Type)
	s.log.WriteString(quote("< ", fmt.Sprintf("%d %s\n\n%s", answer.Status, answer.Type, bodyText(answer.Type, []byte(answer.Body)))) + "\n")
	return &waserver.Response{Status: answer.Status, Header: header, Body: []byte(answer.Body)}, nil
}

// requestText writes a request down, and checks what every request has to keep.
func requestText(t testing.TB, r *waserver.Request) string {
	t.Helper()
	var b strings.Builder
	b.WriteString(r.Method + " ")
	if len(r.Path) == 0 {
		b.WriteByte('/')
	}
	for _, segment := range r.Path {
		if segment == "" || segment == "." || segment == ".." {
			t.Errorf("%s %q: the segment %q is none that a path may have", r.Method, r.Path, segment)
		}
		b.WriteString("/" + url.PathEscape(segment))
	}
	if len(r.Query) > 0 {
		b.WriteString("?" + r.Query.Encode())
	}
	b.WriteByte('\n')
	header := r.Header.Clone()
	var body []byte
	if r.Body != nil {
		if header == nil {
			header = http.Header{}
		}
		header.Set("Content-Type", r.Body.ContentType)
		body = readBody(t, r.Body)
		if boundary := boundaryOf(r.Body.ContentType); boundary != "" {
			header.Set("Content-Type", strings.Replace(r.Body.ContentType, boundary, "BOUNDARY", 1))
		}
	}
	_ = header.Write(&b) // sorted by name
	text := strings.ReplaceAll(b.String(), "\r\n", "\n")
	if r.Body != nil {
		text += "\n" + bodyText(r.Body.ContentType, body)
	}
	return text
}

// readBody reads a body twice, as a call that is tried again does.
func readBody(t testing.TB, b *waserver.Body) []byte {
	t.Helper()
	body, err := io.ReadAll(b.Open())
	if err != nil {
		t.Errorf("reading the body: %v", err)
	}
	if b.Length >= 0 && b.Length != int64(len(body)) {
		t.Errorf("the body has %d bytes, and says %d", len(body), b.Length)
	}
	again, err := io.ReadAll(b.Open())
	if err != nil || !bytes.Equal(body, again) {
		t.Errorf("the body is another when it is opened again (%v)", err)
	}
	return body
}

// quote puts mark before each line.
func quote(mark, text string) string {
	var b strings.Builder
	for line := range strings.SplitSeq(strings.TrimRight(text, "\n"), "\n") {
		b.WriteString(strings.TrimRight(mark+line, " ") + "\n")
	}
	return b.String()
}
