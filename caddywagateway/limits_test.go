package caddywagateway

import (
	"crypto/rand"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/genfity/wa-gateway/store"
	"github.com/genfity/wa-gateway/store/storetest"
)

// onEachLimiter runs a test with the limiter in memory and with the one in
// Redis; option is what chooses it in the global option. Each has a new state.
func onEachLimiter(t *testing.T, test func(t *testing.T, option string)) {
	t.Helper()
	t.Run("memory", func(t *testing.T) { test(t, "limiter memory") })
	t.Run("redis", func(t *testing.T) {
		url := os.Getenv("WA_TEST_REDIS_URL")
		if url == "" {
			t.Fatal("WA_TEST_REDIS_URL is not set: run make test, which starts a Redis for the tests")
		}
		t.Setenv("REDIS_URL_OF_TEST", url)
		test(t, "limiter redis {env.REDIS_URL_OF_TEST} {\n prefix test-"+rand.Text()+"\n}")
	})
}

// limitState are the header fields of contract §6, as far as they are numbers.
func limitState(t *testing.T, res response) (limit, left, next int) {
	t.Helper()
	var quota, window int
	if _, err := fmt.Sscanf(res.header.Get("RateLimit-Policy"), `"messages";q=%d;w=%d`, &quota, &window); err != nil {
		t.Fatalf("%d: RateLimit-Policy %q", res.status, res.header.Get("RateLimit-Policy"))
	}
	if _, err := fmt.Sscanf(res.header.Get("RateLimit"), `"messages";r=%d;t=%d`, &left, &next); err != nil {
		t.Fatalf("%d: RateLimit %q", res.status, res.header.Get("RateLimit"))
	}
	if next < 0 || next > window {
		t.Errorf("%d: t=%d in a window of %d", res.status, next, window)
	}
	if got := res.header.Get("X-RateLimit-Limit"); got != strconv.Itoa(quota) {
		t.Errorf("%d: X-RateLimit-Limit %q, q=%d", res.status, got, quota)
	}
	if got := res.header.Get("X-RateLimit-Remaining"); got != strconv.Itoa(left) {
		t.Errorf("%d: X-RateLimit-Remaining %q, r=%d", res.status, got, left)
	}
	reset, err := strconv.ParseInt(res.header.Get("X-RateLimit-Reset"), 10, 64)
	if until := time.Until(time.Unix(reset, 0)); err != nil || until > time.Duration(window+2)*time.Second || until < -time.Minute {
		t.Errorf("%d: X-RateLimit-Reset %q", res.status, res.header.Get("X-RateLimit-Reset"))
	}
	return quota, left, next
}

// refusedByLimit checks a 429 and returns the seconds of its Retry-After.
func refusedByLimit(t *testing.T, res response) int {
	t.Helper()
	res.wantAnswer(t, 429, "Rate limit exceeded")
	seconds, err := strconv.Atoi(res.header.Get("Retry-After"))
	if err != nil || seconds < 1 {
		t.Fatalf("Retry-After %q", res.header.Get("Retry-After"))
	}
	if got := res.at("data", "retry_after"); got != float64(seconds) {
		t.Errorf("data.retry_after is %v, Retry-After %d", got, seconds)
	}
	return seconds
}

