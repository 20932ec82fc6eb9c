package caddywagateway

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/genfity/wa-gateway/routes"
	"github.com/genfity/wa-gateway/store"
)

// listSessions answers with the caller's own sessions. The WA server is asked
// for the shape and the state of its list; whatever it lists, only sessions that
// the database gives to the caller pass, and a list that is not understood is
// answered from the database.
func (x *exchange) listSessions() error {
	own, err := x.app.databases.transactional.SessionsOf(x.r.Context(), x.user.ID)
	if err != nil {
		return databaseFailure(err)
	}
	own = slices.DeleteFunc(own, func(s store.Session) bool { return !x.grant.Caller.MayUseSession(s.SessionID) })
	x.call.SessionID = ""
	x.outcome = outcomeForwarded
	w, err := x.exchangeWhole(&body{reader: http.NoBody})
	if err != nil {
		return err
	}
	if w.succeeded() && !w.cut {
		ids := make(map[string]bool, len(own))
		for i := range own {
			ids[own[i].SessionID] = true
		}
		filtered, ok := x.server.dialect.FilterSessions(w.copied.Bytes(), func(id string) bool { return ids[id] })
		if ok {
			h := x.w.Header()
			h.Set("Content-Type", "application/json; charset=utf-8")
			h.Set("Cache-Control", "no-store")
			h.Set("X-Content-Type-Options", "nosniff")
			x.limitWrite()
			x.w.WriteHeader(http.StatusOK)
			_, err := x.w.Write([]byte(x.server.secret.Hide(string(filtered)) + "\n"))
			return err
		}
	}
	list := make([]sessionAnswer, 0, len(own))
	for i := range own {
		list = append(list, answerSession(&own[i]))
	}
	return writeAnswer(x.w, http.StatusOK, "OK", list)
}

// sessionAnswer is what the gateway itself tells of a session.
type sessionAnswer struct {
	SessionID   string `json:"session_id"`
	SessionName string `json:"session_name,omitempty"`
	Status      string `json:"status,omitempty"`
	Connected   bool   `json:"connected"`
	LoggedIn    bool   `json:"logged_in"`
}

func answerSession(s *store.Session) sessionAnswer {
	v := sessionAnswer{SessionID: s.SessionID, Status: s.Status, Connected: s.Connected, LoggedIn: s.LoggedIn}
	if s.SessionName != nil {
		v.SessionName = *s.SessionName
	}
	return v
}

// reservationTTL is how long a place stays taken for a session whose creation
// was never ended, as after a crash.
const reservationTTL = 2 * time.Minute

// reservationTTL is longer than the WA server may take to answer.
func (x *exchange) reservationTTL() time.Duration {
	return reservationTTL + time.Duration(x.Timeouts.WAServer)
}

// createSession holds a place within the package's max_session, has the WA
// server create the session, and enters it as the caller's before the caller
// hears of it.
func (x *exchange) createSession() error {
	x.call.SessionID = ""
	b, err := x.readBody(true)
	if err != nil {
		return err
	}
	if x.isTest() {
		// What a test creates is the sandbox's alone.
		return x.exchangeAndRelay(b)
	}
	x.removeOrphans(x.r.Context(), x.user.ID)
	db := x.app.databases.transactional
	reservation, err := x.reserve()
	if err != nil {
		return err
	}
	// From here on the client's going away must not leave half a session.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(x.r.Context()), reservationTTL)
	defer cancel()

	x.outcome = outcomeForwarded
	w, err := x.exchangeWhole(b)
	if err == nil && w.succeeded() {
		return x.enterSession(ctx, reservation, w)
	}
	if releaseErr := db.ReleaseReservation(ctx, reservation); releaseErr != nil {
		x.logger.Warn("releasing the place of a session that was not created", zap.Error(releaseErr))
	}
	if err != nil {
		return err
	}
	return w.relay()
}

