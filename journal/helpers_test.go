package journal

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(childEnv); dir != "" {
		child(dir, os.Getenv(childEnv+"_MODE"))
		return
	}
	goleak.VerifyTestMain(m)
}

// start opens a journal that is closed at the end of the test.
func start(t testing.TB, o Options, d disk) *Journal {
	t.Helper()
	if d == nil {
		d = osDisk{}
	}
	j, err := open(o, d)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { j.Close() })
	return j
}

func mustAppend(t testing.TB, j *Journal, records ...string) {
	t.Helper()
	if err := j.Append(false, bytesOf(records)...); err != nil {
		t.Fatal(err)
	}
}

func bytesOf(records []string) [][]byte {
	b := make([][]byte, len(records))
	for i, r := range records {
		b[i] = []byte(r)
	}
	return b
}

// drain reads what there is, and acknowledges it if asked to.
func drain(t testing.TB, j *Journal, ack bool) []string {
	t.Helper()
	var got []string
	for {
		b, err := j.TryNext(3, 0)
		if err != nil {
			t.Fatal(err)
		}
		if len(b.Records) == 0 {
			return got
		}
		for _, r := range b.Records {
			got = append(got, string(r))
		}
		if ack {
			if err := j.Ack(b); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func want(t testing.TB, got []string, records ...string) {
	t.Helper()
	if !slices.Equal(got, records) {
		t.Fatalf("read %.300q, want %.300q", got, records)
	}
}

// numbered returns n records.
func numbered(n int) []string {
	records := make([]string, n)
	for i := range records {
		records[i] = fmt.Sprintf("record %d", i)
	}
	return records
}

// die makes j look as if its process had been killed: nothing more is written,
// its locks are gone.
func die(j *Journal) {
	neighbours.remove(j)
	j.mu.Lock()
	j.closed = true
	for _, s := range j.queue {
		s.synced = s.end // no last fsync
	}
	j.mu.Unlock()
	j.closing.Do(func() {
		close(j.stop)
		j.tasks.Wait()
		j.reader.leave()
		for _, s := range j.queue {
			if s.file != nil {
				s.file.Close()
			}
		}
		j.home.checkpoint.close()
		j.home.lock.release()
	})
}

// files are the names below dir that end in suffix.
func files(t testing.TB, dir, suffix string) []string {
	t.Helper()
	var found []string
	err := filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(path, suffix) && path != dir {
			found = append(found, path)
		}
		if os.IsNotExist(err) {
			return nil
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// eventually waits for what happens in the background.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within 10 s: %s", what)
		}
	}
}

var errBad = errors.New("input/output error")

// badDisk is a disk on which things go wrong while they are set.
type badDisk struct {
	osDisk
	mu       sync.Mutex
	space    int64 // left; < 0: endless
	write    error
	sync     error
	truncate error
	read     error
	rename   func(from, to string) error
	link     error
	remove   error
	create   error
	syncDir  error
	syncing  func() // before each fsync of a file
	fsyncs   int
	written  *[]string // what is written, if asked for
}

func newBadDisk() *badDisk { return &badDisk{space: -1} }

func (d *badDisk) set(f func()) { d.mu.Lock(); defer d.mu.Unlock(); f() }

type badFile struct {
	file
	d    *badDisk
	size int64 // as far as it was written here
}

func (d *badDisk) wrap(f file, err error) (file, error) {
	if err != nil {
		return nil, err
	}
	return &badFile{file: f, d: d}, nil
}

func (d *badDisk) Create(path string) (file, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.create != nil {
		return nil, d.create
	}
	return d.wrap(d.osDisk.Create(path))
}

func (d *badDisk) Open(path string, write bool) (file, error) {
	return d.wrap(d.osDisk.Open(path, write))
}

func (d *badDisk) Rename(from, to string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.rename != nil {
		if err := d.rename(from, to); err != nil {
			return err
		}
	}
	return d.osDisk.Rename(from, to)
}

func (d *badDisk) Link(from, to string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.link != nil {
		return d.link
	}
	return d.osDisk.Link(from, to)
}

func (d *badDisk) Remove(path string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.remove != nil {
		return d.remove
	}
	return d.osDisk.Remove(path)
}

func (d *badDisk) SyncDir(path string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.syncDir != nil {
		return d.syncDir
	}
	return nil
}

func (f *badFile) WriteAt(b []byte, off int64) (int, error) {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	if f.d.written != nil {
		*f.d.written = append(*f.d.written, string(b))
	}
	if f.d.write != nil {
		return 0, f.d.write
	}
	n := int64(len(b))
	if more := off + n - f.size; f.d.space >= 0 && more > 0 {
		// A short write, as of a disk that gets full.
		got := min(more, f.d.space)
		f.d.space -= got
		n -= more - got
	}
	f.size = max(f.size, off+n)
	if _, err := f.file.WriteAt(b[:n], off); err != nil {
		return 0, err
	}
	if n < int64(len(b)) {
		return int(n), syscall.ENOSPC
	}
	return int(n), nil
}

func (f *badFile) ReadAt(b []byte, off int64) (int, error) {
	f.d.mu.Lock()
	err := f.d.read
	f.d.mu.Unlock()
	if err != nil {
		return 0, err
	}
	return f.file.ReadAt(b, off)
}

func (f *badFile) Truncate(n int64) error {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	if f.d.truncate != nil {
		return f.d.truncate
	}
	f.size = n
	return f.file.Truncate(n)
}

func (f *badFile) Sync() error {
	f.d.mu.Lock()
	err, wait := f.d.sync, f.d.syncing
	f.d.fsyncs++
	f.d.mu.Unlock()
	if wait != nil {
		wait()
	}
	return err
}
