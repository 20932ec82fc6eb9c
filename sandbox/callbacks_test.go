package sandbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"
)

// The tests of callbacks run on synctest's time, so a minute of retries takes no time. The
// endpoint is called without a network, as that would wait outside of it.

// told is one callback that an endpoint got.
type told struct {
	event
	raw   string
	after time.Duration // since the endpoint was made
	auth  string
}

// endpoint is an events endpoint that remembers. answer decides the status from how many calls
// there were before; nil means always 200.
type endpoint struct {
	answer func(n int, e event) (int, error)
	retry  string // Retry-After
	began  time.Time

	mu  sync.Mutex
	got []told
}

func (e *endpoint) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	t := told{raw: string(body), after: time.Since(e.began), auth: r.Header.Get("Authorization")}
	if err := json.Unmarshal(body, &t.event); err != nil {
		return nil, err
	}
	e.mu.Lock()
	n := len(e.got)
	e.got = append(e.got, t)
	e.mu.Unlock()
	w := httptest.NewRecorder()
	if e.answer != nil {
		status, err := e.answer(n, t.event)
		if err != nil {
			return nil, err
		}
		if e.retry != "" {
			w.Header().Set("Retry-After", e.retry)
		}
		w.WriteHeader(status)
	}
	return w.Result(), nil
}

func (e *endpoint) all() []told {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.got)
}

func (e *endpoint) statuses() string {
	var all []string
	for _, t := range e.all() {
		all = append(all, t.Status)
	}
	return strings.Join(all, " ")
}

