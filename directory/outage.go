package directory

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/genfity/wa-gateway/store"
)

const (
	// patience is how long a caller waits for the database when there is an old
	// answer, and how slow an answer of the database may be for it to count as there.
	patience = 500 * time.Millisecond
	// probeInterval is how often the database is asked while it is away, whatever
	// the number of keys that would like to know.
	probeInterval = time.Second
	// awayMemory is how long it is believed to be away after that was seen. It is
	// longer than the interval, so that somebody who asks again and again never waits.
	awayMemory = 2 * probeInterval
	// staleQuiet is how long nobody must have been given an old answer for Watch,
	// which reaches the database, to say that it is back.
	staleQuiet = 10 * time.Second
	// troubleStale is what Options.Trouble hears.
	troubleStale = "ask the database about callers"
)

// errAway is for what is not asked because the database is known to be away.
var errAway = fmt.Errorf("%w: it was away a moment ago", store.ErrUnavailable)

// outage remembers for a moment that the database is away, so that neither each
// caller finds out by waiting nor each key by asking.
type outage struct {
	start   time.Time
	trouble func(doing string, err error)

	until   atomic.Int64  // it is believed to be away until then
	next    atomic.Int64  // when it may be asked anew meanwhile; 0: at any time
	answers atomic.Uint64 // quick ones of the database, ever

	served atomic.Int64 // when an old answer was given last
	since  atomic.Pointer[time.Time]
	tell   sync.Mutex // keeps what trouble hears in order
}

func newOutage(trouble func(string, error)) *outage {
	return &outage{start: time.Now(), trouble: trouble}
}

func (o *outage) now() int64 { return int64(time.Since(o.start)) }

// away tells whether the database is believed to be away.
func (o *outage) away() bool { return o.now() < o.until.Load() }

// closed tells whether mayAsk would say no.
func (o *outage) closed() bool {
	now := o.now()
	return now < o.until.Load() && now < o.next.Load()
}

// mayAsk tells whether the database may be asked about something that is known,
// which while it is away is one question in each probeInterval.
func (o *outage) mayAsk() bool {
	now := o.now()
	if now >= o.until.Load() {
		return true
	}
	if next := o.next.Load(); next != 0 && (now < next || !o.next.CompareAndSwap(next, now+int64(probeInterval))) {
		return false
	}
	o.believe(loadTimeout + probeInterval) // until the question has its answer
	return true
}

// believe prolongs the belief.
func (o *outage) believe(d time.Duration) {
	until := o.now() + int64(d)
	for {
		old := o.until.Load()
		if old >= until || o.until.CompareAndSwap(old, until) {
			return
		}
	}
}

// failed says that the database could not be reached.
func (o *outage) failed() {
	o.next.Store(o.now() + int64(probeInterval))
	o.believe(awayMemory)
}

// answered says that the database answered, and how long it took.
func (o *outage) answered(took time.Duration) {
	if took > patience {
		if o.away() { // it is no better for callers, but for what goes on behind them
			o.next.Store(0)
			o.believe(awayMemory)
		}
		return
	}
	o.answers.Add(1)
	if o.until.Load() != 0 {
		o.until.Store(0)
	}
	o.ended()
}

// waited says that a caller's patience ended, and how many answers there had been
// when it began. If others had answers meanwhile, the database is there, and busy.
func (o *outage) waited(answers uint64) {
	if o.answers.Load() == answers {
		o.next.Store(o.now() + int64(probeInterval))
		o.believe(loadTimeout) // until the question that was waited for has its answer
	}
}

// gaveOld says that a caller was given an old answer because of err.
func (o *outage) gaveOld(err error) {
	o.served.Store(o.now())
	if o.since.Load() != nil || !o.away() {
		return
	}
	o.tell.Lock()
	defer o.tell.Unlock()
	if o.since.Load() == nil && o.away() {
		now := time.Now()
		o.since.Store(&now)
		o.trouble(troubleStale, err)
	}
}

// ended says that no more old answers are given.
func (o *outage) ended() {
	if o.since.Load() == nil {
		return
	}
	o.tell.Lock()
	defer o.tell.Unlock()
	if o.since.Load() != nil {
		o.since.Store(nil)
		o.trouble(troubleStale, nil)
	}
}

// reached says that the database answered something else. With nobody calling, that
// is all that there is to know.
func (o *outage) reached() {
	if o.since.Load() != nil && o.now()-o.served.Load() > int64(staleQuiet) {
		o.ended()
	}
}

// Stale returns since when callers are given answers that are older than TTL plus
// a third of it, because the database is away; the zero time when they are not.
func (d *Directory) Stale() time.Time {
	if since := d.outage.since.Load(); since != nil {
		return *since
	}
	return time.Time{}
}
