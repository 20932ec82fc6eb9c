package store_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/genfity/wa-gateway/store"
	"github.com/genfity/wa-gateway/store/storetest"
)

func TestDeadLetters(t *testing.T) {
	each(t, func(t *testing.T, _ *storetest.Database, tr *store.Transactional) {
		ctx := t.Context()
		event := store.DeadLetter{Source: "event", UserID: "u", SessionID: "s", MessageID: "m", Payload: []byte(`{"a":1}`), Reason: "unknown user_id"}
		added, err := tr.AddDeadLetters(ctx, []store.DeadLetter{event, event,
			{Source: "outcome", Payload: []byte(`{"a":1}`), Reason: "another source"}})
		if err != nil || added != 2 {
			t.Fatalf("added %d, %v", added, err)
		}
		again := event
		again.Reason = "another reason"
		if added, err = tr.AddDeadLetters(ctx, []store.DeadLetter{again}); err != nil || added != 0 {
			t.Errorf("again: added %d, %v", added, err)
		}
		if n, err := tr.CountDeadLetters(ctx); err != nil || n != 2 {
			t.Errorf("%d letters, %v", n, err)
		}
		letters, err := tr.DeadLetters(ctx, 0, "")
		must(t, err)
		if len(letters) != 2 {
			t.Fatalf("got %+v", letters)
		}
		if letters[0].Source != "event" {
			letters[0], letters[1] = letters[1], letters[0]
		}
		got := letters[0]
		if age := time.Since(got.CreatedAt); age < -time.Second || age > time.Minute || got.CreatedAt.Location() != time.UTC {
			t.Errorf("created at %s", got.CreatedAt)
		}
		one, err := tr.DeadLetter(ctx, got.ID)
		if err != nil || one.Reason != "unknown user_id" || one.UserID != "u" || one.SessionID != "s" || one.MessageID != "m" || string(one.Payload) != `{"a":1}` {
			t.Errorf("got %+v, %v", one, err)
		}
		if removed, err := tr.RemoveDeadLetters(ctx, got.ID, "unknown", "nul\x00"); err != nil || removed != 1 {
			t.Errorf("removed %d, %v", removed, err)
		}
		if removed, err := tr.RemoveDeadLetters(ctx); err != nil || removed != 0 {
			t.Errorf("removed %d, %v", removed, err)
		}
		for _, id := range []string{got.ID, "nul\x00", ""} {
			if _, err := tr.DeadLetter(ctx, id); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("%q: %v", id, err)
			}
		}
	})
}

// Whatever was told comes back as it was, and what is said about it fits.
func TestDeadLettersOfAnyBytes(t *testing.T) {
	each(t, func(t *testing.T, _ *storetest.Database, tr *store.Transactional) {
		payloads := [][]byte{{}, []byte("plain"), {0}, []byte("nul\x00inside"), {0xff, 0xfe}, []byte("base64:AAAA"), []byte(`"\ud800"`),
			bytes.Repeat([]byte("0123456789abcdef"), 1<<20), append(bytes.Repeat([]byte("y"), 9<<20), 0)}
		want := map[string]bool{}
		var letters []store.DeadLetter
		for _, p := range payloads {
			want[string(p)] = true
			letters = append(letters, store.DeadLetter{
				Source: "event", Payload: p, Reason: strings.Repeat("é", 5000) + "\x00\xff", UserID: "\xff\x00" + strings.Repeat("u", 5000),
			})
		}
		if added, err := tr.AddDeadLetters(t.Context(), letters); err != nil || added != int64(len(payloads)) {
			t.Fatalf("added %d, %v", added, err)
		}
		got, err := tr.DeadLetters(t.Context(), 0, "")
		must(t, err)
		for _, l := range got {
			if !want[string(l.Payload)] {
				t.Errorf("a payload of %d bytes came back as another", len(l.Payload))
			}
			delete(want, string(l.Payload))
			if len(l.Reason) > 2000 || len(l.Reason) < 1900 || len(l.UserID) > 300 {
				t.Errorf("a reason of %d bytes, a user of %d", len(l.Reason), len(l.UserID))
			}
		}
		if len(want) != 0 {
			t.Errorf("%d payloads are missing", len(want))
		}
	})
}

