package media

import (
	"errors"
	"fmt"
	"io"
	"os"
)

// inMemory is how long content may be that is kept in memory, in bytes.
const inMemory = 64 << 10

// ErrTooLarge is the error for content that is longer than its bound.
var ErrTooLarge = errors.New("the media is too large")

// ErrStorage is wrapped by errors about the disk.
var ErrStorage = errors.New("media cannot be kept on disk")

// Spool reads r to its end and keeps it: up to 64 KiB in memory, more in a file in dir
// (empty: the system's folder for such files) that only this process can read and
// that has no name. More than max bytes are ErrTooLarge. Other errors are r's, or
// wrap ErrStorage.
func Spool(r io.Reader, max int64, dir string) (*File, error) {
	bounded := &boundedReader{r: r, left: max}
	start, err := io.ReadAll(io.LimitReader(bounded, inMemory+1))
	if err != nil {
		return nil, err
	}
	if len(start) <= inMemory {
		return FromBytes(start), nil
	}
	k, err := newKeptFile(dir)
	if err != nil {
		return nil, err
	}
	size, err := k.fill(start, bounded)
	if err != nil {
		_ = k.release()
		return nil, err
	}
	return &File{size: size, kept: k}, nil
}

// newKeptFile makes an empty file, which is unlinked at once where the system allows.
func newKeptFile(dir string) (*kept, error) {
	file, err := os.CreateTemp(dir, "wa-media-*") // mode 0600
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrStorage, err)
	}
	k := &kept{users: 1, file: file}
	if os.Remove(file.Name()) != nil {
		k.path = file.Name()
	}
	return k, nil
}

// fill writes what has been read already, and the rest.
func (k *kept) fill(start []byte, rest io.Reader) (int64, error) {
	if _, err := k.file.Write(start); err != nil {
		return 0, fmt.Errorf("%w: %w", ErrStorage, err)
	}
	block := start[:cap(start)]
	size := int64(len(start))
	for {
		n, err := rest.Read(block)
		if n > 0 {
			if _, bad := k.file.Write(block[:n]); bad != nil {
				return 0, fmt.Errorf("%w: %w", ErrStorage, bad)
			}
			size += int64(n)
		}
		if err == io.EOF {
			return size, nil
		}
		if err != nil {
			return 0, err
		}
	}
}

// boundedReader fails with ErrTooLarge where an io.LimitReader would only end.
type boundedReader struct {
	r    io.Reader
	left int64
}

func (b *boundedReader) Read(p []byte) (int, error) {
	// One byte more is asked for than is left, to tell the end from too much.
	if int64(len(p)) > b.left+1 {
		p = p[:b.left+1]
	}
	n, err := b.r.Read(p)
	if int64(n) > b.left {
		return 0, ErrTooLarge
	}
	b.left -= int64(n)
	return n, err
}
