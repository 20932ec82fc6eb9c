package store_test

import (
	"encoding/base64"
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

// turn goes through the pages of a list.
func turn[T any](t *testing.T, limit int, list func(cursor string, limit int) ([]T, string, error), name func(*T) string) []string {
	t.Helper()
	var all []string
	for cursor := ""; ; {
		rows, next, err := list(cursor, limit)
		must(t, err)
		if len(rows) > limit || len(rows) == 0 && cursor != "" {
			t.Fatalf("a page of %d", len(rows))
		}
		for i := range rows {
			all = append(all, name(&rows[i]))
		}
		if next == "" {
			return all
		}
		cursor = next
	}
}

func TestPages(t *testing.T) {
	eachPrimary(t, func(t *testing.T, _ *storetest.Database, p *store.Primary) {
		ctx := t.Context()
		var updates []waserver.Update
		var contacts, chats, messages []string
		for i := range 10 {
			chat := fmt.Sprintf("%02d@s.whatsapp.net", i)
			// Of two with one time, the ids decide.
			updates = append(updates, text(fmt.Sprintf("m%02d", i), team, "x", i/2),
				waserver.Update{At: tick(1), Contact: &waserver.Contact{JID: chat, Name: "N"}},
				waserver.Update{At: tick(1), Chat: &waserver.Chat{JID: chat, LastMessageAt: tick(i / 3)}})
			contacts, chats, messages = append(contacts, chat), append(chats, chat), append(messages, fmt.Sprintf("m%02d", i))
		}
		updates = append(updates, waserver.Update{At: tick(1), Chat: &waserver.Chat{JID: "never@s.whatsapp.net"}})
		apply(t, p, updates...)
		contacts = append(contacts, buyer)
		slices.Reverse(chats)
		slices.Reverse(messages)
		chats = append([]string{team}, append(chats, "never@s.whatsapp.net")...)
		for _, limit := range []int{1, 3, 4, 1000} {
			got := turn(t, limit, func(cursor string, limit int) ([]store.Contact, string, error) {
				return p.Contacts(ctx, "s", cursor, limit)
			}, func(c *store.Contact) string { return c.JID })
			if slices.Sort(got); !slices.Equal(got, contacts) {
				t.Errorf("contacts by %d: %q", limit, got)
			}
			got = turn(t, limit, func(cursor string, limit int) ([]store.Chat, string, error) {
				return p.Chats(ctx, "s", cursor, limit)
			}, func(c *store.Chat) string { return c.JID })
			if !slices.Equal(got, chats) {
				t.Errorf("chats by %d: %q", limit, got)
			}
			got = turn(t, limit, func(cursor string, limit int) ([]store.ChatMessage, string, error) {
				return p.ChatMessages(ctx, "s", team, cursor, limit)
			}, func(m *store.ChatMessage) string { return m.MessageID })
			if !slices.Equal(got, messages) {
				t.Errorf("messages by %d: %q", limit, got)
			}
		}

		// A row that comes while somebody turns pages moves none of those that follow.
		_, next, err := p.ChatMessages(ctx, "s", team, "", 3)
		must(t, err)
		apply(t, p, text("new", team, "x", 100))
		rest, _, err := p.ChatMessages(ctx, "s", team, next, 3)
		if must(t, err); rest[0].MessageID != messages[3] {
			t.Errorf("then %q", rest[0].MessageID)
		}

		// Of another session there is nothing.
		if none, next, err := p.Chats(ctx, "other", "", 0); err != nil || len(none) != 0 || next != "" {
			t.Errorf("another session's: %+v, %q, %v", none, next, err)
		}
		if _, _, err := p.Chats(ctx, "s", next, 0); !errors.Is(err, store.ErrBadCursor) {
			t.Errorf("the cursor of another list: %v", err)
		}
	})
}

// FuzzCursor: any text is a cursor or an ErrBadCursor, and never an error of the
// database.
func FuzzCursor(f *testing.F) {
	p := store.NewPrimary(mustOpen(f, storetest.New(f, storetest.SQLite).DSN))
	if _, err := p.Migrate(f.Context(), store.MigrateOptions{}); err != nil {
		f.Fatal(err)
	}
	updates := []waserver.Update{text("1", buyer, "x", 1), text("2", buyer, "x", 2), text("3", team, "x", 3)}
	if err := p.ApplyUpdates(f.Context(), "s", updates); err != nil {
		f.Fatal(err)
	}
	_, messages, _ := p.ChatMessages(f.Context(), "s", buyer, "", 1)
	_, chats, _ := p.Chats(f.Context(), "s", "", 1)
	for _, seed := range []string{messages, chats, messages[:4], "====", base64.RawURLEncoding.EncodeToString([]byte("m\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01x"))} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, cursor string) {
		_, _, err := p.ChatMessages(t.Context(), "s", buyer, cursor, 1)
		_, _, err2 := p.Chats(t.Context(), "s", cursor, 1)
		_, _, err3 := p.Contacts(t.Context(), "s", cursor, 1)
		for _, err := range []error{err, err2, err3} {
			if err != nil && !errors.Is(err, store.ErrBadCursor) {
				t.Fatal(err)
			}
		}
	})
}

func mustOpen(t testing.TB, dsn string) *store.DB {
	t.Helper()
	db, err := store.Open(store.Config{DSN: dsn})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// The lists are read in order from an index, whatever their length.
func TestPagesUseAnIndex(t *testing.T) {
	d := storetest.New(t, storetest.SQLite)
	newPrimary(t, d)
	at := time.Now()
	for query, index := range map[string]string{
		`SELECT * FROM ` + d.Own("messages") + ` WHERE session_id = $1 AND chat_jid = $2 AND known AND (sent_at, message_id) < ($3, $4) ORDER BY sent_at DESC, message_id DESC LIMIT 9`: "messages_by_time",
		`SELECT * FROM ` + d.Own("chats") + ` WHERE session_id = $1 AND (active_at, jid) < ($3, $2) AND $4 <> '' ORDER BY active_at DESC, jid DESC LIMIT 9`:                             "chats_active",
	} {
		rows, err := d.SQL.QueryContext(t.Context(), `EXPLAIN QUERY PLAN `+query, "s", "c", at, "m")
		must(t, err)
		plan := ""
		for rows.Next() {
			var id, parent, unused int
			var detail string
			must(t, rows.Scan(&id, &parent, &unused, &detail))
			plan += detail + "\n"
		}
		must(t, rows.Err())
		must(t, rows.Close())
		if !strings.Contains(plan, "USING INDEX wa_gateway_"+index) || strings.Contains(plan, "TEMP B-TREE") {
			t.Errorf("%s", plan)
		}
	}
}
