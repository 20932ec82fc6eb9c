// Package inbox turns the webhooks that WA servers sent, and that are kept as they
// came, into rows: the state of sessions, contacts, chats, messages and receipts. A
// webhook is done once, by whichever gateway gets to it first, soon after it was kept
// or, when that gateway died, a little later by another one.
package inbox

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/genfity/wa-gateway/store"
	"github.com/genfity/wa-gateway/waserver"
)

const (
	// DefaultInterval is how often it is looked for webhooks that nobody poked for.
	DefaultInterval = 5 * time.Second
	// DefaultBatch is how many webhooks are done at once.
	DefaultBatch = 100

	// callTimeout bounds one batch.
	callTimeout = 30 * time.Second
	// maxWait bounds the pause between attempts while the database is away.
	maxWait = time.Minute
	// firstWait is the first of these pauses.
	firstWait = 250 * time.Millisecond
	// gather is how long it waits after a poke for further ones: many webhooks in one
	// transaction cost little more than one.
	gather = 10 * time.Millisecond
)

// Source keeps the webhooks and the rows. *store.Primary is one.
type Source interface {
	ProjectWebhooks(ctx context.Context, source string, limit int, read func(*store.WebhookEvent) ([]waserver.Update, error)) (store.WebhooksProjected, error)
}

var _ Source = (*store.Primary)(nil)

// Options configure an Inbox.
type Options struct {
	Source Source
	// Sources are the WA servers whose webhooks are turned into rows. Those of other
	// servers are left as they are.
	Sources []string
	// Translators finds the dialect of a server; nil for one whose webhooks are left
	// as they are.
	Translators func(source string) waserver.Translator
	// Observe is told what a webhook says before that becomes rows. It may be told the
	// same twice, by two gateways at once or because one died in between. While it returns a
	// store.Blameless error, such as that of a database that is away, the webhook
	// waits; with any other error the webhook is given up. Optional.
	Observe func(ctx context.Context, event *store.WebhookEvent, updates []waserver.Update) error
	// Interval is how often it is looked without being poked (5 s), Batch how many
	// webhooks are done at once (100).
	Interval time.Duration
	Batch    int
	Logger   *zap.Logger
}

// Inbox is safe for concurrent use.
type Inbox struct {
	options Options
	poke    chan struct{}
	quit    chan struct{} // closed: begin nothing more
	ended   chan struct{} // closed: nothing runs
	ctx     context.Context
	cancel  context.CancelFunc
	start   sync.Once
	closing sync.Once

	applied, failed, unknown atomic.Int64
	away                     atomic.Bool
}

// Counts are how many webhooks this gateway has done.
type Counts struct {
	Applied int64 // of them Unknown told nothing that is kept
	Unknown int64
	Failed  int64 // could not be read or written; why is kept with each
}

// New makes an Inbox, which does nothing before Start.
func New(o Options) *Inbox {
	if o.Interval <= 0 {
		o.Interval = DefaultInterval
	}
	if o.Batch <= 0 {
		o.Batch = DefaultBatch
	}
	if o.Logger == nil {
		o.Logger = zap.NewNop()
	}
	ctx, cancel := context.WithCancel(context.Background())
	return &Inbox{
		options: o, ctx: ctx, cancel: cancel,
		poke: make(chan struct{}, 1), quit: make(chan struct{}), ended: make(chan struct{}),
	}
}

// Start begins to work, with what waits already. It is called once.
func (b *Inbox) Start() {
	b.start.Do(func() { go b.run() })
}

// Close ends the work: what has begun is finished, or undone when ctx ends first. What
// is left waits for another gateway, or the next start.
func (b *Inbox) Close(ctx context.Context) error {
	b.start.Do(func() { close(b.ended) }) // it never began
	b.closing.Do(func() { close(b.quit) })
	defer b.cancel()
	select {
	case <-b.ended:
		return nil
	case <-ctx.Done():
	}
	b.cancel()
	<-b.ended // at once, since all that it waits for has that context
	return fmt.Errorf("close the inbox: %w", ctx.Err())
}

