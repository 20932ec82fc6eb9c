package caddywagateway

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// wireRequest is a request as it stood on the wire to the WA server.
type wireRequest struct {
	method, target string
	header         []wireField
	body           []byte
	cut            bool // the connection ended before the request did
	start          int  // where it began, among the bytes of the connection
}

type wireField struct{ name, value string }

func (r *wireRequest) values(name string) (values []string) {
	for _, f := range r.header {
		if strings.EqualFold(f.name, name) {
			values = append(values, f.value)
		}
	}
	return values
}

func (r *wireRequest) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s", r.method, r.target)
	for _, f := range r.header {
		if !strings.EqualFold(f.name, "Authorization") {
			fmt.Fprintf(&b, "\n\t%s: %s", f.name, f.value)
		}
	}
	fmt.Fprintf(&b, "\n\t%.500q", r.body)
	return b.String()
}

// parseWire reads what came over one connection, more strictly than any server
// does: what two servers could take for different requests is an error.
func parseWire(raw []byte) (requests []wireRequest, err error) {
	all := len(raw)
	for len(raw) > 0 {
		r := wireRequest{start: all - len(raw)}
		if raw, err = r.parse(raw); err != nil {
			return requests, fmt.Errorf("request %d: %w", len(requests)+1, err)
		}
		requests = append(requests, r)
	}
	return requests, nil
}

// line cuts the first line off, which ends in CRLF and holds no other control
// character than a tab.
func line(raw []byte) (text string, rest []byte, err error) {
	before, rest, ok := bytes.Cut(raw, []byte("\r\n"))
	if !ok {
		return "", nil, fmt.Errorf("a line without an end: %.200q", raw)
	}
	for _, c := range before {
		if (c < ' ' && c != '\t') || c == 0x7f {
			return "", nil, fmt.Errorf("a control character in %.200q", before)
		}
	}
	return string(before), rest, nil
}

func isToken(s string) bool {
	for _, c := range []byte(s) {
		if c <= ' ' || c >= 0x7f || strings.IndexByte(`"(),/:;<=>?@[\]{}`, c) >= 0 {
			return false
		}
	}
	return s != ""
}

func (r *wireRequest) parse(raw []byte) (rest []byte, err error) {
	start, rest, err := line(raw)
	if err != nil {
		return nil, err
	}
	words := strings.Split(start, " ")
	if len(words) != 3 || !isToken(words[0]) || words[2] != "HTTP/1.1" {
		return nil, fmt.Errorf("request line %q", start)
	}
	r.method, r.target = words[0], words[1]
	for {
		var text string
		if text, rest, err = line(rest); err != nil {
			return nil, err
		}
		if text == "" {
			break
		}
		name, value, ok := strings.Cut(text, ":")
		if !ok || !isToken(name) {
			return nil, fmt.Errorf("header line %q", text)
		}
		r.header = append(r.header, wireField{name, strings.Trim(value, " \t")})
	}
	lengths, encodings := r.values("Content-Length"), r.values("Transfer-Encoding")
	switch {
	case len(r.values("Host")) != 1:
		return nil, fmt.Errorf("hosts %q", r.values("Host"))
	case len(lengths)+len(encodings) > 1:
		return nil, fmt.Errorf("lengths %q and encodings %q", lengths, encodings)
	case len(encodings) == 1 && encodings[0] != "chunked":
		return nil, fmt.Errorf("encoding %q", encodings[0])
	case len(encodings) == 1:
		return r.parseChunks(rest)
	case len(lengths) == 0:
		return rest, nil
	}
	length, err := strconv.ParseUint(lengths[0], 10, 32)
	if err != nil || strconv.FormatUint(length, 10) != lengths[0] {
		return nil, fmt.Errorf("length %q", lengths[0])
	}
	if uint64(len(rest)) < length {
		r.body, r.cut = rest, true
		return nil, nil
	}
	r.body = rest[:length]
	return rest[length:], nil
}

func (r *wireRequest) parseChunks(rest []byte) ([]byte, error) {
	for {
		head, after, err := line(rest)
		if err != nil {
			r.cut = true
			return nil, nil //nolint:nilerr // the gateway broke the request off
		}
		size, err := strconv.ParseUint(head, 16, 32)
		if err != nil || strconv.FormatUint(size, 16) != head {
			return nil, fmt.Errorf("chunk size %q", head)
		}
		if uint64(len(after)) < size+2 {
			r.cut = true
			return nil, nil
		}
		if string(after[size:size+2]) != "\r\n" {
			return nil, errors.New("a chunk without an end, or a trailer")
		}
		r.body = append(r.body, after[:size]...)
		rest = after[size+2:]
		if size == 0 {
			return rest, nil
		}
	}
}

// wireRecorder is a WA server that keeps the bytes it gets.
type wireRecorder struct {
	url string

	mu    sync.Mutex
	conns []*wireConn
}

type wireConn struct {
	mu     sync.Mutex
	got    bytes.Buffer
	broken error // why the WA server could not read a request
	closed bool
}

func (c *wireConn) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.got.Write(p)
}

