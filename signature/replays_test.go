package signature

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"
)

func message(i int) [sha256.Size]byte { return sha256.Sum256(fmt.Append(nil, i)) }

func TestReplayIsRefusedOnceAcknowledged(t *testing.T) {
	now := specNow
	v := verifier(t, Options{Secrets: []string{"old", "new"}, Now: func() time.Time { return now }})
	h := signed(t, "old", "a", now, specBody)
	proof, err := v.Check(h, []byte(specBody))
	if err != nil {
		t.Fatal(err)
	}
	// Told 503: it comes again.
	if _, err := v.Check(h, []byte(specBody)); err != nil {
		t.Fatalf("not acknowledged, yet %v", err)
	}
	proof.Acknowledged()
	proof.Acknowledged()
	if _, err := v.Check(h, []byte(specBody)); !errors.Is(err, ErrReplayed) {
		t.Errorf("got %v, want %v", err, ErrReplayed)
	}
	if err := v.Precheck(h); err != nil {
		t.Errorf("Precheck: %v", err)
	}
	// The same message is the same whoever signs it, and however the header is
	// filled up.
	if _, err := v.Check(signed(t, "new", "a", now, specBody), []byte(specBody)); !errors.Is(err, ErrReplayed) {
		t.Errorf("signed with the other secret: %v", err)
	}
	h.Set("webhook-signature", foreign+" "+h.Get("webhook-signature"))
	if _, err := v.Check(h, []byte(specBody)); !errors.Is(err, ErrReplayed) {
		t.Errorf("with another signature beside: %v", err)
	}
	// Not a replay: sent again by its sender, a second later; another body.
	if _, err := v.Check(signed(t, "old", "a", now.Add(time.Second), specBody), []byte(specBody)); err != nil {
		t.Errorf("a second later: %v", err)
	}
	if _, err := v.Check(signed(t, "old", "a", now, "{}"), []byte("{}")); err != nil {
		t.Errorf("another body: %v", err)
	}
	// A mismatch tells nothing of what was acknowledged.
	if _, err := v.Check(with(h, "webhook-signature", foreign), []byte(specBody)); !errors.Is(err, ErrMismatch) {
		t.Errorf("badly signed replay: %v", err)
	}

	// At no moment is it accepted again.
	for range 1000 {
		now = now.Add(time.Second)
		ahead := signed(t, "old", fmt.Sprint("b", now.Unix()), now.Add(v.tolerance), specBody)
		p, err := v.Check(ahead, []byte(specBody))
		if err != nil {
			t.Fatal(err)
		}
		p.Acknowledged()
		if _, err := v.Check(h, []byte(specBody)); !errors.Is(err, ErrReplayed) && !errors.Is(err, ErrStale) {
			t.Fatalf("accepted again after %s: %v", now.Sub(specNow), err)
		}
	}
	if n := v.replays.Len(); n > 700 {
		t.Errorf("%d remembered of 1000; those that are stale should have gone", n)
	}
	Proof{}.Acknowledged()
}

func TestReplaysOutliveAVerifier(t *testing.T) {
	replays := NewReplays(ReplaysOptions{Now: fixed(specNow)})
	for i, want := range []error{nil, ErrReplayed} {
		v := verifier(t, Options{Secrets: []string{specSecret}, Replays: replays})
		p, err := v.Check(spec(), []byte(specBody))
		if !errors.Is(err, want) {
			t.Errorf("%d: got %v, want %v", i, err, want)
		}
		p.Acknowledged()
	}
}

func TestReplaysAreBounded(t *testing.T) {
	for _, size := range []int{1, 3, 64, 100} {
		r := NewReplays(ReplaysOptions{Size: size, Now: fixed(specNow)})
		for i := range 500 {
			r.Taken(message(i), specNow.Add(time.Minute))
			for j := range i + 1 {
				if got, want := r.Seen(message(j)), j > i-size; got != want {
					t.Fatalf("size %d, after %d: %d seen %t, want %t", size, i, j, got, want)
				}
			}
			if n := r.Len(); n != min(i+1, size) || len(r.in) != n || len(r.order) > max(size, 1) {
				t.Fatalf("size %d, after %d: %d remembered, ring of %d", size, i, n, len(r.order))
			}
		}
	}
}

func TestReplaysForgetWhatIsStale(t *testing.T) {
	now := specNow
	r := NewReplays(ReplaysOptions{Size: 1000, Now: func() time.Time { return now }})
	for i := range 5000 {
		now = now.Add(time.Second)
		r.Taken(message(i), now.Add(time.Duration(i%20)*time.Second))
		if n := r.Len(); n > 25 {
			t.Fatalf("%d remembered", n)
		}
		if !r.Seen(message(i)) {
			t.Fatalf("%d not remembered", i)
		}
	}
	r.Taken(message(-1), now.Add(-time.Second))
	if r.Seen(message(-1)) {
		t.Error("remembers what is stale already")
	}
}

func TestReplaysRace(t *testing.T) {
	r := NewReplays(ReplaysOptions{Size: 50})
	var done sync.WaitGroup
	for g := range 8 {
		done.Go(func() {
			for i := range 1000 {
				r.Taken(message(i+g), time.Now().Add(time.Minute))
				r.Seen(message(i))
			}
		})
	}
	done.Wait()
	if n := r.Len(); n != 50 || len(r.in) != n {
		t.Errorf("%d remembered, %d found", n, len(r.in))
	}
}
