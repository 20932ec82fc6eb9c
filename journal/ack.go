package journal

// Ack says that everything that was read up to the end of b is done. Files that
// are done are removed, and the place in the first of the others is kept by the
// checkpoint, so that a process that is killed then reads none of it again.
// With an error (but ErrClosed) b is acknowledged all the same; only after a
// restart some of it may be read again.
func (j *Journal) Ack(b Batch) error {
	if b.segment == nil {
		return nil
	}
	j.reading.Lock()
	defer j.reading.Unlock()
	j.mu.Lock()
	if j.closed {
		j.mu.Unlock()
		return ErrClosed
	}
	if !b.segment.gone {
		j.ackTo(b)
	}
	var p position
	if len(j.queue) > 0 && j.queue[0].acked > j.queue[0].named {
		p = position{j.queue[0].seq, j.queue[0].acked}
	}
	h := j.home
	j.mu.Unlock()

	if r := &j.reader; r.segment != nil && r.segment.gone {
		r.leave()
	}
	var err error
	if p.seq != 0 {
		err = h.checkpoint.write(p)
	}
	j.sweep() // after that, or a crash between would bring back more
	if err != nil {
		j.warn("checkpoint", "how far the journal was acknowledged cannot be kept", err)
	}
	return err
}

// ackTo takes down how far segments are done. j.mu is held.
func (j *Journal) ackTo(b Batch) {
	for _, s := range j.queue {
		if s.order > b.segment.order {
			break
		}
		end, records := s.end, s.records
		if s == b.segment && b.end < s.end { // otherwise the damaged ones are done, too
			end, records = b.end, b.records
		}
		if end > s.acked {
			j.waiting -= end - s.acked
			s.acked = end
		}
		if s.own && records > s.ackedRecords {
			j.records -= records - s.ackedRecords
			s.ackedRecords = records
		}
	}
	if j.waiting == 0 && j.active != nil && j.active.end > idleBytes {
		j.seal()
	}
	j.retire()
}
