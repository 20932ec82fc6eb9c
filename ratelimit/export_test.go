package ratelimit

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/rueidis"
)

// Sweep looks at all keys once, as the background goroutine does over time.
func (m *Memory) Sweep() {
	for i := range m.shards {
		m.sweep(&m.shards[i])
	}
}

// Room is how many keys the tables have room for.
func (m *Memory) Room() (keys int) {
	for i := range m.shards {
		s := &m.shards[i]
		s.mu.Lock()
		keys += len(s.logs.slots)
		s.mu.Unlock()
	}
	return keys
}

// SweepPause is how long the background goroutine waits between two steps.
func (m *Memory) SweepPause() time.Duration { return m.sweeper.pause() }

// SweepSteps is how many steps make a round.
const SweepSteps = sweepSteps

// UseClock makes the limiter tell the script the time, instead of the script
// asking the server. Everything else of the script stays as it is.
func (r *Redis) UseClock(t *testing.T, now func() time.Duration) {
	t.Helper()
	script := strings.Replace(takeScript, "redis.call('TIME')", "{ARGV[4], ARGV[5]}", 1)
	if script == takeScript {
		t.Fatal("take.lua does not ask for the time where this test expects it")
	}
	r.take = rueidis.NewLuaScript(script)
	r.clock = func() []string {
		us := int64(now() / time.Microsecond)
		return []string{strconv.FormatInt(us/1e6, 10), strconv.FormatInt(us%1e6, 10)}
	}
}
