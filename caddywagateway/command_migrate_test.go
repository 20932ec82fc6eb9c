package caddywagateway

import (
	"os"
	"slices"
	"testing"

	"github.com/genfity/wa-gateway/store/storetest"
)

// migrateDocument is what `migrate --json` prints.
type migrateDocument struct {
	DryRun    bool            `json:"dry_run"`
	Databases []migrationView `json:"databases"`
}

func TestCommandMigrate(t *testing.T) {
	onEach(t, func(t *testing.T, d *storetest.Database) {
		c := cliOn(t, d)
		var plan, done, again migrateDocument
		text := c.ok("migrate", "--dry-run")
		contains(t, text, `^transactional database \(`, `^  would apply 1 `, `^primary database \(sqlite\)$`, `^    CREATE TABLE `)
		c.document(&plan, "migrate", "--dry-run")
		if _, err := os.Stat("primary.db"); err == nil {
			t.Error("the dry run made a file")
		}
		if d.Postgres() && d.Count(t, "pg_catalog.pg_namespace", "nspname = 'wa_gateway'") != 0 {
			t.Error("the dry run made a schema")
		}
		c.document(&done, "migrate")
		if !plan.DryRun || done.DryRun || len(plan.Databases) != 2 || len(done.Databases) != 2 {
			t.Fatalf("planned %d, done %d", len(plan.Databases), len(done.Databases))
		}
		for i, name := range []string{"transactional", "primary"} {
			p, m := plan.Databases[i], done.Databases[i]
			if m.Database != name || len(m.Applied) == 0 || len(p.Applied) != len(m.Applied) || len(p.CreatedTables) != len(m.CreatedTables) {
				t.Errorf("%s: planned %d steps and tables %v, done %d and %v", name, len(p.Applied), p.CreatedTables, len(m.Applied), m.CreatedTables)
			}
		}
		first := done.Databases[0]
		naming, created := "snake", 6
		if d.Prisma() {
			naming, created = "prisma", 0
		}
		if first.Naming != naming || len(first.CreatedTables) != created ||
			slices.Contains(first.MissingColumns, "User.isActive") != !d.Complete() {
			t.Errorf("naming %s, created %v, missing %v", first.Naming, first.CreatedTables, first.MissingColumns)
		}
		c.document(&again, "migrate")
		for _, m := range again.Databases {
			if len(m.Applied) != 0 || len(m.CreatedTables) != 0 {
				t.Errorf("again %+v", m)
			}
		}
		contains(t, c.ok("migrate"), `^  up to date$`)
	})
}

// What the other application must mend is said, and does not keep the rest from
// being done.
func TestCommandMigrateUnusable(t *testing.T) {
	d := storetest.New(t, storetest.PostgresPrisma)
	d.Exec(t, `DROP TABLE {services_whatsapp_customers}`)
	c := cliOn(t, d)
	r := c.run("migrate")
	if r.code != 1 {
		t.Errorf("exit code %d", r.code)
	}
	contains(t, r.stdout, `^  missing table ServicesWhatsappCustomers, `, `^primary database`)
	contains(t, r.stderr, `^Error: transactional database: .*lacks table ServicesWhatsappCustomers`)
	if _, err := os.Stat("primary.db"); err != nil {
		t.Error(err)
	}
}

// Both databases may be one.
func TestCommandMigrateOne(t *testing.T) {
	d := storetest.New(t, storetest.PostgresSnake)
	t.Setenv(dsnVariable, d.DSN)
	c := newCLI(t, "{\n\twa_gateway {\n\t\ttransactional_db {env.WA_TEST_COMMAND_DSN}\n\t\tprimary_db {env.WA_TEST_COMMAND_DSN}\n\t}\n}\n")
	c.ok("migrate")
	var again migrateDocument
	c.document(&again, "migrate", "--dry-run")
	for _, m := range again.Databases {
		if m.Backend != "postgres" || len(m.Applied) != 0 {
			t.Errorf("again %+v", m)
		}
	}
}
