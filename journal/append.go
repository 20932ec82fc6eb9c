package journal

import (
	"context"
	"fmt"
	"sync"
)

// Append writes records with one write to the file: when it returns they
// survive the death of the process, and within SyncInterval that of the
// machine. All are kept or, with an error, none (a crash within the call may
// keep some). urgent records may use the reserve. It copies what it keeps.
func (j *Journal) Append(urgent bool, records ...[]byte) error {
	return j.append(urgent, records, nil)
}

// waiter is an AppendSync that waits for its fsync.
type waiter struct {
	segment *segment
	done    chan error
}

// AppendSync returns when the records are on disk; those who wait at the same
// time share an fsync. With the error of ctx or of the fsync the records may be
// kept, and read, all the same.
func (j *Journal) AppendSync(ctx context.Context, records ...[]byte) error {
	if err := context.Cause(ctx); err != nil {
		return fmt.Errorf("append to the journal: %w", err)
	}
	if len(records) == 0 {
		return nil
	}
	w := &waiter{done: make(chan error, 1)}
	if err := j.append(false, records, w); err != nil {
		return err
	}
	signal(j.syncs)
	select {
	case err := <-w.done:
		return err
	case <-ctx.Done():
		return fmt.Errorf("append to the journal: %w", context.Cause(ctx))
	}
}

// signal tells whoever waits, or will.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

func (j *Journal) append(urgent bool, records [][]byte, w *waiter) error {
	if len(records) == 0 {
		return nil
	}
	f, err := frameRecords(records)
	if err != nil {
		return err
	}
	defer f.release()

	j.mu.Lock()
	first, err := j.keep(urgent, f, w)
	j.mu.Unlock()
	switch {
	case err == nil:
		if first {
			j.settled("append")
		}
		signal(j.wake)
		return nil
	case first:
		j.warn("append", "the journal cannot be written", err)
	}
	return fmt.Errorf("append to the journal: %w", err)
}

// keep writes to the active segment. first says that it has gone wrong, or well
// again, for the first time. j.mu is held.
func (j *Journal) keep(urgent bool, f *framed, w *waiter) (first bool, err error) {
	n := int64(len(f.buf))
	limit := j.opts.MaxBytes
	if urgent {
		limit += j.opts.Reserve
	}
	switch {
	case j.closed:
		return false, ErrClosed
	case n > limit:
		return false, fmt.Errorf("%w: %d bytes, and all of it holds %d", ErrTooLarge, n, limit)
	case j.waiting+n > limit:
		return false, ErrFull
	}
	s, err := j.room(n)
	if err == nil {
		f.place(s.salt, s.end)
		err = j.put(s, f.buf)
	}
	if err != nil {
		first = j.appendErr == nil
		j.appendErr = err
		return first, err
	}
	first = j.appendErr != nil
	j.appendErr = nil
	s.end += n
	s.records += int64(len(f.starts))
	j.records += int64(len(f.starts))
	j.waiting += n
	if w != nil {
		w.segment = s
		j.waiters = append(j.waiters, w)
	}
	return first, nil
}

// room returns the active segment, a new one if n bytes more were too many.
// j.mu is held.
func (j *Journal) room(n int64) (*segment, error) {
	old := j.active
	if old != nil && (old.end+n <= j.opts.SegmentBytes || old.end == headerSize) {
		return old, nil
	}
	if err := j.begin(); err != nil {
		if old != nil {
			return old, nil // too long a file is better than none
		}
		return nil, err
	}
	if old != nil {
		old.sealed = true
		j.retire()
	}
	return j.active, nil
}

// put writes b at the end of s, or leaves s as it was; then b may be
// overwritten. j.mu is held.
func (j *Journal) put(s *segment, b []byte) error {
	n, err := s.file.WriteAt(b, s.end)
	if err == nil {
		return nil
	}
	if terr := s.file.Truncate(s.end); terr != nil {
		// What follows would come after garbage; and what the caller takes for
		// lost should not come back, which zeros see to: they need no space.
		clear(b[:n])
		_, _ = s.file.WriteAt(b[:n], s.end)
		j.seal()
	}
	return fmt.Errorf("write journal file: %w", err)
}

// probe finds out whether a journal that could not be written can be again:
// nobody may dare to append until it is known.
func (j *Journal) probe() {
	j.mu.Lock()
	if j.appendErr == nil || j.closed {
		j.mu.Unlock()
		return
	}
	b := zeroes.Get().(*[]byte)
	s, err := j.room(int64(len(*b)))
	if err == nil {
		if err = j.put(s, *b); err == nil {
			if err = s.file.Truncate(s.end); err != nil {
				j.seal()
			}
		}
	}
	zeroes.Put(b)
	j.appendErr = err
	j.mu.Unlock()
	if err == nil {
		j.settled("append")
		j.opts.Logger.Info("the journal can be written again")
	}
}

// zeroes are what probe writes: to a reader, the end of a file.
var zeroes = sync.Pool{New: func() any { b := make([]byte, 64<<10); return &b }}
