package ratelimit

// keyLog is the log of one key, with its name.
type keyLog struct {
	windowLog
	// Names of up to 63 bytes, as those of users and sessions are, lie in short;
	// others in long. A look-up then touches nothing but its slot and this.
	long   *string
	length uint8
	short  [63]byte
}

func newKeyLog(key string) *keyLog {
	k := new(keyLog)
	k.stamps = k.few[:0]
	if len(key) <= len(k.short) {
		k.length = uint8(copy(k.short[:], key))
	} else {
		// The caller's string may be part of a larger one, which we must not hold.
		long := string([]byte(key))
		k.long = &long
	}
	return k
}

func (k *keyLog) is(key string) bool {
	if k.long != nil {
		return *k.long == key
	}
	return string(k.short[:k.length]) == key
}

// keyTable is a hash table of logs: open addressing, linear probing. Unlike Go's
// map it can be walked in parts, shrinks, and needs fewer steps through memory
// per look-up, which is what a look-up among a million keys consists of.
type keyTable struct {
	slots []keySlot
	n     int
}

// keySlot is empty when log is nil.
type keySlot struct {
	hash uint32
	log  *keyLog
}

// home is where a hash belongs if the place is free. It grows with the hash, so
// the tables of different sizes hold the logs in (nearly) the same order.
func (t *keyTable) home(hash uint32) int {
	return int(uint64(hash) * uint64(len(t.slots)) >> 32)
}

func (t *keyTable) next(i int) int {
	if i++; i < len(t.slots) {
		return i
	}
	return 0
}

// find returns the log of key, or nil.
func (t *keyTable) find(hash uint32, key string) *keyLog {
	if t.n == 0 {
		return nil
	}
	for i := t.home(hash); ; i = t.next(i) {
		switch s := &t.slots[i]; {
		case s.log == nil:
			return nil
		case s.hash == hash && s.log.is(key):
			return s.log
		}
	}
}

// insert adds a log whose key is not in the table.
func (t *keyTable) insert(hash uint32, k *keyLog) {
	if t.n+1 > len(t.slots)*4/5 {
		t.resize(max(8, len(t.slots)*3/2))
	}
	t.place(keySlot{hash, k})
	t.n++
}

func (t *keyTable) place(s keySlot) {
	i := t.home(s.hash)
	for t.slots[i].log != nil {
		i = t.next(i)
	}
	t.slots[i] = s
}

// remove empties slot i. Logs after it move up, so that none is separated from
// its home by an empty slot.
func (t *keyTable) remove(i int) {
	for j := t.next(i); t.slots[j].log != nil; j = t.next(j) {
		home := t.home(t.slots[j].hash)
		// It may stay if its home lies after i and not after j, around the end.
		if i <= j && i < home && home <= j || i > j && (i < home || home <= j) {
			continue
		}
		t.slots[i] = t.slots[j]
		i = j
	}
	t.slots[i] = keySlot{}
	t.n--
}

func (t *keyTable) resize(size int) {
	old := t.slots
	t.slots = make([]keySlot, size)
	for _, s := range old {
		if s.log != nil {
			t.place(s)
		}
	}
}

// compact gives memory back when the table is much larger than its logs need.
func (t *keyTable) compact() {
	switch {
	case t.n == 0:
		t.slots = nil
	case len(t.slots) > 32 && t.n < len(t.slots)/4:
		t.resize(max(8, t.n*3/2))
	}
}
