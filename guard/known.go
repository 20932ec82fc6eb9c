package guard

import (
	"crypto/sha256"
	"hash/maphash"
	"sync"
	"time"
)

const (
	// knownFor is how long a pair is known after it last succeeded.
	knownFor = 24 * time.Hour
	// freshFor is how long a success is not written down again.
	freshFor = time.Minute
)

// pair is a credential at an address.
type pair struct {
	address    address
	credential [sha256.Size]byte
}

// knownPairs remembers the pairs that succeeded, a bounded number of them. Those
// that are in use stay: a new one takes the place of one that was not asked for
// since the hand passed it last (the clock algorithm).
type knownPairs struct {
	seed   maphash.Seed
	shards []knownShard
}

type knownShard struct {
	mu    sync.Mutex
	at    map[pair]int32 // index in slots
	slots []knownPair
	hand  int
	limit int
	_     [64]byte
}

type knownPair struct {
	pair      pair
	succeeded time.Duration
	used      bool
}

func newKnownPairs(size int) *knownPairs {
	n := shardsFor(size)
	k := &knownPairs{seed: maphash.MakeSeed(), shards: make([]knownShard, n)}
	for i := range k.shards {
		k.shards[i].at = map[pair]int32{}
		k.shards[i].limit = size / n
	}
	return k
}

func (k *knownPairs) shard(p *pair) *knownShard {
	if len(k.shards) == 1 {
		return &k.shards[0]
	}
	return &k.shards[maphash.Comparable(k.seed, *p)%uint64(len(k.shards))]
}

// find tells whether the pair is known, and whether that was written down so lately
// that another success need not be.
func (k *knownPairs) find(p *pair, now time.Duration) (known, fresh bool) {
	s := k.shard(p)
	s.mu.Lock()
	defer s.mu.Unlock()
	i, ok := s.at[*p]
	if !ok {
		return false, false
	}
	slot := &s.slots[i]
	age := now - slot.succeeded
	if age > knownFor+freshFor {
		s.remove(i)
		return false, false
	}
	slot.used = true
	return true, age < freshFor
}

func (k *knownPairs) remember(p *pair, now time.Duration) {
	s := k.shard(p)
	s.mu.Lock()
	defer s.mu.Unlock()
	if i, ok := s.at[*p]; ok {
		s.slots[i].succeeded = now
		return
	}
	if len(s.slots) == s.limit {
		s.evict()
	}
	s.at[*p] = int32(len(s.slots))
	s.slots = append(s.slots, knownPair{pair: *p, succeeded: now})
}

func (k *knownPairs) forget(p *pair) {
	s := k.shard(p)
	s.mu.Lock()
	defer s.mu.Unlock()
	if i, ok := s.at[*p]; ok {
		s.remove(i)
	}
}

// evict makes room for one.
func (s *knownShard) evict() {
	for {
		s.hand %= len(s.slots)
		slot := &s.slots[s.hand]
		if !slot.used {
			s.remove(int32(s.hand))
			return
		}
		slot.used = false
		s.hand++
	}
}

// remove frees a slot; the last one moves into it.
func (s *knownShard) remove(i int32) {
	delete(s.at, s.slots[i].pair)
	last := int32(len(s.slots) - 1)
	if i != last {
		s.slots[i] = s.slots[last]
		s.at[s.slots[i].pair] = i
	}
	s.slots[last] = knownPair{}
	s.slots = s.slots[:last]
}
