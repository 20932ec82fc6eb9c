package caddywagateway

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"net/http"
	"strings"
)

// secret is a token that callers have to show. Only what is needed to compare
// it is kept in comparable form.
type secret struct {
	set bool
	sum [sha256.Size]byte
	key []byte // for HMAC
}

func newSecret(token string) secret {
	if token == "" {
		return secret{}
	}
	return secret{set: true, sum: sha256.Sum256([]byte(token)), key: []byte(token)}
}

// equal compares in constant time, whatever the lengths. A secret that is not
// set equals nothing.
func (s secret) equal(token string) bool {
	sum := sha256.Sum256([]byte(token))
	return s.set && subtle.ConstantTimeCompare(sum[:], s.sum[:]) == 1
}

// signed tells whether signature is the HMAC-SHA256 of body in hexadecimal,
// perhaps after "sha256=".
func (s secret) signed(signature string, body []byte) bool {
	if !s.set {
		return false
	}
	got, err := hex.DecodeString(strings.TrimPrefix(signature, "sha256="))
	if err != nil {
		return false
	}
	mac := hmac.New(sha256.New, s.key)
	mac.Write(body)
	return hmac.Equal(got, mac.Sum(nil))
}

// bearer returns the token of the Authorization header. There are three
// outcomes: no header at all, a bearer token, and something else, for which the
// token is empty and present is true.
func bearer(h http.Header) (token string, present bool) {
	values := h.Values("Authorization")
	if len(values) == 0 {
		return "", false
	}
	if len(values) > 1 {
		return "", true
	}
	scheme, token, ok := strings.Cut(values[0], " ")
	if !ok || !strings.EqualFold(scheme, "Bearer") {
		return "", true
	}
	return strings.TrimSpace(token), true
}
