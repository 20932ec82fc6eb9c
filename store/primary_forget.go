package store

import (
	"context"

	"gorm.io/gorm"
)

// forgetBatch is how many rows one transaction of ForgetSession removes of a table.
const forgetBatch = 1000

// ForgetSession removes everything that was told of a session, in short transactions,
// after the session itself is gone. Its webhooks that still wait become no rows any
// more; they themselves go by their age, as all do.
func (p *Primary) ForgetSession(ctx context.Context, sessionID string) error {
	if sessionID == "" {
		return nil
	}
	err := p.dismissWebhooks(ctx, sessionID)
	for _, table := range []string{"session_states", "receipts", "messages", "chats", "contacts"} {
		if err != nil {
			break
		}
		err = p.forgetRows(ctx, table, sessionID)
	}
	return failure("forget a session", err)
}

func (p *Primary) forgetRows(ctx context.Context, table, sessionID string) error {
	rows := p.db.own(table)
	some := `rowid IN (SELECT rowid FROM ` + rows + ` WHERE session_id = ? LIMIT ?)`
	if p.db.backend == Postgres {
		some = `ctid = ANY(ARRAY(SELECT ctid FROM ` + rows + ` WHERE session_id = ? LIMIT ?))`
	}
	for {
		gone := int64(0)
		err := p.db.tx(ctx, func(q *gorm.DB) error {
			if err := p.db.lockSessions(q, []string{sessionID}); err != nil {
				return err
			}
			done := q.Exec(`DELETE FROM `+rows+` WHERE `+some, sessionID, forgetBatch)
			gone = done.RowsAffected
			return done.Error
		})
		if err != nil || gone < forgetBatch {
			return err
		}
	}
}

// dismissWebhooks keeps the waiting webhooks of a session from becoming rows. It waits
// for those that are about to, so it must not hold the lock that they need.
func (p *Primary) dismissWebhooks(ctx context.Context, sessionID string) error {
	some := `SELECT id FROM ` + p.db.own("webhook_events") + ` WHERE session_id = ? AND processed_at IS NULL ORDER BY received_at, id LIMIT ?`
	if p.db.backend == Postgres {
		some += ` FOR UPDATE`
	}
	for {
		gone := int64(0)
		err := p.db.tx(ctx, func(q *gorm.DB) error {
			done := q.Exec(`UPDATE `+p.db.own("webhook_events")+` SET processed_at = ?, error = ? WHERE id IN (`+some+`)`,
				timeArg(p.now()), "the session was removed", sessionID, forgetBatch)
			gone = done.RowsAffected
			return done.Error
		})
		// Fewer than a batch may be because others did some of it meanwhile.
		if err != nil || gone == 0 {
			return err
		}
	}
}
