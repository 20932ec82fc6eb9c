package caddywagateway

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/genfity/wa-gateway/store/storetest"
)

// attack is one entry of the corpus: a request in the parts of which FuzzRequest
// makes others, or bytes that are no request.
type attack struct {
	name string

	method, target string
	// header are whole lines; {KEY} in it becomes alice's API key, {ALICE} that
	// and her session.
	header string
	body   string

	// raw is sent in place of the parts.
	raw string

	// arrives is the number of requests that reach the WA server.
	arrives int
}

const aliceKeyLine = "Authorization: Bearer " + columnKey + alice + "\r\n"

// lines are header lines with alice in them.
func (a *attack) lines(text string) string {
	return strings.NewReplacer("{ALICE}", aliceKeyLine+"X-Session-ID: "+aliceSession+"\r\n", "{KEY}", aliceKeyLine).Replace(text)
}

func (a *attack) wire() []byte {
	if a.raw != "" {
		return []byte(a.lines(a.raw))
	}
	return wireOf(a.method, a.target, a.lines(a.header), []byte(a.body))
}

// wireOf writes a request. A body whose length the header does not tell gets one.
func wireOf(method, target, header string, body []byte) []byte {
	text := method + " " + target + " HTTP/1.1\r\n"
	low := "\r\n" + strings.ToLower(header)
	if !strings.Contains(low, "\r\nhost:") {
		text += "Host: gateway.example\r\n"
	}
	if len(body) > 0 && !strings.Contains(low, "content-length") && !strings.Contains(low, "transfer-encoding") {
		text += "Content-Length: " + strconv.Itoa(len(body)) + "\r\n"
	}
	return append([]byte(text+header+"\r\n"), body...)
}

// allowedInAttacks are the operator's rules while the corpus is played.
var allowedInAttacks = [][2]string{{"POST", "/groups/*"}, {"GET", "/user/info"}, {"GET", "/labels/*"}}

// noAccessLog is what an access log is asked for by. Clients that show keys where
// none belong find them in it, unless it filters as the repository's Caddyfile does.
const noAccessLog = "\n	log\n"

// attackSetup is the gateway of the attacks: nobody's word is taken for an
// identity, so that whatever arrives is alice's doing, and some calls outside the
// table are allowed.
func attackSetup(t testing.TB, waURL string, changes ...string) *gateway {
	t.Helper()
	d := storetest.New(t, storetest.SQLite)
	seed(t, openStore(t, d.DSN))
	site := "	wa_gateway {\n trusted_clients none\n"
	for _, rule := range allowedInAttacks {
		site += " allow " + rule[0] + " " + rule[1] + "\n"
	}
	changes = append(changes, "	wa_gateway\n	@sandbox", site+"}\n	@sandbox", "{APP}", "rate_limit 1000000 60s", noAccessLog, "\n")
	g := startCaddy(t, caddyfileFor(d.DSN, waURL, changes...))
	g.ready()
	return g
}

// TestAttackCorpus sends the corpus byte by byte. What reaches the WA server is on
// the allow list and names only sessions of alice's; the rest never arrives.
func TestAttackCorpus(t *testing.T) {
	wa := newWireRecorder(t)
	g := attackSetup(t, wa.url)
	client := newRawClient(t, g)
	oracle := aliceOracle(allowedInAttacks...)
	arrived := 0
	for _, a := range attackCorpus() {
		t.Run(a.name, func(t *testing.T) {
			client.t = t
			answers := client.all(a.wire(), a.arrives > 1)
			for _, res := range answers {
				g.answers.scan(res)
				if res.status >= 500 && res.status != 505 && res.status != 501 {
					t.Errorf("%d %s", res.status, res.text)
				}
			}
			got, err := wa.take()
			if err != nil {
				t.Errorf("what the WA server got: %v", err)
			}
			for i := range got {
				if err := oracle.judge(&got[i]); err != nil {
					t.Errorf("%v\n%s", err, &got[i])
				}
			}
			if len(got) != a.arrives {
				t.Errorf("%d requests reached the WA server, want %d; answers: %+v", len(got), a.arrives, answers)
			}
			arrived += len(got)
		})
	}
	if arrived == 0 {
		t.Error("nothing reached the WA server: the test shows nothing")
	}
}

