package store

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// WebhookAdded says what became of one event handed to AddWebhookEvents.
type WebhookAdded struct {
	ID        string // of its row
	Duplicate bool   // the row was there before
}

// AddWebhookEvents keeps webhooks as they came, all in one transaction, which is
// on disk when it returns, and says for each of them, in their order, what became
// of it. The same payload of the same source is kept once, however often it is
// delivered, in one list too. The events get their ID, which is that of the row,
// ContentHash and ReceivedAt.
func (p *Primary) AddWebhookEvents(ctx context.Context, events []*WebhookEvent) ([]WebhookAdded, error) {
	b := p.newWebhookBatch(events)
	if len(b.rows) == 0 {
		return nil, nil
	}
	add := p.addWebhooksSQLite
	if p.db.backend == Postgres {
		add = p.addWebhooksPostgres
	}
	var err error
	for attempt := range maxAttempts {
		if attempt > 0 && !pause(ctx, attempt) {
			break
		}
		b.begin()
		err = add(ctx, b)
		if err == nil || !(retryable(err) || errors.Is(err, errVanished)) {
			break
		}
	}
	if err != nil {
		return nil, failure("keep webhook events", ended(ctx, err))
	}
	return b.results(), nil
}

// errVanished says that the row which an event is a duplicate of went, by its
// age, before its id was read. The next attempt keeps the event.
var errVanished = fmt.Errorf("%w: the same event was removed at this moment", ErrUnavailable)

// webhookBatch is the events of one AddWebhookEvents. Those of one content are
// one row, and rows are inserted in the order of their hashes, so that two
// transactions never wait for each other's in a circle.
type webhookBatch struct {
	events []*WebhookEvent
	rows   []*WebhookEvent // the first of each content, by hash

	ids   map[string]string // by hash
	added map[string]bool   // by hash: the row is ours
}

func (p *Primary) newWebhookBatch(events []*WebhookEvent) *webhookBatch {
	b := &webhookBatch{events: events, ids: map[string]string{}, added: map[string]bool{}}
	seen := make(map[string]bool, len(events))
	for _, e := range events {
		if e.ReceivedAt.IsZero() {
			e.ReceivedAt = p.now()
		}
		e.ContentHash = contentHash(e)
		e.Source, e.SessionID, e.EventType = storable(e.Source), storable(e.SessionID), storable(e.EventType)
		e.ReceivedAt = timeArg(e.ReceivedAt)
		if !seen[e.ContentHash] {
			seen[e.ContentHash] = true
			b.rows = append(b.rows, e)
		}
	}
	slices.SortFunc(b.rows, func(x, y *WebhookEvent) int { return cmp.Compare(x.ContentHash, y.ContentHash) })
	return b
}

// contentHash recognizes what was told before.
func contentHash(e *WebhookEvent) string {
	sum := sha256.New()
	fmt.Fprintf(sum, "%d:%s", len(e.Source), e.Source)
	if e.OfSession {
		fmt.Fprintf(sum, "/%d:%s", len(e.SessionID), e.SessionID)
	}
	if e.Timeless {
		fmt.Fprintf(sum, "@%d ", e.ReceivedAt.Unix())
	}
	sum.Write(e.Payload)
	return hex.EncodeToString(sum.Sum(nil))
}

// storable makes of a text one that both databases can hold: UTF-8 without NUL.
func storable(text string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(text, string(utf8.RuneError)), "\x00", string(utf8.RuneError))
}

// shortened is a storable text of at most length bytes.
func shortened(text string, length int) string {
	text = storable(text)
	if len(text) <= length {
		return text
	}
	for !utf8.RuneStart(text[length]) {
		length--
	}
	return text[:length]
}

// begin forgets an attempt that was undone.
func (b *webhookBatch) begin() {
	clear(b.ids)
	clear(b.added)
	for _, e := range b.rows {
		e.ID = NewID()
	}
}

// known takes note of the row that has an event's content.
func (b *webhookBatch) known(e *WebhookEvent, id string) {
	b.ids[e.ContentHash], b.added[e.ContentHash] = id, id == e.ID
}

// complete reports whether all rows are known.
func (b *webhookBatch) complete() error {
	if len(b.ids) < len(b.rows) {
		return errVanished
	}
	return nil
}

// results gives each event its row's id.
func (b *webhookBatch) results() []WebhookAdded {
	list := make([]WebhookAdded, len(b.events))
	for i, e := range b.events {
		e.ID = b.ids[e.ContentHash]
		list[i] = WebhookAdded{ID: e.ID, Duplicate: !b.added[e.ContentHash]}
		b.added[e.ContentHash] = false // further ones of this list are duplicates
	}
	return list
}
