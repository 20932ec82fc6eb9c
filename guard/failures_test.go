package guard

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var home = netip.MustParseAddr("192.0.2.1")

func credential(i int) [sha256.Size]byte { return sha256.Sum256(fmt.Append(nil, i)) }

// clock is one that the test moves.
type clock struct{ ns atomic.Int64 }

func (c *clock) Now() time.Time          { return time.Unix(1_700_000_000, c.ns.Load()) }
func (c *clock) advance(d time.Duration) { c.ns.Add(int64(d)) }

// hurry is the context of somebody who does not wait.
func hurry() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

// guess fails once; it tells whether it was let through, and else when to retry.
func guess(t *testing.T, f *Failures, addr netip.Addr, i int) (bool, time.Duration) {
	t.Helper()
	a, err := f.Begin(hurry(), addr, credential(i))
	if err != nil {
		var refused *TooManyFailures
		if !errors.As(err, &refused) {
			t.Fatalf("error %v (%T)", err, err)
		}
		return false, refused.RetryAfter
	}
	a.Failed()
	return true, 0
}

func succeed(t *testing.T, f *Failures, addr netip.Addr, i int) bool {
	t.Helper()
	a, err := f.Begin(hurry(), addr, credential(i))
	if err != nil {
		return false
	}
	a.Succeeded()
	return true
}

func TestFailuresFillTheWindow(t *testing.T) {
	c := &clock{}
	f := NewFailures(FailuresOptions{Max: 3, Window: time.Minute, Now: c.Now})
	for i := range 3 {
		if ok, _ := guess(t, f, home, i); !ok {
			t.Fatalf("guess %d refused", i)
		}
		c.advance(10 * time.Second)
	}
	ok, after := guess(t, f, home, 9)
	if ok || after != 30*time.Second {
		t.Fatalf("fourth guess: ok %t, retry after %s; want refused, 30s", ok, after)
	}
	c.advance(after - 1)
	if ok, rest := guess(t, f, home, 9); ok || rest != 1 {
		t.Fatalf("a nanosecond too early: ok %t, retry after %s", ok, rest)
	}
	c.advance(1)
	if ok, _ := guess(t, f, home, 9); !ok {
		t.Fatal("refused after RetryAfter")
	}
	// The window slides: the next place comes free with the second failure.
	if ok, after := guess(t, f, home, 9); ok || after != 10*time.Second {
		t.Fatalf("ok %t, retry after %s; want refused, 10s", ok, after)
	}
	if ok, _ := guess(t, f, netip.MustParseAddr("192.0.2.2"), 9); !ok {
		t.Fatal("another address pays for this one")
	}
}

func TestSuccessTakesNoFailureAway(t *testing.T) {
	f := NewFailures(FailuresOptions{Max: 3})
	for i := range 3 {
		if !succeed(t, f, home, -1) {
			t.Fatal("a valid credential refused")
		}
		guess(t, f, home, i)
	}
	if ok, _ := guess(t, f, home, 9); ok {
		t.Fatal("who has a valid key guesses on")
	}
	if !succeed(t, f, home, -1) {
		t.Fatal("the known key is locked out by its neighbour")
	}
	if succeed(t, f, home, -2) {
		t.Fatal("an unknown key gets through a full window")
	}
}

