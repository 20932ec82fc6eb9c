package caddywagateway

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/genfity/wa-gateway/store"
)

// migrationView is what happened, or would, to one database.
type migrationView struct {
	Database       string     `json:"database"`
	Backend        string     `json:"backend"`
	Naming         string     `json:"naming,omitempty"`
	CreatedTables  []string   `json:"created_tables"`
	CreateSQL      []string   `json:"create_sql"`
	Applied        []stepView `json:"applied"`
	MissingTables  []string   `json:"missing_tables"`
	MissingColumns []string   `json:"missing_columns"`
}

type stepView struct {
	Version int64  `json:"version"`
	Name    string `json:"name"`
	SQL     string `json:"sql"`
}

func viewMigration(database, backend string, r *store.MigrateReport) migrationView {
	v := migrationView{
		Database: database, Backend: backend, Naming: string(r.Naming),
		CreatedTables: list(r.CreatedTables), CreateSQL: list(r.CreateSQL), Applied: []stepView{},
		MissingTables: list(r.MissingTables), MissingColumns: list(r.MissingColumns),
	}
	for _, m := range r.Applied {
		v.Applied = append(v.Applied, stepView(m))
	}
	return v
}

// list keeps an empty list from being null in JSON.
func list(s []string) []string { return append([]string{}, s...) }

func (o *operator) migrateCommand() *cobra.Command {
	var dryRun bool
	cmd := &cobra.Command{
		Use:   "migrate",
		Short: "Brings the gateway's own tables up to date",
		Long: `
Brings the gateway's own tables up to date, in both databases. The gateway does so
itself when it starts, unless 'migrate off' is set.

In an empty transactional database it makes all tables. In one that has tables of
another application it changes none of those, and reports what it misses.

With --dry-run it writes nothing and shows the SQL that it would run.`,
		Example: `  $ caddy wa-gateway migrate --dry-run
  $ caddy wa-gateway migrate --envfile .env`,
		Args: takes(),
		RunE: o.run(func(ctx context.Context, out *output, _ []string) error {
			c, err := o.load(ctx)
			if err != nil {
				return err
			}
			views, err := migrate(ctx, c, store.MigrateOptions{DryRun: dryRun})
			if len(views) > 0 {
				if printErr := out.migrations(views, dryRun); printErr != nil {
					return errors.Join(printErr, err)
				}
			}
			return err
		}),
	}
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "Write nothing, show what would be done")
	return cmd
}

// openDatabases opens both, which may be one. It dials nothing.
func openDatabases(settings databaseSettings) (transactional *store.Transactional, primary *store.Primary, closeAll func() error, err error) {
	db, err := store.Open(settings.transactional)
	if err != nil {
		return nil, nil, nil, fmt.Errorf("transactional database: %w", err)
	}
	other := db
	closeAll = db.Close
	if settings.primary.DSN != settings.transactional.DSN {
		if other, err = store.Open(settings.primary); err != nil {
			return nil, nil, nil, errors.Join(fmt.Errorf("primary database: %w", err), db.Close())
		}
		closeAll = func() error { return errors.Join(db.Close(), other.Close()) }
	}
	return store.NewTransactional(db, settings.naming), store.NewPrimary(other), closeAll, nil
}

// migrate migrates both databases and returns what it did before an error, too. A
// transactional database that lacks tables of the other application does not keep
// the primary one from being migrated.
func migrate(ctx context.Context, c *loadedConfig, opts store.MigrateOptions) ([]migrationView, error) {
	transactional, primary, closeAll, err := openDatabases(c.settings)
	if err != nil {
		return nil, err
	}
	var views []migrationView
	report, err := transactional.Migrate(ctx, opts)
	if report != nil {
		views = append(views, viewMigration("transactional", transactional.DB().Backend(), report))
	}
	errs := []error{wrapped("transactional database", err)}
	if err == nil || errors.Is(err, store.ErrNotReady) {
		report, err = primary.Migrate(ctx, opts)
		if report != nil {
			views = append(views, viewMigration("primary", primary.DB().Backend(), report))
		}
		errs = append(errs, wrapped("primary database", err))
	}
	return views, errors.Join(append(errs, closeAll())...)
}

func wrapped(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", what, err)
}

func (o *output) migrations(views []migrationView, dryRun bool) error {
	if o.json {
		return o.document(struct {
			DryRun    bool            `json:"dry_run"`
			Databases []migrationView `json:"databases"`
		}{dryRun, views})
	}
	var text strings.Builder
	for i := range views {
		views[i].write(&text, dryRun)
	}
	_, err := fmt.Fprint(o.out, text.String())
	return err
}

func (v *migrationView) write(w *strings.Builder, dryRun bool) {
	created, applied := "created table", "applied"
	if dryRun {
		created, applied = "would create table", "would apply"
	}
	naming := ""
	if v.Naming != "" {
		naming = ", naming " + v.Naming
	}
	fmt.Fprintf(w, "%s database (%s%s)\n", v.Database, v.Backend, naming)
	for _, table := range v.CreatedTables {
		fmt.Fprintf(w, "  %s %s\n", created, table)
	}
	for _, step := range v.Applied {
		fmt.Fprintf(w, "  %s %d %s\n", applied, step.Version, step.Name)
	}
	if len(v.CreatedTables) == 0 && len(v.Applied) == 0 {
		w.WriteString("  up to date\n")
	}
	for _, table := range v.MissingTables {
		fmt.Fprintf(w, "  missing table %s, which the application that owns the database should have\n", table)
	}
	if len(v.MissingColumns) > 0 {
		fmt.Fprintf(w, "  done without, as the database lacks them: %s\n", strings.Join(v.MissingColumns, ", "))
	}
	if dryRun {
		v.writeSQL(w)
	}
}

// writeSQL shows what a dry run would have run.
func (v *migrationView) writeSQL(w *strings.Builder) {
	statements := list(v.CreateSQL)
	for _, step := range v.Applied {
		statements = append(statements, step.SQL)
	}
	for _, statement := range statements {
		w.WriteByte('\n')
		statement = strings.TrimSuffix(strings.TrimSpace(statement), ";") + ";"
		for line := range strings.Lines(statement) {
			w.WriteString(strings.TrimRight("    "+line, " \n") + "\n")
		}
	}
	if len(statements) > 0 {
		w.WriteByte('\n')
	}
}
