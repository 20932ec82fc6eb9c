package stats

import "time"

// Message is everything told about one message, as far as it matters. A zero
// time means that no such event was told.
type Message struct {
	// SentAt and FailedAt are the latest told: a message is failed only if no
	// sent is later than its failure (contract §8).
	SentAt   time.Time
	FailedAt time.Time
	// DeliveredAt and ReadAt are the earliest told: repeated receipts do not
	// move the time at which it happened.
	DeliveredAt time.Time
	ReadAt      time.Time
	// FirstAt is the earliest time of any event; one that names a second only counts
	// as the end of it. It decides whether the message is from before a reset, and to
	// which hour it belongs.
	FirstAt time.Time
	// LastAt is the latest time of any event, a repeated receipt's too. It has no part
	// in what is counted: as long as that event could be told again, the message has to
	// be remembered.
	LastAt time.Time

	// Error is that of the latest failure; of several at the same time the
	// greatest in byte order.
	Error string
	// To and Type are the greatest told in byte order, so that an empty one
	// never hides one that was told.
	To   string
	Type string
}

// Message returns what e alone says about its message.
func (e Event) Message() Message {
	m := Message{FirstAt: e.first(), LastAt: e.At, To: e.To, Type: e.Type}
	switch e.Status {
	case Sent:
		m.SentAt = e.At
	case Failed:
		m.FailedAt = e.At
		m.Error = e.Error
	case Delivered:
		m.DeliveredAt = e.At
	case Read:
		m.ReadAt = e.At
	}
	return m
}

// Merge returns what m and o say together. It is commutative, associative and
// idempotent; the zero Message is its neutral element.
func (m Message) Merge(o Message) Message {
	switch {
	case o.FailedAt.After(m.FailedAt):
		m.FailedAt, m.Error = o.FailedAt, o.Error
	case o.FailedAt.Equal(m.FailedAt):
		m.Error = max(m.Error, o.Error)
	}
	m.SentAt = latest(m.SentAt, o.SentAt)
	m.DeliveredAt = earliest(m.DeliveredAt, o.DeliveredAt)
	m.ReadAt = earliest(m.ReadAt, o.ReadAt)
	m.FirstAt = earliest(m.FirstAt, o.FirstAt)
	m.LastAt = latest(m.LastAt, o.LastAt)
	m.To = max(m.To, o.To)
	m.Type = max(m.Type, o.Type)
	return m
}

// Equal reports whether m and o say the same, whatever the location and the
// monotonic reading of their times.
func (m Message) Equal(o Message) bool {
	return m.SentAt.Equal(o.SentAt) && m.FailedAt.Equal(o.FailedAt) &&
		m.DeliveredAt.Equal(o.DeliveredAt) && m.ReadAt.Equal(o.ReadAt) &&
		m.FirstAt.Equal(o.FirstAt) && m.LastAt.Equal(o.LastAt) &&
		m.Error == o.Error && m.To == o.To && m.Type == o.Type
}

// Outcome is the side on which a message counts.
type Outcome uint8

const (
	// OutcomeNone is the outcome of a message of which nothing was told.
	OutcomeNone Outcome = iota
	// OutcomeSent messages count in total_messages_sent.
	OutcomeSent
	// OutcomeFailed messages count in total_messages_failed and nowhere else.
	OutcomeFailed
)

// String names the outcome: "none", "sent" or "failed".
func (o Outcome) String() string {
	switch o {
	case OutcomeSent:
		return "sent"
	case OutcomeFailed:
		return "failed"
	}
	return "none"
}

// Outcome says on which side m counts: failed when it has a failed, no
// delivered or read, and no sent with a later timestamp; else sent
// (contract §8).
func (m Message) Outcome() Outcome {
	switch {
	case m.FirstAt.IsZero():
		return OutcomeNone
	case m.FailedAt.IsZero(), m.arrived(), m.SentAt.After(m.FailedAt):
		return OutcomeSent
	}
	return OutcomeFailed
}

// At is when m got its outcome: when it failed, or when it was sent. Of a sent
// message of which only receipts were told it is the earliest receipt.
func (m Message) At() time.Time {
	switch {
	case m.Outcome() == OutcomeFailed:
		return m.FailedAt
	case !m.SentAt.IsZero():
		return m.SentAt
	}
	return earliest(m.DeliveredAt, m.ReadAt)
}

// BeganAt is FirstAt as it was told: a second of which nothing finer is known is
// shown as such.
func (m Message) BeganAt() time.Time {
	if second := m.FirstAt.Truncate(time.Second); m.FirstAt.Sub(second) == time.Second-Resolution {
		return second
	}
	return m.FirstAt
}

// Slot is the beginning of the slot to which m belongs, in UTC: that in which
// the first thing told of it happened, whatever comes later.
func (m Message) Slot() time.Time {
	return m.FirstAt.UTC().Truncate(Slot)
}

// Counts is what m adds to the statistics.
func (m Message) Counts() Counts {
	switch m.Outcome() {
	case OutcomeFailed:
		return Counts{Failed: 1}
	case OutcomeSent:
		c := Counts{Sent: 1}
		if m.arrived() {
			c.Delivered = 1
		}
		if !m.ReadAt.IsZero() {
			c.Read = 1
		}
		return c
	}
	return Counts{}
}

func (m Message) arrived() bool {
	return !m.DeliveredAt.IsZero() || !m.ReadAt.IsZero()
}

// latest returns the later of two times, of which a zero one does not count.
func latest(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// earliest returns the earlier of two times, of which a zero one does not
// count.
func earliest(a, b time.Time) time.Time {
	if a.IsZero() || (!b.IsZero() && b.Before(a)) {
		return b
	}
	return a
}
