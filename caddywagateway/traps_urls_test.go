package caddywagateway

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
)

// elsewhere is a server to which nobody may go, and how often somebody did.
func elsewhere(t *testing.T) (string, *atomic.Int32) {
	hits := new(atomic.Int32)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		hits.Add(1)
		w.Header().Set("Content-Type", "image/png")
		_, _ = w.Write(testPNG)
	}))
	t.Cleanup(server.Close)
	return server.URL, hits
}

// testTrapMedia: neither the gateway nor the server fetches what is not public.
func (r *trapRig) testTrapMedia(t *testing.T) {
	me := as(alice, mySession)
	inside, hits := elsewhere(t)
	port := inside[strings.LastIndex(inside, ":"):]
	for _, target := range []string{
		inside + "/a.png", "http://localhost" + port + "/a.png", "http://127.1" + port + "/a.png", "http://2130706433" + port + "/a.png", "http://0x7f000001" + port + "/a.png",
		"http://[::1]" + port + "/a.png", "http://[::ffff:127.0.0.1]" + port + "/a.png", "http://0.0.0.0" + port + "/a.png", "http://169.254.169.254/latest/meta-data/a.png",
		"http://10.0.0.1/a.png", "file:///etc/passwd", "ftp://127.0.0.1/a.png", "gopher://127.0.0.1/a.png", "http://x@127.0.0.1" + port + "/a.png", "//127.0.0.1" + port + "/a.png",
	} {
		for _, kind := range []string{"send-image", "send-video", "send-audio", "send-document", "send-sticker"} {
			res, caused := r.act(t, "POST", "/api/wa/"+kind, fmt.Sprintf(`{"to":"6281234567890","media":%q,"filename":"a.png"}`, target), me)
			wantNone(t, kind+" "+target, caused)
			if res.status != http.StatusBadRequest {
				t.Errorf("%s %s: %d %s", kind, target, res.status, res.text)
			}
		}
	}
	// A server's own name of such a field is no way around.
	for _, field := range []string{"image_url", "file_url", "Image", "video_url", "url", "mediaUrl", "thumbnailUrl", "preview", "link_preview"} {
		_, caused := r.act(t, "POST", "/api/wa/send-image", fmt.Sprintf(`{"to":"6281234567890","media":"data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==",%q:%q}`, field, inside), me)
		for _, c := range caused {
			if c.holds(inside) {
				t.Errorf("%s: %s", field, c)
			}
		}
	}
	if n := hits.Load(); n != 0 {
		t.Errorf("%d calls went inside", n)
	}
}

// testTrapWebhook: where a customer wants to be told is the gateway's matter. At the
// server its own URL and key stay.
func (r *trapRig) testTrapWebhook(t *testing.T) {
	me := as(alice, mySession)
	for _, call := range []struct{ method, body string }{
		{"POST", `{"url":"https://` + evil + `.example/hook","events":[],"secret":"` + evil + `","active":false,"enabled":false}`},
		{"PUT", `{"webhook_url":"https://` + evil + `.example/hook2","webhook_secret":"` + evil + `","hmac":{"key":"` + evil + `"}}`},
		{"GET", ""},
		{"PUT", `{"url":""}`},
	} {
		res, caused := r.act(t, call.method, "/api/wa/webhook", call.body, me)
		wantNone(t, call.method+" webhook", caused)
		if res.status != http.StatusOK || strings.Contains(res.text, r.hooks.URL) {
			t.Errorf("%s: %d %s", call.method, res.status, res.text)
		}
	}
	if now := r.linkOf(t, mySession); now.WebhookSecret != r.mine.WebhookSecret || now.Credential != r.mine.Credential {
		t.Error("the session's secrets are others than before")
	}
	for _, body := range []string{`{"url":"file:///etc/passwd"}`, `{"url":"http://"}`, `{"url":"https://user:pw@x.example/"}`, `{"url":7}`, `{}`} {
		res, caused := r.act(t, "POST", "/api/wa/webhook", body, me)
		wantNone(t, body, caused)
		if res.status != http.StatusBadRequest {
			t.Errorf("%s: %d %s", body, res.status, res.text)
		}
	}
}

// testTrapCode: a QR code's link (GOWA's) leads to the server itself and to codes alone,
// whatever host and path it names.
func (r *trapRig) testTrapCode(t *testing.T) {
	if r.dialect != "gowa" {
		return
	}
	outside, hits := elsewhere(t)
	me := as(alice, "code-line")
	r.success(t, r.call("POST", "/api/wa/sessions", `{"session_id":"code-line"}`, as(alice, mySession)), http.StatusCreated)
	for _, link := range []string{
		outside + "/statics/qrcode/a.png", "//evil.example/statics/qrcode/a.png", "http://127.0.0.1/statics/qrcode/../../devices", "http://x/statics/qrcode/..%2f..%2fdevices%2f" + theirSession,
		"http://x/devices/" + theirSession + "/logout", "http://x/statics/media/a.png", "http://x/statics/qrcode/a.png?device_id=" + theirSession, "file:///etc/passwd", "",
	} {
		undo := r.calls.meddle(func(w http.ResponseWriter, c tapped) bool {
			if !strings.HasSuffix(c.path(), "/login") {
				return false
			}
			_, _ = fmt.Fprintf(w, `{"code":"SUCCESS","message":"x","results":{"device_id":"code-line","qr_link":%q,"qr_duration":30}}`, link)
			return true
		}, nil)
		res, caused := r.act(t, "GET", "/api/wa/sessions/code-line/qr", "", me)
		for _, c := range caused {
			allowed := c.path() == "/devices/code-line" || c.path() == "/devices/code-line/login" || strings.HasPrefix(c.path(), "/statics/qrcode/") && strings.Count(c.path(), "/") == 3
			if !allowed || strings.Contains(c.uri, "?") || strings.Contains(c.uri, "%") {
				t.Errorf("%s: %s", link, c)
			}
		}
		if res.status == http.StatusOK || bytes.HasPrefix([]byte(res.text), testPNG) {
			t.Errorf("%s: %d", link, res.status)
		}
		undo()
	}
	if n := hits.Load(); n != 0 {
		t.Errorf("%d calls went elsewhere", n)
	}
	r.call("DELETE", "/api/wa/sessions/code-line", "", me)
}
