package told

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// OwnID is how the ids begin that the gateway gives to messages without one.
const OwnID = "gw_"

// Row is a message as the gateway's ledger has it. Zero times were not told.
type Row struct {
	Key
	Times map[string]time.Time // by status
	First time.Time            // when it began
	// Counted is the side on which the ledger counts it: Sent, Failed, or empty for
	// a message from before a reset.
	Counted string
}

// Counts are the statistics of one owner.
type Counts struct{ Sent, Failed, Delivered, Read int64 }

// Add adds other counts.
func (c *Counts) Add(o Counts) {
	c.Sent, c.Failed = c.Sent+o.Sent, c.Failed+o.Failed
	c.Delivered, c.Read = c.Delivered+o.Delivered, c.Read+o.Read
}

// Ledger is all that a gateway has.
type Ledger struct {
	Rows []Row
	// Totals are the counters that customers see; Rollups the counts over time,
	// added up.
	Totals, Rollups map[Owner]Counts
}

// count is the contract's rule: read implies delivered, delivered implies sent; a
// message is failed when it has a failed, no delivered or read, and no sent with a
// later timestamp; else it is sent.
func count(times map[string]time.Time) Counts {
	failed, hasFailed := times[Failed]
	_, delivered := times[Delivered]
	_, read := times[Read]
	delivered = delivered || read
	switch {
	case hasFailed && !delivered && !times[Sent].After(failed):
		return Counts{Failed: 1}
	case read:
		return Counts{Sent: 1, Delivered: 1, Read: 1}
	case delivered:
		return Counts{Sent: 1, Delivered: 1}
	default:
		return Counts{Sent: 1}
	}
}

func (c Counts) side() string {
	if c.Failed > 0 {
		return Failed
	}
	return Sent
}

// Report is what a comparison found. Problems are in words.
type Report struct {
	// Lost were acknowledged and are not there.
	Lost []string
	// Wrong are there and should not be, or not so.
	Wrong []string
}

// OK tells whether there is nothing to say.
func (r *Report) OK() bool { return len(r.Lost) == 0 && len(r.Wrong) == 0 }

// String is a short text: a few of each kind are enough to begin with.
func (r *Report) String() string {
	var text strings.Builder
	for _, part := range []struct {
		name  string
		items []string
	}{{"lost", r.Lost}, {"wrong", r.Wrong}} {
		if len(part.items) == 0 {
			continue
		}
		slices.Sort(part.items)
		fmt.Fprintf(&text, "%d %s:\n", len(part.items), part.name)
		for _, item := range part.items[:min(len(part.items), 15)] {
			fmt.Fprintf(&text, "  %s\n", item)
		}
	}
	return text.String()
}

func (r *Report) lost(format string, args ...any) {
	r.Lost = append(r.Lost, fmt.Sprintf(format, args...))
}
func (r *Report) wrong(format string, args ...any) {
	r.Wrong = append(r.Wrong, fmt.Sprintf(format, args...))
}

// Compare holds a ledger against the book. reset tells when the statistics of an
// owner were last started again: messages that began no later than at do not count,
// those that began after done do, and it is all the same what those between do. Nil:
// nobody's were.
func (b *Book) Compare(l *Ledger, reset func(Owner) (at, done time.Time)) *Report {
	b.mu.Lock()
	defer b.mu.Unlock()
	r := new(Report)
	seen := make(map[Key]bool, len(l.Rows))
	nameless := map[Owner]int{}
	sums := map[Owner]Counts{}
	for _, row := range l.Rows {
		if seen[row.Key] {
			r.wrong("%v has two rows", row.Key)
		}
		seen[row.Key] = true
		own := strings.HasPrefix(row.Message, OwnID)
		if own {
			nameless[row.Owner()]++
		}
		b.compareRow(r, row, own)
		counts := count(row.Times)
		if reset != nil {
			at, done := reset(row.Owner())
			first := row.First
			if row.Counted == "" && !first.After(done) {
				continue
			}
			if row.Counted != "" && !first.After(at) {
				r.wrong("%v is from before the reset and counts", row.Key)
			}
		}
		if row.Counted != counts.side() {
			r.wrong("%v counts as %q, not as %q", row.Key, row.Counted, counts.side())
		}
		sum := sums[row.Owner()]
		sum.Add(counts)
		sums[row.Owner()] = sum
	}
	b.compareMissing(r, seen, nameless)
	compareSums(r, "the counters", sums, l.Totals)
	compareSums(r, "the rollups", sums, l.Rollups)
	return r
}

// compareRow looks at what the ledger has of one message.
func (b *Book) compareRow(r *Report, row Row, own bool) {
	facts := b.messages[row.Key]
	if own {
		if _, failed := row.Times[Failed]; !failed || len(row.Times) > 1 {
			r.wrong("%v is none of the gateway's own failures: %v", row.Key, row.Times)
		}
		return
	}
	precise := true
	for status, at := range row.Times {
		f := facts[status]
		precise = precise && f != nil && !f.at.IsZero()
		if f == nil {
			r.wrong("%v is %s, which nobody told", row.Key, status)
		} else if !f.at.IsZero() && !f.at.Equal(at) {
			r.wrong("%v is %s at %v, not at %v", row.Key, status, at, f.at)
		}
	}
	if first := began(row.Times); precise && !row.First.Equal(first) {
		r.wrong("%v began at %v, not at %v", row.Key, row.First, first)
	}
	for status, f := range facts {
		if _, has := row.Times[status]; f.acknowledged && !has {
			r.lost("%v: %s", row.Key, status)
		}
	}
}

// compareMissing looks for what the ledger has nothing of.
func (b *Book) compareMissing(r *Report, seen map[Key]bool, nameless map[Owner]int) {
	for key, facts := range b.messages {
		if seen[key] {
			continue
		}
		for status, f := range facts {
			if f.acknowledged {
				r.lost("%v: %s (no row)", key, status)
			}
		}
	}
	for owner, t := range b.nameless {
		n := nameless[owner]
		if n < t.acknowledged {
			r.lost("%v: %d failures of %d", owner, t.acknowledged-n, t.acknowledged)
		}
		if n > t.told {
			r.wrong("%v: %d failures, but only %d messages failed", owner, n, t.told)
		}
	}
	for owner, n := range nameless {
		if b.nameless[owner] == nil {
			r.wrong("%v: %d failures, but no message failed", owner, n)
		}
	}
}

func compareSums(r *Report, what string, sums, has map[Owner]Counts) {
	for owner, sum := range sums {
		if has[owner] != sum {
			r.wrong("%s of %v are %+v, but its messages add up to %+v", what, owner, has[owner], sum)
		}
	}
	for owner, counts := range has {
		if _, ok := sums[owner]; !ok && counts != (Counts{}) {
			r.wrong("%s of %v are %+v without any message", what, owner, counts)
		}
	}
}

// began is when a message began: a whole second is told by a clock that knows no
// parts of it, and may be any moment until its end.
func began(times map[string]time.Time) time.Time {
	var first time.Time
	for _, at := range times {
		if at.Nanosecond() == 0 {
			at = at.Add(time.Second - time.Microsecond)
		}
		if first.IsZero() || at.Before(first) {
			first = at
		}
	}
	return first
}
