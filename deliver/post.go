package deliver

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"time"

	"go.uber.org/zap"

	"github.com/genfity/wa-gateway/media"
	"github.com/genfity/wa-gateway/signature"
	"github.com/genfity/wa-gateway/store"
)

const (
	// targetTime bounds looking up where to post.
	targetTime = 5 * time.Second
	// hostPause is how long a session rests whose host has its share of the workers.
	hostPause = 250 * time.Millisecond
	// targetPause is how long a session rests whose target cannot be found out.
	targetPause = 30 * time.Second
	// settleTime bounds one attempt to write down what became of a post.
	settleTime = 2 * time.Second
	// maxSettleWait bounds the pause between these attempts.
	maxSettleWait = 2 * time.Second
	// maxAnswer is how much of an answer is read, so that the connection can be used
	// again; nothing of it is looked at.
	maxAnswer = 64 << 10
)

// outcome is what became of a post.
type outcome int

const (
	taken outcome = iota
	refused
	gone   // 410: nobody is there any more
	cutOff // by our own end
)

// deliver posts a delivery and writes down what became of it, as far as that can be
// done before the lease ends.
func (s *Sender) deliver(c *store.ClaimedDelivery, until time.Time) {
	q := s.options.Queue
	url, header, err := s.target(c)
	switch {
	case err != nil:
		if s.ctx.Err() == nil {
			s.warn("it cannot be found out where a customer's webhooks go", zap.String("session_id", c.SessionID), zap.Error(err))
		}
		s.settle(until, func(ctx context.Context) error { return q.ReleaseDelivery(ctx, c, targetPause) })
		return
	case url == "":
		s.settle(until, func(ctx context.Context) error { return s.drop(ctx, c.SessionID) })
		return
	}
	leave, free := s.enterHost(url)
	if !free {
		s.settle(until, func(ctx context.Context) error { return q.ReleaseDelivery(ctx, c, hostPause) })
		return
	}
	became, reason := s.post(url, header, c.Body)
	leave()
	switch became {
	case taken:
		s.settle(until, func(ctx context.Context) error { return q.DeliveryDone(ctx, c) })
	case cutOff:
		s.settle(until, func(ctx context.Context) error { return q.ReleaseDelivery(ctx, c, 0) })
	case gone:
		s.options.Logger.Warn("a customer's webhook answered 410 Gone; what waited for it is dropped", zap.String("session_id", c.SessionID))
		if s.options.Gone != nil {
			ctx, cancel := context.WithTimeout(s.ctx, targetTime)
			s.options.Gone(ctx, c.SessionID, url)
			cancel()
		}
		s.settle(until, func(ctx context.Context) error { return s.drop(ctx, c.SessionID) })
	default:
		s.failed(c, until, reason)
	}
}

// failed has a delivery tried again, or gives it up.
func (s *Sender) failed(c *store.ClaimedDelivery, until time.Time, reason string) {
	q, retries := s.options.Queue, s.options.Retries
	pause := s.pause(c.Failures)
	if c.Attempts >= len(retries) {
		s.warn("webhooks did not reach a customer in time and were given up",
			zap.String("session_id", c.SessionID), zap.Int("attempts", c.Attempts+1), zap.String("reason", reason))
		s.settle(until, func(ctx context.Context) error { return q.GiveUpDelivery(ctx, c, pause) })
		return
	}
	s.warn("a customer's webhook does not take what is posted; trying again later",
		zap.String("session_id", c.SessionID), zap.Int("attempts", c.Attempts+1), zap.String("reason", reason))
	after := retries[c.Attempts]
	after += rand.N(after/10 + 1) //nolint:gosec // jitter is no secret
	s.settle(until, func(ctx context.Context) error { return q.DeliveryFailed(ctx, c, after, pause) })
}

// pause is how long a session rests after a failure that follows others: longer each
// time, so that a URL that is down costs little, and not for long, so that one delivery
// that is never taken does not hold up the others.
func (s *Sender) pause(failures int) time.Duration {
	if len(s.options.Retries) == 0 {
		return 0
	}
	first := s.options.Retries[0]
	return min(first<<min(failures, 5), 24*first) // 5 s to 2 min
}

func (s *Sender) drop(ctx context.Context, sessionID string) error {
	dropped, err := s.options.Queue.DropDeliveries(ctx, sessionID)
	if dropped > 0 {
		s.options.Logger.Info("webhooks that nobody waits for were dropped", zap.String("session_id", sessionID), zap.Int64("count", dropped))
	}
	return err
}

// settle writes down what became of a delivery. Until the lease ends it tries again
// while the database is away; after that the delivery comes back.
func (s *Sender) settle(until time.Time, write func(context.Context) error) {
	for wait := 100 * time.Millisecond; ; wait = min(2*wait, maxSettleWait) {
		// Not cut off by our end: what was posted would be posted again.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(s.ctx), settleTime)
		err := write(ctx)
		cancel()
		if err == nil {
			return
		}
		s.warn("what became of a webhook cannot be written down", zap.Error(err))
		if !store.Blameless(err) || time.Now().Add(wait).After(until) || !s.rest(wait) {
			return
		}
	}
}

// rest is false when the Sender ended meanwhile.
func (s *Sender) rest(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-s.ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// target finds where a delivery goes, and signs it.
func (s *Sender) target(c *store.ClaimedDelivery) (string, http.Header, error) {
	ctx, cancel := context.WithTimeout(s.ctx, targetTime)
	defer cancel()
	url, secret, err := s.options.Target(ctx, c.SessionID)
	if err != nil || url == "" {
		return "", nil, err
	}
	header, err := signature.Sign(secret, c.EventID, time.Now(), c.Body)
	if err != nil {
		return "", nil, fmt.Errorf("sign a webhook: %w", err)
	}
	header.Set("Content-Type", "application/json")
	header.Set("User-Agent", "wa-gateway")
	return url, header, nil
}

// post makes one attempt. The reason never holds the URL, which may be a secret, nor
// anything of what was sent or answered.
func (s *Sender) post(url string, header http.Header, body []byte) (outcome, string) {
	ctx, cancel := context.WithTimeout(s.ctx, s.options.Timeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return refused, "the URL is malformed"
	}
	r.Header = header
	res, err := s.client.Do(r)
	if err != nil {
		if s.ctx.Err() != nil {
			return cutOff, ""
		}
		return refused, why(ctx, err)
	}
	defer res.Body.Close()
	_, _ = io.CopyN(io.Discard, res.Body, maxAnswer)
	switch {
	case res.StatusCode >= 200 && res.StatusCode <= 299:
		return taken, ""
	case res.StatusCode == http.StatusGone:
		return gone, ""
	default:
		return refused, fmt.Sprintf("it answered %d", res.StatusCode)
	}
}

// why puts a client's error into our own words.
func why(ctx context.Context, err error) string {
	var guarded *media.FetchError
	var certificate *tls.CertificateVerificationError
	var call *net.OpError
	switch {
	case errors.As(err, &guarded):
		return "it " + guarded.Reason
	case ctx.Err() != nil:
		return "it did not answer in time"
	case errors.As(err, &certificate):
		return "its certificate is not good"
	case errors.As(err, &call):
		return "it cannot be reached: " + call.Err.Error()
	}
	return "it broke off"
}
