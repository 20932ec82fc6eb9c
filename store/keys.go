package store

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"gorm.io/gorm"
)

// What the keys that the gateway issues begin with (contract §4).
const (
	KeyPrefixLive = "wak_live_"
	KeyPrefixTest = "wak_test_"
)

// The modes of a key: live traffic, or a customer's tests.
const (
	KeyModeLive = "live"
	KeyModeTest = "test"
)

const (
	keyRandomLength  = 43 // base62: 256 bits
	keyDisplayLength = len(KeyPrefixLive) + 4
	touchBatch       = 200
)

// HashKey is the form in which a key is kept: its SHA-256 in hex. The keys are
// random and long, so nothing slower is needed.
func HashKey(plaintext string) string {
	sum := sha256.Sum256([]byte(plaintext))
	return hex.EncodeToString(sum[:])
}

// NewKey says what key to create.
type NewKey struct {
	UserID    string
	Name      string
	Mode      string     // KeyModeLive or KeyModeTest
	ExpiresAt *time.Time // nil: never

	// What the key is limited to; an empty list is no limit.
	Scopes    []string // of KeyScopes
	Sessions  []string // session ids, which need not exist yet
	Addresses []string // IP addresses, or networks in CIDR notation
}

// CreateKey issues a key for a user. The plaintext exists only in this answer. It
// is an [ErrNotFound] when the user does not exist.
func (t *Transactional) CreateKey(ctx context.Context, want NewKey) (plaintext string, key *APIKey, err error) {
	if keyPrefix(want.Mode) == "" {
		return "", nil, fmt.Errorf("create a key: mode %q is neither %s nor %s", want.Mode, KeyModeLive, KeyModeTest)
	}
	plaintext, key = newKey(want.Mode, t.now(), want.ExpiresAt)
	key.UserID, key.Name = want.UserID, want.Name
	if key.Scopes, err = keyScopes(want.Scopes); err != nil {
		return "", nil, failure("create a key", err)
	}
	if key.Sessions, err = keySessions(want.Sessions); err != nil {
		return "", nil, failure("create a key", err)
	}
	if key.Addresses, err = keyAddresses(want.Addresses); err != nil {
		return "", nil, failure("create a key", err)
	}
	err = t.tx(ctx, func(q *gorm.DB, s *foreignSchema) error {
		if err := s.userExists(q, want.UserID); err != nil {
			return err
		}
		if err := q.Omit("User").Create(key).Error; err != nil {
			return err
		}
		return t.db.changed(q, ChangeKey, key.Hash)
	})
	if err != nil {
		return "", nil, failure("create a key", err)
	}
	return plaintext, key, nil
}

// newKey makes up a key; whose it is and what it is limited to is up to the caller.
func newKey(mode string, now time.Time, expires *time.Time) (plaintext string, key *APIKey) {
	plaintext = keyPrefix(mode) + randomText(base62, keyRandomLength)
	key = &APIKey{
		ID: NewID(), Mode: mode, Prefix: plaintext[:keyDisplayLength], Hash: HashKey(plaintext), CreatedAt: timeArg(now),
	}
	if expires != nil {
		at := timeArg(*expires)
		key.ExpiresAt = &at
	}
	return plaintext, key
}

// keyPrefix is what the keys of a mode begin with, "" for none.
func keyPrefix(mode string) string {
	switch mode {
	case KeyModeLive:
		return KeyPrefixLive
	case KeyModeTest:
		return KeyPrefixTest
	default:
		return ""
	}
}

// findKey finds a key by its id or by the prefix that is shown of it.
func findKey(q *gorm.DB, idOrPrefix string) (*APIKey, error) {
	column := "id"
	if strings.HasPrefix(idOrPrefix, KeyPrefixLive) || strings.HasPrefix(idOrPrefix, KeyPrefixTest) {
		column = "prefix"
	}
	var found []APIKey
	if err := q.Where(column+" = ?", idOrPrefix).Limit(2).Find(&found).Error; err != nil {
		return nil, err
	}
	switch len(found) {
	case 0:
		return nil, ErrNotFound
	case 1:
		return &found[0], nil
	default:
		return nil, conflict("several keys begin like this; use the id")
	}
}

// KeyByHash finds a key by [HashKey] of it, revoked and expired ones too.
func (t *Transactional) KeyByHash(ctx context.Context, hash string) (*APIKey, error) {
	var key APIKey
	err := t.read(ctx, func(q *gorm.DB, _ *foreignSchema) error {
		key = APIKey{}
		return q.Where("hash = ?", hash).Take(&key).Error
	})
	if err != nil {
		return nil, failure("look up a key", err)
	}
	if !sameSecret(key.Hash, hash) {
		return nil, ErrNotFound
	}
	return &key, nil
}

// ListKeys lists a user's keys, or all with userID "", the newest first.
func (t *Transactional) ListKeys(ctx context.Context, userID string) ([]APIKey, error) {
	var keys []APIKey
	err := t.read(ctx, func(q *gorm.DB, _ *foreignSchema) error {
		keys = nil
		if userID != "" {
			q = q.Where("user_id = ?", userID)
		}
		return q.Order("created_at DESC, id").Find(&keys).Error
	})
	return keys, failure("list keys", err)
}

// RevokeKey ends a key, named by its id or by the prefix that is shown of it. It
// is an [ErrConflict] when several keys share the prefix. A key that is revoked
// already keeps its time.
func (t *Transactional) RevokeKey(ctx context.Context, idOrPrefix string) error {
	err := t.tx(ctx, func(q *gorm.DB, _ *foreignSchema) error {
		key, err := findKey(q, idOrPrefix)
		if err != nil || key.RevokedAt != nil {
			return err
		}
		err = q.Model(&APIKey{}).Where("id = ? AND revoked_at IS NULL", key.ID).
			Updates(map[string]any{"revoked_at": timeArg(t.now())}).Error
		if err != nil {
			return err
		}
		return t.db.changed(q, ChangeKey, key.Hash)
	})
	return failure("revoke a key", err)
}

// sameSecret compares what a look-up found with what was asked for, because the
// database may take two texts for one: a collation may ignore case or accents.
// The time that it takes tells nothing of where they differ.
func sameSecret(found, asked string) bool {
	a, b := sha256.Sum256([]byte(found)), sha256.Sum256([]byte(asked))
	return subtle.ConstantTimeCompare(a[:], b[:]) == 1
}

// TouchKeys remembers when keys were last used, by their ids. An older time than
// the one known changes nothing; an id that does not exist is left out.
func (t *Transactional) TouchKeys(ctx context.Context, used map[string]time.Time) error {
	// In one order on all nodes, so that they do not lock each other out.
	for ids := range slices.Chunk(slices.Sorted(maps.Keys(used)), touchBatch) {
		err := t.db.tx(ctx, func(q *gorm.DB) error {
			for _, id := range ids {
				at := timeArg(used[id])
				err := q.Model(&APIKey{}).Where("id = ?", id).
					Where("last_used_at IS NULL OR last_used_at < ?", at).
					Updates(map[string]any{"last_used_at": at}).Error
				if err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return failure("remember when keys were used", err)
		}
	}
	return nil
}
