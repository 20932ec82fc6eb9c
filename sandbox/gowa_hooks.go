package sandbox

import (
	"cmp"
	"net/http"
	"time"
)

// gowaSecret signs where a device has no secret of its own: everybody knows it.
const gowaSecret = "secret" //nolint:gosec // that it is known is the danger

// tell makes a webhook of a device; always signed.
func (s *gowa) tell(x *line, event string, payload map[string]any, at string) []*posting {
	hook := device(x).hook
	if hook == nil || hook.URL == "" || !hook.hears(event) {
		return nil
	}
	all := map[string]any{"event": event, "device_id": x.jid(), "session_id": x.id, "payload": payload}
	if at != "" {
		all["timestamp"] = at
	}
	body := encoded(all)
	return s.hook(&posting{url: hook.URL, kind: jsonType, body: body, header: http.Header{
		"X-Hub-Signature-256": {"sha256=" + hexMAC(cmp.Or(hook.Secret, gowaSecret), body)},
	}})
}

// news: of connections and codes the server tells nobody. A gateway has to ask.
func (s *gowa) news(x *line, what change) []*posting {
	if d := device(x); what == changePaired || what == changeExpired {
		delete(s.stored, d.codeFile)
	}
	return nil
}

// echo: what was sent by a call is not told.
func (s *gowa) echo(*line, *record) []*posting { return nil }

func (s *gowa) receipt(x *line, r *record, st step, at time.Time) []*posting {
	description := "means the message was delivered to the device (but the user might not have noticed)."
	switch st.status {
	case statusDelivered:
	case statusRead:
		description = "the user opened the chat and saw the message."
	default:
		return nil
	}
	return s.tell(x, "message.ack", map[string]any{
		"ids": []string{r.id}, "chat_id": r.chat, "from": r.chat, "sender_display_name": x.title(r.chat),
		"receipt_type": st.status, "receipt_type_description": description,
	}, at.Format(time.RFC3339))
}

func (s *gowa) incoming(x *line, r *record) []*posting {
	from := r.sender
	if r.mine() {
		from = x.jid()
	}
	payload := map[string]any{
		"id": r.id, "chat_id": r.chat, "from": from, "timestamp": r.at.Format(time.RFC3339), "is_from_me": r.mine(),
		"sender_display_name": cmp.Or(r.name, x.title(r.chat)),
	}
	if r.name != "" {
		payload["from_name"] = r.name
	}
	if r.reply != "" {
		payload["replied_to_id"] = r.reply
		if quoted := x.find(r.reply); quoted != nil {
			payload["quoted_body"] = quoted.text
		}
	}
	if r.text != "" {
		payload["body"] = r.text
	}
	if f := r.file; f != nil {
		link := "statics/media/" + f.path
		if payload[r.kind] = link; r.text != "" {
			payload[r.kind] = map[string]any{"path": link, "caption": r.text}
		}
		s.stored[f.path] = storedFile{f.Type, f.data, "/statics/media", time.Time{}}
	}
	return s.tell(x, "message", payload, "")
}
