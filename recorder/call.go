package recorder

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// call is one Record that waits.
type call[T, R any] struct {
	items   []T
	results []R
	err     error
	spool   bool // its items are to be brought into the journal by its caller
	stay    bool // they were not taken there: the database is all that is left
	begin   time.Time
	since   time.Time    // when it last got on; from begin on
	flight  *batch[T, R] // the transaction that it is in
	ended   bool         // done is closed; what is under way is nobody's business any more
	done    chan struct{}
}

// Answer says what became of the items of a call: either of its fields is set.
type Answer[R any] struct {
	// Results has one result for each item, in their order: they are on disk in
	// the database.
	Results []R
	// Spooled: the items are on local disk and will be recorded later.
	Spooled bool
}

// Record returns when items are on disk. The error is ErrQueueFull, ErrClosed,
// ErrAway, ErrSpoolFull, ErrPoison, ctx's own or Commit's. With an error some of
// items may have been recorded all the same; telling them again does no harm.
func (r *Recorder[T, R]) Record(ctx context.Context, items []T) (Answer[R], error) {
	if len(items) == 0 {
		return Answer[R]{}, nil
	}
	if err := context.Cause(ctx); err != nil {
		return Answer[R]{}, fmt.Errorf("record: %w", err)
	}
	begin := time.Now()
	c := &call[T, R]{items: items, begin: begin, since: begin, done: make(chan struct{})}
	if err := r.await(ctx, c); err != nil {
		return Answer[R]{}, err
	}
	if !c.spool {
		return Answer[R]{Results: c.results}, c.err
	}

	err := r.spool(ctx, items)
	if err == nil {
		return Answer[R]{Spooled: true}, nil
	}
	if cause := context.Cause(ctx); cause != nil {
		return Answer[R]{}, fmt.Errorf("record: %w", cause)
	}
	again := &call[T, R]{items: items, begin: begin, since: begin, stay: true, done: make(chan struct{})}
	if err := r.await(ctx, again); err != nil {
		return Answer[R]{}, err
	}
	if again.err != nil && !errors.Is(again.err, ErrClosed) && !errors.Is(again.err, ErrPoison) {
		return Answer[R]{}, fmt.Errorf("%w: %w", ErrSpoolFull, err)
	}
	return Answer[R]{Results: again.results}, again.err
}

// enqueue gives c its place, or ends it at once.
func (r *Recorder[T, R]) enqueue(c *call[T, R]) {
	now := time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.waiting += len(c.items)
	switch {
	case r.closing:
		r.end(c, ErrClosed)
		return
	case r.breaker.away && r.hopeless(c, now):
		r.giveUp(c)
		return
	// A call larger than the whole queue gets in when nobody else waits.
	case r.waiting > len(c.items) && r.waiting > r.opts.MaxQueue:
		r.end(c, ErrQueueFull)
		return
	}
	r.calls = append(r.calls, c)
	if len(r.inflight) < r.opts.Writers {
		r.signal()
	}
}

// hopeless reports whether c should not wait for a database that is away.
// r.mu is held.
func (r *Recorder[T, R]) hopeless(c *call[T, R], now time.Time) bool {
	switch {
	case c.stay:
		// It is worth waiting for as the next try, if that is to be now.
		return len(r.inflight) > 0 || now.Before(r.breaker.retryAt)
	case r.opts.Spool:
		return true
	}
	return r.breaker.retryAt.After(r.deadline(c))
}

// deadline is until when c waits. What cannot be spooled waits for Patience from
// the database's last sign of life, in a transaction that one's. r.mu is held.
func (r *Recorder[T, R]) deadline(c *call[T, R]) time.Time {
	if r.opts.Spool && !c.stay {
		return c.begin.Add(r.opts.Patience)
	}
	since, life := c.since, r.answered
	if c.flight != nil {
		life = c.flight.answered
	}
	if life.After(since) {
		since = life
	}
	return since.Add(r.opts.Patience)
}

// await gives c its place and returns when it has ended; with an error when its
// caller is gone.
func (r *Recorder[T, R]) await(ctx context.Context, c *call[T, R]) error {
	patience := time.NewTimer(time.Until(c.begin.Add(r.opts.Patience)))
	r.enqueue(c)
	defer patience.Stop()
	for {
		select {
		case <-c.done:
			return nil
		case <-patience.C:
			if left := r.expire(c); left > 0 {
				patience.Reset(left)
			}
		case <-ctx.Done():
			if r.leave(c) {
				return fmt.Errorf("record: %w", context.Cause(ctx))
			}
		}
	}
}

// expire ends c if its patience is at an end, and says how much is left.
func (r *Recorder[T, R]) expire(c *call[T, R]) time.Duration {
	now := time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	if c.ended {
		return 0
	}
	if left := r.deadline(c).Sub(now); left > 0 {
		return left
	}
	r.lookAround(now) // tells all who wait
	if !c.ended {
		r.giveUp(c)
	}
	return 0
}

// leave says that the caller of c waits no longer; false when c has ended anyway.
func (r *Recorder[T, R]) leave(c *call[T, R]) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if c.ended {
		return false
	}
	r.end(c, nil)
	return true
}

// giveUp ends c because the database does not answer. r.mu is held.
func (r *Recorder[T, R]) giveUp(c *call[T, R]) {
	if r.opts.Spool && !c.stay {
		c.spool = true
		r.spooling++
		r.end(c, nil)
		return
	}
	err := ErrAway
	if r.breaker.cause != nil {
		err = fmt.Errorf("%w: %w", ErrAway, r.breaker.cause)
	}
	r.end(c, err)
}

// end ends c, complete or not. r.mu is held.
func (r *Recorder[T, R]) end(c *call[T, R], err error) {
	r.waiting -= len(c.items) - len(c.results)
	c.err = err
	if err != nil {
		c.results = nil
	}
	// The items are not read any more: they are the caller's.
	c.ended, c.items, c.flight = true, nil, nil
	close(c.done)
}

// spool brings items into the journal.
func (r *Recorder[T, R]) spool(ctx context.Context, items []T) error {
	var s scratch
	err := r.opts.Journal.AppendSync(ctx, encode(&s, r.opts.Encode, SourceEvent, items)...)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.spooling--; r.closing {
		r.signal()
	}
	return err
}
