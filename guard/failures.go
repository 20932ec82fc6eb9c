package guard

import (
	"context"
	"crypto/sha256"
	"fmt"
	"hash/maphash"
	"net/netip"
	"slices"
	"sync"
	"time"
)

const (
	// maxWait is how long an attempt waits for others of its address to end.
	maxWait = 5 * time.Second
	// shardCount is how many locks the addresses are spread over; a small table
	// has one, so that its bound is exact.
	shardCount  = 64
	minPerShard = 16
)

// FailuresOptions configure [NewFailures]. The zero value of a field is its default.
type FailuresOptions struct {
	// Max is how many failures an address may have within Window (20).
	Max int
	// Window is how long a failure counts (1 min).
	Window time.Duration
	// Size bounds the addresses whose failures are remembered (100,000), and the
	// pairs of address and credential that are known.
	Size int
	// Now is the clock. Only differences between its readings are used.
	Now func() time.Time
}

// Failures slows the guessing of credentials, per client address. It is safe for
// concurrent use.
//
// An address, for IPv6 the /64 that a customer is given, may fail Max times in any
// Window; then its attempts are refused until the first of those failures is over.
// Attempts under way count as failures until they end, so that many at once do not
// get through together. Nothing is counted by account: nobody can lock out a
// customer elsewhere. A credential that has succeeded from the same address within
// the last 24 hours is let through whatever the address's failures, so that an
// attacker behind the same NAT does not lock out who is known there already.
//
// Memory: Size addresses of some 150 bytes and 8 for each of Max failures, and Size
// known pairs of some 200 bytes: 50 MB by default, when full. Beyond that come only
// addresses with an attempt under way. When the table is full the address that
// has been quiet longest is forgotten. An attacker who wins by that has more
// addresses than the table, and with them more guesses than one address is worth.
type Failures struct {
	max    int
	window time.Duration
	clock  func() time.Time
	start  time.Time
	seed   maphash.Seed
	known  *knownPairs
	shards []failureShard
}

// failureShard is the part of the addresses that shares a lock.
type failureShard struct {
	mu        sync.Mutex
	addresses map[address]*record
	// quiet are those with failures and no attempt under way, the longest quiet
	// first. Only they are ever forgotten.
	quiet recordList
	limit int
	_     [64]byte // a cache line to itself, so that locks do not fight
}

