package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"time"

	"github.com/genfity/wa-gateway/journal"
	"github.com/genfity/wa-gateway/recorder"
	"github.com/genfity/wa-gateway/stats"
)

// outcomeReport is what it costs to keep the outcome of a forwarded message, in
// microseconds: mean and 99th percentile of each round.
type outcomeReport struct {
	Mean spread `json:"mean_us"`
	P99  spread `json:"p99_us"`
}

const outcomeRounds = 5

// measureOutcomes tells outcomes to a recorder with a journal on disk, in this
// process, as a forwarded message does. Its database takes everything in no time.
func measureOutcomes(dir string, each int) (r *outcomeReport, err error) {
	dir = filepath.Join(dir, "outcomes")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	kept, err := journal.Open(journal.Options{Dir: dir})
	if err != nil {
		return nil, err
	}
	rec := recorder.New(recorder.Options[stats.Event, stats.Recorded]{
		Commit: func(_ context.Context, list []stats.Event) ([]stats.Recorded, error) {
			return make([]stats.Recorded, len(list)), nil
		},
		Journal: kept, Encode: recorder.EncodeEvent, Decode: recorder.DecodeEvent, Refused: recorder.RefusedEvent,
	})
	defer func() {
		ctx, cancel := context.WithTimeout(context.Background(), answerTimeout)
		defer cancel()
		err = errors.Join(err, rec.Close(ctx))
	}()
	var means, p99s []float64
	for range outcomeRounds {
		var h histogram
		start := time.Now()
		last := start
		for i := range each {
			now := time.Now()
			e := stats.Event{
				UserID: "user123", SessionID: "session123", MessageID: "3EB0C431C26A1916E07E", To: "628123456789", Type: "text",
				Status: stats.Sent, At: now.UTC(), FirstAt: now.Add(time.Duration(-i%1000) * time.Microsecond).UTC(),
			}
			if err := rec.Later(e); err != nil {
				return nil, err
			}
			done := time.Now()
			h.add(done.Sub(last))
			last = done
		}
		means = append(means, micros(time.Since(start))/float64(each))
		p99s = append(p99s, micros(h.quantile(0.99)))
	}
	return &outcomeReport{Mean: spreadOfAll(means), P99: spreadOfAll(p99s)}, nil
}
