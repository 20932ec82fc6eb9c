package sandbox

import (
	"errors"
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"

	"github.com/genfity/wa-gateway/internal/qrcode"
)

// gowa is go-whatsapp-web-multidevice: every account reaches every device, and a header only
// chooses which.
type gowa struct{ *core }

// gowaDevice is what it keeps of a device beside its session.
type gowaDevice struct {
	hook     *gowaHook
	client   bool   // was started once
	codeFile string // of the code that is shown
}

// gowaHook is a device's webhook; its secret is shown to whoever asks.
type gowaHook struct {
	URL    string `json:"webhook_url"`
	Secret string `json:"webhook_secret"`
	Events string `json:"webhook_events"`
	Skip   bool   `json:"webhook_insecure_skip_verify"`
}

const gowaQRFolder = "statics/qrcode/"

func init() {
	natives["gowa"] = struct {
		generations []string
		make        func(*core) native
	}{nil, func(c *core) native { return &gowa{c} }}
}

func device(x *line) *gowaDevice { return x.own.(*gowaDevice) }

func (s *gowa) finds(x *line, name string) bool { return x.jid() == name }

func (s *gowa) handler() http.Handler {
	mux := http.NewServeMux()
	all := func(pattern string, do func(*http.Request) *said) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) { do(r).write(w) })
	}
	// one is a call that goes to the device which the header or the query chooses.
	one := func(pattern string, do func(*http.Request, *line) *said) {
		all(pattern, func(r *http.Request) *said {
			x, fault := s.choose(r)
			if fault != nil {
				return fault
			}
			return do(r, x)
		})
	}
	all("GET /devices", s.listDevices)
	all("POST /devices", s.addDevice)
	all("GET /devices/{id}", s.getDevice)
	all("DELETE /devices/{id}", s.removeDevice)
	all("GET /devices/{id}/login", func(r *http.Request) *said { return s.login(r, r.PathValue("id")) })
	all("POST /devices/{id}/login/code", func(r *http.Request) *said { return s.loginCode(r, r.PathValue("id")) })
	all("POST /devices/{id}/logout", s.byPath(s.logout))
	all("POST /devices/{id}/reconnect", s.byPath(s.reconnect))
	all("GET /devices/{id}/status", s.byPath(s.status))
	all("GET /devices/{id}/webhook", s.getHook)
	all("PATCH /devices/{id}/webhook", s.setHook)
	all("GET /app/devices", s.listDevices) // of everybody, whatever the header says
	one("GET /app/login", func(r *http.Request, x *line) *said { return s.login(r, x.id) })
	one("GET /app/login-with-code", func(r *http.Request, x *line) *said { return s.loginCode(r, x.id) })
	one("GET /app/logout", s.logout)
	one("GET /app/reconnect", s.reconnect)
	one("GET /app/status", s.appStatus)
	one("GET /user/my/contacts", s.contacts)
	one("GET /user/check", s.check)
	one("GET /chats", s.chats)
	one("GET /chat/{chat}/messages", s.messages)
	one("POST /message/{message}/read", s.read)
	for _, send := range gowaSends {
		one("POST /send/"+send.path, func(r *http.Request, x *line) *said { return s.sendMessage(r, x, send.read) })
	}
	one("/", func(*http.Request, *line) *said { return gowaText(404, "Not Found") })
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/health":
			gowaText(200, "OK").write(w)
		case strings.HasPrefix(r.URL.Path, "/statics/"): // needs no credential
			s.file(r).write(w)
		case !s.authorized(r):
			a := gowaText(401, "Unauthorized")
			a.header = map[string]string{"WWW-Authenticate": `Basic realm="Restricted", charset="UTF-8"`}
			a.write(w)
		default:
			mux.ServeHTTP(w, r)
		}
	})
}

func gowaText(status int, text string) *said {
	return &said{status: status, kind: "text/plain; charset=utf-8", raw: []byte(text)}
}

func (s *gowa) authorized(r *http.Request) bool {
	name, password, ok := r.BasicAuth()
	return s.options.Token == "" || (ok && s.isAdmin(name+":"+password))
}

func (s *gowa) ok(message string, results any) *said {
	return says(200, map[string]any{"code": "SUCCESS", "message": message, "results": results})
}

func (s *gowa) fail(status int, code, message string) *said {
	return says(status, map[string]any{"code": code, "message": message})
}

func (s *gowa) internal(message string) *said { return s.fail(500, "INTERNAL_SERVER_ERROR", message) }

func (s *gowa) invalid(message string) *said { return s.fail(400, "VALIDATION_ERROR", message) }

