package store

import (
	"strings"

	"gorm.io/gorm/schema"
)

// Naming is how the foreign tables are spelled (contract §2).
type Naming string

// The spellings found in the field. The empty one means: found by looking.
const (
	NamingSnake  Naming = "snake"  // users.created_at
	NamingPrisma Naming = "prisma" // "User"."createdAt"
)

// The foreign tables by their logical names, which are the snake ones.
const (
	tableUsers         = "users"
	tableSessions      = "whats_app_sessions"
	tablePackages      = "whatsapp_api_packages"
	tableSubscriptions = "services_whatsapp_customers"
	tableStats         = "whats_app_message_stats"
	tableUserSessions  = "user_sessions"
)

// foreignTables in an order in which references point backwards.
var foreignTables = []string{
	tableUsers, tableSessions, tablePackages, tableSubscriptions, tableStats, tableUserSessions,
}

var prismaTables = map[string]string{
	tableUsers:         "User",
	tableSessions:      "WhatsAppSession",
	tablePackages:      "WhatsappApiPackage",
	tableSubscriptions: "ServicesWhatsappCustomers",
	tableStats:         "WhatsAppMessageStats",
	tableUserSessions:  "UserSession",
}

func (n Naming) table(logical string) string {
	if n == NamingPrisma {
		return prismaTables[logical]
	}
	return logical
}

func (n Naming) column(logical string) string {
	if n == NamingPrisma {
		return camel(logical)
	}
	return logical
}

// camel turns created_at into createdAt.
func camel(snake string) string {
	parts := strings.Split(snake, "_")
	for i, part := range parts[1:] {
		if part != "" {
			parts[i+1] = strings.ToUpper(part[:1]) + part[1:]
		}
	}
	return strings.Join(parts, "")
}

// namer tells GORM the names of tables and columns: those of the foreign ones as
// they were found, those of our own by back end. Indexes and constraints are
// never GORM's business here, as it creates nothing.
type namer struct {
	schema.NamingStrategy
	db      *DB
	foreign *foreignSchema // nil where only our own tables are used
}

func (db *DB) namer(foreign *foreignSchema) *namer {
	return &namer{db: db, foreign: foreign}
}

// ColumnName implements schema.Namer. GORM passes the table under its real name.
func (n *namer) ColumnName(table, field string) string {
	name := n.NamingStrategy.ColumnName(table, field)
	switch field {
	case "JID", "QRCode":
		name = strings.ToLower(field)
	}
	if n.foreign == nil {
		return name
	}
	for logical, t := range n.foreign.tables {
		if t.name == table {
			if logical == tableSubscriptions && name == "user_id" {
				name = "customer_id"
			}
			return t.columnName(name)
		}
	}
	return name
}

// ownTable is what a model of our own answers to GORM's question for its table.
func ownTable(n schema.Namer, table string) string {
	if own, ok := n.(*namer); ok {
		return own.db.ownName(table)
	}
	return table
}

// foreignTableName is what a model of a foreign table answers.
func foreignTableName(n schema.Namer, logical string) string {
	if own, ok := n.(*namer); ok && own.foreign != nil {
		return own.foreign.tables[logical].name
	}
	return logical
}
