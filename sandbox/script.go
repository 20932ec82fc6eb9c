package sandbox

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Bounds of scripts and of what GET /_sandbox/sent shows.
const (
	adminPath    = "/_sandbox/"
	maxNext      = 100
	maxDelay     = time.Minute
	maxExpires   = 10 * time.Minute
	maxSent      = 500
	maxAdminBody = 1 << 20
)

// script is what a session was told to do.
type script struct {
	next     []fate
	expires  time.Duration // of the code to scan; 0: it is scanned in time
	receipts string
}

// duration is a time in JSON as Go writes it, such as "5s".
type duration time.Duration

// UnmarshalText reads a duration that is not negative.
func (d *duration) UnmarshalText(text []byte) error {
	v, err := time.ParseDuration(string(text))
	if err != nil || v < 0 {
		return errors.New("a duration such as 5s is wanted")
	}
	*d = duration(v)
	return nil
}

type scriptCall struct {
	Session string `json:"session"`
	Next    []struct {
		Status   int      `json:"status"`
		Delay    duration `json:"delay"`
		Drop     bool     `json:"drop"`
		Absent   bool     `json:"absent"`
		Fail     bool     `json:"fail"`
		Receipts string   `json:"receipts"`
	} `json:"next"`
	Expires  *duration `json:"qr_expires_after"`
	Drop     bool      `json:"drop"`
	Receipts *string   `json:"receipts"`
}

type incomingCall struct {
	Session string `json:"session"`
	From    string `json:"from"`
	Chat    string `json:"chat"` // a group's JID; default: the sender's
	Name    string `json:"name"`
	ID      string `json:"id"`
	Text    string `json:"text"`
	Own     bool   `json:"own"` // typed on the session's own phone
	Reply   string `json:"reply_to"`
	Media   *struct {
		Kind string `json:"kind"`
		Type string `json:"mimetype"`
		Name string `json:"filename"`
		Data string `json:"data"`
	} `json:"media"`
}

// sentMessage is one that was accepted, for tests to look at.
type sentMessage struct {
	Session string      `json:"session"`
	ID      string      `json:"id"`
	To      string      `json:"to"`
	Kind    string      `json:"kind"`
	Text    string      `json:"text,omitempty"`
	Reply   string      `json:"reply_to,omitempty"`
	Media   *attachment `json:"media,omitempty"`
	At      string      `json:"at"`
}

func (c *core) note(x *line, o outgoing, r *record) {
	if len(c.sent) >= maxSent {
		c.sent = slices.Delete(c.sent, 0, 1)
	}
	c.sent = append(c.sent, sentMessage{
		Session: x.id, ID: r.id, To: o.to, Kind: r.kind, Text: r.text, Reply: r.reply, Media: r.file, At: stamp(r.at),
	})
}

// adminHandler are the calls that are the sandbox's own, whatever server it pretends.
func (c *core) adminHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+adminPath+"script", c.adminCall(func(r *http.Request) (any, error) {
		var call scriptCall
		if err := readAdmin(r, &call); err != nil {
			return nil, err
		}
		return c.setScript(call)
	}))
	mux.HandleFunc("POST "+adminPath+"incoming", c.adminCall(func(r *http.Request) (any, error) {
		var call incomingCall
		if err := readAdmin(r, &call); err != nil {
			return nil, err
		}
		return c.takeIncoming(call)
	}))
	mux.HandleFunc("GET "+adminPath+"sent", c.adminCall(func(r *http.Request) (any, error) {
		session := r.URL.Query().Get("session")
		c.mu.Lock()
		defer c.mu.Unlock()
		if x, err := c.named(session); err == nil {
			session = x.id
		}
		list := slices.DeleteFunc(append([]sentMessage{}, c.sent...), func(m sentMessage) bool { return session != "" && m.Session != session })
		return map[string]any{"sent": list, "callbacks": c.callbacks.figures()}, nil
	}))
	mux.HandleFunc(adminPath, c.adminCall(func(*http.Request) (any, error) {
		return nil, &refusal{status: http.StatusNotFound, code: "not_found", message: "There is no such call of the sandbox"}
	}))
	return mux
}

// adminCall guards a call by the sandbox's token, shown as Authorization: Bearer.
func (c *core) adminCall(do func(*http.Request) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		if c.options.Token != "" && (!strings.EqualFold(scheme, "Bearer") || !c.isAdmin(token)) {
			writeRefusal(w, &refusal{status: http.StatusUnauthorized, code: "unauthorized", message: "The token is missing or wrong"})
			return
		}
		data, err := do(r)
		if refused, ok := errors.AsType[*refusal](err); ok {
			writeRefusal(w, refused)
			return
		}
		if err != nil {
			writeRefusal(w, &refusal{status: http.StatusBadRequest, code: "invalid_request", message: "The body is not what this call takes"})
			return
		}
		writeAnswer(w, &reply{data: data})
	}
}

