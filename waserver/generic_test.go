package waserver

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"testing"
)

func TestGenericRequest(t *testing.T) {
	base, err := url.Parse("https://wa.example.com:8443/base/")
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		server Server
		call   Call
		uri    string
		header map[string]string
	}{
		"a message": {
			Server{URL: base, Token: "t0ken"},
			Call{Endpoint: SendMessage, UserID: "u1", SessionID: "s1", Path: []string{"send-message"}},
			"/base/send-message",
			map[string]string{"Authorization": "Bearer t0ken", "X-User-Id": "u1", "X-Session-Id": "s1"},
		},
		"without a token, URL or session": {
			Server{}, Call{Endpoint: ListSessions, UserID: "u1", Path: []string{"sessions"}}, "/sessions",
			map[string]string{"Authorization": "", "X-User-Id": "u1", "X-Session-Id": ""},
		},
		"what needs escaping": {
			Server{}, Call{
				Endpoint: ListMessages, UserID: "u1", SessionID: "s1",
				Path:  []string{"sessions", "s1", "messages", "a b&c=d@s.whatsapp.net"},
				Query: url.Values{"limit": {"5"}, "q": {"a&b"}},
			}, "/sessions/s1/messages/a%20b&c=d@s.whatsapp.net?limit=5&q=a%26b", nil,
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodPost, "/what/the/client/said?x=1", nil)
			if err := (Generic{}).Request(r, &c.call, &c.server); err != nil {
				t.Fatal(err)
			}
			if got := r.URL.RequestURI(); got != c.uri {
				t.Errorf("URI %q, want %q", got, c.uri)
			}
			for name, want := range c.header {
				if got := r.Header.Get(name); got != want {
					t.Errorf("%s: %q, want %q", name, got, want)
				}
			}
		})
	}
}

func TestMessageID(t *testing.T) {
	for body, want := range map[string]string{
		`{"message_id":"a","messageId":"b","id":"c"}`:                     "a",
		`{"messageId":"b","id":"c","data":{"message_id":"d"}}`:            "b",
		`{"id":"c","key":{"id":"k"}}`:                                     "c",
		`{"key":{"id":"k"},"data":{"id":"d"}}`:                            "k",
		`{"success":true,"data":{"message_id":"d"}}`:                      "d",
		`{"data":{"key":{"id":"dk"}},"result":{"id":"r"}}`:                "dk",
		`{"data":{},"result":{"messageId":"r"}}`:                          "r",
		`{"message_id":"","messageId":null,"id":17}`:                      "17",
		`{"id":{"_serialized":"x"},"data":[1]}`:                           "",
		`[{"id":"a"}]`:                                                    "",
		`not json`:                                                        "",
		``:                                                                "",
		`{"status":"ok","code":200,"results":{"message_id":"elsewhere"}}`: "",
	} {
		got := (Generic{}).Messages(&Call{Endpoint: SendMessage}, []byte(body))
		switch {
		case want == "" && len(got) == 0:
		case len(got) != 1 || got[0].ID != want:
			t.Errorf("%s: got %v, want %q", body, got, want)
		}
	}
}

func TestBroadcastMessages(t *testing.T) {
	call := &Call{Endpoint: Broadcast, Recipients: 3}
	for body, want := range map[string][]Message{
		`{"data":{"message_id":"b","results":[{"message_id":"1"},{"id":"2","status":"failed"},{"success":false}]}}`: {
			{ID: "1"}, {ID: "2", Failed: true}, {Failed: true},
		},
		`{"messages":[{"key":{"id":"1"},"success":true}]}`: {{ID: "1"}},
		`{"message_id":"b","results":[]}`:                  {{ID: "b"}},
		`{"results":"none"}`:                               nil,
	} {
		if got := (Generic{}).Messages(call, []byte(body)); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %v, want %v", body, got, want)
		}
	}
}

