package ratelimit

import (
	"context"
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// shardCount is how many locks the keys are spread over. At a million keys
	// each has a thousand, so that growing its table takes some microseconds.
	shardCount = 1 << shardBits
	shardBits  = 10

	// DefaultMaxKeys is how many keys [Memory] holds at most by default: some
	// 1.7 GB with up to 6 messages each.
	DefaultMaxKeys = 10_000_000
)

// MemoryOptions configure [NewMemory]. The zero value is good for production.
type MemoryOptions struct {
	// Now is the time since some fixed moment. It must never be negative and
	// never go back. Default: the process's monotonic clock, which changes of
	// the system's time do not move.
	Now func() time.Duration

	// MaxKeys is how many keys are held at the same time; calls for further
	// ones get [ErrFull] until idle ones have been freed. Default:
	// [DefaultMaxKeys].
	MaxKeys int
}

// Memory is a [Limiter] for one process. What it remembers is lost when the
// process ends.
//
// A key costs about 170 bytes, with its name (of up to 63 bytes) and its first 6
// messages; each further message 4 to 8. A key that nobody uses is freed within
// two of its windows, by a goroutine that looks at a few keys at a time and holds
// up 1/1024 of them for some microseconds. A known key is decided on without an
// allocation.
//
// Moments are exact to a microsecond for windows up to half an hour. For longer
// ones a message may be remembered for up to two ticks too long, never too
// short, where a tick is the window divided by a billion or so: 64 µs for a day.
type Memory struct {
	now     func() time.Duration
	seed    maphash.Seed
	maxKeys int64
	keys    atomic.Int64
	sweeper sweeper
	closed  atomic.Bool
	shards  [shardCount]shard
}

var _ Limiter = (*Memory)(nil)

// shard is the part of the keys that shares a lock.
type shard struct {
	mu   sync.Mutex
	logs keyTable
	_    [24]byte // a cache line to itself, so that locks do not fight
}

// NewMemory returns an empty limiter. It runs a goroutine until Close.
func NewMemory(o MemoryOptions) *Memory {
	m := &Memory{now: o.Now, seed: maphash.MakeSeed(), maxKeys: int64(o.MaxKeys)}
	if m.now == nil {
		start := time.Now()
		m.now = func() time.Duration { return time.Since(start) }
	}
	if m.maxKeys <= 0 {
		m.maxKeys = DefaultMaxKeys
	}
	m.sweeper.start(m)
	return m
}

// Take implements [Limiter]. It does not look at the context: it never waits.
func (m *Memory) Take(_ context.Context, key string, n int, limit Limit) (Decision, error) {
	if err := check(n, limit); err != nil {
		return Decision{Limit: limit}, err
	}
	if m.closed.Load() {
		return Decision{Limit: limit}, ErrClosed
	}
	s, hash := m.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.logs.find(hash, key)
	if l == nil {
		if n == 0 {
			return Decision{Allowed: true, Limit: limit, Remaining: limit.Messages}, nil
		}
		if l = m.add(s, hash, key, limit); l == nil {
			return Decision{Limit: limit}, ErrFull
		}
	}
	// The clock is read under the lock, so that messages are remembered in the
	// order in which they were decided on.
	return l.take(m.now(), n, limit), nil
}

// Return implements [Limiter].
func (m *Memory) Return(_ context.Context, key string, d Decision) error {
	if m.closed.Load() {
		return ErrClosed
	}
	if d.Cost <= 0 {
		return nil
	}
	s, hash := m.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	if l := s.logs.find(hash, key); l != nil {
		l.giveBack(d.Stamp, d.Cost)
	}
	return nil
}

// Len is how many keys are held, idle ones that have not been freed yet included.
func (m *Memory) Len() int { return int(m.keys.Load()) }

// Close frees everything and ends the goroutine. It may be called repeatedly.
func (m *Memory) Close() error {
	if m.closed.Swap(true) {
		return nil
	}
	m.sweeper.stop()
	for i := range m.shards {
		s := &m.shards[i]
		s.mu.Lock()
		m.keys.Add(-int64(s.logs.n))
		s.logs = keyTable{}
		s.mu.Unlock()
	}
	return nil
}

// shard returns the part that key belongs to, and its hash within it.
func (m *Memory) shard(key string) (*shard, uint32) {
	hash := maphash.String(m.seed, key)
	return &m.shards[hash>>(64-shardBits)], uint32(hash)
}

// add makes an empty log for key; nil when there are too many keys. The caller
// holds the shard's lock.
func (m *Memory) add(s *shard, hash uint32, key string, limit Limit) *keyLog {
	if m.keys.Add(1) > m.maxKeys {
		m.keys.Add(-1)
		return nil
	}
	k := newKeyLog(key)
	s.logs.insert(hash, k)
	m.sweeper.saw(limit.Window)
	return k
}
