package store_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/genfity/wa-gateway/stats"
	"github.com/genfity/wa-gateway/store"
	"github.com/genfity/wa-gateway/store/storetest"
)

// concurrentKinds are those on which it is worth while: one file, one server.
var concurrentKinds = []storetest.Kind{storetest.SQLite, storetest.PostgresSnake, storetest.PostgresPrisma}

// TestManyForOneSession: everybody posts for one session at once, from two nodes,
// also those who are the first to name it. Nothing is lost or counted twice.
func TestManyForOneSession(t *testing.T) {
	t.Parallel()
	for _, kind := range concurrentKinds {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			d := storetest.New(t, kind)
			nodes := []*store.Transactional{migrated(t, d), migrated(t, d)}
			addUser(t, nodes[0], "u")
			addSession(t, nodes[0], "u", "hot")
			addForeign(t, d, "u", "hot", 1000, 0)

			const posters, posts, size = 12, 8, 10
			var wg sync.WaitGroup
			for p := range posters {
				wg.Go(func() {
					for i := range posts {
						batch := make([]stats.Event, size)
						for j := range batch {
							// Each message is told by two posters, by one of them as delivered.
							status := []stats.Status{stats.Sent, stats.Delivered}[p%2]
							batch[j] = told("u", "hot", fmt.Sprint(p/2, "/", i, "/", j), status, float64(i))
						}
						rand.Shuffle(size, func(i, j int) { batch[i], batch[j] = batch[j], batch[i] })
						if _, err := nodes[p%2].Record(t.Context(), batch); err != nil {
							t.Error(err)
						}
					}
				})
			}
			wg.Wait()
			const messages = posters / 2 * posts * size
			got, err := nodes[0].SessionTotals(t.Context(), "u", "hot")
			must(t, err)
			if got.Sent != 1000+messages || got.Delivered != messages || got.LastSentAt != after(posts-1) {
				t.Errorf("got %+v, want %d sent and %d delivered", got, 1000+messages, messages)
			}
			wantForeign(t, d, "u", "hot", 1000+messages, 0, after(posts-1), time.Time{})
		})
	}
}

// TestNoDeadlocks: batches over the same sessions in any order, resets of users
// and sessions, sessions that come and go, and another application writing to its
// own table, all at once. Every call succeeds, and in the end the counters are
// what the ledger says.
func TestNoDeadlocks(t *testing.T) {
	t.Parallel()
	for _, kind := range concurrentKinds {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			d := storetest.New(t, kind)
			nodes := []*store.Transactional{migrated(t, d), migrated(t, d)}
			users, sessions := []string{"u", "v", "w"}, []string{"1", "2", "3", "4"}
			for _, user := range users {
				addUser(t, nodes[0], user)
				for _, session := range sessions {
					addSession(t, nodes[0], user, user+session)
				}
			}
			anyUser := func() string { return users[rand.IntN(len(users))] }
			anySession := func(user string) string { return user + sessions[rand.IntN(len(sessions))] }

			var wg sync.WaitGroup
			run := func(n int, f func(node *store.Transactional, i int) error) {
				wg.Go(func() {
					for i := range n {
						if err := f(nodes[rand.IntN(2)], i); err != nil {
							t.Error(err)
							return
						}
					}
				})
			}
			for range 6 {
				run(15, func(node *store.Transactional, i int) error {
					batch := make([]stats.Event, 1+rand.IntN(40))
					for j := range batch {
						user := anyUser()
						status := []stats.Status{stats.Sent, stats.Failed, stats.Delivered}[rand.IntN(3)]
						batch[j] = told(user, anySession(user), fmt.Sprint(rand.IntN(50)), status, float64(i))
					}
					_, err := node.Record(t.Context(), batch)
					return err
				})
			}
			run(10, func(node *store.Transactional, i int) error {
				return node.ResetUser(t.Context(), anyUser(), after(float64(i)))
			})
			run(10, func(node *store.Transactional, i int) error {
				user := anyUser()
				return node.ResetSession(t.Context(), user, anySession(user), after(float64(i)))
			})
			run(15, func(node *store.Transactional, _ int) error {
				session := anySession("u")
				if err := node.RemoveSession(t.Context(), "u", session); err != nil {
					return err
				}
				return node.AddSession(t.Context(), &store.Session{SessionID: session, UserID: ptr("u")})
			})
			run(5, func(node *store.Transactional, _ int) error { return second(node.AdoptStatistics(t.Context())) })
			run(20, func(node *store.Transactional, _ int) error {
				// It has no patience of its own when the file is busy. And it locks the
				// rows of a user in whatever order it meets them, so that PostgreSQL may
				// have to choose between it and a batch: it does what we do, and tries
				// again.
				for {
					_, err := d.SQL.ExecContext(t.Context(), d.Spell(`UPDATE {whats_app_message_stats} SET {whats_app_message_stats.updated_at} = $1
						WHERE {whats_app_message_stats.user_id} = $2`), after(0).Format("2006-01-02 15:04:05"), anyUser())
					if err == nil || !strings.Contains(err.Error(), "database is locked") && !strings.Contains(err.Error(), "40P01") {
						return err
					}
				}
			})
			wg.Wait()
			recount(t, d)
		})
	}
}

// recount compares the counters with what the ledger's rows and the rollups say.
func recount(t *testing.T, d *storetest.Database) {
	t.Helper()
	var wrong int
	d.Query(t, `SELECT count(*) FROM `+d.Own("session_stats")+` s WHERE
		s.sent <> (SELECT count(*) FROM `+d.Own("message_ledger")+` m WHERE m.stats_id = s.id AND m.epoch = s.epoch AND m.outcome = 1)
		OR s.failed <> (SELECT count(*) FROM `+d.Own("message_ledger")+` m WHERE m.stats_id = s.id AND m.epoch = s.epoch AND m.outcome = 2)
		OR s.delivered <> (SELECT count(*) FROM `+d.Own("message_ledger")+` m WHERE m.stats_id = s.id AND m.epoch = s.epoch AND m.outcome = 1
			AND (m.delivered_at IS NOT NULL OR m.read_at IS NOT NULL))
		OR s.last_sent_at IS DISTINCT FROM (SELECT max(at) FROM `+d.Own("message_ledger")+` m WHERE m.stats_id = s.id AND m.epoch = s.epoch AND m.outcome = 1)
		OR s.last_failed_at IS DISTINCT FROM (SELECT max(at) FROM `+d.Own("message_ledger")+` m WHERE m.stats_id = s.id AND m.epoch = s.epoch AND m.outcome = 2)`,
		nil, &wrong)
	if wrong != 0 {
		t.Errorf("%d rows of counters are not what the ledger says", wrong)
	}
	rolled := func(column string) string {
		return `s.` + column + ` <> (SELECT coalesce(sum(r.` + column + `), 0) FROM ` + d.Own("stats_rollups") + ` r WHERE r.stats_id = s.id)`
	}
	d.Query(t, `SELECT count(*) FROM `+d.Own("session_stats")+` s WHERE `+rolled("sent")+` OR `+rolled("failed")+` OR `+rolled("delivered")+` OR `+rolled("read"),
		nil, &wrong)
	if wrong != 0 {
		t.Errorf("%d rows of counters are not what the rollups say", wrong)
	}
	d.Query(t, `SELECT count(*) FROM `+d.Own("stats_rollups")+` WHERE sent < 0 OR failed < 0 OR delivered < 0 OR read < 0`, nil, &wrong)
	if wrong != 0 {
		t.Errorf("%d rollups are below zero", wrong)
	}
}
