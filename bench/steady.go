package main

import (
	"context"
	"sync"
	"time"
)

// memorySample is what Caddy held at some moment.
type memorySample struct {
	Events   int64  `json:"events"` // acknowledged by then
	Resident uint64 `json:"resident_bytes,omitempty"`
	Heap     uint64 `json:"heap_bytes"`
}

// steadyReport is about many events without a pause.
type steadyReport struct {
	Events    int64          `json:"events"`
	Spooled   int64          `json:"spooled"`
	PerSecond float64        `json:"per_second"` // the load is made meanwhile
	Samples   []memorySample `json:"samples"`
	// Means over the second and the last quarter of the time, in bytes, and their
	// ratios. What was not measured is 0.
	Resident [2]float64 `json:"resident_quarters"`
	Heap     [2]float64 `json:"heap_quarters"`
	Growth   growth     `json:"growth"`
}

type growth struct {
	Resident float64 `json:"resident"`
	Heap     float64 `json:"heap"`
}

const sampleInterval = 250 * time.Millisecond

// tellSteadily posts batches without a pause and looks at Caddy's memory meanwhile.
func (s *stage) tellSteadily(ctx context.Context, source *source, first, batches int) (*steadyReport, error) {
	var mu sync.Mutex
	acked := int64(0)
	stop := make(chan struct{})
	r := new(steadyReport)
	var sampling sync.WaitGroup
	var failure error
	sampling.Go(func() {
		ticker := time.NewTicker(sampleInterval)
		defer ticker.Stop()
		for {
			m, err := s.server.memory(ctx)
			if err != nil {
				failure = err
				return
			}
			sample := memorySample{Heap: m.HeapAlloc}
			sample.Resident, _ = s.server.resident()
			mu.Lock()
			sample.Events = acked
			mu.Unlock()
			r.Samples = append(r.Samples, sample)
			select {
			case <-stop:
				return
			case <-ticker.C:
			}
		}
	})
	next := func(i int) []byte {
		if i >= batches {
			return nil
		}
		return source.batch(first+i*batchSize, batchSize)
	}
	t, err := postBatches(ctx, s.server.gateway, next, func() {
		mu.Lock()
		acked += batchSize
		mu.Unlock()
	})
	close(stop)
	sampling.Wait()
	if err == nil {
		err = failure
	}
	if err != nil {
		return nil, err
	}
	r.Events, r.Spooled, r.PerSecond = int64(t.events), int64(t.spooled), t.perSecond()
	r.compare()
	return r, nil
}

// compare works out whether memory grows.
func (r *steadyReport) compare() {
	n := len(r.Samples)
	mean := func(samples []memorySample, of func(memorySample) uint64) float64 {
		sum := 0.0
		for _, s := range samples {
			sum += float64(of(s))
		}
		return quotient(sum, float64(len(samples)))
	}
	for i, quarter := range [2][]memorySample{r.Samples[n/4 : n/2], r.Samples[n-max(n/4, 1):]} {
		r.Resident[i] = mean(quarter, func(s memorySample) uint64 { return s.Resident })
		r.Heap[i] = mean(quarter, func(s memorySample) uint64 { return s.Heap })
	}
	r.Growth = growth{Resident: quotient(r.Resident[1], r.Resident[0]), Heap: quotient(r.Heap[1], r.Heap[0])}
}
