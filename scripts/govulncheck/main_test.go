package main

import (
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestRun(t *testing.T) {
	up := httptest.NewServer(http.NotFoundHandler())
	defer up.Close()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	away := "http://" + listener.Addr().String()
	listener.Close()

	for _, test := range []struct {
		name, db    string
		scanned     int
		want        int
		unreachable bool
	}{
		{"clean", up.URL, 0, 0, false},
		{"findings", up.URL, 3, 3, false},
		{"a database that answers nonsense", up.URL, 1, 1, false},
		{"away", away, 99, 0, true},
		{"a folder that is not there", "file:///nowhere", 1, 1, false},
		{"findings from a folder", "file:///somewhere", 3, 3, false},
		{"nonsense", "nonsense", 1, 1, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			var errs strings.Builder
			scans := 0
			code := run(test.db, &errs, func() int { scans++; return test.scanned })
			if code != test.want {
				t.Errorf("exit code %d, want %d", code, test.want)
			}
			if said := strings.Contains(errs.String(), "NOT CHECKED: the vulnerability database cannot be reached"); said != test.unreachable {
				t.Errorf("said so: %t", said)
			}
			if (scans == 0) != test.unreachable {
				t.Errorf("%d scans", scans)
			}
		})
	}
}

// A database that goes away while the scan runs.
func TestGoneMeanwhile(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	var errs strings.Builder
	if code := run(server.URL, &errs, func() int { server.Close(); return 1 }); code != 0 || !strings.Contains(errs.String(), "NOT CHECKED") {
		t.Errorf("exit code %d, said %q", code, errs.String())
	}
	// What it found before counts all the same.
	server = httptest.NewServer(http.NotFoundHandler())
	if code := run(server.URL, &errs, func() int { server.Close(); return 3 }); code != 3 {
		t.Errorf("exit code %d, want 3", code)
	}
}
