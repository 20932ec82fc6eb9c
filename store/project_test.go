package store_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/genfity/wa-gateway/store"
	"github.com/genfity/wa-gateway/store/storetest"
	"github.com/genfity/wa-gateway/waserver"
)

const (
	buyer = "628111@s.whatsapp.net"
	team  = "1203630@g.us"
)

// tick is a time, n seconds after noon.
func tick(n int) time.Time { return noon.Add(time.Duration(n) * time.Second) }

func text(id, chat, body string, at int) waserver.Update {
	return waserver.Update{At: tick(at), Message: &waserver.ChatMessage{
		ID: id, ChatJID: chat, SenderJID: buyer, Type: "text", Body: body, At: tick(at), PushName: "Budi",
	}}
}

func state(s waserver.State, at int) waserver.Update {
	return waserver.Update{At: tick(at), State: &waserver.SessionState{State: s}}
}

func qr(code string, at int) waserver.Update {
	return waserver.Update{At: tick(at), QR: &waserver.QR{Text: code, Expires: tick(at + 20)}}
}

func receipt(status string, at int, ids ...string) waserver.Update {
	return waserver.Update{At: tick(at), Receipt: &waserver.Receipt{IDs: ids, ChatJID: buyer, Status: status}}
}

// eachPrimary runs a test on a primary database of each back end.
func eachPrimary(t *testing.T, test func(t *testing.T, d *storetest.Database, p *store.Primary)) {
	t.Helper()
	for _, kind := range []storetest.Kind{storetest.SQLite, storetest.PostgresSnake, storetest.PostgresPrisma} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			d := storetest.New(t, kind)
			test(t, d, newPrimary(t, d))
		})
	}
}

func apply(t *testing.T, p *store.Primary, updates ...waserver.Update) {
	t.Helper()
	must(t, p.ApplyUpdates(t.Context(), "s", updates))
}

func chatMessages(t *testing.T, p *store.Primary, chat string) []store.ChatMessage {
	t.Helper()
	messages, _, err := p.ChatMessages(t.Context(), "s", chat, "", 0)
	must(t, err)
	return messages
}

func TestSessionStates(t *testing.T) {
	eachPrimary(t, func(t *testing.T, _ *storetest.Database, p *store.Primary) {
		if _, err := p.SessionState(t.Context(), "s"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("none: %v", err)
		}
		now := func() *store.SessionState {
			t.Helper()
			s, err := p.SessionState(t.Context(), "s")
			must(t, err)
			return s
		}
		apply(t, p, state(waserver.StateConnecting, 1), qr("first", 2))
		if s := now(); s.State != "qr" || s.QR != "first" || !s.QRExpiresAt.Equal(tick(22)) || !s.ChangedAt.Equal(tick(2)) {
			t.Errorf("got %+v", s)
		}
		if code := now().Code(tick(21)); code == nil || code.Text != "first" || !code.Expires.Equal(tick(22)) {
			t.Errorf("code %+v", code)
		}
		if code := now().Code(tick(22)); code != nil {
			t.Errorf("an expired code %+v", code)
		}
		apply(t, p, qr("second", 4), qr("late", 3))
		if s := now(); s.QR != "second" {
			t.Errorf("got %+v", s)
		}
		png := waserver.Update{At: tick(5), QR: &waserver.QR{PNG: []byte("\x89PNG")}}
		apply(t, p, png)
		if s := now(); s.QR != "" || string(s.QRPNG) != "\x89PNG" || s.QRExpiresAt != nil {
			t.Errorf("got %+v", s)
		}
		apply(t, p, waserver.Update{At: tick(6), State: &waserver.SessionState{State: waserver.StateConnected, JID: buyer, Name: "Shop"}})
		apply(t, p, qr("late", 5))
		if s := now(); s.State != "connected" || s.QR != "" || len(s.QRPNG) != 0 || s.JID != buyer || s.Name != "Shop" {
			t.Errorf("got %+v", s)
		}
		if code := now().Code(tick(6)); code != nil {
			t.Errorf("the code of a connected session %+v", code)
		}
		// What is told of the name is not taken back by silence, nor by what is older.
		apply(t, p, state(waserver.StateDisconnected, 7))
		apply(t, p, waserver.Update{At: tick(2), State: &waserver.SessionState{State: waserver.StateQR, Name: "Old"}})
		if s := now(); s.State != "disconnected" || s.Name != "Shop" || s.JID != buyer {
			t.Errorf("got %+v", s)
		}
		apply(t, p, state("nonsense", 9))
		if s := now(); s.State != "disconnected" {
			t.Errorf("got %+v", s)
		}
	})
}

