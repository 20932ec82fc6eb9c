package sandbox

import (
	"encoding/json"
	"errors"
	"strconv"
	"strings"
)

// wahaFault is what is wrong with a body: a TypeError of a call that does not look at it first,
// or the words of one that does.
type wahaFault struct {
	broken  string
	refused []string
}

func typeError(text string) *wahaFault { return &wahaFault{broken: text} }

func refusedField(text string) *wahaFault { return &wahaFault{refused: []string{text}} }

// wahaSends read what each kind of message needs.
var wahaSends = []struct {
	path string
	read func(map[string]any) (outgoing, *wahaFault)
}{
	{"sendText", func(b map[string]any) (outgoing, *wahaFault) {
		text, ok := b["text"].(string)
		if !ok || text == "" {
			return outgoing{}, typeError("Cannot read properties of undefined (reading 'text')")
		}
		return outgoing{kind: textKind, text: text}, nil
	}},
	{"sendImage", wahaFile("image")},
	{"sendVideo", wahaFile("video")},
	{"sendVoice", wahaFile("audio")},
	{"sendFile", wahaFile("document")},
	{"sendSticker", wahaFile("sticker")},
	{"sendLocation", func(b map[string]any) (outgoing, *wahaFault) {
		_, hasLatitude := b["latitude"].(json.Number)
		_, hasLongitude := b["longitude"].(json.Number)
		title, _ := b["title"].(string)
		if !hasLatitude || !hasLongitude {
			return outgoing{}, typeError("latitude and longitude must be numbers")
		}
		return outgoing{kind: "location", text: title}, suffixed(b)
	}},
	{"sendContactVcard", func(b map[string]any) (outgoing, *wahaFault) {
		list, _ := b["contacts"].([]any)
		if len(list) == 0 {
			return outgoing{}, typeError("contacts is not iterable")
		}
		name := ""
		for _, item := range list {
			contact, _ := item.(map[string]any)
			card, _ := contact["vcard"].(string)
			phone, _ := contact["phoneNumber"].(string)
			if name, _ = contact["fullName"].(string); card == "" && (name == "" || phone == "") {
				return outgoing{}, typeError("a contact needs a vcard, or fullName and phoneNumber")
			}
		}
		return outgoing{kind: "contact", text: name}, nil
	}},
	{"sendPoll", func(b map[string]any) (outgoing, *wahaFault) {
		poll, _ := b["poll"].(map[string]any)
		name, _ := poll["name"].(string)
		options, _ := poll["options"].([]any)
		if name == "" {
			return outgoing{}, typeError("Cannot read properties of undefined (reading 'name')")
		}
		seen := map[string]bool{}
		for _, item := range options {
			text, _ := item.(string)
			if text == "" || seen[text] {
				return outgoing{}, refusedField("poll.options must be unique and not empty")
			}
			seen[text] = true
		}
		if len(options) == 0 {
			return outgoing{}, refusedField("poll.options should not be empty")
		}
		return outgoing{kind: "poll", text: name}, suffixed(b)
	}},
	{"sendList", func(b map[string]any) (outgoing, *wahaFault) {
		list, _ := b["message"].(map[string]any)
		title, _ := list["title"].(string)
		button, _ := list["button"].(string)
		sections, _ := list["sections"].([]any)
		if title == "" || button == "" || len(sections) == 0 {
			return outgoing{}, refusedField("message needs title, button and sections")
		}
		for _, item := range sections {
			section, _ := item.(map[string]any)
			if rows, _ := section["rows"].([]any); len(rows) == 0 {
				return outgoing{}, refusedField("message.sections.0.rows should not be empty")
			}
		}
		if chat, _ := b["chatId"].(string); strings.HasSuffix(chat, "@g.us") {
			return outgoing{}, refusedField("lists go to direct chats only")
		}
		return outgoing{kind: "list", text: title}, nil
	}},
	{"sendButtons", func(b map[string]any) (outgoing, *wahaFault) {
		text, _ := b["body"].(string)
		buttons, _ := b["buttons"].([]any)
		if text == "" || len(buttons) == 0 || len(buttons) > 4 {
			return outgoing{}, refusedField("body and 1 to 4 buttons are needed")
		}
		for _, item := range buttons {
			button, _ := item.(map[string]any)
			switch button["type"] {
			case "reply", "url", "call", "copy":
			default:
				return outgoing{}, refusedField("buttons.0.type must be one of reply, url, call, copy")
			}
			if title, _ := button["text"].(string); title == "" {
				return outgoing{}, refusedField("buttons.0.text should not be empty")
			}
		}
		return outgoing{kind: "button", text: text}, nil
	}},
}

// suffixed is what the calls want that do not complete a bare number.
func suffixed(b map[string]any) *wahaFault {
	if chat, _ := b["chatId"].(string); !strings.Contains(chat, "@") {
		return typeError("Invalid chatId")
	}
	return nil
}

// wahaFile reads {mimetype, filename, url} or {mimetype, filename, data}, data being base64 without a prefix.
func wahaFile(kind string) func(map[string]any) (outgoing, *wahaFault) {
	return func(b map[string]any) (outgoing, *wahaFault) {
		caption, _ := b["caption"].(string)
		o := outgoing{kind: kind, text: caption}
		file, _ := b["file"].(map[string]any)
		name, _ := file["filename"].(string)
		mimetype, _ := file["mimetype"].(string)
		link, hasLink := file["url"].(string)
		data, hasData := file["data"].(string)
		switch {
		case file == nil:
			return o, typeError("Cannot read properties of undefined (reading 'url')")
		case mimetype == "":
			return o, typeError("Cannot read properties of undefined (reading 'mimetype')")
		case hasLink && isHTTP(link):
			o.file = attachURL(name, mimetype, link)
		case hasData:
			var err error
			if o.file, err = attachBase64("base64", name, mimetype, data); err != nil {
				return o, typeError("the data of the file is not base64")
			}
		default:
			return o, typeError("file needs url or data")
		}
		return o, nil
	}
}

