package sandbox

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// wuzapiConnectWait is how long a connect without Immediate takes.
const wuzapiConnectWait = 10 * time.Second

// wuzapi is asternic/wuzapi: an administrator makes users, each being one session with a token
// of its own. old is its first generation, without signatures and session events.
type wuzapi struct {
	*core
	old bool
}

// wuzapiUser is what it keeps of a user. Subscriptions and keys stand twice, as there: in the
// database and in a cache, and it is the cache that decides what is sent and signed.
type wuzapiUser struct {
	name, token, webhook string
	events               string // in the database
	subscribed           string // in the cache
	expiration, history  int
	proxy, delivery      string
	key, signing         string // of signatures; signing is the cache's
	client               bool   // connected or trying to be
	cached               bool   // its token was used: it works until the end, even when the user is deleted
	gone                 bool   // deleted, but cached
}

func init() {
	natives["wuzapi"] = struct {
		generations []string
		make        func(*core) native
	}{[]string{"old"}, func(c *core) native { return &wuzapi{core: c, old: c.options.Generation == "old"} }}
}

func user(x *line) *wuzapiUser { return x.own.(*wuzapiUser) }

func (s *wuzapi) finds(x *line, name string) bool { return user(x).name == name && !user(x).gone }

func (s *wuzapi) handler() http.Handler {
	mux := http.NewServeMux()
	admin := func(pattern string, do func(*http.Request) *said) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			if !s.isAdmin(r.Header.Get("Authorization")) || s.openAdmin(r) {
				s.fail(401, "unauthorized").write(w)
				return
			}
			do(r).write(w)
		})
	}
	own := func(pattern string, do func(*http.Request, *line) *said) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			x := s.authorize(r)
			if x == nil {
				s.fail(401, "unauthorized").write(w)
				return
			}
			if err := buffer(r); err != nil {
				s.fail(400, "could not decode payload").write(w)
				return
			}
			do(r, x).write(w)
		})
	}
	admin("GET /admin/users", s.listUsers)
	admin("GET /admin/users/{id}", s.listUsers)
	admin("POST /admin/users", s.addUser)
	admin("DELETE /admin/users/{id}", s.deleteUser)
	admin("/admin/", func(*http.Request) *said { return s.notFound() })
	own("POST /session/connect", s.connect)
	own("POST /session/disconnect", s.disconnect)
	own("POST /session/logout", s.logout)
	own("GET /session/status", s.status)
	own("GET /session/qr", s.qr)
	own("POST /session/pairphone", s.pairPhone)
	own("GET /webhook", s.getWebhook)
	own("POST /webhook", s.setWebhook)
	own("PUT /webhook", s.updateWebhook)
	own("DELETE /webhook", s.deleteWebhook)
	own("POST /session/proxy", s.setProxy)
	own("GET /user/contacts", s.contacts)
	own("POST /user/check", s.checkUser)
	own("POST /chat/markread", s.markRead)
	for _, send := range s.sends() {
		own("POST /chat/send/"+send.path, func(r *http.Request, x *line) *said { return s.sendMessage(r, x, send.read) })
	}
	if !s.old {
		admin("PUT /admin/users/{id}", s.editUser)
		admin("DELETE /admin/users/{id}/full", s.deleteUserFull)
		own("POST /session/hmac/config", s.setKey)
		own("GET /session/hmac/config", s.getKey)
		own("DELETE /session/hmac/config", s.deleteKey)
		own("POST /session/history", s.setHistory)
		own("GET /chat/history", s.chatHistory)
		mux.HandleFunc("GET /health", func(w http.ResponseWriter, _ *http.Request) { s.health().write(w) })
		mux.HandleFunc("GET /webhook/events", func(w http.ResponseWriter, _ *http.Request) {
			s.ok(map[string]any{"supported_events": wuzapiEvents}).write(w)
		})
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { s.notFound().write(w) })
	return mux
}

// openAdmin is the old generation without a token: it compares with nothing, so only a call
// without the header is let in.
func (s *wuzapi) openAdmin(r *http.Request) bool {
	return s.old && s.options.Token == "" && r.Header.Get("Authorization") != ""
}

