package message

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/genfity/wa-gateway/media"
)

func serve(t *testing.T, kind string) (*httptest.Server, *media.Fetcher, *atomic.Int32) {
	t.Helper()
	calls := new(atomic.Int32)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		calls.Add(1)
		w.Header().Set("Content-Type", kind)
		if r.URL.Path == "/gone.png" {
			w.WriteHeader(http.StatusGone)
		}
		fmt.Fprint(w, png)
	}))
	t.Cleanup(server.Close)
	return server, &media.Fetcher{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, Dir: t.TempDir()}, calls
}

func TestLoad(t *testing.T) {
	for _, test := range []struct {
		kind         Kind
		told, body   string
		want         Kind
		mime, called string
	}{
		{KindMedia, "image/png", `"media":"URL/a.png"`, KindImage, "image/png", "a.png"},
		{KindMedia, "", `"media":"URL/a"`, KindImage, "image/png", "image.png"},
		{KindMedia, "application/octet-stream", `"media":"URL/b.png","filename":"c.png"`, KindImage, "image/png", "c.png"},
		{KindMedia, "application/pdf", `"media":"URL/a.pdf"`, KindDocument, "application/pdf", "a.pdf"},
		{KindMedia, "application/pdf", `"media":"URL/a","mimetype":"video/mp4"`, KindVideo, "video/mp4", "video.mp4"},
		{KindSticker, "image/webp", `"sticker":"URL/a.webp"`, KindSticker, "image/webp", "a.webp"},
		{KindAudio, "application/ogg", `"url":"URL/a"`, KindAudio, "audio/ogg", "audio.ogg"},
	} {
		server, f, _ := serve(t, test.told)
		m, err := parse(t, test.kind, jsonType, `{"to":"08123456789",`+strings.ReplaceAll(test.body, "URL", server.URL)+`}`)
		if err != nil {
			t.Fatal(err)
		}
		for range 2 { // the second time there is nothing to do
			if err := m.Load(context.Background(), f, 100); err != nil {
				t.Errorf("%s: %v", test.body, err)
			}
		}
		if m.Kind != test.want || m.Media.MIMEType != test.mime || m.Media.Filename != test.called || content(t, m.Media.File) != png {
			t.Errorf("%s: %s, %+v", test.body, m.Kind, m.Media)
		}
	}
}

func TestLoadFails(t *testing.T) {
	server, f, _ := serve(t, "text/html")
	for body, want := range map[string]string{
		`"image":"URL/gone.png?secret"`: "status 410", `"image":"URL/login?secret"`: "type",
		`"image":"http://10.0.0.1/secret"`: "not public",
	} {
		m, err := parse(t, KindImage, jsonType, `{"to":"08123456789",`+strings.ReplaceAll(body, "URL", server.URL)+`}`)
		if err != nil {
			t.Fatal(err)
		}
		err = m.Load(context.Background(), f, 100)
		bad, is := errors.AsType[*FieldError](err)
		if !is || bad.Field != "media" || !strings.Contains(bad.Reason, want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", body, err)
		}
	}
	m, err := parse(t, KindMedia, jsonType, `{"to":"08123456789","media":"`+server.URL+`/a"}`)
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Load(context.Background(), f, 4); !errors.Is(err, media.ErrTooLarge) {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := m.Load(ctx, f, 100); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if err := (&Message{Kind: KindText}).Load(ctx, f, 100); err != nil {
		t.Error(err)
	}
}

// What all messages of a broadcast carry is fetched once.
func TestLoadBroadcast(t *testing.T) {
	server, f, calls := serve(t, "image/png")
	messages, err := ParseBroadcast(jsonType, []byte(`{"to":["08123456780","08123456781","08123456782"],"media":"`+server.URL+`/a","caption":"c"}`), Options{Region: "ID"})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := LoadBroadcast(context.Background(), messages, f, 100); err != nil {
			t.Fatal(err)
		}
	}
	for _, m := range messages {
		if m.Kind != KindImage || m.Caption != "c" || m.Media.MIMEType != "image/png" || content(t, m.Media.File) != png {
			t.Errorf("%+v %+v", m, m.Media)
		}
		m.Close()
	}
	if calls.Load() != 1 {
		t.Errorf("%d calls", calls.Load())
	}
	if err := LoadBroadcast(context.Background(), nil, f, 100); err != nil {
		t.Error(err)
	}
}
