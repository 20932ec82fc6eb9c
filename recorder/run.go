package recorder

import (
	"time"

	"go.uber.org/zap"

	"github.com/genfity/wa-gateway/journal"
)

// chunk is what was read from the journal at a time.
type chunk struct {
	batch journal.Batch
	left  int // records that are neither recorded nor dead letters yet
}

// maxLoad bounds the bytes of items from the journal that wait in memory, and so
// the size of a transaction with large ones.
const maxLoad = 4 << 20

// shelterInterval is the pause between attempts to bring into the journal what it
// did not take before.
const shelterInterval = time.Second

// run makes up the transactions, so that those who come while one is running
// gather for the next. It is the only one that reads the journal.
func (r *Recorder[T, R]) run() {
	defer close(r.done)
	defer r.abandon()
	var appended <-chan struct{}
	if r.opts.Journal != nil {
		appended = r.opts.Journal.Wake()
	}
	for r.ctx.Err() == nil {
		select {
		case <-appended:
			r.mark()
		default:
		}
		now := time.Now()
		r.acknowledge()
		r.shelter(now)
		r.load(now)
		r.bury(now)
		b, wait := r.take(now)
		if b != nil {
			r.workers.Go(func() { r.work(b) })
			continue
		}
		if wait < 0 {
			return
		}
		r.sleep(wait, appended)
	}
}

// forever is a wait that only an event ends.
const forever = time.Duration(1<<63 - 1)

func (r *Recorder[T, R]) sleep(wait time.Duration, appended <-chan struct{}) {
	r.mu.Lock()
	if r.unread {
		appended = nil // known already; not every outcome has to wake this goroutine
	}
	r.mu.Unlock()
	var due <-chan time.Time
	if wait != forever {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		due = timer.C
	}
	select {
	case <-r.ctx.Done():
	case <-r.wake:
	case <-due:
	case <-appended:
		r.mark()
	}
}

// mark says that the journal has records which were not read.
func (r *Recorder[T, R]) mark() {
	r.mu.Lock()
	r.unread = true
	r.mu.Unlock()
}

// acknowledge tells the journal how far everything is done.
func (r *Recorder[T, R]) acknowledge() {
	if len(r.chunks) == 0 {
		return
	}
	done := 0
	r.mu.Lock()
	for done < len(r.chunks) && r.chunks[done].left == 0 {
		done++
	}
	r.mu.Unlock()
	if done == 0 {
		return
	}
	last := r.chunks[done-1].batch
	clear(r.chunks[:done])
	r.chunks = r.chunks[done:]
	if err := r.opts.Journal.Ack(last); err != nil {
		// It is read again after a restart, which does no harm.
		if n, ok := r.ackErrors.add(time.Now(), 1); ok {
			r.opts.Logger.Error("cannot tell the local journal what is done", zap.Int("times", n), zap.Error(err))
		}
	}
}

// load reads the journal, as much as the next transaction can take.
func (r *Recorder[T, R]) load(now time.Time) {
	r.mu.Lock()
	due := !r.loadAt(now).After(now)
	room, size := r.opts.MaxBatch-len(r.loaded), maxLoad-r.bytes
	r.mu.Unlock()
	if !due {
		return
	}
	got, err := r.opts.Journal.TryNext(room, size)
	if err != nil {
		r.mu.Lock()
		r.readAt = now.Add(r.opts.RetryMax)
		r.mu.Unlock()
		if n, ok := r.readErrors.add(now, 1); ok {
			r.opts.Logger.Error("cannot read the local journal; trying again", zap.Int("times", n), zap.Error(err))
		}
		return
	}
	entries := make([]entry[T], 0, len(got.Records))
	var letters []letter[T]
	c := &chunk{batch: got, left: len(got.Records)}
	size = 0
	for _, record := range got.Records {
		source, item, err := r.opts.Decode(record)
		if err != nil {
			raw := append([]byte(nil), record...)
			letters = append(letters, letter[T]{
				DeadLetter: DeadLetter[T]{Raw: raw, Reason: err.Error()}, entry: entry[T]{chunk: c},
			})
			continue
		}
		size += len(record)
		entries = append(entries, entry[T]{item: item, source: source, chunk: c, size: len(record)})
	}
	if c.left > 0 {
		c.batch.Records = nil // the journal's memory
		r.chunks = append(r.chunks, c)
	}
	r.mu.Lock()
	r.unread = c.left > 0
	r.more = c.left == room
	r.loaded = append(r.loaded, entries...)
	r.bytes += size
	letters = r.keep(letters)
	r.mu.Unlock()
	r.giveUpOn(letters)
}

