package guard

import (
	"slices"
	"testing"
	"time"
)

// The ring keeps the latest failures in their order, wherever it begins.
func TestRecordKeepsTheLatest(t *testing.T) {
	const limit, window = 5, 10
	for pause := range time.Duration(30) {
		var r record
		var plain []time.Duration
		for i := range time.Duration(40) {
			now := i * (i%3 + 1) / 2
			if i > 20 {
				now += pause + 20
			}
			if len(plain) > 0 {
				now = max(now, plain[len(plain)-1])
			}
			plain = append(plain, now)
			r.fail(now, limit)
			// Asked at a later moment, when some are over.
			at := now + i%7
			want := slices.DeleteFunc(slices.Clone(plain[max(0, len(plain)-limit):]), func(s time.Duration) bool { return s <= at-window })
			if got := r.failuresAt(at, window); got != len(want) {
				t.Fatalf("pause %d, after %d: %d failures, want %v", pause, i, got, want)
			}
			if len(want) > 0 && r.oldest() != want[0] {
				t.Fatalf("pause %d, after %d: oldest %d, want %v", pause, i, r.oldest(), want)
			}
			plain = want
			if cap(r.stamps) > limit {
				t.Fatalf("room for %d", cap(r.stamps))
			}
		}
	}
}
