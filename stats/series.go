package stats

import (
	"errors"
	"slices"
	"time"
)

// Bucket is one hour or day of a series.
type Bucket struct {
	// Start and End are in the location that was asked for; End is the next
	// bucket's Start.
	Start, End time.Time
	// Counts is the sum of Types.
	Counts
	// Types are the counts by type of message, "" where none was told. Types of
	// which nothing was counted are left out; nil when nothing was.
	Types map[string]Counts
}

// ErrTooManyBuckets means that the interval is too fine for the time asked for.
var ErrTooManyBuckets = errors.New("too many buckets")

// Buckets lists the hours or days of a location, nil for UTC, that have a part of
// the time from from, included, until to, excluded. There is no gap between them;
// the first may begin before from, and the last end after to. When they are more
// than limit, 0 for no limit, it is ErrTooManyBuckets, and nothing is built.
func Buckets(i Interval, from, to time.Time, loc *time.Location, limit int) ([]Bucket, error) {
	if !from.Before(to) {
		return nil, nil
	}
	if loc == nil {
		loc = time.UTC
	}
	// They are at least as many: few are longer than usual, none much.
	least := int(to.Sub(from)/i.usual()) * 9 / 10
	if limit > 0 && least > limit {
		return nil, ErrTooManyBuckets
	}
	buckets := make([]Bucket, 0, least+2)
	for start := i.Start(from.In(loc)); start.Before(to); {
		if limit > 0 && len(buckets) == limit {
			return nil, ErrTooManyBuckets
		}
		end := i.Next(start)
		buckets = append(buckets, Bucket{Start: start, End: end})
		start = end
	}
	return buckets, nil
}

// Fill adds slots to the buckets, which are in the order of time and do not
// overlap, that contain their starts. So a slot of a day is in one hour, and in
// one day of a zone whose days begin at another time. Slots outside of all
// buckets are left out.
func Fill(buckets []Bucket, slots []SlotCounts) {
	for _, slot := range slots {
		n, found := slices.BinarySearchFunc(buckets, slot.Start, func(b Bucket, start time.Time) int {
			switch {
			case b.Start.After(start):
				return 1
			case !b.End.After(start):
				return -1
			}
			return 0
		})
		if !found || slot.Counts.IsZero() {
			continue
		}
		b := &buckets[n]
		b.Counts = b.Counts.Add(slot.Counts)
		sum := b.Types[slot.Type].Add(slot.Counts)
		switch {
		case sum.IsZero():
			delete(b.Types, slot.Type)
			continue
		case b.Types == nil:
			b.Types = make(map[string]Counts)
		}
		b.Types[slot.Type] = sum
	}
}
