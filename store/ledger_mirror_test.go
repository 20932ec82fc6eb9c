package store_test

import (
	"strings"
	"testing"
	"time"

	"github.com/genfity/wa-gateway/stats"
	"github.com/genfity/wa-gateway/store"
	"github.com/genfity/wa-gateway/store/storetest"
)

// forbidForeign makes every write to the foreign statistics table fail.
func forbidForeign(t *testing.T, d *storetest.Database) (allow func()) {
	t.Helper()
	if d.Postgres() {
		d.Exec(t, `CREATE FUNCTION forbid() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'not yours'; END $$`)
		d.Exec(t, `CREATE TRIGGER forbid BEFORE INSERT OR UPDATE ON {whats_app_message_stats} FOR EACH ROW EXECUTE FUNCTION forbid()`)
		return func() { d.Exec(t, `DROP TRIGGER forbid ON {whats_app_message_stats}`) }
	}
	d.Exec(t, `CREATE TRIGGER forbid_insert BEFORE INSERT ON {whats_app_message_stats} BEGIN SELECT RAISE(ABORT, 'not yours'); END`)
	d.Exec(t, `CREATE TRIGGER forbid_update BEFORE UPDATE ON {whats_app_message_stats} BEGIN SELECT RAISE(ABORT, 'not yours'); END`)
	return func() {
		d.Exec(t, `DROP TRIGGER forbid_insert`)
		d.Exec(t, `DROP TRIGGER forbid_update`)
	}
}

func wantBehind(t *testing.T, tr *store.Transactional, rows int64, reason string) {
	t.Helper()
	n, why, err := tr.MirrorBehind(t.Context())
	must(t, err)
	if n != rows || !strings.Contains(why, reason) || (rows == 0) != (why == "") {
		t.Errorf("%d rows are behind because of %q, want %d, %q", n, why, rows, reason)
	}
}

func TestEventsCountEvenIfTheForeignTableCannotFollow(t *testing.T) {
	each(t, func(t *testing.T, d *storetest.Database, tr *store.Transactional) {
		addUser(t, tr, "u")
		addSession(t, tr, "u", "old")
		addSession(t, tr, "u", "new")
		record(t, tr, told("u", "old", "a", stats.Sent, 1))
		wantBehind(t, tr, 0, "")

		allow := forbidForeign(t, d)
		record(t, tr, told("u", "old", "b", stats.Sent, 2), told("u", "old", "c", stats.Sent, 3), told("u", "new", "a", stats.Sent, 4))
		record(t, tr, told("u", "old", "c", stats.Failed, 5))
		wantSession(t, tr, "u", "old", totals(2, 1, 0, 0, after(2), after(5)))
		wantForeign(t, d, "u", "old", 1, 0, after(1), time.Time{})
		wantBehind(t, tr, 2, "not yours")

		allow()
		record(t, tr, told("u", "old", "a", stats.Delivered, 6), told("u", "new", "b", stats.Failed, 7))
		wantForeign(t, d, "u", "old", 2, 1, after(2), after(5))
		wantForeign(t, d, "u", "new", 1, 1, after(4), after(7))
		wantBehind(t, tr, 0, "")
	})
}

// TestAResetThatTheForeignTableCannotFollow happens all the same, and the difference
// is made up for, with what was owed before.
func TestAResetThatTheForeignTableCannotFollow(t *testing.T) {
	each(t, func(t *testing.T, d *storetest.Database, tr *store.Transactional) {
		addUser(t, tr, "u")
		for _, s := range []string{"s", "never", "other"} {
			addSession(t, tr, "u", s)
		}
		addForeign(t, d, "u", "s", 10, 5)
		addForeign(t, d, "u", "other", 10, 5) // nothing counted yet: where it is
		record(t, tr, told("u", "s", "a", stats.Sent, 1))
		allow := forbidForeign(t, d)
		record(t, tr, told("u", "s", "b", stats.Sent, 2), told("u", "s", "f", stats.Failed, 2), told("u", "never", "a", stats.Sent, 2))
		must(t, tr.ResetUser(t.Context(), "u", after(3.5)))
		for _, s := range []string{"s", "never", "other"} {
			wantSession(t, tr, "u", s, stats.Totals{})
		}
		wantForeign(t, d, "u", "s", 11, 5, after(1), time.Time{})
		wantBehind(t, tr, 3, "not yours")
		must(t, tr.ResetSession(t.Context(), "u", "s", after(3.6))) // takes nothing twice
		record(t, tr, told("u", "s", "c", stats.Sent, 4))
		wantSession(t, tr, "u", "s", totals(1, 0, 0, 0, after(4), time.Time{}))

		allow()
		record(t, tr, told("u", "s", "d", stats.Failed, 5), told("u", "never", "b", stats.Sent, 6), told("u", "other", "a", stats.Sent, 7))
		wantForeign(t, d, "u", "s", 1, 1, after(4), after(5))
		wantForeign(t, d, "u", "never", 1, 0, after(6), time.Time{})
		wantForeign(t, d, "u", "other", 1, 0, after(7), time.Time{})
		wantBehind(t, tr, 0, "")
		verified(t, tr)
	})
}

