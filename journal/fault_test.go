package journal

import (
	"errors"
	"os"
	"syscall"
	"testing"
	"time"
)

func TestDiskFull(t *testing.T) {
	for name, truncate := range map[string]error{"cut back": nil, "cannot be cut back": errBad} {
		t.Run(name, func(t *testing.T) {
			o := Options{Dir: t.TempDir(), SyncInterval: 2 * time.Millisecond}
			d := newBadDisk()
			j := start(t, o, d)
			mustAppend(t, j, "before")
			d.set(func() { d.space, d.truncate = 30, truncate })
			// Part of it fits: what is told to have failed must not be read.
			if err := j.Append(true, []byte("lost"), make([]byte, 100)); !errors.Is(err, syscall.ENOSPC) {
				t.Fatal(err)
			}
			if s := j.Stats(); !errors.Is(s.Err, syscall.ENOSPC) || s.Records != 1 {
				t.Fatalf("%+v", s)
			}
			want(t, drain(t, j, false), "before")
			time.Sleep(10 * time.Millisecond)
			if s := j.Stats(); !errors.Is(s.Err, syscall.ENOSPC) {
				t.Fatalf("healed by itself: %+v", s)
			}
			d.set(func() { d.space, d.truncate = -1, nil })
			eventually(t, "heals when there is space", func() bool { return j.Stats().Err == nil })
			mustAppend(t, j, "after")
			want(t, drain(t, j, false), "after")
			die(j)

			j = start(t, o, nil)
			want(t, drain(t, j, true), "before", "after")
			if s := j.Stats(); s.Corrupt != 0 {
				t.Fatalf("%+v", s)
			}
		})
	}
}

func TestNoNewFile(t *testing.T) {
	d := newBadDisk()
	j := start(t, Options{Dir: t.TempDir(), SegmentBytes: 50}, d)
	d.set(func() { d.create = syscall.EMFILE })
	if err := j.Append(false, []byte("lost")); !errors.Is(err, syscall.EMFILE) || j.Stats().Err == nil {
		t.Fatal(err)
	}
	d.set(func() { d.create = nil })
	mustAppend(t, j, "1")
	d.set(func() { d.create = syscall.EMFILE })
	mustAppend(t, j, "2 is too long for the file that there is", "3") // a long file is better than none
	want(t, drain(t, j, true), "1", "2 is too long for the file that there is", "3")
}

func TestCheckpointFails(t *testing.T) {
	d := newBadDisk()
	j := start(t, Options{Dir: t.TempDir()}, d)
	mustAppend(t, j, "1", "2", "3")
	b, err := j.TryNext(1, 0)
	if err != nil {
		t.Fatal(err)
	}
	d.set(func() { d.space = 0 })
	if err := j.Ack(b); err != nil {
		t.Fatal("it needs no space:", err)
	}
	d.set(func() { d.write = errBad })
	if b, err = j.TryNext(1, 0); err != nil {
		t.Fatal(err)
	}
	if err := j.Ack(b); !errors.Is(err, errBad) {
		t.Fatal(err)
	}
	if j.Stats().Records != 1 {
		t.Fatal("not acknowledged for that")
	}
	d.set(func() { d.write, d.space = nil, -1 })
	want(t, drain(t, j, true), "3")
}

func TestFileCannotBeRemoved(t *testing.T) {
	o := Options{Dir: t.TempDir(), SegmentBytes: 50, SyncInterval: time.Millisecond}
	d := newBadDisk()
	j := start(t, o, d)
	for _, r := range numbered(20) {
		mustAppend(t, j, r)
	}
	d.set(func() { d.remove = syscall.EBUSY })
	want(t, drain(t, j, true), numbered(20)...)
	if n := len(files(t, o.Dir, segmentSuffix)); n != 20 {
		t.Fatal(n)
	}
	d.set(func() { d.remove = nil })
	eventually(t, "removed later", func() bool { return len(files(t, o.Dir, segmentSuffix)) <= 1 })
}

func TestFileCannotBeRead(t *testing.T) {
	o := Options{Dir: t.TempDir(), SegmentBytes: 50}
	d := newBadDisk()
	j := start(t, o, d)
	mustAppend(t, j, "unreadable")
	mustAppend(t, j, "far too long for the same file")
	d.set(func() { d.read = syscall.EIO })
	if _, err := j.TryNext(1, 0); !errors.Is(err, syscall.EIO) {
		t.Fatal(err)
	}
	d.set(func() { d.read = nil })
	want(t, drain(t, j, false), "unreadable", "far too long for the same file") // no harm done
	die(j)

	j = start(t, o, d)
	d.set(func() { d.read = syscall.EIO })
	for range maxFailures - 1 {
		if _, err := j.TryNext(1, 0); !errors.Is(err, syscall.EIO) {
			t.Fatal(err)
		}
	}
	_, err := j.TryNext(1, 0)
	d.set(func() { d.read = nil })
	if !errors.Is(err, syscall.EIO) { // the second file now
		t.Fatal(err)
	}
	want(t, drain(t, j, true), "far too long for the same file")
	if s := j.Stats(); s.Corrupt != frameSize+10 || s.Bytes != 0 {
		t.Fatalf("%+v", s)
	}
	if n := files(t, o.Dir, ".damaged"); len(n) != 1 {
		t.Fatal(n)
	}
}

// Somebody tidies up in the wrong place.
func TestFolderIsRemoved(t *testing.T) {
	o := Options{Dir: t.TempDir(), SyncInterval: time.Millisecond, TakeOverInterval: 5 * time.Millisecond}
	j := start(t, o, nil)
	mustAppend(t, j, "lost")
	j.mu.Lock()
	old := j.home.path
	j.mu.Unlock()
	if err := os.RemoveAll(old); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a new folder", func() bool {
		j.mu.Lock()
		defer j.mu.Unlock()
		return j.home.path != old
	})
	mustAppend(t, j, "kept")
	want(t, drain(t, j, false), "kept")
	if s := j.Stats(); s.Corrupt != frameSize+4 {
		t.Fatalf("%+v", s)
	}
	die(j)
	want(t, drain(t, start(t, o, nil), true), "kept")
}
