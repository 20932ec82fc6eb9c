package sandbox

import (
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// clock is a time that moves only when told.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Date(2025, 3, 4, 5, 6, 7, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// server is a sandbox behind a real HTTP server.
type server struct {
	*httptest.Server
	t     *testing.T
	clock *clock
}

func newServer(t *testing.T, o Options) *server {
	t.Helper()
	c := newClock()
	if o.Now == nil {
		o.Now = c.Now
	}
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	hs := httptest.NewServer(s)
	t.Cleanup(func() {
		hs.Close()
		if err := s.Close(t.Context()); err != nil && t.Context().Err() == nil {
			t.Error(err)
		}
	})
	return &server{Server: hs, t: t, clock: c}
}

// asked is who calls when a test does not say otherwise.
var asked = map[string]string{userHeader: "user123", sessionHeader: "session123"}

type answer struct {
	t      *testing.T
	status int
	header http.Header
	raw    []byte
	body   struct {
		Success bool           `json:"success"`
		Data    map[string]any `json:"data"`
		Error   struct {
			Code    string `json:"code"`
			Message string `json:"message"`
		} `json:"error"`
	}
}

// do makes a call; headers are pairs that add to, or with "" take from, those of asked.
func (s *server) do(method, path, body string, headers ...string) *answer {
	s.t.Helper()
	return s.stream(method, path, strings.NewReader(body), headers...)
}

func (s *server) stream(method, path string, body io.Reader, headers ...string) *answer {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), method, s.URL+path, body)
	if err != nil {
		s.t.Fatal(err)
	}
	for name, value := range asked {
		req.Header.Set(name, value)
	}
	req.Header.Set("Content-Type", "application/json")
	for i := 0; i+1 < len(headers); i += 2 {
		if headers[i+1] == "" {
			req.Header.Del(headers[i])
		} else {
			req.Header.Set(headers[i], headers[i+1])
		}
	}
	resp, err := s.Client().Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	a := &answer{t: s.t, status: resp.StatusCode, header: resp.Header}
	if a.raw, err = io.ReadAll(resp.Body); err != nil {
		s.t.Fatal(err)
	}
	if resp.Header.Get("Content-Type") == jsonType && method != http.MethodHead {
		if err := json.Unmarshal(a.raw, &a.body); err != nil {
			s.t.Fatalf("%s %s: %v in %s", method, path, err, a.raw)
		}
		if a.body.Success != (a.status < 300) {
			s.t.Errorf("%s %s: %d with %s", method, path, a.status, a.raw)
		}
	}
	return a
}

func (a *answer) ok(status int) map[string]any {
	a.t.Helper()
	if a.status != status {
		a.t.Fatalf("got %d, want %d: %s", a.status, status, a.raw)
	}
	return a.body.Data
}

func (a *answer) refused(status int, code, mention string) {
	a.t.Helper()
	if a.status != status || a.body.Error.Code != code || !strings.Contains(a.body.Error.Message, mention) {
		a.t.Errorf("got %d %s, want %d %s with %q", a.status, a.raw, status, code, mention)
	}
}

