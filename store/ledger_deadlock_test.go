package store_test

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/genfity/wa-gateway/stats"
	"github.com/genfity/wa-gateway/store"
	"github.com/genfity/wa-gateway/store/storetest"
)

// TestNoTransactionWaitsInACircle: two nodes, batches over many sessions in any
// order and with repetitions, resets and deletions side by side. Nothing fails,
// and PostgreSQL never had to resolve a deadlock: a transaction that is tried
// again would hide it.
func TestNoTransactionWaitsInACircle(t *testing.T) {
	t.Parallel()
	for _, kind := range concurrentKinds {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			d := storetest.New(t, kind)
			var dbs []*store.DB
			var nodes []*store.Transactional
			for range 2 {
				db := openDB(t, d.DSN)
				node := store.NewTransactional(db, "")
				_, err := node.Migrate(t.Context(), store.MigrateOptions{})
				must(t, err)
				dbs, nodes = append(dbs, db), append(nodes, node)
			}
			const users, sessions = 4, 40
			owner := func(session int) string { return fmt.Sprint("u", session%users) }
			for u := range users {
				addUser(t, nodes[0], owner(u))
			}
			for s := range sessions {
				addSession(t, nodes[0], owner(s), fmt.Sprint("s", s))
				if s%3 == 0 { // the others are first seen in the middle of it
					addForeign(t, d, owner(s), fmt.Sprint("s", s), 10, 0)
				}
			}

			var wg sync.WaitGroup
			run := func(n int, f func(node *store.Transactional, i, session int) error) {
				wg.Go(func() {
					for i := range n {
						if err := f(nodes[rand.IntN(2)], i, rand.IntN(sessions)); err != nil {
							t.Error(err)
							return
						}
					}
				})
			}
			for range 6 {
				run(12, func(node *store.Transactional, i, _ int) error {
					batch := make([]stats.Event, 1+rand.IntN(150))
					for j := range batch {
						session := rand.IntN(sessions)
						e := told(owner(session), fmt.Sprint("s", session), fmt.Sprint(rand.IntN(20)), []stats.Status{stats.Sent, stats.Failed, stats.Read}[rand.IntN(3)], float64(i))
						e.Type = []string{"", "text", "image"}[rand.IntN(3)]
						e.FirstAt = after(float64(rand.IntN(5) * 900))
						batch[j] = e
					}
					_, err := node.Record(t.Context(), batch)
					return err
				})
			}
			run(8, func(node *store.Transactional, i, session int) error {
				return node.ResetUser(t.Context(), owner(session), after(float64(i)))
			})
			run(8, func(node *store.Transactional, i, session int) error {
				return node.ResetSession(t.Context(), owner(session), fmt.Sprint("s", session), after(float64(i)))
			})
			run(12, func(node *store.Transactional, _, session int) error {
				if err := node.RemoveSession(t.Context(), owner(session), fmt.Sprint("s", session)); err != nil {
					return err
				}
				return node.AddSession(t.Context(), &store.Session{SessionID: fmt.Sprint("s", session), UserID: ptr(owner(session))})
			})
			wg.Wait()

			recount(t, d)
			wantBehind(t, nodes[0], 0, "")
			if d.Postgres() {
				// Servers count for themselves until their session ends.
				for _, db := range dbs {
					must(t, db.Close())
				}
				wantNoDeadlocks(t, d)
			}
		})
	}
}

func wantNoDeadlocks(t *testing.T, d *storetest.Database) {
	t.Helper()
	for ctx := short(t); ; {
		var others, deadlocks, commits int
		must(t, d.SQL.QueryRowContext(ctx, `SELECT (SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'wa-gateway'),
			deadlocks, xact_commit FROM pg_stat_database WHERE datname = current_database()`).Scan(&others, &deadlocks, &commits))
		if others == 0 {
			if deadlocks != 0 || commits == 0 {
				t.Errorf("%d deadlocks in %d transactions", deadlocks, commits)
			}
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// TestTheOtherApplicationNeverLoses: it locks rows of its table in another order
// than we, and whoever has to step back, it is we.
func TestTheOtherApplicationNeverLoses(t *testing.T) {
	t.Parallel()
	d := storetest.New(t, storetest.PostgresPrisma)
	tr := migrated(t, d)
	addUser(t, tr, "u")
	const touch = `UPDATE {whats_app_message_stats} SET {whats_app_message_stats.updated_at} = now() WHERE {whats_app_message_stats.session_id} = $1`
	// In one of these our order is first, second, third.
	for n, order := range [][3]int{{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}} {
		var sessions [3]string
		var first, second []stats.Event
		for i := range sessions {
			sessions[i] = fmt.Sprint("s", n, i)
			addSession(t, tr, "u", sessions[i])
			first = append(first, told("u", sessions[i], "a", stats.Sent, 1))
			second = append(second, told("u", sessions[i], "b", stats.Sent, 2))
		}
		record(t, tr, first...)
		t.Run(fmt.Sprint(order), func(t *testing.T) {
			t.Parallel()
			ctx := short(t)
			begin := func(session string) (run func(session string) error, commit func() error) {
				tx, err := d.SQL.BeginTx(ctx, nil)
				must(t, err)
				run = func(session string) error {
					_, err := tx.ExecContext(ctx, d.Spell(touch), session)
					return err
				}
				must(t, run(session))
				return run, tx.Commit
			}
			_, passerby := begin(sessions[order[1]])
			update, commit := begin(sessions[order[2]])
			recorded := make(chan error, 1)
			go func() {
				_, err := tr.Record(ctx, second)
				recorded <- err
			}()
			time.Sleep(150 * time.Millisecond) // we hold the first and wait for the second
			updated := make(chan error, 1)
			go func() { updated <- update(sessions[order[0]]) }()
			time.Sleep(100 * time.Millisecond) // the other waits for the first
			must(t, passerby())                // and we for the third
			must(t, <-updated)
			must(t, commit())
			must(t, <-recorded)
			for _, s := range sessions {
				wantForeign(t, d, "u", s, 2, 0, after(2), time.Time{})
			}
		})
	}
}
