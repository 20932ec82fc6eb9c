package directory

import (
	"errors"
	"fmt"
	"maps"
	"testing"
	"time"
)

func TestLastUseIsWrittenDown(t *testing.T) {
	watching(t, func(t *testing.T, s *source, d *Directory, heard *told) {
		touched := func() (m map[string]time.Time) {
			s.do(func() { m = s.touched })
			return m
		}
		base := time.Now()
		for i := range 1000 {
			d.Used("k1", base.Add(time.Duration(i)*time.Millisecond))
			d.Used("k1", base) // another goroutine, later
		}
		d.Used("k2", base)
		d.Used("", base)
		time.Sleep(LastUseInterval - time.Second)
		if touched() != nil {
			t.Error("written down with every use")
		}
		time.Sleep(2 * time.Second)
		want := map[string]time.Time{"k1": base.Add(999 * time.Millisecond), "k2": base}
		if got := touched(); !maps.Equal(got, want) {
			t.Errorf("written down: %v", got)
		}

		// Nothing is lost while the database is away.
		s.do(func() { s.touchErr = errors.New("away") })
		d.Used("k3", base)
		time.Sleep(3 * LastUseInterval)
		d.Used("k3", base.Add(time.Second))
		s.do(func() { s.touchErr = nil })
		if err := d.FlushUsed(t.Context()); err != nil {
			t.Error(err)
		}
		if got := touched(); !maps.Equal(got, map[string]time.Time{"k3": base.Add(time.Second)}) {
			t.Errorf("written down afterwards: %v", got)
		}
		time.Sleep(3 * LastUseInterval)
		if got := heard.all(); got != "[remember when keys were used: away remember when keys were used: <nil>]" {
			t.Errorf("told %s", got)
		}
	})
}

func TestUsesAreBounded(t *testing.T) {
	at(t, func(t *testing.T, s *source, _ *Directory) {
		d := New(Options{Source: s, Size: 10})
		defer d.Close()
		for i := range 100 {
			d.Used(fmt.Sprint(i), time.Now())
		}
		later := time.Now().Add(time.Second)
		d.Used("0", later)
		if err := d.FlushUsed(t.Context()); err != nil {
			t.Error(err)
		}
		if len(s.touched) != 10 || !s.touched["0"].Equal(later) {
			t.Errorf("%d keys, the first at %v", len(s.touched), s.touched["0"])
		}
	})
}

func BenchmarkUsed(b *testing.B) {
	d := New(Options{Source: newSource()})
	defer d.Close()
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			d.Used("k1", time.Now())
		}
	})
}
