package caddywagateway

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/genfity/wa-gateway/store"
	"github.com/genfity/wa-gateway/store/storetest"
)

// answering is a WA server that always gives the same answer.
func answering(status int, contentType, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}
}

func jsonAnswer(status int, body string) http.HandlerFunc {
	return answering(status, "application/json", body)
}

// TestListSessions: whatever the WA server lists, one's own come out.
func TestListSessions(t *testing.T) {
	s := newSetup(t, storetest.New(t, storetest.SQLite))
	const (
		mine  = `{"id":"alice-1","status":"WORKING","token":"session-secret","apiKey":"session-secret"}`
		other = `{"id":"bob-1","status":"WORKING","token":"session-secret"}`
	)
	list := "[" + other + "," + mine + "]"
	kept := `{"apiKey":"***","id":"alice-1","status":"WORKING","token":"***"}`
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		want   string // empty: answered from the database
	}{
		"array":                 {jsonAnswer(200, list), "[" + kept + "]"},
		"nobody's":              {jsonAnswer(200, "["+other+"]"), "[]"},
		"empty":                 {jsonAnswer(200, "[]"), "[]"},
		"data":                  {jsonAnswer(200, `{"success":true,"total":2,"data":`+list+`}`), `{"data":[` + kept + `],"success":true}`},
		"sessions inside data":  {jsonAnswer(200, `{"data":{"sessions":`+list+`,"total":2}}`), `{"data":{"sessions":[` + kept + `]}}`},
		"result":                {jsonAnswer(200, `{"code":"OK","result":`+list+`}`), `{"code":"OK","result":[` + kept + `]}`},
		"neighbours":            {jsonAnswer(200, `{"sessions":`+list+`,"others":`+list+`}`), `{"sessions":[` + kept + `]}`},
		"by another name":       {jsonAnswer(200, `[{"session_id":"bob-1"},{"session_id":"alice-1"}]`), `[{"session_id":"alice-1"}]`},
		"two lists":             {jsonAnswer(200, `{"data":`+list+`,"sessions":`+list+`}`), ""},
		"a map":                 {jsonAnswer(200, `{"bob-1":{},"alice-1":{}}`), ""},
		"names alone":           {jsonAnswer(200, `["bob-1","alice-1"]`), ""},
		"one without an id":     {jsonAnswer(200, `[`+mine+`,{"owner":"bob-1"}]`), ""},
		"not JSON":              {answering(200, "text/html", "<html>bob-1</html>"), ""},
		"nothing":               {answering(204, "", ""), ""},
		"an error page":         {answering(500, "text/html", "<h1>bob-1 has crashed</h1>"), ""},
		"an error":              {jsonAnswer(401, `{"error":"bob-1","data":`+list+`}`), ""},
		"more than can be kept": {jsonAnswer(200, `[`+strings.Repeat(other+",", maxAnswerCopy/len(other)+1)+mine+`]`), ""},
		"a redirect":            {func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/bob-1", http.StatusFound) }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s.wa.respond(c.answer)
			res := s.call("GET", "/api/wa/sessions", "", as(alice, aliceSession))
			if res.status != 200 {
				t.Fatalf("status %d: %s", res.status, res.text)
			}
			if strings.Contains(res.text, bobSession) || strings.Contains(res.text, "session-secret") || res.header.Get("Location") != "" {
				t.Errorf("the answer shows what is not the caller's: %s", res.text)
			}
			if c.want != "" {
				if strings.TrimSpace(res.text) != c.want {
					t.Errorf("got %s, want %s", res.text, c.want)
				}
				return
			}
			var ids []string
			own, _ := res.at("data").([]any)
			for _, one := range own {
				ids = append(ids, one.(map[string]any)["session_id"].(string))
			}
			slices.Sort(ids)
			if !slices.Equal(ids, []string{aliceSession, aliceOther}) {
				t.Errorf("from the database: %s", res.text)
			}
		})
	}
	got := s.wa.all()
	for _, r := range got {
		if r.method != "GET" || r.uri != "/sessions" {
			t.Errorf("the WA server was asked %s %s", r.method, r.uri)
		}
	}
}

