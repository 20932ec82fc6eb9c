package store

import (
	"context"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"gorm.io/gorm"
	"gorm.io/gorm/clause"
)

// How much one statement carries: a message to PostgreSQL may not be larger than
// 1 GiB, and a payload may be many megabytes long.
const (
	webhookRows  = 1000
	webhookBytes = 32 << 20
)

// addWebhooksPostgres is one attempt, in two round trips.
func (p *Primary) addWebhooksPostgres(ctx context.Context, b *webhookBatch) error {
	return p.db.pgx(ctx, func(c *pgx.Conn) error {
		statements := []statement{{sql: "BEGIN ISOLATION LEVEL READ COMMITTED"}, {sql: ledgerSettings}}
		for _, rows := range b.chunks() {
			statements = append(statements, p.insertWebhooks(rows))
		}
		// Sees what was committed before the insertion had waited for it.
		if err := send(ctx, c, append(statements, p.readWebhookIDs(b))...); err != nil {
			return err
		}
		if err := b.complete(); err != nil {
			return err
		}
		return send(ctx, c, statement{sql: "COMMIT"})
	})
}

// chunks cuts the rows into what one statement may carry.
func (b *webhookBatch) chunks() [][]*WebhookEvent {
	var list [][]*WebhookEvent
	from, size := 0, 0
	for i, e := range b.rows {
		if i > from && (i-from == webhookRows || size+len(e.Payload) > webhookBytes) {
			list = append(list, b.rows[from:i])
			from, size = i, 0
		}
		size += len(e.Payload)
	}
	return append(list, b.rows[from:])
}

func (p *Primary) insertWebhooks(rows []*WebhookEvent) statement {
	n := len(rows)
	var texts [6][]string
	for i := range texts {
		texts[i] = make([]string, n)
	}
	received, processed := make([]pgtype.Timestamptz, n), make([]pgtype.Timestamptz, n)
	for i, e := range rows {
		for j, text := range [6]string{e.ID, e.Source, e.SessionID, e.EventType, string(e.Payload), e.ContentHash} {
			texts[j][i] = text
		}
		received[i] = pgTime(e.ReceivedAt)
		if e.ProcessedAt != nil {
			processed[i] = pgTime(timeArg(*e.ProcessedAt))
		}
	}
	return statement{
		sql: `INSERT INTO ` + p.db.own("webhook_events") + ` AS w (id, source, session_id, event_type, payload, content_hash, received_at, processed_at)
			SELECT e.id, e.source, e.session_id, e.event_type, e.payload::json, e.content_hash, e.received_at, e.processed_at
			FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::timestamptz[], $8::timestamptz[])
				AS e(id, source, session_id, event_type, payload, content_hash, received_at, processed_at)
			ON CONFLICT (content_hash) DO UPDATE SET processed_at = excluded.processed_at
				WHERE w.processed_at IS NULL AND excluded.processed_at IS NOT NULL`,
		args: []any{texts[0], texts[1], texts[2], texts[3], texts[4], texts[5], received, processed},
	}
}

func (p *Primary) readWebhookIDs(b *webhookBatch) statement {
	hashes := make([]string, len(b.rows))
	for i, e := range b.rows {
		hashes[i] = e.ContentHash
	}
	return statement{
		sql: `SELECT k.n, e.id FROM unnest($1::text[]) WITH ORDINALITY AS k(hash, n)
			CROSS JOIN LATERAL (SELECT w.id FROM ` + p.db.own("webhook_events") + ` w WHERE w.content_hash = k.hash OFFSET 0) e`,
		args: []any{hashes},
		each: func(rows pgx.Rows) error {
			var n int64
			var id string
			if err := rows.Scan(&n, &id); err != nil {
				return err
			}
			b.known(b.rows[n-1], id)
			return nil
		},
	}
}

// addWebhooksSQLite is one attempt.
func (p *Primary) addWebhooksSQLite(ctx context.Context, b *webhookBatch) error {
	return p.db.writer.WithContext(ctx).Transaction(func(q *gorm.DB) error {
		for _, e := range b.rows {
			if e.ProcessedAt != nil {
				at := timeArg(*e.ProcessedAt)
				e.ProcessedAt = &at
			}
			added := q.Clauses(clause.OnConflict{
				Columns: []clause.Column{{Name: "content_hash"}}, DoNothing: true,
			}).Create(e)
			if added.Error != nil {
				return added.Error
			}
			id := e.ID
			if added.RowsAffected == 0 {
				if err := q.Model(&WebhookEvent{}).Select("id").Where("content_hash = ?", e.ContentHash).Take(&id).Error; err != nil {
					return err
				}
				if e.ProcessedAt != nil {
					err := q.Model(&WebhookEvent{}).Where("id = ? AND processed_at IS NULL", id).Update("processed_at", e.ProcessedAt).Error
					if err != nil {
						return err
					}
				}
			}
			b.known(e, id)
		}
		return nil
	})
}
