package export_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/genfity/wa-gateway/export"
	"github.com/genfity/wa-gateway/stats"
	"github.com/genfity/wa-gateway/store"
)

var at = time.Date(2026, 1, 31, 8, 30, 0, 123_456_000, time.UTC)

var sessions = []store.ExportedSession{
	{UserID: "u", SessionID: "a,b\"c", Totals: stats.Totals{Counts: stats.Counts{Sent: 2, Failed: 1, Delivered: 1}, LastSentAt: at}},
	{UserID: "u", SessionID: "none"},
}

func written[T any](t *testing.T, format export.Format, kind export.Kind[T], rows ...T) string {
	t.Helper()
	var out bytes.Buffer
	w, err := export.NewWriter(format, &out, kind)
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range rows {
		if err := w.Write(row); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestCSV(t *testing.T) {
	text := written(t, export.CSV, export.Sessions, sessions...)
	if !strings.HasSuffix(text, "\r\n") {
		t.Error("RFC 4180 ends lines with CRLF")
	}
	rows, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	want := [][]string{
		{"user_id", "session_id", "total_messages_sent", "total_messages_failed", "total_messages_delivered", "total_messages_read", "success_rate", "last_message_sent_at", "last_message_failed_at"},
		{"u", "a,b\"c", "2", "1", "1", "0", "66.67", "2026-01-31T08:30:00.123456Z", ""},
		{"u", "none", "0", "0", "0", "0", "", "", ""},
	}
	for i := range want {
		if strings.Join(rows[i], "|") != strings.Join(want[i], "|") {
			t.Errorf("row %d:\n got %q\nwant %q", i, rows[i], want[i])
		}
	}
	if got := written[store.ExportedSession](t, export.CSV, export.Sessions); strings.Count(got, "\n") != 1 {
		t.Errorf("an export of nothing has a header: %q", got)
	}
}

func TestNDJSON(t *testing.T) {
	lines := strings.Split(strings.TrimSpace(written(t, export.NDJSON, export.Sessions, sessions...)), "\n")
	if len(lines) != 2 {
		t.Fatalf("got %q", lines)
	}
	var row map[string]any
	if err := json.Unmarshal([]byte(lines[0]), &row); err != nil {
		t.Fatal(err)
	}
	if row["session_id"] != "a,b\"c" || row["total_messages_sent"] != 2.0 || row["success_rate"] != 66.67 ||
		row["last_message_sent_at"] != "2026-01-31T08:30:00.123456Z" || row["last_message_failed_at"] != nil {
		t.Errorf("got %v", row)
	}
	if err := json.Unmarshal([]byte(lines[1]), &row); err != nil || row["success_rate"] != nil {
		t.Errorf("got %v, %v", row, err)
	}
}

func TestMessageStatus(t *testing.T) {
	message := func(outcome stats.Outcome, events ...stats.Status) store.ExportedMessage {
		var m stats.Message
		for _, status := range events {
			m = m.Merge(stats.Event{Status: status, At: at}.Message())
		}
		return store.ExportedMessage{UserID: "u", SessionID: "s", MessageID: "m", Outcome: outcome, Message: m}
	}
	for want, m := range map[string]store.ExportedMessage{
		"sent":        message(stats.OutcomeSent, stats.Sent),
		"failed":      message(stats.OutcomeFailed, stats.Sent, stats.Failed),
		"delivered":   message(stats.OutcomeSent, stats.Failed, stats.Delivered),
		"read":        message(stats.OutcomeSent, stats.Read),
		"not counted": message(stats.OutcomeNone, stats.Sent),
	} {
		var row struct{ Status string }
		if err := json.Unmarshal([]byte(written(t, export.NDJSON, export.Messages, m)), &row); err != nil || row.Status != want {
			t.Errorf("got %q, %v, want %q", row.Status, err, want)
		}
	}
}

// TestFormulas: what others choose as an id or an error is no formula in anybody's
// spreadsheet, and phone numbers stay what they are.
func TestFormulas(t *testing.T) {
	for text, want := range map[string]string{
		"=1+1": "'=1+1", "@SUM(A1)": "'@SUM(A1)", "+1+cmd": "'+1+cmd", "-2+3": "'-2+3", "\t=1": "'\t=1",
		"+62 812 3456": "+62 812 3456", "-5": "-5", "plain": "plain", "a=b": "a=b",
	} {
		rows, err := csv.NewReader(strings.NewReader(written(t, export.CSV, export.Rollups, store.ExportedRollup{Type: text, Start: at, Minutes: 15}))).ReadAll()
		if err != nil || rows[1][4] != want {
			t.Errorf("%q became %q, %v, want %q", text, rows[1], err, want)
		}
		if rows[1][2] != "2026-01-31T08:30:00.123456Z" || rows[1][3] != "2026-01-31T08:45:00.123456Z" {
			t.Errorf("got %q", rows[1])
		}
	}
}

func TestUnknownFormat(t *testing.T) {
	if _, err := export.NewWriter("xml", &bytes.Buffer{}, export.Sessions); !errors.Is(err, export.ErrFormat) {
		t.Errorf("got %v", err)
	}
}

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, errors.New("broken") }

func TestBrokenWriter(t *testing.T) {
	for _, format := range []export.Format{export.CSV, export.NDJSON} {
		w, err := export.NewWriter(format, brokenWriter{}, export.Sessions)
		for i := 0; i < 10_000 && err == nil; i++ {
			err = w.Write(sessions[0])
		}
		if err == nil {
			t.Errorf("%s: nothing was said", format)
		}
	}
}
