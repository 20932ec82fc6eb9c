package sandbox

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"
)

// maxNativeBody is what the servers with an API of their own take: they get media as base64
// inside of JSON, which has to be held while it is decoded.
const maxNativeBody = 64 << 20

// native is a WhatsApp server with an API of its own. All but handler is called with core.mu held.
type native interface {
	handler() http.Handler
	// finds tells whether a name that an admin call gives is this session's.
	finds(x *line, name string) bool
	// news is what the server tells of a change of a session.
	news(x *line, c change) []*posting
	// echo is what it tells of a message that it sent itself.
	echo(x *line, r *record) []*posting
	// receipt is what it tells when one of its messages comes to a status.
	receipt(x *line, r *record, st step, at time.Time) []*posting
	// incoming is what it tells of a message that somebody else, or the phone, wrote.
	incoming(x *line, r *record) []*posting
}

// natives make a server for a dialect's name. generations are those that it can be told.
var natives = map[string]struct {
	generations []string
	make        func(*core) native
}{}

// core is what all servers with an API of their own share: sessions, the course of messages,
// webhooks, scripts.
type core struct {
	options   Options
	callbacks *callbacks
	token     [sha256.Size]byte
	host      string // that webhooks may go to; "" for every loopback address
	server    native
	handler   http.Handler
	admin     http.Handler
	limit     int64 // of bodies that are held

	mu     sync.Mutex
	lines  map[string]*line
	made   int // lines ever, for their order
	sent   []sentMessage
	stored map[string]storedFile
	names  []string // of stored, oldest first
}

func newCore(o Options, make func(*core) native) *core {
	c := &core{
		options: o, token: sha256.Sum256([]byte(o.Token)), limit: maxNativeBody,
		lines: map[string]*line{}, stored: map[string]storedFile{},
	}
	if o.EventsURL != "" {
		if u, err := url.Parse(o.EventsURL); err == nil {
			c.host = u.Host
		}
	}
	c.callbacks = startCallbacks(o, nil)
	c.server = make(c)
	c.handler = c.server.handler()
	c.admin = c.adminHandler()
	return c
}

func (c *core) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	limit := c.limit
	if strings.HasPrefix(strings.ToLower(r.Header.Get("Content-Type")), "multipart/") {
		limit = maxBody // whose files are counted, not kept
	}
	r.Body = http.MaxBytesReader(w, r.Body, limit)
	if strings.HasPrefix(r.URL.Path, adminPath) {
		c.admin.ServeHTTP(w, r)
		return
	}
	c.handler.ServeHTTP(w, r)
}

func (c *core) now() time.Time { return c.options.Now().UTC() }

// isAdmin compares a credential with the sandbox's token, by digest. Without a token all are good.
func (c *core) isAdmin(credential string) bool {
	if c.options.Token == "" {
		return true
	}
	return sameDigest(sha256.Sum256([]byte(credential)), c.token)
}

func sameDigest(a, b [sha256.Size]byte) bool { return subtle.ConstantTimeCompare(a[:], b[:]) == 1 }

func sameText(a, b string) bool {
	return sameDigest(sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b)))
}

// mayCall tells whether a webhook's address is one that the sandbox calls: it opens no
// connection but to the host of Options.EventsURL, or to loopback when there is none.
func (c *core) mayCall(target string) bool {
	u, err := url.Parse(target)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return false
	}
	if c.host != "" {
		return strings.EqualFold(u.Host, c.host)
	}
	if strings.EqualFold(u.Hostname(), "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(u.Hostname())
	return err == nil && ip.Unmap().IsLoopback()
}

// hook is a posting to a webhook, or none where there is no address that may be called.
func (c *core) hook(p *posting) []*posting {
	if p.url == "" {
		return nil
	}
	if !c.mayCall(p.url) {
		c.callbacks.refuse("a webhook's address is not this sandbox's to call: only the host of the events URL is, or loopback when there is none")
		return nil
	}
	if p.final == nil {
		p.final = func(int) bool { return false }
	}
	return []*posting{p}
}

// post sends postings one after the other.
func (c *core) post(all []*posting) {
	if len(all) > 0 {
		c.callbacks.begin([]due{{tell: func() ([]*posting, error) { return all, nil }}})
	}
}

// said is a native server's answer: JSON, unless raw is there.
type said struct {
	status int
	body   any
	raw    []byte
	kind   string // Content-Type of raw
	header map[string]string
}

func says(status int, body any) *said { return &said{status: status, body: body} }

func (a *said) write(w http.ResponseWriter) {
	for name, value := range a.header {
		w.Header().Set(name, value)
	}
	if a.kind != "" || a.raw != nil {
		writeBody(w, a.status, a.kind, a.raw)
		return
	}
	writeJSON(w, a.status, a.body)
}

// wait lets a while pass, or the caller go.
func wait(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// router finds a call's handler as most servers do: the first pattern that fits is taken.
type router struct {
	routes []routed
	other  http.Handler // of what no pattern fits
}

type routed struct {
	route
	http.Handler
}

func (t *router) on(method, pattern string, h http.Handler) {
	t.routes = append(t.routes, routed{route{method: method, pattern: pattern}, h})
}

func (t *router) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	segments := strings.Split(strings.TrimPrefix(r.URL.EscapedPath(), "/"), "/")
	for _, rt := range t.routes {
		if rt.method != r.Method {
			continue
		}
		if params, ok := rt.matches(segments); ok {
			for name, value := range params {
				r.SetPathValue(name, value)
			}
			rt.ServeHTTP(w, r)
			return
		}
	}
	t.other.ServeHTTP(w, r)
}

// buffer reads a body before anything is locked, so that a slow caller holds up nobody.
func buffer(r *http.Request) error {
	raw, err := io.ReadAll(r.Body)
	r.Body = io.NopCloser(bytes.NewReader(raw))
	return err
}

// fields reads a body of one JSON object whose values may be anything. Of a name that stands
// twice the last value counts, as in JavaScript.
func fields(r *http.Request) (map[string]any, error) {
	dec := json.NewDecoder(r.Body)
	dec.UseNumber()
	var all map[string]any
	if err := dec.Decode(&all); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("more than one JSON value")
	}
	if all == nil {
		all = map[string]any{}
	}
	return all, nil
}

// within reads a number of a query, def when there is none, and brings it into bounds.
func within(text string, def, low, high int) int {
	n, err := strconv.Atoi(text)
	if err != nil {
		n = def
	}
	return min(max(n, low), high)
}

// hostOf is the server's own address as its caller wrote it.
func hostOf(r *http.Request) string {
	scheme := "http"
	if r.TLS != nil {
		scheme = "https"
	}
	host := r.Host
	if host == "" {
		host = net.JoinHostPort("127.0.0.1", "0")
	}
	return scheme + "://" + host
}
