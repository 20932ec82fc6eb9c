package caddywagateway

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/genfity/wa-gateway/routes"
	"github.com/genfity/wa-gateway/store/storetest"
)

const appOrigin = "https://app.example.com"

// corsSetup allows pages of one origin.
func corsSetup(t *testing.T, d *storetest.Database, origin string) *setup {
	t.Helper()
	block := " {\n\t\tcors " + origin + " {\n\t\t\tmax_age 5m\n\t\t}\n"
	return newSetup(t, d, "{APP}", "events_token events-secret\nrate_limit 50 60s",
		"\twa_gateway\n", "\twa_gateway"+block+"\t\tallow PATCH /labels/*\n\t}\n", "\twa_events\n", "\twa_events"+block+"\t}\n")
}

func preflight(origin, method string) []string {
	return []string{"Origin", origin, "Access-Control-Request-Method", method, "Access-Control-Request-Headers", "authorization,content-type"}
}

// noCORS checks that a page of another site may not see an answer.
func noCORS(t *testing.T, what string, res response) {
	t.Helper()
	for name, values := range res.header {
		if strings.HasPrefix(name, "Access-Control-") {
			t.Errorf("%s: %s %q", what, name, values)
		}
	}
}

func variesByOrigin(res response) bool {
	return slices.ContainsFunc(res.header.Values("Vary"), func(value string) bool {
		return slices.ContainsFunc(strings.Split(value, ","), func(name string) bool { return strings.EqualFold(strings.TrimSpace(name), "Origin") })
	})
}

func TestCORS(t *testing.T) {
	s := corsSetup(t, storetest.New(t, storetest.SQLite), appOrigin)
	withOrigin := func(origin string, header ...string) []string { return append(header, "Origin", origin) }

	t.Run("preflight", func(t *testing.T) {
		check := func(method, path string) {
			t.Helper()
			what := method + " " + path
			res := s.call("OPTIONS", path, "", preflight(appOrigin, method))
			if res.status != 204 || res.text != "" {
				t.Errorf("%s: %d %s", what, res.status, res.text)
				return
			}
			if res.header.Get("Access-Control-Allow-Origin") != appOrigin || !variesByOrigin(res) {
				t.Errorf("%s: %v", what, res.header)
			}
			if !slices.Contains(strings.Split(res.header.Get("Access-Control-Allow-Methods"), ", "), method) {
				t.Errorf("%s: methods %q", what, res.header.Get("Access-Control-Allow-Methods"))
			}
			allowed := strings.ToLower(res.header.Get("Access-Control-Allow-Headers"))
			for _, name := range []string{"authorization", "content-type", "x-session-id"} {
				if !strings.Contains(allowed, name) {
					t.Errorf("%s: headers %q", what, allowed)
				}
			}
			if strings.Contains(allowed, "x-user-id") || res.header.Get("Access-Control-Allow-Credentials") != "" {
				t.Errorf("%s: a page may assert an identity: %v", what, res.header)
			}
			if got := res.header.Get("Access-Control-Max-Age"); got != "300" {
				t.Errorf("%s: max age %q", what, got)
			}
			noCORS(t, what+" from elsewhere", s.call("OPTIONS", path, "", preflight("https://evil.example", method)))
		}
		for _, route := range routes.API.Routes() {
			check(route.Method, tablePath(routes.Prefix, &route, aliceSession))
		}
		for _, route := range routes.Events.Routes() {
			check(route.Method, tablePath(routes.EventsPrefix, &route, aliceSession))
		}
		check("PATCH", "/api/wa/labels/1")
		for _, path := range []string{"/api/wa/nothing", "/api/wa/admin/users", "/events/nothing"} {
			res := s.call("OPTIONS", path, "", preflight(appOrigin, "POST"))
			if res.status != 404 || res.header.Get("Access-Control-Allow-Methods") != "" {
				t.Errorf("%s: %d %v", path, res.status, res.header)
			}
		}
		// What asks for nothing is a plain OPTIONS.
		if res := s.call("OPTIONS", postMessage, "", withOrigin(appOrigin)); res.status != 405 {
			t.Errorf("%d", res.status)
		}
		s.wa.none(t)
	})

	t.Run("calls", func(t *testing.T) {
		s.wa.respond(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Access-Control-Allow-Origin", "*")
			w.Header().Set("Access-Control-Allow-Credentials", "true")
			w.Header().Set("Vary", "Accept-Language")
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprint(w, `{"id":"m"}`)
		})
		defer s.wa.respond(nil)
		key := columnKey + alice
		for _, c := range []struct {
			what, method, path, body string
			header                   []string
			want                     int
		}{
			{"message", "POST", postMessage, hello, withKey(key, ""), 200},
			{"session", "GET", "/api/wa/sessions/" + aliceSession, "", withKey(key, ""), 200},
			{"list", "GET", "/api/wa/sessions", "", withKey(key, ""), 200},
			{"own", "GET", "/api/wa/stats/" + alice, "", withKey(key, ""), 200},
			{"statistics", "GET", "/events/stats/user/" + alice, "", withKey(key, ""), 200},
			{"nobody", "POST", postMessage, hello, nil, 401},
			{"wrong key", "POST", postMessage, hello, withKey("wrong", ""), 401},
			{"another's session", "POST", postMessage, hello, []string{"Authorization", "Bearer " + key, "X-Session-ID", bobSession}, 403},
			{"bad body", "POST", postMessage, "{", withKey(key, ""), 400},
			{"unknown", "GET", "/api/wa/nothing", "", withKey(key, ""), 404},
			{"admin", "GET", "/events/admin/stats", "", nil, 401},
		} {
			res := s.call(c.method, c.path, c.body, withOrigin(appOrigin, slices.Clone(c.header)...))
			if res.status != c.want {
				t.Errorf("%s: %d %s", c.what, res.status, res.text)
			}
			if got := res.header.Values("Access-Control-Allow-Origin"); !slices.Equal(got, []string{appOrigin}) {
				t.Errorf("%s: the page may not see the answer: %q", c.what, got)
			}
			if !strings.Contains(res.header.Get("Access-Control-Expose-Headers"), "Retry-After") || res.header.Get("Access-Control-Allow-Credentials") != "" {
				t.Errorf("%s: %v", c.what, res.header)
			}
			if !variesByOrigin(res) {
				t.Errorf("%s: a cache may give it to another page: Vary %q", c.what, res.header.Values("Vary"))
			}
			for _, origin := range []string{"https://evil.example", "null", appOrigin + ".evil.example", "http://app.example.com", appOrigin + ":8443"} {
				res := s.call(c.method, c.path, c.body, withOrigin(origin, slices.Clone(c.header)...))
				noCORS(t, c.what+" from "+origin, res)
				if !variesByOrigin(res) {
					t.Errorf("%s from %s: Vary %q", c.what, origin, res.header.Values("Vary"))
				}
			}
		}
	})

	t.Run("asserted identities", func(t *testing.T) {
		s.wa.all()
		// Without a page it is taken, from a page it is nobody's word.
		if res := s.call("POST", postMessage, hello, as(alice, aliceOther)); res.status != 200 {
			t.Fatalf("%d %s", res.status, res.text)
		}
		s.wa.all()
		for _, header := range [][]string{
			withOrigin(appOrigin), withOrigin("https://evil.example"), withOrigin("null"), {"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"},
		} {
			s.call("POST", postMessage, hello, append(as(alice, aliceOther), header...)).wantAnswer(t, 401, messageUnauthenticated)
			s.call("POST", postMessage+"?user_id="+alice+"&session_id="+aliceOther, hello, header).wantAnswer(t, 401, messageUnauthenticated)
			s.call("GET", "/events/stats/user/"+alice, "", append(as(alice, aliceOther), header...)).wantAnswer(t, 401, messageUnauthenticated)
		}
		s.wa.none(t)
	})
}

