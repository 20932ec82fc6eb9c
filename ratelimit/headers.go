package ratelimit

import (
	"net/http"
	"strconv"
	"time"
)

// The names of the header fields, as net/http spells them (names are case
// insensitive). The first two are of draft-ietf-httpapi-ratelimit-headers, the
// X- ones are what came before it; Retry-After is of RFC 9110, section 10.2.3.
const (
	headerPolicy     = "Ratelimit-Policy"
	headerRateLimit  = "Ratelimit"
	headerLimit      = "X-Ratelimit-Limit"
	headerRemaining  = "X-Ratelimit-Remaining"
	headerReset      = "X-Ratelimit-Reset"
	headerRetryAfter = "Retry-After"
)

// Headers are the values of the header fields that tell a client about a
// decision (contract section 6).
type Headers struct {
	// Policy is RateLimit-Policy: `"messages";q=100;w=60`, the limit q in any
	// window of w seconds. A fraction of a second is rounded up.
	Policy string
	// RateLimit is RateLimit: `"messages";r=40;t=12`: in the next t seconds at
	// most r more messages are accepted. t is when the next place comes free,
	// rounded up; 0 when all are.
	RateLimit string
	// Limit is X-RateLimit-Limit, the limit.
	Limit string
	// Remaining is X-RateLimit-Remaining, the same as r.
	Remaining string
	// Reset is X-RateLimit-Reset: the Unix time, in whole seconds rounded up,
	// at which the next place comes free. That is when the oldest message
	// leaves the window, not when all places are free again. When they are, it
	// is the present second.
	Reset string
	// RetryAfter is Retry-After, the whole number of seconds, rounded up, after
	// which the same call is accepted if nothing else happens. Empty when the
	// decision allows the call.
	RetryAfter string
}

// RetryAfterSeconds is the value of Retry-After: 0 when the call is allowed,
// else at least 1.
func (d Decision) RetryAfterSeconds() int64 { return ceilSeconds(d.RetryAfter) }

// Headers tells d to a client. policy names the limit, as in "messages"; now is
// the wall clock's time of the decision. It allocates once.
func (d Decision) Headers(policy string, now time.Time) Headers {
	// All values are parts of one string.
	var room [160]byte
	b := room[:0]
	var ends [6]int

	b = appendString(b, policy)
	b = strconv.AppendInt(append(b, ";q="...), int64(d.Limit.Messages), 10)
	b = strconv.AppendInt(append(b, ";w="...), ceilSeconds(d.Limit.Window), 10)
	ends[0] = len(b)
	b = appendString(b, policy)
	b = strconv.AppendInt(append(b, ";r="...), int64(d.Remaining), 10)
	b = strconv.AppendInt(append(b, ";t="...), ceilSeconds(d.reset()), 10)
	ends[1] = len(b)
	b = strconv.AppendInt(b, int64(d.Limit.Messages), 10)
	ends[2] = len(b)
	b = strconv.AppendInt(b, int64(d.Remaining), 10)
	ends[3] = len(b)
	b = strconv.AppendInt(b, d.resetAt(now), 10)
	ends[4] = len(b)
	if d.RetryAfter > 0 {
		b = strconv.AppendInt(b, d.RetryAfterSeconds(), 10)
	}
	ends[5] = len(b)

	s := string(b)
	return Headers{
		Policy:     s[:ends[0]],
		RateLimit:  s[ends[0]:ends[1]],
		Limit:      s[ends[1]:ends[2]],
		Remaining:  s[ends[2]:ends[3]],
		Reset:      s[ends[3]:ends[4]],
		RetryAfter: s[ends[4]:ends[5]],
	}
}

// Set sets the fields in header, Retry-After only when there is one. It
// allocates once, besides what the map needs.
func (h Headers) Set(header http.Header) {
	// One array for all the fields' values, each capped so that an Add to one
	// field cannot write into the next.
	v := [...]string{h.Policy, h.RateLimit, h.Limit, h.Remaining, h.Reset, h.RetryAfter}
	values := v[:]
	header[headerPolicy] = values[0:1:1]
	header[headerRateLimit] = values[1:2:2]
	header[headerLimit] = values[2:3:3]
	header[headerRemaining] = values[3:4:4]
	header[headerReset] = values[4:5:5]
	if h.RetryAfter != "" {
		header[headerRetryAfter] = values[5:6:6]
	}
}

// reset is Reset for people: no longer than the window. A message may be
// remembered for a microsecond more, which rounded up would be a second.
func (d Decision) reset() time.Duration { return min(d.Reset, d.Limit.Window) }

// resetAt is the Unix second, rounded up, in which the next place comes free.
func (d Decision) resetAt(now time.Time) int64 {
	if d.Reset <= 0 {
		return now.Unix()
	}
	at := now.Add(d.reset())
	if at.Nanosecond() > 0 {
		return at.Unix() + 1
	}
	return at.Unix()
}

// ceilSeconds is d in whole seconds, rounded up; 0 for a negative one.
func ceilSeconds(d time.Duration) int64 {
	if d <= 0 {
		return 0
	}
	return int64((d-1)/time.Second) + 1
}

// appendString appends s as a String of RFC 9651, section 3.3.3. Characters that
// it cannot hold are left out.
func appendString(b []byte, s string) []byte {
	b = append(b, '"')
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c < ' ' || c > '~':
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		default:
			b = append(b, c)
		}
	}
	return append(b, '"')
}