func TestMessages(t *testing.T) {
	eachPrimary(t, func(t *testing.T, d *storetest.Database, p *store.Primary) {
		media := text("m2", team, "look", 2)
		media.Message.Type, media.Message.MediaURL, media.Message.MediaType, media.Message.Filename = "image", "https://wa/1", "image/jpeg", "a.jpg"
		media.Message.ReplyTo = "m1"
		apply(t, p, text("m1", team, "hello", 1), media)
		got := chatMessages(t, p, team)
		if len(got) != 2 || got[0].MessageID != "m2" || got[0].Filename != "a.jpg" || got[0].ReplyTo != "m1" || got[0].MediaURL != "https://wa/1" ||
			got[0].PushName != "Budi" || got[1].Body != "hello" || !got[1].SentAt.Equal(tick(1)) {
			t.Errorf("got %+v", got)
		}

		// An edit counts more than what was written, whenever that is told.
		edit := waserver.Update{At: tick(3), Edited: &waserver.ChatMessage{ID: "m1", ChatJID: team, Body: "hello!"}}
		apply(t, p, edit, text("m1", team, "hello", 9))
		silent := waserver.Update{At: tick(4), Edited: &waserver.ChatMessage{ID: "m1", ChatJID: team}}
		apply(t, p, silent)
		got = chatMessages(t, p, team)
		if got[1].Body != "hello!" || !got[1].EditedAt.Equal(tick(3)) || !got[1].SentAt.Equal(tick(1)) || got[1].Type != "text" {
			t.Errorf("got %+v", got[1])
		}

		// A revoked message stays revoked, and one that is not known is not listed.
		apply(t, p, waserver.Update{At: tick(5), Revoked: &waserver.MessageRef{ID: "m2", ChatJID: team}},
			waserver.Update{At: tick(6), Revoked: &waserver.MessageRef{ID: "m3", ChatJID: team}}, media)
		got = chatMessages(t, p, team)
		if len(got) != 2 || !got[0].RevokedAt.Equal(tick(5)) {
			t.Errorf("got %+v", got)
		}
		apply(t, p, text("m3", team, "late", 4))
		if got = chatMessages(t, p, team); len(got) != 3 || got[0].RevokedAt == nil || !got[0].SentAt.Equal(tick(4)) {
			t.Errorf("got %+v", got)
		}

		chats, _, err := p.Chats(t.Context(), "s", "", 0)
		must(t, err)
		if len(chats) != 1 || !chats[0].IsGroup || !chats[0].LastMessageAt.Equal(tick(9)) {
			t.Errorf("chats %+v", chats)
		}
		contacts, _, err := p.Contacts(t.Context(), "s", "", 0)
		must(t, err)
		if len(contacts) != 1 || contacts[0].PushName != "Budi" || contacts[0].Phone != "628111" {
			t.Errorf("contacts %+v", contacts)
		}

		// Nothing that is told again writes anything.
		d.Exec(t, `UPDATE `+d.Own("messages")+` SET updated_at = '2001-01-01T00:00:00.000Z'`)
		apply(t, p, text("m1", team, "hello", 1), media, edit)
		if n := d.Count(t, d.Own("messages"), "updated_at < '2002-01-01T00:00:00.000Z'"); n != 3 {
			t.Errorf("%d rows are untouched", n)
		}
	})
}

func TestNames(t *testing.T) {
	eachPrimary(t, func(t *testing.T, _ *storetest.Database, p *store.Primary) {
		contact := func(name, push string, at int) waserver.Update {
			return waserver.Update{At: tick(at), Contact: &waserver.Contact{JID: buyer, Name: name, PushName: push}}
		}
		chat := func(name string, unread, at int) waserver.Update {
			return waserver.Update{At: tick(at), Chat: &waserver.Chat{JID: buyer, Name: name, Unread: unread}}
		}
		apply(t, p, contact("Budi S", "", 5), contact("Old", "budi", 3), contact("", "", 9), contact("", "older", 2))
		apply(t, p, chat("", 4, 3), chat("", 0, 4), chat("", 7, 2))
		chats, _, err := p.Chats(t.Context(), "s", "", 0)
		must(t, err)
		if len(chats) != 1 || chats[0].DisplayName() != "Budi S" || chats[0].Contact.PushName != "budi" || chats[0].UnreadCount != 0 || chats[0].LastMessageAt != nil {
			t.Errorf("chats %+v", chats)
		}
		apply(t, p, chat("Chat", 0, 1), contact("Budi Santoso", "", 6))
		chats, _, err = p.Chats(t.Context(), "s", "", 0)
		must(t, err)
		if chats[0].DisplayName() != "Chat" || chats[0].Contact.Name != "Budi Santoso" {
			t.Errorf("chats %+v", chats)
		}
	})
}

