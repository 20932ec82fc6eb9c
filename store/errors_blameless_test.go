package store_test

import (
	"errors"
	"testing"

	"github.com/genfity/wa-gateway/stats"
	"github.com/genfity/wa-gateway/store"
	"github.com/genfity/wa-gateway/store/storetest"
)

// TestBlameless: a table, a column or a privilege that is missing is no fault of the
// events, a value that the database refuses is.
func TestBlameless(t *testing.T) {
	each(t, func(t *testing.T, d *storetest.Database, tr *store.Transactional) {
		addUser(t, tr, "u")
		addSession(t, tr, "u", "s")
		event := stats.Event{UserID: "u", SessionID: "s", MessageID: "m", Status: stats.Sent, At: noon}
		record := func() error { return second(tr.Record(t.Context(), []stats.Event{event})) }
		must(t, record())
		event.MessageID = "n"
		d.Exec(t, "ALTER TABLE "+d.Own("message_ledger")+" RENAME TO moved")
		err := record()
		if err == nil || !store.Blameless(err) {
			t.Errorf("a missing table: %v", err)
		}
		if d.Postgres() {
			d.Exec(t, `ALTER TABLE "wa_gateway"."moved" RENAME TO message_ledger`)
			d.Exec(t, `ALTER TABLE "wa_gateway"."message_ledger" ADD CHECK (message_id <> 'n')`)
		} else {
			d.Exec(t, `ALTER TABLE moved RENAME TO `+d.Own("message_ledger"))
			d.Exec(t, `CREATE TRIGGER refuse BEFORE INSERT ON `+d.Own("message_ledger")+` WHEN new.message_id = 'n' BEGIN SELECT RAISE(ABORT, 'no'); END`)
		}
		err = record()
		if err == nil || store.Blameless(err) {
			t.Errorf("a value that is refused: %v", err)
		}
	})
	if store.Blameless(nil) || store.Blameless(errors.New("another")) || !store.Blameless(store.ErrNotReady) {
		t.Error("what is no error of a database")
	}
}
