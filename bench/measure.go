package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"time"
)

// bench drives the two sites.
type bench struct {
	options
	server *caddyServer
	wa     *upstream

	requests map[string][][]byte // by address
	sent     int64               // messages that the gateway answered with 2xx
	errors   map[string]int64
}

func newBench(o options, server *caddyServer, wa *upstream, callers []caller) *bench {
	b := &bench{options: o, server: server, wa: wa, requests: make(map[string][][]byte), errors: make(map[string]int64)}
	for _, addr := range []string{server.bare, server.gateway} {
		for _, c := range callers {
			b.requests[addr] = append(b.requests[addr], c.request(addr))
		}
	}
	return b
}

// checkPath sends one message through the gateway and looks at what reaches the
// WA server: a figure for a gateway that does not do its work is worth nothing.
func (b *bench) checkPath(ctx context.Context) error {
	arrived := b.wa.next()
	one, err := drive(ctx, b.server.gateway, b.requests[b.server.gateway], 1, time.Nanosecond)
	if err != nil {
		return err
	}
	b.count(b.server.gateway, one)
	if one.answers != 1 {
		return fmt.Errorf("the first message was not sent: %v", one.errors)
	}
	got := <-arrived
	for _, want := range []string{"POST /send-message ", "Authorization: Bearer " + waServerToken, http.CanonicalHeaderKey("X-User-ID") + ": "} {
		if !strings.Contains(got.head, want) {
			return fmt.Errorf("%q is missing in what reached the WA server", want)
		}
	}
	if !strings.HasPrefix(got.body, `{"session_id":"`) || strings.Count(got.body, "session_id") != 1 {
		return errors.New("the body that reached the WA server was not rewritten")
	}
	return nil
}

func (b *bench) count(addr string, l *load) {
	if addr == b.server.gateway {
		b.sent += l.answers
	}
	for what, n := range l.errors {
		b.errors[what] += n
	}
}

// round is one site under load.
func (b *bench) round(ctx context.Context, addr string, conns int, length time.Duration) (*measured, error) {
	memoryBefore, err := b.server.memory(ctx)
	if err != nil {
		return nil, err
	}
	before, ok := b.server.cpu()
	l, err := drive(ctx, addr, b.requests[addr], conns, length)
	if err != nil {
		return nil, err
	}
	b.count(addr, l)
	m := &measured{
		Answers: l.answers, PerSecond: l.perSecond(),
		P50: micros(l.latency.quantile(0.5)), P99: micros(l.latency.quantile(0.99)),
	}
	// What is still to be recorded belongs to this round, not to the next.
	if addr == b.server.gateway {
		start := time.Now()
		if err := b.settle(ctx); err != nil {
			return nil, err
		}
		m.Settled = micros(time.Since(start))
	}
	if after, okAfter := b.server.cpu(); ok && okAfter && l.answers > 0 {
		m.CPU = micros(after-before) / float64(l.answers)
	}
	memory, err := b.server.memory(ctx)
	if err == nil && l.answers > 0 {
		m.Bytes = float64(memory.TotalAlloc-memoryBefore.TotalAlloc) / float64(l.answers)
		m.Allocations = float64(memory.Mallocs-memoryBefore.Mallocs) / float64(l.answers)
	}
	return m, err
}

// settle waits until the statistics have counted every message once.
func (b *bench) settle(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, settleTimeout)
	defer cancel()
	for {
		sent, failed, err := b.counted(ctx)
		switch {
		case err != nil:
			return fmt.Errorf("reading the statistics: %w", err)
		case sent == b.sent && (failed == 0 || len(b.errors) > 0): // errors are reported in the end
			return nil
		case sent >= b.sent:
			return fmt.Errorf("the statistics show %d sent and %d failed messages, but %d were answered with 2xx", sent, failed, b.sent)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the statistics show %d messages, but %d were answered with 2xx: %w", sent, b.sent, ctx.Err())
		case <-time.After(50 * time.Millisecond):
		}
	}
}

const settleTimeout = 60 * time.Second

func (b *bench) counted(ctx context.Context) (sent, failed int64, err error) {
	t, err := b.server.totals(ctx)
	return t.Sent, t.Failed, err
}

// warmUp fills pools and caches on both sides.
func (b *bench) warmUp(ctx context.Context) error {
	for _, addr := range []string{b.server.bare, b.server.gateway} {
		if _, err := b.round(ctx, addr, b.conns, b.options.round/2); err != nil {
			return err
		}
	}
	return nil
}

// pair measures both sites, under load and with a single caller, close to each
// other; gatewayFirst changes the order.
func (b *bench) pair(ctx context.Context, gatewayFirst bool) (*pairReport, error) {
	p := new(pairReport)
	order := []string{b.server.bare, b.server.gateway}
	if gatewayFirst {
		order[0], order[1] = order[1], order[0]
	}
	for _, load := range []struct {
		conns  int
		length time.Duration
		into   *sides
	}{{b.conns, b.options.round, &p.Load}, {1, b.options.round / 3, &p.Alone}} {
		for _, addr := range order {
			m, err := b.round(ctx, addr, load.conns, load.length)
			if err != nil {
				return nil, err
			}
			if addr == b.server.bare {
				load.into.Bare = *m
			} else {
				load.into.Gateway = *m
			}
		}
		load.into.compare()
	}
	return p, nil
}

// profile writes what Caddy spends time on, and what it allocates for, while the
// gateway is under load.
func (b *bench) profile(ctx context.Context, file string) error {
	seconds := max(int(2*b.options.round/time.Second), 1)
	return b.server.profiled(ctx, file, seconds, func() error {
		_, err := b.round(ctx, b.server.gateway, b.conns, time.Duration(seconds)*time.Second)
		return err
	})
}

// total closes the account: what was answered, what was counted, what failed.
func (b *bench) total(ctx context.Context, r *databaseReport) (err error) {
	r.Answered, r.Errors = b.sent, maps.Clone(b.errors)
	r.Counted, _, err = b.counted(ctx)
	r.Summary = summarise(r.Pairs)
	return err
}

func micros(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }
