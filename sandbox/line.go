package sandbox

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Bounds of what a native server remembers.
const (
	maxLines   = 1_000
	maxRecords = 100 // messages of one session
)

// change is what may happen to a native server's session.
type change int

const (
	changeCode     change = iota // shows a new code to scan
	changeExpired                // nobody scanned in time
	changePaired                 // scanned: connected for the first time
	changeOpen                   // connected again
	changeDropped                // the connection was lost
	changeStopped                // stopped by a call
	changeLeft                   // logged out by a call
	changeStarting               // a start was asked for
)

// phaseFailed is a session that lost its connection or whose code nobody scanned.
const phaseFailed phase = "failed"

// line is one session of a native server. core.mu guards all of it.
type line struct {
	id      string // what the server tells it by
	place   int    // in the order of making
	own     any    // what the server keeps of it
	book    session
	phase   phase
	paired  bool
	created time.Time
	changed time.Time
	started time.Time // of the pairing in phaseQR
	starts  int       // pairings begun; steps of an older one do nothing
	records []*record // oldest first
	script  script
	outbox  []*posting // changes still to tell, one after the other
	telling bool
}

// maxOutbox is how many changes of a session may wait to be told.
const maxOutbox = 100

// record is one message of a session.
type record struct {
	id, chat string // chat is a JID
	sender   string // JID; "" when it is our own
	name     string // the sender's
	kind     string
	text     string
	reply    string // id of the message that it answers
	file     *attachment
	at       time.Time
	course   course // of one that was sent
	typed    bool   // our own, but typed on the phone
	seen     bool
}

func (r *record) mine() bool { return r.sender == "" }

// add makes a session. Past the bound the oldest one is forgotten.
func (c *core) add(id string, own any) *line {
	if len(c.lines) >= maxLines {
		delete(c.lines, c.all()[0].id)
	}
	now := c.now()
	c.made++
	x := &line{
		id: id, place: c.made, own: own, phase: phaseCreated, created: now, changed: now,
		book: session{key: sessionKey{session: id}},
	}
	c.lines[id] = x
	return x
}

// all are the sessions as they are now, in the order of their making.
func (c *core) all() []*line {
	list := slices.SortedFunc(maps.Values(c.lines), func(a, b *line) int { return cmp.Compare(a.place, b.place) })
	for _, x := range list {
		c.settle(x, false)
	}
	return list
}

// line finds a session as it is now, or nil.
func (c *core) line(id string) *line {
	x := c.lines[id]
	if x != nil {
		c.settle(x, false)
	}
	return x
}

// number is the session's own, known once it is paired.
func (x *line) number() string { return x.book.ownNumber() }

func (x *line) jid() string {
	if !x.paired {
		return ""
	}
	return chatOf(x.number())
}

// window is how long the pairing lasts, and whether it ends in a connection.
func (c *core) window(x *line) (time.Duration, bool) {
	if d := x.script.expires; d > 0 && d <= c.options.PairAfter {
		return d, false
	}
	return c.options.PairAfter, true
}

// settle does what the end of a pairing brings when its time has come, or when it is due by
// real time.
func (c *core) settle(x *line, due bool) {
	if x.phase != phaseQR {
		return
	}
	window, pairs := c.window(x)
	if end := x.started.Add(window); !due && c.now().Before(end) {
		return
	}
	if !pairs {
		c.turn(x, phaseFailed, changeExpired)
		return
	}
	x.paired = true
	c.greet(x)
	c.turn(x, phaseConnected, changePaired)
}

// turn brings a session into a phase, and tells of it.
func (c *core) turn(x *line, p phase, what change) {
	x.phase, x.changed = p, c.now()
	c.announce(x, what)
}

// announce tells of a change, after those before it.
func (c *core) announce(x *line, what change) {
	x.outbox = append(x.outbox, c.server.news(x, what)...)
	if len(x.outbox) > maxOutbox {
		x.outbox = x.outbox[len(x.outbox)-maxOutbox:]
	}
	if x.telling || len(x.outbox) == 0 {
		return
	}
	x.telling = c.callbacks.begin([]due{{again: true, tell: func() ([]*posting, error) {
		c.mu.Lock()
		defer c.mu.Unlock()
		ready := x.outbox
		x.outbox, x.telling = nil, len(ready) > 0
		return ready, nil
	}}})
}

