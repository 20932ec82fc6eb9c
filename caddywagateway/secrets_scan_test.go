package caddywagateway

import (
	"io"
	"net/http"
	"regexp"
	"strings"
	"sync"
)

// secretMark is in every secret that a test makes up. scripts/gotest fails a run
// in whose output it turns up.
const secretMark = "hush-"

// secretMarks are what no answer and no log of any test may hold.
var secretMarks = []string{secretMark, waToken, adminToken, "events-secret", columnKey}

// wholeKey is an API key that the gateway issued, shown in full.
var wholeKey = regexp.MustCompile(`wak_(live|test)_[A-Za-z0-9]{24,}`)

// findSecret returns the mark of a secret that is in text; empty when there is none.
func findSecret(text string) string {
	for _, mark := range secretMarks {
		if strings.Contains(text, mark) {
			return mark
		}
	}
	if key := wholeKey.FindString(text); key != "" {
		return key[:12]
	}
	return ""
}

// secretScanner looks for secrets in what is written to it. It keeps only what a
// secret may have begun with.
type secretScanner struct {
	mu   sync.Mutex
	tail string
	mark string
}

// longestMark bounds what a mark takes up, in bytes.
const longestMark = 64

func (s *secretScanner) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	text := s.tail + string(p)
	if s.mark == "" {
		s.mark = findSecret(text)
	}
	s.tail = text[max(0, len(text)-longestMark):]
	return len(p), nil
}

func (s *secretScanner) found() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mark
}

// scan takes an answer that was read whole.
func (s *secretScanner) scan(r response) {
	_ = r.header.Write(s)
	_, _ = io.WriteString(s, r.text)
}

// scannedTransport shows a scanner everything that is answered.
type scannedTransport struct {
	*http.Transport
	scanner *secretScanner
}

func (t *scannedTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := t.Transport.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	_ = res.Header.Write(t.scanner)
	if res.StatusCode != http.StatusSwitchingProtocols {
		res.Body = struct {
			io.Reader
			io.Closer
		}{io.TeeReader(res.Body, t.scanner), res.Body}
	}
	return res, nil
}
