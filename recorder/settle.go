package recorder

import (
	"fmt"
	"slices"
	"time"
)

// settle tells the callers what became of a transaction, and keeps what has to be
// tried again.
func (r *Recorder[T, R]) settle(b *batch[T, R]) {
	now := time.Now()
	r.mu.Lock()
	r.inflight = slices.DeleteFunc(r.inflight, func(other *batch[T, R]) bool { return other == b })
	letters := r.settleEntries(b)
	for _, s := range b.shares {
		letters = append(letters, r.settleShare(b, s, now)...)
	}
	letters = r.keep(letters)
	switch {
	case b.away == nil:
		r.committed = now
		r.limit = min(2*r.limit, r.opts.MaxBatch)
		r.back()
	case r.ctx.Err() == nil:
		if b.timedOut {
			// Perhaps less gets through.
			r.limit = max(r.limit/2, 1)
		}
		r.lost(now, b.away)
	}
	r.mu.Unlock()
	r.giveUpOn(letters)
	r.signal()
}

// settleEntries settles what nobody waits for, and returns what cannot be
// recorded. r.mu is held.
func (r *Recorder[T, R]) settleEntries(b *batch[T, R]) (letters []letter[T]) {
	var memory, loaded []entry[T]
	for i, e := range b.entries {
		o := &b.outcomes[i]
		switch {
		case o.away && e.chunk == nil:
			memory = append(memory, e)
		case o.away:
			r.bytes += e.size
			loaded = append(loaded, e)
		case o.err != nil:
			letters = append(letters, e.letter(o.err))
		default:
			if err := r.opts.Refused(o.result); err != nil {
				l := e.letter(err)
				l.refused = true
				letters = append(letters, l)
				continue
			}
			r.finish(e)
		}
	}
	r.memory = putBack(r.memory, memory, b.timedOut)
	r.loaded = putBack(r.loaded, loaded, b.timedOut)
	return letters
}

// putBack returns list with entries that have to be tried again. If some of them
// make the transaction hang, others have to be tried before them.
func putBack[T any](list, entries []entry[T], hung bool) []entry[T] {
	switch {
	case len(entries) == 0:
		return list
	case hung:
		return append(list, entries...)
	}
	return append(entries, list...)
}

// finish is for an entry that needs no more care. r.mu is held.
func (r *Recorder[T, R]) finish(e entry[T]) {
	if e.chunk != nil {
		e.chunk.left--
	} else {
		r.held--
	}
	r.breaker.drained++
}

// settleShare passes on what became of a part of a call. r.mu is held.
func (r *Recorder[T, R]) settleShare(b *batch[T, R], s share[T, R], now time.Time) (letters []letter[T]) {
	c := s.call
	if c.ended {
		return nil
	}
	c.flight = nil
	var poison error
	for i := s.start; i < s.start+s.n; i++ {
		o := &b.outcomes[i]
		if o.away {
			switch {
			case r.ctx.Err() != nil:
				r.end(c, ErrClosed)
			case r.opts.Spool && !c.stay:
				r.giveUp(c)
			default:
				r.end(c, o.err)
			}
			return nil
		}
		if o.err != nil {
			poison = fmt.Errorf("%w: %w", ErrPoison, o.err)
			letters = append(letters, letter[T]{
				DeadLetter: DeadLetter[T]{Source: SourceEvent, Item: b.items[i], Reason: o.err.Error()},
				entry:      entry[T]{source: SourceEvent}, told: true,
			})
			if r.opts.Poison != nil {
				o.result = r.opts.Poison(o.err)
			}
		}
	}
	if poison != nil && r.opts.Poison == nil {
		r.end(c, poison)
		return letters
	}
	for i := s.start; i < s.start+s.n; i++ {
		c.results = append(c.results, b.outcomes[i].result)
	}
	r.waiting -= s.n
	if len(c.results) == len(c.items) {
		r.end(c, nil)
		return letters
	}
	c.since = now
	r.calls = append(r.calls, c) // its rest, after those who came meanwhile
	return letters
}
