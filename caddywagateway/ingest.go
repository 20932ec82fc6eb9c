package caddywagateway

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/genfity/wa-gateway/recorder"
	"github.com/genfity/wa-gateway/stats"
	"github.com/genfity/wa-gateway/store"
)

// recorders waits until events can be taken: the HTTP app may be faster than ours
// when both start.
func (a *App) recorders(ctx context.Context) (*databases, error) {
	if !a.databases.await(ctx, a.databases.opened) {
		return nil, unavailable("The gateway is starting; try again in a moment", nil)
	}
	return a.databases, nil
}

// eventAnswer is the data of the answer to an event. Spooled: it is on this
// gateway's disk, and counted when the database is back.
type eventAnswer struct {
	Recorded  bool `json:"recorded"`
	Duplicate bool `json:"duplicate"`
	Spooled   bool `json:"spooled,omitempty"`
}

// recordOne takes one event. It is acknowledged when it is on disk.
func (e *Events) recordOne(w http.ResponseWriter, r *http.Request, raw []byte) error {
	event, err := stats.ParseEvent(raw, time.Now())
	if err != nil {
		return eventRefusal(err)
	}
	d, err := e.app.recorders(r.Context())
	if err != nil {
		return err
	}
	answer, err := d.events.Record(r.Context(), []stats.Event{event})
	if err != nil {
		return recordFailure(err)
	}
	if answer.Spooled {
		return writeAnswer(w, http.StatusOK, "Event recorded", eventAnswer{Recorded: true, Spooled: true})
	}
	result := answer.Results[0]
	if result.Err != nil {
		return resultRefusal(result.Err)
	}
	return writeAnswer(w, http.StatusOK, "Event recorded", eventAnswer{Recorded: result.Recorded, Duplicate: result.Duplicate})
}

// resultRefusal is the answer to an event that the ledger does not take.
func resultRefusal(err error) error {
	var field string
	switch {
	case errors.Is(err, stats.ErrTooOld):
		return refuse(http.StatusBadRequest, "The event is too old: "+err.Error()).
			with(map[string]string{"field": "timestamp", "reason": err.Error()})
	case errors.Is(err, recorder.ErrPoison):
		return refuse(http.StatusUnprocessableEntity, "The event cannot be recorded, and was set aside for the operator").because(err)
	case errors.Is(err, stats.ErrUnknownUser):
		field = "user_id"
	default:
		field = "session_id"
	}
	return refuse(http.StatusUnprocessableEntity, "The event was not recorded: "+err.Error()).
		with(map[string]string{"field": field, "reason": err.Error()})
}

// batchAnswer is the data of the answer to a batch.
type batchAnswer struct {
	Recorded   int              `json:"recorded"`
	Duplicates int              `json:"duplicates"`
	Spooled    int              `json:"spooled,omitempty"` // of Recorded
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
		d, err := e.app.recorders(r.Context())
		if err != nil {
			return err
		}
		answer, err := d.events.Record(r.Context(), batch.Events)
		if err != nil {
			return recordFailure(err)
		}
		if answer.Spooled {
			out.Recorded, out.Spooled = len(batch.Events), len(batch.Events)
		}
		for i, result := range answer.Results {
			switch {
			case result.Err != nil:
				out.Rejected = append(out.Rejected, stats.Rejected{Index: batch.Index[i], Reason: rejection(result.Err)})
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

// rejection says why one event of a batch was not recorded. What the database says
// of it is the operator's.
func rejection(err error) string {
	if errors.Is(err, recorder.ErrPoison) {
		return "cannot be recorded, and was set aside for the operator"
	}
	return err.Error()
}

// recordFailure is the answer to events that could not be recorded: nothing of
// them was acknowledged, and they may be told again.
func recordFailure(err error) error {
	switch {
	case errors.Is(err, recorder.ErrPoison):
		return resultRefusal(err)
	case errors.Is(err, recorder.ErrQueueFull), errors.Is(err, recorder.ErrClosed):
		return unavailable("Too many events are waiting; try again later", err)
	case errors.Is(err, recorder.ErrSpoolFull):
		return unavailable("The database cannot be reached, and no more events can be kept; try again later", err)
	case errors.Is(err, recorder.ErrAway), errors.Is(err, store.ErrUnavailable):
		return unavailable("The database cannot be reached; try again later", err)
	}
	return unavailable("The events could not be recorded; try again later", err)
}
