package recorder_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/genfity/wa-gateway/journal"
	"github.com/genfity/wa-gateway/recorder"
	"github.com/genfity/wa-gateway/stats"
)

func TestWhatCannotBeRecordedBecomesADeadLetter(t *testing.T) {
	with(t, options{RetryMax: time.Second}, func(t *testing.T, g *rig) {
		g.ledger.away()
		if a, err := g.record(t, "P1", "a", "S1"); err != nil || !a.Spooled {
			t.Error(a, err)
		}
		g.later(t, "b", "P2", "c", "S2")
		if err := g.journal.Journal.Append(false, []byte("garbage"), recorder.EncodeEvent(nil, 'x', event("x"))); err != nil {
			t.Error(err)
		}
		g.poisonous()
		time.Sleep(5 * time.Second)
		g.wantIDs(t, "S1", "S2", "a", "b", "c")
		g.dead.want(t, "event P1: value out of range", "event S1: unknown user_id",
			"outcome P2: value out of range", "outcome S2: unknown user_id",
			`record "garbage": not an event in binary form: of an unknown source 'g'`,
			fmt.Sprintf("record %q: not an event in binary form: of an unknown source 'x'", recorder.EncodeEvent(nil, 'x', event("x"))))
		if n := g.logs.Len(); n > 3 {
			t.Errorf("logged %v", g.logs.All())
		}
	})
}

func TestPoisonInACall(t *testing.T) {
	for name, poison := range map[string]func(error) stats.Recorded{"alone": nil, "with results": recorder.PoisonEvent} {
		with(t, options{Poison: poison}, func(t *testing.T, g *rig) {
			g.poisonous()
			a, err := g.record(t, "a", "P", "S", "b")
			if poison == nil {
				if !errors.Is(err, recorder.ErrPoison) || !errors.Is(err, errPoison) {
					t.Errorf("%s: %v, %v", name, a, err)
				}
			} else if err != nil || len(a.Results) != 4 || !a.Results[0].Recorded || !a.Results[3].Recorded ||
				!errors.Is(a.Results[1].Err, errPoison) || !errors.Is(a.Results[2].Err, stats.ErrUnknownUser) {
				t.Errorf("%s: %v, %v", name, a, err)
			}
			time.Sleep(time.Second)
			g.wantIDs(t, "S", "a", "b")
			g.dead.want(t, "event P: value out of range")
		})
	}
}

func TestDeadLettersAreTriedUntilTheyAreStored(t *testing.T) {
	with(t, options{}, func(t *testing.T, g *rig) {
		g.poisonous()
		g.dead.set(errAway, true)
		g.later(t, "P", "a")
		time.Sleep(time.Minute)
		if s := g.State(); s.Journal.Bytes == 0 || g.journal.acks != 0 || s.Away {
			t.Errorf("%+v, %d acks", s, g.journal.acks)
		}
		if g.dead.calls < 10 || g.dead.calls > 30 {
			t.Errorf("tried %d times", g.dead.calls)
		}
		if a, err := g.record(t, "b"); err != nil || a.Spooled {
			t.Error(a, err)
		}
		g.wantIDs(t, "a", "b")
		g.dead.set(nil, false)
		time.Sleep(10 * time.Second)
		g.dead.want(t, "outcome P: value out of range")
		if s := g.State(); s.Journal.Bytes != 0 {
			t.Errorf("%+v", s)
		}
	})
}

// When nothing but dead letters is left, they are what the database is tried with.
func TestDeadLettersTryADatabaseThatWasAway(t *testing.T) {
	with(t, options{}, func(t *testing.T, g *rig) {
		g.poisonous()
		g.dead.set(errAway, false)
		g.later(t, "P")
		time.Sleep(time.Second)
		g.ledger.away()
		g.journal.set(func(j *brokenJournal) { j.sync = errNoSpace })
		if a, err := g.record(t, "a"); !errors.Is(err, recorder.ErrSpoolFull) {
			t.Error(a, err)
		}
		time.Sleep(time.Minute)
		if !g.State().Away {
			t.Error("it is away")
		}
		g.dead.set(nil, false)
		time.Sleep(10 * time.Second)
		if g.State().Away {
			t.Error("it is back")
		}
		g.dead.want(t, "outcome P: value out of range")
	})
}

