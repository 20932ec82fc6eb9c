package caddywagateway

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/genfity/wa-gateway/store/storetest"
)

// TestExport: what the endpoint streams is what was counted, in both formats, and
// only the admin has it.
func TestExport(t *testing.T) {
	onEach(t, func(t *testing.T, d *storetest.Database) {
		s := newSetup(t, d)
		at := time.Now().Add(-time.Hour)
		const messages = 4500 // more than one page
		var events []string
		for i := range messages {
			events = append(events, eventOf(alice, aliceSession, fmt.Sprintf("x%05d", i), "sent", at, "type", `"text"`))
		}
		events = append(events, eventOf(bob, bobSession, "=1+1", "failed", at, "error", `"@no"`))
		res := s.call("POST", "/events/message/batch", "["+strings.Join(events, ",")+"]", nil)
		res.wantAnswer(t, http.StatusOK, "Batch recorded")
		// On a busy machine they may have gone to the disk first.
		eventually(t, "the events in the ledger", func() bool { return s.sessionTotals(t, aliceSession)[0] == messages })

		get := func(query string) response {
			res := s.call("GET", "/events/admin/stats/export"+query, "", adminHeader)
			if res.status != http.StatusOK {
				t.Fatalf("%s: %d %s", query, res.status, res.text)
			}
			return res
		}
		rows, err := csv.NewReader(strings.NewReader(get("").text)).ReadAll()
		if err != nil || len(rows) != 3 || strings.Join(rows[1][:4], " ") != fmt.Sprintf("%s %s %d 0", alice, aliceSession, messages) {
			t.Errorf("sessions: %q, %v", rows, err)
		}

		res = get("?of=messages&format=ndjson&user_id=" + alice)
		if got := res.header.Get("Content-Type"); got != "application/x-ndjson" {
			t.Errorf("Content-Type %q", got)
		}
		seen := map[string]bool{}
		for line := range strings.Lines(res.text) {
			var row struct {
				UserID    string `json:"user_id"`
				MessageID string `json:"message_id"`
				Status    string `json:"status"`
			}
			if err := json.Unmarshal([]byte(line), &row); err != nil || row.UserID != alice || row.Status != "sent" || seen[row.MessageID] {
				t.Fatalf("%q: %v", line, err)
			}
			seen[row.MessageID] = true
		}
		if len(seen) != messages {
			t.Errorf("%d messages were exported", len(seen))
		}

		rows, err = csv.NewReader(strings.NewReader(get("?of=messages&session_id=" + bobSession).text)).ReadAll()
		if err != nil || len(rows) != 2 || rows[1][2] != "'=1+1" || rows[1][5] != "failed" || rows[1][11] != "'@no" {
			t.Errorf("messages: %q, %v", rows, err)
		}
		rows, err = csv.NewReader(strings.NewReader(get("?of=rollups&user_id=" + alice).text)).ReadAll()
		if err != nil || len(rows) != 2 || rows[1][4] != "text" || rows[1][5] != fmt.Sprint(messages) {
			t.Errorf("rollups: %q, %v", rows, err)
		}
		if text := get("?of=messages&to=2020-01-01").text; strings.Count(text, "\n") != 1 {
			t.Errorf("an export of nothing is its header: %q", text)
		}
		if res := s.call("GET", "/events/admin/stats/export", "", append([]string{"Accept", "application/x-ndjson"}, adminHeader...)); !strings.HasPrefix(res.text, "{") {
			t.Errorf("Accept was not looked at: %q", res.text)
		}

		for _, wrong := range []string{"?of=users", "?format=xml", "?from=x&of=messages", "?from=2026-01-01", "?of=messages&of=sessions", "?user_id=%00"} {
			s.call("GET", "/events/admin/stats/export"+wrong, "", adminHeader).wantAnswer(t, http.StatusBadRequest, "")
		}
		s.call("GET", "/events/admin/stats/export", "", as(alice, aliceSession)).wantAnswer(t, http.StatusUnauthorized, "")
		s.call("POST", "/events/admin/stats/export", "", adminHeader).wantAnswer(t, http.StatusMethodNotAllowed, "")
	})
}
