package caddywagateway

import (
	"net/http"
	"testing"
	"time"

	"github.com/genfity/wa-gateway/store/storetest"
)

// TestMissingTable: what an operator has done to the database is no fault of the
// events: they wait until it is mended, and none is set aside.
func TestMissingTable(t *testing.T) {
	d := storetest.New(t, storetest.PostgresPrisma)
	s := newSetup(t, d)
	s.call("POST", "/events/message", eventOf(alice, aliceSession, "before", "sent", time.Now()), nil).wantAnswer(t, http.StatusOK, "")
	d.Exec(t, `ALTER TABLE wa_gateway.message_ledger RENAME TO moved`)
	for _, id := range []string{"a", "b"} {
		res := s.call("POST", "/events/message", eventOf(alice, aliceSession, id, "sent", time.Now()), nil)
		res.wantAnswer(t, http.StatusOK, "Event recorded")
		if res.at("data", "spooled") != true {
			t.Error(res.text)
		}
	}
	d.Exec(t, `ALTER TABLE wa_gateway.moved RENAME TO message_ledger`)
	eventually(t, "what waited", func() bool { return s.sessionTotals(t, aliceSession)[0] == 3 })
	if got := d.Count(t, d.Own("dead_letters"), "true"); got != 0 {
		t.Errorf("%d events were set aside", got)
	}
}
