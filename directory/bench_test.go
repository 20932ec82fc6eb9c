package directory

import (
	"context"
	"testing"
)

// What a call of a known caller costs: who it is, whether the session is theirs,
// whether they have subscribed.
func BenchmarkKnown(b *testing.B) {
	d := New(Options{Source: newSource()})
	defer d.Close()
	ctx := context.Background()
	use := func() error {
		if _, err := d.Caller(ctx, liveKey); err != nil {
			return err
		}
		if _, err := d.Session(ctx, "ann", "s-ann"); err != nil {
			return err
		}
		_, err := d.Subscription(ctx, "ann")
		return err
	}
	if err := use(); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if err := use(); err != nil {
				b.Error(err)
				return
			}
		}
	})
}
