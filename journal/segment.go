package journal

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
)

// segment is one file of the journal. Its fields are guarded by Journal.mu.
type segment struct {
	order uint64 // in the queue
	seq   uint64 // in the folder
	path  string
	salt  uint32

	acked  int64 // everything before it is done; the checkpoint's, or the name's
	named  int64 // acked as the name has it
	synced int64 // everything before it is on the disk
	end    int64 // everything before it is complete

	own          bool // written by this instance, so records are known
	records      int64
	ackedRecords int64

	file    file   // for writing and fsync; nil once that is done
	sealed  bool   // nothing is appended any more
	suspect bool   // an fsync failed: what is not synced has to be written once more
	gone    bool   // no longer in the queue
	aside   string // where to keep it, for it is damaged, instead of removing it
}

// A segment's name holds what must not get lost when it is renamed into
// another folder: from where on it is to be read, and the salt, in case that
// the header is damaged.
func segmentName(seq uint64, start int64, salt uint32) string {
	return fmt.Sprintf("%016d-%d-%08x%s", seq, start, salt, segmentSuffix)
}

const segmentSuffix = ".seg"

func parseSegmentName(name string) (seq uint64, start int64, salt uint32, ok bool) {
	n, err := fmt.Sscanf(name, "%d-%d-%x"+segmentSuffix, &seq, &start, &salt)
	return seq, start, salt, err == nil && n == 3 && start >= 0 && name == segmentName(seq, start, salt)
}

// random32 cannot be guessed by who writes records.
func random32() uint32 {
	var b [4]byte
	_, _ = rand.Read(b[:]) // it never fails
	return binary.LittleEndian.Uint32(b[:])
}

// begin makes the next segment the active one. j.mu is held.
func (j *Journal) begin() error {
	s := &segment{
		seq: j.nextSeq, salt: random32(), own: true,
		acked: headerSize, named: headerSize, end: headerSize, synced: headerSize,
	}
	s.path = filepath.Join(j.home.path, segmentName(s.seq, headerSize, s.salt))
	f, err := j.disk.Create(s.path)
	if err != nil {
		return fmt.Errorf("begin journal file: %w", err)
	}
	j.nextSeq++
	if _, err = f.WriteAt(newHeader(s.salt), 0); err != nil {
		f.Close()
		_ = j.disk.Remove(s.path)
		return fmt.Errorf("begin journal file: %w", err)
	}
	s.file = f
	j.active, j.created = s, true
	j.enqueue(s)
	return nil
}

// enqueue adds a segment, after all that there are. j.mu is held.
func (j *Journal) enqueue(s *segment) {
	j.lastOrder++
	s.order = j.lastOrder
	j.queue = append(j.queue, s)
	j.waiting += s.end - s.acked
}

// seal ends the active segment, if there is one. j.mu is held.
func (j *Journal) seal() {
	if s := j.active; s != nil {
		s.sealed = true
		j.active = nil
		j.retire()
	}
}

// retire takes the segments that are done out of the queue; sweep removes
// them. j.mu is held.
func (j *Journal) retire() {
	for len(j.queue) > 0 {
		s := j.queue[0]
		if !s.sealed || s.acked < s.end {
			return
		}
		s.gone = true
		if s.own {
			j.records -= s.records - s.ackedRecords
		}
		j.queue[0] = nil
		j.queue = j.queue[1:]
		j.rubbish = append(j.rubbish, s)
	}
}

// sweep removes the files of segments that are done. What cannot be removed is
// tried again: until then a restart would read it once more.
func (j *Journal) sweep() {
	j.mu.Lock()
	rubbish := j.rubbish
	j.rubbish = nil
	for _, s := range rubbish {
		if s.file != nil { // under the lock: what is synced just now looks at it, too
			s.file.Close()
			s.file = nil
		}
	}
	j.mu.Unlock()
	var left []*segment
	removed := false
	for _, s := range rubbish {
		var err error
		if s.aside != "" {
			err = j.disk.Rename(s.path, s.aside)
		} else {
			err = j.disk.Remove(s.path)
		}
		switch {
		case err == nil:
			removed = true
		case !os.IsNotExist(err):
			left = append(left, s)
			j.warn("remove", "a journal file that is done cannot be removed", err)
		}
	}
	if len(left) == 0 && !removed {
		return
	}
	j.mu.Lock()
	j.rubbish = append(j.rubbish, left...)
	j.removed = j.removed || removed
	j.mu.Unlock()
}