func TestCreatedSession(t *testing.T) {
	for body, want := range map[string]string{
		`{"session_id":"a","id":"b"}`:                         "a",
		`{"sessionId":"a"}`:                                   "a",
		`{"id":"b","name":"c"}`:                               "b",
		`{"success":true,"data":{"session_id":"d"},"id":"1"}`: "d",
		`{"data":{"id":"d"}}`:                                 "d",
		`{"session":{"id":"e"}}`:                              "e",
		`{"session":"f"}`:                                     "f",
		`{"status":"ok"}`:                                     "",
		`[]`:                                                  "",
	} {
		if got := (Generic{}).CreatedSession([]byte(body)); got != want {
			t.Errorf("%s: got %q, want %q", body, got, want)
		}
	}
}

func TestFilterSessions(t *testing.T) {
	owned := func(id string) bool { return id == "mine" || id == "also-mine" }
	for name, c := range map[string]struct{ in, out string }{
		"bare array":      {`[{"session_id":"mine","status":"x"},{"session_id":"theirs"}]`, `[{"session_id":"mine","status":"x"}]`},
		"envelope":        {`{"success":true,"data":[{"id":"mine"},{"id":"theirs"}],"total":2}`, `{"data":[{"id":"mine"}],"success":true}`},
		"two envelopes":   {`{"data":{"sessions":[{"id":"theirs"},{"id":"also-mine"}],"count":2}}`, `{"data":{"sessions":[{"id":"also-mine"}]}}`},
		"nothing owned":   {`[{"id":"theirs"}]`, `[]`},
		"empty":           {`{"sessions":[]}`, `{"sessions":[]}`},
		"secrets":         {`[{"id":"mine","token":"t","Api_Key":"k","webhook":"w"}]`, `[{"Api_Key":"***","id":"mine","token":"***","webhook":"w"}]`},
		"two lists":       {`{"data":[{"id":"mine"}],"sessions":[{"id":"theirs"}]}`, ``},
		"not objects":     {`["mine","theirs"]`, ``},
		"without an id":   {`[{"id":"mine"},{"state":"x"}]`, ``},
		"keyed by id":     {`{"mine":{"id":"mine"},"theirs":{"id":"theirs"}}`, ``},
		"not json":        {`<html>`, ``},
		"null":            {`null`, ``},
		"too deep":        {`{"data":{"data":{"data":[{"id":"mine"}]}}}`, ``},
		"object messages": {`{"data":[],"message":{"theirs":1}}`, `{"data":[]}`},
	} {
		out, ok := (Generic{}).FilterSessions([]byte(c.in), owned)
		if ok != (c.out != "") || string(out) != c.out {
			t.Errorf("%s: got %s, %v, want %s", name, out, ok, c.out)
		}
	}
}

func FuzzFilterSessions(f *testing.F) {
	f.Add([]byte(`{"success":true,"data":[{"id":"mine"},{"id":"theirs","note":"theirs"}]}`))
	f.Add([]byte(`[{"session_id":"theirs","id":"mine"}]`))
	f.Fuzz(func(t *testing.T, body []byte) {
		out, ok := (Generic{}).FilterSessions(body, func(string) bool { return false })
		if !ok {
			return
		}
		// Nobody owns anything: no object may be left but the envelopes.
		var sessions int
		for _, o := range lists(out) {
			sessions += len(o)
		}
		if sessions != 0 {
			t.Fatalf("%s became %s", body, out)
		}
	})
}

func lists(body []byte) (found [][]object) {
	if list, ok := filterList(body, func(string) bool { return true }); ok {
		return [][]object{list}
	}
	for _, raw := range parseObject(body) {
		found = append(found, lists(raw)...)
	}
	return found
}

func TestMessageType(t *testing.T) {
	for endpoint, want := range map[Endpoint]string{
		SendMessage: "message", SendImage: "image", Broadcast: "broadcast", ListSessions: "", Other: "",
	} {
		if got := endpoint.MessageType(); got != want {
			t.Errorf("%s: %q, want %q", endpoint, got, want)
		}
	}
}
