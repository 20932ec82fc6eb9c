package store_test

import (
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/genfity/wa-gateway/store"
	"github.com/genfity/wa-gateway/store/storetest"
)

var snakeTables = []string{
	"users", "whats_app_sessions", "whatsapp_api_packages", "services_whatsapp_customers", "whats_app_message_stats", "user_sessions",
}

// shape describes all tables outside of our own, to see whether any changed.
func shape(t *testing.T, d *storetest.Database) string {
	t.Helper()
	query := `SELECT coalesce(string_agg(table_schema || '.' || table_name || '.' || column_name || ' ' || data_type || ' ' || is_nullable || ' ' || coalesce(column_default, ''), E'\n'
		ORDER BY table_schema, table_name, ordinal_position), '') FROM information_schema.columns WHERE table_schema NOT IN ('pg_catalog', 'information_schema', 'wa_gateway')`
	if !d.Postgres() {
		if _, err := os.Stat(strings.TrimPrefix(d.DSN, "sqlite://")); err != nil {
			return ""
		}
		query = `SELECT coalesce(group_concat(sql, char(10)), '') FROM (SELECT sql FROM sqlite_master WHERE name NOT LIKE 'wa_gateway%' AND name NOT LIKE 'sqlite%' ORDER BY name)`
	}
	var text string
	d.Query(t, query, nil, &text)
	return text
}

func TestMigrate(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *storetest.Database) {
		before := shape(t, d)
		tr := store.NewTransactional(openDB(t, d.DSN), "")

		dry, err := tr.Migrate(t.Context(), store.MigrateOptions{DryRun: true})
		must(t, err)
		if tr.Ready() || shape(t, d) != before {
			t.Error("the dry run did something")
		}
		if d.Postgres() && d.Count(t, "pg_namespace", "nspname = 'wa_gateway'") != 0 {
			t.Error("the dry run made the schema")
		}
		if d.Kind == storetest.SQLite {
			if _, err := os.Stat(filepath.Dir(strings.TrimPrefix(d.DSN, "sqlite://"))); err == nil {
				t.Error("the dry run made the folder")
			}
		}
		if _, err := tr.Inspect(t.Context()); !errors.Is(err, store.ErrNotReady) {
			t.Errorf("inspected before it was migrated: %v", err)
		}

		done, err := tr.Migrate(t.Context(), store.MigrateOptions{})
		must(t, err)
		if !tr.Ready() {
			t.Error("not ready after the migration")
		}
		for _, r := range []*store.MigrateReport{dry, done} {
			wantNaming, wantCreated := store.NamingSnake, snakeTables
			if d.Prisma() {
				wantNaming, wantCreated = store.NamingPrisma, nil
			}
			if r.Naming != wantNaming || !slices.Equal(r.CreatedTables, wantCreated) || len(r.MissingTables) != 0 {
				t.Errorf("report %+v", r)
			}
			if len(r.Applied) == 0 || r.Applied[0].Version != 1 || r.Applied[0].Name != "keys_and_reservations" ||
				!strings.HasPrefix(r.Applied[0].SQL, "-- The gateway's own API keys") || strings.Contains(r.Applied[0].SQL, "DROP") {
				t.Errorf("applied %+v", r.Applied)
			}
			hasToken := !slices.Contains(r.MissingColumns, "WhatsAppSession.token")
			if hasToken != d.Complete() {
				t.Errorf("missing columns: %v", r.MissingColumns)
			}
		}
		if d.Prisma() && shape(t, d) != before {
			t.Error("a foreign table was changed")
		}

		again, err := tr.Migrate(t.Context(), store.MigrateOptions{})
		must(t, err)
		if len(again.Applied) != 0 || len(again.CreatedTables) != 0 {
			t.Errorf("again: %+v", again)
		}
		report, err := tr.Inspect(t.Context())
		must(t, err)
		if len(report.Tables) != 6 || len(report.Pending) != 0 || len(report.Blockers) != 0 {
			t.Errorf("report %+v", report)
		}
	})
}

// Many nodes start at once; each has its own pools.
func TestMigrateTogether(t *testing.T) {
	for _, kind := range []storetest.Kind{storetest.SQLite, storetest.PostgresSnake, storetest.PostgresPrisma} {
		t.Run(string(kind), func(t *testing.T) {
			d := storetest.New(t, kind)
			var wg sync.WaitGroup
			for range 5 {
				db := openDB(t, d.DSN)
				for range 2 { // as with one DSN for both databases
					wg.Go(func() {
						tr := store.NewTransactional(db, "")
						if _, err := tr.Migrate(t.Context(), store.MigrateOptions{}); err != nil || !tr.Ready() {
							t.Errorf("ready %v: %v", tr.Ready(), err)
						}
					})
				}
			}
			wg.Wait()
			if n := d.Count(t, d.Own("schema_migrations_transactional"), "version_id = 1"); n != 1 {
				t.Errorf("applied %d times", n)
			}
		})
	}
}

