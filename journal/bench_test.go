package journal

import (
	"fmt"
	"testing"
)

// drainer acknowledges what b appends, as the recorder does, lest the journal
// get full.
func drainer(b *testing.B, j *Journal) (stop func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			batch, err := j.Next(b.Context(), 2000, 0)
			if err != nil || j.Ack(batch) != nil {
				return
			}
		}
	}()
	return func() { j.Close(); <-done }
}

func BenchmarkAppend(b *testing.B) {
	for _, writers := range []int{1, 32} {
		for _, drained := range []bool{false, true} {
			b.Run(fmt.Sprintf("writers=%d/drained=%t", writers, drained), func(b *testing.B) {
				j := start(b, Options{Dir: b.TempDir(), MaxBytes: 32 << 30}, nil)
				if drained {
					defer drainer(b, j)()
				}
				record := make([]byte, 200)
				b.SetBytes(int64(len(record)))
				b.ReportAllocs()
				b.SetParallelism(max(writers/2, 1)) // times GOMAXPROCS
				b.ResetTimer()
				if writers == 1 {
					for b.Loop() {
						if err := j.Append(true, record); err != nil {
							b.Fatal(err)
						}
					}
					return
				}
				b.RunParallel(func(pb *testing.PB) {
					for pb.Next() {
						if err := j.Append(true, record); err != nil {
							b.Error(err)
							return
						}
					}
				})
			})
		}
	}
}

func BenchmarkAppendSync(b *testing.B) {
	for _, writers := range []int{1, 64} {
		b.Run(fmt.Sprintf("writers=%d", writers), func(b *testing.B) {
			j := start(b, Options{Dir: b.TempDir()}, nil)
			record := make([]byte, 200)
			b.SetParallelism(max(writers/2, 1))
			b.ResetTimer()
			if writers == 1 {
				for b.Loop() {
					if err := j.AppendSync(b.Context(), record); err != nil {
						b.Fatal(err)
					}
				}
				return
			}
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if err := j.AppendSync(b.Context(), record); err != nil {
						b.Error(err)
						return
					}
				}
			})
		})
	}
}

func BenchmarkDrain(b *testing.B) {
	j := start(b, Options{Dir: b.TempDir(), MaxBytes: 32 << 30}, nil)
	record := make([]byte, 200)
	b.SetBytes(int64(len(record)))
	for range b.N {
		if err := j.Append(true, record); err != nil {
			b.Fatal(err)
		}
	}
	b.ResetTimer()
	for read := 0; read < b.N; {
		batch, err := j.TryNext(2000, 0)
		if err != nil || j.Ack(batch) != nil {
			b.Fatal(err)
		}
		read += len(batch.Records)
	}
}
