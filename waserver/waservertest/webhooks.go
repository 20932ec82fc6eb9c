package waservertest

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/genfity/wa-gateway/waserver"
	"github.com/genfity/wa-gateway/webhook"
)

// Received is when the webhooks of golden files came.
var Received = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)

// Webhooks reads each webhook in dir (name.json, or name.form for a body that is a
// URL-encoded form) and compares what a translator makes of it with name.golden: whose
// it is, the payload as it is kept, and the updates. `go test -update-golden` writes the
// golden files. None of secrets may be kept.
func Webhooks(t *testing.T, dir string, translator waserver.Translator, secrets ...string) {
	t.Helper()
	found := 0
	for ext, contentType := range map[string]string{"json": "application/json", "form": "application/x-www-form-urlencoded"} {
		files, err := filepath.Glob(filepath.Join(dir, "*."+ext))
		if err != nil {
			t.Fatal(err)
		}
		found += len(files)
		for _, file := range files {
			name := strings.TrimSuffix(filepath.Base(file), "."+ext)
			t.Run(name, func(t *testing.T) {
				oneWebhook(t, translator, file, contentType, filepath.Join(dir, name+".golden"), secrets)
			})
		}
	}
	if found == 0 {
		t.Errorf("there are no webhooks in %s", dir)
	}
}

func oneWebhook(t *testing.T, translator waserver.Translator, file, contentType, golden string, secrets []string) {
	t.Helper()
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	raw = bytes.TrimSpace(raw)
	payloads, err := webhook.Parse(contentType, raw, 1)
	if err != nil {
		t.Fatal(err)
	}
	h := &waserver.Webhook{Header: http.Header{"Content-Type": {contentType}}, Raw: raw, Payload: payloads[0]}
	clean := translator.CleanWebhook(bytes.Clone(h.Payload))
	for _, secret := range secrets {
		if bytes.Contains(clean, []byte(secret)) {
			t.Errorf("what is kept holds the secret %q", secret)
		}
	}
	if again := translator.CleanWebhook(bytes.Clone(clean)); !bytes.Equal(again, clean) {
		t.Errorf("a payload that is clean is made another:\n%s\n%s", clean, again)
	}
	updates, err := translator.Updates(clean, Received)
	if err != nil {
		t.Fatal(err)
	}
	got, err := json.MarshalIndent(struct {
		Session []string
		Kept    json.RawMessage
		Updates []waserver.Update
	}{translator.WebhookSession(h), clean, updates}, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	Compare(t, golden, append(got, '\n'))
}

// FuzzUpdates is a fuzz target of a translator's reading of webhooks: whatever is
// posted, nothing breaks, and what is kept is JSON.
func FuzzUpdates(f *testing.F, dir string, translator waserver.Translator) {
	f.Helper()
	for ext, contentType := range map[string]string{"json": "application/json", "form": "application/x-www-form-urlencoded"} {
		files, err := filepath.Glob(filepath.Join(dir, "*."+ext))
		if err != nil {
			f.Fatal(err)
		}
		for _, file := range files {
			raw, err := os.ReadFile(file)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(contentType, raw)
		}
	}
	for _, odd := range []string{`null`, `1`, `"x"`, `[]`, `{}`, `{"event":null}`, `{"event":[1],"payload":"x"}`} {
		f.Add("application/json", []byte(odd))
	}
	f.Fuzz(func(t *testing.T, contentType string, raw []byte) {
		payloads, err := webhook.Parse(contentType, raw, 10)
		if err != nil {
			return
		}
		for _, payload := range payloads {
			h := &waserver.Webhook{Header: http.Header{"Content-Type": {contentType}}, Raw: raw, Payload: payload}
			for _, name := range translator.WebhookSession(h) {
				if name == "" {
					t.Error("a session without a name")
				}
			}
			clean := translator.CleanWebhook(bytes.Clone(payload))
			if !json.Valid(clean) {
				t.Errorf("what is kept is no JSON: %q", clean)
			}
			if again := translator.CleanWebhook(bytes.Clone(clean)); !bytes.Equal(again, clean) {
				t.Errorf("a payload that is clean is made another: %q, %q", clean, again)
			}
			updates, err := translator.Updates(clean, Received)
			if err != nil {
				continue
			}
			for _, u := range updates {
				checkUpdate(t, u)
			}
		}
	})
}

// checkUpdate checks what holds of every update.
func checkUpdate(t *testing.T, u waserver.Update) {
	t.Helper()
	parts := 0
	for _, is := range []bool{
		u.Receipt != nil, u.State != nil, u.QR != nil, u.Message != nil, u.Contact != nil,
		u.Chat != nil, u.Revoked != nil, u.Edited != nil,
	} {
		if is {
			parts++
		}
	}
	if parts != 1 {
		t.Errorf("an update of %d parts: %+v", parts, u)
	}
	if u.At.IsZero() {
		t.Errorf("an update without a time: %+v", u)
	}
	if r := u.Receipt; r != nil {
		switch r.Status {
		case "sent", "delivered", "read", "failed":
		default:
			t.Errorf("a receipt of status %q", r.Status)
		}
		if len(r.IDs) == 0 {
			t.Error("a receipt of nothing")
		}
		for _, id := range r.IDs {
			if id == "" {
				t.Error("a receipt of a message without an id")
			}
		}
	}
	if m := u.Message; m != nil && m.ID == "" {
		t.Error("a message without an id")
	}
	if m := u.Edited; m != nil && m.ID == "" {
		t.Error("an edit of a message without an id")
	}
	if m := u.Revoked; m != nil && m.ID == "" {
		t.Error("a message without an id is revoked")
	}
	if q := u.QR; q != nil && q.Text == "" && len(q.PNG) == 0 {
		t.Error("a QR code of nothing")
	}
}
