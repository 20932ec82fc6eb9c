package sandbox

import (
	"bytes"
	"container/heap"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"

	"go.uber.org/zap"
)

const (
	posters      = 8  // events on their way at once
	maxAttempts  = 10 // per event; with the pauses below some 20 s, enough for a gateway to start
	firstPause   = 100 * time.Millisecond
	longestPause = 5 * time.Second
	postTimeout  = 10 * time.Second
	logEvery     = 10 * time.Second
	closeGrace   = time.Second // for posts that are broken off
)

// event is what became of a message: the body of a callback (contract §8).
type event struct {
	UserID    string  `json:"user_id"`
	SessionID string  `json:"session_id"`
	MessageID string  `json:"message_id"`
	To        string  `json:"to"`
	Status    string  `json:"status"`
	Timestamp string  `json:"timestamp"`
	Error     *string `json:"error"`
}

// callbacks tells the events endpoint what becomes of messages: one goroutine waits for what is
// due next, a fixed number of others post.
type callbacks struct {
	url    string
	token  func() string
	client *http.Client
	own    bool            // client is ours to close
	body   func(event) any // of the events endpoint; nil for servers with webhooks of their own
	log    *zap.Logger
	limit  int

	mu      sync.Mutex
	waiting jobs
	pending int // jobs waiting or being posted, at most limit
	numbers uint64
	posted  int64 // events acknowledged
	dropped int64 // messages whose events, or the rest of them, were given up
	logged  time.Time
	unsaid  int64 // dropped since logged
	closed  bool

	wake  chan struct{} // something came that may be due earlier
	ready chan *job
	stop  chan struct{}
	ctx   context.Context // of the posts
	abort context.CancelFunc
	done  chan struct{} // closed when all goroutines have ended
}

func startCallbacks(o Options, body func(event) any) *callbacks {
	c := &callbacks{
		url: o.EventsURL, token: o.EventsToken, client: o.Client, body: body, log: o.Logger, limit: o.Queue,
		wake: make(chan struct{}, 1), ready: make(chan *job),
		stop: make(chan struct{}), done: make(chan struct{}),
	}
	if c.client == nil {
		transport := http.DefaultTransport.(*http.Transport).Clone()
		transport.MaxIdleConnsPerHost = posters
		c.own = true
		c.client = &http.Client{
			Transport: transport,
			Timeout:   postTimeout,
			// The token is for this address only.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		}
	}
	c.ctx, c.abort = context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(c.schedule)
	for range posters {
		running.Go(c.work)
	}
	go func() {
		running.Wait()
		close(c.done)
	}()
	return c
}

// add sets the events of a message going. Past the limit they are dropped.
func (c *callbacks) add(k sessionKey, m message, course course) {
	dues := make([]due, len(course))
	for i, st := range course {
		dues[i] = due{after: st.after, tell: func() ([]*posting, error) {
			e := event{
				UserID: k.user, SessionID: k.session, MessageID: m.id, To: m.to,
				Status: st.status, Timestamp: stamp(m.at.Add(st.after)),
			}
			if st.err != "" {
				e.Error = &st.err
			}
			return c.event(e)
		}}
	}
	c.begin(dues)
}

// begin starts a job, and tells whether there is room for it.
func (c *callbacks) begin(dues []due) bool {
	now := time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed || len(dues) == 0 {
		return false
	}
	if c.pending >= c.limit {
		c.giveUp("too many messages have events still to come")
		return false
	}
	c.pending++
	c.push(&job{began: now, dues: dues, due: now.Add(dues[0].after)})
	return true
}

// event is the posting of a contract event.
func (c *callbacks) event(e event) ([]*posting, error) {
	body, err := json.Marshal(c.body(e))
	if err != nil {
		return nil, fmt.Errorf("encoding an event: %w", err)
	}
	header := http.Header{}
	if c.token != nil {
		if token := c.token(); token != "" {
			header.Set("Authorization", "Bearer "+token)
		}
	}
	return []*posting{{url: c.url, kind: jsonType, header: header, body: body}}, nil
}

// push makes a job wait for its time; the lock is held.
func (c *callbacks) push(j *job) {
	c.numbers++
	j.number = c.numbers
	heap.Push(&c.waiting, j)
	if c.waiting[0] == j {
		select {
		case c.wake <- struct{}{}:
		default: // woken already
		}
	}
}

// schedule hands out the jobs as they become due.
func (c *callbacks) schedule() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		j, pause := c.pop()
		if j != nil {
			select {
			case c.ready <- j:
			case <-c.stop:
				return
			}
			continue
		}
		timer.Reset(pause)
		select {
		case <-timer.C:
		case <-c.wake:
		case <-c.stop:
			return
		}
	}
}

// pop takes the first job when it is due, else tells how long nothing is.
func (c *callbacks) pop() (*job, time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.waiting) == 0 {
		return nil, time.Hour // push wakes earlier
	}
	if pause := time.Until(c.waiting[0].due); pause > 0 {
		return nil, pause
	}
	return heap.Pop(&c.waiting).(*job), 0
}

