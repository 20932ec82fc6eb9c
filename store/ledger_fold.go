package store

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/genfity/wa-gateway/stats"
)

// ledgerBatch is the events of one Record and what is being made of them. It
// does the arithmetic; the files beside it talk to the databases.
type ledgerBatch struct {
	events  []stats.Event
	results []stats.Recorded
	pairs   []pair // that the events name, each once
	pairOf  []int  // for each event; -1 for one that is invalid

	aside mirrorAside

	// What follows is of one attempt at the transaction.

	sessions []*sessionCounters // for each of pairs; nil when it has none
	unseen   []pair             // sessions that exist and have no counters yet
	messages []*ledgerMessage   // that the events name, each once
	message  []*ledgerMessage   // for each event; nil for one that is invalid
	rollups  rollupDeltas
}

// sessionCounters is a locked row of session_stats, and what is to be added.
type sessionCounters struct {
	pair
	id      int64
	epoch   int64
	resetAt time.Time
	last    [2]time.Time // last_sent_at, last_failed_at
	behind  [2]int64     // behind_sent, behind_failed

	delta   stats.Counts
	newest  [2]time.Time // latest outcome that came
	gone    [2]time.Time // latest outcome that went
	recount [2]bool      // the latest went: look for the one before it
	touched bool
}

// The sides of sessionCounters' arrays.
const (
	sideSent = iota
	sideFailed
)

// ledgerMessage is a row of message_ledger.
type ledgerMessage struct {
	pair    int // position in pairs
	id      string
	session *sessionCounters // nil when nothing of it is recorded

	epoch   int64
	now     stats.Message
	before  stats.Message // as it is on disk
	changed bool
	later   bool // only told of again, later: the row changes and no count does
}

func newLedgerBatch(events []stats.Event) *ledgerBatch {
	b := &ledgerBatch{
		events:  make([]stats.Event, len(events)),
		results: make([]stats.Recorded, len(events)),
		pairOf:  make([]int, len(events)),
	}
	seen := make(map[pair]int)
	for i, e := range events {
		b.events[i] = e.Normal()
		b.pairOf[i] = -1
		if err := e.Check(); err != nil {
			b.results[i].Err = err
			continue
		}
		p := pair{e.UserID, e.SessionID}
		n, ok := seen[p]
		if !ok {
			n = len(b.pairs)
			seen[p] = n
			b.pairs = append(b.pairs, p)
		}
		b.pairOf[i] = n
	}
	return b
}

// begin forgets an attempt that was undone.
func (b *ledgerBatch) begin() {
	b.sessions = make([]*sessionCounters, len(b.pairs))
	b.unseen = nil
	b.rollups = rollupDeltas{}
	b.messages = make([]*ledgerMessage, 0, len(b.events))
	b.message = make([]*ledgerMessage, len(b.events))
	type key struct {
		pair int
		id   string
	}
	seen := make(map[key]*ledgerMessage, len(b.events))
	for i, e := range b.events {
		if b.pairOf[i] < 0 {
			continue
		}
		m := seen[key{b.pairOf[i], e.MessageID}]
		if m == nil {
			m = &ledgerMessage{pair: b.pairOf[i], id: e.MessageID, epoch: rowIsNew}
			seen[key{m.pair, m.id}] = m
			b.messages = append(b.messages, m)
		}
		b.message[i] = m
	}
	// In the order of their index the databases find neighbours side by side.
	slices.SortFunc(b.messages, func(a, b *ledgerMessage) int {
		return cmp.Or(cmp.Compare(a.pair, b.pair), strings.Compare(a.id, b.id))
	})
}

// rowIsNew is the epoch of a message that has no row yet.
const rowIsNew = -1

// missing lists the positions of the pairs without counters.
func (b *ledgerBatch) missing() []int {
	var list []int
	for i, s := range b.sessions {
		if s == nil {
			list = append(list, i)
		}
	}
	return list
}

// pairsAt returns the pairs at positions.
func (b *ledgerBatch) pairsAt(positions []int) []pair {
	list := make([]pair, len(positions))
	for i, n := range positions {
		list[i] = b.pairs[n]
	}
	return list
}

// refuse judges the missing pairs by what the foreign tables know of them:
// those that exist are unseen, the events of the others are not recorded.
func (b *ledgerBatch) refuse(positions []int, known []knownPair) {
	reasons := make(map[int]error, len(positions))
	for i, n := range positions {
		switch {
		case known[i].session:
			b.unseen = append(b.unseen, b.pairs[n])
		case known[i].user:
			reasons[n] = ErrUnknownSession
		default:
			reasons[n] = ErrUnknownUser
		}
	}
	for i, n := range b.pairOf {
		if err := reasons[n]; err != nil {
			b.results[i] = stats.Recorded{Err: err}
		}
	}
}

