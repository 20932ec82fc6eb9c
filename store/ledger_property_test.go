package store_test

import (
	"errors"
	"fmt"
	"maps"
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

// model is contract §8 in the plainest form: all events ever told, and the
// resets. It knows neither folds nor increments.
type model struct {
	messages map[modelKey]*modelMessage
	resets   map[modelOwner]time.Time // the latest of a user (session "") or session
}

type modelOwner struct{ user, session string }

type modelKey struct {
	modelOwner
	id string
}

type modelMessage struct {
	events []stats.Event
	before bool // known at a reset
}

func newModel() *model {
	return &model{messages: map[modelKey]*modelMessage{}, resets: map[modelOwner]time.Time{}}
}

func (m *model) tell(e stats.Event) {
	key := modelKey{modelOwner{e.UserID, e.SessionID}, e.MessageID}
	if m.messages[key] == nil {
		m.messages[key] = &modelMessage{}
	}
	m.messages[key].events = append(m.messages[key].events, e)
}

// reset of a session, or with session "" of all of a user's.
func (m *model) reset(user, session string, at time.Time) {
	owner := modelOwner{user, session}
	if at.After(m.resets[owner]) {
		m.resets[owner] = at
	}
	for key, message := range m.messages {
		if key.user == user && (session == "" || key.session == session) {
			message.before = true
		}
	}
}

// counted are the messages of a session that count.
func (m *model) counted(user, session string) (list []*modelMessage) {
	for key, message := range m.messages {
		if key.modelOwner != (modelOwner{user, session}) || message.before {
			continue
		}
		old := false // "messages from before the reset"
		for _, e := range message.events {
			old = old || !began(e).After(m.resets[modelOwner{user, ""}]) || !began(e).After(m.resets[modelOwner{user, session}])
		}
		if !old {
			list = append(list, message)
		}
	}
	return list
}

// totals of a session: "what is counted depends only on the set of events".
func (m *model) totals(user, session string) (t stats.Totals) {
	for _, message := range m.counted(user, session) {
		t = t.Add(message.totals())
	}
	return t
}

// modelSlot is a quarter hour and a type.
type modelSlot struct {
	start time.Time
	kind  string
}

// slots of a session: its messages by when the first thing told of them happened
// and by the greatest type told.
func (m *model) slots(user, session string) map[modelSlot]stats.Counts {
	slots := map[modelSlot]stats.Counts{}
	for _, message := range m.counted(user, session) {
		first, kind := began(message.events[0]), ""
		for _, e := range message.events {
			if began(e).Before(first) {
				first = began(e)
			}
			kind = max(kind, e.Type)
		}
		slot := modelSlot{first.Truncate(15 * time.Minute), kind}
		slots[slot] = slots[slot].Add(message.totals().Counts)
	}
	return slots
}

// began is when an event says that its message began: one that tells a whole second,
// at any moment of it.
func began(e stats.Event) time.Time {
	if !e.FirstAt.IsZero() {
		return e.FirstAt
	}
	if e.At.Equal(e.At.Truncate(time.Second)) {
		return e.At.Add(999_999 * time.Microsecond)
	}
	return e.At
}

func (m *modelMessage) times(status stats.Status) []time.Time {
	var times []time.Time
	for _, e := range m.events {
		if e.Status == status {
			times = append(times, e.At)
		}
	}
	slices.SortFunc(times, time.Time.Compare)
	return times
}

func (m *modelMessage) totals() stats.Totals {
	sent, failed := m.times(stats.Sent), m.times(stats.Failed)
	delivered, read := m.times(stats.Delivered), m.times(stats.Read)
	arrived := slices.SortedFunc(slices.Values(append(slices.Clone(delivered), read...)), time.Time.Compare)
	if len(failed) > 0 && len(arrived) == 0 && (len(sent) == 0 || !sent[len(sent)-1].After(failed[len(failed)-1])) {
		return stats.Totals{Counts: stats.Counts{Failed: 1}, LastFailedAt: failed[len(failed)-1]}
	}
	t := stats.Totals{Counts: stats.Counts{Sent: 1}}
	if len(arrived) > 0 {
		t.Delivered = 1
		t.LastSentAt = arrived[0]
	}
	if len(read) > 0 {
		t.Read = 1
	}
	if len(sent) > 0 {
		t.LastSentAt = sent[len(sent)-1]
	}
	return t
}

// TestStatisticsEqualThePlainModel: random events, shuffled, told several times,
// split over batches, over two nodes on one database and over calls side by side,
// with resets in between, and statistics that were there before. The counters are
// compared, the rollups, and the sum of these with those.
func TestStatisticsEqualThePlainModel(t *testing.T) {
	t.Parallel()
	for _, kind := range []storetest.Kind{storetest.SQLite, storetest.PostgresSnake, storetest.PostgresPrisma} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			d := storetest.New(t, kind)
			nodes := []*store.Transactional{migrated(t, d), migrated(t, d)}
			round := 0
			rapid.Check(t, func(rt *rapid.T) {
				round++
				checkAgainstModel(t, rt, d, nodes, round)
			})
		})
	}
}

