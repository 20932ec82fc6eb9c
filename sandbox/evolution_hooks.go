package sandbox

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// eventName is how subscriptions write an event.
func eventName(event string) string {
	return strings.ToUpper(strings.NewReplacer(".", "_", "-", "_").Replace(event))
}

func (h *evolutionHook) hears(name string) bool {
	return h != nil && h.Enabled && slices.Contains(h.Events, name)
}

// tell makes a webhook. Nothing is signed: the instance's own headers go with it, and its token
// stands in the body.
func (s *evolution) tell(x *line, event string, data any) []*posting {
	i := instanceOf(x)
	name := eventName(event)
	if !i.hook.hears(name) {
		return nil
	}
	sender := any(nil)
	if x.paired {
		sender = x.jid()
	}
	target := i.hook.URL
	if i.hook.ByEvents {
		target += "/" + strings.ToLower(strings.ReplaceAll(name, "_", "-"))
	}
	body := encoded(map[string]any{
		"event": event, "instance": x.id, "data": data, "destination": i.hook.URL, "date_time": stamp(s.now()), "sender": sender,
		"server_url": s.base, "apikey": i.token,
	})
	header := http.Header{}
	for key, v := range i.hook.Headers {
		value, _ := v.(string)
		if key == "jwt_key" {
			key, value = "Authorization", "Bearer "+s.jwt(value)
		}
		if headerName(key) && !strings.ContainsAny(value, "\r\n\x00") {
			header.Set(key, value)
		}
	}
	return s.hook(&posting{url: target, kind: jsonType, header: header, body: body, final: func(status int) bool {
		return slices.Contains([]int{400, 401, 403, 404, 422}, status)
	}})
}

// jwt is a token of ten minutes that does not cover the body.
func (s *evolution) jwt(key string) string {
	part := func(v any) string { return base64.RawURLEncoding.EncodeToString(encoded(v)) }
	now := s.now().Unix()
	text := part(map[string]any{"alg": "HS256", "typ": "JWT"}) + "." +
		part(map[string]any{"iat": now, "exp": now + 600, "app": "evolution", "action": "webhook"})
	mac := hmac.New(sha256.New, []byte(key))
	_, _ = fmt.Fprint(mac, text)
	return text + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

func (s *evolution) update(x *line, state string, reason int) []*posting {
	data := map[string]any{"instance": x.id, "state": state, "statusReason": reason}
	if x.paired {
		data["wuid"], data["profileName"], data["profilePictureUrl"] = x.jid(), "Sandbox", nil
	}
	return s.tell(x, "connection.update", data)
}

func (s *evolution) news(x *line, what change) []*posting {
	switch what {
	case changeStarting:
		return s.update(x, "connecting", 200)
	case changeCode:
		if !instanceOf(x).hook.hears("QRCODE_UPDATED") {
			return nil // no code is drawn for nobody
		}
		code := s.showCode(x)
		code["instance"] = x.id
		delete(code, "count")
		return s.tell(x, "qrcode.updated", map[string]any{"qrcode": code})
	case changeExpired:
		return append(s.tell(x, "qrcode.updated", map[string]any{"message": "QR code limit reached, please login again", "statusCode": 500}),
			s.update(x, "refused", 428)...)
	case changePaired, changeOpen:
		return s.update(x, "open", 200)
	case changeLeft:
		return slices.Concat(s.tell(x, "logout.instance", nil), s.tell(x, "status.instance", map[string]any{
			"instance": x.id, "status": "closed", "disconnectionReasonCode": 401, "disconnectionObject": nil,
		}), s.update(x, "close", 401))
	default:
		return s.update(x, "close", 428)
	}
}

// message is a message as answers, webhooks and the database have it.
func (s *evolution) message(x *line, r *record, status string) map[string]any {
	key := map[string]any{"remoteJid": r.chat, "fromMe": r.mine(), "id": r.id}
	if !r.mine() && r.sender != r.chat {
		key["participant"] = r.sender
	}
	kind, body := "conversation", map[string]any{"conversation": r.text}
	if f := r.file; f != nil {
		kind = r.kind + "Message"
		medium := map[string]any{"mimetype": f.Type, "fileLength": f.Size}
		if r.text != "" {
			medium["caption"] = r.text
		}
		if r.kind == "document" {
			medium["fileName"] = f.Name
		}
		body = map[string]any{kind: medium}
	} else if r.kind != textKind && r.kind != "" {
		kind = r.kind + "Message"
		body = map[string]any{kind: map[string]any{"name": r.text}}
	}
	m := map[string]any{
		"key": key, "pushName": r.name, "status": status, "message": body, "contextInfo": nil, "messageType": kind,
		"messageTimestamp": r.at.Unix(), "instanceId": instanceOf(x).uuid, "source": "unknown",
	}
	if r.reply != "" {
		m["contextInfo"] = map[string]any{"stanzaId": r.reply}
	}
	return m
}

func (s *evolution) echo(x *line, r *record) []*posting {
	return s.tell(x, "send.message", s.message(x, r, "PENDING"))
}

func evolutionStatus(status string) string {
	switch status {
	case statusSent:
		return "SERVER_ACK"
	case statusDelivered:
		return "DELIVERY_ACK"
	case statusRead:
		return "READ"
	default:
		return "ERROR"
	}
}

// receipt tells of a status, without a time of its own. Reads in groups are not told.
func (s *evolution) receipt(x *line, r *record, st step, _ time.Time) []*posting {
	if st.status == statusRead && strings.HasSuffix(r.chat, "@g.us") {
		return nil
	}
	return s.tell(x, "messages.update", map[string]any{
		"messageId": "c" + strings.ToLower(r.id), "keyId": r.id, "remoteJid": r.chat, "fromMe": true, "participant": r.chat,
		"status": evolutionStatus(st.status), "instanceId": instanceOf(x).uuid,
	})
}

func (s *evolution) incoming(x *line, r *record) []*posting {
	m := s.message(x, r, "DELIVERY_ACK")
	if hook := instanceOf(x).hook; r.file != nil && hook != nil && hook.Base64 {
		m["message"].(map[string]any)["base64"] = base64.StdEncoding.EncodeToString(r.file.data)
	}
	return s.tell(x, "messages.upsert", m)
}
