package main

import (
	"context"
	"encoding/json"
	"fmt"
	"sync/atomic"
	"time"
)

const (
	batchSize    = 10_000
	batchClients = 2
)

// told is a number of events that were told, and how long that took.
type told struct {
	events   int
	spooled  int // of events: they went by way of the local disk
	duration time.Duration
}

func (t told) perSecond() float64 { return float64(t.events) / t.duration.Seconds() }

// tellBatches posts the events of a source from first on in batches, and returns
// when all are acknowledged. They are made before time begins to count.
func tellBatches(ctx context.Context, addr string, s *source, first, batches int) (told, error) {
	requests := make([][]byte, batches)
	for i := range requests {
		requests[i] = s.batch(first+i*batchSize, batchSize)
	}
	return postBatches(ctx, addr, func(i int) []byte {
		if i < len(requests) {
			return requests[i]
		}
		return nil
	}, nil)
}

// postBatches posts what next gives until that is nil, and tells acked of each
// that was acknowledged.
func postBatches(ctx context.Context, addr string, next func(i int) []byte, acked func()) (told, error) {
	workers, err := connect(ctx, addr, batchClients)
	if err != nil {
		return told{}, err
	}
	var taken, spooled atomic.Int64
	for _, w := range workers {
		w.next = func() bool {
			w.request = next(int(taken.Add(1)) - 1)
			return w.request != nil
		}
		w.answered = func(body []byte) string {
			n, complaint := checkBatch(body)
			spooled.Add(int64(n))
			if acked != nil {
				acked()
			}
			return complaint
		}
	}
	l, err := together(ctx, workers, batchTimeout)
	if err == nil && len(l.errors) > 0 {
		err = fmt.Errorf("batches were not recorded: %v", l.errors)
	}
	if err != nil {
		return told{}, err
	}
	return told{events: int(l.answers) * batchSize, spooled: int(spooled.Load()), duration: l.duration}, nil
}

const batchTimeout = time.Hour

// checkBatch says how many events of a batch of new ones were spooled, and what is
// wrong with the answer.
func checkBatch(body []byte) (spooled int, complaint string) {
	var answer struct {
		Data struct {
			Recorded, Duplicates, Spooled int
			Rejected                      []json.RawMessage
		}
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return 0, "the answer to a batch cannot be read"
	}
	d := answer.Data
	if d.Recorded != batchSize || d.Duplicates != 0 || len(d.Rejected) != 0 {
		return d.Spooled, fmt.Sprintf("of a batch %d were recorded, %d were duplicates, %d rejected", d.Recorded, d.Duplicates, len(d.Rejected))
	}
	return d.Spooled, ""
}
