package sandbox

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// hooked is one webhook that a rig's gateway got.
type hooked struct {
	url    string
	header http.Header
	body   string
	after  time.Duration
}

// rig is a pretended server on synctest's time, with a gateway that takes its webhooks.
type rig struct {
	t     *testing.T
	s     *Sandbox
	began time.Time
	// answer decides the gateway's status from how many webhooks there were before; nil: always 200.
	answer func(n int) int

	mu  sync.Mutex
	got []hooked
}

const hookURL = "http://127.0.0.1/hook"

// on runs a test against a pretended server.
func on(t *testing.T, o Options, test func(*rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		g := &rig{t: t, began: time.Now()}
		o.Client = &http.Client{Transport: g}
		s, err := New(o)
		if err != nil {
			t.Fatal(err)
		}
		g.s = s
		defer func() { // also when the test ends early
			if err := s.Close(t.Context()); err != nil {
				t.Error(err)
			}
		}()
		test(g)
	})
}

func (g *rig) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	g.mu.Lock()
	n := len(g.got)
	g.got = append(g.got, hooked{r.URL.String(), r.Header.Clone(), string(body), time.Since(g.began)})
	g.mu.Unlock()
	w := httptest.NewRecorder()
	if g.answer != nil {
		w.WriteHeader(g.answer(n))
	}
	return w.Result(), nil
}

// hooks gives the webhooks that came since the last time, after a while has passed.
func (g *rig) hooks(while time.Duration) []hooked {
	g.t.Helper()
	time.Sleep(while)
	synctest.Wait()
	g.mu.Lock()
	defer g.mu.Unlock()
	got := g.got
	g.got = nil
	return got
}

// heard is a server's answer.
type heard struct {
	t      *testing.T
	status int
	header http.Header
	raw    []byte
}

