package caddywagateway

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/genfity/wa-gateway/routes"
	"github.com/genfity/wa-gateway/waserver"
)

// maxAnswerCopy bounds what is kept of an answer, in bytes.
const maxAnswerCopy = 1 << 20

// copying tells what an answerWriter keeps.
type copying int

const (
	copyNone   copying = iota // the answer passes
	holdJSON                  // a JSON answer is kept until its end, if it is short, and then passes
	maskJSON                  // a JSON answer is kept until it has no secrets any more
	copyOnly                  // the answer is kept, and passes when relay is called
	statusUsed = 499          // what reverse_proxy writes when the client went away
)

// answerWriter stands between the WA server's answer and the client. It lets pass
// what belongs to the answer: the content, without the WA server's own
// credentials, and the headers that describe it. Streams stay streams; hijacking
// (WebSocket) finds the real writer by way of Unwrap.
type answerWriter struct {
	caddyhttp.ResponseWriterWrapper
	x        *exchange
	mode     copying
	header   http.Header // the WA server's, and what modules on the way added
	status   int
	passed   bool   // the client has seen the status
	keep     bool   // a copy is made
	held     bool   // the copy is all there is, for now
	before   func() // called once before the client sees anything; may be nil
	cut      bool   // the copy is not complete
	streams  bool   // the answer has no end that one could wait for
	copied   bytes.Buffer
	most     int // of the copy, in bytes
	scrubber waserver.Scrubber
	watchdog *watchdog
	stream   *streamedBody // of the request, if it has one
}

func (x *exchange) newAnswerWriter(mode copying) *answerWriter {
	return &answerWriter{
		ResponseWriterWrapper: caddyhttp.ResponseWriterWrapper{ResponseWriter: x.w},
		x:                     x, mode: mode, header: make(http.Header, 8), most: maxAnswerCopy,
		scrubber: x.server.secret.Scrubber(),
	}
}

// Header implements http.ResponseWriter.
func (w *answerWriter) Header() http.Header { return w.header }

// WriteHeader implements http.ResponseWriter.
func (w *answerWriter) WriteHeader(status int) {
	if status >= 100 && status < 200 && status != http.StatusSwitchingProtocols {
		return // early hints of a server that clients cannot see
	}
	if w.status != 0 || w.silenced() || (status == statusUsed && w.stream.err() != nil) {
		return
	}
	w.status = status
	w.streams = status == http.StatusSwitchingProtocols ||
		strings.HasPrefix(w.header.Get("Content-Type"), "text/event-stream")
	json := isJSON(w.header)
	w.held = w.mode == copyOnly || (json && status >= http.StatusBadRequest) ||
		(w.mode == maskJSON && !w.streams && (json || w.x.mayHoldJSON(w.header))) ||
		(w.mode == holdJSON && !w.streams && json)
	w.keep = w.held
	if w.streams && !w.held {
		w.watchdog.rest()
	} else {
		w.watchdog.touch()
	}
	if !w.held {
		w.pass()
	}
}

// ready is for what has to be done before the client sees anything.
func (w *answerWriter) ready() {
	if before := w.before; before != nil {
		w.before = nil
		before()
	}
}

// pass shows the client the status, and what headers it may see.
func (w *answerWriter) pass() {
	w.ready()
	w.passed = true
	h := w.ResponseWriter.Header()
	for name, values := range w.header {
		// reverse_proxy spells those of a WebSocket in its own way.
		if canonical := http.CanonicalHeaderKey(name); !waserver.AnswerHeader(canonical) && !w.x.answerHeaders[canonical] {
			continue
		}
		for i := range values {
			values[i] = w.x.server.secret.Hide(values[i])
		}
		if name == "Vary" {
			values = append(h["Vary"], values...)
		}
		h[name] = values
	}
	waserver.PrivateCache(h)
	h.Set("X-Content-Type-Options", "nosniff")
	if mayRunScripts(h.Get("Content-Type")) {
		// It comes from somebody's chat, and stands on the gateway's own origin.
		h.Set("Content-Security-Policy", "sandbox")
	}
	if w.x.decision != nil {
		setLimitHeaders(h, *w.x.decision)
	}
	w.ResponseWriter.WriteHeader(w.status)
}

// mayRunScripts tells the types in which a browser runs scripts.
func mayRunScripts(contentType string) bool {
	return strings.Contains(contentType, "html") || strings.Contains(contentType, "xml")
}

// Write implements http.ResponseWriter.
func (w *answerWriter) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	if w.silenced() && !w.passed {
		return 0, errServerSilent
	}
	if !w.streams {
		w.watchdog.touch()
	}
	kept := 0
	if w.keep {
		kept = min(len(p), max(w.most-w.copied.Len(), 0))
		w.cut = w.cut || kept < len(p)
		w.copied.Write(p[:kept])
	}
	if w.held && (!w.cut || !w.plain()) {
		return len(p), nil
	}
	rest := p
	if w.held {
		// Longer than any answer to a message is: it passes from here on.
		w.held, w.keep = false, false
		w.pass()
		if err := w.passOn(w.copied.Bytes()); err != nil {
			return 0, err
		}
		rest = p[kept:]
	}
	if err := w.passOn(rest); err != nil {
		return 0, err
	}
	return len(p), nil
}

