package wuzapi_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/genfity/wa-gateway/waserver"
	"github.com/genfity/wa-gateway/waserver/waservertest"
	"github.com/genfity/wa-gateway/waserver/wuzapi"
)

const formType = "application/x-www-form-urlencoded"

func TestWebhooks(t *testing.T) {
	waservertest.Webhooks(t, "testdata/webhooks", wuzapi.Translator{}, credential)
}

func sign(signed []byte, secret string) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(signed)
	return hex.EncodeToString(mac.Sum(nil))
}

func hook(contentType, signature string, raw []byte) *waserver.Webhook {
	h := &waserver.Webhook{Header: http.Header{"Content-Type": {contentType}}, Raw: raw}
	if signature != "" {
		h.Header.Set("x-hmac-signature", signature)
	}
	return h
}

func TestVerifyWebhook(t *testing.T) {
	body := []byte(`{"event":{},"type":"Connected","userID":"x"}`)
	form := url.Values{"userID": {"x"}, "instanceName": {"toko 1"}, "jsonData": {`{"type":"Connected","a":"<&>"}`}}
	sorted := []byte(form.Encode())
	unsorted := []byte("userID=x&jsonData=" + url.QueryEscape(form.Get("jsonData")) + "&instanceName=toko%201")

	// Multipart is signed as a JSON object of the fields, in which a file is the name
	// that it has at the server.
	fields := map[string]string{"userID": "x", "instanceName": "toko", "jsonData": `{"a":"<b>"}`, "file": "/tmp/user_1/a.png"}
	var multi bytes.Buffer
	w := multipart.NewWriter(&multi)
	for name, value := range fields {
		if err := w.WriteField(name, value); err != nil {
			t.Fatal(err)
		}
	}
	file, err := w.CreateFormFile("file", "a.png")
	if err != nil {
		t.Fatal(err)
	}
	file.Write([]byte("content"))
	w.Close()
	signedFields, err := json.Marshal(fields)
	if err != nil {
		t.Fatal(err)
	}
	inURL := func(token, signature string) *waserver.Webhook {
		h := hook(formType, signature, sorted)
		h.PathToken = token
		return h
	}

	for name, c := range map[string]struct {
		h      *waserver.Webhook
		secret string
		want   error
	}{
		"json":                  {hook("application/json", sign(body, webhookSecret), body), webhookSecret, nil},
		"json, upper case":      {hook("application/json", strings.ToUpper(sign(body, webhookSecret)), body), webhookSecret, nil},
		"json, another key":     {hook("application/json", sign(body, "another"), body), webhookSecret, waserver.ErrBadSignature},
		"json, another body":    {hook("application/json", sign(body, webhookSecret), append(body, ' ')), webhookSecret, waserver.ErrBadSignature},
		"form":                  {hook(formType, sign(sorted, webhookSecret), sorted), webhookSecret, nil},
		"form, other order":     {hook(formType+"; charset=utf-8", sign(sorted, webhookSecret), unsorted), webhookSecret, nil},
		"form, another field":   {hook(formType, sign(sorted, webhookSecret), append(sorted[:len(sorted):len(sorted)], "&userID=y"...)), webhookSecret, waserver.ErrBadSignature},
		"multipart":             {hook(w.FormDataContentType(), sign(signedFields, webhookSecret), multi.Bytes()), webhookSecret, nil},
		"multipart, broken":     {hook(w.FormDataContentType(), sign(signedFields, webhookSecret), multi.Bytes()[:multi.Len()/2]), webhookSecret, waserver.ErrBadSignature},
		"no signature":          {hook("application/json", "", body), webhookSecret, waserver.ErrNoSignature},
		"no hexadecimal":        {hook("application/json", "zz", body), webhookSecret, waserver.ErrBadSignature},
		"too short":             {hook("application/json", sign(body, webhookSecret)[:62], body), webhookSecret, waserver.ErrBadSignature},
		"no secret":             {hook("application/json", sign(body, ""), body), "", waserver.ErrBadSignature},
		"in the URL":            {inURL(webhookSecret, ""), webhookSecret, nil},
		"in the URL, wrong":     {inURL("another", ""), webhookSecret, waserver.ErrBadSignature},
		"in the URL, a part":    {inURL(webhookSecret[:20], ""), webhookSecret, waserver.ErrBadSignature},
		"in the URL, no secret": {inURL("x", ""), "", waserver.ErrBadSignature},
		"wrong URL, signed":     {inURL("another", sign(sorted, webhookSecret)), webhookSecret, nil},
	} {
		if err := (wuzapi.Translator{}).VerifyWebhook(c.h, c.secret); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", name, err, c.want)
		}
	}
}