func TestMigrateEmptyWithNaming(t *testing.T) {
	for _, kind := range []storetest.Kind{storetest.SQLite, storetest.PostgresSnake} {
		t.Run(string(kind), func(t *testing.T) {
			d := storetest.New(t, kind)
			report, err := store.NewTransactional(openDB(t, d.DSN), store.NamingPrisma).Migrate(t.Context(), store.MigrateOptions{})
			must(t, err)
			if !slices.Contains(report.CreatedTables, "WhatsAppMessageStats") {
				t.Errorf("created %v", report.CreatedTables)
			}
			// Another node finds the same by looking.
			tr := store.NewTransactional(openDB(t, d.DSN), "")
			found, err := tr.Inspect(t.Context())
			must(t, err)
			if found.Naming != store.NamingPrisma || len(found.MissingColumns) != 0 {
				t.Errorf("found %+v", found)
			}
			addUser(t, tr, "u")
			addSession(t, tr, "u", "s")
			d.Exec(t, `INSERT INTO "UserSession" ("id", "userId", "token", "expiresAt") VALUES ('l', 'u', 't', '2999-01-01')`)
			login, session, err := tr.UserBySessionToken(t.Context(), "t")
			must(t, err)
			if login.ID != "u" || !session.IsActive {
				t.Errorf("login %+v", session)
			}
			if _, err := d.SQL.ExecContext(t.Context(), `INSERT INTO "WhatsAppSession" ("id", "sessionId", "userId") VALUES ('x', 'y', 'nobody')`); err == nil && d.Postgres() {
				t.Error("the foreign keys are missing")
			}
		})
	}
}

// A database of somebody else's gets our tables and no others.
func TestMigratePartOfTheTables(t *testing.T) {
	for _, kind := range []storetest.Kind{storetest.SQLitePrisma, storetest.PostgresPrisma} {
		t.Run(string(kind), func(t *testing.T) {
			d := storetest.New(t, kind)
			d.Exec(t, `DROP TABLE "UserSession"`)
			d.Exec(t, `DROP TABLE "WhatsAppMessageStats"`)
			tr := store.NewTransactional(openDB(t, d.DSN), "")
			report, err := tr.Migrate(t.Context(), store.MigrateOptions{})
			must(t, err)
			if !slices.Equal(report.MissingTables, []string{"WhatsAppMessageStats", "UserSession"}) || report.CreatedTables != nil {
				t.Errorf("report %+v", report)
			}
			addUser(t, tr, "u")
			addSession(t, tr, "u", "s")
			must(t, tr.RemoveSession(t.Context(), "u", "s"))
			if _, _, err := tr.UserBySessionToken(t.Context(), "t"); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("a token without its table: %v", err)
			}

			// What the gateway cannot do without makes it wait.
			d.Exec(t, `DROP TABLE "WhatsAppSession"`)
			tr = store.NewTransactional(openDB(t, d.DSN), "")
			report, err = tr.Migrate(t.Context(), store.MigrateOptions{})
			if !errors.Is(err, store.ErrNotReady) || !strings.Contains(err.Error(), "WhatsAppSession") || tr.Ready() {
				t.Errorf("without sessions: %v", err)
			}
			if report == nil || len(report.MissingTables) != 3 {
				t.Errorf("report %+v", report)
			}
			d.Exec(t, `ALTER TABLE "WhatsappApiPackage" DROP COLUMN "maxSession"`)
			if _, err := tr.Inspect(t.Context()); err == nil || !strings.Contains(err.Error(), "WhatsappApiPackage.maxSession") {
				t.Errorf("without a column that is needed: %v", err)
			}
		})
	}
}

// The other application's role may not create anything in the database.
func TestMigrateWithoutRights(t *testing.T) {
	d := storetest.New(t, storetest.PostgresPrisma)
	role := strings.Trim(strings.TrimPrefix(d.DSN[strings.LastIndex(d.DSN, "/"):], "/"), "/")
	role, _, _ = strings.Cut(role, "?")
	d.Exec(t, `CREATE ROLE "`+role+`" LOGIN PASSWORD '`+secret+`'`)
	u, err := url.Parse(d.DSN)
	must(t, err)
	u.User = url.UserPassword(role, secret)
	tr := store.NewTransactional(openDB(t, u.String()), "")
	_, err = tr.Migrate(t.Context(), store.MigrateOptions{})
	if err == nil || !strings.Contains(err.Error(), "CREATE SCHEMA wa_gateway AUTHORIZATION") {
		t.Errorf("without rights: %v", err)
	}
	noSecret(t, err)

	d.Exec(t, `CREATE SCHEMA wa_gateway AUTHORIZATION "`+role+`"`)
	d.Exec(t, `GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO "`+role+`"`)
	_, err = tr.Migrate(t.Context(), store.MigrateOptions{})
	must(t, err)
	addUser(t, tr, "u")
	_, err = tr.ReserveSession(t.Context(), "u", "s", 1, 0)
	must(t, err)
	d.Exec(t, `DROP OWNED BY "`+role+`" CASCADE`)
	d.Exec(t, `DROP ROLE "`+role+`"`)
}

