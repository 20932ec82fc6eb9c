// Command bench measures what the gateway adds to a call, and how fast it takes
// events.
//
// Calls: it starts one Caddy with two sites before the same WA server, a tiny one
// of its own: a bare reverse_proxy, and the whole gateway (API key, subscription,
// ownership, limit, body rewriting, outcome recorded). Both are driven with the
// same requests in short rounds, by turns, so that what else the machine does
// falls on both alike; figures are taken per pair of rounds, and the median of
// the pairs counts.
//
// Events: batches and single events through the same binary, beside an INSERT and
// an UPDATE per event through GORM on the same PostgreSQL; memory over many events;
// the ledger's size; a backlog on local disk. What was acknowledged has to be
// counted exactly, after each round.
//
// All of it stays on 127.0.0.1 and ends by itself.
//
//	go run ./bench                    # SQLite, and PostgreSQL when WA_TEST_POSTGRES_URL is set
//	go run ./bench -short             # less than a minute: does it run, does it count?
//	go run ./bench -part events -long # 5,000,000 events for the memory
//	go run ./bench -profile p         # and profiles: p.sqlite.cpu, p.sqlite.single.cpu, …
//
// It exits with 1 when a call failed or when the statistics did not count each
// message once; a goal that was missed is only reported, since machines differ.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"
)

// options are the command's flags.
type options struct {
	caddy   string
	pairs   int
	round   time.Duration
	conns   int
	short   bool
	json    bool
	profile string
	only    string
	part    string
	long    bool

	batchesEach int // of a round of batches
	events      int // for the memory
	backlog     int // on local disk
}

// The parts of the bench.
const (
	partCalls  = "calls"
	partEvents = "events"
)

func main() {
	var o options
	flag.StringVar(&o.caddy, "caddy", "", "the Caddy to measure, with the gateway in it (default: built from this module)")
	flag.IntVar(&o.pairs, "pairs", 7, "pairs of rounds")
	flag.DurationVar(&o.round, "round", 3*time.Second, "length of a round under load")
	flag.IntVar(&o.conns, "conns", 32, "connections, each with one call at a time")
	flag.BoolVar(&o.short, "short", false, "a quick look: few and short rounds")
	flag.BoolVar(&o.json, "json", false, "print the result as JSON")
	flag.StringVar(&o.profile, "profile", "", "after the rounds, write profiles of the gateway under load to files whose names begin so")
	flag.StringVar(&o.only, "database", "", "sqlite or postgres (default: sqlite, and postgres when WA_TEST_POSTGRES_URL is set)")
	flag.StringVar(&o.part, "part", "", "calls or events (default: both)")
	flag.BoolVar(&o.long, "long", false, "5,000,000 events for the memory, not 500,000")
	flag.Parse()
	o.batchesEach, o.events, o.backlog = 10, 500_000, 200_000
	if o.long {
		o.events = 5_000_000
	}
	if o.short {
		o.pairs, o.round = 2, 500*time.Millisecond
		o.batchesEach, o.events, o.backlog = 2, 50_000, 20_000
	}
	if flag.NArg() > 0 || (o.part != "" && o.part != partCalls && o.part != partEvents) || o.pairs < 1 || o.conns < 1 || o.round <= 0 {
		flag.Usage()
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, o)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) (err error) {
	dir, err := os.MkdirTemp("", "wa-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()

	if o.caddy == "" {
		o.caddy = filepath.Join(dir, "caddy")
		build := exec.CommandContext(ctx, "go", "build", "-o", o.caddy, "github.com/genfity/wa-gateway") //nolint:gosec // our own module
		build.Stdout, build.Stderr = os.Stderr, os.Stderr
		if err := build.Run(); err != nil {
			return fmt.Errorf("building Caddy: %w", err)
		}
	}
	if o.caddy, err = filepath.Abs(o.caddy); err != nil {
		return err
	}

	var progress io.Writer = os.Stdout
	if o.json {
		progress = os.Stderr
	}
	report := newReport(o)
	kinds := databaseKinds(o.only)
	if o.part != partEvents {
		report.printHead(progress)
		for _, kind := range kinds {
			result, err := measureDatabase(ctx, o, kind, filepath.Join(dir, kind), progress)
			if err != nil {
				return fmt.Errorf("%s: %w", kind, err)
			}
			report.Databases = append(report.Databases, result)
		}
	}
	if o.part != partCalls {
		for _, kind := range kinds {
			result, err := measureIngest(ctx, o, kind, filepath.Join(dir, kind+"-events"), progress)
			if err != nil {
				return fmt.Errorf("%s, events: %w", kind, err)
			}
			report.Ingest = append(report.Ingest, result)
		}
		if report.Outcome, err = measureOutcomes(dir, o.events/10); err != nil {
			return fmt.Errorf("outcomes: %w", err)
		}
		report.Goals = report.goals()
		printGoals(progress, report.Goals)
	}
	if o.json {
		if err := report.writeJSON(os.Stdout); err != nil {
			return err
		}
	}
	return report.verdict()
}

// The callers of the first part.
var callPopulation = population{users: 8, sessions: 2}

// measureDatabase runs everything about calls on one kind of database.
func measureDatabase(ctx context.Context, o options, kind, dir string, progress io.Writer) (result *databaseReport, err error) {
	err = onStage(ctx, o, kind, dir, callPopulation, func(s *stage) error {
		result, err = measureCalls(ctx, o, kind, s, progress)
		return err
	})
	return result, err
}

func measureCalls(ctx context.Context, o options, kind string, s *stage, progress io.Writer) (*databaseReport, error) {
	b := newBench(o, s.server, s.wa, s.callers)
	if err := b.checkPath(ctx); err != nil {
		return nil, err
	}
	result := &databaseReport{Database: kind}
	result.printHead(progress)
	if err := b.warmUp(ctx); err != nil {
		return nil, err
	}
	for i := range o.pairs {
		pair, err := b.pair(ctx, i%2 == 1)
		if err != nil {
			return nil, err
		}
		result.Pairs = append(result.Pairs, pair)
		pair.print(progress, i+1)
	}
	if o.profile != "" {
		if err := b.profile(ctx, o.profile+"."+kind); err != nil {
			return nil, err
		}
	}
	if err := b.total(ctx, result); err != nil {
		return nil, err
	}
	result.print(progress)
	return result, nil
}
