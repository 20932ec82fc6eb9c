package store

import (
	"context"
	"encoding/json"

	"gorm.io/gorm"
)

// What retention, verification and export share.

// Whatever the planner believes of the tables, what is done piece by piece must
// look each piece up: a join by hash or merge would read a table as a whole for
// every piece. Rows that are wanted in the order of an index are read in it, not
// gathered and sorted.
const (
	pieceSettings   = `SELECT set_config('enable_hashjoin', 'off', true), set_config('enable_mergejoin', 'off', true)`
	orderedSettings = `SELECT set_config('enable_bitmapscan', 'off', true)`
)

// settled gives a transaction the settings that the ledger's own have, and these.
func (db *DB) settled(q *gorm.DB, mode string, more ...string) error {
	if db.backend != Postgres {
		return nil
	}
	for _, statement := range append([]string{"SET TRANSACTION ISOLATION LEVEL READ COMMITTED" + mode, ledgerSettings, pieceSettings}, more...) {
		if err := q.Exec(statement).Error; err != nil {
			return err
		}
	}
	return nil
}

// readOrdered is read with all these settings.
func (db *DB) readOrdered(ctx context.Context, fn func(q *gorm.DB) error) error {
	return db.readSettled(ctx, db.gorm, fn, orderedSettings)
}

// readSettled is read with these settings, in a transaction that cannot write.
func (db *DB) readSettled(ctx context.Context, reader *gorm.DB, fn func(q *gorm.DB) error, more ...string) error {
	return db.readOn(ctx, reader, func(q *gorm.DB) error {
		if db.backend != Postgres {
			return fn(q) // its connections for reading refuse to write anyway
		}
		return q.Transaction(func(q *gorm.DB) error {
			if err := db.settled(q, ", READ ONLY", more...); err != nil {
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
