package caddywagateway

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/genfity/wa-gateway/store/storetest"
)

// slowClient is a connection on which a test writes HTTP byte by byte.
type slowClient struct {
	net.Conn
	t    testing.TB
	read *bufio.Reader
}

func (g *gateway) dial(t testing.TB) *slowClient {
	t.Helper()
	conn, err := net.Dial("tcp", "127.0.0.1:"+g.port)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	return &slowClient{Conn: conn, t: t, read: bufio.NewReader(conn)}
}

// begin writes the head of a request of alice's.
func (c *slowClient) begin(method, path string, lines ...string) {
	c.t.Helper()
	head := fmt.Sprintf("%s %s HTTP/1.1\r\nHost: 127.0.0.1\r\nX-User-ID: %s\r\nX-Session-ID: %s\r\nContent-Type: application/json\r\n", method, path, alice, aliceSession)
	for _, line := range lines {
		name, _, _ := strings.Cut(line, ":")
		if at := strings.Index(head, "\n"+name+":"); at >= 0 { // instead of the usual one
			end := at + strings.Index(head[at+1:], "\n") + 1
			head = head[:at] + head[end:]
		}
		head += line + "\r\n"
	}
	if _, err := io.WriteString(c, head+"\r\n"); err != nil {
		c.t.Fatal(err)
	}
}

// answered is one answer with its body.
type answered struct {
	status int
	text   string
	closes bool // the connection is not kept
}

