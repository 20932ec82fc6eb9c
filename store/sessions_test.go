package store_test

import (
	"errors"
	"testing"

	"github.com/genfity/wa-gateway/store"
	"github.com/genfity/wa-gateway/store/storetest"
)

func TestSession(t *testing.T) {
	each(t, func(t *testing.T, d *storetest.Database, tr *store.Transactional) {
		addUser(t, tr, "u")
		session := &store.Session{
			SessionID: "s", SessionName: ptr("Shop"), UserID: ptr("u"), Token: ptr("tok"),
			Connected: true, LoggedIn: true, JID: ptr("628@s"), QRCode: ptr("qr"), Status: "connected", Message: ptr("hello"),
		}
		must(t, tr.AddSession(t.Context(), session))
		got, err := tr.Session(t.Context(), "s")
		must(t, err)
		if got.ID != session.ID || *got.SessionName != "Shop" || *got.UserID != "u" || got.Status != "connected" {
			t.Errorf("got %+v", got)
		}
		if d.Complete() {
			if !got.Connected || !got.LoggedIn || *got.JID != "628@s" || *got.QRCode != "qr" || *got.Token != "tok" || *got.Message != "hello" {
				t.Errorf("got %+v", got)
			}
		} else if got.Connected || got.JID != nil || got.Token != nil {
			t.Errorf("read columns that are not there: %+v", got)
		}
		for _, id := range []string{"", "other"} {
			if _, err := tr.Session(t.Context(), id); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("session %q: %v", id, err)
			}
		}
	})
}

func TestAddSessionConflicts(t *testing.T) {
	each(t, func(t *testing.T, d *storetest.Database, tr *store.Transactional) {
		addUser(t, tr, "u")
		addUser(t, tr, "v")
		addSession(t, tr, "u", "s")
		if err := tr.AddSession(t.Context(), &store.Session{SessionID: "s", UserID: ptr("v")}); !errors.Is(err, store.ErrConflict) {
			t.Errorf("taken: %v", err)
		}
		if err := tr.AddSession(t.Context(), &store.Session{SessionID: "s2", UserID: ptr("nobody")}); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("unknown user: %v", err)
		}
		if err := tr.AddSession(t.Context(), &store.Session{UserID: ptr("u")}); err == nil {
			t.Error("added a session without an id")
		}
		if n := d.Count(t, "{whats_app_sessions}", "true"); n != 1 {
			t.Errorf("%d sessions", n)
		}
	})
}

func TestSessionLists(t *testing.T) {
	each(t, func(t *testing.T, d *storetest.Database, tr *store.Transactional) {
		addUser(t, tr, "u")
		addUser(t, tr, "v")
		for _, id := range []string{"u1", "u2"} {
			addSession(t, tr, "u", id)
		}
		addSession(t, tr, "v", "v1")
		must(t, tr.AddSession(t.Context(), &store.Session{SessionID: "nobodys"}))

		for _, c := range []struct {
			user string
			want int
		}{{"u", 2}, {"v", 1}, {"w", 0}, {"", 0}} {
			sessions, err := tr.SessionsOf(t.Context(), c.user)
			if must(t, err); len(sessions) != c.want {
				t.Errorf("%q has %d sessions", c.user, len(sessions))
			}
		}
		all, err := tr.ListSessions(t.Context(), "", 0, 0)
		must(t, err)
		rest, err := tr.ListSessions(t.Context(), "", 0, 3)
		must(t, err)
		if len(all) != 4 || len(rest) != 1 {
			t.Errorf("%d in all, %d after three", len(all), len(rest))
		}
	})
}

