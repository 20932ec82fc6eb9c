package store_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/genfity/wa-gateway/store"
	"github.com/genfity/wa-gateway/store/storetest"
)

// Whatever is asked of a database that is away says so, and what was to be done.
func TestRetentionWithoutADatabase(t *testing.T) {
	each(t, func(t *testing.T, d *storetest.Database, tr *store.Transactional) {
		p := newPrimary(t, d)
		must(t, tr.DB().Close())
		must(t, p.DB().Close())
		for name, call := range map[string]func(ctx context.Context) error{
			"remove old messages":       func(ctx context.Context) error { return second(tr.Purge(ctx, noon, hurried)) },
			"put old rollups together":  func(ctx context.Context) error { return second(tr.CompactRollups(ctx, noon, hurried)) },
			"recount the statistics":    func(ctx context.Context) error { return second(tr.Verify(ctx, store.VerifyOptions{}, nil)) },
			"export sessions":           func(ctx context.Context) error { return tr.ExportSessions(ctx, store.ExportFilter{}, nil) },
			"export statistics":         func(ctx context.Context) error { return tr.ExportMessages(ctx, store.ExportFilter{}, nil) },
			"export statistics of some": func(ctx context.Context) error { return tr.ExportRollups(ctx, store.ExportFilter{UserID: "u"}, nil) },
			"count sessions":            func(ctx context.Context) error { return second(tr.CountSessions(ctx, store.ExportFilter{})) },
			"count rollups":             func(ctx context.Context) error { return second(tr.CountRollups(ctx, store.ExportFilter{UserID: "u"})) },
			"count messages":            func(ctx context.Context) error { _, _, err := tr.CountMessages(ctx, store.ExportFilter{}); return err },
			"keep dead letters":         func(ctx context.Context) error { return second(tr.AddDeadLetters(ctx, make([]store.DeadLetter, 1))) },
			"list dead letters":         func(ctx context.Context) error { return second(tr.DeadLetters(ctx, 0, "")) },
			"read a dead letter":        func(ctx context.Context) error { return second(tr.DeadLetter(ctx, "x")) },
			"remove dead letters":       func(ctx context.Context) error { return second(tr.RemoveDeadLetters(ctx, "x")) },
			"count dead letters":        func(ctx context.Context) error { return second(tr.CountDeadLetters(ctx)) },
			"keep webhook events":       func(ctx context.Context) error { return second(addWebhook(ctx, p, webhook("main", "{}"))) },
			"mark webhook events":       func(ctx context.Context) error { return p.MarkWebhookEventsProcessed(ctx, []string{"x"}) },
			"remove old dead letters":   func(ctx context.Context) error { return second(tr.PurgeDeadLetters(ctx, noon, hurried)) },
			"remove old webhook events": func(ctx context.Context) error { return second(p.PurgeWebhookEvents(ctx, noon, hurried)) },
			"keep webhook events, of a few": func(ctx context.Context) error {
				return second(p.AddWebhookEvents(ctx, []*store.WebhookEvent{webhook("main", "1")}))
			},
		} {
			doing, _, _ := strings.Cut(strings.TrimSuffix(name, " of some"), ",")
			if err := call(short(t)); !errors.Is(err, store.ErrUnavailable) || !strings.HasPrefix(err.Error(), doing+": ") || strings.Contains(err.Error(), d.DSN) {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}
