package caddywagateway

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/genfity/wa-gateway/store/storetest"
)

// TestRefusedBodyIsNoRequest: what is left of a body that nobody wanted is not
// taken for the next request on the connection, or a stranger behind a proxy would
// speak with the proxy's address.
func TestRefusedBodyIsNoRequest(t *testing.T) {
	s := newSetup(t, storetest.New(t, storetest.SQLite))
	inside := fmt.Sprintf("POST /api/wa/send-message HTTP/1.1\r\nHost: x\r\nX-User-ID: %s\r\nX-Session-ID: %s\r\n"+
		"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", bob, bobSession, len(hello), hello)
	for name, c := range map[string]struct {
		line string
		size int
		want int
	}{
		"large, no endpoint":        {"POST /api/wa/nope", 300 << 10, 404},
		"large, no credentials":     {"POST /api/wa/send-message", 300 << 10, 401},
		"large, events":             {"POST /events/admin/stats", 300 << 10, 405},
		"large, a GET":              {"GET /api/wa/health", 300 << 10, 200},
		"small, no endpoint":        {"POST /api/wa/nope", 2 << 10, 404},
		"between, no credentials":   {"POST /api/wa/send-message", 100 << 10, 401},
		"longer than it says it is": {"POST /api/wa/nope", 0, 404},
	} {
		t.Run(name, func(t *testing.T) {
			conn, err := net.Dial("tcp", "127.0.0.1:"+s.port)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
			size := max(c.size, len(inside))
			fmt.Fprintf(conn, "%s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n", c.line, size)
			_, _ = io.WriteString(conn, inside+strings.Repeat(" ", size-len(inside)))
			r := bufio.NewReader(conn)
			res, err := http.ReadResponse(r, nil)
			if err != nil {
				t.Fatal(err)
			}
			_, _ = io.Copy(io.Discard, res.Body)
			res.Body.Close()
			if res.StatusCode != c.want {
				t.Errorf("status %d, want %d", res.StatusCode, c.want)
			}
			_ = conn.SetDeadline(time.Now().Add(time.Second))
			if line, err := r.ReadString('\n'); err == nil {
				t.Errorf("a second answer: %q", line)
			}
			s.wa.none(t)
		})
	}
}
