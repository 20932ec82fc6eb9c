package store

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"time"

	"gorm.io/gorm"
)

// ErrBadCursor says that a cursor was not made by the list that it was given to.
var ErrBadCursor = errors.New("the cursor is not one of this list")

// How many rows a page has, where nothing is said and at most.
const (
	DefaultPage = 100
	MaxPage     = 1000
)

// The lists that cursors belong to.
const (
	cursorContacts = 'c'
	cursorChats    = 'h'
	cursorMessages = 'm'
)

// cursor is the key of the last row of a page.
type cursor struct {
	at  time.Time // zero in lists that are not ordered by time
	key string
}

// text is the cursor as clients keep it.
func (c cursor) text(list byte) string {
	millis := int64(0)
	if !c.at.IsZero() {
		millis = c.at.UnixMilli()
	}
	return base64.RawURLEncoding.EncodeToString(append(binary.AppendVarint([]byte{list}, millis), c.key...))
}

// readCursor reads what text made; nil is the beginning.
func readCursor(list byte, text string) (*cursor, error) {
	if text == "" {
		return nil, nil
	}
	if len(text) > 2*(maxKey+binary.MaxVarintLen64+1) {
		return nil, ErrBadCursor
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(raw) < 2 || raw[0] != list {
		return nil, ErrBadCursor
	}
	millis, n := binary.Varint(raw[1:])
	c := cursor{at: time.UnixMilli(millis).UTC()}
	if n > 0 {
		c.key = string(raw[1+n:])
	}
	// A year that no text of a time can hold is none of ours.
	if n <= 0 || !key(c.key) || c.at.Year() < 1970 || c.at.Year() > 9999 {
		return nil, ErrBadCursor
	}
	return &c, nil
}

// pageSize is a limit within its bounds.
func pageSize(limit int) int {
	if limit <= 0 {
		return DefaultPage
	}
	return min(limit, MaxPage)
}

// cut takes away the row that was read to see whether there are more, and makes the
// cursor of what follows; empty: nothing does.
func cut[T any](rows []T, limit int, list byte, key func(*T) cursor) ([]T, string) {
	if len(rows) <= limit {
		return rows, ""
	}
	rows = rows[:limit]
	return rows, key(&rows[limit-1]).text(list)
}

// Contacts lists the contacts of a session in the order of their JIDs: a page that
// follows a cursor, at most limit of them (0: [DefaultPage]), and the cursor of the
// next page, which is empty after the last one. The error is [ErrBadCursor] for a
// cursor that is not of such a list.
func (p *Primary) Contacts(ctx context.Context, sessionID, after string, limit int) ([]Contact, string, error) {
	from, err := readCursor(cursorContacts, after)
	if err != nil {
		return nil, "", err
	}
	limit = pageSize(limit)
	var contacts []Contact
	err = p.db.read(ctx, func(q *gorm.DB) error {
		contacts = nil
		q = q.Where("session_id = ?", sessionID)
		if from != nil {
			q = q.Where("jid > ?", from.key)
		}
		return q.Order("jid").Limit(limit + 1).Find(&contacts).Error
	})
	if err != nil {
		return nil, "", failure("list contacts", err)
	}
	contacts, next := cut(contacts, limit, cursorContacts, func(c *Contact) cursor { return cursor{key: c.JID} })
	return contacts, next, nil
}

// Chats lists the chats of a session, those with the newest messages first, with their
// contacts, page by page as [Primary.Contacts] does.
func (p *Primary) Chats(ctx context.Context, sessionID, after string, limit int) ([]Chat, string, error) {
	from, err := readCursor(cursorChats, after)
	if err != nil {
		return nil, "", err
	}
	limit = pageSize(limit)
	var chats []Chat
	next := ""
	err = p.db.read(ctx, func(q *gorm.DB) error {
		chats = nil
		rows := q.Where("session_id = ?", sessionID)
		if from != nil {
			rows = rows.Where("(active_at, jid) < (?, ?)", timeArg(from.at), from.key)
		}
		if err := rows.Order("active_at DESC, jid DESC").Limit(limit + 1).Find(&chats).Error; err != nil {
			return err
		}
		chats, next = cut(chats, limit, cursorChats, func(c *Chat) cursor { return cursor{c.ActiveAt, c.JID} })
		return p.withContacts(q, sessionID, chats)
	})
	if err != nil {
		return nil, "", failure("list chats", err)
	}
	return chats, next, nil
}

// withContacts gives chats their contacts. GORM's own way needs pairs in IN, which
// SQLite does not have.
func (p *Primary) withContacts(q *gorm.DB, sessionID string, chats []Chat) error {
	of := make(map[string]*Chat, len(chats))
	jids := make([]string, len(chats))
	for i := range chats {
		of[chats[i].JID], jids[i] = &chats[i], chats[i].JID
	}
	return loadRows(q, p.db, sessionID, "jid", jids, func(c *Contact) { of[c.JID].Contact = c })
}

// ChatMessages lists the messages of a chat, the newest first, page by page as
// [Primary.Contacts] does. Those of which nothing but an edit or a deletion was told
// are left out.
func (p *Primary) ChatMessages(ctx context.Context, sessionID, chatJID, after string, limit int) ([]ChatMessage, string, error) {
	from, err := readCursor(cursorMessages, after)
	if err != nil {
		return nil, "", err
	}
	limit = pageSize(limit)
	var messages []ChatMessage
	err = p.db.read(ctx, func(q *gorm.DB) error {
		messages = nil
		q = q.Where("session_id = ? AND chat_jid = ? AND known", sessionID, chatJID)
		if from != nil {
			q = q.Where("(sent_at, message_id) < (?, ?)", timeArg(from.at), from.key)
		}
		return q.Order("sent_at DESC, message_id DESC").Limit(limit + 1).Find(&messages).Error
	})
	if err != nil {
		return nil, "", failure("list messages", err)
	}
	messages, next := cut(messages, limit, cursorMessages, func(m *ChatMessage) cursor { return cursor{m.SentAt, m.MessageID} })
	return messages, next, nil
}

// SessionState returns where a session stands, as its server told last.
func (p *Primary) SessionState(ctx context.Context, sessionID string) (*SessionState, error) {
	var state SessionState
	err := p.db.read(ctx, func(q *gorm.DB) error {
		state = SessionState{}
		return q.Where("session_id = ?", sessionID).Take(&state).Error
	})
	if err != nil {
		return nil, failure("look up a session's state", err)
	}
	return &state, nil
}
