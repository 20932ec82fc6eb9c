package store

import (
	"context"
	"time"
)

// Primary is the database of what WA servers send: raw webhook events, and the
// chats, messages and contacts that they tell of (contract §2). It may be the
// same as the transactional one; all its tables are the gateway's own. Its
// methods may be called by many goroutines.
type Primary struct {
	db  *DB
	now func() time.Time
}

// NewPrimary uses db as the primary database. Before the first query,
// [Primary.Migrate] must have succeeded once on it.
func NewPrimary(db *DB) *Primary { return &Primary{db: db, now: time.Now} }

// DB is the database below.
func (p *Primary) DB() *DB { return p.db }

// Migrate brings the tables up to date; see [Transactional.Migrate].
func (p *Primary) Migrate(ctx context.Context, opts MigrateOptions) (*MigrateReport, error) {
	report := &MigrateReport{}
	if err := p.db.migrate(ctx, migrationsPrimary, opts, &report.Applied, nil); err != nil {
		return nil, err
	}
	return report, nil
}
