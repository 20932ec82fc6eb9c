package caddywagateway

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/genfity/wa-gateway/routes"
)

// nativePaths are calls of the servers' own that are not for clients: those of their
// administrators, those that are not bound to a session, and those that need no
// credential.
var nativePaths = map[string][]string{
	"wuzapi": {
		"admin/users", "admin/users/1", "admin/users/1/full", "session/status", "session/connect", "session/hmac/config",
		"session/proxy", "session/s3/config", "session/history", "session/logout", "webhook/events", "chat/history?chat_jid=index",
		"chat/send/text", "user/contacts", "group/list", "dashboard", "static/x",
	},
	"gowa": {
		"devices", "devices/" + theirSession, "devices/" + theirSession + "/login", "devices/" + theirSession + "/logout", "devices/" + theirSession + "/webhook",
		"app/devices", "app/login", "app/logout", "app/reconnect", "app/info", "statics/qrcode/x.png", "statics/media/x", "mcp", "sse", "ws",
		"chatwoot/configs", "chatwoot/webhook", "user/avatar", "user/pushname", "send/message", "group", "newsletter/list",
	},
	"waha": {
		"api/keys", "api/sessions", "api/sessions/" + theirSession, "api/server/environment?all=true", "api/server/stop", "api/server/debug/heapsnapshot",
		"api/apps", "api/files/" + theirSession + "/x.jpg", "api/sendText?session=" + theirSession, "api/screenshot?session=" + theirSession, "api/version",
		"api/checkNumberStatus", "api/" + theirSession + "/chats/all/messages", "mcp", "jobs", "metrics", "dashboard", "ws?session=*&events=*",
		"api/admin/clear-storage", "api/tenants", "api/default/auth/qr",
	},
	"evolution": {
		"instance/fetchInstances", "instance/create", "instance/connect/" + theirSession, "instance/logout/" + theirSession, "instance/delete/" + theirSession,
		"baileys/getAuthState/" + theirSession, "baileys/sendNode/" + theirSession, "verify-creds", "settings/set/" + theirSession, "proxy/set/" + theirSession,
		"webhook/set/" + theirSession, "webhook/evolution", "webhook/meta", "chatwoot/webhook/" + theirSession, "s3/getMedia/" + theirSession,
		"openai/creds/" + theirSession, "manager", "metrics", "assets/x", "store/x", "socket.io/?EIO=4", "message/sendText/" + theirSession,
	},
}

// testTrapPaths: no path but those of the table gets to the server, however it is
// spelled, and no session but one's own.
func (r *trapRig) testTrapPaths(t *testing.T) {
	me := as(alice, mySession)
	for _, native := range nativePaths[r.dialect] {
		path, query, _ := strings.Cut(native, "?")
		if query != "" {
			query = "?" + query
		}
		first, rest, _ := strings.Cut(path, "/")
		spelled := []string{
			"/api/wa/" + path, "/" + path, "/api/wa//" + path, "/api/wa/./" + path, "/api/wa/../" + path, "/api/wa/%2e%2e/" + path,
			"/api/wa/..%2f" + path, "/api/wa/sessions/" + mySession + "/../../../" + path, "/api/wa/sessions/" + mySession + "/%2e%2e/%2e%2e/" + path,
			"/api/wa/sessions/" + mySession + "/..%2f..%2f" + path, "/api/wa/" + strings.ToUpper(path), "/api/wa/" + strings.ReplaceAll(path, "/", "%2f"),
			"/api/wa/%" + hexOf(first[0]) + first[1:] + "/" + rest, "/api/wa/" + first + ";x/" + rest, "/api/wa/" + path + "/", "/api/wa/" + path + "%00",
			"/api/wa/sessions/" + mySession + "/messages/..%2f..%2f" + path, `/api/wa/..%5c` + path, "/api/wa/health/../" + path,
			"/events/../" + path, "/events/webhook/../../" + path,
		}
		others := []string{"POST", "DELETE", "PUT"}
		for i, path := range spelled {
			for _, method := range []string{"GET", others[i%len(others)]} {
				if _, err := url.ParseRequestURI(path + query); err != nil {
					continue
				}
				if ours(method, path) {
					continue
				}
				res, caused := r.act(t, method, path+query, "", me)
				wantNone(t, method+" "+path, caused)
				if res.status < 400 {
					t.Errorf("%s %s: %d %.200s", method, path, res.status, res.text)
				}
			}
		}
	}
	for _, id := range []string{
		theirSession, "default", "sessions", "keys", "server", "all", "fetchInstances", "create", "..", "%2e%2e", ".", "..%2f" + theirSession,
		mySession + "%2f..%2f" + theirSession, mySession + "%00", mySession + "%20", strings.ToUpper(mySession), "%20" + mySession,
		"6281234567890@s.whatsapp.net", r.theirs.RemoteID, mySession + "%3finstanceName=" + theirSession,
		mySession + ";" + theirSession, mySession + "," + theirSession, "*", "null", "undefined", "__proto__", "constructor",
	} {
		for _, call := range []struct{ method, rest string }{
			{"GET", ""}, {"DELETE", ""}, {"POST", "/start"}, {"POST", "/stop"}, {"GET", "/qr"}, {"GET", "/contacts"}, {"GET", "/chats"},
			{"GET", "/messages/6281234567890"}, {"POST", "/mark-read"},
		} {
			path := "/api/wa/sessions/" + id + call.rest
			headers := [][]string{me}
			if call.method == "GET" {
				headers = append(headers, as(alice, id))
			}
			for _, header := range headers {
				res, caused := r.act(t, call.method, path, "", header)
				wantNone(t, call.method+" "+path, caused)
				if res.status < 400 || res.status >= 500 {
					t.Errorf("%s %s: %d %.200s", call.method, path, res.status, res.text)
				}
			}
		}
	}
}

