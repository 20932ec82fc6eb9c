package ratelimit

import (
	"math"
	"math/bits"
	"slices"
	"time"
)

// windowLog remembers when the messages of one key were accepted. Its owner
// guards it with a lock.
//
// A moment is stored in 4 bytes, as the low half of a count of ticks; the newest
// one is known whole, and all others lie within one window before it. A tick is
// one microsecond, and longer where windows above half an hour do not fit
// otherwise (64 µs for a day, 2 ms for a month). Moments are rounded up to a
// tick when stored and rounded down when compared, so a message is never taken
// to leave its window early: at worst it leaves two ticks late.
type windowLog struct {
	// stamps[head:] are the remembered moments, oldest first. What is before
	// head has been forgotten and is free room.
	stamps []uint32
	// last is the newest moment in ticks.
	last int64
	// keepWindow is the longest window asked for since the log was last empty,
	// in microseconds; messages are remembered for that long. It sets the tick.
	keepWindow int64
	head       uint32
	// keepLimit is the largest limit asked for since then: that many messages
	// are remembered even when they are too old for the window of the day.
	keepLimit uint32
	// few is where stamps starts out: most keys never need more room, and these
	// lie in the same cache lines as the rest.
	few [fewStamps]uint32
}

// fewStamps is how many moments fit into a log that has just been made. With it,
// a keyLog fills the allocator's size class of 144 bytes.
const fewStamps = 6

// shift is the binary logarithm of the tick's length in microseconds: as many
// as make the longest window fit into 31 bits, half of what a stamp tells apart.
func (l *windowLog) shift() uint {
	return uint(max(0, bits.Len64(uint64(l.keepWindow))-31))
}

// ceilShift is v / 2^shift, rounded up.
func ceilShift(v int64, shift uint) int64 {
	return (v + 1<<shift - 1) >> shift
}

func (l *windowLog) len() int { return len(l.stamps) - int(l.head) }

// at is the moment at index i, in ticks.
func (l *windowLog) at(i int) int64 {
	return l.last - int64(uint32(l.last)-l.stamps[i])
}

// after is the first index, at least from, whose moment is later than bound (in
// ticks); the log's end when there is none. It looks near from first: most
// often only a few messages have left since the last call.
func (l *windowLog) after(bound int64, from int) int {
	age := l.last - bound
	if age <= 0 {
		return len(l.stamps)
	}
	if age > math.MaxUint32 {
		return from
	}
	newest, limit := uint32(l.last), uint32(age)
	expired := func(i int) bool { return newest-l.stamps[i] >= limit }

	end := len(l.stamps)
	if from >= end || !expired(from) {
		return from
	}
	// Double the step until a message is found that counts, then halve.
	lo, step := from, 1 // lo is always expired
	for lo+step < end && expired(lo+step) {
		lo += step
		step *= 2
	}
	hi := min(lo+step, end) // hi is never expired
	for hi-lo > 1 {
		if mid := int(uint(lo+hi) >> 1); expired(mid) {
			lo = mid
		} else {
			hi = mid
		}
	}
	return hi
}

// forget drops what is older than the longest window, as of now (since the
// clock's start), and reports whether anything is left.
func (l *windowLog) forget(now time.Duration) bool {
	if l.len() > 0 {
		shift := l.shift()
		floor := int64(now/time.Microsecond) >> shift
		l.head = uint32(l.after(floor-ceilShift(l.keepWindow, shift), int(l.head)))
	}
	if l.len() > 0 {
		return true
	}
	l.stamps, l.head = l.stamps[:0], 0
	l.keepWindow, l.keepLimit = 0, 0
	return false
}

