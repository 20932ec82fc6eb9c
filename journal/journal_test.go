package journal

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestReadsWhatWasAppended(t *testing.T) {
	j := start(t, Options{Dir: t.TempDir()}, nil)
	mustAppend(t, j, "a", "", "c")
	mustAppend(t, j, "d")
	if err := j.Append(true); err != nil {
		t.Fatal("no records:", err)
	}
	if s := j.Stats(); s.Records != 4 || s.Bytes != 4*frameSize+3 || s.Files != 1 || s.Err != nil {
		t.Fatalf("%+v", s)
	}
	want(t, drain(t, j, false), "a", "", "c", "d")
	want(t, drain(t, j, false))
	mustAppend(t, j, "e")
	want(t, drain(t, j, true), "e") // and acknowledges the others with it
	if s := j.Stats(); s.Records != 0 || s.Bytes != 0 {
		t.Fatalf("%+v", s)
	}
}

func TestBatches(t *testing.T) {
	j := start(t, Options{Dir: t.TempDir(), SegmentBytes: 200}, nil)
	big := strings.Repeat("x", 5000)
	mustAppend(t, j, "1", "2", "3", big, "5")
	for _, c := range []struct {
		limit, size int
		want        []string
	}{
		{2, 0, []string{"1", "2"}},
		{9, 100, []string{"3"}},
		{9, 1, []string{big}},
		{9, 1, []string{"5"}},
		{9, 9, nil},
	} {
		b, err := j.TryNext(c.limit, c.size)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, r := range b.Records {
			got = append(got, string(r))
		}
		want(t, got, c.want...)
	}
}

func TestRestart(t *testing.T) {
	for name, end := range map[string]func(*Journal){"closed": func(j *Journal) { j.Close() }, "killed": die} {
		t.Run(name, func(t *testing.T) {
			o := Options{Dir: t.TempDir(), SegmentBytes: 100}
			records := numbered(50)
			j := start(t, o, nil)
			for _, r := range records {
				mustAppend(t, j, r)
			}
			b, err := j.TryNext(2, 0)
			if err != nil {
				t.Fatal(err)
			}
			if err := j.Ack(b); err != nil {
				t.Fatal(err)
			}
			if b, err = j.TryNext(1, 0); err != nil || len(b.Records) != 1 { // and never acknowledged
				t.Fatal(b, err)
			}
			end(j)
			for range 3 { // restarts without reading anything
				j = start(t, o, nil)
				end(j)
			}
			j = start(t, o, nil)
			if s := j.Stats(); s.Bytes == 0 || s.TakenOver != s.Bytes {
				t.Fatalf("%+v", s)
			}
			want(t, drain(t, j, true), records[2:]...)
			end(j)
			j = start(t, o, nil)
			want(t, drain(t, j, true))
			if err := j.Close(); err != nil {
				t.Fatal(err)
			}
			if left := files(t, o.Dir, ""); len(left) != 0 {
				t.Fatal("left behind:", left)
			}
		})
	}
}

func TestFilesAreRemovedAsTheyAreDone(t *testing.T) {
	o := Options{Dir: t.TempDir(), SegmentBytes: 100}
	j := start(t, o, nil)
	for _, r := range numbered(100) {
		mustAppend(t, j, r)
	}
	many := len(files(t, o.Dir, segmentSuffix))
	if many < 15 {
		t.Fatal(many, "files")
	}
	b, err := j.TryNext(1, 0)
	for err == nil && len(b.Records) > 0 {
		if err = j.Ack(b); err != nil {
			break
		}
		if n := len(files(t, o.Dir, segmentSuffix)); n > many {
			t.Fatal("not fewer files:", n)
		} else {
			many = n
		}
		b, err = j.TryNext(1, 0)
	}
	if err != nil || many != 1 || j.Stats().Files != 1 {
		t.Fatal(err, many, j.Stats())
	}
}

func TestIdleJournalKeepsNoLongFile(t *testing.T) {
	o := Options{Dir: t.TempDir()}
	j := start(t, o, nil)
	for range 20 {
		mustAppend(t, j, strings.Repeat("x", idleBytes/4))
		drain(t, j, true)
		for _, f := range files(t, o.Dir, segmentSuffix) {
			if info, err := os.Stat(f); err != nil || info.Size() > idleBytes {
				t.Fatal("a long file though all is done", info.Size(), err)
			}
		}
	}
	mustAppend(t, j, "the last")
	want(t, drain(t, j, false), "the last")
}