// start connects a paired session, and lets any other show its code.
func (c *core) start(x *line) {
	if x.phase == phaseConnected || x.phase == phaseQR {
		return
	}
	c.announce(x, changeStarting)
	if x.paired {
		c.turn(x, phaseConnected, changeOpen)
		return
	}
	x.phase, x.started, x.changed = phaseQR, c.now(), c.now()
	x.starts++
	window, _ := c.window(x)
	start := x.starts
	var dues []due
	for after := time.Duration(0); after < window && len(dues) < maxAttempts; after += codeLife {
		dues = append(dues, c.later(x, start, after, func() { c.announce(x, changeCode) }))
	}
	c.callbacks.begin(append(dues, c.later(x, start, window, func() { c.settle(x, true) })))
	c.settle(x, false)
}

// later is a step of a pairing.
func (c *core) later(x *line, start int, after time.Duration, do func()) due {
	return due{after: after, tell: func() ([]*posting, error) {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.lines[x.id] != x || x.starts != start {
			return nil, nil
		}
		if c.settle(x, false); x.phase == phaseQR { // else the window has ended
			do()
		}
		return nil, nil
	}}
}

// stop disconnects a session that stays paired.
func (c *core) stop(x *line) {
	if x.phase == phaseConnected || x.phase == phaseQR || x.phase == phaseFailed {
		c.turn(x, phaseDisconnected, changeStopped)
	}
}

// drop loses a session's connection.
func (c *core) drop(x *line) {
	if x.phase == phaseConnected || x.phase == phaseQR {
		c.turn(x, phaseFailed, changeDropped)
	}
}

// leave unpairs a session. Its messages are gone with the pairing.
func (c *core) leave(x *line) {
	c.turn(x, phaseDisconnected, changeLeft)
	x.paired, x.phase, x.records = false, phaseCreated, nil
}

// code is the text of the code to scan, and when the next one takes its place.
func (c *core) code(x *line) (string, time.Time) {
	x.book.started = x.started
	return x.book.pairing(c.now())
}

// greet puts in what contacts wrote before the session was made. Nothing is told of it, as
// WhatsApp brings it as history.
func (c *core) greet(x *line) {
	if len(x.records) > 0 {
		return
	}
	for n := 1; n <= greeters; n++ {
		chat := chatOf(x.book.contact(n))
		x.records = append(x.records, &record{
			id: fmt.Sprintf("SANDBOX%04d%d", x.book.base(), n), chat: chat, sender: chat, name: x.book.title(chat),
			kind: textKind, text: fmt.Sprintf("Hello, this is Contact %d.", n),
			at: x.created.Truncate(time.Minute).Add(time.Duration(n-greeters-1) * time.Hour),
		})
	}
}

// remember keeps a message, and forgets the oldest past the bound.
func (x *line) remember(r *record) {
	r.text = cut(r.text, maxText)
	if len(x.records) >= maxRecords {
		x.records = slices.Delete(x.records, 0, 1)
	}
	x.records = append(x.records, r)
}

// find is a message by its id, or nil.
func (x *line) find(id string) *record {
	for _, r := range x.records {
		if r.id == id {
			return r
		}
	}
	return nil
}

// status is how far a message of our own is by now.
func (r *record) status(now time.Time) string { return r.course.at(now.Sub(r.at)) }

// in are the messages of a chat, the latest first.
func (x *line) in(chat string) []*record {
	var list []*record
	for _, r := range slices.Backward(x.records) {
		if r.chat == chat {
			list = append(list, r)
		}
	}
	return list
}

// chats are the last messages of all chats, the latest first.
func (x *line) chats() []*record {
	var list []*record
	seen := map[string]bool{}
	for _, r := range slices.Backward(x.records) {
		if !seen[r.chat] {
			seen[r.chat] = true
			list = append(list, r)
		}
	}
	return list
}

// title is the name of a chat: a contact's, what a stranger calls himself, or nothing.
func (x *line) title(chat string) string {
	if name := x.book.title(chat); name != chat {
		return name
	}
	for _, r := range slices.Backward(x.records) {
		if r.chat == chat && r.name != "" {
			return r.name
		}
	}
	return ""
}

// contacts are the JIDs of the people whom the session knows.
func (x *line) contacts() []string {
	if !x.paired {
		return nil
	}
	var list []string
	for n := 1; n <= contactCount; n++ {
		list = append(list, chatOf(x.book.contact(n)))
	}
	for _, r := range x.records {
		if !r.mine() && strings.HasSuffix(r.sender, "@s.whatsapp.net") && !slices.Contains(list, r.sender) {
			list = append(list, r.sender)
		}
	}
	return list
}
