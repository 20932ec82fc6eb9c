package caddywagateway

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// testTrapLists: lists show one's own, without what the server keeps of them.
func (r *trapRig) testTrapLists(t *testing.T) {
	for user, see := range map[string][2]string{alice: {mySession, theirSession}, bob: {theirSession, mySession}} {
		for _, query := range []string{"", "?all=true", "?instanceName=" + see[1], "?user_id=" + user + "&session_id=" + see[0], "?session_id=" + see[1]} {
			res, caused := r.act(t, "GET", "/api/wa/sessions"+query, "", as(user, see[0]))
			wantNone(t, "the list", caused)
			if strings.Contains(strings.ReplaceAll(res.text, query, ""), see[1]) || res.status == http.StatusOK && !strings.Contains(res.text, see[0]) {
				t.Errorf("%s sees %s", user, res.text)
			}
		}
	}
	sessions, _ := r.call("GET", "/api/wa/sessions", "", as(alice, mySession)).at("data", "sessions").([]any)
	one, _ := r.call("GET", "/api/wa/sessions/"+mySession, "", as(alice, mySession)).at("data").(map[string]any)
	for _, shown := range append(sessions, one) {
		m, _ := shown.(map[string]any)
		for name := range m {
			switch name {
			case "session_id", "session_name", "status", "connected", "logged_in", "jid":
			default:
				t.Errorf("a session is shown with its %s", name)
			}
		}
	}
}

// planted are members that the server puts into each object of its answers: what is
// secret by its name. The harness looks for their values in every answer and the log.
var planted = []string{
	"token", "hmac", "hmac_key", "hmacKey", "webhook_secret", "apikey", "api_key", "proxy_url", "proxyPassword", "secret_key", "jwt_key", "password",
	"authorization", "instanceToken", "adminKey",
}

func plant(body []byte) []byte {
	var v any
	if json.Unmarshal(body, &v) != nil {
		return body
	}
	raw, err := json.Marshal(plantIn(v))
	if err != nil {
		return body
	}
	return raw
}

func plantIn(v any) any {
	switch v := v.(type) {
	case []any:
		for i := range v {
			v[i] = plantIn(v[i])
		}
	case map[string]any:
		for name, member := range v {
			v[name] = plantIn(member)
			if strings.Contains(name, "@") {
				return v // an object whose members are contacts
			}
		}
		for _, name := range planted {
			v[name] = secretMark + "planted"
		}
	}
	return v
}

// testTrapEchoes: what the server tells of secrets is not told on.
func (r *trapRig) testTrapEchoes(t *testing.T) {
	defer r.calls.meddle(nil, plant)()
	me := as(alice, mySession)
	r.tell(t, "incoming", `{"session":"`+mySession+`","from":"628111222333","name":"Customer","text":"hello"}`)
	for _, call := range []struct{ method, path, body string }{
		{"GET", "sessions", ""},
		{"GET", "sessions/" + mySession, ""},
		{"POST", "sessions/" + mySession + "/start", ""},
		{"GET", "sessions/" + mySession + "/qr", ""},
		{"GET", "sessions/" + mySession + "/contacts", ""},
		{"GET", "sessions/" + mySession + "/chats", ""},
		{"GET", "sessions/" + mySession + "/messages/628111222333", ""},
		{"POST", "send-message", aText + "}"},
		{"POST", "broadcast", `{"recipients":["6281234567890","628123450006"],"message":"hello"}`},
		{"POST", "send-message", `{"to":"628123450008","message":"to nobody"}`},
		{"GET", "webhook", ""},
	} {
		if r.dialect == "waha" && strings.HasSuffix(call.path, "/qr") {
			continue // the server waits whether there will be one
		}
		res, caused := r.act(t, call.method, "/api/wa/"+call.path, call.body, me)
		if res.status >= 500 && !strings.Contains(call.body, "nobody") {
			t.Errorf("%s %s: %d %s", call.method, call.path, res.status, res.text)
		}
		if strings.Contains(fmt.Sprint(res.header)+res.text, secretMark) {
			t.Errorf("%s %s: a secret is shown: %s", call.method, call.path, res.text)
		}
		r.wantMine(t, call.path, caused)
	}
}

