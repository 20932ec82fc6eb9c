package inbox_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/genfity/wa-gateway/inbox"
	"github.com/genfity/wa-gateway/store"
	"github.com/genfity/wa-gateway/waserver"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// dialect makes of each payload a receipt of that id.
type dialect struct{ waserver.Translator }

func (dialect) Updates(payload []byte, received time.Time) ([]waserver.Update, error) {
	switch string(payload) {
	case "unknown":
		return nil, nil
	case "broken":
		return nil, errors.New("not JSON")
	case "mean":
		panic(string(payload))
	}
	return []waserver.Update{{At: received, Receipt: &waserver.Receipt{IDs: []string{string(payload)}, Status: "sent"}}}, nil
}

// database keeps webhooks in memory.
type database struct {
	mu      sync.Mutex
	waiting map[string][]string // by source
	rows    []string
	errors  []string
	err     error
	calls   int
	hold    chan struct{} // closed, or nil: calls return at once
}

func (d *database) ProjectWebhooks(ctx context.Context, source string, limit int, read func(*store.WebhookEvent) ([]waserver.Update, error)) (store.WebhooksProjected, error) {
	d.mu.Lock()
	d.calls++
	hold := d.hold
	d.mu.Unlock()
	if hold != nil {
		select {
		case <-hold:
		case <-ctx.Done():
			return store.WebhooksProjected{}, ctx.Err()
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	var done store.WebhooksProjected
	if d.err != nil {
		return done, d.err
	}
	list := d.waiting[source]
	n := min(len(list), limit)
	for _, payload := range list[:n] {
		updates, err := read(&store.WebhookEvent{Source: source, SessionID: "s", Payload: []byte(payload)})
		switch {
		case store.Blameless(err):
			return done, err
		case err != nil:
			done.Failed++
			d.errors = append(d.errors, err.Error())
			continue
		}
		done.Applied++
		for _, u := range updates {
			d.rows = append(d.rows, u.Receipt.IDs...)
		}
	}
	d.waiting[source] = list[n:]
	done.More = n == limit
	return done, nil
}

// do changes or looks at what the database holds.
func (d *database) do(f func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f()
}

// translated has servers with a dialect, all but generic.
func translated(source string) waserver.Translator {
	if source == "generic" {
		return nil
	}
	return dialect{}
}

// running runs a test on synthetic time.
func running(t *testing.T, d *database, o inbox.Options, f func(t *testing.T, b *inbox.Inbox)) {
	synctest.Test(t, func(t *testing.T) {
		if d.waiting == nil {
			d.waiting = map[string][]string{}
		}
		o.Source, o.Translators = d, translated
		if o.Sources == nil {
			o.Sources = []string{"main", "generic"}
		}
		b := inbox.New(o)
		b.Start()
		f(t, b)
		if err := b.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// settle waits for what a poke begins, which is less than a second.
func settle() {
	time.Sleep(time.Second)
	synctest.Wait()
}

func TestWhatWaitsIsDone(t *testing.T) {
	d := &database{waiting: map[string][]string{"main": {"1", "unknown", "2", "3", "broken", "mean", "4"}, "generic": {"x"}}}
	core, logs := observer.New(zap.InfoLevel)
	running(t, d, inbox.Options{Batch: 2, Logger: zap.New(core)}, func(t *testing.T, b *inbox.Inbox) {
		settle()
		d.do(func() {
			if !slices.Equal(d.rows, []string{"1", "2", "3", "4"}) || len(d.waiting["generic"]) != 1 {
				t.Errorf("rows %q, %v wait", d.rows, d.waiting)
			}
			if len(d.errors) != 2 || d.errors[0] != "the payload cannot be read: not JSON" || strings.Contains(d.errors[1], "mean") {
				t.Errorf("errors %q", d.errors)
			}
		})
		if got := b.Counts(); got != (inbox.Counts{Applied: 5, Unknown: 1, Failed: 2}) {
			t.Errorf("counted %+v", got)
		}
		if logs.Len() == 0 {
			t.Error("nobody was told of those that failed")
		}
	})
}

func TestPokeAndTicker(t *testing.T) {
	d := &database{}
	running(t, d, inbox.Options{}, func(t *testing.T, b *inbox.Inbox) {
		settle()
		d.do(func() { d.waiting["main"] = []string{"1"} })
		for range 100 {
			b.Poke()
		}
		settle()
		d.do(func() {
			if len(d.rows) != 1 || d.calls > 4 {
				t.Errorf("rows %q after %d calls", d.rows, d.calls)
			}
			d.waiting["main"] = []string{"2"} // of a gateway that died
		})
		time.Sleep(inbox.DefaultInterval)
		synctest.Wait()
		d.do(func() {
			if len(d.rows) != 2 {
				t.Errorf("rows %q", d.rows)
			}
		})
	})
}

func TestDatabaseAway(t *testing.T) {
	d := &database{err: store.ErrUnavailable, waiting: map[string][]string{"main": {"1"}}}
	core, logs := observer.New(zap.InfoLevel)
	running(t, d, inbox.Options{Logger: zap.New(core)}, func(t *testing.T, b *inbox.Inbox) {
		for range 600 {
			time.Sleep(time.Second)
			b.Poke()
		}
		synctest.Wait()
		d.do(func() {
			if d.calls > 40 || !b.Away() {
				t.Errorf("asked %d times in ten minutes", d.calls)
			}
			d.err = nil
		})
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		d.do(func() {
			if len(d.rows) != 1 || b.Away() {
				t.Errorf("rows %q", d.rows)
			}
		})
		if logs.Len() != 2 {
			t.Errorf("told %d times", logs.Len())
		}
		// And it is quick again.
		d.do(func() { d.waiting["main"] = []string{"2"} })
		b.Poke()
		settle()
		d.do(func() {
			if len(d.rows) != 2 {
				t.Errorf("rows %q", d.rows)
			}
		})
	})
}

func TestObserve(t *testing.T) {
	d := &database{waiting: map[string][]string{"main": {"1", "unknown", "2"}}}
	var told []string
	observed := store.ErrUnavailable
	o := inbox.Options{Observe: func(_ context.Context, e *store.WebhookEvent, updates []waserver.Update) error {
		if observed != nil {
			return observed
		}
		told = append(told, e.SessionID+updates[0].Receipt.IDs[0])
		return nil
	}}
	running(t, d, o, func(t *testing.T, _ *inbox.Inbox) {
		settle()
		d.do(func() {
			if len(d.rows) != 0 || len(d.waiting["main"]) != 3 {
				t.Errorf("rows %q without being observed", d.rows)
			}
			observed = nil
		})
		time.Sleep(time.Minute)
		synctest.Wait()
		d.do(func() {
			if !slices.Equal(told, []string{"s1", "s2"}) || len(d.rows) != 2 {
				t.Errorf("told %q, rows %q", told, d.rows)
			}
		})
	})
}

func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		never := inbox.New(inbox.Options{})
		if err := never.Close(t.Context()); err != nil {
			t.Error(err)
		}
		never.Start() // too late

		// What has begun is finished.
		d := &database{waiting: map[string][]string{"main": {"1", "2"}}, hold: make(chan struct{})}
		b := inbox.New(inbox.Options{Source: d, Sources: []string{"main"}, Translators: translated, Batch: 1})
		b.Start()
		synctest.Wait()
		closed := make(chan error)
		go func() { closed <- b.Close(t.Context()) }()
		synctest.Wait()
		close(d.hold)
		if err := <-closed; err != nil || !slices.Equal(d.rows, []string{"1"}) {
			t.Errorf("rows %q, %v", d.rows, err)
		}
		if err := b.Close(t.Context()); err != nil {
			t.Error(err)
		}

		// But not for ever.
		d = &database{hold: make(chan struct{})}
		b = inbox.New(inbox.Options{Source: d, Sources: []string{"main"}, Translators: translated})
		b.Start()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := b.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("closed: %v", err)
		}
	})
}
