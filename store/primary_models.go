package store

import (
	"encoding/json"
	"time"

	"gorm.io/gorm/schema"
)

// WebhookEvent is a webhook of a WA server as it came.
type WebhookEvent struct {
	ID          string `gorm:"primaryKey"`
	Source      string // the WA server's name
	SessionID   string // as far as the payload tells; else empty
	EventType   string // likewise
	Payload     json.RawMessage
	ContentHash string `json:"-"` // of source and payload
	ReceivedAt  time.Time
	ProcessedAt *time.Time // nil: not yet
}

// Contact is somebody whom a session's account knows.
type Contact struct {
	SessionID string `gorm:"primaryKey"`
	JID       string `gorm:"primaryKey"`
	Name      string
	PushName  string
	Phone     string
	UpdatedAt time.Time
}

// Chat is a conversation of a session's account.
type Chat struct {
	SessionID     string `gorm:"primaryKey"`
	JID           string `gorm:"primaryKey"`
	Name          string
	IsGroup       bool
	UnreadCount   int64
	LastMessageAt *time.Time
	UpdatedAt     time.Time

	Contact  *Contact      `gorm:"foreignKey:SessionID,JID;references:SessionID,JID"`
	Messages []ChatMessage `gorm:"foreignKey:SessionID,ChatJID;references:SessionID,JID"`
}

// ChatMessage is a message of a chat, sent or received.
type ChatMessage struct {
	SessionID string `gorm:"primaryKey"`
	ChatJID   string `gorm:"primaryKey"`
	MessageID string `gorm:"primaryKey"`
	SenderJID string
	FromMe    bool
	Type      string
	Body      string
	MediaURL  string
	MediaType string
	Status    string
	SentAt    time.Time
	UpdatedAt time.Time
}

// TableName is asked by GORM.
func (WebhookEvent) TableName(n schema.Namer) string { return ownTable(n, "webhook_events") }

// TableName is asked by GORM.
func (Contact) TableName(n schema.Namer) string { return ownTable(n, "contacts") }

// TableName is asked by GORM.
func (Chat) TableName(n schema.Namer) string { return ownTable(n, "chats") }

// TableName is asked by GORM.
func (ChatMessage) TableName(n schema.Namer) string { return ownTable(n, "messages") }
