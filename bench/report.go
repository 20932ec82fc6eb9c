package main

import (
	"encoding/json"
	"fmt"
	"io"
	"runtime"
	"slices"
	"time"
)

// measured is one site in one round. Times are in microseconds.
type measured struct {
	Answers   int64   `json:"answers"`
	PerSecond float64 `json:"per_second"`
	P50       float64 `json:"p50_us"`
	P99       float64 `json:"p99_us"`
	// CPU time of Caddy per answer, what is recorded afterwards included; 0
	// where it cannot be told.
	CPU float64 `json:"cpu_us_per_answer"`
	// What Caddy allocates per answer, likewise: bytes, and pieces of memory.
	Bytes       float64 `json:"bytes_per_answer"`
	Allocations float64 `json:"allocations_per_answer"`
	// Settled is how long after the last answer the statistics were complete.
	Settled float64 `json:"settled_us,omitempty"`
}

// sides are both sites in a pair of rounds.
type sides struct {
	Bare    measured `json:"bare"`
	Gateway measured `json:"gateway"`

	ThroughputRatio float64 `json:"throughput_ratio"` // gateway / bare
	AddedP50        float64 `json:"added_p50_us"`
	AddedP99        float64 `json:"added_p99_us"`
	CPURatio        float64 `json:"cpu_ratio"` // gateway / bare
}

func (s *sides) compare() {
	s.ThroughputRatio = quotient(s.Gateway.PerSecond, s.Bare.PerSecond)
	s.AddedP50 = s.Gateway.P50 - s.Bare.P50
	s.AddedP99 = s.Gateway.P99 - s.Bare.P99
	s.CPURatio = quotient(s.Gateway.CPU, s.Bare.CPU)
}

func quotient(a, b float64) float64 {
	if b == 0 {
		return 0
	}
	return a / b
}

// pairReport is a pair of rounds under load, and one with a single caller: under
// load a latency is mostly waiting for the machine, alone it is the way itself.
type pairReport struct {
	Load  sides `json:"load"`
	Alone sides `json:"alone"`
}

// spread is a figure over all pairs.
type spread struct {
	Median float64 `json:"median"`
	Least  float64 `json:"least"`
	Most   float64 `json:"most"`
}

func spreadOf(pairs []*pairReport, figure func(*pairReport) float64) spread {
	all := make([]float64, 0, len(pairs))
	for _, p := range pairs {
		all = append(all, figure(p))
	}
	return spreadOfAll(all)
}

// spreadOfAll sorts all.
func spreadOfAll(all []float64) spread {
	if len(all) == 0 {
		return spread{}
	}
	slices.Sort(all)
	middle := len(all) / 2
	s := spread{Median: all[middle], Least: all[0], Most: all[len(all)-1]}
	if len(all)%2 == 0 {
		s.Median = (all[middle-1] + all[middle]) / 2
	}
	return s
}

// summary is what counts: medians over the pairs, with their spread.
type summary struct {
	BarePerSecond    spread `json:"bare_per_second"`
	GatewayPerSecond spread `json:"gateway_per_second"`
	ThroughputRatio  spread `json:"throughput_ratio"`
	AddedP50         spread `json:"added_p50_us"`
	AddedP99         spread `json:"added_p99_us"`
	BareCPU          spread `json:"bare_cpu_us_per_answer"`
	GatewayCPU       spread `json:"gateway_cpu_us_per_answer"`
	CPURatio         spread `json:"cpu_ratio"`
	BareAllocs       spread `json:"bare_allocations_per_answer"`
	GatewayAllocs    spread `json:"gateway_allocations_per_answer"`
	BareBytes        spread `json:"bare_bytes_per_answer"`
	GatewayBytes     spread `json:"gateway_bytes_per_answer"`
	AloneAddedP50    spread `json:"alone_added_p50_us"`
	AloneAddedP99    spread `json:"alone_added_p99_us"`
	AloneBareP50     spread `json:"alone_bare_p50_us"`
	Settled          spread `json:"settled_us"`
}

func summarise(pairs []*pairReport) summary {
	return summary{
		BarePerSecond:    spreadOf(pairs, func(p *pairReport) float64 { return p.Load.Bare.PerSecond }),
		GatewayPerSecond: spreadOf(pairs, func(p *pairReport) float64 { return p.Load.Gateway.PerSecond }),
		ThroughputRatio:  spreadOf(pairs, func(p *pairReport) float64 { return p.Load.ThroughputRatio }),
		AddedP50:         spreadOf(pairs, func(p *pairReport) float64 { return p.Load.AddedP50 }),
		AddedP99:         spreadOf(pairs, func(p *pairReport) float64 { return p.Load.AddedP99 }),
		BareCPU:          spreadOf(pairs, func(p *pairReport) float64 { return p.Load.Bare.CPU }),
		GatewayCPU:       spreadOf(pairs, func(p *pairReport) float64 { return p.Load.Gateway.CPU }),
		CPURatio:         spreadOf(pairs, func(p *pairReport) float64 { return p.Load.CPURatio }),
		BareAllocs:       spreadOf(pairs, func(p *pairReport) float64 { return p.Load.Bare.Allocations }),
		GatewayAllocs:    spreadOf(pairs, func(p *pairReport) float64 { return p.Load.Gateway.Allocations }),
		BareBytes:        spreadOf(pairs, func(p *pairReport) float64 { return p.Load.Bare.Bytes }),
		GatewayBytes:     spreadOf(pairs, func(p *pairReport) float64 { return p.Load.Gateway.Bytes }),
		AloneAddedP50:    spreadOf(pairs, func(p *pairReport) float64 { return p.Alone.AddedP50 }),
		AloneAddedP99:    spreadOf(pairs, func(p *pairReport) float64 { return p.Alone.AddedP99 }),
		AloneBareP50:     spreadOf(pairs, func(p *pairReport) float64 { return p.Alone.Bare.P50 }),
		Settled:          spreadOf(pairs, func(p *pairReport) float64 { return p.Load.Gateway.Settled }),
	}
}

