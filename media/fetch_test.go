package media

import (
	"compress/gzip"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

var loopback = prefixes("127.0.0.0/8", "::1/128")

// serve starts a server that a Fetcher which allows loopback may fetch from.
func serve(t *testing.T, handle http.HandlerFunc) (*httptest.Server, *Fetcher) {
	t.Helper()
	server := httptest.NewServer(handle)
	t.Cleanup(server.Close)
	return server, &Fetcher{Allow: loopback, Dir: t.TempDir()}
}

// refusal is why a fetch was refused. The URL's own secrets must not be in it.
func refusal(t *testing.T, f *Fetcher, address string) string {
	t.Helper()
	fetched, err := f.Fetch(context.Background(), address, 1000)
	if err == nil {
		fetched.File.Close()
		t.Errorf("%s: fetched", address)
		return ""
	}
	bad, is := errors.AsType[*FetchError](err)
	if !is {
		t.Errorf("%s: %T %v", address, err, err)
		return ""
	}
	if strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "127.0.0.1") {
		t.Errorf("%s: %v", address, err)
	}
	return bad.Reason
}

func TestFetch(t *testing.T) {
	server, f := serve(t, func(w http.ResponseWriter, r *http.Request) {
		for _, name := range []string{"Referer", "Cookie", "Authorization"} {
			if value := r.Header.Get(name); value != "" {
				t.Errorf("%s: %s", name, value)
			}
		}
		switch r.URL.Path {
		case "/moved":
			http.Redirect(w, r, "/again?secret", http.StatusFound)
		case "/again":
			http.Redirect(w, r, "/third", http.StatusTemporaryRedirect)
		case "/third":
			http.Redirect(w, r, "/folder/picture.png", http.StatusMovedPermanently)
		case "/named":
			w.Header().Set("Content-Type", "Audio/OGG;codecs=opus")
			w.Header().Set("Content-Disposition", `attachment; filename*=UTF-8''caf%C3%A9.ogg`)
			fmt.Fprint(w, "hello")
		default:
			w.Header().Set("Content-Type", "image/png")
			fmt.Fprint(w, "hello")
		}
	})
	for path, want := range map[string]Fetched{
		"/a.png?x=1": {MIMEType: "image/png", Filename: "a.png"},
		"/":          {MIMEType: "image/png"},
		"/a%20b.pdf": {MIMEType: "image/png", Filename: "a b.pdf"},
		"/plain":     {MIMEType: "image/png"},
		"/get.php":   {MIMEType: "image/png"},
		"/named":     {MIMEType: "audio/ogg; codecs=opus", Filename: "café.ogg"},
		"/moved":     {MIMEType: "image/png", Filename: "picture.png"},
	} {
		got, err := f.Fetch(context.Background(), server.URL+path, 5)
		if err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		if content(t, got.File) != "hello" || got.MIMEType != want.MIMEType || got.Filename != want.Filename {
			t.Errorf("%s: %+v", path, got)
		}
		got.File.Close()
	}
}

