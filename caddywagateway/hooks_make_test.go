package caddywagateway

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/genfity/wa-gateway/waserver"
)

// hookCases are the servers, and forms, of the webhooks' tests.
var hookCases = []dialectCase{
	{name: "wuzapi", dialect: "wuzapi", token: "wuzapi-server-key"},
	{name: "wuzapi-json", dialect: "wuzapi", json: true, token: "wuzapi-server-key"},
	{name: "wuzapi-old", dialect: "wuzapi", generation: "old", token: "wuzapi-server-key"},
	{name: "gowa", dialect: "gowa", token: "gowa:gowa-server-key"},
	{name: "waha", dialect: "waha", token: "waha-server-key"},
	{name: "evolution", dialect: "evolution", token: "evolution-server-key"},
}

// aHook is a webhook as a server posts it.
type aHook struct {
	path   string // below /events/webhook/main
	header []string
	body   string
}

// receipt tells of a message of a session's, in the words of the rig's server.
func (r *trapRig) receipt(link *waserver.Link, id, status string) map[string]any {
	const chat = "6281234567890@s.whatsapp.net"
	at := time.Now().UTC()
	switch r.dialect {
	case "wuzapi":
		state, kind := "Delivered", ""
		if status == "read" {
			state, kind = "Read", "read"
		}
		return map[string]any{"type": "ReadReceipt", "state": state, "event": map[string]any{
			"Chat": chat, "Sender": chat, "IsFromMe": false, "IsGroup": false, "MessageIDs": []string{id}, "Timestamp": at.Format(time.RFC3339), "Type": kind,
		}}
	case "gowa":
		return map[string]any{
			"event": "message.ack", "device_id": "628999@s.whatsapp.net", "session_id": link.RemoteID, "timestamp": at.Format(time.RFC3339),
			"payload": map[string]any{"ids": []string{id}, "chat_id": chat, "from": chat, "receipt_type": status},
		}
	case "waha":
		ack := map[string]int{"sent": 1, "delivered": 2, "read": 3}[status]
		name := map[string]string{"sent": "SERVER", "delivered": "DEVICE", "read": "READ"}[status]
		return map[string]any{
			"id": "evt_" + id + status, "timestamp": at.UnixMilli(), "event": "message.ack", "session": link.RemoteID, "metadata": map[string]any{},
			"payload": map[string]any{"id": "true_6281234567890@c.us_" + id, "from": "6281234567890@c.us", "fromMe": true, "ack": ack, "ackName": name},
		}
	}
	word := map[string]string{"sent": "SERVER_ACK", "delivered": "DELIVERY_ACK", "read": "READ"}[status]
	return map[string]any{"event": "messages.update", "instance": link.RemoteID, "date_time": at.Format(time.RFC3339), "data": map[string]any{
		"keyId": id, "messageId": "row-" + id, "remoteJid": chat, "fromMe": true, "status": word,
	}}
}

// other is an event that nobody knows.
func (r *trapRig) other(link *waserver.Link, id string) map[string]any {
	e := r.receipt(link, id, "read")
	for _, name := range []string{"event", "type"} {
		if _, ok := e[name].(string); ok {
			e[name] = "something.new"
		}
	}
	return e
}

// post writes an event of a session as the server does, with the proof that it makes with a
// secret; empty: none.
func (r *trapRig) post(link *waserver.Link, event map[string]any, secret string) aHook {
	h := aHook{header: []string{"Content-Type", "application/json"}}
	if r.dialect == "wuzapi" {
		return r.postWuzapi(link, event, secret)
	}
	raw, _ := json.Marshal(event)
	h.body = string(raw)
	h.header = append(h.header, r.proof(secret, h.body)...)
	return h
}

// proof are the headers of a body's.
func (r *trapRig) proof(secret, body string) []string {
	if secret == "" {
		return nil
	}
	mac := hmac.New(sha256.New, []byte(secret))
	if r.dialect == "waha" {
		mac = hmac.New(sha512.New, []byte(secret))
	}
	mac.Write([]byte(body))
	sum := hex.EncodeToString(mac.Sum(nil))
	switch r.dialect {
	case "gowa":
		return []string{"X-Hub-Signature-256", "sha256=" + sum}
	case "waha":
		return []string{"X-Webhook-Hmac", sum, "X-Webhook-Hmac-Algorithm", "sha512"}
	case "evolution":
		return []string{"Authorization", "Bearer " + secret}
	}
	return []string{"X-Hmac-Signature", sum}
}

func (r *trapRig) postWuzapi(link *waserver.Link, event map[string]any, secret string) aHook {
	if r.json {
		named := map[string]any{"userID": link.RemoteID, "instanceName": link.SessionID}
		for name, value := range event {
			named[name] = value
		}
		raw, _ := json.Marshal(named)
		return aHook{header: append([]string{"Content-Type", "application/json"}, r.proof(secret, string(raw))...), body: string(raw)}
	}
	raw, _ := json.Marshal(event)
	form := url.Values{"jsonData": {string(raw)}}
	h := aHook{header: []string{"Content-Type", "application/x-www-form-urlencoded"}}
	if r.generation == "old" {
		// The session is in the URL that the server was given, and the secret too.
		form.Set("token", link.Credential)
		h.path = "?session=" + link.RemoteID
		if secret != "" {
			h.path = "/" + secret + h.path
		}
		h.body = form.Encode()
		return h
	}
	form.Set("userID", link.RemoteID)
	form.Set("instanceName", link.SessionID)
	h.body = form.Encode()
	h.header = append(h.header, r.proof(secret, h.body)...)
	return h
}

// deliver posts a webhook to a WA server's URL.
func (r *trapRig) deliver(t *testing.T, h aHook, more ...string) response {
	t.Helper()
	res := r.call("POST", "/events/webhook/main"+h.path, h.body, append(append([]string(nil), h.header...), more...))
	r.wantNoSecret(t, "the answer to a webhook", fmt.Sprint(res.header)+res.text)
	return res
}

// stranger is what makes a caller somebody whom nobody knows: behind a proxy that is not
// trusted.
var stranger = []string{"X-Forwarded-For", "203.0.113.7"}

// tamper changes a body and keeps its proof.
func (h aHook) tamper(from, to string) aHook {
	h.body = strings.ReplaceAll(h.body, from, to)
	return h
}
