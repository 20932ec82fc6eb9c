package recorder

import (
	"context"
	"errors"
	"slices"
	"time"
)

// entry is an item that nobody waits for.
type entry[T any] struct {
	item   T
	source Source
	chunk  *chunk // where it stands in the journal; nil: it is only in memory
	size   int    // of its record
}

// batch is one transaction.
type batch[T, R any] struct {
	items    []T
	outcomes []outcome[R]  // one for each of items
	entries  []entry[T]    // the first of items
	shares   []share[T, R] // the others
	begun    time.Time
	answered time.Time // when the database last answered; r.mu
	away     error     // why the rest of items was not tried
	timedOut bool
}

// share is what a batch holds of one call.
type share[T, R any] struct {
	call     *call[T, R]
	start, n int
}

// outcome is what became of an item.
type outcome[R any] struct {
	result R
	err    error
	away   bool // err says nothing about the item
}

// load moves the first n of list into b.
func (b *batch[T, R]) load(list []entry[T], n int) []entry[T] {
	n = min(n, len(list))
	b.entries = append(b.entries, list[:n]...)
	for i := range list[:n] {
		b.items = append(b.items, list[i].item)
	}
	clear(list[:n])
	if n == len(list) {
		return list[:0]
	}
	return list[n:]
}

// work runs a transaction.
func (r *Recorder[T, R]) work(b *batch[T, R]) {
	b.outcomes = make([]outcome[R], len(b.items))
	r.attempt(b, 0, len(b.items))
	r.settle(b)
}

// errResults would be a defect of Commit.
var errResults = errors.New("the database has not told what became of each item")

// attempt records the items from lo to hi, together if possible.
func (r *Recorder[T, R]) attempt(b *batch[T, R], lo, hi int) {
	if b.away != nil {
		r.postpone(b, lo, hi)
		return
	}
	results, err := r.commit(b, b.items[lo:hi])
	switch {
	case err == nil:
		for i, result := range results {
			b.outcomes[lo+i].result = result
		}
	case b.away != nil:
		r.postpone(b, lo, hi)
	case hi-lo == 1:
		b.outcomes[lo].err = err
	default:
		middle := lo + (hi-lo)/2
		r.attempt(b, lo, middle)
		r.attempt(b, middle, hi)
	}
}

func (r *Recorder[T, R]) postpone(b *batch[T, R], lo, hi int) {
	for i := lo; i < hi; i++ {
		b.outcomes[i] = outcome[R]{err: b.away, away: true}
	}
}

// commit records items and notes what its error says about the database.
func (r *Recorder[T, R]) commit(b *batch[T, R], items []T) ([]R, error) {
	ctx, cancel := context.WithTimeout(r.ctx, r.opts.Timeout)
	// The capacity is cut, or appending to them would overwrite the next.
	results, err := r.opts.Commit(ctx, slices.Clip(items))
	timedOut := errors.Is(ctx.Err(), context.DeadlineExceeded)
	cancel()
	switch {
	case err == nil && len(results) != len(items):
		err = errResults
	case err != nil && r.ctx.Err() != nil:
		b.away = ErrClosed
		return nil, err
	case err != nil && r.unavailable(err):
		b.away, b.timedOut = err, timedOut
		return nil, err
	}
	now := time.Now()
	r.mu.Lock()
	b.answered, r.answered = now, latest(r.answered, now)
	r.mu.Unlock()
	return results, err
}

// unavailable reports whether err says nothing about the items themselves.
func (r *Recorder[T, R]) unavailable(err error) bool {
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) || r.opts.Unavailable(err)
}
