package wuzapi

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"io"
	"mime"
	"mime/multipart"
	"net/url"
	"strings"

	"github.com/genfity/wa-gateway/waserver"
)

// signatureHeader carries the lower-case hexadecimal HMAC-SHA256 of a webhook.
const signatureHeader = "X-Hmac-Signature"

// sessionParameter is where the URL of a server that does not say whose its webhooks
// are has the session.
const sessionParameter = "session"

// WebhookSession implements waserver.Translator.
func (Translator) WebhookSession(h *waserver.Webhook) []string {
	var says struct{ UserID, InstanceName any }
	_ = json.Unmarshal(h.Payload, &says) // what is no object says nothing
	var names []string
	for _, name := range []any{says.UserID, says.InstanceName, h.Query.Get(sessionParameter)} {
		if text, _ := name.(string); text != "" {
			names = append(names, text)
		}
	}
	return names
}

// VerifyWebhook implements waserver.Translator. A server that cannot sign has the secret
// in the URL that it was given.
func (Translator) VerifyWebhook(h *waserver.Webhook, secret string) error {
	signature := h.Header.Get(signatureHeader)
	switch {
	case signature == "" && h.PathToken == "":
		return waserver.ErrNoSignature
	case secret == "":
		return waserver.ErrBadSignature
	case h.PathToken != "" && subtle.ConstantTimeCompare([]byte(h.PathToken), []byte(secret)) == 1:
		return nil
	}
	given, err := hex.DecodeString(signature)
	if err != nil || len(given) != sha256.Size {
		return waserver.ErrBadSignature
	}
	for _, signed := range signedForms(h) {
		mac := hmac.New(sha256.New, []byte(secret))
		mac.Write(signed)
		if hmac.Equal(mac.Sum(nil), given) {
			return nil
		}
	}
	return waserver.ErrBadSignature
}

// signedForms are what the signature of a webhook may be over: the body, which for a
// form is its fields sorted by name, so the same is tried of a form that came in another
// order; of multipart, a JSON object of the fields that are no files.
func signedForms(h *waserver.Webhook) [][]byte {
	forms := [][]byte{h.Raw}
	mediaType, params, err := mime.ParseMediaType(h.Header.Get("Content-Type"))
	if err != nil {
		return forms
	}
	switch mediaType {
	case "application/x-www-form-urlencoded":
		if values, err := url.ParseQuery(string(h.Raw)); err == nil {
			forms = append(forms, []byte(values.Encode()))
		}
	case "multipart/form-data":
		if signed, ok := signedFields(h.Raw, params["boundary"]); ok {
			forms = append(forms, signed)
		}
	}
	return forms
}

func signedFields(raw []byte, boundary string) ([]byte, bool) {
	const most = 16 // there are four
	fields := map[string]string{}
	parts := multipart.NewReader(bytes.NewReader(raw), boundary)
	for {
		part, err := parts.NextPart()
		if err == io.EOF {
			break
		}
		if err != nil || len(fields) > most {
			return nil, false
		}
		if part.FileName() != "" {
			continue
		}
		content, err := io.ReadAll(part)
		if err != nil {
			return nil, false
		}
		fields[part.FormName()] = string(content)
	}
	signed, err := json.Marshal(fields)
	return signed, err == nil
}

// formEvent is the field of a form that holds the event as JSON.
const formEvent = "jsonData"

// CleanWebhook implements waserver.Translator. The first generation sends the session's
// token with every webhook.
func (Translator) CleanWebhook(payload []byte) []byte {
	clean, _ := withoutToken(payload, true)
	return clean
}

// withoutToken drops the members named token of an object, and of the event in it. It
// returns the payload itself, and false, when there are none.
func withoutToken(payload []byte, form bool) ([]byte, bool) {
	var object map[string]json.RawMessage
	if json.Unmarshal(payload, &object) != nil || object == nil {
		return payload, false
	}
	changed := false
	for name, value := range object {
		switch {
		case strings.EqualFold(name, "token"):
			delete(object, name)
			changed = true
		case form && strings.EqualFold(name, formEvent):
			if clean, is := cleanEvent(value); is {
				object[name] = clean
				changed = true
			}
		}
	}
	if !changed {
		return payload, false
	}
	return encode(object)
}

// cleanEvent cleans the event of a form, which is text that holds JSON; of a form that
// has several, all of them.
func cleanEvent(value json.RawMessage) (json.RawMessage, bool) {
	var several []json.RawMessage
	if json.Unmarshal(value, &several) == nil {
		changed := false
		for i := range several {
			if len(several[i]) > 0 && several[i][0] != '[' {
				clean, is := cleanEvent(several[i])
				several[i], changed = clean, changed || is
			}
		}
		if !changed {
			return value, false
		}
		return encode(several)
	}
	var text string
	if json.Unmarshal(value, &text) != nil {
		return withoutToken(value, false)
	}
	clean, changed := withoutToken([]byte(text), false)
	if !changed {
		return value, false
	}
	return encode(string(clean))
}

// encode writes JSON with <, > and & as they are.
func encode(v any) ([]byte, bool) {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		// Rather nothing than a token.
		return []byte("null"), true
	}
	return bytes.TrimSpace(out.Bytes()), true
}
