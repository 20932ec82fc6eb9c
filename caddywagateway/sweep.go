package caddywagateway

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"go.uber.org/zap"

	"github.com/genfity/wa-gateway/store"
)

// sweepInterval is how often what is old enough is taken away. The first time comes
// within it, so that nodes which start together do not meet.
const sweepInterval = time.Hour

// sweep takes away what the retention does not keep, until ctx ends.
func (d *databases) sweep(ctx context.Context) {
	timer := time.NewTimer(rand.N(sweepInterval)) //nolint:gosec // jitter is no secret
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		if err := d.sweepOnce(ctx, time.Now()); err != nil && ctx.Err() == nil {
			d.logger.Warn("what is too old could not be taken away; trying again later", zap.Error(err))
		}
		timer.Reset(sweepInterval)
	}
}

func (d *databases) sweepOnce(ctx context.Context, now time.Time) error {
	var errs []error
	kept := d.settings.retention
	if kept.ledger > 0 {
		report, err := d.transactional.Purge(ctx, now.Add(-kept.ledger-store.PurgeMargin), store.PurgeOptions{})
		if report.Messages > 0 {
			d.logger.Info("old messages have left the ledger; their counts stay",
				zap.Int64("messages", report.Messages), zap.Int64("sessions", report.Sessions))
		}
		errs = append(errs, inPart("the ledger", err))
		// By then they could not be counted any more.
		gone, err := d.transactional.PurgeDeadLetters(ctx, now.Add(-kept.ledger), store.PurgeOptions{})
		if gone > 0 {
			d.logger.Warn("old dead letters were removed; nobody had decided about them", zap.Int64("events", gone))
		}
		errs = append(errs, inPart("the dead letters", err))
	}
	if kept.hours > 0 {
		report, err := d.transactional.CompactRollups(ctx, now.Add(-kept.hours-store.PurgeMargin), store.PurgeOptions{})
		if report.Slots > 0 {
			d.logger.Info("old hours were put together to days", zap.Int64("quarters", report.Slots), zap.Int64("days", report.Days))
		}
		errs = append(errs, inPart("the hours", err))
	}
	if kept.webhooks > 0 {
		gone, err := d.primary.PurgeWebhookEvents(ctx, now.Add(-kept.webhooks), store.PurgeOptions{})
		if gone > 0 {
			d.logger.Info("old webhooks were removed", zap.Int64("webhooks", gone))
		}
		errs = append(errs, inPart("the webhooks", err))
	}
	return errors.Join(errs...)
}

func inPart(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", what, err)
}
