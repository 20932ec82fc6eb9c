// Package recorder brings events into the ledger by group commit: whoever asks
// while a transaction is running shares the next one. So an event costs a
// fraction of a commit under load and waits for nobody without it, and what was
// acknowledged is on disk (contract §8).
package recorder

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/genfity/wa-gateway/stats"
	"go.uber.org/zap"
)

// Ledger is where events are counted. Record is atomic: with an error nothing
// of events was recorded, without one everything is on disk, and there is one
// result for each event, in their order.
type Ledger interface {
	Record(ctx context.Context, events []stats.Event) ([]stats.Recorded, error)
}

var (
	// ErrQueueFull means that more events are waiting than Options.MaxQueue
	// allows. The caller should try again later.
	ErrQueueFull = errors.New("too many events are waiting to be recorded")
	// ErrClosed means that the recorder is closing. Events that had not been
	// acknowledged by then may or may not have been recorded; telling them
	// again does no harm.
	ErrClosed = errors.New("the recorder is closed")
)

// Defaults of Options.
const (
	DefaultMaxBatch = 2000
	DefaultMaxQueue = 100_000
	DefaultTimeout  = 10 * time.Second
	DefaultRetryMin = 100 * time.Millisecond
	DefaultRetryMax = 5 * time.Second

	DefaultOutcomeInterval = 50 * time.Millisecond
)

// Options configure a Recorder. Only Ledger is required.
type Options struct {
	Ledger Ledger
	// MaxBatch is the greatest number of events in one transaction. Larger
	// calls are recorded in several, between which others get their turn.
	MaxBatch int
	// MaxQueue bounds the events of calls that wait, and once more the
	// outcomes that wait.
	MaxQueue int
	// Timeout bounds one transaction.
	Timeout time.Duration
	// RetryMin and RetryMax bound the pause before outcomes are tried again;
	// it doubles each time.
	RetryMin time.Duration
	RetryMax time.Duration
	// OutcomeInterval is how long outcomes that come in after a transaction
	// gather for the next one. Calls of Record do not wait for it, and take the
	// outcomes along.
	OutcomeInterval time.Duration
	// Unavailable reports whether a ledger's error says nothing about the
	// events, but that the database is away. After any other error the events
	// that were together in the transaction are tried apart, so that one that
	// cannot be recorded does not keep the others from it. Nil means that
	// every error is of the first kind.
	Unavailable func(error) bool
	Logger      *zap.Logger
}

// Recorder batches events into few transactions. Its methods may be called by
// many goroutines.
type Recorder struct {
	opts   Options
	cancel context.CancelFunc // ends the transaction under way, see Close
	wake   chan struct{}
	done   chan struct{}

	committed time.Time // when the last transaction ended; run's own

	mu       sync.Mutex
	closing  bool
	calls    []*call       // in the order of their turns
	waiting  int           // events of calls that are not yet recorded
	outcomes []stats.Event // in the order of their turns
	held     int           // outcomes accepted that are not yet settled
	failures int           // transactions with outcomes that failed in a row
	retryAt  time.Time     // when outcomes are tried again; zero: now
}

// call is one Record that waits.
type call struct {
	events  []stats.Event
	results []stats.Recorded
	err     error
	gone    bool // its caller no longer waits
	done    chan struct{}
}

// New starts a Recorder. It has to be closed.
func New(opts Options) *Recorder {
	setDefault(&opts.MaxBatch, DefaultMaxBatch)
	setDefault(&opts.MaxQueue, DefaultMaxQueue)
	setDefault(&opts.Timeout, DefaultTimeout)
	setDefault(&opts.RetryMin, DefaultRetryMin)
	setDefault(&opts.RetryMax, DefaultRetryMax)
	setDefault(&opts.OutcomeInterval, DefaultOutcomeInterval)
	opts.RetryMax = max(opts.RetryMax, opts.RetryMin)
	if opts.Unavailable == nil {
		opts.Unavailable = func(error) bool { return true }
	}
	if opts.Logger == nil {
		opts.Logger = zap.NewNop()
	}
	ctx, cancel := context.WithCancel(context.Background())
	r := &Recorder{opts: opts, cancel: cancel, wake: make(chan struct{}, 1), done: make(chan struct{})}
	go r.run(ctx)
	return r
}

func setDefault[T int | time.Duration](value *T, fallback T) {
	if *value <= 0 {
		*value = fallback
	}
}

// Record returns when events are on disk, with one result for each. The error
// is ErrQueueFull, ErrClosed, ctx's own or the ledger's. With an error some of
// events may have been recorded all the same; telling them again does no harm.
func (r *Recorder) Record(ctx context.Context, events []stats.Event) ([]stats.Recorded, error) {
	if len(events) == 0 {
		return nil, nil
	}
	if err := context.Cause(ctx); err != nil {
		return nil, fmt.Errorf("record events: %w", err)
	}
	c := &call{events: events, results: make([]stats.Recorded, 0, len(events)), done: make(chan struct{})}
	if err := r.enqueue(c); err != nil {
		return nil, err
	}
	select {
	case <-c.done:
	case <-ctx.Done():
		if r.leave(c) {
			return nil, fmt.Errorf("record events: %w", context.Cause(ctx))
		}
		<-c.done
	}
	if c.err != nil {
		return nil, c.err
	}
	return c.results, nil
}

func (r *Recorder) enqueue(c *call) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closing {
		return ErrClosed
	}
	// A call larger than the whole queue gets in when nobody else waits.
	if r.waiting > 0 && r.waiting+len(c.events) > r.opts.MaxQueue {
		return ErrQueueFull
	}
	r.waiting += len(c.events)
	r.calls = append(r.calls, c)
	r.signal()
	return nil
}

// leave says that the caller of c waits no longer; false when c is done anyway.
func (r *Recorder) leave(c *call) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	select {
	case <-c.done:
		return false
	default:
	}
	// Its events are not read any more once it is gone: they are the caller's.
	c.gone = true
	r.waiting -= len(c.events) - len(c.results)
	c.events = nil
	return true
}

// Outcome hands over the outcome of a forwarded message and returns at once. It
// is tried until the database takes it. False means that it will not be
// recorded, because too many outcomes are waiting or the recorder is closing.
func (r *Recorder) Outcome(e stats.Event) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closing || r.held >= r.opts.MaxQueue {
		return false
	}
	r.held++
	r.outcomes = append(r.outcomes, e)
	r.signal()
	return true
}

// Pending is the number of events that wait or are being recorded.
func (r *Recorder) Pending() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.waiting + r.held
}

// signal wakes the goroutine that records.
func (r *Recorder) signal() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// abortGrace is how long Close waits for a transaction that was told to end.
const abortGrace = time.Second

// Close refuses what comes from now on and records what waits. When ctx ends
// first, the rest is given up and the error says how many outcomes that are.
func (r *Recorder) Close(ctx context.Context) error {
	r.mu.Lock()
	r.closing = true
	r.signal()
	r.mu.Unlock()

	select {
	case <-r.done:
	case <-ctx.Done():
		r.cancel()
		select {
		case <-r.done:
		case <-time.After(abortGrace):
		}
	}
	r.cancel()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.held > 0 {
		return fmt.Errorf("%d outcomes of forwarded messages were not recorded: %w", r.held, ErrClosed)
	}
	return nil
}
