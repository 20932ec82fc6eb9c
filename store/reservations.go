package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"
)

// userLock is the first half of the advisory locks under which a user's places
// for sessions are counted; the second is a hash of the user's id, where two
// users that share one only wait for each other.
const userLock = 0x77616777

// ReserveSession holds a place for a session that is about to be created at the
// WA server (contract §3): sessions and live reservations together never exceed
// limit, however many calls and nodes try at once. With sessionID "" the place
// has no name yet. A reservation that is neither confirmed nor released ends
// after ttl, by the database's clock. It is an [ErrLimitReached] when there is no
// place left and an [ErrConflict] when the id is taken or reserved.
func (t *Transactional) ReserveSession(ctx context.Context, userID, sessionID string, limit int, ttl time.Duration) (reservationID string, err error) {
	place := reservation{ID: NewID(), UserID: userID}
	if sessionID != "" {
		place.SessionID = &sessionID
	}
	err = t.tx(ctx, func(q *gorm.DB, s *foreignSchema) error {
		if err := t.db.lockUser(q, userID); err != nil {
			return err
		}
		if err := s.userExists(q, userID); err != nil {
			return err
		}
		now, err := t.db.clock(q)
		if err != nil {
			return err
		}
		if err := q.Where("expires_at <= ?", now).Where("user_id = ? OR session_id = ?", userID, sessionID).
			Delete(&reservation{}).Error; err != nil {
			return err
		}
		used, err := s.placesOf(q, userID)
		if err != nil {
			return err
		}
		if used >= int64(limit) {
			return ErrLimitReached
		}
		place.CreatedAt, place.ExpiresAt = now, timeArg(now.Add(ttl))
		return s.reserve(q, &place)
	})
	if err != nil {
		return "", failure("reserve a session", err)
	}
	return place.ID, nil
}

// placesOf counts the sessions of a user and what is reserved for more. What has
// expired is gone already.
func (s *foreignSchema) placesOf(q *gorm.DB, userID string) (int64, error) {
	var sessions, reserved int64
	if err := q.Model(&Session{}).Where(s.col(tableSessions, "user_id")+" = ?", userID).Count(&sessions).Error; err != nil {
		return 0, err
	}
	err := q.Model(&reservation{}).Where("user_id = ?", userID).Count(&reserved).Error
	return sessions + reserved, err
}

// reserve takes the name first and looks at the sessions afterwards: whoever
// confirms the same name meanwhile is waited for at the first step and seen at
// the second.
func (s *foreignSchema) reserve(q *gorm.DB, place *reservation) error {
	done := q.Clauses(clause.OnConflict{DoNothing: true}).Create(place)
	if done.Error != nil {
		return done.Error
	}
	if done.RowsAffected == 0 {
		return ErrConflict
	}
	if place.SessionID == nil {
		return nil
	}
	var taken Session
	err := s.bySessionID(q, *place.SessionID, &taken)
	switch {
	case err == nil:
		return ErrConflict
	case errors.Is(err, gorm.ErrRecordNotFound):
		return nil
	default:
		return err
	}
}

// ConfirmSession turns a reservation into the session that the WA server has
// created, in one transaction; its session id may be another than was asked for.
// That the reservation has expired meanwhile does not matter: the session exists.
// A row that the same user has already is left as it is. It is an [ErrConflict]
// when the id is somebody else's or nobody's.
func (t *Transactional) ConfirmSession(ctx context.Context, reservationID string, session *Session) error {
	return t.ConfirmSessionWithLink(ctx, reservationID, session, nil)
}

// ConfirmSessionWithLink is [Transactional.ConfirmSession] that keeps the session's
// link in the same transaction. The link gets the session's id and user; nil is none.
func (t *Transactional) ConfirmSessionWithLink(ctx context.Context, reservationID string, session *Session, link *SessionLink) error {
	if session.UserID == nil {
		return errors.New("confirm a session: it has no user")
	}
	err := t.tx(ctx, func(q *gorm.DB, s *foreignSchema) error {
		if err := t.db.lockUser(q, *session.UserID); err != nil {
			return err
		}
		if err := q.Where("id = ? AND user_id = ?", reservationID, *session.UserID).Delete(&reservation{}).Error; err != nil {
			return err
		}
		added, err := s.addSession(q, t.stamp(session))
		if err != nil {
			return err
		}
		if added {
			return t.confirmed(q, session, link)
		}
		var taken Session
		if err := s.bySessionID(q, session.SessionID, &taken); err != nil {
			if errors.Is(err, gorm.ErrRecordNotFound) {
				return fmt.Errorf("%w: another unique value of the session", ErrConflict)
			}
			return err
		}
		if taken.UserID == nil || *taken.UserID != *session.UserID {
			return ErrConflict
		}
		*session = taken
		if link == nil {
			return nil
		}
		return t.confirmed(q, session, link)
	})
	return failure("confirm a session", err)
}

// confirmed keeps the link of a session whose row is there, and tells others of both.
func (t *Transactional) confirmed(q *gorm.DB, session *Session, link *SessionLink) error {
	if link != nil {
		link.SessionID, link.UserID = session.SessionID, *session.UserID
		if err := t.saveLink(q, link); err != nil {
			return err
		}
	}
	return t.db.changed(q, ChangeSession, session.SessionID)
}

// ReleaseReservation gives a place back; one that is gone already is no error.
func (t *Transactional) ReleaseReservation(ctx context.Context, reservationID string) error {
	err := t.tx(ctx, func(q *gorm.DB, _ *foreignSchema) error {
		return q.Where("id = ?", reservationID).Delete(&reservation{}).Error
	})
	return failure("release a reservation", err)
}

// lockUser makes the transactions of one user that count places wait for each
// other. It needs no right on the users table and does not disturb the
// application that owns it. SQLite has one writer at a time anyway.
func (db *DB) lockUser(q *gorm.DB, userID string) error {
	if db.backend != Postgres {
		return nil
	}
	return q.Exec("SELECT pg_advisory_xact_lock(?::int, hashtext(?))", userLock, userID).Error
}
