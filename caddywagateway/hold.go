package caddywagateway

import (
	"sync"
	"sync/atomic"
)

// hold is how a configuration holds its databases. Its requests share it: Caddy does
// not wait for those that are under way when it replaces a configuration, and what
// becomes of their messages has to be recorded. The last one lets go.
type hold struct {
	users atomic.Int64 // the configuration, until its end, and its requests
	once  sync.Once
	end   func() error
}

func newHold(end func() error) *hold {
	h := &hold{end: end}
	h.users.Store(1)
	return h
}

// enter takes part in the hold, if there is still one.
func (h *hold) enter() bool {
	for {
		n := h.users.Load()
		if n == 0 {
			return false
		}
		if h.users.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

// leave ends one part of it.
func (h *hold) leave() error {
	if h.users.Add(-1) > 0 {
		return nil
	}
	return h.letGo()
}

// letGo ends it, whoever else takes part.
func (h *hold) letGo() (err error) {
	h.once.Do(func() { err = h.end() })
	return err
}
