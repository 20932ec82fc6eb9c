package recorder_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/genfity/wa-gateway/recorder"
	"github.com/genfity/wa-gateway/stats"
	"go.uber.org/goleak"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
)

type (
	eventRecorder = recorder.Recorder[stats.Event, stats.Recorded]
	options       = recorder.Options[stats.Event, stats.Recorded]
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fakeLedger takes latency for each transaction and remembers what it took.
type fakeLedger struct {
	latency time.Duration
	writers int // transactions that may run at a time; 0: 1

	mu      sync.Mutex
	batches [][]stats.Event
	tries   int
	peak    int                       // transactions that ran at a time
	refuse  func([]stats.Event) error // nil: takes everything
	running int
}

func (l *fakeLedger) Record(ctx context.Context, events []stats.Event) ([]stats.Recorded, error) {
	l.mu.Lock()
	l.tries++
	if l.running++; l.running > max(l.writers, 1) {
		panic("too many transactions at once")
	}
	l.peak = max(l.peak, l.running)
	latency := l.latency
	l.mu.Unlock()
	defer func() { l.mu.Lock(); l.running--; l.mu.Unlock() }()
	select {
	case <-time.After(latency):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.refuse != nil {
		if err := l.refuse(events); err != nil {
			return nil, err
		}
	}
	l.batches = append(l.batches, slices.Clone(events))
	results := make([]stats.Recorded, len(events))
	for i, e := range events {
		switch e.UserID {
		case "stranger":
			results[i].Err = stats.ErrUnknownUser
		case "again":
			results[i].Duplicate = true
		default:
			results[i].Recorded = true
		}
	}
	return results, nil
}

func (l *fakeLedger) setRefuse(f func([]stats.Event) error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.refuse = f
}

func (l *fakeLedger) attempts() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.tries
}

func (l *fakeLedger) setLatency(d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.latency = d
}

func (l *fakeLedger) ids() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var ids []string
	for _, b := range l.batches {
		for _, e := range b {
			ids = append(ids, e.MessageID)
		}
	}
	return ids
}

func (l *fakeLedger) sizes() []int {
	l.mu.Lock()
	defer l.mu.Unlock()
	var sizes []int
	for _, b := range l.batches {
		sizes = append(sizes, len(b))
	}
	return sizes
}

func event(id string) stats.Event {
	return stats.Event{UserID: "u", SessionID: "s", MessageID: id, Status: stats.Sent, At: time.Unix(1, 0).UTC()}
}

func events(n int) []stats.Event {
	list := make([]stats.Event, n)
	for i := range list {
		list[i] = event(fmt.Sprint(i))
	}
	return list
}

var (
	errAway   = errors.New("connection refused")
	errPoison = errors.New("value out of range")
)

func isAway(err error) bool { return errors.Is(err, errAway) }

