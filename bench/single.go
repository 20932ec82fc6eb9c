package main

import (
	"bytes"
	"context"
	"fmt"
	"time"
)

const singleConns = 64

// teller is what one connection tells, one event at a time: each message is sent,
// delivered and read. It writes into prepared requests, which costs next to
// nothing.
type teller struct {
	forms  [len(statuses)][]byte
	idAt   [len(statuses)]int // where the message's number stands
	timeAt [len(statuses)]int
	now    [64]byte
	told   int
	acked  totals
}

func newTeller(host string, c caller, name string) *teller {
	t := new(teller)
	for i, status := range statuses {
		t.forms[i] = post(host, "/events/message", appendEvent(nil, c, "3EB1"+name+noNumber, status, time.Unix(0, 0)))
		t.idAt[i] = bytes.Index(t.forms[i], []byte(noNumber))
		t.timeAt[i] = bytes.Index(t.forms[i], []byte("1970-01-01T"))
	}
	return t
}

const noNumber = "________" // the number of a message goes there

// next is the next event.
func (t *teller) next() []byte {
	message, status := t.told/len(statuses), t.told%len(statuses)
	t.told++
	form := t.forms[status]
	writeHex(form[t.idAt[status]:t.idAt[status]+len(noNumber)], uint64(uint32(message)*0x9E3779B1)) //nolint:gosec // as source.id
	// Not appended in place: while it is made it may be longer.
	copy(form[t.timeAt[status]:], time.Now().UTC().AppendFormat(t.now[:0], stamp))
	return form
}

var goodEvent = []byte(`"recorded":true,"duplicate":false}`)

// answered counts an acknowledged event.
func (t *teller) answered(body []byte) string {
	switch {
	case bytes.Contains(body, []byte(`"spooled"`)):
		return "spooled"
	case !bytes.Contains(body, goodEvent):
		return fmt.Sprintf("an event was answered with %s", body)
	}
	switch (t.told - 1) % len(statuses) {
	case 0:
		t.acked.Sent++
	case 1:
		t.acked.Delivered++
	default:
		t.acked.Read++
	}
	return ""
}

// tellSingly posts events one by one over 64 connections, each with a session of
// its own as far as there are so many.
func tellSingly(ctx context.Context, addr string, callers []caller, name string, length time.Duration) (*load, totals, error) {
	workers, err := connect(ctx, addr, singleConns)
	if err != nil {
		return nil, totals{}, err
	}
	tellers := make([]*teller, len(workers))
	for i, w := range workers {
		t := newTeller(addr, callers[i%len(callers)], fmt.Sprintf("%s%02X", name, i))
		tellers[i] = t
		w.next = func() bool {
			w.request = t.next()
			return true
		}
		w.answered = t.answered
	}
	l, err := together(ctx, workers, length)
	if err == nil && len(l.errors) > 0 {
		err = fmt.Errorf("events were not recorded: %v", l.errors)
	}
	var acked totals
	for _, t := range tellers {
		acked = acked.add(t.acked)
	}
	return l, acked, err
}
