// Package media holds what messages carry: content on local disk, bounded, so that
// a large upload never is in memory as a whole; and what is fetched for a client from
// a URL, without reaching into the operator's own network.
package media

import (
	"io"
	"os"
	"sync"
)

// File is content on local disk that nobody else sees. It goes with Close.
type File struct {
	size   int64
	mu     sync.Mutex
	file   *os.File // nil: content
	bytes  []byte   // of small content, which needs no disk
	closed bool
}

// Size is the length of the content, in bytes.
func (f *File) Size() int64 { return f.size }

// Open returns a reader of the whole content. Several may be in use at once, until
// Close.
func (f *File) Open() io.Reader {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.file != nil {
		return io.NewSectionReader(f.file, 0, f.size)
	}
	return io.NewSectionReader(bytesAt(f.bytes), 0, f.size)
}

// Close removes the content. It may be called more than once.
func (f *File) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed || f.file == nil {
		f.closed, f.bytes = true, nil
		return nil
	}
	f.closed = true
	return f.file.Close()
}

type bytesAt []byte

// ReadAt implements io.ReaderAt.
func (b bytesAt) ReadAt(p []byte, at int64) (int, error) {
	if at >= int64(len(b)) {
		return 0, io.EOF
	}
	n := copy(p, b[at:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// FromBytes is a File of content that is small enough for memory.
func FromBytes(content []byte) *File {
	return &File{size: int64(len(content)), bytes: content}
}
