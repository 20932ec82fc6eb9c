package recorder_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/genfity/wa-gateway/journal"
	"github.com/genfity/wa-gateway/recorder"
	"github.com/genfity/wa-gateway/stats"
)

// moods of the database.
const (
	works = iota
	isGone
	hangs
	lies // commits and reports a failure
	slow
	moods
)

// moodyLedger is a database that is in a mood.
type moodyLedger struct {
	mu       sync.Mutex
	mood     int
	recorded map[string]bool
}

func (l *moodyLedger) Record(ctx context.Context, list []stats.Event) ([]stats.Recorded, error) {
	l.mu.Lock()
	mood := l.mood
	l.mu.Unlock()
	latency := time.Millisecond
	switch mood {
	case isGone:
		return nil, errAway
	case hangs:
		latency = time.Hour
	case slow:
		latency = 1500 * time.Millisecond
	}
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-time.After(latency):
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	results := make([]stats.Recorded, len(list))
	for i, e := range list {
		if e.Error == "poison" {
			return nil, errPoison
		}
		if e.UserID == "stranger" {
			results[i].Err = stats.ErrUnknownUser
			continue
		}
		results[i] = stats.Recorded{Recorded: !l.recorded[e.MessageID], Duplicate: l.recorded[e.MessageID]}
	}
	for i, e := range list {
		if results[i].Err == nil {
			l.recorded[e.MessageID] = true
		}
	}
	if mood == lies {
		return nil, errAway
	}
	return results, nil
}

// model does at random what may happen to a recorder and remembers what was
// acknowledged.
type model struct {
	t      *testing.T
	rand   *rand.Rand
	dir    string
	opts   options
	sound  bool // the journal takes events at any time
	ledger *moodyLedger
	grave  *deadLetters
	calls  sync.WaitGroup

	*rig
	next int

	mu    sync.Mutex
	acked map[string]bool // by an answer, or because Later took it; true: where a crash does no harm
	lost  int             // what Close reported
}

func (m *model) open() {
	o := journal.Options{MaxBytes: 64 << 10, SegmentBytes: 4 << 10}
	if m.sound {
		o.MaxBytes = 0
	}
	m.rig = newRig(m.t, m.dir, m.opts, o)
}

func (m *model) events(n int) []stats.Event {
	list := make([]stats.Event, n)
	for i := range list {
		kind := "E"
		switch m.rand.IntN(40) {
		case 0:
			kind = "P"
		case 1, 2:
			kind = "S"
		}
		m.next++
		list[i] = named(fmt.Sprint(kind, m.next))
	}
	return list
}

func (m *model) ack(id string, safe bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.acked[id] = safe
}

// record tells some events; its caller may be impatient.
func (m *model) record(r *eventRecorder) {
	list := m.events(1 + m.rand.IntN(30))
	ctx, cancel := m.t.Context(), context.CancelFunc(func() {})
	if m.rand.IntN(4) == 0 {
		ctx, cancel = context.WithTimeout(ctx, time.Duration(m.rand.IntN(3000))*time.Millisecond)
	}
	m.calls.Go(func() {
		defer cancel()
		begin := time.Now()
		a, err := r.Record(ctx, slices.Clone(list))
		waited := time.Since(begin)
		if waited > recorder.DefaultPatience && (a.Spooled || m.sound) {
			m.t.Errorf("a call waited %v", waited)
		}
		if err != nil {
			for _, known := range []error{recorder.ErrClosed, recorder.ErrSpoolFull, context.DeadlineExceeded} {
				if errors.Is(err, known) {
					return
				}
			}
			m.t.Errorf("Record: %v", err)
			return
		}
		if !a.Spooled && len(a.Results) != len(list) {
			m.t.Errorf("%d results for %d events", len(a.Results), len(list))
			return
		}
		for i, e := range list {
			if a.Spooled || a.Results[i].Err == nil {
				m.ack(e.MessageID, true)
			} else if e.MessageID[0] == 'E' {
				m.t.Errorf("%s was refused: %v", e.MessageID, a.Results[i].Err)
			}
		}
	})
}

func (m *model) laterSome() {
	list := m.events(1 + m.rand.IntN(3))
	sound := m.journal.get(&m.journal.append) == nil && !m.journal.Stats().UrgentFull
	if err := m.Later(list...); err != nil {
		m.t.Errorf("Later: %v", err)
		return
	}
	for _, e := range list {
		m.ack(e.MessageID, sound)
	}
}