func newWireRecorder(t testing.TB) *wireRecorder {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	wa := &wireRecorder{url: "http://" + l.Addr().String()}
	var all sync.WaitGroup
	var mu sync.Mutex
	open := map[net.Conn]bool{}
	all.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			open[conn] = true
			mu.Unlock()
			all.Go(func() {
				defer func() {
					mu.Lock()
					delete(open, conn)
					mu.Unlock()
					_ = conn.Close()
				}()
				wa.serve(conn)
			})
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		mu.Lock()
		for conn := range open {
			_ = conn.Close()
		}
		mu.Unlock()
		all.Wait()
	})
	return wa
}

// serve answers the requests of one connection. What changes sessions fails, so
// that the cast stays as it is.
func (wa *wireRecorder) serve(conn net.Conn) {
	kept := new(wireConn)
	wa.mu.Lock()
	wa.conns = append(wa.conns, kept)
	wa.mu.Unlock()
	r := bufio.NewReader(io.TeeReader(conn, kept))
	for {
		req, err := http.ReadRequest(r)
		if err == nil {
			_, err = io.Copy(io.Discard, req.Body)
		}
		if err != nil {
			kept.mu.Lock()
			defer kept.mu.Unlock()
			kept.closed = true
			if !errors.Is(err, io.EOF) && !errors.Is(err, net.ErrClosed) && !errors.Is(err, io.ErrUnexpectedEOF) {
				kept.broken = err
			}
			return
		}
		status, body := attackAnswer(req.Method, req.URL.Path)
		if _, err := fmt.Fprintf(conn, "HTTP/1.1 %d %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
			status, http.StatusText(status), len(body), body); err != nil {
			return
		}
	}
}

// attackAnswer is what the WA servers of the attacks answer.
func attackAnswer(method, path string) (status int, body string) {
	switch {
	case path == "/sessions" && method == http.MethodGet:
		return 200, `{"data":[{"session_id":"` + aliceSession + `"},{"session_id":"` + bobSession + `","name":"bob's shop"}]}`
	case path == "/sessions", method == http.MethodDelete:
		return 500, `{"error":"not now"}`
	default:
		return 200, `{"success":true,"data":{"message_id":"wamid"}}`
	}
}

// take returns the requests received, and forgets them. One that is still under way
// waits for the next time. Health checks are left out: they carry no credential.
func (wa *wireRecorder) take() (requests []wireRequest, err error) {
	wa.mu.Lock()
	defer wa.mu.Unlock()
	for _, conn := range wa.conns {
		conn.mu.Lock()
		raw := bytes.Clone(conn.got.Bytes())
		some, parseErr := parseWire(raw)
		conn.got.Reset()
		if last := len(some) - 1; last >= 0 && some[last].cut && !conn.closed {
			conn.got.Write(raw[some[last].start:])
			some = some[:last]
		}
		err = errors.Join(err, parseErr, conn.broken)
		conn.broken = nil
		conn.mu.Unlock()
		for _, r := range some {
			if r.method != http.MethodGet || r.target != "/" || len(r.values("Authorization")) > 0 {
				requests = append(requests, r)
			}
		}
	}
	return requests, err
}

// rawClient speaks to the gateway in bytes. It comes from another address of the
// loopback network now and then, since failures to authenticate are counted by
// address.
type rawClient struct {
	t      testing.TB
	addr   string
	source int
	failed int
	conn   net.Conn
	r      *bufio.Reader
}

func newRawClient(t testing.TB, g *gateway) *rawClient {
	t.Helper()
	c := &rawClient{t: t, addr: "127.0.0.1:" + g.port, source: 1}
	t.Cleanup(c.close)
	return c
}

func (c *rawClient) close() {
	if c.conn != nil {
		_ = c.conn.Close()
		c.conn = nil
	}
}

func (c *rawClient) dial() {
	c.t.Helper()
	if c.conn != nil {
		return
	}
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, byte(c.source>>8), byte(c.source))}, Timeout: 10 * time.Second}
	conn, err := dialer.DialContext(c.t.Context(), "tcp", c.addr)
	if err != nil { // not every system has the whole network
		conn, err = net.DialTimeout("tcp", c.addr, 10*time.Second)
	}
	if err != nil {
		c.t.Fatal(err)
	}
	c.conn, c.r = conn, bufio.NewReader(conn)
}

// maxFailed is how often an address fails before the next takes its place.
const maxFailed = 10

// exchange sends bytes and reads one answer. A nil error means that there was one.
func (c *rawClient) exchange(payload []byte, wait time.Duration) (response, error) {
	c.t.Helper()
	c.dial()
	_ = c.conn.SetDeadline(time.Now().Add(wait))
	if _, err := c.conn.Write(payload); err != nil {
		c.close()
		return response{}, err
	}
	return c.read(payload)
}

// read reads the next answer.
func (c *rawClient) read(payload []byte) (response, error) {
	method, _, _ := bytes.Cut(payload, []byte(" "))
	res, err := http.ReadResponse(c.r, &http.Request{Method: string(method)})
	if err != nil {
		c.close()
		return response{}, err
	}
	text, err := io.ReadAll(res.Body)
	_ = res.Body.Close()
	if err != nil {
		c.close()
		return response{}, err
	}
	if res.Close {
		c.close()
	}
	switch res.StatusCode {
	case http.StatusUnauthorized, http.StatusTooManyRequests:
		if c.failed++; c.failed >= maxFailed {
			c.failed = 0
			c.source = c.source%60000 + 1
			c.close()
		}
	}
	return newResponse(res.StatusCode, res.Header, text), nil
}
