package caddywagateway

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/genfity/wa-gateway/store/storetest"
)

// gatedServer is a WA server that holds the calls of one user until it is let go.
type gatedServer struct {
	entered chan struct{}
	goOn    chan struct{}
}

// holding makes the WA server hold what held tells.
func (s *setup) holding(held func(*http.Request) bool, answer string) *gatedServer {
	g := &gatedServer{entered: make(chan struct{}, 100), goOn: make(chan struct{})}
	s.wa.respond(func(w http.ResponseWriter, r *http.Request) {
		if held(r) {
			g.entered <- struct{}{}
			select {
			case <-g.goOn:
			case <-time.After(15 * time.Second):
			}
		}
		jsonAnswer(200, answer)(w, r)
	})
	return g
}

func isAlices(r *http.Request) bool { return r.Header.Get("X-User-ID") == alice }

// wait waits until n calls are held.
func (g *gatedServer) wait(t *testing.T, n int) {
	t.Helper()
	for range n {
		select {
		case <-g.entered:
		case <-time.After(10 * time.Second):
			t.Fatal("a call does not reach the WA server")
		}
	}
}

const tooManyAtOnce = "Too many calls at once; wait for some to end"

// TestConcurrency: one user has three calls at a time; others do not notice.
func TestConcurrency(t *testing.T) {
	s := newSetup(t, storetest.New(t, storetest.SQLite), "{APP}", "concurrency 3")
	held := s.holding(isAlices, `{"id":"m"}`)
	send := func(user, session string) response {
		return s.call("POST", postMessage, hello, as(user, session))
	}
	var calls sync.WaitGroup
	for i := range 3 {
		// It is the user that counts, whatever the session and the endpoint.
		path := []string{postMessage, "/api/wa/sessions/" + aliceOther + "/stop", "/api/wa/webhook"}[i]
		calls.Go(func() {
			if res, err := s.try("POST", path, hello, as(alice, aliceSession)); err != nil || res.status != 200 {
				t.Errorf("%s: %d %s, %v", path, res.status, res.text, err)
			}
		})
	}
	held.wait(t, 3)
	for range 3 {
		res := send(alice, aliceOther)
		res.wantAnswer(t, 429, tooManyAtOnce)
		if res.header.Get("Retry-After") != "1" {
			t.Errorf("Retry-After %q", res.header.Get("Retry-After"))
		}
		if res.header.Get("RateLimit") != "" {
			t.Error("the refusal looks as if the message rate were used up")
		}
	}
	for range 5 {
		if res := send(bob, bobSession); res.status != 200 {
			t.Errorf("bob: %d %s", res.status, res.text)
		}
	}
	// Statistics count among them, but not the admin's look at them.
	for _, path := range []string{"/api/wa/subscription/", "/events/stats/user/"} {
		s.call("GET", path+alice, "", as(alice, aliceSession)).wantAnswer(t, 429, tooManyAtOnce)
		s.call("GET", path+alice, "", adminHeader).wantAnswer(t, 200, "")
	}
	close(held.goOn)
	calls.Wait()
	res := send(alice, aliceSession)
	if res.status != 200 {
		t.Fatalf("afterwards: %d %s", res.status, res.text)
	}
	if _, left, _ := limitState(t, res); left != 98 {
		t.Errorf("%d messages left: refused calls were counted", left)
	}
}

// TestPlacesAreGivenBack: however a call ends.
func TestPlacesAreGivenBack(t *testing.T) {
	s := newSetup(t, storetest.New(t, storetest.SQLite), "{APP}", "concurrency 1")
	for i, answer := range []http.HandlerFunc{
		jsonAnswer(400, `{}`), answering(500, "text/plain", "x"), jsonAnswer(200, `{"broken`),
		func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			fmt.Fprint(w, "broken")
			panic(http.ErrAbortHandler)
		},
	} {
		for _, call := range []string{"POST /api/wa/send-message", "GET /api/wa/sessions", "GET /api/wa/webhook", "DELETE /api/wa/sessions/" + s.addSession(t, fmt.Sprint("given-", i))} {
			method, path, _ := strings.Cut(call, " ")
			body := ""
			if method == "POST" {
				body = hello
			}
			s.wa.respond(answer)
			res, err := s.try(method, path, body, append(as(alice, aliceSession), "Connection", "close"))
			if err == nil && res.status == 429 {
				t.Errorf("%s: %s", path, res.text)
			}
			s.wa.respond(nil)
			eventually(t, "the place", func() bool {
				return s.call("GET", "/api/wa/sessions/"+aliceSession, "", as(alice, aliceSession)).status == 200
			})
		}
	}
}

