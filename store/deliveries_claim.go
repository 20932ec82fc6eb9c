package store

import (
	"context"
	"time"

	"gorm.io/gorm"
)

// ClaimedDelivery is a delivery that is the caller's to post, until its lease ends.
type ClaimedDelivery struct {
	EventID   string
	SessionID string
	Body      []byte
	CreatedAt time.Time
	Attempts  int // in vain, before this one
	Failures  int // of the session, in a row, before this one

	holder string
}

// ClaimDeliveries gives out deliveries to be posted: of at most n sessions the first
// that is due, and of none that somebody else holds. A session is held until its
// delivery is reported back ([Primary.DeliveryDone], [Primary.DeliveryFailed],
// [Primary.GiveUpDelivery], [Primary.ReleaseDelivery]), or the lease ends; all by the
// database's clock.
func (p *Primary) ClaimDeliveries(ctx context.Context, n int, lease time.Duration) ([]ClaimedDelivery, error) {
	due, err := p.deliveriesDue(ctx)
	if err != nil || !due || n <= 0 {
		return nil, failure("look for deliveries", err)
	}
	var claimed []ClaimedDelivery
	err = p.db.tx(ctx, func(q *gorm.DB) error {
		claimed = nil
		now, err := p.db.clock(q)
		if err != nil {
			return err
		}
		lock := ""
		if p.db.backend == Postgres {
			lock = " FOR UPDATE SKIP LOCKED"
		}
		var sessions []deliverySession
		err = q.Raw(`SELECT * FROM `+p.db.own("delivery_sessions")+` WHERE due_at <= ? ORDER BY due_at, session_id LIMIT ?`+lock,
			now, n).Scan(&sessions).Error
		if err != nil {
			return err
		}
		for i := range sessions {
			c, err := p.claim(q, now, lease, &sessions[i])
			if err != nil {
				return err
			}
			if c != nil {
				claimed = append(claimed, *c)
			}
		}
		return nil
	})
	if err != nil {
		return nil, failure("claim deliveries", err)
	}
	return claimed, nil
}

// deliveriesDue spares the writer the question, which is asked each second.
func (p *Primary) deliveriesDue(ctx context.Context) (due bool, err error) {
	err = p.db.read(ctx, func(q *gorm.DB) error {
		now, err := p.db.clock(q)
		if err != nil {
			return err
		}
		var one []int
		err = q.Raw(`SELECT 1 FROM `+p.db.own("delivery_sessions")+` WHERE due_at <= ? LIMIT 1`, now).Scan(&one).Error
		due = len(one) > 0
		return err
	})
	return due, err
}

// claim takes the lease of a locked session, where it has something to be posted.
func (p *Primary) claim(q *gorm.DB, now time.Time, lease time.Duration, s *deliverySession) (*ClaimedDelivery, error) {
	var first []deliveryRow
	err := q.Where("session_id = ? AND done_at IS NULL AND next_at <= ?", s.SessionID, now).Order("id").Limit(1).Find(&first).Error
	if err != nil {
		return nil, err
	}
	if len(first) == 0 {
		s.Holder, s.FreeAt = "", now
		return nil, p.reschedule(q, s)
	}
	until := now.Add(lease)
	s.Holder, s.FreeAt, s.DueAt = NewID(), until, &until
	d := &first[0]
	return &ClaimedDelivery{
		EventID: d.EventID, SessionID: d.SessionID, Body: []byte(d.Body), CreatedAt: d.CreatedAt.UTC(),
		Attempts: d.Attempts, Failures: s.Failures, holder: s.Holder,
	}, p.saveDeliverySession(q, s)
}

