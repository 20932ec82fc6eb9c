package gowa

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/genfity/wa-gateway/message"
	"github.com/genfity/wa-gateway/waserver"
)

// signatureHeader carries "sha256=" and the hexadecimal HMAC-SHA256 of the body.
const signatureHeader = "X-Hub-Signature-256"

// WebhookSession implements waserver.Translator. device_id is the account's JID, which
// is there too where the server does not know which of its devices the account is.
func (Translator) WebhookSession(h *waserver.Webhook) []string {
	var says struct {
		Session any `json:"session_id"`
		Device  any `json:"device_id"`
	}
	_ = json.Unmarshal(h.Payload, &says) // what is no object says nothing
	var names []string
	if session, _ := says.Session.(string); session != "" {
		names = append(names, session)
	}
	if device, _ := says.Device.(string); device != "" {
		names = append(names, message.CanonicalJID(device))
	}
	return names
}

// VerifyWebhook implements waserver.Translator.
func (Translator) VerifyWebhook(h *waserver.Webhook, secret string) error {
	signature := h.Header.Get(signatureHeader)
	if signature == "" {
		return waserver.ErrNoSignature
	}
	encoded, _ := strings.CutPrefix(signature, "sha256=")
	given, err := hex.DecodeString(encoded)
	if err != nil || secret == "" {
		return waserver.ErrBadSignature
	}
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(h.Raw)
	if !hmac.Equal(mac.Sum(nil), given) {
		return waserver.ErrBadSignature
	}
	return nil
}

// CleanWebhook implements waserver.Translator. There are no credentials in what the
// server sends.
func (Translator) CleanWebhook(payload []byte) []byte { return payload }

// event is a webhook.
type event struct {
	Event     string          `json:"event"`
	DeviceID  string          `json:"device_id"`
	Timestamp string          `json:"timestamp"` // of receipts; messages have their own
	Payload   json.RawMessage `json:"payload"`
}

// Updates implements waserver.Translator. Reactions have no place among messages, and a
// message that was deleted is so for the account alone.
func (Translator) Updates(payload []byte, received time.Time) ([]waserver.Update, error) {
	var e event
	if err := json.Unmarshal(payload, &e); err != nil {
		return nil, fmt.Errorf("gowa: reading a webhook: %w", err)
	}
	var one *waserver.Update
	var err error
	switch e.Event {
	case "message":
		one, err = readMessage(e.Payload, received)
	case "message.edited":
		one, err = readEdit(e.Payload, received)
	case "message.revoked":
		one, err = readRevoke(e.Payload, received)
	case "message.ack":
		one, err = e.receipt(received)
	}
	if err != nil || one == nil {
		return nil, err
	}
	return []waserver.Update{*one}, nil
}

// receipt reads a receipt. One of ourselves, for what we read elsewhere, says nothing of
// the recipient.
func (e *event) receipt(received time.Time) (*waserver.Update, error) {
	var r struct {
		IDs    []string `json:"ids"`
		ChatID string   `json:"chat_id"`
		From   string   `json:"from"`
		Type   string   `json:"receipt_type"`
	}
	if err := json.Unmarshal(e.Payload, &r); err != nil {
		return nil, fmt.Errorf("gowa: reading a receipt: %w", err)
	}
	from, isPerson := message.ParseJID(r.From)
	own, _ := message.ParseJID(e.DeviceID)
	var ids []string
	for _, id := range r.IDs {
		if id != "" {
			ids = append(ids, id)
		}
	}
	if r.Type != "delivered" && r.Type != "read" || len(ids) == 0 || isPerson && from == own {
		return nil, nil
	}
	chat := message.CanonicalJID(r.ChatID)
	// Of the two the server looks up only the sender's number behind a hidden one, and
	// the chat of a person is that person.
	if c, ok := message.ParseJID(chat); ok && c.Server == message.HiddenServer && isPerson && from.IsPerson() {
		chat = from.JID()
	}
	return &waserver.Update{At: at(e.Timestamp, received), Receipt: &waserver.Receipt{IDs: ids, ChatJID: chat, Status: r.Type}}, nil
}

// at is when it was, else received.
func at(text string, received time.Time) time.Time {
	if t := readTime(text); !t.IsZero() {
		return t
	}
	return received
}
