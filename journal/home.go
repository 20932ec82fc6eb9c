package journal

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	"github.com/gofrs/flock"
)

// home is the folder of an instance.
type home struct {
	path       string
	lock       *folderLock
	checkpoint *checkpoint
}

const (
	homePrefix = "instance-"
	lockName   = "lock"
)

// newHome makes a folder, which nobody has had before, and locks it.
func newHome(dir string, d disk) (*home, error) {
	var last error
	for range 10 {
		path := filepath.Join(dir, fmt.Sprintf("%s%s-%08x", homePrefix, time.Now().UTC().Format("20060102T150405.000"), random32()))
		if err := os.Mkdir(path, 0o700); err != nil {
			return nil, err
		}
		lock, err := lockFolder(path)
		if err != nil {
			// Somebody may have taken it for dead before it was locked.
			last = err
			_ = os.Remove(path)
			if errors.Is(err, errLocked) || os.IsNotExist(err) {
				continue
			}
			return nil, err
		}
		h := &home{path: path, lock: lock}
		if err = lock.works(); err == nil {
			h.checkpoint, err = createCheckpoint(d, filepath.Join(path, checkpointName))
		}
		if err == nil {
			if err = d.SyncDir(path); err == nil {
				err = d.SyncDir(dir)
			}
		}
		if err != nil {
			if h.checkpoint != nil {
				h.checkpoint.close()
			}
			_ = lock.removeFolder(d)
			return nil, err
		}
		return h, nil
	}
	return nil, last
}

// folderLock says that the one who has it is alive.
type folderLock struct {
	folder string
	flock  *flock.Flock
}

var errLocked = errors.New("the folder is locked")

// lockFolder returns errLocked if somebody else has the lock.
func lockFolder(folder string) (*folderLock, error) {
	l := &folderLock{folder, flock.New(filepath.Join(folder, lockName), flock.SetPermissions(0o600))}
	ok, err := l.flock.TryLock()
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, errLocked
	}
	if !l.held() { // its last owner removed the file before we had the lock on it
		l.release()
		return nil, errLocked
	}
	return l, nil
}

// held reports whether the file that is locked still is the one in the folder.
func (l *folderLock) held() bool {
	ours, err := l.flock.Stat()
	if err != nil {
		return false
	}
	there, err := os.Stat(l.flock.Path())
	return err == nil && os.SameFile(ours, there)
}

// works finds out whether locks keep anybody out: on some network file systems
// they do not, and two would take each other for dead.
func (l *folderLock) works() error {
	again := flock.New(l.flock.Path(), flock.SetPermissions(0o600))
	if ok, err := again.TryLock(); err == nil && ok {
		_ = again.Unlock()
		return fmt.Errorf("the file system of %s does not keep locks", l.folder)
	}
	return nil
}

func (l *folderLock) release() { _ = l.flock.Unlock() }

// removeFolder removes the folder, in which nothing is left to read, and
// releases the lock.
func (l *folderLock) removeFolder(d disk) error {
	defer l.release()
	if err := d.Remove(filepath.Join(l.folder, checkpointName)); err != nil && !os.IsNotExist(err) {
		return err
	}
	// While it is locked: whoever opened the file before finds that it is no
	// longer there. On Windows that is not possible; but what somebody else has
	// opened cannot be removed there.
	if runtime.GOOS == "windows" {
		l.release()
	}
	if err := d.Remove(l.flock.Path()); err != nil && !os.IsNotExist(err) {
		return err
	}
	if err := d.Remove(l.folder); err != nil && !os.IsNotExist(err) {
		return err
	}
	return nil
}

// neighbours are the live instances of this process, so that one that ends can
// tell the others what it leaves.
var neighbours = neighbourhood{byDir: make(map[string]map[*Journal]bool)}

type neighbourhood struct {
	mu    sync.Mutex
	byDir map[string]map[*Journal]bool
}

func (n *neighbourhood) add(j *Journal) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.byDir[j.dir] == nil {
		n.byDir[j.dir] = make(map[*Journal]bool)
	}
	n.byDir[j.dir][j] = true
}

func (n *neighbourhood) remove(j *Journal) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if delete(n.byDir[j.dir], j); len(n.byDir[j.dir]) == 0 {
		delete(n.byDir, j.dir)
	}
}

// poke makes them look for folders of the dead.
func (n *neighbourhood) poke(dir string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for j := range n.byDir[dir] {
		signal(j.poke)
	}
}
