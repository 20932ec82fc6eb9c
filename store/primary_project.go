package store

import (
	"context"
	"errors"
	"slices"

	"github.com/jackc/pgx/v5/pgconn"
	"gorm.io/gorm"

	"github.com/genfity/wa-gateway/waserver"
)

const (
	// projectBytes bounds the payloads that are in memory at once, but for one that is
	// larger by itself.
	projectBytes = 8 << 20
	// projectAttempts is how often the database may refuse what an event tells.
	projectAttempts = 3
	// maxWebhookError bounds what is kept of the reason why an event became no rows.
	maxWebhookError = 300
)

// ErrNoSession is why a webhook of a session that the gateway does not know becomes no
// rows.
var ErrNoSession = errors.New("no session of the gateway's")

// WebhooksProjected says what became of webhooks.
type WebhooksProjected struct {
	Applied int  // became rows, or told nothing that is kept
	Failed  int  // could not be read or written, and are not tried again
	More    bool // there were more of them
}

func (w *WebhooksProjected) add(other WebhooksProjected) {
	w.Applied += other.Applied
	w.Failed += other.Failed
}

// ProjectWebhooks turns webhooks of a source that have not been processed into rows, at
// most limit of them, in the order of their arrival, and marks them as processed in the
// transaction that writes the rows. Several gateways may do so at once; each webhook is
// done once. read tells what a webhook says of its session; its error is kept with the
// webhook, which is not tried again, unless it is a [Blameless] one, which ends the call
// as the database's own does. A webhook that cannot be written holds up no other.
func (p *Primary) ProjectWebhooks(ctx context.Context, source string, limit int, read func(*WebhookEvent) ([]waserver.Update, error)) (WebhooksProjected, error) {
	var total WebhooksProjected
	waiting, err := p.waitingWebhooks(ctx, source, limit)
	if err != nil {
		return total, failure("look for webhooks that wait", err)
	}
	for _, ids := range chunkWebhooks(waiting) {
		done, err := p.projectSome(ctx, ids, read)
		total.add(done)
		if err != nil {
			return total, failure("turn webhooks into rows", err)
		}
	}
	// With none done, another gateway is at them.
	total.More = len(waiting) == limit && total.Applied+total.Failed > 0
	return total, nil
}

// waitingWebhook is the size of one, before it is read.
type waitingWebhook struct {
	ID   string
	Size int64
}

func (p *Primary) waitingWebhooks(ctx context.Context, source string, limit int) ([]waitingWebhook, error) {
	size := "length(CAST(payload AS blob))"
	if p.db.backend == Postgres {
		size = "octet_length(payload::text)"
	}
	var waiting []waitingWebhook
	err := p.db.read(ctx, func(q *gorm.DB) error {
		waiting = nil
		return q.Raw(`SELECT id, `+size+` AS size FROM `+p.db.own("webhook_events")+`
			WHERE source = ? AND processed_at IS NULL ORDER BY received_at, id LIMIT ?`, source, limit).Scan(&waiting).Error
	})
	return waiting, err
}

// chunkWebhooks cuts a list into what may be in memory at once.
func chunkWebhooks(waiting []waitingWebhook) [][]string {
	var chunks [][]string
	size := int64(0)
	for i, w := range waiting {
		if i == 0 || size+w.Size > projectBytes {
			chunks, size = append(chunks, nil), 0
		}
		size += w.Size
		last := len(chunks) - 1
		chunks[last] = append(chunks[last], w.ID)
	}
	return chunks
}

// readWebhook is a webhook and what it tells.
type readWebhook struct {
	id, sessionID string
	updates       []waserver.Update
	failed        string // why it tells nothing
}

// projectSome reads webhooks before any lock is held, and writes what they tell. If the
// database refuses that, each is tried by itself.
func (p *Primary) projectSome(ctx context.Context, ids []string, read func(*WebhookEvent) ([]waserver.Update, error)) (WebhooksProjected, error) {
	var done WebhooksProjected
	hooks, err := p.readWebhooks(ctx, ids, read)
	if err != nil {
		return done, err
	}
	done, err = p.writeWebhooks(ctx, hooks)
	if err == nil || Blameless(err) || ctx.Err() != nil {
		return done, err
	}
	for i := range hooks {
		one, err := p.writeWebhooks(ctx, hooks[i:i+1])
		if err != nil && !Blameless(err) && ctx.Err() == nil {
			one, err = p.refusedWebhook(ctx, hooks[i].id, err)
		}
		done.add(one)
		if err != nil {
			return done, err
		}
	}
	return done, nil
}

