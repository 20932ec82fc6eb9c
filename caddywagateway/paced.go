package caddywagateway

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// pacedBody is a client's body that has to come at a certain pace: whoever sends
// it byte by byte holds a connection, but not for long.
type pacedBody struct {
	io.ReadCloser
	control *http.ResponseController
	limit   time.Duration
	start   time.Time
	// large tells that there may be much to come of the body, or nothing until the
	// client has heard more.
	large bool
	// answer is the header of the answer, on HTTP/1.
	answer http.Header

	mu   sync.Mutex // the transport reads on while the handler ends
	read int64
	done bool
}

// paceBody returns r with the pace on its body, and the body, which is nil for a
// request without one. r itself stays as it is: the server looks at its body to
// tell what it still has to read.
func paceBody(w http.ResponseWriter, r *http.Request, t *Timeouts) (*http.Request, *pacedBody) {
	if r.Body == nil || r.Body == http.NoBody || r.ContentLength == 0 {
		return r, nil
	}
	p := &pacedBody{
		ReadCloser: r.Body, control: http.NewResponseController(w),
		limit: time.Duration(t.Read), start: time.Now(),
		large: r.ContentLength < 0 || r.ContentLength > smallBody || r.Header["Expect"] != nil,
	}
	if r.ProtoMajor == 1 {
		p.answer = w.Header()
	}
	paced := new(http.Request)
	*paced = *r
	paced.Body = p
	return paced, p
}

// Read implements io.Reader. Its error is errTooSlow once the time is over.
func (p *pacedBody) Read(b []byte) (int, error) {
	p.mu.Lock()
	if !p.done {
		// Servers that know no deadlines (tests of other handlers) do without.
		_ = p.control.SetReadDeadline(p.start.Add(p.limit + time.Duration(p.read)*time.Second/minReadRate))
	}
	p.mu.Unlock()
	n, err := p.ReadCloser.Read(b)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.read += int64(n)
	switch {
	case err == nil || p.done:
	case errors.Is(err, os.ErrDeadlineExceeded):
		err = errTooSlow
	default:
		// The end. From here on the server itself watches the connection, to see
		// the client go away, and must not run into the deadline.
		p.done = true
		_ = p.control.SetReadDeadline(time.Time{})
	}
	return n, err
}

// How long the server may go on reading a body that nobody wants: before the
// answer, to keep the connection, a small one, which is likely to be there; after
// it, so that the client gets to see the answer, any other.
const (
	smallLingering = 500 * time.Millisecond
	largeLingering = 2 * time.Second
)

// finish is called when the request is done, and before a refusal is written. A
// connection on which much of a body is still to come is not kept: HTTP/1 servers
// would read it before they answer.
func (p *pacedBody) finish() {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.done {
		return
	}
	p.done = true
	lingering := smallLingering
	if p.large {
		lingering = largeLingering
		if p.answer != nil {
			p.answer.Set("Connection", "close")
		}
	}
	_ = p.control.SetReadDeadline(time.Now().Add(lingering))
}

// watchdog ends a call to a WA server that has been silent for too long.
type watchdog struct {
	timer  *time.Timer
	limit  time.Duration
	cancel context.CancelCauseFunc
	fired  atomic.Bool
}

// watch makes a context that ends with errServerSilent unless touch is called
// every so often.
func watch(ctx context.Context, limit time.Duration) (context.Context, *watchdog) {
	d := &watchdog{limit: limit}
	ctx, d.cancel = context.WithCancelCause(ctx)
	d.timer = time.AfterFunc(limit, func() {
		d.fired.Store(true)
		d.cancel(errServerSilent)
	})
	return ctx, d
}

// touch tells that something was heard, or is still being said.
func (d *watchdog) touch() {
	if d != nil && d.timer.Stop() {
		d.timer.Reset(d.limit)
	}
}

// rest lets a stream be silent for as long as it likes.
func (d *watchdog) rest() {
	if d != nil {
		d.timer.Stop()
	}
}

// end releases the context.
func (d *watchdog) end() {
	d.timer.Stop()
	d.cancel(context.Canceled)
}

// watchedBody tells the watchdog that the WA server takes the body.
type watchedBody struct {
	io.ReadCloser
	watchdog *watchdog
}

func (b *watchedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if n > 0 {
		b.watchdog.touch()
	}
	return n, err
}
