package stats_test

import (
	"errors"
	"fmt"
	"maps"
	"testing"
	"time"
	_ "time/tzdata" // wherever the tests run

	"github.com/genfity/wa-gateway/stats"
	"pgregory.net/rapid"
)

func location(t interface {
	Helper()
	Fatal(args ...any)
}, name string) *time.Location {
	t.Helper()
	loc, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return loc
}

func buckets(t *testing.T, i stats.Interval, from, to time.Time, loc *time.Location) []stats.Bucket {
	t.Helper()
	list, err := stats.Buckets(i, from, to, loc, 0)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func TestDaysOfTimeZones(t *testing.T) {
	day := func(year int, month time.Month, day int) [3]int { return [3]int{year, int(month), day} }
	tests := []struct {
		zone  string
		first [3]int
		hours []float64
		start []string // of each day, where it is not 00:00
	}{
		{zone: "UTC", first: day(2025, 3, 1), hours: []float64{24, 24}},
		{zone: "Asia/Jakarta", first: day(2025, 3, 1), hours: []float64{24, 24, 24}},
		{zone: "Asia/Kolkata", first: day(2024, 2, 28), hours: []float64{24, 24, 24}},
		{zone: "Asia/Kathmandu", first: day(2025, 12, 31), hours: []float64{24, 24}},
		{zone: "America/New_York", first: day(2025, 3, 8), hours: []float64{24, 23, 24}},
		{zone: "America/New_York", first: day(2025, 11, 1), hours: []float64{24, 25, 24}},
		{zone: "Australia/Lord_Howe", first: day(2025, 4, 5), hours: []float64{24, 24.5, 24}},
		{zone: "Australia/Lord_Howe", first: day(2025, 10, 4), hours: []float64{24, 23.5, 24}},
		// Ramadan: one hour back, and forward again.
		{zone: "Africa/Casablanca", first: day(2025, 2, 22), hours: []float64{24, 25, 24}},
		{zone: "Africa/Casablanca", first: day(2025, 4, 5), hours: []float64{24, 23, 24}},
		// Clocks go forward at midnight: the day begins at one.
		{zone: "Asia/Beirut", first: day(2025, 3, 29), hours: []float64{24, 23, 24}, start: []string{"", "01:00", ""}},
		{zone: "Africa/Cairo", first: day(2025, 4, 24), hours: []float64{24, 23, 24}, start: []string{"", "01:00", ""}},
		// And back from midnight: 23:00 is there twice.
		{zone: "Asia/Beirut", first: day(2025, 10, 25), hours: []float64{25, 24}},
		// Back from one to midnight: midnight is there twice.
		{zone: "America/Havana", first: day(2025, 11, 1), hours: []float64{24, 25, 24}},
		// Back from one minute past midnight: the minute is the next day's, and so is
		// the hour that is repeated.
		{zone: "America/St_Johns", first: day(2010, 11, 5), hours: []float64{24, 24, 25, 24}},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprint(tt.zone, tt.first), func(t *testing.T) {
			loc := location(t, tt.zone)
			from := time.Date(tt.first[0], time.Month(tt.first[1]), tt.first[2], 12, 0, 0, 0, loc)
			to := from
			for _, h := range tt.hours[1:] {
				to = to.Add(time.Duration(h * float64(time.Hour)))
			}
			got := buckets(t, stats.Day, from, to, loc)
			if len(got) != len(tt.hours) {
				t.Fatalf("%d days, want %d: %v", len(got), len(tt.hours), got)
			}
			for i, b := range got {
				want := "00:00"
				if i < len(tt.start) && tt.start[i] != "" {
					want = tt.start[i]
				}
				if clock := b.Start.Format("15:04"); clock != want || b.Start.Location() != loc {
					t.Errorf("day %d begins at %v, want %s", i, b.Start, want)
				}
				if y, m, d := from.AddDate(0, 0, i).Date(); [3]int{b.Start.Year(), int(b.Start.Month()), b.Start.Day()} != day(y, m, d) {
					t.Errorf("day %d begins at %v", i, b.Start)
				}
				if hours := b.End.Sub(b.Start).Hours(); hours != tt.hours[i] {
					t.Errorf("%v has %v hours, want %v", b.Start, hours, tt.hours[i])
				}
			}
		})
	}
}

