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
	workers := make([]*worker, conns)
	defer func() {
		for _, w := range workers {
			if w != nil {
				_ = w.conn.Close()
			}
		}
	}()
	var dialer net.Dialer
	for i := range workers {
		conn, err := dialer.DialContext(ctx, "tcp", addr)
		if err != nil {
			return nil, err
		}
		workers[i] = &worker{conn: conn, request: requests[i%len(requests)]}
	}

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

const answerTimeout = 10 * time.Second

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
}

func (w *worker) run(ctx context.Context, end time.Time) {
	now := time.Now()
	for {
		status, err := w.call()
		if err != nil {
			w.failed(err.Error())
			return
		}
		done := time.Now()
		if status >= 200 && status < 300 {
			w.answers++
			w.latency.add(done.Sub(now))
		} else {
			w.failed("status " + strconv.Itoa(status))
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

func (w *worker) call() (status int, err error) {
	if _, err := w.conn.Write(w.request); err != nil {
		return 0, errors.New("the request could not be written")
	}
	have := 0
	for {
		n, err := w.conn.Read(w.buffer[have:])
		have += n
		if status, length, ok := parseHead(w.buffer[:have]); ok {
			return status, w.rest(length - have)
		}
		switch {
		case errors.Is(err, io.EOF):
			return 0, errors.New("the connection was closed without an answer")
		case err != nil:
			return 0, errors.New("no answer in time")
		case have == len(w.buffer):
			return 0, errors.New("the head of the answer is too long")
		}
	}
}

// rest reads what is left of an answer.
func (w *worker) rest(left int) error {
	if left < 0 {
		return fmt.Errorf("%d bytes more than the answer's length", -left)
	}
	for left > 0 {
		n, err := w.conn.Read(w.buffer[:min(left, len(w.buffer))])
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
