// Command bench measures what the gateway adds to a call.
//
// It starts one Caddy with two sites before the same WA server, a tiny one of its
// own: a bare reverse_proxy, and the whole gateway (API key, subscription,
// ownership, limit, body rewriting, outcome recorded). Both are driven with the
// same requests in short rounds, by turns, so that what else the machine does
// falls on both alike; figures are taken per pair of rounds, and the median of
// the pairs counts. All of it stays on 127.0.0.1 and ends by itself.
//
//	go run ./bench                    # SQLite, and PostgreSQL when WA_TEST_POSTGRES_URL is set
//	go run ./bench -short             # a few seconds: does it run, does it count?
//	go run ./bench -profile p         # and profiles: p.sqlite.cpu, p.sqlite.allocs, …
//
// It exits with 1 when a call failed or when the statistics did not count each
// message once.
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
}

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
	flag.Parse()
	if o.short {
		o.pairs, o.round = 2, 500*time.Millisecond
	}
	if flag.NArg() > 0 || o.pairs < 1 || o.conns < 1 || o.round <= 0 {
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
	report.printHead(progress)
	for _, kind := range databaseKinds(o.only) {
		result, err := measureDatabase(ctx, o, kind, filepath.Join(dir, kind), progress)
		if err != nil {
			return fmt.Errorf("%s: %w", kind, err)
		}
		report.Databases = append(report.Databases, result)
	}
	if o.json {
		if err := report.writeJSON(os.Stdout); err != nil {
			return err
		}
	}
	return report.verdict()
}

// measureDatabase runs everything on one kind of database.
func measureDatabase(ctx context.Context, o options, kind, dir string, progress io.Writer) (result *databaseReport, err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	db, err := newDatabase(ctx, kind, dir)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, db.drop()) }()
	callers, err := seed(ctx, db.dsn)
	if err != nil {
		return nil, err
	}
	wa, err := startUpstream()
	if err != nil {
		return nil, err
	}
	defer wa.close()
	server, err := startCaddy(ctx, o.caddy, dir, db.dsn, wa.addr())
	if err != nil {
		return nil, err
	}
	defer func() {
		if err = errors.Join(err, server.stop()); err != nil {
			err = fmt.Errorf("%w\nCaddy's log ends with:\n%s", err, server.logTail())
		}
	}()

	b := newBench(o, server, wa, callers)
	if err := b.checkPath(ctx); err != nil {
		return nil, err
	}
	result = &databaseReport{Database: kind}
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
