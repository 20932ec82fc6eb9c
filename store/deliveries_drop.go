package store

import (
	"context"
	"maps"
	"slices"
	"time"

	"gorm.io/gorm"
)

// DropDeliveries forgets what waits to be told of a session, and what was told last of
// its state, and returns how many deliveries that were. One that is being posted at
// this moment may still arrive.
func (p *Primary) DropDeliveries(ctx context.Context, sessionID string) (dropped int64, err error) {
	err = p.db.tx(ctx, func(q *gorm.DB) error {
		dropped = 0
		s, err := p.lockDeliverySession(q, sessionID)
		if err != nil || s == nil {
			return err
		}
		gone := q.Where("session_id = ? AND done_at IS NULL", sessionID).Delete(&deliveryRow{})
		if gone.Error != nil {
			return gone.Error
		}
		dropped = gone.RowsAffected
		return q.Where("session_id = ?", sessionID).Delete(&deliverySession{}).Error
	})
	return dropped, failure("drop deliveries", err)
}

// TrimDeliveries drops the oldest deliveries of all sessions that wait, until no more
// than limit are left, and returns how many went.
func (p *Primary) TrimDeliveries(ctx context.Context, limit int64) (dropped int64, err error) {
	for {
		var waiting int64
		err := p.db.read(ctx, func(q *gorm.DB) error {
			return q.Model(&deliverySession{}).Select("coalesce(sum(waiting), 0)").Scan(&waiting).Error
		})
		if err != nil || waiting <= limit {
			return dropped, failure("count deliveries", err)
		}
		gone, err := p.dropOldest(ctx, min(waiting-limit, deliveryRows), time.Time{})
		dropped += gone
		if err != nil || gone == 0 {
			return dropped, failure("drop deliveries", err)
		}
	}
}

// PurgeDeliveries removes what was settled before a time, which would be told again if
// it came again, and drops what was added before it and still waits.
func (p *Primary) PurgeDeliveries(ctx context.Context, before time.Time, opts PurgeOptions) (settled, dropped int64, err error) {
	settled, err = p.db.purgeOlder(ctx, "deliveries", "done_at", before, opts)
	if err != nil {
		return settled, 0, failure("remove old deliveries", err)
	}
	turns := opts.turns()
	for {
		var gone int64
		err = turns.take(ctx, func() (err error) {
			gone, err = p.dropOldest(ctx, min(int64(opts.batch()), deliveryRows), before)
			return err
		})
		dropped += gone
		if err != nil || gone == 0 {
			return settled, dropped, failure("drop old deliveries", err)
		}
	}
}

// dropOldest drops at most n deliveries that wait: those that were added before a time,
// or with the zero time the oldest.
func (p *Primary) dropOldest(ctx context.Context, n int64, before time.Time) (dropped int64, err error) {
	var oldest []deliveryRow
	err = p.db.read(ctx, func(q *gorm.DB) error {
		oldest = nil
		q = q.Select("id", "session_id").Where("done_at IS NULL")
		if !before.IsZero() {
			q = q.Where("created_at < ?", timeArg(before))
		}
		return q.Order("created_at, id").Limit(int(n)).Find(&oldest).Error
	})
	if err != nil {
		return 0, err
	}
	sessions := map[string][]int64{}
	for i := range oldest {
		sessions[oldest[i].SessionID] = append(sessions[oldest[i].SessionID], oldest[i].ID)
	}
	for _, id := range slices.Sorted(maps.Keys(sessions)) {
		var gone int64
		err := p.db.tx(ctx, func(q *gorm.DB) (err error) {
			gone, err = p.dropRows(q, id, sessions[id])
			return err
		})
		dropped += gone
		if err != nil {
			return dropped, err
		}
	}
	return dropped, nil
}

// dropRows drops deliveries of a session, as far as they still wait.
func (p *Primary) dropRows(q *gorm.DB, sessionID string, ids []int64) (int64, error) {
	s, err := p.lockDeliverySession(q, sessionID)
	if err != nil {
		return 0, err
	}
	gone := q.Where("session_id = ? AND id IN ? AND done_at IS NULL", sessionID, ids).Delete(&deliveryRow{})
	if gone.Error != nil || s == nil || gone.RowsAffected == 0 {
		return gone.RowsAffected, gone.Error
	}
	s.Waiting -= gone.RowsAffected
	return gone.RowsAffected, p.saveDeliverySession(q, s)
}

// removeOldest removes the first n deliveries of a locked session that wait.
func (p *Primary) removeOldest(q *gorm.DB, sessionID string, n int64) (int64, error) {
	gone := q.Exec(`DELETE FROM `+p.db.own("deliveries")+` WHERE id IN (SELECT id FROM `+p.db.own("deliveries")+`
		WHERE session_id = ? AND done_at IS NULL ORDER BY id LIMIT ?)`, sessionID, n)
	return gone.RowsAffected, gone.Error
}
