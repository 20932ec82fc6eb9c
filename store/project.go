package store

import (
	"context"
	"hash/fnv"
	"maps"
	"slices"
	"time"

	"gorm.io/gorm"

	"github.com/genfity/wa-gateway/waserver"
)

// sessionLock is the first half of the advisory locks under which rows of a session
// are written; the second is a hash of the session's id.
const sessionLock = 0x77616778

// ApplyUpdates writes what a WA server told of a session into the rows of its state,
// contacts, chats, messages and receipts, all in one transaction. The rows depend on
// what was told alone, not on its order, on how often it was told or in which parts.
func (p *Primary) ApplyUpdates(ctx context.Context, sessionID string, updates []waserver.Update) error {
	if sessionID == "" || len(updates) == 0 {
		return nil
	}
	err := p.db.tx(ctx, func(q *gorm.DB) error {
		return p.apply(q, map[string][]waserver.Update{sessionID: updates})
	})
	return failure("write what a server told", err)
}

// apply writes the updates of sessions within a transaction. Sessions are locked in
// one order, the same everywhere, so that nobody waits in a circle.
func (p *Primary) apply(q *gorm.DB, told map[string][]waserver.Update) error {
	ids := slices.Collect(maps.Keys(told))
	if err := p.db.lockSessions(q, ids); err != nil {
		return err
	}
	slices.Sort(ids)
	for _, id := range ids {
		updates, err := p.withChats(q, id, told[id])
		if err != nil {
			return err
		}
		j := p.newProjection(id)
		j.plan(updates)
		if err := j.load(q, p.db); err != nil {
			return err
		}
		j.fold(updates)
		if err := j.save(q, p.now()); err != nil {
			return err
		}
	}
	return nil
}

// lockSessions makes the transactions that write rows of a session wait for each
// other, until they end. SQLite has one writer at a time anyway.
func (db *DB) lockSessions(q *gorm.DB, ids []string) error {
	if db.backend != Postgres {
		return nil
	}
	hashes := make([]int32, len(ids))
	for i, id := range ids {
		sum := fnv.New32a()
		_, _ = sum.Write([]byte(id))
		hashes[i] = int32(sum.Sum32())
	}
	slices.Sort(hashes)
	for _, hash := range slices.Compact(hashes) {
		if err := q.Exec("SELECT pg_advisory_xact_lock(?::int, ?::int)", sessionLock, hash).Error; err != nil {
			return err
		}
	}
	return nil
}

// Bounds of what is kept of an update. Keys are in indexes, whose entries PostgreSQL
// bounds at 2.7 kB.
const (
	maxKey    = 256
	maxName   = 1 << 10
	maxBody   = 256 << 10
	maxURL    = 16 << 10
	maxQRPNG  = 256 << 10
	maxFuture = 24 * time.Hour
	maxAhead  = 5 * time.Minute
)

// key is a text that may name a row.
func key(text string) bool { return text != "" && len(text) <= maxKey && storable(text) == text }

// soon is when for what holds until it is told otherwise: a state that claims to be from
// tomorrow would hold all day.
func (j *projection) soon(at time.Time) time.Time {
	at = j.when(at)
	if bound := j.now.Add(maxAhead); at.After(bound) {
		return timeArg(bound)
	}
	return at
}

// when is the time of an update. A server whose clock is far ahead would keep all that
// comes later from being believed, so there is a bound.
func (j *projection) when(times ...time.Time) time.Time {
	for _, at := range times {
		if at.IsZero() {
			continue
		}
		if at.Before(time.Unix(0, 0)) {
			return time.Unix(0, 0).UTC()
		}
		if bound := j.now.Add(maxFuture); at.After(bound) {
			return timeArg(bound)
		}
		return timeArg(at)
	}
	return timeArg(j.now)
}
