package stats_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/genfity/wa-gateway/stats"
	"pgregory.net/rapid"
)

var epoch = time.Date(2025, 3, 1, 12, 0, 0, 0, time.UTC)

func at(seconds int) time.Time { return epoch.Add(time.Duration(seconds) * time.Second) }

func told(status stats.Status, seconds int) stats.Event {
	return stats.Event{UserID: "u", SessionID: "s", MessageID: "m", Status: status, At: at(seconds)}
}

func fold(events ...stats.Event) stats.Message {
	var m stats.Message
	for _, e := range events {
		m = m.Merge(e.Message())
	}
	return m
}

func TestWhatIsCounted(t *testing.T) {
	const sent, failed, delivered, read = stats.Sent, stats.Failed, stats.Delivered, stats.Read
	tests := []struct {
		name   string
		events []stats.Event
		counts stats.Counts
		at     time.Time
	}{
		{"nothing told", nil, stats.Counts{}, time.Time{}},
		{"sent", []stats.Event{told(sent, 1)}, stats.Counts{Sent: 1}, at(1)},
		{"sent twice is at the later time", []stats.Event{told(sent, 1), told(sent, 4)}, stats.Counts{Sent: 1}, at(4)},
		{"failed", []stats.Event{told(failed, 1)}, stats.Counts{Failed: 1}, at(1)},
		{"delivered implies sent", []stats.Event{told(delivered, 2)}, stats.Counts{Sent: 1, Delivered: 1}, at(2)},
		{"read implies delivered", []stats.Event{told(read, 3)}, stats.Counts{Sent: 1, Delivered: 1, Read: 1}, at(3)},
		{"the earliest receipt says when", []stats.Event{told(read, 3), told(delivered, 5)}, stats.Counts{Sent: 1, Delivered: 1, Read: 1}, at(3)},
		{"sent, then failed", []stats.Event{told(sent, 1), told(failed, 2)}, stats.Counts{Failed: 1}, at(2)},
		{"sent and failed at once", []stats.Event{told(sent, 2), told(failed, 2)}, stats.Counts{Failed: 1}, at(2)},
		{"failed, then sent", []stats.Event{told(failed, 1), told(sent, 2)}, stats.Counts{Sent: 1}, at(2)},
		{"sent between two failures", []stats.Event{told(failed, 1), told(sent, 2), told(failed, 3)}, stats.Counts{Failed: 1}, at(3)},
		{"failed, but delivered", []stats.Event{told(failed, 9), told(delivered, 2)}, stats.Counts{Sent: 1, Delivered: 1}, at(2)},
		{"failed, but read", []stats.Event{told(sent, 1), told(failed, 9), told(read, 2)}, stats.Counts{Sent: 1, Delivered: 1, Read: 1}, at(1)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := fold(tt.events...)
			if got := m.Counts(); got != tt.counts {
				t.Errorf("counts = %+v, want %+v", got, tt.counts)
			}
			if got := m.At(); !got.Equal(tt.at) {
				t.Errorf("at = %v, want %v", got, tt.at)
			}
		})
	}
}

func TestMessageKeepsTheLatestError(t *testing.T) {
	early, late, other := told(stats.Failed, 1), told(stats.Failed, 2), told(stats.Failed, 2)
	early.Error, late.Error, other.Error = "zzz", "no such number", "blocked"
	sent := told(stats.Sent, 0)
	sent.Error = "an error of something sent is none"
	for _, order := range [][]stats.Event{{early, late, other, sent}, {sent, other, late, early}} {
		if got := fold(order...).Error; got != "no such number" {
			t.Errorf("error = %q", got)
		}
	}
}

// genEvent draws an event of one message. Few distinct times make ties likely.
var genEvent = rapid.Custom(func(t *rapid.T) stats.Event {
	e := told(
		rapid.SampledFrom([]stats.Status{stats.Sent, stats.Failed, stats.Delivered, stats.Read}).Draw(t, "status"),
		rapid.IntRange(1, 6).Draw(t, "second"))
	e.At = e.At.Add(time.Duration(rapid.IntRange(0, 1).Draw(t, "fraction")) * 400 * time.Millisecond)
	e.Error = rapid.SampledFrom([]string{"", "a", "b"}).Draw(t, "error")
	e.To = rapid.SampledFrom([]string{"", "628123", "628999"}).Draw(t, "to")
	e.Type = rapid.SampledFrom([]string{"", "image", "text"}).Draw(t, "type")
	if n := rapid.IntRange(-3, 6).Draw(t, "first"); n != 0 {
		e.FirstAt = at(n * 400) // earlier or later than At, in other slots
	}
	return e
})

// modelPlace is where a message belongs: to the slot of the earliest thing told of
// it, and to the greatest type.
func modelPlace(events []stats.Event) (slot time.Time, kind string) {
	var first time.Time
	for i, e := range events {
		began := e.FirstAt
		if began.IsZero() {
			began = e.At // or later in that second, which is of the same slot
		}
		if i == 0 || began.Before(first) {
			first = began
		}
		kind = max(kind, e.Type)
	}
	return first.Truncate(15 * time.Minute), kind
}