// start runs f in a bubble with its own clock, with a recorder that is closed
// at the end.
func start(t *testing.T, ledger *fakeLedger, opts options, f func(t *testing.T, r *eventRecorder)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		opts.Commit = ledger.Record
		r := recorder.New(opts)
		f(t, r)
		if err := r.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestRecordAnswersForEachEvent(t *testing.T) {
	ledger := &fakeLedger{}
	start(t, ledger, options{}, func(t *testing.T, r *eventRecorder) {
		list := events(3)
		list[1].UserID, list[2].UserID = "again", "stranger"
		got, err := r.Record(t.Context(), list)
		want := []stats.Recorded{{Recorded: true}, {Duplicate: true}, {Err: stats.ErrUnknownUser}}
		if err != nil || got.Spooled || !slices.Equal(got.Results, want) {
			t.Errorf("got %+v, %v", got, err)
		}
		if got, err := r.Record(t.Context(), nil); got.Results != nil || err != nil {
			t.Errorf("nothing to record: %v, %v", got, err)
		}
	})
}

func TestThoseWhoWaitShareATransaction(t *testing.T) {
	ledger := &fakeLedger{latency: 10 * time.Millisecond}
	start(t, ledger, options{}, func(t *testing.T, r *eventRecorder) {
		begin := time.Now()
		var wg sync.WaitGroup
		for i := range 500 {
			wg.Go(func() {
				if got, err := r.Record(t.Context(), []stats.Event{event(fmt.Sprint(i))}); err != nil || len(got.Results) != 1 {
					t.Error(got, err)
				}
			})
		}
		wg.Wait()
		if took := time.Since(begin); took > 20*time.Millisecond {
			t.Errorf("500 concurrent events took %v, two transactions are %v", took, 20*time.Millisecond)
		}
		if n := len(ledger.ids()); n != 500 {
			t.Errorf("%d events", n)
		}
	})
}

func TestOneAloneWaitsForNobody(t *testing.T) {
	ledger := &fakeLedger{latency: 10 * time.Millisecond}
	start(t, ledger, options{}, func(t *testing.T, r *eventRecorder) {
		begin := time.Now()
		if _, err := r.Record(t.Context(), events(1)); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(begin); took != 10*time.Millisecond {
			t.Errorf("took %v", took)
		}
	})
}

func TestALargeCallLetsOthersPass(t *testing.T) {
	ledger := &fakeLedger{latency: 10 * time.Millisecond}
	start(t, ledger, options{MaxBatch: 100}, func(t *testing.T, r *eventRecorder) {
		begin := time.Now()
		var wg sync.WaitGroup
		wg.Go(func() {
			got, err := r.Record(t.Context(), events(1000))
			if err != nil || len(got.Results) != 1000 {
				t.Error(len(got.Results), err)
			}
		})
		synctest.Wait()
		if _, err := r.Record(t.Context(), []stats.Event{event("small")}); err != nil {
			t.Error(err)
		}
		if took := time.Since(begin); took > 30*time.Millisecond {
			t.Errorf("one event waited %v behind a batch", took)
		}
		wg.Wait()
		for _, n := range ledger.sizes() {
			if n > 100 {
				t.Errorf("%d events in one transaction", n)
			}
		}
		if n := len(ledger.ids()); n != 1001 {
			t.Errorf("%d events", n)
		}
	})
}

func TestTheQueueIsBounded(t *testing.T) {
	ledger := &fakeLedger{latency: time.Second}
	start(t, ledger, options{MaxQueue: 10}, func(t *testing.T, r *eventRecorder) {
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, err := r.Record(t.Context(), events(25)); err != nil {
				t.Errorf("a call that finds the queue empty: %v", err)
			}
		})
		synctest.Wait()
		if _, err := r.Record(t.Context(), events(1)); !errors.Is(err, recorder.ErrQueueFull) {
			t.Errorf("got %v", err)
		}
		if got := r.State().Waiting; got != 25 {
			t.Errorf("%d pending", got)
		}
		wg.Wait()
		if _, err := r.Record(t.Context(), events(10)); err != nil {
			t.Error(err)
		}
		taken := 0
		for range 15 {
			if r.Later(event("outcome")) == nil {
				taken++
			}
		}
		if taken != 10 {
			t.Errorf("%d outcomes taken", taken)
		}
	})
}

func TestACallerMayGiveUp(t *testing.T) {
	ledger := &fakeLedger{latency: time.Second}
	start(t, ledger, options{MaxBatch: 1}, func(t *testing.T, r *eventRecorder) {
		impatient := errors.New("impatient")
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				ctx, cancel := context.WithTimeoutCause(t.Context(), 1500*time.Millisecond, impatient)
				defer cancel()
				list := events(2)
				_, err := r.Record(ctx, list)
				if !errors.Is(err, impatient) {
					t.Errorf("got %v", err)
				}
				list[0].MessageID, list[1].MessageID = "changed", "changed" // ours again
			})
		}
		wg.Wait()
		if _, err := r.Record(t.Context(), []stats.Event{event("last")}); err != nil {
			t.Error(err)
		}
		if ids := ledger.ids(); len(ids) != 3 || slices.Contains(ids, "changed") {
			t.Errorf("recorded %v; after the one under way nobody waited but the last", ids)
		}
		if n := r.State().Waiting; n != 0 {
			t.Errorf("%d pending", n)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := r.Record(ctx, events(1)); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	})
}

