package waha

import (
	"crypto/hmac"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/genfity/wa-gateway/waserver"
	"github.com/genfity/wa-gateway/waserver/waservertest"
)

func TestWebhooks(t *testing.T) {
	waservertest.Webhooks(t, "testdata/webhook", Translator{}, "hook-secret", "admin-key", "postgres://", "key_media")
}

func FuzzUpdates(f *testing.F) { waservertest.FuzzUpdates(f, "testdata/webhook", Translator{}) }

func sign(raw []byte, secret string) string {
	mac := hmac.New(sha512.New, []byte(secret))
	mac.Write(raw)
	return hex.EncodeToString(mac.Sum(nil))
}

// The server's own example.
func TestSignatureOfTheDocumentation(t *testing.T) {
	h := &waserver.Webhook{
		Raw: []byte(`{"event":"message","session":"default","engine":"WEBJS"}`),
		Header: http.Header{
			"X-Webhook-Hmac":           {"208f8a55dde9e05519e898b10b89bf0d0b3b0fdf11fdbf09b6b90476301b98d8097c462b2b17a6ce93b6b47a136cf2e78a33a63f6752c2c1631777076153fa89"},
			"X-Webhook-Hmac-Algorithm": {"sha512"},
		},
	}
	if err := (Translator{}).VerifyWebhook(h, "my-secret-key"); err != nil {
		t.Error(err)
	}
}

func TestVerifyWebhook(t *testing.T) {
	raw := []byte(`{"event":"message","session":"toko-1"}`)
	good := sign(raw, hookKey)
	for _, x := range []struct {
		name      string
		sum, algo string
		secret    string
		want      error
	}{
		{"good", good, "sha512", hookKey, nil},
		{"good, without an algorithm", good, "", hookKey, nil},
		{"good, in capitals", strings.ToUpper(good), "SHA512", hookKey, nil},
		{"another algorithm", good, "sha256", hookKey, waserver.ErrBadSignature},
		{"no signature", "", "sha512", hookKey, waserver.ErrNoSignature},
		{"another secret", good, "sha512", "another", waserver.ErrBadSignature},
		{"no secret", sign(raw, ""), "sha512", "", waserver.ErrBadSignature},
		{"no hex", "zz", "sha512", hookKey, waserver.ErrBadSignature},
		{"a part of it", good[:64], "sha512", hookKey, waserver.ErrBadSignature},
		{"of another body", sign([]byte(`{}`), hookKey), "sha512", hookKey, waserver.ErrBadSignature},
	} {
		h := &waserver.Webhook{Raw: raw, Payload: raw, Header: http.Header{}}
		h.Header.Set("X-Webhook-Hmac", x.sum)
		h.Header.Set("X-Webhook-Hmac-Algorithm", x.algo)
		if err := (Translator{}).VerifyWebhook(h, x.secret); !errors.Is(err, x.want) {
			t.Errorf("%s: %v", x.name, err)
		}
	}
}

// Whatever is posted: it is good only with the sum of the body.
func FuzzVerify(f *testing.F) {
	f.Add([]byte(`{}`), sign([]byte(`{}`), hookKey), "sha512")
	f.Add([]byte(``), "", "")
	f.Add([]byte(`x`), "00", "SHA512")
	f.Fuzz(func(t *testing.T, raw []byte, sum, algo string) {
		h := &waserver.Webhook{Raw: raw, Header: http.Header{"X-Webhook-Hmac": {sum}, "X-Webhook-Hmac-Algorithm": {algo}}}
		err := Translator{}.VerifyWebhook(h, hookKey)
		if good := strings.EqualFold(strings.TrimSpace(sum), sign(raw, hookKey)); err == nil && !good {
			t.Errorf("%q is good for %q", sum, raw)
		}
	})
}
