package store

import (
	"context"
	"crypto/sha256"
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

// CreateKey issues a key for a user; expires nil means never. The plaintext
// exists only in this answer. It is an [ErrNotFound] when the user does not exist.
func (t *Transactional) CreateKey(ctx context.Context, userID, name, mode string, expires *time.Time) (plaintext string, key *APIKey, err error) {
	prefix, ok := map[string]string{KeyModeLive: KeyPrefixLive, KeyModeTest: KeyPrefixTest}[mode]
	if !ok {
		return "", nil, fmt.Errorf("create a key: mode %q is neither %s nor %s", mode, KeyModeLive, KeyModeTest)
	}
	plaintext = prefix + randomText(base62, keyRandomLength)
	key = &APIKey{
		ID: NewID(), UserID: userID, Name: name, Mode: mode,
		Prefix: plaintext[:keyDisplayLength], Hash: HashKey(plaintext), CreatedAt: timeArg(t.now()),
	}
	if expires != nil {
		at := timeArg(*expires)
		key.ExpiresAt = &at
	}
	err = t.tx(ctx, func(q *gorm.DB, s *foreignSchema) error {
		if err := s.userExists(q, userID); err != nil {
			return err
		}
		return q.Omit("User").Create(key).Error
	})
	if err != nil {
		return "", nil, failure("create a key", err)
	}
	return plaintext, key, nil
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
		column := "id"
		if strings.HasPrefix(idOrPrefix, KeyPrefixLive) || strings.HasPrefix(idOrPrefix, KeyPrefixTest) {
			column = "prefix"
		}
		var ids []string
		if err := q.Model(&APIKey{}).Where(column+" = ?", idOrPrefix).Limit(2).Pluck("id", &ids).Error; err != nil {
			return err
		}
		switch len(ids) {
		case 0:
			return ErrNotFound
		case 1:
			return q.Model(&APIKey{}).Where("id = ? AND revoked_at IS NULL", ids[0]).
				Updates(map[string]any{"revoked_at": timeArg(t.now())}).Error
		default:
			return fmt.Errorf("%w: several keys begin like this; use the id", ErrConflict)
		}
	})
	return failure("revoke a key", err)
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
