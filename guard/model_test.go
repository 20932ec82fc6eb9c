package guard

import (
	"errors"
	"net/netip"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// modelAddress is what Failures promises of one address, written down plainly.
type modelAddress struct {
	failures []time.Time
	underway int
}

func (m *modelAddress) failed(now time.Time, window time.Duration) []time.Time {
	m.failures = slices.DeleteFunc(m.failures, func(at time.Time) bool { return now.Sub(at) >= window })
	return m.failures
}

// Whatever is tried, and whenever: exactly as many are let through as promised, and
// RetryAfter is exact.
func TestFailuresKeepToTheModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		type underway struct {
			attempt *Attempt
			addr    netip.Addr
			key     int
			known   bool
		}
		type pairKey struct {
			addr netip.Addr
			key  int
		}
		c := &clock{}
		limit := rapid.IntRange(1, 5).Draw(t, "max")
		const window = 10 * time.Second
		f := NewFailures(FailuresOptions{Max: limit, Window: window, Now: c.Now})
		model := map[netip.Addr]*modelAddress{}
		known := map[pairKey]bool{}
		var running []underway

		t.Repeat(map[string]func(*rapid.T){
			"begin": func(t *rapid.T) {
				addr := netip.AddrFrom4([4]byte{10, 0, 0, byte(rapid.IntRange(0, 2).Draw(t, "address"))})
				key := rapid.IntRange(0, 3).Draw(t, "credential")
				m := model[addr]
				if m == nil {
					m = &modelAddress{}
					model[addr] = m
				}
				failed := m.failed(c.Now(), window)
				want := known[pairKey{addr, key}] || len(failed)+m.underway < limit
				a, err := f.Begin(hurry(), addr, credential(key))
				if (err == nil) != want {
					t.Fatalf("%d failures, %d under way of %d: %v", len(failed), m.underway, limit, err)
				}
				if err == nil {
					isKnown := known[pairKey{addr, key}]
					if !isKnown {
						m.underway++
					}
					running = append(running, underway{&a, addr, key, isKnown})
					return
				}
				var refused *TooManyFailures
				if !errors.As(err, &refused) {
					t.Fatal(err)
				}
				if len(failed) >= limit {
					if free := failed[len(failed)-limit].Add(window).Sub(c.Now()); refused.RetryAfter != free {
						t.Fatalf("retry after %s, want %s", refused.RetryAfter, free)
					}
				}
			},
			"end": func(t *rapid.T) {
				if len(running) == 0 {
					t.Skip("none under way")
				}
				i := rapid.IntRange(0, len(running)-1).Draw(t, "which")
				r := running[i]
				running = slices.Delete(running, i, i+1)
				m := model[r.addr]
				if !r.known {
					m.underway--
				}
				switch rapid.IntRange(0, 2).Draw(t, "how") {
				case 0:
					r.attempt.Succeeded()
					if !r.attempt.fresh {
						known[pairKey{r.addr, r.key}] = true
					}
				case 1:
					r.attempt.Failed()
					delete(known, pairKey{r.addr, r.key})
					m.failures = append(m.failures, c.Now())
				default:
					r.attempt.Abandoned()
				}
			},
			"wait": func(t *rapid.T) {
				c.advance(time.Duration(rapid.IntRange(0, 4).Draw(t, "seconds")) * time.Second)
			},
		})
	})
}

func TestInFlightKeepsToTheModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.IntRange(-1, 4).Draw(t, "max")
		f := NewInFlight(limit)
		model := map[string]int{}
		user := rapid.SampledFrom([]string{"", "a", "b", "c"})
		t.Repeat(map[string]func(*rapid.T){
			"enter": func(t *rapid.T) {
				u := user.Draw(t, "user")
				want := limit <= 0 || model[u] < limit
				if got := f.Enter(u); got != want {
					t.Fatalf("%d calls of %d: entered %t", model[u], limit, got)
				}
				if want {
					model[u]++
				}
			},
			"leave": func(t *rapid.T) {
				u := user.Draw(t, "user")
				if model[u] == 0 {
					t.Skip("not in")
				}
				f.Leave(u)
				if model[u]--; model[u] == 0 {
					delete(model, u)
				}
			},
			"limit": func(t *rapid.T) {
				limit = rapid.IntRange(-1, 4).Draw(t, "max")
				f.SetMax(limit)
			},
			"": func(t *rapid.T) {
				for u, n := range model {
					if f.Calls(u) != n {
						t.Fatalf("%d calls of %q, want %d", f.Calls(u), u, n)
					}
				}
				if f.Users() != len(model) {
					t.Fatalf("%d users, want %d", f.Users(), len(model))
				}
			},
		})
	})
}