// ours tells the spelled paths that are calls of the gateway's own.
func ours(method, path string) bool {
	for prefix, table := range map[string]*routes.Table{routes.Prefix: routes.API, routes.EventsPrefix: routes.Events} {
		rest, found := strings.CutPrefix(path, prefix)
		if !found {
			continue
		}
		if match, err := table.Match(method, strings.Split(rest, "/")); err == nil && match != nil {
			return true
		}
	}
	return false
}

func hexOf(b byte) string {
	const digits = "0123456789abcdef"
	return string([]byte{digits[b>>4], digits[b&15]})
}

// testTrapMethods: what acts at the server by a GET (GOWA's login, Evolution's connect,
// WAHA's sendText) is caused by POST …/start and GET …/qr alone.
func (r *trapRig) testTrapMethods(t *testing.T) {
	me := as(alice, mySession)
	acting := []string{"/login", "/app/", "/reconnect", "/instance/connect/", "/instance/restart", "/sendText", "/checkNumberStatus", "/session/connect", "/start"}
	for _, path := range []string{"", "/contacts", "/chats", "/messages/6281234567890"} {
		for _, accept := range []string{"application/json", "image/png", "*/*"} {
			_, caused := r.act(t, "GET", "/api/wa/sessions/"+mySession+path, "", append(me, "Accept", accept))
			for _, c := range caused {
				if slices.ContainsFunc(acting, func(part string) bool { return strings.Contains(c.path(), part) }) {
					t.Errorf("GET %s: %s", path, c)
				}
			}
		}
	}
	_, caused := r.act(t, "GET", "/api/wa/sessions", "", me)
	wantNone(t, "the list", caused)
	_, caused = r.act(t, "GET", "/api/wa/webhook", "", me)
	wantNone(t, "the webhook", caused)
	for _, call := range [][2]string{
		{"GET", "/start"}, {"HEAD", "/start"}, {"GET", "/stop"}, {"POST", "/qr"}, {"HEAD", "/qr"}, {"PUT", "/qr"}, {"OPTIONS", "/qr"}, {"HEAD", ""}, {"PUT", ""},
		{"GET", "/mark-read"}, {"DELETE", "/start"}, {"PATCH", ""},
	} {
		res, caused := r.act(t, call[0], "/api/wa/sessions/"+mySession+call[1], "", append(me, "X-Http-Method-Override", "POST"))
		wantNone(t, call[0]+" "+call[1], caused)
		if res.status != http.StatusMethodNotAllowed {
			t.Errorf("%s %s: %d %s", call[0], call[1], res.status, res.text)
		}
	}
}

// testTrapTenants: with another's session every call is refused, and nothing reaches
// the server.
func (r *trapRig) testTrapTenants(t *testing.T) {
	fill := strings.NewReplacer("{id}", mySession, "{chat_id}", "6281234567890", "{user_id}", alice)
	body := `{"to":"6281234567890","message":"x","session_id":"` + mySession + `","url":"https://` + evil + `.example/","recipients":["6281234567890"],"chat_id":"6281234567890","message_ids":["A"]}`
	for _, route := range routes.API.Routes() {
		if route.Anonymous {
			continue
		}
		path := "/api/wa/" + fill.Replace(strings.Join(route.Pattern, "/"))
		for name, header := range map[string][]string{"alice's session": as(bob, mySession), "bob's own": as(bob, theirSession)} {
			if name == "bob's own" && !strings.Contains(path, mySession) && route.Class != routes.ClassOwn {
				continue // bob's call
			}
			if !route.Session && route.Class != routes.ClassOwn && name == "alice's session" && !strings.Contains(path, mySession) {
				// The list, and a new session: what the header names does not matter.
				res, _ := r.act(t, "GET", "/api/wa/sessions", "", header)
				if strings.Contains(res.text, mySession) {
					t.Errorf("the list: %s", res.text)
				}
				continue
			}
			sent := ""
			if route.Method != http.MethodGet && route.Method != http.MethodDelete {
				sent = body
			}
			res, caused := r.act(t, route.Method, path, sent, header)
			wantNone(t, route.Method+" "+path+" with "+name, caused)
			if res.status != http.StatusForbidden {
				t.Errorf("%s %s with %s: %d %s", route.Method, path, name, res.status, res.text)
			}
		}
	}
}
