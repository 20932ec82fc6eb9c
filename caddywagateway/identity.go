package caddywagateway

import (
	"errors"
	"net/http"
	"net/url"

	"github.com/genfity/wa-gateway/directory"
	"github.com/genfity/wa-gateway/routes"
	"github.com/genfity/wa-gateway/store"
)

// The query parameters of contract §4.3.
const (
	queryUserID    = "user_id"
	querySessionID = "session_id"
)

// The identity headers, as net/http spells what it has read.
const (
	canonicalUserID    = "X-User-Id"
	canonicalSessionID = "X-Session-Id"
)

// identity is a verified caller.
type identity struct {
	user *store.User
	mode directory.Mode
	// admin: the admin token was shown; user is nil then.
	admin bool
	// session is the id that the caller names, not checked yet.
	session string
}

// isUser tells whether the caller may see what is userID's.
func (i *identity) may(userID string) bool {
	return i.admin || (i.user != nil && i.user.ID == userID)
}

func unauthenticated() *refusal {
	return refuse(http.StatusUnauthorized, messageUnauthenticated).set("WWW-Authenticate", "Bearer")
}

// identify finds out who is calling, in the three ways of contract §4. What a
// client says of itself is read in one place here; everything later works with
// the result.
func (a *App) identify(r *http.Request, trust clientTrust, query url.Values) (*identity, error) {
	asserted, ok := named(r.Header[canonicalUserID], query[queryUserID])
	if !ok {
		return nil, unauthenticated()
	}
	session, ok := named(r.Header[canonicalSessionID], query[querySessionID])
	if !ok {
		return nil, unauthenticated()
	}
	token, present := bearer(r.Header)
	if !present {
		return a.identifyAsserted(r, trust, asserted, session)
	}
	if a.admin.equal(token) {
		return &identity{admin: true, mode: directory.ModeLive}, nil
	}
	caller, err := a.databases.directory.Caller(r.Context(), token)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil, unauthenticated()
	case err != nil:
		return nil, databaseFailure(err)
	case asserted != "" && asserted != caller.User.ID:
		return nil, unauthenticated()
	}
	return &identity{user: caller.User, mode: caller.Mode, session: session}, nil
}

func (a *App) identifyAsserted(r *http.Request, trust clientTrust, userID, session string) (*identity, error) {
	if !routes.ValidID(userID) || !trust.trusts(r) {
		return nil, unauthenticated()
	}
	user, err := a.databases.directory.User(r.Context(), userID)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil, unauthenticated()
	case err != nil:
		return nil, databaseFailure(err)
	}
	return &identity{user: user, mode: directory.ModeLive, session: session}, nil
}

// named reads a value that may stand in a header or in the query. The header
// goes first; two values that differ, anywhere, are nobody's.
func named(header, query []string) (string, bool) {
	value := ""
	for _, v := range header {
		if value != "" && v != value {
			return "", false
		}
		value = v
	}
	for _, v := range query {
		if value != "" && v != value {
			return "", false
		}
		value = v
	}
	return value, true
}
