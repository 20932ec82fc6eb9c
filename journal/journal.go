// Package journal keeps records on local disk until they are done: what was
// appended survives the death of the process at once, and that of the machine
// as soon as it is synced. It knows nothing of what the records mean.
//
// Each live instance has a folder of its own in a common one, and holds a lock
// in it. A folder without its lock belongs to the dead, and its files are taken
// over by whoever comes first. Records are read at least once: those that were
// read and not acknowledged before a crash come again.
package journal

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"go.uber.org/zap"
)

var (
	// ErrFull means that as much as Options.MaxBytes allows is waiting.
	ErrFull = errors.New("the journal is full")
	// ErrClosed means that the journal is closed.
	ErrClosed = errors.New("the journal is closed")
	// ErrTooLarge means that a record is larger than MaxRecord.
	ErrTooLarge = errors.New("the record is too large for the journal")
)

// Defaults of Options.
const (
	DefaultMaxBytes         = 1 << 30
	DefaultSegmentBytes     = 8 << 20
	DefaultSyncInterval     = time.Second
	DefaultTakeOverInterval = 30 * time.Second
)

// idleBytes is how long the active segment may be when all of it is done.
const idleBytes = 64 << 10

// fullMargin is how little room counts as none in Stats.
const fullMargin = 64 << 10

// Options configure a Journal. Only Dir is required.
type Options struct {
	// Dir is the folder in which this and other processes (and instances in
	// this process) keep journals of one purpose and one database; each has a
	// folder of its own in it.
	Dir string
	// MaxBytes bounds what is not yet acknowledged. What is taken over counts,
	// but is taken over even if it is more.
	MaxBytes int64
	// Reserve is how much more urgent records may use; 0 means an eighth of
	// MaxBytes, less than 0 nothing.
	Reserve int64
	// SegmentBytes is when the next file is begun.
	SegmentBytes int64
	// SyncInterval is how often appended records that nobody waited for are
	// brought to the disk. Those that are done by then never are.
	SyncInterval time.Duration
	// TakeOverInterval is how often Dir is looked through for folders of the
	// dead. It is also done by Open.
	TakeOverInterval time.Duration
	Logger           *zap.Logger
}

// Stats tell what waits.
type Stats struct {
	Dir      string // the folder in which each instance has its own
	Records  int64  // appended by this instance and not acknowledged; those taken over count in Bytes only
	Bytes    int64  // not acknowledged
	MaxBytes int64
	Files    int
	// Full means that records that are not urgent are refused, or will be within
	// 64 KiB (of a small journal, a sixteenth); UrgentFull that all are.
	Full, UrgentFull bool
	// Err is why the last append or sync failed; nil after a success. The
	// journal tries by itself, so it heals without anybody appending.
	Err       error
	Corrupt   int64 // damaged bytes that were set aside
	TakenOver int64 // bytes of the dead
}

// Journal is a log of records on local disk. Append, AppendSync, Stats and Close
// may be called by many goroutines; there is one reader.
type Journal struct {
	opts Options
	dir  string // absolute
	disk disk

	wake  chan struct{} // something was appended
	syncs chan struct{} // somebody waits for an fsync
	poke  chan struct{} // somebody left a folder
	stop  chan struct{}
	tasks sync.WaitGroup

	closing  sync.Once
	closeErr error
	warned   sync.Map // complaint → its last error, see warn

	reading sync.Mutex // before mu
	reader  reader

	mu        sync.Mutex
	home      *home
	closed    bool
	queue     []*segment // in the order of reading; the active one is the last
	active    *segment   // nil: the next append begins one
	nextSeq   uint64
	lastOrder uint64
	waiting   int64
	records   int64
	appendErr error
	syncErr   error
	corrupt   int64
	takenOver int64
	waiters   []*waiter
	rubbish   []*segment
	created   bool // names that no fsync of the folder has covered yet
	removed   bool
}

// Open starts a journal with a folder of its own, and takes over those of the
// dead. It has to be closed.
func Open(o Options) (*Journal, error) { return open(o, osDisk{}) }

