package store

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/ncruces/go-sqlite3"
	"gorm.io/gorm"
	"gorm.io/gorm/clause"
)

// SessionUpdate says what to change of a session; nil leaves a value alone, and
// so does a column that the database lacks.
type SessionUpdate struct {
	SessionName *string
	Status      *string
	Connected   *bool
	LoggedIn    *bool
	JID         *string
	QRCode      *string
	Webhook     *string
	Events      *string
	Message     *string
}

// Session returns the session that the WA server and callers know as sessionID,
// whoever owns it.
func (t *Transactional) Session(ctx context.Context, sessionID string) (*Session, error) {
	if sessionID == "" {
		return nil, ErrNotFound
	}
	var session Session
	err := t.read(ctx, func(q *gorm.DB, s *foreignSchema) error {
		session = Session{}
		return s.bySessionID(q, sessionID, &session)
	})
	if err != nil {
		return nil, failure("look up a session", err)
	}
	return &session, nil
}

// SessionsOf lists a user's sessions, the newest first.
func (t *Transactional) SessionsOf(ctx context.Context, userID string) ([]Session, error) {
	if userID == "" {
		return nil, nil
	}
	return t.ListSessions(ctx, userID, 0, 0)
}

// ListSessions lists the sessions of a user, or of all with userID "", the newest
// first, limit 0 for all.
func (t *Transactional) ListSessions(ctx context.Context, userID string, limit, offset int) ([]Session, error) {
	var sessions []Session
	err := t.read(ctx, func(q *gorm.DB, s *foreignSchema) error {
		sessions = nil
		if userID != "" {
			q = q.Where(s.col(tableSessions, "user_id")+" = ?", userID)
		}
		return q.Scopes(s.newest(tableSessions), page(limit, offset)).Select(s.cols(tableSessions)).Find(&sessions).Error
	})
	return sessions, failure("list sessions", err)
}

// AddSession adds a session. An empty ID is made up. It is an [ErrConflict] when
// the session id is taken, and an [ErrNotFound] when the user does not exist.
func (t *Transactional) AddSession(ctx context.Context, session *Session) error {
	err := t.tx(ctx, func(q *gorm.DB, s *foreignSchema) error {
		added, err := s.addSession(q, t.stamp(session))
		switch {
		case err != nil:
			return err
		case !added:
			return ErrConflict
		}
		return t.db.changed(q, ChangeSession, session.SessionID)
	})
	return failure("add a session", err)
}

// UpdateSession changes what the gateway learned about a session. Whose it is stays
// as it was, so that no other gateway has to hear of it.
func (t *Transactional) UpdateSession(ctx context.Context, sessionID string, update SessionUpdate) error {
	err := t.tx(ctx, func(q *gorm.DB, s *foreignSchema) error {
		values := update.values()
		if len(values) == 0 {
			return nil
		}
		values["updated_at"] = timeArg(t.now())
		found := s.values(tableSessions, values)
		if len(found) == 0 {
			return nil
		}
		return oneRow(q.Model(&Session{}).Where(s.col(tableSessions, "session_id")+" = ?", sessionID).Updates(found))
	})
	return failure("update a session", err)
}

func (u SessionUpdate) values() map[string]any {
	values := map[string]any{}
	for column, text := range map[string]*string{
		"session_name": u.SessionName, "status": u.Status, "jid": u.JID, "qrcode": u.QRCode,
		"webhook": u.Webhook, "events": u.Events, "message": u.Message,
	} {
		if text != nil {
			values[column] = *text
		}
	}
	for column, flag := range map[string]*bool{"connected": u.Connected, "logged_in": u.LoggedIn} {
		if flag != nil {
			values[column] = *flag
		}
	}
	return values
}

