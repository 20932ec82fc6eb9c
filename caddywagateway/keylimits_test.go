package caddywagateway

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/genfity/wa-gateway/routes"
	"github.com/genfity/wa-gateway/store"
	"github.com/genfity/wa-gateway/store/storetest"
)

// key issues an API key of alice's.
func (s *setup) key(t *testing.T, want store.NewKey) (secret string, key *store.APIKey) {
	t.Helper()
	want.UserID, want.Mode = alice, store.KeyModeLive
	secret, key, err := s.db.CreateKey(t.Context(), want)
	if err != nil {
		t.Fatal(err)
	}
	return secret, key
}

// tablePath fills in a route's pattern for alice.
func tablePath(prefix string, route *routes.Route, session string) string {
	return prefix + strings.NewReplacer(routes.ParamSession, session, routes.ParamUser, alice,
		routes.ParamChat, "628123456789@s.whatsapp.net", routes.ParamLetter, "cm4x0a8z90000").Replace(strings.Join(route.Pattern, "/"))
}

// TestKeyScopes goes through both tables: a key with a scope may do what the rows
// with this scope say, and nothing else.
func TestKeyScopes(t *testing.T) {
	s := newSetup(t, storetest.New(t, storetest.SQLite), "{APP}", "events_token events-secret",
		"\twa_gateway\n", "\twa_gateway {\n\t\tallow POST /groups/* send\n\t\tallow GET /labels\n\t}\n")
	for _, scopes := range [][]string{nil, {"send"}, {"sessions"}, {"read"}, {"send", "read"}} {
		secret, _ := s.key(t, store.NewKey{Scopes: scopes})
		name := strings.Join(scopes, "+")
		t.Run("scopes "+name, func(t *testing.T) {
			doomed := "doomed-" + strings.ReplaceAll(name, "+", "-")
			may := func(of []routes.Scope) bool {
				return scopes == nil || slices.ContainsFunc(of, func(scope routes.Scope) bool { return slices.Contains(scopes, string(scope)) })
			}
			try := func(method, path string, of []routes.Scope, session string) {
				t.Helper()
				body := ""
				if method == "POST" || method == "PUT" {
					body = hello
				}
				switch path {
				case "/api/wa/broadcast":
					body = `{"recipients":["628123456789"],"message":"Hello"}`
				case "/api/wa/sessions":
					body = strings.Replace(body, "{", `{"session_id":"made",`, 1)
				}
				res := s.call(method, path, body, []string{"Authorization", "Bearer " + secret, "X-Session-ID", session})
				switch {
				case may(of):
					if res.status != 200 {
						t.Errorf("%s %s with %q: %d %s", method, path, name, res.status, res.text)
					}
				case res.status != 403 || !strings.HasPrefix(res.at("message").(string), "This API key is not good for this call"):
					t.Errorf("%s %s with %q: %d %s", method, path, name, res.status, res.text)
				default:
					listed, _ := res.at("data", "scopes").([]any)
					if len(listed) != len(of) {
						t.Errorf("%s %s tells that the scopes are %v, not %v", method, path, listed, of)
					}
				}
				for _, id := range []string{"made", doomed} {
					if err := s.db.RemoveSession(t.Context(), alice, id); err != nil && !errors.Is(err, store.ErrNotFound) {
						t.Fatal(err)
					}
				}
				if got := s.wa.all(); len(got) != 0 && !may(of) {
					t.Errorf("%s %s with %q reached the WA server", method, path, name)
				}
			}
			for _, route := range routes.API.Routes() {
				session := aliceSession
				if route.Method == "DELETE" {
					session = s.addSession(t, doomed)
				}
				path := tablePath(routes.Prefix, &route, session)
				if route.Anonymous {
					if res := s.call(route.Method, path, "", nil); res.status != 200 {
						t.Errorf("%s: %d", path, res.status)
					}
					continue
				}
				try(route.Method, path, route.Scopes, session)
			}
			for _, route := range routes.Events.Routes() {
				path := tablePath(routes.EventsPrefix, &route, aliceSession)
				if route.Class != routes.ClassStats {
					// No API key is a WA server's or the admin's token.
					if res := s.call(route.Method, path, "", []string{"Authorization", "Bearer " + secret}); res.status != 401 {
						t.Errorf("%s %s: %d %s", route.Method, path, res.status, res.text)
					}
					continue
				}
				try(route.Method, path, route.Scopes, aliceSession)
			}
			try("POST", "/api/wa/groups/create", []routes.Scope{routes.ScopeSend}, aliceSession)
			try("GET", "/api/wa/labels", nil, aliceSession)
		})
	}
}