func TestUpdateSession(t *testing.T) {
	each(t, func(t *testing.T, d *storetest.Database, tr *store.Transactional) {
		addUser(t, tr, "u")
		addSession(t, tr, "u", "s")
		must(t, tr.UpdateSession(t.Context(), "s", store.SessionUpdate{Status: ptr("stopped"), LoggedIn: ptr(true), JID: ptr("628@s")}))
		must(t, tr.UpdateSession(t.Context(), "s", store.SessionUpdate{QRCode: ptr("")}))
		must(t, tr.UpdateSession(t.Context(), "s", store.SessionUpdate{}))
		got, err := tr.Session(t.Context(), "s")
		must(t, err)
		if got.Status != "stopped" || got.Connected {
			t.Errorf("got %+v", got)
		}
		if d.Complete() && (!got.LoggedIn || *got.JID != "628@s" || *got.QRCode != "") {
			t.Errorf("got %+v", got)
		}
		if err := tr.UpdateSession(t.Context(), "other", store.SessionUpdate{Status: ptr("x")}); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("unknown session: %v", err)
		}
	})
}

func TestRemoveSession(t *testing.T) {
	each(t, func(t *testing.T, d *storetest.Database, tr *store.Transactional) {
		addUser(t, tr, "u")
		addUser(t, tr, "v")
		addSession(t, tr, "u", "s")
		d.Exec(t, `INSERT INTO {whats_app_message_stats} ("id", {whats_app_message_stats.user_id}, {whats_app_message_stats.session_id}, {whats_app_message_stats.total_messages_sent}, {whats_app_message_stats.updated_at})
			VALUES ('st', 'u', 's', 7, '2026-01-01 00:00:00')`)

		if err := tr.RemoveSession(t.Context(), "v", "s"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("removed somebody else's session: %v", err)
		}
		must(t, tr.RemoveSession(t.Context(), "u", "s"))
		if _, err := tr.Session(t.Context(), "s"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("still there: %v", err)
		}
		if err := tr.RemoveSession(t.Context(), "u", "s"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("removed twice: %v", err)
		}
		addSession(t, tr, "v", "s") // the name is free again
	})
}

// Where another table of the other application holds on to the row, the session
// is at least nobody's from then on.
func TestRemoveSessionThatIsReferenced(t *testing.T) {
	each(t, func(t *testing.T, d *storetest.Database, tr *store.Transactional) {
		addUser(t, tr, "u")
		addSession(t, tr, "u", "s")
		d.Exec(t, `CREATE TABLE "Campaign" ("id" TEXT PRIMARY KEY, "session" TEXT NOT NULL REFERENCES {whats_app_sessions} ({whats_app_sessions.session_id}) ON DELETE RESTRICT)`)
		d.Exec(t, `INSERT INTO "Campaign" VALUES ('c', 's')`)
		must(t, tr.RemoveSession(t.Context(), "u", "s"))
		got, err := tr.Session(t.Context(), "s")
		if must(t, err); got.UserID != nil || got.Connected {
			t.Errorf("got %+v", got)
		}
		if err := tr.RemoveSession(t.Context(), "u", "s"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("removed twice: %v", err)
		}
	})
}

// The application that owns the tables may drop what is optional to us, change a
// type, or add columns while we run.
func TestForeignSchemaChangesWhileRunning(t *testing.T) {
	each(t, func(t *testing.T, d *storetest.Database, tr *store.Transactional) {
		if !d.Complete() {
			return // has none of these columns
		}
		addUser(t, tr, "u")
		addSession(t, tr, "u", "s")
		for range 8 { // prepares the statement on several connections
			_, err := tr.Session(t.Context(), "s")
			must(t, err)
		}
		d.Exec(t, `ALTER TABLE {whats_app_sessions} DROP COLUMN "qrcode"`)
		d.Exec(t, `ALTER TABLE {whats_app_sessions} ADD COLUMN "color" TEXT`)
		if d.Postgres() {
			d.Exec(t, `ALTER TABLE {whats_app_sessions} ALTER COLUMN "status" TYPE varchar(40)`)
		}
		for range 8 {
			got, err := tr.Session(t.Context(), "s")
			if must(t, err); got.Status != "connected" {
				t.Fatalf("got %+v", got)
			}
		}
		must(t, tr.UpdateSession(t.Context(), "s", store.SessionUpdate{QRCode: ptr("x"), Status: ptr("stopped")}))
		addSession(t, tr, "u", "s2")
	})
}