var genStatus = rapid.SampledFrom([]stats.Status{stats.Sent, stats.Failed, stats.Delivered, stats.Read})

func checkAgainstModel(t *testing.T, rt *rapid.T, d *storetest.Database, nodes []*store.Transactional, round int) {
	users := []string{fmt.Sprint("u", round), fmt.Sprint("v", round)}
	sessions := map[string][]string{
		users[0]: {fmt.Sprint("a", round), fmt.Sprint("b", round)},
		users[1]: {fmt.Sprint("c", round)},
	}
	base := map[modelOwner]stats.Totals{}
	for _, user := range users {
		addUser(t, nodes[0], user)
		for _, session := range sessions[user] {
			addSession(t, nodes[0], user, session)
			if rapid.Bool().Draw(rt, "has foreign statistics") {
				addForeign(t, d, user, session, 10, 5)
				base[modelOwner{user, session}] = totals(10, 5, 0, 0, after(-120), time.Time{})
			}
		}
	}
	genEvent := rapid.Custom(func(rt *rapid.T) stats.Event {
		user := rapid.SampledFrom(users).Draw(rt, "user")
		e := stats.Event{
			UserID: user, SessionID: rapid.SampledFrom(sessions[user]).Draw(rt, "session"),
			MessageID: rapid.SampledFrom([]string{"1", "2", "3", "4"}).Draw(rt, "message"),
			Status:    genStatus.Draw(rt, "status"),
			At:        noon.Add(time.Duration(rapid.IntRange(1, 12).Draw(rt, "at")) * 250 * time.Microsecond),
			Error:     rapid.SampledFrom([]string{"", "x"}).Draw(rt, "error"),
			Type:      rapid.SampledFrom([]string{"", "image", "text"}).Draw(rt, "type"),
		}
		if rapid.Bool().Draw(rt, "tells whole seconds") {
			e.At = e.At.Truncate(time.Second)
		}
		if rapid.Bool().Draw(rt, "knows when it began") {
			slot := rapid.SampledFrom([]int{0, 0, 0, -1, 1, 2, 96}).Draw(rt, "slot")
			e.FirstAt = noon.Add(time.Duration(slot)*stats.Slot + time.Duration(rapid.IntRange(-1, 12).Draw(rt, "first at"))*250*time.Microsecond)
		}
		return e
	})

	plain := newModel()
	for range rapid.IntRange(1, 3).Draw(rt, "resets") {
		events := rapid.SliceOfN(genEvent, 0, 20).Draw(rt, "events")
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "seed"), 0))
		tellNodes(t, r, nodes, events)
		for _, e := range events {
			plain.tell(e)
		}
		compare(rt, d, nodes, plain, base, sessions)

		user := rapid.SampledFrom(users).Draw(rt, "reset user")
		session := rapid.SampledFrom(append([]string{""}, sessions[user]...)).Draw(rt, "reset session")
		at := noon.Add(time.Duration(rapid.IntRange(0, 10).Draw(rt, "reset at")) * 250 * time.Microsecond)
		node := nodes[r.IntN(2)]
		if session == "" {
			must(t, node.ResetUser(t.Context(), user, at))
		} else {
			must(t, node.ResetSession(t.Context(), user, session, at))
		}
		plain.reset(user, session, at)
		for owner := range base {
			if owner.user == user && (session == "" || owner.session == session) {
				delete(base, owner)
			}
		}
		compare(rt, d, nodes, plain, base, sessions)
	}
}