func TestLimit(t *testing.T) {
	onEachLimiter(t, func(t *testing.T, option string) {
		s := newSetup(t, storetest.New(t, storetest.SQLite), "{APP}", option)
		send := func(user, session string) response {
			return s.call("POST", "/api/wa/send-message", hello, as(user, session))
		}
		for i := range 100 {
			res := send(alice, aliceSession)
			if res.status != 200 {
				t.Fatalf("message %d: %d %s", i+1, res.status, res.text)
			}
			limit, left, next := limitState(t, res)
			if limit != 100 || left != 99-i || next < 1 {
				t.Fatalf("message %d: limit %d, %d left, the next in %d s", i+1, limit, left, next)
			}
			if res.header.Get("Retry-After") != "" {
				t.Errorf("message %d: Retry-After %q", i+1, res.header.Get("Retry-After"))
			}
		}
		for range 3 {
			res := send(alice, aliceSession)
			if seconds := refusedByLimit(t, res); seconds > 60 {
				t.Errorf("Retry-After %d", seconds)
			}
			if _, left, _ := limitState(t, res); left != 0 {
				t.Errorf("refused with %d left", left)
			}
		}
		if got := len(s.wa.all()); got != 100 {
			t.Errorf("%d messages reached the WA server", got)
		}
		// Each session has a limit of its own, whatever its user.
		for _, who := range [][2]string{{alice, aliceOther}, {bob, bobSession}} {
			if _, left, _ := limitState(t, send(who[0], who[1])); left != 99 {
				t.Errorf("%s has %d left", who[1], left)
			}
		}
		// What is no message is not limited.
		if res := s.call("GET", "/api/wa/sessions/"+aliceSession, "", as(alice, aliceSession)); res.status != 200 || res.header.Get("RateLimit") != "" {
			t.Errorf("a call that is no message: %d, RateLimit %q", res.status, res.header.Get("RateLimit"))
		}
		eventually(t, "the outcomes", func() bool { return s.sessionTotals(t, aliceSession) == [4]float64{100, 0, 0, 0} })
	})
}

func TestRetryAfterIsTrue(t *testing.T) {
	onEachLimiter(t, func(t *testing.T, option string) {
		s := newSetup(t, storetest.New(t, storetest.SQLite), "{APP}", option+"\n rate_limit 3 2s")
		send := func() response { return s.call("POST", "/api/wa/send-message", hello, as(alice, aliceSession)) }
		var res response
		sent := 0
		for res = send(); res.status == 200; res = send() {
			if sent++; sent > 30 {
				t.Fatal("no limit")
			}
		}
		if sent < 3 {
			t.Errorf("%d messages in a row", sent)
		}
		// Refused calls do not count: otherwise the wait would be longer.
		for range 5 {
			send()
		}
		seconds := refusedByLimit(t, res)
		if seconds > 2 {
			t.Errorf("Retry-After %d in a window of 2 s", seconds)
		}
		time.Sleep(time.Duration(seconds) * time.Second)
		if res = send(); res.status != 200 {
			t.Errorf("after %d s: %d %s", seconds, res.status, res.text)
		}
	})
}