func TestAFullJournal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		g := newRig(t, dir, options{MaxQueue: 5}, journal.Options{MaxBytes: 4 << 10, Reserve: 4 << 10})
		g.ledger.away()
		spooled := 0
		for {
			a, err := g.record(t, fmt.Sprint("event", spooled))
			if errors.Is(err, recorder.ErrSpoolFull) && errors.Is(err, journal.ErrFull) {
				break
			}
			if err != nil || !a.Spooled {
				t.Fatal(a, err)
			}
			spooled++
		}
		if err := g.Ready(); err != nil {
			t.Errorf("there is a reserve: %v", err)
		}
		kept := 0
		for g.Ready() == nil {
			g.later(t, fmt.Sprint("outcome", kept))
			kept++
		}
		if err := g.Ready(); !errors.Is(err, recorder.ErrNotReady) || !strings.Contains(err.Error(), "full") {
			t.Errorf("got %v", err)
		}
		for g.State().Waiting < 5 {
			g.later(t, fmt.Sprint("outcome", kept))
			kept++
		}
		if err := g.Later(event("too much")); !errors.Is(err, recorder.ErrQueueFull) || !errors.Is(err, journal.ErrFull) {
			t.Errorf("got %v", err)
		}
		if spooled < 20 || kept < 25 {
			t.Errorf("%d spooled, %d kept", spooled, kept)
		}
		g.ledger.setRefuse(nil)
		time.Sleep(10 * time.Second)
		if err := g.Ready(); err != nil {
			t.Error(err)
		}
		if n := len(g.ledger.ids()); n != spooled+kept {
			t.Errorf("%d recorded of %d", n, spooled+kept)
		}
		if err := g.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestABrokenJournal(t *testing.T) {
	with(t, options{}, func(t *testing.T, g *rig) {
		g.journal.set(func(j *brokenJournal) { j.append, j.sync = errNoSpace, errNoSpace })
		// The database is there.
		if err := g.Ready(); err != nil {
			t.Error(err)
		}
		g.later(t, "a")
		time.Sleep(time.Second)
		g.wantIDs(t, "a")
		// It goes away too.
		g.ledger.away()
		begin := time.Now()
		if a, err := g.record(t, "b"); !errors.Is(err, recorder.ErrSpoolFull) || !errors.Is(err, errNoSpace) {
			t.Error(a, err)
		}
		if time.Since(begin) > recorder.DefaultPatience {
			t.Errorf("waited %v", time.Since(begin))
		}
		g.later(t, "c")
		if err := g.Ready(); !errors.Is(err, recorder.ErrNotReady) || !errors.Is(err, errNoSpace) {
			t.Errorf("got %v", err)
		}
		time.Sleep(time.Minute)
		if n := g.State().Waiting; n != 1 {
			t.Errorf("%d wait", n)
		}
		// The journal can be written again: memory is emptied into it.
		g.journal.set(func(j *brokenJournal) { j.append, j.sync = nil, nil })
		if err := g.Ready(); err != nil {
			t.Error(err)
		}
		time.Sleep(20 * time.Second)
		if s := g.State(); s.Waiting != 0 || s.Journal.Bytes == 0 {
			t.Errorf("%+v", s)
		}
		g.ledger.setRefuse(nil)
		time.Sleep(6 * time.Second)
		g.wantIDs(t, "a", "c")
	})
}

// When both are gone and nothing is left to try the database with, the next
// message is let through: else neither would ever be tried again.
func TestReadyIsNotNoForEver(t *testing.T) {
	with(t, options{RetryMax: time.Second}, func(t *testing.T, g *rig) {
		g.journal.set(func(j *brokenJournal) { j.append, j.sync = errNoSpace, errNoSpace })
		g.ledger.away()
		if a, err := g.record(t, "a"); !errors.Is(err, recorder.ErrSpoolFull) {
			t.Error(a, err)
		}
		if g.Ready() == nil {
			t.Error("ready")
		}
		time.Sleep(2 * time.Second)
		if err := g.Ready(); err != nil {
			t.Errorf("nothing was tried since: %v", err)
		}
		// A call tries the database as well, though it can be spooled nowhere.
		g.ledger.setRefuse(nil)
		if a, err := g.record(t, "b"); err != nil || len(a.Results) != 1 {
			t.Error(a, err)
		}
		if g.State().Away {
			t.Error("still away")
		}
	})
}

