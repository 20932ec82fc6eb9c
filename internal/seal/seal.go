// Package seal encrypts the secrets that the gateway keeps in a database, under keys
// that only the operator has.
package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

// What Open says of what it cannot open.
var (
	// ErrNoKey says that none of the keys is the one that sealed it.
	ErrNoKey = errors.New("no key opens this secret")
	// ErrDamaged says that it is no sealed secret, is not as it was, or was sealed for
	// another purpose.
	ErrDamaged = errors.New("the sealed secret is damaged, or another one's")
)

// MinKeyText is how long a key must be that is text.
const MinKeyText = 16

const (
	version   = 1
	keySize   = 32 // AES-256
	idSize    = 4
	nonceSize = 12
	tagSize   = 16
	overhead  = 1 + idSize + nonceSize + tagSize
)

// Box seals and opens secrets. It is safe for concurrent use.
type Box struct{ keys []key } // the first one seals

type key struct {
	id   [idSize]byte
	aead cipher.AEAD
}

// New makes a Box of the operator's keys: 32 bytes as hex or base64, or any other text
// of at least [MinKeyText] characters. The first seals, all open, so that a new key is
// put before the old ones.
func New(keys ...string) (*Box, error) {
	if len(keys) == 0 {
		return nil, errors.New("no key is given")
	}
	b := &Box{keys: make([]key, 0, len(keys))}
	for i, text := range keys {
		secret, err := parse(text)
		if err != nil {
			return nil, fmt.Errorf("key %d: %w", i+1, err)
		}
		k, err := newKey(secret)
		if err != nil {
			return nil, fmt.Errorf("key %d: %w", i+1, err)
		}
		b.keys = append(b.keys, k)
	}
	return b, nil
}

// parse reads a key. Its text is in no error.
func parse(text string) ([]byte, error) {
	text = strings.TrimSpace(text)
	if raw, err := hex.DecodeString(text); err == nil && len(raw) == keySize {
		return raw, nil
	}
	bare := strings.TrimRight(text, "=")
	for _, form := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		if raw, err := form.DecodeString(bare); err == nil && len(raw) == keySize {
			return raw, nil
		}
	}
	if len(text) < MinKeyText {
		return nil, fmt.Errorf("it needs 32 bytes as hex or base64, or at least %d characters", MinKeyText)
	}
	return hkdf.Key(sha256.New, []byte(text), nil, "wa-gateway seal key from text", keySize)
}

// newKey takes the cipher's key and the id from the secret in ways that tell nothing of
// one another.
func newKey(secret []byte) (key, error) {
	raw, err := hkdf.Key(sha256.New, secret, nil, "wa-gateway seal v1 key", keySize)
	if err != nil {
		return key{}, err
	}
	id, err := hkdf.Key(sha256.New, secret, nil, "wa-gateway seal v1 id", idSize)
	if err != nil {
		return key{}, err
	}
	block, err := aes.NewCipher(raw)
	if err != nil {
		return key{}, err
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return key{}, err
	}
	return key{id: [idSize]byte(id), aead: aead}, nil
}

// Seal encrypts a secret for a purpose, which says whose and what it is
// ("link:main:shop:credential"): only for the same one can it be opened, so that
// whoever writes to the database cannot put one secret in the place of another. An
// empty secret stays empty.
func (b *Box) Seal(purpose string, secret []byte) []byte {
	if len(secret) == 0 {
		return nil
	}
	k := b.keys[0]
	sealed := make([]byte, 1+idSize+nonceSize, overhead+len(secret))
	sealed[0] = version
	copy(sealed[1:], k.id[:])
	nonce := sealed[1+idSize:]
	rand.Read(nonce) // never fails: crypto/rand ends the process instead
	return k.aead.Seal(sealed, nonce, secret, associated(sealed, purpose))
}

// Open decrypts what Seal made for this purpose. The error is [ErrNoKey] or
// [ErrDamaged].
func (b *Box) Open(purpose string, sealed []byte) ([]byte, error) {
	if len(sealed) == 0 {
		return nil, nil
	}
	if len(sealed) <= overhead || sealed[0] != version {
		return nil, ErrDamaged
	}
	id, nonce, text := sealed[1:1+idSize], sealed[1+idSize:1+idSize+nonceSize], sealed[1+idSize+nonceSize:]
	known := false
	for _, k := range b.keys {
		if string(k.id[:]) != string(id) {
			continue
		}
		known = true
		// Two keys may have one id.
		if secret, err := k.aead.Open(nil, nonce, text, associated(sealed, purpose)); err == nil {
			return secret, nil
		}
	}
	if !known {
		return nil, ErrNoKey
	}
	return nil, ErrDamaged
}

// Current tells whether the first key sealed it; if not, it should be sealed anew
// before the older key is given up.
func (b *Box) Current(sealed []byte) bool {
	return len(sealed) == 0 ||
		len(sealed) > overhead && sealed[0] == version && string(sealed[1:1+idSize]) == string(b.keys[0].id[:])
}

// associated is what is authenticated beside the secret: the header and the purpose.
func associated(sealed []byte, purpose string) []byte {
	return append(append([]byte(nil), sealed[:1+idSize]...), purpose...)
}
