package recorder

import (
	"errors"
	"math/rand/v2"
	"time"

	"go.uber.org/zap"
)

// breaker keeps calls from a database that is away. While it is, one transaction
// at a time tries it, after pauses that grow.
type breaker struct {
	away     bool
	since    time.Time
	cause    error
	failures int
	retryAt  time.Time // the next try; zero: at once

	// An outage as the log has it, from the first failure until everything that
	// waited is recorded.
	outage   bool
	outageAt time.Time
	drained  int // items that nobody waited for, recorded since then
	logged   bool
	loggedAt time.Time
}

// blocks reports whether nothing may be tried now.
func (b *breaker) blocks(now time.Time, inflight int) bool {
	return b.away && (inflight > 0 || now.Before(b.retryAt))
}

// errHangs is why a database is away whose transaction is still under way.
var errHangs = errors.New("the database does not answer in time")

// knownAway reports whether the database is away as far as can be told: not when
// its next try is due and nothing is left to try it with. Whoever comes next has
// to be let through then. r.mu is held.
func (r *Recorder[T, R]) knownAway(now time.Time) bool {
	if !r.breaker.away || now.Before(r.breaker.retryAt) {
		return r.breaker.away
	}
	return len(r.inflight) > 0 || r.held > 0 || r.unread || len(r.loaded) > 0 || len(r.letters) > 0 || r.burying
}

// lost notes that the database is away. r.mu is held.
func (r *Recorder[T, R]) lost(now time.Time, cause error) {
	r.breaker.retryAt = now.Add(r.backoff(r.breaker.failures))
	r.breaker.failures++
	r.lastTry = time.Time{}
	r.open(now, cause)
}

// open keeps calls from the database, those that wait as well. r.mu is held.
func (r *Recorder[T, R]) open(now time.Time, cause error) {
	br := &r.breaker
	if !br.away {
		br.away, br.since = true, now
	}
	br.cause = cause
	if !br.outage {
		br.outage, br.outageAt, br.drained = true, now, 0
	}
	if !br.logged && now.Sub(br.loggedAt) >= logInterval {
		br.logged, br.loggedAt = true, now
		r.opts.Logger.Warn("the database is away; what comes in is kept until it is back",
			zap.Bool("on_disk", r.opts.Journal != nil), zap.Bool("events_too", r.opts.Spool), zap.Error(cause))
	}
	rest := r.calls[:0]
	for _, c := range r.calls {
		switch {
		case c.ended:
		case r.hopeless(c, now):
			r.giveUp(c)
		default:
			rest = append(rest, c)
		}
	}
	clear(r.calls[len(rest):])
	r.calls = rest
}

// back notes that the database answers. r.mu is held.
func (r *Recorder[T, R]) back() {
	br := &r.breaker
	if br.away && r.opts.Journal != nil {
		r.more = true // until it is seen that there is not
	}
	br.away, br.cause, br.failures, br.retryAt = false, nil, 0, time.Time{}
}

// hangAt is when a transaction that is under way will have taken so long that the
// database counts as away. r.mu is held.
func (r *Recorder[T, R]) hangAt() time.Time {
	if r.breaker.away || len(r.inflight) == 0 {
		return never
	}
	// The first is the oldest.
	return latest(r.inflight[0].begun, r.answered).Add(r.opts.Patience)
}

// lookAround notes what time alone tells: that the database hangs, or that an
// outage is made up for. r.mu is held.
func (r *Recorder[T, R]) lookAround(now time.Time) {
	if !r.hangAt().After(now) {
		r.breaker.retryAt = time.Time{} // what hangs is the try
		r.open(now, errHangs)
	}
	br := &r.breaker
	if br.outage && !br.away && r.caughtUp() {
		br.outage = false
		if br.logged {
			br.logged, br.loggedAt = false, now
			r.opts.Logger.Info("the database is back and what waited is recorded",
				zap.Int("count", br.drained), zap.Duration("outage", now.Sub(br.outageAt)))
		}
	}
}

// caughtUp reports whether the backlog is no more than what comes in at any time.
// r.mu is held.
func (r *Recorder[T, R]) caughtUp() bool {
	if len(r.memory) > 0 || len(r.loaded) > 0 || r.unread && r.more {
		return false
	}
	for _, b := range r.inflight {
		if len(b.entries) > 0 {
			return false
		}
	}
	return true
}

// backoff is the pause after yet another failure: doubled each time, and with
// enough chance in it that many nodes do not come back at the same moment.
func (r *Recorder[T, R]) backoff(failures int) time.Duration {
	pause := min(r.opts.RetryMin<<min(failures, 16), r.opts.RetryMax)
	return pause/2 + rand.N(pause/2+1)
}

// logInterval is the least time between two log lines about the same trouble.
const logInterval = 10 * time.Second

// throttle lets a log line through now and then.
type throttle struct {
	last  time.Time
	count int
}

// add notes n occurrences. When they are to be logged, it returns how many there
// were since the last line.
func (t *throttle) add(now time.Time, n int) (int, bool) {
	t.count += n
	if now.Sub(t.last) < logInterval {
		return 0, false
	}
	n, t.count, t.last = t.count, 0, now
	return n, true
}
