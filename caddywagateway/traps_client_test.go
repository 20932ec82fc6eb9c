package caddywagateway

import (
	"bytes"
	"fmt"
	"mime/multipart"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/genfity/wa-gateway/store/storetest"
)

// TestTraps holds against each kind of server what its sheet of facts calls dangerous.
func TestTraps(t *testing.T) {
	for _, c := range trapCases {
		t.Run(c.name, func(t *testing.T) {
			r := newTrapRig(t, storetest.SQLite, c)
			r.pair(t)
			t.Run("rest", r.testTrapRest) // before clients write secrets where they are logged
			t.Run("creation", r.testTrapCreation)
			t.Run("queries", r.testTrapQueries)
			t.Run("headers", r.testTrapHeaders)
			t.Run("bodies", r.testTrapBodies)
			t.Run("forms", r.testTrapForms)
			t.Run("chats", r.testTrapChats)
			t.Run("marks", r.testTrapMarks)
			t.Run("paths", r.testTrapPaths)
			t.Run("methods", r.testTrapMethods)
			t.Run("tenants", r.testTrapTenants)
			t.Run("lists", r.testTrapLists)
			t.Run("echoes", r.testTrapEchoes)
			t.Run("broken", r.testTrapBroken)
			t.Run("refused", r.testTrapRefused)
			t.Run("redirects", r.testTrapRedirects)
			t.Run("disconnected", r.testTrapDisconnected)
			t.Run("credentials", r.testTrapCredentials)
			t.Run("media", r.testTrapMedia)
			t.Run("webhook", r.testTrapWebhook)
			t.Run("code", r.testTrapCode)
			t.Run("keys", r.testTrapKeys)
		})
	}
}

// trapNames are the names under which a server takes whose session a call is about, who
// calls, or what only the gateway may say.
var trapNames = []string{
	"instanceName", "instanceId", "instance", "session", "sessionId", "name", "device_id", "deviceId", "X-Device-Id",
	"token", "Token", "TOKEN", "apikey", "apiKey", "x-api-key", "X-Api-Key", "key", "userID",
	"number", "Phone", "chatId", "chat_jid", "remoteJid", "Id", "id", "messageId",
	"webhook", "webhookUrl", "proxy", "config", "Subscribe",
}

// values are what a client writes under such names.
func (r *trapRig) values(name string) []string {
	values := []string{theirSession, evil}
	for _, value := range []string{r.theirs.RemoteID, r.credential(r.theirs)} {
		if value != "" && value != theirSession {
			values = append(values, value)
		}
	}
	switch strings.ToLower(name) {
	case "chat_jid":
		values = append(values, "index")
	case "chatid":
		values = append(values, "all")
	}
	return values
}

const aText = `{"to":"6281234567890","message":"hello"`

// testTrapQueries: nothing of a client's query reaches the server, neither where it wins
// over the path (Evolution) nor where it is taken for a missing header (wuzapi, WAHA,
// GOWA).
func (r *trapRig) testTrapQueries(t *testing.T) {
	me := as(alice, mySession)
	var queries []string
	for _, name := range trapNames {
		var q []string
		for _, value := range r.values(name) {
			q = append(q, url.QueryEscape(name)+"="+url.QueryEscape(value))
		}
		queries = append(queries, strings.Join(q, "&"))
	}
	queries = append(queries,
		"x=/instance/create&instanceName="+theirSession, "/instance/fetchInstances&instanceName="+theirSession,
		"%69nstanceName="+theirSession, "instanceName[]="+theirSession, "instanceName.x="+theirSession,
		"limit=5&limit="+evil, "cursor="+evil, "format="+evil,
	)
	reached := 0
	for _, call := range []struct{ method, path, body string }{
		{"POST", "send-message", aText + "}"},
		{"GET", "sessions/" + mySession, ""},
		{"GET", "sessions/" + mySession + "/chats", ""},
		{"GET", "sessions/" + mySession + "/messages/6281234567890", ""},
	} {
		for _, query := range queries {
			what := call.method + " " + call.path + "?" + query
			res, caused := r.act(t, call.method, "/api/wa/"+call.path+"?"+query, call.body, me)
			r.wantMine(t, what, caused)
			reached += len(caused)
			if res.status >= 500 && res.status != http.StatusNotImplemented {
				t.Errorf("%s: %d %s", what, res.status, res.text)
			}
		}
	}
	if reached < len(queries) {
		t.Errorf("only %d calls got as far as the server", reached)
	}
}

