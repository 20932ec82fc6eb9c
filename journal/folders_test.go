package journal

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// What is not ours is not touched, and keeps nobody from what is.
func TestForeignFiles(t *testing.T) {
	dir := t.TempDir()
	records := leave(t, dir, "a", 3)
	segments := files(t, dir, segmentSuffix)
	home := filepath.Dir(segments[0])
	newer := filepath.Join(home, segmentName(99, 16, 7))
	header := newHeader(7)
	header[4] = 9
	header = appendCRC(header[:12])
	foreign := []string{newer, filepath.Join(home, "README"), filepath.Join(dir, "notes"), filepath.Join(dir, "backup", "x"+segmentSuffix)}
	os.Mkdir(filepath.Join(dir, "backup"), 0o700)
	for _, path := range foreign {
		if err := os.WriteFile(path, append(header, "something"...), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	j := start(t, Options{Dir: dir}, nil)
	want(t, drain(t, j, true), records...)
	j.Close()
	for _, path := range foreign {
		if _, err := os.Stat(path); err != nil {
			t.Error(err)
		}
	}
}

// An empty folder of somebody who died at once, with and without a lock. Those
// that somebody may be about to lock are let be.
func TestEmptyFolders(t *testing.T) {
	for _, c := range []struct {
		name    string
		age     time.Duration
		removed bool
	}{
		{"1", 0, false},
		{"1", time.Hour, true},
		{"1", -time.Hour, true}, // the clock was set back
		{"2/" + lockName, 0, false},
		{"2/" + lockName, time.Hour, true},
		{"3/" + checkpointName, 0, true},
	} {
		dir := t.TempDir()
		path := filepath.Join(dir, homePrefix+c.name)
		folder := path
		if strings.Contains(c.name, "/") {
			folder = filepath.Dir(path)
			os.Mkdir(folder, 0o700)
			os.WriteFile(path, nil, 0o600)
		} else {
			os.Mkdir(path, 0o700)
		}
		then := time.Now().Add(-c.age)
		if err := os.Chtimes(folder, then, then); err != nil {
			t.Fatal(err)
		}
		start(t, Options{Dir: dir}, nil).Close()
		if _, err := os.Stat(folder); os.IsNotExist(err) != c.removed {
			t.Errorf("%s, %s old: removed is %v, want %v", c.name, c.age, !c.removed, c.removed)
		}
	}
}

// Folders come and go while others look for the dead: nobody is robbed.
func TestBirthAmongGraveDiggers(t *testing.T) {
	dir := t.TempDir()
	stop := make(chan struct{})
	var diggers, births sync.WaitGroup
	d := newBadDisk() // which spares the fsyncs
	for range 3 {
		j := start(t, Options{Dir: dir, TakeOverInterval: time.Hour}, d)
		diggers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					j.takeOver()
				}
			}
		})
	}
	for range 4 {
		births.Go(func() {
			for range 50 {
				j, err := open(Options{Dir: dir, TakeOverInterval: time.Hour}, d)
				if err != nil {
					t.Error(err)
					return
				}
				err = j.Append(false, []byte("mine"))
				b, nerr := j.TryNext(10, 0)
				if err != nil || nerr != nil || len(b.Records) != 1 || !j.home.lock.held() {
					t.Error("robbed:", err, nerr, len(b.Records))
				}
				if err := errors.Join(j.Ack(b), j.Close()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	births.Wait()
	close(stop)
	diggers.Wait()
}

func TestTakeOverFailsForNow(t *testing.T) {
	dir := t.TempDir()
	records := leave(t, dir, "a", 3)
	d := newBadDisk()
	d.rename = func(string, string) error { return syscall.EACCES }
	j := start(t, Options{Dir: dir, TakeOverInterval: time.Millisecond}, d)
	time.Sleep(10 * time.Millisecond)
	want(t, drain(t, j, true))
	d.set(func() { d.rename = nil })
	eventually(t, "taken over", func() bool { return j.Stats().Files == 3 })
	// Healed between two files, the journal takes the first one last.
	got := drain(t, j, true)
	slices.Sort(got)
	want(t, got, records...)
}