func TestDatesThatWereLeftOutOrRepeated(t *testing.T) {
	apia := location(t, "Pacific/Apia") // had no 30 December 2011
	got := buckets(t, stats.Day, time.Date(2011, 12, 29, 1, 0, 0, 0, apia), time.Date(2011, 12, 31, 1, 0, 0, 0, apia), apia)
	if len(got) != 2 || got[0].Start.Day() != 29 || got[1].Start.Day() != 31 || got[1].End.Day() != 1 {
		t.Errorf("got %v", got)
	}
	kwajalein := location(t, "Pacific/Kwajalein") // had 30 September 1969 twice
	got = buckets(t, stats.Day, time.Date(1969, 9, 28, 0, 0, 0, 0, kwajalein), time.Date(1969, 10, 3, 0, 0, 0, 0, kwajalein), kwajalein)
	var days []int
	for _, b := range got {
		days = append(days, b.Start.Day())
	}
	if fmt.Sprint(days) != "[28 29 30 1 2]" {
		t.Errorf("days %v", days)
	}
}

func TestHoursOfTimeZones(t *testing.T) {
	tests := []struct {
		zone, from string
		hours      []string
	}{
		{"Asia/Jakarta", "2025-03-01T00:59:59+07:00", []string{"00:00+07:00", "01:00+07:00", "02:00+07:00"}},
		{"Asia/Kolkata", "2025-03-01T10:15:00+05:30", []string{"10:00+05:30", "11:00+05:30", "12:00+05:30"}},
		{"Asia/Kathmandu", "2025-03-01T10:15:00+05:45", []string{"10:00+05:45", "11:00+05:45", "12:00+05:45"}},
		{"America/New_York", "2025-03-09T01:00:00-05:00", []string{"01:00-05:00", "03:00-04:00", "04:00-04:00"}},
		{"America/New_York", "2025-11-02T01:30:00-04:00", []string{"01:00-04:00", "01:00-05:00", "02:00-05:00"}},
		// Half an hour back at two, and forward at two.
		{"Australia/Lord_Howe", "2025-04-06T01:59:59+11:00", []string{"01:00+11:00", "01:30+10:30", "02:00+10:30", "03:00+10:30"}},
		{"Australia/Lord_Howe", "2025-10-05T01:00:00+10:30", []string{"01:00+10:30", "02:30+11:00", "03:00+11:00", "04:00+11:00"}},
		{"Africa/Casablanca", "2025-02-23T02:00:00+01:00", []string{"02:00+01:00", "02:00Z", "03:00Z"}},
	}
	for _, tt := range tests {
		t.Run(tt.from, func(t *testing.T) {
			loc := location(t, tt.zone)
			from, err := time.Parse(time.RFC3339, tt.from)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for start := stats.Hour.Start(from.In(loc)); len(got) < len(tt.hours); start = stats.Hour.Next(start) {
				got = append(got, start.Format("15:04Z07:00"))
			}
			if fmt.Sprint(got) != fmt.Sprint(tt.hours) {
				t.Errorf("got %v, want %v", got, tt.hours)
			}
		})
	}
}

var zones = []string{
	"UTC", "Asia/Jakarta", "Asia/Kolkata", "Asia/Kathmandu", "Australia/Lord_Howe", "America/New_York",
	"Africa/Casablanca", "Asia/Beirut", "America/St_Johns", "Pacific/Apia", "Pacific/Chatham", "America/Havana",
}

// TestBucketsLeaveNoGap: whatever is asked for, buckets follow each other, cover
// it, and begin with a slot, and what is filled in is all there.
func TestBucketsLeaveNoGap(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		loc := location(rt, rapid.SampledFrom(zones).Draw(rt, "zone"))
		i := rapid.SampledFrom([]stats.Interval{stats.Hour, stats.Day}).Draw(rt, "interval")
		from := time.Unix(rapid.Int64Range(946684800, 2082758400).Draw(rt, "from"), 1).In(loc)
		to := from.Add(time.Duration(rapid.Int64Range(1, int64(40*24*time.Hour)).Draw(rt, "span")))
		list, err := stats.Buckets(i, from, to, loc, 0)
		if err != nil {
			rt.Fatal(err)
		}
		if from.Before(list[0].Start) || !from.Before(list[0].End) {
			rt.Fatalf("%v begin with %v", from, list[0])
		}
		last := list[len(list)-1]
		if to.After(last.End) || !last.Start.Before(to) {
			rt.Fatalf("%v end with %v", to, last)
		}
		for n, b := range list {
			if n > 0 && !b.Start.Equal(list[n-1].End) {
				rt.Fatalf("a gap before %v", b)
			}
			if width := b.End.Sub(b.Start); width <= 0 || i == stats.Hour && width > time.Hour || width > 25*time.Hour {
				rt.Fatalf("%v lasts %v", b, width)
			}
			if b.Start.Unix()%900 != 0 && b.Start.Year() > 2011 { // St. John's changed clocks at 00:01
				rt.Fatalf("%v is within a slot", b.Start)
			}
			inside := b.Start.Add(time.Duration(rapid.Int64Range(0, int64(b.End.Sub(b.Start))-1).Draw(rt, "inside")))
			if !i.Start(inside).Equal(b.Start) || !i.Next(inside).Equal(b.End) {
				rt.Fatalf("%v is from %v to %v, not %v", inside, i.Start(inside), i.Next(inside), b)
			}
		}
		if _, err := stats.Buckets(i, from, to, loc, len(list)); err != nil {
			rt.Fatal(err)
		}
		if len(list) > 1 {
			if _, err := stats.Buckets(i, from, to, loc, len(list)-1); !errors.Is(err, stats.ErrTooManyBuckets) {
				rt.Fatalf("one too many: %v", err)
			}
		}
		fillAndCompare(rt, list)
	})
}

