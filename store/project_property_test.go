package store_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/genfity/wa-gateway/stats"
	"github.com/genfity/wa-gateway/store"
	"github.com/genfity/wa-gateway/store/storetest"
	"github.com/genfity/wa-gateway/waserver"
	"pgregory.net/rapid"
)

// TestRowsDependOnWhatWasTold: random updates in two random orders, some told twice,
// split over calls of two nodes, make the same rows; and these say what a plain look at
// the set of updates says.
func TestRowsDependOnWhatWasTold(t *testing.T) {
	t.Parallel()
	eachPrimary(t, func(t *testing.T, d *storetest.Database, p *store.Primary) {
		nodes := []*store.Primary{p, store.NewPrimary(openDB(t, d.DSN))}
		round := 0
		rapid.Check(t, func(rt *rapid.T) {
			round++
			updates := rapid.SliceOfN(rapid.Custom(drawUpdate), 1, 25).Draw(rt, "updates")
			var rows [2]string
			for i := range rows {
				session := fmt.Sprint(round, "-", i)
				order := updates
				if i > 0 {
					order = shuffled(rt, updates)
				}
				for part := range slices.Chunk(order, rapid.IntRange(1, 9).Draw(rt, "size")) {
					if err := nodes[rapid.IntRange(0, 1).Draw(rt, "node")].ApplyUpdates(t.Context(), session, part); err != nil {
						rt.Fatal(err)
					}
				}
				rows[i] = dump(t, d, session)
			}
			if rows[0] != rows[1] {
				rt.Fatalf("in one order:\n%s\nin another:\n%s", rows[0], rows[1])
			}
			compareRows(t, rt, p, fmt.Sprint(round, "-0"), updates)
		})
	})
}

func shuffled(rt *rapid.T, updates []waserver.Update) []waserver.Update {
	order := slices.Clone(updates)
	for range rapid.IntRange(0, 5).Draw(rt, "repeated") {
		order = append(order, rapid.SampledFrom(updates).Draw(rt, "again"))
	}
	seed := rapid.Uint64().Draw(rt, "order")
	r := rand.New(rand.NewPCG(seed, seed)) //nolint:gosec // an order is no secret
	r.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
	return order
}

func drawUpdate(rt *rapid.T) waserver.Update {
	word := rapid.SampledFrom([]string{"", "a", "b", "c"})
	chat := rapid.SampledFrom([]string{buyer, team})
	id := rapid.SampledFrom([]string{"1", "2", "3"})
	at := tick(rapid.IntRange(1, 6).Draw(rt, "at"))
	u := waserver.Update{At: at}
	switch rapid.IntRange(0, 7).Draw(rt, "kind") {
	case 0:
		u.Receipt = &waserver.Receipt{
			IDs: rapid.SliceOfN(id, 1, 2).Draw(rt, "ids"), ChatJID: chat.Draw(rt, "chat"), Error: word.Draw(rt, "error"),
			Status: rapid.SampledFrom([]string{"sent", "delivered", "read", "failed", "?"}).Draw(rt, "status"),
		}
	case 1:
		u.State = &waserver.SessionState{
			State: rapid.SampledFrom([]waserver.State{"created", "connecting", "qr", "connected", "disconnected", "logged_out", "failed", ""}).Draw(rt, "state"),
			JID:   word.Draw(rt, "jid"), Name: word.Draw(rt, "name"),
		}
	case 2:
		u.QR = &waserver.QR{Text: word.Draw(rt, "code"), PNG: []byte(word.Draw(rt, "png"))}
		if rapid.Bool().Draw(rt, "expires") {
			u.QR.Expires = tick(rapid.IntRange(1, 3).Draw(rt, "expiry"))
		}
	case 3, 4:
		u.Message = &waserver.ChatMessage{
			ID: id.Draw(rt, "id"), ChatJID: chat.Draw(rt, "chat"), SenderJID: word.Draw(rt, "sender"), FromMe: rapid.Bool().Draw(rt, "from me"),
			Type: word.Draw(rt, "type"), Body: word.Draw(rt, "body"), Filename: word.Draw(rt, "filename"), PushName: word.Draw(rt, "push name"),
			At: tick(rapid.IntRange(1, 6).Draw(rt, "sent")),
		}
	case 5:
		u.Contact = &waserver.Contact{JID: chat.Draw(rt, "jid"), Name: word.Draw(rt, "name"), PushName: word.Draw(rt, "push name")}
	case 6:
		u.Chat = &waserver.Chat{JID: chat.Draw(rt, "jid"), Name: word.Draw(rt, "name"), Unread: rapid.IntRange(0, 2).Draw(rt, "unread")}
		if rapid.Bool().Draw(rt, "active") {
			u.Chat.LastMessageAt = tick(rapid.IntRange(1, 6).Draw(rt, "last"))
		}
	case 7:
		if rapid.Bool().Draw(rt, "revoked") {
			u.Revoked = &waserver.MessageRef{ID: id.Draw(rt, "id"), ChatJID: chat.Draw(rt, "chat")}
		} else {
			u.Edited = &waserver.ChatMessage{ID: id.Draw(rt, "id"), ChatJID: chat.Draw(rt, "chat"), Body: word.Draw(rt, "body"), SenderJID: word.Draw(rt, "sender")}
		}
	}
	return u
}

