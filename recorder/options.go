package recorder

import (
	"context"
	"time"

	"go.uber.org/zap"

	"github.com/genfity/wa-gateway/journal"
)

// Journal keeps records on local disk; a [journal.Journal] does.
type Journal interface {
	Append(urgent bool, records ...[]byte) error
	AppendSync(ctx context.Context, records ...[]byte) error
	TryNext(max, maxBytes int) (journal.Batch, error)
	Ack(journal.Batch) error
	Wake() <-chan struct{}
	Stats() journal.Stats
	Close() error
}

var _ Journal = (*journal.Journal)(nil)

// Source says how an item came to the recorder.
type Source byte

// The sources. Their values are part of what lies in journals.
const (
	// SourceEvent is an item of Record.
	SourceEvent Source = 'e'
	// SourceOutcome is an item of Later.
	SourceOutcome Source = 'o'
)

// String names s as dead letters do.
func (s Source) String() string {
	switch s {
	case SourceEvent:
		return "event"
	case SourceOutcome:
		return "outcome"
	}
	return "record"
}

// DeadLetter is an item that cannot be recorded.
type DeadLetter[T any] struct {
	Source Source
	Item   T
	// Raw is a record of the journal that cannot be decoded; Source and Item are
	// zero then.
	Raw    []byte
	Reason string
}

// Defaults of Options.
const (
	DefaultPatience = 2 * time.Second
	DefaultMaxBatch = 2000
	DefaultMaxQueue = 100_000
	DefaultTimeout  = 10 * time.Second
	DefaultRetryMin = 100 * time.Millisecond
	DefaultRetryMax = 5 * time.Second

	DefaultOutcomeInterval = 50 * time.Millisecond
)

// Options configure a Recorder. Only Commit is required.
type Options[T, R any] struct {
	// Commit records items: all in one transaction, which is on disk when it
	// returns, with one result for each, in their order; or, with an error, none
	// of them. Recording an item again has to do no harm. It may not keep items.
	Commit func(ctx context.Context, items []T) ([]R, error)

	// Journal keeps items on local disk. The Recorder owns it and closes it.
	// Without one nothing is spooled, and outcomes are kept in memory only.
	Journal Journal
	// Spool lets Record keep items in the journal while the database is away.
	// Without it Record fails.
	Spool bool
	// Encode appends an item to buf, in the form in which the journal keeps it,
	// and Decode reads that. Decode may not keep record. Both are required with a
	// Journal.
	Encode func(buf []byte, source Source, item T) []byte
	Decode func(record []byte) (Source, T, error)

	// Refused says why a result means that the item was not recorded, nil for
	// all others. Callers of Record see results themselves; what came from the
	// journal becomes a dead letter.
	Refused func(R) error
	// Poison makes the result of an item that alone makes Commit fail. Without it
	// the call that such an item came with fails with ErrPoison.
	Poison func(reason error) R
	// DeadLetter keeps what cannot be recorded, in the same database. It is tried
	// until it succeeds; nothing leaves the journal before. It may see a letter
	// twice. Without it such items are logged and given up.
	DeadLetter func(ctx context.Context, letters []DeadLetter[T]) error
	// Describe names an item in log lines.
	Describe func(T) zap.Field
	// Unavailable reports whether an error of Commit says nothing about the
	// items, but that the database is away. After any other error the items that
	// were together in the transaction are tried apart, so that one that cannot
	// be recorded does not keep the others from it. Nil means that every error
	// is of the first kind.
	Unavailable func(error) bool

	// Patience is how long Record waits for the database before it spools. Where
	// it cannot spool it waits longer as long as transactions succeed, and fails
	// when the database has not answered for so long.
	Patience time.Duration
	// Writers is how many transactions run at a time. While the database is away
	// it is one.
	Writers int
	// MaxBatch is the greatest number of items in one transaction. Larger calls
	// are recorded in several, between which others get their turn.
	MaxBatch int
	// MaxQueue bounds the items of calls that wait, and once more the outcomes
	// that wait in memory.
	MaxQueue int
	// Timeout bounds one transaction.
	Timeout time.Duration
	// RetryMin and RetryMax bound the pause before a database that is away is
	// tried again; it doubles each time.
	RetryMin time.Duration
	RetryMax time.Duration
	// OutcomeInterval is how long outcomes that come in after a transaction
	// gather for the next one. Calls of Record do not wait for it, and take the
	// outcomes along.
	OutcomeInterval time.Duration
	Logger          *zap.Logger
}

func (o *Options[T, R]) setDefaults() {
	setDefault(&o.Patience, DefaultPatience)
	setDefault(&o.Writers, 1)
	setDefault(&o.MaxBatch, DefaultMaxBatch)
	setDefault(&o.MaxQueue, DefaultMaxQueue)
	setDefault(&o.Timeout, DefaultTimeout)
	setDefault(&o.RetryMin, DefaultRetryMin)
	setDefault(&o.RetryMax, DefaultRetryMax)
	setDefault(&o.OutcomeInterval, DefaultOutcomeInterval)
	o.RetryMax = max(o.RetryMax, o.RetryMin)
	o.Spool = o.Spool && o.Journal != nil
	if o.Refused == nil {
		o.Refused = func(R) error { return nil }
	}
	if o.Unavailable == nil {
		o.Unavailable = func(error) bool { return true }
	}
	if o.Describe == nil {
		o.Describe = func(T) zap.Field { return zap.Skip() }
	}
	if o.Logger == nil {
		o.Logger = zap.NewNop()
	}
}

func setDefault[T int | time.Duration](value *T, fallback T) {
	if *value <= 0 {
		*value = fallback
	}
}
