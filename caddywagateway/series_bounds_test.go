package caddywagateway

import (
	"encoding/json"
	"errors"
	"math"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"github.com/genfity/wa-gateway/stats"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"
)

// TestDatesWhereClocksJumpAtMidnight: a date begins and ends with the first instants
// of itself and of the next one, also where there is no midnight, or no such date.
func TestDatesWhereClocksJumpAtMidnight(t *testing.T) {
	for _, tt := range []struct{ zone, from, to, start, end string }{
		{"America/Santiago", "2026-09-06", "2026-09-06", "2026-09-06T01:00:00-03:00", "2026-09-07T00:00:00-03:00"},
		{"America/Santiago", "2026-09-05", "2026-09-05", "2026-09-05T00:00:00-04:00", "2026-09-06T01:00:00-03:00"},
		{"America/Santiago", "2026-04-04", "2026-04-04", "2026-04-04T00:00:00-03:00", "2026-04-05T00:00:00-04:00"},
		{"America/Havana", "2026-03-08", "2026-03-08", "2026-03-08T01:00:00-04:00", "2026-03-09T00:00:00-04:00"},
		{"America/Havana", "2026-03-07", "2026-03-08", "2026-03-07T00:00:00-05:00", "2026-03-09T00:00:00-04:00"},
		{"Africa/Cairo", "2026-04-24", "2026-04-24", "2026-04-24T01:00:00+03:00", "2026-04-25T00:00:00+03:00"},
		{"Africa/Cairo", "2026-04-22", "2026-04-23", "2026-04-22T00:00:00+02:00", "2026-04-24T01:00:00+03:00"},
		{"Asia/Jakarta", "2026-01-31", "2026-01-31", "2026-01-31T00:00:00+07:00", "2026-02-01T00:00:00+07:00"},
		{"Pacific/Apia", "2011-12-29", "2011-12-30", "2011-12-29T00:00:00-10:00", "2011-12-31T00:00:00+14:00"},
		{"Pacific/Apia", "2011-12-30", "2011-12-31", "2011-12-31T00:00:00+14:00", "2012-01-01T00:00:00+14:00"},
	} {
		query := url.Values{"from": {tt.from}, "to": {tt.to}, "tz": {tt.zone}}
		want := func(what string, at time.Time, text string) {
			t.Helper()
			if got := at.Format(time.RFC3339); got != text {
				t.Errorf("%s to %s in %s: %s is %s, want %s", tt.from, tt.to, tt.zone, what, got, text)
			}
		}
		from, to, err := exportRange(query)
		if err != nil {
			t.Fatal(err)
		}
		want("the start of an export", from, tt.start)
		want("its end", to, tt.end)
		for _, interval := range []stats.Interval{stats.Day, stats.Hour} {
			query.Set("interval", string(interval))
			q, err := parseSeries(query, time.Now())
			if err != nil {
				t.Fatal(err)
			}
			want("the start of a series by the "+string(interval), q.buckets[0].Start, tt.start)
			want("its end", q.buckets[len(q.buckets)-1].End, tt.end)
		}
	}
	_, _, err := exportRange(url.Values{"from": {"2011-12-30"}, "to": {"2011-12-30"}, "tz": {"Pacific/Apia"}})
	if err == nil {
		t.Error("a date that never was is a time of some length")
	}
}

// TestSeriesAtTheEndOfTheCalendar: what JSON cannot tell is refused.
func TestSeriesAtTheEndOfTheCalendar(t *testing.T) {
	for _, tt := range []struct {
		from, to, tz, interval string
		wrong                  bool
	}{
		{"9999-12-31", "9999-12-31", "", "day", true},
		{"9999-12-31", "9999-12-31", "", "hour", true},
		{"9999-12-31T22:00:00Z", "9999-12-31T23:00:00Z", "", "hour", false},
		{"9999-12-31T22:00:00Z", "9999-12-31T23:00:00Z", "Asia/Jakarta", "hour", true},
		{"9999-12-31T22:00:00Z", "9999-12-31T23:00:01Z", "", "hour", true},
		{"9999-12-30", "9999-12-30", "Asia/Jakarta", "day", false},
		{"1970-01-01", "1970-01-01", "Asia/Jakarta", "day", false},
		{"1970-01-02", "1970-01-02", "Asia/Jakarta", "day", false},
	} {
		q, err := parseSeries(url.Values{"from": {tt.from}, "to": {tt.to}, "tz": {tt.tz}, "interval": {tt.interval}}, time.Now())
		if (err != nil) != tt.wrong {
			t.Errorf("%+v: %v", tt, err)
		}
		if err != nil {
			var refused *refusal
			if !errors.As(err, &refused) || refused.Status != http.StatusBadRequest {
				t.Errorf("%+v: %v", tt, err)
			}
			continue
		}
		if _, err := json.Marshal(q.view(nil, "u", "")); err != nil {
			t.Errorf("%+v: %v", tt, err)
		}
	}
}

// TestAnswersThatCannotBeWritten have the shape of all others, and their cause is in
// the log.
func TestAnswersThatCannotBeWritten(t *testing.T) {
	impossible := map[string]float64{"n": math.NaN()}
	for name, c := range map[string]struct {
		err     func(w http.ResponseWriter) error
		status  int
		message string
	}{
		"a success": {func(w http.ResponseWriter) error { return writeAnswer(w, http.StatusOK, "OK", impossible) }, 500, "Internal error"},
		"a refusal": {func(http.ResponseWriter) error { return refuse(http.StatusForbidden, "No").with(impossible) }, 403, "No"},
	} {
		core, logged := observer.New(zapcore.ErrorLevel)
		w := httptest.NewRecorder()
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		if err := finish(w, r, c.err(w), zap.New(core)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		newResponse(w.Code, w.Header(), w.Body.Bytes()).wantAnswer(t, c.status, c.message)
		entries := logged.All()
		if len(entries) != 1 || entries[0].ContextMap()["cause"] == nil {
			t.Errorf("%s: logged %+v", name, entries)
		}
	}
}
