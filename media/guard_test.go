package media

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
)

func TestGuardedTransport(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "here") }))
	t.Cleanup(server.Close)
	port := server.URL[strings.LastIndexByte(server.URL, ':'):]
	get := func(transport *http.Transport, url string) (string, error) {
		t.Helper()
		defer transport.CloseIdleConnections()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := (&http.Client{Transport: transport}).Do(r)
		if err != nil {
			return "", err
		}
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		return string(body), err
	}

	allow := []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	open := GuardedTransport(allow)
	allow[0] = netip.MustParsePrefix("10.0.0.0/8") // no matter any more
	for _, host := range []string{"127.0.0.1", "[::ffff:127.0.0.1]"} {
		if body, err := get(open, "http://"+host+port); body != "here" || err != nil {
			t.Errorf("%s: %q, %v", host, body, err)
		}
	}
	for _, target := range []string{
		server.URL, "http://[::ffff:127.0.0.1]" + port, "http://[::1]" + port, "http://169.254.169.254/", "http://0.0.0.0" + port,
		"http://10.1.2.3/", "http://192.168.1.1/", "http://[fd00::1]/", "http://[64:ff9b::7f00:1]/", "http://8.8.8.8:25/",
	} {
		var guarded *FetchError
		if _, err := get(GuardedTransport(nil), target); !errors.As(err, &guarded) {
			t.Errorf("%s: %v", target, err)
		}
	}
}

// A host is refused as a whole, and looked up once: what is dialled was checked.
func TestGuardLooksUpOnce(t *testing.T) {
	t.Parallel()
	lookups := 0
	g := guard{highPorts: true, resolve: func(context.Context, string) ([]netip.Addr, error) {
		lookups++
		return []netip.Addr{netip.MustParseAddr("93.184.216.34"), netip.MustParseAddr("127.0.0.1")}, nil
	}}
	var refusal *FetchError
	if _, err := g.dial(t.Context(), "tcp", "example.com:443"); !errors.As(err, &refusal) || lookups != 1 {
		t.Errorf("%v after %d lookups", err, lookups)
	}
}
