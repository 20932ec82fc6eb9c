package caddywagateway

import (
	"context"
	"errors"
	"sync"

	"go.uber.org/zap"

	"github.com/genfity/wa-gateway/recorder"
	"github.com/genfity/wa-gateway/stats"
	"github.com/genfity/wa-gateway/store"
)

type (
	eventRecorder   = recorder.Recorder[stats.Event, stats.Recorded]
	webhookRecorder = recorder.Recorder[*store.WebhookEvent, store.WebhookAdded]
)

// What the journals are for: the names of their folders.
const (
	journalEvents   = "events"
	journalWebhooks = "webhooks"
)

// maxEvents bounds the events of one transaction. The more they are, the fewer times
// a session's counters are written; ten thousand take about a tenth of a second, which
// others who wait do not notice.
const maxEvents = stats.MaxBatch

// maxWebhooks bounds the webhooks of one transaction: each may be large.
const maxWebhooks = 200

// openRecorders opens both journals and what they are for.
func (d *databases) openRecorders() error {
	logger := d.logger.Named("journal")
	events, err := d.settings.journal.open(journalEvents, d.transactional.DB(), logger.Named(journalEvents))
	if err != nil {
		return err
	}
	webhooks, err := d.settings.journal.open(journalWebhooks, d.primary.DB(), logger.Named(journalWebhooks))
	if err != nil {
		return errors.Join(err, events.Close())
	}
	writers := 1
	if d.transactional.DB().Backend() == store.Postgres {
		writers = 2 // one waits for the disk while the other one is worked at
	}
	d.events = recorder.New(recorder.Options[stats.Event, stats.Recorded]{
		Commit:  once(d, d.transactional.Record),
		Journal: events, Spool: d.settings.journal.spool, Writers: writers, MaxBatch: maxEvents,
		Encode: recorder.EncodeEvent, Decode: recorder.DecodeEvent,
		Refused: recorder.RefusedEvent, Poison: recorder.PoisonEvent, Describe: recorder.DescribeEvent,
		DeadLetter: func(ctx context.Context, l []recorder.DeadLetter[stats.Event]) error {
			return setAside(ctx, d, l, eventLetter)
		},
		Unavailable: store.Blameless, Logger: d.logger.Named("recorder").Named(journalEvents),
	})
	d.webhooks = recorder.New(recorder.Options[*store.WebhookEvent, store.WebhookAdded]{
		Commit:  once(d, d.addWebhooks),
		Journal: webhooks, Spool: d.settings.journal.spool, MaxBatch: maxWebhooks,
		Encode: encodeWebhook, Decode: decodeWebhook,
		DeadLetter: func(ctx context.Context, l []recorder.DeadLetter[*store.WebhookEvent]) error {
			return setAside(ctx, d, l, webhookLetter)
		},
		Unavailable: store.Blameless, Logger: d.logger.Named("recorder").Named(journalWebhooks),
	})
	return nil
}

// once keeps a database from being asked before its tables are up to date: what a
// table that is not there answers would look like a defect of the events. That is
// waited for while it comes up, so that nothing is spooled for the moment it takes.
func once[T, R any](d *databases, commit func(context.Context, []T) ([]R, error)) func(context.Context, []T) ([]R, error) {
	return func(ctx context.Context, items []T) ([]R, error) {
		if !d.awaitReady(ctx) {
			return nil, store.ErrNotReady
		}
		return commit(ctx, items)
	}
}

// addWebhooks gives the database copies, which it fills in: whoever told a webhook
// may have it kept on disk while the database has not answered yet.
func (d *databases) addWebhooks(ctx context.Context, hooks []*store.WebhookEvent) ([]store.WebhookAdded, error) {
	copies := make([]*store.WebhookEvent, len(hooks))
	for i, hook := range hooks {
		h := *hook
		copies[i] = &h
	}
	return d.primary.AddWebhookEvents(ctx, copies)
}

// closeRecorders waits for what is on its way to the databases.
func (d *databases) closeRecorders(ctx context.Context) error {
	var errs [2]error
	var closing sync.WaitGroup
	closing.Go(func() { errs[0] = d.events.Close(ctx) })
	closing.Go(func() { errs[1] = d.webhooks.Close(ctx) })
	closing.Wait()
	return errors.Join(errs[:]...)
}

func encodeWebhook(buf []byte, source recorder.Source, hook *store.WebhookEvent) []byte {
	return store.AppendWebhookEvent(append(buf, byte(source)), hook)
}

func decodeWebhook(record []byte) (recorder.Source, *store.WebhookEvent, error) {
	if len(record) == 0 {
		return 0, nil, errors.New("the record is empty")
	}
	hook, err := store.ReadWebhookEvent(record[1:])
	return recorder.Source(record[0]), hook, err
}

// setAside keeps what cannot be recorded among the dead letters.
func setAside[T any](ctx context.Context, d *databases, letters []recorder.DeadLetter[T], write func(recorder.DeadLetter[T]) store.DeadLetter) error {
	list := make([]store.DeadLetter, 0, len(letters))
	for i := range letters {
		letter := write(letters[i])
		if letters[i].Raw != nil {
			letter = store.DeadLetter{Source: letters[i].Source.String(), Payload: letters[i].Raw}
		}
		letter.Reason = letters[i].Reason
		list = append(list, letter)
	}
	added, err := d.transactional.AddDeadLetters(ctx, list)
	if err == nil && added > 0 {
		d.logger.Warn("events that cannot be recorded were set aside: see caddy wa-gateway dead-letters",
			zap.Int64("count", added), zap.String("source", list[0].Source), zap.String("reason", list[0].Reason))
	}
	return err
}
