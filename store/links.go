package store

import (
	"context"
	"errors"
	"slices"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"
	"gorm.io/gorm/schema"
)

// maxLinkNames bounds how many names FindLink looks for.
const maxLinkNames = 16

// SessionLink is what the gateway keeps of a session for speaking to its WA server.
// The secrets are sealed by whoever writes it; the store does not read them.
type SessionLink struct {
	SessionID     string `gorm:"primaryKey"`
	UserID        string
	Server        string    // the WA server's name
	RemoteID      string    // what that server calls the session
	Credential    []byte    `json:"-"`
	WebhookSecret []byte    `json:"-"`
	Webhook       string    // the customer's own URL; empty: none
	CustomerKey   []byte    `json:"-"` // signs what is posted there
	CreatedAt     time.Time `gorm:"autoCreateTime:false"`
	UpdatedAt     time.Time `gorm:"autoUpdateTime:false"`
}

// TableName tells GORM the table's place in this database.
func (SessionLink) TableName(n schema.Namer) string { return ownTable(n, "session_links") }

// SaveLink keeps the link of a session, in place of the one that it had. An empty
// RemoteID is the session's own id. It is an [ErrConflict] when another session has
// the same remote id at that server.
func (t *Transactional) SaveLink(ctx context.Context, link *SessionLink) error {
	err := t.tx(ctx, func(q *gorm.DB, _ *foreignSchema) error {
		if err := t.saveLink(q, link); err != nil {
			return err
		}
		return t.db.changed(q, ChangeSession, link.SessionID)
	})
	return failure("keep a session's link", err)
}

// saveLink is SaveLink within a transaction, without telling others of it.
func (t *Transactional) saveLink(q *gorm.DB, link *SessionLink) error {
	if link.SessionID == "" || link.UserID == "" || link.Server == "" {
		return errors.New("a link needs a session, a user and a server")
	}
	if link.RemoteID == "" {
		link.RemoteID = link.SessionID
	}
	link.CreatedAt, link.UpdatedAt = timeArg(t.now()), timeArg(t.now())
	row := *link
	// NULL is no value of these columns.
	row.Credential = append([]byte{}, link.Credential...)
	row.WebhookSecret = append([]byte{}, link.WebhookSecret...)
	row.CustomerKey = append([]byte{}, link.CustomerKey...)
	return q.Clauses(clause.OnConflict{
		Columns: []clause.Column{{Name: "session_id"}},
		DoUpdates: clause.AssignmentColumns([]string{
			"user_id", "server", "remote_id", "credential", "webhook_secret", "webhook", "customer_key", "updated_at",
		}),
	}).Create(&row).Error
}

// Link returns the link of a session; most sessions of other applications have none.
func (t *Transactional) Link(ctx context.Context, sessionID string) (*SessionLink, error) {
	var link SessionLink
	err := t.db.read(ctx, func(q *gorm.DB) error {
		link = SessionLink{}
		return q.Where("session_id = ?", sessionID).Take(&link).Error
	})
	if err != nil {
		return nil, failure("look up a session's link", err)
	}
	return &link, nil
}

// FindLink returns the link of the session that a WA server calls by one of these
// names, the surest first. They are the server's own names (RemoteID) alone: the
// gateway's ids are chosen by its users, who may well choose what a session of somebody
// else is called there.
func (t *Transactional) FindLink(ctx context.Context, server string, names []string) (*SessionLink, error) {
	names = slices.DeleteFunc(slices.Clone(names), func(name string) bool { return name == "" || storable(name) != name })
	if len(names) == 0 || server == "" {
		return nil, ErrNotFound
	}
	names = names[:min(len(names), maxLinkNames)]
	var links []SessionLink
	err := t.db.read(ctx, func(q *gorm.DB) error {
		links = nil
		return q.Where("server = ? AND remote_id IN ?", server, names).Find(&links).Error
	})
	if err != nil {
		return nil, failure("find a session's link", err)
	}
	for _, name := range names {
		for i := range links {
			if links[i].RemoteID == name {
				return &links[i], nil
			}
		}
	}
	return nil, ErrNotFound
}

// LinksOf lists the links of a WA server's sessions in the order of their session ids,
// at most limit of them, from the one that follows the session id after.
func (t *Transactional) LinksOf(ctx context.Context, server string, limit int, after string) ([]SessionLink, error) {
	var links []SessionLink
	err := t.db.read(ctx, func(q *gorm.DB) error {
		links = nil
		return q.Where("server = ? AND session_id > ?", server, after).Order("session_id").Scopes(page(limit, 0)).Find(&links).Error
	})
	return links, failure("list the links of a server", err)
}

// ChangeLink has change alter the link of a session, which nobody else alters meanwhile.
// An error of change is returned, and nothing is written.
func (t *Transactional) ChangeLink(ctx context.Context, sessionID string, change func(*SessionLink) error) error {
	err := t.tx(ctx, func(q *gorm.DB, _ *foreignSchema) error {
		var link SessionLink
		locked := q
		if t.db.backend == Postgres {
			locked = q.Clauses(clause.Locking{Strength: clause.LockingStrengthUpdate})
		}
		if err := locked.Where("session_id = ?", sessionID).Take(&link).Error; err != nil {
			return err
		}
		if err := change(&link); err != nil {
			return err
		}
		if err := t.saveLink(q, &link); err != nil {
			return err
		}
		return t.db.changed(q, ChangeSession, sessionID)
	})
	return failure("change a session's link", err)
}

// SetLinkWebhook sets the customer's own URL; empty takes it away.
func (t *Transactional) SetLinkWebhook(ctx context.Context, sessionID, url string) error {
	err := t.tx(ctx, func(q *gorm.DB, _ *foreignSchema) error {
		done := q.Model(&SessionLink{}).Where("session_id = ?", sessionID).
			Updates(map[string]any{"webhook": url, "updated_at": timeArg(t.now())})
		if err := oneRow(done); err != nil {
			return err
		}
		return t.db.changed(q, ChangeSession, sessionID)
	})
	return failure("set a session's webhook", err)
}

// RemoveLink forgets the link of a session; one that has none is no error.
func (t *Transactional) RemoveLink(ctx context.Context, sessionID string) error {
	err := t.tx(ctx, func(q *gorm.DB, _ *foreignSchema) error {
		if err := removeLink(q, sessionID); err != nil {
			return err
		}
		return t.db.changed(q, ChangeSession, sessionID)
	})
	return failure("remove a session's link", err)
}

func removeLink(q *gorm.DB, sessionID string) error {
	return q.Where("session_id = ?", sessionID).Delete(&SessionLink{}).Error
}