// dump is all that the database holds of a session, but for when it was written.
func dump(t *testing.T, d *storetest.Database, session string) string {
	t.Helper()
	var b strings.Builder
	for _, table := range []struct{ name, order string }{
		{"session_states", "state"}, {"contacts", "jid"}, {"chats", "jid"}, {"messages", "chat_jid, message_id"}, {"receipts", "message_id, status"},
	} {
		rows, err := d.SQL.QueryContext(t.Context(), `SELECT * FROM `+d.Own(table.name)+` WHERE session_id = $1 ORDER BY `+table.order, session)
		must(t, err)
		columns, err := rows.Columns()
		must(t, err)
		for rows.Next() {
			values := make([]any, len(columns))
			for i := range values {
				values[i] = &values[i]
			}
			must(t, rows.Scan(values...))
			fmt.Fprint(&b, table.name, ":")
			for i, column := range columns {
				if column != "updated_at" && column != "session_id" {
					fmt.Fprintf(&b, " %s=%v", column, values[i])
				}
			}
			b.WriteString("\n")
		}
		must(t, rows.Err())
		must(t, rows.Close())
	}
	return b.String()
}

// compareRows compares what is read with what the updates say, looked at plainly.
func compareRows(t *testing.T, rt *rapid.T, p *store.Primary, session string, updates []waserver.Update) {
	chats, _, err := p.Chats(t.Context(), session, "", 0)
	must(t, err)
	for _, chat := range chats {
		messages, _, err := p.ChatMessages(t.Context(), session, chat.JID, "", 0)
		must(t, err)
		for _, m := range messages {
			want := plainMessage(updates, m.ChatJID, m.MessageID)
			if got := (plain{m.Body, m.Status, m.RevokedAt != nil, m.EditedAt != nil}); got != want {
				rt.Fatalf("message %s %s: got %+v, want %+v", m.ChatJID, m.MessageID, got, want)
			}
		}
		for _, u := range updates {
			if u.Message != nil && u.Message.ChatJID == chat.JID && (chat.LastMessageAt == nil || u.Message.At.After(*chat.LastMessageAt)) {
				rt.Fatalf("chat %+v is older than %+v", chat, u.Message)
			}
		}
	}
	state, err := p.SessionState(t.Context(), session)
	if err != nil {
		return // nothing was told of it
	}
	for _, u := range updates {
		if (u.State != nil && u.State.State != "" || u.QR != nil) && u.At.After(state.ChangedAt) {
			rt.Fatalf("the state %+v is older than %+v", state, u)
		}
		if u.State != nil && u.State.State == waserver.StateConnected && state.QRAt != nil && !state.QRAt.After(u.At) {
			rt.Fatalf("a code from before it was connected: %+v", state)
		}
	}
}

type plain struct {
	body, status    string
	revoked, edited bool
}

func plainMessage(updates []waserver.Update, chat, id string) (want plain) {
	var body, edit struct {
		at   int64
		text string
	}
	var events []stats.Event
	for _, u := range updates {
		at := u.At.UnixMilli()
		switch {
		case u.Message != nil && u.Message.ID == id && u.Message.ChatJID == chat:
			if u.Message.Body != "" && (at > body.at || at == body.at && u.Message.Body > body.text) {
				body.at, body.text = at, u.Message.Body
			}
		case u.Edited != nil && u.Edited.ID == id && u.Edited.ChatJID == chat && u.Edited.Body != "":
			if at > edit.at || at == edit.at && u.Edited.Body > edit.text {
				edit.at, edit.text = at, u.Edited.Body
			}
		case u.Revoked != nil && u.Revoked.ID == id && u.Revoked.ChatJID == chat:
			want.revoked = true
		case u.Receipt != nil && slices.Contains(u.Receipt.IDs, id) && u.Receipt.Status != "?":
			events = append(events, stats.Event{Status: stats.Status(u.Receipt.Status), At: u.At})
		}
	}
	want.body, want.edited = body.text, edit.text != ""
	if want.edited {
		want.body = edit.text
	}
	want.status = plainStatus(events)
	return want
}

// plainStatus is contract §8.
func plainStatus(events []stats.Event) string {
	m := modelMessage{events: events}
	switch {
	case len(events) == 0:
		return ""
	case m.totals().Failed > 0:
		return "failed"
	case m.totals().Read > 0:
		return "read"
	case m.totals().Delivered > 0:
		return "delivered"
	}
	return "sent"
}
