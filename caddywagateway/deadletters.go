package caddywagateway

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/genfity/wa-gateway/recorder"
	"github.com/genfity/wa-gateway/stats"
	"github.com/genfity/wa-gateway/store"
)

// sourceWebhook is the source of dead letters that are webhooks.
const sourceWebhook = "webhook"

// letterEvent is an event as a dead letter holds it: that of POST /events/message,
// and what is known besides.
type letterEvent struct {
	UserID    string       `json:"user_id"`
	SessionID string       `json:"session_id"`
	MessageID string       `json:"message_id"`
	To        string       `json:"to,omitempty"`
	Type      string       `json:"type,omitempty"`
	Status    stats.Status `json:"status"`
	Timestamp time.Time    `json:"timestamp"`
	FirstAt   time.Time    `json:"first_at,omitzero"`
	Error     string       `json:"error,omitempty"`
}

func eventLetter(l recorder.DeadLetter[stats.Event]) store.DeadLetter {
	e := l.Item
	payload, _ := json.Marshal(letterEvent{ // texts and times always can be written
		UserID: e.UserID, SessionID: e.SessionID, MessageID: e.MessageID, To: e.To, Type: e.Type,
		Status: e.Status, Timestamp: e.At, FirstAt: e.FirstAt, Error: e.Error,
	})
	return store.DeadLetter{
		Source: l.Source.String(), Payload: payload,
		UserID: e.UserID, SessionID: e.SessionID, MessageID: e.MessageID,
	}
}

func (l *letterEvent) event() stats.Event {
	return stats.Event{
		UserID: l.UserID, SessionID: l.SessionID, MessageID: l.MessageID, To: l.To, Type: l.Type,
		Status: l.Status, At: l.Timestamp, FirstAt: l.FirstAt, Error: l.Error,
	}.Normal()
}

// letterWebhook is a webhook as a dead letter holds it; the payload is text, since
// it has to stay as it came.
type letterWebhook struct {
	Source     string    `json:"source"`
	SessionID  string    `json:"session_id"`
	EventType  string    `json:"event_type"`
	ReceivedAt time.Time `json:"received_at"`
	Payload    string    `json:"payload"`
}

func webhookLetter(l recorder.DeadLetter[*store.WebhookEvent]) store.DeadLetter {
	hook := l.Item
	payload, _ := json.Marshal(letterWebhook{hook.Source, hook.SessionID, hook.EventType, hook.ReceivedAt, string(hook.Payload)})
	return store.DeadLetter{Source: sourceWebhook, Payload: payload, SessionID: hook.SessionID}
}

// retryError says why a dead letter still cannot be recorded.
type retryError struct{ reason string }

func (e *retryError) Error() string { return e.reason }

// replay records a dead letter once more. The error is an *retryError where the letter
// is to blame.
func replay(ctx context.Context, t *store.Transactional, p *store.Primary, letter *store.DeadLetter) error {
	if letter.Source == sourceWebhook {
		var hook letterWebhook
		if err := json.Unmarshal(letter.Payload, &hook); err != nil {
			return &retryError{"it is not a webhook"}
		}
		_, err := p.AddWebhookEvents(ctx, []*store.WebhookEvent{{
			Source: hook.Source, SessionID: hook.SessionID, EventType: hook.EventType,
			ReceivedAt: hook.ReceivedAt, Payload: json.RawMessage(hook.Payload),
		}})
		return stillDead(err)
	}
	var written letterEvent
	if err := json.Unmarshal(letter.Payload, &written); err != nil {
		return &retryError{"it is not an event"}
	}
	results, err := t.Record(ctx, []stats.Event{written.event()})
	if err != nil {
		return stillDead(err)
	}
	if results[0].Err != nil {
		return &retryError{results[0].Err.Error()}
	}
	return nil
}

func stillDead(err error) error {
	if err == nil || errors.Is(err, store.ErrUnavailable) {
		return err
	}
	return &retryError{"the database refuses it as before"}
}