// reserve holds a place for a session within the package's max_session.
func (x *exchange) reserve() (string, error) {
	maxSessions := 0
	if x.grant.Package != nil {
		maxSessions = x.grant.Package.MaxSession
	}
	reservation, err := x.app.databases.transactional.ReserveSession(
		x.r.Context(), x.user.ID, x.call.SessionID, maxSessions, x.reservationTTL())
	switch {
	case errors.Is(err, store.ErrLimitReached):
		return "", refuse(http.StatusForbidden, "Your package allows no more sessions").
			with(map[string]int{"max_session": maxSessions})
	case errors.Is(err, store.ErrConflict):
		return "", refuse(http.StatusConflict, "This session id is taken; choose another")
	case err != nil:
		return "", databaseFailure(err)
	}
	return reservation, nil
}

// enterSession makes the session that the WA server created a row of the
// sessions table.
func (x *exchange) enterSession(ctx context.Context, reservation string, w *answerWriter) error {
	id := x.server.dialect.CreatedSession(w.copied.Bytes())
	if id == "" {
		id = x.call.SessionID
	}
	db := x.app.databases.transactional
	if !routes.ValidID(id) {
		// No path is made of such a name. What was asked for may be what is there.
		if madeID.MatchString(x.call.SessionID) {
			x.undoSession(ctx, x.call.SessionID)
		}
		_ = db.ReleaseReservation(ctx, reservation) // it ends by itself, too
		return refuse(http.StatusBadGateway, "The WhatsApp server named no usable id for the new session; ask for one in session_id")
	}
	userID := x.user.ID
	name := x.askedName
	if name == "" {
		name = id
	}
	err := db.ConfirmSession(ctx, reservation, &store.Session{
		SessionID: id, SessionName: &name, UserID: &userID, Status: "created",
	})
	x.app.databases.directory.ForgetSession(id)
	switch {
	case errors.Is(err, store.ErrConflict):
		// The WA server gave out an id that is another user's. It is theirs, so
		// it is neither taken over nor removed.
		_ = db.ReleaseReservation(ctx, reservation)
		return refuse(http.StatusConflict, "This session id is taken; choose another")
	case err != nil:
		x.undoSession(ctx, id)
		_ = db.ReleaseReservation(ctx, reservation) // it ends by itself, too
		return databaseFailure(err)
	}
	x.grant.Session = id
	x.announce(factSession, id)
	err = w.relay()
	x.removeOrphans(ctx, "")
	return err
}

// undoSession removes from the WA server a session that could not be entered, so
// that it does not live on without an owner.
func (x *exchange) undoSession(ctx context.Context, id string) {
	if err := x.deleteFromServer(ctx, x.call.UserID, id); err != nil {
		x.logger.Error("a session exists on the WA server but not in the database",
			zap.String("user_id", x.call.UserID), zap.String("session_id", id), zap.Error(err))
	}
}

// deleteSession has the WA server remove a session and takes its row out of the
// sessions table, so that it is refused from then on. One that the WA server no
// longer knows is removed as well. Its statistics are the gateway's own rows and
// stay.
func (x *exchange) deleteSession() error {
	if x.isTest() {
		return x.exchangeAndRelay(&body{reader: http.NoBody})
	}
	x.outcome = outcomeForwarded
	w, err := x.exchangeWhole(&body{reader: http.NoBody})
	if err != nil {
		return err
	}
	if w.succeeded() || w.status == http.StatusNotFound || w.status == http.StatusGone {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(x.r.Context()), 10*time.Second)
		defer cancel()
		err := x.app.databases.transactional.RemoveSession(ctx, x.user.ID, x.grant.Session)
		x.app.databases.directory.ForgetSession(x.grant.Session)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return databaseFailure(err)
		}
	}
	return w.relay()
}

// exchangeAndRelay forwards a call that changes nothing of the gateway's.
func (x *exchange) exchangeAndRelay(b *body) error {
	x.outcome = outcomeForwarded
	w, err := x.exchangeWhole(b)
	if err != nil {
		return err
	}
	return w.relay()
}

// exchangeWhole forwards a call and keeps the answer, bounded, from the client.
func (x *exchange) exchangeWhole(b *body) (*answerWriter, error) {
	out, err := x.outgoing(b)
	if err != nil {
		return nil, err
	}
	w := x.newAnswerWriter(copyOnly)
	err = x.roundTrip(w, out, b)
	if err != nil || w.status == 0 || w.status == statusUsed {
		return nil, refuse(http.StatusBadGateway, messageNotForwarded).because(err)
	}
	return w, nil
}