// databaseReport is the result on one kind of database.
type databaseReport struct {
	Database string           `json:"database"`
	Pairs    []*pairReport    `json:"pairs"`
	Summary  summary          `json:"summary"`
	Answered int64            `json:"answered"` // messages that the gateway answered with 2xx
	Counted  int64            `json:"counted"`  // messages that the statistics show as sent
	Errors   map[string]int64 `json:"errors"`   // of both sites
}

// report is everything.
type report struct {
	Go          string            `json:"go"`
	Platform    string            `json:"platform"`
	CPUs        int               `json:"cpus"`
	Connections int               `json:"connections"`
	Round       float64           `json:"round_seconds"`
	Databases   []*databaseReport `json:"databases"`
	Ingest      []*ingestReport   `json:"ingest"`
	Outcome     *outcomeReport    `json:"outcome,omitempty"`
	Goals       []goal            `json:"goals"`
}

func newReport(o options) *report {
	return &report{
		Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH, CPUs: runtime.NumCPU(),
		Connections: o.conns, Round: o.round.Seconds(), Databases: []*databaseReport{}, Ingest: []*ingestReport{}, Goals: []goal{},
	}
}

func (r *report) printHead(w io.Writer) {
	fmt.Fprintf(w, "A message through the gateway, and the same through a bare reverse_proxy of the same Caddy.\n"+
		"%d connections, rounds of %v, %s, %d CPUs for the load, Caddy, the WA server and the database together.\n",
		r.Connections, time.Duration(r.Round*float64(time.Second)), r.Platform, r.CPUs)
}

func (r *databaseReport) printHead(w io.Writer) {
	fmt.Fprintf(w, "\n%s\n%5s %10s %10s %7s %11s %11s %10s %10s %7s %13s\n", r.Database,
		"pair", "bare/s", "gateway/s", "ratio", "added p50", "added p99", "bare CPU", "gw CPU", "ratio", "alone +p50")
}

func (p *pairReport) print(w io.Writer, number int) {
	l := &p.Load
	fmt.Fprintf(w, "%5d %10.0f %10.0f %7.3f %11s %11s %10s %10s %7.2f %13s\n", number,
		l.Bare.PerSecond, l.Gateway.PerSecond, l.ThroughputRatio, showMicros(l.AddedP50), showMicros(l.AddedP99),
		showMicros(l.Bare.CPU), showMicros(l.Gateway.CPU), l.CPURatio, showMicros(p.Alone.AddedP50))
}

func (r *databaseReport) print(w io.Writer) {
	s := &r.Summary
	line := func(what string, f spread, show func(float64) string) {
		fmt.Fprintf(w, "  %-36s %10s   (%s to %s)\n", what, show(f.Median), show(f.Least), show(f.Most))
	}
	number := func(v float64) string { return fmt.Sprintf("%.0f", v) }
	ratio := func(v float64) string { return fmt.Sprintf("%.3f", v) }
	fmt.Fprintf(w, "  median of %d pairs                         (least to most)\n", len(r.Pairs))
	line("bare, calls per second", s.BarePerSecond, number)
	line("gateway, calls per second", s.GatewayPerSecond, number)
	line("throughput, gateway / bare", s.ThroughputRatio, ratio)
	line("added p50 under load", s.AddedP50, showMicros)
	line("added p99 under load", s.AddedP99, showMicros)
	line("added p50, a single caller", s.AloneAddedP50, showMicros)
	line("added p99, a single caller", s.AloneAddedP99, showMicros)
	if s.BareCPU.Median > 0 {
		line("CPU of Caddy per call, bare", s.BareCPU, showMicros)
		line("CPU of Caddy per call, gateway", s.GatewayCPU, showMicros)
		line("CPU, gateway / bare", s.CPURatio, ratio)
	}
	line("allocations per call, bare", s.BareAllocs, number)
	line("allocations per call, gateway", s.GatewayAllocs, number)
	line("bytes allocated per call, bare", s.BareBytes, number)
	line("bytes allocated per call, gateway", s.GatewayBytes, number)
	line("statistics complete after", s.Settled, showMicros)
	failed := int64(0)
	for _, n := range r.Errors {
		failed += n
	}
	fmt.Fprintf(w, "  %d messages answered with 2xx, %d counted as sent, %d errors\n", r.Answered, r.Counted, failed)
	for what, n := range r.Errors {
		fmt.Fprintf(w, "  error: %s (%d times)\n", what, n)
	}
}

func showMicros(v float64) string {
	if v >= 10_000 || v <= -10_000 {
		return fmt.Sprintf("%.1f ms", v/1000)
	}
	return fmt.Sprintf("%.0f µs", v)
}

func (r *report) writeJSON(w io.Writer) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	return encoder.Encode(r)
}

// verdict is an error when a figure cannot be believed.
func (r *report) verdict() error {
	for _, d := range r.Databases {
		if len(d.Errors) > 0 {
			return fmt.Errorf("%s: calls failed: %v", d.Database, d.Errors)
		}
		if d.Counted != d.Answered {
			return fmt.Errorf("%s: %d messages were answered with 2xx, but %d were counted", d.Database, d.Answered, d.Counted)
		}
	}
	return nil
}