// TestEveryRow calls each endpoint of contract §3 on a fresh sandbox, as a fresh gateway would.
func TestEveryRow(t *testing.T) {
	const poll = `{"to":"628123456789","question":"?","options":["a","b"]}`
	const media = `{"to":"628123456789","media":"https://example.com/a.png"}`
	rows := []struct{ method, path, body string }{
		{"POST", "/send-message", `{"to":"628123456789","message":"Test"}`},
		{"POST", "/send-media", media},
		{"POST", "/send-image", media},
		{"POST", "/send-video", media},
		{"POST", "/send-audio", media},
		{"POST", "/send-document", media},
		{"POST", "/send-sticker", media},
		{"POST", "/send-location", `{"to":"628123456789","latitude":-6.2,"longitude":106.8}`},
		{"POST", "/send-contact", `{"to":"628123456789","contact":{"name":"Contact 1","phone":"6280000001011"}}`},
		{"POST", "/send-poll", poll},
		{"POST", "/send-list", `{"to":"628123456789","message":"m","sections":[{"title":"s","rows":[{"title":"r"}]}]}`},
		{"POST", "/send-button", `{"to":"628123456789","message":"m","buttons":["yes",{"id":"n","title":"no"}]}`},
		{"POST", "/broadcast", `{"recipients":["628123456789"],"message":"m"}`},
		{"GET", "/sessions", ""},
		{"GET", "/sessions/session123", ""},
		{"GET", "/sessions/session123/contacts", ""},
		{"GET", "/sessions/session123/chats", ""},
		{"GET", "/sessions/session123/messages/628123456789@s.whatsapp.net", ""},
		{"POST", "/sessions/session123/mark-read", `{"chat_id":"628123456789"}`},
		{"GET", "/webhook", ""},
		{"POST", "/webhook", `{"url":"https://example.com/hook"}`},
		{"PUT", "/webhook", `{"url":"https://example.com/hook","events":["message"]}`},
		{"POST", "/sessions/session123/start", ""},
		{"POST", "/sessions/session123/stop", ""},
		{"DELETE", "/sessions/session123", ""},
		{"GET", "/health", ""},
	}
	for _, row := range rows {
		t.Run(row.method+row.path, func(t *testing.T) {
			s := newServer(t, Options{})
			data := s.do(row.method, row.path, row.body).ok(200)
			if strings.HasPrefix(row.path, "/send-") {
				wantSend(t, data, "628123456789")
				if got := data["type"]; "/send-"+got.(string) != strings.Replace(row.path, "message", "text", 1) {
					t.Errorf("type %v for %s", got, row.path)
				}
			}
		})
	}
	s := newServer(t, Options{})
	s.do("POST", "/sessions", `{"session_id":"new"}`).ok(201)
	s.do("POST", "/sessions/new/start", "").ok(200)
	if a := s.do("GET", "/sessions/new/qr", ""); a.status != 200 {
		t.Error(a.status)
	}
}

func wantSend(t *testing.T, data map[string]any, to string) {
	t.Helper()
	id, _ := data["message_id"].(string)
	if !strings.HasPrefix(id, "3EB0") || len(id) != 22 || data["status"] != "sent" || data["to"] != to {
		t.Errorf("answer %v", data)
	}
	if data["timestamp"] != "2025-03-04T05:06:07.000Z" {
		t.Errorf("timestamp %v", data["timestamp"])
	}
}

func TestUnknownPathsAndMethods(t *testing.T) {
	s := newServer(t, Options{})
	for _, path := range []string{"/", "/send", "/send-message/", "/sessions/", "/sessions//qr", "/sessions/a/b", "/api/wa/health", "/admin/users", "/sessions/a%2Fstart/x/y"} {
		s.do("GET", path, "").refused(404, "not_found", "")
	}
	a := s.do("GET", "/send-message", "")
	a.refused(405, "method_not_allowed", "POST")
	if a.header.Get("Allow") != "POST" {
		t.Error(a.header)
	}
	a = s.do("DELETE", "/webhook", "")
	a.refused(405, "method_not_allowed", "")
	if a.header.Get("Allow") != "GET, POST, PUT" {
		t.Error(a.header)
	}
	if a := s.do("HEAD", "/sessions", ""); a.status != 200 || len(a.raw) != 0 {
		t.Error(a.status, a.raw)
	}
	// An escaped slash belongs to the id.
	data := s.do("GET", "/sessions/a%2Fstart", "", sessionHeader, "a/start").ok(200)
	if data["session_id"] != "a/start" {
		t.Error(data)
	}
}

func TestToken(t *testing.T) {
	s := newServer(t, Options{Token: "right"})
	for _, header := range []string{"", "Bearer", "Bearer wrong", "Basic right", "right", "Bearer right x"} {
		a := s.do("GET", "/sessions", "", "Authorization", header)
		a.refused(401, "unauthorized", "token")
		if a.header.Get("WWW-Authenticate") != "Bearer" {
			t.Error(a.header)
		}
		s.do("GET", "/no-such-path", "", "Authorization", header).refused(401, "unauthorized", "")
	}
	s.do("GET", "/sessions", "", "Authorization", "Bearer right").ok(200)
	s.do("GET", "/sessions", "", "Authorization", "bearer right").ok(200)
	s.do("GET", "/no-such-path", "", "Authorization", "Bearer right").refused(404, "not_found", "")
	data := s.do("GET", "/health", "").ok(200)
	if data["status"] != "ok" || data["dialect"] != "generic" || data["callbacks"] != nil {
		t.Error(data)
	}
	anyone := newServer(t, Options{})
	anyone.do("GET", "/sessions", "", "Authorization", "Bearer whatever").ok(200)
}

