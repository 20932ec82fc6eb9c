package directory

import (
	"context"
	"crypto/sha256"
	"errors"
	"strings"
	"time"

	"github.com/genfity/wa-gateway/store"
)

// Mode tells live traffic from a customer's tests.
type Mode string

// The modes. Test traffic goes to the sandbox.
const (
	ModeLive Mode = "live"
	ModeTest Mode = "test"
)

// Caller is an authenticated caller.
type Caller struct {
	User *store.User
	// KeyID is the id of the API key that the gateway issued; empty for other
	// credentials and for asserted identities.
	KeyID string
	Mode  Mode
}

// credential is what a secret opens. The secret itself is not kept.
type credential struct {
	userID    string
	keyID     string
	mode      Mode
	expiresAt time.Time // zero: never
}

// maxSecret bounds what is hashed and looked up.
const maxSecret = 4096

// Caller finds who a bearer secret belongs to (contract §4.1): an API key that
// the gateway issued, the user's api_key column, or a live token of
// user_sessions. The error is store.ErrNotFound for a secret that opens nothing,
// is revoked or expired, or whose user is not active.
func (d *Directory) Caller(ctx context.Context, secret string) (*Caller, error) {
	if secret == "" || len(secret) > maxSecret {
		return nil, store.ErrNotFound
	}
	cred, err := d.credentials.get(ctx, sha256.Sum256([]byte(secret)), func(ctx context.Context) (*credential, error) {
		return d.loadCredential(ctx, secret)
	})
	if err != nil {
		return nil, err
	}
	if !cred.expiresAt.IsZero() && !cred.expiresAt.After(d.now()) {
		return nil, store.ErrNotFound
	}
	user, err := d.User(ctx, cred.userID)
	if err != nil {
		return nil, err
	}
	return &Caller{User: user, KeyID: cred.keyID, Mode: cred.mode}, nil
}

// ForgetCredentials drops every remembered credential, after a key was revoked.
// A secret cannot be named here, so all go; users and sessions stay.
func (d *Directory) ForgetCredentials() { d.credentials.entries.InvalidateAll() }

func (d *Directory) loadCredential(ctx context.Context, secret string) (*credential, error) {
	if strings.HasPrefix(secret, store.KeyPrefixLive) || strings.HasPrefix(secret, store.KeyPrefixTest) {
		return d.loadKey(ctx, secret)
	}
	user, err := d.source.UserByAPIKey(ctx, secret)
	if err == nil {
		return &credential{userID: user.ID, mode: ModeLive}, nil
	}
	if !errors.Is(err, store.ErrNotFound) {
		return nil, err
	}
	user, token, err := d.source.UserBySessionToken(ctx, secret)
	if err != nil {
		return nil, err
	}
	return &credential{userID: user.ID, mode: ModeLive, expiresAt: token.ExpiresAt.Time}, nil
}

func (d *Directory) loadKey(ctx context.Context, secret string) (*credential, error) {
	key, err := d.source.KeyByHash(ctx, store.HashKey(secret))
	if err != nil {
		return nil, err
	}
	if key.RevokedAt != nil {
		return nil, store.ErrNotFound
	}
	cred := &credential{userID: key.UserID, keyID: key.ID, mode: Mode(key.Mode)}
	if key.ExpiresAt != nil {
		cred.expiresAt = *key.ExpiresAt
	}
	return cred, nil
}
