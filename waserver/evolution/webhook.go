package evolution

import (
	"crypto/subtle"
	"encoding/json"
	"strings"

	"github.com/genfity/wa-gateway/waserver"
	"github.com/genfity/wa-gateway/waserver/lenient"
)

// WebhookSession implements waserver.Translator.
func (Translator) WebhookSession(h *waserver.Webhook) []string {
	var e struct {
		Instance text `json:"instance"`
	}
	if !lenient.Decode(h.Payload, &e) || e.Instance == "" {
		return nil
	}
	return []string{string(e.Instance)}
}

// VerifyWebhook implements waserver.Translator. The server signs nothing. What it can
// be told is to send a header with an instance's webhooks; the webhook of a whole
// server has no headers, so that its secret stands in the URL. Either proves who posts,
// and neither that the body is what was posted.
func (Translator) VerifyWebhook(h *waserver.Webhook, secret string) error {
	sent := h.Header.Values("Authorization")
	if len(sent) == 0 && h.PathToken == "" {
		return waserver.ErrNoSignature
	}
	if secret == "" {
		return waserver.ErrBadSignature
	}
	good := subtle.ConstantTimeCompare([]byte(h.PathToken), []byte(secret))
	for _, value := range sent[:min(len(sent), 4)] {
		good |= subtle.ConstantTimeCompare([]byte(value), []byte("Bearer "+secret))
	}
	if good != 1 {
		return waserver.ErrBadSignature
	}
	return nil
}

// CleanWebhook implements waserver.Translator. Beside the instance's or the server's own
// key, which stands at the top where the server is so configured, it leaves out keys of
// the account that the server passes on in events about the account's other devices.
func (Translator) CleanWebhook(payload []byte) []byte {
	var top map[string]json.RawMessage
	if json.Unmarshal(payload, &top) != nil {
		return masked(payload)
	}
	changed := drop(top, "apikey")
	var data map[string]json.RawMessage
	if json.Unmarshal(top["data"], &data) == nil && drop(data, "appstatesynckeyshare") {
		top["data"], changed = lenient.Encode(data), true
	}
	if !changed {
		return masked(payload)
	}
	return masked(lenient.Encode(top))
}

// drop removes a member, however its name is written.
func drop(members map[string]json.RawMessage, name string) (dropped bool) {
	for member := range members {
		if strings.EqualFold(strings.NewReplacer("_", "", "-", "").Replace(member), name) {
			delete(members, member)
			dropped = true
		}
	}
	return dropped
}

// masked hides what else is a credential by its name. Of what is nested too deeply to
// be looked through only the event's name and the instance stay.
func masked(payload []byte) []byte {
	if clean, ok := waserver.Mask(payload, nil); ok {
		return clean
	}
	var e struct {
		Event    text `json:"event"`
		Instance text `json:"instance"`
	}
	lenient.Decode(payload, &e)
	clean, err := json.Marshal(e)
	if err != nil {
		return []byte("null") // likewise
	}
	return clean
}