// authorize finds the user of a token, which the header gives, or else the query.
func (s *wuzapi) authorize(r *http.Request) *line {
	token := r.Header.Get("token")
	if token == "" {
		token = strings.Join(r.URL.Query()["token"], "")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, x := range s.all() {
		if sameText(user(x).token, token) {
			user(x).cached = true
			return x
		}
	}
	return nil
}

func (s *wuzapi) ok(data any) *said {
	return says(200, map[string]any{"code": 200, "data": data, "success": true})
}

func (s *wuzapi) fail(status int, text string) *said {
	return says(status, map[string]any{"code": status, "error": s.words(text), "success": false})
}

// words writes an error as the generation does: the old one begins with a capital.
func (s *wuzapi) words(text string) string {
	first, size := utf8.DecodeRuneInString(text)
	if !s.old || size == 0 {
		return text
	}
	return string(unicode.ToUpper(first)) + text[size:]
}

// notFound is the static file server's.
func (s *wuzapi) notFound() *said {
	return &said{status: 404, kind: "text/plain; charset=utf-8", raw: []byte("404 page not found\n")}
}

func (s *wuzapi) health() *said {
	s.mu.Lock()
	defer s.mu.Unlock()
	total, connected, loggedIn := 0, 0, 0
	for _, x := range s.all() {
		total++
		if s.connected(x) {
			connected++
		}
		if x.phase == phaseConnected {
			loggedIn++
		}
	}
	return says(200, map[string]any{
		"status": "ok", "version": "1.0.5", "total_users": total, "connected_users": connected, "logged_in_users": loggedIn,
	})
}

// connected is the state of the socket: it is there while a code is shown, too.
func (s *wuzapi) connected(x *line) bool {
	return user(x).client && (x.phase == phaseConnected || x.phase == phaseQR)
}

// read decodes a body as Go does: names match without regard to case.
func (s *wuzapi) read(r *http.Request, into any) bool {
	return json.NewDecoder(r.Body).Decode(into) == nil
}

// newID makes the id that this generation gives a user.
func (s *wuzapi) newID() string {
	if s.old {
		return strconv.Itoa(s.made + 1)
	}
	return randomHex(16)
}

func (s *wuzapi) showID(x *line) any {
	if n, err := strconv.Atoi(x.id); s.old && err == nil {
		return n
	}
	return x.id
}

// wuzapiEvents are the names that can be subscribed to.
var wuzapiEvents = []string{
	"Message", "MessageSent", "UndecryptableMessage", "Receipt", "MediaRetry", "ReadReceipt", "GroupInfo", "JoinedGroup",
	"Picture", "BlocklistChange", "Blocklist", "Connected", "Disconnected", "ConnectFailure", "KeepAliveRestored",
	"KeepAliveTimeout", "QRTimeout", "LoggedOut", "ClientOutdated", "TemporaryBan", "StreamError", "StreamReplaced",
	"PairSuccess", "PairError", "QR", "QRScannedWithoutMultidevice", "PrivacySettings", "PushNameSetting", "UserAbout",
	"AppState", "AppStateSyncComplete", "HistorySync", "OfflineSyncCompleted", "OfflineSyncPreview", "CallOffer",
	"CallAccept", "CallTerminate", "CallOfferNotice", "CallRelayLatency", "Presence", "ChatPresence", "IdentityChange",
	"CATRefreshError", "NewsletterJoin", "NewsletterLeave", "NewsletterMuteChange", "NewsletterLiveUpdate", "FBMessage", "All",
}

var wuzapiOldEvents = []string{"Message", "ReadReceipt", "Presence", "HistorySync", "ChatPresence", "All"}

// known keeps the names that can be subscribed to; the others are dropped without a word.
func (s *wuzapi) known(names []string) []string {
	supported := wuzapiEvents
	if s.old {
		supported = wuzapiOldEvents
	}
	var list []string
	for _, name := range names {
		if slices.Contains(supported, name) && !slices.Contains(list, name) {
			list = append(list, name)
		}
	}
	return list
}
