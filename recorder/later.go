package recorder

import (
	"fmt"
	"time"
)

// scratch holds records that are on their way into the journal.
type scratch struct {
	buf     []byte
	ends    []int
	records [][]byte
}

// maxScratch is how large a buffer is kept for the next one.
const maxScratch = 64 << 10

// encode returns the records of items. They are valid until s is reset.
func encode[T any](s *scratch, form func([]byte, Source, T) []byte, source Source, items []T) [][]byte {
	for _, item := range items {
		s.buf = form(s.buf, source, item)
		s.ends = append(s.ends, len(s.buf))
	}
	start := 0
	for _, end := range s.ends {
		s.records = append(s.records, s.buf[start:end])
		start = end
	}
	return s.records
}

func (s *scratch) reset() {
	s.buf, s.ends = s.buf[:0], s.ends[:0]
	clear(s.records)
	s.records = s.records[:0]
}

// Later hands over items, outcomes of forwarded messages, and returns at once:
// they are in the journal, or in memory where there is none that takes them, and
// the database is tried until it takes them. With an error they will not be
// recorded: ErrQueueFull when neither took them, or ErrClosed.
func (r *Recorder[T, R]) Later(items ...T) error {
	if len(items) == 0 {
		return nil
	}
	var refused error
	if r.opts.Journal != nil {
		if refused = r.journal(SourceOutcome, items); refused == nil {
			return nil
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closing {
		return ErrClosed
	}
	if r.held+len(items) > r.opts.MaxQueue {
		if refused != nil {
			return fmt.Errorf("%w: %w", ErrQueueFull, refused)
		}
		return ErrQueueFull
	}
	r.held += len(items)
	for _, item := range items {
		r.memory = append(r.memory, entry[T]{item: item, source: SourceOutcome})
	}
	if len(r.inflight) < r.opts.Writers {
		r.signal()
	}
	return nil
}

// journal brings items into the journal, urgently.
func (r *Recorder[T, R]) journal(source Source, items []T) error {
	s := r.scratch.Get().(*scratch)
	err := r.opts.Journal.Append(true, encode(s, r.opts.Encode, source, items)...)
	if s.reset(); cap(s.buf) <= maxScratch {
		r.scratch.Put(s)
	}
	return err
}

// Ready reports whether what is told with Later is safe at present. It is to be
// asked before a message is forwarded. The error is ErrNotReady: the database is
// away and the journal is full or broken, or the memory for outcomes is used up.
func (r *Recorder[T, R]) Ready() error {
	if r.opts.Journal == nil || !r.cut() {
		return r.roomy()
	}
	switch s := r.opts.Journal.Stats(); {
	case s.Err != nil:
		return fmt.Errorf("%w: the database is away and the local journal is broken: %w", ErrNotReady, s.Err)
	case s.UrgentFull:
		return fmt.Errorf("%w: the database is away and the local journal is full", ErrNotReady)
	}
	return nil
}

// roomy reports whether memory has room for outcomes that come soon.
func (r *Recorder[T, R]) roomy() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closing {
		return fmt.Errorf("%w: %w", ErrNotReady, ErrClosed)
	}
	if r.held >= r.opts.MaxQueue {
		return fmt.Errorf("%w: %w", ErrNotReady, ErrQueueFull)
	}
	return nil
}

// cut reports whether the database is known to be away.
func (r *Recorder[T, R]) cut() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.knownAway(time.Now())
}
