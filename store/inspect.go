package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"gorm.io/driver/postgres"
	"gorm.io/gorm"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/ncruces/go-sqlite3"
	"github.com/ncruces/go-sqlite3/gormlite"
)

// SchemaReport says how the transactional database looks to the gateway.
type SchemaReport struct {
	Naming         Naming      // of the foreign tables
	Tables         []string    // foreign tables that are there, as they are spelled
	MissingTables  []string    // foreign tables that are not
	MissingColumns []string    // table.column that contract §2 names and this database lacks
	Blockers       []string    // why the gateway cannot insert into some table
	Pending        []Migration // of our own tables
}

// requiredTables are those without which no call can be let through.
var requiredTables = []string{tableUsers, tableSessions, tablePackages, tableSubscriptions}

// Inspect looks at the tables and columns and remembers them for every query. It
// must have succeeded once before any of them; later ones may be made at any
// time, as after the other application changed its schema. The error is an
// [ErrNotReady] that says what is missing, and the report is filled all the same.
func (t *Transactional) Inspect(ctx context.Context) (*SchemaReport, error) {
	t.inspecting.Lock()
	defer t.inspecting.Unlock()
	return t.inspect(ctx)
}

// lookAgain is Inspect, unless somebody has looked since stale was found.
func (t *Transactional) lookAgain(ctx context.Context, stale *foreignSchema) error {
	t.inspecting.Lock()
	defer t.inspecting.Unlock()
	if t.found.Load() != stale {
		return nil
	}
	_, err := t.inspect(ctx)
	return err
}

func (t *Transactional) inspect(ctx context.Context) (*SchemaReport, error) {
	found, err := inspect(ctx, t.db, t.naming)
	if err != nil {
		return nil, err
	}
	pending, err := t.db.pending(ctx, migrationsTransactional)
	if err != nil {
		return nil, err
	}
	report := found.report()
	report.Pending = pending
	if err := found.usable(); err != nil {
		return report, err
	}
	if len(pending) > 0 {
		return report, fmt.Errorf("%w: %d migrations of the gateway's own tables are pending; run caddy wa-gateway migrate",
			ErrNotReady, len(pending))
	}
	t.found.Store(found)
	return report, nil
}

func (s *foreignSchema) report() *SchemaReport {
	r := &SchemaReport{Naming: s.naming}
	r.MissingTables, r.MissingColumns = s.missing()
	for _, logical := range foreignTables {
		if !s.hasTable(logical) {
			continue
		}
		r.Tables = append(r.Tables, s.tables[logical].name)
		if err := s.blocker(logical); err != nil {
			r.Blockers = append(r.Blockers, err.Error())
		}
	}
	return r
}

// missing lists what contract §2 names and the database lacks, in its spelling.
func (s *foreignSchema) missing() (tables, columns []string) {
	for _, logical := range foreignTables {
		table := s.tables[logical]
		if !table.exists {
			tables = append(tables, table.name)
			continue
		}
		for _, spec := range foreignColumns[logical] {
			if !s.has(logical, spec.name) {
				columns = append(columns, table.name+"."+s.naming.column(spec.name))
			}
		}
	}
	return tables, columns
}

// usable says what is missing that the gateway cannot do without.
func (s *foreignSchema) usable() error {
	var lacks []string
	for _, logical := range foreignTables {
		table := s.tables[logical]
		if !table.exists {
			if slices.Contains(requiredTables, logical) {
				lacks = append(lacks, "table "+table.name)
			}
			continue
		}
		for _, spec := range foreignColumns[logical] {
			if !spec.optional && !s.has(logical, spec.name) {
				lacks = append(lacks, "column "+table.name+"."+s.naming.column(spec.name))
			}
		}
	}
	if len(lacks) == 0 {
		return nil
	}
	return fmt.Errorf("%w: the transactional database lacks %s (naming %s)",
		ErrNotReady, strings.Join(lacks, ", "), s.naming)
}

