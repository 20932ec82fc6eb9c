package caddywagateway

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/genfity/wa-gateway/message"
	"github.com/genfity/wa-gateway/waserver"
)

// The bounds of what waits to be entered among the messages of chats.
const (
	maxSentWaiting = 10_000
	maxSentBatch   = 200
)

// sentQueue enters messages among those of their chats that were sent through the
// gateway, where the server itself tells nothing of them. It is no part of the counting:
// what does not fit, or finds the database away, is missing in the chats alone.
type sentQueue struct {
	apply   func(ctx context.Context, sessionID string, updates []waserver.Update) error
	logger  *zap.Logger
	waiting chan sentEntry
	ctx     context.Context
	cancel  context.CancelFunc
	once    sync.Once
	done    chan struct{}
	quit    chan struct{}
	missed  bool // since the last that was entered

	overflow atomic.Int64

	mu     sync.RWMutex // so that nothing is added once it is closed
	closed bool
}

type sentEntry struct {
	sessionID string
	update    waserver.Update
}

func newSentQueue(apply func(context.Context, string, []waserver.Update) error, logger *zap.Logger) *sentQueue {
	q := &sentQueue{
		apply: apply, logger: logger, waiting: make(chan sentEntry, maxSentWaiting),
		done: make(chan struct{}), quit: make(chan struct{}),
	}
	q.ctx, q.cancel = context.WithCancel(context.Background())
	return q
}

// start begins to work; close ends it.
func (q *sentQueue) start() { q.once.Do(func() { go q.run() }) }

// close enters what waits, until ctx ends. It may follow no start. Requests that still
// end after it enter what they send themselves.
func (q *sentQueue) close(ctx context.Context) error {
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
	q.once.Do(func() { close(q.done) })
	defer q.cancel()
	close(q.quit)
	select {
	case <-q.done:
	case <-ctx.Done():
		q.cancel()
		<-q.done
	}
	return nil
}

// enterTime bounds the entering of a message by the request that sent it.
const enterTime = 5 * time.Second

// add takes a message that was sent; it does not wait, but for the database once the
// configuration has ended.
func (q *sentQueue) add(sessionID string, m *message.Message, sent *waserver.Sent) {
	entry := sentEntry{sessionID, waserver.Update{At: sent.At, Message: &waserver.ChatMessage{
		ID: sent.ID, ChatJID: m.To.JID(), FromMe: true, Type: chatType(m.Kind), Body: bodyOf(m), ReplyTo: m.ReplyTo, At: sent.At,
	}}}
	if m.Media != nil {
		entry.update.Message.MediaType, entry.update.Message.Filename = m.Media.MIMEType, m.Media.Filename
	}
	q.mu.RLock()
	defer q.mu.RUnlock()
	if q.closed {
		ctx, cancel := context.WithTimeout(context.Background(), enterTime)
		defer cancel()
		if err := q.apply(ctx, sessionID, []waserver.Update{entry.update}); err != nil {
			q.logger.Warn(missingInChats, zap.Error(err))
		}
		return
	}
	select {
	case q.waiting <- entry:
	default:
		if q.overflow.Add(1)%maxSentWaiting == 1 { // the first, and now and then
			q.logger.Warn(missingInChats, zap.Int("waiting", maxSentWaiting))
		}
	}
}

const missingInChats = "messages that were sent are missing in their chats"

// chatType is the kind of a message as chats have it.
func chatType(kind message.Kind) string {
	if kind == message.KindText {
		return "text"
	}
	return string(kind)
}

// bodyOf is what a chat shows of a message.
func bodyOf(m *message.Message) string {
	switch {
	case m.Text != "":
		return m.Text
	case m.Caption != "":
		return m.Caption
	case m.Poll != nil:
		return m.Poll.Name
	case m.Contact != nil:
		return m.Contact.Name
	case m.Location != nil:
		return m.Location.Name
	case m.List != nil:
		return m.List.Title
	case m.Buttons != nil:
		return m.Buttons.Body
	}
	return ""
}

func (q *sentQueue) run() {
	defer close(q.done)
	for {
		select {
		case entry := <-q.waiting:
			q.enter(entry)
		case <-q.quit:
			for len(q.waiting) > 0 && q.ctx.Err() == nil {
				q.enter(<-q.waiting)
			}
			return
		}
	}
}

// enter writes one message and those that came meanwhile, each session's together.
func (q *sentQueue) enter(first sentEntry) {
	bySession := map[string][]waserver.Update{first.sessionID: {first.update}}
	for n := 1; n < maxSentBatch && len(q.waiting) > 0; n++ {
		next := <-q.waiting
		bySession[next.sessionID] = append(bySession[next.sessionID], next.update)
	}
	for sessionID, updates := range bySession {
		err := q.apply(q.ctx, sessionID, updates)
		if err != nil && !q.missed {
			q.logger.Warn(missingInChats, zap.Error(err))
		}
		q.missed = err != nil
	}
}
