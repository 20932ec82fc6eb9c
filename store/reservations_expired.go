package store

import (
	"context"
	"errors"
	"time"

	"gorm.io/gorm"
)

// ExpiredReservation is a place for a session whose creation nobody ended: the
// gateway that began it was killed, say. The session may exist at the WA server.
type ExpiredReservation struct{ ID, UserID, SessionID string }

// ClaimExpired hands out some of the expired reservations that have a session id
// and no session, of one user or, with userID "", of all. Whoever gets one has it
// alone for the time of lease; a place that is not released by then is handed out
// again. Reservations whose session exists are dropped.
func (t *Transactional) ClaimExpired(ctx context.Context, userID string, most int, lease time.Duration) ([]ExpiredReservation, error) {
	var claimed []ExpiredReservation
	err := t.tx(ctx, func(q *gorm.DB, s *foreignSchema) error {
		claimed = nil
		now, err := t.db.clock(q)
		if err != nil {
			return err
		}
		expired := q.Where("expires_at <= ? AND session_id IS NOT NULL", now)
		if userID != "" {
			expired = expired.Where("user_id = ?", userID)
		}
		var places []reservation
		if err := expired.Order("id").Limit(most).Find(&places).Error; err != nil {
			return err
		}
		for _, place := range places {
			// Who reads the same row at the same time changes nothing here.
			done := q.Model(&reservation{}).Where("id = ? AND expires_at = ?", place.ID, timeArg(place.ExpiresAt)).
				Updates(map[string]any{"expires_at": timeArg(now.Add(lease))})
			if done.Error != nil {
				return done.Error
			}
			if done.RowsAffected == 0 {
				continue
			}
			var session Session
			err := s.bySessionID(q, *place.SessionID, &session)
			switch {
			case err == nil:
				if err := q.Where("id = ?", place.ID).Delete(&reservation{}).Error; err != nil {
					return err
				}
			case errors.Is(err, gorm.ErrRecordNotFound):
				claimed = append(claimed, ExpiredReservation{place.ID, place.UserID, *place.SessionID})
			default:
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, failure("claim expired reservations", err)
	}
	return claimed, nil
}
