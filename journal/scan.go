package journal

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io"
)

// chunk is how much is read at a time where nobody says how much.
const chunk = 64 << 10

// errBroken means that what stands at an offset is no sound record.
var errBroken = errors.New("no sound record")

// readRecords reads at most limit records from the segment file r, whose sound
// part ends at end, and about size bytes, but one record at least. The records
// lie in buf, which grows where one needs it. With errBroken there is no sound
// record at from.
func readRecords(r io.ReaderAt, salt uint32, from, end int64, buf []byte, records [][]byte, limit, size int) (next int64, newBuf []byte, found [][]byte, err error) {
	if end-from < frameSize {
		return from, buf, records, errBroken
	}
	buf, err = fill(r, buf, from, min(int64(max(size, frameSize)), end-from))
	if err != nil {
		return from, buf, records, err
	}
	next = from
	for len(records) < limit {
		rest := buf[next-from:]
		if len(rest) < frameSize {
			break
		}
		f, ok := parseFrame(rest, salt, next)
		if !ok || f.end(next) > end {
			break
		}
		if total := f.end(next) - next; int64(len(rest)) < total {
			if next > from {
				break // next time
			}
			if buf, err = fill(r, buf, from, total); err != nil {
				return from, buf, records, err
			}
			rest = buf
		}
		payload := rest[frameSize : frameSize+f.length : frameSize+f.length]
		if crc32.Checksum(payload, castagnoli) != f.crc {
			break
		}
		records = append(records, payload)
		next = f.end(next)
	}
	if next == from {
		return from, buf, records, errBroken
	}
	return next, buf, records, nil
}

// fill reads n bytes at offset into buf.
func fill(r io.ReaderAt, buf []byte, offset, n int64) ([]byte, error) {
	if int64(cap(buf)) < n {
		buf = make([]byte, n)
	}
	buf = buf[:n]
	if read, err := r.ReadAt(buf, offset); int64(read) < n {
		return buf, fmt.Errorf("read %d bytes at %d: %w", n, offset, err)
	}
	return buf, nil
}

// resync looks for the first sound record after a broken one at from. Without
// any it returns end, and whether what is left looks like a record that a dying
// process, or a machine without power, did not complete, rather than damage.
func resync(r io.ReaderAt, salt uint32, from, end int64) (next int64, torn bool, err error) {
	if end-from < frameSize {
		return end, true, nil
	}
	var b [frameSize]byte
	buf, err := fill(r, b[:], from, frameSize)
	if err != nil {
		return from, false, err
	}
	start := from + 1
	f, ok := parseFrame(buf, salt, from)
	if ok { // its payload is incomplete, or not what was written
		start = min(f.end(from), end)
	}
	next, err = find(r, salt, start, end)
	if err != nil || next < end {
		return next, false, err
	}
	if !ok {
		// A frame that was not completed has nothing behind it but zeros, where
		// the file was made longer and its contents did not follow.
		ok, err = zeros(r, from+frameSize, end)
	}
	return end, ok, err
}

// find returns where the first sound record at or after from begins, or end.
func find(r io.ReaderAt, salt uint32, from, end int64) (int64, error) {
	var buf []byte
	for at := from; end-at >= frameSize; at += int64(len(buf)) - frameSize + 1 {
		var err error
		if buf, err = fill(r, buf, at, min(chunk, end-at)); err != nil {
			return from, err
		}
		for i := range len(buf) - frameSize + 1 {
			offset := at + int64(i)
			f, ok := parseFrame(buf[i:], salt, offset)
			if !ok || f.end(offset) > end {
				continue
			}
			if ok, err = sound(r, f, offset); ok || err != nil {
				return offset, err
			}
		}
	}
	return end, nil
}

// zeros reports whether there is nothing but zeros.
func zeros(r io.ReaderAt, from, end int64) (bool, error) {
	var buf []byte
	for at := from; at < end; at += int64(len(buf)) {
		var err error
		if buf, err = fill(r, buf, at, min(chunk, end-at)); err != nil {
			return false, err
		}
		for _, b := range buf {
			if b != 0 {
				return false, nil
			}
		}
	}
	return true, nil
}

// sound reports whether the payload of the frame at offset is what was written.
func sound(r io.ReaderAt, f frame, offset int64) (bool, error) {
	hash := crc32.New(castagnoli)
	n, err := io.Copy(hash, io.NewSectionReader(r, offset+frameSize, int64(f.length)))
	if err != nil {
		return false, fmt.Errorf("read %d bytes at %d: %w", f.length, offset+frameSize, err)
	}
	return n == int64(f.length) && hash.Sum32() == f.crc, nil
}
