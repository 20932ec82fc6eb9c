package signature

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"net/http"
	"strconv"
	"time"
)

// Sign returns the headers that a sender puts on a message: the timestamped form,
// with one secret. The id is the same each time the message is sent, and made of
// letters, digits and _-:@/+~.
func Sign(secret, id string, at time.Time, body []byte) (http.Header, error) {
	if secret == "" {
		return nil, errors.New("signing without a secret")
	}
	k, err := decodeSecret(secret)
	if err != nil {
		return nil, err
	}
	s := stamped{id: id, timestamp: strconv.FormatInt(at.Unix(), 10)}
	if _, ok := parseTimestamp(s.timestamp); !ok || !validID(id) {
		return nil, errors.New("this id or time cannot be signed")
	}
	sum := k.mac(s.prefix(), body)
	return http.Header{
		headerID:        {s.id},
		headerTimestamp: {s.timestamp},
		headerSignature: {version + base64.StdEncoding.EncodeToString(sum[:])},
	}, nil
}

// SignBody returns the header of the older form: the HMAC of the body, keyed with
// the secret's text.
func SignBody(secret string, body []byte) http.Header {
	sum := key(secret).mac(body)
	return http.Header{bodyHeaders[0]: {bodyPrefix + hex.EncodeToString(sum[:])}}
}
