package journal

import (
	"context"
	"errors"
	"os"
	"strings"
	"sync"
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

func TestSyncIsShared(t *testing.T) {
	d := newBadDisk()
	running, goOn := make(chan struct{}), make(chan struct{})
	var once sync.Once
	j := start(t, Options{Dir: t.TempDir(), SyncInterval: time.Hour}, d)
	var wg sync.WaitGroup
	appendSync := func() {
		if err := j.AppendSync(t.Context(), []byte("x")); err != nil {
			t.Error(err)
		}
	}
	var base int
	d.set(func() {
		base = d.fsyncs
		d.syncing = func() { once.Do(func() { close(running); <-goOn }) }
	})
	wg.Go(appendSync)
	<-running
	for range 100 { // they come while an fsync runs, and so need another: one
		wg.Go(appendSync)
	}
	eventually(t, "all have appended", func() bool { return j.Stats().Records == 101 })
	close(goOn)
	wg.Wait()
	d.set(func() {
		if d.fsyncs-base != 2 {
			t.Errorf("%d fsyncs", d.fsyncs-base)
		}
	})
}

// What is done before its time has come is never brought to the disk.
func TestNoSyncOfWhatIsDone(t *testing.T) {
	d := newBadDisk()
	j := start(t, Options{Dir: t.TempDir(), SyncInterval: time.Hour}, d)
	before := d.fsyncs
	mustAppend(t, j, "x")
	drain(t, j, true)
	j.sync(true)
	if d.fsyncs != before {
		t.Fatal("an fsync for nothing")
	}
	mustAppend(t, j, "y")
	j.sync(true)
	j.sync(true)
	if d.fsyncs != before+1 {
		t.Fatal(d.fsyncs-before, "fsyncs")
	}
}

func TestSyncFails(t *testing.T) {
	o := Options{Dir: t.TempDir(), SyncInterval: 5 * time.Millisecond}
	d := newBadDisk()
	j := start(t, o, d)
	if err := j.AppendSync(t.Context(), []byte("1")); err != nil {
		t.Fatal(err)
	}
	d.set(func() { d.sync = errBad })
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() {
			if err := j.AppendSync(t.Context(), []byte("2")); !errors.Is(err, errBad) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if s := j.Stats(); !errors.Is(s.Err, errBad) {
		t.Fatalf("%+v", s)
	}
	mustAppend(t, j, "3") // survives the process, and nothing more is promised
	eventually(t, "a new file", func() bool { return len(files(t, o.Dir, segmentSuffix)) > 1 })
	var writes int
	d.set(func() { d.sync = nil; d.syncing = func() { writes++ } })
	eventually(t, "heals", func() bool { return j.Stats().Err == nil })
	if err := j.AppendSync(t.Context(), []byte("4")); err != nil {
		t.Fatal(err)
	}
	j.mu.Lock()
	for _, s := range j.queue {
		if s.synced != s.end || s.suspect {
			t.Errorf("not synced: %+v", s)
		}
	}
	j.mu.Unlock()
	d.set(func() { d.syncing = nil })
	die(j)
	got := drain(t, start(t, o, nil), true)
	if len(got) != 13 || got[0] != "1" || got[12] != "4" {
		t.Fatal(got)
	}
}

// An fsync that failed drops what was not written (the pages are clean then), so
// what is not yet synced is written again before the next.
func TestFailedSyncIsWrittenAgain(t *testing.T) {
	o := Options{Dir: t.TempDir(), SyncInterval: time.Hour}
	d := newBadDisk()
	j := start(t, o, d)
	if err := j.AppendSync(t.Context(), []byte("synced")); err != nil {
		t.Fatal(err)
	}
	mustAppend(t, j, "unsynced")
	d.set(func() { d.sync = errBad })
	j.sync(true)
	var written []string
	d.set(func() { d.sync = nil; d.written = &written })
	j.sync(true)
	d.set(func() {
		if len(written) != 1 || !strings.HasSuffix(written[0], "unsynced") || strings.Contains(written[0], "\x00synced") {
			t.Errorf("written again: %q", written)
		}
		d.written = nil
	})
	want(t, drain(t, j, true), "synced", "unsynced")
}

func TestFolderSyncFails(t *testing.T) {
	d := newBadDisk()
	j := start(t, Options{Dir: t.TempDir(), SyncInterval: time.Hour}, d)
	d.set(func() { d.syncDir = errBad })
	for range 2 { // it is not forgotten
		if err := j.AppendSync(t.Context(), []byte("x")); !errors.Is(err, errBad) {
			t.Fatal(err)
		}
	}
	d.set(func() { d.syncDir = nil })
	if err := j.AppendSync(t.Context(), []byte("x")); err != nil || j.Stats().Err != nil {
		t.Fatal(err, j.Stats().Err)
	}
}

func TestAppendSyncGivesUp(t *testing.T) {
	d := newBadDisk()
	goOn := make(chan struct{})
	j := start(t, Options{Dir: t.TempDir(), SyncInterval: time.Hour}, d)
	d.set(func() { d.syncing = func() { <-goOn } })
	ctx, cancel := context.WithTimeoutCause(t.Context(), 10*time.Millisecond, errBad)
	defer cancel()
	if err := j.AppendSync(ctx, []byte("x")); !errors.Is(err, errBad) {
		t.Fatal(err)
	}
	if err := j.AppendSync(ctx, []byte("never appended")); !errors.Is(err, errBad) {
		t.Fatal(err)
	}
	// One that waits when the journal is closed gets its fsync.
	done := make(chan error, 1)
	go func() { done <- j.AppendSync(context.Background(), []byte("y")) }()
	eventually(t, "appended", func() bool { return j.Stats().Records == 2 })
	go close(goOn)
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
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
