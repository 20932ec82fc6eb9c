package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"sync"
	"time"
)

// load is what one round did.
type load struct {
	answers  int64 // with status 2xx
	errors   map[string]int64
	duration time.Duration
	latency  histogram
}

func (l *load) perSecond() float64 { return float64(l.answers) / l.duration.Seconds() }

// drive sends requests over keep-alive connections for some time, one at a time
// on each, and at least one on each. Every connection repeats one prepared request.
// Nothing is written after the time is up, and every answer is awaited.
func drive(ctx context.Context, addr string, requests [][]byte, conns int, length time.Duration) (*load, error) {
	workers, err := connect(ctx, addr, conns)
	if err != nil {
		return nil, err
	}
	for i, w := range workers {
		w.request = requests[i%len(requests)]
	}
	return together(ctx, workers, length)
}

// connect opens the connections. Whoever has them gives them to together.
func connect(ctx context.Context, addr string, conns int) ([]*worker, error) {
	workers := make([]*worker, 0, conns)
	var dialer net.Dialer
	for range conns {
		conn, err := dialer.DialContext(ctx, "tcp", addr)
		if err != nil {
			disconnect(workers)
			return nil, err
		}
		workers = append(workers, &worker{conn: conn})
	}
	return workers, nil
}

func disconnect(workers []*worker) {
	for _, w := range workers {
		_ = w.conn.Close()
	}
}

// together runs the workers at the same time, for some time, and closes their
// connections.
func together(ctx context.Context, workers []*worker, length time.Duration) (*load, error) {
	defer disconnect(workers)
	start := time.Now()
	end := start.Add(length)
	var group sync.WaitGroup
	for _, w := range workers {
		// An answer that does not come must not hang the bench.
		if err := w.conn.SetDeadline(end.Add(answerTimeout)); err != nil {
			return nil, err
		}
		group.Go(func() { w.run(ctx, end) })
	}
	group.Wait()

	sum := &load{duration: time.Since(start), errors: make(map[string]int64)}
	for _, w := range workers {
		sum.answers += w.answers
		sum.latency.merge(&w.latency)
		for what, n := range w.errors {
			sum.errors[what] += n
		}
	}
	return sum, ctx.Err()
}

const answerTimeout = 30 * time.Second

// worker is one connection. It reads answers just as far as needed, in a buffer
// of its own, so that the load generator takes little of the machine from what
// is measured.
type worker struct {
	conn    net.Conn
	request []byte
	answers int64
	errors  map[string]int64
	latency histogram
	buffer  [4096]byte

	// next, when set, makes the next request; false: there is none.
	next func() bool
	// answered, when set, is shown the body of each answer with status 2xx, if it
	// is short, and says what is wrong with it.
	answered func(body []byte) string
}

func (w *worker) run(ctx context.Context, end time.Time) {
	now := time.Now()
	for w.next == nil || w.next() {
		status, body, err := w.call()
		if err != nil {
			w.failed(err.Error())
			return
		}
		done := time.Now()
		complaint := ""
		switch {
		case status < 200 || status >= 300:
			complaint = "status " + strconv.Itoa(status)
		case w.answered != nil:
			complaint = w.answered(body)
		}
		if complaint == "" {
			w.answers++
			w.latency.add(done.Sub(now))
		} else {
			w.failed(complaint)
		}
		if now = done; !now.Before(end) || ctx.Err() != nil {
			return
		}
	}
}

func (w *worker) failed(what string) {
	if w.errors == nil {
		w.errors = make(map[string]int64)
	}
	w.errors[what]++
}

// call sends the request and reads its answer; body is what of the answer's came
// with its head.
func (w *worker) call() (status int, body []byte, err error) {
	if _, err := w.conn.Write(w.request); err != nil {
		return 0, nil, errors.New("the request could not be written")
	}
	have := 0
	for {
		n, err := w.conn.Read(w.buffer[have:])
		have += n
		if status, length, ok := parseHead(w.buffer[:have]); ok {
			body = w.buffer[bytes.Index(w.buffer[:have], headEnd)+len(headEnd) : have]
			return status, body, w.rest(length - have)
		}
		switch {
		case errors.Is(err, io.EOF):
			return 0, nil, errors.New("the connection was closed without an answer")
		case err != nil:
			return 0, nil, errors.New("no answer in time")
		case have == len(w.buffer):
			return 0, nil, errors.New("the head of the answer is too long")
		}
	}
}

// rest reads what is left of an answer.
func (w *worker) rest(left int) error {
	if left < 0 {
		return fmt.Errorf("%d bytes more than the answer's length", -left)
	}
	var skipped [512]byte
	for left > 0 {
		n, err := w.conn.Read(skipped[:min(left, len(skipped))])
		left -= n
		if err != nil && left > 0 {
			return errors.New("the answer was cut off")
		}
	}
	return nil
}

var (
	headEnd       = []byte("\r\n\r\n")
	contentLength = []byte("\r\nContent-Length: ") // as net/http spells it
)

// parseHead finds the status and the whole length of an answer, once its head is
// complete. Without a Content-Length the status is 0: no answer measured here is
// of that kind.
func parseHead(b []byte) (status, length int, ok bool) {
	head := bytes.Index(b, headEnd)
	if head < 0 || len(b) < len("HTTP/1.1 200") {
		return 0, 0, false
	}
	length = head + len(headEnd)
	field := bytes.Index(b[:head], contentLength)
	if field < 0 {
		return 0, length, true
	}
	body := 0
	for _, c := range b[field+len(contentLength) : length] {
		if c < '0' || c > '9' {
			break
		}
		body = body*10 + int(c-'0')
	}
	status, err := strconv.Atoi(string(b[len("HTTP/1.1 "):len("HTTP/1.1 200")]))
	if err != nil {
		status = 0
	}
	return status, length + body, true
}