func TestKnownPairs(t *testing.T) {
	c := &clock{}
	f := NewFailures(FailuresOptions{Max: 1, Window: time.Minute, Now: c.Now})
	if !succeed(t, f, home, 1) {
		t.Fatal("first success refused")
	}
	block := func() { guess(t, f, home, 99) }

	block()
	if !succeed(t, f, home, 1) {
		t.Error("known pair refused")
	}
	other := netip.MustParseAddr("198.51.100.7")
	guess(t, f, other, 99)
	if succeed(t, f, other, 1) {
		t.Error("known at one address, let through at another")
	}

	// 24 hours count from the last success, not the first.
	c.advance(24 * time.Hour)
	block()
	if !succeed(t, f, home, 1) {
		t.Error("unknown 24 hours after its success")
	}
	c.advance(24 * time.Hour)
	block()
	if !succeed(t, f, home, 1) {
		t.Error("a success did not renew the 24 hours")
	}
	c.advance(24*time.Hour + 2*time.Minute)
	block()
	if succeed(t, f, home, 1) {
		t.Error("still known two days later")
	}

	// A credential that fails, say since it was revoked, is a stranger from then on.
	c.advance(time.Hour)
	if !succeed(t, f, home, 1) {
		t.Fatal("refused in an empty window")
	}
	if ok, _ := guess(t, f, home, 1); !ok {
		t.Fatal("known pair refused")
	}
	if succeed(t, f, home, 1) {
		t.Error("a failure did not forget the pair, or did not count")
	}
}

func TestAddresses(t *testing.T) {
	for _, test := range []struct {
		a, b string
		same bool
	}{
		{"2001:db8:1:2::1", "2001:db8:1:2:ffff:ffff:ffff:ffff", true},
		{"2001:db8:1:2::1", "2001:db8:1:3::1", false},
		{"192.0.2.1", "::ffff:192.0.2.1", true},
		{"192.0.2.1", "192.0.2.2", false},
		{"::ffff:192.0.2.1", "::ffff:192.0.2.2", false},
		{"fe80::1%eth0", "fe80::2%eth1", true},
		{"::1", "0.0.0.0", false},
	} {
		if got := addressOf(netip.MustParseAddr(test.a)) == addressOf(netip.MustParseAddr(test.b)); got != test.same {
			t.Errorf("%s and %s: the same %t, want %t", test.a, test.b, got, test.same)
		}
	}
	f := NewFailures(FailuresOptions{Max: 1})
	if ok, _ := guess(t, f, netip.Addr{}, 1); !ok {
		t.Error("no address: first guess refused")
	}
	if ok, _ := guess(t, f, netip.Addr{}, 2); ok {
		t.Error("no address: nothing counted")
	}
}

func TestAttemptEndsOnce(t *testing.T) {
	f := NewFailures(FailuresOptions{Max: 2})
	a, err := f.Begin(hurry(), home, credential(1))
	if err != nil {
		t.Fatal(err)
	}
	a.Failed()
	a.Failed()
	a.Abandoned()
	a.Succeeded()
	var zero Attempt
	zero.Failed()
	zero.Succeeded()
	zero.Abandoned()
	if ok, _ := guess(t, f, home, 2); !ok {
		t.Error("one failure counted twice")
	}
	if succeed(t, f, home, 1) {
		t.Error("an ended attempt succeeded")
	}
}

func TestAbandonedLeavesNothing(t *testing.T) {
	f := NewFailures(FailuresOptions{Max: 1})
	for i := range 100 {
		a, err := f.Begin(hurry(), home, credential(i))
		if err != nil {
			t.Fatal(err)
		}
		a.Abandoned()
	}
	if n := f.addresses(); n != 0 {
		t.Errorf("%d addresses remembered", n)
	}
}

// Many guesses at once do not get through together.
func TestGuessesAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := NewFailures(FailuresOptions{Max: 20})
		var through, refused atomic.Int64
		var done sync.WaitGroup
		for i := range 500 {
			done.Go(func() {
				a, err := f.Begin(t.Context(), home, credential(i))
				if err != nil {
					refused.Add(1)
					return
				}
				through.Add(1)
				time.Sleep(time.Millisecond) // the database
				a.Failed()
			})
		}
		done.Wait()
		if through.Load() != 20 || refused.Load() != 480 {
			t.Errorf("%d let through, %d refused; want 20, 480", through.Load(), refused.Load())
		}
	})
}

