package journal

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"
)

// keepHouse looks for folders of the dead, and after the own one.
func (j *Journal) keepHouse() {
	tick := time.NewTicker(j.opts.TakeOverInterval)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			j.moveOut()
		case <-j.poke:
		case <-j.stop:
			return
		}
		j.takeOver()
	}
}

// takeOver makes the files of all dead instances ours.
func (j *Journal) takeOver() {
	entries, err := os.ReadDir(j.dir)
	if err != nil {
		j.warn("take over", "journals of ended processes cannot be looked for", err)
		return
	}
	j.mu.Lock()
	own := filepath.Base(j.home.path)
	j.mu.Unlock()
	for _, e := range entries {
		if !e.IsDir() || !strings.HasPrefix(e.Name(), homePrefix) || e.Name() == own {
			continue
		}
		folder := filepath.Join(j.dir, e.Name())
		if newborn(folder) {
			continue
		}
		lock, err := lockFolder(folder)
		switch {
		case errors.Is(err, errLocked) || os.IsNotExist(err):
			continue // alive, or somebody else does it
		case err == nil:
			err = j.inherit(lock)
		}
		if err != nil {
			j.warn(e.Name(), "the journal of an ended process cannot be taken over", err, zap.String("folder", e.Name()))
		}
	}
}

// birth is longer than it takes to lock a new folder.
const birth = 10 * time.Second

// newborn reports whether somebody may be about to lock a folder. One that has
// its checkpoint was locked before, and one without it has nothing to take, so
// that nothing waits longer for this: it is only tidied away later.
func newborn(folder string) bool {
	entries, err := os.ReadDir(folder)
	if err != nil || slices.ContainsFunc(entries, func(e os.DirEntry) bool { return e.Name() != lockName }) {
		return false
	}
	info, err := os.Stat(folder)
	return err == nil && time.Since(info.ModTime()).Abs() < birth
}

// inherit moves the files of a dead instance into our folder. Each file is in
// one of both at any moment, and its name says what the dead one's checkpoint
// said, so a crash in between loses nothing; the next one takes over both.
func (j *Journal) inherit(lock *folderLock) error {
	files, others, err := listSegments(lock.folder)
	if err != nil {
		lock.release()
		return err
	}
	done := readCheckpoint(j.disk, filepath.Join(lock.folder, checkpointName))
	var taken []*segment
	var bytes int64
	for _, s := range files {
		if s.seq == done.seq {
			s.acked = max(s.acked, done.offset)
		}
		ferr := j.look(s)
		switch {
		case ferr != nil:
		case s.acked >= s.end:
			ferr = j.disk.Remove(s.path)
		default:
			if ferr = j.move(s); ferr == nil {
				taken = append(taken, s)
				bytes += s.end - s.acked
			}
		}
		err = errors.Join(err, ferr) // the others are none the worse for it
	}
	if len(taken) > 0 {
		j.adopt(taken, bytes)
		j.opts.Logger.Info("the journal of an ended process was taken over",
			zap.String("folder", filepath.Base(lock.folder)), zap.Int("files", len(taken)), zap.Int64("bytes", bytes))
		// Before its checkpoint goes.
		err = errors.Join(err, j.disk.SyncDir(j.home.path), j.disk.SyncDir(lock.folder))
	}
	if err != nil || others > 0 {
		lock.release()
		return err
	}
	return lock.removeFolder(j.disk)
}

// listSegments returns the segments of a folder in their order, and how many
// files there are besides that are not known.
func listSegments(folder string) (files []*segment, others int, err error) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil, 0, err
	}
	for _, e := range entries {
		seq, start, salt, ok := parseSegmentName(e.Name())
		switch {
		case ok && e.Type().IsRegular():
			start = max(start, headerSize)
			files = append(files, &segment{
				seq: seq, path: filepath.Join(folder, e.Name()), salt: salt,
				acked: start, named: start, synced: start, sealed: true,
			})
		case e.Name() != lockName && e.Name() != checkpointName:
			others++
		}
	}
	slices.SortFunc(files, func(a, b *segment) int { return cmp.Compare(a.seq, b.seq) })
	return files, others, nil
}

// look finds out how long a segment is and whether we can read it.
func (j *Journal) look(s *segment) error {
	var err error
	if s.end, err = j.disk.Size(s.path); err != nil {
		return err
	}
	if s.end < headerSize {
		return nil // its maker died over it
	}
	f, err := j.disk.Open(s.path, false)
	if err != nil {
		return err
	}
	defer f.Close()
	h := make([]byte, headerSize)
	if _, err := f.ReadAt(h, 0); err != nil {
		return fmt.Errorf("read the header of %s: %w", filepath.Base(s.path), err)
	}
	salt, err := parseHeader(h)
	switch {
	case err == nil:
		s.salt = salt
	case errors.Is(err, errVersion):
		return err // left to whoever knows it
	default:
		// The name has the salt, so all of the rest can be read.
		j.opts.Logger.Warn("the header of a journal file is damaged", zap.String("file", s.path))
	}
	return nil
}

// move gives a segment a name in our folder.
func (j *Journal) move(s *segment) error {
	j.mu.Lock()
	seq := j.nextSeq
	j.nextSeq++
	to := filepath.Join(j.home.path, segmentName(seq, s.acked, s.salt))
	j.mu.Unlock()
	if err := j.disk.Rename(s.path, to); err != nil {
		return err
	}
	s.seq, s.path, s.named, s.synced = seq, to, s.acked, s.acked
	return nil
}

// adopt puts segments that are in our folder into the queue. The active one
// ends, so that they do not come after what is still to be written.
func (j *Journal) adopt(taken []*segment, bytes int64) {
	j.mu.Lock()
	j.seal()
	for _, s := range taken {
		j.enqueue(s)
	}
	j.takenOver += bytes
	j.mu.Unlock()
	signal(j.wake)
}

// moveOut makes a new folder when somebody removed ours: what is appended to
// files without a name would be lost.
func (j *Journal) moveOut() {
	j.mu.Lock()
	old := j.home
	j.mu.Unlock()
	if old.lock.held() {
		return
	}
	h, err := newHome(j.dir, j.disk)
	if err != nil && os.IsNotExist(err) {
		if err = os.MkdirAll(j.dir, 0o700); err == nil {
			h, err = newHome(j.dir, j.disk)
		}
	}
	j.mu.Lock()
	j.seal()
	if err == nil {
		j.home = h
	} else {
		j.appendErr = err
	}
	j.mu.Unlock()
	if err != nil {
		j.warn("folder", "the journal's folder was removed and cannot be made again", err)
		return
	}
	j.settled("folder")
	j.opts.Logger.Error("the journal's folder was removed; a new one was made, what waited in the old one may be lost",
		zap.String("folder", filepath.Base(old.path)))
	old.checkpoint.close()
	old.lock.release()
}
