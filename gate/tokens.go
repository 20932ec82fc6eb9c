package gate

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"strings"
)

// Tokens are those that callers have to show one of: usually one, two while it
// is exchanged for a new one. Only their SHA-256 is kept.
type Tokens [][sha256.Size]byte

// NewTokens leaves out what is empty.
func NewTokens(tokens ...string) Tokens {
	var t Tokens
	for _, token := range tokens {
		if token != "" {
			t = append(t, sha256.Sum256([]byte(token)))
		}
	}
	return t
}

// Set tells whether there is any.
func (t Tokens) Set() bool { return len(t) > 0 }

// Equal compares in constant time, whatever the lengths, and does not tell by its
// time which of them it was. Without tokens nothing is equal.
func (t Tokens) Equal(token string) bool {
	sum, equal := sha256.Sum256([]byte(token)), 0
	for i := range t {
		equal |= subtle.ConstantTimeCompare(sum[:], t[i][:])
	}
	return equal == 1
}

// bearer returns the token of the Authorization header. There are three
// outcomes: no header at all, a bearer token, and something else, for which the
// token is empty and present is true.
func bearer(h http.Header) (token string, present bool) {
	values := h["Authorization"]
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