// An office whose customers all come for the first time at once is served.
func TestManyValidAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := NewFailures(FailuresOptions{Max: 20})
		var done sync.WaitGroup
		start := time.Now()
		for i := range 500 {
			done.Go(func() {
				a, err := f.Begin(t.Context(), home, credential(i))
				if err != nil {
					t.Errorf("%d: %v", i, err)
					return
				}
				time.Sleep(10 * time.Millisecond)
				a.Succeeded()
			})
		}
		done.Wait()
		if took := time.Since(start); took != 250*time.Millisecond {
			t.Errorf("took %s; 20 at a time take 250ms", took)
		}
		if n := f.addresses(); n != 0 {
			t.Errorf("%d addresses remembered", n)
		}
	})
}

func TestWaitingEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := NewFailures(FailuresOptions{Max: 1})
		slow, err := f.Begin(t.Context(), home, credential(1))
		if err != nil {
			t.Fatal(err)
		}

		start := time.Now()
		var refused *TooManyFailures
		if _, err := f.Begin(t.Context(), home, credential(2)); !errors.As(err, &refused) {
			t.Fatalf("got %v, want a refusal", err)
		}
		if took := time.Since(start); took != maxWait || refused.RetryAfter <= 0 {
			t.Errorf("refused after %s, retry after %s", took, refused.RetryAfter)
		}

		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start = time.Now()
		if _, err := f.Begin(ctx, home, credential(2)); !errors.As(err, &refused) {
			t.Fatalf("got %v, want a refusal", err)
		}
		if took := time.Since(start); took != time.Second {
			t.Errorf("took %s; its context allowed 1s", took)
		}

		// Who comes first is let in first, once the slow one has ended.
		order := make(chan int, 3)
		for i := range 3 {
			go func() {
				a, err := f.Begin(t.Context(), home, credential(10+i))
				if err != nil {
					t.Error(err)
				}
				order <- i
				a.Abandoned()
			}()
			synctest.Wait()
		}
		slow.Succeeded()
		for want := range 3 {
			if got := <-order; got != want {
				t.Errorf("%d came as number %d", got, want)
			}
		}
		synctest.Wait()
		if n := f.addresses(); n != 0 {
			t.Errorf("%d addresses remembered", n)
		}
	})
}

// While one waits, time frees a place.
func TestWaitingOutlastsAFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := NewFailures(FailuresOptions{Max: 2, Window: 3 * time.Second})
		guess(t, f, home, 1)
		slow, err := f.Begin(t.Context(), home, credential(2))
		if err != nil {
			t.Fatal(err)
		}
		a, err := f.Begin(t.Context(), home, credential(3))
		if err != nil {
			t.Fatalf("refused, with one place free: %v", err)
		}
		a.Failed()
		slow.Failed()
		if ok, after := guess(t, f, home, 4); ok || after != 3*time.Second {
			t.Errorf("ok %t, retry after %s; want refused, 3s", ok, after)
		}
	})
}

