package routes

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/genfity/wa-gateway/waserver"
)

// match does what the handlers do with a request line.
func match(t testing.TB, table *Table, prefix, method, path string) (*Match, error) {
	t.Helper()
	u, err := url.ParseRequestURI(path)
	if err != nil {
		return nil, ErrNotFound // net/http answers 400 by itself
	}
	segments, err := Segments(u.EscapedPath(), prefix)
	if err != nil {
		return nil, err
	}
	return table.Match(method, segments)
}

func TestTableHoldsEveryRowOfTheContract(t *testing.T) {
	type row struct {
		method, path string
		endpoint     waserver.Endpoint
		class        Class
		sub, lim     bool
		sid, open    bool
	}
	rows := []row{
		{"POST", "/api/wa/broadcast", waserver.Broadcast, ClassMessage, true, true, true, false},
		{"GET", "/api/wa/sessions", waserver.ListSessions, ClassSession, true, false, false, false},
		{"POST", "/api/wa/sessions", waserver.CreateSession, ClassSession, true, false, false, false},
		{"GET", "/api/wa/sessions/s1", waserver.GetSession, ClassSession, true, false, true, false},
		{"DELETE", "/api/wa/sessions/s1", waserver.DeleteSession, ClassSession, true, false, true, false},
		{"POST", "/api/wa/sessions/s1/start", waserver.StartSession, ClassSession, true, false, true, false},
		{"POST", "/api/wa/sessions/s1/stop", waserver.StopSession, ClassSession, true, false, true, false},
		{"GET", "/api/wa/sessions/s1/qr", waserver.SessionQR, ClassSession, true, false, true, false},
		{"GET", "/api/wa/sessions/s1/contacts", waserver.ListContacts, ClassChat, true, false, true, false},
		{"GET", "/api/wa/sessions/s1/chats", waserver.ListChats, ClassChat, true, false, true, false},
		{"GET", "/api/wa/sessions/s1/messages/628@s.whatsapp.net", waserver.ListMessages, ClassChat, true, false, true, false},
		{"POST", "/api/wa/sessions/s1/mark-read", waserver.MarkRead, ClassChat, true, false, true, false},
		{"GET", "/api/wa/webhook", waserver.GetWebhook, ClassConfig, true, false, true, false},
		{"POST", "/api/wa/webhook", waserver.CreateWebhook, ClassConfig, true, false, true, false},
		{"PUT", "/api/wa/webhook", waserver.UpdateWebhook, ClassConfig, true, false, true, false},
		{"GET", "/api/wa/subscription/u1", Subscription, ClassOwn, false, false, false, false},
		{"GET", "/api/wa/stats/u1", Stats, ClassOwn, false, false, false, false},
		{"GET", "/api/wa/health", Health, ClassOwn, false, false, false, true},
	}
	for _, send := range []string{"message", "media", "image", "video", "audio", "document", "sticker",
		"location", "contact", "poll", "list", "button"} {
		rows = append(rows, row{"POST", "/api/wa/send-" + send, waserver.Endpoint("send-" + send), ClassMessage, true, true, true, false})
	}
	for _, want := range rows {
		m, err := match(t, API, Prefix, want.method, want.path)
		if err != nil {
			t.Errorf("%s %s: %v", want.method, want.path, err)
			continue
		}
		r := m.Route
		got := row{want.method, want.path, r.Endpoint, r.Class, r.Subscription, r.Limited, r.Session, r.Anonymous}
		if got != want {
			t.Errorf("got %+v, want %+v", got, want)
		}
	}
	if n := len(API.Routes()); n != len(rows) {
		t.Errorf("the table has %d rows, the contract %d", n, len(rows))
	}
}

func TestWrongMethod(t *testing.T) {
	for path, allow := range map[string][]string{
		"/api/wa/send-message":       {"POST"},
		"/api/wa/sessions":           {"GET", "POST"},
		"/api/wa/sessions/s1":        {"DELETE", "GET"},
		"/api/wa/webhook":            {"GET", "POST", "PUT"},
		"/api/wa/health":             {"GET"},
		"/api/wa/sessions/s1/qr":     {"GET"},
		"/api/wa/subscription/user1": {"GET"},
	} {
		_, err := match(t, API, Prefix, http.MethodPatch, path)
		var wrong *MethodError
		if !errors.As(err, &wrong) || !slices.Equal(wrong.Allow, allow) {
			t.Errorf("PATCH %s: %v, want 405 with Allow %v", path, err, allow)
		}
	}
}

// oddPaths are spellings that some server or proxy takes for an endpoint. None
// of them is one here.
var oddPaths = []string{
	"/api/wa", "/api/wa/", "/api/wa//send-message", "/api/wa/send-message/", "/api//wa/send-message",
	"/API/WA/send-message", "/api/wa/Send-Message", "/api/wa/send-message;a=b", "/api/wa/send-message%3Ba",
	"/api/wa/./send-message", "/api/wa/../wa/send-message", "/api/wa/%2e%2e/admin", "/api/wa/..%2fadmin",
	"/api/wa/send-message%00", "/api/wa/send-message%0a", "/api/wa/sessions/a%2fb", "/api/wa/sessions/a%5cb",
	"/api/wa/sessions/%252e%252e", "/api/wa/sessions/..", "/api/wa/sessions/a/../b", "/api/wa/sessions/%2e",
	"/api/wa/sessions/a%25b", "/api/wa/sessions/a%3fb", "/api/wa/sessions/a%23b", "/api/wa/sessions/%ff",
	"/api/wa/sessions/a\\b", "/api/wa/send-message.", "/api/wa/sessions/a.", "/api/wa/sessions/a b",
	"/api/wa/admin", "/api/wa/admin/users", "/api/wa/ADMIN/users", "/api/wa/%61dmin/users",
	"/api/wa/sessions/s1/messages/a%2fb", "/api/wa/sessions/s1/messages/..", "/api/wa/sessions/s1/messages/%00",
	"/api/wa/sessions/" + strings.Repeat("a", 256), "/api/wa/" + strings.Repeat("a/", 40),
	"/api/wa/sessions/\u202es1", "/api/wa/sessions/%e2%80%ae", "/api/wa/subscription/a%2f..%2fb",
}

