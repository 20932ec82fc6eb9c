package store

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"
)

// Primary is the database of what WA servers send: raw webhook events, and the
// chats, messages and contacts that they tell of (contract §2). It may be the
// same as the transactional one; all its tables are the gateway's own. Its
// methods may be called by many goroutines.
type Primary struct {
	db  *DB
	now func() time.Time
}

// NewPrimary uses db as the primary database. Before the first query,
// [Primary.Migrate] must have succeeded once on it.
func NewPrimary(db *DB) *Primary { return &Primary{db: db, now: time.Now} }

// DB is the database below.
func (p *Primary) DB() *DB { return p.db }

// Migrate brings the tables up to date; see [Transactional.Migrate].
func (p *Primary) Migrate(ctx context.Context, opts MigrateOptions) (*MigrateReport, error) {
	report := &MigrateReport{}
	if err := p.db.migrate(ctx, migrationsPrimary, opts, &report.Applied, nil); err != nil {
		return nil, err
	}
	return report, nil
}

// AddWebhookEvent keeps a webhook as it came. The same payload of the same
// source is kept once, however often it is delivered: then duplicate is true. In
// both cases event.ID is that of the row.
func (p *Primary) AddWebhookEvent(ctx context.Context, event *WebhookEvent) (duplicate bool, err error) {
	sum := sha256.New()
	fmt.Fprintf(sum, "%d:%s", len(event.Source), event.Source)
	sum.Write(event.Payload)
	event.ContentHash = hex.EncodeToString(sum.Sum(nil))
	event.ReceivedAt = timeArg(event.ReceivedAt)
	if event.ReceivedAt.IsZero() {
		event.ReceivedAt = timeArg(p.now())
	}
	err = p.db.tx(ctx, func(q *gorm.DB) error {
		duplicate = false
		event.ID = NewID()
		added := q.Clauses(clause.OnConflict{
			Columns: []clause.Column{{Name: "content_hash"}}, DoNothing: true,
		}).Create(event)
		if added.Error != nil || added.RowsAffected == 1 {
			return added.Error
		}
		duplicate = true
		var known WebhookEvent
		err := q.Select("id").Where("content_hash = ?", event.ContentHash).Take(&known).Error
		event.ID = known.ID
		return err
	})
	return duplicate, failure("keep a webhook event", err)
}

// MarkWebhookEventProcessed says that an event has done its work. One that had
// already keeps its time.
func (p *Primary) MarkWebhookEventProcessed(ctx context.Context, id string) error {
	err := p.db.tx(ctx, func(q *gorm.DB) error {
		return oneRow(q.Model(&WebhookEvent{}).Where("id = ?", id).
			Update("processed_at", gorm.Expr("COALESCE(processed_at, ?)", timeArg(p.now()))))
	})
	return failure("mark a webhook event", err)
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
