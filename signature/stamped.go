package signature

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// The headers of Standard Webhooks, as net/http spells them.
const (
	headerID        = "Webhook-Id"
	headerTimestamp = "Webhook-Timestamp"
	headerSignature = "Webhook-Signature"
)

// Bounds of the headers. The longest signature that the specification knows takes
// 92 bytes.
const (
	maxID         = 256
	maxTimestamp  = 12
	maxSignatures = 8
	maxSignature  = 1024
)

// version marks an HMAC-SHA256. The specification's other one, v1a, is Ed25519: it
// is passed over, since its keys are no shared secret.
const version = "v1,"

// stamped is a timestamped claim: id and timestamp as the headers spell them,
// since that is what was signed.
type stamped struct {
	id, timestamp string
	at            time.Time
	signatures    [][sha256.Size]byte
}

// parseStamped reads the three headers; each must be there exactly once.
func parseStamped(h http.Header) (*stamped, error) {
	id, timestamp, signature := h[headerID], h[headerTimestamp], h[headerSignature]
	if len(id) != 1 || len(timestamp) != 1 || len(signature) != 1 || !validID(id[0]) {
		return nil, ErrMismatch
	}
	at, ok := parseTimestamp(timestamp[0])
	if !ok {
		return nil, ErrMismatch
	}
	signatures := parseSignatures(signature[0])
	if len(signatures) == 0 {
		return nil, ErrMismatch
	}
	return &stamped{id: id[0], timestamp: timestamp[0], at: at, signatures: signatures}, nil
}

// validID tells whether id can be one. A dot in it would let its end pass for the
// timestamp, and that for the beginning of the body. What JSON and forms begin with
// is left out as well, so that the two forms of signatures stay apart.
func validID(id string) bool {
	if id == "" || len(id) > maxID {
		return false
	}
	for i := range len(id) {
		switch c := id[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		case strings.IndexByte("_-:@/+~", c) >= 0:
		default:
			return false
		}
	}
	return true
}

// parseTimestamp reads Unix seconds in the one way that they are written: no sign,
// no leading zero, no fraction.
func parseTimestamp(text string) (time.Time, bool) {
	if text == "" || len(text) > maxTimestamp || text[0] == '0' {
		return time.Time{}, false
	}
	for i := range len(text) {
		if text[i] < '0' || text[i] > '9' {
			return time.Time{}, false
		}
	}
	seconds, err := strconv.ParseInt(text, 10, 64)
	return time.Unix(seconds, 0), err == nil
}

// parseSignatures returns the well-formed ones of our version among the first few.
func parseSignatures(header string) [][sha256.Size]byte {
	if len(header) > maxSignature {
		return nil
	}
	var all [][sha256.Size]byte
	seen := 0
	for field := range strings.SplitSeq(header, " ") {
		if field == "" {
			continue
		}
		if seen++; seen > maxSignatures {
			break
		}
		encoded, ok := strings.CutPrefix(field, version)
		// The length is checked first, as decoding passes over line breaks.
		if !ok || len(encoded) != base64.StdEncoding.EncodedLen(sha256.Size) {
			continue
		}
		sum, err := base64.StdEncoding.Strict().DecodeString(encoded)
		if err != nil || len(sum) != sha256.Size {
			continue
		}
		all = append(all, [sha256.Size]byte(sum))
	}
	return all
}

// prefix is what is signed before the body.
func (s *stamped) prefix() []byte { return []byte(s.id + "." + s.timestamp + ".") }

func (v *Verifier) anyStamped(s *stamped, body []byte) bool {
	prefix, found := s.prefix(), 0
	for _, k := range v.keys {
		found |= anyEqual(s.signatures, k.mac(prefix, body))
	}
	return found == 1
}

// key names the message, whichever secret signed it: a sender that signs with two
// lets us see one message, not two.
func (s *stamped) key(body []byte) [sha256.Size]byte {
	h := sha256.New()
	h.Write(s.prefix())
	content := sha256.Sum256(body)
	h.Write(content[:])
	return [sha256.Size]byte(h.Sum(nil))
}
