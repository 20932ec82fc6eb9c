package caddywagateway

import (
	"context"
	"strconv"
	"time"

	"github.com/google/uuid"
	"go.uber.org/zap"

	"github.com/genfity/wa-gateway/stats"
	"github.com/genfity/wa-gateway/waserver"
)

// send forwards messages and records what became of them.
func (x *exchange) send(b *body) error {
	out, err := x.outgoing(b)
	if err != nil {
		x.returnLimit()
		return err
	}
	if b.stream == nil {
		// The message is whole: the WA server's answer is awaited though the
		// client may go away, since a message that was sent must be counted so.
		out = out.WithContext(context.WithoutCancel(out.Context()))
	}
	w := x.newAnswerWriter(holdJSON)
	// On disk before the client has its answer: whoever was told of a message can
	// rely on its being counted.
	w.before = func() { x.recordOutcome(w) }
	done := false
	defer func() {
		if !done { // reverse_proxy ends broken streams by a panic
			w.ready()
		}
	}()
	err = x.roundTrip(w, out, b)
	done = true
	if !w.passed && b.stream.err() != nil {
		// The gateway itself refused the rest of the body: neither sent nor
		// failed, and no message of the caller's rate.
		w.before = nil
		x.returnLimit()
		return err
	}
	w.ready()
	if !w.passed && x.decision != nil {
		setLimitHeaders(x.w.Header(), *x.decision)
	}
	return err
}

// recordOutcome tells the ledger what the WA server's answer says of the
// messages: sent with 2xx, failed with anything else or none (contract §8).
func (x *exchange) recordOutcome(w *answerWriter) {
	x.outcome = outcomeFailed
	if w.succeeded() {
		x.outcome = outcomeSent
	}
	if x.isTest() {
		return
	}
	var messages []waserver.Message
	if w.succeeded() && w.copied.Len() > 0 {
		messages = x.server.dialect.Messages(&x.call, w.copied.Bytes())
	}
	failure := ""
	if !w.succeeded() {
		failure = failureText(w.status)
	}
	x.recordEvents(x.outcomeEvents(messages, failure))
}

// recordEvents puts outcomes into the journal.
func (x *exchange) recordEvents(events []stats.Event) {
	if err := x.app.databases.events.Later(events...); err != nil {
		x.logger.Error("the outcome of a message was lost: it can be kept nowhere",
			zap.String("user_id", x.call.UserID), zap.String("session_id", x.call.SessionID),
			zap.Int("messages", len(events)), zap.Error(err))
	}
}

// outcomeEvents are the outcomes of the call's messages. failure is why none of them
// was sent; empty where the call succeeded.
func (x *exchange) outcomeEvents(messages []waserver.Message, failure string) []stats.Event {
	events := make([]stats.Event, 0, x.call.Recipients)
	for i := range x.call.Recipients {
		event := stats.Event{
			UserID: x.call.UserID, SessionID: x.call.SessionID,
			Type: x.call.Endpoint.MessageType(), Status: stats.Sent,
			// The time before the call, and not finer than WA servers tell theirs,
			// so that no event about the same message can seem to be older than its
			// sending.
			At: x.start.UTC().Truncate(time.Second), FirstAt: x.start.UTC().Truncate(stats.Resolution),
		}
		switch {
		case i < len(messages) && len(messages) > 1, len(messages) == 1 && x.call.Recipients == 1:
			event.MessageID = messages[i].ID
			if messages[i].Failed {
				event.Status = stats.Failed
			}
		case len(messages) == 1 && messages[0].ID != "":
			// One id for a whole broadcast.
			event.MessageID = messages[0].ID + ":" + strconv.Itoa(i+1)
		}
		if failure != "" {
			event.Status, event.Error = stats.Failed, failure
		}
		if !stats.ValidID(event.MessageID) {
			event.MessageID = "gw_" + uuid.NewString()
		}
		events = append(events, event)
	}
	return events
}

func failureText(status int) string {
	if status == 0 || status == statusUsed {
		return "no answer from the WA server"
	}
	return "the WA server answered " + strconv.Itoa(status)
}
