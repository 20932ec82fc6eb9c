package caddywagateway

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// rawBody is a body as it stands on the wire, with the header lines that tell of it.
type rawBody struct {
	name string
	// method and path are POST and /api/wa/send-message unless they are set.
	method, path string
	header       string
	body         string
	half         bool // the client closes its side after the last byte

	status int // 0: the connection ends without an answer
	// want is the body that the WA server gets; "" when it gets none.
	want string
	// arrives: the WA server gets the call. A message that arrives costs one of the
	// rate, and what the gateway refuses costs nothing.
	arrives bool
}

// TestAttackBodies: each kind of broken or odd body has its answer, reaches the WA
// server as one reading or not at all, and costs what it should.
func TestAttackBodies(t *testing.T) {
	wa := newWireRecorder(t)
	g := attackSetup(t, wa.url)
	client := newRawClient(t, g)
	oracle := aliceOracle(allowedInAttacks...)
	left := func() int {
		t.Helper()
		res, err := client.exchange(probe, 10*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		_, left, _ := limitState(t, res)
		if _, err := wa.take(); err != nil {
			t.Fatal(err)
		}
		return left
	}
	before := left()
	for _, c := range rawBodies(t) {
		t.Run(c.name, func(t *testing.T) {
			client.t = t
			client.close()
			res, err := client.sendBody(c)
			if (err != nil) != (c.status == 0) || res.status != c.status {
				t.Errorf("status %d, want %d: %s, %v", res.status, c.status, res.text, err)
			}
			if c.status >= 400 && !c.arrives {
				wantShape(t, res)
			}
			g.answers.scan(res)
			client.close()
			got, err := wa.take()
			if err != nil {
				t.Errorf("what the WA server got: %v", err)
			}
			for i := range got {
				if err := oracle.judge(&got[i]); err != nil {
					t.Errorf("%v\n%s", err, &got[i])
				}
			}
			got = slices.DeleteFunc(got, func(r wireRequest) bool { return r.cut }) // broken off, so no message
			switch {
			case !c.arrives && len(got) != 0:
				t.Errorf("it reached the WA server:\n%s", &got[0])
			case c.arrives && len(got) != 1:
				t.Errorf("%d requests reached the WA server", len(got))
			case c.arrives && string(got[0].body) != c.want:
				t.Errorf("the WA server got %.300q, want %.300q", got[0].body, c.want)
			}
			now := left()
			cost := before - now - 1 // the probe's own
			before = now
			want := 0
			if c.arrives && (c.path == "" || strings.HasPrefix(c.path, "/api/wa/send-")) {
				want = 1
			}
			if cost != want {
				t.Errorf("it cost %d messages, want %d", cost, want)
			}
		})
	}
}

// wantShape checks that an answer has the gateway's shape, as far as the request
// got to the gateway: net/http itself answers what is not HTTP.
func wantShape(t *testing.T, res response) {
	t.Helper()
	if strings.HasPrefix(res.header.Get("Content-Type"), "text/plain") && strings.HasPrefix(res.text, strconv.Itoa(res.status)+" ") {
		return
	}
	if res.status == 417 {
		return // net/http's, too
	}
	if message, _ := res.at("message").(string); res.at("status") != float64(res.status) || message == "" {
		t.Errorf("the answer %d has another shape: %q", res.status, res.text)
	}
}

var probe = wireOf("POST", "/api/wa/send-message", (&attack{}).lines("{ALICE}")+jsonLine, []byte(hello))

// sendBody writes a request and reads the final answer to it.
func (c *rawClient) sendBody(b rawBody) (response, error) {
	c.t.Helper()
	method, path := b.method, b.path
	if method == "" {
		method = "POST"
	}
	if path == "" {
		path = "/api/wa/send-message"
	}
	payload := method + " " + path + " HTTP/1.1\r\nHost: gateway.example\r\n" + (&attack{}).lines("{ALICE}"+b.header) + "\r\n" + b.body
	c.dial()
	_ = c.conn.SetDeadline(time.Now().Add(3 * time.Second))
	if _, err := c.conn.Write([]byte(payload)); err != nil {
		return response{}, err
	}
	if b.half {
		if err := c.conn.(*net.TCPConn).CloseWrite(); err != nil {
			c.t.Fatal(err)
		}
	}
	res, err := c.read([]byte(payload))
	for err == nil && res.status == 100 {
		res, err = c.read([]byte(payload))
	}
	return res, err
}

// sized are header lines with the true length of a body.
func sized(contentType, body string) string {
	lines := ""
	if contentType != "" {
		lines = "Content-Type: " + contentType + "\r\n"
	}
	return lines + "Content-Length: " + strconv.Itoa(len(body)) + "\r\n"
}

func inChunks(body string, size int) string {
	var b strings.Builder
	for len(body) > 0 {
		n := min(size, len(body))
		fmt.Fprintf(&b, "%x\r\n%s\r\n", n, body[:n])
		body = body[n:]
	}
	return b.String() + "0\r\n\r\n"
}

func gzipped(t *testing.T, text string) string {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func rawBodies(t *testing.T) (bodies []rawBody) {
	const (
		typeJSON  = "application/json"
		rewritten = `{"session_id":"alice-1",` + `"to":"628123456789","message":"Hello"}`
	)
	refused := func(name, contentType, body string, status int) {
		bodies = append(bodies, rawBody{name: name, header: sized(contentType, body), body: body, status: status})
	}
	passes := func(name, contentType, body, want string) {
		bodies = append(bodies, rawBody{name: name, header: sized(contentType, body), body: body, status: 200, arrives: true, want: want})
	}
	long := strings.Repeat("a", 200<<10)
	deep := func(n int) string {
		return `{"to":"1","x":` + strings.Repeat("[", n) + strings.Repeat("]", n) + `}`
	}

	passes("whole", typeJSON, hello, rewritten)
	passes("white space around", typeJSON, " \t\r\n"+hello+"\r\n ", rewritten)
	passes("deep, but not too deep", typeJSON, deep(20), `{"session_id":"alice-1",`+deep(20)[1:])
	passes("large number", typeJSON, `{"to":"1","n":1e400,"m":123456789012345678901234567890}`, `{"session_id":"alice-1","to":"1","n":1e400,"m":123456789012345678901234567890}`)
	passes("half a surrogate pair in a value", typeJSON, `{"to":"1","message":"\ud83d"}`, `{"session_id":"alice-1","to":"1","message":"\ud83d"}`)
	passes("multipart without parts", multipartType, "--xyz--\r\n", parts(t, "session_id", aliceSession))
	passes("NUL in a value", typeJSON, `{"to":"1","message":"\u0000"}`, `{"session_id":"alice-1","to":"1","message":"\u0000"}`)

	refused("deeply nested arrays", typeJSON, deep(1000), 400)
	refused("deeply nested objects", typeJSON, `{"to":"1","x":`+strings.Repeat(`{"a":`, 5000)+"1"+strings.Repeat("}", 5000)+"}", 400)
	refused("never closed", typeJSON, strings.Repeat("[", 60000), 400)
	refused("number of many digits", typeJSON, `{"to":"1","n":`+strings.Repeat("9", 10000)+`}`, 400)
	refused("number that is none", typeJSON, `{"to":"1","n":NaN}`, 400)
	refused("number with a leading zero", typeJSON, `{"to":"1","n":007}`, 400)
	refused("number in hexadecimal", typeJSON, `{"to":"1","n":0x1}`, 400)
	refused("invalid UTF-8 in a value", typeJSON, "{\"to\":\"1\",\"message\":\"\xff\xfe\"}", 400)
	refused("invalid UTF-8 in a name", typeJSON, "{\"to\":\"1\",\"\xc3\":\"1\"}", 400)
	refused("overlong UTF-8", typeJSON, "{\"to\":\"1\",\"message\":\"\xc0\xaf\"}", 400)
	refused("surrogates in UTF-8", typeJSON, "{\"to\":\"1\",\"message\":\"\xed\xa0\x80\"}", 400)
	refused("UTF-16", typeJSON, "\xff\xfe{\x00}\x00", 400)
	refused("byte order mark", typeJSON, "\ufeff"+hello, 400)
	refused("garbage behind", typeJSON, hello+"x", 400)
	refused("NUL behind", typeJSON, hello+"\x00", 400)
	refused("another document behind", typeJSON, hello+"\n"+hello, 400)
	refused("control character", typeJSON, "{\"to\":\"1\",\"message\":\"a\nb\"}", 400)
	refused("comment", typeJSON, `{"to":"1"/* */}`, 400)
	refused("comma at the end", typeJSON, `{"to":"1",}`, 400)
	refused("single quotes", typeJSON, `{'to':'1'}`, 400)
	refused("NUL in a name", typeJSON, `{"to":"1","session_id\u0000":"bob-1"}`, 400)
	refused("only white space", typeJSON, "   ", 400)
	refused("null", typeJSON, "null", 400)
	refused("truncated, small", typeJSON, hello[:20], 400)
	refused("truncated form escape", formType, "to=1&message=%2", 400)
	refused("form that is not UTF-8", formType, "to=1&message=%ff", 400)
	refused("multipart cut in a header", multipartType, "--xyz\r\nContent-Dispo", 400)
	refused("multipart, epilogue", multipartType, parts(t, "to", "1")+"session_id=bob-1", 400)

	// The description of the body.
	refused("another charset", typeJSON+"; charset=iso-8859-1", hello, 415)
	refused("form in another charset", formType+"; charset=utf-7", "to=1", 415)
	refused("an unknown type", "application/xml", hello, 415)
	passes("a type that tells nothing", "application/octet-stream", hello, rewritten)
	refused("a list of types", typeJSON+", text/html", hello, 415)
	refused("gzip, said so", typeJSON+"\r\nContent-Encoding: gzip", gzipped(t, hello), 415)
	refused("gzip, not said so", typeJSON, gzipped(t, hello), 400)
	refused("two encodings", typeJSON+"\r\nContent-Encoding: identity\r\nContent-Encoding: gzip", gzipped(t, hello), 415)
	refused("two types that differ", typeJSON+"\r\nContent-Type: "+formType, hello, 415)
	refused("two types that agree", typeJSON+"\r\nContent-Type: "+typeJSON, hello, 415)
	passes("encoding identity", typeJSON+"\r\nContent-Encoding: identity", hello, rewritten)

	// The length of the body.
	add := func(b ...rawBody) { bodies = append(bodies, b...) }
	jsonHeader := "Content-Type: application/json\r\n"
	add(
		rawBody{name: "chunked", header: jsonHeader + "Transfer-Encoding: chunked\r\n", body: inChunks(hello, 1000), status: 200, arrives: true, want: rewritten},
		rawBody{name: "chunks of one byte", header: jsonHeader + "Transfer-Encoding: chunked\r\n", body: inChunks(hello, 1), status: 200, arrives: true, want: rewritten},
		rawBody{name: "chunked, cut", header: jsonHeader + "Transfer-Encoding: chunked\r\n", body: "27\r\n" + hello[:10], half: true, status: 400},
		rawBody{name: "chunked, no last chunk", header: jsonHeader + "Transfer-Encoding: chunked\r\n", body: strings.TrimSuffix(inChunks(hello, 1000), "0\r\n\r\n"), half: true, status: 400},
		rawBody{name: "chunked, broken size", header: jsonHeader + "Transfer-Encoding: chunked\r\n", body: "zz\r\n" + hello, status: 400},
		rawBody{name: "longer than there is", header: jsonHeader + "Content-Length: 1000\r\n", body: hello, half: true, status: 400},
		rawBody{name: "longer than there is, large", header: jsonHeader + "Content-Length: 900000\r\n", body: `{"to":"1","message":"` + long, half: true, status: 400},
		rawBody{name: "shorter than there is", header: jsonHeader + "Content-Length: 10\r\n", body: hello, status: 400},
		rawBody{name: "shorter, but sound", header: jsonHeader + "Content-Length: " + strconv.Itoa(len(hello)) + "\r\n", body: hello + `{"session_id":"bob-1"}`, status: 200, arrives: true, want: rewritten},
		rawBody{name: "length of nothing", header: jsonHeader + "Content-Length: 0\r\n", status: 200, arrives: true},
		rawBody{name: "nothing, chunked", header: jsonHeader + "Transfer-Encoding: chunked\r\n", body: "0\r\n\r\n", status: 200, arrives: true},
		rawBody{name: "no length and no body", header: jsonHeader, status: 200, arrives: true},
		rawBody{name: "larger than any message", header: jsonHeader + "Content-Length: 9000000000\r\n", body: "{", status: 413},
		rawBody{name: "Expect", header: jsonHeader + "Expect: 100-continue\r\nContent-Length: " + strconv.Itoa(len(hello)) + "\r\n", body: hello, status: 200, arrives: true, want: rewritten},
		rawBody{name: "Expect, and too large", header: jsonHeader + "Expect: 100-continue\r\nContent-Length: 9000000000\r\n", status: 413},
		rawBody{name: "Expect something else", header: jsonHeader + "Expect: magic\r\nContent-Length: 2\r\n", body: "{}", status: 417},
		rawBody{name: "GET with a body", method: "GET", path: "/api/wa/webhook", header: sized(typeJSON, `{"session_id":"bob-1"}`), body: `{"session_id":"bob-1"}`, status: 200, arrives: true},
		rawBody{name: "GET with a broken body", method: "GET", path: "/api/wa/webhook", header: sized(typeJSON, "{"), body: "{", status: 200, arrives: true},
		rawBody{name: "DELETE with a body", method: "DELETE", path: "/api/wa/sessions/alice-1", header: sized(typeJSON, `{"session_id":"bob-1"}`), body: `{"session_id":"bob-1"}`, status: 500, arrives: true},
		rawBody{name: "broadcast, one type and another body", path: "/api/wa/broadcast", header: sized(formType, `{"recipients":["1"]}`), body: `{"recipients":["1"]}`, status: 400},
		rawBody{name: "broadcast, nested lists", path: "/api/wa/broadcast", header: sized(typeJSON, `{"recipients":[["1","2"],["3"]]}`), body: `{"recipients":[["1","2"],["3"]]}`, status: 400},
	)
	// What is found wrong only while it streams is refused as well.
	refused("large, garbage behind", typeJSON, `{"to":"1","message":"`+long+`"}x`, 400)
	refused("large, invalid UTF-8", typeJSON, `{"to":"1","message":"`+long+"\xff"+`"}`, 400)
	refused("large, another recipient", typeJSON, `{"to":"1","message":"`+long+`","to":"2"}`, 400)
	return bodies
}