func (g *rig) call(method, path, body string, headers ...string) *heard {
	g.t.Helper()
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	if body != "" {
		r.Header.Set("Content-Type", jsonType)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	g.s.ServeHTTP(w, r)
	return &heard{g.t, w.Code, w.Header(), w.Body.Bytes()}
}

// admin makes one of the sandbox's own calls, without a token.
func (g *rig) admin(path, body string) map[string]any {
	g.t.Helper()
	method := "POST"
	if body == "" {
		method = "GET"
	}
	a := g.call(method, adminPath+path, body).is(200)
	data, _ := a.at("data").(map[string]any)
	return data
}

func (a *heard) is(status int) *heard {
	a.t.Helper()
	if a.status != status {
		a.t.Fatalf("%d instead of %d: %s", a.status, status, a.raw)
	}
	return a
}

// says wants a status, and a text in the answer.
func (a *heard) says(status int, text string) *heard {
	a.t.Helper()
	if !strings.Contains(string(a.raw), text) {
		a.t.Errorf("%s without %q", a.raw, text)
	}
	return a.is(status)
}

// at is a value of the answer's JSON; see dig.
func (a *heard) at(path string) any {
	a.t.Helper()
	return dig(a.t, a.raw, path)
}

func (a *heard) text(path string) string {
	a.t.Helper()
	text, ok := a.at(path).(string)
	if !ok {
		a.t.Fatalf("%s is no text in %s", path, a.raw)
	}
	return text
}

// has wants values at paths, which come in pairs.
func (a *heard) has(pairs ...any) *heard {
	a.t.Helper()
	for i := 0; i+1 < len(pairs); i += 2 {
		if got := a.at(pairs[i].(string)); !reflect.DeepEqual(got, pairs[i+1]) {
			a.t.Errorf("%s is %#v instead of %#v in %s", pairs[i], got, pairs[i+1], a.raw)
		}
	}
	return a
}

// dig finds a value by names and indexes with dots between them; nil where there is none.
func dig(t *testing.T, raw []byte, path string) any {
	t.Helper()
	var v any
	if err := json.Unmarshal(raw, &v); err != nil {
		t.Fatalf("%v in %s", err, raw)
	}
	if path == "" {
		return v
	}
	for name := range strings.SplitSeq(path, ".") {
		switch x := v.(type) {
		case map[string]any:
			v = x[name]
		case []any:
			n := int(name[0] - '0')
			if n >= len(x) {
				return nil
			}
			v = x[n]
		default:
			return nil
		}
	}
	return v
}

// isPicture wants a data URL with a PNG.
func isPicture(t *testing.T, text string) {
	t.Helper()
	data, ok := strings.CutPrefix(text, "data:image/png;base64,")
	raw, err := base64.StdEncoding.DecodeString(data)
	if !ok || err != nil || !bytes.HasPrefix(raw, []byte("\x89PNG")) {
		t.Errorf("no picture: %.60s", text)
	}
}

// pixel is the smallest PNG.
const pixel = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="

func TestAdminCalls(t *testing.T) {
	on(t, Options{Dialect: "wuzapi", Token: "admin"}, func(g *rig) {
		for _, path := range []string{"sent", "nosuch"} {
			g.call("GET", adminPath+path, "").says(401, "unauthorized")
			g.call("GET", adminPath+path, "", "Authorization", "Bearer wrong").says(401, "unauthorized")
		}
		right := []string{"Authorization", "Bearer admin"}
		g.call("GET", adminPath+"nosuch", "", right...).says(404, "not_found")
		g.call("GET", adminPath+"sent", "", right...).is(200).has("data.sent", []any{})
		g.call("POST", "/admin/users", `{"name":"a","token":"t"}`, "Authorization", "admin").is(201)
		for body, want := range map[string]string{
			`{"session":"b"}`: "session_not_found", `{`: "invalid_request", `{"sesion":"a"}`: "invalid_request",
			`{"session":"a","next":[{"status":200}]}`:                           "from 400 to 599",
			`{"session":"a","next":[{"delay":"2m"}]}`:                           "at most 1m0s",
			`{"session":"a","next":[{"delay":"-1s"}]}`:                          "invalid_request",
			`{"session":"a","receipts":"sometimes"}`:                            "receipts must be",
			`{"session":"a","qr_expires_after":"11m"}`:                          "at most 10m",
			`{"session":"a","next":[{"receipts":"no"}]}`:                        "receipts must be",
			`{"session":"a","next":[` + strings.Repeat(`{},`, maxNext) + `{}]}`: "at most 100",
		} {
			if a := g.call("POST", adminPath+"script", body, right...); a.status < 400 {
				t.Error(body, a.status)
			} else {
				a.says(a.status, want)
			}
		}
		for body, want := range map[string]string{
			`{"session":"a","from":"x","text":"t"}`:                                                       "from must be",
			`{"session":"a","from":"628111"}`:                                                             "text is missing",
			`{"session":"a","from":"628111","media":{"kind":"image","data":"?"}}`:                         "base64",
			`{"session":"a","from":"628111","media":{"kind":"x","data":"aGk="}}`:                          "media.kind",
			`{"session":"a","from":"628111","text":"t"}`:                                                  "session_not_connected",
			`{"session":"a","from":"628111","text":"t","id":"` + strings.Repeat("i", maxIDBytes+1) + `"}`: "id must be",
		} {
			if a := g.call("POST", adminPath+"incoming", body, right...); a.status < 400 {
				t.Error(body, a.status)
			} else {
				a.says(a.status, want)
			}
		}
	})
}

func TestUnknownGeneration(t *testing.T) {
	for _, o := range []Options{{Generation: "old"}, {Dialect: "wuzapi", Generation: "noweb"}} {
		if _, err := New(o); err == nil {
			t.Errorf("%+v was taken", o)
		}
	}
}

func TestOnlyItsOwnHostIsCalled(t *testing.T) {
	far := &core{host: "gateway.example:8070"}
	near := &core{}
	for target, want := range map[string][2]bool{
		"http://gateway.example:8070/x": {true, false}, "http://gateway.example/x": {false, false},
		"http://127.0.0.1:99/x": {false, true}, "http://[::1]/": {false, true}, "https://localhost:1/": {false, true},
		"http://127.0.0.1.example/": {false, false}, "http://10.0.0.1/": {false, false}, "ftp://127.0.0.1/": {false, false}, "": {false, false},
	} {
		if got := [2]bool{far.mayCall(target), near.mayCall(target)}; got != want {
			t.Errorf("%s: %v", target, got)
		}
	}
}

func TestSessionsAreBounded(t *testing.T) {
	on(t, Options{Dialect: "wuzapi"}, func(g *rig) {
		c := g.s.core
		c.mu.Lock()
		defer c.mu.Unlock()
		for range maxLines + 5 {
			c.add(randomHex(8), &wuzapiUser{})
		}
		x := c.all()[0]
		for range maxRecords + 5 {
			x.remember(&record{})
		}
		for range maxStored + 5 {
			c.store(&attachment{}, ".x")
		}
		for range maxSent + 5 {
			c.note(x, outgoing{}, &record{})
		}
		if len(c.lines) != maxLines || len(x.records) != maxRecords || len(c.stored) != maxStored || len(c.sent) != maxSent {
			t.Error(len(c.lines), len(x.records), len(c.stored), len(c.sent))
		}
	})
}

// kinds are the values at a path of all webhooks.
func kinds(t *testing.T, all []hooked, path string, unwrap func(hooked) []byte) string {
	t.Helper()
	var list []string
	for _, h := range all {
		text, _ := dig(t, unwrap(h), path).(string)
		list = append(list, text)
	}
	return strings.Join(list, " ")
}

func plainBody(h hooked) []byte { return []byte(h.body) }

// sorted brings words into an order, for events that come at the same time.
func sorted(text string) string {
	words := strings.Fields(text)
	slices.Sort(words)
	return strings.Join(words, " ")
}
