package sandbox

import (
	"container/list"
	"net/http"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Bounds of what is remembered.
const (
	maxSessions        = 10_000
	maxSessionMessages = 200
	maxMessages        = 100_000
	maxText            = 1_000 // bytes kept of a message's text
	maxIDBytes         = 255   // contract: ids in events
)

// phase is what a session is doing, in the words that answers use.
type phase string

const (
	phaseCreated      phase = "created"
	phaseQR           phase = "qr"
	phaseConnected    phase = "connected"
	phaseDisconnected phase = "disconnected"
	// phaseDeleted is kept so that a deleted session stays deleted when X-Session-ID names it.
	phaseDeleted phase = "deleted"
)

type sessionKey struct{ user, session string }

// session is one user's session. All of it is guarded by Sandbox.mu.
type session struct {
	key      sessionKey
	name     string
	phase    phase
	paired   bool // has been connected once: the phone knows it
	created  time.Time
	changed  time.Time
	started  time.Time // of the pairing in phaseQR
	webhook  webhook
	seen     map[string]bool // chats marked as read; only chats with something unread come in
	messages []message       // oldest first, at most maxSessionMessages

	place *list.Element // in state.used
}

// message is one that was sent through the sandbox. Its status follows from its course.
type message struct {
	id, to, kind, text string
	at                 time.Time
}

// state is everything that the sandbox remembers, bounded.
type state struct {
	sessions map[sessionKey]*session
	used     *list.List // of *session, most recently used first
	messages int        // of all sessions
}

func newState() *state {
	return &state{sessions: make(map[sessionKey]*session), used: list.New()}
}

// get returns a session as it is now, deleted ones included, or nil.
func (st *state) get(k sessionKey, now time.Time, pairAfter time.Duration) *session {
	x := st.sessions[k]
	if x == nil {
		return nil
	}
	st.used.MoveToFront(x.place)
	if paired := x.started.Add(pairAfter); x.phase == phaseQR && !now.Before(paired) {
		x.phase, x.paired, x.changed = phaseConnected, true, paired
	}
	return x
}

// add puts a new session in the place of what its key held.
func (st *state) add(k sessionKey, p phase, now time.Time) *session {
	if old := st.sessions[k]; old != nil {
		st.drop(old)
	}
	x := &session{key: k, phase: p, paired: p == phaseConnected, created: now, changed: now}
	x.place = st.used.PushFront(x)
	st.sessions[k] = x
	st.bound()
	return x
}

// remove makes a session deleted and lets go of what it held.
func (st *state) remove(x *session, now time.Time) {
	st.messages -= len(x.messages)
	*x = session{key: x.key, phase: phaseDeleted, created: x.created, changed: now, place: x.place}
}

// remember keeps a message, and forgets the session's oldest past the bound.
func (st *state) remember(x *session, m message) {
	m.text = cut(m.text, maxText)
	if len(x.messages) >= maxSessionMessages {
		copy(x.messages, x.messages[1:])
		x.messages[len(x.messages)-1] = m
		return
	}
	x.messages = append(x.messages, m)
	st.messages++
	st.bound()
}

// bound forgets the sessions unused for longest until all is within bounds. The one in use is
// in front and too small to be reached.
func (st *state) bound() {
	for len(st.sessions) > maxSessions || st.messages > maxMessages {
		st.drop(st.used.Back().Value.(*session))
	}
}

func (st *state) drop(x *session) {
	st.used.Remove(x.place)
	delete(st.sessions, x.key)
	st.messages -= len(x.messages)
}

// cut shortens a text at a whole character, and keeps no larger text alive.
func cut(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	for limit > 0 && !utf8.RuneStart(s[limit]) {
		limit--
	}
	return strings.Clone(s[:limit])
}

func checkID(name, id string) error {
	if id == "" || len(id) > maxIDBytes || !utf8.ValidString(id) || strings.ContainsFunc(id, unicode.IsControl) {
		return invalid("%s must be 1 to %d bytes of text without control characters", name, maxIDBytes)
	}
	return nil
}

// session finds the session of a call; Sandbox.mu is held. id is what the path or the body
// names, "" for none. X-Session-ID brings a session into being that was never seen: see the
// package's documentation.
func (s *Sandbox) session(c *call, id string) (*session, error) {
	header := c.r.Header.Get(sessionHeader)
	if id == "" {
		id = header
	}
	if id == "" {
		return nil, missing("session_id", "name the session in X-Session-ID or in session_id")
	}
	if err := checkID("session_id", id); err != nil {
		return nil, err
	}
	k := sessionKey{c.user, id}
	x := s.state.get(k, c.now, s.options.PairAfter)
	if x == nil && id == header {
		x = s.state.add(k, phaseConnected, c.now)
	}
	if x == nil || x.phase == phaseDeleted {
		return nil, &refusal{
			status: http.StatusNotFound, code: "session_not_found",
			message: "There is no such session: create it with POST /sessions",
		}
	}
	return x, nil
}

// connected is session for what only a connected one can do.
func (s *Sandbox) connected(c *call, id string) (*session, error) {
	x, err := s.session(c, id)
	if err != nil || x.phase == phaseConnected {
		return x, err
	}
	todo := "start it with POST /sessions/{id}/start and scan its QR code"
	if x.phase == phaseQR {
		todo = "scan the code of GET /sessions/{id}/qr (the sandbox pairs by itself after a while)"
	}
	return nil, &refusal{
		status: http.StatusConflict, code: "session_not_connected",
		message: "The session is not connected (status " + string(x.phase) + "): " + todo,
	}
}

// named is the session that a call's body or query names, checked against X-Session-ID: a
// gateway that lets a client's own session_id through must not go unnoticed.
func named(c *call, b *body) (string, error) {
	header := c.r.Header.Get(sessionHeader)
	ids := c.r.URL.Query()["session_id"]
	if b != nil {
		if v, ok := b.fields["session_id"]; ok {
			id, isText := v.(string)
			if !isText {
				return "", invalid("session_id must be one text")
			}
			ids = append(ids, id)
		}
	}
	first := header
	for _, id := range ids {
		if first == "" {
			first = id
		}
		if id != first {
			return "", &refusal{
				status: http.StatusBadRequest, code: "session_mismatch",
				message: "The call names two sessions: X-Session-ID, session_id in the query and session_id in the body must agree",
			}
		}
	}
	return first, nil
}
