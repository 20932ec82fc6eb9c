package caddywagateway

import (
	"context"
	"errors"
	"net/http"
	"slices"

	"go.uber.org/zap"

	"github.com/genfity/wa-gateway/store"
	"github.com/genfity/wa-gateway/waserver"
)

// stateAnswer is what the gateway tells of a session's state at its server.
type stateAnswer struct {
	SessionID   string  `json:"session_id"`
	SessionName string  `json:"session_name,omitempty"`
	Status      string  `json:"status"`
	Connected   bool    `json:"connected"`
	LoggedIn    bool    `json:"logged_in"`
	JID         *string `json:"jid"`
}

func answerState(sessionID, name string, s *waserver.SessionState) stateAnswer {
	answer := stateAnswer{
		SessionID: sessionID, SessionName: name, Status: string(s.State),
		Connected: s.State == waserver.StateConnected,
		LoggedIn:  s.State == waserver.StateConnected || s.State == waserver.StateDisconnected,
	}
	if s.JID != "" && (answer.LoggedIn || s.State == waserver.StateConnecting) {
		answer.JID = &s.JID // one that was is nobody's now
	}
	return answer
}

// translateList answers from the database: servers list every tenant's sessions, with
// their credentials, so they are not asked.
func (x *exchange) translateList() error {
	ctx := x.r.Context()
	own, err := x.app.databases.transactional.SessionsOf(ctx, x.user.ID)
	if err != nil {
		return databaseFailure(err)
	}
	own = slices.DeleteFunc(own, func(s store.Session) bool { return !x.grant.Caller.MayUseSession(s.SessionID) })
	list := make([]stateAnswer, 0, len(own))
	for i := range own {
		list = append(list, x.knownState(ctx, &own[i]))
	}
	x.outcome = outcomeForwarded
	return x.answerCanonical(http.StatusOK, map[string]any{"sessions": list, "total": len(list)})
}

// knownState is the state of a session as the server's webhooks told it last, else as
// the other application has it.
func (x *exchange) knownState(ctx context.Context, s *store.Session) stateAnswer {
	name := ""
	if s.SessionName != nil {
		name = *s.SessionName
	}
	if known, err := x.app.databases.primary.SessionState(ctx, s.SessionID); err == nil && known.State != "" {
		return answerState(s.SessionID, name, &waserver.SessionState{State: waserver.State(known.State), JID: known.JID})
	}
	answer := stateAnswer{
		SessionID: s.SessionID, SessionName: name, Status: s.Status,
		Connected: s.Connected, LoggedIn: s.LoggedIn, JID: s.JID,
	}
	if answer.Status == "" {
		answer.Status = string(waserver.StateCreated)
	}
	return answer
}

