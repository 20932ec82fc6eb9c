package main

import (
	"fmt"
	"io"
)

// goal is a figure with what it ought to be.
type goal struct {
	Database string  `json:"database,omitempty"`
	Name     string  `json:"name"`
	Target   float64 `json:"target,omitempty"` // 0: there is none
	Lower    bool    `json:"lower_is_better"`
	Measured spread  `json:"measured"`
	Ratio    float64 `json:"ratio,omitempty"` // measured to target
	Pass     bool    `json:"pass"`            // by the median
}

func newGoal(database, name string, target float64, lower bool, measured spread) goal {
	g := goal{Database: database, Name: name, Target: target, Lower: lower, Measured: measured, Pass: true}
	if target > 0 {
		g.Ratio = measured.Median / target
		g.Pass = (lower && g.Ratio <= 1) || (!lower && g.Ratio >= 1)
	}
	return g
}

// best is the best of the rounds: what is possible where nothing else runs.
func (g *goal) best() float64 {
	if g.Lower {
		return g.Measured.Least
	}
	return g.Measured.Most
}

func once(v float64) spread { return spread{v, v, v} }

func (r *ingestReport) goals() []goal {
	batches, singles := 30_000.0, 6_000.0
	if r.Database == kindSQLite {
		batches, singles = 10_000, 0
	}
	list := []goal{
		newGoal(r.Database, "batches, one session, events/s", batches, false, r.spread(func(r *ingestRound) float64 { return r.BatchHot })),
		newGoal(r.Database, "batches, 500 sessions, events/s", batches, false, r.spread(func(r *ingestRound) float64 { return r.BatchSpread })),
	}
	if r.Database == kindPostgres {
		list = append(list,
			newGoal(r.Database, "GORM, one session, one connection", 0, false, r.spread(func(r *ingestRound) float64 { return r.NaiveHot.One })),
			newGoal(r.Database, "GORM, one session, 8 connections", 0, false, r.spread(func(r *ingestRound) float64 { return r.NaiveHot.Eight })),
			newGoal(r.Database, "GORM, 500 sessions, one connection", 0, false, r.spread(func(r *ingestRound) float64 { return r.NaiveSpread.One })),
			newGoal(r.Database, "GORM, 500 sessions, 8 connections", 0, false, r.spread(func(r *ingestRound) float64 { return r.NaiveSpread.Eight })),
			newGoal(r.Database, "batches / better GORM, one session", 20, false, r.spread(func(r *ingestRound) float64 { return r.RatioHot })),
			newGoal(r.Database, "batches / better GORM, 500 sessions", 20, false, r.spread(func(r *ingestRound) float64 { return r.RatioSpread })))
	}
	list = append(list,
		newGoal(r.Database, "single events, one session, events/s", singles, false, r.spread(func(r *ingestRound) float64 { return r.SingleHot.PerSecond })),
		newGoal(r.Database, "single events, 64 sessions, events/s", singles, false, r.spread(func(r *ingestRound) float64 { return r.SingleSpread.PerSecond })))
	growth := maxGrowth
	if len(r.Steady.Samples) < minSamples {
		growth = 0 // too short to tell
	}
	if r.Steady.Growth.Resident > 0 {
		list = append(list, newGoal(r.Database, "resident memory, last quarter / second", growth, true, once(r.Steady.Growth.Resident)))
	}
	return append(list,
		newGoal(r.Database, "Go heap, last quarter / second", growth, true, once(r.Steady.Growth.Heap)),
		newGoal(r.Database, "ledger, bytes per message", 0, true, once(r.Ledger.PerMessage)),
		newGoal(r.Database, "backlog drained, events/s", 0, false, once(r.Backlog.Drained)))
}

const (
	maxGrowth  = 1.1
	minSamples = 40
)

// goals are all, in the order of the report.
func (r *report) goals() []goal {
	var list []goal
	for _, in := range r.Ingest {
		list = append(list, in.goals()...)
	}
	if r.Outcome != nil {
		list = append(list, newGoal("", "outcome of a forwarded message kept, µs", 5, true, r.Outcome.Mean))
	}
	return list
}

func printGoals(w io.Writer, list []goal) {
	fmt.Fprintf(w, "\n%-8s  %-42s %10s %10s %10s %9s\n", "database", "", "target", "median", "best", "ratio")
	for _, g := range list {
		target, ratio, verdict := "-", "-", ""
		if g.Target > 0 {
			target, ratio, verdict = figure(g.Target), fmt.Sprintf("%.2f", g.Ratio), "PASS"
			if !g.Pass {
				verdict = "MISS"
			}
		}
		fmt.Fprintf(w, "%-8s  %-42s %10s %10s %10s %9s  %s\n", g.Database, g.Name, target, figure(g.Measured.Median), figure(g.best()), ratio, verdict)
	}
}

// figure shows small numbers with a fraction.
func figure(v float64) string {
	if v < 100 {
		return fmt.Sprintf("%.2f", v)
	}
	return fmt.Sprintf("%.0f", v)
}