func TestReceipts(t *testing.T) {
	eachPrimary(t, func(t *testing.T, d *storetest.Database, p *store.Primary) {
		status := func(id string) string {
			t.Helper()
			for _, m := range chatMessages(t, p, buyer) {
				if m.MessageID == id {
					return m.Status
				}
			}
			return "?"
		}
		// Before its message, and in the wrong order.
		apply(t, p, receipt("read", 9, "a"), receipt("delivered", 8, "a", "b"))
		apply(t, p, text("a", buyer, "x", 1), text("b", buyer, "x", 1), text("c", buyer, "x", 1), text("d", buyer, "x", 1))
		apply(t, p, receipt("sent", 2, "a", "b", "c", "d"), receipt("delivered", 10, "a"), receipt("failed", 3, "b", "c"), receipt("failed", 1, "d"))
		if got := []string{status("a"), status("b"), status("c"), status("d")}; !slices.Equal(got, []string{"read", "delivered", "failed", "sent"}) {
			t.Errorf("statuses %q", got)
		}
		var first, last time.Time
		d.Query(t, `SELECT first_at, at FROM `+d.Own("receipts")+` WHERE message_id = 'a' AND status = 'delivered'`, nil, &first, &last)
		if !first.Equal(tick(8)) || !last.Equal(tick(10)) {
			t.Errorf("delivered from %v to %v", first, last)
		}
		apply(t, p, receipt("nonsense", 1, "a"), receipt("sent", 1, "", strings.Repeat("x", 5000)))
		if n := d.Count(t, d.Own("receipts"), "true"); n != 10 {
			t.Errorf("%d receipts", n)
		}
	})
}

// What no row can hold is left out, and the rest is kept.
func TestUpdatesOutOfBounds(t *testing.T) {
	eachPrimary(t, func(t *testing.T, _ *storetest.Database, p *store.Primary) {
		long := strings.Repeat("x", 5000)
		far := text("far", buyer, "a\x00b\xff", 1)
		far.At, far.Message.At = time.Date(9000, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(9000, 1, 1, 0, 0, 0, 0, time.UTC)
		apply(t, p,
			text(long, buyer, "x", 1), text("", buyer, "x", 1), text("x", "", "x", 1), text("x", long, "x", 1), text("x\x00", buyer, "x", 1),
			waserver.Update{At: tick(1), Revoked: &waserver.MessageRef{ID: "no chat"}},
			waserver.Update{At: tick(1), Contact: &waserver.Contact{JID: long}},
			waserver.Update{At: tick(1), Chat: &waserver.Chat{JID: "\xff"}},
			waserver.Update{}, far, text("good", buyer, strings.Repeat("é", 200<<10), 1))
		got := chatMessages(t, p, buyer)
		if len(got) != 2 || got[0].MessageID != "far" || got[0].SentAt.After(time.Now().Add(25*time.Hour)) || got[0].Body != "a\ufffdb\ufffd" ||
			len(got[1].Body) != 256<<10 {
			t.Errorf("got %d messages", len(got))
		}
	})
}

// Two nodes write the same rows of several sessions at the same time.
func TestUpdatesSideBySide(t *testing.T) {
	eachPrimary(t, func(t *testing.T, d *storetest.Database, p *store.Primary) {
		nodes := []*store.Primary{p, store.NewPrimary(openDB(t, d.DSN))}
		done := make(chan error)
		const workers = 8
		for w := range workers {
			go func() {
				var err error
				for i := range 10 {
					session := fmt.Sprint("s", (i+w)%3)
					err = errors.Join(err, nodes[w%2].ApplyUpdates(t.Context(), session, []waserver.Update{
						text(fmt.Sprint(i), buyer, "x", i), text(fmt.Sprint(9-i), team, "y", i),
						receipt("read", i, "1", "2"), state(waserver.StateConnected, i),
					}))
				}
				done <- err
			}()
		}
		for range workers {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
	})
}

func TestForgetSession(t *testing.T) {
	eachPrimary(t, func(t *testing.T, d *storetest.Database, p *store.Primary) {
		var updates []waserver.Update
		for i := range 1100 {
			updates = append(updates, text(fmt.Sprint("m", i), fmt.Sprint(i, "@g.us"), "x", 1))
		}
		apply(t, p, append(updates, receipt("read", 1, "m1"), qr("code", 1))...)
		must(t, p.ApplyUpdates(t.Context(), "t", []waserver.Update{text("m", buyer, "x", 1), qr("code", 1), receipt("read", 1, "m")}))
		e := webhook("main", "1")
		e.SessionID = "s"
		_, err := p.AddWebhookEvents(t.Context(), []*store.WebhookEvent{e})
		must(t, err)
		must(t, p.ForgetSession(t.Context(), "s"))
		for table, left := range map[string]int{"messages": 1, "chats": 1, "contacts": 1, "receipts": 1, "session_states": 1} {
			if n := d.Count(t, d.Own(table), "true"); n != left {
				t.Errorf("%d %s are left", n, table)
			}
		}
		if n := d.Count(t, d.Own("webhook_events"), "processed_at IS NOT NULL AND error <> ''"); n != 1 {
			t.Errorf("%d webhooks are done with", n)
		}
		must(t, p.ForgetSession(t.Context(), "s"))
	})
}
