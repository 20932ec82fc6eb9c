package store_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/genfity/wa-gateway/stats"
	"github.com/genfity/wa-gateway/store"
	"github.com/genfity/wa-gateway/store/storetest"
	"pgregory.net/rapid"
)

// agedModel is the plain model of a ledger that forgets: what leaves it is added
// up, and a reset starts that again from zero, too.
type agedModel struct {
	*model
	archived map[modelOwner]stats.Totals
}

// old says whether everything that was told of a message is from before a time.
func (m *modelMessage) old(before time.Time) bool {
	for _, e := range m.events {
		if !e.At.Before(before) {
			return false
		}
	}
	return slices.ContainsFunc(m.events, func(e stats.Event) bool { return began(e).Before(before) })
}

func (m *agedModel) purge(before time.Time) {
	for key, message := range m.messages {
		if !message.old(before) {
			continue
		}
		for _, counted := range m.counted(key.user, key.session) {
			if counted == message {
				m.archived[key.modelOwner] = m.archived[key.modelOwner].Add(message.totals())
			}
		}
		delete(m.messages, key)
	}
}

func (m *agedModel) reset(user, session string, at time.Time) {
	m.model.reset(user, session, at)
	for owner := range m.archived {
		if owner.user == user && (session == "" || owner.session == session) {
			delete(m.archived, owner)
		}
	}
}

// TestCountersOutliveTheLedger: random events, resets, purges and compactions, at
// any time and beside each other on two nodes. Counters are what all events say,
// whatever has left, and a recount finds no difference.
func TestCountersOutliveTheLedger(t *testing.T) {
	t.Parallel()
	for _, kind := range []storetest.Kind{storetest.SQLite, storetest.PostgresSnake} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			d := storetest.New(t, kind)
			nodes := []*store.Transactional{migrated(t, d), migrated(t, d)}
			if !d.Postgres() {
				nodes[1] = nodes[0] // two processes on a file wait for each other most of the time
			}
			round := 0
			rapid.Check(t, func(rt *rapid.T) {
				round++
				checkAgainstAgedModel(t, rt, d, nodes, round)
			})
		})
	}
}

func checkAgainstAgedModel(t *testing.T, rt *rapid.T, d *storetest.Database, nodes []*store.Transactional, round int) {
	user := fmt.Sprint("u", round)
	sessions := []string{fmt.Sprint("a", round), fmt.Sprint("b", round)}
	addUser(t, nodes[0], user)
	for _, session := range sessions {
		addSession(t, nodes[0], user, session)
	}
	base := map[modelOwner]stats.Totals{}
	if rapid.Bool().Draw(rt, "has foreign statistics") {
		addForeign(t, d, user, sessions[0], 10, 5)
		base[modelOwner{user, sessions[0]}] = totals(10, 5, 0, 0, after(-120), time.Time{})
	}
	const hour = 3600.0
	limit := after(0) // nothing older is told any more
	genEvent := rapid.Custom(func(rt *rapid.T) stats.Event {
		e := told(user, rapid.SampledFrom(sessions).Draw(rt, "session"), rapid.SampledFrom([]string{"1", "2", "3", "4", "5", "6"}).Draw(rt, "message"),
			genStatus.Draw(rt, "status"), float64(rapid.IntRange(1, 24).Draw(rt, "at"))*3*hour)
		e.Type = rapid.SampledFrom([]string{"", "text"}).Draw(rt, "type")
		if rapid.Bool().Draw(rt, "knows when it began") {
			e.FirstAt = e.At.Add(-time.Duration(rapid.IntRange(0, 20).Draw(rt, "hours before")) * time.Hour)
		}
		return e
	})

	plain := &agedModel{newModel(), map[modelOwner]stats.Totals{}}
	compare := func() {
		rt.Helper()
		for i, session := range sessions {
			owner := modelOwner{user, session}
			want := plain.totals(user, session).Add(plain.archived[owner]).Add(base[owner])
			got, err := nodes[i].SessionTotals(t.Context(), user, session)
			if err == nil && got != want || err != nil && want != (stats.Totals{}) {
				rt.Fatalf("session %s: %v\n got %+v\nwant %+v", session, err, got, want)
			}
		}
		_, err := nodes[0].Verify(t.Context(), store.VerifyOptions{UserID: user}, func(d store.Difference) error {
			rt.Fatalf("difference: %+v", d)
			return nil
		})
		must(t, err)
		if n := d.Count(t, d.Own("message_ledger"), "stats_id IN (SELECT id FROM "+d.Own("session_stats")+" WHERE user_id = $1)", user); n != len(plain.messages) {
			rt.Fatalf("%d messages in the ledger, want %d", n, len(plain.messages))
		}
	}
	for range rapid.IntRange(1, 3).Draw(rt, "steps") {
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "seed"), 0))
		before := after(float64(rapid.IntRange(0, 90).Draw(rt, "purge before")) * hour)
		if before.Before(limit) {
			before = limit
		}
		// Beside the purge only what KeepLedger would let through is told, and
		// nothing of messages that may be leaving.
		var first, beside []stats.Event
		for _, e := range rapid.SliceOfN(genEvent, 0, 20).Draw(rt, "events") {
			if !began(e).Before(limit) {
				first = append(first, e)
				plain.tell(e)
			}
		}
		tellNodes(t, r, nodes, first)
		for _, e := range rapid.SliceOfN(genEvent, 0, 10).Draw(rt, "events beside") {
			message := plain.messages[modelKey{modelOwner{user, e.SessionID}, e.MessageID}]
			if !began(e).Before(before) && (message == nil || !message.old(before)) {
				beside = append(beside, e)
			}
		}
		var wg sync.WaitGroup
		for _, node := range slices.Compact(slices.Clone(nodes)) {
			wg.Go(func() {
				if _, err := node.Purge(t.Context(), before, hurried); err != nil {
					t.Error(err)
				}
				if _, err := node.CompactRollups(t.Context(), before, hurried); err != nil {
					t.Error(err)
				}
			})
		}
		tellNodes(t, r, nodes, beside)
		wg.Wait()
		plain.purge(before)
		for _, e := range beside {
			plain.tell(e)
		}
		limit = before
		compare()

		session := rapid.SampledFrom(append([]string{"", "none"}, sessions...)).Draw(rt, "reset session")
		at := after(float64(rapid.IntRange(0, 80).Draw(rt, "reset at")) * hour)
		switch session {
		case "none":
			continue
		case "":
			must(t, nodes[r.IntN(2)].ResetUser(t.Context(), user, at))
		default:
			must(t, nodes[r.IntN(2)].ResetSession(t.Context(), user, session, at))
		}
		plain.reset(user, session, at)
		for owner := range base {
			if session == "" || owner.session == session {
				delete(base, owner)
			}
		}
		compare()
	}
	// The next round need not look through the sessions of this one.
	for _, table := range []string{"message_ledger", "stats_rollups", "session_stats"} {
		d.Exec(t, "DELETE FROM "+d.Own(table))
	}
}
