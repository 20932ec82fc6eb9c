package store

import (
	"crypto/rand"
)

const (
	base36 = "0123456789abcdefghijklmnopqrstuvwxyz"
	base62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
)

// NewID makes an id in the shape of the foreign tables' cuids: "c" and 24
// characters, of 124 random bits.
func NewID() string { return "c" + randomText(base36, 24) }

// randomText draws each character evenly: bytes that would favour the front of
// the alphabet are thrown away.
func randomText(alphabet string, length int) string {
	limit := byte(256 - 256%len(alphabet))
	text := make([]byte, 0, length)
	buf := make([]byte, 2*length)
	for len(text) < length {
		rand.Read(buf) // never fails: crypto/rand ends the process instead
		for _, b := range buf {
			if b < limit && len(text) < length {
				text = append(text, alphabet[int(b)%len(alphabet)])
			}
		}
	}
	return string(text)
}
