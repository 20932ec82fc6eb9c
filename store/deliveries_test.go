package store_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/genfity/wa-gateway/store"
	"github.com/genfity/wa-gateway/store/storetest"
)

func delivery(session, id string) store.Delivery {
	return store.Delivery{EventID: id, SessionID: session, Body: []byte(`{"id":"` + id + `"}`)}
}

func addDeliveries(t *testing.T, p *store.Primary, list ...store.Delivery) store.DeliveriesAdded {
	t.Helper()
	added, err := p.AddDeliveries(t.Context(), list)
	must(t, err)
	return added
}

// claim claims up to n deliveries and returns them by their event ids.
func claim(t *testing.T, p *store.Primary, n int, lease time.Duration) []store.ClaimedDelivery {
	t.Helper()
	claimed, err := p.ClaimDeliveries(t.Context(), n, lease)
	must(t, err)
	return claimed
}

func claimedIDs(claimed []store.ClaimedDelivery) string {
	ids := make([]string, len(claimed))
	for i := range claimed {
		ids[i] = claimed[i].EventID
	}
	return strings.Join(ids, " ")
}

// lapse lets all leases and pauses end.
func lapse(t *testing.T, d *storetest.Database) {
	t.Helper()
	const past = `'2001-01-01T00:00:00.000Z'`
	d.Exec(t, `UPDATE `+d.Own("delivery_sessions")+` SET free_at = `+past+`, due_at = `+past+` WHERE due_at IS NOT NULL`)
	d.Exec(t, `UPDATE `+d.Own("deliveries")+` SET next_at = `+past+` WHERE done_at IS NULL`)
}

// checkWaiting compares the counters with the rows.
func checkWaiting(t *testing.T, d *storetest.Database, want int) {
	t.Helper()
	var n int
	d.Query(t, `SELECT coalesce(sum(waiting), 0) FROM `+d.Own("delivery_sessions"), nil, &n)
	if rows := d.Count(t, d.Own("deliveries"), "done_at IS NULL"); n != want || rows != want {
		t.Errorf("%d deliveries wait and %d are counted, want %d", rows, n, want)
	}
}

func TestDeliveriesAreAddedOnce(t *testing.T) {
	primaries(t, func(t *testing.T, d *storetest.Database, p *store.Primary) {
		got := addDeliveries(t, p, delivery("s1", "a"), delivery("s2", "a"), delivery("s1", "b"), delivery("s1", "a"), delivery("", "x"))
		if got != (store.DeliveriesAdded{Added: 3, Known: 2}) {
			t.Errorf("got %+v", got)
		}
		checkWaiting(t, d, 3)
		claimed := claim(t, p, 1, time.Minute)
		if len(claimed) != 1 || string(claimed[0].Body) != `{"id":"a"}` || claimed[0].SessionID != "s1" ||
			claimed[0].Attempts != 0 || time.Since(claimed[0].CreatedAt).Abs() > time.Minute {
			t.Fatalf("got %+v", claimed)
		}
		must(t, p.DeliveryDone(t.Context(), &claimed[0]))
		must(t, p.DeliveryDone(t.Context(), &claimed[0])) // does no harm
		if got := addDeliveries(t, p, delivery("s1", "a"), delivery("s1", "c")); got != (store.DeliveriesAdded{Added: 1, Known: 1}) {
			t.Errorf("got %+v", got)
		}
		checkWaiting(t, d, 3)
		if n := d.Count(t, d.Own("deliveries"), "done_at IS NOT NULL AND body = ''"); n != 1 {
			t.Errorf("%d are done without a body", n)
		}
		settled, dropped, err := p.PurgeDeliveries(t.Context(), time.Now().Add(time.Hour), store.PurgeOptions{Batch: 1, Pause: time.Microsecond})
		if settled != 1 || dropped != 3 || err != nil {
			t.Errorf("settled %d, dropped %d, %v", settled, dropped, err)
		}
		checkWaiting(t, d, 0)
		if got := addDeliveries(t, p, delivery("s1", "a")); got.Added != 1 {
			t.Errorf("got %+v", got)
		}
	})
}

// Who is polled says the same again and again.
func TestStatesAreToldOnce(t *testing.T) {
	primaries(t, func(t *testing.T, _ *storetest.Database, p *store.Primary) {
		state := func(id, state string) store.Delivery {
			d := delivery("s1", id)
			d.State = state
			return d
		}
		for _, step := range []struct {
			list []store.Delivery
			want int
		}{
			{[]store.Delivery{state("1", "qr"), state("2", "qr"), state("3", "connected")}, 2},
			{[]store.Delivery{state("4", "connected"), delivery("s1", "m")}, 1},
			{[]store.Delivery{state("1", "qr")}, 0},        // a webhook that comes again is no change
			{[]store.Delivery{state("5", "connected")}, 0}, // nor has it made one
			{[]store.Delivery{state("6", "qr"), state("7", "connected")}, 2},
		} {
			if got := addDeliveries(t, p, step.list...); got.Added != step.want || got.Added+got.Known != len(step.list) {
				t.Errorf("%+v: got %+v", step.list, got)
			}
		}
	})
}

