package sandbox

import (
	"errors"
	"maps"
	"net/http"
	"strings"
	"time"
)

// Waits of the Evolution API.
const (
	evolutionCreateWait  = 5 * time.Second // of a create that shows a code
	evolutionConnectWait = 2 * time.Second
)

// evolution is the Evolution API.
type evolution struct {
	*core
	base string // as the last caller wrote it, for its events
}

// instance is what it keeps of a session. token is its own credential.
type instance struct {
	uuid, token, integration, number string
	hook                             *evolutionHook
	proxy                            map[string]any
	settings                         map[string]any
	started                          bool // has a client
	codes                            int  // shown in this pairing
	last                             string
}

// evolutionAsk is one call. name is the instance that it is done for in the end, which is not
// always that for which it was authorized.
type evolutionAsk struct {
	r      *http.Request
	name   string
	key    string
	params map[string]any
	body   map[string]any
	file   *attachment
}

func init() {
	natives["evolution"] = struct {
		generations []string
		make        func(*core) native
	}{nil, func(c *core) native { return &evolution{core: c} }}
}

func instanceOf(x *line) *instance { return x.own.(*instance) }

func (s *evolution) finds(x *line, name string) bool { return instanceOf(x).uuid == name }

func (s *evolution) handler() http.Handler {
	t := &router{}
	on := func(call string, do func(*evolutionAsk) *said) {
		method, pattern, _ := strings.Cut(call, " ")
		t.on(method, pattern, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.serve(r, do).write(w) }))
	}
	on("POST /instance/create", s.create)
	on("GET /instance/fetchInstances", s.fetch)
	on("GET /instance/connect/{instanceName}", s.connect)
	on("POST /instance/restart/{instanceName}", s.restart)
	on("GET /instance/connectionState/{instanceName}", s.connectionState)
	on("DELETE /instance/logout/{instanceName}", s.logout)
	on("DELETE /instance/delete/{instanceName}", s.remove)
	on("GET /webhook/find/{instanceName}", s.findHook)
	on("POST /webhook/set/{instanceName}", s.setHook)
	for _, send := range evolutionSends {
		on("POST /message/"+send.path+"/{instanceName}", func(a *evolutionAsk) *said { return s.sendMessage(a, send.check, send.read) })
	}
	on("POST /chat/findContacts/{instanceName}", s.contacts)
	on("POST /chat/findChats/{instanceName}", s.chats)
	on("POST /chat/findMessages/{instanceName}", s.messages)
	on("POST /chat/markMessageAsRead/{instanceName}", s.markRead)
	on("POST /chat/whatsappNumbers/{instanceName}", s.numbers)
	t.on(http.MethodGet, "/manager", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		(&said{status: 200, kind: "text/html; charset=utf-8", raw: []byte("<!doctype html>")}).write(w)
	}))
	t.other = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/" && r.Method == http.MethodGet {
			says(200, map[string]any{"status": 200, "message": "Welcome to the Evolution API, it is working!", "version": "2.3.6"}).write(w)
			return
		}
		s.fail(404, "Not Found", []string{"Cannot " + r.Method + " " + cut(original(r), maxURL)}).write(w)
	})
	return t
}

// original is the address of a call as it was sent, query and all.
func original(r *http.Request) string {
	if r.RequestURI != "" {
		return r.RequestURI
	}
	return r.URL.RequestURI()
}

// serve reads the body, which comes first there, and then goes through the guards in their
// order: is there such an instance, is the name free, is the key right. Only after them the query is
// copied over the path's parameters, and, where the address holds /instance/create, the body as well.
func (s *evolution) serve(r *http.Request, do func(*evolutionAsk) *said) *said {
	a := &evolutionAsk{r: r, key: r.Header.Get("apikey"), params: map[string]any{}, body: map[string]any{}}
	if fault := s.readBody(a); fault != nil {
		return fault
	}
	path := r.PathValue("instanceName")
	if fault := s.guard(a, path); fault != nil {
		return fault
	}
	if path != "" {
		a.params["instanceName"] = path
	}
	for name, values := range r.URL.Query() {
		a.params[name] = values[len(values)-1]
	}
	if strings.Contains(original(r), "/instance/create") {
		maps.Copy(a.params, a.body)
	}
	a.name, _ = a.params["instanceName"].(string)
	return do(a)
}

func (s *evolution) guard(a *evolutionAsk, path string) *said {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.base = hostOf(a.r)
	creates := strings.Contains(original(a.r), "/instance/create")
	lists := strings.Contains(original(a.r), "/instance/fetchInstances")
	if !creates && !lists && s.line(path) == nil {
		return s.fail(404, "Not Found", []string{`The "` + cut(path, maxIDBytes) + `" instance does not exist`})
	}
	if name, _ := a.body["instanceName"].(string); creates && s.line(name) != nil {
		return s.fail(403, "Forbidden", []string{`This name "` + cut(name, maxIDBytes) + `" is already in use.`})
	}
	switch x := s.line(path); {
	case a.key == "" && s.options.Token != "":
	case s.isAdmin(a.key):
		return nil
	case x != nil:
		if sameText(instanceOf(x).token, a.key) {
			return nil
		}
	case path == "" && lists && s.byToken(a.key) != nil:
		return nil
	}
	return s.fail(401, "Unauthorized", "Unauthorized")
}

func (s *evolution) byToken(key string) *line {
	for _, x := range s.all() {
		if sameText(instanceOf(x).token, key) {
			return x
		}
	}
	return nil
}

// readBody takes JSON and, where a file may come, a multipart form.
func (s *evolution) readBody(a *evolutionAsk) *said {
	kind := strings.ToLower(a.r.Header.Get("Content-Type"))
	var err error
	switch {
	case strings.HasPrefix(kind, "multipart/form-data"):
		err = s.readParts(a)
	case strings.HasPrefix(kind, jsonType):
		a.body, err = fields(a.r)
	}
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge || errors.Is(err, errTooMuch) {
		return s.fail(413, "Internal Server Error", "request entity too large")
	}
	if err != nil {
		return s.fail(400, "Internal Server Error", "Unexpected token in JSON")
	}
	return nil
}

func (s *evolution) readParts(a *evolutionAsk) error {
	mr, err := a.r.MultipartReader()
	if err != nil {
		return err
	}
	b := &gowaBody{files: map[string]*attachment{}}
	form, err := b.readParts(mr)
	if err != nil {
		return err
	}
	for name, texts := range form {
		a.body[name] = texts[0]
	}
	a.file = b.files["file"]
	return nil
}

func (s *evolution) fail(status int, reason string, message any) *said {
	return says(status, map[string]any{"status": status, "error": reason, "response": map[string]any{"message": message}})
}

// bad is what a schema finds wrong: a list in a list.
func (s *evolution) bad(texts ...string) *said { return s.fail(400, "Bad Request", [][]string{texts}) }

// crash is what becomes of a call for an instance that is not there after the guards.
func (s *evolution) crash(text string) *said {
	return s.fail(500, "Internal Server Error", "Cannot read properties of undefined (reading '"+text+"')")
}

func (s *evolution) state(x *line) string {
	switch x.phase {
	case phaseConnected:
		return "open"
	case phaseQR:
		return "connecting"
	default:
		return "close"
	}
}

// on runs a handler on the instance that the call is done for.
func (s *evolution) on(a *evolutionAsk, reads string, do func(*line) *said) *said {
	s.mu.Lock()
	defer s.mu.Unlock()
	x := s.line(a.name)
	if x == nil {
		return s.crash(reads)
	}
	return do(x)
}
