package ratelimit

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// The table finds what a map finds, with hashes that collide a lot, names short
// and long, and removals anywhere.
func TestKeyTable(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		var table keyTable
		want := map[string]*keyLog{}
		spread := rapid.SampledFrom([]uint32{1, 1 << 20, 1 << 30, 0xffffffff}).Draw(rt, "spread")
		hash := func(key string) uint32 {
			h := uint32(len(key)) * 7
			for _, c := range key {
				h = h*31 + uint32(c)
			}
			return h * 2654435761 / spread * spread
		}
		names := rapid.Custom(func(rt *rapid.T) string {
			n := rapid.IntRange(0, 60).Draw(rt, "key")
			return strings.Repeat("x", n*5%130) + fmt.Sprint(n)
		})
		rt.Repeat(map[string]func(*rapid.T){
			"add": func(rt *rapid.T) {
				key := names.Draw(rt, "key")
				if want[key] == nil {
					want[key] = newKeyLog(key)
					table.insert(hash(key), want[key])
				}
			},
			"remove": func(rt *rapid.T) {
				if table.n == 0 {
					rt.Skip("empty")
				}
				nth := rapid.IntRange(0, table.n-1).Draw(rt, "which")
				for i, s := range table.slots {
					if s.log == nil {
						continue
					}
					if nth--; nth < 0 {
						for key, log := range want {
							if log == s.log {
								delete(want, key)
							}
						}
						table.remove(i)
						break
					}
				}
			},
			"compact": func(*rapid.T) {
				table.compact()
				if table.n == 0 && table.slots != nil || len(table.slots) > 32 && len(table.slots) > 4*table.n {
					rt.Fatalf("%d slots for %d keys", len(table.slots), table.n)
				}
			},
			"": func(rt *rapid.T) {
				if table.n != len(want) || table.n > 0 && table.n >= len(table.slots) {
					rt.Fatalf("%d logs in %d slots, want %d", table.n, len(table.slots), len(want))
				}
				for n := range 61 {
					key := strings.Repeat("x", n*5%130) + fmt.Sprint(n)
					if got := table.find(hash(key), key); got != want[key] {
						rt.Fatalf("find %q: got %p, want %p", key, got, want[key])
					}
				}
			},
		})
	})
}