func TestClaimsOfDeliveries(t *testing.T) {
	primaries(t, func(t *testing.T, d *storetest.Database, p *store.Primary) {
		other := store.NewPrimary(openDB(t, d.DSN))
		if got := claim(t, p, 8, time.Minute); len(got) != 0 {
			t.Fatalf("got %+v", got)
		}
		addDeliveries(t, p, delivery("s1", "a1"), delivery("s1", "a2"), delivery("s1", "a3"), delivery("s2", "b1"))
		first := claim(t, p, 8, time.Minute)
		if got := claimedIDs(first); got != "a1 b1" {
			t.Fatalf("got %s", got)
		}
		addDeliveries(t, p, delivery("s1", "a4")) // gives no session free
		if got := claim(t, other, 8, time.Minute); len(got) != 0 {
			t.Fatalf("%s are held", claimedIDs(got))
		}
		must(t, p.DeliveryDone(t.Context(), &first[0]))
		second := claim(t, other, 8, time.Minute)
		if got := claimedIDs(second); got != "a2" {
			t.Fatalf("got %s", got)
		}

		// One that failed lets the others pass, after the pause.
		must(t, other.DeliveryFailed(t.Context(), &second[0], time.Hour, time.Hour))
		if got := claim(t, p, 8, time.Minute); len(got) != 0 {
			t.Fatalf("%s has to rest", claimedIDs(got))
		}
		d.Exec(t, `UPDATE `+d.Own("delivery_sessions")+` SET due_at = '2001-01-01T00:00:00.000Z' WHERE session_id = 's1'`)
		third := claim(t, p, 8, time.Minute)
		if claimedIDs(third) != "a3" || third[0].Failures != 1 || third[0].Attempts != 0 {
			t.Fatalf("got %+v", third)
		}
		must(t, p.DeliveryDone(t.Context(), &third[0]))
		fourth := claim(t, p, 8, time.Minute)
		if claimedIDs(fourth) != "a4" || fourth[0].Failures != 0 {
			t.Fatalf("got %+v", fourth)
		}
		must(t, p.ReleaseDelivery(t.Context(), &fourth[0], 0))
		again := claim(t, p, 8, time.Minute)
		if claimedIDs(again) != "a4" || again[0].Attempts != 0 {
			t.Fatalf("got %+v", again)
		}
		must(t, p.DeliveryDone(t.Context(), &again[0]))
		if got := claim(t, p, 8, time.Minute); len(got) != 0 { // a2 has an hour to go
			t.Fatalf("got %s", claimedIDs(got))
		}
		lapse(t, d)
		rest := claim(t, p, 8, time.Minute)
		if claimedIDs(rest) != "a2 b1" || rest[0].Attempts != 1 {
			t.Fatalf("got %+v", rest)
		}
		must(t, p.GiveUpDelivery(t.Context(), &rest[0], 0))
		checkWaiting(t, d, 1)
		if got := addDeliveries(t, p, delivery("s1", "a2")); got.Known != 1 {
			t.Errorf("what was given up is tried again: %+v", got)
		}
	})
}

// A gateway that died, or was slow, and another one that took over.
func TestLeasesOfDeliveriesEnd(t *testing.T) {
	primaries(t, func(t *testing.T, d *storetest.Database, p *store.Primary) {
		addDeliveries(t, p, delivery("s1", "a1"), delivery("s1", "a2"))
		slow := claim(t, p, 1, 0) // ends at once
		taker := claim(t, p, 1, time.Minute)
		if claimedIDs(slow) != "a1" || claimedIDs(taker) != "a1" {
			t.Fatalf("got %+v, then %+v", slow, taker)
		}
		// Nothing that it says ends the other's lease.
		must(t, p.DeliveryFailed(t.Context(), &slow[0], 0, 0))
		must(t, p.GiveUpDelivery(t.Context(), &slow[0], 0))
		must(t, p.ReleaseDelivery(t.Context(), &slow[0], 0))
		checkWaiting(t, d, 2)
		must(t, p.DeliveryDone(t.Context(), &slow[0])) // which is true all the same
		checkWaiting(t, d, 1)
		if got := claim(t, p, 1, time.Minute); len(got) != 0 {
			t.Fatalf("%s is held", claimedIDs(got))
		}
		must(t, p.DeliveryFailed(t.Context(), &taker[0], time.Hour, 0))
		if got := claim(t, p, 1, time.Minute); claimedIDs(got) != "a2" {
			t.Fatalf("got %+v", got)
		}
	})
}