func TestNextWaits(t *testing.T) {
	j := start(t, Options{Dir: t.TempDir()}, nil)
	ctx, cancel := context.WithTimeoutCause(t.Context(), 10*time.Millisecond, errBad)
	defer cancel()
	if _, err := j.Next(ctx, 1, 0); !errors.Is(err, errBad) {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		b, err := j.Next(context.Background(), 10, 0)
		if err == nil && string(b.Records[0]) != "x" {
			err = fmt.Errorf("read %q", b.Records)
		}
		done <- err
	}()
	time.Sleep(5 * time.Millisecond)
	mustAppend(t, j, "x")
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	go func() { _, err := j.Next(context.Background(), 10, 0); done <- err }()
	time.Sleep(5 * time.Millisecond)
	j.Close()
	if err := <-done; !errors.Is(err, ErrClosed) {
		t.Fatal(err)
	}
}

func TestWake(t *testing.T) {
	j := start(t, Options{Dir: t.TempDir()}, nil)
	mustAppend(t, j, "1")
	mustAppend(t, j, "2")
	<-j.Wake()
	select {
	case <-j.Wake():
		t.Fatal("woken twice")
	default:
	}
	want(t, drain(t, j, true), "1", "2")
}

func TestClosed(t *testing.T) {
	j := start(t, Options{Dir: t.TempDir()}, nil)
	mustAppend(t, j, "x")
	b, err := j.TryNext(1, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(j.Close(), j.Close()); err != nil {
		t.Fatal(err)
	}
	_, nextErr := j.Next(t.Context(), 1, 1)
	_, tryErr := j.TryNext(1, 1)
	for i, err := range []error{j.Append(true, nil, nil), j.AppendSync(t.Context(), nil), nextErr, tryErr, j.Ack(b)} {
		if !errors.Is(err, ErrClosed) {
			t.Fatal(i, err)
		}
	}
}

// Readers see whole records only, in the order of each writer.
func TestConcurrentWritersAndReader(t *testing.T) {
	j := start(t, Options{Dir: t.TempDir(), SegmentBytes: 10_000}, nil)
	const writers, each = 8, 2000
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				if err := j.Append(i%2 == 0, fmt.Appendf(nil, "%d %d %s", w, i, strings.Repeat("y", i%300))); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	next := make([]int, writers)
	for read := 0; read < writers*each; {
		b, err := j.Next(t.Context(), 100, 5000)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range b.Records {
			var w, i int
			var rest string
			fmt.Sscan(string(r), &w, &i, &rest)
			if i != next[w] || rest != strings.Repeat("y", i%300) {
				t.Fatalf("read %q of writer %d, want its record %d", r, w, next[w])
			}
			next[w]++
		}
		read += len(b.Records)
		if err := j.Ack(b); err != nil {
			t.Fatal(err)
		}
	}
	wg.Wait()
	if s := j.Stats(); s.Bytes != 0 || s.Records != 0 {
		t.Fatalf("%+v", s)
	}
}

func TestOpenFails(t *testing.T) {
	if _, err := Open(Options{}); err == nil {
		t.Fatal("no folder")
	}
	file := t.TempDir() + "/file"
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(Options{Dir: file}); err == nil {
		t.Fatal("not a folder")
	}
	d := newBadDisk()
	d.space = 100
	dir := t.TempDir()
	if _, err := open(Options{Dir: dir}, d); err == nil {
		t.Fatal("no space")
	}
	if left := files(t, dir, ""); len(left) != 0 {
		t.Fatal("left behind:", left)
	}
}

func TestNamesAndModes(t *testing.T) {
	if runtime.GOOS == "windows" {
		return // it has other ways
	}
	dir := t.TempDir() + "/new/one"
	j := start(t, Options{Dir: dir}, nil)
	mustAppend(t, j, "x")
	for _, path := range append(files(t, dir, ""), dir) {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if want := os.FileMode(0o600); info.IsDir() && info.Mode().Perm() != 0o700 || !info.IsDir() && info.Mode().Perm() != want {
			t.Fatal(path, info.Mode())
		}
	}
}
