package store

import (
	"context"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/schema"
)

// The kinds of changes. A reader that does not know a kind should take it for
// [ChangeAll]: a later version may have written it.
const (
	ChangeKey     = "key"     // Key is the hash of an API key
	ChangeUser    = "user"    // Key is the id of a user, who or whose subscriptions changed
	ChangeSession = "session" // Key is a session id
	ChangeAll     = "all"     // anything may be another than before
)

const (
	// MaxChanges bounds what [Transactional.Changes] returns.
	MaxChanges = 10_000

	// changesKept is how long a change can be read about, and changesDropped how
	// many older ones each new one takes away at most.
	changesKept    = time.Hour
	changesDropped = 100
)

// Change says that something is not what a gateway may remember of it.
type Change struct {
	ID   int64
	Kind string
	Key  string
}

// TableName tells GORM the table's place in this database.
func (Change) TableName(n schema.Namer) string { return ownTable(n, "changes") }

// Changes lists what this package changed within the window before now, by the
// database's clock, the newest first and [MaxChanges] at most. On PostgreSQL a
// change becomes visible when its transaction commits, so a later call may show
// one with a smaller id than those seen before: a reader asks for more time than
// has passed, and remembers what it has seen.
func (t *Transactional) Changes(ctx context.Context, window time.Duration) ([]Change, error) {
	var changes []Change
	err := t.db.read(ctx, func(q *gorm.DB) error {
		changes = nil
		return q.Model(&Change{}).Select("id", "kind", "key").
			Where("created_at > "+t.db.ago(), t.db.agoArg(window)).
			Order("id DESC").Limit(MaxChanges).Find(&changes).Error
	})
	return changes, failure("read the changes", err)
}

// changed notes a change in the transaction that makes it, as the last thing
// there, so that it is seen soon after the time that it bears. Old ones go.
func (db *DB) changed(q *gorm.DB, kind, key string) error {
	if err := q.Exec("INSERT INTO "+db.own("changes")+" (kind, key) VALUES (?, ?)", kind, key).Error; err != nil {
		return err
	}
	old := "SELECT id FROM " + db.own("changes") + " WHERE created_at < " + db.ago() + " ORDER BY created_at LIMIT ?"
	if db.backend == Postgres {
		old += " FOR UPDATE SKIP LOCKED" // another change may be at the same ones
	}
	return q.Exec("DELETE FROM "+db.own("changes")+" WHERE id IN ("+old+")", db.agoArg(changesKept), changesDropped).Error
}

// ago is the SQL of the moment that lies a parameter, made by agoArg, in the past.
func (db *DB) ago() string {
	if db.backend == Postgres {
		return "clock_timestamp() - ?::double precision * interval '1 second'"
	}
	return "CAST(unixepoch('subsec') * 1000 AS INTEGER) - ?"
}

func (db *DB) agoArg(d time.Duration) any {
	if db.backend == Postgres {
		return d.Seconds()
	}
	return d.Milliseconds()
}
