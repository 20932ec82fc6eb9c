package stats

import (
	"math"
	"time"
)

// Counts is a number of messages by what became of them. Every message is in
// exactly one of Sent and Failed; Delivered is a part of Sent and Read a part
// of Delivered.
type Counts struct {
	Sent      int64
	Failed    int64
	Delivered int64
	Read      int64
}

// Add returns the sum of c and o.
func (c Counts) Add(o Counts) Counts {
	return Counts{c.Sent + o.Sent, c.Failed + o.Failed, c.Delivered + o.Delivered, c.Read + o.Read}
}

// Sub returns the difference of c and o, which may be negative.
func (c Counts) Sub(o Counts) Counts {
	return Counts{c.Sent - o.Sent, c.Failed - o.Failed, c.Delivered - o.Delivered, c.Read - o.Read}
}

// IsZero reports whether all counts are zero.
func (c Counts) IsZero() bool { return c == Counts{} }

// Slot is the finest width of a rollup: quarters of an hour make up the hours
// and days of every time zone.
const Slot = 15 * time.Minute

// SlotCounts is what was counted of the messages of one type that began within a
// slot.
type SlotCounts struct {
	// Start is the slot's beginning, in UTC.
	Start time.Time
	// Width is Slot, or 24 hours for what is so old that only days are kept.
	Width time.Duration
	// Type is the kind of message, "" when none was told.
	Type string
	Counts
}

// Totals are the statistics of a session, a user or everybody (contract §8).
type Totals struct {
	Counts
	// LastSentAt and LastFailedAt are the times of the latest counted message
	// of either outcome, in UTC; zero when there is none.
	LastSentAt   time.Time
	LastFailedAt time.Time
}

// Add returns the statistics of t and o together.
func (t Totals) Add(o Totals) Totals {
	t.Counts = t.Counts.Add(o.Counts)
	if o.LastSentAt.After(t.LastSentAt) {
		t.LastSentAt = o.LastSentAt
	}
	if o.LastFailedAt.After(t.LastFailedAt) {
		t.LastFailedAt = o.LastFailedAt
	}
	return t
}

// SuccessRate returns sent / (sent + failed) × 100, rounded to two decimals. It
// is nil when nothing was sent (contract §8).
func SuccessRate(sent, failed int64) *float64 {
	if sent <= 0 {
		return nil
	}
	rate := math.Round(float64(sent)/(float64(sent)+float64(max(failed, 0)))*10_000) / 100
	return &rate
}
