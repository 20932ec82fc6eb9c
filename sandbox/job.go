package sandbox

import (
	"net/http"
	"time"
)

// posting is one request that tells somebody something.
type posting struct {
	url    string
	kind   string // Content-Type
	header http.Header
	body   []byte
	final  func(status int) bool // answers that end the attempts; nil: the events endpoint's
}

// due is something to be told some time after its job began. What it is shows only when it is
// due; tell may find that there is nothing.
type due struct {
	after time.Duration
	tell  func() ([]*posting, error)
	// again asks tell once more after what it told was posted, or given up, until it tells nothing.
	again bool
}

// job is one message, or one change of a session, with events still to come. They are told one
// after the other, so that a message's events arrive in order.
type job struct {
	began    time.Time // real time
	dues     []due
	next     int        // in dues
	ready    []*posting // what the due before next is still to post
	attempts int        // at the first of ready
	due      time.Time
	number   uint64 // jobs due at the same time go in the order they came
}

// jobs is a heap by due time.
type jobs []*job

func (h jobs) Len() int { return len(h) }
func (h jobs) Less(i, k int) bool {
	if !h[i].due.Equal(h[k].due) {
		return h[i].due.Before(h[k].due)
	}
	return h[i].number < h[k].number
}
func (h jobs) Swap(i, k int) { h[i], h[k] = h[k], h[i] }
func (h *jobs) Push(x any)   { *h = append(*h, x.(*job)) }
func (h *jobs) Pop() any {
	old := *h
	last := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	return last
}