func TestCreateAndDeleteSessions(t *testing.T) {
	onEach(t, func(t *testing.T, d *storetest.Database) {
		s := newSetup(t, d)
		t.Run("ids", s.testSessionIDs)
		t.Run("max_session", s.testMaxSession)
		t.Run("failures", s.testSessionFailures)
		t.Run("taken", s.testTakenSessions)
		t.Run("delete", s.testDeleteSession)
		t.Run("at once", s.testSessionsAtOnce)
	})
}

// create posts a session of alice's.
func (s *setup) create(t *testing.T, body string, header ...string) response {
	t.Helper()
	return s.call("POST", "/api/wa/sessions", body, append([]string{"X-User-ID", alice}, header...))
}

// remove takes a session of alice's away, and with it what the WA server got.
func (s *setup) remove(t *testing.T, id string) {
	t.Helper()
	s.wa.respond(nil)
	if res := s.call("DELETE", "/api/wa/sessions/"+id, "", as(alice, id)); res.status != 200 {
		t.Fatalf("deleting %s: %d %s", id, res.status, res.text)
	}
	s.wa.all()
}

func (s *setup) owner(t *testing.T, id string) string {
	t.Helper()
	row, err := s.db.Session(t.Context(), id)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return ""
	case err != nil:
		t.Fatal(err)
	case row.UserID == nil:
		return ""
	}
	return *row.UserID
}

func (s *setup) testSessionIDs(t *testing.T) {
	form := []string{"Content-Type", "application/x-www-form-urlencoded"}
	for _, c := range []struct {
		name, body string
		header     []string
		answer     string
		status     int
		want       string
		told       string // the session_id that the WA server is told; empty: one that was made
	}{
		{"asked for", `{"session_id":"new-1","name":"Office 1"}`, nil, `{"success":true}`, 201, "new-1", "new-1"},
		{"asked for in another spelling", `{"sessionId":"new-2"}`, nil, `{}`, 200, "new-2", "new-2"},
		{"named by the answer", `{}`, nil, `{"data":{"session_id":"made-1"}}`, 201, "made-1", ""},
		{"no body", "", nil, `{"id":"made-2"}`, 200, "made-2", ""},
		{"named by nobody", `{"name":"Office 2"}`, nil, `{"success":true}`, 200, "", ""},
		{"named otherwise by the answer", `{"session_id":"new-3"}`, nil, `{"result":{"sessionId":"made-3"}}`, 200, "made-3", "new-3"},
		{"by a form", "session_id=new-4&name=x", form, `{}`, 200, "new-4", "new-4"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s.wa.respond(jsonAnswer(c.status, c.answer))
			res := s.create(t, c.body, c.header...)
			if res.status != c.status || res.text != c.answer {
				t.Fatalf("%d %s", res.status, res.text)
			}
			got := s.wa.one(t)
			if c.header == nil {
				id, _ := got.json(t)["session_id"].(string)
				if made := c.told == "" && strings.HasPrefix(id, "s_"); id != c.told && !made {
					t.Errorf("the WA server was told session %q: %s", id, got.body)
				}
				if c.want == "" {
					c.want = id
				}
			} else if !strings.Contains(string(got.body), c.told) {
				t.Errorf("the WA server was told %s", got.body)
			}
			if who := s.owner(t, c.want); who != alice {
				t.Errorf("%s belongs to %q", c.want, who)
			}
			// It can be used at once, by its owner alone.
			s.wa.respond(nil)
			for _, call := range [][2]string{{"POST", "start"}, {"POST", "stop"}} {
				if res := s.call(call[0], "/api/wa/sessions/"+c.want+"/"+call[1], "", as(alice, c.want)); res.status != 200 {
					t.Errorf("%s: %d %s", call[1], res.status, res.text)
				}
				if got := s.wa.one(t); got.uri != "/sessions/"+c.want+"/"+call[1] {
					t.Errorf("the WA server got %s", got.uri)
				}
			}
			s.wa.respond(answering(200, "image/png", "\x89PNG picture"))
			res = s.call("GET", "/api/wa/sessions/"+c.want+"/qr", "", as(alice, c.want))
			if res.status != 200 || res.text != "\x89PNG picture" || res.header.Get("Content-Type") != "image/png" {
				t.Errorf("qr: %d %s", res.status, res.text)
			}
			s.wa.all()
			s.call("GET", "/api/wa/sessions/"+c.want, "", as(bob, bobSession)).wantAnswer(t, 403, "")
			s.remove(t, c.want)
		})
	}
	for _, body := range []string{
		`{"session_id":"a b"}`, `{"session_id":"../x"}`, `{"session_id":"` + strings.Repeat("a", 256) + `"}`,
		`{"session_id":"a","sessionId":"b"}`, `{"session_id":`, `[]`,
	} {
		s.create(t, body).wantAnswer(t, 400, "")
	}
	s.create(t, "<xml/>", "Content-Type", "text/xml").wantAnswer(t, 415, "")
	s.wa.none(t)
}

