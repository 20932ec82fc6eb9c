package store

import (
	"cmp"
	"context"
	"slices"
	"time"

	"gorm.io/gorm"
)

// DeadLetters lists letters, the newest first, limit 0 for a hundred. after is
// the Cursor of the last letter of the page before, or empty; any other text is
// an [ErrCursor].
func (t *Transactional) DeadLetters(ctx context.Context, limit int, after string) ([]DeadLetter, error) {
	if limit <= 0 {
		limit = deadLetterPage
	}
	var rows []deadLetter
	err := t.db.read(ctx, func(q *gorm.DB) error {
		rows = nil
		if after != "" {
			at, id, err := deadLetterCursor(after)
			if err != nil {
				return err
			}
			q = q.Where("(created_at, id) < (?, ?)", timeArg(at), id)
		}
		return q.Order("created_at DESC, id DESC").Limit(limit).Find(&rows).Error
	})
	if err != nil {
		return nil, failure("list dead letters", err)
	}
	letters := make([]DeadLetter, len(rows))
	for i, row := range rows {
		if letters[i], err = row.letter(); err != nil {
			return nil, err
		}
	}
	return letters, nil
}

// DeadLetter returns one letter, or [ErrNotFound].
func (t *Transactional) DeadLetter(ctx context.Context, id string) (*DeadLetter, error) {
	var row deadLetter
	err := t.db.read(ctx, func(q *gorm.DB) error {
		row = deadLetter{}
		return q.Where("id = ?", storable(id)).Take(&row).Error
	})
	if err != nil {
		return nil, failure("read a dead letter", err)
	}
	letter, err := row.letter()
	if err != nil {
		return nil, err
	}
	return &letter, nil
}

// RemoveDeadLetters removes letters and returns how many there were.
func (t *Transactional) RemoveDeadLetters(ctx context.Context, ids ...string) (removed int64, err error) {
	if len(ids) == 0 {
		return 0, nil
	}
	err = t.db.tx(ctx, func(q *gorm.DB) error {
		done := q.Where(t.db.amongTexts("id"), jsonTexts(ids)).Delete(&deadLetter{})
		removed = done.RowsAffected
		return done.Error
	})
	return removed, failure("remove dead letters", err)
}

// PurgeDeadLetters removes letters that were set aside before a time, as
// PurgeWebhookEvents removes webhooks.
func (t *Transactional) PurgeDeadLetters(ctx context.Context, before time.Time, opts PurgeOptions) (int64, error) {
	removed, err := t.db.purgeOlder(ctx, "dead_letters", "created_at", before, opts)
	return removed, failure("remove old dead letters", err)
}

// CountDeadLetters returns how many letters are kept.
func (t *Transactional) CountDeadLetters(ctx context.Context) (int64, error) {
	var count int64
	err := t.db.read(ctx, func(q *gorm.DB) error { return q.Model(&deadLetter{}).Count(&count).Error })
	return count, failure("count dead letters", err)
}

func sortByHash(rows []deadLetter) {
	slices.SortFunc(rows, func(a, b deadLetter) int { return cmp.Compare(a.ContentHash, b.ContentHash) })
}