// plain tells that a kept answer holds nothing that has to be masked.
func (w *answerWriter) plain() bool { return w.mode == holdJSON && w.status < http.StatusBadRequest }

// passOn sends content to the client.
func (w *answerWriter) passOn(p []byte) error {
	w.x.limitWrite()
	err := w.scrubber.Write(w.ResponseWriter, p)
	w.endWrite()
	return err
}

// endWrite lets the WA server pause: with HTTP/2 a deadline that passes ends the
// stream, though nothing is being written.
func (w *answerWriter) endWrite() {
	if w.x.r.ProtoMajor > 1 || w.streams {
		_ = w.x.control.SetWriteDeadline(time.Time{})
	}
}

var copyBuffers = sync.Pool{New: func() any { b := make([]byte, 32<<10); return &b }}

// ReadFrom implements io.ReaderFrom. Everything goes by way of Write, which sees
// to deadlines and secrets.
func (w *answerWriter) ReadFrom(r io.Reader) (int64, error) {
	buffer := copyBuffers.Get().(*[]byte)
	defer copyBuffers.Put(buffer)
	return io.CopyBuffer(struct{ io.Writer }{w}, r, *buffer)
}

// FlushError implements what http.ResponseController looks for: a kept answer
// has nothing to flush.
func (w *answerWriter) FlushError() error {
	if w.held {
		return nil
	}
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	w.x.limitWrite()
	err := w.x.control.Flush()
	w.endWrite()
	return err
}

// finish sends what is still here of an answer that has come to its end.
func (w *answerWriter) finish() error {
	switch {
	case w.held && w.mode == copyOnly:
		return nil // relay is called by whoever wanted it
	case w.held && w.plain():
		w.held = false
		w.pass()
		if err := w.passOn(w.copied.Bytes()); err != nil {
			return err
		}
	case w.held:
		return w.relay()
	}
	if !w.passed || w.streams {
		return nil
	}
	w.x.limitWrite()
	return w.scrubber.Flush(w.ResponseWriter)
}

// relay gives a kept answer to the client, without secrets and without the
// sessions of others.
func (w *answerWriter) relay() error {
	if w.cut {
		return refuse(http.StatusBadGateway, messageNotForwarded).
			because(errors.New("the WA server's answer is larger than the gateway keeps"))
	}
	content := []byte(w.x.server.secret.Hide(w.copied.String()))
	masked, ok := waserver.Mask(content, w.x.foreign())
	switch {
	case ok:
		content = masked
	case mayHideJSON(w.header, content):
		w.ready()
		w.header = make(http.Header)
		if w.x.decision != nil {
			setLimitHeaders(w.ResponseWriter.Header(), *w.x.decision)
		}
		return writeAnswer(w.ResponseWriter, w.status, "The WhatsApp server's answer cannot be read, and is not shown", nil)
	}
	if len(content) > 0 || w.header.Get("Content-Length") != "" {
		w.header.Set("Content-Length", strconv.Itoa(len(content)))
	}
	w.x.limitWrite()
	w.pass()
	if len(content) == 0 {
		return nil
	}
	_, err := w.ResponseWriter.Write(content)
	return err
}

// mayHoldJSON tells the types under which secrets may stand in an answer. About
// sessions and webhooks there are few that cannot; what else the operator allows may
// be any file.
func (x *exchange) mayHoldJSON(h http.Header) bool {
	kind, _, _ := strings.Cut(strings.ToLower(h.Get("Content-Type")), "/")
	if x.match.Route.Class == routes.ClassOther {
		return kind == "" || kind == "text" || strings.Contains(strings.ToLower(h.Get("Content-Type")), "json")
	}
	return h.Get("Content-Encoding") != "" || (kind != "image" && kind != "audio" && kind != "video")
}

// mayHideJSON tells whether secrets may be in an answer that cannot be parsed: it
// says that it is JSON, or holds something like it, behind a prefix or in another
// encoding.
func mayHideJSON(h http.Header, content []byte) bool {
	if len(bytes.TrimSpace(content)) == 0 {
		return false
	}
	return strings.Contains(strings.ToLower(h.Get("Content-Type")), "json") ||
		h.Get("Content-Encoding") != "" || bytes.ContainsAny(content, "{[")
}

// foreign tells which sessions an answer about one session must not speak of.
func (x *exchange) foreign() func(string) bool {
	own := x.grant.Session
	if own == "" {
		return nil
	}
	return func(id string) bool { return id != own }
}

// silenced tells that the WA server was silent for too long, and the client knows
// nothing of it yet.
func (w *answerWriter) silenced() bool {
	return w.watchdog != nil && w.watchdog.fired.Load() && !w.passed
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

// Interface guards
var (
	_ http.ResponseWriter = (*answerWriter)(nil)
	_ io.ReaderFrom       = (*answerWriter)(nil)
)
