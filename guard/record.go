package guard

import (
	"net/netip"
	"slices"
	"time"
)

// address is what failures are counted by: an IPv4 address, or the /64 of an IPv6
// one, since whoever has one address of it has them all. IPv4 in IPv6 is IPv4.
type address [16]byte

func addressOf(a netip.Addr) address {
	a = a.Unmap()
	key := address(a.As16())
	if a.Is6() {
		clear(key[8:])
	}
	return key
}

// record is what is known of one address. Its shard's lock guards it.
type record struct {
	address  address
	underway int
	waiters  []*waiter // first come first served

	// stamps is a ring of the latest failures, as many as matter: with Max of them
	// in the window, older ones decide nothing. next is where the next one goes
	// once the ring is full.
	stamps []time.Duration
	next   int

	// The list of quiet ones.
	quiet            bool
	previous, behind *record
}

// oldest is the oldest of the failures that are kept. There must be one.
func (r *record) oldest() time.Duration { return r.stamps[r.next] }

// failuresAt drops failures that are over and returns how many are left.
func (r *record) failuresAt(now, window time.Duration) int {
	over := 0
	for over < len(r.stamps) && r.stamps[(r.next+over)%len(r.stamps)] <= now-window {
		over++
	}
	switch {
	case over == 0:
	case over == len(r.stamps):
		r.stamps, r.next = r.stamps[:0], 0
	default:
		// The oldest first, then without those that are over.
		slices.Reverse(r.stamps[:r.next])
		slices.Reverse(r.stamps[r.next:])
		slices.Reverse(r.stamps)
		r.stamps, r.next = r.stamps[:copy(r.stamps, r.stamps[over:])], 0
	}
	return len(r.stamps)
}

// fail writes down a failure; limit is how many are kept.
func (r *record) fail(now time.Duration, limit int) {
	if len(r.stamps) < limit {
		// Shorter than the limit, the ring begins at its beginning. It grows by
		// doubling, but never past the limit.
		if n := len(r.stamps); n == cap(r.stamps) {
			r.stamps = append(make([]time.Duration, 0, min(max(4, 2*n), limit)), r.stamps...)
		}
		r.stamps = append(r.stamps, now)
		return
	}
	r.stamps[r.next] = now
	r.next = (r.next + 1) % limit
}

// recordList is a list of records that are quiet, linked through themselves.
type recordList struct{ first, last *record }

func (l *recordList) add(r *record) {
	r.quiet, r.previous, r.behind = true, l.last, nil
	if l.last == nil {
		l.first = r
	} else {
		l.last.behind = r
	}
	l.last = r
}

func (l *recordList) remove(r *record) {
	if r.previous == nil {
		l.first = r.behind
	} else {
		r.previous.behind = r.behind
	}
	if r.behind == nil {
		l.last = r.previous
	} else {
		r.behind.previous = r.previous
	}
	r.quiet, r.previous, r.behind = false, nil, nil
}

// waiter is an attempt that waits for others to end.
type waiter struct {
	decided chan struct{} // closed when it has a place or a refusal
	refusal *TooManyFailures
}
