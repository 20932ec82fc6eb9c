package caddywagateway

import (
	"bytes"
	"encoding/json"
	"errors"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/genfity/wa-gateway/recorder"
	"github.com/genfity/wa-gateway/stats"
	"github.com/genfity/wa-gateway/store"
)

// recordOne takes one event. It is acknowledged when it is on disk.
func (e *Events) recordOne(w http.ResponseWriter, r *http.Request, raw []byte) error {
	event, err := stats.ParseEvent(raw, time.Now())
	if err != nil {
		return eventRefusal(err)
	}
	results, err := e.app.databases.recorder.Record(r.Context(), []stats.Event{event})
	if err != nil {
		return recordFailure(err)
	}
	result := results[0]
	if result.Err != nil {
		return refuse(http.StatusUnprocessableEntity, "The event was not recorded: "+result.Err.Error()).
			with(map[string]string{"field": unknownField(result.Err), "reason": result.Err.Error()})
	}
	return writeAnswer(w, http.StatusOK, "Event recorded", map[string]bool{
		"recorded": result.Recorded, "duplicate": result.Duplicate,
	})
}

// batchAnswer is the data of the answer to a batch.
type batchAnswer struct {
	Recorded   int              `json:"recorded"`
	Duplicates int              `json:"duplicates"`
	Rejected   []stats.Rejected `json:"rejected"`
}

// recordBatch takes many events: the good ones are recorded, the bad ones come
// back with their index and the reason.
func (e *Events) recordBatch(w http.ResponseWriter, r *http.Request, raw []byte) error {
	batch, err := stats.ParseBatch(bytes.NewReader(raw), time.Now())
	if err != nil {
		return eventRefusal(err)
	}
	out := batchAnswer{Rejected: batch.Rejected}
	if out.Rejected == nil {
		out.Rejected = []stats.Rejected{}
	}
	if len(batch.Events) > 0 {
		results, err := e.app.databases.recorder.Record(r.Context(), batch.Events)
		if err != nil {
			return recordFailure(err)
		}
		for i, result := range results {
			switch {
			case result.Err != nil:
				out.Rejected = append(out.Rejected, stats.Rejected{Index: batch.Index[i], Reason: result.Err.Error()})
			case result.Duplicate:
				out.Duplicates++
			default:
				out.Recorded++
			}
		}
	}
	slices.SortFunc(out.Rejected, func(a, b stats.Rejected) int { return a.Index - b.Index })
	return writeAnswer(w, http.StatusOK, "Batch recorded", out)
}

// eventRefusal is the answer to events that cannot be read.
func eventRefusal(err error) error {
	var field *stats.FieldError
	var syntax *stats.SyntaxError
	switch {
	case errors.As(err, &field):
		return refuse(http.StatusBadRequest, "The event is not valid: "+field.Error()).
			with(map[string]string{"field": field.Field, "reason": field.Reason})
	case errors.As(err, &syntax):
		return refuse(http.StatusBadRequest, "The body is not valid: "+syntax.Reason).
			with(map[string]int64{"offset": syntax.Offset})
	case errors.Is(err, stats.ErrTooManyEvents):
		return refuse(http.StatusBadRequest, "The batch has too many events; split it").
			with(map[string]int{"max_events": stats.MaxBatch})
	default:
		return refuse(http.StatusBadRequest, "The body could not be read to its end").because(err)
	}
}

// recordFailure is the answer to events that could not be recorded: nothing of
// them was acknowledged, and they may be told again.
func recordFailure(err error) error {
	if errors.Is(err, recorder.ErrQueueFull) || errors.Is(err, recorder.ErrClosed) {
		return unavailable("Too many events are waiting; try again later", err)
	}
	if errors.Is(err, store.ErrUnavailable) {
		return databaseFailure(err)
	}
	return unavailable("The events could not be recorded; try again later", err)
}

func unknownField(err error) string {
	if errors.Is(err, stats.ErrUnknownUser) {
		return "user_id"
	}
	return "session_id"
}

// recordWebhook keeps a WA server's native webhook in the primary database, once
// however often it is delivered. With dialect generic the native payload is the
// event of contract §8, so it is counted as well.
func (e *Events) recordWebhook(w http.ResponseWriter, r *http.Request, raw []byte) error {
	payload, err := webhookPayload(r.Header.Get("Content-Type"), raw)
	if err != nil {
		return err
	}
	hook := store.WebhookEvent{Source: e.server.Name, Payload: payload, ReceivedAt: time.Now()}
	hook.SessionID, hook.EventType = describeWebhook(payload)
	duplicate, err := e.app.databases.primary.AddWebhookEvent(r.Context(), &hook)
	if err != nil {
		return databaseFailure(err)
	}
	counted := false
	if event, err := stats.ParseEvent(payload, time.Now()); err == nil {
		results, err := e.app.databases.recorder.Record(r.Context(), []stats.Event{event})
		if err != nil {
			return recordFailure(err)
		}
		counted = results[0].Err == nil && results[0].Recorded
		if err := e.app.databases.primary.MarkWebhookEventProcessed(r.Context(), hook.ID); err != nil {
			return databaseFailure(err)
		}
	}
	return writeAnswer(w, http.StatusOK, "Webhook recorded", map[string]bool{
		"recorded": !duplicate, "duplicate": duplicate, "counted": counted,
	})
}

// webhookPayload brings a webhook to JSON: JSON as it is, a form as an object of
// its fields.
func webhookPayload(contentType string, raw []byte) ([]byte, error) {
	if len(raw) == 0 {
		return nil, refuse(http.StatusBadRequest, "The body is empty")
	}
	if mediaType, _, _ := mime.ParseMediaType(contentType); mediaType == "application/x-www-form-urlencoded" {
		form, err := url.ParseQuery(string(raw))
		if err != nil {
			return nil, refuse(http.StatusBadRequest, "The form cannot be parsed")
		}
		fields := make(map[string]any, len(form))
		for name, values := range form {
			if len(values) == 1 {
				fields[name] = values[0]
			} else {
				fields[name] = values
			}
		}
		return json.Marshal(fields)
	}
	if !json.Valid(raw) || !utf8.Valid(raw) {
		return nil, refuse(http.StatusBadRequest, "Send the webhook as JSON or as a form")
	}
	return raw, nil
}

// describeWebhook finds what a payload says of its session and type, for
// looking it up later. Both may be empty.
func describeWebhook(payload []byte) (sessionID, eventType string) {
	var top map[string]json.RawMessage
	if json.Unmarshal(payload, &top) != nil {
		return "", ""
	}
	text := func(names ...string) string {
		for _, name := range names {
			var s string
			if json.Unmarshal(top[name], &s) == nil && s != "" && len(s) <= stats.MaxIDLength {
				return s
			}
		}
		return ""
	}
	return text("session_id", "sessionId", "session", "instance", "instanceName"),
		text("event", "type", "event_type", "status")
}