func readAdmin(r *http.Request, into any) error {
	dec := json.NewDecoder(io.LimitReader(r.Body, maxAdminBody))
	dec.DisallowUnknownFields()
	return dec.Decode(into)
}

// named finds the session that an admin call names.
func (c *core) named(name string) (*line, error) {
	for _, x := range c.all() {
		if name != "" && (x.id == name || c.server.finds(x, name)) {
			return x, nil
		}
	}
	return nil, &refusal{status: http.StatusNotFound, code: "session_not_found", message: "There is no such session"}
}

func (c *core) setScript(call scriptCall) (any, error) {
	known := []string{"", receiptsTwice, receiptsReversed, receiptsNone}
	wrong := call.Receipts != nil && !slices.Contains(known, *call.Receipts)
	if len(call.Next) > maxNext || (call.Expires != nil && time.Duration(*call.Expires) > maxExpires) {
		return nil, invalid("next must be at most %d steps, and qr_expires_after at most %s", maxNext, maxExpires)
	}
	next := make([]fate, len(call.Next))
	for i, n := range call.Next {
		wrong = wrong || !slices.Contains(known, n.Receipts)
		if n.Status != 0 && (n.Status < 400 || n.Status > 599) || time.Duration(n.Delay) > maxDelay {
			return nil, invalid("next[%d]: status must be from 400 to 599, and delay at most %s", i, maxDelay)
		}
		next[i] = fate{
			delay: time.Duration(n.Delay), status: n.Status, drop: n.Drop, absent: n.Absent, fails: n.Fail, receipts: n.Receipts,
		}
	}
	if wrong {
		return nil, invalid("receipts must be twice, reversed, none or nothing")
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	x, err := c.named(call.Session)
	if err != nil {
		return nil, err
	}
	if call.Next != nil {
		x.script.next = next
	}
	if call.Receipts != nil {
		x.script.receipts = *call.Receipts
	}
	if call.Expires != nil {
		x.script.expires = time.Duration(*call.Expires)
		// A code that is shown already gets the new time, counted from its start.
		if window, _ := c.window(x); x.phase == phaseQR {
			c.callbacks.begin([]due{c.later(x, x.starts, max(0, window-c.now().Sub(x.started)), func() { c.settle(x, true) })})
		}
	}
	if call.Drop {
		c.drop(x)
	}
	return map[string]any{"session": x.id, "next": len(x.script.next), "phase": x.phase}, nil
}

// takeIncoming lets a message come in, as somebody else or the session's own phone wrote it.
func (c *core) takeIncoming(call incomingCall) (any, error) {
	from, err := recipient("from", call.From)
	if err != nil {
		return nil, err
	}
	chat := chatOf(from)
	r := &record{
		id: cmp.Or(call.ID, newMessageID()), chat: chat, sender: chat, name: cut(call.Name, maxIDBytes),
		kind: textKind, text: call.Text, reply: cut(call.Reply, maxIDBytes),
	}
	if err := checkID("id", r.id); err != nil {
		return nil, err
	}
	if call.Chat != "" {
		if r.chat, err = chatID("chat", call.Chat); err != nil {
			return nil, err
		}
	}
	if call.Own {
		r.sender, r.typed = "", true
	}
	if m := call.Media; m != nil {
		if !slices.Contains([]string{"image", "video", "audio", "document", "sticker"}, m.Kind) {
			return nil, invalid("media.kind must be image, video, audio, document or sticker")
		}
		data, err := base64.StdEncoding.DecodeString(m.Data)
		if err != nil || len(data) == 0 || len(data) > maxStoredSize {
			return nil, invalid("media.data must be base64 of 1 to %d bytes", maxStoredSize)
		}
		if r.file, err = attachBase64("base64", m.Name, m.Type, m.Data); err != nil {
			return nil, invalid("media.data must be base64")
		}
		r.kind, r.file.data = m.Kind, data
	} else if call.Text == "" {
		return nil, missing("text", "what was written, or media")
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	x, err := c.named(call.Session)
	if err != nil {
		return nil, err
	}
	if x.phase != phaseConnected {
		return nil, &refusal{status: http.StatusConflict, code: "session_not_connected", message: "The session is not connected"}
	}
	r.at = c.now()
	if r.typed {
		r.course = course{{status: statusSent}}
	}
	if r.file != nil {
		c.store(r.file, extension(r.file.Type))
	}
	x.remember(r)
	c.post(c.server.incoming(x, r))
	if r.file != nil {
		r.file.data = nil // what is given out later is in stored, and bounded
	}
	return map[string]any{"session": x.id, "id": r.id, "chat": r.chat}, nil
}
