package journal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math/bits"
	"sync"
)

// MaxRecord is the size of the largest record.
const MaxRecord = 32 << 20

// A segment file is a header and then records:
//
//	header: magic, version, salt, CRC-32C of these three
//	record: length, CRC-32C of the payload, check, payload
//
// all numbers 32 bits, little endian. The check covers length and CRC, and with
// the file's random salt and the record's offset in it nothing that somebody
// else wrote, a payload least of all, passes for a record. So after damage the
// next sound record can be looked for byte by byte.
const (
	headerSize = 16
	frameSize  = 12
	version    = 1
)

var magic = [4]byte{'W', 'A', 'G', 'J'}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func newHeader(salt uint32) []byte {
	buf := append(make([]byte, 0, headerSize), magic[:]...)
	buf = binary.LittleEndian.AppendUint32(buf, version)
	buf = binary.LittleEndian.AppendUint32(buf, salt)
	return appendCRC(buf)
}

// appendCRC appends the CRC of the header before it.
func appendCRC(header []byte) []byte {
	return binary.LittleEndian.AppendUint32(header, crc32.Checksum(header, castagnoli))
}

var (
	errHeader  = errors.New("not the header of a journal file")
	errVersion = errors.New("a journal file of a newer version")
)

func parseHeader(h []byte) (salt uint32, err error) {
	if len(h) < headerSize || [4]byte(h) != magic || binary.LittleEndian.Uint32(h[12:]) != crc32.Checksum(h[:12], castagnoli) {
		return 0, errHeader
	}
	if v := binary.LittleEndian.Uint32(h[4:]); v != version {
		return 0, fmt.Errorf("%w: %d", errVersion, v)
	}
	return binary.LittleEndian.Uint32(h[8:]), nil
}

// check is never 0, so that no zeros pass for a record. (Not a CRC: that would
// be linear, and its input would have to be brought to memory.)
func check(salt uint32, offset int64, length, crc uint32) uint32 {
	h := uint64(salt)<<32 | uint64(length)
	h = mix(h ^ 0x9e3779b97f4a7c15)
	h = mix(h ^ uint64(offset))
	h = mix(h ^ uint64(crc))
	return max(uint32(h>>32), 1)
}

func mix(h uint64) uint64 {
	hi, lo := bits.Mul64(h, 0xd6e8feb86659fd93)
	h ^= hi ^ lo
	h *= 0xff51afd7ed558ccd
	return h ^ h>>32
}

// frame is what stands before a payload.
type frame struct{ length, crc uint32 }

// parseFrame reads the frame at offset; b holds at least frameSize bytes.
func parseFrame(b []byte, salt uint32, offset int64) (frame, bool) {
	f := frame{length: binary.LittleEndian.Uint32(b), crc: binary.LittleEndian.Uint32(b[4:])}
	if f.length > MaxRecord {
		return f, false
	}
	return f, binary.LittleEndian.Uint32(b[8:]) == check(salt, offset, f.length, f.crc)
}

// end is where the record that begins at offset ends.
func (f frame) end(offset int64) int64 { return offset + frameSize + int64(f.length) }

// framed are records as they are written, but for their checks.
type framed struct {
	buf    []byte
	starts []int
}

// framedPool spares allocations: what is in it is small, see release.
var framedPool = sync.Pool{New: func() any { return new(framed) }}

const maxPooled = 256 << 10

func frameRecords(records [][]byte) (*framed, error) {
	size := 0
	for i, r := range records {
		if len(r) > MaxRecord {
			return nil, fmt.Errorf("%w: record %d has %d bytes", ErrTooLarge, i, len(r))
		}
		size += frameSize + len(r)
	}
	f := framedPool.Get().(*framed)
	if cap(f.buf) < size {
		f.buf = make([]byte, 0, size)
	}
	for _, r := range records {
		f.starts = append(f.starts, len(f.buf))
		f.buf = binary.LittleEndian.AppendUint32(f.buf, uint32(len(r)))
		f.buf = binary.LittleEndian.AppendUint32(f.buf, crc32.Checksum(r, castagnoli))
		f.buf = binary.LittleEndian.AppendUint32(f.buf, 0)
		f.buf = append(f.buf, r...)
	}
	return f, nil
}

// place writes the checks for a place in a file.
func (f *framed) place(salt uint32, offset int64) {
	for _, start := range f.starts {
		b := f.buf[start:]
		length, crc := binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint32(b[4:])
		binary.LittleEndian.PutUint32(b[8:], check(salt, offset+int64(start), length, crc))
	}
}

func (f *framed) release() {
	if cap(f.buf) > maxPooled {
		return
	}
	f.buf, f.starts = f.buf[:0], f.starts[:0]
	framedPool.Put(f)
}
