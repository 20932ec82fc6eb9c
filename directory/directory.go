// Package directory answers who a caller is, which sessions are theirs and what
// they have subscribed to, from a bounded cache in front of the transactional
// database, so that a known caller costs no database call, and goes on being known
// for a while when the database is away.
package directory

import (
	"context"
	"crypto/sha256"
	"errors"
	"time"

	"github.com/genfity/wa-gateway/store"
)

// Source is the part of the transactional database that the directory uses.
// *store.Transactional implements it.
type Source interface {
	User(ctx context.Context, id string) (*store.User, error)
	UserByAPIKey(ctx context.Context, value string) (*store.User, error)
	UserBySessionToken(ctx context.Context, token string) (*store.User, *store.UserSession, error)
	KeyByHash(ctx context.Context, hash string) (*store.APIKey, error)
	Session(ctx context.Context, sessionID string) (*store.Session, error)
	Link(ctx context.Context, sessionID string) (*store.SessionLink, error)
	SubscriptionsOf(ctx context.Context, userID string) ([]store.Subscription, error)
	Changes(ctx context.Context, window time.Duration) ([]store.Change, error)
	TouchKeys(ctx context.Context, used map[string]time.Time) error
}

// Options configure a Directory. The zero value of a field is its default.
type Options struct {
	Source Source
	// TTL is how long after it was last asked for an entry is still answered
	// without a database call (30 s). What the database says is never older than
	// TTL plus a third of it.
	TTL time.Duration
	// Grace is how much older than that it may be while the database is away or
	// does not answer (10 min); negative: not at all. What was forgotten is never
	// answered, and what does not exist is not believed any longer for it.
	Grace time.Duration
	// Size bounds the entries of each kind (100,000).
	Size int
	// Now is the wall clock.
	Now func() time.Time
	// ChangesInterval is how often Watch reads what has changed (1 s).
	ChangesInterval time.Duration
	// Trouble is told once when Watch cannot do a part of its work any more ("read
	// the changes", "remember when keys were used") and when callers begin to be
	// given old answers ("ask the database about callers", see Stale), and with a nil
	// error once all is well again. Optional. It may be called by several goroutines at once.
	Trouble func(doing string, err error)
}

// Directory is safe for concurrent use.
type Directory struct {
	source        Source
	now           func() time.Time
	credentials   *cache[[sha256.Size]byte, credential]
	users         *cache[string, store.User]
	sessions      *cache[string, store.Session]
	links         *cache[string, store.SessionLink]
	subscriptions *cache[string, []store.Subscription]

	outage   *outage
	interval time.Duration
	trouble  func(doing string, err error)
	uses     uses
}

