package signature

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"
)

const (
	secretPrefix = "whsec_"
	// What the specification asks of a key.
	minKey, maxKey = 24, 64
)

// key is what HMAC takes.
type key []byte

// newKeys returns the keys of secrets. One with the prefix is two: the key that it
// encodes, and its text, which is how senders use it that sign the body and know
// nothing of the prefix.
func newKeys(secrets []string) ([]key, error) {
	var keys []key
	for i, secret := range secrets {
		if secret == "" {
			continue
		}
		decoded, err := decodeSecret(secret)
		if err != nil {
			return nil, fmt.Errorf("signing secret %d: %w", i+1, err)
		}
		keys = append(keys, decoded)
		if strings.HasPrefix(secret, secretPrefix) {
			keys = append(keys, key(secret))
		}
	}
	return keys, nil
}

// decodeSecret returns the key that a secret stands for. Its error does not repeat
// the secret.
func decodeSecret(secret string) (key, error) {
	encoded, ok := strings.CutPrefix(secret, secretPrefix)
	if !ok {
		return key(secret), nil
	}
	decoded, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil || len(decoded) < minKey || len(decoded) > maxKey {
		return nil, fmt.Errorf("after %s there must be the base64 of %d to %d bytes", secretPrefix, minKey, maxKey)
	}
	return decoded, nil
}

// mac is the HMAC-SHA256 of the parts, one after another.
func (k key) mac(parts ...[]byte) (sum [sha256.Size]byte) {
	h := hmac.New(sha256.New, k)
	for _, part := range parts {
		h.Write(part)
	}
	h.Sum(sum[:0])
	return sum
}

// anyEqual is 1 when one of the signatures is want. It looks at all of them,
// whatever it finds.
func anyEqual(signatures [][sha256.Size]byte, want [sha256.Size]byte) (found int) {
	for i := range signatures {
		if hmac.Equal(signatures[i][:], want[:]) {
			found |= 1
		}
	}
	return found
}
