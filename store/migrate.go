package store

import (
	"context"
	"embed"
	"errors"
)

// Each back end has its own SQL, below its own folder for each database.
//
//go:embed migrations/*/*/*.sql
var migrationFiles embed.FS

// MigrateOptions say how to migrate.
type MigrateOptions struct {
	// DryRun reports what would be done and writes nothing.
	DryRun bool
}

// Migration is one step of the gateway's own tables.
type Migration struct {
	Version int64
	Name    string
	SQL     string // what it runs
}

// MigrateReport is what a migration did, or in a dry run would do.
type MigrateReport struct {
	Naming         Naming      // of the foreign tables; empty for the primary database
	CreatedTables  []string    // foreign tables that an empty database was given
	Applied        []Migration // of our own tables
	MissingTables  []string    // foreign tables that another application should have
	MissingColumns []string    // table.column, likewise
}

// Migrate brings the gateway's own tables up to date.
func (t *Transactional) Migrate(ctx context.Context, opts MigrateOptions) (*MigrateReport, error) {
	return nil, errors.New("migrate")
}