// translateCreate holds a place within the package's max_session, has the server make
// the session with the gateway's own webhook, and keeps what opens it.
func (x *exchange) translateCreate() error {
	if err := x.askNewSession(); err != nil {
		return err
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
	fresh := &waserver.NewSession{
		ID: x.call.SessionID, Name: x.askedName, Credential: newSecret(),
		WebhookURL: x.server.webhookURL, WebhookSecret: newSecret(),
	}
	if fresh.Name == "" {
		fresh.Name = fresh.ID
	}
	client := x.client(&waserver.Link{SessionID: fresh.ID, UserID: x.user.ID, Server: x.server.Name})
	link, err := x.server.translator.CreateSession(ctx, client, fresh)
	if err == nil {
		err = x.enterLink(ctx, reservation, link, fresh.Name)
	}
	if err != nil {
		if rerr := db.ReleaseReservation(ctx, reservation); rerr != nil {
			x.logger.Warn("releasing the place of a session that was not created", zap.Error(rerr))
		}
		return x.translatedFailure(err, link)
	}
	x.grant.Session = fresh.ID
	x.announce(factSession, fresh.ID)
	return x.answerCanonical(http.StatusCreated,
		answerState(fresh.ID, fresh.Name, &waserver.SessionState{State: waserver.StateCreated}))
}

// askNewSession reads which session the client wants.
func (x *exchange) askNewSession() error {
	x.call.SessionID = ""
	if !hasBody(x.r) {
		x.call.SessionID = newSessionID()
		return nil
	}
	if err := x.plainBody(); err != nil {
		return err
	}
	b, err := x.readBody(true) // checks it as a whole, and finds the id
	if err != nil {
		return err
	}
	_ = b.reader.Close()
	if valid := x.server.translator.Traits().SessionID; valid != nil && !valid(x.call.SessionID) {
		return refuse(http.StatusBadRequest, "The WhatsApp server cannot bear this session id: it is reserved there, or holds something else than letters, digits, - and _").
			with(map[string]string{"field": "session_id"})
	}
	return nil
}

// enterLink makes the session a row of the sessions table, with what opens it at the
// server. If it cannot be entered, it does not live on without an owner.
func (x *exchange) enterLink(ctx context.Context, reservation string, link *waserver.Link, name string) error {
	link.SessionID, link.UserID, link.Server = x.call.SessionID, x.user.ID, x.server.Name
	userID := x.user.ID
	sealed, err := x.app.sealLink(link)
	if err == nil {
		err = x.app.databases.transactional.ConfirmSessionWithLink(ctx, reservation, &store.Session{
			SessionID: link.SessionID, SessionName: &name, UserID: &userID, Status: string(waserver.StateCreated),
		}, sealed)
	}
	x.app.databases.directory.ForgetSession(link.SessionID)
	if err == nil {
		return nil
	}
	if derr := x.server.translator.DeleteSession(ctx, x.client(link)); derr != nil {
		x.logger.Error("a session exists on the WA server but not in the database",
			zap.String("user_id", x.user.ID), zap.String("session_id", link.SessionID), zap.Error(derr))
	}
	if errors.Is(err, store.ErrConflict) {
		return refuse(http.StatusConflict, "This session id is taken; choose another")
	}
	return databaseFailure(err)
}

// translateState tells, starts or stops a session.
func (x *exchange) translateState() error {
	ctx := x.r.Context()
	client, err := x.sessionClient(ctx)
	if err != nil {
		return err
	}
	x.outcome = outcomeForwarded
	t := x.server.translator
	act := t.Session
	switch x.call.Endpoint {
	case waserver.StartSession:
		act = t.StartSession
	case waserver.StopSession:
		act = t.StopSession
	}
	state, err := act(ctx, client)
	if err != nil {
		return x.translatedFailure(err, client.Link)
	}
	if state.QR != nil {
		x.keepCode(state.QR)
	}
	if t.Traits().Polls {
		state = x.app.learnState(ctx, x.call.SessionID, x.start, state)
	}
	return x.answerCanonical(http.StatusOK, answerState(x.call.SessionID, x.sessionName(ctx), state))
}

// sessionName is what its owner calls the session.
func (x *exchange) sessionName(ctx context.Context) string {
	session, err := x.app.databases.directory.Session(ctx, x.user.ID, x.call.SessionID)
	if err != nil || session.SessionName == nil {
		return ""
	}
	return *session.SessionName
}

// translateDelete removes a session from the server and then from the tables.
func (x *exchange) translateDelete() error {
	client, err := x.sessionClient(x.r.Context())
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(x.r.Context()), reservationTTL)
	defer cancel()
	x.outcome = outcomeForwarded
	if err := x.server.translator.DeleteSession(ctx, client); err != nil {
		return x.translatedFailure(err, client.Link)
	}
	id := x.grant.Session
	err = x.app.databases.transactional.RemoveSession(ctx, x.user.ID, id)
	x.app.databases.directory.ForgetSession(id)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return databaseFailure(err)
	}
	if err := x.app.databases.primary.ForgetSession(ctx, id); err != nil {
		x.logger.Warn("the chats of a session that was deleted cannot be removed", zap.String("session_id", id), zap.Error(err))
	}
	x.dropDeliveries(ctx)
	return x.answerCanonical(http.StatusOK, map[string]any{"session_id": id, "deleted": true})
}
