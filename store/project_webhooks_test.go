package store_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/genfity/wa-gateway/store"
	"github.com/genfity/wa-gateway/store/storetest"
	"github.com/genfity/wa-gateway/waserver"
)

// keep keeps webhooks of a source, received one after another.
func keep(t *testing.T, p *store.Primary, source, session string, payloads ...string) {
	t.Helper()
	var list []*store.WebhookEvent
	for i, payload := range payloads {
		list = append(list, &store.WebhookEvent{Source: source, SessionID: session, Payload: []byte(payload), ReceivedAt: tick(i)})
	}
	_, err := p.AddWebhookEvents(t.Context(), list)
	must(t, err)
}

// readAs makes a message of each payload.
func readAs(e *store.WebhookEvent) ([]waserver.Update, error) {
	body := string(e.Payload)
	switch {
	case strings.Contains(body, "unknown"):
		return nil, nil
	case strings.Contains(body, "broken"):
		return nil, errors.New("the payload cannot be read")
	}
	return []waserver.Update{text(body, buyer, body, 1)}, nil
}

func TestProjectWebhooks(t *testing.T) {
	eachPrimary(t, func(t *testing.T, d *storetest.Database, p *store.Primary) {
		keep(t, p, "main", "s", `"1"`, `"2"`, `"unknown"`, `"broken"`, `"5"`)
		keep(t, p, "main", "", `"nobody's"`)
		keep(t, p, "generic", "s", `"theirs"`)
		var order []string
		for more := true; more; {
			done, err := p.ProjectWebhooks(t.Context(), "main", 2, func(e *store.WebhookEvent) ([]waserver.Update, error) {
				order = append(order, string(e.Payload))
				return readAs(e)
			})
			must(t, err)
			more = done.More
		}
		if !slices.Equal(order, []string{`"1"`, `"2"`, `"unknown"`, `"broken"`, `"5"`}) {
			t.Errorf("in the order %q", order)
		}
		if got := chatMessages(t, p, buyer); len(got) != 3 {
			t.Errorf("got %+v", got)
		}
		events, err := p.WebhookEvents(t.Context(), "", 0, 0)
		must(t, err)
		for _, e := range events {
			if done := e.ProcessedAt != nil; done == (e.Source == "generic") {
				t.Errorf("%s of %s: processed %v", e.Payload, e.Source, e.ProcessedAt)
			}
			want := map[string]string{`"broken"`: "the payload cannot be read", `"nobody's"`: store.ErrNoSession.Error()}[string(e.Payload)]
			if e.Error != want {
				t.Errorf("%s: error %q", e.Payload, e.Error)
			}
		}
	})
}

// An event that the database refuses holds up no other, and is given up in the end.
func TestProjectWebhooksRefused(t *testing.T) {
	d := storetest.New(t, storetest.PostgresSnake)
	p := newPrimary(t, d)
	d.Exec(t, `ALTER TABLE wa_gateway.messages ADD CHECK (body <> '"poison"')`)
	keep(t, p, "main", "s", `"1"`, `"poison"`, `"3"`)
	failed := 0
	for range 5 {
		done, err := p.ProjectWebhooks(t.Context(), "main", 10, readAs)
		must(t, err)
		failed += done.Failed
	}
	if got := chatMessages(t, p, buyer); len(got) != 2 || failed != 1 {
		t.Errorf("%d failed, got %+v", failed, got)
	}
	events, err := p.WebhookEvents(t.Context(), "", 0, 0)
	must(t, err)
	if e := events[1]; e.ProcessedAt == nil || e.Attempts != 3 || e.Error != "the database refused it: SQLSTATE 23514" {
		t.Errorf("got %+v", e)
	}
}

// What whoever reads cannot know yet waits.
func TestProjectWebhooksLater(t *testing.T) {
	eachPrimary(t, func(t *testing.T, d *storetest.Database, p *store.Primary) {
		keep(t, p, "main", "s", `"1"`)
		_, err := p.ProjectWebhooks(t.Context(), "main", 10, func(*store.WebhookEvent) ([]waserver.Update, error) { return nil, store.ErrUnavailable })
		if !errors.Is(err, store.ErrUnavailable) || d.Count(t, d.Own("webhook_events"), "processed_at IS NULL AND attempts = 0") != 1 {
			t.Errorf("later: %v", err)
		}
	})
}

// Many gateways at once do each webhook once, and none waits for another's.
func TestProjectWebhooksTogether(t *testing.T) {
	eachPrimary(t, func(t *testing.T, d *storetest.Database, p *store.Primary) {
		const each, sessions = 20, 3
		for s := range sessions {
			var payloads []string
			for i := range each {
				payloads = append(payloads, fmt.Sprintf(`"%d-%d"`, s, i))
			}
			keep(t, p, "main", fmt.Sprint("s", s), payloads...)
		}
		nodes := []*store.Primary{p, store.NewPrimary(openDB(t, d.DSN)), store.NewPrimary(openDB(t, d.DSN))}
		var mu sync.Mutex
		var wg sync.WaitGroup
		applied := 0
		for _, node := range nodes {
			wg.Go(func() {
				for {
					done, err := node.ProjectWebhooks(t.Context(), "main", 7, readAs)
					mu.Lock()
					applied += done.Applied
					finished := applied == each*sessions
					mu.Unlock()
					if err != nil {
						t.Error(err)
						return
					}
					if finished {
						return
					}
					if d.Count(t, d.Own("webhook_events"), "processed_at IS NULL") == 0 {
						return
					}
				}
			})
		}
		wg.Wait()
		if applied != each*sessions || d.Count(t, d.Own("messages"), "true") != applied {
			t.Errorf("applied %d", applied)
		}
	})
}

// A payload may be larger than what is read at once.
func TestProjectLargeWebhooks(t *testing.T) {
	eachPrimary(t, func(t *testing.T, _ *storetest.Database, p *store.Primary) {
		large := func(c string) string { return `"` + strings.Repeat(c, 5<<20) + `"` }
		keep(t, p, "main", "s", large("a"), large("b"), `"c"`)
		done, err := p.ProjectWebhooks(t.Context(), "main", 10, func(e *store.WebhookEvent) ([]waserver.Update, error) {
			return []waserver.Update{text(string(e.Payload[1]), buyer, "x", 1)}, nil
		})
		if must(t, err); done.Applied != 3 || done.More {
			t.Errorf("done %+v", done)
		}
	})
}