// reschedule finds when a locked session has something to be posted next, and writes
// its row back.
func (p *Primary) reschedule(q *gorm.DB, s *deliverySession) error {
	var next []deliveryRow
	err := q.Select("next_at").Where("session_id = ? AND done_at IS NULL", s.SessionID).Order("next_at").Limit(1).Find(&next).Error
	if err != nil {
		return err
	}
	s.DueAt = nil
	if len(next) > 0 {
		due := next[0].NextAt
		if due.Before(s.FreeAt) {
			due = s.FreeAt
		}
		s.DueAt = &due
	}
	return p.saveDeliverySession(q, s)
}

// DeliveryDone says that a customer has taken a delivery.
func (p *Primary) DeliveryDone(ctx context.Context, c *ClaimedDelivery) error {
	return failure("note a delivery", p.settle(ctx, c, func(q *gorm.DB, s *deliverySession, now time.Time, held bool) error {
		// Whoever may hold the session meanwhile: it was told.
		if held {
			s.Failures = 0
		}
		return p.closeDelivery(q, s, c, now)
	}))
}

// DeliveryFailed says that a delivery did not reach the customer. It is tried again
// after some time; nothing of its session is before the pause has passed.
func (p *Primary) DeliveryFailed(ctx context.Context, c *ClaimedDelivery, after, pause time.Duration) error {
	return failure("note a failed delivery", p.settle(ctx, c, func(q *gorm.DB, s *deliverySession, now time.Time, held bool) error {
		if !held {
			return nil
		}
		s.Failures++
		s.FreeAt = now.Add(pause)
		return q.Model(&deliveryRow{}).Where("session_id = ? AND event_id = ? AND done_at IS NULL", c.SessionID, c.EventID).
			Updates(map[string]any{"attempts": gorm.Expr("attempts + 1"), "next_at": timeArg(now.Add(after))}).Error
	}))
}

// GiveUpDelivery says that a delivery did not reach the customer and is not tried again.
func (p *Primary) GiveUpDelivery(ctx context.Context, c *ClaimedDelivery, pause time.Duration) error {
	return failure("give a delivery up", p.settle(ctx, c, func(q *gorm.DB, s *deliverySession, now time.Time, held bool) error {
		if !held {
			return nil
		}
		s.Failures++
		s.FreeAt = now.Add(pause)
		return p.closeDelivery(q, s, c, now)
	}))
}

// ReleaseDelivery gives a delivery back that was not tried; its session rests for the
// pause.
func (p *Primary) ReleaseDelivery(ctx context.Context, c *ClaimedDelivery, pause time.Duration) error {
	return failure("release a delivery", p.settle(ctx, c, func(_ *gorm.DB, s *deliverySession, now time.Time, held bool) error {
		if held {
			s.FreeAt = now.Add(pause)
		}
		return nil
	}))
}

// settle changes a claimed delivery and ends the lease of its session, as far as that
// is still the caller's.
func (p *Primary) settle(ctx context.Context, c *ClaimedDelivery, change func(q *gorm.DB, s *deliverySession, now time.Time, held bool) error) error {
	return p.db.tx(ctx, func(q *gorm.DB) error {
		now, err := p.db.clock(q)
		if err != nil {
			return err
		}
		s, err := p.lockDeliverySession(q, c.SessionID)
		if err != nil || s == nil {
			return err // nil: the session's deliveries were dropped meanwhile
		}
		held := s.Holder == c.holder
		if held {
			s.Holder, s.FreeAt = "", now
		}
		if err := change(q, s, now, held); err != nil {
			return err
		}
		if held {
			return p.reschedule(q, s)
		}
		return p.saveDeliverySession(q, s)
	})
}

// closeDelivery keeps a delivery as settled, without what it said.
func (p *Primary) closeDelivery(q *gorm.DB, s *deliverySession, c *ClaimedDelivery, now time.Time) error {
	done := q.Model(&deliveryRow{}).Where("session_id = ? AND event_id = ? AND done_at IS NULL", c.SessionID, c.EventID).
		Updates(map[string]any{"done_at": now, "body": ""})
	s.Waiting -= done.RowsAffected
	return done.Error
}