// tellNodes tells each event once to three times, in any order, in batches of
// any size, to either node, partly at the same time.
func tellNodes(t *testing.T, r *rand.Rand, nodes []*store.Transactional, events []stats.Event) {
	var all []stats.Event
	for _, e := range events {
		for range 1 + r.IntN(3) {
			all = append(all, e)
		}
	}
	r.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	var wg sync.WaitGroup
	for len(all) > 0 {
		n := 1 + r.IntN(len(all))
		batch, node := all[:n], nodes[r.IntN(2)]
		all = all[n:]
		tell := func() {
			results, err := node.Record(t.Context(), batch)
			if err != nil {
				t.Error(err)
			}
			for _, result := range results {
				if result.Err != nil || result.Recorded == result.Duplicate {
					t.Errorf("got %+v", result)
				}
			}
		}
		if r.IntN(2) == 0 {
			tell()
		} else {
			wg.Go(tell)
		}
	}
	wg.Wait()
}

func compare(rt *rapid.T, d *storetest.Database, nodes []*store.Transactional, plain *model, base map[modelOwner]stats.Totals, sessions map[string][]string) {
	for i, user := range slices.Sorted(maps.Keys(sessions)) {
		_, got, err := nodes[i%2].UserTotals(rt.Context(), user)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			rt.Fatal(err)
		}
		bySession := map[string]stats.Totals{}
		for _, s := range got {
			bySession[s.SessionID] = s.Totals
		}
		for _, session := range sessions[user] {
			want := plain.totals(user, session).Add(base[modelOwner{user, session}])
			if bySession[session] != want {
				rt.Fatalf("session %s:\n got %+v\nwant %+v", session, bySession[session], want)
			}
			compareForeign(rt, d, user, session, want)
			compareSlots(rt, nodes[i%2], user, session, plain, want.Counts.Sub(base[modelOwner{user, session}].Counts))
		}
	}
}

func compareSlots(rt *rapid.T, node *store.Transactional, user, session string, plain *model, sum stats.Counts) {
	slots, err := node.Slots(rt.Context(), store.SlotQuery{UserID: user, SessionID: session})
	if err != nil {
		rt.Fatal(err)
	}
	got := map[modelSlot]stats.Counts{}
	for _, s := range slots {
		got[modelSlot{s.Start, s.Type}] = s.Counts
		sum = sum.Sub(s.Counts)
	}
	if want := plain.slots(user, session); !maps.Equal(got, want) {
		rt.Fatalf("slots of %s:\n got %+v\nwant %+v", session, got, want)
	}
	if !sum.IsZero() {
		rt.Fatalf("the rollups of %s lack %+v of its counters", session, sum)
	}
}

func compareForeign(rt *rapid.T, d *storetest.Database, user, session string, want stats.Totals) {
	var got foreignRow
	rows, err := d.SQL.QueryContext(rt.Context(), d.Spell(`SELECT {whats_app_message_stats.total_messages_sent}, {whats_app_message_stats.total_messages_failed},
		{whats_app_message_stats.last_message_sent_at}, {whats_app_message_stats.last_message_failed_at}
		FROM {whats_app_message_stats} WHERE {whats_app_message_stats.user_id} = $1 AND {whats_app_message_stats.session_id} = $2`), user, session)
	if err != nil {
		rt.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		if err := rows.Scan(&got.sent, &got.failed, &got.lastSent, &got.lastFailed); err != nil {
			rt.Fatal(err)
		}
	}
	if err := rows.Err(); err != nil {
		rt.Fatal(err)
	}
	if got.sent != want.Sent || got.failed != want.Failed || !got.lastSent.Equal(store.UTC(want.LastSentAt).Time) || !got.lastFailed.Equal(store.UTC(want.LastFailedAt).Time) {
		rt.Fatalf("foreign row of %s:\n got %+v\nwant %+v", session, got, want)
	}
}
