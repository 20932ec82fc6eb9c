package crashtest

import (
	"context"
	"database/sql"
	"io"
	"math/rand/v2"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/genfity/wa-gateway/crashtest/told"
)

const resetKills = 12

// Statistics that the admin starts again from zero while events arrive, by a gateway
// that is killed at any moment: what began after the reset counts, what began before
// does not, however late it is told, and a reset that was acknowledged has happened.
func TestReset(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, d *database) {
		w := newWorld(t, d)
		w.load.breaks, w.load.refusesSends = true, true
		w.load.age, w.load.second = 0, time.Millisecond
		w.ready()
		resets := newResetBook(w.users)
		w.load.start()
		stop := make(chan struct{})
		var resetting sync.WaitGroup
		resetting.Go(func() { w.resetAgain(resets, chance(t), stop) })
		r := chance(t)
		for i := range rounds(t, resetKills) {
			time.Sleep(between(r, 200*time.Millisecond, 900*time.Millisecond))
			w.gateway.lives()
			w.gateway.kill()
			if i%4 == 3 {
				w.gateway.verify("after a kill")
			}
			w.gateway.start()
		}
		time.Sleep(time.Second)
		close(stop)
		resetting.Wait()
		time.Sleep(2 * time.Second) // some that count
		w.reset = w.resetTimes(resets)
		w.settle()
		w.busy(1000)
		if n := resets.count(); n < 5 {
			t.Errorf("only %d resets were acknowledged", n)
		}
		counted, err := w.totals()
		if err != nil {
			t.Fatal(err)
		}
		for _, u := range w.users {
			for _, session := range u.sessions {
				if c := counted[told.Owner{User: u.id, Session: session}]; c.Sent+c.Failed == 0 {
					t.Errorf("nothing of %s counts", session)
				}
			}
		}
	})
}

// resetBook keeps book of the resets of each session, by itself or with its user.
type resetBook struct {
	mu     sync.Mutex
	resets map[told.Owner]*resets
	acked  int
}

type resets struct {
	// asked is when the last one was asked for that was acknowledged: the statistics
	// do not start earlier. ended is when the last one, acknowledged or not, was over.
	asked, ended time.Time
}

func newResetBook(users []user) *resetBook {
	b := &resetBook{resets: map[told.Owner]*resets{}}
	for _, u := range users {
		for _, session := range u.sessions {
			b.resets[told.Owner{User: u.id, Session: session}] = new(resets)
		}
	}
	return b
}

func (b *resetBook) note(owners []told.Owner, asked, ended time.Time, acknowledged bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, o := range owners {
		if b.resets[o].ended = ended; acknowledged {
			b.resets[o].asked = asked
		}
	}
	if acknowledged {
		b.acked++
	}
}

func (b *resetBook) count() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.acked
}

// resetAgain resets users and sessions, one after another.
func (w *world) resetAgain(b *resetBook, r *rand.Rand, stop <-chan struct{}) {
	for {
		select {
		case <-stop:
			return
		case <-time.After(between(r, 50*time.Millisecond, 300*time.Millisecond)):
		}
		u := w.users[r.IntN(len(w.users))]
		path, owners := "user/"+u.id, []told.Owner{{User: u.id, Session: u.sessions[0]}, {User: u.id, Session: u.sessions[1]}}
		if r.IntN(2) == 0 {
			n := r.IntN(len(u.sessions))
			path, owners = "session/"+u.id+"/"+u.sessions[n], owners[n:n+1]
		}
		asked := time.Now()
		acknowledged, err := w.askReset(path)
		ended := time.Now()
		if err != nil {
			// The database may still be at it, though nobody waits for it.
			ended = ended.Add(time.Second)
		}
		b.note(owners, asked, ended, acknowledged)
	}
}

// askReset returns an error when there was no answer.
func (w *world) askReset(path string) (acknowledged bool, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodDelete, "http://"+w.gateway.addr()+"/events/admin/stats/"+path, nil)
	if err != nil {
		return false, err
	}
	req.Header.Set("Authorization", "Bearer "+adminToken)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return false, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return false, err
	}
	if res.StatusCode != http.StatusOK && res.StatusCode != http.StatusServiceUnavailable {
		w.load.problems.add("a reset was answered %d: %s", res.StatusCode, body)
	}
	return res.StatusCode == http.StatusOK, nil
}

// resetTimes are those from which the statistics count, as the database has them, if
// they can be right.
func (w *world) resetTimes(b *resetBook) func(told.Owner) (at, done time.Time) {
	w.Helper()
	found := map[told.Owner]time.Time{}
	err := w.db.look(func(db *sql.DB) error {
		rows, err := db.Query(`SELECT s.user_id, s.session_id, s.reset_at, u.reset_at FROM ` + w.db.own("session_stats") +
			` s LEFT JOIN ` + w.db.own("user_stats") + ` u ON u.user_id = s.user_id`)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var o told.Owner
			var session, user moment
			if err := rows.Scan(&o.User, &o.Session, &session, &user); err != nil {
				return err
			}
			found[o] = session.Time
			if user.After(session.Time) {
				found[o] = user.Time
			}
		}
		return rows.Err()
	})
	if err != nil {
		w.Fatal(err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for o, r := range b.resets {
		if at := found[o]; at.Before(r.asked.Truncate(time.Microsecond)) || at.After(r.ended) {
			w.Errorf("%v was reset at %v, but that was asked for at %v and over at %v", o, at, r.asked, r.ended)
		}
	}
	return func(o told.Owner) (at, done time.Time) { return found[o], b.resets[o].ended }
}