// Poke says that there is something to do. It does not wait.
func (b *Inbox) Poke() {
	select {
	case b.poke <- struct{}{}:
	default:
	}
}

// Counts tells what was done since the start.
func (b *Inbox) Counts() Counts {
	return Counts{Applied: b.applied.Load(), Unknown: b.unknown.Load(), Failed: b.failed.Load()}
}

// Away tells whether the last attempt failed because of the database.
func (b *Inbox) Away() bool { return b.away.Load() }

func (b *Inbox) run() {
	defer close(b.ended)
	timer := time.NewTimer(0)
	defer timer.Stop()
	wait := firstWait
	poke := b.poke
	for {
		select {
		case <-b.quit:
			return
		case <-poke:
			timer.Reset(gather)
			poke = nil
			continue
		case <-timer.C:
		}
		err := b.all(b.ctx)
		switch {
		case b.ctx.Err() != nil:
			return
		case err != nil:
			b.trouble(err)
			timer.Reset(wait/2 + rand.N(wait)) //nolint:gosec // jitter is no secret
			wait = min(2*wait, maxWait)
			poke = nil // whoever pokes does not know that it is in vain
		default:
			b.well()
			timer.Reset(b.options.Interval)
			wait = firstWait
			poke = b.poke
		}
	}
}

// all does what there is, of each source. One that fails keeps no other waiting.
func (b *Inbox) all(ctx context.Context) error {
	var errs []error
	for _, source := range b.options.Sources {
		if translator := b.options.Translators(source); translator != nil {
			errs = append(errs, b.one(ctx, source, translator))
		}
	}
	return errors.Join(errs...)
}

func (b *Inbox) one(ctx context.Context, source string, translator waserver.Translator) error {
	for !b.quitting() {
		done, err := b.batch(ctx, source, translator)
		b.applied.Add(int64(done.Applied))
		b.failed.Add(int64(done.Failed))
		if done.Failed > 0 {
			b.options.Logger.Warn("webhooks could not be turned into rows; why is kept with each",
				zap.String("wa_server", source), zap.Int("count", done.Failed))
		}
		if err != nil || !done.More {
			return err
		}
	}
	return nil
}

func (b *Inbox) quitting() bool {
	select {
	case <-b.quit:
		return true
	default:
		return false
	}
}

func (b *Inbox) batch(ctx context.Context, source string, translator waserver.Translator) (store.WebhooksProjected, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	return b.options.Source.ProjectWebhooks(ctx, source, b.options.Batch, func(e *store.WebhookEvent) ([]waserver.Update, error) {
		updates, err := read(translator, e)
		switch {
		case err != nil:
			return nil, err
		case len(updates) == 0:
			b.unknown.Add(1)
		case b.options.Observe != nil:
			if err := b.options.Observe(ctx, e, updates); err != nil {
				return nil, err
			}
		}
		return updates, nil
	})
}

// read asks a dialect what a webhook says. One that cannot bear some payload must not
// end the gateway.
func read(translator waserver.Translator, e *store.WebhookEvent) (updates []waserver.Update, err error) {
	defer func() {
		if recover() != nil {
			updates, err = nil, errors.New("the dialect failed at the payload")
		}
	}()
	if updates, err = translator.Updates(e.Payload, e.ReceivedAt); err != nil {
		// Not wrapped: whatever the dialect's error is, it says nothing of our database.
		return nil, fmt.Errorf("the payload cannot be read: %v", err) //nolint:errorlint // see above
	}
	return updates, nil
}

// trouble tells once that the database cannot be used, and well that it can again.
func (b *Inbox) trouble(err error) {
	if !b.away.Swap(true) {
		b.options.Logger.Warn("webhooks wait to be turned into rows", zap.Error(err))
	}
}

func (b *Inbox) well() {
	if b.away.Swap(false) {
		b.options.Logger.Info("webhooks are turned into rows again")
	}
}