// TestKeySessions: to a key that is limited to sessions, the others are like
// somebody else's.
func TestKeySessions(t *testing.T) {
	s := newSetup(t, storetest.New(t, storetest.SQLite))
	secret, _ := s.key(t, store.NewKey{Sessions: []string{aliceSession}})
	call := func(method, path, session string) response {
		body := ""
		if method != "GET" && method != "DELETE" {
			body = hello
		}
		return s.call(method, path, body, []string{"Authorization", "Bearer " + secret, "X-Session-ID", session})
	}
	for _, path := range []string{
		"POST /api/wa/send-message", "GET /api/wa/webhook", "GET /api/wa/sessions", "GET /api/wa/sessions/{id}",
		"DELETE /api/wa/sessions/{id}", "POST /api/wa/sessions/{id}/stop", "GET /api/wa/sessions/{id}/chats",
		"GET /events/stats/session/{id}", "GET /events/stats/session/ckalice/{id}",
	} {
		method, path, _ := strings.Cut(path, " ")
		other := call(method, strings.ReplaceAll(path, "{id}", aliceOther), aliceOther)
		other.wantAnswer(t, 403, "")
		nobodys := call(method, strings.ReplaceAll(path, "{id}", "nobodys"), "nobodys")
		if nobodys.status != 403 || nobodys.text != other.text {
			t.Errorf("%s %s: %s can be told from %s", method, path, other.text, nobodys.text)
		}
		s.wa.none(t)
		if method == "DELETE" {
			continue
		}
		if res := call(method, strings.ReplaceAll(path, "{id}", aliceSession), aliceSession); res.status != 200 {
			t.Errorf("%s %s: %d %s", method, path, res.status, res.text)
		}
		s.wa.all()
	}
	for _, path := range []string{"POST /api/wa/sessions", "GET /api/wa/stats/" + alice, "GET /events/stats/user/" + alice} {
		method, path, _ := strings.Cut(path, " ")
		call(method, path, aliceSession).wantAnswer(t, 403, "")
	}
	s.wa.none(t)
	call("GET", "/api/wa/subscription/"+alice, aliceSession).wantAnswer(t, 200, "")

	for name, answer := range map[string]string{
		"from the WA server":  `[{"id":"alice-1"},{"id":"alice-2"},{"id":"bob-1"}]`,
		"from the database":   `"?"`,
		"with nothing in it":  `[{"id":"alice-2"}]`,
		"inside of something": `{"data":{"sessions":[{"id":"alice-2"},{"id":"alice-1"}]}}`,
	} {
		s.wa.respond(jsonAnswer(200, answer))
		res := call("GET", "/api/wa/sessions", "")
		if res.status != 200 || strings.Contains(res.text, aliceOther) || strings.Contains(res.text, bobSession) ||
			strings.Contains(res.text, aliceSession) == (name == "with nothing in it") {
			t.Errorf("a list %s: %d %s", name, res.status, res.text)
		}
	}
}