// testTrapBroken: a server's error that repeats the call, its keys and a stack (WAHA's
// 500) is replaced by the gateway's own.
func (r *trapRig) testTrapBroken(t *testing.T) {
	me := as(alice, mySession)
	words := func(c tapped) string {
		return fmt.Sprintf("boom %s %s %s %v %s", r.token, r.mine.WebhookSecret, r.credential(r.mine), c.header, c.body)
	}
	jsonOf := func(v any) []byte { raw, _ := json.Marshal(v); return raw }
	for name, body := range map[string]func(c tapped) []byte{
		"waha": func(c tapped) []byte {
			return jsonOf(map[string]any{
				"statusCode": 500, "exception": map[string]any{"message": words(c) + "\n    at Object.x (/app/node_modules/y.js:1:1)", "name": "TypeError", "stack": words(c) + "\n    at z (app.ts:1:1)"},
				"request": map[string]any{"path": c.uri, "body": string(c.body), "query": map[string]any{"x-api-key": r.token}}, "version": "x",
			})
		},
		"wuzapi": func(c tapped) []byte {
			return jsonOf(map[string]any{"code": 500, "error": words(c), "success": false, "details": words(c)})
		},
		"gowa": func(c tapped) []byte {
			return jsonOf(map[string]any{"code": "INTERNAL_SERVER_ERROR", "message": words(c), "results": words(c)})
		},
		"evolution": func(c tapped) []byte {
			return jsonOf(map[string]any{"status": 500, "error": words(c), "response": map[string]any{"message": []any{words(c), map[string]any{"jid": words(c)}}}})
		},
		"a text":  func(c tapped) []byte { return []byte(words(c)) },
		"a page":  func(c tapped) []byte { return []byte("<html><body>" + words(c)) },
		"half":    func(c tapped) []byte { return []byte(`{"error":"` + words(c)) },
		"nothing": func(tapped) []byte { return nil },
		"deep":    func(tapped) []byte { return []byte(strings.Repeat(`{"error":[`, 20_000)) },
	} {
		for _, status := range []int{500, 503, 400, 404, 422, 200, 201} {
			undo := r.calls.meddle(func(w http.ResponseWriter, c tapped) bool {
				w.Header().Set("Content-Type", "application/json")
				w.Header().Set("X-Echo", r.token)
				w.Header().Set("Set-Cookie", "token="+r.token)
				w.WriteHeader(status)
				_, _ = w.Write(body(c))
				return true
			}, nil)
			for _, call := range []struct{ method, path, body string }{
				{"POST", "send-message", aText + "}"}, {"GET", "sessions/" + mySession, ""}, {"GET", "sessions/" + mySession + "/contacts", ""},
				{"POST", "sessions/" + mySession + "/start", ""}, {"GET", "sessions/" + mySession + "/qr", ""},
			} {
				what := fmt.Sprintf("%s %d %s", name, status, call.path)
				res, _ := r.act(t, call.method, "/api/wa/"+call.path, call.body, me)
				shown := fmt.Sprint(res.header) + res.text
				for _, bad := range []string{"node_modules", "app.ts", "X-Echo", "Set-Cookie", "exception", base64.StdEncoding.EncodeToString([]byte(r.token))} {
					if strings.Contains(shown, bad) {
						t.Errorf("%s: %q is in the answer: %.400s", what, bad, shown)
					}
				}
				if status >= 400 && res.status < 400 || res.at("message") == nil && res.at("success") == nil && res.header.Get("Content-Type") != "image/png" {
					t.Errorf("%s: %d %s", what, res.status, res.text)
				}
			}
			undo()
		}
	}
}