// wahaTo reads a chat: the digits of a person, or an id with its suffix.
func wahaTo(chat string) (string, bool) {
	user, server, isJID := strings.Cut(chat, "@")
	switch {
	case user == "" || len(chat) > maxIDBytes:
		return "", false
	case !isJID:
		return user, allDigits(user)
	case server == "c.us", server == "s.whatsapp.net":
		return user, allDigits(user)
	case server == "g.us", server == "lid", server == "newsletter":
		return chat, true
	}
	return "", false
}

// wahaChat writes a chat in the server's form.
func wahaChat(jid string) string { return strings.Replace(jid, "@s.whatsapp.net", "@c.us", 1) }

// longID is a message's id as webhooks and most answers write it.
func longID(r *record) string {
	id := strconv.FormatBool(r.mine()) + "_" + wahaChat(r.chat) + "_" + r.id
	if !r.mine() && r.sender != r.chat {
		id += "_" + wahaChat(r.sender)
	}
	return id
}

func (s *waha) sendMessage(a *wahaAsk, read func(map[string]any) (outgoing, *wahaFault)) *said {
	s.mu.Lock()
	_, missing := s.until(a, a.session(), "WORKING")
	s.mu.Unlock()
	if missing != nil {
		return missing
	}
	chat, _ := a.body["chatId"].(string)
	to, ok := wahaTo(chat)
	o, fault := read(a.body)
	switch {
	case fault != nil && fault.refused != nil:
		return s.fail(400, "Bad Request", fault.refused)
	case fault != nil:
		return s.broken(a, 500, fault.broken)
	case !ok:
		return s.broken(a, 500, "Cannot read properties of undefined (reading 'chatId')")
	}
	o.to = to
	o.id, _ = a.body["id"].(string)
	o.id = cut(o.id, maxIDBytes)
	if reply, isText := a.body["reply_to"].(string); isText {
		o.reply = cut(reply, maxIDBytes)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	x := s.line(a.session())
	if x == nil {
		return s.fail(404, wahaNotFound, "Session not found")
	}
	m, err := s.send(a.r.Context(), x, o, honesty{absent: s.engine != "NOWEB"})
	if err != nil {
		return s.sendFault(a, err)
	}
	return says(201, s.sentShape(x, m))
}

func (s *waha) sendFault(a *wahaAsk, err error) *said {
	if status, is := errors.AsType[statusError](err); is {
		if status < 500 {
			return s.fail(int(status), "Error", "the engine refused it")
		}
		return s.broken(a, int(status), "server returned error 500")
	}
	if errors.Is(err, errAbsent) {
		return s.broken(a, 500, "no LID found for the chat")
	}
	return s.broken(a, 500, "the session is not connected")
}

// sentShape is the answer to a send, in the engine's own form.
func (s *waha) sentShape(x *line, m *record) map[string]any {
	chat := wahaChat(m.chat)
	switch {
	case s.engine == "NOWEB" && m.kind == "poll":
		return map[string]any{"id": longID(m)}
	case s.engine == "NOWEB":
		return map[string]any{
			"key":     map[string]any{"remoteJid": m.chat, "fromMe": true, "id": m.id},
			"message": map[string]any{"extendedTextMessage": map[string]any{"text": m.text}}, "messageTimestamp": strconv.FormatInt(m.at.Unix(), 10),
			"status": "PENDING",
		}
	case s.engine == "WEBJS":
		id := map[string]any{"fromMe": true, "remote": chat, "id": m.id, "_serialized": longID(m)}
		return map[string]any{
			"_data": map[string]any{"id": id}, "id": id, "ack": 0, "timestamp": m.at.Unix(), "body": m.text, "to": chat,
			"from": x.number() + "@c.us", "hasMedia": m.file != nil,
		}
	default:
		return map[string]any{"id": longID(m), "_data": map[string]any{
			"Info":    map[string]any{"ID": m.id, "Chat": m.chat, "IsFromMe": true, "Timestamp": m.at},
			"Message": map[string]any{"extendedTextMessage": map[string]any{"text": m.text}},
		}}
	}
}

// getSendText sends, though it is a GET.
func (s *waha) getSendText(a *wahaAsk) *said {
	q := a.r.URL.Query()
	a.body = map[string]any{"session": a.session(), "chatId": q.Get("phone"), "text": q.Get("text")}
	return s.sendMessage(a, wahaSends[0].read)
}

func (s *waha) sendSeen(a *wahaAsk) *said {
	s.mu.Lock()
	defer s.mu.Unlock()
	x, fault := s.until(a, a.session(), "WORKING")
	if fault != nil {
		return fault
	}
	chat, _ := a.body["chatId"].(string)
	to, ok := wahaTo(chat)
	if !ok {
		return s.broken(a, 500, "Cannot read properties of undefined (reading 'chatId')")
	}
	ids, _ := a.body["messageIds"].([]any)
	if id, isText := a.body["messageId"].(string); isText {
		ids = append(ids, id)
	}
	if s.engine == "NOWEB" && len(ids) == 0 {
		return s.broken(a, 500, "messageId is needed")
	}
	for _, m := range x.in(chatOf(to)) {
		m.seen = true
	}
	return says(201, map[string]any{})
}
