package store

import (
	"encoding/json"
	"time"

	"gorm.io/gorm/schema"

	"github.com/genfity/wa-gateway/waserver"
)

// WebhookEvent is a webhook of a WA server as it came.
type WebhookEvent struct {
	ID          string `gorm:"primaryKey"`
	Source      string // the WA server's name
	SessionID   string // as far as the payload tells; else empty
	EventType   string // likewise
	Payload     json.RawMessage
	ContentHash string `json:"-"` // of source and payload, and what follows
	// Timeless: the payload speaks of something that may happen again, and does not tell
	// when, so that the same payload of another second is not the same event.
	Timeless bool `gorm:"-" json:"-"`
	// OfSession: whose it is may stand in the address alone to which it was posted, so
	// that the same payload of another session is not the same event.
	OfSession   bool `gorm:"-" json:"-"`
	ReceivedAt  time.Time
	ProcessedAt *time.Time // nil: not yet
	Error       string     // why it became no rows; empty for one that did, and before
	Attempts    int        // how often that was tried in vain
}

// SessionState is where a session stands, as its WA server told last.
type SessionState struct {
	SessionID   string     `gorm:"primaryKey"`
	State       string     // a waserver.State
	JID         string     // of the account, once it was paired
	Name        string     // of the account
	QR          string     `gorm:"column:qr"`     // what the code says that waits to be scanned; empty: none
	QRPNG       []byte     `gorm:"column:qr_png"` // the code as an image, from servers that make one
	QRAt        *time.Time `gorm:"column:qr_at"`
	QRExpiresAt *time.Time `gorm:"column:qr_expires_at"` // nil: not told
	SettledAt   *time.Time // no code from before it is of use
	ChangedAt   time.Time  // when the state came to be so, by the server's time
	Clocks      string     `json:"-"`
	UpdatedAt   time.Time  `gorm:"autoUpdateTime:false"`
}

// Code is the QR code that can be scanned at a time; nil: none. Of a code whose server
// does not tell how long it lasts, nobody but the server knows whether it still does.
func (s *SessionState) Code(now time.Time) *waserver.QR {
	if s.QRAt == nil || s.QR == "" && len(s.QRPNG) == 0 {
		return nil
	}
	code := &waserver.QR{Text: s.QR, PNG: s.QRPNG}
	if s.QRExpiresAt == nil {
		if s.State != string(waserver.StateQR) {
			return nil
		}
		return code
	}
	// What a server says of the session meanwhile does not matter: some call it
	// connecting while its code waits. What ends the pairing takes the code away.
	if !now.Before(*s.QRExpiresAt) {
		return nil
	}
	code.Expires = *s.QRExpiresAt
	return code
}

// Contact is somebody whom a session's account knows.
type Contact struct {
	SessionID string `gorm:"primaryKey"`
	JID       string `gorm:"primaryKey"`
	Name      string // as the account has it
	PushName  string // as they call themselves
	Phone     string // digits; empty for hidden numbers
	ChangedAt time.Time
	Clocks    string    `json:"-"`
	UpdatedAt time.Time `gorm:"autoUpdateTime:false"`
}

// Chat is a conversation of a session's account.
type Chat struct {
	SessionID     string `gorm:"primaryKey"`
	JID           string `gorm:"primaryKey"`
	Name          string
	IsGroup       bool
	UnreadCount   int64
	LastMessageAt *time.Time
	ActiveAt      time.Time // LastMessageAt, or 1970
	ChangedAt     time.Time
	Clocks        string    `json:"-"`
	UpdatedAt     time.Time `gorm:"autoUpdateTime:false"`

	Contact  *Contact      `gorm:"foreignKey:SessionID,JID;references:SessionID,JID"`
	Messages []ChatMessage `gorm:"foreignKey:SessionID,ChatJID;references:SessionID,JID"`
}

// DisplayName is what to call the chat: its own name, else that of its contact.
func (c *Chat) DisplayName() string {
	switch {
	case c.Name != "" || c.Contact == nil:
		return c.Name
	case c.Contact.Name != "":
		return c.Contact.Name
	default:
		return c.Contact.PushName
	}
}

// ChatMessage is a message of a chat, sent or received.
type ChatMessage struct {
	SessionID string `gorm:"primaryKey"`
	ChatJID   string `gorm:"primaryKey;column:chat_jid"`
	MessageID string `gorm:"primaryKey"`
	SenderJID string `gorm:"column:sender_jid"`
	FromMe    bool
	Type      string
	Body      string // text or caption, as it was edited last
	MediaURL  string // a reference of the WA server's, not to be opened by clients
	MediaType string
	Filename  string
	ReplyTo   string // the id of the message that it answers
	PushName  string // of the sender
	Status    string // what its receipts say: sent, delivered, read or failed; empty: nothing
	Known     bool   // false: only an edit or its deletion was told
	SentAt    time.Time
	EditedAt  *time.Time
	RevokedAt *time.Time // when it was deleted for everybody
	ChangedAt time.Time
	Clocks    string    `json:"-"`
	UpdatedAt time.Time `gorm:"autoUpdateTime:false"`

	Receipts []Receipt `gorm:"foreignKey:SessionID,MessageID;references:SessionID,MessageID"`
}

// Receipt is one thing that became of a message.
type Receipt struct {
	SessionID string `gorm:"primaryKey"`
	MessageID string `gorm:"primaryKey"`
	Status    string `gorm:"primaryKey"` // sent, delivered, read or failed
	ChatJID   string `gorm:"column:chat_jid"`
	Error     string
	FirstAt   time.Time // in groups, of the first member
	At        time.Time // and of the last
	UpdatedAt time.Time `gorm:"autoUpdateTime:false"`
}

// TableName is asked by GORM.
func (WebhookEvent) TableName(n schema.Namer) string { return ownTable(n, "webhook_events") }

// TableName is asked by GORM.
func (SessionState) TableName(n schema.Namer) string { return ownTable(n, "session_states") }

// TableName is asked by GORM.
func (Contact) TableName(n schema.Namer) string { return ownTable(n, "contacts") }

// TableName is asked by GORM.
func (Chat) TableName(n schema.Namer) string { return ownTable(n, "chats") }

// TableName is asked by GORM.
func (ChatMessage) TableName(n schema.Namer) string { return ownTable(n, "messages") }

// TableName is asked by GORM.
func (Receipt) TableName(n schema.Namer) string { return ownTable(n, "receipts") }
