package stats_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/genfity/wa-gateway/stats"
)

var binaryEvent = stats.Event{
	UserID: "user123", SessionID: "session123", MessageID: "3EB0C431C26A1916E07E", To: "628123456789", Type: "text",
	Status: stats.Sent, At: time.Date(2025, 3, 1, 12, 0, 1, 123456000, time.UTC),
}

// binaryEvents are events with everything that the form treats on its own.
func binaryEvents() []stats.Event {
	events := []stats.Event{binaryEvent, {}}
	for _, s := range []stats.Status{stats.Failed, stats.Delivered, stats.Read, "", "queued"} {
		e := binaryEvent
		e.Status = s
		events = append(events, e)
	}
	more := binaryEvent
	more.FirstAt = more.At.Add(-time.Hour)
	more.Error = "no answer: \x00\xff" + strings.Repeat("é", 500)
	ancient := more
	ancient.At, ancient.FirstAt = time.Unix(-1<<33, 999).UTC().Truncate(stats.Resolution), time.Unix(1<<40, 0).UTC()
	return append(events, more, ancient)
}

func TestBinaryEvent(t *testing.T) {
	for _, e := range binaryEvents() {
		data := stats.AppendEvent([]byte("before"), e)
		got, err := stats.ReadEvent(data[len("before"):])
		if err != nil || got != e {
			t.Errorf("got %+v, %v\nwant %+v", got, err, e)
		}
	}
	if n := len(stats.AppendEvent(nil, binaryEvent)); n > 70 {
		t.Errorf("%d bytes for an ordinary event", n)
	}
}

// What the ledger would make of the times is kept, whatever zone they are in.
func TestBinaryEventKeepsWhatIsNormal(t *testing.T) {
	e := binaryEvent
	e.At = e.At.Add(999 * time.Nanosecond).In(time.FixedZone("WIB", 7*3600))
	e.FirstAt = e.At.Add(-time.Nanosecond)
	got, err := stats.ReadEvent(stats.AppendEvent(nil, e))
	if err != nil || got != e.Normal() {
		t.Errorf("got %+v, %v\nwant %+v", got, err, e.Normal())
	}
}

// An event of version 1 as it lies in journals: it has to be readable for ever.
func TestBinaryEventOfOldJournals(t *testing.T) {
	data := []byte("\x01\x0a\x80\xd0\xac\xf3\x0e\x02\x01u\x01s\x01m\x00\x05image\x03why")
	want := stats.Event{
		UserID: "u", SessionID: "s", MessageID: "m", Type: "image", Error: "why", Status: stats.Failed,
		At: time.UnixMicro(2_000_000_000).UTC(), FirstAt: time.UnixMicro(1).UTC(),
	}
	if got, err := stats.ReadEvent(data); err != nil || got != want {
		t.Errorf("got %+v, %v", got, err)
	}
	if got := stats.AppendEvent(nil, want); !bytes.Equal(got, data) {
		t.Errorf("written as %q", got)
	}
}

func TestBinaryEventRefuses(t *testing.T) {
	data := stats.AppendEvent(nil, binaryEvents()[7])
	for n := range data {
		if e, err := stats.ReadEvent(data[:n]); !errors.Is(err, stats.ErrBinary) {
			t.Fatalf("the first %d bytes: %+v, %v", n, e, err)
		}
	}
	for name, bad := range map[string][]byte{
		"more behind it":  append(bytes.Clone(data), 0),
		"another version": append([]byte{2}, data[1:]...),
		"unknown flag":    append([]byte{1, data[1] | 0x80}, data[2:]...),
		"unknown status":  append([]byte{1, 5}, data[2:]...),
		"endless number":  append([]byte{1, 1}, bytes.Repeat([]byte{0xff}, 20)...),
		"huge length":     append([]byte{1, 1, 0}, bytes.Repeat([]byte{0xff}, 9)...),
	} {
		if e, err := stats.ReadEvent(bad); !errors.Is(err, stats.ErrBinary) {
			t.Errorf("%s: %+v, %v", name, e, err)
		}
	}
}

// FuzzReadEvent: any bytes are refused or are an event which is written and read
// as itself, and its memory is its own.
func FuzzReadEvent(f *testing.F) {
	for _, e := range binaryEvents() {
		f.Add(stats.AppendEvent(nil, e))
	}
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) {
		e, err := stats.ReadEvent(data)
		if err != nil {
			if !errors.Is(err, stats.ErrBinary) || e != (stats.Event{}) {
				t.Fatalf("%+v, %v", e, err)
			}
			return
		}
		again := stats.AppendEvent(nil, e)
		clear(data)
		if got, err := stats.ReadEvent(again); err != nil || got != e {
			t.Fatalf("%+v became %+v, %v", e, got, err)
		}
	})
}

func BenchmarkAppendEvent(b *testing.B) {
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		buf = stats.AppendEvent(buf[:0], binaryEvent)
	}
}

func BenchmarkReadEvent(b *testing.B) {
	data := stats.AppendEvent(nil, binaryEvent)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := stats.ReadEvent(data); err != nil {
			b.Fatal(err)
		}
	}
}
