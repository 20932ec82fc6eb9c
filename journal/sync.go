package journal

import (
	"fmt"
	"os"
	"time"

	"go.uber.org/zap"
)

// keepSynced brings to the disk what was appended: at once what somebody waits
// for, the rest each SyncInterval.
func (j *Journal) keepSynced() {
	tick := time.NewTicker(j.opts.SyncInterval)
	defer tick.Stop()
	for {
		select {
		case <-j.syncs:
			j.sync(false)
		case <-tick.C:
			j.sync(true)
			j.syncCheckpoint()
			j.probe()
			j.sweep()
		case <-j.stop:
			j.sync(true)
			return
		}
	}
}

func (j *Journal) syncCheckpoint() {
	j.mu.Lock()
	h := j.home
	j.mu.Unlock()
	if err := h.checkpoint.sync(); err != nil {
		j.warn("checkpoint", "how far the journal was acknowledged cannot be kept", err)
	} else {
		j.settled("checkpoint")
	}
}

// task is one segment to bring to the disk.
type task struct {
	*segment
	file       file // nil: to be opened
	from, upto int64
	rewrite    bool
	err        error
}

// sync is one fsync of each segment that somebody waits for, or of all that is
// neither synced nor done. Whoever comes while it runs has to wait for the next
// one: nobody knows whether his record is in it.
func (j *Journal) sync(all bool) {
	j.mu.Lock()
	waiters := j.waiters
	j.waiters = nil
	tasks := j.syncTasks(all, waiters)
	created, removed := j.created, j.removed && all
	j.created, j.removed = false, j.removed && !all
	folder := j.home.path
	j.mu.Unlock()
	if len(waiters) == 0 && !all {
		return
	}
	for i := range tasks {
		tasks[i].err = j.syncTask(&tasks[i])
	}
	var folderErr error
	if created || removed {
		folderErr = j.disk.SyncDir(folder)
	}
	errs, healed := j.synced(tasks, folderErr, created)
	for _, w := range waiters {
		err := folderErr
		if e, ok := errs[w.segment]; ok {
			err = e
		}
		if err != nil {
			err = fmt.Errorf("bring the journal to the disk: %w", err)
		}
		w.done <- err
	}
	if healed {
		j.settled("sync")
	}
}

// syncTasks lists what there is to do. j.mu is held.
func (j *Journal) syncTasks(all bool, waiters []*waiter) []task {
	var tasks []task
	add := func(s *segment) {
		if !s.gone && s.synced < s.end && s.acked < s.end {
			tasks = append(tasks, task{segment: s, file: s.file, from: s.synced, upto: s.end, rewrite: s.suspect})
		}
	}
	if all {
		for _, s := range j.queue {
			add(s)
			if s.sealed && s.synced >= s.end && s.file != nil { // it was synced before it ended
				s.file.Close()
				s.file = nil
			}
		}
		return tasks
	}
	var last *segment
	for _, w := range waiters { // in the order of segments, as they came
		if w.segment != last {
			last = w.segment
			add(last)
		}
	}
	return tasks
}

func (j *Journal) syncTask(t *task) error {
	f := t.file
	if f == nil {
		var err error
		if f, err = j.disk.Open(t.path, true); err != nil {
			return err
		}
		defer f.Close()
	}
	if t.rewrite {
		if err := rewrite(f, t.from, t.upto); err != nil {
			return err
		}
	}
	return f.Sync()
}

// rewrite writes once more what an fsync could not bring to the disk: after its
// failure the system takes the pages for clean, and the next fsync would report
// a success that is none.
func rewrite(f file, from, upto int64) error {
	var buf []byte
	for at := from; at < upto; at += int64(len(buf)) {
		var err error
		if buf, err = fill(f, buf, at, min(chunk, upto-at)); err != nil {
			return err
		}
		if _, err = f.WriteAt(buf, at); err != nil {
			return err
		}
	}
	return nil
}

// synced takes down what came of tasks, and returns the errors of those that
// failed.
func (j *Journal) synced(tasks []task, folderErr error, created bool) (errs map[*segment]error, healed bool) {
	j.mu.Lock()
	failed := folderErr
	for i := range tasks {
		t := &tasks[i]
		switch s := t.segment; {
		case t.err == nil:
			s.synced, s.suspect = max(s.synced, t.upto), false
			if s.sealed && s.synced >= s.end && s.file != nil && !s.gone {
				s.file.Close()
				s.file = nil
			}
		case s.gone || os.IsNotExist(t.err): // done meanwhile; the reader tells if not
		default:
			failed = t.err
			if errs == nil {
				errs = make(map[*segment]error)
			}
			errs[s] = t.err
			s.suspect = true
			if s == j.active {
				j.seal()
			}
			if s.file != nil {
				s.file.Close()
				s.file = nil
			}
		}
	}
	if folderErr != nil {
		j.created = j.created || created
	}
	if failed == nil && j.syncErr != nil && !j.anySuspect() && !j.created {
		j.syncErr, healed = nil, true
	}
	if failed != nil {
		j.syncErr = failed
	}
	j.mu.Unlock()
	if failed != nil {
		j.warn("sync", "the journal cannot be brought to the disk; what was appended is kept as long as the machine runs",
			failed, zap.Int("files", len(errs)))
	}
	return errs, healed
}

// anySuspect reports whether an fsync failed that has not been made good. j.mu
// is held.
func (j *Journal) anySuspect() bool {
	for _, s := range j.queue {
		if s.suspect {
			return true
		}
	}
	return false
}