// reporting runs a test with a sandbox that reports to an endpoint, on synctest's time.
func reporting(t *testing.T, e *endpoint, o Options, test func(*testing.T, *Sandbox)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		e.began = time.Now()
		o.EventsURL = "http://secret:password@gateway.invalid/events/message"
		o.Client = &http.Client{Transport: e}
		s, err := New(o)
		if err != nil {
			t.Fatal(err)
		}
		test(t, s)
		if err := s.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// post makes a call without a network and gives its data.
func post(t *testing.T, s *Sandbox, path, body string, headers ...string) map[string]any {
	t.Helper()
	r := httptest.NewRequest("POST", path, strings.NewReader(body))
	r.Header.Set(userHeader, "user123")
	r.Header.Set(sessionHeader, "session123")
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	var a struct{ Data map[string]any }
	if err := json.Unmarshal(w.Body.Bytes(), &a); err != nil || w.Code != 200 {
		t.Fatal(w.Code, w.Body, err)
	}
	return a.Data
}

func send(t *testing.T, s *Sandbox, to string, headers ...string) string {
	t.Helper()
	return post(t, s, "/send-message", `{"to":"`+to+`","message":"x"}`, headers...)["message_id"].(string)
}

// later waits until the sandbox has done all that it does within a time.
func later(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func TestEvents(t *testing.T) {
	e := &endpoint{}
	reporting(t, e, Options{EventsToken: func() string { return "tok" }}, func(t *testing.T, s *Sandbox) {
		id := send(t, s, "+62 812-3456789")
		at := func(d time.Duration) string { return stamp(e.began.Add(d)) }
		synctest.Wait()
		got := e.all()
		if len(got) != 1 || got[0].after != 0 || got[0].auth != "Bearer tok" {
			t.Fatal(got)
		}
		// Exactly contract §8.
		want := fmt.Sprintf(`{"user_id":"user123","session_id":"session123","message_id":%q,"to":"628123456789","status":"sent","timestamp":%q,"error":null}`, id, at(0))
		if got[0].raw != want {
			t.Errorf("%s\nwant %s", got[0].raw, want)
		}
		later(defaultDelivered - 1)
		if n := len(e.all()); n != 1 {
			t.Error("delivered too early")
		}
		later(1)
		if got = e.all(); len(got) != 2 || got[1].Status != "delivered" || got[1].Timestamp != at(defaultDelivered) {
			t.Error(got)
		}
		later(defaultRead - defaultDelivered)
		if got = e.all(); len(got) != 3 || got[2].Status != "read" || got[2].Timestamp != at(defaultRead) || got[2].MessageID != id {
			t.Error(got)
		}
		later(time.Hour)
		if n := len(e.all()); n != 3 {
			t.Error(e.all())
		}
		if f := s.callbacks.figures(); f["pending"] != 0 || f["posted"] != 3 || f["dropped"] != 0 {
			t.Error(f)
		}
	})
}

func TestNumbersDecide(t *testing.T) {
	for to, want := range map[string]string{
		"628123450000":                 "sent failed",
		"628123450001":                 "sent",
		"628123450002":                 "sent delivered",
		"628123450003":                 "sent delivered read",
		"628123450000@s.whatsapp.net":  "sent failed",
		"628123456789-1600000002@g.us": "sent delivered",
		"120363000000010000@g.us":      "sent failed",
		"628123400005":                 "sent delivered read",
		"62 812-345-0-0-0-1":           "sent",
	} {
		e := &endpoint{}
		reporting(t, e, Options{}, func(t *testing.T, s *Sandbox) {
			send(t, s, to)
			later(time.Minute)
			if got := e.statuses(); got != want {
				t.Errorf("%s: %s, want %s", to, got, want)
			}
			last := e.all()[len(e.all())-1]
			if (last.Error != nil) != strings.HasSuffix(want, "failed") || last.Error != nil && *last.Error != failure {
				t.Errorf("%s: %s", to, last.raw)
			}
			if strings.HasSuffix(want, "failed") && last.after != defaultDelivered {
				t.Error(last.after)
			}
		})
	}
}

func TestEventsOff(t *testing.T) {
	e := &endpoint{}
	reporting(t, e, Options{}, func(t *testing.T, s *Sandbox) {
		send(t, s, "628123456789", callbacksHeader, "off")
		send(t, s, "628123456789", callbacksHeader, " OFF ")
		send(t, s, "628123456789", userHeader, "") // an event must name its user
		later(time.Minute)
		if got := e.all(); len(got) != 0 {
			t.Error(got)
		}
		send(t, s, "628123456789", callbacksHeader, "on")
		later(time.Minute)
		if got := e.statuses(); got != "sent delivered read" || strings.HasPrefix(e.all()[0].auth, "Bearer") {
			t.Error(got)
		}
	})
}

func TestNoDelays(t *testing.T) {
	e := &endpoint{}
	reporting(t, e, Options{Delivered: -1, Read: -1}, func(t *testing.T, s *Sandbox) {
		send(t, s, "628123456789")
		synctest.Wait()
		if got := e.statuses(); got != "sent delivered read" {
			t.Error(got)
		}
	})
}

// TestBroadcastEvents: N recipients are N messages in the answer and the events together.
func TestBroadcastEvents(t *testing.T) {
	e := &endpoint{}
	reporting(t, e, Options{}, func(t *testing.T, s *Sandbox) {
		data := post(t, s, "/broadcast", `{"recipients":["628123456789","628123450000","628123450001"],"message":"x"}`)
		later(time.Minute)
		ids := map[string]string{data["message_id"].(string): ""}
		for _, t := range e.all() {
			ids[t.MessageID] += " " + t.Status
		}
		results := data["results"].([]any)
		if len(ids) != 3 {
			t.Fatal(ids)
		}
		for i, want := range []string{" sent delivered read", " sent failed", " sent"} {
			if got := ids[results[i].(map[string]any)["message_id"].(string)]; got != want {
				t.Errorf("%d:%s, want%s", i, got, want)
			}
		}
	})
}

func TestRetries(t *testing.T) {
	refused := errors.New("connection refused")
	down := func(n int, _ event) (int, error) {
		switch {
		case n < 2:
			return 0, refused
		case n == 2:
			return 429, nil
		case n == 3:
			return 503, nil
		}
		return 200, nil
	}
	e := &endpoint{answer: down}
	reporting(t, e, Options{}, func(t *testing.T, s *Sandbox) {
		send(t, s, "628123456789")
		later(time.Minute)
		// 100+200+400+800 ms late; delivered and read follow at once, stamped as they were due.
		if got := e.statuses(); got != "sent sent sent sent sent delivered read" {
			t.Fatal(got)
		}
		got := e.all()
		if got[4].after != 1500*time.Millisecond || got[6].after != got[4].after || got[6].Timestamp != stamp(e.began.Add(defaultRead)) || got[4].raw != got[0].raw {
			t.Error(got)
		}
		if f := s.callbacks.figures(); f["pending"] != 0 || f["posted"] != 3 || f["dropped"] != 0 {
			t.Error(f)
		}
	})
}

func TestRetryAfter(t *testing.T) {
	e := &endpoint{retry: "3", answer: func(n int, _ event) (int, error) { return []int{503, 200, 200, 200}[n], nil }}
	reporting(t, e, Options{}, func(t *testing.T, s *Sandbox) {
		send(t, s, "628123456789")
		later(time.Minute)
		if got := e.all(); len(got) != 4 || got[1].after != 3*time.Second {
			t.Error(got)
		}
	})
}

func TestGivingUp(t *testing.T) {
	for name, test := range map[string]struct {
		answer func(int, event) (int, error)
		calls  int
		reason string
	}{
		"down":      {func(int, event) (int, error) { return 0, errors.New("no route") }, maxAttempts, "cannot be reached: no route"},
		"broken":    {func(int, event) (int, error) { return 500, nil }, maxAttempts, "answers 500"},
		"unknown":   {func(int, event) (int, error) { return 422, nil }, 1, "answers 422"},
		"token":     {func(int, event) (int, error) { return 401, nil }, 1, "answers 401"},
		"elsewhere": {func(int, event) (int, error) { return 302, nil }, 1, "answers 302"},
	} {
		t.Run(name, func(t *testing.T) {
			core, logs := observer.New(zapcore.DebugLevel)
			e := &endpoint{answer: test.answer}
			reporting(t, e, Options{Logger: zap.New(core), EventsToken: func() string { return "t0ken" }}, func(t *testing.T, s *Sandbox) {
				send(t, s, "628123456789")
				later(time.Minute)
				if n := len(e.all()); n != test.calls {
					t.Errorf("%d calls, want %d", n, test.calls)
				}
				if f := s.callbacks.figures(); f["pending"] != 0 || f["posted"] != 0 || f["dropped"] != 1 {
					t.Error(f)
				}
				lines := fmt.Sprint(logs.All())
				if logs.Len() != 1 || !strings.Contains(lines, test.reason) || strings.Contains(lines, "password") || strings.Contains(lines, "t0ken") {
					t.Error(lines)
				}
				// The next message is tried again.
				e.mu.Lock()
				e.answer = nil
				e.mu.Unlock()
				send(t, s, "628123450001")
				later(time.Second)
				if n := len(e.all()); n != test.calls+1 {
					t.Error(n)
				}
			})
		})
	}
}

func TestQueueIsBounded(t *testing.T) {
	core, logs := observer.New(zapcore.WarnLevel)
	e := &endpoint{}
	reporting(t, e, Options{Queue: 3, Logger: zap.New(core)}, func(t *testing.T, s *Sandbox) {
		for range 10 {
			send(t, s, "628123456789")
			synctest.Wait() // sent has been told; delivered is to come
		}
		later(time.Second)
		if n := len(e.all()); n != 9 || s.callbacks.figures()["dropped"] != 7 {
			t.Error(n, s.callbacks.figures())
		}
		if logs.Len() != 1 { // now and then, not per message
			t.Error(logs.All())
		}
		later(logEvery)
		for range 4 {
			send(t, s, "628123456789")
		}
		later(time.Second)
		if n := len(e.all()); n != 18 || logs.Len() != 2 || logs.All()[1].ContextMap()["messages"] != int64(7) {
			t.Error(n, logs.All())
		}
	})
}

// TestManyEvents: each message's events come in order, though several are on their way at once.
func TestManyEvents(t *testing.T) {
	e := &endpoint{}
	reporting(t, e, Options{}, func(t *testing.T, s *Sandbox) {
		for range 500 {
			send(t, s, "628123456789")
		}
		later(time.Minute)
		by := make(map[string]string)
		for _, t := range e.all() {
			by[t.MessageID] += t.Status + " "
		}
		if len(by) != 500 {
			t.Fatal(len(by))
		}
		for _, got := range by {
			if got != "sent delivered read " {
				t.Fatal(got)
			}
		}
	})
}

func TestClose(t *testing.T) {
	core, logs := observer.New(zapcore.InfoLevel)
	e := &endpoint{}
	reporting(t, e, Options{Logger: zap.New(core)}, func(t *testing.T, s *Sandbox) {
		send(t, s, "628123456789")
		synctest.Wait()
		for range 2 {
			if err := s.Close(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		later(time.Minute)
		send(t, s, "628123456789") // answered still, told no more
		later(time.Minute)
		if got := e.statuses(); got != "sent" {
			t.Error(got)
		}
		if logs.Len() != 1 || logs.All()[0].ContextMap()["messages"] != int64(1) {
			t.Error(logs.All())
		}
	})
}

// slow answers after a time, or, being deaf, does not even end with its context.
type slow struct {
	after time.Duration
	deaf  bool
}

func (s slow) RoundTrip(r *http.Request) (*http.Response, error) {
	done := r.Context().Done()
	if s.deaf {
		done = nil
	}
	select {
	case <-time.After(s.after):
		return httptest.NewRecorder().Result(), nil
	case <-done:
		return nil, r.Context().Err()
	}
}

func TestCloseIsBounded(t *testing.T) {
	for _, test := range []struct {
		client slow
		closes time.Duration
		posted int64
		err    error
	}{
		{slow{after: 2 * time.Second}, 2 * time.Second, 1, nil},
		{slow{after: time.Minute}, 3 * time.Second, 0, context.DeadlineExceeded},
		{slow{after: time.Minute, deaf: true}, 3*time.Second + closeGrace, 0, context.DeadlineExceeded},
	} {
		synctest.Test(t, func(t *testing.T) {
			s, err := New(Options{EventsURL: "http://gateway.invalid/", Client: &http.Client{Transport: test.client}})
			if err != nil {
				t.Fatal(err)
			}
			send(t, s, "628123456789")
			synctest.Wait()
			began := time.Now()
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
			defer cancel()
			if err := s.Close(ctx); !errors.Is(err, test.err) {
				t.Error(err)
			}
			if took := time.Since(began); took != test.closes || s.callbacks.figures()["posted"] != test.posted {
				t.Errorf("%+v: took %s, %v", test.client, took, s.callbacks.figures())
			}
			<-s.callbacks.done // the deaf one's end
		})
	}
}

// TestOverTheNetwork: the sandbox's own client, a real endpoint, and a health answer.
func TestOverTheNetwork(t *testing.T) {
	got := make(chan string, 10)
	gateway := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var e event
		if err := json.NewDecoder(r.Body).Decode(&e); err != nil {
			t.Error(err)
		}
		got <- r.Method + " " + r.URL.Path + " " + r.Header.Get("Content-Type") + " " + r.Header.Get("Authorization") + " " + e.Status
		_, _ = io.WriteString(w, `{"status":200}`)
	}))
	defer gateway.Close()
	s := newServer(t, Options{
		EventsURL: gateway.URL + "/events/message", EventsToken: func() string { return "tok" },
		Delivered: time.Millisecond, Read: 2 * time.Millisecond,
	})
	s.do("POST", "/send-message", `{"to":"628123456789","message":"x"}`).ok(200)
	for _, status := range []string{"sent", "delivered", "read"} {
		if line := <-got; line != "POST /events/message application/json Bearer tok "+status {
			t.Error(line)
		}
	}
	if figures := s.do("GET", "/health", "").ok(200)["callbacks"].(map[string]any); figures["dropped"] != 0.0 {
		t.Error(figures)
	}
}
