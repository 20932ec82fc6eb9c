package gowa_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"testing"

	"github.com/genfity/wa-gateway/waserver"
	"github.com/genfity/wa-gateway/waserver/waservertest"
)

func TestWebhooks(t *testing.T) {
	waservertest.Webhooks(t, "testdata/webhooks", tr)
}

func sign(signed []byte, secret string) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(signed)
	return "sha256=" + hex.EncodeToString(mac.Sum(nil))
}

func hook(signature string, raw []byte) *waserver.Webhook {
	h := &waserver.Webhook{Header: http.Header{}, Raw: raw}
	if signature != "" {
		h.Header.Set("X-Hub-Signature-256", signature)
	}
	return h
}

func TestVerifyWebhook(t *testing.T) {
	body := []byte(`{"event":"message","payload":{}}`)
	inURL := hook("", body)
	inURL.PathToken = webhookSecret // not how this server proves itself
	for name, c := range map[string]struct {
		h      *waserver.Webhook
		secret string
		want   error
	}{
		"signed":            {hook(sign(body, webhookSecret), body), webhookSecret, nil},
		"another key":       {hook(sign(body, "another"), body), webhookSecret, waserver.ErrBadSignature},
		"the default key":   {hook(sign(body, "secret"), body), webhookSecret, waserver.ErrBadSignature},
		"another body":      {hook(sign(body, webhookSecret), append(body, ' ')), webhookSecret, waserver.ErrBadSignature},
		"no signature":      {hook("", body), webhookSecret, waserver.ErrNoSignature},
		"secret in the URL": {inURL, webhookSecret, waserver.ErrNoSignature},
		"no hexadecimal":    {hook("sha256=zz", body), webhookSecret, waserver.ErrBadSignature},
		"too short":         {hook(sign(body, webhookSecret)[:40], body), webhookSecret, waserver.ErrBadSignature},
		"empty":             {hook("sha256=", body), webhookSecret, waserver.ErrBadSignature},
		"no secret":         {hook(sign(body, ""), body), "", waserver.ErrBadSignature},
	} {
		if err := tr.VerifyWebhook(c.h, c.secret); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", name, err, c.want)
		}
	}
}

func TestWebhookSessionOfWhatIsNone(t *testing.T) {
	for _, payload := range []string{`[]`, `"x"`, `null`, `{"session_id":7,"device_id":["x"]}`, `{"session_id":"","device_id":""}`} {
		if got := tr.WebhookSession(&waserver.Webhook{Payload: []byte(payload)}); len(got) != 0 {
			t.Errorf("%s: got %q", payload, got)
		}
	}
}

func TestUpdatesOfWhatIsNoEvent(t *testing.T) {
	for _, payload := range []string{
		`[]`, `1`, `{"event":7}`, `{"event":"message","payload":"x"}`, `{"event":"message"}`, `{"event":"message.ack","payload":[]}`,
		`{"event":"message.edited","payload":1}`, `{"event":"message.revoked","payload":1}`, `{"event":"message","payload":{"image":7}}`,
	} {
		if updates, err := tr.Updates([]byte(payload), waservertest.Received); err == nil || updates != nil {
			t.Errorf("%s: got %v, %v", payload, updates, err)
		}
	}
}

func FuzzUpdates(f *testing.F) {
	waservertest.FuzzUpdates(f, "testdata/webhooks", tr)
}

// Whatever is posted, nothing passes that was not signed with the secret.
func FuzzVerify(f *testing.F) {
	body := []byte(`{"event":"message"}`)
	f.Add(sign(body, webhookSecret), body)
	f.Add("sha256=", []byte(""))
	f.Add("sha1=00", []byte("{}"))
	f.Fuzz(func(t *testing.T, signature string, raw []byte) {
		const unknown = "a secret that no seed was signed with"
		if err := tr.VerifyWebhook(hook(signature, raw), unknown); err == nil {
			t.Errorf("%q passes", signature)
		}
		if err := tr.VerifyWebhook(hook(sign(raw, unknown), raw), unknown); err != nil {
			t.Errorf("what is signed is refused: %v", err)
		}
	})
}
