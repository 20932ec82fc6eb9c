package store

import (
	"cmp"
	"maps"
	"reflect"
	"slices"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/genfity/wa-gateway/waserver"
)

// rowsPerStatement bounds how many rows one statement reads or writes.
const rowsPerStatement = 200

type (
	messageKey struct{ chat, id string }
	receiptKey struct{ id, status string }
)

// projection is the rows of a session that some updates are about: as they are in the
// database, or new.
type projection struct {
	sessionID string
	now       time.Time

	stating  bool
	state    *SessionState
	contacts map[string]*Contact
	chats    map[string]*Chat
	messages map[messageKey]*ChatMessage
	receipts map[receiptKey]*Receipt
	ids      map[string]bool // of the messages that something was told of

	// before are the rows as they were, by the pointer to what they become.
	before map[any]any
}

func (p *Primary) newProjection(sessionID string) *projection {
	return &projection{
		sessionID: sessionID, now: p.now(),
		contacts: map[string]*Contact{}, chats: map[string]*Chat{},
		messages: map[messageKey]*ChatMessage{}, receipts: map[receiptKey]*Receipt{},
		ids: map[string]bool{}, before: map[any]any{},
	}
}

// plan names the rows that the updates are about.
func (j *projection) plan(updates []waserver.Update) {
	for i := range updates {
		u := &updates[i]
		switch {
		case u.Receipt != nil:
			if receiptStatus(u.Receipt.Status) {
				for _, id := range u.Receipt.IDs {
					j.planReceipt(id, u.Receipt.Status)
				}
			}
		case u.State != nil, u.QR != nil:
			j.stating = true
		case u.Message != nil:
			m := u.Message
			if messageKeys(m.ID, m.ChatJID) {
				j.planMessage(m.ChatJID, m.ID)
				if !m.FromMe && m.PushName != "" {
					j.planContact(m.SenderJID)
				}
			}
		case u.Contact != nil:
			j.planContact(u.Contact.JID)
		case u.Chat != nil:
			j.planChat(u.Chat.JID)
		case u.Revoked != nil:
			if messageKeys(u.Revoked.ID, u.Revoked.ChatJID) {
				j.planMessage(u.Revoked.ChatJID, u.Revoked.ID)
			}
		case u.Edited != nil:
			if edits(u.Edited) {
				j.planMessage(u.Edited.ChatJID, u.Edited.ID)
			}
		}
	}
}

func (j *projection) planReceipt(id, status string) {
	if key(id) {
		j.ids[id] = true
		j.receipts[receiptKey{id, status}] = &Receipt{SessionID: j.sessionID, MessageID: id, Status: status}
	}
}

func (j *projection) planContact(jid string) {
	if key(jid) {
		j.contacts[jid] = &Contact{SessionID: j.sessionID, JID: jid, Phone: phoneOf(jid), ChangedAt: time.Unix(0, 0).UTC()}
	}
}

func (j *projection) planChat(jid string) {
	if key(jid) {
		epoch := time.Unix(0, 0).UTC()
		j.chats[jid] = &Chat{SessionID: j.sessionID, JID: jid, IsGroup: isGroup(jid), ActiveAt: epoch, ChangedAt: epoch}
	}
}

func (j *projection) planMessage(chat, id string) {
	j.planChat(chat)
	j.ids[id] = true
	j.messages[messageKey{chat, id}] = &ChatMessage{
		SessionID: j.sessionID, ChatJID: chat, MessageID: id, ChangedAt: time.Unix(0, 0).UTC(),
	}
}

