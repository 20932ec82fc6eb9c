package stats_test

import (
	"testing"

	"github.com/genfity/wa-gateway/stats"
)

func TestSuccessRate(t *testing.T) {
	tests := []struct {
		sent, failed int64
		want         float64
	}{
		{1, 0, 100},
		{1, 1, 50},
		{1, 2, 33.33},
		{2, 1, 66.67},
		{1, 7, 12.5},
		{99_999, 1, 100}, // 99.999 rounds up
		{1, 1_000_000, 0},
		{4_000_000_000, 4_000_000_000, 50},
	}
	for _, tt := range tests {
		got := stats.SuccessRate(tt.sent, tt.failed)
		if got == nil || *got != tt.want {
			t.Errorf("SuccessRate(%d, %d) = %v, want %v", tt.sent, tt.failed, got, tt.want)
		}
	}
	for _, failed := range []int64{0, 5} {
		if got := stats.SuccessRate(0, failed); got != nil {
			t.Errorf("SuccessRate(0, %d) = %v, want nil: nothing was sent", failed, *got)
		}
	}
}

func TestTotalsAdd(t *testing.T) {
	a := stats.Totals{Counts: stats.Counts{Sent: 3, Failed: 1, Delivered: 2, Read: 1}, LastSentAt: at(5)}
	b := stats.Totals{Counts: stats.Counts{Sent: 4, Failed: 2, Delivered: 1}, LastSentAt: at(3), LastFailedAt: at(9)}
	want := stats.Totals{Counts: stats.Counts{Sent: 7, Failed: 3, Delivered: 3, Read: 1}, LastSentAt: at(5), LastFailedAt: at(9)}
	if got := a.Add(b); got != want {
		t.Errorf("a + b = %+v, want %+v", got, want)
	}
	if got := b.Add(a); got != want {
		t.Errorf("b + a = %+v, want %+v", got, want)
	}
	if got := a.Counts.Add(b.Counts).Sub(b.Counts); got != a.Counts {
		t.Errorf("a + b - b = %+v, want %+v", got, a.Counts)
	}
}