// testTrapRefused: that the server refuses the gateway's credential is not told as if it
// were the client's.
func (r *trapRig) testTrapRefused(t *testing.T) {
	me := as(alice, mySession)
	for _, status := range []int{http.StatusUnauthorized, http.StatusForbidden, http.StatusProxyAuthRequired} {
		for _, body := range []string{"Unauthorized", `{"message":"Unauthorized","statusCode":401}`, `{"code":401,"error":"unauthorized","success":false}`, `{"status":401,"error":"Unauthorized","response":{"message":"Unauthorized"}}`} {
			undo := r.calls.meddle(func(w http.ResponseWriter, _ tapped) bool {
				w.Header().Set("WWW-Authenticate", `Basic realm="server"`)
				w.WriteHeader(status)
				_, _ = w.Write([]byte(body))
				return true
			}, nil)
			for _, call := range []struct{ method, path, body string }{
				{"POST", "send-message", aText + "}"}, {"GET", "sessions/" + mySession, ""}, {"POST", "sessions/" + mySession + "/start", ""},
				{"POST", "sessions", `{"session_id":"refused-1"}`},
			} {
				res, _ := r.act(t, call.method, "/api/wa/"+call.path, call.body, me)
				if res.status == 401 || res.status == 403 || res.status == 407 || res.status < 400 || res.header.Get("WWW-Authenticate") != "" {
					t.Errorf("%d %s, %s: %d %v %s", status, body, call.path, res.status, res.header, res.text)
				}
			}
			undo()
		}
	}
}

// testTrapRedirects: where the server points elsewhere, nobody goes: the credentials
// would go along.
func (r *trapRig) testTrapRedirects(t *testing.T) {
	var hits atomic.Int32
	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		hits.Add(1)
		_, _ = w.Write([]byte("{}"))
	}))
	defer elsewhere.Close()
	me := as(alice, mySession)
	for _, status := range []int{301, 302, 303, 307, 308} {
		undo := r.calls.meddle(func(w http.ResponseWriter, _ tapped) bool {
			w.Header().Set("Location", elsewhere.URL+"/stolen")
			w.WriteHeader(status)
			return true
		}, nil)
		for _, call := range []struct{ method, path, body string }{
			{"POST", "send-message", aText + "}"}, {"GET", "sessions/" + mySession, ""}, {"GET", "sessions/" + mySession + "/qr", ""},
			{"GET", "sessions/" + mySession + "/contacts", ""}, {"POST", "sessions", `{"session_id":"redirected-1"}`},
		} {
			res, _ := r.act(t, call.method, "/api/wa/"+call.path, call.body, me)
			if call.path == "sessions/"+mySession+"/contacts" && res.status == http.StatusOK {
				t.Errorf("%d: a redirect is a list: %s", status, res.text)
			}
			if res.status < 400 || res.header.Get("Location") != "" {
				t.Errorf("%d, %s: %d %v %s", status, call.path, res.status, res.header, res.text)
			}
		}
		undo()
	}
	if n := hits.Load(); n != 0 {
		t.Errorf("%d calls went elsewhere", n)
	}
}

// testTrapDisconnected: a device that lost its connection, which GOWA answers 401 for, is
// a matter of the session and not of the client's key.
func (r *trapRig) testTrapDisconnected(t *testing.T) {
	me := as(alice, mySession)
	r.tell(t, "script", `{"session":"`+mySession+`","drop":true}`)
	res, _ := r.act(t, "POST", "/api/wa/send-message", aText+"}", me)
	res.wantAnswer(t, http.StatusConflict, "")
	if res.header.Get("WWW-Authenticate") != "" {
		t.Error(res.header)
	}
	deadline := time.Now().Add(10 * time.Second)
	for {
		r.act(t, "POST", "/api/wa/sessions/"+mySession+"/start", "", me)
		if res, _ = r.act(t, "GET", "/api/wa/sessions/"+mySession, "", me); res.at("data", "connected") == true {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(res.text)
		}
		time.Sleep(20 * time.Millisecond)
	}
}
