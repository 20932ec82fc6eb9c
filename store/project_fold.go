package store

import (
	"bytes"
	"cmp"
	"strings"
	"time"

	"github.com/genfity/wa-gateway/message"
	"github.com/genfity/wa-gateway/stats"
	"github.com/genfity/wa-gateway/waserver"
)

// fold adds what was told to the rows.
func (j *projection) fold(updates []waserver.Update) {
	for i := range updates {
		u := &updates[i]
		switch {
		case u.Receipt != nil:
			j.receipt(u.Receipt, j.when(u.At))
		case u.State != nil:
			j.stateTold(u.State, j.soon(u.At))
		case u.QR != nil:
			j.qrTold(u.QR, j.soon(u.At))
		case u.Message != nil:
			j.message(u.Message, j.when(u.Message.At, u.At), j.when(u.At, u.Message.At))
		case u.Contact != nil:
			j.contact(u.Contact, j.when(u.At))
		case u.Chat != nil:
			j.chat(u.Chat, j.when(u.At))
		case u.Revoked != nil:
			j.revoked(u.Revoked, j.when(u.At))
		case u.Edited != nil:
			j.edited(u.Edited, j.when(u.At, u.Edited.At))
		}
	}
	for id := range j.ids {
		j.settle(id)
	}
}

// stateRank is which of two states counts that were told at the same time; servers
// tell seconds.
var stateRank = map[waserver.State]int{
	waserver.StateCreated: 1, waserver.StateConnecting: 2, waserver.StateDisconnected: 3, waserver.StateQR: 4,
	waserver.StateLoggedOut: 5, waserver.StateFailed: 6, waserver.StateConnected: 7,
}

// stateTold: a code from before the session was connected, logged out or given up is
// of no use any more.
func (j *projection) stateTold(told *waserver.SessionState, at time.Time) {
	s := j.state
	r := readRow(&s.ChangedAt, &s.Clocks, map[string]bool{"jid": s.JID != "", "name": s.Name != ""})
	j.standing(told.State, at)
	if key(told.JID) {
		r.set("jid", &s.JID, told.JID, at)
	}
	r.set("name", &s.Name, shortened(told.Name, maxName), at)
	r.write()
	switch told.State {
	case waserver.StateConnected, waserver.StateLoggedOut, waserver.StateFailed:
		s.SettledAt = latest(s.SettledAt, at)
	}
	j.dropOldQR()
}

// standing sets the state itself, whose clock is changed_at.
func (j *projection) standing(state waserver.State, at time.Time) {
	s := j.state
	rank := stateRank[state]
	if rank > 0 && (s.State == "" || at.After(s.ChangedAt) || at.Equal(s.ChangedAt) && rank > stateRank[waserver.State(s.State)]) {
		s.State, s.ChangedAt = string(state), at
	}
}

func (j *projection) qrTold(told *waserver.QR, at time.Time) {
	s := j.state
	r := readRow(&s.ChangedAt, &s.Clocks, map[string]bool{"jid": s.JID != "", "name": s.Name != ""})
	j.standing(waserver.StateQR, at)
	r.write()
	text, png := shortened(told.Text, maxURL), append([]byte{}, told.PNG...)
	if len(png) > maxQRPNG {
		png = []byte{}
	}
	var expires *time.Time
	if !told.Expires.IsZero() {
		at := j.when(told.Expires)
		expires = &at
	}
	if s.QRAt == nil || cmp.Or(at.Compare(*s.QRAt), cmp.Compare(text, s.QR), bytes.Compare(png, s.QRPNG), compareTimes(expires, s.QRExpiresAt)) > 0 {
		s.QR, s.QRPNG, s.QRAt, s.QRExpiresAt = text, png, &at, expires
	}
	j.dropOldQR()
}

// compareTimes orders times of which none is the least.
func compareTimes(a, b *time.Time) int {
	var none time.Time
	return cmp.Or(a, &none).Compare(*cmp.Or(b, &none))
}

func (j *projection) dropOldQR() {
	s := j.state
	if s.QRAt != nil && s.SettledAt != nil && !s.QRAt.After(*s.SettledAt) {
		s.QR, s.QRPNG, s.QRAt, s.QRExpiresAt = "", []byte{}, nil, nil
	}
}

func (j *projection) contact(told *waserver.Contact, at time.Time) {
	if key(told.JID) {
		j.named(told.JID, told.Name, told.PushName, at)
	}
}

// named is what somebody is called.
func (j *projection) named(jid, name, pushName string, at time.Time) {
	c := j.contacts[jid]
	r := readRow(&c.ChangedAt, &c.Clocks, map[string]bool{"name": c.Name != "", "push_name": c.PushName != ""})
	r.touched(at)
	r.set("name", &c.Name, shortened(name, maxName), at)
	r.set("push_name", &c.PushName, shortened(pushName, maxName), at)
	r.write()
}

func (j *projection) chat(told *waserver.Chat, at time.Time) {
	if !key(told.JID) {
		return
	}
	c := j.chats[told.JID]
	r := readRow(&c.ChangedAt, &c.Clocks, map[string]bool{"name": c.Name != ""})
	r.touched(at)
	r.set("name", &c.Name, shortened(told.Name, maxName), at)
	r.setNumber(fieldUnread, &c.UnreadCount, int64(max(told.Unread, 0)), at)
	r.write()
	c.IsGroup = c.IsGroup || told.IsGroup
	if !told.LastMessageAt.IsZero() {
		c.active(j.when(told.LastMessageAt))
	}
}

// active: the time of the last message only grows.
func (c *Chat) active(at time.Time) {
	c.LastMessageAt = latest(c.LastMessageAt, at)
	c.ActiveAt = *c.LastMessageAt
}