func TestCallersLearnThatTheDatabaseIsAway(t *testing.T) {
	ledger := &fakeLedger{refuse: func([]stats.Event) error { return fmt.Errorf("ledger: %w", errAway) }}
	start(t, ledger, options{Unavailable: isAway}, func(t *testing.T, r *eventRecorder) {
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				if _, err := r.Record(t.Context(), events(3)); !errors.Is(err, errAway) {
					t.Errorf("got %v", err)
				}
			})
		}
		wg.Wait()
		ledger.setRefuse(nil)
		if _, err := r.Record(t.Context(), events(3)); err != nil {
			t.Error(err)
		}
		if n := r.State().Waiting; n != 0 {
			t.Errorf("%d pending", n)
		}
	})
}

func TestOutcomesWaitForTheDatabase(t *testing.T) {
	ledger := &fakeLedger{refuse: func([]stats.Event) error { return errAway }}
	core, logs := observer.New(zap.DebugLevel)
	opts := options{Unavailable: isAway, Logger: zap.New(core), RetryMin: 100 * time.Millisecond, RetryMax: 2 * time.Second}
	start(t, ledger, opts, func(t *testing.T, r *eventRecorder) {
		for i := range 50 {
			_ = r.Later(event(fmt.Sprint(i)))
		}
		time.Sleep(time.Minute)
		if n := ledger.attempts(); n < 20 || n > 70 {
			t.Errorf("%d attempts in a minute", n)
		}
		// Back again: at the latest after RetryMax. A call waits for it.
		ledger.setRefuse(nil)
		if _, err := r.Record(t.Context(), []stats.Event{event("call")}); err != nil {
			t.Error(err)
		}
		time.Sleep(recorder.DefaultOutcomeInterval)
		synctest.Wait()
		if logs.Len() != 2 || logs.All()[1].ContextMap()["count"] != int64(50) {
			t.Errorf("logged %v", logs.All())
		}
		if ids := ledger.ids(); len(ids) != 51 {
			t.Errorf("recorded %v", ids)
		}
		if n := r.State().Waiting; n != 0 {
			t.Errorf("%d pending", n)
		}
	})
}

func TestOutcomesComeBackByThemselves(t *testing.T) {
	ledger := &fakeLedger{refuse: func([]stats.Event) error { return errAway }}
	start(t, ledger, options{RetryMax: 2 * time.Second}, func(t *testing.T, r *eventRecorder) {
		_ = r.Later(event("a"))
		time.Sleep(time.Hour)
		ledger.setRefuse(nil)
		time.Sleep(3 * time.Second)
		if ids := ledger.ids(); len(ids) != 1 {
			t.Errorf("recorded %v", ids)
		}
	})
}

func TestATransactionThatHangsIsEnded(t *testing.T) {
	ledger := &fakeLedger{latency: time.Hour}
	start(t, ledger, options{Timeout: 5 * time.Second, Unavailable: isAway}, func(t *testing.T, r *eventRecorder) {
		_ = r.Later(event("kept"))
		begin := time.Now()
		if _, err := r.Record(t.Context(), events(1)); !errors.Is(err, recorder.ErrAway) {
			t.Errorf("got %v", err)
		}
		if waited := time.Since(begin); waited != recorder.DefaultPatience {
			t.Errorf("waited %v", waited)
		}
		if s := r.State(); s.Waiting != 1 || !s.Away || s.AwaySince.IsZero() {
			t.Errorf("%+v, want the outcome to wait", s)
		}
		ledger.setLatency(0)
	})
	if ids := ledger.ids(); !slices.Contains(ids, "kept") {
		t.Errorf("recorded %v", ids)
	}
}

