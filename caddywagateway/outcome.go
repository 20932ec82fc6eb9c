package caddywagateway

import (
	"bytes"
	"context"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/google/uuid"
	"go.uber.org/zap"

	"github.com/genfity/wa-gateway/stats"
	"github.com/genfity/wa-gateway/waserver"
)

// maxAnswerCopy bounds what is kept of an answer to find the message ids in it,
// in bytes.
const maxAnswerCopy = 1 << 20

// copying tells what an answerWriter keeps.
type copying int

const (
	copyNone   copying = iota
	copyJSON           // a bounded copy of a JSON answer, which passes to the client
	copyOnly           // the answer is kept, and nothing passes to the client
	statusUsed = 499   // what reverse_proxy writes when the client went away
)

// answerWriter stands between the WA server's answer and the client. Answers
// stream through it; flushing and hijacking (server-sent events, WebSocket) find
// the real writer by way of Unwrap.
type answerWriter struct {
	caddyhttp.ResponseWriterWrapper
	x      *exchange
	mode   copying
	status int
	header http.Header // of a kept answer; else nil
	copied bytes.Buffer
	keep   bool
	cut    bool // the copy is not complete
}

func (x *exchange) newAnswerWriter(mode copying) *answerWriter {
	w := &answerWriter{
		ResponseWriterWrapper: caddyhttp.ResponseWriterWrapper{ResponseWriter: x.w},
		x:                     x, mode: mode,
	}
	if mode == copyOnly {
		w.header = make(http.Header)
	}
	return w
}

// Header implements http.ResponseWriter. What the WA server says of itself in a
// kept answer must not reach the client.
func (w *answerWriter) Header() http.Header {
	if w.header != nil {
		return w.header
	}
	return w.ResponseWriterWrapper.Header()
}

// WriteHeader implements http.ResponseWriter.
func (w *answerWriter) WriteHeader(status int) {
	if status >= 100 && status < 200 && status != http.StatusSwitchingProtocols {
		if w.mode != copyOnly {
			w.ResponseWriterWrapper.WriteHeader(status)
		}
		return
	}
	if w.status != 0 {
		return
	}
	w.status = status
	w.keep = w.mode == copyOnly || (w.mode == copyJSON && isJSON(w.Header()))
	if w.mode == copyOnly {
		return
	}
	if w.x.decision != nil {
		setLimitHeaders(w.Header(), *w.x.decision)
	}
	w.ResponseWriterWrapper.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (w *answerWriter) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	if w.keep {
		room := maxAnswerCopy - w.copied.Len()
		w.cut = w.cut || room < len(p)
		w.copied.Write(p[:min(len(p), max(room, 0))])
	}
	if w.mode == copyOnly {
		return len(p), nil
	}
	return w.ResponseWriterWrapper.Write(p)
}

// ReadFrom implements io.ReaderFrom, so that answers of which no copy is kept go
// out by the fastest way there is.
func (w *answerWriter) ReadFrom(r io.Reader) (int64, error) {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	if w.keep {
		return io.Copy(struct{ io.Writer }{w}, r)
	}
	return w.ResponseWriterWrapper.ReadFrom(r)
}

// FlushError implements what http.ResponseController looks for: a kept answer
// has nothing to flush.
func (w *answerWriter) FlushError() error {
	if w.mode == copyOnly {
		return nil
	}
	return http.NewResponseController(w.ResponseWriter).Flush() //nolint:bodyclose // no response here
}

func (w *answerWriter) succeeded() bool { return w.status >= 200 && w.status < 300 }

func isJSON(h http.Header) bool {
	if encoding := h.Get("Content-Encoding"); encoding != "" && !strings.EqualFold(encoding, "identity") {
		return false
	}
	contentType := h.Get("Content-Type")
	if contentType == "application/json" || contentType == "application/json; charset=utf-8" {
		return true // what nearly every answer is, without parsing it
	}
	mediaType, _, err := mime.ParseMediaType(contentType)
	return err == nil && (mediaType == "application/json" || strings.HasSuffix(mediaType, "+json"))
}

// sendTimeout bounds how long the answer to a message is waited for, whether or
// not its client still waits.
const sendTimeout = 5 * time.Minute

// send forwards messages and records what became of them.
func (x *exchange) send(b *body) error {
	out, err := x.outgoing(b)
	if err != nil {
		x.returnLimit()
		return err
	}
	// The answer must be readable here; the transport may still compress on its
	// own account, unseen.
	out.Header.Del("Accept-Encoding")
	if b.stream == nil {
		// The message is whole: the WA server's answer is awaited though the
		// client may go away, since a message that was sent must be counted so.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(out.Context()), sendTimeout)
		defer cancel()
		out = out.WithContext(ctx)
	}
	w := x.newAnswerWriter(copyJSON)
	done := false
	defer func() {
		if !done { // reverse_proxy ends broken streams by a panic
			x.recordOutcome(w)
		}
	}()
	err = x.forwardFailure(x.next.ServeHTTP(w, out), b, w)
	done = true
	if w.status == 0 && b.stream.err() != nil {
		// The gateway itself refused the rest of the body: neither sent nor
		// failed, and no message of the caller's rate.
		x.returnLimit()
		return err
	}
	x.recordOutcome(w)
	if w.status == 0 && x.decision != nil {
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
	for _, event := range x.outcomeEvents(w) {
		if !x.app.databases.recorder.Outcome(event) {
			x.logger.Error("an outcome was lost: the queue to the database is full",
				zap.String("user_id", event.UserID), zap.String("session_id", event.SessionID),
				zap.String("message_id", event.MessageID), zap.String("status", string(event.Status)))
		}
	}
}

func (x *exchange) outcomeEvents(w *answerWriter) []stats.Event {
	var messages []waserver.Message
	if w.succeeded() && w.copied.Len() > 0 {
		messages = x.server.dialect.Messages(&x.call, w.copied.Bytes())
	}
	events := make([]stats.Event, 0, x.call.Recipients)
	for i := range x.call.Recipients {
		event := stats.Event{
			UserID: x.call.UserID, SessionID: x.call.SessionID,
			Type: x.call.Endpoint.MessageType(), Status: stats.Sent,
			// The time before the call, so that no event of the WA server about
			// the same message can seem to be older than its sending.
			At: x.start.UTC().Truncate(stats.Resolution),
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
		if !w.succeeded() {
			event.Status, event.Error = stats.Failed, failureText(w.status)
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