// RemoveSession takes a session of a user out of the sessions table. What was
// counted for it stays in the gateway's own statistics, although the foreign
// statistics table cascades. Where another table holds on to the session's row,
// the row stays and loses its owner, which refuses it from then on just as well.
func (t *Transactional) RemoveSession(ctx context.Context, userID, sessionID string) error {
	err := t.tx(ctx, func(q *gorm.DB, s *foreignSchema) error {
		var session Session
		if err := s.bySessionID(q, sessionID, &session); err != nil {
			return err
		}
		if session.UserID == nil || *session.UserID != userID {
			return ErrNotFound
		}
		// Before any lock on the session's row: the ledger locks its own rows first.
		if err := t.keepStatistics(q, s, sessionID); err != nil {
			return err
		}
		err := q.Transaction(func(q *gorm.DB) error { return s.deleteSession(q, userID, sessionID) })
		if isReferenced(err) {
			err = oneRow(q.Model(&Session{}).Where(s.col(tableSessions, "session_id")+" = ?", sessionID).
				Where(s.col(tableSessions, "user_id")+" = ?", userID).
				Updates(s.values(tableSessions, map[string]any{
					"user_id": nil, "connected": false, "logged_in": false, "updated_at": timeArg(t.now()),
				})))
		}
		if err != nil {
			return err
		}
		if err := removeLink(q, sessionID); err != nil {
			return err
		}
		return t.db.changed(q, ChangeSession, sessionID)
	})
	return failure("remove a session", err)
}

// deleteSession removes the foreign statistics first, because their foreign key
// may restrict instead of cascading.
func (s *foreignSchema) deleteSession(q *gorm.DB, userID, sessionID string) error {
	if s.hasTable(tableStats) {
		err := q.Where(s.col(tableStats, "session_id")+" = ?", sessionID).Delete(&MessageStats{}).Error
		if err != nil {
			return err
		}
	}
	return oneRow(q.Where(s.col(tableSessions, "session_id")+" = ?", sessionID).
		Where(s.col(tableSessions, "user_id")+" = ?", userID).Delete(&Session{}))
}

func (s *foreignSchema) bySessionID(q *gorm.DB, sessionID string, session *Session) error {
	return q.Select(s.cols(tableSessions)).Where(s.col(tableSessions, "session_id")+" = ?", sessionID).Take(session).Error
}

// stamp gives a session what every new row needs.
func (t *Transactional) stamp(session *Session) *Session {
	if session.ID == "" {
		session.ID = NewID()
	}
	session.CreatedAt, session.UpdatedAt = UTC(t.now()), UTC(t.now())
	return session
}

// addSession inserts the row and says false when the session id, or another
// unique value, is taken.
func (s *foreignSchema) addSession(q *gorm.DB, session *Session) (added bool, err error) {
	if session.SessionID == "" {
		return false, errors.New("a session needs a session id")
	}
	var taken Session
	err = s.bySessionID(q, session.SessionID, &taken)
	if err == nil {
		return false, nil
	}
	if !errors.Is(err, gorm.ErrRecordNotFound) {
		return false, err
	}
	if session.UserID != nil {
		if err := s.userExists(q, *session.UserID); err != nil {
			return false, err
		}
	}
	// Somebody may have been faster: no error then, because on PostgreSQL an
	// error would end the transaction.
	done := s.insertable(q.Clauses(clause.OnConflict{DoNothing: true}), tableSessions).Create(session)
	return done.RowsAffected > 0, done.Error
}

// isReferenced says that a row cannot be deleted because others refer to it.
func isReferenced(err error) bool {
	var pgErr *pgconn.PgError
	if errors.As(err, &pgErr) {
		return pgErr.Code == "23503" || pgErr.Code == "23001"
	}
	var sqliteErr *sqlite3.Error
	return errors.As(err, &sqliteErr) && (sqliteErr.ExtendedCode() == sqlite3.CONSTRAINT_FOREIGNKEY ||
		sqliteErr.ExtendedCode() == sqlite3.CONSTRAINT_TRIGGER)
}
