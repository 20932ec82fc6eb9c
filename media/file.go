// Package media holds what messages carry: content on local disk, bounded, so that
// a large upload never is in memory as a whole; and what is fetched for a client from
// a URL, without reaching into the operator's own network.
package media

import (
	"bytes"
	"errors"
	"io"
	"os"
	"sync"
)

// File is content that nobody else sees: in memory where it is small, else on local
// disk. It goes with Close.
type File struct {
	size   int64
	mu     sync.Mutex
	kept   *kept
	closed bool
}

// kept is the content of one or more Files.
type kept struct {
	mu    sync.Mutex
	users int      // Files that are not closed
	file  *os.File // nil: bytes
	path  string   // of a file that could not be unlinked while it is open
	bytes []byte
}

// Size is the length of the content, in bytes.
func (f *File) Size() int64 { return f.size }

// Open returns a reader of the whole content. Several may be in use at once, until
// Close.
func (f *File) Open() io.Reader {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.closed:
		return failed{os.ErrClosed}
	case f.kept.file != nil:
		return io.NewSectionReader(f.kept.file, 0, f.size)
	}
	return bytes.NewReader(f.kept.bytes)
}

// Share returns another File with the same content, which stays until the last of
// them is closed. Of a File that is closed it is closed too.
func (f *File) Share() *File {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.closed {
		f.kept.mu.Lock()
		f.kept.users++
		f.kept.mu.Unlock()
	}
	return &File{size: f.size, kept: f.kept, closed: f.closed}
}

// Close removes the content. It may be called more than once.
func (f *File) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return nil
	}
	f.closed = true
	return f.kept.release()
}

// release removes the content when its last user is gone.
func (k *kept) release() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.users--; k.users > 0 {
		return nil
	}
	if k.file == nil {
		k.bytes = nil
		return nil
	}
	err := k.file.Close()
	if k.path != "" {
		err = errors.Join(err, os.Remove(k.path))
	}
	return err
}

// failed is a reader of what is not there.
type failed struct{ err error }

func (f failed) Read([]byte) (int, error) { return 0, f.err }

// FromBytes is a File of content that is small enough for memory.
func FromBytes(content []byte) *File {
	return &File{size: int64(len(content)), kept: &kept{users: 1, bytes: content}}
}