func TestPoisonHarmsNobodyElse(t *testing.T) {
	ledger := &fakeLedger{latency: time.Millisecond, refuse: func(list []stats.Event) error {
		if slices.ContainsFunc(list, func(e stats.Event) bool { return e.Error == "poison" }) {
			return errPoison
		}
		return nil
	}}
	poison := event("poison")
	poison.Error = "poison"
	core, logs := observer.New(zap.ErrorLevel)
	start(t, ledger, options{Unavailable: isAway, Logger: zap.New(core)}, func(t *testing.T, r *eventRecorder) {
		var wg sync.WaitGroup
		wg.Go(func() { _, _ = r.Record(t.Context(), []stats.Event{event("first")}) })
		synctest.Wait()
		for i := range 20 {
			wg.Go(func() {
				if _, err := r.Record(t.Context(), []stats.Event{event(fmt.Sprint("call", i))}); err != nil {
					t.Error(err)
				}
			})
			_ = r.Later(event(fmt.Sprint("outcome", i)))
		}
		_ = r.Later(poison)
		if _, err := r.Record(t.Context(), []stats.Event{poison}); !errors.Is(err, errPoison) {
			t.Errorf("got %v", err)
		}
		wg.Wait()
	})
	if ids := ledger.ids(); len(ids) != 41 {
		t.Errorf("recorded %d: %v", len(ids), ids)
	}
	if logs.Len() != 1 {
		t.Errorf("logged %v", logs.All())
	}
}

func TestOutcomesOfStrangersAreLogged(t *testing.T) {
	ledger := &fakeLedger{}
	core, logs := observer.New(zap.DebugLevel)
	start(t, ledger, options{Logger: zap.New(core), Refused: recorder.RefusedEvent}, func(_ *testing.T, r *eventRecorder) {
		for range 5 {
			e := event("m")
			e.UserID = "stranger"
			_ = r.Later(e)
		}
	})
	if logs.Len() != 1 || logs.All()[0].ContextMap()["count"] != int64(5) {
		t.Errorf("logged %v", logs.All())
	}
}

// brokenLedger forgets a result.
type brokenLedger struct{}

func (brokenLedger) Record(_ context.Context, events []stats.Event) ([]stats.Recorded, error) {
	return make([]stats.Recorded, len(events)-1), nil
}

func TestALedgerThatForgetsIsNotBelieved(t *testing.T) {
	r := recorder.New(options{Commit: brokenLedger{}.Record})
	if got, err := r.Record(t.Context(), events(2)); err == nil {
		t.Errorf("got %v", got)
	}
	if err := r.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestCloseRecordsWhatWaits(t *testing.T) {
	ledger := &fakeLedger{latency: time.Second}
	synctest.Test(t, func(t *testing.T) {
		r := recorder.New(options{Commit: ledger.Record, MaxBatch: 7})
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() {
				if _, err := r.Record(t.Context(), events(3)); err != nil {
					t.Error(err)
				}
			})
			_ = r.Later(event("outcome"))
		}
		synctest.Wait()
		if err := r.Close(t.Context()); err != nil {
			t.Error(err)
		}
		wg.Wait()
		if n := len(ledger.ids()); n != 40 {
			t.Errorf("%d events", n)
		}
		if _, err := r.Record(t.Context(), events(1)); !errors.Is(err, recorder.ErrClosed) {
			t.Errorf("got %v", err)
		}
		if err := r.Later(event("late")); !errors.Is(err, recorder.ErrClosed) {
			t.Errorf("an outcome after Close: %v", err)
		}
		if err := r.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestCloseIsBounded(t *testing.T) {
	ledger := &fakeLedger{latency: time.Hour}
	synctest.Test(t, func(t *testing.T) {
		r := recorder.New(options{Commit: ledger.Record, Timeout: 24 * time.Hour, Patience: time.Hour, Unavailable: isAway, MaxBatch: 4})
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				if _, err := r.Record(t.Context(), events(3)); !errors.Is(err, recorder.ErrClosed) {
					t.Errorf("got %v", err)
				}
			})
			_ = r.Later(event("outcome"))
		}
		synctest.Wait()
		begin := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		if err := r.Close(ctx); err == nil || err.Error() != "3 outcomes of forwarded messages were not recorded: the recorder is closed" {
			t.Errorf("got %v", err)
		}
		if took := time.Since(begin); took != 5*time.Second {
			t.Errorf("took %v", took)
		}
		wg.Wait()
	})
}

