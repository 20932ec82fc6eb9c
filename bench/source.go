package main

import (
	"fmt"
	"strconv"
	"time"
)

// source makes the events that a WA server tells of messages: each is sent,
// delivered and read. The n-th event of a source is always the same.
type source struct {
	host    string
	callers []caller
	begin   time.Time // of the first event
	name    uint32    // in the messages' ids: those of two sources differ
}

var statuses = [...]string{"sent", "delivered", "read"}

// apart is how many other events lie between those of one message, so that they
// come in different batches as a rule, and the ledger writes each row three times.
const apart = 4000

// position says which message the n-th event is about, and which event of its.
func position(n int) (message, status int) {
	const block = apart * len(statuses)
	return n/block*apart + n%block%apart, n % block / apart
}

// totalsOf is what the first n events come to.
func totalsOf(n int) totals {
	const block = apart * len(statuses)
	whole, rest := n/block*apart, n%block
	of := func(status int) int64 { return int64(whole + min(max(rest-status*apart, 0), apart)) }
	return totals{Sent: of(0), Delivered: of(1), Read: of(2)}
}

// id spreads messages over the index, as the random ids of WA servers do.
func (s *source) id(message int) string {
	return fmt.Sprintf("3EB0%08X%08X", uint32(message)*0x9E3779B1, s.name) //nolint:gosec // a hash: the multiplier is odd, so no two are the same
}

func (s *source) appendEvent(buf []byte, n int) []byte {
	message, status := position(n)
	c := s.callers[message%len(s.callers)]
	at := s.begin.Add(time.Duration(n) * time.Millisecond)
	return appendEvent(buf, c, s.id(message), statuses[status], at)
}

// stamp has the same length for every time.
const stamp = "2006-01-02T15:04:05.000Z"

func appendEvent(buf []byte, c caller, message, status string, at time.Time) []byte {
	buf = append(append(buf, `{"user_id":"`...), c.user...)
	buf = append(append(buf, `","session_id":"`...), c.session...)
	buf = append(append(buf, `","message_id":"`...), message...)
	buf = append(append(buf, `","to":"6281234567890","status":"`...), status...)
	buf = append(buf, `","timestamp":"`...)
	buf = at.UTC().AppendFormat(buf, stamp)
	return append(buf, `","error":null}`...)
}

// batch is a prepared call with the events from first on.
func (s *source) batch(first, size int) []byte {
	body := make([]byte, 0, size*220)
	body = append(body, '[')
	for n := first; n < first+size; n++ {
		if n > first {
			body = append(body, ',')
		}
		body = s.appendEvent(body, n)
	}
	return post(s.host, "/events/message/batch", append(body, ']'))
}

// post is a call of the WA server.
func post(host, path string, body []byte) []byte {
	head := "POST " + path + " HTTP/1.1\r\nHost: " + host + "\r\nAuthorization: Bearer " + eventsToken +
		"\r\nContent-Type: application/json\r\nContent-Length: " + strconv.Itoa(len(body)) + "\r\n\r\n"
	return append([]byte(head), body...)
}
