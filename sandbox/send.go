package sandbox

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

// maxRecipients is how many a broadcast may have.
const maxRecipients = 10_000

// send takes one message. The body is read and counted to its end before anything is decided,
// so that a caller who is uploading always gets the answer.
func (s *Sandbox) send(c *call, check check) (*reply, error) {
	b, err := readBody(c.r)
	if err != nil {
		return nil, err
	}
	id, err := named(c, b)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	x, err := s.connected(c, id)
	if err != nil {
		return nil, err
	}
	to, err := one(b)
	if err != nil {
		return nil, err
	}
	content, err := check(b)
	if err != nil {
		return nil, err
	}
	data := s.accept(c, x, to, content)
	data["type"] = content.kind
	data["session_id"] = x.key.session
	if content.media != nil {
		data["media"] = content.media
	}
	return answered(data)
}

func one(b *body) (string, error) {
	v := b.fields["to"]
	if v == nil || v == "" {
		return "", missing("to", "the recipient's number or chat id")
	}
	return recipient("to", v)
}

// accept keeps a message, sets its events going, and returns what the answer says of it.
// Sandbox.mu is held.
func (s *Sandbox) accept(c *call, x *session, to string, content content) map[string]any {
	m := message{id: newMessageID(), to: to, kind: content.kind, text: content.text, at: c.now}
	s.state.remember(x, m)
	// An event names its user (contract §8), so without one there is nothing to tell.
	off := strings.EqualFold(strings.TrimSpace(c.r.Header.Get(callbacksHeader)), "off")
	if s.callbacks != nil && !off && x.key.user != "" {
		s.callbacks.add(x.key, m, s.course(to))
	}
	return map[string]any{"message_id": m.id, "status": statusSent, "timestamp": stamp(m.at), "to": to}
}

// newMessageID makes one in the form that WhatsApp's own clients use.
func newMessageID() string {
	var b [9]byte
	_, _ = rand.Read(b[:]) // never fails
	return "3EB0" + strings.ToUpper(hex.EncodeToString(b[:]))
}

// broadcast takes one message for many. All recipients are looked at first: a wrong one
// refuses the whole, as the gateway's limiter counts all or nothing.
func (s *Sandbox) broadcast(c *call) (*reply, error) {
	b, err := readBody(c.r)
	if err != nil {
		return nil, err
	}
	id, err := named(c, b)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	x, err := s.connected(c, id)
	if err != nil {
		return nil, err
	}
	recipients, err := many(b)
	if err != nil {
		return nil, err
	}
	content, err := broadcastContent(b)
	if err != nil {
		return nil, err
	}
	results := make([]map[string]any, len(recipients))
	for i, to := range recipients {
		results[i] = s.accept(c, x, to, content)
	}
	data := map[string]any{
		// The first message's: see the package's documentation for what the gateway counts.
		"message_id":   results[0]["message_id"],
		"broadcast_id": "broadcast_" + newMessageID(),
		"status":       statusSent,
		"timestamp":    stamp(c.now),
		"type":         content.kind,
		"session_id":   x.key.session,
		"total":        len(results),
		"results":      results,
	}
	if content.media != nil {
		data["media"] = content.media
	}
	return answered(data)
}

// broadcastContent is a medium where there is one, else a text.
func broadcastContent(b *body) (content, error) {
	c, err := checkMedia("media")(b)
	if e, is := errors.AsType[*refusal](err); is && e.code == "missing_field" {
		return checkText(b)
	}
	return c, err
}

// many reads the recipients from the one list that is there.
func many(b *body) ([]string, error) {
	var list []any
	var from string
	for _, name := range []string{"recipients", "to", "numbers", "phones", "contacts"} {
		v := b.fields[name]
		if v == nil {
			continue
		}
		if from != "" {
			return nil, invalid("Name the recipients in one list: there are %s and %s", from, name)
		}
		from = name
		if text, isText := v.(string); isText && !strings.HasPrefix(text, "[") {
			for item := range strings.SplitSeq(text, ",") {
				list = append(list, item)
			}
		} else if list = b.list(name); list == nil {
			return nil, invalid("%s must be a list of numbers or a text with commas", name)
		}
	}
	if len(list) == 0 {
		return nil, missing("recipients", "a list of numbers")
	}
	if len(list) > maxRecipients {
		return nil, invalid("recipients must be at most %d", maxRecipients)
	}
	all := make([]string, len(list))
	for i, v := range list {
		if fields, isObject := v.(map[string]any); isObject {
			v = nil
			for _, name := range []string{"to", "phone", "number", "jid", "id"} {
				if v = fields[name]; v != nil {
					break
				}
			}
		}
		to, err := recipient(fmt.Sprintf("%s[%d]", from, i), v)
		if err != nil {
			return nil, err
		}
		all[i] = to
	}
	return all, nil
}
