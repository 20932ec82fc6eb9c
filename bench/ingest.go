package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"
)

// ingest drives the events endpoints of one gateway.
type ingest struct {
	options
	*stage
	kind     string
	expected totals // of all that was acknowledged
	hot      *tape  // all for one session
	spread   *tape  // for all sessions
	rounds   int    // of single events so far
}

// tape is a source that is read from the beginning to the end.
type tape struct {
	*source
	told int
}

// ingestSessions: a user with a session of many is one of them.
var ingestPopulation = population{users: 10, sessions: 50}

// measureIngest runs everything about events on one kind of database.
func measureIngest(ctx context.Context, o options, kind, dir string, progress io.Writer) (r *ingestReport, err error) {
	err = onStage(ctx, o, kind, dir, ingestPopulation, func(s *stage) error {
		begin := time.Now().Add(-12 * time.Hour).Truncate(time.Second)
		host := s.server.gateway
		in := &ingest{
			options: o, stage: s, kind: kind,
			hot:    &tape{source: &source{host: host, callers: s.callers[:1], begin: begin, name: 1}},
			spread: &tape{source: &source{host: host, callers: s.callers, begin: begin, name: 2}},
		}
		r, err = in.measure(ctx, progress)
		return err
	})
	return r, err
}

func (in *ingest) measure(ctx context.Context, progress io.Writer) (r *ingestReport, err error) {
	var plain *naive
	if in.kind == kindPostgres {
		if plain, err = openNaive(ctx, in.callers); err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, plain.close()) }()
	}
	empty, err := ledgerSize(ctx, in.kind, in.dsn, 0)
	if err != nil {
		return nil, err
	}
	r = &ingestReport{Database: in.kind}
	r.printHead(progress)
	for _, t := range []*tape{in.hot, in.spread} { // creates the sessions' counters, fills the pools
		if _, err := in.batches(ctx, t, 1); err != nil {
			return nil, err
		}
	}
	for range in.pairs {
		round, err := in.round(ctx, plain)
		if err != nil {
			return nil, err
		}
		r.Rounds = append(r.Rounds, round)
		round.print(progress, len(r.Rounds))
	}
	if plain != nil {
		if err := plain.check(ctx); err != nil {
			return nil, err
		}
	}
	if in.profile != "" {
		if err := in.profiles(ctx, in.profile+"."+in.kind); err != nil {
			return nil, err
		}
	}
	first := in.spread.take(in.events)
	if r.Steady, err = in.tellSteadily(ctx, in.spread.source, first, in.events/batchSize); err != nil {
		return nil, err
	}
	if err := in.settle(ctx, in.spread, first); err != nil {
		return nil, err
	}
	if r.Ledger, err = ledgerSize(ctx, in.kind, in.dsn, empty.Table); err != nil {
		return nil, err
	}
	if r.Backlog, err = in.measureDrain(ctx); err != nil {
		return nil, err
	}
	if err := recount(ctx, in.dsn); err != nil {
		return nil, fmt.Errorf("recounting: %w", err)
	}
	r.Counted = in.expected
	r.print(progress)
	return r, nil
}

// round is one of each: close to each other, so that what else the machine does
// falls on all alike.
func (in *ingest) round(ctx context.Context, plain *naive) (*ingestRound, error) {
	r := new(ingestRound)
	for _, step := range []struct {
		tape   *tape
		batch  *float64
		single *singleRound
		naive  **naiveRound
		ratio  *float64
	}{
		{in.hot, &r.BatchHot, &r.SingleHot, &r.NaiveHot, &r.RatioHot},
		{in.spread, &r.BatchSpread, &r.SingleSpread, &r.NaiveSpread, &r.RatioSpread},
	} {
		t, err := in.batches(ctx, step.tape, in.batchesEach)
		if err != nil {
			return nil, err
		}
		*step.batch = t.perSecond()
		r.Spooled += t.spooled
		if *step.single, err = in.singles(ctx, step.tape.callers, in.options.round); err != nil {
			return nil, err
		}
		if plain == nil {
			continue
		}
		n, err := plain.round(ctx, step.tape.callers, in.options.round/3)
		if err != nil {
			return nil, err
		}
		*step.naive, *step.ratio = &n, quotient(t.perSecond(), n.best())
	}
	return r, nil
}

// take is the next events of a tape.
func (t *tape) take(events int) (first int) {
	first = t.told
	t.told += events
	return first
}

// batches tells batches; time counts until the statistics show all of them.
func (in *ingest) batches(ctx context.Context, t *tape, n int) (told, error) {
	first := t.take(n * batchSize)
	told, err := tellBatches(ctx, in.server.gateway, t.source, first, n)
	if err != nil {
		return told, err
	}
	start := time.Now()
	err = in.settle(ctx, t, first)
	told.duration += time.Since(start)
	return told, err
}

// settle adds what a tape told from first on and waits until it is counted.
func (in *ingest) settle(ctx context.Context, t *tape, first int) error {
	in.expected = in.expected.add(totalsOf(t.told).sub(totalsOf(first)))
	return in.settled(ctx)
}

func (in *ingest) settled(ctx context.Context) error {
	_, err := in.server.await(ctx, settleTimeout, func(t totals) bool { return t == in.expected })
	if err != nil {
		return fmt.Errorf("%+v was acknowledged: %w", in.expected, err)
	}
	return nil
}

// singles tells events one by one and checks that they were counted.
func (in *ingest) singles(ctx context.Context, callers []caller, length time.Duration) (singleRound, error) {
	in.rounds++
	before, ok := in.server.cpu()
	l, acked, err := tellSingly(ctx, in.server.gateway, callers, fmt.Sprintf("%06X", in.rounds), length)
	if err != nil {
		return singleRound{}, err
	}
	r := singleRound{PerSecond: l.perSecond(), P50: micros(l.latency.quantile(0.5)), P99: micros(l.latency.quantile(0.99))}
	if after, okAfter := in.server.cpu(); ok && okAfter {
		r.CPU = quotient(micros(after-before), float64(l.answers))
	}
	in.expected = in.expected.add(acked)
	return r, in.settled(ctx)
}

// measureDrain tells events while the database is locked.
func (in *ingest) measureDrain(ctx context.Context) (*backlogReport, error) {
	first := in.spread.take(in.backlog)
	after := in.expected.add(totalsOf(in.spread.told).sub(totalsOf(first)))
	r, err := in.drain(ctx, in.kind, in.spread.source, first, in.backlog/batchSize, in.expected, after)
	if err != nil {
		return nil, fmt.Errorf("events on local disk: %w", err)
	}
	in.expected = after
	return r, in.settled(ctx)
}

// profiles are of single events, and of batches.
func (in *ingest) profiles(ctx context.Context, file string) error {
	const seconds = 5
	err := in.server.profiled(ctx, file+".single", seconds, func() error {
		_, err := in.singles(ctx, in.callers, seconds*time.Second)
		return err
	})
	if err != nil {
		return err
	}
	return in.server.profiled(ctx, file+".batch", seconds, func() error {
		_, err := in.batches(ctx, in.spread, 2*in.batchesEach)
		return err
	})
}
