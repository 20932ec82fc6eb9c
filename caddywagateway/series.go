package caddywagateway

import (
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"time"
	_ "time/tzdata" // the names of time zones, on systems that have none

	"github.com/genfity/wa-gateway/stats"
	"github.com/genfity/wa-gateway/store"
)

// maxBuckets bounds a series: six weeks of hours, nearly three years of days.
const maxBuckets = 1000

// The ranges without from.
const (
	defaultHours = 24 * time.Hour
	defaultDays  = 30 * day
)

// seriesQuery is what ?from=&to=&interval=hour|day&tz= ask for.
type seriesQuery struct {
	interval stats.Interval
	location *time.Location
	buckets  []stats.Bucket
}

// parseSeries reads the query; nil where it asks for no series but for the totals.
func parseSeries(query url.Values, now time.Time) (*seriesQuery, error) {
	asked := false
	for _, name := range []string{"from", "to", "interval", "tz"} {
		asked = asked || query.Has(name)
		if len(query[name]) > 1 {
			return nil, wrongQuery(name, "is given more than once")
		}
	}
	if !asked {
		return nil, nil
	}
	q := &seriesQuery{interval: stats.Day}
	if text := query.Get("interval"); text != "" {
		if q.interval = stats.Interval(text); !q.interval.Known() {
			return nil, wrongQuery("interval", "must be hour or day")
		}
	}
	var err error
	if q.location, err = parseZone(query.Get("tz")); err != nil {
		return nil, err
	}
	from, to, err := q.bounds(query, now)
	if err != nil {
		return nil, err
	}
	q.buckets, err = stats.Buckets(q.interval, from, to, q.location, maxBuckets)
	if errors.Is(err, stats.ErrTooManyBuckets) {
		return nil, wrongQuery("from", "and to are too far apart: a series has at most "+strconv.Itoa(maxBuckets)+" hours or days")
	}
	if err == nil && !inCalendar(q.buckets[len(q.buckets)-1].End) {
		return nil, wrongQuery("to", "is too late: a series ends before the year 10000")
	}
	return q, err
}

const maxZoneName = 64

// parseZone finds a time zone by its name; none is UTC.
func parseZone(name string) (*time.Location, error) {
	if name == "" {
		return time.UTC, nil
	}
	location, err := time.LoadLocation(name)
	if err != nil || name == "Local" || len(name) > maxZoneName { // Local would be the server's own
		return nil, wrongQuery("tz", "must be the name of a time zone such as Asia/Jakarta")
	}
	return location, nil
}

// bounds reads from and to. A date alone is that day in the time zone asked for,
// and as the end it is the last day of the series.
func (q *seriesQuery) bounds(query url.Values, now time.Time) (from, to time.Time, err error) {
	to = now
	if text := query.Get("to"); text != "" {
		var ok bool
		if _, to, ok = parseMoment(text, q.location); !ok {
			return from, to, wrongQuery("to", wrongMoment)
		}
	}
	from = to.Add(-defaultDays)
	if q.interval == stats.Hour {
		from = to.Add(-defaultHours)
	}
	if text := query.Get("from"); text != "" {
		var ok bool
		if from, _, ok = parseMoment(text, q.location); !ok {
			return from, to, wrongQuery("from", wrongMoment)
		}
	}
	if !from.Before(to) {
		return from, to, wrongQuery("from", "must be before to")
	}
	return from, to, nil
}

const wrongMoment = "must be a date such as 2026-01-31, or a time such as 2026-01-31T08:00:00Z"

// parseMoment reads a time, or a date, which goes from its start to its end.
func parseMoment(text string, location *time.Location) (start, end time.Time, ok bool) {
	if date, err := time.Parse(time.DateOnly, text); err == nil {
		start, end = dayIn(date, location)
		return start, end, inCalendar(start)
	}
	at, err := time.Parse(time.RFC3339, text)
	return at, at, err == nil && inCalendar(at)
}

