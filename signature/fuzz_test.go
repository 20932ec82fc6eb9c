package signature

import (
	"bytes"
	"errors"
	"net/http"
	"strings"
	"testing"
)

// Whatever the headers are: nothing passes but what Sign and SignBody would have
// written for this body, and Precheck and Present agree with Check.
func FuzzCheck(f *testing.F) {
	f.Add(specID, "1614265330", specSignature, "", []byte(specBody))
	f.Add(specID, "1614265330", foreign+" "+specSignature, "", []byte(specBody))
	f.Add("", "", "", SignBody(specSecret, []byte(specBody)).Get("X-Hub-Signature-256"), []byte(specBody))
	f.Add("a.b", "-1", "v1,", "sha256=", []byte("a.1.b"))
	f.Add("a", "1614265330.0", "v1,,, v1a,x", strings.Repeat("0", 64), []byte{})
	f.Add("a", "9223372036854775808", strings.Repeat("v1,AAAA ", 20), "", []byte("{}"))
	v, err := New(Options{Secrets: []string{specSecret}, Now: fixed(specNow)})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, id, timestamp, signature, hub string, body []byte) {
		h := http.Header{}
		for name, value := range map[string]string{
			headerID: id, headerTimestamp: timestamp, headerSignature: signature, bodyHeaders[0]: hub,
		} {
			if value != "" {
				h.Set(name, value)
			}
		}
		_, err := v.Check(h, body)
		early := v.Precheck(h)
		if early != nil && !errors.Is(err, early) {
			t.Fatalf("Precheck: %v, Check: %v", early, err)
		}
		if v.Present(h) == errors.Is(err, ErrMissing) {
			t.Fatalf("present %t, %v", v.Present(h), err)
		}
		// The check before the body is read and this one share no code.
		want := false
		if signature != "" {
			if at, ok := parseTimestamp(timestamp); ok && early == nil {
				if right, err := Sign(specSecret, id, at, body); err == nil {
					want = slicesContain(signature, right.Get(headerSignature)) && right.Get(headerTimestamp) == timestamp
				}
			}
		} else if hub != "" && !bytes.Contains(body, []byte(".")) {
			lower := strings.ToLower(strings.TrimPrefix(hub, "sha256="))
			text := strings.TrimPrefix(SignBody(specSecret, body).Get(bodyHeaders[0]), "sha256=")
			raw, _ := decodeSecret(specSecret)
			sum := raw.mac(body)
			want = lower == text || lower == hexOf(sum[:])
		} else {
			return
		}
		if (err == nil) != want {
			t.Fatalf("verified %v, want %t", err, want)
		}
	})
}

// slicesContain tells whether one of the first fields is the signature.
func slicesContain(header, signature string) bool {
	fields := strings.FieldsFunc(header, func(r rune) bool { return r == ' ' })
	for _, field := range fields[:min(len(fields), maxSignatures)] {
		if field == signature {
			return true
		}
	}
	return false
}
