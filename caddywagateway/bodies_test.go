package caddywagateway

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/genfity/wa-gateway/store/storetest"
)

// send makes a request with a body that streams.
func (g *gateway) send(t testing.TB, method, path, contentType string, body io.Reader, header []string) response {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, g.url+path, body)
	if err != nil {
		t.Fatal(err)
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	client := *g.client
	client.Timeout = time.Minute
	res, err := client.Do(req)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	out := response{status: res.StatusCode, header: res.Header, text: string(text)}
	_ = json.Unmarshal(text, &out.json)
	return out
}

const (
	formType      = "application/x-www-form-urlencoded"
	multipartType = "multipart/form-data; boundary=xyz"
)

// parts is a multipart body of these fields, with the boundary xyz.
func parts(t testing.TB, fields ...string) string {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	if err := w.SetBoundary("xyz"); err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(fields); i += 2 {
		if err := w.WriteField(fields[i], fields[i+1]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestBodies(t *testing.T) {
	s := newSetup(t, storetest.New(t, storetest.SQLite), "	wa_gateway\n", "	wa_gateway {\n max_body message 300KiB\n max_body session 100KiB\n max_body chat 100KiB\n max_body config 100KiB\n max_body broadcast 100KiB\n}\n")
	mine := []string{alice, aliceSession}

	t.Run("accepted", func(t *testing.T) {
		for name, c := range map[string]struct{ contentType, body, wantType, want string }{
			"JSON":                {"application/json", ` {"to":"1", "message":"é \ud83d"}`, "application/json", `{"session_id":"alice-1","to":"1","message":"é \ud83d"}`},
			"JSON with a charset": {"application/json; charset=UTF-8", `{"to":"1"}`, "application/json", `{"session_id":"alice-1","to":"1"}`},
			"JSON as text":        {"text/plain;charset=UTF-8", `{"to":"1"}`, "application/json", `{"session_id":"alice-1","to":"1"}`},
			"JSON as nothing":     {"", `{"to":"1"}`, "application/json", `{"session_id":"alice-1","to":"1"}`},
			"an empty object":     {"application/json", `{}`, "application/json", `{"session_id":"alice-1"}`},
			"other sessions":      {"application/json", `{"session_id":"bob-1","SessionId":"bob-1","to":"1","session-id":["bob-1"],"user\u005fid":"ckbob"}`, "application/json", `{"session_id":"alice-1","to":"1"}`},
			"form":                {formType, "to=1&session_id=bob-1&message=a+b%26c", formType, "session_id=alice-1&to=1&message=a+b%26c"},
			"form in brackets":    {formType, "session_id[]=bob-1&to=1", formType, "session_id=alice-1&to=1"},
			"multipart":           {multipartType, parts(t, "session_id", "bob-1", "to", "1", "caption", "x"), multipartType, parts(t, "session_id", "alice-1", "to", "1", "caption", "x")},
		} {
			res := s.send(t, "POST", "/api/wa/send-image", c.contentType, strings.NewReader(c.body), as(mine[0], mine[1]))
			if res.status != 200 {
				t.Errorf("%s: %d %s", name, res.status, res.text)
				continue
			}
			got := s.wa.one(t)
			if string(got.body) != c.want || got.header.Get("Content-Type") != c.wantType {
				t.Errorf("%s: the WA server got %s %q, want %q", name, got.header.Get("Content-Type"), got.body, c.want)
			}
			if got.header.Get("Content-Length") != fmt.Sprint(len(c.want)) {
				t.Errorf("%s: Content-Length %q", name, got.header.Get("Content-Length"))
			}
		}
	})

	t.Run("refused", func(t *testing.T) {
		deep := strings.Repeat(`{"a":`, 100) + "1" + strings.Repeat("}", 100)
		for name, c := range map[string]struct {
			contentType, body string
			want              int
		}{
			"cut":                 {"application/json", `{"to":"1"`, 400},
			"an array":            {"application/json", `[{"to":"1"}]`, 400},
			"a text":              {"application/json", `"to"`, 400},
			"two objects":         {"application/json", `{"to":"1"}{"to":"2"}`, 400},
			"byte order mark":     {"application/json", "\ufeff" + `{"to":"1"}`, 400},
			"broken UTF-8":        {"application/json", "{\"to\":\"\xff\"}", 400},
			"too deep":            {"application/json", deep, 400},
			"many recipients":     {"application/json", `{"to":["1","2"]}`, 400},
			"recipient twice":     {"application/json", `{"to":"1","to":"2"}`, 400},
			"prototype":           {"application/json", `{"to":"1","__proto__":{"session_id":"bob-1"}}`, 400},
			"bad escape in form":  {formType, "to=%zz", 400},
			"semicolon in form":   {formType, "to=1;session_id=bob-1&a;b=c", 400},
			"recipients in form":  {formType, "to=1&to=2", 400},
			"JSON sent as form":   {formType, `{"to":"1"}`, 400},
			"no last boundary":    {multipartType, "--xyz\r\nContent-Disposition: form-data; name=\"to\"\r\n\r\n1", 400},
			"another boundary":    {"multipart/form-data; boundary=abc", parts(t, "to", "1"), 400},
			"part without a name": {multipartType, "--xyz\r\nContent-Disposition: form-data\r\n\r\n1\r\n--xyz--\r\n", 400},
			"UTF-16":              {"application/json; charset=utf-16", `{"to":"1"}`, 415},
			"no boundary":         {"multipart/form-data", parts(t, "to", "1"), 415},
			"XML":                 {"application/xml", "<to>1</to>", 415},
			"mixed":               {"multipart/mixed; boundary=xyz", parts(t, "to", "1"), 415},
			"text":                {"text/plain", "hello", 415},
			"malformed type":      {"application/json; charset", `{"to":"1"}`, 415},
			"too large":           {"application/json", `{"to":"1","message":"` + strings.Repeat("a", 300<<10) + `"}`, 413},
		} {
			res := s.send(t, "POST", "/api/wa/send-image", c.contentType, strings.NewReader(c.body), append(as(mine[0], mine[1]), "Expect", "100-continue"))
			if res.status != c.want || res.at("status") != float64(c.want) || res.at("message") == "" {
				t.Errorf("%s: %d %s", name, res.status, res.text)
			}
		}
		for _, encoding := range []string{"gzip", "br", "deflate"} {
			s.call("POST", "/api/wa/send-message", hello, append(as(mine[0], mine[1]), "Content-Encoding", encoding)).wantAnswer(t, 415, "")
		}
		for path, size := range map[string]int{"/api/wa/webhook": 100 << 10, "/api/wa/broadcast": 100 << 10, "/api/wa/sessions": 100 << 10} {
			res := s.send(t, "POST", path, "application/json", slow{strings.NewReader(`{"to":"` + strings.Repeat("1", size) + `"}`)}, as(mine[0], mine[1]))
			if res.status != 413 {
				t.Errorf("%s: %d %s", path, res.status, res.text)
			}
		}
		s.wa.none(t)
		if got := s.sessionTotals(t, aliceSession); got[1] != 0 {
			t.Errorf("what the gateway refused counts: %v", got)
		}
	})

	t.Run("chunked", func(t *testing.T) {
		res := s.send(t, "POST", "/api/wa/send-message", "application/json", slow{strings.NewReader(hello)}, as(mine[0], mine[1]))
		if res.status != 200 || s.wa.one(t).json(t)["session_id"] != aliceSession {
			t.Errorf("%d %s", res.status, res.text)
		}
	})
	t.Run("expect", func(t *testing.T) {
		res := s.call("POST", "/api/wa/send-message", hello, append(as(mine[0], mine[1]), "Expect", "100-continue"))
		if res.status != 200 || s.wa.one(t).json(t)["session_id"] != aliceSession {
			t.Errorf("%d %s", res.status, res.text)
		}
	})
	t.Run("no body", func(t *testing.T) {
		if res := s.call("POST", "/api/wa/send-message", "", as(mine[0], mine[1])); res.status != 200 {
			t.Errorf("%d %s", res.status, res.text)
		}
		if got := s.wa.one(t); len(got.body) != 0 || got.header.Get("Content-Type") != "" {
			t.Errorf("the WA server got %q", got.body)
		}
	})
	t.Run("truncated", func(t *testing.T) {
		_, before, _ := limitState(t, s.call("POST", "/api/wa/send-message", hello, as(mine[0], mine[1])))
		s.wa.all()
		conn, err := net.Dial("tcp", "127.0.0.1:"+s.port)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		fmt.Fprintf(conn, "POST /api/wa/send-message HTTP/1.1\r\nHost: 127.0.0.1\r\nX-User-ID: %s\r\nX-Session-ID: %s\r\n"+
			"Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n{\"to\":\"1\"", mine[0], mine[1])
		if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		if answer, err := http.ReadResponse(bufio.NewReader(conn), nil); err == nil {
			if answer.StatusCode != 400 {
				t.Errorf("status %d", answer.StatusCode)
			}
			_ = answer.Body.Close()
		}
		_, left, _ := limitState(t, s.call("POST", "/api/wa/send-message", hello, as(mine[0], mine[1])))
		if left != before-1 {
			t.Errorf("%d left after %d", left, before)
		}
		if got := len(s.wa.all()); got != 1 {
			t.Errorf("%d messages reached the WA server", got)
		}
	})
}

// slow hides what a reader is, so that nobody knows its length.
type slow struct{ io.Reader }

// TestBodyThatTurnsBad: what is found wrong only while it streams is refused,
// counts neither as sent nor as failed, and costs nothing.
func TestBodyThatTurnsBad(t *testing.T) {
	s := newSetup(t, storetest.New(t, storetest.SQLite), "	wa_gateway\n", "	wa_gateway {\n max_body message 2MiB\n}\n")
	who := as(alice, aliceSession)
	_, before, _ := limitState(t, s.call("POST", "/api/wa/send-message", hello, who))
	eventually(t, "the first message", func() bool { return s.sessionTotals(t, aliceSession)[0] == 1 })
	s.wa.all()
	megabyte := strings.Repeat("a", 1<<20)
	for name, c := range map[string]struct {
		body string
		want int
	}{
		"control character":  {`{"to":"1","message":"` + megabyte + "\x01" + `"}`, 400},
		"cut":                {`{"to":"1","message":"` + megabyte, 400},
		"second recipient":   {`{"to":"1","message":"` + megabyte + `","to":"2"}`, 400},
		"too large, chunked": {`{"to":"1","message":"` + megabyte + megabyte + `"}`, 413},
	} {
		res := s.send(t, "POST", "/api/wa/send-image", "application/json", slow{strings.NewReader(c.body)}, who)
		if res.status != c.want || res.at("status") != float64(c.want) {
			t.Errorf("%s: %d %s", name, res.status, res.text)
		}
	}
	res := s.call("POST", "/api/wa/send-message", hello, who)
	if _, left, _ := limitState(t, res); left != before-1 {
		t.Errorf("%d left after %d", left, before)
	}
	eventually(t, "the last message", func() bool { return s.sessionTotals(t, aliceSession)[0] == 2 })
	if got := s.sessionTotals(t, aliceSession); got != [4]float64{2, 0, 0, 0} {
		t.Errorf("totals %v", got)
	}
	if got := len(s.wa.all()); got != 1 {
		t.Errorf("%d messages reached the WA server whole", got)
	}
}

// TestEarlyAnswer: a WA server may answer before it has read all.
func TestEarlyAnswer(t *testing.T) {
	wa := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusRequestEntityTooLarge)
		_, _ = io.WriteString(w, `{"error":"too large for me"}`)
	}))
	defer wa.Close()
	d := storetest.New(t, storetest.SQLite)
	seed(t, openStore(t, d.DSN))
	g := startCaddy(t, caddyfileFor(d.DSN, wa.URL))
	g.ready()
	for range 5 {
		// The rest of the body cannot be read by then, and is bad.
		body := `{"to":"1","message":"` + strings.Repeat("a", 200<<10) + "\x01"
		res := g.send(t, "POST", "/api/wa/send-image", "application/json", slow{strings.NewReader(body)}, as(alice, aliceSession))
		if res.status != 413 && res.status != 400 && res.status != 502 {
			t.Errorf("%d %s", res.status, res.text)
		}
	}
}