// never is a time that does not come.
var never = time.Unix(1<<60, 0)

// loadAt is when the journal is to be read. r.mu is held.
func (r *Recorder[T, R]) loadAt(now time.Time) time.Time {
	switch {
	case !r.unread,
		len(r.inflight) >= r.opts.Writers,
		len(r.loaded) >= r.opts.MaxBatch, r.bytes >= maxLoad,
		len(r.letters) >= r.opts.MaxBatch:
		return never
	}
	return latest(r.readAt, r.backlogAt(now))
}

// backlogAt is when what nobody waits for has its turn. r.mu is held.
func (r *Recorder[T, R]) backlogAt(now time.Time) time.Time {
	switch {
	case r.breaker.away && len(r.inflight) > 0:
		return never
	case r.breaker.away:
		return r.breaker.retryAt
	case len(r.calls) > 0, r.closing, r.more, len(r.memory)+len(r.loaded) >= r.opts.MaxBatch:
		return now
	}
	// Nobody waits: a moment's patience makes one commit of many.
	return r.committed.Add(r.opts.OutcomeInterval)
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// take makes up the next transaction. Without one, wait says how long nothing
// can be done unless something comes in, negative when all is done.
func (r *Recorder[T, R]) take(now time.Time) (b *batch[T, R], wait time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lookAround(now)
	if r.over(now) {
		return nil, -1
	}
	backlog := len(r.memory) + len(r.loaded)
	at := r.backlogAt(now)
	if len(r.inflight) < r.opts.Writers && !r.breaker.blocks(now, len(r.inflight)) {
		if at.After(now) {
			backlog = 0
		}
		if b = r.gather(now, backlog); b != nil {
			return b, 0
		}
		backlog = len(r.memory) + len(r.loaded)
	}
	due := never
	soonest := func(t time.Time) {
		if t.Before(due) {
			due = t
		}
	}
	if len(r.inflight) < r.opts.Writers {
		if backlog > 0 {
			soonest(at)
		}
		soonest(r.loadAt(now))
		if r.breaker.away && len(r.inflight) == 0 && len(r.calls) > 0 {
			soonest(r.breaker.retryAt)
		}
	}
	soonest(r.buryAt())
	if r.breaker.away && len(r.memory) > 0 && r.opts.Journal != nil {
		soonest(r.shelterAt)
	}
	soonest(r.hangAt())
	if r.closing && r.breaker.away && r.lastTry.After(now) {
		soonest(r.lastTry)
	}
	if due == never {
		return nil, forever
	}
	return nil, max(due.Sub(now), 1)
}

// gather takes at most backlog items that nobody waits for and fills up with
// those of calls. r.mu is held.
func (r *Recorder[T, R]) gather(now time.Time, backlog int) *batch[T, R] {
	for len(r.calls) > 0 && r.calls[0].ended {
		r.calls[0] = nil
		r.calls = r.calls[1:]
	}
	// Neither calls nor the backlog can keep the others from their turn.
	room := r.limit
	if len(r.calls) > 0 {
		backlog = min(backlog, max(room/2, 1))
	}
	backlog = min(backlog, room)
	if backlog == 0 && len(r.calls) == 0 {
		return nil
	}
	b := &batch[T, R]{begun: now, entries: make([]entry[T], 0, backlog)}
	// What is only in memory first: it is at risk.
	r.memory = b.load(r.memory, backlog)
	r.loaded = b.load(r.loaded, backlog-len(b.entries))
	for i := range b.entries {
		r.bytes -= b.entries[i].size
	}
	room = max(room-len(b.entries), 1)
	for len(r.calls) > 0 && room > 0 {
		c := r.calls[0]
		r.calls[0] = nil
		r.calls = r.calls[1:]
		if c.ended {
			continue
		}
		done := len(c.results)
		n := min(len(c.items)-done, room)
		room -= n
		c.since, c.flight = latest(c.since, r.answered), b
		// Copies: the caller may give up and change its items meanwhile.
		b.shares = append(b.shares, share[T, R]{c, len(b.items), n})
		b.items = append(b.items, c.items[done:done+n]...)
	}
	r.inflight = append(r.inflight, b)
	return b
}
