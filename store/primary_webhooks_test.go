package store_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/genfity/wa-gateway/store"
	"github.com/genfity/wa-gateway/store/storetest"
)

// primaries runs a test on both back ends: the primary database has no other
// kinds, as all its tables are ours.
func primaries(t *testing.T, test func(t *testing.T, d *storetest.Database, p *store.Primary)) {
	t.Helper()
	for _, kind := range []storetest.Kind{storetest.SQLite, storetest.PostgresSnake} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			d := storetest.New(t, kind)
			test(t, d, newPrimary(t, d))
		})
	}
}

func webhook(source, payload string) *store.WebhookEvent {
	return &store.WebhookEvent{Source: source, SessionID: "s1", EventType: "message", Payload: json.RawMessage(payload)}
}

func TestWebhookBatches(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *storetest.Database) {
		p := newPrimary(t, d)
		at := time.Date(2026, 1, 2, 3, 4, 5, 6_000_000, time.FixedZone("WIB", 7*3600))
		first := webhook("main", `{"n":1}`)
		first.ReceivedAt = at
		added, err := p.AddWebhookEvents(t.Context(), []*store.WebhookEvent{first, webhook("main", `{"n":2}`)})
		must(t, err)
		if len(added) != 2 || added[0].Duplicate || added[1].Duplicate || added[0].ID == "" || added[0].ID == added[1].ID || first.ID != added[0].ID {
			t.Fatalf("got %+v", added)
		}

		// Known ones, new ones, one twice in the list, one of another source, and
		// what the one database or the other could not store as it is.
		odd := webhook("main", `"\u0000 \ud800"`)
		odd.SessionID, odd.EventType = "nul\x00", "bad\xff"
		list := []*store.WebhookEvent{
			webhook("main", `{"n":3}`), webhook("main", `{"n":1}`), webhook("main", `{"n":3}`), webhook("other", `{"n":1}`), odd,
		}
		again, err := p.AddWebhookEvents(t.Context(), list)
		must(t, err)
		for i, duplicate := range []bool{false, true, true, false, false} {
			if again[i].Duplicate != duplicate || again[i].ID != list[i].ID {
				t.Errorf("event %d: got %+v, id %s", i, again[i], list[i].ID)
			}
		}
		if again[1].ID != added[0].ID || again[2].ID != again[0].ID {
			t.Errorf("duplicates have ids of their own: %+v", again)
		}
		events, err := p.WebhookEvents(t.Context(), "", 0, 0)
		if err != nil || len(events) != 5 {
			t.Fatalf("%d events, %v", len(events), err)
		}
		if oldest := events[4]; oldest.ID != first.ID || !oldest.ReceivedAt.Equal(at) || string(oldest.Payload) != `{"n":1}` ||
			oldest.Source != "main" || oldest.SessionID != "s1" || oldest.EventType != "message" || oldest.ProcessedAt != nil {
			t.Errorf("got %+v", oldest)
		}

		must(t, p.MarkWebhookEventsProcessed(t.Context(), []string{added[0].ID, again[3].ID, "unknown"}))
		must(t, p.MarkWebhookEventsProcessed(t.Context(), nil))
		if n := d.Count(t, d.Own("webhook_events"), "processed_at IS NOT NULL"); n != 2 {
			t.Errorf("%d processed", n)
		}
		if none, err := p.AddWebhookEvents(t.Context(), nil); err != nil || len(none) != 0 {
			t.Errorf("nothing: %v, %v", none, err)
		}
	})
}

// One that did its work before it was kept says so, and so does one that was kept
// before it did.
func TestWebhooksThatAreProcessed(t *testing.T) {
	primaries(t, func(t *testing.T, d *storetest.Database, p *store.Primary) {
		at := time.Now().UTC()
		for i, counted := range []bool{false, true, false} {
			e := webhook("main", `{"n":1}`)
			if counted {
				e.ProcessedAt = &at
			}
			_, err := p.AddWebhookEvents(t.Context(), []*store.WebhookEvent{e})
			must(t, err)
			want := min(i, 1)
			if n := d.Count(t, d.Own("webhook_events"), "processed_at IS NOT NULL"); n != want {
				t.Errorf("after %d: %d processed", i, n)
			}
		}
		e := webhook("main", `{"n":2}`)
		e.ProcessedAt = &at
		_, err := p.AddWebhookEvents(t.Context(), []*store.WebhookEvent{e})
		must(t, err)
		events, err := p.WebhookEvents(t.Context(), "", 0, 0)
		must(t, err)
		for _, e := range events {
			if e.ProcessedAt == nil || e.ProcessedAt.Sub(at).Abs() > time.Millisecond {
				t.Errorf("got %v, want %v", e.ProcessedAt, at)
			}
		}
	})
}

// The hash is that of the versions before, so that what they kept is known.
func TestContentHashStaysTheSame(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *storetest.Database) {
		p := newPrimary(t, d)
		e := webhook("main", `{"event":"message","id":1}`)
		_, err := p.AddWebhookEvents(t.Context(), []*store.WebhookEvent{e})
		must(t, err)
		// printf '4:main{"event":"message","id":1}' | sha256sum
		const want = "48c577c2d971c203fd6407cc5385823d8643cce76811e70dba5862e7b9d5f872"
		if e.ContentHash != want || d.Count(t, d.Own("webhook_events"), "content_hash = $1", want) != 1 {
			t.Errorf("got %s", e.ContentHash)
		}
	})
}