// discarding is a WA server that throws bodies away, and says how much it got.
type discarding struct {
	*httptest.Server
	mu    sync.Mutex
	start string
	size  int64
}

func newDiscarding(t testing.TB) *discarding {
	t.Helper()
	wa := new(discarding)
	wa.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := make([]byte, 1024)
		n, _ := io.ReadFull(r.Body, start)
		size, err := io.Copy(io.Discard, r.Body)
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		wa.mu.Lock()
		wa.start, wa.size = string(start[:n]), size+int64(n)
		wa.mu.Unlock()
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"message_id":"large"}`)
	}))
	t.Cleanup(wa.Close)
	return wa
}

// endless gives one letter for ever.
type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'A'
	}
	return len(p), nil
}

// TestLargeBodiesStream: 64 MB pass, with the session in them, in little memory.
func TestLargeBodiesStream(t *testing.T) {
	const size = 64 << 20
	d := storetest.New(t, storetest.SQLite)
	seed(t, openStore(t, d.DSN))
	wa := newDiscarding(t)
	g := startCaddy(t, caddyfileFor(d.DSN, wa.URL))
	g.ready()
	for name, c := range map[string]struct{ contentType, path, before, after, want string }{
		"JSON": {
			"application/json", "/api/wa/send-media", `{"to":"1","media":"data:image/png;base64,`, `","session_id":"bob-1"}`,
			`{"session_id":"alice-1","to":"1","media":"data:image/png;base64,AAA`,
		},
		"multipart": {
			multipartType, "/api/wa/send-document",
			"--xyz\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.bin\"\r\nContent-Type: application/octet-stream\r\n\r\n", "\r\n--xyz--\r\n",
			"--xyz\r\nContent-Disposition: form-data; name=\"session_id\"\r\n\r\nalice-1\r\n--xyz\r\n",
		},
	} {
		t.Run(name, func(t *testing.T) {
			body := io.MultiReader(strings.NewReader(c.before), io.LimitReader(endless{}, size), strings.NewReader(c.after))
			highest := watchHeap(t)
			res := g.send(t, "POST", c.path, c.contentType, slow{body}, as(alice, aliceSession))
			grown := highest()
			if res.status != 200 {
				t.Fatalf("%d %s", res.status, res.text)
			}
			wa.mu.Lock()
			defer wa.mu.Unlock()
			if !strings.HasPrefix(wa.start, c.want) {
				t.Errorf("the WA server got %.200q", wa.start)
			}
			if wa.size < size {
				t.Errorf("the WA server got %d bytes", wa.size)
			}
			if grown > size/2 {
				t.Errorf("the heap grew by %d MiB", grown>>20)
			}
		})
	}
}

