package sandbox

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestWebhooksOverHTTP is the whole way with real connections: a server, its caller, and a
// gateway that takes the webhooks.
func TestWebhooksOverHTTP(t *testing.T) {
	got := make(chan string, 10)
	gateway := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		if want := "sha256=" + hexMAC("s", body); r.Header.Get("X-Hub-Signature-256") != want {
			t.Error(r.Header)
		}
		got <- r.URL.Path + " " + string(body)
	}))
	t.Cleanup(gateway.Close)
	s, err := New(Options{Dialect: "gowa", Token: "user:pass", PairAfter: -1, Delivered: -1, Read: -1, EventsURL: gateway.URL + "/events/message"})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(s)
	t.Cleanup(func() {
		server.Close()
		if err := s.Close(t.Context()); err != nil && t.Context().Err() == nil {
			t.Error(err)
		}
	})
	call := func(method, path, body string) string {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), method, server.URL+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.SetBasicAuth("user", "pass")
		r.Header.Set("Content-Type", jsonType)
		resp, err := server.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		answer, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != http.StatusOK {
			t.Fatal(resp.StatusCode, string(answer), err)
		}
		return string(answer)
	}
	call("POST", "/devices", `{"device_id":"a","webhook_url":"`+gateway.URL+`/events/webhook/main","webhook_secret":"s"}`)
	if answer := call("GET", "/devices/a/login", ""); !strings.Contains(answer, server.URL+"/statics/qrcode/") {
		t.Error(answer)
	}
	call("POST", "/send/message", `{"phone":"628123456789","message":"x"}`)
	for _, want := range []string{`"receipt_type":"delivered"`, `"receipt_type":"read"`} {
		if hook := <-got; !strings.HasPrefix(hook, "/events/webhook/main ") || !strings.Contains(hook, want) {
			t.Error(hook)
		}
	}
}