// all sends bytes on a connection of their own and returns every answer to them.
// When more than one is expected, the next is waited for longer.
func (c *rawClient) all(payload []byte, more bool) (answers []response) {
	c.t.Helper()
	c.close()
	patience := 25 * time.Millisecond
	if more {
		patience = 5 * time.Second
	}
	res, err := c.exchange(payload, time.Second)
	for err == nil {
		answers = append(answers, res)
		if c.conn == nil { // it said that this was the last
			return answers
		}
		_ = c.conn.SetDeadline(time.Now().Add(patience))
		res, err = c.read(payload)
	}
	return answers // closed, or silent, as servers are at what is not HTTP
}

const jsonLine = "Content-Type: application/json\r\n"

// attackCorpus is everything that is known to have opened a gateway somewhere.
func attackCorpus() []attack {
	var corpus []attack
	add := func(some ...attack) { corpus = append(corpus, some...) }
	post := func(name, target string, arrives int) {
		add(attack{name: name, method: "POST", target: target, header: "{ALICE}" + jsonLine, body: hello, arrives: arrives})
	}
	get := func(name, target string, arrives int) {
		add(attack{name: name, method: "GET", target: target, header: "{ALICE}", arrives: arrives})
	}
	addPaths(post, get)
	add(attackHeaders()...)
	add(attackFraming()...)
	return corpus
}

