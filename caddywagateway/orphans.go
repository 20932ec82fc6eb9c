package caddywagateway

import (
	"context"
	"errors"
	"net/http"
	"regexp"
	"time"

	"go.uber.org/zap"

	"github.com/genfity/wa-gateway/store"
	"github.com/genfity/wa-gateway/waserver"
)

// The bounds of one look for orphans.
const (
	maxOrphans    = 2
	orphanTimeout = 15 * time.Second
)

// madeID is what newSessionID makes. Such an id cannot be anybody else's, while
// one that a user chose may be a session of the WA server's that the gateway knows
// nothing of.
var madeID = regexp.MustCompile(`^s_[0-9a-f]{32}$`)

// removeOrphans takes sessions off the WA server whose creation was never ended,
// as after a crash between the WA server's answer and the database. It goes with
// the creation of other sessions: nothing else makes orphans, and the way to the
// WA server is at hand. Whose id was chosen by its user is only told.
func (x *exchange) removeOrphans(ctx context.Context, userID string) {
	ctx, cancel := context.WithTimeout(ctx, orphanTimeout)
	defer cancel()
	db := x.app.databases.transactional
	orphans, err := db.ClaimExpired(ctx, userID, maxOrphans, reservationTTL)
	if err != nil {
		x.logger.Warn("looking for sessions whose creation was never ended", zap.Error(err))
		return
	}
	for _, orphan := range orphans {
		x.removeOrphan(ctx, orphan)
	}
}

func (x *exchange) removeOrphan(ctx context.Context, orphan store.ExpiredReservation) {
	who := []zap.Field{zap.String("user_id", orphan.UserID), zap.String("session_id", orphan.SessionID)}
	if !madeID.MatchString(orphan.SessionID) {
		x.logger.Warn("the creation of a session was never ended; if the WA server has it, it has no owner", who...)
	} else if err := x.deleteEverywhere(ctx, orphan.UserID, orphan.SessionID); err != nil {
		x.logger.Warn("a session whose creation was never ended cannot be removed from the WA server; trying again later",
			append(who, zap.Error(err))...)
		return
	}
	if err := x.app.databases.transactional.ReleaseReservation(ctx, orphan.ID); err != nil {
		x.logger.Warn("releasing the place of a session whose creation was never ended", append(who, zap.Error(err))...)
	}
}

// deleteEverywhere removes a session from whichever of the WA servers has it: nobody
// noted where it was to be made.
func (x *exchange) deleteEverywhere(ctx context.Context, userID, sessionID string) error {
	var errs []error
	for _, server := range x.app.WAServers {
		if server != x.server && (server.server.URL == nil || server.sandbox) {
			continue // it cannot be reached from here
		}
		gateway := *x.Gateway
		gateway.server = server
		other := *x
		other.Gateway = &gateway
		errs = append(errs, other.deleteFromServer(ctx, userID, sessionID))
	}
	return errors.Join(errs...)
}

// deleteFromServer removes a session from the WA server; one that it does not have
// is no error.
func (x *exchange) deleteFromServer(ctx context.Context, userID, sessionID string) error {
	if t := x.server.translator; t != nil && !x.toSandbox() {
		return t.DeleteSession(ctx, x.client(&waserver.Link{
			SessionID: sessionID, UserID: userID, Server: x.server.Name, RemoteID: sessionID,
		}))
	}
	undo := *x
	request := *x.r
	request.Method = http.MethodDelete
	undo.r = request.WithContext(ctx)
	undo.call = waserver.Call{
		Endpoint: waserver.DeleteSession, UserID: userID, SessionID: sessionID,
		Path: []string{"sessions", sessionID},
	}
	w, err := undo.exchangeWhole(&body{reader: http.NoBody})
	if err != nil {
		return err
	}
	if !w.succeeded() && w.status != http.StatusNotFound && w.status != http.StatusGone {
		return refuse(w.status, "the WA server refused")
	}
	return nil
}
