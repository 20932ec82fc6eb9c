package caddywagateway

import (
	"errors"
	"net/http"
	"time"

	"github.com/genfity/wa-gateway/directory"
	"github.com/genfity/wa-gateway/routes"
	"github.com/genfity/wa-gateway/store"
)

// serveOwn answers the endpoints that concern the caller's own account; the gate
// has seen to it that it is.
func (x *exchange) serveOwn() error {
	userID := x.match.Param(routes.ParamUser)
	if x.match.Route.Endpoint == routes.Stats {
		return x.app.serveUserStats(x.w, x.r, userID)
	}
	return x.serveSubscription(userID)
}

// subscriptionAnswer is what GET /api/wa/subscription/{user_id} tells.
type subscriptionAnswer struct {
	UserID      string         `json:"user_id"`
	Active      bool           `json:"active"`
	Status      string         `json:"status"`
	Package     *packageAnswer `json:"package"`
	ActivatedAt *time.Time     `json:"activated_at"`
	ExpiredAt   *time.Time     `json:"expired_at"`
	Sessions    int            `json:"sessions"`
}

type packageAnswer struct {
	ID         string `json:"id"`
	Name       string `json:"name"`
	MaxSession int    `json:"max_session"`
	// The message limit: so many messages in so many seconds.
	RateLimit       int     `json:"rate_limit"`
	RateLimitWindow float64 `json:"rate_limit_window"`
}

// serveSubscription shows the active subscription, else the one that was active
// last.
func (x *exchange) serveSubscription(userID string) error {
	ctx := x.r.Context()
	if x.grant.Admin {
		if _, err := x.app.databases.transactional.User(ctx, userID); errors.Is(err, store.ErrNotFound) {
			return refuse(http.StatusNotFound, "There is no such user")
		} else if err != nil {
			return databaseFailure(err)
		}
	}
	all, err := x.app.databases.directory.Subscriptions(ctx, userID)
	if err != nil {
		return databaseFailure(err)
	}
	sessions, err := x.app.databases.transactional.SessionsOf(ctx, userID)
	if err != nil {
		return databaseFailure(err)
	}
	view := subscriptionAnswer{UserID: userID, Status: "none", Sessions: len(sessions)}
	now := time.Now()
	var best *store.Subscription
	for i := range all {
		s := &all[i]
		if best == nil || better(s, best, now) {
			best = s
		}
	}
	if best != nil {
		view.show(x.app, best, now)
	}
	return writeAnswer(x.w, http.StatusOK, "OK", view)
}

// better tells whether a is to be shown rather than b.
func better(a, b *store.Subscription, now time.Time) bool {
	if activeA, activeB := directory.IsActive(a, now), directory.IsActive(b, now); activeA != activeB {
		return activeA
	}
	return a.ExpiredAt.After(b.ExpiredAt.Time)
}

func (v *subscriptionAnswer) show(a *App, s *store.Subscription, now time.Time) {
	v.Active = directory.IsActive(s, now)
	v.Status = s.Status
	if s.Status == "active" && !v.Active {
		v.Status = "expired"
	}
	expired := s.ExpiredAt.UTC()
	v.ExpiredAt = &expired
	if s.ActivatedAt != nil {
		activated := s.ActivatedAt.UTC()
		v.ActivatedAt = &activated
	}
	if s.Package != nil {
		limit := a.limitFor(s.Package)
		v.Package = &packageAnswer{
			ID: s.Package.ID, Name: s.Package.Name, MaxSession: s.Package.MaxSession,
			RateLimit: limit.Messages, RateLimitWindow: limit.Window.Seconds(),
		}
	}
}