// TestManyAtOnce: with callers that give up, a database that comes and goes,
// and poison, whatever was acknowledged was recorded, on the real clock.
func TestManyAtOnce(t *testing.T) {
	ledger := &fakeLedger{}
	var n atomic.Int64
	ledger.refuse = func(list []stats.Event) error {
		switch {
		case n.Add(1)%5 == 0:
			return errAway
		case slices.ContainsFunc(list, func(e stats.Event) bool { return e.Error == "poison" }):
			return errPoison
		}
		return nil
	}
	r := recorder.New(options{Commit: ledger.Record, MaxBatch: 50, Unavailable: isAway, RetryMin: time.Microsecond})
	var mu sync.Mutex
	acknowledged := map[string]bool{}
	ack := func(list []stats.Event) {
		mu.Lock()
		defer mu.Unlock()
		for _, e := range list {
			acknowledged[e.MessageID] = true
		}
	}
	var wg sync.WaitGroup
	for g := range 16 {
		wg.Go(func() {
			for i := range 100 {
				list := events(1 + rand.IntN(120))
				for j := range list {
					list[j].MessageID = fmt.Sprintf("%d/%d/%d", g, i, j)
				}
				if rand.IntN(20) == 0 {
					list[rand.IntN(len(list))].Error = "poison"
				}
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(rand.IntN(20))*time.Millisecond)
				if got, err := r.Record(ctx, list); err == nil {
					if len(got.Results) != len(list) {
						t.Errorf("%d results for %d events", len(got.Results), len(list))
					}
					ack(list)
				}
				cancel()
				outcome := event(fmt.Sprintf("%d/%d", g, i))
				if r.Later(outcome) == nil {
					ack([]stats.Event{outcome})
				}
			}
		})
	}
	wg.Wait()
	if err := r.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if p := r.State().Waiting; p != 0 {
		t.Errorf("%d pending", p)
	}
	recorded := map[string]bool{}
	for _, id := range ledger.ids() {
		recorded[id] = true
	}
	for id := range acknowledged {
		if !recorded[id] {
			t.Fatalf("%s was acknowledged and not recorded", id)
		}
	}
	if len(acknowledged) < 1600 {
		t.Errorf("only %d events acknowledged", len(acknowledged))
	}
}

// Outcomes that nobody waits for share their transactions: one each interval.
func TestOutcomesGather(t *testing.T) {
	ledger := &fakeLedger{}
	opts := options{OutcomeInterval: 50 * time.Millisecond}
	start(t, ledger, opts, func(t *testing.T, r *eventRecorder) {
		const count = 1000
		for i := range count {
			if err := r.Later(event(fmt.Sprint(i))); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Millisecond)
		}
		time.Sleep(opts.OutcomeInterval)
		synctest.Wait()
		if n := len(ledger.ids()); n != count {
			t.Errorf("%d recorded", n)
		}
		if n := len(ledger.sizes()); n < 10 || n > count/25 {
			t.Errorf("%d transactions for %d outcomes in a second", n, count)
		}
		// A call does not wait, and takes along what is there.
		_ = r.Later(event("before"))
		begin := time.Now()
		if _, err := r.Record(t.Context(), []stats.Event{event("call")}); err != nil {
			t.Error(err)
		}
		if waited := time.Since(begin); waited >= opts.OutcomeInterval {
			t.Errorf("the call waited %v", waited)
		}
	})
}
