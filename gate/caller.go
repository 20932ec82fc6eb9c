package gate

import (
	"context"
	"crypto/sha256"
	"errors"
	"time"

	"github.com/genfity/wa-gateway/directory"
	"github.com/genfity/wa-gateway/routes"
)

// The query parameters of contract §4.3.
const (
	queryUserID    = "user_id"
	querySessionID = "session_id"
)

// The identity headers, as net/http spells what it has read.
const (
	headerUserID    = "X-User-Id"
	headerSessionID = "X-Session-Id"
)

// caller finds out who is calling, in the three ways of contract §4. What a
// client says of itself is read here; everything later works with the result.
// named is the session that the caller names, not checked yet.
func (g *Gate) caller(ctx context.Context, r *Request, grant *Grant) (named string, err error) {
	asserted, ok := oneValue(r.Header[headerUserID], r.Query[queryUserID])
	if !ok {
		return "", ErrUnauthenticated
	}
	if named, ok = oneValue(r.Header[headerSessionID], r.Query[querySessionID]); !ok {
		return "", ErrUnauthenticated
	}
	token, present := bearer(r.Header)
	if !present {
		if !r.Trusted || !routes.ValidID(asserted) {
			return "", ErrUnauthenticated
		}
		user, err := g.Directory.User(ctx, asserted)
		if err != nil {
			return "", notFoundIs(err, ErrUnauthenticated)
		}
		grant.Caller = &directory.Caller{User: user, Mode: directory.ModeLive}
		return named, nil
	}
	return named, g.attempt(ctx, r, token, func() error {
		if g.Admin.Equal(token) {
			grant.Admin = true
			return nil
		}
		caller, err := g.Directory.Caller(ctx, token)
		if err != nil {
			return notFoundIs(err, ErrUnauthenticated)
		}
		if asserted != "" && asserted != caller.User.ID {
			return ErrUnauthenticated
		}
		g.Directory.Used(caller.KeyID, time.Now())
		grant.Caller = caller
		return nil
	})
}

// admin judges a call to the admin endpoints, which are closed where no admin
// token is set (contract §4).
func (g *Gate) admin(ctx context.Context, r *Request) error {
	if !g.Admin.Set() {
		return ErrAdminClosed
	}
	token, present := bearer(r.Header)
	if !present {
		return ErrUnauthenticated
	}
	return g.attempt(ctx, r, token, func() error {
		if !g.Admin.Equal(token) {
			return ErrUnauthenticated
		}
		return nil
	})
}

// attempt has a credential judged, as long as the client's address has not
// shown too many wrong ones.
func (g *Gate) attempt(ctx context.Context, r *Request, credential string, judge func() error) error {
	if len(credential) > maxCredential {
		return ErrUnauthenticated
	}
	attempt, err := g.Failures.Begin(ctx, r.Client, sha256.Sum256([]byte(credential)))
	if err != nil {
		return err
	}
	defer attempt.Abandoned() // nothing, once it is known how it ended
	err = judge()
	switch {
	case err == nil:
		attempt.Succeeded()
	case errors.Is(err, ErrUnauthenticated):
		attempt.Failed()
	}
	return err
}

// maxCredential bounds what is looked at, in bytes.
const maxCredential = 4096

// oneValue reads a value that may stand in a header or in the query. Two values
// that differ, anywhere, are nobody's.
func oneValue(header, query []string) (string, bool) {
	value := ""
	for _, values := range [2][]string{header, query} {
		for _, v := range values {
			if value != "" && v != value {
				return "", false
			}
			value = v
		}
	}
	return value, true
}

// May tells whether what is userID's may be shown.
func (g *Grant) May(userID string) bool {
	return g.Admin || (g.Caller != nil && g.Caller.User.ID == userID)
}
