package journal

import (
	"encoding/binary"
	"hash/crc32"
	"sync"
)

// checkpointName is the file that says up to where the first of a folder's
// segments is acknowledged.
const checkpointName = "checkpoint"

// position is a place in a segment.
type position struct {
	seq    uint64
	offset int64
}

// checkpoint keeps a position in one of two slots in turn, in blocks of their
// own, so that a write that is torn leaves the one before. Overwriting in place
// needs no space on a disk that is full.
type checkpoint struct {
	mu         sync.Mutex
	file       file
	generation uint64
	last       position
	dirty      bool
}

const (
	slotSize     = 28 // generation, seq, offset, CRC
	slotDistance = 4096
)

// createCheckpoint makes the file in full, lest there be no space for it later.
func createCheckpoint(d disk, path string) (*checkpoint, error) {
	f, err := d.Create(path)
	if err != nil {
		return nil, err
	}
	c := &checkpoint{file: f}
	if _, err = f.WriteAt(make([]byte, 2*slotDistance), 0); err == nil {
		err = f.Sync()
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return c, nil
}

// write is not yet sync: a killed process has lost nothing after it, a machine
// without power has.
func (c *checkpoint) write(p position) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if p == c.last {
		return nil
	}
	b := make([]byte, 0, slotSize)
	b = binary.LittleEndian.AppendUint64(b, c.generation+1)
	b = binary.LittleEndian.AppendUint64(b, p.seq)
	b = binary.LittleEndian.AppendUint64(b, uint64(p.offset))
	b = binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
	if _, err := c.file.WriteAt(b, int64(c.generation%2)*slotDistance); err != nil {
		return err
	}
	c.generation++
	c.last, c.dirty = p, true
	return nil
}

func (c *checkpoint) sync() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.dirty {
		return nil
	}
	c.dirty = false
	return c.file.Sync()
}

func (c *checkpoint) close() { c.file.Close() }

// readCheckpoint returns what was written last; nothing, when there is nothing
// sound: then what was acknowledged is read again, which does no harm.
func readCheckpoint(d disk, path string) position {
	f, err := d.Open(path, false)
	if err != nil {
		return position{}
	}
	defer f.Close()
	var best position
	var newest uint64
	for slot := range int64(2) {
		b := make([]byte, slotSize)
		if n, _ := f.ReadAt(b, slot*slotDistance); n < slotSize ||
			binary.LittleEndian.Uint32(b[slotSize-4:]) != crc32.Checksum(b[:slotSize-4], castagnoli) {
			continue
		}
		if g := binary.LittleEndian.Uint64(b); g > newest {
			newest = g
			best = position{binary.LittleEndian.Uint64(b[8:]), int64(binary.LittleEndian.Uint64(b[16:]))}
		}
	}
	return best
}
