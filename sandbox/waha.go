package sandbox

import (
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Bounds and waits of WAHA.
const (
	wahaBody     = 50 << 20
	wahaWait     = 5 * time.Second // for a session to come into the state that a call needs
	wahaStep     = 500 * time.Millisecond
	wahaMaxName  = 54
	wahaMaxKeys  = 1_000
	wahaVersion  = "2026.9.1"
	wahaDefault  = "default" // the session of a body that names none
	wahaNotFound = "Not Found"
)

// waha is WAHA. engine is the library under it, which gives sends their answers.
type waha struct {
	*core
	engine string
	base   string // as the last caller wrote it, for the addresses of media
	keys   []*wahaKey
}

// wahaSession is what it keeps of a session.
type wahaSession struct {
	config *wahaConfig
	states []map[string]any
}

// wahaKey is a credential beside the administrator's.
type wahaKey struct {
	ID      string           `json:"id"`
	Key     string           `json:"key"`
	Active  bool             `json:"isActive"`
	Admin   bool             `json:"isAdmin"`
	Session *string          `json:"session"`
	Actions *map[string]bool `json:"actions"`
}

// wahaAsk is one call with what it has shown and brought.
type wahaAsk struct {
	r    *http.Request
	key  *wahaKey // nil for the administrator
	body map[string]any
}

func init() {
	natives["waha"] = struct {
		generations []string
		make        func(*core) native
	}{[]string{"noweb", "webjs"}, func(c *core) native {
		engine := "GOWS"
		if c.options.Generation != "" {
			engine = strings.ToUpper(c.options.Generation)
		}
		return &waha{core: c, engine: engine}
	}}
}

func wahaOf(x *line) *wahaSession { return x.own.(*wahaSession) }

func (s *waha) finds(*line, string) bool { return false }

func (s *waha) handler() http.Handler {
	mux := &router{}
	handle := func(action string, do func(*wahaAsk) *said) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.serve(w, r, action, do) })
	}
	on := func(call, action string, do func(*wahaAsk) *said) {
		method, pattern, _ := strings.Cut(call, " ")
		mux.on(method, pattern, handle(action, do))
	}
	on("GET /api/keys", "admin", s.listKeys)
	on("POST /api/keys", "admin", s.addKey)
	on("PUT /api/keys/{id}", "admin", s.editKey)
	on("DELETE /api/keys/{id}", "admin", s.deleteKey)

	on("GET /api/sessions", "list", s.listSessions)
	on("POST /api/sessions", "setting", s.createSession)
	on("POST /api/sessions/start", "control", s.oldStart)
	on("POST /api/sessions/stop", "control", s.oldStop)
	on("POST /api/sessions/logout", "delete", s.oldLogout)
	on("GET /api/sessions/{session}", "read", s.getSession)
	on("PUT /api/sessions/{session}", "setting", s.updateSession)
	on("DELETE /api/sessions/{session}", "delete", s.deleteSession)
	on("GET /api/sessions/{session}/me", "read", s.me)
	on("POST /api/sessions/{session}/start", "control", s.startSession)
	on("POST /api/sessions/{session}/stop", "control", s.stopSession)
	on("POST /api/sessions/{session}/restart", "control", s.restartSession)
	on("POST /api/sessions/{session}/logout", "control", s.logoutSession)
	on("GET /api/{session}/auth/qr", "control", s.qr)
	on("POST /api/{session}/auth/request-code", "control", s.requestCode)

	for _, send := range wahaSends {
		on("POST /api/"+send.path, "send", func(a *wahaAsk) *said { return s.sendMessage(a, send.read) })
	}
	on("GET /api/sendText", "send", s.getSendText)
	on("POST /api/sendSeen", "send", s.sendSeen)
	on("GET /api/{session}/new-message-id", "send", s.newID)
	on("GET /api/contacts/all", "read", s.contacts)
	on("GET /api/contacts/check-exists", "read", s.checkExists)
	on("GET /api/{session}/chats", "read", s.chats)
	on("GET /api/{session}/chats/overview", "read", s.chats)
	on("GET /api/{session}/chats/{chat}/messages", "read", s.messages)
	on("POST /api/{session}/chats/{chat}/messages/read", "send", s.readChat)
	on("GET /api/files/{session}/{file}", "open", s.file)
	mux.other = handle("open", func(a *wahaAsk) *said {
		return s.fail(404, wahaNotFound, "Cannot "+a.r.Method+" "+cut(a.r.URL.Path, maxURL))
	})
	return mux
}

