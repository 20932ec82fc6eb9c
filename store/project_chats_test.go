package store_test

import (
	"testing"

	"github.com/genfity/wa-gateway/store"
	"github.com/genfity/wa-gateway/store/storetest"
	"github.com/genfity/wa-gateway/waserver"
)

// Some servers tell of an edit or a deletion by the message's id alone.
func TestEditsWithoutChat(t *testing.T) {
	eachPrimary(t, func(t *testing.T, _ *storetest.Database, p *store.Primary) {
		edit := func(id, body string, at int) waserver.Update {
			return waserver.Update{At: tick(at), Edited: &waserver.ChatMessage{ID: id, Body: body}}
		}
		revoke := func(id string, at int) waserver.Update {
			return waserver.Update{At: tick(at), Revoked: &waserver.MessageRef{ID: id}}
		}
		apply(t, p, text("a", buyer, "first", 1), text("b", team, "second", 2))
		apply(t, p, edit("a", "corrected", 3), revoke("b", 4), edit("nobody's", "x", 5), revoke("", 6))
		// With the message, in one webhook.
		apply(t, p, edit("c", "better", 8), text("c", buyer, "third", 7))
		must(t, p.ApplyUpdates(t.Context(), "another", []waserver.Update{edit("a", "not yours", 9)}))

		ours, theirs := chatMessages(t, p, buyer), chatMessages(t, p, team)
		if len(ours) != 2 || len(theirs) != 1 {
			t.Fatalf("messages: %+v, %+v", ours, theirs)
		}
		for _, m := range ours {
			if want := map[string]string{"a": "corrected", "c": "better"}[m.MessageID]; m.Body != want || m.EditedAt == nil {
				t.Errorf("%s: %q, edited %v", m.MessageID, m.Body, m.EditedAt)
			}
		}
		if theirs[0].RevokedAt == nil {
			t.Errorf("not deleted: %+v", theirs[0])
		}
	})
}
