package journal

import (
	"bytes"
	"errors"
	"hash/crc32"
	"testing"

	"go.uber.org/zap"
)

// segmentOf is the file of records.
func segmentOf(salt uint32, records ...string) []byte {
	b := newHeader(salt)
	f, err := frameRecords(bytesOf(records))
	if err != nil {
		panic(err)
	}
	f.place(salt, int64(len(b)))
	return append(b, f.buf...)
}

// FuzzSegment holds that no file makes the reader fail, wait for ever or use
// memory beyond its size, and that every record that it returns stands in the
// file behind a sound frame.
func FuzzSegment(f *testing.F) {
	const salt = 7
	whole := segmentOf(salt, "one", "", "three", string(make([]byte, 300)))
	f.Add(whole)
	f.Add(whole[:len(whole)-3])
	f.Add(append(bytes.Clone(whole), make([]byte, 40)...))
	f.Add(append(bytes.Clone(whole[:40]), whole[41:]...))
	f.Add([]byte(nil))
	f.Add(make([]byte, 100))
	f.Fuzz(func(t *testing.T, b []byte) {
		d := &memoryDisk{content: b}
		seg := &segment{
			seq: 1, salt: salt, end: int64(len(b)), sealed: true,
			acked: headerSize, named: headerSize, synced: headerSize,
		}
		j := &Journal{
			opts: Options{Logger: zap.NewNop()}, disk: d, wake: make(chan struct{}, 1),
			home: &home{checkpoint: &checkpoint{file: d}},
		}
		if err := j.look(seg); err != nil {
			if !errors.Is(err, errVersion) {
				t.Fatal(err)
			}
			return
		}
		if len(b) <= headerSize {
			return // it would not have been taken over
		}
		j.adopt([]*segment{seg}, 1)
		at := int64(headerSize)
		for range len(b) + 2 {
			batch, err := j.TryNext(1, 0)
			if err != nil {
				t.Fatal(err)
			}
			if len(batch.Records) == 0 {
				if s := j.Stats(); s.Bytes != 0 || s.Files != 0 || d.removed != 1 {
					t.Fatalf("read to the end and not removed: %+v", s)
				}
				return
			}
			r := batch.Records[0]
			start := batch.end - frameSize - int64(len(r))
			if start < at || batch.end > int64(len(b)) {
				t.Fatalf("a record from %d to %d, after %d of %d", start, batch.end, at, len(b))
			}
			at = batch.end
			fr, ok := parseFrame(b[start:], seg.salt, start)
			if !ok || crc32.Checksum(r, castagnoli) != fr.crc || !bytes.Equal(r, b[start+frameSize:at]) {
				t.Fatalf("%q at %d is no record", r, start)
			}
			if cap(j.reader.buf) > len(b)+frameSize {
				t.Fatal("too much memory:", cap(j.reader.buf))
			}
			if err := j.Ack(batch); err != nil {
				t.Fatal(err)
			}
		}
		t.Fatal("it does not end")
	})
}

// memoryDisk has one file, which is the disk itself.
type memoryDisk struct {
	content []byte
	removed int
}

func (d *memoryDisk) Create(string) (file, error)     { return d, nil }
func (d *memoryDisk) Open(string, bool) (file, error) { return d, nil }
func (d *memoryDisk) Rename(string, string) error     { return nil }
func (d *memoryDisk) Link(string, string) error       { return nil }
func (d *memoryDisk) SyncDir(string) error            { return nil }
func (d *memoryDisk) Remove(string) error             { d.removed++; return nil }

func (d *memoryDisk) Size(string) (int64, error) { return int64(len(d.content)), nil }

func (d *memoryDisk) ReadAt(b []byte, off int64) (int, error) {
	return bytes.NewReader(d.content).ReadAt(b, off)
}

func (d *memoryDisk) WriteAt(b []byte, _ int64) (int, error) { return len(b), nil }
func (d *memoryDisk) Truncate(int64) error                   { return nil }
func (d *memoryDisk) Sync() error                            { return nil }
func (d *memoryDisk) Close() error                           { return nil }