// dayIn finds a date in a location. Where clocks are set at midnight it may begin or
// end at another hour, so it is looked for from its noon; one that was left out, as
// where the date line was moved, is empty.
func dayIn(date time.Time, location *time.Location) (start, end time.Time) {
	noon := time.Date(date.Year(), date.Month(), date.Day(), 12, 0, 0, 0, location)
	start, end = stats.Day.Start(noon), stats.Day.Next(noon)
	switch day := noon.Format(time.DateOnly); {
	case day < date.Format(time.DateOnly):
		return end, end
	case day > date.Format(time.DateOnly):
		return start, start
	}
	return start, end
}

// inCalendar keeps times within what both databases can compare.
func inCalendar(at time.Time) bool { return at.Year() >= 1970 && at.Year() < 10000 }

func wrongQuery(name, reason string) error {
	return refuse(http.StatusBadRequest, name+" "+reason).with(map[string]string{"field": name, "reason": reason})
}

// countsView is what happened within some time.
type countsView struct {
	Sent        int64                 `json:"total_messages_sent"`
	Failed      int64                 `json:"total_messages_failed"`
	Delivered   int64                 `json:"total_messages_delivered"`
	Read        int64                 `json:"total_messages_read"`
	SuccessRate *float64              `json:"success_rate"`
	Types       map[string]countsView `json:"types,omitempty"`
}

// unknownType names what came without the type of its message.
const unknownType = "unknown"

func viewCounts(c stats.Counts, types map[string]stats.Counts) countsView {
	view := countsView{
		Sent: c.Sent, Failed: c.Failed, Delivered: c.Delivered, Read: c.Read,
		SuccessRate: stats.SuccessRate(c.Sent, c.Failed),
	}
	for name, counts := range types {
		if view.Types == nil {
			view.Types = make(map[string]countsView, len(types))
		}
		if name == "" {
			name = unknownType
		}
		known := view.Types[name]
		counts = counts.Add(stats.Counts{Sent: known.Sent, Failed: known.Failed, Delivered: known.Delivered, Read: known.Read})
		view.Types[name] = viewCounts(counts, nil)
	}
	return view
}

type bucketView struct {
	Start time.Time `json:"start"`
	End   time.Time `json:"end"`
	countsView
}

// seriesView is the statistics object of some time, with its hours or days.
type seriesView struct {
	UserID    string         `json:"user_id"`
	SessionID string         `json:"session_id,omitempty"`
	From      time.Time      `json:"from"`
	To        time.Time      `json:"to"`
	Interval  stats.Interval `json:"interval"`
	TZ        string         `json:"tz"`
	countsView
	Buckets []bucketView `json:"buckets"`
}

// serveSeries shows what was counted for a user, or one of their sessions, hour by
// hour or day by day. A message belongs to the time at which it began.
func (a *App) serveSeries(w http.ResponseWriter, r *http.Request, q *seriesQuery, userID, sessionID string) error {
	first, last := q.buckets[0], q.buckets[len(q.buckets)-1]
	slots, err := a.databases.transactional.Slots(r.Context(), store.SlotQuery{
		UserID: userID, SessionID: sessionID, From: first.Start, To: last.End,
	})
	if err != nil {
		return databaseFailure(err)
	}
	return writeAnswer(w, http.StatusOK, "OK", q.view(slots, userID, sessionID))
}

func (q *seriesQuery) view(slots []stats.SlotCounts, userID, sessionID string) *seriesView {
	stats.Fill(q.buckets, slots)
	view := &seriesView{
		UserID: userID, SessionID: sessionID,
		From: q.buckets[0].Start, To: q.buckets[len(q.buckets)-1].End,
		Interval: q.interval, TZ: q.location.String(),
		Buckets: make([]bucketView, 0, len(q.buckets)),
	}
	var sum stats.Counts
	types := make(map[string]stats.Counts)
	for i := range q.buckets {
		b := &q.buckets[i]
		view.Buckets = append(view.Buckets, bucketView{b.Start, b.End, viewCounts(b.Counts, b.Types)})
		sum = sum.Add(b.Counts)
		for name, counts := range b.Types {
			types[name] = types[name].Add(counts)
		}
	}
	view.countsView = viewCounts(sum, types)
	return view
}
