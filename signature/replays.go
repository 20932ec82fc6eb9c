package signature

import (
	"crypto/sha256"
	"sync"
	"time"
)

// DefaultReplays is how many acknowledged messages are remembered by default.
const DefaultReplays = 100_000

// ReplaysOptions configure [NewReplays]. The zero value of a field is its default.
type ReplaysOptions struct {
	// Size bounds the messages remembered (DefaultReplays). Some 130 bytes each.
	Size int
	// Now is the wall clock.
	Now func() time.Time
}

// Replays remembers signed messages that were acknowledged, each until its
// timestamp is stale, on this node. It is safe for concurrent use.
//
// When it is full the one acknowledged longest ago is forgotten. That message
// could be sent again while its timestamp is fresh; so could one that another node
// acknowledged. Neither does harm, as an event that is told again does not count
// again: this is the outer of two walls, and keeps floods of replays from the
// inner one.
type Replays struct {
	size int
	now  func() time.Time

	mu sync.Mutex
	in map[[sha256.Size]byte]struct{}
	// order is a ring: n entries from head on, in the order they came.
	order   []replay
	head, n int
}

type replay struct {
	message [sha256.Size]byte
	until   time.Time
}

// NewReplays returns one that remembers nothing yet.
func NewReplays(o ReplaysOptions) *Replays {
	if o.Size <= 0 {
		o.Size = DefaultReplays
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Replays{size: o.Size, now: o.Now, in: map[[sha256.Size]byte]struct{}{}}
}

// Seen tells whether a message has been acknowledged.
func (r *Replays) Seen(message [sha256.Size]byte) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, ok := r.in[message]
	return ok
}

// Taken remembers an acknowledged message until its timestamp is stale.
func (r *Replays) Taken(message [sha256.Size]byte, until time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.now()
	// Timestamps differ by twice the tolerance at most: an entry that is over
	// waits no longer than that behind one that is not.
	for r.n > 0 && r.order[r.head].until.Before(now) {
		r.drop()
	}
	if _, ok := r.in[message]; ok || until.Before(now) {
		return
	}
	if r.n == r.size {
		r.drop()
	}
	if r.n == len(r.order) {
		r.grow()
	}
	r.order[(r.head+r.n)%len(r.order)] = replay{message: message, until: until}
	r.n++
	r.in[message] = struct{}{}
}

// Len is how many messages are remembered, stale ones that have not been dropped
// yet included.
func (r *Replays) Len() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.n
}

func (r *Replays) drop() {
	delete(r.in, r.order[r.head].message)
	r.head = (r.head + 1) % len(r.order)
	r.n--
}

// grow doubles the ring, up to the size.
func (r *Replays) grow() {
	order := make([]replay, min(max(64, 2*len(r.order)), r.size))
	k := copy(order, r.order[r.head:])
	copy(order[k:], r.order[:r.head])
	r.order, r.head = order, 0
}