func TestFailuresAreBounded(t *testing.T) {
	const size = 3_000
	c := &clock{}
	f := NewFailures(FailuresOptions{Size: size, Now: c.Now})
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	addr := netip.MustParseAddr("10.0.0.0")
	for i := range 3 * size {
		for range 20 {
			c.advance(1)
			guess(t, f, addr, i)
		}
		known := netip.MustParseAddr("2001:db8::1")
		if !succeed(t, f, known, i) {
			t.Fatal("valid credential refused")
		}
		addr = addr.Next()
	}
	if n := f.addresses(); n > size {
		t.Errorf("%d addresses, want at most %d", n, size)
	}
	if n := f.known.size(); n > size {
		t.Errorf("%d known pairs, want at most %d", n, size)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	per := float64(after.HeapAlloc-before.HeapAlloc) / size
	t.Logf("%.0f bytes for an address with 20 failures and a known pair", per)
	if per > 600 {
		t.Errorf("%.0f bytes each", per)
	}
	// Those over are freed by whoever comes later.
	c.advance(time.Hour)
	for i := range 2000 {
		guess(t, f, addr, i)
		addr = addr.Next()
	}
	if n := f.addresses(); n > 2000 {
		t.Errorf("%d addresses remembered an hour later", n)
	}
	runtime.KeepAlive(f)
}

// The address that has been quiet longest is the one that is forgotten.
func TestForgetsTheQuietest(t *testing.T) {
	c := &clock{}
	f := NewFailures(FailuresOptions{Max: 1, Size: 3, Now: c.Now})
	at := func(i int) netip.Addr { return netip.AddrFrom4([4]byte{10, 0, 0, byte(i)}) }
	for i := range 3 {
		guess(t, f, at(i), 1)
	}
	guess(t, f, at(0), 1) // refused, but not quiet
	guess(t, f, at(3), 1)
	for i, want := range []bool{false, true, false, false} {
		if i == 1 {
			continue // asking would push out another
		}
		if ok, _ := guess(t, f, at(i), 1); ok != want {
			t.Errorf("address %d let through %t, want %t", i, ok, want)
		}
	}
	if ok, _ := guess(t, f, at(1), 1); !ok {
		t.Error("the quietest was not forgotten")
	}
	// Under way means not quiet.
	f = NewFailures(FailuresOptions{Max: 1, Size: 1, Now: c.Now})
	busy, err := f.Begin(hurry(), at(0), credential(1))
	if err != nil {
		t.Fatal(err)
	}
	guess(t, f, at(1), 1)
	guess(t, f, at(2), 1)
	busy.Failed()
	if ok, _ := guess(t, f, at(0), 1); ok {
		t.Error("a failure got lost")
	}
}

// A pair in use is not pushed out by those that come once.
func TestKnownPairsInUseStay(t *testing.T) {
	f := NewFailures(FailuresOptions{Max: 1, Size: 100})
	succeed(t, f, home, -1)
	guess(t, f, home, -2) // from now on a stranger is refused here
	for i := range 1000 {
		succeed(t, f, netip.MustParseAddr("192.0.2.2"), i)
		if !succeed(t, f, home, -1) {
			t.Fatalf("pushed out by number %d", i)
		}
	}
	if n := f.known.size(); n > 100 {
		t.Errorf("%d known pairs", n)
	}
}

func TestFailuresRace(t *testing.T) {
	f := NewFailures(FailuresOptions{Max: 3, Window: 2 * time.Millisecond, Size: 8})
	var done sync.WaitGroup
	for g := range 16 {
		done.Go(func() {
			for i := range 500 {
				ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
				a, err := f.Begin(ctx, netip.AddrFrom4([4]byte{10, 0, 0, byte(i % 12)}), credential(i%40))
				if err == nil {
					switch (g + i) % 3 {
					case 0:
						a.Succeeded()
					case 1:
						a.Failed()
					default:
						a.Abandoned()
					}
				}
				cancel()
			}
		})
	}
	done.Wait()
	for i := range f.shards {
		s := &f.shards[i]
		quiet := 0
		for r := s.quiet.first; r != nil; r = r.behind {
			quiet++
		}
		for _, r := range s.addresses {
			if r.underway != 0 || len(r.waiters) != 0 || !r.quiet {
				t.Errorf("record left with %d under way, %d waiting, quiet %t", r.underway, len(r.waiters), r.quiet)
			}
		}
		if quiet != len(s.addresses) || quiet > s.limit {
			t.Errorf("%d quiet of %d addresses, limit %d", quiet, len(s.addresses), s.limit)
		}
	}
}

func TestKnownPairCostsNoAllocation(t *testing.T) {
	f := NewFailures(FailuresOptions{})
	succeed(t, f, home, 1)
	hash, ctx := credential(1), context.Background()
	if n := testing.AllocsPerRun(1000, func() {
		a, err := f.Begin(ctx, home, hash)
		if err != nil {
			t.Fatal(err)
		}
		defer a.Abandoned()
		a.Succeeded()
	}); n != 0 {
		t.Errorf("%g allocations", n)
	}
}

// addresses is how many addresses are remembered.
func (f *Failures) addresses() (n int) {
	for i := range f.shards {
		n += len(f.shards[i].addresses)
	}
	return n
}

func (k *knownPairs) size() (n int) {
	for i := range k.shards {
		n += len(k.shards[i].slots)
	}
	return n
}