// testTrapHeaders: the same of headers.
func (r *trapRig) testTrapHeaders(t *testing.T) {
	me := as(alice, mySession)
	for _, name := range []string{
		"Token", "Apikey", "X-Api-Key", "X-Device-Id", "X-Instance", "X-Webhook-Hmac", "X-Hmac-Signature",
		"X-Http-Method-Override", "X-Original-Url", "X-Rewrite-Url", "Cookie", "Proxy-Authorization", "Accept-Language",
	} {
		for _, value := range r.values(name) {
			what := name + ": " + value
			for _, call := range []struct{ method, path, body string }{
				{"POST", "send-message", aText + "}"}, {"GET", "sessions/" + mySession, ""}, {"GET", "sessions/" + mySession + "/contacts", ""},
			} {
				res, caused := r.act(t, call.method, "/api/wa/"+call.path, call.body, append(me, name, value))
				r.wantMine(t, what, caused)
				if res.status != http.StatusOK || len(caused) == 0 {
					t.Errorf("%s: %s: %d %s", what, call.path, res.status, res.text)
				}
			}
		}
	}
	for _, value := range []string{"Bearer " + r.credential(r.theirs), "Basic Z293YTpnb3dh", r.token} {
		res, caused := r.act(t, "POST", "/api/wa/send-message", aText+"}", append(me, "Authorization", value))
		wantNone(t, "Authorization", caused)
		if res.status != http.StatusUnauthorized {
			t.Errorf("Authorization: %d %s", res.status, res.text)
		}
	}
}

// testTrapBodies: the same of members of a body, those that come twice and those of
// other spellings too.
func (r *trapRig) testTrapBodies(t *testing.T) {
	me := as(alice, mySession)
	var extras []string
	for _, name := range trapNames {
		var twice []string
		for _, value := range r.values(name) {
			twice = append(twice, fmt.Sprintf(`%q:%q`, name, value))
		}
		extras = append(extras, strings.Join(twice, ","), fmt.Sprintf(`%q:%q`, name, r.values(name)[0]), fmt.Sprintf(`%q:{"url":%q,%q:%q}`, name, "http://"+evil+".example/", name, evil))
	}
	extras = append(extras,
		`"delay":999999`, `"Delay":999999`, `"options":{"delay":999999,"presence":"composing"}`, `"Seconds":999999`,
		`"session":"`+theirSession+`","session":"`+theirSession+`"`, `"sess\u0069on":"`+theirSession+`"`,
		`"__proto__":{"session":"`+theirSession+`"}`, `"constructor":{"prototype":{"instanceName":"`+theirSession+`"}}`,
		`"ContextInfo":{"StanzaID":"`+evil+`","Participant":"`+evil+`"}`, `"quoted":{"key":{"id":"`+evil+`"}}`,
		`"mentionsEveryOne":true,"x":"`+evil+`"`, `"expiration":999999`, `"Body":"`+evil+`"`, `"text":"`+evil+`"`,
	)
	var taken []string
	for _, extra := range extras {
		for i, body := range []string{aText + "," + extra + "}", "{" + extra + "," + aText[1:] + "}"} {
			res, caused := r.act(t, "POST", "/api/wa/send-message", body, me)
			// The text of a message is the client's: some names of it are taken.
			if res.status != http.StatusOK && res.status != http.StatusBadRequest {
				t.Errorf("%s: %d %s", body, res.status, res.text)
			}
			if res.status == http.StatusOK && strings.Contains(res.text, evil) {
				t.Errorf("%s: %s", body, res.text)
			}
			r.wantMine(t, body, caused)
			if i == 0 && len(caused) > 0 {
				taken = append(taken, extra)
			}
		}
	}
	if len(taken) < 10 {
		t.Fatalf("only %d of %d bodies got as far as the server", len(taken), len(extras))
	}
	for _, call := range []struct{ path, body string }{
		{"broadcast", `{"recipients":["6281234567890","6281234567891"],"message":"hello"`},
		{"send-location", `{"to":"6281234567890","latitude":-6.2,"longitude":106.8`},
		{"sessions/" + mySession + "/mark-read", `{"chat_id":"6281234567890@s.whatsapp.net","message_ids":["ABCDEF0123"]`},
		{"sessions/" + mySession + "/start", `{"x":1`},
	} {
		reached := 0
		for some := range slices.Chunk(taken, 12) {
			some = slices.DeleteFunc(slices.Clone(some), func(extra string) bool { return strings.HasPrefix(extra, `"name"`) }) // a place has one
			_, caused := r.act(t, "POST", "/api/wa/"+call.path, call.body+","+strings.Join(some, ",")+"}", me)
			r.wantMine(t, call.path+" "+fmt.Sprint(some), caused)
			reached += len(caused)
		}
		if reached == 0 {
			t.Errorf("%s: nothing got as far as the server", call.path)
		}
	}
}

