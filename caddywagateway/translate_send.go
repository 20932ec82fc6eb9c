package caddywagateway

import (
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/genfity/wa-gateway/internal/bodyedit"
	"github.com/genfity/wa-gateway/media"
	"github.com/genfity/wa-gateway/message"
	"github.com/genfity/wa-gateway/waserver"
)

// sentAnswer is the data of the answer to a message that was sent.
type sentAnswer struct {
	MessageID string    `json:"message_id"`
	Timestamp time.Time `json:"timestamp"`
	Status    string    `json:"status"`
	To        string    `json:"to"`
}

// statusSent is the status of a message that the server took.
const statusSent = "sent"

// translateSend sends one message. A small body is read before it costs anything; a
// large one takes its place within the rate first, so that who has none left uploads
// nothing.
func (x *exchange) translateSend() error {
	if err := x.mayCount(); err != nil {
		return err
	}
	x.call.Recipients = 1
	large := x.r.ContentLength < 0 || x.r.ContentLength > smallBody
	if large {
		if err := x.takeLimit(x.r.Context(), 1); err != nil {
			return err
		}
	}
	m, err := x.readMessage()
	if err != nil {
		x.returnLimit()
		return err
	}
	defer m.Close()
	if !large {
		if err := x.takeLimit(x.r.Context(), 1); err != nil {
			return err
		}
	}
	sent, link, err := x.sendOne(m)
	if x.decision != nil {
		setLimitHeaders(x.w.Header(), *x.decision)
	}
	if err != nil {
		return x.translatedFailure(err, link)
	}
	return x.answerCanonical(http.StatusOK, sent)
}

// sendOne sends a message for which there is a place, and records what became of it.
// One that never got as far as the server costs nothing.
func (x *exchange) sendOne(m *message.Message) (sentAnswer, *waserver.Link, error) {
	// The message is whole: the server's answer is awaited though the client may go
	// away, since a message that was sent must be counted so.
	ctx := context.WithoutCancel(x.r.Context())
	client, err := x.prepare(m)
	if err != nil {
		x.returnLimit()
		return sentAnswer{}, nil, err
	}
	start := time.Now()
	sent, err := x.server.translator.Send(ctx, client, m)
	if neverSent(err) {
		x.returnLimit()
		return sentAnswer{}, client.Link, err
	}
	if err != nil {
		x.outcome = outcomeFailed
		x.recordEvents(x.outcomeEvents(nil, translatedFailureText(err)))
		return sentAnswer{}, client.Link, err
	}
	x.outcome = outcomeSent
	events := x.outcomeEvents([]waserver.Message{{ID: sent.ID}}, "")
	x.recordEvents(events)
	if sent.At.IsZero() {
		sent.At = start.UTC().Truncate(time.Second)
	}
	answer := sentAnswer{MessageID: events[0].MessageID, Timestamp: sent.At.UTC(), Status: statusSent, To: m.To.JID()}
	x.noteSent(m, sent)
	return answer, client.Link, nil
}

// neverSent tells of a message that got no further than the gateway: it is neither sent
// nor failed, and costs nothing.
func neverSent(err error) bool {
	var unsupported *waserver.UnsupportedError
	var refused *refusal
	return errors.As(err, &unsupported) || errors.As(err, &refused)
}

// prepare finds the session's server, and has the media at hand.
func (x *exchange) prepare(m *message.Message) (*waserver.Client, error) {
	client, err := x.sessionClient(x.r.Context())
	if err != nil {
		return nil, err
	}
	return client, x.load(m)
}

// load fetches what a client's URL names.
func (x *exchange) load(m *message.Message) error {
	err := m.Load(x.r.Context(), x.server.fetcher, x.maxBody())
	if err == nil {
		return nil
	}
	return x.messageRefusal(err)
}

// mayCount refuses messages that could not be counted: what cannot be counted is not
// sent.
func (x *exchange) mayCount() error {
	if err := x.app.databases.events.Ready(); err != nil {
		return unavailable("Messages cannot be counted at the moment; try again later", err)
	}
	return nil
}

// translatedFailureText is the error of a message that was not sent.
func translatedFailureText(err error) string {
	var server *waserver.ServerError
	if errors.As(err, &server) {
		return failureText(server.Status)
	}
	return failureText(0)
}

// readMessage reads the canonical message of a sending call.
func (x *exchange) readMessage() (*message.Message, error) {
	if err := x.plainBody(); err != nil {
		return nil, err
	}
	limit := x.maxBody()
	m, err := message.Parse(x.r.Context(), message.Kind(x.call.Endpoint.MessageType()), x.r.Header.Get("Content-Type"), x.r.Body, x.messageOptions(limit))
	if err != nil {
		return nil, x.messageRefusal(err)
	}
	return m, nil
}

func (x *exchange) messageOptions(limit int64) message.Options {
	return message.Options{Region: x.server.Region, MaxBytes: limit, MaxDepth: x.MaxDepth, Dir: mediaDir()}
}

// plainBody refuses what cannot be read as a body.
func (x *exchange) plainBody() error {
	if !hasBody(x.r) {
		return refuse(http.StatusBadRequest, "The body is missing")
	}
	if limit := x.maxBody(); x.r.ContentLength > limit {
		return tooLarge(limit)
	}
	return x.refuseEncoding()
}

// messageRefusal is the answer to a message that cannot be read.
func (x *exchange) messageRefusal(err error) error {
	var field *message.FieldError
	var fetch *media.FetchError
	var recipients *bodyedit.RecipientsError
	switch {
	case errors.Is(err, media.ErrStorage):
		return unavailable("There is no room for the media at the moment; try again later", err)
	case errors.Is(err, media.ErrTooLarge):
		return bodyRefusal(bodyedit.ErrTooLarge, x.maxBody())
	case errors.As(err, &field):
		return refuse(http.StatusBadRequest, "The message is not valid: "+field.Error()).
			with(map[string]string{"field": field.Field, "reason": field.Reason})
	case errors.As(err, &fetch):
		return refuse(http.StatusBadRequest, "The media cannot be fetched: it "+fetch.Reason).
			with(map[string]string{"field": "media", "reason": fetch.Reason})
	case errors.As(err, &recipients):
		return refuse(http.StatusBadRequest, "Name the recipients of the broadcast in one list: "+err.Error())
	}
	return bodyRefusal(err, x.maxBody())
}

// mediaDir is where large media waits while it is sent: on Caddy's own volume, since
// the system's folder for such files is memory in some containers.
var mediaDir = sync.OnceValue(func() string {
	dir := filepath.Join(caddy.AppDataDir(), "wa_gateway", "media")
	if os.MkdirAll(dir, 0o700) != nil {
		return "" // the system's folder
	}
	return dir
})