func TestOddPathsAreNoEndpoints(t *testing.T) {
	for _, path := range oddPaths {
		for _, method := range []string{"GET", "POST", "DELETE"} {
			if m, err := match(t, API, Prefix, method, path); err == nil {
				t.Errorf("%s %s was matched as %s", method, path, m.Route.Endpoint)
			}
		}
	}
}

func TestAllowRules(t *testing.T) {
	rules := make([]Rule, 0, 3)
	for _, words := range [][2]string{{"POST", "/groups/*"}, {"GET", "/user/info"}, {"GET", "/labels/*/chats"}} {
		rule, err := ParseRule(words[0], words[1])
		if err != nil {
			t.Fatal(err)
		}
		rules = append(rules, rule)
	}
	for _, c := range []struct {
		method, path string
		want         string // "", "404" or "405"
	}{
		{"POST", "/groups/create", ""},
		{"POST", "/groups/1/members", ""},
		{"GET", "/user/info", ""},
		{"GET", "/labels/7/chats", ""},
		{"POST", "/groups", "404"},
		{"GET", "/groups/create", "405"},
		{"GET", "/user/info/more", "404"},
		{"GET", "/labels/7", "404"},
		{"POST", "/groups/admin/x", "404"},
		{"POST", "/groups/Admin", "404"},
		{"POST", "/admin/users", "404"},
	} {
		segments, err := Segments(c.path, "/")
		if err != nil {
			t.Fatal(err)
		}
		m, err := MatchAllowed(rules, c.method, segments)
		got := ""
		var wrong *MethodError
		switch {
		case errors.Is(err, ErrNotFound):
			got = "404"
		case errors.As(err, &wrong):
			got = "405"
		case m.Route.Endpoint != waserver.Other || !m.Route.Session || !m.Route.Subscription:
			t.Errorf("%s %s: %+v", c.method, c.path, m.Route)
		}
		if got != c.want {
			t.Errorf("%s %s: got %q, want %q", c.method, c.path, got, c.want)
		}
	}
	for _, words := range [][2]string{
		{"POST", "/*"}, {"POST", "/admin/*"}, {"POST", "/x/ADMIN"}, {"SEND", "/x"}, {"POST", "x"},
		{"POST", "/a//b"}, {"POST", "/../x"}, {"POST", "/*/x"}, {"POST", ""},
	} {
		if _, err := ParseRule(words[0], words[1]); err == nil {
			t.Errorf("rule %v was accepted", words)
		}
	}
}

func TestValidID(t *testing.T) {
	for _, id := range []string{"a", "user123", "cmb4x1", "628@s.whatsapp.net", "a:b", strings.Repeat("a", 255)} {
		if !ValidID(id) {
			t.Errorf("%q is refused", id)
		}
	}
	for _, id := range []string{"", ".", "..", "a b", "a/b", "a\\b", "a\x00", "é", "a%", "a?b", "a#b", "a;b", "a,b", "a\"b", strings.Repeat("a", 256)} {
		if ValidID(id) {
			t.Errorf("%q is accepted", id)
		}
	}
}

// FuzzPath checks that whatever a path is spelled like, what is matched can be
// written down again as the same segments, holds no path syntax, and never leads
// to an admin path.
func FuzzPath(f *testing.F) {
	for _, path := range oddPaths {
		f.Add("POST", path)
	}
	f.Add("POST", "/api/wa/send-message")
	f.Add("GET", "/api/wa/sessions/s1/messages/628%40s.whatsapp.net")
	f.Add("POST", "/api/wa/groups/x")
	rule, err := ParseRule("POST", "/groups/*")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, method, path string) {
		u, err := url.ParseRequestURI(path)
		if err != nil {
			return
		}
		segments, err := Segments(u.EscapedPath(), Prefix)
		if err != nil {
			return
		}
		m, err := API.Match(method, segments)
		if errors.Is(err, ErrNotFound) {
			m, err = MatchAllowed([]Rule{rule}, method, segments)
		}
		if err != nil {
			return
		}
		if len(m.Segments) != len(m.Route.Pattern) {
			t.Fatalf("%q: %d segments for %d of the pattern", path, len(m.Segments), len(m.Route.Pattern))
		}
		rebuilt := ""
		for _, segment := range m.Segments {
			if segment == "" || segment == "." || segment == ".." || strings.ContainsAny(segment, "/\\%;?#\x00\r\n") ||
				strings.EqualFold(segment, "admin") && m.Route.Endpoint == waserver.Other {
				t.Fatalf("%q: segment %q", path, segment)
			}
			rebuilt += "/" + url.PathEscape(segment)
		}
		again, err := Segments(strings.TrimSuffix(Prefix, "/")+rebuilt, Prefix)
		if err != nil || !slices.Equal(again, m.Segments) {
			t.Fatalf("%q: rebuilt as %q, which reads %q (%v)", path, rebuilt, again, err)
		}
	})
}
