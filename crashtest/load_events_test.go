package crashtest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/genfity/wa-gateway/crashtest/told"
)

// scripts are what may happen to a message, by seconds after its beginning. None
// takes longer than lifetime.
const lifetime = 60

var scripts = []map[string]int{
	{told.Sent: 0},
	{told.Sent: 0, told.Delivered: 2},
	{told.Sent: 0, told.Delivered: 2, told.Read: 60},
	{told.Sent: 0, told.Delivered: 2, told.Read: 60},
	{told.Failed: 1},
	{told.Sent: 0, told.Failed: 3},
	{told.Failed: 1, told.Sent: 5}, // tried again
	{told.Read: 9},
	{told.Failed: 3, told.Delivered: 7},
}

// script is a new message of a customer: all that will be told of it, in any order.
func (c *client) script(id string) []told.Event {
	u := c.users[0] // one has half of all, as in the field
	if c.rand.IntN(2) == 0 {
		u = c.users[c.rand.IntN(len(c.users))]
	}
	key := told.Key{User: u.id, Session: u.sessions[c.rand.IntN(len(u.sessions))], Message: id}
	begin := c.now().Add(-between(c.rand, 0, c.age) - lifetime*c.second).Truncate(time.Microsecond)
	var events []told.Event
	for status, second := range scripts[c.rand.IntN(len(scripts))] {
		events = append(events, told.Event{Key: key, Status: status, At: begin.Add(time.Duration(second) * c.second)})
	}
	c.rand.Shuffle(len(events), func(i, j int) { events[i], events[j] = events[j], events[i] })
	return events
}

func (c *client) now() time.Time { return time.Now().UTC().Truncate(time.Microsecond) }

// eventJSON is an event as a WA server tells it.
func eventJSON(e told.Event) string {
	text, err := json.Marshal(map[string]any{
		"user_id": e.User, "session_id": e.Session, "message_id": e.Message, "status": e.Status,
		"timestamp": e.At.Format(time.RFC3339Nano), "to": "6281234567890", "error": nil,
		"type": []string{"text", "image"}[len(e.Message)%2],
	})
	if err != nil {
		panic(err)
	}
	return string(text)
}

// tellEvents tells events one by one, each until it is acknowledged; a few are
// given up, as by a WA server that restarts, and a few told again.
func (c *client) tellEvents(n int) {
	for i := 0; !c.stopped(); i++ {
		for _, e := range c.script(fmt.Sprintf("e%d-%d", n, i)) {
			c.tell(e)
			c.pause(4 * time.Millisecond)
		}
	}
}

// tell tells an event until it is acknowledged.
func (c *client) tell(e told.Event) {
	a := c.tellOnce(e)
	for a == nil {
		if c.rand.IntN(40) == 0 || c.ended.Err() != nil {
			return
		}
		c.pause(40 * time.Millisecond)
		a = c.tellOnce(e)
	}
	switch c.rand.IntN(12) {
	case 0:
		// Known for certain: the gateway has to know it, too.
		again := c.tellOnce(e)
		if again != nil && !a.spooled() && !again.spooled() && !again.duplicate() {
			c.problems.add("%v was recorded, and recorded again", e)
		}
	case 1:
		select {
		case c.repeats <- e:
		default:
		}
	}
}

// tellOnce returns nil if the event was not acknowledged.
func (c *client) tellOnce(e told.Event) *answer {
	c.book.Told(e)
	body := eventJSON(e)
	a, err := c.post("event", "/events/message", body)
	switch {
	case err != nil, a.status == http.StatusServiceUnavailable:
		return nil
	case a.status != http.StatusOK:
		c.unexpected("event", a, body)
		return nil
	}
	c.book.Acknowledged(e)
	return a
}

// tellBatches tells many events at once. What was not acknowledged is told again,
// in other batches; some events are told twice in a batch, and some that others have
// told.
func (c *client) tellBatches(n int) {
	var left []told.Event // told in vain
	for i := 0; !c.stopped() || len(left) > 0; i++ {
		if c.ended.Err() != nil {
			return
		}
		var batch []told.Event
		size := 10 + c.rand.IntN(140)
		for m := 0; len(batch) < size && !c.stopped(); m++ {
			batch = append(batch, c.script(fmt.Sprintf("b%d-%d-%d", n, i, m))...)
		}
		for range min(len(left), c.rand.IntN(300)+1) {
			batch, left = append(batch, left[0]), left[1:]
		}
		for range c.rand.IntN(10) {
			select {
			case e := <-c.repeats:
				batch = append(batch, e)
			default:
				if len(batch) > 0 {
					batch = append(batch, batch[c.rand.IntN(len(batch))])
				}
			}
		}
		c.rand.Shuffle(len(batch), func(i, j int) { batch[i], batch[j] = batch[j], batch[i] })
		if !c.tellBatch(batch) {
			left = append(left, batch...)
		}
		c.pause(150 * time.Millisecond)
	}
}

// tellBatch tells whether the batch was acknowledged.
func (c *client) tellBatch(batch []told.Event) bool {
	if len(batch) == 0 {
		return true
	}
	c.book.Told(batch...)
	body := []byte{'['}
	for i, e := range batch {
		if i > 0 {
			body = append(body, ',')
		}
		body = append(body, eventJSON(e)...)
	}
	body = append(body, ']')
	a, err := c.post("batch", "/events/message/batch", string(body))
	switch {
	case err != nil, a.status == http.StatusServiceUnavailable:
		return false
	case a.status != http.StatusOK, len(a.data.Rejected) > 0,
		number(a.data.Recorded)+number(a.data.Duplicates) != len(batch):
		c.unexpected("batch", a, string(body))
		return false
	}
	c.book.Acknowledged(batch...)
	return true
}

// tellCallbacks tells of messages that were forwarded what became of them.
func (c *client) tellCallbacks() {
	for !c.stopped() {
		key, ok := c.wa.callback()
		if !ok {
			c.pause(20 * time.Millisecond)
			continue
		}
		if c.rand.IntN(2) == 0 {
			c.tell(told.Event{Key: key, Status: told.Delivered, At: c.now()})
		}
		if c.rand.IntN(3) == 0 {
			c.tell(told.Event{Key: key, Status: told.Read, At: c.now()})
		}
	}
}

// tellStrangers tells events of a user who does not exist. While the database is
// there they are refused; otherwise nobody can know, and they are taken and set aside
// later.
func (c *client) tellStrangers() {
	for i := 0; !c.stopped(); i++ {
		e := told.Event{Key: told.Key{User: "nobody", Session: "nothing", Message: fmt.Sprint("n", i)}, Status: told.Sent, At: c.now()}
		for answered := false; !answered && c.ended.Err() == nil; {
			a, err := c.post("stranger's event", "/events/message", eventJSON(e))
			switch {
			case err != nil, a.status == http.StatusServiceUnavailable:
			case a.status == http.StatusOK && a.spooled():
				c.setAside(e.Message)
				answered = true
			case a.status == http.StatusUnprocessableEntity:
				answered = true
			default:
				c.unexpected("stranger's event", a, eventJSON(e))
				answered = true
			}
			c.pause(50 * time.Millisecond)
		}
	}
}
