package caddywagateway

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
)

// tapped is a call that went through a tap, and its answer.
type tapped struct {
	method, uri string
	header      http.Header
	body        []byte
	status      int
	answer      []byte
}

func (c tapped) String() string { return c.method + " " + c.uri }

// path is the call's, without its query.
func (c tapped) path() string { path, _, _ := strings.Cut(c.uri, "?"); return path }

func (c tapped) query() url.Values {
	_, raw, _ := strings.Cut(c.uri, "?")
	q, _ := url.ParseQuery(raw)
	return q
}

// holds tells whether a text is anywhere in the call, encoded or not.
func (c tapped) holds(text string) bool {
	if text == "" {
		return false
	}
	uri, err := url.PathUnescape(c.uri)
	if err != nil {
		uri = c.uri
	}
	body, err := url.QueryUnescape(string(c.body))
	if err != nil {
		body = string(c.body)
	}
	return strings.Contains(c.uri+uri+string(c.body)+body+fmt.Sprint(c.header), text)
}

// tap stands between two servers and keeps what passes.
type tap struct {
	*httptest.Server
	mu   sync.Mutex
	to   string
	seen []tapped
	// instead answers in the place of the server behind, where it returns true.
	instead func(w http.ResponseWriter, c tapped) bool
	// alter makes another answer of a body.
	alter func(body []byte) []byte
}

func newTap(t *testing.T, to string) *tap {
	p := &tap{to: to}
	client := &http.Client{
		Transport:     &http.Transport{MaxIdleConnsPerHost: 16},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { p.serve(client, w, r) }))
	t.Cleanup(func() {
		p.Close()
		client.CloseIdleConnections()
	})
	return p
}

func (p *tap) serve(client *http.Client, w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	c := tapped{method: r.Method, uri: r.RequestURI, header: r.Header.Clone(), body: body}
	p.mu.Lock()
	to, instead, alter := p.to, p.instead, p.alter
	p.mu.Unlock()
	if instead != nil && c.path() != "/" && instead(w, c) {
		p.keep(c)
		return
	}
	out, err := http.NewRequestWithContext(r.Context(), r.Method, to+r.RequestURI, bytes.NewReader(body))
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	out.Header = r.Header.Clone()
	res, err := client.Do(out)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	defer res.Body.Close()
	c.status = res.StatusCode
	if c.answer, err = io.ReadAll(res.Body); err != nil {
		panic(http.ErrAbortHandler)
	}
	p.keep(c)
	answer := c.answer
	if alter != nil {
		answer = alter(answer)
	}
	for name, values := range res.Header {
		if name != "Content-Length" {
			w.Header()[name] = values
		}
	}
	w.WriteHeader(res.StatusCode)
	_, _ = w.Write(answer)
}

func (p *tap) keep(c tapped) {
	if c.path() == "/" {
		return // the health endpoint looks whether the server is there
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.seen = append(p.seen, c)
}

// since returns what passed after the first n.
func (p *tap) since(n int) []tapped {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]tapped(nil), p.seen[n:]...)
}

// meddle has the tap answer, or change answers, until the returned function is called.
func (p *tap) meddle(instead func(http.ResponseWriter, tapped) bool, alter func([]byte) []byte) (undo func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.instead, p.alter = instead, alter
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.instead, p.alter = nil, nil
	}
}
