package sandbox

import (
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"

	"github.com/genfity/wa-gateway/internal/qrcode"
)

func (s *wuzapi) connect(r *http.Request, x *line) *said {
	var b struct {
		Subscribe []string
		Immediate bool
	}
	if !s.read(r, &b) {
		return s.fail(400, "could not decode Payload")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	u := user(x)
	s.settle(x, false)
	if s.connected(x) {
		return s.fail(500, "already connected")
	}
	u.events = strings.Join(s.known(b.Subscribe), ",")
	u.subscribed, u.client = u.events, true
	s.start(x)
	if !b.Immediate {
		s.mu.Unlock()
		alive := wait(r.Context(), wuzapiConnectWait)
		s.mu.Lock()
		if !alive || !s.connected(x) {
			return s.fail(500, "failed to connect")
		}
	}
	return s.ok(map[string]any{"webhook": u.webhook, "jid": x.jid(), "events": u.events, "details": "Connected!"})
}

func (s *wuzapi) disconnect(r *http.Request, x *line) *said {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settle(x, false)
	switch {
	case !user(x).client:
		return s.fail(500, "no session")
	case !s.connected(x), s.old && x.phase != phaseConnected:
		return s.fail(500, "cannot disconnect because it is not logged in")
	}
	s.stop(x)
	if u := user(x); s.old || r.URL.Query().Get("clear") == "true" {
		u.events, u.subscribed = "", ""
	}
	return s.ok(map[string]any{"Details": "Disconnected"})
}

func (s *wuzapi) logout(_ *http.Request, x *line) *said {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settle(x, false)
	switch {
	case !user(x).client:
		return s.fail(500, "no session")
	case !s.connected(x):
		return s.fail(500, "could not disconnect as it was not connected")
	case x.phase != phaseConnected:
		return s.fail(500, "could not logout as it was not logged in")
	}
	s.leave(x)
	return s.ok(map[string]any{"Details": "Logged out"})
}

// status shows the session with its token and its proxy's password.
func (s *wuzapi) status(_ *http.Request, x *line) *said {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settle(x, false)
	u := user(x)
	if s.old {
		if !u.client {
			return s.fail(500, "no session")
		}
		return s.ok(map[string]any{"Connected": s.connected(x), "LoggedIn": x.phase == phaseConnected})
	}
	return s.ok(map[string]any{
		"id": x.id, "name": u.name, "connected": s.connected(x), "loggedIn": x.phase == phaseConnected, "token": u.token,
		"jid": x.jid(), "webhook": u.webhook, "events": u.events, "proxy_url": u.proxy, "qrcode": s.picture(x),
		"history": strconv.Itoa(u.history), "proxy_config": s.showProxy(u), "s3_config": s.showS3(u), "hmac_configured": u.key != "",
	})
}

// picture is the code to scan as a data URL, or nothing when none is shown.
func (s *wuzapi) picture(x *line) string {
	if x.phase != phaseQR {
		return ""
	}
	text, _ := s.code(x)
	return dataURL(text)
}

// dataURL draws a code; no code is too long to be drawn.
func dataURL(text string) string {
	picture, err := qrcode.PNG(text)
	if err != nil {
		return ""
	}
	return "data:" + pngType + ";base64," + base64.StdEncoding.EncodeToString(picture)
}

func (s *wuzapi) qr(_ *http.Request, x *line) *said {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settle(x, false)
	switch {
	case !user(x).client:
		return s.fail(500, "no session")
	case !s.connected(x):
		return s.fail(500, "not connected")
	case x.phase == phaseConnected:
		return s.fail(500, "already logged in")
	}
	return s.ok(map[string]any{"QRCode": s.picture(x)})
}

func (s *wuzapi) pairPhone(r *http.Request, x *line) *said {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !user(x).client {
		return s.fail(500, "no session")
	}
	var b struct{ Phone string }
	if !s.read(r, &b) {
		return s.fail(400, "could not decode Payload")
	}
	if b.Phone == "" {
		return s.fail(400, "missing Phone in Payload")
	}
	if x.phase == phaseConnected {
		return s.fail(500, "already paired")
	}
	return s.ok(map[string]any{"LinkingCode": "ABCD-1234"})
}

func (s *wuzapi) getWebhook(_ *http.Request, x *line) *said {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ok(map[string]any{"webhook": user(x).webhook, "subscribe": strings.Split(user(x).events, ",")})
}

// setWebhook without events empties the subscription in the cache, though the database keeps it.
func (s *wuzapi) setWebhook(r *http.Request, x *line) *said {
	var b struct {
		Webhook string `json:"webhookurl"`
		Events  []string
	}
	if !s.read(r, &b) {
		return s.fail(400, "could not decode payload")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.register(user(x), b.Webhook, b.Events)
	return s.ok(map[string]any{"webhook": user(x).webhook})
}

func (s *wuzapi) register(u *wuzapiUser, target string, events []string) []string {
	known := s.known(events)
	u.webhook = cut(target, maxURL)
	u.subscribed = strings.Join(known, ",")
	if len(events) > 0 {
		u.events = u.subscribed
	}
	return known
}

// updateWebhook clears the webhook unless active is true.
func (s *wuzapi) updateWebhook(r *http.Request, x *line) *said {
	var b struct {
		Webhook string
		Events  []string
		Active  bool
	}
	if !s.read(r, &b) {
		return s.fail(400, "could not decode payload")
	}
	if !b.Active {
		b.Webhook = ""
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	known := s.register(user(x), b.Webhook, b.Events)
	if !b.Active {
		user(x).subscribed = ""
		if len(b.Events) > 0 {
			user(x).events = ""
		}
	}
	return s.ok(map[string]any{"webhook": user(x).webhook, "events": known, "active": b.Active})
}

func (s *wuzapi) deleteWebhook(_ *http.Request, x *line) *said {
	s.mu.Lock()
	defer s.mu.Unlock()
	u := user(x)
	u.webhook, u.events, u.subscribed = "", "", ""
	return s.ok(map[string]any{"Details": "Webhook and events deleted successfully"})
}

func (s *wuzapi) setProxy(r *http.Request, x *line) *said {
	var b struct {
		ProxyURL string `json:"proxy_url"`
		Enable   bool   `json:"enable"`
	}
	if !s.read(r, &b) {
		return s.fail(400, "could not decode payload")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.connected(x) {
		return s.fail(400, "cannot set proxy while connected. Please disconnect first")
	}
	if user(x).proxy = ""; b.Enable {
		user(x).proxy = cut(b.ProxyURL, maxURL)
	}
	return s.ok(map[string]any{"Details": "Proxy configured successfully", "ProxyURL": user(x).proxy})
}

// setKey is what brings a key into the cache, so that webhooks are signed. Its answer has no envelope.
func (s *wuzapi) setKey(r *http.Request, x *line) *said {
	var b struct {
		Key string `json:"hmac_key"`
	}
	if !s.read(r, &b) {
		return s.fail(400, "could not decode payload")
	}
	if len(b.Key) < wuzapiMinKey {
		return s.fail(400, "HMAC key must be at least 32 characters long")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	user(x).key = cut(b.Key, maxURL)
	user(x).signing = user(x).key
	return says(200, map[string]any{"Details": "HMAC configuration saved successfully"})
}

func (s *wuzapi) getKey(_ *http.Request, x *line) *said {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := ""
	if user(x).key != "" {
		key = "***"
	}
	return says(200, map[string]any{"hmac_key": key})
}

func (s *wuzapi) deleteKey(_ *http.Request, x *line) *said {
	s.mu.Lock()
	defer s.mu.Unlock()
	user(x).key, user(x).signing = "", ""
	return says(200, map[string]any{"Details": "HMAC configuration deleted successfully"})
}

func (s *wuzapi) setHistory(r *http.Request, x *line) *said {
	var b struct{ History int }
	s.mu.Lock()
	defer s.mu.Unlock()
	if !user(x).client {
		return s.fail(400, "no session")
	}
	if !s.read(r, &b) {
		return s.fail(400, "could not decode payload")
	}
	if b.History < 0 {
		return s.fail(400, "history cannot be negative")
	}
	user(x).history = b.History
	return s.ok(map[string]any{"Details": "History configuration saved successfully", "History": b.History})
}
