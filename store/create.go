package store

import (
	"fmt"
	"strings"
)

// newForeignSchema is what an empty database looks like.
func newForeignSchema(naming Naming) *foreignSchema {
	if naming == "" {
		naming = NamingSnake
	}
	s := &foreignSchema{naming: naming, tables: make(map[string]*foundTable, len(foreignTables))}
	for _, logical := range foreignTables {
		s.tables[logical] = matchTable(logical, naming.table(logical), false, nil, naming)
	}
	return s
}

// empty says that the database has none of the foreign tables, in neither
// spelling: it is nobody's yet, so that we may create them.
func (s *foreignSchema) empty() bool { return !s.any }

// foreignUniques are the uniques over more than one column, and foreignIndexes
// what is looked up besides, by logical names.
var (
	foreignUniques = map[string][]string{
		tableSubscriptions: {"customer_id", "package_id"},
		tableStats:         {"user_id", "session_id"},
	}
	foreignIndexes = map[string]string{
		tableSessions:      "user_id",
		tableSubscriptions: "package_id",
		tableStats:         "session_id",
		tableUserSessions:  "user_id",
	}
)

// createStatements is the DDL of the six tables, shaped as Prisma would have
// them, with two differences: updated_at has a default, and the defaults of
// times are UTC whatever the server's time zone is.
func (s *foreignSchema) createStatements(backend string) []string {
	var statements []string
	for _, logical := range foreignTables {
		lines := make([]string, 0, len(foreignColumns[logical])+3)
		for i, spec := range foreignColumns[logical] {
			line := s.col(logical, spec.name) + " " + columnType(spec.kind, backend)
			if !spec.nullable {
				line += " NOT NULL"
			}
			if i == 0 {
				line += " PRIMARY KEY"
			}
			if value := columnDefault(spec, backend); value != "" {
				line += " DEFAULT " + value
			}
			if spec.unique {
				line += " UNIQUE"
			}
			if spec.refs != "" {
				line += s.references(spec)
			}
			lines = append(lines, line)
		}
		if columns := foreignUniques[logical]; columns != nil {
			lines = append(lines, "UNIQUE ("+s.col(logical, columns[0])+", "+s.col(logical, columns[1])+")")
		}
		statements = append(statements, fmt.Sprintf("CREATE TABLE %s (\n    %s\n)", s.table(logical), strings.Join(lines, ",\n    ")))
		if column := foreignIndexes[logical]; column != "" {
			name := s.tables[logical].name + "_" + s.tables[logical].columnName(column) + "_idx"
			statements = append(statements, fmt.Sprintf("CREATE INDEX %s ON %s (%s)", quote(name), s.table(logical), s.col(logical, column)))
		}
	}
	return statements
}

// references: what belongs to a user or a session goes with it, but no package
// that somebody has subscribed to may be removed.
func (s *foreignSchema) references(spec columnSpec) string {
	table, column, _ := strings.Cut(spec.refs, ".")
	onDelete := "CASCADE"
	if table == tablePackages {
		onDelete = "RESTRICT"
	}
	return fmt.Sprintf(" REFERENCES %s (%s) ON DELETE %s ON UPDATE CASCADE", s.table(table), s.col(table, column), onDelete)
}

func columnType(kind columnKind, backend string) string {
	switch kind {
	case kindBool:
		return "boolean"
	case kindInt:
		return "integer"
	case kindTime:
		if backend == Postgres {
			return "timestamp(3)"
		}
		return "datetime"
	default:
		return "text"
	}
}

func columnDefault(spec columnSpec, backend string) string {
	switch {
	case spec.kind == kindTime && (spec.fallback == "now" || spec.name == "updated_at"):
		if backend == Postgres {
			return "(now() AT TIME ZONE 'UTC')"
		}
		return "(strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))"
	default:
		return spec.fallback
	}
}
