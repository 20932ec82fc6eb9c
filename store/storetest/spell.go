package storetest

import (
	"regexp"
	"strings"
)

// The names of contract §2, written out here a second time so that the tests do
// not believe what the store believes.
var prismaTables = map[string]string{
	"users":                       "User",
	"whats_app_sessions":          "WhatsAppSession",
	"whatsapp_api_packages":       "WhatsappApiPackage",
	"services_whatsapp_customers": "ServicesWhatsappCustomers",
	"whats_app_message_stats":     "WhatsAppMessageStats",
	"user_sessions":               "UserSession",
}

var (
	placeholder = regexp.MustCompile(`\{([a-z_]+)(?:\.([a-z_]+))?\}`)
	underscore  = regexp.MustCompile(`_([a-z])`)
)

// Spell replaces {table} and {table.column} in SQL.
func (d *Database) Spell(query string) string {
	return placeholder.ReplaceAllStringFunc(query, func(match string) string {
		name := placeholder.FindStringSubmatch(match)
		if name[2] != "" {
			return `"` + d.column(name[2]) + `"`
		}
		return `"` + d.table(name[1]) + `"`
	})
}

func (d *Database) table(snake string) string {
	if name, ok := prismaTables[snake]; ok && d.Prisma() {
		return name
	}
	return snake
}

func (d *Database) column(snake string) string {
	if !d.Prisma() {
		return snake
	}
	return underscore.ReplaceAllStringFunc(snake, func(s string) string { return strings.ToUpper(s[1:]) })
}

// prismaStatements are the tables as Prisma would make them for this kind.
// Lines that end in "-- new" are left out of the old kind.
func (d *Database) prismaStatements() []string {
	var kept []string
	for line := range strings.Lines(prismaSQL) {
		line = strings.TrimRight(line, "\n")
		if strings.HasSuffix(line, "-- new") && !d.Complete() || strings.HasPrefix(line, "--") {
			continue
		}
		kept = append(kept, strings.TrimSuffix(line, "-- new"))
	}
	text := strings.Join(kept, "\n")
	if !d.Postgres() {
		text = strings.NewReplacer("TIMESTAMP(3)", "DATETIME", "DOUBLE PRECISION", "REAL").Replace(text)
	}
	var statements []string
	for statement := range strings.SplitSeq(text, ";") {
		if strings.TrimSpace(statement) != "" {
			statements = append(statements, statement)
		}
	}
	return statements
}