// A transaction of several of the largest payloads, more rows than one statement
// carries, and one that is no JSON: all or nothing.
func TestLargeWebhookBatches(t *testing.T) {
	primaries(t, func(t *testing.T, d *storetest.Database, p *store.Primary) {
		var list []*store.WebhookEvent
		for i := range 3 {
			list = append(list, webhook("main", fmt.Sprintf(`{"n":%d,"media":"%s"}`, i, bytes.Repeat([]byte("A"), 16<<20))))
		}
		for i := range 1500 {
			list = append(list, webhook("main", fmt.Sprint(i)))
		}
		added, err := p.AddWebhookEvents(t.Context(), list)
		must(t, err)
		for i, a := range added {
			if a.Duplicate || a.ID != list[i].ID {
				t.Fatalf("event %d: %+v", i, a)
			}
		}
		if n := d.Count(t, d.Own("webhook_events"), "length(CAST(payload AS text)) > 16000000"); n != 3 {
			t.Errorf("%d large ones", n)
		}
		if d.Postgres() {
			if _, err := p.AddWebhookEvents(t.Context(), []*store.WebhookEvent{webhook("main", `"good"`), webhook("main", `{bad`)}); err == nil || errors.Is(err, store.ErrUnavailable) {
				t.Errorf("no JSON: %v", err)
			}
			if n := d.Count(t, d.Own("webhook_events"), "true"); n != len(list) {
				t.Errorf("%d rows", n)
			}
		}
	})
}

// Everybody delivers the same events, each in another order: nobody waits in a
// circle, and of each event one says that it is new.
func TestWebhookBatchesSideBySide(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *storetest.Database) {
		nodes := []*store.Primary{newPrimary(t, d), store.NewPrimary(openDB(t, d.DSN))}
		const events, posters = 60, 8
		var mu sync.Mutex
		var wg sync.WaitGroup
		ids, news := map[string]string{}, map[string]int{}
		for i := range posters {
			wg.Go(func() {
				list := make([]*store.WebhookEvent, events)
				for j, n := range rand.Perm(events) {
					list[j] = webhook("main", fmt.Sprint(n))
				}
				added, err := nodes[i%2].AddWebhookEvents(t.Context(), list)
				mu.Lock()
				defer mu.Unlock()
				if err != nil {
					t.Error(err)
					return
				}
				for j, a := range added {
					payload := string(list[j].Payload)
					if ids[payload] != "" && ids[payload] != a.ID {
						t.Errorf("event %s has ids %s and %s", payload, ids[payload], a.ID)
					}
					ids[payload] = a.ID
					if !a.Duplicate {
						news[payload]++
					}
				}
			})
		}
		wg.Wait()
		for payload, n := range news {
			if n != 1 {
				t.Errorf("event %s was new %d times", payload, n)
			}
		}
		if len(news) != events || d.Count(t, d.Own("webhook_events"), "true") != events {
			t.Errorf("%d events were new", len(news))
		}
	})
}

func TestPurgeWebhookEvents(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *storetest.Database) {
		p := newPrimary(t, d)
		var list []*store.WebhookEvent
		for i := range 50 {
			e := webhook("main", fmt.Sprint(i))
			e.ReceivedAt = after(float64(i))
			list = append(list, e)
		}
		_, err := p.AddWebhookEvents(t.Context(), list)
		must(t, err)
		removed, err := p.PurgeWebhookEvents(t.Context(), after(35), store.PurgeOptions{Batch: 10, Pause: time.Millisecond})
		if err != nil || removed != 35 {
			t.Fatalf("removed %d, %v", removed, err)
		}
		events, err := p.WebhookEvents(t.Context(), "", 0, 0)
		if err != nil || len(events) != 15 || string(events[14].Payload) != "35" {
			t.Errorf("%d are left, %v", len(events), err)
		}
		// What was removed is new when it comes again.
		added, err := p.AddWebhookEvents(t.Context(), []*store.WebhookEvent{webhook("main", "1"), webhook("main", "40")})
		if err != nil || added[0].Duplicate || !added[1].Duplicate {
			t.Errorf("again: %+v, %v", added, err)
		}
	})
}

// Removal and delivery of the same events at the same time: nothing fails, and
// what AddWebhookEvents names is a row.
func TestPurgeBesideDelivery(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *storetest.Database) {
		p := newPrimary(t, d)
		done := make(chan struct{})
		go func() {
			defer close(done)
			for range 40 {
				if _, err := p.PurgeWebhookEvents(t.Context(), time.Now().Add(time.Hour), store.PurgeOptions{Batch: 3, Pause: time.Microsecond}); err != nil {
					t.Error(err)
				}
			}
		}()
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for range 40 {
					added, err := p.AddWebhookEvents(t.Context(), []*store.WebhookEvent{webhook("main", "1"), webhook("main", "2"), webhook("main", "3")})
					if err != nil || strings.Contains(fmt.Sprint(added), "{ ") {
						t.Errorf("%+v, %v", added, err)
					}
				}
			})
		}
		wg.Wait()
		<-done
	})
}

// The same words about something that happens again are kept once a second, anything
// else once for ever.
func TestTimelessWebhooks(t *testing.T) {
	primaries(t, func(t *testing.T, _ *storetest.Database, p *store.Primary) {
		at := time.Date(2026, 1, 31, 8, 0, 0, 0, time.UTC)
		var added []bool
		for _, c := range []struct {
			after    time.Duration
			timeless bool
		}{{0, true}, {100 * time.Millisecond, true}, {2 * time.Second, true}, {4 * time.Second, false}, {6 * time.Second, false}} {
			results, err := p.AddWebhookEvents(t.Context(), []*store.WebhookEvent{{
				Source: "main", Payload: []byte(`{"type":"Connected"}`), ReceivedAt: at.Add(c.after), Timeless: c.timeless,
			}})
			must(t, err)
			added = append(added, !results[0].Duplicate)
		}
		if want := []bool{true, false, true, true, false}; !slices.Equal(added, want) {
			t.Errorf("kept: %v, want %v", added, want)
		}
	})
}
