package directory

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/netip"
	"slices"
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

	// What the key is limited to; an empty list is no limit.
	Scopes    []string
	Sessions  []string
	Addresses []netip.Prefix
}

// MayUse tells whether the caller's key may be used for a scope, one of
// store.KeyScopes.
func (c *Caller) MayUse(scope string) bool {
	return len(c.Scopes) == 0 || slices.Contains(c.Scopes, scope)
}

// MayUseSession tells whether the caller's key opens a session, provided that it
// is the user's at all.
func (c *Caller) MayUseSession(id string) bool {
	return len(c.Sessions) == 0 || slices.Contains(c.Sessions, id)
}

// MayComeFrom tells whether the caller's key may be used from a client's address.
func (c *Caller) MayComeFrom(addr netip.Addr) bool {
	if len(c.Addresses) == 0 {
		return true
	}
	addr = addr.Unmap().WithZone("")
	return slices.ContainsFunc(c.Addresses, func(p netip.Prefix) bool { return p.Contains(addr) })
}

// credential is what a secret opens. The secret itself is not kept.
type credential struct {
	userID    string
	keyID     string
	mode      Mode
	expiresAt time.Time // zero: never

	scopes    []string
	sessions  []string
	addresses []netip.Prefix
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
	return &Caller{
		User: user, KeyID: cred.keyID, Mode: cred.mode,
		Scopes: cred.scopes, Sessions: cred.sessions, Addresses: cred.addresses,
	}, nil
}

// ForgetCredentials drops every remembered credential. Users and sessions stay.
func (d *Directory) ForgetCredentials() { d.credentials.forgetAll() }

// ForgetKey drops what is remembered of an API key, named by store.HashKey of it,
// after it was issued, replaced or revoked. A text that is no such hash is the name
// of no key, so all go.
func (d *Directory) ForgetKey(hash string) {
	var sum [sha256.Size]byte
	if n, err := hex.Decode(sum[:], []byte(hash)); len(hash) != hex.EncodedLen(len(sum)) || n != len(sum) || err != nil {
		d.ForgetCredentials()
		return
	}
	d.credentials.forget(sum)
}

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

// loadKey looks up a secret that looks like a key of ours. One that does not exist
// is believed not to for long, because nobody can know a key before it is made, and
// then a change says so.
func (d *Directory) loadKey(ctx context.Context, secret string) (*credential, error) {
	key, err := d.source.KeyByHash(ctx, store.HashKey(secret))
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil, errLasting
	case err != nil:
		return nil, err
	case key.RevokedAt != nil:
		return nil, errLasting
	}
	cred := &credential{
		userID: key.UserID, keyID: key.ID, mode: Mode(key.Mode),
		scopes: key.Scopes, sessions: key.Sessions,
	}
	if key.ExpiresAt != nil {
		cred.expiresAt = *key.ExpiresAt
	}
	for _, text := range key.Addresses {
		// One that cannot be read is the zero Prefix, which holds no address, so
		// that the list does not end up empty and mean no limit.
		prefix, _ := store.ParseKeyAddress(text)
		cred.addresses = append(cred.addresses, prefix)
	}
	return cred, nil
}
