package store

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"gorm.io/gorm"
)

// Transactional is the database of users, sessions, packages, subscriptions and
// statistics (contract §2). Its methods may be called by many goroutines.
type Transactional struct {
	db     *DB
	naming Naming // as configured

	now  func() time.Time
	keep atomic.Int64 // how long the ledger remembers, see KeepLedger

	inspecting sync.Mutex
	found      atomic.Pointer[foreignSchema]
}

// NewTransactional uses db as the transactional database. The naming "" is found
// by looking. Before the first query, [Transactional.Migrate] or
// [Transactional.Inspect] must have succeeded.
func NewTransactional(db *DB, naming Naming) *Transactional {
	return &Transactional{db: db, naming: naming, now: time.Now}
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
	return t.looking(ctx, func(s *foreignSchema) error {
		return t.db.txOn(ctx, s.writer, func(q *gorm.DB) error { return fn(q, s) })
	})
}

// read is [DB.read] with the foreign tables at hand; q knows their names too.
func (t *Transactional) read(ctx context.Context, fn func(q *gorm.DB, s *foreignSchema) error) error {
	return t.looking(ctx, func(s *foreignSchema) error {
		return t.db.readOn(ctx, s.reader, func(q *gorm.DB) error { return fn(q, s) })
	})
}

// looking runs fn on what is known of the foreign tables, and once more after
// another look when a column has gone since: the application that owns them may
// drop what is optional to us while we run.
func (t *Transactional) looking(ctx context.Context, fn func(s *foreignSchema) error) error {
	s, err := t.foreign()
	if err != nil {
		return err
	}
	if err = fn(s); !shapeChanged(err) {
		return err
	}
	if lookErr := t.lookAgain(ctx, s); lookErr != nil {
		return errors.Join(err, lookErr)
	}
	if s, err = t.foreign(); err != nil {
		return err
	}
	return fn(s)
}
