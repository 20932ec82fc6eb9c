package stats

import (
	"errors"
	"time"
)

// Status is what an event says happened to a message (contract §8).
type Status string

// The four statuses. Read implies delivered, delivered implies sent.
const (
	StatusSent      Status = "sent"
	StatusFailed    Status = "failed"
	StatusDelivered Status = "delivered"
	StatusRead      Status = "read"
)

// Known reports whether s is one of the four statuses.
func (s Status) Known() bool {
	switch s {
	case StatusSent, StatusFailed, StatusDelivered, StatusRead:
		return true
	}
	return false
}

// Resolution is the finest difference in time that is kept: what both
// databases can store. Times are truncated to it before they are compared, so
// that the same events give the same statistics in memory and on disk.
const Resolution = time.Microsecond

// Event is one thing told about one message, by the WA server's answer or by a
// later call of the events endpoint.
type Event struct {
	// UserID, SessionID and MessageID name the message.
	UserID    string
	SessionID string
	MessageID string
	// To is the recipient and Type the kind of message ("text", "image", …).
	// Both may be empty.
	To   string
	Type string

	Status Status
	// At is when it happened: UTC, truncated to Resolution.
	At time.Time
	// Error says why a message failed. Only a failed event's is kept.
	Error string
}

// Normal returns e with its time in UTC and truncated to Resolution. Events
// from ParseEvent are normal already.
func (e Event) Normal() Event {
	e.At = e.At.UTC().Truncate(Resolution)
	return e
}

// Recorded says what became of one event handed to the ledger. Exactly one of
// its fields is set.
type Recorded struct {
	// Recorded: the event was news and is on disk.
	Recorded bool
	// Duplicate: what the event says was known already, and is on disk.
	Duplicate bool
	// Err is ErrUnknownUser or ErrUnknownSession: the event was not recorded.
	Err error
}

var (
	// ErrUnknownUser means that an event names a user who does not exist.
	ErrUnknownUser = errors.New("unknown user_id")
	// ErrUnknownSession means that an event names a session which its user
	// neither has nor ever had.
	ErrUnknownSession = errors.New("unknown session_id for this user_id")
)
