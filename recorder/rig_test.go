package recorder_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/genfity/wa-gateway/journal"
	"github.com/genfity/wa-gateway/recorder"
	"github.com/genfity/wa-gateway/stats"
)

// deadLetters is a store for them.
type deadLetters struct {
	mu      sync.Mutex
	fail    error
	lie     bool // keeps them and fails all the same
	calls   int
	letters []recorder.DeadLetter[stats.Event]
}

func (d *deadLetters) add(_ context.Context, letters []recorder.DeadLetter[stats.Event]) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.calls++
	if d.fail == nil || d.lie {
		d.letters = append(d.letters, letters...)
	}
	return d.fail
}

func (d *deadLetters) set(fail error, lie bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fail, d.lie = fail, lie
}

// texts are the letters in short.
func (d *deadLetters) texts() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	var list []string
	for _, l := range d.letters {
		name := l.Item.MessageID
		if l.Raw != nil {
			name = fmt.Sprintf("%q", l.Raw)
		}
		list = append(list, fmt.Sprintf("%v %s: %s", l.Source, name, l.Reason))
	}
	slices.Sort(list)
	return list
}

// brokenJournal is a journal that can be broken.
type brokenJournal struct {
	recorder.Journal
	mu                      sync.Mutex
	append, sync, ack, read error
	acks                    int
}

func (j *brokenJournal) set(f func(j *brokenJournal)) {
	j.mu.Lock()
	defer j.mu.Unlock()
	f(j)
}

func (j *brokenJournal) get(err *error) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	return *err
}

func (j *brokenJournal) Append(urgent bool, records ...[]byte) error {
	if err := j.get(&j.append); err != nil {
		return err
	}
	return j.Journal.Append(urgent, records...)
}

func (j *brokenJournal) AppendSync(ctx context.Context, records ...[]byte) error {
	if err := j.get(&j.sync); err != nil {
		return err
	}
	return j.Journal.AppendSync(ctx, records...)
}

func (j *brokenJournal) TryNext(n, size int) (journal.Batch, error) {
	if err := j.get(&j.read); err != nil {
		return journal.Batch{}, err
	}
	return j.Journal.TryNext(n, size)
}

func (j *brokenJournal) Ack(b journal.Batch) error {
	j.mu.Lock()
	j.acks++
	err := j.ack
	j.mu.Unlock()
	if err != nil {
		return err
	}
	return j.Journal.Ack(b)
}

func (j *brokenJournal) Stats() journal.Stats {
	s := j.Journal.Stats()
	if err := j.get(&j.append); err != nil {
		s.Err = err
	}
	return s
}

var errNoSpace = errors.New("no space left on device")

func open(t *testing.T, dir string, o journal.Options) *brokenJournal {
	t.Helper()
	o.Dir = dir
	j, err := journal.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	return &brokenJournal{Journal: j}
}

// rig is a recorder with all that it needs.
type rig struct {
	*eventRecorder
	ledger  *fakeLedger
	journal *brokenJournal
	dead    *deadLetters
	logs    *observer.ObservedLogs
	dir     string
}

func newRig(t *testing.T, dir string, opts options, o journal.Options) *rig {
	t.Helper()
	core, logs := observer.New(zap.InfoLevel)
	g := &rig{ledger: &fakeLedger{writers: opts.Writers}, journal: open(t, dir, o), dead: &deadLetters{}, logs: logs, dir: dir}
	if opts.Commit == nil {
		opts.Commit = g.ledger.Record
	}
	opts.Journal, opts.Spool, opts.Logger = g.journal, true, zap.New(core)
	opts.Encode, opts.Decode = recorder.EncodeEvent, recorder.DecodeEvent
	opts.Refused, opts.Unavailable, opts.Describe = recorder.RefusedEvent, isAway, recorder.DescribeEvent
	if opts.DeadLetter == nil {
		opts.DeadLetter = g.dead.add
	}
	g.eventRecorder = recorder.New(opts)
	return g
}

// with runs f in a bubble with a recorder, which is then closed and must have left
// nothing.
func with(t *testing.T, opts options, f func(t *testing.T, g *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, t.TempDir(), opts, journal.Options{})
		f(t, g)
		if err := g.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if n := left(t, g.dir); n != 0 {
			t.Errorf("%d bytes are left in the journal", n)
		}
	})
}

// left is what waits in the journals of dir.
func left(t *testing.T, dir string) int64 {
	t.Helper()
	j := open(t, dir, journal.Options{})
	n := j.Stats().Bytes
	if err := j.Close(); err != nil {
		t.Error(err)
	}
	return n
}

func (l *fakeLedger) away() { l.setRefuse(func([]stats.Event) error { return errAway }) }

func (g *rig) record(t *testing.T, ids ...string) (recorder.Answer[stats.Recorded], error) {
	list := make([]stats.Event, len(ids))
	for i, id := range ids {
		list[i] = named(id)
	}
	return g.Record(t.Context(), list)
}

// named is an event whose id says what becomes of it.
func named(id string) stats.Event {
	e := event(id)
	switch id[0] {
	case 'P':
		e.Error = "poison"
	case 'S':
		e.UserID = "stranger"
	}
	return e
}

func (g *rig) later(t *testing.T, ids ...string) {
	t.Helper()
	for _, id := range ids {
		if err := g.Later(named(id)); err != nil {
			t.Errorf("%s: %v", id, err)
		}
	}
}

func (g *rig) poisonous() {
	g.ledger.setRefuse(func(list []stats.Event) error {
		if slices.ContainsFunc(list, func(e stats.Event) bool { return e.Error == "poison" }) {
			return errPoison
		}
		return nil
	})
}

func (g *rig) wantIDs(t *testing.T, want ...string) {
	t.Helper()
	got := g.ledger.ids()
	slices.Sort(got)
	if got = slices.Compact(got); !slices.Equal(got, want) {
		t.Errorf("recorded %v, want %v", got, want)
	}
}

func (d *deadLetters) want(t *testing.T, want ...string) {
	t.Helper()
	if got := slices.Compact(d.texts()); !slices.Equal(got, want) {
		t.Errorf("dead letters %q, want %q", got, want)
	}
}
