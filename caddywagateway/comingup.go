package caddywagateway

import (
	"context"
	"sync"
	"time"
)

// startPatience is how long the databases are waited for while they come up, so that a
// reload which opens others refuses nobody for the moment that this takes.
const startPatience = 3 * time.Second

// latch is a step that is taken once, and can be waited for.
type latch struct {
	done chan struct{}
	once sync.Once
}

func newLatch() *latch { return &latch{done: make(chan struct{})} }

func (l *latch) set() { l.once.Do(func() { close(l.done) }) }

func (l *latch) isSet() bool {
	select {
	case <-l.done:
		return true
	default:
		return false
	}
}

// await waits until a step is taken, and tells whether it is. Whoever comes when
// startPatience is over since the databases began to come up waits for nothing: they
// are away.
func (d *databases) await(ctx context.Context, step *latch) bool {
	if step.isSet() {
		return true
	}
	// The HTTP app may be faster than ours when both start.
	notBegun := time.NewTimer(startPatience)
	defer notBegun.Stop()
	select {
	case <-step.done:
	case <-d.late.done:
	case <-notBegun.C:
	case <-d.done:
	case <-ctx.Done():
	}
	return step.isSet()
}

// awaitReady waits until the databases can be asked.
func (d *databases) awaitReady(ctx context.Context) bool { return d.await(ctx, d.ready) }
