package journal

import (
	"bytes"
	"errors"
	"runtime"
	"testing"
)

func TestBound(t *testing.T) {
	o := Options{Dir: t.TempDir(), MaxBytes: 10 * (frameSize + 100), Reserve: 3 * (frameSize + 100)}
	j := start(t, o, nil)
	record := bytes.Repeat([]byte("x"), 100)
	fill := func(urgent bool) (n int) {
		for {
			err := j.Append(urgent, record)
			if errors.Is(err, ErrFull) {
				return n
			} else if err != nil {
				t.Fatal(err)
			}
			n++
		}
	}
	if j.Stats().Full {
		t.Fatal("full when empty")
	}
	if n := fill(false); n != 10 {
		t.Fatal(n, "records")
	}
	if err := j.AppendSync(t.Context(), record); !errors.Is(err, ErrFull) {
		t.Fatal(err)
	}
	if s := j.Stats(); !s.Full || s.UrgentFull || s.Err != nil {
		t.Fatalf("%+v", s)
	}
	if n := fill(true); n != 3 {
		t.Fatal(n, "urgent records")
	}
	if s := j.Stats(); !s.Full || !s.UrgentFull || s.Err != nil {
		t.Fatalf("%+v", s)
	}
	b, err := j.TryNext(5, 0)
	if err != nil || j.Ack(b) != nil {
		t.Fatal(err)
	}
	if n := fill(false); n != 2 {
		t.Fatal(n, "records after 5 were done")
	}
	if err := j.Append(false, make([]byte, o.MaxBytes)); !errors.Is(err, ErrTooLarge) {
		t.Fatal(err)
	}
	if err := j.Append(true, record, make([]byte, MaxRecord+1)); !errors.Is(err, ErrTooLarge) {
		t.Fatal(err)
	}
}

func TestLargestRecord(t *testing.T) {
	j := start(t, Options{Dir: t.TempDir()}, nil)
	large := make([]byte, MaxRecord)
	for i := range large {
		large[i] = byte(i * i >> 7)
	}
	mustAppend(t, j, "before")
	if err := j.Append(false, large); err != nil {
		t.Fatal(err)
	}
	mustAppend(t, j, "after")
	for i, size := range []int{6, MaxRecord, 5} {
		b, err := j.TryNext(10, 1000)
		if err != nil || len(b.Records) != 1 || len(b.Records[0]) != size {
			t.Fatal(i, err, len(b.Records))
		}
		if size == MaxRecord && !bytes.Equal(b.Records[0], large) {
			t.Fatal("not what was written")
		}
		if err := j.Ack(b); err != nil {
			t.Fatal(err)
		}
	}
	if cap(j.reader.buf) > keptBuffer {
		t.Fatal("the large buffer is kept")
	}
}

func TestMemoryIsFlat(t *testing.T) {
	o := Options{Dir: t.TempDir(), SegmentBytes: 4 << 20}
	j := start(t, o, nil)
	record := make([]byte, 1000)
	for range 64 << 10 { // 64 MiB
		if err := j.Append(false, record); err != nil {
			t.Fatal(err)
		}
	}
	die(j)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	j = start(t, o, nil)
	read := 0
	for read < 64<<10 {
		b, err := j.TryNext(1000, 0)
		if err != nil || len(b.Records) == 0 {
			t.Fatal(read, err)
		}
		if read += len(b.Records); read == 32000 {
			runtime.GC()
			runtime.ReadMemStats(&after)
		}
	}
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 4<<20 {
		t.Fatalf("%d bytes of memory while reading", grown)
	}
}
