package caddywagateway

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/genfity/wa-gateway/store/storetest"
)

// TestLongAnswerToASend: an answer that is too long to be kept passes whole, as does one
// that ends in several pieces, and the message is counted once.
func TestLongAnswerToASend(t *testing.T) {
	s := newSetup(t, storetest.New(t, storetest.SQLite))
	for i, size := range []int{10, maxAnswerCopy - 40, maxAnswerCopy, 3 * maxAnswerCopy} {
		answer := `{"message_id":"long","rest":"` + strings.Repeat("x", size) + `"}`
		s.wa.respond(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			half := len(answer) / 2
			_, _ = io.WriteString(w, answer[:half])
			_ = http.NewResponseController(w).Flush()
			_, _ = io.WriteString(w, answer[half:])
		})
		res := s.call("POST", "/api/wa/send-message", hello, as(alice, aliceSession))
		if res.status != http.StatusOK || res.text != answer {
			t.Errorf("%d bytes: %d with %d bytes", len(answer), res.status, len(res.text))
		}
		// The short ones name one message; of the others the name cannot be read.
		want := float64(max(1, i))
		eventually(t, "the message", func() bool { return s.sessionTotals(t, aliceSession)[0] >= want })
		if got := s.sessionTotals(t, aliceSession); got != [4]float64{want, 0, 0, 0} {
			t.Errorf("%d bytes: totals %v, want %v", len(answer), got, want)
		}
	}
}
