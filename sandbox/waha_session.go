package sandbox

import (
	"encoding/base64"
	"encoding/json"
	"slices"

	"github.com/genfity/wa-gateway/internal/qrcode"
)

// wahaConfig are the settings of a session that are known; unknown fields are dropped without a word.
type wahaConfig struct {
	Metadata map[string]string `json:"metadata,omitempty"`
	Webhooks []*wahaHook       `json:"webhooks,omitempty"`
	Proxy    *struct {
		Server   string `json:"server"`
		Username string `json:"username,omitempty"`
		Password string `json:"password,omitempty"`
	} `json:"proxy,omitempty"`
	Debug bool `json:"debug,omitempty"`
	Noweb *struct {
		Store *struct {
			Enabled  bool `json:"enabled"`
			FullSync bool `json:"fullSync"`
		} `json:"store,omitempty"`
		MarkOnline *bool `json:"markOnline,omitempty"`
	} `json:"noweb,omitempty"`
	Webjs *struct {
		TagsEventsOn bool `json:"tagsEventsOn"`
	} `json:"webjs,omitempty"`
	Ignore map[string]bool `json:"ignore,omitempty"`
}

type wahaHook struct {
	URL    string   `json:"url"`
	Events []string `json:"events"`
	HMAC   *struct {
		Key string `json:"key,omitempty"`
	} `json:"hmac,omitempty"`
	Retries *struct {
		Policy   string  `json:"policy,omitempty"`
		Delay    float64 `json:"delaySeconds,omitempty"`
		Attempts float64 `json:"attempts,omitempty"`
	} `json:"retries,omitempty"`
	Headers []struct {
		Name  string `json:"name"`
		Value string `json:"value"`
	} `json:"customHeaders,omitempty"`
}

// wahaEvents are the names that a webhook may ask for: others are refused.
var wahaEvents = []string{
	"*", "session.status", "message", "message.reaction", "message.any", "message.ack", "message.ack.group", "message.waiting",
	"message.revoked", "message.edited", "state.change", "group.join", "group.leave", "group.v2.join", "group.v2.leave",
	"group.v2.update", "group.v2.participants", "presence.update", "poll.vote", "poll.vote.failed", "chat.archive",
	"call.received", "call.accepted", "call.rejected", "label.upsert", "label.deleted", "label.chat.added",
	"label.chat.deleted", "event.response", "event.response.failed", "engine.event",
}

// readConfig checks the config of a body; nil when there is none.
func (s *waha) readConfig(a *wahaAsk) (*wahaConfig, *said) {
	v, ok := a.body["config"]
	if !ok || v == nil {
		return nil, nil
	}
	raw, err := json.Marshal(v)
	var config wahaConfig
	if err != nil || len(raw) > maxKept || json.Unmarshal(raw, &config) != nil {
		return nil, s.fail(400, "Bad Request", []string{"config has a field of a wrong type"})
	}
	for _, hook := range config.Webhooks {
		if hook == nil || !isHTTP(hook.URL) {
			return nil, s.fail(400, "Bad Request", []string{"config.webhooks.0.url must be a URL address"})
		}
		if hook.Events == nil {
			return nil, s.fail(400, "Bad Request", []string{"config.webhooks.0.events must be an array"})
		}
		for _, name := range hook.Events {
			if !slices.Contains(wahaEvents, name) {
				return nil, s.fail(400, "Bad Request", []string{"config.webhooks.0.each value in events must be one of the following values"})
			}
		}
		if hook.Retries != nil && !slices.Contains([]string{"", "linear", "exponential", "constant"}, hook.Retries.Policy) {
			return nil, s.fail(400, "Bad Request", []string{"config.webhooks.0.retries.policy must be one of the following values"})
		}
	}
	return &config, nil
}

// describe shows a session with all of its config: keys, passwords and all.
func (s *waha) describe(x *line) map[string]any {
	m := map[string]any{"name": x.id, "status": s.status(x), "me": s.own(x), "engine": map[string]any{"engine": s.engine}}
	if config := wahaOf(x).config; config != nil {
		m["config"] = config
	}
	return m
}

func (s *waha) own(x *line) any {
	if !x.paired {
		return nil
	}
	return map[string]any{"id": x.number() + "@c.us", "pushName": "Sandbox"}
}

func (s *waha) listSessions(a *wahaAsk) *said {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := []any{}
	for _, x := range s.all() {
		if (s.status(x) == "STOPPED" && a.r.URL.Query().Get("all") != "true") || (a.key != nil && a.key.Session != nil && *a.key.Session != x.id) {
			continue
		}
		list = append(list, s.describe(x))
	}
	return says(200, list)
}