func addPaths(post, get func(name, target string, arrives int)) {
	// Honest calls, so that the rest is known not to fail for another reason.
	post("honest message", "/api/wa/send-message", 1)
	post("honest allowed call", "/api/wa/groups/create", 1)
	get("honest chat", "/api/wa/sessions/alice-1/messages/628123@s.whatsapp.net", 1)
	get("honest allowed read", "/api/wa/user/info", 1)
	get("honest escaped chat", "/api/wa/sessions/alice-1/messages/628123%40s.whatsapp.net", 1)
	get("escaped letters", "/api/wa/sessions/%61lice-1/chats", 1) // decoded once, matched, and written anew
	post("a star is a segment like others", "/api/wa/groups/*", 1)
	get("escaped words", "/api/wa/%73essions/alice-1/chats", 1)

	for _, target := range []string{
		// Slashes and dots, encoded once, twice and thrice.
		"/api/wa/groups/..%2fadmin%2fusers", "/api/wa/groups/%2e%2e/admin", "/api/wa/groups/%2e%2e%2fadmin", "/api/wa/groups/..%252fadmin",
		"/api/wa/groups/%252e%252e%252fadmin", "/api/wa/groups/%25252e%25252e/admin", "/api/wa/groups/x/../../admin", "/api/wa/groups/./create",
		"/api/wa/groups/..;/admin", "/api/wa/groups/..;a=b/admin", "/api/wa/groups/...", "/api/wa/groups/create.", "/api/wa/groups/create%2e",
		"/api/wa/groups/%2f", "/api/wa/groups/%2F%2Fadmin", "/api/wa/groups/a%2fb", "/api/wa/groups/a%5cb", "/api/wa/groups/a\\b", "/api/wa/groups/..\\admin",
		"/api/wa/groups/..%5cadmin", "/api/wa/groups/%5c%5cevil", "/api/wa/groups/.%2e/admin", "/api/wa/groups/%2e./admin", "/api/wa/groups/x%2f..%2f..%2fadmin",
		// Empty segments, parameters, ends.
		"/api/wa//send-message", "//api/wa/send-message", "/api//wa/send-message", "/api/wa/send-message/", "/api/wa/send-message//", "/api/wa/groups//create",
		"/api/wa/send-message;a=b", "/api/wa/send-message%3ba=b", "/api/wa;x/send-message", "/api/wa/send-message;", "/api/wa/groups/create;session_id=bob-1",
		"/api/wa/send-message.json", "/api/wa/send-message.", "/api/wa/send-message%20", "/api/wa/send-message%09", "/api/wa/%20send-message", "/api/wa/groups",
		"/api/wa/groups/", "/api/wa/send-message/..", "/api/wa/send-message/.", "/api/wa/send-message%2f", "/./api/wa/send-message", "/x/../api/wa/send-message",
		// Case and look-alikes.
		"/API/wa/send-message", "/api/WA/send-message", "/api/wa/SEND-MESSAGE", "/api/wa/Send-Message", "/api/wa/ſend-message", "/api/wa/%C5%BFend-message", "/api/wa/send%E2%80%90message",
		"/api/wa/send%C2%ADmessage", "/api/wa/send-message%E2%80%8B", "/api/wa/%EF%BC%8Fadmin", "/api/wa/groups/%EF%BC%8E%EF%BC%8E%EF%BC%8Fx%E2%80%AE",
		// The administration of a WA server.
		"/api/wa/admin", "/api/wa/admin/users", "/api/wa/ADMIN/users", "/api/wa/%61dmin/users", "/api/wa/%2561dmin/users", "/api/wa/groups/admin", "/api/wa/groups/Admin/x",
		"/api/wa/groups/%61dmin", "/api/wa/groups/x/admin/y", "/admin/users", "/api/wa/../../admin/users", "/api/wa/./admin", "/api/wa/sessions/admin/start/x",
		// NUL, control characters, what is not UTF-8.
		"/api/wa/send-message%00", "/api/wa/send-message%00.json", "/api/wa/groups/%00", "/api/wa/groups/a%0ab", "/api/wa/groups/a%0d%0aX-Session-ID:%20bob-1", "/api/wa/groups/%7f",
		"/api/wa/groups/a%0d%0a%0d%0aDELETE%20/sessions/bob-1%20HTTP/1.1", "/api/wa/groups/%c0%ae%c0%ae/admin", "/api/wa/groups/%c0%af", "/api/wa/groups/%e0%80%af", "/api/wa/groups/%e0%80%ae",
		"/api/wa/groups/%f0%80%80%af", "/api/wa/groups/%ff", "/api/wa/groups/%c3", "/api/wa/groups/%ed%a0%80", "/api/wa/groups/\xff", "/api/wa/groups/%ef%bb%bfx", "/api/wa/groups/%e2%80%ae",
		// Broken escapes.
		"/api/wa/groups/%", "/api/wa/groups/%2", "/api/wa/groups/%zz", "/api/wa/groups/%u002e%u002e", "/api/wa/groups/%u2215admin", "/api/wa/groups/a%25b", "/api/wa/groups/a%3fb", "/api/wa/groups/a%23b",
		// The request target's other forms.
		"*", "gateway.example:443", "http://", "http:api/wa/send-message", "api/wa/send-message", "?", "/", "", "http:///api/wa/send-message/", "ws://evil/admin", "file:///etc/passwd",
		"http://evil.example/admin/users", "http://127.0.0.1/send-message", "http://gateway.example/send-message", "//evil.example/send-message", "\\\\evil\\admin", "/http://evil/send-message",
		"/api/wa/http://evil/x", "@evil.example/send-message", "/@evil/send-message", "http://evil@gateway.example/send-message",
		// Somebody else's session.
		"/api/wa/sessions/bob-1/start", "/api/wa/sessions/%62ob-1/start", "/api/wa/sessions/alice-1%2f..%2fbob-1/start", "/api/wa/sessions/alice-1/../bob-1/start", "/api/wa/sessions/alice-1;bob-1/start",
		"/api/wa/sessions/bob-1%00/start", "/api/wa/sessions/BOB-1/start", "/api/wa/sessions/%2e/start", "/api/wa/sessions/../start", "/api/wa/sessions/ /start", "/api/wa/sessions/alice-1/start/..",
		"/api/wa/sessions/alice-1%20/start", "/api/wa/sessions/alice-1%0a/start", "/api/wa/sessions/" + strings.Repeat("a", 300) + "/start", "/api/wa/" + strings.Repeat("groups/", 40),
		"/api/wa/groups/" + strings.Repeat("%61", 1000),
		// Fragments and tabs.
		"/api/wa/groups/create#/../admin", "/api/wa/send-message#x", "/api/wa/send-message\t", "/api/wa/\tsend-message",
	} {
		post("POST "+short(target), target, 0)
	}
	get("chat, encoded slash", "/api/wa/sessions/alice-1/messages/..%2f..%2fbob-1%2fchats", 0)
	get("chat, dots", "/api/wa/sessions/alice-1/messages/%2e%2e", 0)
	get("chat, question mark", "/api/wa/sessions/alice-1/messages/x%3fsession_id=bob-1", 0)
	get("chat, CRLF", "/api/wa/sessions/alice-1/messages/x%0d%0aHost:%20evil", 0)
	get("method that the table does not have", "/api/wa/send-message", 0)
	get("the events of the WA server", "/events/message", 0)

	// The absolute form is HTTP: its path is the path.
	post("absolute form", "http://gateway.example/api/wa/send-message", 1)
	post("absolute form of another host", "http://evil.example/api/wa/send-message", 1)
	post("absolute form with credentials", "http://bob:bob@evil.example/api/wa/send-message", 1)
	post("absolute form, path climbs", "http://evil.example/api/wa/groups/%2e%2e/admin", 0)
	post("absolute form, https", "https://evil.example/api/wa/send-message", 1)

	// Queries: values are content, names are not.
	post("CRLF in a query value", "/api/wa/send-message?a=%0d%0aX-Session-ID:%20bob-1", 1)
	post("CRLF in a query name", "/api/wa/send-message?%0d%0aX-Session-ID:bob-1=1", 1)
	post("a request in a query", "/api/wa/send-message?a=%20HTTP/1.1%0d%0aHost:x%0d%0a%0d%0aGET%20/admin", 1)
	post("a path in a query", "/api/wa/send-message?/../../admin/users", 1)
	post("a second question mark", "/api/wa/send-message?a=b?session_id=bob-1", 1)
	post("session in the query", "/api/wa/send-message?session_id=bob-1", 0)
	post("other spelling in the query", "/api/wa/send-message?sessionId=bob-1", 1)
	post("NUL in the query", "/api/wa/send-message?a=%00", 1)
	post("broken escape in the query", "/api/wa/send-message?a=%zz", 0)
	post("semicolon in the query", "/api/wa/send-message?a=b;session_id=bob-1", 0)
	post("fragment in the query", "/api/wa/send-message?a=b#c", 1)
	post("not UTF-8 in the query", "/api/wa/send-message?a=%ff%fe", 1)
	post("method in the query", "/api/wa/sessions/alice-1/stop?_method=DELETE", 1)
	post("empty query", "/api/wa/send-message?", 1)
	post("only separators", "/api/wa/send-message?&&&=&", 1)
}

