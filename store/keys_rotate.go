package store

import (
	"context"
	"errors"
	"time"

	"gorm.io/gorm"
)

// RotateKey issues a key for the user, name, mode and limits of another one, named
// by its id or prefix. The old key works on for the overlap, or until it expires
// by itself if that is earlier; expires is for the new one, nil means never. It is
// an [ErrConflict] when the old key is revoked, expired or replaced already.
func (t *Transactional) RotateKey(ctx context.Context, idOrPrefix string, overlap time.Duration, expires *time.Time) (plaintext string, key *APIKey, err error) {
	if overlap < 0 {
		return "", nil, errors.New("rotate a key: the overlap is negative")
	}
	err = t.tx(ctx, func(q *gorm.DB, s *foreignSchema) error {
		old, err := findKey(q, idOrPrefix)
		if err != nil {
			return err
		}
		now := timeArg(t.now())
		switch {
		case old.RevokedAt != nil:
			return conflict("the key is revoked")
		case old.ReplacedBy != nil:
			return conflict("the key has been replaced already")
		case old.ExpiresAt != nil && !old.ExpiresAt.After(now):
			return conflict("the key has expired")
		}
		if err := s.userExists(q, old.UserID); err != nil {
			return err
		}
		plaintext, key = newKey(old.Mode, now, expires)
		key.UserID, key.Name = old.UserID, old.Name
		key.Scopes, key.Sessions, key.Addresses = old.Scopes, old.Sessions, old.Addresses

		ends := now.Add(overlap)
		if old.ExpiresAt != nil && old.ExpiresAt.Before(ends) {
			ends = *old.ExpiresAt
		}
		done := q.Model(&APIKey{}).Where("id = ? AND revoked_at IS NULL AND replaced_by IS NULL", old.ID).
			Updates(map[string]any{"replaced_by": key.ID, "expires_at": ends})
		if done.Error != nil {
			return done.Error
		}
		if done.RowsAffected == 0 {
			return conflict("the key has been revoked or replaced meanwhile")
		}
		if err := q.Omit("User").Create(key).Error; err != nil {
			return err
		}
		if err := t.db.changed(q, ChangeKey, old.Hash); err != nil {
			return err
		}
		return t.db.changed(q, ChangeKey, key.Hash)
	})
	if err != nil {
		return "", nil, failure("rotate a key", err)
	}
	return plaintext, key, nil
}

// conflict is an [ErrConflict] with a reason of its own.
type conflict string

func (c conflict) Error() string { return string(c) }

// Is makes it an ErrConflict.
func (c conflict) Is(target error) bool { return target == ErrConflict } //nolint:errorlint // this is what errors.Is asks
