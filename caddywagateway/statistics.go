package caddywagateway

import (
	"errors"
	"net/http"
	"strconv"
	"time"

	"go.uber.org/zap"

	"github.com/genfity/wa-gateway/gate"
	"github.com/genfity/wa-gateway/stats"
	"github.com/genfity/wa-gateway/store"
)

// totalsView is the statistics object of contract §8.
type totalsView struct {
	UserID       string       `json:"user_id,omitempty"`
	SessionID    string       `json:"session_id,omitempty"`
	Sent         int64        `json:"total_messages_sent"`
	Failed       int64        `json:"total_messages_failed"`
	Delivered    int64        `json:"total_messages_delivered"`
	Read         int64        `json:"total_messages_read"`
	SuccessRate  *float64     `json:"success_rate"`
	LastSentAt   *time.Time   `json:"last_message_sent_at"`
	LastFailedAt *time.Time   `json:"last_message_failed_at"`
	Sessions     []totalsView `json:"sessions,omitzero"`
}

func viewTotals(userID, sessionID string, t stats.Totals) totalsView {
	return totalsView{
		UserID: userID, SessionID: sessionID,
		Sent: t.Sent, Failed: t.Failed, Delivered: t.Delivered, Read: t.Read,
		SuccessRate:  stats.SuccessRate(t.Sent, t.Failed),
		LastSentAt:   timeOrNil(t.LastSentAt),
		LastFailedAt: timeOrNil(t.LastFailedAt),
	}
}

func timeOrNil(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

// serveUserStats shows a user's statistics, with those of their sessions. A user
// who has sent nothing has zeros; one who does not exist and never did is 404.
func (a *App) serveUserStats(w http.ResponseWriter, r *http.Request, userID string) error {
	series, err := parseSeries(r.URL.Query(), time.Now())
	if err != nil {
		return err
	}
	db := a.databases.transactional
	totals, sessions, err := db.UserTotals(r.Context(), userID)
	if errors.Is(err, store.ErrNotFound) {
		if _, err = db.User(r.Context(), userID); errors.Is(err, store.ErrNotFound) {
			return refuse(http.StatusNotFound, "There is no such user")
		}
	}
	if err != nil {
		return databaseFailure(err)
	}
	if series != nil {
		return a.serveSeries(w, r, series, userID, "")
	}
	view := viewTotals(userID, "", totals)
	view.Sessions = make([]totalsView, 0, len(sessions))
	for _, s := range sessions {
		view.Sessions = append(view.Sessions, viewTotals(userID, s.SessionID, s.Totals))
	}
	return writeAnswer(w, http.StatusOK, "OK", view)
}

// serveSessionStats shows the statistics of one session. Without a user in the
// path it is the caller's session, or, for the admin, its present owner's.
func (a *App) serveSessionStats(w http.ResponseWriter, r *http.Request, caller *gate.Grant, userID, sessionID string) error {
	series, err := parseSeries(r.URL.Query(), time.Now())
	if err != nil {
		return err
	}
	if userID == "" {
		if userID, err = a.sessionOwner(r, caller, sessionID); err != nil {
			return err
		}
	}
	if !caller.May(userID) {
		return foreignUser()
	}
	db := a.databases.transactional
	totals, err := db.SessionTotals(r.Context(), userID, sessionID)
	if errors.Is(err, store.ErrNotFound) {
		// Nothing was ever counted: zeros for a session that exists.
		_, err = a.databases.directory.Session(r.Context(), userID, sessionID)
		if errors.Is(err, store.ErrNotFound) {
			if caller.Admin {
				return refuse(http.StatusNotFound, "There is no such session")
			}
			return foreignSession()
		}
	}
	if err != nil {
		return databaseFailure(err)
	}
	if series != nil {
		return a.serveSeries(w, r, series, userID, sessionID)
	}
	return writeAnswer(w, http.StatusOK, "OK", viewTotals(userID, sessionID, totals))
}

// sessionOwner finds whose statistics are meant when only a session is named.
func (a *App) sessionOwner(r *http.Request, caller *gate.Grant, sessionID string) (string, error) {
	if !caller.Admin {
		return caller.Caller.User.ID, nil
	}
	session, err := a.databases.transactional.Session(r.Context(), sessionID)
	switch {
	case err == nil && session.UserID != nil:
		return *session.UserID, nil
	case err != nil && !errors.Is(err, store.ErrNotFound):
		return "", databaseFailure(err)
	}
	// Deleted sessions keep their statistics.
	owners, err := a.databases.transactional.OwnersOf(r.Context(), sessionID)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return "", databaseFailure(err)
	}
	if len(owners) == 0 {
		return "", refuse(http.StatusNotFound, "There is no such session")
	}
	return owners[0], nil
}

// The pages of the list of all users.
const (
	defaultPage = 100
	maxPage     = 1000
)

// serveAllStats shows the totals of everybody, and the users page by page.
func (a *App) serveAllStats(w http.ResponseWriter, r *http.Request) error {
	limit, err := queryLimit(r)
	if err != nil {
		return err
	}
	offset, err := pageNumber(r.URL.Query().Get("offset"), 0, 1<<31)
	if err != nil {
		return refuse(http.StatusBadRequest, "offset must be a whole number")
	}
	total, users, count, err := a.databases.transactional.AllTotals(r.Context(), limit, offset)
	if err != nil {
		return databaseFailure(err)
	}
	list := make([]totalsView, 0, len(users))
	for _, u := range users {
		list = append(list, viewTotals(u.UserID, "", u.Totals))
	}
	return writeAnswer(w, http.StatusOK, "OK", struct {
		totalsView
		Users      []totalsView `json:"users"`
		TotalUsers int64        `json:"total_users"`
		Limit      int          `json:"limit"`
		Offset     int          `json:"offset"`
	}{viewTotals("", "", total), list, count, limit, offset})
}

func queryLimit(r *http.Request) (int, error) {
	limit, err := pageNumber(r.URL.Query().Get("limit"), defaultPage, maxPage)
	if err != nil {
		return 0, refuse(http.StatusBadRequest, "limit must be a whole number from 1 to "+strconv.Itoa(maxPage))
	}
	return limit, nil
}

func pageNumber(text string, fallback, most int) (int, error) {
	if text == "" {
		return fallback, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		return 0, err
	}
	if n < min(fallback, 1) || n > most {
		return 0, strconv.ErrRange
	}
	return n, nil
}

// resetStats starts a user, or one session, again from zero.
func (a *App) resetStats(w http.ResponseWriter, r *http.Request, userID, sessionID string) error {
	db := a.databases.transactional
	now := time.Now()
	var err error
	if sessionID == "" {
		err = db.ResetUser(r.Context(), userID, now)
	} else {
		err = db.ResetSession(r.Context(), userID, sessionID, now)
	}
	switch {
	case errors.Is(err, store.ErrNotFound):
		return refuse(http.StatusNotFound, "There is nothing to reset: no such user or session")
	case err != nil:
		return databaseFailure(err)
	}
	a.logger.Info("statistics reset by the admin", zap.String("user_id", userID), zap.String("session_id", sessionID))
	return writeAnswer(w, http.StatusOK, "Statistics reset", struct {
		UserID    string    `json:"user_id"`
		SessionID string    `json:"session_id,omitempty"`
		ResetAt   time.Time `json:"reset_at"`
	}{userID, sessionID, now.UTC()})
}
