package sandbox

import (
	"cmp"
	"encoding/json"
	"fmt"
	"mime"
	"net/http"
	"time"
)

// state is a device's, in the server's words.
func (s *gowa) state(x *line) string {
	switch x.phase {
	case phaseConnected:
		return "logged_in"
	case phaseQR:
		return "connecting"
	default:
		return "disconnected"
	}
}

func (s *gowa) describe(x *line) map[string]any {
	m := map[string]any{
		"id": x.id, "display_name": "", "state": s.state(x), "jid": x.jid(), "created_at": x.created.Format(time.RFC3339Nano),
	}
	if x.paired {
		m["phone_number"], m["display_name"] = x.number(), "Sandbox"
	}
	return m
}

// listDevices shows everybody's. Without one it shows null.
func (s *gowa) listDevices(*http.Request) *said {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []any
	for _, x := range s.all() {
		list = append(list, s.describe(x))
	}
	if list == nil {
		return s.ok("List devices", nil)
	}
	return s.ok("List devices", list)
}

type gowaDeviceBody struct {
	ID     string  `json:"device_id"`
	URL    *string `json:"webhook_url"`
	Secret string  `json:"webhook_secret"`
	Events string  `json:"webhook_events"`
	Skip   bool    `json:"webhook_insecure_skip_verify"`
}

// readDevice reads JSON; other bodies these calls do not take.
func (s *gowa) readDevice(r *http.Request) (gowaDeviceBody, *said) {
	var b gowaDeviceBody
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != jsonType {
		return b, s.fail(400, "BAD_REQUEST", "Invalid request body")
	}
	if buffer(r) != nil || json.NewDecoder(r.Body).Decode(&b) != nil {
		return b, s.fail(400, "BAD_REQUEST", "Invalid request body")
	}
	b.Secret, b.Events = cut(b.Secret, maxURL), cut(b.Events, maxURL)
	if b.URL != nil {
		*b.URL = cut(*b.URL, maxURL)
	}
	return b, nil
}

func (s *gowa) addDevice(r *http.Request) *said {
	b, fault := s.readDevice(r)
	if fault != nil {
		return fault
	}
	id := cmp.Or(b.ID, newUUID())
	if len(id) > maxIDBytes {
		return s.invalid("device_id is too long")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.line(id) != nil {
		return s.internal("device " + id + " already exists")
	}
	d := &gowaDevice{}
	x := s.add(id, d)
	m := s.describe(x)
	if b.URL != nil || b.Secret != "" || b.Events != "" || b.Skip {
		d.hook = &gowaHook{Secret: b.Secret, Events: b.Events, Skip: b.Skip}
		if b.URL != nil {
			d.hook.URL = *b.URL
		}
		m["webhook_url"], m["webhook_secret"] = d.hook.URL, b.Secret
		m["webhook_events"], m["webhook_insecure_skip_verify"] = b.Events, b.Skip
	}
	return s.ok("Device added", m)
}

// newUUID is a random one, version 4.
func newUUID() string {
	h := []byte(randomHex(16))
	h[12], h[16] = '4', 'a'
	return fmt.Sprintf("%s-%s-%s-%s-%s", h[:8], h[8:12], h[12:16], h[16:20], h[20:])
}

func (s *gowa) getDevice(r *http.Request) *said {
	return s.byPath(func(_ *http.Request, x *line) *said {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.ok("Device info", s.describe(x))
	})(r)
}

// removeDevice does not mind a device that is not there.
func (s *gowa) removeDevice(r *http.Request) *said {
	s.mu.Lock()
	defer s.mu.Unlock()
	if x := s.line(r.PathValue("id")); x != nil {
		s.leave(x)
		delete(s.lines, x.id)
	}
	return s.ok("Device removed", nil)
}

// logout keeps the device, for another pairing.
func (s *gowa) logout(_ *http.Request, x *line) *said {
	s.mu.Lock()
	defer s.mu.Unlock()
	if fault := s.ready(x); fault != nil {
		return fault
	}
	s.leave(x)
	return s.ok("Logout requested", nil)
}

func (s *gowa) reconnect(_ *http.Request, x *line) *said {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !x.paired {
		return s.internal("device is not paired, please login first")
	}
	s.start(x)
	return s.ok("Reconnect requested", nil)
}

func (s *gowa) status(_ *http.Request, x *line) *said {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settle(x, false)
	return s.ok("Device status", map[string]any{
		"device_id": x.id, "is_connected": x.phase == phaseConnected || x.phase == phaseQR, "is_logged_in": x.phase == phaseConnected,
	})
}

func (s *gowa) appStatus(r *http.Request, x *line) *said {
	a := s.status(r, x)
	s.mu.Lock()
	defer s.mu.Unlock()
	a.body.(map[string]any)["results"].(map[string]any)["jid"] = x.jid()
	return a
}

func (s *gowa) showHook(x *line, message string) *said {
	hook := device(x).hook
	if hook == nil {
		hook = &gowaHook{}
	}
	return s.ok(message, map[string]any{
		"device_id": x.id, "webhook_url": hook.URL, "webhook_secret": hook.Secret, "webhook_events": hook.Events,
		"webhook_insecure_skip_verify": hook.Skip,
	})
}

func (s *gowa) getHook(r *http.Request) *said {
	s.mu.Lock()
	defer s.mu.Unlock()
	x := s.line(r.PathValue("id"))
	if x == nil {
		return s.fail(404, "NOT_FOUND", "device not found")
	}
	return s.showHook(x, "Device webhook retrieved")
}

// setHook replaces all four settings: a secret that is left out is gone.
func (s *gowa) setHook(r *http.Request) *said {
	b, fault := s.readDevice(r)
	if fault != nil {
		return fault
	}
	if b.URL == nil {
		return s.fail(400, "BAD_REQUEST", "webhook_url is required")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	x := s.line(r.PathValue("id"))
	if x == nil {
		return s.fail(404, "NOT_FOUND", "device not found")
	}
	device(x).hook = &gowaHook{URL: *b.URL, Secret: b.Secret, Events: b.Events, Skip: b.Skip}
	return s.showHook(x, "Device webhook updated")
}
