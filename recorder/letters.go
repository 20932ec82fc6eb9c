package recorder

import (
	"context"
	"time"

	"go.uber.org/zap"
)

// letter is a dead letter on its way.
type letter[T any] struct {
	DeadLetter[T]
	entry   entry[T] // what is settled when it is stored
	refused bool     // Commit's result refused it, rather than fail
	told    bool     // its caller knows; nothing is lost when it cannot be stored
}

func (e entry[T]) letter(reason error) letter[T] {
	return letter[T]{DeadLetter: DeadLetter[T]{Source: e.source, Item: e.item, Reason: reason.Error()}, entry: e}
}

// keep takes letters for being stored, and returns those that are to be given
// up. r.mu is held.
func (r *Recorder[T, R]) keep(letters []letter[T]) []letter[T] {
	if r.opts.DeadLetter != nil {
		var over []letter[T]
		for _, l := range letters {
			if l.told && len(r.letters) >= r.opts.MaxQueue {
				over = append(over, l)
				continue
			}
			r.letters = append(r.letters, l)
		}
		return over
	}
	r.settleLetters(letters)
	return letters
}

// settleLetters settles what became letters. r.mu is held.
func (r *Recorder[T, R]) settleLetters(letters []letter[T]) {
	for _, l := range letters {
		if !l.told {
			r.finish(l.entry)
		}
	}
}

// giveUpOn logs letters that are kept nowhere.
func (r *Recorder[T, R]) giveUpOn(letters []letter[T]) {
	now := time.Now()
	var refused, poison []letter[T]
	for _, l := range letters {
		switch {
		case l.refused:
			refused = append(refused, l)
		case !l.told:
			poison = append(poison, l)
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(refused) > 0 {
		if n, ok := r.refusals.add(now, len(refused)); ok {
			r.opts.Logger.Warn("what was told was not counted", zap.Int("count", n),
				r.describe(refused[0]), zap.String("reason", refused[0].Reason))
		}
	}
	if len(poison) > 0 {
		if n, ok := r.poisonings.add(now, len(poison)); ok {
			r.opts.Logger.Error("what was told cannot be recorded and was given up", zap.Int("count", n),
				r.describe(poison[0]), zap.String("reason", poison[0].Reason))
		}
	}
}

func (r *Recorder[T, R]) describe(l letter[T]) zap.Field {
	if l.Raw != nil {
		return zap.Int("bytes", len(l.Raw))
	}
	return r.opts.Describe(l.Item)
}

// bury has dead letters stored, beside the transactions: whether that succeeds is
// nothing that those should wait for.
func (r *Recorder[T, R]) bury(now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.buryAt().After(now) {
		return
	}
	r.burying = true
	n := min(len(r.letters), r.opts.MaxBatch)
	letters := append([]letter[T](nil), r.letters[:n]...)
	r.letters = append([]letter[T](nil), r.letters[n:]...)
	r.workers.Go(func() { r.storeLetters(letters) })
}

// buryAt is when dead letters are to be stored. While the database is away they
// are the try if there is nothing else. r.mu is held.
func (r *Recorder[T, R]) buryAt() time.Time {
	switch {
	case len(r.letters) == 0, r.burying:
		return never
	case !r.breaker.away:
		return r.lettersAt
	case len(r.inflight) > 0, len(r.memory) > 0, len(r.loaded) > 0, len(r.calls) > 0:
		return never
	}
	return latest(r.lettersAt, r.breaker.retryAt)
}

func (r *Recorder[T, R]) storeLetters(letters []letter[T]) {
	list := make([]DeadLetter[T], len(letters))
	for i, l := range letters {
		list[i] = l.DeadLetter
	}
	ctx, cancel := context.WithTimeout(r.ctx, r.opts.Timeout)
	err := r.opts.DeadLetter(ctx, list)
	cancel()

	now := time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	defer r.signal()
	r.burying = false
	if err != nil {
		r.letters = append(letters, r.letters...)
		r.lettersAt = now.Add(r.backoff(r.unburied))
		r.unburied++
		if n, ok := r.burials.add(now, 1); ok && r.ctx.Err() == nil {
			r.opts.Logger.Error("dead letters cannot be stored; trying again",
				zap.Int("count", len(letters)), zap.Int("times", n), zap.Error(err))
		}
		return
	}
	r.unburied, r.lettersAt = 0, time.Time{}
	r.answered = now
	r.back()
	r.settleLetters(letters)
	if n, ok := r.poisonings.add(now, len(letters)); ok {
		r.opts.Logger.Warn("what cannot be recorded was put among the dead letters", zap.Int("count", n),
			zap.Stringer("source", letters[0].Source), r.describe(letters[0]), zap.String("reason", letters[0].Reason))
	}
}
