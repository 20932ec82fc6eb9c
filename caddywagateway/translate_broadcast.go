package caddywagateway

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/genfity/wa-gateway/message"
	"github.com/genfity/wa-gateway/waserver"
)

// broadcastAnswer is the data of the answer to a broadcast.
type broadcastAnswer struct {
	Sent    int               `json:"sent"`
	Failed  int               `json:"failed"`
	Results []broadcastResult `json:"results"`
}

// broadcastResult is what became of one recipient's message.
type broadcastResult struct {
	To        string     `json:"to"`
	Success   bool       `json:"success"`
	MessageID string     `json:"message_id,omitempty"`
	Timestamp *time.Time `json:"timestamp,omitempty"`
	Status    string     `json:"status"`
	Error     string     `json:"error,omitempty"`
}

// translateBroadcast sends one message to many, one by one: no server has such a
// call. All are paid for at once or none; each has an outcome of its own. It goes on
// though the client goes away.
func (x *exchange) translateBroadcast() error {
	if err := x.mayCount(); err != nil {
		return err
	}
	if err := x.plainBody(); err != nil {
		return err
	}
	limit := x.maxBody()
	raw, err := readUpTo(x.r.Body, limit+1, x.r.ContentLength)
	if err != nil {
		return bodyRefusal(err, limit)
	}
	if int64(len(raw)) > limit {
		return tooLarge(limit)
	}
	messages, err := message.ParseBroadcast(x.r.Header.Get("Content-Type"), raw, x.messageOptions(limit))
	if err != nil {
		return x.messageRefusal(err)
	}
	defer closeAll(messages)
	if err := x.takeLimit(x.r.Context(), len(messages)); err != nil {
		return err
	}
	// From here on each outcome is of one message.
	x.call.Recipients = 1
	client, err := x.sessionClient(x.r.Context())
	if err == nil {
		if err = message.LoadBroadcast(x.r.Context(), messages, x.server.fetcher, limit); err != nil {
			err = x.messageRefusal(err)
		}
	}
	if err != nil {
		x.returnLimit()
		return err
	}
	answer, err := x.sendAll(client, messages)
	if err != nil {
		x.returnLimit()
		return x.translatedFailure(err, client.Link)
	}
	return x.answerCanonical(http.StatusOK, answer)
}

func closeAll(messages []*message.Message) {
	for _, m := range messages {
		_ = m.Close()
	}
}

// sendAll sends the messages of a broadcast, with a pause between two of them. The
// error is that the server cannot send such messages at all.
func (x *exchange) sendAll(client *waserver.Client, messages []*message.Message) (broadcastAnswer, error) {
	ctx := context.WithoutCancel(x.r.Context())
	answer := broadcastAnswer{Results: make([]broadcastResult, 0, len(messages))}
	pause := time.NewTimer(0)
	defer pause.Stop()
	var unsupported error
	heard := false
	for i, m := range messages {
		if i > 0 {
			pause.Reset(time.Duration(x.server.BroadcastPace))
		}
		<-pause.C
		result, err := x.sendTo(ctx, client, m)
		if err != nil {
			unsupported = err
		}
		heard = heard || err == nil
		if result.Success {
			answer.Sent++
		} else {
			answer.Failed++
		}
		answer.Results = append(answer.Results, result)
	}
	if !heard {
		return answer, unsupported
	}
	x.outcome = outcomeFailed
	if answer.Sent > 0 {
		x.outcome = outcomeSent
	}
	return answer, nil
}

// sendTo sends one of them, and records what became of it. The error is the
// reason why nothing was sent, and nothing is recorded.
func (x *exchange) sendTo(ctx context.Context, client *waserver.Client, m *message.Message) (broadcastResult, error) {
	result := broadcastResult{To: m.To.JID(), Status: "failed"}
	sent, err := x.server.translator.Send(ctx, client, m)
	if err != nil {
		result.Error = x.briefly(err, client.Link)
		if neverSent(err) {
			return result, err
		}
		x.recordEvents(x.outcomeEvents(nil, translatedFailureText(err)))
		return result, nil
	}
	events := x.outcomeEvents([]waserver.Message{{ID: sent.ID}}, "")
	x.recordEvents(events)
	if sent.At.IsZero() {
		sent.At = time.Now().UTC().Truncate(time.Second)
	}
	x.noteSent(m, sent)
	at := sent.At.UTC()
	result.Success, result.Status, result.MessageID, result.Timestamp = true, statusSent, events[0].MessageID, &at
	return result, nil
}

// briefly is an error as one line for the client.
func (x *exchange) briefly(err error, link *waserver.Link) string {
	var refused *refusal
	if errors.As(x.translatedFailure(err, link), &refused) {
		return refused.Message
	}
	return messageNotForwarded
}