// watchHeap measures by how many bytes the heap grows until the function that it
// returns is called.
func watchHeap(t testing.TB) func() uint64 {
	t.Helper()
	var stats runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&stats)
	before, highest := stats.HeapAlloc, stats.HeapAlloc
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				var stats runtime.MemStats
				runtime.ReadMemStats(&stats)
				highest = max(highest, stats.HeapAlloc)
			}
		}
	}()
	return func() uint64 {
		stop()
		<-done
		return highest - before
	}
}

// TestStreamsPass: server-sent events arrive one by one, and WebSockets speak
// both ways, with the access log between.
func TestStreamsPass(t *testing.T) {
	s := newSetup(t, storetest.New(t, storetest.SQLite), "	wa_gateway\n", "	wa_gateway {\n allow GET /stream/*\n}\n")
	next := make(chan string)
	s.wa.respond(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/stream/socket" {
			echo(w, r)
			return
		}
		w.Header().Set("Content-Type", "text/event-stream")
		_ = http.NewResponseController(w).Flush()
		for text := range next {
			fmt.Fprintf(w, "data: %s\n\n", text)
			_ = http.NewResponseController(w).Flush()
		}
	})

	t.Run("server-sent events", func(t *testing.T) {
		req, err := http.NewRequestWithContext(t.Context(), "GET", s.url+"/api/wa/stream/events", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("X-User-ID", alice)
		req.Header.Set("X-Session-ID", aliceSession)
		res, err := s.client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		if res.StatusCode != 200 || res.Header.Get("Content-Type") != "text/event-stream" {
			t.Fatalf("%d %s", res.StatusCode, res.Header.Get("Content-Type"))
		}
		lines := bufio.NewReader(res.Body)
		for _, text := range []string{"one", "two", "three"} {
			next <- text
			line, err := lines.ReadString('\n')
			if err != nil || line != "data: "+text+"\n" {
				t.Fatalf("%q, %v", line, err)
			}
			if _, err := lines.ReadString('\n'); err != nil {
				t.Fatal(err)
			}
		}
		close(next)
		if rest, err := io.ReadAll(lines); err != nil || len(rest) != 0 {
			t.Errorf("%q, %v", rest, err)
		}
	})

	t.Run("WebSocket", func(t *testing.T) {
		conn, err := net.Dial("tcp", "127.0.0.1:"+s.port)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
		fmt.Fprintf(conn, "GET /api/wa/stream/socket HTTP/1.1\r\nHost: 127.0.0.1\r\nX-User-ID: %s\r\nX-Session-ID: %s\r\nConnection: Upgrade\r\n"+
			"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", alice, aliceSession)
		r := bufio.NewReader(conn)
		res, err := http.ReadResponse(r, nil) //nolint:bodyclose // the connection is the test's own
		if err != nil || res.StatusCode != http.StatusSwitchingProtocols {
			t.Fatalf("%v, %v", res, err)
		}
		for _, text := range []string{"ping", "pong"} {
			fmt.Fprintln(conn, text)
			if line, err := r.ReadString('\n'); err != nil || line != "echo "+text+"\n" {
				t.Fatalf("%q, %v", line, err)
			}
		}
	})
	eventually(t, "the access log", func() bool {
		return strings.Count(s.written.read(t), `"wa_gateway_outcome":"forwarded"`) == 2
	})
}

// echo takes the connection over and repeats the lines that come.
func echo(w http.ResponseWriter, _ *http.Request) {
	conn, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(err)
	}
	defer conn.Close()
	fmt.Fprint(rw, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
	_ = rw.Flush()
	for {
		line, err := rw.ReadString('\n')
		if err != nil {
			return
		}
		fmt.Fprint(rw, "echo ", line)
		_ = rw.Flush()
	}
}
