package journal

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"
)

// childEnv names the folder in which a copy of the test binary is to work until
// it is killed.
const childEnv = "JOURNAL_TEST_CHILD"

// child tells each record that was kept ("+n") after it was, and each that it
// is about to acknowledge ("-n") before. It looks for the dead all the time.
func child(dir, mode string) {
	j, err := Open(Options{Dir: dir, SegmentBytes: 4000, TakeOverInterval: time.Millisecond, SyncInterval: 5 * time.Millisecond})
	if err != nil {
		fmt.Println("!", err)
		os.Exit(1)
	}
	var mu sync.Mutex
	say := func(sign string, id string) {
		mu.Lock()
		fmt.Fprintln(os.Stdout, sign+id)
		mu.Unlock()
	}
	if mode == "read" {
		go func() {
			for {
				b, err := j.Next(context.Background(), 20, 0)
				if err != nil {
					say("!", err.Error())
					continue
				}
				for _, r := range b.Records {
					id, _, _ := strings.Cut(string(r), " ")
					say("-", id)
				}
				j.Ack(b)
				time.Sleep(time.Millisecond)
			}
		}()
	}
	for w := range 3 {
		go func() {
			for n := 0; ; n++ {
				id := fmt.Sprintf("%s.%d.%d", j.home.path[len(j.home.path)-8:], w, n)
				// Larger than a page: a write that a kill can tear.
				record := []byte(id + " " + strings.Repeat("z", rand.N(12000)))
				var err error
				if w == 0 {
					err = j.AppendSync(context.Background(), record)
				} else {
					err = j.Append(true, record)
					time.Sleep(time.Duration(rand.N(400)) * time.Microsecond)
				}
				if err != nil {
					say("!", err.Error())
					continue
				}
				say("+", id)
			}
		}()
	}
	select {}
}

// TestKill kills processes that append, read and take each other over, and
// holds that everything they said they had kept is read, by them or in the end.
func TestKill(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	kept, read := make(map[string]bool), make(map[string]int)
	var mu sync.Mutex
	run := func(mode string, life time.Duration) {
		cmd := exec.Command(exe)
		cmd.Env = append(os.Environ(), childEnv+"="+dir, childEnv+"_MODE="+mode)
		out, err := cmd.StdoutPipe()
		if err == nil {
			err = cmd.Start()
		}
		if err != nil {
			t.Error(err)
			return
		}
		kill := func() { cmd.Process.Kill() }
		if rand.N(4) == 0 {
			time.AfterFunc(life, kill) // perhaps while it still takes over
		}
		first := true
		for lines := bufio.NewScanner(out); lines.Scan(); first = false {
			line := lines.Text()
			if first {
				time.AfterFunc(life, kill)
			}
			mu.Lock()
			switch {
			case strings.HasPrefix(line, "+"):
				kept[line[1:]] = true
			case strings.HasPrefix(line, "-"):
				read[line[1:]]++
			default:
				t.Error("child:", line)
			}
			mu.Unlock()
		}
		cmd.Wait()
	}
	const lives, atOnce = 16, 3
	var wg sync.WaitGroup
	for range atOnce {
		wg.Go(func() {
			for i := range lives {
				run([]string{"read", "write"}[i%2], time.Duration(30+rand.N(120))*time.Millisecond)
			}
		})
	}
	wg.Wait()

	j := start(t, Options{Dir: dir}, nil)
	twice := 0
	for _, r := range drain(t, j, true) {
		id, rest, _ := strings.Cut(r, " ")
		if strings.Trim(rest, "z") != "" {
			t.Fatalf("not what was written: %.100q", r)
		}
		if read[id]++; read[id] > 1 {
			twice++
		}
	}
	for id := range kept {
		if read[id] == 0 {
			t.Errorf("%s was kept and is lost", id)
		}
	}
	if s := j.Stats(); s.Corrupt != 0 {
		t.Errorf("%+v", s)
	}
	t.Log(len(kept), "kept,", len(read), "read,", twice, "of them in the end once more, by", lives*atOnce, "processes")
	if len(kept) < 200 {
		t.Error("too few to tell anything")
	}
}
