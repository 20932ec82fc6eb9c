// Package recorder brings items (events, webhooks) into a database by group
// commit: whoever asks while a transaction is running shares the next one. So an
// item costs a fraction of a commit under load and waits for nobody without it,
// and what was acknowledged is on disk (contract §8).
//
// While the database is away, items are kept in a journal on local disk and
// recorded when it is back. They may then be recorded twice, after a crash for
// instance, so recording has to be idempotent, as the ledger's is.
package recorder

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/genfity/wa-gateway/journal"
)

var (
	// ErrQueueFull means that more items are waiting than Options.MaxQueue
	// allows. The caller should try again later.
	ErrQueueFull = errors.New("too many items are waiting to be recorded")
	// ErrClosed means that the recorder is closing. Items that had not been
	// acknowledged by then may or may not have been recorded; telling them
	// again does no harm.
	ErrClosed = errors.New("the recorder is closed")
	// ErrAway means that the database does not answer, and that nothing may be
	// kept on local disk instead.
	ErrAway = errors.New("the database is away")
	// ErrSpoolFull means that the database is away and that the journal takes no
	// more either.
	ErrSpoolFull = errors.New("the database is away and the local journal takes no more")
	// ErrPoison means that an item alone makes its transaction fail.
	ErrPoison = errors.New("the database cannot record this")
	// ErrNotReady means that what is told with Later might be lost at present.
	ErrNotReady = errors.New("outcomes cannot be kept safely at present")
)

// Recorder batches items into few transactions. Its methods may be called by
// many goroutines.
//
// One goroutine, run, makes up the transactions and is the only reader of the
// journal. Transactions run in goroutines of their own, at most Options.Writers
// at a time.
type Recorder[T, R any] struct {
	opts    Options[T, R]
	ctx     context.Context // of the transactions
	cancel  context.CancelFunc
	wake    chan struct{}
	done    chan struct{} // run has ended
	scratch sync.Pool
	workers sync.WaitGroup
	shut    sync.Once

	chunks    []*chunk  // what was read and not yet acknowledged, in order; run's own
	shelterAt time.Time // when memory is brought into the journal again; run's own

	mu      sync.Mutex
	closing bool
	lastTry time.Time // until then a database that is away is tried once more before the end
	breaker breaker

	calls    []*call[T, R]  // in the order of their turns
	waiting  int            // items of calls that are not yet recorded
	spooling int            // calls that are writing to the journal
	inflight []*batch[T, R] // transactions under way
	limit    int            // items in the next transaction at most; less than MaxBatch after timeouts

	memory []entry[T] // what Later could not bring into the journal, in the order of their turns
	held   int        // items of memory, and in transactions from there, that are not settled
	loaded []entry[T] // read from the journal, in the order of their turns
	bytes  int        // size of loaded in the journal
	unread bool       // the journal has, or may have, more
	more   bool       // what was read last was as much as was asked for
	readAt time.Time  // not to be read before, after an error

	letters   []letter[T] // dead letters to be stored
	lettersAt time.Time   // not to be tried before, after an error
	unburied  int         // failures in a row to store dead letters
	burying   bool        // some are being stored

	committed time.Time // when the last transaction ended
	answered  time.Time // when the database last showed that it lives

	refusals, poisonings, readErrors, ackErrors, burials throttle
}

// New starts a Recorder. It has to be closed.
func New[T, R any](o Options[T, R]) *Recorder[T, R] {
	o.setDefaults()
	ctx, cancel := context.WithCancel(context.Background()) // #nosec G118 -- run calls it when it ends
	r := &Recorder[T, R]{
		opts: o, ctx: ctx, cancel: cancel, wake: make(chan struct{}, 1), done: make(chan struct{}),
		limit: o.MaxBatch, unread: o.Journal != nil,
	}
	r.scratch.New = func() any { return new(scratch) }
	go r.run()
	return r
}

// State tells how a Recorder does.
type State struct {
	// Away: the database does not answer, since AwaySince.
	Away      bool
	AwaySince time.Time
	// Waiting is the number of items that wait in memory: of calls, and outcomes
	// that the journal did not take.
	Waiting int
	// Journal tells what waits on local disk. It is zero without a journal.
	Journal journal.Stats
}

// State tells how r does.
func (r *Recorder[T, R]) State() State {
	r.mu.Lock()
	s := State{Away: r.knownAway(time.Now()), Waiting: r.waiting + r.held}
	if s.Away {
		s.AwaySince = r.breaker.since
	}
	r.mu.Unlock()
	if r.opts.Journal != nil {
		s.Journal = r.opts.Journal.Stats()
	}
	return s
}

// signal wakes run.
func (r *Recorder[T, R]) signal() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// abortGrace is how long Close waits for a transaction that was told to end.
const abortGrace = time.Second

// Close refuses what comes from now on, records what waits, and closes the
// journal. What is on local disk is left there for the next start when ctx ends
// or while the database is away; one that was is tried once more. An error means
// that something that was only in memory is lost.
func (r *Recorder[T, R]) Close(ctx context.Context) error {
	r.mu.Lock()
	if !r.closing {
		r.closing = true
		r.lastTry, r.breaker.retryAt = time.Now().Add(r.opts.Patience), time.Time{}
	}
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
	var err error
	r.shut.Do(func() { err = r.closeJournal() })
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.held > 0 {
		err = errors.Join(fmt.Errorf("%d outcomes of forwarded messages were not recorded: %w", r.held, ErrClosed), err)
	}
	return err
}

func (r *Recorder[T, R]) closeJournal() error {
	if r.opts.Journal == nil {
		return nil
	}
	if s := r.opts.Journal.Stats(); s.Bytes > 0 {
		r.opts.Logger.Warn("what was not recorded yet waits on local disk: "+
			"it is recorded when a gateway with the same journal and the same database runs again",
			zap.String("folder", s.Dir), zap.Int64("count", s.Records), zap.Int64("bytes", s.Bytes))
	}
	if err := r.opts.Journal.Close(); err != nil {
		return fmt.Errorf("closing the journal: %w", err)
	}
	return nil
}