func TestOnlyWhatIsNowhereElseIsLostAtTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, t.TempDir(), options{}, journal.Options{})
		g.ledger.away()
		g.later(t, "on disk")
		g.journal.set(func(j *brokenJournal) { j.append = errNoSpace })
		g.later(t, "a", "b")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := g.Close(ctx); err == nil || err.Error() != "2 outcomes of forwarded messages were not recorded: the recorder is closed" {
			t.Errorf("got %v", err)
		}
	})
}

func TestAJournalThatCannotBeReadOrForget(t *testing.T) {
	with(t, options{RetryMax: time.Second}, func(t *testing.T, g *rig) {
		g.journal.set(func(j *brokenJournal) { j.read = errNoSpace })
		g.later(t, "a")
		if a, err := g.record(t, "b"); err != nil || a.Spooled {
			t.Error(a, err)
		}
		time.Sleep(time.Minute)
		g.wantIDs(t, "b")
		g.journal.set(func(j *brokenJournal) { j.read, j.ack = nil, errNoSpace })
		time.Sleep(2 * time.Second)
		g.wantIDs(t, "a", "b")
		if n := g.logs.Len(); n < 2 || n > 9 {
			t.Errorf("%d lines: %v", n, g.logs.All())
		}
		g.journal.set(func(j *brokenJournal) { j.ack = nil })
		g.later(t, "c")
		time.Sleep(time.Second)
	})
}

// One item that makes transactions hang, a locked row for instance, does not keep
// the others from the database for ever.
func TestAnItemThatHangs(t *testing.T) {
	var locked chan struct{} // made in the bubble
	ledger := &fakeLedger{}
	opts := options{MaxBatch: 64, Commit: func(ctx context.Context, list []stats.Event) ([]stats.Recorded, error) {
		if slices.ContainsFunc(list, func(e stats.Event) bool { return e.MessageID == "locked" }) {
			select {
			case <-locked:
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}
		return ledger.Record(ctx, list)
	}}
	with(t, opts, func(t *testing.T, g *rig) {
		locked = make(chan struct{})
		g.later(t, "locked")
		for i := range 500 {
			g.later(t, fmt.Sprint(i))
		}
		time.Sleep(10 * time.Minute)
		if n := len(ledger.ids()); n < 400 {
			t.Errorf("%d recorded beside the one that hangs", n)
		}
		close(locked)
		time.Sleep(time.Minute)
		if n := len(ledger.ids()); n != 501 {
			t.Errorf("%d recorded", n)
		}
	})
}

func TestACallerMayGiveUpWhileItsEventsAreSpooled(t *testing.T) {
	with(t, options{}, func(t *testing.T, g *rig) {
		g.ledger.away()
		if a, err := g.record(t, "a"); err != nil || !a.Spooled {
			t.Error(a, err)
		}
		g.journal.set(func(j *brokenJournal) { j.sync = context.Canceled })
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		for ctx.Err() == nil {
			_, err := g.Record(ctx, events(1))
			if want := recorder.ErrSpoolFull; ctx.Err() == nil && !errors.Is(err, want) {
				t.Errorf("got %v", err)
			}
			time.Sleep(100 * time.Millisecond)
		}
		if _, err := g.Record(ctx, events(1)); !errors.Is(err, context.Canceled) || errors.Is(err, recorder.ErrSpoolFull) {
			t.Errorf("got %v", err)
		}
		g.ledger.setRefuse(nil)
		time.Sleep(2 * recorder.DefaultRetryMax)
	})
}

// Large records come in transactions of bounded size.
func TestTransactionsOfLargeItemsAreBounded(t *testing.T) {
	with(t, options{}, func(t *testing.T, g *rig) {
		g.ledger.away()
		large := event("large")
		large.Error = strings.Repeat("x", 1<<20)
		for range 20 {
			if err := g.Later(large); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(time.Second)
		g.ledger.setRefuse(nil)
		time.Sleep(6 * time.Second)
		sum := 0
		for _, n := range g.ledger.sizes() {
			if sum += n; n > 5 {
				t.Errorf("%d MiB in one transaction", n)
			}
		}
		if sum != 20 {
			t.Errorf("%d recorded", sum)
		}
	})
}
