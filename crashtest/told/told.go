// Package told keeps book of what a gateway was told about messages and what it
// acknowledged, and compares its ledger with that (contract §8): what was
// acknowledged is there, nothing is there that was not told, and every message
// counts once. It believes nothing of what the gateway's own code does: the rule of
// the contract is written out here a second time.
package told

import (
	"sync"
	"time"
)

// Key names a message.
type Key struct{ User, Session, Message string }

// Owner is whose counters a message is in.
type Owner struct{ User, Session string }

// Owner is whose message it is.
func (k Key) Owner() Owner { return Owner{k.User, k.Session} }

// The statuses of contract §8.
const (
	Sent      = "sent"
	Failed    = "failed"
	Delivered = "delivered"
	Read      = "read"
)

// Event is one thing told about a message. No message is told of twice with the
// same status and different times.
type Event struct {
	Key
	Status string
	// At is when it happened; zero when the gateway decides that.
	At time.Time
}

// fact is what is known of one status of one message.
type fact struct {
	at           time.Time
	acknowledged bool
}

// tally counts what cannot be told apart.
type tally struct{ told, acknowledged int }

// Book is safe for use by many goroutines.
type Book struct {
	mu       sync.Mutex
	messages map[Key]map[string]*fact
	nameless map[Owner]*tally
	told     int
	acked    int
}

// NewBook begins.
func NewBook() *Book {
	return &Book{messages: map[Key]map[string]*fact{}, nameless: map[Owner]*tally{}}
}

// Told is written down before the gateway can know of the events.
func (b *Book) Told(events ...Event) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, e := range events {
		b.fact(e)
	}
}

// Acknowledged is written down when the gateway has said that it has the events.
func (b *Book) Acknowledged(events ...Event) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, e := range events {
		f := b.fact(e)
		if !f.acknowledged {
			f.acknowledged = true
			b.acked++
		}
	}
}

func (b *Book) fact(e Event) *fact {
	facts := b.messages[e.Key]
	if facts == nil {
		facts = map[string]*fact{}
		b.messages[e.Key] = facts
	}
	f := facts[e.Status]
	if f == nil {
		f = &fact{at: e.At}
		facts[e.Status] = f
		b.told++
	}
	return f
}

// FailureTold is written down when a message without an id is about to fail: the
// gateway gives it an id of its own.
func (b *Book) FailureTold(o Owner) { b.failures(o, func(t *tally) { t.told++ }) }

// FailureAcknowledged is written down when the client knows of the failure.
func (b *Book) FailureAcknowledged(o Owner) { b.failures(o, func(t *tally) { t.acknowledged++ }) }

func (b *Book) failures(o Owner, change func(*tally)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.nameless[o] == nil {
		b.nameless[o] = new(tally)
	}
	change(b.nameless[o])
}

// Size is how many different things were told, and how many of them acknowledged,
// failures without an id included.
func (b *Book) Size() (told, acknowledged int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	told, acknowledged = b.told, b.acked
	for _, t := range b.nameless {
		told, acknowledged = told+t.told, acknowledged+t.acknowledged
	}
	return told, acknowledged
}