// TestSlowBodiesHoldNoDatabase: a hundred bodies that do not come hold no
// connection to the database, of which there are two.
func TestSlowBodiesHoldNoDatabase(t *testing.T) {
	d := storetest.New(t, storetest.PostgresSnake)
	s := newSetup(t, d, "transactional_db {DSN}\n", "transactional_db {\n\t\t\tdsn "+d.DSN+"\n\t\t\tmax_conns 2\n\t\t}\n", "{APP}", "cache {\n ttl 100ms\n}")
	var clients []*slowClient
	for i := range 130 { // more than there are places: the question below takes one, too
		c := s.dial(t)
		path := []string{postMessage, "/api/wa/sessions", "/api/wa/broadcast"}[i%3]
		c.begin("POST", path, "Content-Length: 500")
		fmt.Fprint(c, "{")
		clients = append(clients, c)
	}
	// All of them are past the gate: there is no place left.
	eventually(t, "all to wait for their bodies", func() bool {
		res := s.call("POST", postMessage, hello, as(alice, aliceSession))
		return res.at("message") == tooManyAtOnce
	})
	for range 10 {
		start := time.Now()
		if res := s.call("POST", postMessage, hello, as(bob, bobSession)); res.status != 200 {
			t.Errorf("%d %s", res.status, res.text)
		}
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("bob waits for %s", took)
		}
		time.Sleep(60 * time.Millisecond) // so that bob is asked for again
	}
	for _, c := range clients {
		_ = c.Close()
	}
	eventually(t, "the places", func() bool {
		return s.call("POST", postMessage, hello, as(alice, aliceSession)).status == 200
	})
}

// sessionServer is a WA server that knows which sessions it has.
type sessionServer struct {
	mu       sync.Mutex
	sessions map[string]bool
}

func (ws *sessionServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	id := r.Header.Get("X-Session-ID")
	switch {
	case r.Method == http.MethodPost && r.URL.Path == "/sessions":
		ws.sessions[id] = true
	case r.Method == http.MethodDelete:
		delete(ws.sessions, strings.TrimPrefix(r.URL.Path, "/sessions/"))
	}
	jsonAnswer(200, `{"data":{"session_id":`+quote(id)+`}}`)(w, r)
}

func (ws *sessionServer) all() []string {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	var all []string
	for id := range ws.sessions {
		all = append(all, id)
	}
	slices.Sort(all)
	return all
}

// TestFiftyCreationsAtOnce: with three places, three are made, in the table and on
// the WA server, and they are the same.
func TestFiftyCreationsAtOnce(t *testing.T) {
	for _, kind := range []storetest.Kind{storetest.SQLite, storetest.PostgresPrisma} {
		t.Run(string(kind), func(t *testing.T) {
			s := newSetup(t, storetest.New(t, kind))
			if err := s.db.RemoveSession(t.Context(), bob, bobSession); err != nil {
				t.Fatal(err)
			}
			server := &sessionServer{sessions: make(map[string]bool)}
			s.wa.respond(func(w http.ResponseWriter, r *http.Request) {
				time.Sleep(5 * time.Millisecond) // so that they meet
				server.ServeHTTP(w, r)
			})
			statuses := make(map[int]int)
			var mu sync.Mutex
			var calls sync.WaitGroup
			for i := range 50 {
				calls.Go(func() {
					// Every third asks for the same one.
					body := fmt.Sprintf(`{"session_id":"crowd-%d"}`, i)
					if i%3 == 0 {
						body = `{"session_id":"crowd-same"}`
					}
					res, err := s.try("POST", "/api/wa/sessions", body, []string{"X-User-ID", bob})
					mu.Lock()
					defer mu.Unlock()
					statuses[res.status]++
					if err != nil {
						t.Error(err)
					}
				})
			}
			calls.Wait()
			if statuses[200] != 3 || statuses[200]+statuses[403]+statuses[409] != 50 {
				t.Errorf("answers: %v", statuses)
			}
			rows, err := s.db.SessionsOf(t.Context(), bob)
			if err != nil {
				t.Fatal(err)
			}
			var table []string
			for i := range rows {
				table = append(table, rows[i].SessionID)
			}
			slices.Sort(table)
			if made := server.all(); len(table) != 3 || !slices.Equal(made, table) {
				t.Errorf("the table has %v, the WA server %v", table, made)
			}
		})
	}
}

