package store

import (
	"context"
	"sync"
	"sync/atomic"

	"gorm.io/gorm"
)

// Transactional is the database of users, sessions, packages, subscriptions and
// statistics (contract §2). Its methods may be called by many goroutines.
type Transactional struct {
	db     *DB
	naming Naming // as configured

	inspecting sync.Mutex
	found      atomic.Pointer[foreignSchema]
}

// NewTransactional uses db as the transactional database. The naming "" is found
// by looking. Before the first query, [Transactional.Migrate] or
// [Transactional.Inspect] must have succeeded.
func NewTransactional(db *DB, naming Naming) *Transactional {
	return &Transactional{db: db, naming: naming}
}

// DB is the database below.
func (t *Transactional) DB() *DB { return t.db }

// Ready says whether the tables have been inspected.
func (t *Transactional) Ready() bool { return t.found.Load() != nil }

// foreign is what the last inspection found, or ErrNotReady.
func (t *Transactional) foreign() (*foreignSchema, error) {
	if s := t.found.Load(); s != nil {
		return s, nil
	}
	return nil, ErrNotReady
}

// tx is [DB.tx] with the foreign tables at hand; q knows their names too.
func (t *Transactional) tx(ctx context.Context, fn func(q *gorm.DB, s *foreignSchema) error) error {
	s, err := t.foreign()
	if err != nil {
		return err
	}
	return t.db.txOn(ctx, s.writer, func(q *gorm.DB) error { return fn(q, s) })
}

// read is [DB.read] with the foreign tables at hand; q knows their names too.
func (t *Transactional) read(ctx context.Context, fn func(q *gorm.DB, s *foreignSchema) error) error {
	s, err := t.foreign()
	if err != nil {
		return err
	}
	return t.db.readOn(ctx, s.reader, func(q *gorm.DB) error { return fn(q, s) })
}