func TestWebhookSession(t *testing.T) {
	h := &waserver.Webhook{Payload: []byte(`{"jsonData":"{}","token":"x"}`), Query: url.Values{"session": {"toko"}}}
	if got := (wuzapi.Translator{}).WebhookSession(h); len(got) != 1 || got[0] != "toko" {
		t.Errorf("got %q", got)
	}
	for _, payload := range []string{`[]`, `"x"`, `{"userID":7}`, `{"userID":["x"]}`} {
		if got := (wuzapi.Translator{}).WebhookSession(&waserver.Webhook{Payload: []byte(payload)}); len(got) != 0 {
			t.Errorf("%s: got %q", payload, got)
		}
	}
}

func TestCleanWebhook(t *testing.T) {
	for payload, want := range map[string]string{
		`{"a": 1}`:                             `{"a": 1}`, // nothing to do: byte for byte
		`{"token":"t","a":"<"}`:                `{"a":"<"}`,
		`{"Token":"t","TOKEN":"u"}`:            `{}`,
		`{"jsonData":"{\"token\":\"t\"}"}`:     `{"jsonData":"{}"}`,
		`{"jsonData":{"token":"t","x":1}}`:     `{"jsonData":{"x":1}}`,
		`{"jsonData":["{\"token\":\"t\"}",1]}`: `{"jsonData":["{}",1]}`,
		`{"jsonData":"no json"}`:               `{"jsonData":"no json"}`,
		`{"event":{"token":"of a button"}}`:    `{"event":{"token":"of a button"}}`,
		`[{"token":"t"}]`:                      `[{"token":"t"}]`,
		`null`:                                 `null`,
	} {
		if got := string((wuzapi.Translator{}).CleanWebhook([]byte(payload))); got != want {
			t.Errorf("%s: got %s, want %s", payload, got, want)
		}
	}
}

func TestUpdatesOfWhatIsNoEvent(t *testing.T) {
	for _, payload := range []string{
		`[]`, `1`, `{"type":7}`, `{"type":"Message","event":"x"}`, `{"type":"ReadReceipt","event":[]}`,
		`{"type":"PairSuccess","event":"x"}`, `{"jsonData":"no json"}`,
	} {
		if updates, err := (wuzapi.Translator{}).Updates([]byte(payload), waservertest.Received); err == nil || updates != nil {
			t.Errorf("%s: got %v, %v", payload, updates, err)
		}
	}
}

func FuzzUpdates(f *testing.F) {
	waservertest.FuzzUpdates(f, "testdata/webhooks", wuzapi.Translator{})
}

// Whatever is posted, nothing passes that was not signed with the secret.
func FuzzVerify(f *testing.F) {
	body := []byte("jsonData=%7B%7D&userID=x")
	f.Add(formType, sign(body, webhookSecret), "", body)
	f.Add("application/json", sign([]byte("{}"), webhookSecret), "", []byte("{}"))
	f.Add("multipart/form-data; boundary=x", "00", "", []byte("--x\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nb\r\n--x--\r\n"))
	f.Add("", "", "token", []byte(""))
	f.Fuzz(func(t *testing.T, contentType, signature, pathToken string, raw []byte) {
		h := hook(contentType, signature, raw)
		h.PathToken = pathToken
		const unknown = "a secret that no seed was signed with"
		if err := (wuzapi.Translator{}).VerifyWebhook(h, unknown); err == nil {
			t.Errorf("%q, %q and %q pass", contentType, signature, pathToken)
		}
		h.Header.Set("x-hmac-signature", sign(raw, unknown))
		if err := (wuzapi.Translator{}).VerifyWebhook(h, unknown); err != nil {
			t.Errorf("what is signed is refused: %v", err)
		}
	})
}