func TestAResetForgetsWhatTheForeignTableWasOwed(t *testing.T) {
	each(t, func(t *testing.T, d *storetest.Database, tr *store.Transactional) {
		addUser(t, tr, "u")
		addSession(t, tr, "u", "s")
		record(t, tr, told("u", "s", "a", stats.Sent, 1))
		allow := forbidForeign(t, d)
		record(t, tr, told("u", "s", "b", stats.Sent, 2))
		allow()
		must(t, tr.ResetUser(t.Context(), "u", after(3)))
		record(t, tr, told("u", "s", "c", stats.Sent, 4))
		wantForeign(t, d, "u", "s", 1, 0, after(4), time.Time{})
		wantBehind(t, tr, 0, "")
	})
}

// TestRecordTriesAgain: PostgreSQL's errors that a second try gets over.
func TestRecordTriesAgain(t *testing.T) {
	d := storetest.New(t, storetest.PostgresPrisma)
	tr := migrated(t, d)
	addUser(t, tr, "u")
	d.Exec(t, `CREATE TABLE trouble (state text)`)
	d.Exec(t, `CREATE SEQUENCE tries`) // not undone with the transaction
	d.Exec(t, `CREATE FUNCTION trouble() RETURNS trigger LANGUAGE plpgsql AS $$
		BEGIN
			IF nextval('tries') = 1 THEN
				RAISE EXCEPTION 'only once' USING ERRCODE = (SELECT state FROM trouble);
			END IF;
			RETURN NEW;
		END $$`)
	d.Exec(t, `CREATE TRIGGER trouble BEFORE INSERT ON {whats_app_message_stats} FOR EACH ROW EXECUTE FUNCTION trouble()`)
	for i, state := range []string{"40001", "40P01", "23505", "23503"} {
		session := "s" + state
		addSession(t, tr, "u", session)
		d.Exec(t, `DELETE FROM trouble`)
		d.Exec(t, `INSERT INTO trouble VALUES ($1)`, state)
		d.Exec(t, `ALTER SEQUENCE tries RESTART`)
		record(t, tr, told("u", session, "a", stats.Sent, float64(i)))
		wantForeign(t, d, "u", session, 1, 0, after(float64(i)), time.Time{})
	}
	wantBehind(t, tr, 0, "")
}

// TestAMigrationOfTheOtherApplication holds its table for long.
func TestAMigrationOfTheOtherApplication(t *testing.T) {
	d := storetest.New(t, storetest.PostgresPrisma)
	tr := migrated(t, d)
	addUser(t, tr, "u")
	addSession(t, tr, "u", "s")
	record(t, tr, told("u", "s", "a", stats.Sent, 1))

	tx, err := d.SQL.BeginTx(t.Context(), nil)
	must(t, err)
	_, err = tx.ExecContext(t.Context(), d.Spell(`LOCK TABLE {whats_app_message_stats}`))
	must(t, err)
	record(t, tr, told("u", "s", "b", stats.Sent, 2))
	wantBehind(t, tr, 1, "lock timeout")
	_, err = tx.ExecContext(t.Context(), d.Spell(`ALTER TABLE {whats_app_message_stats} DROP COLUMN {whats_app_message_stats.last_message_failed_at}`))
	must(t, err)
	must(t, tx.Commit())

	record(t, tr, told("u", "s", "c", stats.Failed, 3)) // also without the column
	wantSession(t, tr, "u", "s", totals(2, 1, 0, 0, after(2), after(3)))
	wantBehind(t, tr, 0, "")
	var sent, failed int64
	d.Query(t, `SELECT {whats_app_message_stats.total_messages_sent}, {whats_app_message_stats.total_messages_failed} FROM {whats_app_message_stats}`, nil, &sent, &failed)
	if sent != 2 || failed != 1 {
		t.Errorf("foreign row: %d sent, %d failed", sent, failed)
	}
}

