package main

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

// The load generator against the bench's own WA server, without Caddy: every
// call is answered, and each answer has an id of its own.
func TestDrive(t *testing.T) {
	wa, err := startUpstream()
	if err != nil {
		t.Fatal(err)
	}
	defer wa.close()
	c := caller{key: "key", session: "session"}
	shown := wa.next()
	l, err := drive(t.Context(), wa.addr(), [][]byte{c.request(wa.addr())}, 4, 50*time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	if l.answers < 4 || len(l.errors) > 0 || uint64(l.answers) != wa.calls.Load() || uint64(l.answers) != l.latency.count {
		t.Errorf("%d answers to %d calls, %d latencies, errors %v", l.answers, wa.calls.Load(), l.latency.count, l.errors)
	}
	if got := <-shown; len(got.body) != bodySize {
		t.Errorf("a body of %d bytes: %s", len(got.body), got.body)
	}
}

// What a worker asks for and is shown, and what it complains about.
func TestWorker(t *testing.T) {
	wa, err := startUpstream()
	if err != nil {
		t.Fatal(err)
	}
	defer wa.close()
	workers, err := connect(t.Context(), wa.addr(), 1)
	if err != nil {
		t.Fatal(err)
	}
	w, asked, shown := workers[0], 0, []string{}
	w.next = func() bool {
		asked++
		w.request = caller{}.request(wa.addr())
		return asked <= 3
	}
	w.answered = func(body []byte) string {
		shown = append(shown, string(body))
		if asked == 2 {
			return "bad"
		}
		return ""
	}
	l, err := together(t.Context(), workers, time.Minute)
	if err != nil || l.answers != 2 || l.errors["bad"] != 1 || len(l.errors) != 1 {
		t.Errorf("%v, %d answers, errors %v", err, l.answers, l.errors)
	}
	for i, body := range shown {
		if want := fmt.Sprintf(answerBody, i+1); body != want {
			t.Errorf("answer %d is %s, not %s", i, body, want)
		}
	}
}

func TestParseHead(t *testing.T) {
	for _, test := range []struct {
		text   string
		status int
		length int
		ok     bool
	}{
		{"HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n", 200, 51, true},
		{"HTTP/1.1 200 OK\r\nA: b\r\nContent-Length: 2\r\nC: d\r\n\r\nok", 200, 52, true},
		{"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n", 503, 55, true},
		{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", 0, 47, true},
		{"HTTP/1.1 200 OK\r\nContent-Length: 12\r\n", 0, 0, false},
		{"", 0, 0, false},
	} {
		status, length, ok := parseHead([]byte(test.text))
		if status != test.status || length != test.length || ok != test.ok {
			t.Errorf("%q: %d, %d, %v", test.text, status, length, ok)
		}
	}
}

func TestHistogram(t *testing.T) {
	for _, d := range []time.Duration{0, 1, 127, 128, 129, 255, 256, 1000, time.Millisecond, time.Second, time.Minute} {
		bucket := bucketOf(d)
		if start, end := bucketStart(bucket), bucketStart(bucket+1); d < start || d >= end || (end-start)*100 > max(start, 100) {
			t.Errorf("%v is in the bucket from %v to %v", d, start, end)
		}
	}
	var h histogram
	if h.quantile(0.5) != 0 {
		t.Error("an empty histogram has a median")
	}
	for i := range 1000 {
		h.add(time.Duration(i+1) * time.Millisecond)
	}
	h.add(time.Hour) // the last bucket
	for q, want := range map[float64]time.Duration{0.5: 501 * time.Millisecond, 0.99: 991 * time.Millisecond} {
		if got := h.quantile(q); (got-want).Abs()*100 > want {
			t.Errorf("quantile %v is %v, want %v", q, got, want)
		}
	}
}

func TestParseStat(t *testing.T) {
	got, ok := parseStat("4711 (a ) b) S 1 1 1 0 -1 4194560 100 0 0 0 250 50 0 0 20 0 9 0 100 1 1")
	if !ok || got != 3*time.Second {
		t.Errorf("%v, %v", got, ok)
	}
	if _, ok := parseStat("nonsense"); ok {
		t.Error("nonsense was understood")
	}
}

func TestSpread(t *testing.T) {
	var pairs []*pairReport
	for _, v := range []float64{3, 1, 4, 2} {
		pairs = append(pairs, &pairReport{Load: sides{CPURatio: v}})
	}
	figure := func(p *pairReport) float64 { return p.Load.CPURatio }
	if got := spreadOf(pairs, figure); got != (spread{Median: 2.5, Least: 1, Most: 4}) {
		t.Error(got)
	}
	if got := spreadOf(slices.Clone(pairs[:3]), figure); got.Median != 3 {
		t.Error(got)
	}
}
