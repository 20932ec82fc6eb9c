package crashtest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/genfity/wa-gateway/crashtest/told"
)

// sendMessages sends messages as customers do: none is sent again, whatever comes
// of it.
func (c *client) sendMessages(n int) {
	for i := 0; !c.stopped(); i++ {
		u := c.users[c.rand.IntN(len(c.users))]
		answer := answerOK
		switch c.rand.IntN(10) {
		case 0:
			answer = answerFail
		case 1:
			answer = answerHangUp
		}
		m := message{Message: fmt.Sprintf("%s/%d-%d", answer, n, i)}
		if c.rand.IntN(5) == 0 {
			m.Recipients = []string{"6281234567890", "6281234567891", "6281234567892"}
		}
		c.send(u, u.sessions[c.rand.IntN(len(u.sessions))], m)
		c.pause(20 * time.Millisecond)
	}
}

// send sends one message and returns the answer's status, 0 for none.
func (c *client) send(u user, session string, m message) int {
	path, content := "/api/wa/send-message", map[string]any{"to": "6281234567890", "message": m.Message}
	if len(m.Recipients) > 0 {
		path, content = "/api/wa/broadcast", map[string]any{"recipients": m.Recipients, "message": m.Message}
	}
	body, err := json.Marshal(content)
	if err != nil {
		panic(err)
	}
	a, err := c.post("send", path, string(body), "Authorization", "Bearer "+u.key, "X-Session-ID", session)
	if err != nil {
		return 0
	}
	owner := told.Owner{User: u.id, Session: session}
	kind, _, _ := bytes.Cut([]byte(m.Message), []byte("/"))
	switch id := "wa-" + m.Message; {
	case a.status == http.StatusOK && string(kind) == answerOK && bytes.Contains(a.body, []byte(id)):
		c.book.Acknowledged(sent(keysOf(owner, id, len(m.Recipients)))...)
	case a.status == http.StatusInternalServerError && string(kind) == answerFail,
		a.status == http.StatusBadGateway && string(kind) == answerHangUp:
		for range max(len(m.Recipients), 1) {
			c.book.FailureAcknowledged(owner)
		}
	case a.status == http.StatusServiceUnavailable:
		if !c.refusesSends {
			c.unexpected("send", a, string(body))
		}
		if c.wa.saw(m.Message) {
			c.problems.add("%q was refused with 503, and sent", m.Message)
		}
	default:
		c.unexpected("send", a, string(body))
	}
	return a.status
}
