package main

import (
	"fmt"
	"io"
)

// singleRound is a round of events that are told one by one.
type singleRound struct {
	PerSecond float64 `json:"per_second"`
	P50       float64 `json:"p50_us"`
	P99       float64 `json:"p99_us"`
	// CPU time of Caddy per event; 0 where it cannot be told.
	CPU float64 `json:"cpu_us_per_event"`
}

// ingestRound is one of each, in events per second: all for one session (hot), and
// spread over all. Batches are acknowledged and counted, single events acknowledged
// by the database.
type ingestRound struct {
	BatchHot     float64     `json:"batch_one_session"`
	BatchSpread  float64     `json:"batch_many_sessions"`
	Spooled      int         `json:"batch_events_spooled"` // they went by way of the local disk
	SingleHot    singleRound `json:"single_one_session"`
	SingleSpread singleRound `json:"single_many_sessions"`
	// One by one through GORM, and what batches are to the better way of that.
	// PostgreSQL only.
	NaiveHot    *naiveRound `json:"gorm_one_session,omitempty"`
	NaiveSpread *naiveRound `json:"gorm_many_sessions,omitempty"`
	RatioHot    float64     `json:"ratio_one_session,omitempty"`
	RatioSpread float64     `json:"ratio_many_sessions,omitempty"`
}

// ingestReport is what was measured of the events endpoints on one kind of database.
type ingestReport struct {
	Database string         `json:"database"`
	Rounds   []*ingestRound `json:"rounds"`
	Steady   *steadyReport  `json:"steady"`
	Ledger   *ledgerReport  `json:"ledger"`
	Backlog  *backlogReport `json:"backlog"`
	// Counted is what the statistics show in the end: all that was acknowledged.
	Counted totals `json:"counted"`
}

func (r *ingestReport) spread(figure func(*ingestRound) float64) spread {
	all := make([]float64, 0, len(r.Rounds))
	for _, round := range r.Rounds {
		all = append(all, figure(round))
	}
	return spreadOfAll(all)
}

func (r *ingestReport) printHead(w io.Writer) {
	fmt.Fprintf(w, "\nevents per second, %s: batches of %d by %d clients, single events over %d connections\n%5s %12s %12s %12s %12s %10s %10s %10s %10s\n",
		r.Database, batchSize, batchClients, singleConns,
		"round", "batch, one", "batch, many", "single, one", "single, many", "p99", "gw CPU", "GORM, one", "GORM, many")
}

func (r *ingestRound) print(w io.Writer, number int) {
	naive := func(n *naiveRound) string {
		if n == nil {
			return "-"
		}
		return fmt.Sprintf("%.0f", n.best())
	}
	fmt.Fprintf(w, "%5d %12.0f %12.0f %12.0f %12.0f %10s %10s %10s %10s\n", number,
		r.BatchHot, r.BatchSpread, r.SingleHot.PerSecond, r.SingleSpread.PerSecond,
		showMicros(r.SingleSpread.P99), showMicros(r.SingleSpread.CPU), naive(r.NaiveHot), naive(r.NaiveSpread))
}

func (r *ingestReport) print(w io.Writer) {
	s, b := r.Steady, r.Backlog
	fmt.Fprintf(w, "  %d events without a pause, %.0f per second; Caddy's memory in the second and in the last quarter:\n"+
		"    resident %.1f and %.1f MiB, Go heap %.1f and %.1f MiB\n", s.Events, s.PerSecond,
		mebibytes(s.Resident[0]), mebibytes(s.Resident[1]), mebibytes(s.Heap[0]), mebibytes(s.Heap[1]))
	fmt.Fprintf(w, "  the ledger after %d messages: %.0f bytes each, table %.1f MiB, indexes %.1f MiB\n",
		r.Ledger.Messages, r.Ledger.PerMessage, mebibytes(float64(r.Ledger.Table)), mebibytes(float64(r.Ledger.Indexes)))
	fmt.Fprintf(w, "  database locked: %d events kept on disk, %.0f per second; unlocked: the first counted after %s, then %.0f per second\n",
		b.Events, b.Spooled, showMicros(b.Begun), b.Drained)
	fmt.Fprintf(w, "  acknowledged and counted, each once: %d sent, %d delivered, %d read\n", r.Counted.Sent, r.Counted.Delivered, r.Counted.Read)
}

func mebibytes(v float64) float64 { return v / (1 << 20) }