// load puts the rows that are there in the place of the new ones. All receipts and all
// rows of the messages are read, because a message's status is made of both.
func (j *projection) load(q *gorm.DB, db *DB) error {
	if j.stating {
		j.state = &SessionState{SessionID: j.sessionID, QRPNG: []byte{}, ChangedAt: time.Unix(0, 0).UTC()}
		var states []SessionState
		if err := q.Where("session_id = ?", j.sessionID).Find(&states).Error; err != nil {
			return err
		}
		for i := range states {
			j.state = &states[i]
			j.before[j.state] = states[i]
		}
	}
	ids := slices.Collect(maps.Keys(j.ids))
	err := loadRows(q, db, j.sessionID, "jid", slices.Collect(maps.Keys(j.contacts)), func(c *Contact) {
		j.contacts[c.JID], j.before[c] = c, *c
	})
	if err == nil {
		err = loadRows(q, db, j.sessionID, "jid", slices.Collect(maps.Keys(j.chats)), func(c *Chat) {
			j.chats[c.JID], j.before[c] = c, *c
		})
	}
	if err == nil {
		err = loadRows(q, db, j.sessionID, "message_id", ids, func(m *ChatMessage) {
			j.messages[messageKey{m.ChatJID, m.MessageID}], j.before[m] = m, *m
		})
	}
	if err == nil {
		err = loadRows(q, db, j.sessionID, "message_id", ids, func(r *Receipt) {
			j.receipts[receiptKey{r.MessageID, r.Status}], j.before[r] = r, *r
		})
	}
	return err
}

// loadRows reads the rows of a session whose column is one of some texts.
func loadRows[T any](q *gorm.DB, db *DB, sessionID, column string, texts []string, found func(*T)) error {
	for some := range slices.Chunk(texts, rowsPerStatement) {
		var rows []*T
		if err := q.Where("session_id = ? AND "+db.amongTexts(column), sessionID, jsonTexts(some)).Find(&rows).Error; err != nil {
			return err
		}
		for _, r := range rows {
			found(r)
		}
	}
	return nil
}

// save writes the rows that are new or not as they were; chats before the messages
// that refer to them.
func (j *projection) save(q *gorm.DB, now time.Time) error {
	now = timeArg(now)
	if j.stating && j.changed(j.state, *j.state) {
		j.state.UpdatedAt = now
		if err := upsert(q, []*SessionState{j.state}, "session_id"); err != nil {
			return err
		}
	}
	contacts := kept(j.contacts, func(c *Contact) bool { return j.changed(c, *c) }, func(a, b *Contact) int { return cmp.Compare(a.JID, b.JID) })
	chats := kept(j.chats, func(c *Chat) bool { return j.changed(c, *c) }, func(a, b *Chat) int { return cmp.Compare(a.JID, b.JID) })
	messages := kept(j.messages, func(m *ChatMessage) bool { return j.changed(m, *m) }, func(a, b *ChatMessage) int {
		return cmp.Or(cmp.Compare(a.ChatJID, b.ChatJID), cmp.Compare(a.MessageID, b.MessageID))
	})
	receipts := kept(j.receipts, func(r *Receipt) bool { return j.changed(r, *r) }, func(a, b *Receipt) int {
		return cmp.Or(cmp.Compare(a.MessageID, b.MessageID), cmp.Compare(a.Status, b.Status))
	})
	for _, c := range contacts {
		c.UpdatedAt = now
	}
	for _, c := range chats {
		c.UpdatedAt = now
	}
	for _, m := range messages {
		m.UpdatedAt = now
	}
	for _, r := range receipts {
		r.UpdatedAt = now
	}
	err := upsert(q, contacts, "session_id", "jid")
	if err == nil {
		err = upsert(q, chats, "session_id", "jid")
	}
	if err == nil {
		err = upsert(q, messages, "session_id", "chat_jid", "message_id")
	}
	if err == nil {
		err = upsert(q, receipts, "session_id", "message_id", "status")
	}
	return err
}

// changed tells whether a row is not as it was.
func (j *projection) changed(pointer, value any) bool {
	old, was := j.before[pointer]
	return !was || !reflect.DeepEqual(old, value)
}

// kept are the rows of a map to be written, in order.
func kept[K comparable, V any](rows map[K]*V, write func(*V) bool, order func(a, b *V) int) []*V {
	list := make([]*V, 0, len(rows))
	for _, r := range rows {
		if write(r) {
			list = append(list, r)
		}
	}
	slices.SortFunc(list, order)
	return list
}

// upsert writes whole rows.
func upsert[T any](q *gorm.DB, rows []*T, keys ...string) error {
	columns := make([]clause.Column, len(keys))
	for i, name := range keys {
		columns[i].Name = name
	}
	for some := range slices.Chunk(rows, rowsPerStatement) {
		err := q.Omit(clause.Associations).Clauses(clause.OnConflict{Columns: columns, UpdateAll: true}).Create(some).Error
		if err != nil {
			return err
		}
	}
	return nil
}