// model is the sentence of contract §8, word for word, over a set of events.
func model(events []stats.Event) (c stats.Counts) {
	if len(events) == 0 {
		return c
	}
	var hasRead, hasDelivered bool
	for _, e := range events {
		hasRead = hasRead || e.Status == stats.Read
		hasDelivered = hasDelivered || e.Status == stats.Delivered
	}
	// "a message is failed when it has a failed, no delivered or read, and no
	// sent with a later timestamp; else it is sent"
	isFailed := false
	for _, f := range events {
		if f.Status != stats.Failed {
			continue
		}
		laterSent := false
		for _, s := range events {
			laterSent = laterSent || (s.Status == stats.Sent && s.At.After(f.At))
		}
		isFailed = isFailed || (!hasDelivered && !hasRead && !laterSent)
	}
	if isFailed {
		return stats.Counts{Failed: 1}
	}
	// "read implies delivered, delivered implies sent"
	c.Sent = 1
	if hasRead {
		c.Read = 1
	}
	if hasRead || hasDelivered {
		c.Delivered = 1
	}
	return c
}

func TestAnyShuffleTellsTheSame(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		events := rapid.SliceOfN(genEvent, 0, 8).Draw(t, "events")
		seed := rapid.Uint64().Draw(t, "seed")
		r := rand.New(rand.NewPCG(seed, 1))

		once := fold(events...)
		if got, want := once.Counts(), model(events); got != want {
			t.Fatalf("counts = %+v, the contract says %+v", got, want)
		}
		if slot, kind := modelPlace(events); len(events) > 0 && (once.Slot() != slot || once.Type != kind) {
			t.Fatalf("belongs to %v and %q, not to %v and %q", once.Slot(), once.Type, slot, kind)
		}

		// Told again, shuffled, and split over several folds merged in any order.
		again := append([]stats.Event{}, events...)
		for range events {
			again = append(again, events[r.IntN(len(events))])
		}
		r.Shuffle(len(again), func(i, j int) { again[i], again[j] = again[j], again[i] })
		parts := make([]stats.Message, 1+r.IntN(4))
		for _, e := range again {
			i := r.IntN(len(parts))
			parts[i] = parts[i].Merge(e.Message())
		}
		var merged stats.Message
		for _, p := range parts {
			merged = p.Merge(merged)
		}
		if !merged.Equal(once) {
			t.Fatalf("shuffled: %+v\n in order: %+v", merged, once)
		}
	})
}

// A whole second that a WA server tells is any moment of it, until something finer is
// told; and is shown as it was told.
func TestWhenAMessageBegan(t *testing.T) {
	whole, fine, known := told(stats.Sent, 5), told(stats.Delivered, 5), told(stats.Sent, 5)
	fine.At = at(5).Add(400 * time.Millisecond)
	known.FirstAt = at(5).Add(300 * time.Millisecond)
	exactly := told(stats.Sent, 5)
	exactly.FirstAt = at(5)
	for _, tt := range []struct {
		name         string
		events       []stats.Event
		first, began time.Time
	}{
		{"a second", []stats.Event{whole}, at(6).Add(-stats.Resolution), at(5)},
		{"a time", []stats.Event{fine}, fine.At, fine.At},
		{"both", []stats.Event{whole, fine}, fine.At, fine.At},
		{"known otherwise", []stats.Event{fine, known, whole}, known.FirstAt, known.FirstAt},
		{"known to be a second's beginning", []stats.Event{fine, exactly}, at(5), at(5)},
		{"the second before", []stats.Event{fine, told(stats.Sent, 4)}, at(5).Add(-stats.Resolution), at(4)},
		{"nothing", nil, time.Time{}, time.Time{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := fold(tt.events...)
			if !m.FirstAt.Equal(tt.first) || !m.BeganAt().Equal(tt.began) {
				t.Errorf("began at %v, shown as %v; want %v and %v", m.FirstAt, m.BeganAt(), tt.first, tt.began)
			}
			if len(tt.events) > 0 && m.Slot() != at(5).Truncate(stats.Slot) {
				t.Errorf("belongs to %v", m.Slot())
			}
		})
	}
}

// Repeated receipts do not move the times that are shown, and are remembered.
func TestMessageKnowsWhatWasToldLast(t *testing.T) {
	m := fold(told(stats.Read, 7), told(stats.Delivered, 2), told(stats.Delivered, 9), told(stats.Sent, 1), told(stats.Read, 8))
	if m.DeliveredAt != at(2) || m.ReadAt != at(7) || m.LastAt != at(9) {
		t.Errorf("got %+v", m)
	}
}

func TestMergeAlgebra(t *testing.T) {
	message := rapid.Map(rapid.SliceOfN(genEvent, 0, 5), func(events []stats.Event) stats.Message { return fold(events...) })
	rapid.Check(t, func(t *rapid.T) {
		a, b, c := message.Draw(t, "a"), message.Draw(t, "b"), message.Draw(t, "c")
		if !a.Merge(b).Equal(b.Merge(a)) {
			t.Fatal("merge does not commute")
		}
		if !a.Merge(b).Merge(c).Equal(a.Merge(b.Merge(c))) {
			t.Fatal("merge does not associate")
		}
		if !a.Merge(a).Equal(a) || !a.Merge(b).Merge(b).Equal(a.Merge(b)) {
			t.Fatal("merge is not idempotent")
		}
		if !a.Merge(stats.Message{}).Equal(a) {
			t.Fatal("nothing changes something")
		}
		counts := a.Counts()
		if counts.Sent+counts.Failed > 1 || counts.Delivered > counts.Sent || counts.Read > counts.Delivered {
			t.Fatalf("counted %+v", counts)
		}
	})
}

func TestEqualIgnoresTheLocation(t *testing.T) {
	jakarta := time.FixedZone("WIB", 7*3600)
	a, b := told(stats.Read, 3), told(stats.Read, 3)
	b.At = b.At.In(jakarta)
	if !a.Message().Equal(b.Message()) {
		t.Error("the same instant in another zone is another message")
	}
	if b.Normal().At != a.At {
		t.Error("Normal does not return UTC")
	}
}
