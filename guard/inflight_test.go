package guard

import (
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
)

func TestInFlightAtOnce(t *testing.T) {
	const limit = 5
	f := NewInFlight(limit)
	var done sync.WaitGroup
	var now, most, entered atomic.Int64
	for range 50 {
		done.Go(func() {
			for range 2000 {
				if !f.Enter("flood") {
					continue
				}
				entered.Add(1)
				n := now.Add(1)
				for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
				}
				runtime.Gosched()
				now.Add(-1)
				f.Leave("flood")
			}
		})
	}
	for i := range 50 {
		done.Go(func() {
			user := fmt.Sprint("quiet", i)
			for range 200 {
				if !f.Enter(user) {
					t.Error("a quiet user pays for the flood of another")
				} else {
					f.Leave(user)
				}
			}
		})
	}
	done.Wait()
	if most.Load() > limit || entered.Load() == 0 {
		t.Errorf("%d at once of %d, %d in all", most.Load(), limit, entered.Load())
	}
	if n := f.Users(); n != 0 {
		t.Errorf("%d users left", n)
	}
}

func TestLeaveWithoutEnter(t *testing.T) {
	f := NewInFlight(1)
	defer func() {
		if recover() == nil {
			t.Error("Leave without Enter passed")
		}
		// The lock is free again.
		if !f.Enter("a") || f.Enter("a") {
			t.Error("the count is wrong")
		}
	}()
	f.Leave("a")
}

func TestSetMaxWhileUnderWay(t *testing.T) {
	f := NewInFlight(3)
	for range 3 {
		f.Enter("a")
	}
	f.SetMax(1)
	for range 2 {
		f.Leave("a")
		if f.Enter("a") {
			t.Fatal("entered above the new limit")
		}
	}
	f.Leave("a")
	if !f.Enter("a") {
		t.Error("refused below the new limit")
	}
}

func TestInFlightCostsNoAllocation(t *testing.T) {
	f := NewInFlight(10)
	if n := testing.AllocsPerRun(1000, func() {
		f.Enter("user123")
		f.Leave("user123")
	}); n != 0 {
		t.Errorf("%g allocations", n)
	}
}