func TestNewRefuses(t *testing.T) {
	for _, o := range []Options{
		{Dialect: "nosuch"}, {EventsURL: "/events/message"}, {EventsURL: "ftp://x/"}, {EventsURL: "http://"},
		{EventsURL: "http://user:hunter2@%zz/"},
	} {
		s, err := New(o)
		if err == nil || s != nil {
			t.Fatalf("%+v was taken", o)
		}
		if strings.Contains(err.Error(), "hunter2") {
			t.Error(err)
		}
	}
}

func TestDefaults(t *testing.T) {
	s, _ := New(Options{})
	if o := s.options; o.PairAfter != 5*time.Second || o.Delivered != 300*time.Millisecond || o.Read != 700*time.Millisecond || o.Queue != 10_000 {
		t.Errorf("%+v", o)
	}
	s, _ = New(Options{PairAfter: -1, Delivered: time.Minute, Read: time.Second})
	if o := s.options; o.PairAfter != 0 || o.Delivered != time.Minute || o.Read != time.Minute {
		t.Errorf("%+v", o)
	}
	if err := s.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestUserHeaderIsBounded(t *testing.T) {
	s := newServer(t, Options{})
	s.do("GET", "/sessions", "", userHeader, strings.Repeat("u", 256)).refused(400, "invalid_request", userHeader)
	s.do("GET", "/sessions", "", sessionHeader, strings.Repeat("s", 256)).refused(400, "invalid_request", sessionHeader)
	s.do("GET", "/sessions/"+strings.Repeat("s", 256), "").refused(400, "invalid_request", "session_id")
	s.do("GET", "/sessions/a%00b", "").refused(400, "invalid_request", "session_id")
}

// TestAnswersAreJSONOnly compares whole answers, the shape being a promise.
func TestAnswersAreJSONOnly(t *testing.T) {
	s := newServer(t, Options{})
	got := s.do("POST", "/send-message", `{"message":"x"}`)
	want := `{"error":{"code":"missing_field","message":"to is missing: the recipient's number or chat id"},"success":false}` + "\n"
	if string(got.raw) != want || got.header.Get("Cache-Control") != "no-store" {
		t.Errorf("%s %v", got.raw, got.header)
	}
	got = s.do("GET", "/webhook", "")
	want = `{"data":{"events":[],"session_id":"session123","url":""},"success":true}` + "\n"
	if string(got.raw) != want {
		t.Errorf("%s", got.raw)
	}
	data := s.do("POST", "/send-message", `{"to":"628123456789","message":"x"}`).ok(200)
	if keys := slices.Sorted(maps.Keys(data)); !slices.Equal(keys, []string{"message_id", "session_id", "status", "timestamp", "to", "type"}) {
		t.Error(keys)
	}
	if bytes.Contains(got.raw, []byte("null")) {
		t.Errorf("%s", got.raw)
	}
}

func TestManyAtOnce(t *testing.T) {
	s := newServer(t, Options{Now: time.Now, PairAfter: -1})
	var all sync.WaitGroup
	for _, user := range []string{"a", "b", "c", "d"} {
		all.Go(func() {
			for range 20 {
				s.do("POST", "/send-message", `{"to":"628123456789","message":"x"}`, userHeader, user).ok(200)
				s.do("GET", "/sessions/session123/chats", "", userHeader, user).ok(200)
				s.do("GET", "/sessions", "", userHeader, user).ok(200)
				s.do("DELETE", "/sessions/session123", "", userHeader, user).ok(200)
				s.do("POST", "/sessions", `{"session_id":"session123"}`, userHeader, user).ok(201)
				s.do("POST", "/sessions/session123/start", "", userHeader, user).ok(200)
			}
		})
	}
	all.Wait()
}