// serve authorizes a call, reads its body, and answers. A body that is not called JSON is not
// read: the call then names nothing.
func (s *waha) serve(w http.ResponseWriter, r *http.Request, action string, do func(*wahaAsk) *said) {
	a := &wahaAsk{r: r, body: map[string]any{}}
	if !s.authorize(a) {
		says(401, map[string]any{"message": "Unauthorized", "statusCode": 401}).write(w)
		return
	}
	if r.Method != http.MethodGet && r.Method != http.MethodDelete && strings.HasPrefix(strings.ToLower(r.Header.Get("Content-Type")), jsonType) {
		r.Body = http.MaxBytesReader(w, r.Body, min(s.limit, wahaBody))
		body, err := fields(r)
		if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
			s.fail(413, "PayloadTooLargeError", "request entity too large").write(w)
			return
		}
		if err != nil {
			s.fail(400, "Bad Request", "Unexpected token in JSON").write(w)
			return
		}
		a.body = body
	}
	s.mu.Lock()
	s.base = hostOf(r)
	allowed := s.allows(a, action)
	s.mu.Unlock()
	if !allowed {
		says(403, map[string]any{"message": "Forbidden", "statusCode": 403}).write(w)
		return
	}
	do(a).write(w)
}

// authorize takes the key of the header, else of the query.
func (s *waha) authorize(a *wahaAsk) bool {
	key := a.r.Header.Get("X-Api-Key")
	if key == "" {
		key = a.r.URL.Query().Get("x-api-key")
	}
	if s.isAdmin(key) {
		return true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, k := range s.keys {
		if k.Active && sameText(k.Key, key) {
			if !k.Admin {
				a.key = k
			}
			return true
		}
	}
	return false
}

// allows tells whether a key may do so with the session that the call names.
func (s *waha) allows(a *wahaAsk, action string) bool {
	k := a.key
	if k == nil || action == "open" || action == "list" {
		return true
	}
	if action == "admin" || (k.Session != nil && *k.Session != a.session()) {
		return false
	}
	if k.Actions == nil {
		return action != "delete"
	}
	return (*k.Actions)[action]
}

// session is what a call names in its path, else in its body or, of a GET, its query. One that
// names none means "default", whoever's that may be.
func (a *wahaAsk) session() string {
	if name := a.r.PathValue("session"); name != "" {
		return name
	}
	field := "session"
	if strings.HasPrefix(a.r.URL.Path, "/api/sessions") {
		field = "name"
	}
	if name, ok := a.body[field].(string); ok && name != "" {
		return name
	}
	if name := a.r.URL.Query().Get("session"); name != "" {
		return name
	}
	return wahaDefault
}

func (s *waha) fail(status int, kind string, message any) *said {
	return says(status, map[string]any{"statusCode": status, "message": message, "error": kind})
}

// broken is any other error: it shows the whole call, with a key that stands in its query.
func (s *waha) broken(a *wahaAsk, status int, message string) *said {
	query := map[string]any{}
	for name, values := range a.r.URL.Query() {
		query[name] = values[0]
	}
	return says(status, map[string]any{
		"statusCode": status, "timestamp": s.now().Format(time.RFC3339Nano),
		"exception": map[string]any{"message": message, "name": "TypeError", "stack": "TypeError: " + message + "\n    at sandbox (app.ts:1:1)"},
		"request":   map[string]any{"path": a.r.RequestURI, "method": a.r.Method, "body": a.body, "query": query},
		"version":   s.environment(),
	})
}

func (s *waha) environment() map[string]any {
	return map[string]any{"version": wahaVersion, "engine": s.engine, "tier": "CORE", "browser": nil}
}

func (s *waha) status(x *line) string {
	switch x.phase {
	case phaseQR:
		return "SCAN_QR_CODE"
	case phaseConnected:
		return "WORKING"
	case phaseFailed:
		return "FAILED"
	default:
		return "STOPPED"
	}
}

// until waits for a session to come into a status, with core.mu held, which it lets go.
func (s *waha) until(a *wahaAsk, name, want string) (*line, *said) {
	for waited := time.Duration(0); ; waited += wahaStep {
		x := s.line(name)
		if x == nil || s.status(x) == "STOPPED" {
			return nil, s.fail(404, wahaNotFound, "We didn't find a session with name '"+cut(name, maxIDBytes)+
				"'. Please start it first by using POST /api/sessions/"+cut(name, maxIDBytes)+"/start request")
		}
		if s.status(x) == want {
			return x, nil
		}
		if waited >= wahaWait {
			return nil, says(422, map[string]any{
				"error":   "Session status is not as expected. Try again later or restart the session",
				"session": name, "status": s.status(x), "expected": []string{want},
			})
		}
		s.mu.Unlock()
		alive := wait(a.r.Context(), wahaStep)
		s.mu.Lock()
		if !alive {
			return nil, s.broken(a, 500, "the caller has gone")
		}
	}
}

func (s *waha) listKeys(*wahaAsk) *said {
	s.mu.Lock()
	defer s.mu.Unlock()
	return says(200, append([]*wahaKey{}, s.keys...))
}

// fillKey reads a key's fields from a body.
func (s *waha) fillKey(k *wahaKey, body map[string]any) *said {
	raw, err := json.Marshal(body)
	id, secret := k.ID, k.Key
	if err != nil || json.Unmarshal(raw, k) != nil {
		return s.fail(400, "Bad Request", []string{"isAdmin must be a boolean value"})
	}
	k.ID, k.Key = id, secret
	if !k.Admin && k.Session == nil {
		return s.fail(400, "Bad Request", []string{"session must be a string"})
	}
	return nil
}

func (s *waha) addKey(a *wahaAsk) *said {
	k := &wahaKey{ID: "key_" + randomHex(13), Key: "key_" + randomHex(16), Active: true}
	if fault := s.fillKey(k, a.body); fault != nil {
		return fault
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.keys) >= wahaMaxKeys {
		s.keys = slices.Delete(s.keys, 0, 1)
	}
	s.keys = append(s.keys, k)
	return says(201, k)
}

func (s *waha) byID(a *wahaAsk) int {
	return slices.IndexFunc(s.keys, func(k *wahaKey) bool { return k.ID == a.r.PathValue("id") })
}

func (s *waha) editKey(a *wahaAsk) *said {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := s.byID(a)
	if i < 0 {
		return s.fail(404, wahaNotFound, "Key not found")
	}
	k := *s.keys[i] // what its pointers point to stays as it is: answers may still be reading it
	if k.Session != nil {
		session := *k.Session
		k.Session = &session
	}
	if _, given := a.body["actions"]; given {
		k.Actions = nil
	}
	if fault := s.fillKey(&k, a.body); fault != nil {
		return fault
	}
	s.keys[i] = &k
	return says(200, &k)
}

func (s *waha) deleteKey(a *wahaAsk) *said {
	s.mu.Lock()
	defer s.mu.Unlock()
	if i := s.byID(a); i >= 0 {
		s.keys = slices.Delete(s.keys, i, i+1)
	}
	return &said{status: 200, kind: jsonType}
}
