package deliver_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/genfity/wa-gateway/deliver"
	"github.com/genfity/wa-gateway/media"
	"github.com/genfity/wa-gateway/store"
	"github.com/genfity/wa-gateway/store/storetest"
)

func TestSenderPosts(t *testing.T) {
	queues(t, func(t *testing.T, d *storetest.Database, p *store.Primary) {
		list := deliver.Deliveries("s1", every())
		c := newCustomer(t, nil)
		c.answer = func(w http.ResponseWriter, _ *http.Request, n int) {
			if n == len(list) { // nobody reads it all
				_, _ = w.Write([]byte(strings.Repeat("x", 1<<20)))
			}
		}
		if _, err := p.AddDeliveries(t.Context(), list); err != nil {
			t.Fatal(err)
		}
		s := send(t, p, c.server.URL+"/hook?key=1", nil)
		for _, want := range list {
			got := c.told()
			if got.id != want.EventID || got.body != string(want.Body) || got.header.Get("Content-Type") != "application/json" {
				t.Errorf("got %+v, want %s", got, want.Body)
			}
		}
		if _, err := p.AddDeliveries(t.Context(), append(list, deliver.Deliveries("s2", every()[:1])...)); err != nil {
			t.Fatal(err)
		}
		s.Poke()
		if got := c.told(); got.session != "s2" {
			t.Errorf("told again: %+v", got)
		}
		s.close(t)
		c.quiet()
		if n := waiting(t, d); n != 0 {
			t.Errorf("%d wait", n)
		}
	})
}

// Who has no URL is told nothing; a database that is away is worth another try, a
// secret that cannot be read is not.
func TestTell(t *testing.T) {
	queue(t, func(t *testing.T, d *storetest.Database, p *store.Primary) {
		c := newCustomer(t, nil)
		away := fmt.Errorf("look up a link: %w", store.ErrUnavailable)
		s := send(t, p, "", func(o *deliver.Options) {
			o.Interval = time.Hour // what is told pokes
			o.Target = func(_ context.Context, session string) (string, string, error) {
				switch session {
				case "none":
					return "", "", nil
				case "away":
					return "", "", away
				case "unknown":
					return "", "", errors.New("the secrets cannot be decrypted")
				}
				return c.server.URL, secret, nil
			}
		})
		for session, want := range map[string]error{"none": nil, "away": away, "unknown": nil, "s1": nil} {
			for range 2 {
				if err := s.Tell(t.Context(), session, every()[:1]); !errors.Is(err, want) {
					t.Errorf("%s: %v", session, err)
				}
			}
		}
		if err := s.Tell(t.Context(), "away", nil); err != nil {
			t.Error(err)
		}
		if got := c.told(); got.session != "s1" {
			t.Errorf("got %+v", got)
		}
		s.said(t, "cannot be told")
		s.close(t)
		c.quiet()
		if n := d.Count(t, d.Own("deliveries"), "session_id <> 's1'"); n != 0 {
			t.Errorf("%d deliveries of others", n)
		}
	})
}

// Every failure is tried again with the same id, and redirects are failures.
func TestRetries(t *testing.T) {
	queue(t, func(t *testing.T, d *storetest.Database, p *store.Primary) {
		elsewhere := newCustomer(t, nil)
		c := newCustomer(t, func(w http.ResponseWriter, r *http.Request, n int) {
			switch n {
			case 1:
				http.Redirect(w, r, elsewhere.server.URL, http.StatusTemporaryRedirect)
			case 2:
				w.WriteHeader(http.StatusInternalServerError)
			case 3:
				panic(http.ErrAbortHandler)
			}
		})
		add(t, p, "s1", "a", "b")
		s := send(t, p, c.server.URL, nil)
		for i, want := range []string{"a", "a", "a", "a", "b"} {
			if got := c.told(); got.id != want {
				t.Errorf("post %d is %s, want %s", i+1, got.id, want)
			}
		}
		s.close(t)
		c.quiet()
		elsewhere.quiet()
		if n := waiting(t, d); n != 0 {
			t.Errorf("%d wait", n)
		}
	})
}

func TestNoAnswerInTime(t *testing.T) {
	queue(t, func(t *testing.T, _ *storetest.Database, p *store.Primary) {
		c := newCustomer(t, nil)
		c.answer = func(_ http.ResponseWriter, r *http.Request, n int) {
			if n == 1 {
				c.landed("s1")
				<-r.Context().Done()
			}
		}
		add(t, p, "s1", "a")
		s := send(t, p, c.server.URL, func(o *deliver.Options) { o.Timeout = 100 * time.Millisecond })
		if first, second := c.told(), c.told(); first.id != "a" || second.id != "a" {
			t.Errorf("got %+v, %+v", first, second)
		}
		if reason := s.said(t, "trying again").ContextMap()["reason"]; reason != "it did not answer in time" {
			t.Errorf("reason %q", reason)
		}
	})
}

