package stats

import "time"

// Interval is the width of the buckets of a series.
type Interval string

// The intervals: hours and days as the clocks of a location show them.
const (
	Hour Interval = "hour"
	Day  Interval = "day"
)

// Known reports whether i is one of the intervals.
func (i Interval) Known() bool { return i == Hour || i == Day }

func (i Interval) usual() time.Duration {
	if i == Hour {
		return time.Hour
	}
	return 24 * time.Hour
}

// Start is the beginning of the hour or day, in t's location, that contains t.
//
// No hour is longer than 60 minutes: where clocks are set back or forward by less
// than an hour, the hour in which that happens is cut in two. A day is a date,
// usually of 23 or 25 hours when clocks are set.
func (i Interval) Start(t time.Time) time.Time {
	if i == Hour {
		return startOfHour(t)
	}
	return startOfDay(t)
}

// Next is the beginning of the hour or day after the one that contains t.
func (i Interval) Next(t time.Time) time.Time {
	if i == Hour {
		next := t.Add(sinceMidnight(t).Truncate(time.Hour) + time.Hour - sinceMidnight(t))
		if change := nextChange(t); !change.IsZero() && change.Before(next) {
			return change
		}
		return next
	}
	// 36 hours later it is the next day, but where a whole date was repeated.
	start := startOfDay(t)
	next := start
	for later := 36 * time.Hour; !next.After(start); later += 24 * time.Hour {
		next = startOfDay(start.Add(later))
	}
	return next
}

func startOfHour(t time.Time) time.Time {
	start := t.Add(-(sinceMidnight(t) % time.Hour))
	if change := lastChange(t); !change.IsZero() && start.Before(change) {
		return change
	}
	return start
}

// startOfDay is the first instant of t's date. Usually that is midnight. Where
// clocks are set forward at midnight there is none, and the day begins with the
// change; where they are set back to the day before, it begins at the first one.
func startOfDay(t time.Time) time.Time {
	for {
		start := t.Add(-sinceMidnight(t))
		change := lastChange(t)
		if change.IsZero() || start.Sub(change) > 24*time.Hour {
			return start
		}
		if before := change.Add(-1); before.Before(start) && dateOf(before) < dateOf(t) {
			return start
		} else if dateOf(before) < dateOf(t) {
			return change
		} else {
			// The date had been reached before the change.
			t = before
		}
	}
}

// dateOf numbers the dates in their order.
func dateOf(t time.Time) int {
	year, month, day := t.Date()
	return (year*12+int(month))*31 + day
}

// sinceMidnight is what t's clock shows.
func sinceMidnight(t time.Time) time.Duration {
	hour, minute, second := t.Clock()
	return time.Duration(hour)*time.Hour + time.Duration(minute)*time.Minute + time.Duration(second)*time.Second +
		time.Duration(t.Nanosecond())
}

// lastChange is when clocks were last set before or at t, the zero time for
// never. A change of nothing but the zone's name is none.
func lastChange(t time.Time) time.Time {
	for {
		start, _ := t.ZoneBounds()
		if start.IsZero() || offset(start.Add(-1)) != offset(t) {
			return start
		}
		t = start.Add(-1)
	}
}

// nextChange is when clocks will be set next after t, the zero time for never.
func nextChange(t time.Time) time.Time {
	for {
		_, end := t.ZoneBounds()
		if end.IsZero() || offset(end) != offset(t) {
			return end
		}
		t = end
	}
}

func offset(t time.Time) int {
	_, seconds := t.Zone()
	return seconds
}