func (s *setup) testMaxSession(t *testing.T) {
	s.wa.respond(nil)
	if res := s.create(t, `{"session_id":"third"}`); res.status != 200 {
		t.Fatalf("%d %s", res.status, res.text)
	}
	s.wa.all()
	res := s.create(t, `{"session_id":"fourth"}`)
	res.wantAnswer(t, 403, "")
	if res.at("data", "max_session") != 3.0 {
		t.Errorf("refused with %s", res.text)
	}
	s.create(t, `{}`).wantAnswer(t, 403, "")
	s.wa.none(t)
	s.remove(t, "third")
	if res := s.create(t, `{"session_id":"fourth"}`); res.status != 200 {
		t.Errorf("with a free place again: %d %s", res.status, res.text)
	}
	s.remove(t, "fourth")
}

// testSessionFailures: a session that was not created takes no place.
func (s *setup) testSessionFailures(t *testing.T) {
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		body   string
		want   int
	}{
		"refused":  {jsonAnswer(400, `{"error":"no"}`), `{"session_id":"never"}`, 400},
		"broken":   {answering(500, "text/plain", "panic"), `{"session_id":"never"}`, 500},
		"hung up":  {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, `{"session_id":"never"}`, 502},
		"a bad id": {jsonAnswer(200, `{"session_id":"a/../b"}`), `{"session_id":"never"}`, 502},
	} {
		s.wa.respond(c.answer)
		for range 2 { // the second finds the place and the id free
			res := s.create(t, c.body)
			if res.status != c.want {
				t.Errorf("%s: %d %s", name, res.status, res.text)
			}
		}
		if who := s.owner(t, "never"); who != "" {
			t.Errorf("%s: the session belongs to %q", name, who)
		}
	}
	s.wa.all()
	s.wa.respond(nil)
	if res := s.create(t, `{"session_id":"never"}`); res.status != 200 {
		t.Errorf("afterwards: %d %s", res.status, res.text)
	}
	s.remove(t, "never")
}

// testTakenSessions: ids that are taken are refused alike, whoever has them.
func (s *setup) testTakenSessions(t *testing.T) {
	s.wa.respond(nil)
	others := s.create(t, `{"session_id":"`+bobSession+`"}`)
	others.wantAnswer(t, 409, "")
	own := s.create(t, `{"session_id":"`+aliceSession+`"}`)
	if own.status != 409 || own.text != others.text {
		t.Errorf("%d %s can be told from %s", own.status, own.text, others.text)
	}
	s.wa.none(t)
	// The WA server gives out somebody else's.
	s.wa.respond(jsonAnswer(201, `{"session_id":"`+bobSession+`","token":"session-secret"}`))
	for range 2 {
		res := s.create(t, `{"session_id":"mine"}`)
		res.wantAnswer(t, 409, "")
		if strings.Contains(res.text, bobSession) || strings.Contains(res.text, "session-secret") {
			t.Errorf("the answer tells of it: %s", res.text)
		}
	}
	for _, got := range s.wa.all() {
		if got.method == "DELETE" {
			t.Errorf("%s %s: somebody else's session was removed", got.method, got.uri)
		}
	}
	if who := s.owner(t, bobSession); who != bob {
		t.Errorf("%s belongs to %q now", bobSession, who)
	}
	s.wa.respond(nil)
	if res := s.create(t, `{"session_id":"mine"}`); res.status != 200 {
		t.Errorf("afterwards: %d %s", res.status, res.text)
	}
	s.remove(t, "mine")
}

