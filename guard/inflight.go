package guard

import (
	"hash/maphash"
	"sync"
	"sync/atomic"
)

// InFlight bounds how many calls of one user are under way at once, so that the
// flood of one does not take what is there for all. It is safe for concurrent use,
// and may outlive a change of the configuration.
type InFlight struct {
	max    atomic.Int64
	seed   maphash.Seed
	shards [shardCount]inFlightShard
}

type inFlightShard struct {
	mu    sync.Mutex
	calls map[string]int // only users with calls under way
	_     [48]byte
}

// NewInFlight allows limit calls at once to each user; none, or fewer, means that
// there is no limit.
func NewInFlight(limit int) *InFlight {
	f := &InFlight{seed: maphash.MakeSeed()}
	for i := range f.shards {
		f.shards[i].calls = map[string]int{}
	}
	f.SetMax(limit)
	return f
}

// SetMax changes the limit. Calls that are under way go on.
func (f *InFlight) SetMax(limit int) { f.max.Store(int64(limit)) }

// Enter asks for one call of a user. Where it returns true, [InFlight.Leave] has to
// follow, once. It never waits.
func (f *InFlight) Enter(user string) bool {
	limit := f.max.Load()
	s := f.shard(user)
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.calls[user]
	if limit > 0 && int64(n) >= limit {
		return false
	}
	s.calls[user] = n + 1
	return true
}

// Leave ends a call. It panics when none is under way, as unlocking a mutex twice
// does: from then on the count would be wrong.
func (f *InFlight) Leave(user string) {
	s := f.shard(user)
	s.mu.Lock()
	defer s.mu.Unlock()
	switch n := s.calls[user]; n {
	case 0:
		panic("guard: Leave without Enter")
	case 1:
		delete(s.calls, user)
	default:
		s.calls[user] = n - 1
	}
}

// Calls is how many calls of a user are under way.
func (f *InFlight) Calls(user string) int {
	s := f.shard(user)
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls[user]
}

// Users is how many users have a call under way.
func (f *InFlight) Users() int {
	n := 0
	for i := range f.shards {
		s := &f.shards[i]
		s.mu.Lock()
		n += len(s.calls)
		s.mu.Unlock()
	}
	return n
}

func (f *InFlight) shard(user string) *inFlightShard {
	return &f.shards[maphash.String(f.seed, user)%shardCount]
}
