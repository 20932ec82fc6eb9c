package sandbox

import (
	"cmp"
	"crypto/rand"
	"encoding/hex"
	"net/http"
	"slices"
)

// describe is a session as answers show it. The phone's number is known once it is paired.
func (x *session) describe() map[string]any {
	data := map[string]any{
		"session_id": x.key.session,
		"name":       x.name,
		"status":     x.phase,
		"connected":  x.phase == phaseConnected,
		"logged_in":  x.paired,
		"jid":        nil,
		"created_at": stamp(x.created),
		"updated_at": stamp(x.changed),
	}
	if x.paired {
		data["jid"] = chatOf(x.ownNumber())
	}
	return data
}

// listSessions shows the caller's own sessions, oldest first.
func (s *Sandbox) listSessions(c *call) (*reply, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if header := c.r.Header.Get(sessionHeader); header != "" {
		// One that the gateway knows is listed even when nothing was done with it yet. That it
		// was deleted here is no reason to refuse the list.
		if err := checkID(sessionHeader, header); err != nil {
			return nil, err
		}
		_, _ = s.session(c, header)
	}
	var own []*session
	for k := range s.state.sessions {
		if k.user != c.user {
			continue
		}
		if x := s.state.get(k, c.now, s.options.PairAfter); x.phase != phaseDeleted {
			own = append(own, x)
		}
	}
	slices.SortFunc(own, func(a, b *session) int {
		return cmp.Or(a.created.Compare(b.created), cmp.Compare(a.key.session, b.key.session))
	})
	list := make([]map[string]any, len(own))
	for i, x := range own {
		list[i] = x.describe()
	}
	return answered(map[string]any{"sessions": list, "total": len(list)})
}

// createSession makes one under the id asked for, or under one of its own. X-Session-ID brings
// none into being here: it may well name the session that is to be created.
func (s *Sandbox) createSession(c *call) (*reply, error) {
	b, err := readBody(c.r)
	if err != nil {
		return nil, err
	}
	id, err := b.text("session_id", "id")
	if err != nil {
		return nil, err
	}
	if id == "" {
		id = newSessionID()
	}
	if err := checkID("session_id", id); err != nil {
		return nil, err
	}
	name, err := b.text("name", "session_name")
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	k := sessionKey{c.user, id}
	if x := s.state.get(k, c.now, s.options.PairAfter); x != nil && x.phase != phaseDeleted {
		return nil, &refusal{
			status: http.StatusConflict, code: "session_exists",
			message: "There is a session with this id already: choose another id, or delete it first",
		}
	}
	x := s.state.add(k, phaseCreated, c.now)
	x.name = cut(name, maxIDBytes)
	return &reply{status: http.StatusCreated, data: x.describe()}, nil
}

func newSessionID() string {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails
	return "session_" + hex.EncodeToString(b[:])
}

// onSession runs a handler on the session that the path names, with the lock held.
func (s *Sandbox) onSession(c *call, do func(*session) (*reply, error)) (*reply, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	x, err := s.session(c, c.id)
	if err != nil {
		return nil, err
	}
	return do(x)
}

func (s *Sandbox) getSession(c *call) (*reply, error) {
	return s.onSession(c, func(x *session) (*reply, error) { return answered(x.describe()) })
}

// deleteSession lets go of a session; its messages' events still come.
func (s *Sandbox) deleteSession(c *call) (*reply, error) {
	return s.onSession(c, func(x *session) (*reply, error) {
		s.state.remove(x, c.now)
		return answered(map[string]any{"session_id": c.id, "deleted": true})
	})
}

// startSession shows a QR code, which pairs by itself. A running session stays as it is.
func (s *Sandbox) startSession(c *call) (*reply, error) {
	return s.onSession(c, func(x *session) (*reply, error) {
		if x.phase == phaseCreated || x.phase == phaseDisconnected {
			x.phase, x.started, x.changed = phaseQR, c.now, c.now
		}
		return answered(x.describe())
	})
}

// stopSession disconnects. The phone stays known; started again, the session pairs anew.
func (s *Sandbox) stopSession(c *call) (*reply, error) {
	return s.onSession(c, func(x *session) (*reply, error) {
		if x.phase != phaseDisconnected {
			x.phase, x.changed = phaseDisconnected, c.now
		}
		return answered(x.describe())
	})
}