// TestCORSForAll: * lets every page call, none assert an identity.
func TestCORSForAll(t *testing.T) {
	s := corsSetup(t, storetest.New(t, storetest.SQLite), "*")
	for _, origin := range []string{"https://one.example", "http://localhost:3000"} {
		res := s.call("POST", postMessage, hello, append(withKey(columnKey+alice, ""), "Origin", origin))
		if got := res.header.Get("Access-Control-Allow-Origin"); res.status != 200 || (got != origin && got != "*") || res.header.Get("Access-Control-Allow-Credentials") != "" {
			t.Errorf("%d %v", res.status, res.header)
		}
		s.call("POST", postMessage, hello, append(as(alice, aliceSession), "Origin", origin)).wantAnswer(t, 401, messageUnauthenticated)
	}
}

// TestNoCORS: unless it is asked for there is none, whatever the WA server says.
func TestNoCORS(t *testing.T) {
	d := storetest.New(t, storetest.SQLite)
	s := newSetup(t, d)
	s.wa.respond(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Access-Control-Allow-Origin", "*")
		fmt.Fprint(w, `{}`)
	})
	for _, path := range []string{postMessage, "/api/wa/sessions", "/events/message", "/events/stats/user/" + alice} {
		noCORS(t, path, s.call("OPTIONS", path, "", preflight(appOrigin, "POST")))
		noCORS(t, path, s.call("POST", path, hello, append(withKey(columnKey+alice, ""), "Origin", appOrigin)))
		noCORS(t, path, s.call("GET", path, "", append(withKey(columnKey+alice, ""), "Origin", appOrigin)))
	}
	for _, bad := range []string{"example.com", "https://", "ftp://x", "https://x/path", "https://user@x", "https://x?y", "''"} {
		config, err := s.adapt(caddyfileFor(d.DSN, s.wa.URL, "\twa_gateway\n", "\twa_gateway {\n\t\tcors "+bad+"\n\t}\n"))
		if err == nil {
			err = loadQuietly(config)
		}
		if err == nil {
			t.Errorf("cors %s was taken", bad)
		}
	}
}