// restart closes the recorder, or lets it die, and begins again on the same folder.
func (m *model) restart(kill bool) {
	wait := time.Duration(m.rand.IntN(5000)) * time.Millisecond
	ctx, cancel := context.WithTimeout(context.Background(), wait)
	defer cancel()
	if kill {
		cancel()
		m.journal.set(func(j *brokenJournal) {
			j.append, j.sync, j.ack, j.read = errNoSpace, errNoSpace, errNoSpace, errNoSpace
		})
	}
	begin := time.Now()
	if err := m.Close(ctx); err != nil && !errors.Is(err, recorder.ErrClosed) {
		m.t.Errorf("Close: %v", err)
	}
	if took := time.Since(begin); took > wait+2*time.Second {
		m.t.Errorf("Close took %v of %v", took, wait)
	}
	m.calls.Wait()
	m.lost += m.State().Waiting
	m.open()
}

func (m *model) step() {
	broken := func(one *error) {
		err := error(nil)
		if m.rand.IntN(3) == 0 {
			err = errNoSpace
		}
		m.journal.set(func(*brokenJournal) { *one = err })
	}
	switch m.rand.IntN(24) {
	case 0, 1:
		m.ledger.mu.Lock()
		m.ledger.mood = m.rand.IntN(moods)
		m.ledger.mu.Unlock()
	case 2:
		broken(&m.journal.append)
	case 3:
		if !m.sound {
			broken(&m.journal.sync)
		}
	case 4:
		broken(&m.journal.ack)
	case 5:
		broken(&m.journal.read)
	case 6:
		m.grave.set([]error{nil, nil, errAway}[m.rand.IntN(3)], m.rand.IntN(2) == 0)
	case 7:
		if m.rand.IntN(2) == 0 {
			m.restart(m.rand.IntN(3) == 0)
		}
	case 8, 9, 10:
		time.Sleep(time.Duration(m.rand.IntN(4000)) * time.Millisecond)
	case 11, 12, 13, 14, 15:
		m.laterSome()
	default:
		m.record(m.eventRecorder)
	}
	if m.rand.IntN(3) == 0 {
		time.Sleep(time.Duration(m.rand.IntN(50)) * time.Millisecond)
	}
	_ = m.Ready()
	_ = m.State()
}

// end heals everything and looks for what was acknowledged.
func (m *model) end() {
	m.calls.Wait()
	m.ledger.mu.Lock()
	m.ledger.mood = works
	m.ledger.mu.Unlock()
	m.grave.set(nil, false)
	m.journal.set(func(j *brokenJournal) { j.append, j.sync, j.ack, j.read = nil, nil, nil, nil })
	time.Sleep(time.Minute)
	if s := m.State(); s.Away || s.Waiting != 0 || m.Ready() != nil {
		m.t.Errorf("at the end: %+v, %v", s, m.Ready())
	}
	if err := m.Close(m.t.Context()); err != nil {
		m.t.Errorf("Close: %v", err)
	}
	if n := left(m.t, m.dir); n != 0 {
		// Acknowledging failed at the very last: once more, and it is empty.
		m.open()
		time.Sleep(time.Minute)
		if err := m.Close(m.t.Context()); err != nil {
			m.t.Error(err)
		}
		if n := left(m.t, m.dir); n != 0 {
			m.t.Errorf("%d bytes stay in the journal", n)
		}
	}
	kept := map[string]bool{}
	for _, l := range m.grave.letters {
		kept[l.Item.MessageID] = true
		if l.Raw != nil || l.Reason == "" || l.Item.MessageID[0] == 'E' {
			m.t.Errorf("dead letter %+v", l)
		}
	}
	missing := 0
	for id, safe := range m.acked {
		if m.ledger.recorded[id] || kept[id] {
			continue
		}
		if missing++; safe {
			m.t.Errorf("%s was acknowledged and is lost", id)
		}
	}
	if missing > m.lost {
		m.t.Errorf("%d are lost, of %d it was said", missing, m.lost)
	}
}

// Whatever happens in whatever order: what was acknowledged is in the ledger or
// among the dead letters. Only a journal that refuses records, while the database is
// away as well, at the moment in which the process ends, loses outcomes; Close says
// how many.
func TestNothingAcknowledgedIsLost(t *testing.T) {
	const runs = 40
	first := rand.Uint64()
	for i := range runs {
		seed := first + uint64(i)
		t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) {
			dir := t.TempDir()
			synctest.Test(t, func(t *testing.T) {
				m := &model{
					t: t, sound: seed%2 == 0, rand: rand.New(rand.NewPCG(seed, 0)), dir: dir, grave: &deadLetters{},
					ledger: &moodyLedger{recorded: map[string]bool{}}, acked: map[string]bool{},
				}
				m.opts = options{
					Commit: m.ledger.Record, MaxBatch: 1 + m.rand.IntN(40), Writers: 1 + m.rand.IntN(3),
					Poison: recorder.PoisonEvent, DeadLetter: m.grave.add,
				}
				m.open()
				for range 250 {
					m.step()
				}
				m.end()
			})
		})
	}
}
