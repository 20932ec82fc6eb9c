package evolution

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/genfity/wa-gateway/waserver"
	"github.com/genfity/wa-gateway/waserver/waservertest"
)

func TestWebhooks(t *testing.T) {
	waservertest.Webhooks(t, "testdata/webhook", Translator{}, ownToken, adminKey, "appStateKey")
}

func FuzzUpdates(f *testing.F) { waservertest.FuzzUpdates(f, "testdata/webhook", Translator{}) }

func TestVerifyWebhook(t *testing.T) {
	for _, x := range []struct {
		name, header, path, secret string
		want                       error
	}{
		{"header", "Bearer " + hookKey, "", hookKey, nil},
		{"path", "", hookKey, hookKey, nil},
		{"path beside another header", "Basic x", hookKey, hookKey, nil},
		{"nothing", "", "", hookKey, waserver.ErrNoSignature},
		{"nothing, and no secret", "", "", "", waserver.ErrNoSignature},
		{"another secret", "Bearer another", "", hookKey, waserver.ErrBadSignature},
		{"without Bearer", hookKey, "", hookKey, waserver.ErrBadSignature},
		{"a part of it", "Bearer " + hookKey[:10], hookKey[:10], hookKey, waserver.ErrBadSignature},
		{"no secret", "Bearer ", "", "", waserver.ErrBadSignature},
		{"no secret, a path", "", "x", "", waserver.ErrBadSignature},
	} {
		h := &waserver.Webhook{Header: http.Header{}, PathToken: x.path}
		if x.header != "" {
			h.Header.Set("Authorization", x.header)
		}
		if err := (Translator{}).VerifyWebhook(h, x.secret); !errors.Is(err, x.want) {
			t.Errorf("%s: %v", x.name, err)
		}
	}
}

func FuzzVerify(f *testing.F) {
	f.Add("Bearer "+hookKey, "")
	f.Add("", hookKey)
	f.Add("Bearer", " ")
	f.Fuzz(func(t *testing.T, header, path string) {
		h := &waserver.Webhook{Header: http.Header{"Authorization": {header}}, PathToken: path}
		err := Translator{}.VerifyWebhook(h, hookKey)
		if good := header == "Bearer "+hookKey || path == hookKey; good != (err == nil) {
			t.Errorf("%q, %q: %v", header, path, err)
		}
	})
}

// What is too deep to be looked through is not kept.
func TestCleanDeep(t *testing.T) {
	deep := `{"event":"messages.upsert","instance":"toko-1","data":` + strings.Repeat(`{"a":`, 100) + `{"apikey":"` + ownToken + `"}` + strings.Repeat(`}`, 100) + `}`
	if got := string(Translator{}.CleanWebhook([]byte(deep))); got != `{"event":"messages.upsert","instance":"toko-1"}` {
		t.Error(got)
	}
}