// answer reads one answer.
func (c *slowClient) answer() answered {
	c.t.Helper()
	res, err := http.ReadResponse(c.read, nil)
	if err != nil {
		c.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return answered{res.StatusCode, string(text), res.Close}
}

const postMessage = "/api/wa/send-message"

// withTimeouts sets up a gateway in which everything has to be quick, and in which
// one user has one call at a time.
func withTimeouts(t *testing.T) *setup {
	t.Helper()
	return newSetup(t, storetest.New(t, storetest.SQLite), "{APP}", "concurrency 1", "\twa_gateway\n",
		"\twa_gateway {\n\t\tallow GET /stream/*\n\t\ttimeouts {\n\t\t\tread 300ms\n\t\t\twa_server 400ms\n\t\t\twrite 1s\n\t\t}\n\t}\n",
		"\twa_events\n", "\twa_events {\n\t\ttimeouts {\n\t\t\tread 300ms\n\t\t}\n\t}\n")
}

// soon is what a timeout of less than half a second may take on a busy machine.
const soon = 1500 * time.Millisecond

// free waits until alice's one place is free, and tells how many messages she has left.
func (s *setup) free(t *testing.T) (left int) {
	t.Helper()
	eventually(t, "the place", func() bool {
		res := s.call("POST", postMessage, hello, as(alice, aliceSession))
		if res.status == 200 {
			_, left, _ = limitState(t, res)
		}
		return res.status == 200
	})
	s.wa.all()
	return left
}

func TestTimeouts(t *testing.T) {
	s := withTimeouts(t)
	for _, c := range []struct {
		name string
		test func(*testing.T)
	}{
		{"slow body", s.testSlowBody},
		{"slow event", s.testSlowEvent},
		{"WA server that never answers", s.testSilentServer},
		{"WA server that stalls", s.testStallingServer},
		{"client that does not read", s.testClientThatDoesNotRead},
		{"silent stream", s.testSilentStream},
		{"silent WebSocket", s.testSilentSocket},
		{"early refusals", s.testEarlyRefusals},
		{"kept-alive connection", s.testKeptAlive},
	} {
		t.Run(c.name, func(t *testing.T) {
			s.wa.respond(nil)
			c.test(t)
			s.wa.respond(nil)
			s.free(t)
		})
	}
	if strings.Contains(s.written.read(t), "panic") {
		t.Error("something panicked; see the log")
	}
}

// drip writes a byte every 50 ms until the other side has had enough.
func (c *slowClient) drip(stop <-chan struct{}) {
	for {
		select {
		case <-stop:
			return
		case <-time.After(50 * time.Millisecond):
			if _, err := c.Write([]byte(" ")); err != nil {
				return
			}
		}
	}
}

func (s *setup) testSlowBody(t *testing.T) {
	before := s.free(t)
	eventually(t, "the outcome", func() bool { return s.sessionTotals(t, aliceSession)[0] == 1 })
	for _, length := range []string{"Content-Length: 1000", "Transfer-Encoding: chunked"} {
		c := s.dial(t)
		c.begin("POST", postMessage, length)
		stop := make(chan struct{})
		if strings.HasPrefix(length, "T") {
			fmt.Fprint(c, "3e8\r\n")
		}
		go c.drip(stop)
		start := time.Now()
		res := c.answer()
		close(stop)
		if res.status != 408 || !strings.Contains(res.text, `"message":"The body came too slowly"`) {
			t.Errorf("%s: %d %s", length, res.status, res.text)
		}
		if took := time.Since(start); took < 250*time.Millisecond || took > soon {
			t.Errorf("%s: the answer took %s", length, took)
		}
	}
	s.wa.none(t)
	if left := s.free(t); left != before-1 {
		t.Errorf("%d messages left, %d before: slow ones were counted", left, before)
	}
	eventually(t, "the outcome", func() bool { return s.sessionTotals(t, aliceSession) == [4]float64{2, 0, 0, 0} })
}

func (s *setup) testSlowEvent(t *testing.T) {
	c := s.dial(t)
	c.begin("POST", "/events/message", "Content-Length: 1000")
	stop := make(chan struct{})
	defer close(stop)
	go c.drip(stop)
	start := time.Now()
	if res := c.answer(); res.status != 408 {
		t.Errorf("%d %s", res.status, res.text)
	}
	if took := time.Since(start); took > soon {
		t.Errorf("the answer took %s", took)
	}
}

// holdUntilGone is a WA server that says nothing (more) until the gateway hangs up.
func holdUntilGone(r *http.Request, gone chan<- struct{}) {
	select {
	case <-r.Context().Done():
		gone <- struct{}{}
	case <-time.After(15 * time.Second):
	}
}

func wantGone(t *testing.T, gone <-chan struct{}) {
	t.Helper()
	select {
	case <-gone:
	case <-time.After(5 * time.Second):
		t.Error("the gateway holds on to the WA server")
	}
}

func (s *setup) testSilentServer(t *testing.T) {
	failed := func() float64 { return s.sessionTotals(t, aliceSession)[1] }
	before := failed()
	gone := make(chan struct{}, 1)
	s.wa.respond(func(_ http.ResponseWriter, r *http.Request) { holdUntilGone(r, gone) })
	start := time.Now()
	s.call("POST", postMessage, hello, as(alice, aliceSession)).wantAnswer(t, 502, messageNotForwarded)
	if took := time.Since(start); took < 350*time.Millisecond || took > soon {
		t.Errorf("the answer took %s", took)
	}
	wantGone(t, gone)
	eventually(t, "the failure", func() bool { return failed() == before+1 })
	for _, path := range []string{"GET /api/wa/sessions/" + aliceSession, "GET /api/wa/sessions/" + aliceSession + "/chats", "GET /api/wa/sessions", "POST /api/wa/sessions"} {
		method, path, _ := strings.Cut(path, " ")
		start := time.Now()
		res := s.call(method, path, "", as(alice, aliceSession))
		if took := time.Since(start); took > soon {
			t.Errorf("%s: the answer took %s", path, took)
		}
		wantGone(t, gone)
		if path == "/api/wa/sessions" && method == "GET" && res.status == 200 {
			continue // from the database
		}
		res.wantAnswer(t, 502, messageNotForwarded)
	}
	if got := failed(); got != before+1 {
		t.Errorf("%v failed, %v before: what is no message was counted", got, before)
	}
}

func (s *setup) testStallingServer(t *testing.T) {
	gone := make(chan struct{}, 1)
	s.wa.respond(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		w.Header().Set("Content-Length", "1000")
		fmt.Fprint(w, "beginning")
		_ = http.NewResponseController(w).Flush()
		holdUntilGone(r, gone)
	})
	start := time.Now()
	c := s.dial(t)
	c.begin("GET", "/api/wa/sessions/"+aliceSession+"/chats")
	res, err := http.ReadResponse(c.read, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if res.StatusCode != 200 || !strings.HasPrefix("beginning", string(text)) || err == nil {
		t.Errorf("%d %q, %v: the client must see that the answer is broken", res.StatusCode, text, err)
	}
	if took := time.Since(start); took > soon {
		t.Errorf("the end took %s", took)
	}
	wantGone(t, gone)
}

func (s *setup) testClientThatDoesNotRead(t *testing.T) {
	before := goroutines()
	ended := make(chan time.Time, 1)
	s.wa.respond(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/octet-stream")
		piece := make([]byte, 64<<10)
		for range 64 << 20 / len(piece) {
			if _, err := w.Write(piece); err != nil {
				break
			}
		}
		ended <- time.Now()
	})
	c := s.dial(t)
	_ = c.Conn.(*net.TCPConn).SetReadBuffer(4 << 10)
	start := time.Now()
	c.begin("GET", "/api/wa/sessions/"+aliceSession+"/chats")
	select {
	case at := <-ended:
		if took := at.Sub(start); took > time.Second+soon {
			t.Errorf("the WA server was held for %s", took)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("a client that does not read holds the gateway")
	}
	s.wa.respond(nil)
	s.free(t)
	eventually(t, "the goroutines to end", func() bool { return goroutines() <= before })
}

// silence is longer than every timeout.
const silence = 1100 * time.Millisecond

func (s *setup) testSilentStream(t *testing.T) {
	s.wa.respond(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for i := range 2 {
			if i > 0 {
				time.Sleep(silence)
			}
			fmt.Fprintf(w, "data: %d\n\n", i)
			_ = http.NewResponseController(w).Flush()
		}
	})
	c := s.dial(t)
	c.begin("GET", "/api/wa/stream/events")
	if res := c.answer(); res.status != 200 || res.text != "data: 0\n\ndata: 1\n\n" {
		t.Errorf("%d %q", res.status, res.text)
	}
}