// take decides on n messages at now. The caller has checked n against limit.
func (l *windowLog) take(now time.Duration, n int, limit Limit) Decision {
	window := micros(limit.Window)
	remembered := l.forget(now)
	if window > l.keepWindow {
		l.widen(window)
	}
	l.keepLimit = max(l.keepLimit, uint32(limit.Messages))

	shift := l.shift()
	windowTicks := ceilShift(window, shift)
	floor := int64(now/time.Microsecond) >> shift
	from := int(l.head)
	if remembered && window < l.keepWindow {
		from = l.after(floor-windowTicks, from)
	}
	used := len(l.stamps) - from

	d := Decision{Limit: limit, Remaining: max(0, limit.Messages-used)}
	until := func(i int) time.Duration {
		return time.Duration((l.at(i)+windowTicks)<<shift)*time.Microsecond - now
	}
	if over := used + n - limit.Messages; over > 0 { // and at most used: n fits into the limit
		d.RetryAfter = until(from + over - 1)
		d.Reset = until(from + max(0, used-limit.Messages))
		return d
	}

	d.Allowed = true
	d.Remaining -= n
	if n > 0 {
		stamp := ceilShift(micros(now), shift)
		if remembered {
			stamp = max(stamp, l.last)
		}
		d.Stamp, d.Cost = stamp<<shift, n
		// Too old for this window and too many for any limit asked for.
		surplus := l.len() + n - int(l.keepLimit)
		drop := max(0, min(surplus, from-int(l.head)))
		l.head += uint32(drop)
		from = l.push(stamp, n, from)
	}
	if from < len(l.stamps) {
		d.Reset = until(from)
	}
	return d
}

// widen makes room for a longer window: where that needs a longer tick, the
// remembered moments are rounded up to it.
func (l *windowLog) widen(window int64) {
	old := l.shift()
	l.keepWindow = window
	by := l.shift() - old
	if by == 0 || l.len() == 0 {
		return
	}
	newest := l.last
	for i := int(l.head); i < len(l.stamps); i++ {
		at := newest - int64(uint32(newest)-l.stamps[i])
		l.stamps[i] = uint32(ceilShift(at, by))
	}
	l.last = ceilShift(newest, by)
}

// push remembers n messages at stamp. It returns where the message at index
// from is afterwards.
func (l *windowLog) push(stamp int64, n, from int) int {
	if len(l.stamps)+n > cap(l.stamps) {
		from -= int(l.head)
		l.makeRoom(l.len() + n)
	}
	l.last = stamp
	for range n {
		l.stamps = append(l.stamps, uint32(stamp))
	}
	return from
}

// makeRoom moves the remembered moments to the start of an array that holds need
// of them: the present one when an eighth of it would be free, so that a log in
// its steady state allocates nothing and moves each stamp a few times at most,
// else a new one with a quarter to spare.
func (l *windowLog) makeRoom(need int) {
	to := l.stamps[:0]
	if need > cap(to)-cap(to)/8 {
		to = slices.Grow([]uint32(nil), need+need/4)
	}
	l.stamps = append(to, l.stamps[l.head:]...)
	l.head = 0
}

// shrink gives memory back when less than a third of it is in use.
func (l *windowLog) shrink() {
	n := l.len()
	if cap(l.stamps) <= fewStamps || n*3 >= cap(l.stamps) {
		return
	}
	to := l.few[:0]
	if n > fewStamps {
		to = slices.Grow([]uint32(nil), n+n/4)
	}
	l.stamps = append(to, l.stamps[l.head:]...)
	l.head = 0
}

// giveBack forgets up to n messages that were accepted at exactly stamp, in
// microseconds.
func (l *windowLog) giveBack(stamp int64, n int) {
	if l.len() == 0 {
		return
	}
	at := ceilShift(stamp, l.shift())
	start := l.after(at-1, int(l.head))
	end := l.after(at, start)
	end = min(end, start+n)
	if start >= end {
		return
	}
	// The newest moment is the base of all others, so it has to stay true.
	if end == len(l.stamps) && start > int(l.head) {
		newest := l.at(start - 1)
		l.stamps = l.stamps[:start]
		l.last = newest
		return
	}
	l.stamps = slices.Delete(l.stamps, start, end)
}
