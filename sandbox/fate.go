package sandbox

import (
	"context"
	"errors"
	"slices"
	"time"
)

// fate is what a script or a number's last digits make of a send.
type fate struct {
	delay    time.Duration // before the answer
	status   int           // the server answers so, and sends nothing
	absent   bool          // the number is not on WhatsApp
	fails    bool          // the message is not delivered
	drop     bool          // the session loses its connection after it
	receipts string        // "", receiptsTwice, receiptsReversed, receiptsNone
}

// Ways of receipts, as scripts name them.
const (
	receiptsTwice    = "twice"
	receiptsReversed = "reversed"
	receiptsNone     = "none"
)

// fate takes the next step of a session's script, else what the number says.
func (c *core) fate(x *line, to string) fate {
	f := fate{receipts: x.script.receipts}
	switch suffix(to) {
	case "0000":
		f.fails = true
	case "0003":
		f.receipts = receiptsTwice
	case "0004":
		f.receipts = receiptsReversed
	case "0005":
		f.delay = c.options.Slow
	case "0006":
		f.status = 500
	case "0007":
		f.drop = true
	case "0008":
		f.absent = true
	}
	if len(x.script.next) > 0 {
		n := x.script.next[0]
		x.script.next = slices.Delete(x.script.next, 0, 1)
		f.delay, f.status, f.drop = max(f.delay, n.delay), max(f.status, n.status), f.drop || n.drop
		f.absent, f.fails = f.absent || n.absent, f.fails || n.fails
		if n.receipts != "" {
			f.receipts = n.receipts
		}
	}
	return f
}

// outgoing is a message that a server has read from a call.
type outgoing struct {
	id    string // that the caller chose
	to    string // digits, or a chat's JID
	kind  string
	text  string
	reply string
	file  *attachment
}

// Reasons not to send, for a server to say in its own words.
var (
	errGone   = errors.New("the caller has gone")
	errClosed = errors.New("the session is not connected")
	errAbsent = errors.New("the number is not on WhatsApp")
	errFails  = errors.New("the message cannot be delivered")
)

// statusError is an HTTP status that a script or a number makes the server answer with.
type statusError int

func (statusError) Error() string { return "the server failed as it was told to" }

// honesty is what a server says in its answer to a send: some have no event for a message that
// fails, and say it at once; others take a message for a number that is not on WhatsApp.
type honesty struct{ fails, absent bool }

// send does what becomes of a message, with core.mu held, which it lets go while it waits.
func (c *core) send(ctx context.Context, x *line, o outgoing, says honesty) (*record, error) {
	if x.phase != phaseConnected {
		return nil, errClosed
	}
	f := c.fate(x, o.to)
	if f.delay > 0 {
		c.mu.Unlock()
		alive := wait(ctx, f.delay)
		c.mu.Lock()
		if !alive {
			return nil, errGone
		}
		if c.lines[x.id] != x || x.phase != phaseConnected {
			return nil, errClosed
		}
	}
	switch {
	case f.status != 0:
		return nil, statusError(f.status)
	case f.absent && says.absent:
		return nil, errAbsent
	case f.absent:
		f.receipts = receiptsNone
	case f.fails && says.fails:
		return nil, errFails
	}
	if o.id == "" {
		o.id = newMessageID()
	}
	r := &record{
		id: o.id, chat: chatOf(o.to), kind: o.kind, text: o.text, reply: o.reply, file: o.file,
		at: c.now(), course: c.course(o.to, f),
	}
	x.remember(r)
	c.note(x, o, r)
	c.post(c.server.echo(x, r))
	c.callbacks.begin(c.receipts(x, r, f))
	if f.drop {
		c.drop(x)
	}
	return r, nil
}

func (c *core) course(to string, f fate) course {
	sent := step{status: statusSent}
	delivered := step{status: statusDelivered, after: c.options.Delivered}
	switch {
	case f.fails:
		return course{sent, {status: statusFailed, after: c.options.Delivered, err: failure}}
	case suffix(to) == "0001":
		return course{sent}
	case suffix(to) == "0002":
		return course{sent, delivered}
	default:
		return course{sent, delivered, {status: statusRead, after: c.options.Read}}
	}
}

// receipts are the events of a message, in the order in which they are told.
func (c *core) receipts(x *line, r *record, f fate) []due {
	steps := slices.Clone(r.course)
	switch f.receipts {
	case receiptsNone:
		return nil
	case receiptsReversed:
		slices.Reverse(steps)
	case receiptsTwice:
		for i := len(steps) - 1; i >= 0; i-- {
			steps = slices.Insert(steps, i, steps[i])
		}
	}
	dues := make([]due, len(steps))
	var after time.Duration
	for i, st := range steps {
		after = max(after, st.after)
		dues[i] = due{after: after, tell: func() ([]*posting, error) {
			c.mu.Lock()
			defer c.mu.Unlock()
			if c.lines[x.id] != x {
				return nil, nil
			}
			return c.server.receipt(x, r, st, r.at.Add(st.after)), nil
		}}
	}
	return dues
}
