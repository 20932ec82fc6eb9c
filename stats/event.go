package stats

import (
	"errors"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Status is what an event says happened to a message (contract §8).
type Status string

// The four statuses. Read implies delivered, delivered implies sent.
const (
	Sent      Status = "sent"
	Failed    Status = "failed"
	Delivered Status = "delivered"
	Read      Status = "read"
)

// Known reports whether s is one of the four statuses.
func (s Status) Known() bool {
	switch s {
	case Sent, Failed, Delivered, Read:
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
	// FirstAt is when the message began, where that is known better than by At;
	// zero: At, or the end of the second that it names (see first). It decides whether
	// the message is from before a reset, and to which hour it belongs, and has no part
	// in sent against failed.
	FirstAt time.Time
	// Error says why a message failed. Only a failed event's is kept.
	Error string
}

// first is when what e tells of its message began. WA servers cut their times to
// whole seconds: such a time names a second, and stands for the end of it. Anything
// finer that is told of the message is earlier than that, and decides. If it stood for
// the beginning, a message that was sent just after a reset would seem to be from
// before it.
func (e Event) first() time.Time {
	switch {
	case !e.FirstAt.IsZero():
		return e.FirstAt
	case wholeSecond(e.At):
		return e.At.Add(time.Second - Resolution)
	}
	return e.At
}

// wholeSecond reports whether at has no fraction of a second.
func wholeSecond(at time.Time) bool { return at.Nanosecond() == 0 }

// Normal returns e as it is kept: its time in UTC and truncated to Resolution,
// its texts such that both databases can store them. Events from ParseEvent are
// normal already.
func (e Event) Normal() Event {
	e.At = e.At.UTC().Truncate(Resolution)
	if !e.FirstAt.IsZero() {
		e.FirstAt = e.FirstAt.UTC().Truncate(Resolution)
	}
	e.To = cut(e.To, MaxIDLength)
	e.Type = cut(e.Type, MaxTypeLength)
	e.Error = cut(e.Error, MaxErrorLength)
	return e
}

// Check returns ErrInvalid for an event that cannot be kept. Those from
// ParseEvent can.
func (e Event) Check() error {
	if ValidID(e.UserID) && ValidID(e.SessionID) && ValidID(e.MessageID) && e.Status.Known() && !e.At.Before(oldest) && !e.first().Before(oldest) {
		return nil
	}
	return ErrInvalid
}

// ValidID reports whether id can name a user, a session or a message: UTF-8
// without control characters, of at most MaxIDLength bytes, and not empty.
func ValidID(id string) bool {
	return id != "" && len(id) <= MaxIDLength && utf8.ValidString(id) && !strings.ContainsFunc(id, unicode.IsControl)
}

// cut makes text fit to be stored: valid UTF-8 without NUL, which PostgreSQL
// cannot store, and at most length bytes long.
func cut(text string, length int) string {
	text = strings.ToValidUTF8(text, string(utf8.RuneError))
	text = strings.ReplaceAll(text, "\x00", string(utf8.RuneError))
	if len(text) <= length {
		return text
	}
	for !utf8.RuneStart(text[length]) {
		length--
	}
	return text[:length]
}

// Recorded says what became of one event handed to the ledger. Exactly one of
// its fields is set.
type Recorded struct {
	// Recorded: the event was news and is on disk.
	Recorded bool
	// Duplicate: what the event says was known already, and is on disk.
	Duplicate bool
	// Err is ErrUnknownUser, ErrUnknownSession, ErrTooOld or ErrInvalid: the event
	// was not recorded.
	Err error
}

var (
	// ErrUnknownUser means that an event names a user who does not exist.
	ErrUnknownUser = errors.New("unknown user_id")
	// ErrUnknownSession means that an event names a session which its user
	// neither has nor ever had.
	ErrUnknownSession = errors.New("unknown session_id for this user_id")
	// ErrTooOld means that an event happened before what the ledger still
	// remembers: whether it was counted already can no longer be told.
	ErrTooOld = errors.New("timestamp is older than the ledger is kept")
	// ErrInvalid means that an event breaks the rules which ParseEvent checks.
	ErrInvalid = errors.New("invalid event")
)
