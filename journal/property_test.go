package journal

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// model is what a journal should be: a list of records, of which the first are
// read and the first of those acknowledged.
type model struct {
	records []string
	read    int
}

// TestAgainstModel does things in any order to a journal and to the model.
func TestAgainstModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		dir, err := os.MkdirTemp(t.TempDir(), "")
		if err != nil {
			rt.Fatal(err)
		}
		o := Options{
			Dir: dir, TakeOverInterval: time.Hour, SyncInterval: time.Hour,
			SegmentBytes: rapid.Int64Range(1, 600).Draw(rt, "segment"),
		}
		disk := newBadDisk() // which spares the fsyncs
		j, err := open(o, disk)
		if err != nil {
			rt.Fatal(err)
		}
		defer func() { j.Close() }()
		var m model
		var batch Batch
		var batchEnd, n int
		var torn int64 // bytes that nobody knows for torn before they are read
		reopen := func() {
			if j, err = open(o, disk); err != nil {
				rt.Fatal(err)
			}
			m.read, batch, batchEnd = 0, Batch{}, 0
		}
		check := func() {
			var bytes int64
			for _, r := range m.records {
				bytes += frameSize + int64(len(r))
			}
			if s := j.Stats(); s.Bytes < bytes || s.Bytes > bytes+torn || s.Corrupt != 0 || s.Err != nil {
				rt.Fatalf("%+v, want %d bytes", s, bytes)
			}
		}
		rt.Repeat(map[string]func(*rapid.T){
			"": func(*rapid.T) { check() },
			"append": func(rt *rapid.T) {
				var records []string
				for range rapid.IntRange(0, 5).Draw(rt, "records") {
					n++
					size := rapid.SampledFrom([]int{0, 5, 50, 700}).Draw(rt, "size")
					records = append(records, fmt.Sprint(n, strings.Repeat("x", size)))
				}
				if err := j.Append(rapid.Bool().Draw(rt, "urgent"), bytesOf(records)...); err != nil {
					rt.Fatal(err)
				}
				m.records = append(m.records, records...)
			},
			"read": func(rt *rapid.T) {
				b, err := j.TryNext(rapid.IntRange(1, 4).Draw(rt, "limit"), rapid.IntRange(1, 300).Draw(rt, "size"))
				if err != nil {
					rt.Fatal(err)
				}
				rest := m.records[m.read:]
				if len(b.Records) == 0 && len(rest) > 0 {
					rt.Fatal("nothing read of", len(rest))
				}
				if len(b.Records) == 0 {
					return
				}
				for i, r := range b.Records {
					if string(r) != rest[i] {
						rt.Fatalf("read %.20q, want %.20q", r, rest[i])
					}
				}
				m.read += len(b.Records)
				if rapid.Bool().Draw(rt, "keep") {
					batch, batchEnd = b, m.read
				}
			},
			"ack": func(rt *rapid.T) {
				if err := j.Ack(batch); err != nil {
					rt.Fatal(err)
				}
				m.records = slices.Clone(m.records[batchEnd:])
				m.read -= batchEnd
				batchEnd = 0
			},
			"sync": func(*rapid.T) { j.sync(true); j.sweep() },
			"close": func(rt *rapid.T) {
				if err := j.Close(); err != nil {
					rt.Fatal(err)
				}
				reopen()
			},
			"kill": func(*rapid.T) { die(j); reopen() },
			"cut": func(rt *rapid.T) { // a machine that lost the end of the last file
				j.mu.Lock()
				s := j.active
				j.mu.Unlock()
				die(j)
				if s != nil {
					cut := rapid.Int64Range(s.acked, s.end).Draw(rt, "cut")
					if err := os.Truncate(s.path, cut); err != nil {
						rt.Fatal(err)
					}
					end := s.end
					for end > cut {
						last := len(m.records) - 1
						end -= frameSize + int64(len(m.records[last]))
						m.records = m.records[:last]
					}
					torn += cut - end
				}
				reopen()
			},
		})
	})
}
