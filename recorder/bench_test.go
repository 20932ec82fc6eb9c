package recorder_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/genfity/wa-gateway/journal"
	"github.com/genfity/wa-gateway/recorder"
	"github.com/genfity/wa-gateway/stats"
)

// recordAll takes everything in no time.
func recordAll(_ context.Context, list []stats.Event) ([]stats.Recorded, error) {
	return make([]stats.Recorded, len(list)), nil
}

func benchRecorder(b *testing.B, commit func(context.Context, []stats.Event) ([]stats.Recorded, error)) *eventRecorder {
	b.Helper()
	j, err := journal.Open(journal.Options{Dir: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	r := recorder.New(options{
		Commit: commit, Journal: j, Spool: true, Unavailable: isAway,
		Encode: recorder.EncodeEvent, Decode: recorder.DecodeEvent, Refused: recorder.RefusedEvent,
	})
	b.Cleanup(func() {
		if err := r.Close(context.Background()); err != nil {
			b.Error(err)
		}
	})
	return r
}

var outcomeEvent = stats.Event{
	UserID: "user123", SessionID: "session123", MessageID: "3EB0C431C26A1916E07E", To: "628123456789", Type: "text",
	Status: stats.Sent, At: time.Date(2025, 3, 1, 12, 0, 1, 0, time.UTC), FirstAt: time.Date(2025, 3, 1, 12, 0, 1, 123456000, time.UTC),
}

// BenchmarkLater is what an outcome costs a forwarded message: in the journal when
// it returns. The database is there, or away.
func BenchmarkLater(b *testing.B) {
	b.Run("working", func(b *testing.B) {
		r := benchRecorder(b, recordAll)
		b.ReportAllocs()
		for b.Loop() {
			if err := r.Later(outcomeEvent); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("away", func(b *testing.B) {
		r := benchRecorder(b, func(context.Context, []stats.Event) ([]stats.Recorded, error) { return nil, errAway })
		b.ReportAllocs()
		for b.Loop() {
			if err := r.Later(outcomeEvent); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkDrain is how fast a backlog leaves the journal, the database aside.
func BenchmarkDrain(b *testing.B) {
	var mu sync.Mutex
	left, done := 0, make(chan struct{})
	away := true
	r := benchRecorder(b, func(ctx context.Context, list []stats.Event) ([]stats.Recorded, error) {
		mu.Lock()
		defer mu.Unlock()
		if away {
			return nil, errAway
		}
		if left -= len(list); left <= 0 {
			close(done)
		}
		return recordAll(ctx, list)
	})
	left = b.N
	for range b.N {
		if err := r.Later(outcomeEvent); err != nil {
			b.Fatal(err)
		}
	}
	mu.Lock()
	away = false
	mu.Unlock()
	for r.State().Away {
		time.Sleep(time.Millisecond)
	}
	b.ResetTimer()
	<-done
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
}

// BenchmarkRecord: callers with one event each that share transactions of 2 ms.
func BenchmarkRecord(b *testing.B) {
	for _, callers := range []int{1, 64} {
		b.Run(fmt.Sprint("callers=", callers), func(b *testing.B) {
			r := benchRecorder(b, func(ctx context.Context, list []stats.Event) ([]stats.Recorded, error) {
				time.Sleep(2 * time.Millisecond)
				return recordAll(ctx, list)
			})
			b.ReportAllocs()
			b.SetParallelism(callers)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if _, err := r.Record(context.Background(), []stats.Event{outcomeEvent}); err != nil {
						b.Error(err)
					}
				}
			})
		})
	}
}