// The table that an unqualified name means is the first on the search path.
func TestInspectSearchPath(t *testing.T) {
	d := storetest.New(t, storetest.PostgresPrisma)
	d.Exec(t, `CREATE SCHEMA front`)
	d.Exec(t, `CREATE TABLE front."User" ("id" text PRIMARY KEY, "createdAt" timestamptz)`)
	u, err := url.Parse(d.DSN)
	must(t, err)
	q := u.Query()
	q.Set("search_path", "missing,front,public")
	u.RawQuery = q.Encode()
	tr := store.NewTransactional(openDB(t, u.String()), "")
	_, err = tr.Migrate(t.Context(), store.MigrateOptions{})
	must(t, err)
	addUser(t, tr, "u")
	if d.Count(t, `front."User"`, "true") != 1 || d.Count(t, `public."User"`, "true") != 0 {
		t.Error("the user is in the wrong table")
	}
	user, err := tr.User(t.Context(), "u")
	if must(t, err); user.Role != "customer" || !user.IsActive || user.CreatedAt.IsZero() {
		t.Errorf("got %+v", user)
	}
}

// Prisma may map the tables' names and leave the columns, or the reverse.
func TestInspectMixedSpelling(t *testing.T) {
	for _, kind := range []storetest.Kind{storetest.SQLitePrisma, storetest.PostgresPrisma} {
		t.Run(string(kind), func(t *testing.T) {
			d := storetest.New(t, kind)
			for prisma, snake := range map[string]string{
				"User": "users", "WhatsAppSession": "whats_app_sessions", "WhatsappApiPackage": "whatsapp_api_packages",
				"ServicesWhatsappCustomers": "services_whatsapp_customers", "WhatsAppMessageStats": "whats_app_message_stats", "UserSession": "user_sessions",
			} {
				d.Exec(t, `ALTER TABLE "`+prisma+`" RENAME TO "`+snake+`"`)
			}
			d.Exec(t, `ALTER TABLE "users" RENAME COLUMN "apiKey" TO "api_key"`)
			tr := store.NewTransactional(openDB(t, d.DSN), "")
			report, err := tr.Migrate(t.Context(), store.MigrateOptions{})
			must(t, err)
			if report.Naming != store.NamingSnake || report.CreatedTables != nil {
				t.Errorf("report %+v", report)
			}
			must(t, tr.CreateUser(t.Context(), &store.User{ID: "u", APIKey: ptr("k"), IsActive: true}))
			user, err := tr.UserByAPIKey(t.Context(), "k")
			if must(t, err); user.ID != "u" || user.CreatedAt.IsZero() {
				t.Errorf("got %+v", user)
			}
			must(t, tr.AddPackage(t.Context(), &store.Package{ID: "p", Name: "Pro", MaxSession: 2}))
			must(t, tr.SetSubscription(t.Context(), "u", "p", "active", user.CreatedAt.AddDate(1, 0, 0)))
			subs, err := tr.SubscriptionsOf(t.Context(), "u")
			if must(t, err); len(subs) != 1 || subs[0].Package.MaxSession != 2 {
				t.Errorf("got %+v", subs)
			}
		})
	}
}

// A column of the other application's that must be filled by somebody.
func TestInsertIsBlocked(t *testing.T) {
	for _, kind := range []storetest.Kind{storetest.SQLitePrisma, storetest.PostgresPrisma} {
		t.Run(string(kind), func(t *testing.T) {
			d := storetest.New(t, kind)
			d.Exec(t, `DROP TABLE "UserSession"`)
			d.Exec(t, `DROP TABLE "WhatsAppMessageStats"`)
			d.Exec(t, `DROP TABLE "WhatsAppSession"`)
			d.Exec(t, `CREATE TABLE "WhatsAppSession" ("id" TEXT PRIMARY KEY, "sessionId" TEXT UNIQUE, "userId" TEXT, "serverRegion" TEXT NOT NULL)`)
			tr := migrated(t, d)
			addUser(t, tr, "u")
			err := tr.AddSession(t.Context(), &store.Session{SessionID: "s", UserID: ptr("u")})
			if err == nil || !strings.Contains(err.Error(), `"serverRegion"`) {
				t.Errorf("got %v", err)
			}
			report, err := tr.Inspect(t.Context())
			must(t, err)
			if len(report.Blockers) != 1 || !strings.Contains(report.Blockers[0], `"serverRegion"`) {
				t.Errorf("blockers %v", report.Blockers)
			}
		})
	}
}
