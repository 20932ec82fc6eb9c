package journal

import (
	"fmt"
	"io"
	"os"
	"runtime"
)

// file is what a journal does with an open file.
type file interface {
	io.ReaderAt
	io.WriterAt
	Truncate(size int64) error
	Sync() error
	Close() error
}

// disk is what a journal does with files, so that tests can make it fail.
type disk interface {
	Create(path string) (file, error) // must not exist
	Open(path string, write bool) (file, error)
	Rename(from, to string) error
	Link(from, to string) error
	Remove(path string) error
	Size(path string) (int64, error)
	SyncDir(path string) error
}

type osDisk struct{}

func (osDisk) Create(path string) (file, error) {
	return opened(os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600))
}

func (osDisk) Open(path string, write bool) (file, error) {
	flag := os.O_RDONLY
	if write {
		flag = os.O_RDWR
	}
	return opened(os.OpenFile(path, flag, 0))
}

// opened keeps a nil *os.File from becoming a file that is not nil.
func opened(f *os.File, err error) (file, error) {
	if err != nil {
		return nil, err
	}
	return f, nil
}

func (osDisk) Rename(from, to string) error { return os.Rename(from, to) }
func (osDisk) Link(from, to string) error   { return os.Link(from, to) }
func (osDisk) Remove(path string) error     { return os.Remove(path) }

func (osDisk) Size(path string) (int64, error) {
	info, err := os.Stat(path)
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// SyncDir makes the names of a folder's files survive a power cut. Windows has
// no such thing, its file systems journal names by themselves.
func (osDisk) SyncDir(path string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	defer d.Close()
	if err := d.Sync(); err != nil {
		return fmt.Errorf("sync folder: %w", err)
	}
	return nil
}
