package main

import (
	"math/bits"
	"time"
)

// A histogram counts latencies in buckets that are less than 1 % wide, so that a
// load of any length is remembered in the same small memory and recording one
// costs an addition.
type histogram struct {
	buckets [histogramSize]uint64
	count   uint64
}

const (
	// Each power of two is divided into this many buckets.
	histogramParts = 128
	histogramBits  = 7
	// Up to 2^40 ns, some 18 minutes; what is longer counts in the last bucket.
	histogramSize = (40 - histogramBits + 1) * histogramParts
)

func (h *histogram) add(d time.Duration) {
	h.buckets[bucketOf(d)]++
	h.count++
}

func bucketOf(d time.Duration) int {
	v := uint64(max(d, 0))
	if v < histogramParts {
		return int(v)
	}
	shift := bits.Len64(v) - histogramBits - 1
	// v>>shift lies in [parts, 2·parts).
	return min((shift+1)*histogramParts+int(v>>shift)-histogramParts, histogramSize-1)
}

// bucketStart is the least latency that falls into a bucket.
func bucketStart(bucket int) time.Duration {
	if bucket < histogramParts {
		return time.Duration(bucket)
	}
	shift := bucket/histogramParts - 1
	return time.Duration((bucket%histogramParts + histogramParts) << shift)
}

func (h *histogram) merge(other *histogram) {
	for i, n := range other.buckets {
		h.buckets[i] += n
	}
	h.count += other.count
}

// quantile is the latency that the share q of all calls did not exceed; 0 when
// there were none.
func (h *histogram) quantile(q float64) time.Duration {
	if h.count == 0 {
		return 0
	}
	rank := min(uint64(q*float64(h.count)), h.count-1)
	for i, n := range h.buckets {
		if rank < n {
			// The middle of the bucket: neither side of a comparison gains.
			return (bucketStart(i) + bucketStart(i+1)) / 2
		}
		rank -= n
	}
	return bucketStart(histogramSize)
}