// One that is never taken lets the others pass and is given up.
func TestGivenUp(t *testing.T) {
	queue(t, func(t *testing.T, d *storetest.Database, p *store.Primary) {
		c := newCustomer(t, nil)
		c.answer = func(w http.ResponseWriter, r *http.Request, _ int) {
			if r.Header.Get("Webhook-Id") == "bad" {
				w.WriteHeader(http.StatusBadRequest)
			}
		}
		add(t, p, "s1", "bad", "good")
		s := send(t, p, c.server.URL, nil)
		counts := map[string]int{}
		for range len(soon) + 2 {
			counts[c.told().id]++
		}
		if counts["bad"] != len(soon)+1 || counts["good"] != 1 {
			t.Errorf("got %v", counts)
		}
		entry := s.said(t, "were given up").ContextMap()
		if entry["session_id"] != "s1" || entry["attempts"] != int64(4) || entry["reason"] != "it answered 400" {
			t.Errorf("logged %v", entry)
		}
		s.close(t)
		c.quiet()
		if n := waiting(t, d); n != 0 {
			t.Errorf("%d wait", n)
		}
	})
}

func TestGone(t *testing.T) {
	queue(t, func(t *testing.T, d *storetest.Database, p *store.Primary) {
		c := newCustomer(t, func(w http.ResponseWriter, _ *http.Request, _ int) { w.WriteHeader(http.StatusGone) })
		add(t, p, "s1", "a", "b", "c")
		told := make(chan string, 10)
		s := send(t, p, c.server.URL, func(o *deliver.Options) {
			o.Gone = func(_ context.Context, session, url string) { told <- session + " " + url }
		})
		c.told()
		s.said(t, "were dropped")
		s.close(t)
		c.quiet()
		if got := <-told; got != "s1 "+c.server.URL || len(told) != 0 {
			t.Errorf("got %q", got)
		}
		if n := waiting(t, d); n != 0 {
			t.Errorf("%d wait", n)
		}
	})
}

func TestTargets(t *testing.T) {
	queue(t, func(t *testing.T, d *storetest.Database, p *store.Primary) {
		c := newCustomer(t, nil)
		add(t, p, "none", "a", "b")
		add(t, p, "unknown", "a")
		add(t, p, "unsigned", "a")
		add(t, p, "s1", "a")
		s := send(t, p, "", func(o *deliver.Options) {
			o.Target = func(_ context.Context, session string) (string, string, error) {
				switch session {
				case "none":
					return "", "", nil
				case "unknown":
					return "", "", errors.New("the secrets cannot be decrypted")
				case "unsigned":
					return c.server.URL, "whsec_none", nil
				}
				return c.server.URL, secret, nil
			}
		})
		if got := c.told(); got.session != "s1" {
			t.Errorf("got %+v", got)
		}
		s.said(t, "were dropped")
		s.said(t, "cannot be found out")
		s.close(t)
		c.quiet()
		for session, want := range map[string]int{"none": 0, "unknown": 1, "unsigned": 1, "s1": 0} {
			if n := d.Count(t, d.Own("deliveries"), "done_at IS NULL AND attempts = 0 AND session_id = $1", session); n != want {
				t.Errorf("%s: %d wait, want %d", session, n, want)
			}
		}
	})
}

// A customer's URL does not lead into the operator's network.
func TestGuard(t *testing.T) {
	queue(t, func(t *testing.T, _ *storetest.Database, p *store.Primary) {
		c := newCustomer(t, nil)
		port := c.server.URL[strings.LastIndexByte(c.server.URL, ':'):]
		for i, host := range []string{"127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "[::1]", "169.254.169.254", "10.0.0.1"} {
			session := fmt.Sprint("s", i)
			add(t, p, session, "a")
			s := send(t, p, "http://"+host+port+"/?key=private", func(o *deliver.Options) {
				o.Transport, o.Retries = media.GuardedTransport(nil), []time.Duration{}
			})
			entry := s.said(t, "were given up").ContextMap()
			if entry["session_id"] != session || entry["reason"] != "it leads to an address that is not public" {
				t.Errorf("%s: logged %v", host, entry)
			}
			s.close(t)
			for _, line := range s.logs.All() {
				if strings.Contains(fmt.Sprint(line.ContextMap()), "private") {
					t.Errorf("the URL is in the log: %+v", line)
				}
			}
		}
		c.quiet()
	})
}

