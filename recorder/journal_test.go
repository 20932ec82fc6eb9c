package recorder_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"

	"github.com/genfity/wa-gateway/journal"
	"github.com/genfity/wa-gateway/recorder"
	"github.com/genfity/wa-gateway/stats"
)

func TestOutcomesGoThroughTheJournal(t *testing.T) {
	with(t, options{}, func(t *testing.T, g *rig) {
		g.ledger.setLatency(10 * time.Millisecond)
		g.later(t, "a", "b")
		if s := g.State(); s.Journal.Records != 2 || s.Waiting != 0 {
			t.Errorf("%+v", s)
		}
		time.Sleep(time.Second)
		g.wantIDs(t, "a", "b")
		if s := g.State().Journal; s.Bytes != 0 {
			t.Errorf("%+v", s)
		}
	})
}

func TestEventsAreSpooledWhileTheDatabaseIsAway(t *testing.T) {
	with(t, options{RetryMax: 2 * time.Second, MaxBatch: 1000}, func(t *testing.T, g *rig) {
		g.ledger.away()
		begin := time.Now()
		const count = 5000
		for i := range count {
			if a, err := g.record(t, fmt.Sprint(i)); err != nil || !a.Spooled || a.Results != nil {
				t.Fatal(a, err)
			}
		}
		if n := g.ledger.attempts(); n != 1 {
			t.Errorf("%d attempts by %d calls in no time", n, count)
		}
		if waited := time.Since(begin); waited > time.Second {
			t.Errorf("they waited %v", waited)
		}
		time.Sleep(time.Minute)
		if n := g.ledger.attempts(); n < 20 || n > 70 {
			t.Errorf("%d attempts in a minute", n)
		}
		g.later(t, "outcome")
		before := g.ledger.attempts()
		g.ledger.setRefuse(nil)
		time.Sleep(3 * time.Second)
		if n := len(g.ledger.ids()); n != count+1 {
			t.Errorf("%d recorded", n)
		}
		if n := g.ledger.attempts() - before; n > 8 {
			t.Errorf("%d transactions", n)
		}
		if g.logs.Len() != 2 || g.logs.All()[1].ContextMap()["count"] != int64(count+1) {
			t.Errorf("logged %v", g.logs.All())
		}
		if a, err := g.record(t, "directly"); err != nil || a.Spooled || len(a.Results) != 1 {
			t.Error(a, err)
		}
	})
}

func TestADatabaseThatHangsIsNotWaitedFor(t *testing.T) {
	with(t, options{Patience: time.Second}, func(t *testing.T, g *rig) {
		g.ledger.setLatency(time.Hour)
		var wg sync.WaitGroup
		for i := range 20 {
			wg.Go(func() {
				time.Sleep(time.Duration(i) * 10 * time.Millisecond)
				begin := time.Now()
				if a, err := g.record(t, fmt.Sprint("early", i)); err != nil || !a.Spooled {
					t.Error(a, err)
				}
				if waited := time.Since(begin); waited > time.Second {
					t.Errorf("waited %v", waited)
				}
			})
		}
		wg.Wait()
		if !g.State().Away {
			t.Error("it is not known to be away")
		}
		begin := time.Now()
		if a, err := g.record(t, "late"); err != nil || !a.Spooled || time.Since(begin) > 0 {
			t.Errorf("%v, %v after %v", a, err, time.Since(begin))
		}
		time.Sleep(time.Minute)
		g.ledger.setLatency(0)
		time.Sleep(20 * time.Second)
		if n := len(g.ledger.ids()); n != 21 {
			t.Errorf("%d recorded", n)
		}
	})
}

// A transaction that takes long and succeeds after all: what was spooled meanwhile
// is told twice, and everybody goes on.
func TestADatabaseThatIsSlowComesBackByItself(t *testing.T) {
	with(t, options{Patience: time.Second}, func(t *testing.T, g *rig) {
		g.ledger.setLatency(3 * time.Second)
		if a, err := g.record(t, "slow"); err != nil || !a.Spooled {
			t.Error(a, err)
		}
		g.ledger.setLatency(0)
		time.Sleep(3 * time.Second)
		if a, err := g.record(t, "next"); err != nil || a.Spooled {
			t.Error(a, err)
		}
		g.wantIDs(t, "next", "slow")
	})
}

func TestCallsAndBacklogShareTheDatabase(t *testing.T) {
	with(t, options{MaxBatch: 100}, func(t *testing.T, g *rig) {
		g.ledger.away()
		var list []stats.Event
		for i := range 5000 {
			list = append(list, event(fmt.Sprint("old", i)))
		}
		if a, err := g.Record(t.Context(), list); err != nil || !a.Spooled {
			t.Fatal(a.Spooled, err)
		}
		g.ledger.setRefuse(nil)
		g.ledger.setLatency(10 * time.Millisecond)
		for g.State().Away {
			time.Sleep(time.Millisecond)
		}
		begin := time.Now()
		var wg sync.WaitGroup
		for i := range 20 {
			wg.Go(func() {
				time.Sleep(time.Duration(i%2) * 10 * time.Millisecond)
				for k := range 20 {
					// Asked while a transaction is running, so that none begins
					// without calls that wait.
					time.Sleep(time.Duration(i+1) * 100 * time.Microsecond)
					asked := time.Now()
					if a, err := g.record(t, fmt.Sprintf("new%d/%d", i, k)); err != nil || a.Spooled {
						t.Error(a, err)
					}
					if waited := time.Since(asked); waited > 20*time.Millisecond {
						t.Errorf("waited %v beside the backlog", waited)
					}
				}
			})
		}
		wg.Wait()
		took := time.Since(begin)
		old := 0
		for _, id := range g.ledger.ids() {
			if id[:3] == "old" {
				old++
			}
		}
		if transactions := int(took / (10 * time.Millisecond)); old < 40*transactions {
			t.Errorf("only %d of the backlog in %d transactions beside the calls", old, transactions)
		}
		time.Sleep(2 * time.Second)
		if n := len(g.ledger.ids()); n != 5400 {
			t.Errorf("%d recorded", n)
		}
	})
}