// short keeps the name of a subtest readable.
func short(s string) string {
	if len(s) > 60 {
		return s[:60] + "…"
	}
	return s
}

// attackHeaders are attacks in the header of a good request.
func attackHeaders() (corpus []attack) {
	for _, c := range []struct {
		header  string
		arrives int
	}{
		{"X-HTTP-Method-Override: DELETE\r\n", 1},
		{"X-HTTP-Method: DELETE\r\n", 1},
		{"X-Method-Override: DELETE\r\n", 1},
		{"X-Original-URL: /admin/users\r\n", 1},
		{"X-Rewrite-URL: /admin/users\r\n", 1},
		{"X-Original-URI: /admin\r\nX-Forwarded-URI: /admin\r\nX-Forwarded-Prefix: /admin\r\n", 1},
		{"X-Forwarded-Host: evil.example\r\nX-Forwarded-Proto: https\r\nForwarded: host=evil\r\n", 1},
		{"X-Forwarded-For: 127.0.0.1\r\nX-User-ID: ckbob\r\n", 0},
		{"X-User-ID: ckalice\r\n", 1},
		{"X-User-ID: ckbob\r\n", 0},
		{"X-User-ID: ckalice\r\nX-User-ID: ckbob\r\n", 0},
		{"x-user-id: ckbob\r\n", 0},
		{"X_User_ID: ckbob\r\nX_Session_ID: bob-1\r\n", 1},
		{"X-Session-ID: bob-1\r\n", 0},
		{"X-Session-ID : bob-1\r\n", 0},
		{" X-Session-ID: bob-1\r\n", 0},
		{"X-Session-ID\r\n", 0},
		{"X-Session-ID\t: bob-1\r\n", 0},
		{"X-Session-ID:bob-1\r\n", 0},
		{"X-Session-ID:\tbob-1\t\r\n", 0},
		{"X-A: b\r\n X-Session-ID: bob-1\r\n", 1}, // folded: part of X-A, if anything
		{"X-A: b\r\n\tX-User-ID: ckbob\r\n", 1},
		{"X-A: b\nX-Session-ID: bob-1\r\n", 0}, // a bare LF ends a line for net/http: two sessions
		{"X-A: b\nX-B: c\r\n", 1},
		{"X-A: b\rX-Session-ID: bob-1\r\n", 0},
		{"X-A: b\x00c\r\n", 0},
		{"X-A: \x7f\r\n", 0},
		{"X-A\x00: b\r\n", 0},
		{"X A: b\r\n", 0},
		{": b\r\n", 0},
		{"X-\xff: b\r\n", 0},
		{"Host: evil.example\r\n", 1},
		{"Host: gateway.example\r\nHost: evil.example\r\n", 0},
		{"Host: evil.example/admin\r\n", 0},
		{"Host: evil example\r\n", 0},
		{"Host:\r\n", 0},
		{"Host: 127.0.0.1:2019\r\n", 1},
		{"Authorization: Bearer column-key-ckbob\r\n", 0},
		{"Cookie: session_id=bob-1\r\nToken: column-key-ckbob\r\n", 1},
		{"Connection: X-User-ID, X-Session-ID, Authorization, Host\r\n", 1},
		{"Connection: close, x-session-id\r\n", 1},
		{"Proxy-Connection: X-Session-ID\r\nKeep-Alive: x\r\nTE: trailers\r\n", 1},
		{"Trailer: X-Session-ID\r\n", 1},
		{"Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n", 1},
		{"Max-Forwards: 0\r\n", 1},
		{"Expect: 200-ok\r\n", 0},
		{"Content-Encoding: gzip\r\n", 0},
		{"Range: bytes=0-1\r\nIf-Match: x\r\n", 1},
	} {
		corpus = append(corpus, attack{
			name: "header " + short(strings.TrimSpace(c.header)), method: "POST", target: "/api/wa/send-message",
			header: "{ALICE}" + jsonLine + c.header, body: hello, arrives: c.arrives,
		})
	}
	corpus = append(
		corpus,
		attack{name: "no credential", method: "POST", target: "/api/wa/send-message", header: jsonLine, body: hello},
		attack{name: "no session", method: "POST", target: "/api/wa/send-message", header: "{KEY}" + jsonLine, body: hello},
		attack{name: "asserted by a stranger", method: "POST", target: "/api/wa/send-message", header: "X-User-ID: ckalice\r\nX-Session-ID: alice-1\r\n" + jsonLine, body: hello},
		attack{name: "bob's session with alice's key", method: "POST", target: "/api/wa/send-message", header: "{KEY}X-Session-ID: bob-1\r\n" + jsonLine, body: hello},
		attack{name: "folded session", method: "POST", target: "/api/wa/send-message", header: "{KEY}X-Session-ID:\r\n bob-1\r\n" + jsonLine, body: hello},
		attack{name: "method in lower case", method: "post", target: "/api/wa/send-message", header: "{ALICE}" + jsonLine, body: hello},
		attack{name: "CONNECT", method: "CONNECT", target: "/api/wa/send-message", header: "{ALICE}"},
		attack{name: "CONNECT to another", method: "CONNECT", target: "evil.example:443", header: "{ALICE}"},
		attack{name: "TRACE", method: "TRACE", target: "/api/wa/user/info", header: "{ALICE}"},
		attack{name: "OPTIONS *", method: "OPTIONS", target: "*", header: "{ALICE}"},
		attack{name: "HEAD", method: "HEAD", target: "/api/wa/user/info", header: "{ALICE}"},
		attack{name: "made-up method", method: "SEND", target: "/api/wa/send-message", header: "{ALICE}"},
		attack{name: "PRI", raw: "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"},
	)
	return corpus
}

