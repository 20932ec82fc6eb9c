package store

import (
	"context"
	"time"

	"gorm.io/gorm"
)

// MarkWebhookEventsProcessed says that events have done their work. Those that
// had already keep their time; those that are there no longer are left out.
func (p *Primary) MarkWebhookEventsProcessed(ctx context.Context, ids []string) error {
	if len(ids) == 0 {
		return nil
	}
	err := p.db.tx(ctx, func(q *gorm.DB) error {
		return q.Exec(`UPDATE `+p.db.own("webhook_events")+` SET processed_at = ? WHERE processed_at IS NULL AND `+p.db.amongTexts("id"),
			timeArg(p.now()), jsonTexts(ids)).Error
	})
	return failure("mark webhook events", err)
}

// WebhookEvents lists the kept events of a session, or with sessionID "" of all,
// the newest first; limit 0 means all of them.
func (p *Primary) WebhookEvents(ctx context.Context, sessionID string, limit, offset int) ([]WebhookEvent, error) {
	var events []WebhookEvent
	err := p.db.read(ctx, func(q *gorm.DB) error {
		events = nil
		if sessionID != "" {
			q = q.Where("session_id = ?", sessionID)
		}
		return q.Scopes(page(limit, offset)).Order("received_at DESC, id").Find(&events).Error
	})
	return events, failure("list webhook events", err)
}

// PurgeWebhookEvents removes the events that were received before a time,
// processed or not, in short transactions with pauses between them, and returns
// how many they were. It may run on several nodes at once.
func (p *Primary) PurgeWebhookEvents(ctx context.Context, before time.Time, opts PurgeOptions) (int64, error) {
	removed, err := p.db.purgeOlder(ctx, "webhook_events", "received_at", before, opts)
	return removed, failure("remove old webhook events", err)
}