// Without the allowance none of these is even connected to.
func TestClosedAddresses(t *testing.T) {
	var calls atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { calls.Add(1) }))
	defer server.Close()
	_, port, _ := net.SplitHostPort(server.Listener.Addr().String())
	f := &Fetcher{Lookup: func(_ context.Context, host string) ([]netip.Addr, error) {
		switch host {
		case "mixed.example":
			return []netip.Addr{netip.MustParseAddr("93.184.216.34"), netip.MustParseAddr("10.0.0.1")}, nil
		case "mapped.example":
			return []netip.Addr{netip.MustParseAddr("::ffff:127.0.0.1")}, nil
		case "none.example":
			return nil, errors.New("no such host as secret")
		}
		return []netip.Addr{netip.MustParseAddr("127.0.0.1")}, nil
	}}
	for host, want := range map[string]string{
		"127.0.0.1": "not public", "localhost": "not public", "[::1]": "not public", "10.0.0.1": "not public",
		"169.254.169.254": "not public", "[::ffff:127.0.0.1]": "not public", "[64:ff9b::7f00:1]": "not public",
		"[fe80::1%25lo]": "not allowed", "[::1%25lo]": "not allowed", "2130706433": "not allowed", "0x7f000001": "not allowed",
		"0177.0.0.1": "not allowed", "127.1": "not allowed", "0x7f.1": "not allowed", "rebound.example": "not public",
		"mixed.example": "", "mapped.example": "not public", "none.example": "not known",
		"８.８.８.8": "", // no resolver's business to make an address of that
	} {
		got := refusal(t, f, "http://"+host+":"+port+"/secret?secret=1")
		if !strings.Contains(got, want) {
			t.Errorf("%s: %s", host, got)
		}
	}
	if got := refusal(t, f, "http://mixed.example/"); !strings.Contains(got, "not public") {
		t.Error(got)
	}
	for _, address := range []string{
		"ftp://example.com/a", "file:///etc/passwd", "gopher://127.0.0.1/", "http://", "//example.com", "x", "", "http:127.0.0.1",
		"http://user:secret@example.com/", "http://example.com:99999/", "http://example.com:22/secret", "http://[::1/", "HTTP://example.com:8080/secret",
	} {
		refusal(t, f, address)
	}
	if calls.Load() != 0 {
		t.Errorf("%d calls", calls.Load())
	}
}

func TestPorts(t *testing.T) {
	f := &Fetcher{Lookup: func(context.Context, string) ([]netip.Addr, error) {
		return []netip.Addr{netip.MustParseAddr("93.184.216.34")}, nil
	}}
	if got := refusal(t, f, "http://example.com:22/secret"); !strings.Contains(got, "port") {
		t.Error(got)
	}
	if got := refusal(t, f, "http://93.184.216.34:8080/"); !strings.Contains(got, "port") {
		t.Error(got)
	}
}

// A name that leads elsewhere the second time is looked up but once for a request: what
// was checked is what is dialled.
func TestRebinding(t *testing.T) {
	server, f := serve(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "hello") })
	_, port, _ := net.SplitHostPort(server.Listener.Addr().String())
	var lookups atomic.Int32
	f.Lookup = func(context.Context, string) ([]netip.Addr, error) {
		if lookups.Add(1) > 1 {
			return []netip.Addr{netip.MustParseAddr("10.0.0.1")}, nil
		}
		return []netip.Addr{netip.MustParseAddr("127.0.0.1")}, nil
	}
	got, err := f.Fetch(context.Background(), "http://rebound.example:"+port+"/", 100)
	if err != nil {
		t.Fatal(err)
	}
	got.File.Close()
	if lookups.Load() != 1 {
		t.Errorf("%d lookups", lookups.Load())
	}
	if got := refusal(t, f, "http://rebound.example:"+port+"/"); !strings.Contains(got, "not public") {
		t.Error(got)
	}
}

func TestRedirects(t *testing.T) {
	var target string
	server, f := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/loop" {
			target = "/loop"
		}
		w.Header().Set("Location", target)
		w.WriteHeader(http.StatusFound)
	})
	// The server is reached by a name; by number nothing on loopback is.
	_, port, _ := net.SplitHostPort(server.Listener.Addr().String())
	f.Allow = prefixes("127.0.0.1/32")
	f.Lookup = func(_ context.Context, host string) ([]netip.Addr, error) {
		if host == "inside.example" {
			return []netip.Addr{netip.MustParseAddr("192.168.0.1")}, nil
		}
		return []netip.Addr{netip.MustParseAddr("127.0.0.1")}, nil
	}
	for to, want := range map[string]string{
		"http://127.0.0.2/secret":                  "not public",
		"http://[::1]/secret":                      "not public",
		"http://169.254.169.254/latest/meta-data/": "not public",
		"http://inside.example/":                   "not public",
		"http://2130706433/":                       "not allowed",
		"http://user:secret@outside.example/":      "not allowed",
		"file:///etc/passwd":                       "not allowed",
		"/loop":                                    "more than 3 times",
		"http://outside.example:" + port + "/loop": "more than 3 times",
		"http://%zz/secret":                        "cannot be reached",
	} {
		target = to
		if got := refusal(t, f, "http://outside.example:"+port+"/?secret=1"); !strings.Contains(got, want) {
			t.Errorf("%s: %s", to, got)
		}
	}
}

