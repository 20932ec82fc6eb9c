package store_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/genfity/wa-gateway/store"
	"github.com/genfity/wa-gateway/store/storetest"
)

// undo takes the migrations of a set back from one on, as if they had never been, and
// returns how many they were.
func undo(t *testing.T, d *storetest.Database, set, from string) int {
	t.Helper()
	folder := "sqlite"
	if d.Postgres() {
		folder = "postgres"
	}
	files, err := filepath.Glob(filepath.Join("migrations", folder, set, "*.sql"))
	must(t, err)
	slices.Sort(files)
	slices.Reverse(files)
	for i, file := range files {
		text, err := os.ReadFile(file)
		must(t, err)
		_, down, _ := strings.Cut(string(text), "-- +goose Down")
		d.Exec(t, down)
		version, _, _ := strings.Cut(filepath.Base(file), "_")
		d.Exec(t, `DELETE FROM `+d.Own("schema_migrations_"+set)+` WHERE version_id = `+strings.TrimLeft(version, "0"))
		if version == from {
			return i + 1
		}
	}
	t.Fatalf("there is no migration %s", from)
	return 0
}

// A database of the version before is brought up to date, with what it holds.
func TestUpgrade(t *testing.T) {
	eachPrimary(t, func(t *testing.T, d *storetest.Database, p *store.Primary) {
		tr := store.NewTransactional(p.DB(), "")
		_, err := tr.Migrate(t.Context(), store.MigrateOptions{})
		must(t, err)
		primary, transactional := undo(t, d, "primary", "00003"), undo(t, d, "transactional", "00005")
		at := "2026-01-02T03:04:05.000Z"
		d.Exec(t, `INSERT INTO `+d.Own("chats")+` (session_id, jid, last_message_at, updated_at) VALUES ('s', 'a', '`+at+`', '`+at+`'), ('s', 'b', NULL, '`+at+`')`)
		d.Exec(t, `INSERT INTO `+d.Own("messages")+` (session_id, chat_jid, message_id, body, sent_at, updated_at) VALUES ('s', 'a', '1', 'old', '`+at+`', '`+at+`')`)
		payload := map[bool]string{true: "'{}'", false: "x'7b7d'"}[d.Postgres()]
		d.Exec(t, `INSERT INTO `+d.Own("webhook_events")+` (id, source, session_id, payload, content_hash, received_at) VALUES ('e', 'main', 's', `+payload+`, 'h', '`+at+`')`)

		report, err := p.Migrate(t.Context(), store.MigrateOptions{})
		must(t, err)
		if len(report.Applied) != primary || report.Applied[0].Version != 3 {
			t.Errorf("applied %+v", report.Applied)
		}
		report, err = tr.Migrate(t.Context(), store.MigrateOptions{})
		must(t, err)
		if len(report.Applied) != transactional || report.Applied[0].Version != 5 {
			t.Errorf("applied %+v", report.Applied)
		}
		chats, _, err := p.Chats(t.Context(), "s", "", 0)
		must(t, err)
		if len(chats) != 2 || chats[0].JID != "a" || !chats[0].ActiveAt.Equal(*chats[0].LastMessageAt) {
			t.Errorf("chats %+v", chats)
		}
		if got := chatMessages(t, p, "a"); len(got) != 1 || got[0].Body != "old" {
			t.Errorf("messages %+v", got)
		}
		done, err := p.ProjectWebhooks(t.Context(), "main", 10, readAs)
		if must(t, err); done.Applied != 1 {
			t.Errorf("webhooks %+v", done)
		}
		must(t, tr.SaveLink(t.Context(), link("s", "main", "r")))
	})
}