func (j *projection) message(told *waserver.ChatMessage, sent, at time.Time) {
	if !messageKeys(told.ID, told.ChatJID) {
		return
	}
	m := j.messages[messageKey{told.ChatJID, told.ID}]
	r := m.row()
	r.touched(at)
	m.from(r, told, at)
	r.set("type", &m.Type, shortened(told.Type, maxKey), at)
	r.set("media_url", &m.MediaURL, shortened(told.MediaURL, maxURL), at)
	r.set("media_type", &m.MediaType, shortened(told.MediaType, maxKey), at)
	r.set("filename", &m.Filename, shortened(told.Filename, maxName), at)
	r.set("reply_to", &m.ReplyTo, shortened(told.ReplyTo, maxKey), at)
	if m.EditedAt == nil {
		r.set("body", &m.Body, shortened(told.Body, maxBody), at)
	}
	r.write()
	if !m.Known || sent.Before(m.SentAt) {
		m.SentAt, m.Known = sent, true
	}
	c := j.chats[told.ChatJID]
	c.active(sent)
	if !told.FromMe && key(told.SenderJID) && told.PushName != "" {
		j.named(told.SenderJID, "", told.PushName, at)
	}
}

// row reads the clocks of a message.
func (m *ChatMessage) row() *row {
	return readRow(&m.ChangedAt, &m.Clocks, map[string]bool{
		"sender_jid": m.SenderJID != "", "push_name": m.PushName != "", "type": m.Type != "",
		"body": m.Body != "" && m.EditedAt == nil, "media_url": m.MediaURL != "", "media_type": m.MediaType != "",
		"filename": m.Filename != "", "reply_to": m.ReplyTo != "",
	})
}

// from is whose message it is.
func (m *ChatMessage) from(r *row, told *waserver.ChatMessage, at time.Time) {
	m.FromMe = m.FromMe || told.FromMe
	if key(told.SenderJID) {
		r.set("sender_jid", &m.SenderJID, told.SenderJID, at)
	}
	r.set("push_name", &m.PushName, shortened(told.PushName, maxName), at)
}

// edited: of the texts of edits the latest counts, and any of them more than what was
// written first. An edit that tells no text says nothing.
func (j *projection) edited(told *waserver.ChatMessage, at time.Time) {
	if !edits(told) {
		return
	}
	m := j.messages[messageKey{told.ChatJID, told.ID}]
	r := m.row()
	r.touched(at)
	m.from(r, told, at)
	body := shortened(told.Body, maxBody)
	if m.EditedAt == nil || at.After(*m.EditedAt) || at.Equal(*m.EditedAt) && body > m.Body {
		m.Body, m.EditedAt = body, &at
		delete(r.clocks, "body")
	}
	r.write()
	m.hinted(at)
}

func (j *projection) revoked(told *waserver.MessageRef, at time.Time) {
	if !messageKeys(told.ID, told.ChatJID) {
		return
	}
	m := j.messages[messageKey{told.ChatJID, told.ID}]
	r := m.row()
	r.touched(at)
	r.write()
	m.RevokedAt = earliest(m.RevokedAt, at)
	m.hinted(at)
}

// hinted gives a message that was not told itself a time to be listed by.
func (m *ChatMessage) hinted(at time.Time) {
	if !m.Known && (m.SentAt.IsZero() || at.Before(m.SentAt)) {
		m.SentAt = at
	}
}

func (j *projection) receipt(told *waserver.Receipt, at time.Time) {
	if !receiptStatus(told.Status) {
		return
	}
	for _, id := range told.IDs {
		if !key(id) {
			continue
		}
		r := j.receipts[receiptKey{id, told.Status}]
		if key(told.ChatJID) {
			r.ChatJID = max(r.ChatJID, told.ChatJID)
		}
		text := shortened(told.Error, maxName)
		switch {
		case r.FirstAt.IsZero():
			r.FirstAt, r.At, r.Error = at, at, text
			continue
		case at.After(r.At) || at.Equal(r.At) && text > r.Error:
			r.At, r.Error = at, text
		}
		if at.Before(r.FirstAt) {
			r.FirstAt = at
		}
	}
}

func receiptStatus(status string) bool {
	switch stats.Status(status) {
	case stats.Sent, stats.Delivered, stats.Read, stats.Failed:
		return true
	}
	return false
}

// settle gives the messages of an id the status that their receipts make (contract §8).
func (j *projection) settle(id string) {
	at := func(status stats.Status) *Receipt { return j.receipts[receiptKey{id, string(status)}] }
	status := ""
	sent, failed := at(stats.Sent), at(stats.Failed)
	switch {
	case at(stats.Read) != nil:
		status = string(stats.Read)
	case at(stats.Delivered) != nil:
		status = string(stats.Delivered)
	case failed != nil && (sent == nil || !sent.At.After(failed.At)):
		status = string(stats.Failed)
	case sent != nil:
		status = string(stats.Sent)
	}
	for k, m := range j.messages {
		if k.id == id {
			m.Status = status
		}
	}
}

// messageKeys tells whether an id and a chat name a message.
func messageKeys(id, chat string) bool { return key(id) && key(chat) }

// edits tells whether an edit says anything.
func edits(told *waserver.ChatMessage) bool {
	return messageKeys(told.ID, told.ChatJID) && told.Body != ""
}

// isGroup and phoneOf are what a JID says by itself.
func isGroup(jid string) bool { return strings.HasSuffix(jid, "@"+message.GroupServer) }

func phoneOf(jid string) string {
	user, server, _ := strings.Cut(jid, "@")
	if server != message.UserServer {
		return ""
	}
	user, _, _ = strings.Cut(user, ":") // without the device
	return user
}