// TestAColumnThatIsNotOursToFill: rows that exist follow, and none is inserted.
func TestAColumnThatIsNotOursToFill(t *testing.T) {
	d := storetest.New(t, storetest.PostgresPrisma)
	tr := migrated(t, d)
	addUser(t, tr, "u")
	addSession(t, tr, "u", "s")
	addSession(t, tr, "u", "s2")
	d.Exec(t, `ALTER TABLE {whats_app_message_stats} ADD COLUMN plan text NOT NULL`)
	record(t, tr, told("u", "s", "a", stats.Sent, 1)) // not known to us yet
	wantBehind(t, tr, 1, "plan")
	_, err := tr.Inspect(t.Context())
	must(t, err)
	record(t, tr, told("u", "s", "b", stats.Sent, 2))
	wantBehind(t, tr, 0, "")
	if n := d.Count(t, "{whats_app_message_stats}", "true"); n != 0 {
		t.Errorf("%d foreign rows", n)
	}
	d.Exec(t, `INSERT INTO {whats_app_message_stats} ({whats_app_message_stats.id}, {whats_app_message_stats.user_id}, {whats_app_message_stats.session_id},
		{whats_app_message_stats.updated_at}, plan) VALUES ('c', 'u', 's2', now(), 'gold')`)
	record(t, tr, told("u", "s2", "a", stats.Sent, 3))
	wantForeign(t, d, "u", "s2", 1, 0, after(3), time.Time{})
	wantSession(t, tr, "u", "s", totals(2, 0, 0, 0, after(2), time.Time{}))
}

func TestWithoutAForeignTable(t *testing.T) {
	each(t, func(t *testing.T, d *storetest.Database, tr *store.Transactional) {
		d.Exec(t, `DROP TABLE {whats_app_message_stats}`)
		addUser(t, tr, "u")
		addSession(t, tr, "u", "s")
		// Looked at before and after it went.
		record(t, tr, told("u", "s", "a", stats.Sent, 1))
		fresh := migrated(t, d)
		record(t, fresh, told("u", "s", "a", stats.Read, 2), told("u", "s", "b", stats.Failed, 3))
		wantSession(t, fresh, "u", "s", totals(1, 1, 1, 1, after(1), after(3)))
		if n, err := fresh.AdoptStatistics(t.Context()); n != 0 || err != nil {
			t.Errorf("adopted %d, %v", n, err)
		}
		must(t, fresh.RemoveSession(t.Context(), "u", "s"))
		must(t, fresh.ResetSession(t.Context(), "u", "s", after(4)))
		must(t, fresh.ResetUser(t.Context(), "u", after(4)))
		record(t, fresh, told("u", "s", "c", stats.Sent, 5))
		all, users, n, err := fresh.AllTotals(t.Context(), 0, 0)
		must(t, err)
		if n != 1 || len(users) != 1 || all.Sent != 1 || all.Failed != 0 {
			t.Errorf("all: %+v %+v %d", all, users, n)
		}
	})
}

// TestRecordThroughAPooler: without named statements, as Prisma's option for
// poolers has it.
func TestRecordThroughAPooler(t *testing.T) {
	d := storetest.New(t, storetest.PostgresPrisma)
	d.DSN += "&pgbouncer=true"
	tr := migrated(t, d)
	addUser(t, tr, "u")
	addSession(t, tr, "u", "s")
	addForeign(t, d, "u", "s", 10, 0)
	record(t, tr, told("u", "s", "a", stats.Sent, 1), told("u", "s", "b", stats.Sent, 2.000001))
	record(t, tr, told("u", "s", "b", stats.Failed, 3), told("u", "s", "a", stats.Read, 4))
	wantSession(t, tr, "u", "s", totals(11, 1, 1, 1, after(1), after(3)))
	wantForeign(t, d, "u", "s", 11, 1, after(1), after(3))
	must(t, tr.ResetUser(t.Context(), "u", after(5)))
	record(t, tr, told("u", "s", "a", stats.Sent, 6))
	wantSession(t, tr, "u", "s", stats.Totals{})
}
