package journal

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"go.uber.org/zap"
)

// Batch is some records in a row.
type Batch struct {
	// Records are valid until the next call of Next or TryNext.
	Records [][]byte

	segment *segment
	end     int64 // in the segment
	records int64 // of the segment, up to the end
}

// reader is where the one reader is. Journal.reading guards it.
type reader struct {
	segment  *segment // nil: the next one after order
	order    uint64
	file     file // nil: not yet opened
	pos      int64
	records  int64 // of the segment, before pos
	failures int   // to read at pos, in a row
	buf      []byte
	found    [][]byte
}

const (
	defaultBatch      = 1000
	defaultBatchBytes = 1 << 20
	// keptBuffer bounds what is kept of the buffer that a large record needed.
	keptBuffer = 4 << 20
	// maxFailures is how often the same place is read before it is given up.
	maxFailures = 3
)

// Next waits for records that were not read yet, and returns at most limit of
// them, together about size bytes, but at least one. The error is ctx's,
// ErrClosed, or that of a file that cannot be read at present; a place that
// cannot be read three times is set aside, like damage.
func (j *Journal) Next(ctx context.Context, limit, size int) (Batch, error) {
	for {
		b, err := j.TryNext(limit, size)
		if err != nil || len(b.Records) > 0 {
			return b, err
		}
		select {
		case <-j.wake:
		case <-ctx.Done():
			return Batch{}, fmt.Errorf("read the journal: %w", context.Cause(ctx))
		case <-j.stop:
			return Batch{}, ErrClosed
		}
	}
}

// TryNext is Next that does not wait: the batch is empty when there is nothing.
func (j *Journal) TryNext(limit, size int) (Batch, error) {
	if limit <= 0 {
		limit = defaultBatch
	}
	if size <= 0 {
		size = defaultBatchBytes
	}
	j.reading.Lock()
	defer j.reading.Unlock()
	for {
		end, ok, err := j.locate()
		if err != nil || !ok {
			return Batch{}, err
		}
		r := &j.reader
		if cap(r.buf) > max(keptBuffer, 2*size) {
			r.buf = nil
		}
		clear(r.found)
		var next int64
		next, r.buf, r.found, err = readRecords(r.file, r.segment.salt, r.pos, end, r.buf, r.found[:0], limit, size)
		switch {
		case err == nil:
			r.pos, r.failures = next, 0
			r.records += int64(len(r.found))
			return Batch{Records: r.found, segment: r.segment, end: next, records: r.records}, nil
		case errors.Is(err, errBroken):
			err = j.skip(end)
		}
		if err != nil {
			if err = j.unreadable(end, err); err != nil {
				return Batch{}, err
			}
		}
	}
}

// locate makes the reader stand before records that end at end.
func (j *Journal) locate() (end int64, ok bool, err error) {
	r := &j.reader
	for {
		j.mu.Lock()
		if j.closed {
			j.mu.Unlock()
			return 0, false, ErrClosed
		}
		if r.segment == nil {
			for _, s := range j.queue {
				if s.order > r.order {
					r.segment, r.order, r.pos, r.records = s, s.order, s.acked, s.ackedRecords
					break
				}
			}
		}
		s := r.segment
		if s == nil {
			j.mu.Unlock()
			return 0, false, nil
		}
		end, sealed := s.end, s.sealed
		j.mu.Unlock()
		switch {
		case r.pos < end:
			if r.file == nil {
				r.file, err = j.disk.Open(s.path, false)
			}
			if os.IsNotExist(err) {
				j.setAside(end, err)
				j.giveUp(end)
				err = nil
				continue
			}
			if err != nil {
				return 0, false, fmt.Errorf("read the journal: %w", err)
			}
			return end, true, nil
		case !sealed:
			return 0, false, nil
		}
		r.leave()
	}
}

// leave goes on to the next segment.
func (r *reader) leave() {
	if r.file != nil {
		r.file.Close()
	}
	r.segment, r.file, r.failures = nil, nil, 0
}

// skip goes to the next sound record.
func (j *Journal) skip(end int64) error {
	r := &j.reader
	next, torn, err := resync(r.file, r.segment.salt, r.pos, end)
	switch {
	case err != nil:
		return err
	case next == r.pos:
		return errBroken
	}
	// Nobody died over a file that this instance wrote.
	if !torn || r.segment.own {
		j.setAside(next, errBroken)
	}
	if next < end {
		r.pos, r.failures = next, 0
		return nil
	}
	j.giveUp(end)
	return nil
}

// unreadable counts failures, and gives the rest of the file up after several.
func (j *Journal) unreadable(end int64, err error) error {
	r := &j.reader
	if r.failures++; r.failures < maxFailures {
		return fmt.Errorf("read the journal: %w", err)
	}
	j.setAside(end, err)
	j.giveUp(end)
	return nil
}

// setAside counts what stands from the reader's place to upto as damaged, and
// keeps the file under another name for whoever wants to look into it.
func (j *Journal) setAside(upto int64, reason error) {
	r := &j.reader
	s := r.segment
	name := filepath.Base(filepath.Dir(s.path)) + "-" + filepath.Base(s.path) + ".damaged"
	aside := filepath.Join(j.dir, name)
	err := j.disk.Link(s.path, aside)
	j.mu.Lock()
	j.corrupt += upto - r.pos
	if err != nil && !os.IsExist(err) && !os.IsNotExist(err) {
		s.aside = aside // no links on this disk: it will be renamed when it is done
	}
	j.mu.Unlock()
	j.opts.Logger.Error("a journal file is damaged; what is sound in it is read, and the file is kept",
		zap.String("file", aside), zap.Int64("offset", r.pos), zap.Int64("bytes", upto-r.pos), zap.NamedError("reason", reason))
}

// giveUp takes what stands from the reader's place to end for nothing.
func (j *Journal) giveUp(end int64) {
	r := &j.reader
	s := r.segment
	j.mu.Lock()
	if s == j.active {
		s.sealed = true
		j.active = nil
	}
	if s.end == end && !s.gone {
		s.end = max(r.pos, s.acked)
		j.waiting -= end - s.end
	}
	j.retire()
	j.mu.Unlock()
	r.pos, r.failures = end, 0
	j.sweep()
}