// TestMessageWhileSessionIsDeleted: the outcome counts once, under the session that
// is deleted, whatever comes first.
func TestMessageWhileSessionIsDeleted(t *testing.T) {
	for _, kind := range []storetest.Kind{storetest.SQLite, storetest.PostgresPrisma} {
		t.Run(string(kind), func(t *testing.T) {
			s := newSetup(t, storetest.New(t, kind))
			for i, order := range []string{"answer, event, deletion", "event, deletion, answer", "deletion, event, answer", "deletion, answer, event", "deletion, answer"} {
				session, message := s.addSession(t, fmt.Sprint("leaving-", i)), fmt.Sprint("wamid.leaving-", i)
				held := s.holding(func(r *http.Request) bool { return r.URL.Path == "/send-message" }, `{"message_id":`+quote(message)+`}`)
				answered := make(chan response, 1)
				go func() {
					res, err := s.try("POST", postMessage, hello, as(alice, session))
					if err != nil {
						t.Error(err)
					}
					answered <- res
				}()
				held.wait(t, 1)
				want := [4]float64{1, 0, 0, 0}
				for _, step := range strings.Split(order, ", ") {
					switch step {
					case "answer":
						close(held.goOn)
						if res := <-answered; res.status != 200 {
							t.Errorf("%s: %d %s", order, res.status, res.text)
						}
					case "event":
						// Of a session that is deleted it is refused, or it is counted; either
						// way the message stays one message.
						res := s.call("POST", "/events/message", eventOf(alice, session, message, "sent", time.Now()), nil)
						if res.status != 200 && res.status != 422 {
							t.Errorf("%s: %d %s", order, res.status, res.text)
						}
					case "deletion":
						if res := s.call("DELETE", "/api/wa/sessions/"+session, "", as(alice, session)); res.status != 200 {
							t.Errorf("%s: %d %s", order, res.status, res.text)
						}
					}
				}
				eventually(t, "the outcome after "+order, func() bool { return s.sessionStats(t, session) == want })
				s.call("POST", postMessage, hello, as(alice, session)).wantAnswer(t, 403, "")
				if who := s.owner(t, session); who != "" {
					t.Errorf("%s: the session is there again, %s's", order, who)
				}
			}
			time.Sleep(100 * time.Millisecond)
			res := s.call("GET", "/events/stats/user/"+alice, "", as(alice, aliceSession))
			if got := totalsOf(res.at("data")); got != [4]float64{5, 0, 0, 0} {
				t.Errorf("all in all %v", got)
			}
		})
	}
}

// TestCreationThatCannotBeEntered is undone at the WA server, lest a session live
// there that nobody owns.
func TestCreationThatCannotBeEntered(t *testing.T) {
	d := storetest.New(t, storetest.PostgresPrisma)
	s := &setup{wa: newWARecorder(t), db: openStore(t, d.DSN)}
	seed(t, s.db)
	l, dsn := newLink(t, d.DSN, true)
	s.gateway = startCaddy(t, caddyfileFor(dsn, s.wa.URL))
	s.ready()
	server := &sessionServer{sessions: make(map[string]bool)}
	s.wa.respond(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			l.cut()
		}
		server.ServeHTTP(w, r)
	})
	wantUnavailable(t, s.create(t, `{"session_id":"orphan"}`))
	if left := server.all(); len(left) != 0 {
		t.Errorf("the WA server still has %v", left)
	}
	if got := s.wa.all(); len(got) != 2 || got[1].method != "DELETE" || got[1].uri != "/sessions/orphan" {
		t.Errorf("%d calls reached the WA server", len(got))
	}
	l.mend()
	s.wa.respond(server.ServeHTTP)
	eventually(t, "the database", func() bool {
		return s.call("GET", "/api/wa/subscription/"+alice, "", as(alice, aliceSession)).status == 200
	})
	if who := s.owner(t, "orphan"); who != "" {
		t.Errorf("the session is %s's", who)
	}
}
