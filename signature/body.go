package signature

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strings"
)

// bodyHeaders are those in which WA servers send the HMAC-SHA256 of a body, in
// hexadecimal, perhaps after "sha256=".
var bodyHeaders = [...]string{"X-Hub-Signature-256", "X-Hmac-Signature", "X-Signature-256"}

const bodyPrefix = "sha256="

func bodyClaimed(h http.Header) bool {
	for _, name := range bodyHeaders {
		if len(h[name]) > 0 {
			return true
		}
	}
	return false
}

// parseBody returns the signatures of the body. One header may not come twice: a
// proxy before us might have looked at the other.
func parseBody(h http.Header) ([][sha256.Size]byte, error) {
	var all [][sha256.Size]byte
	for _, name := range bodyHeaders {
		values := h[name]
		if len(values) == 0 {
			continue
		}
		text := strings.TrimPrefix(values[0], bodyPrefix)
		if len(values) > 1 || len(text) != hex.EncodedLen(sha256.Size) {
			return nil, ErrMismatch
		}
		var sum [sha256.Size]byte
		if _, err := hex.Decode(sum[:], []byte(text)); err != nil {
			return nil, ErrMismatch
		}
		all = append(all, sum)
	}
	return all, nil
}

func (v *Verifier) anyBody(signatures [][sha256.Size]byte, body []byte) bool {
	found := 0
	for _, k := range v.keys {
		found |= anyEqual(signatures, k.mac(body))
	}
	return found == 1
}

// mistakable tells whether body begins like the content that the timestamped form
// signs, "id.timestamp.". Then its signature may be one of that form, overheard and
// put into the header of the other, which knows no time. No JSON object, array or
// form begins so: see validID.
func mistakable(body []byte) bool {
	id, rest, ok := bytes.Cut(body[:min(len(body), maxID+maxTimestamp+2)], []byte("."))
	if !ok || !validID(string(id)) {
		return false
	}
	at, _, ok := bytes.Cut(rest, []byte("."))
	if !ok {
		return false
	}
	_, ok = parseTimestamp(string(at))
	return ok
}
