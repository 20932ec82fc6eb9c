package store

import (
	"fmt"

	"gorm.io/gorm"
)

// failure says what was being done when err happened; nil stays nil, and the
// sentinels that callers expect stay as short as they are.
func failure(doing string, err error) error {
	switch {
	case err == nil:
		return nil
	case err == ErrNotFound: //nolint:errorlint // the bare one says everything
		return err
	default:
		return fmt.Errorf("%s: %w", doing, err)
	}
}

// oneRow turns an update or deletion that met no row into ErrNotFound.
func oneRow(done *gorm.DB) error {
	if done.Error == nil && done.RowsAffected == 0 {
		return ErrNotFound
	}
	return done.Error
}

// page cuts a list; limit 0 means all of it.
func page(limit, offset int) func(*gorm.DB) *gorm.DB {
	return func(q *gorm.DB) *gorm.DB {
		if limit > 0 {
			q = q.Limit(limit)
		}
		return q.Offset(max(offset, 0))
	}
}

// newest orders the rows of a foreign table by age where it keeps it, and by id,
// so that pages do not overlap.
func (s *foreignSchema) newest(table string) func(*gorm.DB) *gorm.DB {
	return func(q *gorm.DB) *gorm.DB {
		if s.has(table, "created_at") {
			q = q.Order(s.col(table, "created_at") + " DESC")
		}
		return q.Order(s.col(table, "id"))
	}
}