// TestKeyAddresses: a key for some networks is good from there alone, as far as
// that can be known.
func TestKeyAddresses(t *testing.T) {
	d := storetest.New(t, storetest.SQLite)
	s := newSetup(t, d, behindProxy...)
	network, _ := s.key(t, store.NewKey{Addresses: []string{"203.0.113.0/24", "2001:db8::/32"}})
	host, _ := s.key(t, store.NewKey{Addresses: []string{"127.0.0.1"}})
	const refused = "This API key may not be used from your address"
	send := func(key string, more ...string) response {
		return s.call("POST", "/api/wa/send-message", hello, append(withKey(key, ""), more...))
	}
	for address, want := range map[string]int{
		"203.0.113.9": 200, "2001:db8::7": 200, "203.0.114.1": 403, "127.0.0.1": 403, "2001:db9::1": 403, "nonsense": 403,
	} {
		if res := send(network, "X-Forwarded-For", address); res.status != want {
			t.Errorf("from %s: %d %s", address, res.status, res.text)
		}
	}
	s.call("GET", "/events/stats/user/"+alice, "", withKey(network, "198.51.100.1")).wantAnswer(t, 403, refused)
	s.call("GET", "/api/wa/subscription/"+alice, "", withKey(network, "198.51.100.1")).wantAnswer(t, 403, refused)
	if res := send(host); res.status != 200 {
		t.Errorf("%d %s", res.status, res.text)
	}

	// Who is behind a proxy that Caddy was not told to trust is unknown.
	s.load(caddyfileFor(d.DSN, s.wa.URL))
	s.ready()
	s.wa.all()
	send(network, "X-Forwarded-For", "203.0.113.9").wantAnswer(t, 403, refused)
	send(host, "X-Forwarded-For", "127.0.0.1").wantAnswer(t, 403, refused)
	send(host, "Via", "1.1 somebody").wantAnswer(t, 403, refused)
	s.wa.none(t)
	if res := send(host); res.status != 200 {
		t.Errorf("directly: %d %s", res.status, res.text)
	}
}

// TestKeyTimes: keys end and are replaced to the moment, whatever is cached, and
// their last use is written down.
func TestKeyTimes(t *testing.T) {
	d := storetest.New(t, storetest.SQLite)
	db := openStore(t, d.DSN)
	var used, unused *store.APIKey
	before := time.Now()
	t.Run("running", func(t *testing.T) {
		s := newSetup(t, d, "{APP}", "cache {\n ttl 1h\n}")
		ends := time.Now().Add(1500 * time.Millisecond)
		ending, _ := s.key(t, store.NewKey{ExpiresAt: &ends})
		old, row := s.key(t, store.NewKey{Scopes: []string{"send"}})
		_, unused = s.key(t, store.NewKey{})
		used = row
		status := func(key string) int {
			return s.call("POST", "/api/wa/send-message", hello, withKey(key, "")).status
		}
		if status(ending) != 200 || status(old) != 200 {
			t.Fatal("a key does not work")
		}
		rotated := time.Now()
		replacement, row, err := s.db.RotateKey(t.Context(), row.ID, 1500*time.Millisecond, nil)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(row.Scopes, store.Words{"send"}) {
			t.Errorf("the new key has the scopes %v", row.Scopes)
		}
		if status(replacement) != 200 {
			t.Error("the new key does not work at once")
		}
		if got := status(old); got != 200 && time.Since(rotated) < time.Second {
			t.Errorf("the old key: %d within the overlap", got)
		}
		s.call("GET", "/api/wa/stats/"+alice, "", withKey(replacement, "")).wantAnswer(t, 403, "")
		time.Sleep(time.Until(rotated.Add(2 * time.Second)))
		if a, b := status(ending), status(old); a != 401 || b != 401 {
			t.Errorf("after their end: %d, %d", a, b)
		}
		if got := status(replacement); got != 200 {
			t.Errorf("the new key after the overlap: %d", got)
		}
	})
	// The last uses are written at the end at the latest.
	keys, err := db.ListKeys(t.Context(), alice)
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range keys {
		switch key.ID {
		case used.ID:
			if key.LastUsedAt == nil || key.LastUsedAt.Before(before.Add(-time.Second)) || key.LastUsedAt.After(time.Now().Add(time.Second)) {
				t.Errorf("last used at %v", key.LastUsedAt)
			}
		case unused.ID:
			if key.LastUsedAt != nil {
				t.Errorf("a key that nobody used was last used at %v", key.LastUsedAt)
			}
		}
	}
}
