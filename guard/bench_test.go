package guard

import (
	"context"
	"fmt"
	"net/netip"
	"testing"
)

// What every authenticated call pays.
func BenchmarkKnownPair(b *testing.B) {
	for _, n := range []int{1, 100_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			f := NewFailures(FailuresOptions{})
			ctx := context.Background()
			hashes := make([][32]byte, n)
			for i := range hashes {
				hashes[i] = credential(i)
				a, err := f.Begin(ctx, home, hashes[i])
				if err != nil {
					b.Fatal(err)
				}
				a.Succeeded()
			}
			b.ReportAllocs()
			b.ResetTimer()
			for i := 0; b.Loop(); i++ {
				a, err := f.Begin(ctx, home, hashes[i%n])
				if err != nil {
					b.Fatal(err)
				}
				a.Succeeded()
			}
		})
	}
}

// What an attacker costs.
func BenchmarkRefused(b *testing.B) {
	f := NewFailures(FailuresOptions{})
	ctx := context.Background()
	for i := range 20 {
		a, err := f.Begin(ctx, home, credential(i))
		if err != nil {
			b.Fatal(err)
		}
		a.Failed()
	}
	hash := credential(99)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := f.Begin(ctx, home, hash); err == nil {
			b.Fatal("let through")
		}
	}
}

// Guesses from ever new addresses, the table full.
func BenchmarkManyAddresses(b *testing.B) {
	f := NewFailures(FailuresOptions{})
	ctx, hash := context.Background(), credential(1)
	var n uint32
	b.ReportAllocs()
	for b.Loop() {
		n++
		a, err := f.Begin(ctx, netip.AddrFrom4([4]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}), hash)
		if err != nil {
			b.Fatal(err)
		}
		a.Failed()
	}
}

func BenchmarkInFlight(b *testing.B) {
	f := NewInFlight(10)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if f.Enter("user123") {
				f.Leave("user123")
			}
		}
	})
}