// choose finds the device of a call: the header's, else the query's, by id or by JID. Without
// either a single device is taken without a word.
func (s *gowa) choose(r *http.Request) (*line, *said) {
	id := strings.TrimSpace(r.Header.Get("X-Device-Id"))
	if decoded, err := url.QueryUnescape(id); err == nil {
		id = decoded
	}
	if id == "" {
		id = strings.TrimSpace(r.URL.Query().Get("device_id"))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	all := s.all()
	for _, x := range all {
		if id != "" && (x.id == id || x.jid() == id) {
			return x, nil
		}
	}
	switch {
	case id != "":
		a := s.fail(404, "DEVICE_NOT_FOUND", "device not found; create a device first from /api/devices or provide a valid X-Device-Id")
		a.body.(map[string]any)["results"] = map[string]any{"device_id": cut(id, maxIDBytes)}
		return nil, a
	case len(all) == 1:
		return all[0], nil
	default:
		return nil, s.fail(400, "DEVICE_ID_REQUIRED", "device_id is required via X-Device-Id header or device_id query")
	}
}

// byPath is a call that goes to the device in the path, whatever the header says.
func (s *gowa) byPath(do func(*http.Request, *line) *said) func(*http.Request) *said {
	return func(r *http.Request) *said {
		s.mu.Lock()
		x := s.line(r.PathValue("id"))
		s.mu.Unlock()
		if x == nil {
			return s.internal("device " + cut(r.PathValue("id"), maxIDBytes) + " not found")
		}
		return do(r, x)
	}
}

// ready tells why a device cannot do what needs WhatsApp.
func (s *gowa) ready(x *line) *said {
	s.settle(x, false)
	switch {
	case !device(x).client:
		return s.fail(500, "INVALID_WA_CLI", "your WhatsApp CLI is invalid or empty")
	case x.phase == phaseConnected:
		return nil
	case x.phase == phaseQR:
		return s.fail(401, "AUTHENTICATION_ERROR", "you are not logged in")
	default:
		return s.fail(401, "AUTHENTICATION_ERROR", "you are not connect to services server, please reconnect")
	}
}

// file gives out a code or a medium that came in, while it is there.
func (s *gowa) file(r *http.Request) *said {
	s.mu.Lock()
	defer s.mu.Unlock()
	f, ok := s.stored[path.Base(r.URL.Path)]
	if !ok || r.Method != http.MethodGet || path.Dir(r.URL.Path) != f.folder || (!f.until.IsZero() && !s.now().Before(f.until)) {
		return gowaText(404, "Not Found")
	}
	return &said{status: 200, kind: f.kind, raw: f.data}
}

// login drops what there was and starts a new pairing. A device that nobody made is made.
func (s *gowa) login(r *http.Request, id string) *said {
	if len(id) > maxIDBytes {
		return s.invalid("device_id is too long")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	x := s.line(id)
	if x == nil {
		x = s.add(id, &gowaDevice{})
	}
	if fault := s.again(x); fault != nil {
		return fault
	}
	text, ends := s.code(x)
	picture, err := qrcode.PNG(text)
	if err != nil {
		return s.fail(500, "QR_CHANNEL_ERROR", "the QR code cannot be drawn")
	}
	if window, _ := s.window(x); x.started.Add(window).Before(ends) {
		ends = x.started.Add(window)
	}
	d := device(x)
	delete(s.stored, d.codeFile)
	f := &attachment{Type: pngType, data: picture}
	s.store(f, ".png")
	d.codeFile = f.path
	s.stored[f.path] = storedFile{pngType, picture, "/" + strings.TrimSuffix(gowaQRFolder, "/"), ends}
	return s.ok("Login success", map[string]any{
		"device_id": x.id, "qr_link": hostOf(r) + "/" + gowaQRFolder + f.path, "qr_duration": int((ends.Sub(s.now()) + time.Second - 1) / time.Second),
	})
}

// again brings a device that is not logged in into a new pairing.
func (s *gowa) again(x *line) *said {
	device(x).client = true
	switch {
	case x.phase == phaseConnected:
		return s.fail(400, "ALREADY_LOGGED_IN", "you are already logged in.")
	case x.paired:
		s.start(x)
		return s.fail(500, "SESSION_SAVED_ERROR", "your session have been saved, please wait to connect 2 second and refresh again")
	}
	x.phase = phaseCreated
	s.start(x)
	return nil
}

func (s *gowa) loginCode(r *http.Request, id string) *said {
	phone := strings.TrimPrefix(r.URL.Query().Get("phone"), "+")
	if !allDigits(phone) || len(phone) > maxDigits {
		return s.invalid("phone: cannot be blank.")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	x := s.line(id)
	if x == nil {
		return s.internal("device not found")
	}
	if fault := s.again(x); fault != nil {
		return fault
	}
	return s.ok("Login with code started", map[string]any{"device_id": x.id, "pair_code": "ABCD-1234"})
}

// sendFault says why a message was not sent.
func (s *gowa) sendFault(x *line, to string, err error) *said {
	if status, is := errors.AsType[statusError](err); is {
		switch status {
		case 429:
			return s.fail(429, "WA_REACHOUT_TIMELOCK", "the account may not write to new chats for a while")
		case 504:
			return s.fail(504, "GATEWAY_TIMEOUT", "Request timed out waiting for WhatsApp server response")
		}
		return s.fail(int(status), "INTERNAL_SERVER_ERROR", "server returned error 500")
	}
	switch {
	case errors.Is(err, errAbsent):
		return s.fail(400, "INVALID_JID", "Phone "+chatOf(to)+" is not on whatsapp")
	case errors.Is(err, errFails):
		return s.internal("server returned error 479")
	default:
		return s.fail(401, "AUTHENTICATION_ERROR", "you are not connect to services server, please reconnect")
	}
}