func (s *setup) testDeleteSession(t *testing.T) {
	for _, c := range []struct {
		status int
		gone   bool
	}{{200, true}, {204, true}, {404, true}, {410, true}, {500, false}, {401, false}} {
		id := s.addSession(t, fmt.Sprint("del-", c.status))
		s.call("POST", "/events/message", eventOf(alice, id, "m", "sent", time.Now()), nil).wantAnswer(t, 200, "")
		s.wa.respond(answering(c.status, "text/plain", ""))
		if res := s.call("DELETE", "/api/wa/sessions/"+id, "", as(alice, id)); res.status != c.status {
			t.Errorf("%d came out as %d %s", c.status, res.status, res.text)
		}
		if got := s.wa.one(t); got.method != "DELETE" || got.uri != "/sessions/"+id {
			t.Errorf("the WA server got %s %s", got.method, got.uri)
		}
		s.wa.respond(nil)
		res := s.call("POST", "/api/wa/send-message", hello, as(alice, id))
		if c.gone {
			res.wantAnswer(t, 403, "")
			s.call("DELETE", "/api/wa/sessions/"+id, "", as(alice, id)).wantAnswer(t, 403, "")
		} else if res.status != 200 {
			t.Errorf("after %d: %d %s", c.status, res.status, res.text)
		}
		if (s.owner(t, id) == "") != c.gone {
			t.Errorf("after %d the row belongs to %q", c.status, s.owner(t, id))
		}
		if got := s.sessionStats(t, id); got[0] < 1 {
			t.Errorf("after %d the statistics are %v", c.status, got)
		}
		s.wa.all()
		if !c.gone {
			s.remove(t, id)
		}
	}
	s.call("DELETE", "/api/wa/sessions/"+bobSession, "", as(alice, aliceSession)).wantAnswer(t, 403, "")
	s.wa.none(t)
}

// sessionStats are the totals of a session that may be deleted.
func (s *setup) sessionStats(t *testing.T, session string) [4]float64 {
	t.Helper()
	res := s.call("GET", "/events/stats/session/"+alice+"/"+session, "", as(alice, aliceSession))
	res.wantAnswer(t, 200, "")
	return totalsOf(res.at("data"))
}

// testSessionsAtOnce: twenty at once never exceed max_session.
func (s *setup) testSessionsAtOnce(t *testing.T) {
	s.wa.respond(nil)
	before, err := s.db.SessionsOf(t.Context(), bob)
	if err != nil {
		t.Fatal(err)
	}
	free := 3 - len(before)
	statuses := make([]int, 20)
	var posts sync.WaitGroup
	for i := range statuses {
		posts.Go(func() {
			res, err := s.try("POST", "/api/wa/sessions", fmt.Sprintf(`{"session_id":"crowd-%d"}`, i), []string{"X-User-ID", bob})
			if err != nil {
				t.Error(err)
			}
			statuses[i] = res.status
		})
	}
	posts.Wait()
	slices.Sort(statuses)
	if statuses[free-1] != 200 || statuses[free] != 403 || statuses[len(statuses)-1] != 403 {
		t.Errorf("with %d places free: %v", free, statuses)
	}
	after, err := s.db.SessionsOf(t.Context(), bob)
	if err != nil {
		t.Fatal(err)
	}
	if len(after) != 3 {
		t.Errorf("%d sessions", len(after))
	}
	if got := s.wa.all(); len(got) != free {
		t.Errorf("%d calls reached the WA server", len(got))
	}
}
