package journal

import (
	"errors"
	"os"
	"slices"
	"sync"
	"testing"
	"time"
)

// leave makes a dead instance's folder with records in n files.
func leave(t testing.TB, dir, name string, n int) []string {
	t.Helper()
	j := start(t, Options{Dir: dir, SegmentBytes: 1, TakeOverInterval: time.Hour}, nil)
	var records []string
	for _, r := range numbered(n) {
		records = append(records, name+" "+r)
		mustAppend(t, j, name+" "+r)
	}
	die(j)
	return records
}

func TestLiveInstancesAreLeftAlone(t *testing.T) {
	o := Options{Dir: t.TempDir(), TakeOverInterval: time.Millisecond}
	a, b := start(t, o, nil), start(t, o, nil)
	mustAppend(t, a, "a")
	mustAppend(t, b, "b")
	time.Sleep(20 * time.Millisecond)
	want(t, drain(t, a, true), "a")
	want(t, drain(t, b, true), "b")
}

func TestTakeOverWhileRunning(t *testing.T) {
	o := Options{Dir: t.TempDir(), TakeOverInterval: time.Millisecond, MaxBytes: 200}
	j := start(t, o, nil)
	mustAppend(t, j, "own")
	b, err := j.TryNext(1, 0)
	if err != nil {
		t.Fatal(err)
	}
	dead := start(t, Options{Dir: o.Dir, TakeOverInterval: time.Hour, SegmentBytes: 100}, nil)
	for _, r := range numbered(50) {
		mustAppend(t, dead, r)
	}
	part, err := dead.TryNext(2, 0)
	if err != nil || dead.Ack(part) != nil {
		t.Fatal(err)
	}
	die(dead)
	eventually(t, "taken over", func() bool { return j.Stats().TakenOver > 0 })
	// More than the bound, so there is no room for others.
	if s := j.Stats(); s.Bytes < 48*frameSize || !s.UrgentFull {
		t.Fatalf("%+v", s)
	}
	if err := j.Append(true, []byte("x")); !errors.Is(err, ErrFull) {
		t.Fatal(err)
	}
	if err := j.Ack(b); err != nil {
		t.Fatal(err)
	}
	want(t, drain(t, j, true), numbered(50)[2:]...)
	mustAppend(t, j, "own again")
	want(t, drain(t, j, true), "own again")
	if s := j.Stats(); s.Bytes != 0 || s.Records != 0 {
		t.Fatalf("%+v", s)
	}
	eventually(t, "its folder is removed", func() bool { return len(files(t, o.Dir, lockName)) == 1 })
}

// A reload of the configuration: the new instance is there before the old ends.
func TestClosingWakesNeighbours(t *testing.T) {
	o := Options{Dir: t.TempDir(), TakeOverInterval: time.Hour}
	a, b := start(t, o, nil), start(t, o, nil)
	mustAppend(t, a, "left")
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	batch, err := b.Next(t.Context(), 1, 0)
	if err != nil || string(batch.Records[0]) != "left" {
		t.Fatal(batch, err)
	}
}

func TestManyWantTheSameDead(t *testing.T) {
	dir := t.TempDir()
	var all []string
	for _, name := range []string{"a", "b", "c", "d"} {
		all = append(all, leave(t, dir, name, 10)...)
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	var got []string
	for range 8 {
		wg.Go(func() {
			j := start(t, Options{Dir: dir}, nil)
			mine := drain(t, j, true)
			mu.Lock()
			got = append(got, mine...)
			mu.Unlock()
		})
	}
	wg.Wait()
	slices.Sort(got)
	slices.Sort(all)
	want(t, got, all...) // each of them once
}

// A crash at any point of a take-over loses nothing and brings nothing twice.
func TestTakeOverIsInterrupted(t *testing.T) {
	for point := range 14 {
		dir := t.TempDir()
		all := leave(t, dir, "a", 5)
		all = append(all, leave(t, dir, "b", 5)...) // takes a over
		d := newBadDisk()
		n := 0
		d.rename = func(string, string) error {
			if n++; n > point {
				return errBad
			}
			return nil
		}
		if point%2 == 1 {
			d.remove = errBad
		}
		j, err := open(Options{Dir: dir, TakeOverInterval: time.Hour}, d)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		if point%3 == 0 { // it also reads before it dies
			b, err := j.TryNext(100, 0)
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range b.Records {
				got = append(got, string(r))
			}
			j.Ack(b)
		}
		die(j)
		d.set(func() { d.remove = nil })
		j = start(t, Options{Dir: dir}, nil)
		got = append(got, drain(t, j, true)...)
		slices.Sort(got)
		if point%2 == 0 || len(got) <= len(all) {
			want(t, got, all...)
		} else { // what could not be removed came again
			want(t, slices.Compact(got), all...)
		}
		j.Close()
		if left := files(t, dir, ""); len(left) != 0 {
			t.Fatal("left behind:", left)
		}
	}
}

// What was acknowledged in a file that nobody removed is not read years later.
func TestCheckpointIsTakenOver(t *testing.T) {
	o := Options{Dir: t.TempDir(), TakeOverInterval: time.Hour}
	j := start(t, o, nil)
	mustAppend(t, j, numbered(10)...)
	drain(t, j, true)
	die(j) // with a small file of which all is done
	if n := files(t, o.Dir, segmentSuffix); len(n) != 1 {
		t.Fatal(n)
	}
	j = start(t, o, nil)
	if n := files(t, o.Dir, segmentSuffix); len(n) != 0 || j.Stats().Bytes != 0 {
		t.Fatal(n, j.Stats())
	}
	// Done in part, through two owners' deaths.
	mustAppend(t, j, numbered(10)...)
	for i := 0; i < 9; i += 3 {
		b, err := j.TryNext(3, 0)
		if err != nil || string(b.Records[0]) != numbered(10)[i] || j.Ack(b) != nil {
			t.Fatal(err, i)
		}
		die(j)
		j = start(t, o, nil)
	}
	want(t, drain(t, j, true), numbered(10)[9])
}

// A checkpoint that was torn leaves the one before; without any all is read.
func TestCheckpointIsDamaged(t *testing.T) {
	for name, c := range map[string]struct {
		damage func(b []byte) []byte
		from   int
	}{
		"last": {func(b []byte) []byte { b[slotDistance+3] ^= 1; return b }, 1},
		"both": {func(b []byte) []byte { b[2] ^= 1; b[slotDistance+3] ^= 1; return b }, 0},
		"gone": {func([]byte) []byte { return nil }, 0},
		"none": {func(b []byte) []byte { return b }, 2},
	} {
		t.Run(name, func(t *testing.T) {
			o := Options{Dir: t.TempDir()}
			j := start(t, o, nil)
			mustAppend(t, j, numbered(5)...)
			for range 2 {
				b, err := j.TryNext(1, 0)
				if err != nil || j.Ack(b) != nil {
					t.Fatal(err)
				}
			}
			die(j)
			path := files(t, o.Dir, checkpointName)[0]
			b, err := os.ReadFile(path)
			if err == nil {
				err = os.WriteFile(path, c.damage(b), 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
			want(t, drain(t, start(t, o, nil), true), numbered(5)[c.from:]...)
		})
	}
}
