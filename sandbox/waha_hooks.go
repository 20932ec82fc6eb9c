package sandbox

import (
	"crypto/hmac"
	"crypto/sha512"
	"encoding/hex"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// maxStates is how many states of a session its events list.
const maxStates = 3

func cutJID(jid string) (user, server string, ok bool) { return strings.Cut(jid, "@") }

// tell makes the webhooks of an event, one for each that asks for it.
func (s *waha) tell(x *line, event string, payload any) []*posting {
	config := wahaOf(x).config
	if config == nil {
		return nil
	}
	metadata := config.Metadata
	if metadata == nil {
		metadata = map[string]string{}
	}
	var all []*posting
	for _, hook := range config.Webhooks {
		if !slices.Contains(hook.Events, event) && !slices.Contains(hook.Events, "*") {
			continue
		}
		body := encoded(map[string]any{
			"id": "evt_" + randomHex(13), "timestamp": s.now().UnixMilli(), "event": event, "session": x.id, "metadata": metadata,
			"me": s.own(x), "payload": payload, "engine": s.engine, "environment": s.environment(),
		})
		header := http.Header{}
		header.Set("User-Agent", "WAHA/"+wahaVersion)
		header.Set("X-Webhook-Request-Id", randomHex(13))
		header.Set("X-Webhook-Timestamp", strconv.FormatInt(s.now().UnixMilli(), 10))
		for _, h := range hook.Headers {
			if headerName(h.Name) && !strings.ContainsAny(h.Value, "\r\n\x00") {
				header.Set(h.Name, h.Value)
			}
		}
		if hook.HMAC != nil && hook.HMAC.Key != "" {
			mac := hmac.New(sha512.New, []byte(hook.HMAC.Key))
			mac.Write(body)
			header.Set("X-Webhook-Hmac", hex.EncodeToString(mac.Sum(nil)))
			header.Set("X-Webhook-Hmac-Algorithm", "sha512")
		}
		all = append(all, s.hook(&posting{url: hook.URL, kind: jsonType, header: header, body: body})...)
	}
	return all
}

// headerName tells whether a text can be a header's name.
func headerName(name string) bool {
	return name != "" && len(name) <= maxEventName && strings.Trim(strings.ToLower(name), "abcdefghijklmnopqrstuvwxyz0123456789-_") == ""
}

func (s *waha) news(x *line, what change) []*posting {
	var state string
	switch what {
	case changeStarting:
		state = "STARTING"
	case changeCode:
		state = "SCAN_QR_CODE"
	case changePaired, changeOpen:
		state = "WORKING"
	case changeExpired, changeDropped:
		state = "FAILED"
	default:
		state = "STOPPED"
	}
	own := wahaOf(x)
	own.states = append(own.states, map[string]any{"status": state, "timestamp": s.now().UnixMilli()})
	if len(own.states) > maxStates {
		own.states = own.states[len(own.states)-maxStates:]
	}
	return s.tell(x, "session.status", map[string]any{"name": x.id, "status": state, "statuses": slices.Clone(own.states)})
}

// ack is how far a message is, as a number and a word.
func ack(status string) (int, string) {
	switch status {
	case statusSent:
		return 1, "SERVER"
	case statusDelivered:
		return 2, "DEVICE"
	case statusRead:
		return 3, "READ"
	default:
		return -1, "ERROR"
	}
}

// message is a message as webhooks and lists show it.
func (s *waha) message(x *line, r *record) map[string]any {
	number, name := ack(statusDelivered)
	if r.mine() {
		number, name = ack(r.status(s.now()))
	}
	source := "app"
	if r.mine() && !r.typed {
		source = "api"
	}
	m := map[string]any{
		"id": longID(r), "timestamp": r.at.Unix(), "from": wahaChat(r.chat), "to": wahaChat(r.chat), "participant": nil, "fromMe": r.mine(),
		"source": source, "body": r.text, "hasMedia": r.file != nil, "media": nil, "ack": number, "ackName": name, "replyTo": nil,
		"vCards": []any{}, "_data": map[string]any{"Info": map[string]any{"ID": r.id, "PushName": r.name}},
	}
	switch {
	case !r.mine():
		m["to"] = x.number() + "@c.us"
		if r.sender != r.chat {
			m["participant"] = wahaChat(r.sender)
		}
	case s.engine == "WEBJS":
		m["from"] = x.number() + "@c.us"
	}
	if r.reply != "" {
		m["replyTo"] = map[string]any{"id": r.reply}
	}
	if f := r.file; f != nil && f.path != "" {
		m["media"] = map[string]any{
			"url": s.base + "/api/files/" + x.id + "/" + f.path, "mimetype": f.Type, "filename": f.Name, "s3": nil, "error": nil,
		}
	}
	return m
}

func (s *waha) echo(x *line, r *record) []*posting {
	return s.tell(x, "message.any", s.message(x, r))
}

// receipt tells of an ack, without a time of its own. In a group every participant has his own, and
// his id stands in the message's.
func (s *waha) receipt(x *line, r *record, st step, _ time.Time) []*posting {
	config := wahaOf(x).config
	if s.engine == "WEBJS" && (config == nil || config.Webjs == nil || !config.Webjs.TagsEventsOn) {
		return nil
	}
	number, name := ack(st.status)
	chat := wahaChat(r.chat)
	payload := map[string]any{
		"id": longID(r), "from": chat, "to": x.number() + "@c.us", "participant": nil, "fromMe": true, "ack": number, "ackName": name,
	}
	if strings.HasSuffix(chat, "@g.us") && number > 1 {
		participant := x.book.contact(1) + "@c.us"
		payload["participant"] = participant
		payload["id"] = longID(r) + "_" + participant
		return s.tell(x, "message.ack.group", payload)
	}
	return s.tell(x, "message.ack", payload)
}

func (s *waha) incoming(x *line, r *record) []*posting {
	m := s.message(x, r)
	if r.mine() {
		return s.tell(x, "message.any", m)
	}
	return append(s.tell(x, "message", m), s.tell(x, "message.any", m)...)
}
