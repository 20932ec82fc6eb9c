package child

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"
)

// asParent makes this program one that has a child and waits to be killed.
const asParent = "WA_CHILD_TEST_PARENT"

func TestMain(m *testing.M) {
	if os.Getenv(asParent) == "" {
		os.Exit(m.Run())
	}
	p, err := Start(exec.Command("sleep", "60"))
	if err != nil {
		panic(err)
	}
	fmt.Println(p.Pid())
	time.Sleep(time.Minute)
}

// alive tells whether a process runs: one that nobody has waited for does not.
func alive(pid int) bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && !strings.Contains(string(text), ") Z ")
}

// A child does not outlive a parent that is killed and can do nothing about it.
func TestDiesWithParent(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	parent := exec.CommandContext(t.Context(), self)
	parent.Env = append(os.Environ(), asParent+"=1")
	out, err := parent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		t.Fatal(err)
	}
	if !alive(pid) {
		t.Fatal("the child does not run")
	}
	if err := parent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = parent.Wait() // killed
	for deadline := time.Now().Add(10 * time.Second); alive(pid); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the child lives on")
		}
	}
}

// A process tells how it ended, by itself or killed.
func TestEnd(t *testing.T) {
	for name, c := range map[string]struct {
		script string
		kill   bool
		want   string // error; empty: none
	}{
		"well":   {"exit 0", false, ""},
		"badly":  {"exit 3", false, "exit status 3"},
		"killed": {"sleep 60", true, "signal: killed"},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := Start(exec.Command("sh", "-c", c.script))
			if err != nil {
				t.Fatal(err)
			}
			if c.kill {
				if p.Ended() {
					t.Error("it has ended before it was killed")
				}
				p.Kill()
			}
			select {
			case <-p.Done():
			case <-time.After(10 * time.Second):
				p.Kill()
				t.Fatal("it does not end")
			}
			got := ""
			if err := p.Err(); err != nil {
				got = err.Error()
			}
			if got != c.want || !p.Ended() {
				t.Errorf("it ended with %q (%v), not %q", got, p.Ended(), c.want)
			}
			p.Kill() // again is nothing
		})
	}
	if _, err := Start(exec.Command("/nowhere/to/be/found")); err == nil {
		t.Error("a program that is not there was started")
	}
}
