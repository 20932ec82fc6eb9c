package main

import (
	"bytes"
	"testing"
	"time"

	"github.com/genfity/wa-gateway/stats"
)

func bodyOf(t *testing.T, request []byte) []byte {
	t.Helper()
	_, body, ok := bytes.Cut(request, headEnd)
	if !ok {
		t.Fatalf("no end of the head in %s", request)
	}
	return body
}

// What single requests tell is what is counted as told.
func TestTeller(t *testing.T) {
	l := newTeller("host", caller{user: "u", session: "s"}, "0000010A")
	seen := make(map[string][]stats.Status)
	for range 3 * 50 {
		e, err := stats.ParseEvent(bodyOf(t, l.next()), time.Now())
		if err != nil {
			t.Fatalf("%v: %s", err, l.forms)
		}
		if e.UserID != "u" || e.SessionID != "s" || len(e.MessageID) != 20 || time.Since(e.At).Abs() > time.Minute {
			t.Fatalf("%+v", e)
		}
		seen[e.MessageID] = append(seen[e.MessageID], e.Status)
		if complaint := l.answered([]byte(`{"data":{"recorded":true,"duplicate":false}}`)); complaint != "" {
			t.Fatal(complaint)
		}
	}
	if len(seen) != 50 || l.acked != (totals{Sent: 50, Delivered: 50, Read: 50}) {
		t.Errorf("%d messages, %+v counted", len(seen), l.acked)
	}
	for _, bad := range []string{`{"data":{"recorded":true,"duplicate":false,"spooled":true}}`, `{"data":{"recorded":false,"duplicate":true}}`, ""} {
		if l.answered([]byte(bad)) == "" {
			t.Errorf("%s passes", bad)
		}
	}
}

// A source's batches are valid, each event is told once, and what totalsOf says
// is what a model counts.
func TestSource(t *testing.T) {
	callers := []caller{{user: "u", session: "s1"}, {user: "u", session: "s2"}}
	s := &source{host: "host", callers: callers, begin: time.Now().Add(-time.Hour), name: 7}
	type key struct {
		message string
		status  stats.Status
	}
	told := make(map[key]bool)
	session := make(map[string]string)
	var want totals
	const size = 1500
	for first := 0; first < 3*size*9; first += size {
		batch, err := stats.ParseBatch(bytes.NewReader(bodyOf(t, s.batch(first, size))), time.Now())
		if err != nil || len(batch.Events) != size || len(batch.Rejected) != 0 {
			t.Fatalf("%v, %d events, rejected %v", err, len(batch.Events), batch.Rejected)
		}
		for _, e := range batch.Events {
			k := key{e.MessageID, e.Status}
			if told[k] {
				t.Fatalf("%+v is told twice", k)
			}
			told[k] = true
			if was, ok := session[e.MessageID]; ok && was != e.SessionID {
				t.Fatalf("%s changes its session", e.MessageID)
			}
			session[e.MessageID] = e.SessionID
			switch {
			case e.Status == stats.Sent:
				want.Sent++
			case !told[key{e.MessageID, stats.Sent}]:
				t.Fatalf("%s is %s before it is sent", e.MessageID, e.Status)
			case e.Status == stats.Delivered:
				want.Delivered++
			default:
				want.Read++
			}
		}
		if got := totalsOf(first + size); got != want {
			t.Fatalf("%d events come to %+v, not %+v", first+size, want, got)
		}
	}
}

func TestCheckBatch(t *testing.T) {
	for answer, want := range map[string]struct {
		spooled int
		good    bool
	}{
		`{"data":{"recorded":10000,"duplicates":0,"rejected":[]}}`:                       {0, true},
		`{"data":{"recorded":10000,"duplicates":0,"spooled":10000,"rejected":[]}}`:       {10000, true},
		`{"data":{"recorded":9999,"duplicates":1,"rejected":[]}}`:                        {0, false},
		`{"data":{"recorded":10000,"duplicates":0,"rejected":[{"index":1}]}}`:            {0, false},
		`{"data":{"recorded":9999,"duplicates":0,"rejected":[{"index":1,"reason":""}]}}`: {0, false},
		`<html>`: {0, false},
	} {
		spooled, complaint := checkBatch([]byte(answer))
		if spooled != want.spooled || (complaint == "") != want.good {
			t.Errorf("%s: %d spooled, %q", answer, spooled, complaint)
		}
	}
}

// Growth is the last quarter beside the second: the first is warming up.
func TestSteadyCompare(t *testing.T) {
	r := new(steadyReport)
	for i := range uint64(8) {
		r.Samples = append(r.Samples, memorySample{Resident: 1000, Heap: 100 * i})
	}
	r.compare()
	if r.Growth.Resident != 1 || r.Heap != [2]float64{250, 650} || r.Growth.Heap != 2.6 {
		t.Errorf("%+v", r)
	}
}

func TestGoals(t *testing.T) {
	for _, test := range []struct {
		target, measured float64
		lower, pass      bool
	}{
		{30_000, 30_000, false, true}, {30_000, 29_999, false, false}, {5, 4.9, true, true}, {5, 5.1, true, false}, {0, 1, false, true},
	} {
		if g := newGoal("", "", test.target, test.lower, once(test.measured)); g.Pass != test.pass {
			t.Errorf("%+v passes: %v", test, g.Pass)
		}
	}
}

// Outcomes go by way of a journal on disk, and none is lost.
func TestMeasureOutcomes(t *testing.T) {
	r, err := measureOutcomes(t.TempDir(), 1000)
	if err != nil || r.Mean.Least <= 0 || r.P99.Least <= 0 {
		t.Errorf("%+v, %v", r, err)
	}
}