// Two gateways never post the same, keep each session's order and post one at a time.
func TestTwoSenders(t *testing.T) {
	queues(t, func(t *testing.T, d *storetest.Database, p *store.Primary) {
		c := newCustomer(t, nil)
		const sessions, each = 6, 15
		for _, q := range []*store.Primary{p, openQueue(t, d)} {
			send(t, q, c.server.URL, nil)
		}
		var adding sync.WaitGroup
		for s := range sessions {
			adding.Go(func() {
				for i := range each {
					list := []store.Delivery{{
						EventID: fmt.Sprint(i), SessionID: fmt.Sprint("s", s),
						Body: fmt.Appendf(nil, `{"session_id":"s%d"}`, s),
					}}
					if _, err := p.AddDeliveries(t.Context(), list); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		next := map[string]int{}
		for range sessions * each {
			got := c.told()
			if got.id != fmt.Sprint(next[got.session]) {
				t.Errorf("session %s was told %s, want %d", got.session, got.id, next[got.session])
			}
			next[got.session]++
		}
		adding.Wait()
		c.quiet()
	})
}

// forgetful is a queue whose gateway dies before it has written down what it did.
type forgetful struct{ *store.Primary }

func (forgetful) DeliveryDone(context.Context, *store.ClaimedDelivery) error {
	return errors.New("the process was killed")
}

func TestKilledAfterThePost(t *testing.T) {
	queues(t, func(t *testing.T, d *storetest.Database, p *store.Primary) {
		c := newCustomer(t, nil)
		add(t, p, "s1", "a", "b")
		dead := send(t, forgetful{p}, c.server.URL, nil)
		first := c.told()
		dead.close(t)
		s := send(t, p, c.server.URL, nil)
		lapse(t, d)
		second, third := c.told(), c.told()
		if first.id != "a" || second.id != "a" || second.body != first.body || third.id != "b" {
			t.Errorf("got %s, %s, %s", first.id, second.id, third.id)
		}
		s.close(t)
		c.quiet()
	})
}

// Our own end is no failure of the customer's.
func TestClosedDuringThePost(t *testing.T) {
	queues(t, func(t *testing.T, d *storetest.Database, p *store.Primary) {
		begun := make(chan struct{})
		c := newCustomer(t, func(_ http.ResponseWriter, r *http.Request, n int) {
			if n == 1 {
				close(begun)
				<-r.Context().Done()
			}
		})
		add(t, p, "s1", "a")
		s := send(t, p, c.server.URL, nil)
		<-begun
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := s.Close(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		if n := d.Count(t, d.Own("deliveries"), "done_at IS NULL AND attempts = 0"); n != 1 {
			t.Errorf("%d wait without an attempt", n)
		}
		c.told()
		send(t, p, c.server.URL, nil) // waits for no lease
		if got := c.told(); got.id != "a" {
			t.Errorf("got %+v", got)
		}
	})
}

// moody is a database that is away now and then.
type moody struct {
	*store.Primary
	claims, notes atomic.Int64
}

func (m *moody) ClaimDeliveries(ctx context.Context, n int, lease time.Duration) ([]store.ClaimedDelivery, error) {
	if m.claims.Add(1) == 1 {
		return nil, fmt.Errorf("claim: %w", store.ErrUnavailable)
	}
	return m.Primary.ClaimDeliveries(ctx, n, lease)
}

func (m *moody) DeliveryDone(ctx context.Context, c *store.ClaimedDelivery) error {
	if m.notes.Add(1) == 1 {
		return fmt.Errorf("done: %w", store.ErrUnavailable)
	}
	return m.Primary.DeliveryDone(ctx, c)
}

func TestDatabaseAway(t *testing.T) {
	queue(t, func(t *testing.T, d *storetest.Database, p *store.Primary) {
		c := newCustomer(t, nil)
		add(t, p, "s1", "a")
		s := send(t, &moody{Primary: p}, c.server.URL, nil)
		s.said(t, "wait for the database")
		c.told()
		s.said(t, "are posted again")
		s.close(t)
		c.quiet()
		if n := waiting(t, d); n != 0 {
			t.Errorf("%d wait", n)
		}
	})
}

func TestCloseWithoutStart(t *testing.T) {
	t.Parallel()
	s := deliver.New(deliver.Options{Transport: media.GuardedTransport(nil)})
	s.Poke()
	for range 2 {
		if err := s.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
}
