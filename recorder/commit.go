package recorder

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/genfity/wa-gateway/stats"
	"go.uber.org/zap"
)

// part is what a batch holds of one call, or one outcome. Parts are what can be
// tried apart.
type part struct {
	call   *call // nil for an outcome
	events []stats.Event
}

// run owns all transactions: one after another, so that those who come in the
// meantime gather for the next.
func (r *Recorder) run(ctx context.Context) {
	defer close(r.done)
	defer r.abandon()
	for ctx.Err() == nil {
		parts, wait := r.take(time.Now())
		switch {
		case len(parts) > 0:
			r.settle(r.commit(ctx, parts))
			r.committed = time.Now()
			continue
		case wait < 0:
			return
		}
		var retry <-chan time.Time
		if wait > 0 {
			retry = time.After(wait)
		}
		select {
		case <-ctx.Done():
			return
		case <-r.wake:
		case <-retry:
		}
	}
}

// take makes up the next batch. Without one, wait says how long nothing can be
// done unless something comes in: 0 for ever, negative when all is done.
func (r *Recorder) take(now time.Time) (parts []part, wait time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	outcomes := len(r.outcomes)
	due := r.retryAt
	if len(r.calls) == 0 && outcomes < r.opts.MaxBatch && !r.closing {
		// Nobody waits for outcomes: a moment's patience makes one commit of many.
		if paced := r.committed.Add(r.opts.OutcomeInterval); paced.After(due) {
			due = paced
		}
	}
	if wait = due.Sub(now); wait > 0 {
		outcomes = 0
	}
	// Neither calls nor outcomes can keep the others from their turn.
	room := r.opts.MaxBatch
	if len(r.calls) > 0 {
		outcomes = min(outcomes, max(room/2, 1))
	}
	outcomes = min(outcomes, room)
	for i := range outcomes {
		// The capacity is cut, or appending to one would overwrite the next.
		parts = append(parts, part{events: r.outcomes[i : i+1 : i+1]})
	}
	r.outcomes = r.outcomes[outcomes:]
	room = max(room-outcomes, 1)

	for len(r.calls) > 0 && room > 0 {
		c := r.calls[0]
		r.calls[0] = nil
		r.calls = r.calls[1:]
		if c.gone {
			continue
		}
		done := len(c.results)
		n := min(len(c.events)-done, room)
		room -= n
		// A copy: the caller may give up and change its events meanwhile.
		parts = append(parts, part{c, append([]stats.Event(nil), c.events[done:done+n]...)})
	}
	if len(parts) > 0 {
		return parts, 0
	}
	switch {
	case len(r.outcomes) > 0:
		return nil, max(wait, 1)
	case r.closing:
		return nil, -1
	}
	return nil, 0
}

// result is what became of a part.
type result struct {
	part
	recorded []stats.Recorded
	err      error
}

// commit brings parts into the ledger, together if possible.
func (r *Recorder) commit(ctx context.Context, parts []part) []result {
	var events []stats.Event
	if len(parts) == 1 {
		events = parts[0].events
	} else {
		for _, p := range parts {
			events = append(events, p.events...)
		}
	}
	bounded, cancel := context.WithTimeout(ctx, r.opts.Timeout)
	recorded, err := r.opts.Ledger.Record(bounded, events)
	cancel()

	switch {
	case err != nil && ctx.Err() != nil:
		err = ErrClosed
	case err == nil && len(recorded) != len(events):
		err = errResults
	}
	if err != nil && len(parts) > 1 && !r.away(err) {
		half := len(parts) / 2
		return append(r.commit(ctx, parts[:half]), r.commit(ctx, parts[half:])...)
	}
	results := make([]result, len(parts))
	for i, p := range parts {
		results[i] = result{part: p, err: err}
		if err == nil {
			results[i].recorded, recorded = recorded[:len(p.events)], recorded[len(p.events):]
		}
	}
	return results
}

// errResults would be a defect of the ledger.
var errResults = errors.New("the ledger has not told what became of each event")

// away reports whether err says nothing about the events themselves.
func (r *Recorder) away(err error) bool {
	return errors.Is(err, ErrClosed) || errors.Is(err, context.DeadlineExceeded) || r.opts.Unavailable(err)
}

// settle tells the callers, and keeps the outcomes that have to be tried again.
func (r *Recorder) settle(results []result) {
	var retry []stats.Event
	var refused, lost, away []result

	r.mu.Lock()
	healthy := false
	for _, res := range results {
		healthy = healthy || res.err == nil
		switch {
		case res.call != nil:
			r.answer(res)
		case res.err == nil:
			r.held--
			if res.recorded[0].Err != nil {
				refused = append(refused, res)
			}
		case r.away(res.err):
			retry = append(retry, res.events...)
			away = append(away, res)
		default:
			r.held--
			lost = append(lost, res)
		}
	}
	switch {
	case healthy:
		r.failures, r.retryAt = 0, time.Time{}
	case len(retry) > 0:
		r.retryAt = time.Now().Add(r.backoff())
		r.failures++
	}
	if len(retry) > 0 {
		r.outcomes = append(retry, r.outcomes...)
	}
	pause := time.Until(r.retryAt)
	r.mu.Unlock()

	if len(refused) > 0 {
		r.opts.Logger.Warn("outcomes of forwarded messages were not counted: unknown user or session",
			zap.Int("count", len(refused)), eventFields(refused[0].events[0]), zap.NamedError("reason", refused[0].recorded[0].Err))
	}
	for _, res := range lost {
		r.opts.Logger.Error("the outcome of a forwarded message cannot be recorded and was given up",
			eventFields(res.events[0]), zap.Error(res.err))
	}
	if len(away) > 0 {
		r.opts.Logger.Warn("outcomes of forwarded messages wait for the database",
			zap.Int("count", len(away)), zap.Duration("retry_in", pause), zap.Error(away[0].err))
	}
}

func eventFields(e stats.Event) zap.Field {
	return zap.Dict("message",
		zap.String("user_id", e.UserID), zap.String("session_id", e.SessionID), zap.String("message_id", e.MessageID))
}

// answer passes a result on to its call. r.mu is held.
func (r *Recorder) answer(res result) {
	c := res.call
	if c.gone {
		return
	}
	if res.err != nil {
		c.err = res.err
		r.finish(c)
		return
	}
	c.results = append(c.results, res.recorded...)
	r.waiting -= len(res.recorded)
	if len(c.results) == len(c.events) {
		close(c.done)
		return
	}
	r.calls = append(r.calls, c) // its rest, after those who came meanwhile
}

// finish ends a call that is not complete. r.mu is held.
func (r *Recorder) finish(c *call) {
	r.waiting -= len(c.events) - len(c.results)
	close(c.done)
}

// backoff is the pause after yet another failure: doubled each time, and with
// enough chance in it that many nodes do not come back at the same moment.
func (r *Recorder) backoff() time.Duration {
	pause := min(r.opts.RetryMin<<min(r.failures, 16), r.opts.RetryMax)
	return pause/2 + rand.N(pause/2+1)
}

// abandon answers the calls that are left when Close gives up.
func (r *Recorder) abandon() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closing = true
	for _, c := range r.calls {
		if !c.gone {
			c.err = ErrClosed
			r.finish(c)
		}
	}
	r.calls = nil
}