func fillAndCompare(rt *rapid.T, list []stats.Bucket) {
	first, last := list[0].Start, list[len(list)-1].End
	slots := rapid.SliceOf(rapid.Custom(func(rt *rapid.T) stats.SlotCounts {
		return stats.SlotCounts{
			Start:  first.Add(time.Duration(rapid.Int64Range(-int64(time.Hour), int64(last.Sub(first)+time.Hour)).Draw(rt, "start"))).UTC(),
			Width:  rapid.SampledFrom([]time.Duration{stats.Slot, 24 * time.Hour}).Draw(rt, "width"),
			Type:   rapid.SampledFrom([]string{"", "text", "image"}).Draw(rt, "type"),
			Counts: stats.Counts{Sent: rapid.Int64Range(0, 2).Draw(rt, "sent"), Failed: rapid.Int64Range(0, 2).Draw(rt, "failed")},
		}
	})).Draw(rt, "slots")
	stats.Fill(list, slots)
	for _, b := range list {
		want := map[string]stats.Counts{}
		var sum stats.Counts
		for _, s := range slots {
			if !s.Start.Before(b.Start) && s.Start.Before(b.End) && !s.Counts.IsZero() {
				want[s.Type] = want[s.Type].Add(s.Counts)
				sum = sum.Add(s.Counts)
			}
		}
		if b.Counts != sum || !maps.Equal(b.Types, want) {
			rt.Fatalf("bucket %+v, want %+v, %+v", b, sum, want)
		}
	}
}

func TestBucketsOfTooMuch(t *testing.T) {
	from := time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC)
	to := time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)
	for _, i := range []stats.Interval{stats.Hour, stats.Day} {
		if list, err := stats.Buckets(i, from, to, nil, 1000); !errors.Is(err, stats.ErrTooManyBuckets) || list != nil {
			t.Errorf("%s: %d buckets, %v", i, len(list), err)
		}
	}
	if list, err := stats.Buckets(stats.Hour, to, to, nil, 1); err != nil || list != nil {
		t.Errorf("nothing asked for: %v, %v", list, err)
	}
}

func TestFillTakesBackWhole(t *testing.T) {
	list := buckets(t, stats.Hour, at(0), at(1), nil)
	slot := stats.SlotCounts{Start: at(0), Type: "text", Counts: stats.Counts{Sent: 1}}
	stats.Fill(list, []stats.SlotCounts{slot, {Start: at(0), Type: "text", Counts: stats.Counts{Sent: -1}}})
	if list[0].Counts != (stats.Counts{}) || len(list[0].Types) != 0 {
		t.Errorf("got %+v", list[0])
	}
	if list[0].Start.Location() != time.UTC {
		t.Errorf("nil is %v", list[0].Start.Location())
	}
}

func TestMessageSlot(t *testing.T) {
	e := told(stats.Read, 3600)
	e.FirstAt = time.Date(2025, 3, 1, 7, 14, 59, 999, time.FixedZone("NPT", 5*3600+45*60))
	if got, want := e.Message().Slot(), time.Date(2025, 3, 1, 1, 15, 0, 0, time.UTC); got != want {
		t.Errorf("slot %v, want %v", got, want)
	}
	if got, want := told(stats.Sent, 899).Message().Slot(), at(0); got != want {
		t.Errorf("slot %v, want %v", got, want)
	}
}