// knownPair is what the foreign tables know of a pair.
type knownPair struct{ user, session bool }

// fold merges the events into the messages and works out what changes. Events
// from before limit are too old. An event that says nothing new is a duplicate, though
// the row may have to remember that it was told so late.
func (b *ledgerBatch) fold(limit time.Time) (messages []*ledgerMessage, sessions []*sessionCounters) {
	for _, m := range b.messages {
		m.session = b.sessions[m.pair]
		if m.session != nil && m.epoch == rowIsNew {
			m.epoch = m.session.epoch
		}
	}
	for i, e := range b.events {
		m := b.message[i]
		if m == nil || m.session == nil {
			continue
		}
		told := e.Message()
		if e.At.Before(limit) || told.FirstAt.Before(limit) {
			b.results[i] = stats.Recorded{Err: ErrTooOld}
			continue
		}
		merged := m.now.Merge(told)
		later := merged.LastAt.After(m.now.LastAt)
		m.now.LastAt = merged.LastAt
		news := !merged.Equal(m.now)
		b.results[i] = stats.Recorded{Recorded: news, Duplicate: !news}
		m.now, m.changed, m.later = merged, m.changed || news, m.later || later
	}
	for _, m := range b.messages {
		if m.changed || m.later {
			messages = append(messages, m)
		}
		if m.changed {
			m.session.move(m, b.rollups)
		}
	}
	for _, s := range b.sessions {
		if s != nil && s.touched {
			s.settle()
			sessions = append(sessions, s)
		}
	}
	return messages, sessions
}

// outcome says how a message counts. One from before a reset does not: its row
// was there at the reset, or something told of it was earlier (contract §8).
func (s *sessionCounters) outcome(m *stats.Message, epoch int64) stats.Outcome {
	if epoch < s.epoch || !m.FirstAt.After(s.resetAt) {
		return stats.OutcomeNone
	}
	return m.Outcome()
}

// outcome is how the message counts now, the column of that name.
func (m *ledgerMessage) outcome() stats.Outcome { return m.session.outcome(&m.now, m.epoch) }

// times are the times of the row, in the order of its columns.
func (m *ledgerMessage) times() [7]time.Time {
	n := &m.now
	return [7]time.Time{n.At(), n.FirstAt, n.SentAt, n.FailedAt, n.DeliveredAt, n.ReadAt, n.LastAt}
}

// move takes a message's old counts back and adds its new ones.
func (s *sessionCounters) move(m *ledgerMessage, rollups rollupDeltas) {
	s.touched = true
	old, now := s.outcome(&m.before, m.epoch), m.outcome()
	if old != stats.OutcomeNone {
		counts := m.before.Counts()
		s.delta = s.delta.Sub(counts)
		rollups.take(s.id, &m.before, counts)
	}
	if now != stats.OutcomeNone {
		counts := m.now.Counts()
		s.delta = s.delta.Add(counts)
		rollups.add(s.id, &m.now, counts)
	}
	for side, outcome := range [2]stats.Outcome{stats.OutcomeSent, stats.OutcomeFailed} {
		oldAt, nowAt := m.before.At(), m.now.At()
		if now == outcome && nowAt.After(s.newest[side]) {
			s.newest[side] = nowAt
		}
		if old == outcome && (now != outcome || nowAt.Before(oldAt)) && oldAt.After(s.gone[side]) {
			s.gone[side] = oldAt
		}
	}
}

// settle finds out what becomes of last_sent_at and last_failed_at. The latest
// has to be looked for only when it went and nothing as late came.
func (s *sessionCounters) settle() {
	for side := range s.last {
		s.recount[side] = !s.gone[side].IsZero() && !s.gone[side].Before(s.last[side]) && s.newest[side].Before(s.last[side])
		if !s.newest[side].After(s.last[side]) {
			s.newest[side] = time.Time{}
		}
	}
}

// mirrored reports whether the foreign table's row changes too: it knows
// nothing of receipts.
func (s *sessionCounters) mirrored() bool {
	if s.due() != [2]int64{} {
		return true
	}
	for side := range s.last {
		if s.recount[side] || !s.newest[side].IsZero() {
			return true
		}
	}
	return false
}

// due is what the foreign row has to be given.
func (s *sessionCounters) due() [2]int64 {
	return [2]int64{s.behind[sideSent] + s.delta.Sent, s.behind[sideFailed] + s.delta.Failed}
}