// testTrapForms: the same of the fields of forms.
func (r *trapRig) testTrapForms(t *testing.T) {
	me := as(alice, mySession)
	values := url.Values{"to": {"6281234567890"}, "message": {"hello"}}
	var multi bytes.Buffer
	w := multipart.NewWriter(&multi)
	_ = w.WriteField("to", "6281234567890")
	_ = w.WriteField("caption", "hello")
	file, err := w.CreateFormFile("media", "a.txt")
	if err != nil {
		t.Fatal(err)
	}
	_, _ = file.Write([]byte("content"))
	for _, name := range trapNames {
		values[name] = append(values[name], r.values(name)...)
		for _, value := range r.values(name) {
			_ = w.WriteField(name, value)
		}
	}
	_ = w.Close()
	_, caused := r.act(t, "POST", "/api/wa/send-message", values.Encode(), append(me, "Content-Type", "application/x-www-form-urlencoded"))
	r.wantMine(t, "form", caused)
	reached := len(caused)
	_, caused = r.act(t, "POST", "/api/wa/send-document", multi.String(), append(me, "Content-Type", w.FormDataContentType()))
	r.wantMine(t, "multipart", caused)
	// The names of sessions are refused, or not looked at.
	clean := url.Values{"to": {"6281234567890"}, "message": {"hello"}, "token": {evil}, "apikey": {evil}, "Id": {evil}, "chat_jid": {"index"}, "delay": {"999999"}, "Phone": {evil}, "number": {evil}}
	res, caused := r.act(t, "POST", "/api/wa/send-message", clean.Encode(), append(me, "Content-Type", "application/x-www-form-urlencoded"))
	r.wantMine(t, "form", caused)
	if reached += len(caused); reached == 0 {
		t.Errorf("no form got as far as the server: %d %s", res.status, res.text)
	}
}

// testTrapChats: no chat is everybody's chats (wuzapi's index), all chats of a session
// (WAHA's all), or another path.
func (r *trapRig) testTrapChats(t *testing.T) {
	me := as(alice, mySession)
	for _, chat := range []string{
		"index", "Index", "INDEX", "%69ndex", "all", "ALL", "%61ll", "*", "%2A", "default", "null", "0", "-1", evil,
		"..%2f..%2f" + theirSession, "%2e%2e%2f%2e%2e%2fadmin%2fusers", "6281234567890%2f..%2f..%2f" + theirSession,
		"6281234567890%3finstanceName=" + theirSession, "6281234567890%23x", "6281234567890%00" + evil, "6281234567890;" + evil,
		"index@s.whatsapp.net", "all@c.us", theirSession, "status@broadcast", "%20", "6281234567890@" + evil,
	} {
		res, caused := r.act(t, "GET", "/api/wa/sessions/"+mySession+"/messages/"+chat, "", me)
		r.wantMine(t, chat, caused)
		for _, c := range caused {
			if strings.Contains(strings.ToLower(c.uri), "index") || strings.Contains(c.uri, "/chats/all/") || strings.Contains(c.uri, "%2A") {
				t.Errorf("%s: %s", chat, c)
			}
		}
		if res.status >= 500 {
			t.Errorf("%s: %d %s", chat, res.status, res.text)
		}
	}
}

// testTrapMarks: the ids of messages that are marked as read are no paths.
func (r *trapRig) testTrapMarks(t *testing.T) {
	me := as(alice, mySession)
	for _, id := range []string{
		"../../devices/" + theirSession + "/logout", "..", ".", "a/b", "a%2fb", `a\\b`, "a?device_id=" + theirSession, "a#" + evil, "\\u0000",
	} {
		body := `{"chat_id":"6281234567890@s.whatsapp.net","message_ids":["` + id + `"]}`
		res, caused := r.act(t, "POST", "/api/wa/sessions/"+mySession+"/mark-read", body, me)
		if r.dialect == "gowa" && len(caused) > 0 {
			t.Errorf("%s: %v", id, caused)
		}
		for _, c := range caused {
			if problem := r.notMine(c); problem != "" || strings.Contains(c.uri, "..") {
				t.Errorf("%s: %s: %s", id, c, problem)
			}
		}
		if res.status >= 500 {
			t.Errorf("%s: %d %s", id, res.status, res.text)
		}
	}
	for _, chat := range []string{"all", "index", theirSession, "../x", "", "*"} {
		res, caused := r.act(t, "POST", "/api/wa/sessions/"+mySession+"/mark-read", `{"chat_id":"`+chat+`","message_ids":["ABCDEF"]}`, me)
		wantNone(t, "chat "+chat, caused)
		if res.status != http.StatusBadRequest {
			t.Errorf("chat %s: %d %s", chat, res.status, res.text)
		}
	}
}
