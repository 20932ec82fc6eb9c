package store

import (
	"context"
	"encoding/json"

	"gorm.io/gorm"
)

// What retention, verification and export share.

// settled gives a transaction the settings that the ledger's own have.
func (db *DB) settled(q *gorm.DB, mode string) error {
	if db.backend != Postgres {
		return nil
	}
	if err := q.Exec("SET TRANSACTION ISOLATION LEVEL READ COMMITTED" + mode).Error; err != nil {
		return err
	}
	return q.Exec(ledgerSettings).Error
}

// readSettled is read with these settings, in a transaction that cannot write.
func (db *DB) readSettled(ctx context.Context, fn func(q *gorm.DB) error) error {
	return db.readSettledOn(ctx, db.gorm, fn)
}

func (db *DB) readSettledOn(ctx context.Context, reader *gorm.DB, fn func(q *gorm.DB) error) error {
	return db.readOn(ctx, reader, func(q *gorm.DB) error {
		if db.backend != Postgres {
			return fn(q) // its connections for reading refuse to write anyway
		}
		return q.Transaction(func(q *gorm.DB) error {
			if err := db.settled(q, ", READ ONLY"); err != nil {
				return err
			}
			return fn(q)
		})
	})
}

// amongTexts is SQL that says whether a column is one of the texts that jsonTexts
// bound to a parameter.
func (db *DB) amongTexts(column string) string {
	if db.backend == Postgres {
		// One array, so that the planner has nothing to join.
		return column + " = ANY(ARRAY(SELECT json_array_elements_text(CAST(? AS json))))"
	}
	return column + " IN (SELECT value FROM json_each(?))"
}

func jsonTexts(texts []string) string {
	stored := make([]string, len(texts))
	for i, text := range texts {
		stored[i] = storable(text)
	}
	list, _ := json.Marshal(stored) // texts always can be
	return string(list)
}
