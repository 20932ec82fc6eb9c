package crashtest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"
)

var (
	binDir    string
	buildOnce = sync.OnceValue(build)
)

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "wa-crashtest-")
	if err != nil {
		panic(err)
	}
	binDir = dir
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// build builds the gateway as it is delivered, without the race detector: it is
// killed at moments at which it would be in production.
func build() error {
	cmd := exec.Command("go", "build", "-trimpath", "-tags=nobadger,nomysql,nopgx", "-ldflags=-s -w", "-o", filepath.Join(binDir, "caddy"), ".")
	cmd.Dir = ".."
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return errors.Join(err, errors.New(string(out)))
	}
	return nil
}

// binary is the gateway's program.
func binary(t testing.TB) string {
	t.Helper()
	if err := buildOnce(); err != nil {
		t.Fatal("building the gateway:", err)
	}
	return filepath.Join(binDir, "caddy")
}

// rounds is how often a test kills something: n, fewer with -short, or what
// WA_CRASH_ROUNDS says.
func rounds(t testing.TB, n int) int {
	t.Helper()
	if text := os.Getenv("WA_CRASH_ROUNDS"); text != "" {
		set, err := strconv.Atoi(text)
		if err != nil || set < 1 {
			t.Fatalf("WA_CRASH_ROUNDS=%q is not a number above zero", text)
		}
		return set
	}
	if testing.Short() {
		return max(3, n/6)
	}
	return n
}

// chance is a source of random moments; its seed is in the log.
func chance(t testing.TB) *rand.Rand {
	t.Helper()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

// between is a random time from a to b.
func between(r *rand.Rand, a, b time.Duration) time.Duration {
	return a + time.Duration(r.Int64N(int64(b-a)+1))
}

// eventually waits for something that comes true in the background, and fails with
// what stood in its way.
func eventually(t testing.TB, within time.Duration, what string, try func() error) {
	t.Helper()
	deadline := time.Now().Add(within)
	for {
		err := try()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: still not after %v: %v", what, within, err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// limited keeps a few of many texts.
type limited struct {
	mu    sync.Mutex
	texts []string
	count int
}

func (l *limited) add(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.count++; len(l.texts) < 20 {
		l.texts = append(l.texts, fmt.Sprintf(format, args...))
	}
}

func (l *limited) report(t testing.TB) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, text := range l.texts {
		t.Error(text)
	}
	if more := l.count - len(l.texts); more > 0 {
		t.Errorf("and %d more", more)
	}
	l.texts, l.count = nil, 0
}