// New makes a Directory; it reads nothing yet.
func New(o Options) *Directory {
	if o.TTL <= 0 {
		o.TTL = 30 * time.Second
	}
	if o.Grace == 0 {
		o.Grace = 10 * time.Minute
	}
	o.Grace = max(o.Grace, 0)
	if o.Size <= 0 {
		o.Size = 100_000
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.ChangesInterval <= 0 {
		o.ChangesInterval = time.Second
	}
	if o.Trouble == nil {
		o.Trouble = func(string, error) {}
	}
	away := newOutage(o.Trouble)
	loads := make(chan struct{}, maxLoads)
	credentialLoads := make(chan struct{}, maxCredentialLoads)
	return &Directory{
		source:        o.Source,
		now:           o.Now,
		credentials:   newCache[[sha256.Size]byte, credential](o, away, credentialLoads, loads),
		users:         newCache[string, store.User](o, away, loads, loads),
		sessions:      newCache[string, store.Session](o, away, loads, loads),
		links:         newCache[string, store.SessionLink](o, away, loads, loads),
		subscriptions: newCache[string, []store.Subscription](o, away, loads, loads),
		outage:        away,
		interval:      o.ChangesInterval,
		trouble:       o.Trouble,
		uses:          uses{size: o.Size},
	}
}

// Close ends the caches' own goroutines.
func (d *Directory) Close() {
	d.credentials.close()
	d.users.close()
	d.sessions.close()
	d.links.close()
	d.subscriptions.close()
}

// User returns an active user. The error is store.ErrNotFound for one that does
// not exist or is not active, so that the two cannot be told apart.
func (d *Directory) User(ctx context.Context, id string) (*store.User, error) {
	user, err := d.users.get(ctx, id, func(ctx context.Context) (*store.User, error) {
		return d.source.User(ctx, id)
	})
	if err != nil {
		return nil, err
	}
	if user.ID != id || !user.IsActive {
		return nil, store.ErrNotFound
	}
	return user, nil
}

// Session returns a session that belongs to userID. The error is
// store.ErrNotFound for one that does not exist and for somebody else's: this is
// the one place where tenants are kept apart (contract §4).
func (d *Directory) Session(ctx context.Context, userID, sessionID string) (*store.Session, error) {
	session, err := d.sessions.get(ctx, sessionID, func(ctx context.Context) (*store.Session, error) {
		return d.source.Session(ctx, sessionID)
	})
	if err != nil {
		return nil, err
	}
	if session.SessionID != sessionID || session.UserID == nil || *session.UserID != userID {
		return nil, store.ErrNotFound
	}
	return session, nil
}

// Subscription returns the user's subscription that is active at this very
// moment, the one that lasts longest if there are several, with its package.
// Expiry is judged by the clock, not by the cache. The error is
// store.ErrNotFound when none is active.
func (d *Directory) Subscription(ctx context.Context, userID string) (*store.Subscription, error) {
	all, err := d.Subscriptions(ctx, userID)
	if err != nil {
		return nil, err
	}
	now := d.now()
	var best *store.Subscription
	for i := range all {
		s := &all[i]
		if IsActive(s, now) && (best == nil || s.ExpiredAt.After(best.ExpiredAt.Time)) {
			best = s
		}
	}
	if best == nil {
		return nil, store.ErrNotFound
	}
	return best, nil
}

// Subscriptions returns all subscriptions of a user, active or not.
func (d *Directory) Subscriptions(ctx context.Context, userID string) ([]store.Subscription, error) {
	all, err := d.subscriptions.get(ctx, userID, func(ctx context.Context) (*[]store.Subscription, error) {
		list, err := d.source.SubscriptionsOf(ctx, userID)
		return &list, err
	})
	if err != nil {
		if errors.Is(err, store.ErrNotFound) {
			return nil, nil
		}
		return nil, err
	}
	return *all, nil
}

// IsActive tells whether a subscription allows calls at the moment now.
func IsActive(s *store.Subscription, now time.Time) bool {
	return s.Status == "active" && s.ExpiredAt.After(now)
}

// Link returns how a session is spoken of with its WA server. The error is
// store.ErrNotFound for a session that has no link. Whose the session is, is for
// [Directory.Session] to say, before.
func (d *Directory) Link(ctx context.Context, sessionID string) (*store.SessionLink, error) {
	link, err := d.links.get(ctx, sessionID, func(ctx context.Context) (*store.SessionLink, error) {
		link, err := d.source.Link(ctx, sessionID)
		if errors.Is(err, store.ErrNotFound) {
			// Only gateways make links, and a change says so.
			return nil, errLasting
		}
		return link, err
	})
	if err != nil {
		return nil, err
	}
	if link.SessionID != sessionID {
		return nil, store.ErrNotFound
	}
	return link, nil
}

// ForgetSession drops what is remembered of a session and its link, after it was
// created, changed or removed.
func (d *Directory) ForgetSession(sessionID string) {
	d.sessions.forget(sessionID)
	d.links.forget(sessionID)
}

// ForgetUser drops what is remembered of a user and their subscriptions.
func (d *Directory) ForgetUser(userID string) {
	d.users.forget(userID)
	d.subscriptions.forget(userID)
}

// ForgetAll drops everything that is remembered.
func (d *Directory) ForgetAll() {
	d.credentials.forgetAll()
	d.users.forgetAll()
	d.sessions.forgetAll()
	d.links.forgetAll()
	d.subscriptions.forgetAll()
}

// doubtAll has everything asked about anew that is remembered.
func (d *Directory) doubtAll() {
	d.credentials.doubt()
	d.users.doubt()
	d.sessions.doubt()
	d.links.doubt()
	d.subscriptions.doubt()
}
