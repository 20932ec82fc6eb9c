package caddywagateway

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/genfity/wa-gateway/stats"
	"github.com/genfity/wa-gateway/store"
	"github.com/genfity/wa-gateway/webhook"
)

// webhookAnswer is the data of the answer to one webhook.
type webhookAnswer struct {
	eventAnswer
	Counted bool `json:"counted"`
}

// webhooksAnswer is that of the answer to several, told as NDJSON.
type webhooksAnswer struct {
	Recorded   int `json:"recorded"`
	Duplicates int `json:"duplicates"`
	Counted    int `json:"counted"`
	Spooled    int `json:"spooled,omitempty"` // of Recorded
}

// recordWebhook keeps a WA server's native webhooks in the primary database, once
// however often they are delivered. With dialect generic the native payload is the
// event of contract §8, so it is counted as well; first, so that what is counted
// can be kept as done with one writing.
func (e *Events) recordWebhook(w http.ResponseWriter, r *http.Request, raw []byte) error {
	payloads, err := webhook.Parse(r.Header.Get("Content-Type"), raw, stats.MaxBatch)
	if err != nil {
		return webhookRefusal(err)
	}
	d, err := e.app.recorders(r.Context())
	if err != nil {
		return err
	}
	now := time.Now()
	hooks := make([]*store.WebhookEvent, len(payloads))
	for i, payload := range payloads {
		hooks[i] = &store.WebhookEvent{Source: e.server.Name, Payload: payload, ReceivedAt: now}
		hooks[i].SessionID, hooks[i].EventType = webhook.Describe(payload)
	}
	news, err := d.countWebhooks(r.Context(), hooks, now)
	if err != nil {
		return recordFailure(err)
	}
	answer, err := d.webhooks.Record(r.Context(), hooks)
	if err != nil {
		return recordFailure(err)
	}
	duplicates := 0
	for _, added := range answer.Results {
		if added.Duplicate {
			duplicates++
		}
	}
	if len(hooks) > 1 {
		out := webhooksAnswer{Recorded: len(hooks) - duplicates, Duplicates: duplicates, Counted: news}
		if answer.Spooled {
			out.Spooled = len(hooks)
		}
		return writeAnswer(w, http.StatusOK, "Webhooks recorded", out)
	}
	return writeAnswer(w, http.StatusOK, "Webhook recorded", webhookAnswer{
		eventAnswer{Recorded: duplicates == 0, Duplicate: duplicates > 0, Spooled: answer.Spooled}, news > 0,
	})
}

// countWebhooks counts those that are events themselves, and marks them as processed.
// news is how many were not known before. Where the events had to be spooled nothing
// is said of them: what waits may still turn out to be nobody's.
func (d *databases) countWebhooks(ctx context.Context, hooks []*store.WebhookEvent, now time.Time) (news int, err error) {
	var events []stats.Event
	var of []int
	for i, hook := range hooks {
		if event, err := stats.ParseEvent(hook.Payload, now); err == nil {
			events, of = append(events, event), append(of, i)
		}
	}
	if len(events) == 0 {
		return 0, nil
	}
	answer, err := d.events.Record(ctx, events)
	if err != nil || answer.Spooled {
		return 0, err
	}
	for n, i := range of {
		if answer.Results[n].Err != nil {
			continue // nobody's that we know; it is kept all the same
		}
		hooks[i].ProcessedAt = &now
		if answer.Results[n].Recorded {
			news++
		}
	}
	return news, nil
}

// webhookRefusal is the answer to a body that holds no webhook.
func webhookRefusal(err error) error {
	var wrong *webhook.Error
	if errors.As(err, &wrong) {
		return refuse(http.StatusBadRequest, "The webhook cannot be read: "+wrong.Error())
	}
	return refuse(http.StatusBadRequest, "The webhook cannot be read").because(err)
}
