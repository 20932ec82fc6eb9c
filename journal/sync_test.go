package journal

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"
)

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

// However much waits, few files are open.
func TestFilesAreClosed(t *testing.T) {
	j := start(t, Options{Dir: t.TempDir(), SegmentBytes: 1, SyncInterval: time.Hour}, nil)
	for i := range 20 {
		if i%2 == 0 {
			mustAppend(t, j, "x")
		} else if err := j.AppendSync(t.Context(), []byte("y")); err != nil {
			t.Fatal(err)
		}
	}
	j.sync(true)
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, s := range j.queue {
		if s.file != nil && s != j.active {
			t.Errorf("file %d is open", s.seq)
		}
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