// letterView is a dead letter as the admin sees it.
type letterView struct {
	ID        string          `json:"id"`
	Source    string          `json:"source"`
	UserID    string          `json:"user_id"`
	SessionID string          `json:"session_id"`
	MessageID string          `json:"message_id"`
	Reason    string          `json:"reason"`
	Payload   json.RawMessage `json:"payload"`
	CreatedAt time.Time       `json:"created_at"`
}

func viewLetter(l *store.DeadLetter) letterView {
	payload := json.RawMessage(l.Payload)
	if !json.Valid(payload) { // a damaged record: its bytes
		payload, _ = json.Marshal(base64.StdEncoding.EncodeToString(l.Payload))
	}
	return letterView{l.ID, l.Source, l.UserID, l.SessionID, l.MessageID, l.Reason, payload, l.CreatedAt.UTC()}
}

type letterPage struct {
	DeadLetters []letterView `json:"dead_letters"`
	Total       int64        `json:"total"`
	Next        *string      `json:"next"`
}

// readLetters is a page of the dead letters, the newest first.
func readLetters(ctx context.Context, t *store.Transactional, limit int, after string) (*letterPage, error) {
	letters, err := t.DeadLetters(ctx, limit+1, after)
	if err != nil {
		return nil, err
	}
	page := &letterPage{DeadLetters: make([]letterView, 0, len(letters))}
	if page.Total, err = t.CountDeadLetters(ctx); err != nil {
		return nil, err
	}
	if len(letters) > limit {
		letters = letters[:limit]
		next := letters[limit-1].Cursor()
		page.Next = &next
	}
	for i := range letters {
		page.DeadLetters = append(page.DeadLetters, viewLetter(&letters[i]))
	}
	return page, nil
}

func (a *App) serveDeadLetters(w http.ResponseWriter, r *http.Request) error {
	limit, err := queryLimit(r)
	if err != nil {
		return err
	}
	page, err := readLetters(r.Context(), a.databases.transactional, limit, r.URL.Query().Get("after"))
	switch {
	case errors.Is(err, store.ErrCursor):
		return wrongQuery("after", "must be the next of another page")
	case err != nil:
		return databaseFailure(err)
	}
	return writeAnswer(w, http.StatusOK, "OK", page)
}

func (a *App) serveDeadLetter(w http.ResponseWriter, r *http.Request, id string) error {
	letter, err := a.databases.transactional.DeadLetter(r.Context(), id)
	if err != nil {
		return letterFailure(err)
	}
	return writeAnswer(w, http.StatusOK, "OK", viewLetter(letter))
}

func (a *App) dropDeadLetter(w http.ResponseWriter, r *http.Request, id string) error {
	removed, err := a.databases.transactional.RemoveDeadLetters(r.Context(), id)
	if err == nil && removed == 0 {
		err = store.ErrNotFound
	}
	if err != nil {
		return letterFailure(err)
	}
	return writeAnswer(w, http.StatusOK, "Dead letter dropped", map[string]string{"id": id})
}

func (a *App) retryDeadLetter(w http.ResponseWriter, r *http.Request, id string) error {
	t := a.databases.transactional
	letter, err := t.DeadLetter(r.Context(), id)
	if err == nil {
		err = replay(r.Context(), t, a.databases.primary, letter)
	}
	if err == nil {
		_, err = t.RemoveDeadLetters(r.Context(), id)
	}
	if err != nil {
		return letterFailure(err)
	}
	return writeAnswer(w, http.StatusOK, "Event recorded", map[string]string{"id": id})
}

func letterFailure(err error) error {
	var dead *retryError
	switch {
	case errors.As(err, &dead):
		return refuse(http.StatusUnprocessableEntity, "It still cannot be recorded: "+dead.reason).
			with(map[string]string{"reason": dead.reason})
	case errors.Is(err, store.ErrNotFound):
		return refuse(http.StatusNotFound, "There is no such dead letter")
	}
	return databaseFailure(err)
}