func (s *setup) testSilentSocket(t *testing.T) {
	s.wa.respond(echo)
	c := s.dial(t)
	c.begin("GET", "/api/wa/stream/socket", "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==")
	res, err := http.ReadResponse(c.read, nil) //nolint:bodyclose // the connection is the test's own
	if err != nil || res.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("%v, %v", res, err)
	}
	for i, text := range []string{"ping", "pong"} {
		time.Sleep(time.Duration(i) * silence)
		fmt.Fprintln(c, text)
		if line, err := c.read.ReadString('\n'); err != nil || line != "echo "+text+"\n" {
			t.Fatalf("%q, %v", line, err)
		}
	}
	_ = c.Close()
}

// testEarlyRefusals: an answer that needs no body does not wait for one.
func (s *setup) testEarlyRefusals(t *testing.T) {
	s.wa.all()
	for name, c := range map[string]struct {
		path  string
		lines []string
		want  int
	}{
		"nobody":               {postMessage, []string{"X-User-ID: nobody", "Content-Length: 9000000000"}, 401},
		"nobody, small":        {postMessage, []string{"X-User-ID: nobody", "Content-Length: 100"}, 401},
		"nobody, chunked":      {postMessage, []string{"X-User-ID: nobody", "Transfer-Encoding: chunked"}, 401},
		"nobody, asking":       {postMessage, []string{"X-User-ID: nobody", "Content-Length: 100", "Expect: 100-continue"}, 401},
		"too large":            {postMessage, []string{"Content-Length: 9000000000"}, 413},
		"too large, asking":    {postMessage, []string{"Content-Length: 9000000000", "Expect: 100-continue"}, 413},
		"no such endpoint":     {"/api/wa/nothing", []string{"Content-Length: 9000000000"}, 404},
		"an event, too large":  {"/events/message", []string{"Content-Length: 9000000000"}, 413},
		"admin without rights": {"/events/admin/stats", []string{"Content-Length: 9000000000"}, 405},
	} {
		t.Run(name, func(t *testing.T) {
			conn := s.dial(t)
			start := time.Now()
			conn.begin("POST", c.path, c.lines...)
			res := conn.answer()
			if res.status != c.want {
				t.Errorf("%d %s", res.status, res.text)
			}
			if took := time.Since(start); took > soon {
				t.Errorf("the answer took %s", took)
			}
			// Nobody goes on to wait for the rest of it.
			_ = conn.SetReadDeadline(time.Now().Add(largeLingering + 3*time.Second))
			if _, err := io.Copy(io.Discard, conn.read); isTimeoutError(err) {
				t.Error("the connection stays open")
			}
		})
	}
	s.wa.none(t)
}

func isTimeoutError(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}

// testKeptAlive: the deadlines of one request do not reach into the next.
func (s *setup) testKeptAlive(t *testing.T) {
	c := s.dial(t)
	message := func(pause time.Duration) {
		t.Helper()
		c.begin("POST", postMessage, fmt.Sprint("Content-Length: ", len(hello)))
		for _, half := range []string{hello[:10], hello[10:]} {
			time.Sleep(pause)
			fmt.Fprint(c, half)
		}
		if res := c.answer(); res.status != 200 || res.closes {
			t.Fatalf("%d %s", res.status, res.text)
		}
	}
	message(100 * time.Millisecond)
	time.Sleep(silence)
	message(0)
	// A refusal does not end it either, where the body has come.
	for range 3 {
		c.begin("POST", "/api/wa/sessions/"+bobSession+"/mark-read", fmt.Sprint("Content-Length: ", len(hello)))
		fmt.Fprint(c, hello)
		if res := c.answer(); res.status != 403 || res.closes {
			t.Fatalf("%d, closed: %t %s", res.status, res.closes, res.text)
		}
	}
	time.Sleep(silence)
	// The WA server takes longer than the body may.
	s.wa.respond(func(w http.ResponseWriter, _ *http.Request) {
		time.Sleep(350 * time.Millisecond)
		fmt.Fprint(w, "{}")
	})
	message(100 * time.Millisecond)
	s.wa.respond(nil)
	c.begin("GET", "/api/wa/sessions/"+aliceSession)
	if res := c.answer(); res.status != 200 {
		t.Fatalf("%d %s", res.status, res.text)
	}
}