// Pages neither overlap nor leave anything out, though letters come and go.
func TestDeadLettersByPages(t *testing.T) {
	each(t, func(t *testing.T, d *storetest.Database, tr *store.Transactional) {
		var letters []store.DeadLetter
		for i := range 25 {
			letters = append(letters, store.DeadLetter{Source: "event", Payload: fmt.Append(nil, i), Reason: "x"})
		}
		for i := 0; i < len(letters); i += 5 {
			_, err := tr.AddDeadLetters(t.Context(), letters[i:i+5])
			must(t, err)
			time.Sleep(2 * time.Millisecond)
		}
		seen := map[string]bool{}
		var last time.Time
		for after := ""; ; {
			page, err := tr.DeadLetters(t.Context(), 4, after)
			must(t, err)
			for _, l := range page {
				if seen[l.ID] || !last.IsZero() && l.CreatedAt.After(last) {
					t.Errorf("%s of %s after %s", l.ID, l.CreatedAt, last)
				}
				seen[l.ID], last, after = true, l.CreatedAt, l.Cursor()
			}
			if len(page) < 4 {
				break
			}
			// The last one of the page goes, a new one comes.
			_, err = tr.RemoveDeadLetters(t.Context(), page[3].ID)
			must(t, err)
			_, err = tr.AddDeadLetters(t.Context(), []store.DeadLetter{{Source: "event", Payload: fmt.Append(nil, "new", len(seen)), Reason: "x"}})
			must(t, err)
		}
		if len(seen) != 25 {
			t.Errorf("saw %d", len(seen))
		}
		for _, cursor := range []string{"x", "-", "12", "12-", "-5-c", "12-a\x00", "99999999999999999-c"} {
			if _, err := tr.DeadLetters(t.Context(), 1, cursor); !errors.Is(err, store.ErrCursor) {
				t.Errorf("%q: %v", cursor, err)
			}
		}
	})
}

// Many say the same at once, each in another order.
func TestDeadLettersSideBySide(t *testing.T) {
	each(t, func(t *testing.T, d *storetest.Database, tr *store.Transactional) {
		nodes := []*store.Transactional{tr, migrated(t, d)}
		var wg sync.WaitGroup
		var mu sync.Mutex
		var total int64
		for i := range 6 {
			wg.Go(func() {
				var letters []store.DeadLetter
				for j := range 40 {
					letters = append(letters, store.DeadLetter{Source: "event", Payload: fmt.Append(nil, (j*7+i*3)%40)})
				}
				added, err := nodes[i%2].AddDeadLetters(t.Context(), letters)
				mu.Lock()
				defer mu.Unlock()
				if total += added; err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if n, err := tr.CountDeadLetters(t.Context()); err != nil || n != 40 || total != 40 {
			t.Errorf("%d letters, %d were new, %v", n, total, err)
		}
	})
}

// Letters that nobody decided about go by their age, the others stay.
func TestPurgeDeadLetters(t *testing.T) {
	each(t, func(t *testing.T, d *storetest.Database, tr *store.Transactional) {
		var letters []store.DeadLetter
		for i := range 25 {
			letters = append(letters, store.DeadLetter{Source: "event", Payload: fmt.Append(nil, i), Reason: "test"})
		}
		_, err := tr.AddDeadLetters(t.Context(), letters)
		must(t, err)
		if n, err := tr.PurgeDeadLetters(t.Context(), time.Now().Add(-time.Hour), store.PurgeOptions{}); n != 0 || err != nil {
			t.Errorf("%d young ones went, %v", n, err)
		}
		if n, err := tr.PurgeDeadLetters(t.Context(), time.Now().Add(time.Hour), store.PurgeOptions{Batch: 10, Pause: time.Millisecond}); n != 25 || err != nil {
			t.Errorf("%d went, %v", n, err)
		}
		if n, err := tr.CountDeadLetters(t.Context()); n != 0 || err != nil {
			t.Errorf("%d are left, %v", n, err)
		}
	})
}