func open(o Options, d disk) (*Journal, error) {
	setDefault(&o.MaxBytes, DefaultMaxBytes)
	setDefault(&o.SegmentBytes, DefaultSegmentBytes)
	setDefault(&o.SyncInterval, DefaultSyncInterval)
	setDefault(&o.TakeOverInterval, DefaultTakeOverInterval)
	switch {
	case o.Reserve == 0:
		o.Reserve = o.MaxBytes / 8
	case o.Reserve < 0:
		o.Reserve = 0
	}
	if o.Logger == nil {
		o.Logger = zap.NewNop()
	}
	if o.Dir == "" {
		return nil, errors.New("open journal: no folder given")
	}
	dir, err := filepath.Abs(o.Dir)
	if err == nil {
		err = os.MkdirAll(dir, 0o700)
	}
	if err != nil {
		return nil, fmt.Errorf("open journal: %w", err)
	}
	j := &Journal{
		opts: o, dir: dir, disk: d, nextSeq: 1,
		wake: make(chan struct{}, 1), syncs: make(chan struct{}, 1),
		poke: make(chan struct{}, 1), stop: make(chan struct{}),
	}
	if j.home, err = newHome(dir, d); err != nil {
		return nil, fmt.Errorf("open journal: %w", err)
	}
	neighbours.add(j)
	j.takeOver()
	j.tasks.Go(j.keepSynced)
	j.tasks.Go(j.keepHouse)
	return j, nil
}

func setDefault[T int64 | time.Duration](value *T, fallback T) {
	if *value <= 0 {
		*value = fallback
	}
}

// Wake receives when there may be something new to read, for a reader that
// waits for other things as well. Next takes from it too.
func (j *Journal) Wake() <-chan struct{} { return j.wake }

// Stats tells what waits. It does not touch the disk.
func (j *Journal) Stats() Stats {
	j.mu.Lock()
	defer j.mu.Unlock()
	soon := j.waiting + min(fullMargin, j.opts.MaxBytes/16)
	s := Stats{
		Dir:     j.dir,
		Records: j.records, Bytes: j.waiting, MaxBytes: j.opts.MaxBytes, Files: len(j.queue),
		Full: soon > j.opts.MaxBytes, UrgentFull: soon > j.opts.MaxBytes+j.opts.Reserve,
		Err: j.appendErr, Corrupt: j.corrupt, TakenOver: j.takenOver,
	}
	if s.Err == nil {
		s.Err = j.syncErr
	}
	return s
}

// Close brings what was appended to the disk. A journal in which nothing waits
// removes its folder; any other one is left for the next to be opened.
func (j *Journal) Close() error {
	j.closing.Do(func() { j.closeErr = j.close() })
	return j.closeErr
}

func (j *Journal) close() error {
	neighbours.remove(j)
	j.mu.Lock()
	j.closed = true
	j.mu.Unlock()
	close(j.stop)
	j.tasks.Wait()

	j.reading.Lock()
	defer j.reading.Unlock()
	j.reader.leave()
	j.mu.Lock()
	j.seal()
	left, err := len(j.queue), j.syncErr
	for _, s := range j.queue {
		if s.file != nil {
			s.file.Close()
			s.file = nil
		}
	}
	j.mu.Unlock()
	j.sweep()
	if cerr := j.home.checkpoint.sync(); err == nil && cerr != nil && left > 0 {
		err = cerr
	}
	j.home.checkpoint.close()
	if left == 0 && len(j.rubbish) == 0 {
		if rerr := j.home.lock.removeFolder(j.disk); rerr != nil {
			j.warn("remove folder", "the folder of an empty journal cannot be removed", rerr)
		}
		return nil
	}
	j.home.lock.release()
	neighbours.poke(j.dir)
	if err != nil {
		return fmt.Errorf("close journal: %w", err)
	}
	return nil
}

// warn logs a complaint, but the same one only once until it is settled.
func (j *Journal) warn(about, message string, err error, fields ...zap.Field) {
	if last, ok := j.warned.Swap(about, err.Error()); ok && last == err.Error() {
		return
	}
	j.opts.Logger.Error(message, append(fields, zap.String("dir", j.dir), zap.Error(err))...)
}

// settled lets a complaint be heard again.
func (j *Journal) settled(about string) {
	if _, ok := j.warned.Load(about); ok {
		j.warned.Delete(about)
	}
}
