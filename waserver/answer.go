package waserver

import (
	"encoding/json"
	"strings"
)

// object is a JSON object whose members are looked at one by one.
type object map[string]json.RawMessage

func parseObject(raw []byte) object {
	var o object
	if json.Unmarshal(raw, &o) != nil {
		return nil
	}
	return o
}

// text returns a member's value when it is a non-empty string or a number.
func (o object) text(name string) string {
	raw, ok := o[name]
	if !ok {
		return ""
	}
	var s string
	if json.Unmarshal(raw, &s) == nil {
		return s
	}
	var n json.Number
	if json.Unmarshal(raw, &n) == nil {
		return n.String()
	}
	return ""
}

// envelopes are the members in which servers wrap what they answer, in the
// order of contract §5.
var envelopes = []string{"data", "result"}

// messageID applies the rule of contract §5: the first of message_id,
// messageId, id, key.id at the top, else inside data, else inside result.
func messageID(body []byte) string {
	top := parseObject(body)
	if id := top.messageID(); id != "" {
		return id
	}
	for _, name := range envelopes {
		if id := parseObject(top[name]).messageID(); id != "" {
			return id
		}
	}
	return ""
}

func (o object) messageID() string {
	for _, name := range []string{"message_id", "messageId", "id"} {
		if id := o.text(name); id != "" {
			return id
		}
	}
	return parseObject(o["key"]).text("id")
}

// messageList reads the list of results with which a broadcast is answered:
// an array of objects under results or messages, at the top or in an envelope.
func messageList(body []byte) []Message {
	top := parseObject(body)
	for _, o := range []object{top, parseObject(top["data"]), parseObject(top["result"])} {
		for _, name := range []string{"results", "messages"} {
			var elements []object
			if json.Unmarshal(o[name], &elements) != nil || len(elements) == 0 {
				continue
			}
			messages := make([]Message, 0, len(elements))
			for _, element := range elements {
				messages = append(messages, Message{ID: element.messageID(), Failed: element.failed()})
			}
			return messages
		}
	}
	return nil
}

// failed tells whether one result of a broadcast says that it was not sent.
func (o object) failed() bool {
	if strings.EqualFold(o.text("status"), "failed") {
		return true
	}
	var success bool
	return json.Unmarshal(o["success"], &success) == nil && !success && o["success"] != nil
}

// sessionNames are the members under which servers name a session's id.
var sessionNames = []string{"session_id", "sessionId", "id", "name", "session"}

func (o object) sessionID() string {
	for _, name := range sessionNames {
		if id := o.text(name); id != "" {
			return id
		}
	}
	return ""
}

// sessionID finds the session that an answer names: at the top, else inside
// data, result or session. An envelope goes before the top's own "session" or
// "name", which may hold other things, so the top is asked for the exact
// spellings of an id first.
func sessionID(body []byte) string {
	top := parseObject(body)
	for _, name := range []string{"session_id", "sessionId"} {
		if id := top.text(name); id != "" {
			return id
		}
	}
	for _, name := range append(envelopes, "session") {
		if id := parseObject(top[name]).sessionID(); id != "" {
			return id
		}
	}
	return top.sessionID()
}