func TestHTTPS(t *testing.T) {
	plain, f := serve(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "hello") })
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/down" {
			http.Redirect(w, r, plain.URL, http.StatusFound)
			return
		}
		fmt.Fprint(w, "hello")
	}))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	defer server.Close()
	f.TLS = server.Client().Transport.(*http.Transport).TLSClientConfig
	got, err := f.Fetch(context.Background(), server.URL, 100)
	if err != nil {
		t.Fatal(err)
	}
	got.File.Close()
	if got := refusal(t, f, server.URL+"/down"); !strings.Contains(got, "https to http") {
		t.Error(got)
	}
	f.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	if got := refusal(t, f, server.URL); !strings.Contains(got, "reached") {
		t.Error(got)
	}
}

func TestAnswers(t *testing.T) {
	server, f := serve(t, func(w http.ResponseWriter, r *http.Request) {
		large := strings.Repeat("x", 1001)
		switch r.URL.Path {
		case "/large":
			fmt.Fprint(w, large)
		case "/endless":
			for range 100 {
				fmt.Fprint(w, large)
				w.(http.Flusher).Flush()
			}
		case "/gzip":
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			fmt.Fprint(z, "hello")
			z.Close()
		case "/header":
			for i := range 100 {
				w.Header().Set(fmt.Sprintf("X-%d", i), large)
			}
		case "/short":
			w.Header().Set("Content-Length", "10")
			fmt.Fprint(w, "hello")
		case "/missing":
			http.Error(w, "secret", http.StatusNotFound)
		case "/part":
			w.WriteHeader(http.StatusPartialContent)
			fmt.Fprint(w, "hello")
		}
	})
	for path, want := range map[string]string{
		"/large": "larger than 1000 bytes", "/endless": "larger than 1000 bytes", "/gzip": "compressed", "/header": "reached",
		"/short": "breaks off", "/missing": "status 404", "/part": "status 206", "/nothing": "leads to nothing",
	} {
		if got := refusal(t, f, server.URL+path+"?secret"); !strings.Contains(got, want) {
			t.Errorf("%s: %s", path, got)
		}
	}
	if _, err := f.Fetch(context.Background(), server.URL+"/large", 1000); !errors.Is(err, ErrTooLarge) {
		t.Error(err)
	}
}

func TestSlow(t *testing.T) {
	gone := make(chan struct{})
	server, f := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/body" {
			fmt.Fprint(w, "hello")
			w.(http.Flusher).Flush()
		}
		<-gone
	})
	defer close(gone)
	f.Timeout = 50 * time.Millisecond
	for _, path := range []string{"/", "/body"} {
		if got := refusal(t, f, server.URL+path); !strings.Contains(got, "too long") {
			t.Errorf("%s: %s", path, got)
		}
	}
	f.Timeout = 0
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := f.Fetch(ctx, server.URL+"/?secret", 100); !errors.Is(err, context.Canceled) || strings.Contains(err.Error(), "secret") {
		t.Error(err)
	}
}

// The environment's proxy is none of the Fetcher's.
func TestNoProxy(t *testing.T) {
	server, f := serve(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "hello") })
	if proxy := f.transport().Proxy; proxy != nil {
		t.Error("there is a proxy")
	}
	u, _ := url.Parse(server.URL)
	got, err := f.Fetch(context.Background(), "http://"+u.Host+"/#fragment", 100)
	if err != nil {
		t.Fatal(err)
	}
	got.File.Close()
}