func (s *waha) createSession(a *wahaAsk) *said {
	name, isText := a.body["name"].(string)
	if v := a.body["name"]; v != nil && !isText {
		return s.fail(400, "Bad Request", []string{"name must be a string"})
	}
	if len(name) > wahaMaxName {
		return s.fail(400, "Bad Request", []string{"name must be shorter than or equal to 54 characters"})
	}
	start, isBool := a.body["start"].(bool)
	if v := a.body["start"]; v != nil && !isBool {
		return s.fail(400, "Bad Request", []string{"start must be a boolean value"})
	}
	config, fault := s.readConfig(a)
	if fault != nil {
		return fault
	}
	if name == "" {
		name = "session_" + randomHex(13)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.line(name) != nil {
		return s.fail(422, "Unprocessable Entity", "Session '"+name+"' already exists. Use PUT to update it.")
	}
	x := s.add(name, &wahaSession{config: config})
	if start || a.body["start"] == nil {
		s.start(x)
	}
	return says(201, s.describe(x))
}

// onSession is a call on a session that must be there.
func (s *waha) onSession(a *wahaAsk, status int, do func(*line)) *said {
	s.mu.Lock()
	defer s.mu.Unlock()
	x := s.line(a.session())
	if x == nil {
		return s.fail(404, wahaNotFound, "Session not found")
	}
	do(x)
	return says(status, s.describe(x))
}

func (s *waha) getSession(a *wahaAsk) *said { return s.onSession(a, 200, func(*line) {}) }

func (s *waha) me(a *wahaAsk) *said {
	s.mu.Lock()
	defer s.mu.Unlock()
	x := s.line(a.session())
	if x == nil {
		return s.fail(404, wahaNotFound, "Session not found")
	}
	return says(200, s.own(x))
}

func (s *waha) startSession(a *wahaAsk) *said { return s.onSession(a, 201, s.start) }

// stopSession does not mind a session that is not there.
func (s *waha) stopSession(a *wahaAsk) *said {
	s.mu.Lock()
	defer s.mu.Unlock()
	x := s.line(a.session())
	if x == nil {
		return &said{status: 201, kind: jsonType}
	}
	s.stop(x)
	return says(201, s.describe(x))
}

func (s *waha) running(x *line) bool { return s.status(x) != "STOPPED" }

func (s *waha) restart(x *line) {
	s.stop(x)
	s.start(x)
}

func (s *waha) restartSession(a *wahaAsk) *said { return s.onSession(a, 201, s.restart) }

func (s *waha) logoutSession(a *wahaAsk) *said {
	return s.onSession(a, 201, func(x *line) {
		running := s.running(x)
		if s.leave(x); running {
			s.start(x)
		}
	})
}

// updateSession replaces all of the config, and restarts a session that runs.
func (s *waha) updateSession(a *wahaAsk) *said {
	config, fault := s.readConfig(a)
	if fault != nil {
		return fault
	}
	return s.onSession(a, 200, func(x *line) {
		wahaOf(x).config = config
		if s.running(x) {
			s.restart(x)
		}
	})
}

func (s *waha) forget(name string) {
	if x := s.line(name); x != nil {
		if s.running(x) {
			s.leave(x)
		}
		delete(s.lines, x.id)
	}
}

func (s *waha) deleteSession(a *wahaAsk) *said {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forget(a.session())
	return &said{status: 200, kind: jsonType}
}

// oldStart makes a session, or changes its config, and starts it.
func (s *waha) oldStart(a *wahaAsk) *said {
	config, fault := s.readConfig(a)
	if fault != nil {
		return fault
	}
	name := a.session()
	if len(name) > wahaMaxName {
		return s.fail(400, "Bad Request", []string{"name must be shorter than or equal to 54 characters"})
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	x := s.line(name)
	if x == nil {
		x = s.add(name, &wahaSession{})
	}
	if s.running(x) {
		return s.fail(422, "Unprocessable Entity", "Session '"+name+"' is already started.")
	}
	wahaOf(x).config = config
	s.start(x)
	return says(201, s.describe(x))
}

// oldStop stops a session, or deletes it where logout is asked for.
func (s *waha) oldStop(a *wahaAsk) *said {
	if logout, _ := a.body["logout"].(bool); logout {
		return s.oldLogout(a)
	}
	a.r.SetPathValue("session", a.session())
	_ = s.stopSession(a)
	return &said{status: 201, kind: jsonType}
}

func (s *waha) oldLogout(a *wahaAsk) *said {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forget(a.session())
	return &said{status: 201, kind: jsonType}
}

// qr is a picture, JSON only where Accept is exactly that, or the code's text.
func (s *waha) qr(a *wahaAsk) *said {
	s.mu.Lock()
	x, fault := s.until(a, a.session(), "SCAN_QR_CODE")
	text := ""
	if fault == nil {
		text, _ = s.code(x)
	}
	s.mu.Unlock()
	if fault != nil {
		return fault
	}
	if a.r.URL.Query().Get("format") == "raw" {
		return says(200, map[string]any{"value": text})
	}
	picture, err := qrcode.PNG(text)
	if err != nil {
		return s.broken(a, 500, "the code cannot be drawn")
	}
	if a.r.Header.Get("Accept") == jsonType {
		return says(200, map[string]any{"mimetype": pngType, "data": base64.StdEncoding.EncodeToString(picture)})
	}
	return &said{status: 200, kind: pngType, raw: picture}
}

func (s *waha) requestCode(a *wahaAsk) *said {
	if phone, _ := a.body["phoneNumber"].(string); !allDigits(phone) {
		return s.broken(a, 500, "phoneNumber is wrong")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, fault := s.until(a, a.session(), "SCAN_QR_CODE"); fault != nil {
		return fault
	}
	return says(201, map[string]any{"code": "ABCD-1234"})
}
