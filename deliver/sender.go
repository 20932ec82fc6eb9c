package deliver

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/genfity/wa-gateway/store"
)

const (
	// claimTime bounds one claim.
	claimTime = 10 * time.Second
	// firstWait and maxWait bound the pause between attempts while the database is
	// away.
	firstWait = 250 * time.Millisecond
	maxWait   = 30 * time.Second
	// trimInterval and purgeInterval are how often it is looked for what waits past the
	// bound, and for what is too old.
	trimInterval  = time.Minute
	purgeInterval = time.Hour
)

// Sender posts what is in the queue. Of each session one delivery is under way at a
// time, over all gateways that share the queue, and they go in the order in which they
// were added, but that one which failed lets the others pass until it is tried again.
type Sender struct {
	options Options
	client  *http.Client
	poke    chan struct{}
	freed   chan struct{} // a worker has ended
	quit    chan struct{} // closed: begin nothing more
	ended   chan struct{} // closed: nothing runs
	ctx     context.Context
	cancel  context.CancelFunc
	start   sync.Once
	closing sync.Once
	tasks   sync.WaitGroup

	mu    sync.Mutex
	busy  int
	hosts map[string]int // workers by the host that they post to
	says  map[string]*throttle
	away  bool
}

// New makes a Sender, which does nothing before Start.
func New(o Options) *Sender {
	o.setDefaults()
	ctx, cancel := context.WithCancel(context.Background())
	return &Sender{
		options: o, ctx: ctx, cancel: cancel,
		client: &http.Client{
			Transport:     o.Transport,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		poke: make(chan struct{}, 1), freed: make(chan struct{}, 1),
		quit: make(chan struct{}), ended: make(chan struct{}),
		says: map[string]*throttle{}, hosts: map[string]int{},
	}
}

// Start begins to post, with what waits already. It is called once.
func (s *Sender) Start() {
	s.start.Do(func() {
		go s.run()
	})
}

// Poke says that there is something to post. It does not wait.
func (s *Sender) Poke() { signal(s.poke) }

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default: // it has been told already
	}
}

// Close ends the work. Posts that are under way may end until ctx does; those that have
// not are broken off and come back, with the same id. It may be called more than once.
func (s *Sender) Close(ctx context.Context) error {
	s.start.Do(func() { close(s.ended) }) // it never began
	s.closing.Do(func() { close(s.quit) })
	defer s.cancel()
	select {
	case <-s.ended:
		return nil
	case <-ctx.Done():
	}
	s.cancel()
	<-s.ended // soon: what still has to be written is bounded by settleTime
	return fmt.Errorf("close the sender of webhooks: %w", ctx.Err())
}

func (s *Sender) run() {
	defer close(s.ended)
	defer s.options.Transport.CloseIdleConnections()
	defer s.tasks.Wait()
	s.tasks.Go(s.tidy)
	timer := time.NewTimer(0)
	defer timer.Stop()
	wait := firstWait
	poke, freed := s.poke, s.freed
	for {
		select {
		case <-s.quit:
			return
		case <-poke:
		case <-freed:
		case <-timer.C:
		}
		if err := s.claim(); err != nil {
			if s.quitting() {
				return
			}
			s.trouble(err)
			timer.Reset(wait/2 + rand.N(wait)) //nolint:gosec // jitter is no secret
			wait = min(2*wait, maxWait)
			poke, freed = nil, nil // whoever pokes does not know that it is in vain
			continue
		}
		s.well()
		timer.Reset(s.options.Interval)
		wait = firstWait
		poke, freed = s.poke, s.freed
	}
}

// claim gives what is due to the workers that are free.
func (s *Sender) claim() error {
	free := s.free()
	if free == 0 || s.quitting() {
		return nil
	}
	ctx, cancel := context.WithTimeout(s.ctx, claimTime)
	defer cancel()
	began := time.Now()
	claimed, err := s.options.Queue.ClaimDeliveries(ctx, free, s.options.Lease)
	if err != nil {
		return err
	}
	s.occupy(len(claimed))
	for i := range claimed {
		s.tasks.Go(func() {
			defer signal(s.freed)
			defer s.occupy(-1)
			s.deliver(&claimed[i], began.Add(s.options.Lease))
		})
	}
	return nil
}

func (s *Sender) free() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.options.Workers - s.busy
}

func (s *Sender) occupy(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.busy += n
}

func (s *Sender) quitting() bool {
	select {
	case <-s.quit:
		return true
	default:
		return false
	}
}

// tidy drops what waits past the bound and what is too old, until the end.
func (s *Sender) tidy() {
	ctx, cancel := context.WithCancel(s.ctx)
	defer cancel()
	s.tasks.Go(func() {
		select {
		case <-s.quit:
			cancel()
		case <-ctx.Done():
		}
	})
	purge := time.Now().Add(rand.N(purgeInterval)) //nolint:gosec // gateways that start together do not meet
	timer := time.NewTimer(trimInterval)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		err := s.trim(ctx)
		if now := time.Now(); err == nil && now.After(purge) {
			purge = now.Add(purgeInterval)
			err = s.purge(ctx, now)
		}
		if err != nil && ctx.Err() == nil {
			s.warn("webhooks that are too many or too old could not be removed; trying again later", zap.Error(err))
		}
		timer.Reset(trimInterval)
	}
}

func (s *Sender) trim(ctx context.Context) error {
	dropped, err := s.options.Queue.TrimDeliveries(ctx, s.options.MaxWaiting)
	if dropped > 0 {
		s.options.Logger.Warn("too many webhooks waited for customers; the oldest were dropped", zap.Int64("count", dropped))
	}
	return err
}

func (s *Sender) purge(ctx context.Context, now time.Time) error {
	_, dropped, err := s.options.Queue.PurgeDeliveries(ctx, now.Add(-s.options.Retention), store.PurgeOptions{})
	if dropped > 0 {
		s.options.Logger.Warn("webhooks waited too long for customers and were dropped", zap.Int64("count", dropped))
	}
	return err
}

// trouble tells once that the database cannot be used, and well that it can again.
func (s *Sender) trouble(err error) {
	if !s.away {
		s.away = true
		s.options.Logger.Warn("customers' webhooks wait for the database", zap.Error(err))
	}
}

func (s *Sender) well() {
	if s.away {
		s.away = false
		s.options.Logger.Info("customers' webhooks are posted again")
	}
}

// logInterval is the least time between two log lines about the same trouble.
const logInterval = 10 * time.Second

// throttle lets a log line through now and then.
type throttle struct {
	last  time.Time
	count int
}

// warn logs, at most now and then, with the number of times that it was to be logged.
func (s *Sender) warn(text string, fields ...zap.Field) {
	s.mu.Lock()
	t := s.says[text]
	if t == nil {
		t = &throttle{}
		s.says[text] = t
	}
	t.count++
	now, count := time.Now(), t.count
	quiet := now.Sub(t.last) < logInterval
	if !quiet {
		t.last, t.count = now, 0
	}
	s.mu.Unlock()
	if !quiet {
		s.options.Logger.Warn(text, append(fields, zap.Int("count", count))...)
	}
}