// NewFailures returns one that remembers nothing yet.
func NewFailures(o FailuresOptions) *Failures {
	if o.Max <= 0 {
		o.Max = 20
	}
	if o.Window <= 0 {
		o.Window = time.Minute
	}
	if o.Size <= 0 {
		o.Size = 100_000
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	n := shardsFor(o.Size)
	f := &Failures{
		max:    o.Max,
		window: o.Window,
		clock:  o.Now,
		start:  o.Now(),
		seed:   maphash.MakeSeed(),
		known:  newKnownPairs(o.Size),
		shards: make([]failureShard, n),
	}
	for i := range f.shards {
		f.shards[i].addresses = map[address]*record{}
		f.shards[i].limit = o.Size / n
	}
	return f
}

func shardsFor(size int) int {
	if size < shardCount*minPerShard {
		return 1
	}
	return shardCount
}

// TooManyFailures refuses an attempt.
type TooManyFailures struct { //nolint:errname // reads better where it is matched
	// RetryAfter is how long it takes until one attempt of this address is let
	// through, if no other takes that place before.
	RetryAfter time.Duration
}

func (e *TooManyFailures) Error() string {
	return fmt.Sprintf("too many failed authentications from this address, retry after %s", e.RetryAfter)
}

// Attempt is one authentication. It has to be ended by one of its methods; the first
// counts, further ones do nothing, so `defer attempt.Abandoned()` is good for the
// cases that were not thought of. Do not copy it, nor use it from two goroutines.
type Attempt struct {
	failures *Failures // nil once it has ended
	pair     pair
	record   *record // nil when the pair is known
	fresh    bool    // known, and written down just now
}

// Begin asks for one attempt with the credential whose SHA-256 is given. The error,
// where there is one, is a *TooManyFailures. Begin waits only while nothing but
// attempts under way stand in the way, and no longer than ctx allows, nor than 5 s.
func (f *Failures) Begin(ctx context.Context, client netip.Addr, credential [sha256.Size]byte) (Attempt, error) {
	a := Attempt{failures: f, pair: pair{addressOf(client), credential}}
	var known bool
	if known, a.fresh = f.known.find(&a.pair, f.now()); known {
		return a, nil
	}
	r, err := f.reserve(ctx, a.pair.address)
	if err != nil {
		return Attempt{}, err
	}
	a.record = r
	return a, nil
}

// Succeeded ends an attempt whose credential is valid. It takes no failure away: who
// has one valid key gains no further guesses at others.
func (a *Attempt) Succeeded() {
	f := a.failures
	if f == nil {
		return
	}
	a.failures = nil
	if !a.fresh {
		f.known.remember(&a.pair, f.now())
	}
	f.end(a, false)
}

// Failed ends an attempt whose credential is not valid.
func (a *Attempt) Failed() {
	f := a.failures
	if f == nil {
		return
	}
	a.failures = nil
	f.known.forget(&a.pair)
	f.end(a, true)
}

// Abandoned ends an attempt of which nobody knows: the database did not answer, the
// client hung up.
func (a *Attempt) Abandoned() {
	f := a.failures
	if f == nil {
		return
	}
	a.failures = nil
	f.end(a, false)
}

// reserve takes one of the places that the address has.
func (f *Failures) reserve(ctx context.Context, addr address) (*record, error) {
	s := f.shard(addr)
	s.mu.Lock()
	now := f.now()
	r := f.get(s, addr, now)
	f.admit(r, now)
	failed := r.failuresAt(now, f.window)
	switch {
	case failed >= f.max:
		err := f.refusal(r, now)
		f.rest(s, r, now)
		s.mu.Unlock()
		return nil, err
	case failed+r.underway < f.max:
		r.underway++
		s.mu.Unlock()
		return r, nil
	}
	w := &waiter{decided: make(chan struct{})}
	r.waiters = append(r.waiters, w)
	s.mu.Unlock()
	return f.wait(ctx, s, r, w)
}

// wait is reserve for one that only attempts under way stand in the way of.
func (f *Failures) wait(ctx context.Context, s *failureShard, r *record, w *waiter) (*record, error) {
	timer := time.NewTimer(maxWait)
	defer timer.Stop()
	select {
	case <-w.decided:
	case <-ctx.Done():
	case <-timer.C:
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := f.now()
	f.admit(r, now)
	select {
	case <-w.decided:
		// Also at the last moment: a place that was given is not lost.
		if w.refusal != nil {
			return nil, w.refusal
		}
		return r, nil
	default:
	}
	r.waiters = slices.DeleteFunc(r.waiters, func(other *waiter) bool { return other == w })
	err := &TooManyFailures{RetryAfter: time.Second}
	f.rest(s, r, now)
	return nil, err
}

// end gives a place back, or for a known pair, which never took one, only counts.
func (f *Failures) end(a *Attempt, failed bool) {
	if a.record == nil && !failed {
		return
	}
	s := f.shard(a.pair.address)
	s.mu.Lock()
	defer s.mu.Unlock()
	now := f.now()
	r := a.record
	if r == nil {
		r = f.get(s, a.pair.address, now)
	} else {
		r.underway--
	}
	if failed {
		r.fail(now, f.max)
	}
	f.admit(r, now)
	f.rest(s, r, now)
}

// admit lets those in that wait, as far as there are places, first come first
// served. Once failures alone fill the window it sends them all away.
func (f *Failures) admit(r *record, now time.Duration) {
	for len(r.waiters) > 0 {
		w := r.waiters[0]
		failed := r.failuresAt(now, f.window)
		switch {
		case failed >= f.max:
			w.refusal = f.refusal(r, now)
		case failed+r.underway < f.max:
			r.underway++
		default:
			return
		}
		r.waiters[0] = nil
		r.waiters = r.waiters[1:]
		close(w.decided)
	}
	r.waiters = nil
}

// refusal is that of an address whose failures fill the window: a place comes free
// when the oldest of them is over.
func (f *Failures) refusal(r *record, now time.Duration) *TooManyFailures {
	return &TooManyFailures{RetryAfter: r.oldest() + f.window - now}
}

// now is the time since some fixed moment. Read under the lock of a shard it never
// goes back there, so that failures are written down in their order.
func (f *Failures) now() time.Duration { return f.clock().Sub(f.start) }

func (f *Failures) shard(a address) *failureShard {
	if len(f.shards) == 1 {
		return &f.shards[0]
	}
	return &f.shards[maphash.Comparable(f.seed, a)%uint64(len(f.shards))]
}

// get returns the record of an address, out of the list of quiet ones.
func (f *Failures) get(s *failureShard, addr address, now time.Duration) *record {
	if r := s.addresses[addr]; r != nil {
		if r.quiet {
			s.quiet.remove(r)
		}
		return r
	}
	for r := s.quiet.first; r != nil && r.failuresAt(now, f.window) == 0; r = s.quiet.first {
		s.forget(r)
	}
	if len(s.addresses) >= s.limit && s.quiet.first != nil {
		s.forget(s.quiet.first)
	}
	r := &record{address: addr}
	s.addresses[addr] = r
	return r
}

// rest puts a record where it belongs after it was used.
func (f *Failures) rest(s *failureShard, r *record, now time.Duration) {
	switch {
	case r.underway > 0 || len(r.waiters) > 0:
	case r.failuresAt(now, f.window) > 0:
		s.quiet.add(r)
	default:
		delete(s.addresses, r.address)
	}
}

func (s *failureShard) forget(r *record) {
	s.quiet.remove(r)
	delete(s.addresses, r.address)
}
