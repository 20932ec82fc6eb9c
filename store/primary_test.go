package store_test

import (
	"context"
	"encoding/json"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/genfity/wa-gateway/store"
	"github.com/genfity/wa-gateway/store/storetest"
)

func newPrimary(t *testing.T, d *storetest.Database) *store.Primary {
	t.Helper()
	pool, err := store.Open(store.Config{DSN: d.DSN})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := pool.Close(); err != nil {
			t.Error(err)
		}
	})
	p := store.NewPrimary(pool)
	report, err := p.Migrate(t.Context(), store.MigrateOptions{})
	if err != nil || len(report.Applied) == 0 {
		t.Fatalf("migrate: %+v, %v", report, err)
	}
	return p
}

func addWebhook(ctx context.Context, p *store.Primary, e *store.WebhookEvent) (duplicate bool, err error) {
	added, err := p.AddWebhookEvents(ctx, []*store.WebhookEvent{e})
	if err != nil {
		return false, err
	}
	return added[0].Duplicate, nil
}

func TestWebhookEventsAreKeptOnce(t *testing.T) {
	for _, kind := range []storetest.Kind{storetest.SQLite, storetest.PostgresSnake} {
		t.Run(string(kind), func(t *testing.T) {
			d := storetest.New(t, kind)
			p := newPrimary(t, d)
			ctx := t.Context()
			at := time.Date(2026, 1, 2, 3, 4, 5, 6_000_000, time.FixedZone("WIB", 7*3600))
			// What jsonb would refuse is kept, too.
			odd := `{"text":"NUL \u0000 and \ud800","n":1e999999,"deep":` + strings.Repeat("[", 50) + strings.Repeat("]", 50) + `}`
			for _, payload := range []string{`{"event":"message","id":1}`, `{"event":"message","id":2}`, `[]`, odd} {
				first := store.WebhookEvent{Source: "main", SessionID: "s1", EventType: "message", Payload: json.RawMessage(payload), ReceivedAt: at}
				if duplicate, err := addWebhook(ctx, p, &first); err != nil || duplicate {
					t.Fatalf("%s: %v, %v", payload, duplicate, err)
				}
				again := store.WebhookEvent{Source: "main", Payload: json.RawMessage(payload)}
				if duplicate, err := addWebhook(ctx, p, &again); err != nil || !duplicate || again.ID != first.ID {
					t.Fatalf("%s again: %v, %v, id %s and %s", payload, duplicate, err, again.ID, first.ID)
				}
				for _, session := range []string{"s2", "s3"} {
					another := store.WebhookEvent{Source: "main", SessionID: session, Payload: json.RawMessage(payload), OfSession: true}
					if duplicate, err := addWebhook(ctx, p, &another); err != nil || duplicate {
						t.Fatalf("%s of session %s: %v, %v", payload, session, duplicate, err)
					}
				}
				other := store.WebhookEvent{Source: "other", Payload: json.RawMessage(payload)}
				if duplicate, err := addWebhook(ctx, p, &other); err != nil || duplicate {
					t.Fatalf("%s from another source: %v, %v", payload, duplicate, err)
				}
				if err := p.MarkWebhookEventsProcessed(ctx, []string{first.ID}); err != nil {
					t.Fatal(err)
				}
			}
			events, err := p.WebhookEvents(ctx, "s1", 0, 0)
			if err != nil || len(events) != 4 {
				t.Fatalf("%d events, %v", len(events), err)
			}
			for _, e := range events {
				if !e.ReceivedAt.Equal(at) || e.ProcessedAt == nil || e.Source != "main" {
					t.Errorf("%+v", e)
				}
				if string(e.Payload) == odd {
					odd = ""
				}
			}
			if odd != "" {
				t.Error("the odd payload did not come back as it was")
			}
		})
	}
}

func TestWebhookEventsSideBySide(t *testing.T) {
	for _, kind := range []storetest.Kind{storetest.SQLite, storetest.PostgresSnake} {
		t.Run(string(kind), func(t *testing.T) {
			p := newPrimary(t, storetest.New(t, kind))
			var mu sync.Mutex
			var wg sync.WaitGroup
			kept := 0
			for range 20 {
				wg.Go(func() {
					e := store.WebhookEvent{Source: "main", Payload: json.RawMessage(`{"same":true}`)}
					duplicate, err := addWebhook(t.Context(), p, &e)
					mu.Lock()
					defer mu.Unlock()
					if err != nil {
						t.Error(err)
					} else if !duplicate {
						kept++
					}
				})
			}
			wg.Wait()
			if kept != 1 {
				t.Errorf("kept %d times", kept)
			}
		})
	}
}

// Both databases may be one (contract §2).
func TestOneDatabaseForBoth(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *storetest.Database) {
		p := newPrimary(t, d)
		tr := store.NewTransactional(p.DB(), "")
		if _, err := tr.Migrate(t.Context(), store.MigrateOptions{}); err != nil {
			t.Fatal(err)
		}
		report, err := p.Migrate(t.Context(), store.MigrateOptions{DryRun: true})
		if err != nil || len(report.Applied) != 0 {
			t.Errorf("still pending: %+v, %v", report, err)
		}
		e := store.WebhookEvent{Source: "main", Payload: json.RawMessage(`{}`)}
		if _, err := addWebhook(t.Context(), p, &e); err != nil {
			t.Error(err)
		}
	})
}
