package store

import (
	"time"

	"gorm.io/gorm/schema"
)

// The models name what contract §2 lists. A column that a deployment lacks reads
// as its zero value, unless said otherwise, and is left out of writes. GORM's
// relations are declared for reading; constraints are the database's business.

// User is a customer of the WA service, or one of its administrators.
type User struct {
	ID        string `gorm:"primaryKey"`
	Name      *string
	Email     *string
	Phone     *string
	Role      string  // "customer" where the column is missing
	APIKey    *string `json:"-"`
	IsActive  bool    // true where the column is missing
	CreatedAt UTCTime `gorm:"autoCreateTime:false"`
	UpdatedAt UTCTime `gorm:"autoUpdateTime:false"`

	Sessions      []Session      `gorm:"foreignKey:UserID"`
	Subscriptions []Subscription `gorm:"foreignKey:UserID"`
}

// Session is a connection of one WhatsApp number at the WA server.
type Session struct {
	ID          string `gorm:"primaryKey"`
	SessionID   string // what callers and the WA server call it
	SessionName *string
	Token       *string `json:"-"`
	UserID      *string // nil: nobody's
	Webhook     *string
	Events      *string
	Connected   bool
	LoggedIn    bool
	JID         *string
	QRCode      *string
	Status      string
	Message     *string
	CreatedAt   UTCTime `gorm:"autoCreateTime:false"`
	UpdatedAt   UTCTime `gorm:"autoUpdateTime:false"`

	User *User `gorm:"foreignKey:UserID"`
}

// Package is what a user subscribes to.
type Package struct {
	ID          string `gorm:"primaryKey"`
	Name        string
	Description *string
	PriceMonth  int64
	PriceYear   int64
	MaxSession  int
	CreatedAt   UTCTime `gorm:"autoCreateTime:false"`
	UpdatedAt   UTCTime `gorm:"autoUpdateTime:false"`
}

// The states of a subscription.
const (
	SubscriptionActivating = "activating"
	SubscriptionActive     = "active"
	SubscriptionExpired    = "expired"
	SubscriptionFailed     = "failed"
)

// Subscription is a user's package, a row of services_whatsapp_customers.
type Subscription struct {
	ID          string `gorm:"primaryKey"`
	UserID      string // customer_id
	PackageID   string
	Status      string
	ActivatedAt *UTCTime
	ExpiredAt   UTCTime
	CreatedAt   UTCTime `gorm:"autoCreateTime:false"`
	UpdatedAt   UTCTime `gorm:"autoUpdateTime:false"`

	User    *User    `gorm:"foreignKey:UserID"`
	Package *Package `gorm:"foreignKey:PackageID"`
}

// MessageStats is a row of the foreign statistics table, into which the
// gateway's own are mirrored for the application that owns it.
type MessageStats struct {
	ID                  string `gorm:"primaryKey"`
	UserID              string
	SessionID           string
	TotalMessagesSent   int64
	TotalMessagesFailed int64
	LastMessageSentAt   *UTCTime
	LastMessageFailedAt *UTCTime
	CreatedAt           UTCTime `gorm:"autoCreateTime:false"`
	UpdatedAt           UTCTime `gorm:"autoUpdateTime:false"`

	User    *User    `gorm:"foreignKey:UserID"`
	Session *Session `gorm:"foreignKey:SessionID;references:SessionID"`
}

// UserSession is a login of a user at the other application, whose token counts
// as an API key while it is live (contract §4).
type UserSession struct {
	ID        string `gorm:"primaryKey"`
	UserID    string
	Token     string `json:"-"`
	IsActive  bool   // true where the column is missing
	LastUsed  *UTCTime
	ExpiresAt UTCTime
	CreatedAt UTCTime `gorm:"autoCreateTime:false"`
	UpdatedAt UTCTime `gorm:"autoUpdateTime:false"`

	User *User `gorm:"foreignKey:UserID"`
}

// APIKey is a key that the gateway issued. The key itself is not kept, only its
// SHA-256 and its first characters.
type APIKey struct {
	ID         string `gorm:"primaryKey"`
	UserID     string
	Name       string
	Prefix     string     // the first 13 characters, to tell keys apart
	Hash       string     `json:"-"`
	Mode       string     // KeyModeLive or KeyModeTest
	CreatedAt  time.Time  `gorm:"autoCreateTime:false"`
	ExpiresAt  *time.Time // nil: never
	RevokedAt  *time.Time
	LastUsedAt *time.Time // told by TouchKeys, so some seconds late

	// What the key is limited to; an empty list is no limit.
	Scopes    Words // of KeyScopes
	Sessions  Words // session ids
	Addresses Words // what ParseKeyAddress reads

	// ReplacedBy is the id of the key that RotateKey issued in place of this one.
	ReplacedBy *string

	User *User `gorm:"foreignKey:UserID"`
}

// reservation holds a place for a session that is being created.
type reservation struct {
	ID        string `gorm:"primaryKey"`
	UserID    string
	SessionID *string
	CreatedAt time.Time `gorm:"autoCreateTime:false"`
	ExpiresAt time.Time
}

// TableName tells GORM the table as it is spelled in this database.
func (User) TableName(n schema.Namer) string { return foreignTableName(n, tableUsers) }

// TableName tells GORM the table as it is spelled in this database.
func (Session) TableName(n schema.Namer) string { return foreignTableName(n, tableSessions) }

// TableName tells GORM the table as it is spelled in this database.
func (Package) TableName(n schema.Namer) string { return foreignTableName(n, tablePackages) }

// TableName tells GORM the table as it is spelled in this database.
func (Subscription) TableName(n schema.Namer) string {
	return foreignTableName(n, tableSubscriptions)
}

// TableName tells GORM the table as it is spelled in this database.
func (MessageStats) TableName(n schema.Namer) string { return foreignTableName(n, tableStats) }

// TableName tells GORM the table as it is spelled in this database.
func (UserSession) TableName(n schema.Namer) string { return foreignTableName(n, tableUserSessions) }

// TableName tells GORM the table's place in this database.
func (APIKey) TableName(n schema.Namer) string { return ownTable(n, "api_keys") }

// TableName tells GORM the table's place in this database.
func (reservation) TableName(n schema.Namer) string { return ownTable(n, "session_reservations") }