func (c *callbacks) work() {
	for {
		select {
		case j := <-c.ready:
			c.told(j, c.do(j))
		case <-c.stop:
			return
		}
	}
}

// again is a failure that may pass: after is the pause that the endpoint asks for.
type again struct {
	cause error
	after time.Duration
}

func (a *again) Error() string { return a.cause.Error() }
func (a *again) Unwrap() error { return a.cause }

// told decides how a job goes on after a post.
func (c *callbacks) told(j *job, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	retry, passing := errors.AsType[*again](err)
	switch {
	case err == nil:
		if len(j.ready) > 0 {
			c.posted++
			j.ready, j.attempts = j.ready[1:], 0
		}
		if len(j.ready) > 0 {
			j.due = time.Now()
			break
		}
		if j.next == len(j.dues) {
			c.pending--
			return
		}
		j.due = j.began.Add(j.dues[j.next].after)
	case c.closed: // close has counted it
		return
	case passing && j.attempts+1 < maxAttempts:
		pause := min(firstPause<<j.attempts, longestPause)
		j.attempts++
		j.due = time.Now().Add(max(pause, min(retry.after, longestPause)))
	case len(j.ready) > 0 && j.next < len(j.dues) && j.dues[j.next].again: // the next one may fare better
		c.giveUp(err.Error())
		j.ready, j.attempts, j.due = j.ready[1:], 0, time.Now()
	default:
		c.pending--
		c.giveUp(err.Error())
		return
	}
	c.push(j)
}

// refuse counts what is not told for a reason that no attempt would change.
func (c *callbacks) refuse(reason string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.giveUp(reason)
}

// giveUp counts a message whose events are dropped, and says so now and then; the lock is held.
func (c *callbacks) giveUp(reason string) {
	c.dropped++
	c.unsaid++
	now := time.Now()
	if !c.logged.IsZero() && now.Sub(c.logged) < logEvery {
		return
	}
	c.log.Warn("events of sandbox messages were dropped", zap.Int64("messages", c.unsaid), zap.String("reason", reason))
	c.logged, c.unsaid = now, 0
}

// do makes what a job has to tell next, unless that was done already, and posts the first of it.
func (c *callbacks) do(j *job) error {
	if len(j.ready) == 0 {
		d := j.dues[j.next]
		ready, err := d.tell()
		if !d.again || len(ready) == 0 {
			j.next++
		}
		if err != nil {
			return err
		}
		j.ready = ready
	}
	if len(j.ready) == 0 {
		return nil
	}
	return c.post(j.ready[0])
}

// post sends a posting once. No error holds the URL, which may carry a password, or a token.
func (c *callbacks) post(p *posting) error {
	req, err := http.NewRequestWithContext(c.ctx, http.MethodPost, p.url, bytes.NewReader(p.body))
	if err != nil {
		return errors.New("the events URL cannot be called")
	}
	maps.Copy(req.Header, p.header)
	req.Header.Set("Content-Type", p.kind)
	resp, err := c.client.Do(req)
	if err != nil {
		if inner, ok := errors.AsType[*url.Error](err); ok {
			err = inner.Err
		}
		return &again{cause: fmt.Errorf("the events endpoint cannot be reached: %w", err)}
	}
	defer resp.Body.Close()
	_, _ = io.CopyN(io.Discard, resp.Body, maxValue) // so that the connection can be used again
	err = fmt.Errorf("the events endpoint answers %d", resp.StatusCode)
	switch {
	case resp.StatusCode < 300:
		return nil
	case p.final != nil:
		if p.final(resp.StatusCode) {
			return err
		}
		return &again{cause: err}
	case resp.StatusCode >= 500, resp.StatusCode == http.StatusTooManyRequests, resp.StatusCode == http.StatusRequestTimeout:
		seconds, _ := strconv.Atoi(resp.Header.Get("Retry-After"))
		return &again{cause: err, after: time.Duration(min(max(seconds, 0), 3600)) * time.Second}
	default:
		return err
	}
}

// figures are for GET /health.
func (c *callbacks) figures() map[string]int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return map[string]int64{"pending": int64(c.pending), "posted": c.posted, "dropped": c.dropped}
}

func (c *callbacks) close(ctx context.Context) error {
	c.mu.Lock()
	if !c.closed {
		c.closed = true
		if n := c.pending; n > 0 {
			c.log.Info("the sandbox ends with events still to come", zap.Int("messages", n))
		}
		close(c.stop)
	}
	c.mu.Unlock()
	var err error
	select {
	case <-c.done:
	case <-ctx.Done():
		err = ctx.Err()
	}
	c.abort()
	if err != nil {
		// A client that ignores its context must not hold up a reload.
		grace := time.NewTimer(closeGrace)
		defer grace.Stop()
		select {
		case <-c.done:
		case <-grace.C:
		}
	}
	if c.own {
		c.client.CloseIdleConnections()
	}
	return err
}
