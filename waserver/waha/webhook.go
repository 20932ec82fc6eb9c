package waha

import (
	"crypto/hmac"
	"crypto/sha512"
	"encoding/hex"
	"encoding/json"
	"net/url"
	"strings"

	"github.com/genfity/wa-gateway/waserver"
	"github.com/genfity/wa-gateway/waserver/lenient"
)

// envelope is a webhook.
type envelope struct {
	Event    text            `json:"event"`
	Session  text            `json:"session"`
	At       unix            `json:"timestamp"` // milliseconds; of newer versions
	Me       account         `json:"me"`
	Metadata map[string]text `json:"metadata"`
	Payload  json.RawMessage `json:"payload"`
}

// WebhookSession implements waserver.Translator.
func (Translator) WebhookSession(h *waserver.Webhook) []string {
	var e envelope
	lenient.Decode(h.Payload, &e)
	var names []string
	for _, name := range []text{e.Session, e.Metadata[metaSession]} {
		if name != "" && (len(names) == 0 || names[0] != string(name)) {
			names = append(names, string(name))
		}
	}
	return names
}

// The headers of a webhook that is signed: the HMAC of the raw body, in hex.
const (
	headerHMAC      = "X-Webhook-Hmac"
	headerAlgorithm = "X-Webhook-Hmac-Algorithm"
)

// VerifyWebhook implements waserver.Translator. No time is signed: one that was caught
// can be sent again, and tells nothing new then.
func (Translator) VerifyWebhook(h *waserver.Webhook, secret string) error {
	sent := strings.TrimSpace(h.Header.Get(headerHMAC))
	if sent == "" {
		return waserver.ErrNoSignature
	}
	if algorithm := h.Header.Get(headerAlgorithm); algorithm != "" && !strings.EqualFold(strings.TrimSpace(algorithm), "sha512") {
		return waserver.ErrBadSignature
	}
	sum, err := hex.DecodeString(sent)
	if err != nil || secret == "" {
		return waserver.ErrBadSignature
	}
	mac := hmac.New(sha512.New, []byte(secret))
	mac.Write(h.Raw)
	if !hmac.Equal(mac.Sum(nil), sum) {
		return waserver.ErrBadSignature
	}
	return nil
}

// secretParts are members at the top of a webhook, or of its payload, that are left
// out: what they hold is the server's own business.
var secretParts = map[string]bool{"config": true, "environment": true, "apikey": true, "hmac": true, "headers": true, "webhooks": true}

// CleanWebhook implements waserver.Translator.
func (Translator) CleanWebhook(payload []byte) []byte {
	var top, inner map[string]json.RawMessage
	if json.Unmarshal(payload, &top) != nil {
		return masked(payload)
	}
	changed := drop(top)
	if json.Unmarshal(top["payload"], &inner) == nil {
		dropped, unkeyed := drop(inner), cleanMedia(inner)
		if dropped || unkeyed {
			top["payload"], changed = lenient.Encode(inner), true
		}
	}
	if !changed {
		return masked(payload)
	}
	return masked(lenient.Encode(top))
}

func drop(members map[string]json.RawMessage) (dropped bool) {
	for member := range members {
		if secretParts[strings.ToLower(strings.NewReplacer("_", "", "-", "").Replace(member))] {
			delete(members, member)
			dropped = true
		}
	}
	return dropped
}

// cleanMedia takes a key out of the media's URL.
func cleanMedia(members map[string]json.RawMessage) (changed bool) {
	clean := func(members map[string]json.RawMessage, name string) bool {
		var address string
		if json.Unmarshal(members[name], &address) != nil || withoutKey(address) == address {
			return false
		}
		raw, err := json.Marshal(withoutKey(address))
		if err != nil {
			return false // a text can be written, so this does not happen
		}
		members[name] = raw
		return true
	}
	changed = clean(members, "mediaUrl")
	var media map[string]json.RawMessage
	if json.Unmarshal(members["media"], &media) == nil && clean(media, "url") {
		members["media"], changed = lenient.Encode(media), true
	}
	return changed
}

// withoutKey is a URL without the server's key in its query, where the server is known
// to take one.
func withoutKey(address string) string {
	if !strings.Contains(strings.ToLower(address), "api") || !strings.Contains(address, "?") {
		return address
	}
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	q, changed := u.Query(), false
	for name := range q {
		if strings.EqualFold(name, headerKey) || strings.EqualFold(name, "api_key") || strings.EqualFold(name, "apikey") {
			q.Del(name)
			changed = true
		}
	}
	if !changed {
		return address
	}
	u.RawQuery = q.Encode()
	return u.String()
}

// masked hides what else is a credential by its name. Of what is nested too deeply to
// be looked through only the event's name and the session stay.
func masked(payload []byte) []byte {
	if clean, ok := waserver.Mask(payload, nil); ok {
		return clean
	}
	var e struct {
		Event   text `json:"event"`
		Session text `json:"session"`
	}
	lenient.Decode(payload, &e)
	clean, err := json.Marshal(e)
	if err != nil {
		return []byte("null") // likewise
	}
	return clean
}
