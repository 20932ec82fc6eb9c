package store

import (
	"fmt"

	"gorm.io/gorm"
)

// columnKind is the type of a column by what the gateway does with it.
type columnKind int

const (
	kindText columnKind = iota
	kindBool
	kindInt
	kindTime
)

// columnSpec is one column of a foreign table as contract §2 names it.
type columnSpec struct {
	name     string // logical, which is the snake spelling
	kind     columnKind
	optional bool   // older deployments may lack it
	nullable bool   // where we create the table
	fallback string // its SQL default where we create the table
	unique   bool
	refs     string // "table.column", logical
}

// foreignColumns lists what the gateway reads and writes of each foreign table.
// The first column is the primary key.
var foreignColumns = map[string][]columnSpec{
	tableUsers: {
		{name: "id"},
		{name: "name", nullable: true, optional: true},
		{name: "email", nullable: true, unique: true, optional: true},
		{name: "phone", nullable: true, unique: true, optional: true},
		{name: "role", fallback: "'customer'", optional: true},
		{name: "api_key", nullable: true, unique: true, optional: true},
		{name: "is_active", kind: kindBool, fallback: "true", optional: true},
		{name: "created_at", kind: kindTime, fallback: "now", optional: true},
		{name: "updated_at", kind: kindTime, optional: true},
	},
	tableSessions: {
		{name: "id"},
		{name: "session_id", unique: true},
		{name: "session_name", nullable: true, optional: true},
		{name: "token", nullable: true, unique: true, optional: true},
		{name: "user_id", nullable: true, refs: tableUsers + ".id"},
		{name: "webhook", nullable: true, optional: true},
		{name: "events", nullable: true, optional: true},
		{name: "connected", kind: kindBool, fallback: "false", optional: true},
		{name: "logged_in", kind: kindBool, fallback: "false", optional: true},
		{name: "jid", nullable: true, optional: true},
		{name: "qrcode", nullable: true, optional: true},
		{name: "status", fallback: "'disconnected'", optional: true},
		{name: "message", nullable: true, optional: true},
		{name: "created_at", kind: kindTime, fallback: "now", optional: true},
		{name: "updated_at", kind: kindTime, optional: true},
	},
	tablePackages: {
		{name: "id"},
		{name: "name"},
		{name: "description", nullable: true, optional: true},
		{name: "price_month", kind: kindInt, fallback: "0", optional: true},
		{name: "price_year", kind: kindInt, fallback: "0", optional: true},
		{name: "max_session", kind: kindInt, fallback: "1"},
		{name: "created_at", kind: kindTime, fallback: "now", optional: true},
		{name: "updated_at", kind: kindTime, optional: true},
	},
	tableSubscriptions: {
		{name: "id"},
		{name: "customer_id", refs: tableUsers + ".id"},
		{name: "package_id", refs: tablePackages + ".id"},
		{name: "status", fallback: "'activating'"},
		{name: "activated_at", kind: kindTime, nullable: true, optional: true},
		{name: "expired_at", kind: kindTime},
		{name: "created_at", kind: kindTime, fallback: "now", optional: true},
		{name: "updated_at", kind: kindTime, optional: true},
	},
	tableStats: {
		{name: "id"},
		{name: "user_id", refs: tableUsers + ".id"},
		{name: "session_id", refs: tableSessions + ".session_id"},
		{name: "total_messages_sent", kind: kindInt, fallback: "0"},
		{name: "total_messages_failed", kind: kindInt, fallback: "0"},
		{name: "last_message_sent_at", kind: kindTime, nullable: true, optional: true},
		{name: "last_message_failed_at", kind: kindTime, nullable: true, optional: true},
		{name: "created_at", kind: kindTime, fallback: "now", optional: true},
		{name: "updated_at", kind: kindTime, optional: true},
	},
	tableUserSessions: {
		{name: "id"},
		{name: "user_id", refs: tableUsers + ".id"},
		{name: "token", unique: true},
		{name: "is_active", kind: kindBool, fallback: "true", optional: true},
		{name: "last_used", kind: kindTime, nullable: true, optional: true},
		{name: "expires_at", kind: kindTime},
		{name: "created_at", kind: kindTime, fallback: "now", optional: true},
		{name: "updated_at", kind: kindTime, optional: true},
	},
}

// foundColumn is a column as the database has it.
type foundColumn struct {
	name    string
	notNull bool
	filled  bool // the database fills it by itself: default, identity, generated
}

// foundTable is a foreign table as the database has it.
type foundTable struct {
	name    string                 // as it is spelled, or would be
	exists  bool                   // false: missing
	columns map[string]foundColumn // by logical name
	extra   []foundColumn          // those the gateway does not know
}

func (t *foundTable) columnName(logical string) string {
	if c, ok := t.columns[logical]; ok {
		return c.name
	}
	return logical
}

// foreignSchema is what an inspection found; it never changes afterwards.
type foreignSchema struct {
	naming Naming
	tables map[string]*foundTable // all six, by logical name
	any    bool                   // the database has one of them, in either spelling

	// GORM with these names, for reads and for writes.
	reader, writer *gorm.DB
}

// hasTable says whether the database has the foreign table.
func (s *foreignSchema) hasTable(logical string) bool { return s.tables[logical].exists }

// table is the quoted name of a foreign table, for SQL text.
func (s *foreignSchema) table(logical string) string { return quote(s.tables[logical].name) }

// has says whether the foreign table has the column.
func (s *foreignSchema) has(table, column string) bool {
	_, ok := s.tables[table].columns[column]
	return ok
}

// col is the quoted name of a foreign table's column, for SQL text.
func (s *foreignSchema) col(table, column string) string {
	return quote(s.tables[table].columnName(column))
}

// cols are the columns of the foreign table that are there, as GORM's Select
// takes them.
func (s *foreignSchema) cols(table string) []string {
	names := make([]string, 0, len(foreignColumns[table]))
	for _, spec := range foreignColumns[table] {
		if s.has(table, spec.name) {
			names = append(names, s.tables[table].columnName(spec.name))
		}
	}
	return names
}

// blocker names a column that an INSERT into the table would have to fill and
// that the gateway knows nothing about.
func (s *foreignSchema) blocker(table string) error {
	for _, c := range s.tables[table].extra {
		if c.notNull && !c.filled {
			return fmt.Errorf("cannot insert into %s: its column %s must have a value, has no default, and is not the gateway's to choose; give it a default",
				s.table(table), quote(c.name))
		}
	}
	return nil
}