func TestDroppedDeliveries(t *testing.T) {
	primaries(t, func(t *testing.T, d *storetest.Database, p *store.Primary) {
		addDeliveries(t, p, delivery("s1", "a1"), delivery("s1", "a2"), delivery("s2", "b1"))
		claimed := claim(t, p, 1, time.Minute)
		if n, err := p.DropDeliveries(t.Context(), "s1"); n != 2 || err != nil {
			t.Errorf("dropped %d, %v", n, err)
		}
		if n, err := p.DropDeliveries(t.Context(), "unknown"); n != 0 || err != nil {
			t.Errorf("dropped %d, %v", n, err)
		}
		addDeliveries(t, p, delivery("s1", "a3"))
		must(t, p.DeliveryDone(t.Context(), &claimed[0])) // it came too late
		checkWaiting(t, d, 2)
		if got := claimedIDs(claim(t, p, 8, time.Minute)); got != "b1 a3" {
			t.Errorf("got %s", got)
		}
	})
}

func TestBoundsOfDeliveries(t *testing.T) {
	primaries(t, func(t *testing.T, d *storetest.Database, p *store.Primary) {
		list := make([]store.Delivery, store.MaxWaitingDeliveries)
		for i := range list {
			list[i] = delivery("s1", fmt.Sprint("a", i))
		}
		addDeliveries(t, p, delivery("s2", "b1"))
		addDeliveries(t, p, list...)
		if got := addDeliveries(t, p, delivery("s1", "x"), delivery("s1", "y")); got.Added != 2 || got.Dropped != 2 {
			t.Errorf("got %+v", got)
		}
		checkWaiting(t, d, store.MaxWaitingDeliveries+1)
		if got := claimedIDs(claim(t, p, 8, time.Minute)); got != "b1 a2" {
			t.Errorf("got %s", got)
		}
		// The oldest of all go first.
		if n, err := p.TrimDeliveries(t.Context(), 1000); n != store.MaxWaitingDeliveries-999 || err != nil {
			t.Errorf("dropped %d, %v", n, err)
		}
		checkWaiting(t, d, 1000)
		lapse(t, d)
		if got := claimedIDs(claim(t, p, 8, time.Minute)); got != fmt.Sprint("a", store.MaxWaitingDeliveries-998) {
			t.Errorf("got %s", got)
		}
	})
}

func number(t *testing.T, text string) int {
	t.Helper()
	n, err := strconv.Atoi(text)
	must(t, err)
	return n
}

// Two gateways add and post side by side: each delivery is posted once, a session's in
// order and one at a time, and the counters hold.
func TestDeliveriesSideBySide(t *testing.T) {
	primaries(t, func(t *testing.T, d *storetest.Database, p *store.Primary) {
		nodes := []*store.Primary{p, store.NewPrimary(openDB(t, d.DSN))}
		const sessions, each = 6, 20
		var adding, posting sync.WaitGroup
		var mu sync.Mutex
		posted := map[string][]string{}
		held := map[string]bool{}
		done := make(chan struct{})
		for s := range sessions {
			adding.Go(func() {
				session := fmt.Sprint("s", s)
				for i := 0; i < each; i += 2 {
					list := []store.Delivery{delivery(session, fmt.Sprint(i)), delivery(session, fmt.Sprint(i+1))}
					list = slices.Insert(list, rand.IntN(3), delivery("all", fmt.Sprint(i)))
					if _, err := nodes[rand.IntN(2)].AddDeliveries(t.Context(), list); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		for w := range 4 {
			posting.Go(func() {
				node := nodes[w%2]
				for ended := false; ; {
					claimed, err := node.ClaimDeliveries(t.Context(), 3, time.Minute)
					if err != nil {
						t.Error(err)
						return
					}
					if len(claimed) == 0 && ended {
						return
					}
					for i := range claimed {
						c := &claimed[i]
						mu.Lock()
						if held[c.SessionID] {
							t.Errorf("session %s is held twice", c.SessionID)
						}
						held[c.SessionID] = true
						posted[c.SessionID] = append(posted[c.SessionID], c.EventID)
						mu.Unlock()
					}
					for i := range claimed {
						mu.Lock()
						held[claimed[i].SessionID] = false
						mu.Unlock()
						if err := node.DeliveryDone(t.Context(), &claimed[i]); err != nil {
							t.Error(err)
							return
						}
					}
					select {
					case <-done:
						ended = true
					default:
					}
				}
			})
		}
		adding.Wait()
		close(done)
		posting.Wait()
		for s := range sessions {
			list := posted[fmt.Sprint("s", s)]
			if len(list) != each || !slices.IsSortedFunc(list, func(a, b string) int { return number(t, a) - number(t, b) }) {
				t.Errorf("session %d was told %d of %d: %v", s, len(list), each, list)
			}
		}
		if n := len(posted["all"]); n != each/2 {
			t.Errorf("what all add was told %d times of %d", n, each/2)
		}
		checkWaiting(t, d, 0)
		if n := d.Count(t, d.Own("delivery_sessions"), "due_at IS NOT NULL OR holder <> ''"); n != 0 {
			t.Errorf("%d sessions are still due", n)
		}
	})
}