// attackFraming are attacks on where a request ends, and on the version.
func attackFraming() []attack {
	const (
		start    = "POST /api/wa/send-message HTTP/1.1\r\nHost: gateway.example\r\n{ALICE}" + jsonLine
		chunked  = "Transfer-Encoding: chunked\r\n\r\n"
		smuggled = "DELETE /api/wa/sessions/bob-1 HTTP/1.1\r\nHost: x\r\n{ALICE}\r\n"
		inside   = "POST /sessions/bob-1/stop HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer x\r\nContent-Length: 0\r\n\r\n"
		last     = "GET /api/wa/user/info HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{ALICE}\r\n"
	)
	size := strconv.Itoa(len(hello))
	hex := strconv.FormatInt(int64(len(hello)), 16)
	one := hex + "\r\n" + hello + "\r\n0\r\n\r\n"
	return []attack{
		{name: "two requests", raw: start + "Content-Length: " + size + "\r\n\r\n" + hello + last, arrives: 2},
		{name: "a request for bob after one for alice", raw: start + "Content-Length: " + size + "\r\n\r\n" + hello + smuggled + last, arrives: 2},
		{name: "chunked", raw: start + chunked + one + last, arrives: 2},
		{name: "chunks of one byte", raw: start + chunked + "1\r\n{\r\n1\r\n}\r\n0\r\n\r\n" + last, arrives: 2},
		// RFC 9112, 6.3 leaves both lengths to the server: net/http goes by the
		// chunks, and the WA server gets one length alone.
		{name: "CL.TE", raw: start + "Content-Length: 4\r\n" + chunked + one + inside, arrives: 1},
		{name: "TE.CL", raw: start + "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n" + one + inside, arrives: 1},
		{name: "TE.TE", raw: start + "Transfer-Encoding: identity\r\n" + chunked + one + inside},
		{name: "TE.TE, both chunked", raw: start + "Transfer-Encoding: chunked\r\n" + chunked + one + inside},
		{name: "TE, list", raw: start + "Transfer-Encoding: gzip, chunked\r\n\r\n" + one + inside},
		{name: "TE, xchunked", raw: start + "Transfer-Encoding: xchunked\r\n\r\n" + one + inside},
		{name: "TE, tab", raw: start + "Transfer-Encoding:\tchunked\r\n\r\n" + one + last, arrives: 2},
		{name: "TE, space before the colon", raw: start + "Transfer-Encoding : chunked\r\n\r\n" + one},
		{name: "TE, vertical tab", raw: start + "Transfer-Encoding: \x0bchunked\r\n\r\n" + one},
		{name: "TE, quoted", raw: start + "Transfer-Encoding: \"chunked\"\r\n\r\n" + one},
		{name: "TE, folded", raw: start + "Transfer-Encoding:\r\n chunked\r\n\r\n" + one + last, arrives: 2},
		{name: "TE, upper case", raw: start + "Transfer-Encoding: CHUNKED\r\n\r\n" + one + last, arrives: 2},
		{name: "TE in HTTP/1.0", raw: strings.Replace(start, "HTTP/1.1", "HTTP/1.0", 1) + chunked + one + inside, arrives: 1},
		{name: "chunk extension", raw: start + chunked + hex + ";a=b\r\n" + hello + "\r\n0\r\n\r\n" + last, arrives: 2},
		{name: "chunk extension, bare LF", raw: start + chunked + hex + ";a\nb\r\n" + hello + "\r\n0\r\n\r\n"},
		{name: "chunk size, bare LF", raw: start + chunked + hex + "\n" + hello + "\r\n0\r\n\r\n"},
		{name: "chunk size, plus", raw: start + chunked + "+" + hex + "\r\n" + hello + "\r\n0\r\n\r\n"},
		{name: "chunk size, 0x", raw: start + chunked + "0x" + hex + "\r\n" + hello + "\r\n0\r\n\r\n"},
		{name: "chunk size, underscore", raw: start + chunked + "2_7\r\n" + hello + "\r\n0\r\n\r\n"},
		{name: "chunk size, overflow", raw: start + chunked + "10000000000000027\r\n" + hello + "\r\n0\r\n\r\n"},
		{name: "chunk without its end", raw: start + chunked + hex + "\r\n" + hello + "0\r\n\r\n"},
		{name: "chunk end, bare LF", raw: start + chunked + hex + "\r\n" + hello + "\n0\r\n\r\n"},
		{name: "trailers", raw: start + "Trailer: X-Session-ID\r\n" + chunked + hex + "\r\n" + hello + "\r\n0\r\nX-Session-ID: bob-1\r\nX-User-ID: ckbob\r\n\r\n" + last, arrives: 2},
		{name: "two lengths that differ", raw: start + "Content-Length: " + size + "\r\nContent-Length: 5\r\n\r\n" + hello},
		{name: "two lengths that agree", raw: start + "Content-Length: " + size + "\r\nContent-Length: " + size + "\r\n\r\n" + hello + last, arrives: 2},
		{name: "a list of lengths", raw: start + "Content-Length: " + size + ", " + size + "\r\n\r\n" + hello},
		{name: "length with a sign", raw: start + "Content-Length: +" + size + "\r\n\r\n" + hello},
		{name: "negative length", raw: start + "Content-Length: -1\r\n\r\n" + hello},
		{name: "length in hexadecimal", raw: start + "Content-Length: 0x27\r\n\r\n" + hello},
		{name: "length that overflows", raw: start + "Content-Length: 18446744073709551655\r\n\r\n" + hello},
		{name: "length with a space", raw: start + "Content-Length : " + size + "\r\n\r\n" + hello},
		{name: "empty length", raw: start + "Content-Length: \r\n\r\n" + hello},
		// A body that nobody reads ends the connection.
		{name: "length of a GET", raw: "GET /api/wa/user/info HTTP/1.1\r\nHost: x\r\n{ALICE}Content-Length: " + strconv.Itoa(len(inside)) + "\r\n\r\n" + inside + last, arrives: 2},
		{name: "chunked GET", raw: "GET /api/wa/user/info HTTP/1.1\r\nHost: x\r\n{ALICE}" + chunked + "0\r\n\r\n" + last, arrives: 1},
		{name: "a request in a body", raw: start + "Content-Length: " + strconv.Itoa(len(inside)) + "\r\n\r\n" + inside + last, arrives: 1},
		{name: "bare LF everywhere", raw: strings.ReplaceAll("GET /api/wa/user/info HTTP/1.1\r\nHost: x\r\nConnection: close\r\n", "\r\n", "\n") + strings.ReplaceAll("{ALICE}", "\r\n", "\n") + "\n", arrives: 1},
		{name: "bare CR", raw: "GET /api/wa/user/info HTTP/1.1\rHost: x\r{ALICE}\r"},
		{name: "HTTP/0.9", raw: "GET /api/wa/user/info\r\n"},
		{name: "HTTP/0.9 with a header", raw: "GET /api/wa/user/info\r\n{ALICE}\r\n"},
		{name: "HTTP/1.0", raw: "GET /api/wa/user/info HTTP/1.0\r\n{ALICE}\r\n", arrives: 1},
		{name: "HTTP/1.2", raw: "GET /api/wa/user/info HTTP/1.2\r\nHost: x\r\nConnection: close\r\n{ALICE}\r\n", arrives: 1},
		{name: "HTTP/2.0", raw: "GET /api/wa/user/info HTTP/2.0\r\nHost: x\r\n{ALICE}\r\n"},
		{name: "HTTP/3", raw: "GET /api/wa/user/info HTTP/3\r\nHost: x\r\n{ALICE}\r\n"},
		{name: "http in lower case", raw: "GET /api/wa/user/info http/1.1\r\nHost: x\r\n{ALICE}\r\n"},
		{name: "no host", raw: "GET /api/wa/user/info HTTP/1.1\r\n{ALICE}\r\n"},
		{name: "two spaces", raw: "GET  /api/wa/user/info HTTP/1.1\r\nHost: x\r\n{ALICE}\r\n"},
		{name: "a space in the target", raw: "GET /api/wa/user/info /x HTTP/1.1\r\nHost: x\r\n{ALICE}\r\n"},
		{name: "tabs for spaces", raw: "GET\t/api/wa/user/info\tHTTP/1.1\r\nHost: x\r\n{ALICE}\r\n"},
		{name: "space before the request", raw: " GET /api/wa/user/info HTTP/1.1\r\nHost: x\r\n{ALICE}\r\n"},
		{name: "empty lines before the request", raw: "\r\n\r\nGET /api/wa/user/info HTTP/1.1\r\nHost: x\r\n{ALICE}\r\n"},
		{name: "NUL in the target", raw: "GET /api/wa/user/info\x00 HTTP/1.1\r\nHost: x\r\n{ALICE}\r\n"},
		{name: "the WA server's own path", raw: "POST /send-message HTTP/1.1\r\nHost: x\r\n{ALICE}Content-Length: 2\r\n\r\n{}"},
		{name: "Expect", raw: start + "Expect: 100-continue\r\nContent-Length: " + size + "\r\n\r\n" + hello, arrives: 1},
	}
}