func TestCloseLeavesOnDiskWhatTheDatabaseDoesNotTake(t *testing.T) {
	for _, latency := range []time.Duration{0, time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			dir := t.TempDir()
			g := newRig(t, dir, options{}, journal.Options{})
			g.ledger.setLatency(latency)
			g.ledger.away()
			g.later(t, "outcome")
			if a, err := g.record(t, "event"); err != nil || !a.Spooled {
				t.Error(a, err)
			}
			begin := time.Now()
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			if err := g.Close(ctx); err != nil {
				t.Error(err)
			}
			if took := time.Since(begin); took > recorder.DefaultPatience {
				t.Errorf("took %v", took)
			}
			last := g.logs.All()[g.logs.Len()-1]
			if last.Level != zap.WarnLevel || last.ContextMap()["count"] != int64(2) || last.ContextMap()["folder"] != dir {
				t.Errorf("logged %v", last)
			}
			g = newRig(t, dir, options{}, journal.Options{})
			time.Sleep(time.Second)
			g.wantIDs(t, "event", "outcome")
			if err := g.Close(t.Context()); err != nil {
				t.Error(err)
			}
			if n := left(t, dir); n != 0 {
				t.Errorf("%d bytes left", n)
			}
		})
	}
}

// A database that is back when the gateway ends takes what waits, though its next turn
// would have been later.
func TestCloseTriesOnceMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		g := newRig(t, dir, options{RetryMin: time.Hour, RetryMax: time.Hour, MaxBatch: 2}, journal.Options{})
		g.ledger.away()
		g.later(t, "a", "b", "c")
		time.Sleep(time.Second)
		g.later(t, "d", "e")
		g.ledger.setRefuse(nil)
		if err := g.Close(t.Context()); err != nil {
			t.Error(err)
		}
		g.wantIDs(t, "a", "b", "c", "d", "e")
		if n := left(t, dir); n != 0 {
			t.Errorf("%d bytes left", n)
		}
		if said := g.logs.FilterMessageSnippet("waits on local disk").All(); len(said) != 0 {
			t.Errorf("logged %v", said)
		}
	})
}

// With two transactions at a time the second may end before the first; the journal
// is told so only when both are done.
func TestTheJournalForgetsInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		stuck := make(chan struct{})
		ledger := &fakeLedger{writers: 2}
		g := newRig(t, dir, options{Writers: 2, MaxBatch: 10, Patience: time.Hour, Timeout: time.Hour,
			Commit: func(ctx context.Context, list []stats.Event) ([]stats.Recorded, error) {
				if list[0].MessageID == "00" {
					select {
					case <-stuck:
					case <-ctx.Done():
						return nil, ctx.Err()
					}
				}
				return ledger.Record(ctx, list)
			}}, journal.Options{})
		time.Sleep(time.Second)
		var list []stats.Event
		for i := range 30 {
			list = append(list, event(fmt.Sprintf("%02d", i)))
		}
		if err := g.Later(list...); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		if n := len(ledger.ids()); n != 20 {
			t.Errorf("%d recorded beside the one that waits", n)
		}
		if g.journal.acks != 0 {
			t.Error("the journal was told to forget the first")
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := g.Close(ctx); err != nil {
			t.Error(err)
		}
		close(stuck)
		g = newRig(t, dir, options{}, journal.Options{})
		time.Sleep(time.Second)
		if ids := g.ledger.ids(); !slices.Contains(ids, "00") || !slices.Contains(ids, "09") {
			t.Errorf("after a restart: %v", ids)
		}
		if err := g.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestTransactionsOverlap(t *testing.T) {
	for _, writers := range []int{1, 2} {
		with(t, options{Writers: writers}, func(t *testing.T, g *rig) {
			g.ledger.setLatency(10 * time.Millisecond)
			var wg sync.WaitGroup
			for i := range 5 {
				wg.Go(func() {
					time.Sleep(time.Duration(i) * time.Millisecond)
					for k := range 10 {
						if _, err := g.record(t, fmt.Sprint(i, k)); err != nil {
							t.Error(err)
						}
					}
				})
			}
			wg.Wait()
			if g.ledger.peak != writers {
				t.Errorf("%d transactions at a time, want %d", g.ledger.peak, writers)
			}
			if n := len(g.ledger.ids()); n != 50 {
				t.Errorf("%d recorded", n)
			}
		})
	}
}