// inspect looks at the foreign tables. Spelling is found by where more of the
// tables are, and snake when there are none.
func inspect(ctx context.Context, db *DB, want Naming) (*foreignSchema, error) {
	var seen map[string][]foundColumn
	err := db.read(ctx, func(q *gorm.DB) (err error) {
		seen, err = db.columns(q)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("look at the tables: %w", err)
	}
	s := &foreignSchema{naming: want, any: len(seen) > 0, tables: make(map[string]*foundTable, len(foreignTables))}
	if s.naming == "" {
		s.naming = guessNaming(seen)
	}
	for _, logical := range foreignTables {
		name := s.naming.table(logical)
		columns, exists := seen[name]
		s.tables[logical] = matchTable(logical, name, exists, columns, s.naming)
	}
	return s, s.bind(db)
}

func guessNaming(seen map[string][]foundColumn) Naming {
	var snake, prisma int
	for _, logical := range foreignTables {
		if _, ok := seen[NamingSnake.table(logical)]; ok {
			snake++
		}
		if _, ok := seen[NamingPrisma.table(logical)]; ok {
			prisma++
		}
	}
	if prisma > snake {
		return NamingPrisma
	}
	return NamingSnake
}

// matchTable finds the columns. Prisma can map a table's name without its
// columns' and the other way round, so each column may have either spelling.
func matchTable(logical, name string, exists bool, columns []foundColumn, naming Naming) *foundTable {
	table := &foundTable{name: name, exists: exists, columns: map[string]foundColumn{}}
	byName := make(map[string]foundColumn, len(columns))
	for _, c := range columns {
		byName[c.name] = c
	}
	for _, spec := range foreignColumns[logical] {
		for _, spelled := range []string{naming.column(spec.name), spec.name, camel(spec.name)} {
			if c, ok := byName[spelled]; ok {
				table.columns[spec.name] = c
				delete(byName, spelled)
				break
			}
		}
		if !exists {
			table.columns[spec.name] = foundColumn{name: naming.column(spec.name)}
		}
	}
	for _, c := range columns {
		if _, unknown := byName[c.name]; unknown {
			table.extra = append(table.extra, c)
		}
	}
	return table
}

// bind makes GORM handles that know these names; they share the DB's pools.
func (s *foreignSchema) bind(db *DB) error {
	var err error
	if db.backend == Postgres {
		s.reader, err = newGorm(postgres.New(postgres.Config{Conn: db.pools[0]}), db.namer(s))
		s.writer = s.reader
		return err
	}
	if s.writer, err = newGorm(gormlite.OpenDB(db.pools[0]), db.namer(s)); err != nil {
		return err
	}
	s.reader, err = newGorm(gormlite.OpenDB(db.pools[1]), db.namer(s))
	return err
}

// columns lists the columns of the tables that have one of the foreign tables'
// names, in either spelling.
func (db *DB) columns(q *gorm.DB) (map[string][]foundColumn, error) {
	if db.backend == Postgres {
		return postgresColumns(q)
	}
	return sqliteColumns(q)
}

// tableNames are the foreign tables' names in both spellings.
func tableNames() []string {
	var names []string
	for _, logical := range foreignTables {
		names = append(names, NamingSnake.table(logical), NamingPrisma.table(logical))
	}
	return names
}

// postgresColumns reads the catalogue rather than information_schema, which
// hides columns that the role may not use. Tables are found as an unqualified
// name finds them: in the first schema of the search path that has one.
func postgresColumns(q *gorm.DB) (map[string][]foundColumn, error) {
	var rows []struct {
		Position int64
		Relation string
		Name     string
		NotNull  bool
		Filled   bool
	}
	err := q.Raw(`
		SELECT path.position, c.relname AS relation, a.attname AS name, a.attnotnull AS not_null,
		       a.atthasdef OR a.attidentity <> '' AS filled
		FROM unnest(current_schemas(false)) WITH ORDINALITY AS path(schema, position)
		JOIN pg_catalog.pg_namespace n ON n.nspname = path.schema
		JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
		JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
		WHERE c.relname IN ?
		ORDER BY path.position, c.relname, a.attnum`, tableNames()).Scan(&rows).Error
	if err != nil {
		return nil, err
	}
	seen := map[string][]foundColumn{}
	position := map[string]int64{}
	for _, r := range rows {
		if p, ok := position[r.Relation]; ok && p != r.Position {
			continue // hidden behind a table of an earlier schema
		}
		position[r.Relation] = r.Position
		seen[r.Relation] = append(seen[r.Relation], foundColumn{name: r.Name, notNull: r.NotNull, filled: r.Filled})
	}
	return seen, nil
}

func sqliteColumns(q *gorm.DB) (map[string][]foundColumn, error) {
	var rows []struct {
		Relation string
		Name     string
		NotNull  bool
		Filled   bool
	}
	// hidden is 2 or 3 for generated columns; a rowid alias fills itself.
	err := q.Raw(`
		SELECT m.name AS relation, c.name AS name, c."notnull" AS not_null,
		       c.dflt_value IS NOT NULL OR c.hidden IN (2, 3) OR (c.pk = 1 AND upper(c.type) = 'INTEGER') AS filled
		FROM sqlite_master AS m, pragma_table_xinfo(m.name) AS c
		WHERE m.type IN ('table', 'view') AND m.name IN ? AND c.hidden <> 1
		ORDER BY m.name, c.cid`, tableNames()).Scan(&rows).Error
	if err != nil {
		return nil, err
	}
	seen := map[string][]foundColumn{}
	for _, r := range rows {
		seen[r.Relation] = append(seen[r.Relation], foundColumn{name: r.Name, notNull: r.NotNull, filled: r.Filled})
	}
	return seen, nil
}

// shapeChanged says that a table or column that the last inspection saw is gone.
func shapeChanged(err error) bool {
	var pgErr *pgconn.PgError
	if errors.As(err, &pgErr) {
		return pgErr.Code == "42703" || pgErr.Code == "42P01"
	}
	var sqliteErr *sqlite3.Error
	return errors.As(err, &sqliteErr) && sqliteErr.Code() == sqlite3.ERROR &&
		(strings.Contains(sqliteErr.Error(), "no such column") ||
			strings.Contains(sqliteErr.Error(), "no such table") ||
			strings.Contains(sqliteErr.Error(), "has no column named"))
}