func (p *Primary) readWebhooks(ctx context.Context, ids []string, read func(*WebhookEvent) ([]waserver.Update, error)) ([]readWebhook, error) {
	var events []WebhookEvent
	err := p.db.read(ctx, func(q *gorm.DB) error {
		events = nil
		return q.Where("processed_at IS NULL AND "+p.db.amongTexts("id"), jsonTexts(ids)).Order("received_at, id").Find(&events).Error
	})
	if err != nil {
		return nil, err
	}
	hooks := make([]readWebhook, len(events))
	for i := range events {
		e := &events[i]
		hooks[i] = readWebhook{id: e.ID, sessionID: e.SessionID}
		if e.SessionID == "" {
			hooks[i].failed = ErrNoSession.Error()
			continue
		}
		hooks[i].updates, err = read(e)
		switch {
		case Blameless(err):
			return nil, err
		case err != nil:
			hooks[i].updates, hooks[i].failed = nil, shortened(err.Error(), maxWebhookError)
		}
		e.Payload = nil
	}
	return hooks, nil
}

// writeWebhooks writes what webhooks tell and marks them, those that nobody else is at.
func (p *Primary) writeWebhooks(ctx context.Context, hooks []readWebhook) (WebhooksProjected, error) {
	var done WebhooksProjected
	err := p.db.tx(ctx, func(q *gorm.DB) error {
		done = WebhooksProjected{}
		mine, err := p.claimWebhooks(q, hooks)
		if err != nil {
			return err
		}
		told := map[string][]waserver.Update{}
		var applied []string
		for i := range mine {
			h := &mine[i]
			if h.failed != "" {
				done.Failed++
				if err := p.markWebhooks(q, []string{h.id}, h.failed); err != nil {
					return err
				}
				continue
			}
			applied = append(applied, h.id)
			if len(h.updates) > 0 {
				told[h.sessionID] = append(told[h.sessionID], h.updates...)
			}
		}
		done.Applied = len(applied)
		if err := p.apply(q, told); err != nil || len(applied) == 0 {
			return err
		}
		return p.markWebhooks(q, applied, "")
	})
	if err != nil {
		return WebhooksProjected{}, err
	}
	return done, nil
}

// claimWebhooks locks webhooks and leaves out those that are locked or done.
func (p *Primary) claimWebhooks(q *gorm.DB, hooks []readWebhook) ([]readWebhook, error) {
	ids := make([]string, len(hooks))
	for i := range hooks {
		ids[i] = hooks[i].id
	}
	claim := `SELECT id FROM ` + p.db.own("webhook_events") + ` WHERE processed_at IS NULL AND ` + p.db.amongTexts("id")
	if p.db.backend == Postgres {
		claim += ` FOR UPDATE SKIP LOCKED`
	}
	var free []string
	if err := q.Raw(claim, jsonTexts(ids)).Scan(&free).Error; err != nil {
		return nil, err
	}
	return slices.DeleteFunc(slices.Clone(hooks), func(h readWebhook) bool { return !slices.Contains(free, h.id) }), nil
}

func (p *Primary) markWebhooks(q *gorm.DB, ids []string, reason string) error {
	return q.Exec(`UPDATE `+p.db.own("webhook_events")+` SET processed_at = ?, error = ? WHERE processed_at IS NULL AND `+p.db.amongTexts("id"),
		timeArg(p.now()), reason, jsonTexts(ids)).Error
}

// refusedWebhook counts an attempt, and after the last one gives the webhook up.
func (p *Primary) refusedWebhook(ctx context.Context, id string, cause error) (WebhooksProjected, error) {
	var attempts int
	err := p.db.tx(ctx, func(q *gorm.DB) error {
		events := p.db.own("webhook_events")
		err := q.Exec(`UPDATE `+events+` SET attempts = attempts + 1, error = ? WHERE id = ? AND processed_at IS NULL`, refusal(cause), id).Error
		if err != nil {
			return err
		}
		if err := q.Raw(`SELECT attempts FROM `+events+` WHERE id = ?`, id).Scan(&attempts).Error; err != nil || attempts < projectAttempts {
			return err
		}
		return q.Exec(`UPDATE `+events+` SET processed_at = ? WHERE id = ? AND processed_at IS NULL`, timeArg(p.now()), id).Error
	})
	if err != nil || attempts < projectAttempts {
		return WebhooksProjected{}, err
	}
	return WebhooksProjected{Failed: 1}, nil
}

// refusal says why the database refused something, without its words, which may be
// the values.
func refusal(err error) string {
	var pgErr *pgconn.PgError
	if errors.As(err, &pgErr) {
		return "the database refused it: SQLSTATE " + pgErr.Code
	}
	return "the database refused it"
}