func TestLimitedAnswers(t *testing.T) {
	s := newSetup(t, storetest.New(t, storetest.SQLite), "{APP}", "rate_limit 10 60s\n package Pro 3 90s")
	send := func(session string) response {
		return s.call("POST", "/api/wa/send-message", hello, as(alice, session))
	}
	broadcast := func(n int) response {
		return s.call("POST", "/api/wa/broadcast", `{"recipients":["`+strings.Repeat(`628111","`, n-1)+`628222"],"message":"Hi"}`, as(alice, aliceSession))
	}
	left := func(res response) int {
		t.Helper()
		_, left, _ := limitState(t, res)
		return left
	}

	t.Run("broadcast", func(t *testing.T) {
		if res := broadcast(6); res.status != 200 || left(res) != 4 {
			t.Fatalf("%d %s", res.status, res.text)
		}
		res := broadcast(5) // all or nothing
		refusedByLimit(t, res)
		if left(res) != 4 {
			t.Errorf("a refused broadcast left %d", left(res))
		}
		res = broadcast(11)
		res.wantAnswer(t, 400, "")
		if res.at("data", "recipients") != 11.0 || res.at("data", "limit") != 10.0 || res.header.Get("Retry-After") != "" {
			t.Errorf("more than the limit: %s", res.text)
		}
		if res := broadcast(4); res.status != 200 || left(res) != 0 {
			t.Errorf("the rest: %d %s", res.status, res.text)
		}
		if got := len(s.wa.all()); got != 2 {
			t.Errorf("%d broadcasts reached the WA server", got)
		}
		eventually(t, "the outcomes", func() bool { return s.sessionTotals(t, aliceSession) == [4]float64{10, 0, 0, 0} })
		for _, body := range []string{`{"message":"x"}`, `{"recipients":[]}`, `{"recipients":["1"],"to":["2"]}`, `{"recipients":[["1"]]}`} {
			s.call("POST", "/api/wa/broadcast", body, as(alice, aliceOther)).wantAnswer(t, 400, "")
		}
		s.wa.none(t)
	})

	t.Run("costs nothing", func(t *testing.T) {
		for name, c := range map[string]struct {
			body   string
			header []string
			want   int
		}{
			"bad body":          {`{"to":`, as(alice, aliceOther), 400},
			"two recipients":    {`{"to":["1","2"]}`, as(alice, aliceOther), 400},
			"unsupported":       {`<xml/>`, append(as(alice, aliceOther), "Content-Type", "text/xml"), 415},
			"encoded":           {hello, append(as(alice, aliceOther), "Content-Encoding", "gzip"), 415},
			"another's session": {hello, as(bob, aliceOther), 403},
			"nobody":            {hello, as("nobody", aliceOther), 401},
		} {
			if res := s.call("POST", "/api/wa/send-message", c.body, c.header); res.status != c.want {
				t.Errorf("%s: %d %s", name, res.status, res.text)
			}
		}
		s.wa.none(t)
		if res := send(aliceOther); left(res) != 9 {
			t.Errorf("%d left", left(res))
		}
	})

	t.Run("every answer", func(t *testing.T) {
		for i, answer := range []http.HandlerFunc{
			jsonAnswer(400, `{"error":"x"}`), answering(500, "text/plain", "x"), answering(204, "", ""),
			func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		} {
			s.wa.respond(answer)
			if res := send(aliceOther); left(res) != 8-i {
				t.Errorf("%d: %d left", res.status, left(res))
			}
		}
		s.wa.respond(nil)
		s.wa.all()
	})

	t.Run("package", func(t *testing.T) {
		const carol, session = "ckcarol", "carol-1"
		user := carol
		for _, err := range []error{
			s.db.CreateUser(t.Context(), &store.User{ID: carol, Role: "customer", IsActive: true}),
			s.db.AddSession(t.Context(), &store.Session{SessionID: session, UserID: &user, Status: "connected"}),
			s.db.SetSubscription(t.Context(), carol, "ckpro", store.SubscriptionActive, time.Now().Add(time.Hour)),
		} {
			if err != nil {
				t.Fatal(err)
			}
		}
		for range 3 {
			res := s.call("POST", "/api/wa/send-message", hello, as(carol, session))
			if limit, _, _ := limitState(t, res); res.status != 200 || limit != 3 || !strings.HasSuffix(res.header.Get("RateLimit-Policy"), "w=90") {
				t.Errorf("%d, %s", res.status, res.header.Get("RateLimit-Policy"))
			}
		}
		refusedByLimit(t, s.call("POST", "/api/wa/send-message", hello, as(carol, session)))
		sub := s.call("GET", "/api/wa/subscription/"+carol, "", as(carol, session))
		if sub.at("data", "package", "rate_limit") != 3.0 || sub.at("data", "package", "rate_limit_window") != 90.0 {
			t.Errorf("subscription: %s", sub.text)
		}
	})
}

// TestLimitSurvivesReload: a reload, with the same limit or another, forgets
// nothing of what was sent.
func TestLimitSurvivesReload(t *testing.T) {
	onEachLimiter(t, func(t *testing.T, option string) {
		d := storetest.New(t, storetest.SQLite)
		s := newSetup(t, d, "{APP}", option+"\n rate_limit 5 60s")
		send := func() response { return s.call("POST", "/api/wa/send-message", hello, as(alice, aliceSession)) }
		for range 3 {
			send()
		}
		for _, c := range []struct {
			limit  string
			status int
			left   int
		}{{"5 60s", 200, 1}, {"10 60s", 200, 5}, {"4 60s", 429, 0}, {"6 60s", 200, 0}, {"6 61s", 429, 0}} {
			s.load(caddyfileFor(d.DSN, s.wa.URL, "{APP}", option+"\n rate_limit "+c.limit))
			s.ready()
			res := send()
			if _, left, _ := limitState(t, res); res.status != c.status || left != c.left {
				t.Errorf("with %s: %d, %d left, want %d, %d", c.limit, res.status, left, c.status, c.left)
			}
		}
	})
}
