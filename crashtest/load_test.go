package crashtest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/genfity/wa-gateway/crashtest/told"
)

// load is many clients at work: WA servers that tell events, one by one and in
// batches, and webhooks, and customers who send messages.
type load struct {
	t       testing.TB
	gateway atomic.Pointer[gateway] // whom they talk to
	users   []user
	wa      *waServer
	book    *told.Book
	hooks   *hookBook

	// breaks: connections may break, since the gateway is killed.
	breaks bool
	// refusesSends: messages may be refused with 503, since callers cannot be known.
	refusesSends bool

	// age is how old the messages of which events are told are at most, and second
	// how long one of their seconds takes.
	age, second time.Duration

	rand     *rand.Rand // of start alone
	clients  sync.WaitGroup
	stopping chan struct{}
	ended    context.Context // the very end of what is told again and again
	end      context.CancelFunc
	repeats  chan told.Event

	mu       sync.Mutex
	answers  map[string]int
	slowest  map[string]time.Duration
	aside    []string // messages of strangers that were acknowledged
	problems limited
}

func newLoad(t testing.TB, g *gateway, users []user, wa *waServer) *load {
	l := &load{
		t: t, users: users, wa: wa, book: wa.book, hooks: newHookBook(), rand: chance(t), age: 6 * time.Hour, second: time.Second,
		stopping: make(chan struct{}), repeats: make(chan told.Event, 1000),
		answers: map[string]int{}, slowest: map[string]time.Duration{},
	}
	l.turnTo(g)
	l.ended, l.end = context.WithCancel(context.Background())
	t.Cleanup(func() {
		l.finish(time.Second)
		l.problems.report(t)
	})
	return l
}

// turnTo has the clients talk to another gateway.
func (l *load) turnTo(g *gateway) { l.gateway.Store(g) }

// start starts the clients.
func (l *load) start() {
	for i := range 8 {
		l.client(func(c *client) { c.tellEvents(i) })
	}
	for i := range 3 {
		l.client(func(c *client) { c.tellBatches(i) })
	}
	for i := range 6 {
		l.client(func(c *client) { c.sendMessages(i) })
	}
	l.client(func(c *client) { c.tellCallbacks() })
	for i := range 2 {
		l.client(func(c *client) { c.tellWebhooks(i) })
	}
}

func (l *load) client(work func(c *client)) {
	c := &client{load: l, rand: rand.New(rand.NewPCG(l.rand.Uint64(), l.rand.Uint64())), http: &http.Client{
		Transport: &http.Transport{MaxIdleConnsPerHost: 4, DisableCompression: true},
		Timeout:   20 * time.Second,
	}}
	l.clients.Go(func() {
		defer c.http.CloseIdleConnections()
		work(c)
	})
}

// finish has the clients end. What was begun is told until it is acknowledged,
// which may take that long.
func (l *load) finish(within time.Duration) {
	select {
	case <-l.stopping:
	default:
		close(l.stopping)
	}
	timer := time.AfterFunc(within, l.end)
	defer timer.Stop()
	l.clients.Wait()
	l.end()
}

// stopped tells whether nothing new is to be begun.
func (l *load) stopped() bool {
	select {
	case <-l.stopping:
		return true
	default:
		return false
	}
}

func (l *load) setAside(message string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.aside = append(l.aside, message)
}

// count notes an answer for the log.
func (l *load) count(what string, took time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.answers[what]++
	l.slowest[what] = max(l.slowest[what], took)
}

// answered is how often there was such an answer.
func (l *load) answered(what string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.answers[what]
}

// slow is the longest that such an answer took.
func (l *load) slow(what string) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.slowest[what]
}

// forgetAnswers begins the counts of answers anew.
func (l *load) forgetAnswers() {
	l.mu.Lock()
	defer l.mu.Unlock()
	clear(l.answers)
	clear(l.slowest)
}

// log says what was done.
func (l *load) log() {
	l.t.Helper()
	told, acknowledged := l.book.Size()
	l.mu.Lock()
	defer l.mu.Unlock()
	var text strings.Builder
	for _, what := range slices.Sorted(maps.Keys(l.answers)) {
		fmt.Fprintf(&text, "\n  %-20s %6d, slowest %v", what, l.answers[what], l.slowest[what].Round(time.Millisecond))
	}
	l.t.Logf("%d things told, %d acknowledged%s", told, acknowledged, &text)
}

// client is one of many.
type client struct {
	*load
	rand *rand.Rand
	http *http.Client
}

// pause waits for a moment of between half and all of d.
func (c *client) pause(d time.Duration) {
	select {
	case <-time.After(between(c.rand, d/2, d)):
	case <-c.ended.Done():
	}
}

// answer is what the gateway answered; broken says that there was none.
type answer struct {
	status int
	body   []byte
	data   struct {
		Recorded, Duplicate json.RawMessage
		Duplicates, Spooled json.RawMessage
		Rejected            []struct{ Index int }
	}
}

var errBroken = errors.New("no answer")

// post makes one call. Whatever breaks a promise about answers is a problem: one
// that breaks though the gateway lives, a 5xx but 503, a 503 without Retry-After.
func (c *client) post(kind, path, body string, headers ...string) (*answer, error) {
	a := new(answer)
	req, err := http.NewRequestWithContext(c.ended, http.MethodPost, "http://"+c.gateway.Load().addr()+path, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	start := time.Now()
	res, err := c.http.Do(req)
	if err == nil {
		a.status = res.StatusCode
		a.body, err = io.ReadAll(res.Body)
		res.Body.Close()
	}
	took := time.Since(start)
	if err != nil {
		if c.ended.Err() == nil {
			c.count(kind+" broken", took)
			if !c.breaks {
				c.problems.add("%s: no answer after %v: %v", kind, took, err)
			}
		}
		return nil, errBroken
	}
	what := fmt.Sprint(kind, " ", a.status)
	if a.status == http.StatusOK {
		var shape struct{ Data json.RawMessage }
		if json.Unmarshal(a.body, &shape) == nil && json.Unmarshal(shape.Data, &a.data) == nil && a.spooled() {
			what += " spooled"
		}
	}
	c.count(what, took)
	if a.status == http.StatusServiceUnavailable && res.Header.Get("Retry-After") == "" {
		c.problems.add("%s: 503 without Retry-After: %s", kind, a.body)
	}
	return a, nil
}

// spooled tells whether the answer says that something waits on disk.
func (a *answer) spooled() bool {
	return len(a.data.Spooled) > 0 && !bytes.Equal(a.data.Spooled, []byte("false")) && !bytes.Equal(a.data.Spooled, []byte("0"))
}

// duplicate tells whether the answer to one event says that it was known.
func (a *answer) duplicate() bool { return bytes.Equal(a.data.Duplicate, []byte("true")) }

// number reads one of the answer's counts.
func number(raw json.RawMessage) int {
	var n int
	if json.Unmarshal(raw, &n) != nil {
		return 0
	}
	return n
}

// unexpected notes an answer that should not have been.
func (c *client) unexpected(kind string, a *answer, body string) {
	c.problems.add("%s answered %d: %s to %.200s", kind, a.status, a.body, body)
}
