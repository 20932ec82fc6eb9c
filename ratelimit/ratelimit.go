// Package ratelimit counts messages in exact sliding windows.
//
// A limit of 100 messages per 60 s means that in no window of 60 s, wherever it
// starts, more than 100 messages are accepted. Windows are half-open: a message
// accepted at t belongs to [t, t+window) and has left at exactly t+window.
// Refused calls do not count.
//
// There are two implementations: [Memory] for one process and [Redis] for any
// number of processes that share a Redis. Both decide alike, which package
// ratelimittest checks; implementations of your own can run the same suite.
//
// # Changing limits
//
// A limit is given with every call, because it may differ per package and may
// change while messages are remembered. A decision counts the messages accepted
// in the window that it names, whatever limits the earlier calls named: a new
// limit never forgets what was sent under the old one. To that end a key
// remembers messages for the longest window, and at least as many of them as the
// largest limit, that it was asked for since it last was empty. Two nodes that
// are configured differently, as in a rolling restart, therefore each get
// their own limit right on the same key.
package ratelimit

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"
)

// MaxMessages and MaxWindow bound a [Limit]. Larger ones cannot be counted
// exactly by every implementation.
const (
	MaxMessages = math.MaxInt32
	MaxWindow   = 10 * 366 * 24 * time.Hour
)

var (
	// ErrTooMany says that one call wants more messages than its limit has in a
	// whole window: waiting does not help, the call has to be split. Nothing
	// was counted.
	ErrTooMany = errors.New("more messages in one call than the limit allows in a whole window")

	// ErrUnavailable says that the limiter could not decide, for instance
	// because Redis is away or did not answer in time. The caller chooses
	// whether to let the message pass. A decision that was lost on its way
	// back may have been counted.
	ErrUnavailable = errors.New("the rate limiter is unavailable")

	// ErrFull says that [Memory] holds as many keys as it may. Nothing was
	// counted.
	ErrFull = errors.New("the rate limiter holds as many keys as it may: raise its maximum, or shorten its longest window")

	// ErrClosed says that the limiter was closed before the call.
	ErrClosed = errors.New("the rate limiter is closed")
)

// Limit allows a number of messages in any window of a given length.
type Limit struct {
	// Messages is how many are allowed in a window, 0 to [MaxMessages].
	// With 0 every call that wants any is refused with [ErrTooMany].
	Messages int
	// Window is the window's length, above 0 and at most [MaxWindow]. It is
	// counted in microseconds; a fraction of one is rounded up.
	Window time.Duration
}

// Validate says what is wrong with the limit, or nil.
func (l Limit) Validate() error {
	switch {
	case l.Messages < 0 || l.Messages > MaxMessages:
		return fmt.Errorf("rate limit: %d messages: must be between 0 and %d", l.Messages, MaxMessages)
	case l.Window <= 0 || l.Window > MaxWindow:
		return fmt.Errorf("rate limit: window of %v: must be above 0 and at most %v", l.Window, MaxWindow)
	}
	return nil
}

// Decision answers a [Limiter.Take].
type Decision struct {
	// Allowed says that the messages were counted and may be sent.
	Allowed bool
	// Limit is the limit that the call named.
	Limit Limit
	// Remaining is how many more messages would be accepted at the moment of
	// the decision, after it; never negative.
	Remaining int
	// RetryAfter is, for a refused call, the time until the same call is
	// accepted if nothing else happens to the key: true (it is accepted then)
	// and tight (it is refused before). 0 for an allowed one.
	RetryAfter time.Duration
	// Reset is the time until the next place comes free, that is until
	// Remaining grows by itself. 0 when no message is remembered. It is never
	// later than the RetryAfter of a refused decision on at least one message.
	Reset time.Duration

	// Stamp and Cost are for [Limiter.Return]: when, on the limiter's own
	// clock, and how many messages were counted. Both are 0 when none were.
	// Other code has no use for them.
	Stamp int64
	Cost  int
}

// Limiter counts messages per key. It is safe for concurrent use.
type Limiter interface {
	// Take asks to send n messages under key. All n are counted, or none: a
	// call that does not fit wholly is refused and counts nothing. With n = 0
	// it tells the state and counts nothing.
	//
	// Errors: [ErrTooMany] when n is above limit.Messages, [ErrUnavailable],
	// [ErrFull], [ErrClosed], the context's error when it ended the call, or a
	// description of an invalid limit or a negative n. The decision beside an
	// error holds nothing but the limit.
	Take(ctx context.Context, key string, n int, limit Limit) (Decision, error)

	// Return gives back what the decision d took under key, as if it had never
	// been asked: for messages that never reached the WA server. Call it at
	// most once per decision. Messages that were accepted at the same moment
	// are alike: any of them is forgotten. Messages that have left the window,
	// or that this limiter does not know, are ignored; so is a refused
	// decision.
	Return(ctx context.Context, key string, d Decision) error

	// Close releases what the limiter holds. Calls after it get [ErrClosed].
	Close() error
}

// check refuses calls that no implementation can answer.
func check(n int, limit Limit) error {
	if err := limit.Validate(); err != nil {
		return err
	}
	switch {
	case n < 0:
		return fmt.Errorf("rate limit: a call cannot take %d messages", n)
	case n > limit.Messages:
		return ErrTooMany
	}
	return nil
}

// micros is d in whole microseconds, rounded up.
func micros(d time.Duration) int64 {
	return int64((d + time.Microsecond - 1) / time.Microsecond)
}
