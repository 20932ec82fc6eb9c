package caddywagateway

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/genfity/wa-gateway/store"
	"github.com/genfity/wa-gateway/store/storetest"
)

var adminHeader = []string{"Authorization", "Bearer admin-secret"}

// eventOf is an event as WA servers post it. changes are pairs of a member and
// its JSON value; an empty value leaves the member out.
func eventOf(user, session, id, status string, at time.Time, changes ...string) string {
	values := map[string]string{
		"user_id": quote(user), "session_id": quote(session), "message_id": quote(id), "to": `"628123456789"`,
		"status": quote(status), "timestamp": quote(at.UTC().Format(time.RFC3339Nano)), "error": "null",
	}
	for i := 0; i+1 < len(changes); i += 2 {
		values[changes[i]] = changes[i+1]
	}
	var members []string
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if values[name] != "" {
			members = append(members, quote(name)+":"+values[name])
		}
	}
	return "{" + strings.Join(members, ",") + "}"
}

func quote(s string) string {
	text, err := json.Marshal(s)
	if err != nil {
		panic(err)
	}
	return string(text)
}

// addSession gives alice a session of a test's own.
func (s *setup) addSession(t *testing.T, id string) string {
	t.Helper()
	user := alice
	if err := s.db.AddSession(t.Context(), &store.Session{SessionID: id, UserID: &user, Status: "connected"}); err != nil {
		t.Fatal(err)
	}
	return id
}

// TestEvents plays contract §8 through on every kind of database, which is both
// the transactional and the primary one.
func TestEvents(t *testing.T) {
	onEach(t, func(t *testing.T, d *storetest.Database) {
		s := newSetup(t, d, "sqlite://{DIR}/primary.db", d.DSN)
		t.Run("single", s.testSingleEvents)
		t.Run("rejected", s.testRejectedEvents)
		t.Run("batch", s.testBatches)
		t.Run("set semantics", s.testSetSemantics)
		t.Run("shape", s.testStatsShape)
		t.Run("reset", s.testResets)
		t.Run("deleted session", s.testDeletedSessionStats)
		t.Run("mirror", func(t *testing.T) { s.testMirror(t, d) })
		t.Run("webhook", func(t *testing.T) { s.testWebhooks(t, d) })
	})
}

func (s *setup) testSingleEvents(t *testing.T) {
	session := s.addSession(t, "ev-single")
	at := time.Now().Add(-time.Hour)
	for i, c := range []struct {
		body      string
		recorded  bool
		duplicate bool
		want      [4]float64
	}{
		{eventOf(alice, session, "m1", "sent", at), true, false, [4]float64{1, 0, 0, 0}},
		{eventOf(alice, session, "m1", "sent", at), false, true, [4]float64{1, 0, 0, 0}},
		{eventOf(alice, session, "m1", "read", at.Add(2*time.Second)), true, false, [4]float64{1, 0, 1, 1}},
		{eventOf(alice, session, "m1", "failed", at.Add(3*time.Second)), true, false, [4]float64{1, 0, 1, 1}},
		{eventOf(alice, session, "m2", "delivered", at), true, false, [4]float64{2, 0, 2, 1}},
		{eventOf(alice, session, "m3", "failed", at, "error", `"no such number"`), true, false, [4]float64{2, 1, 2, 1}},
		{eventOf(alice, session, "m3", "sent", at), true, false, [4]float64{2, 1, 2, 1}}, // not later
		{eventOf(alice, session, "m3", "sent", at.Add(time.Second)), true, false, [4]float64{3, 0, 2, 1}},
		{eventOf(alice, session, "m4", "sent", at, "to", "", "error", "", "more", `{"a":[1]}`), true, false, [4]float64{4, 0, 2, 1}},
	} {
		res := s.call("POST", "/events/message", c.body, nil)
		res.wantAnswer(t, 200, "Event recorded")
		if res.at("data", "recorded") != c.recorded || res.at("data", "duplicate") != c.duplicate {
			t.Errorf("%d: %s", i, res.text)
		}
		if got := s.sessionTotals(t, session); got != c.want {
			t.Errorf("%d: totals %v, want %v", i, got, c.want)
		}
	}
}

func (s *setup) testRejectedEvents(t *testing.T) {
	now := time.Now()
	good := func(changes ...string) string { return eventOf(alice, aliceSession, "bad", "sent", now, changes...) }
	for name, c := range map[string]struct {
		body   string
		status int
		field  string
	}{
		"no user":              {good("user_id", ""), 400, "user_id"},
		"empty user":           {good("user_id", `""`), 400, "user_id"},
		"number for a session": {good("session_id", "7"), 400, "session_id"},
		"no message id":        {good("message_id", ""), 400, "message_id"},
		"long message id":      {good("message_id", quote(strings.Repeat("x", 256))), 400, "message_id"},
		"control character":    {good("message_id", `"a\u0000"`), 400, "message_id"},
		"wrong recipient":      {good("to", "[]"), 400, "to"},
		"no status":            {good("status", ""), 400, "status"},
		"unknown status":       {good("status", `"queued"`), 400, "status"},
		"no timestamp":         {good("timestamp", ""), 400, "timestamp"},
		"no RFC 3339":          {good("timestamp", `"yesterday"`), 400, "timestamp"},
		"unix time":            {good("timestamp", "1740830401"), 400, "timestamp"},
		"far ahead":            {good("timestamp", quote(now.Add(48*time.Hour).Format(time.RFC3339))), 400, "timestamp"},
		"wrong error":          {good("error", "{}"), 400, "error"},
		"unknown user":         {good("user_id", `"nobody"`), 422, "user_id"},
		"unknown session":      {good("session_id", `"no-session"`), 422, "session_id"},
		"another's session":    {good("session_id", quote(bobSession)), 422, "session_id"},
	} {
		res := s.call("POST", "/events/message", c.body, nil)
		if res.status != c.status || res.at("status") != float64(c.status) || res.at("data", "field") != c.field {
			t.Errorf("%s: %d %s", name, res.status, res.text)
		}
	}
	for name, body := range map[string]string{
		"no JSON": "hello", "cut": good()[:20], "twice": good() + good(), "an array": "[]", "blank": " ",
	} {
		if res := s.call("POST", "/events/message", body, nil); res.status != 400 || res.at("status") != 400.0 {
			t.Errorf("%s: %d %s", name, res.status, res.text)
		}
	}
	s.call("POST", "/events/message", "", nil).wantAnswer(t, 400, "")
	if got := s.sessionTotals(t, aliceSession); got != [4]float64{} {
		t.Errorf("totals %v", got)
	}
}

func (s *setup) testBatches(t *testing.T) {
	session := s.addSession(t, "ev-batch")
	at := time.Now().Add(-time.Minute)
	events := []string{
		0: eventOf(alice, session, "b1", "sent", at),
		1: eventOf(alice, session, "b1", "sent", at),
		2: eventOf(alice, session, "b2", "gone", at),
		3: eventOf(alice, "no-session", "b3", "sent", at),
		4: `"text"`,
		5: eventOf(alice, session, "b4", "failed", at),
		6: eventOf("nobody", session, "b5", "sent", at),
	}
	list := "[" + strings.Join(events, ",") + "]"
	for i, body := range []string{list, `{"source":"wa","events":` + list + `}`} {
		res := s.call("POST", "/events/message/batch", body, nil)
		res.wantAnswer(t, 200, "")
		recorded, duplicates := 2.0, 1.0
		if i > 0 {
			recorded, duplicates = 0, 3
		}
		if res.at("data", "recorded") != recorded || res.at("data", "duplicates") != duplicates {
			t.Errorf("%d: %s", i, res.text)
		}
		rejected, _ := res.at("data", "rejected").([]any)
		var indexes []float64
		for _, r := range rejected {
			m := r.(map[string]any)
			indexes = append(indexes, m["index"].(float64))
			if reason, _ := m["reason"].(string); reason == "" {
				t.Errorf("no reason: %v", m)
			}
		}
		slices.Sort(indexes)
		if !slices.Equal(indexes, []float64{2, 3, 4, 6}) {
			t.Errorf("rejected %s", res.text)
		}
	}
	if got := s.sessionTotals(t, session); got != [4]float64{1, 1, 0, 0} {
		t.Errorf("totals %v", got)
	}
	res := s.call("POST", "/events/message/batch", "[]", nil)
	res.wantAnswer(t, 200, "")
	if rejected, ok := res.at("data", "rejected").([]any); !ok || len(rejected) != 0 {
		t.Errorf("an empty batch: %s", res.text)
	}
	for _, body := range []string{"{}", `{"events":{}}`, `{"events":[],"events":[]}`, `"x"`, "[", list + "x"} {
		s.call("POST", "/events/message/batch", body, nil).wantAnswer(t, 400, "")
	}
}

// told is one event of the plain model.
type told struct {
	message, status string
	at              time.Time
}

// modelTotals counts as contract §8 says it, word by word.
func modelTotals(events []told) (totals [4]float64) {
	messages := make(map[string][]told)
	for _, e := range events {
		messages[e.message] = append(messages[e.message], e)
	}
	for _, events := range messages {
		has := make(map[string]bool)
		last := make(map[string]time.Time)
		for _, e := range events {
			has[e.status] = true
			if e.at.After(last[e.status]) {
				last[e.status] = e.at
			}
		}
		delivered := has["delivered"] || has["read"]
		switch {
		case has["failed"] && !delivered && !last["sent"].After(last["failed"]):
			totals[1]++
		default:
			totals[0]++
			if delivered {
				totals[2]++
			}
			if has["read"] {
				totals[3]++
			}
		}
	}
	return totals
}

// testSetSemantics posts events of many messages shuffled, repeated, singly and
// in batches, by many at once.
func (s *setup) testSetSemantics(t *testing.T) {
	session := s.addSession(t, "ev-set")
	random := rand.New(rand.NewPCG(8, 8))
	start := time.Now().Add(-time.Hour).Truncate(time.Second)
	var events []told
	for i := range 60 {
		for range 1 + random.IntN(5) {
			status := []string{"sent", "failed", "delivered", "read", "sent", "failed"}[random.IntN(6)]
			e := told{fmt.Sprintf("set-%d", i), status, start.Add(time.Duration(random.IntN(5)) * time.Second)}
			for range 1 + random.IntN(3) {
				events = append(events, e)
			}
		}
	}
	random.Shuffle(len(events), func(i, j int) { events[i], events[j] = events[j], events[i] })

	var posts sync.WaitGroup
	size := len(events)/8 + 1
	for part := range slices.Chunk(events, size) {
		posts.Go(func() {
			var batch []string
			for i, e := range part {
				body := eventOf(alice, session, e.message, e.status, e.at)
				if i%3 > 0 {
					batch = append(batch, body)
					continue
				}
				if res, err := s.try("POST", "/events/message", body, nil); err != nil || res.status != 200 {
					t.Errorf("an event: %v %s", err, res.text)
				}
			}
			body := "[" + strings.Join(batch, ",") + "]"
			if res, err := s.try("POST", "/events/message/batch", body, nil); err != nil || res.status != 200 {
				t.Errorf("a batch: %v %s", err, res.text)
			}
		})
	}
	posts.Wait()
	if got, want := s.sessionTotals(t, session), modelTotals(events); got != want {
		t.Errorf("totals %v, the model has %v", got, want)
	}
}

func (s *setup) testStatsShape(t *testing.T) {
	session := s.addSession(t, "ev-shape")
	at := time.Now().UTC().AddDate(0, 0, -30).Truncate(time.Minute).Add(123 * time.Millisecond)
	for i, status := range []string{"sent", "sent", "failed"} {
		body := eventOf(alice, session, fmt.Sprintf("s%d", i), status, at.Add(time.Duration(i)*time.Minute))
		s.call("POST", "/events/message", body, nil).wantAnswer(t, 200, "")
	}
	want := map[string]any{
		"user_id": alice, "session_id": session, "success_rate": 66.67,
		"total_messages_sent": 2.0, "total_messages_failed": 1.0, "total_messages_delivered": 0.0, "total_messages_read": 0.0,
		"last_message_sent_at": at.Add(time.Minute).Format(time.RFC3339Nano), "last_message_failed_at": at.Add(2 * time.Minute).Format(time.RFC3339Nano),
	}
	for path, header := range map[string][]string{
		"/events/stats/session/" + alice + "/" + session:       as(alice, aliceSession),
		"/events/stats/session/" + session:                     as(alice, aliceSession),
		"/events/admin/stats/session/" + alice + "/" + session: adminHeader,
	} {
		res := s.call("GET", path, "", header)
		res.wantAnswer(t, 200, "")
		if got, _ := res.at("data").(map[string]any); !maps.Equal(got, want) {
			t.Errorf("%s: %s", path, res.text)
		}
	}
	// The admin may ask everywhere.
	for _, path := range []string{"/events/stats/session/" + session, "/events/stats/session/" + alice + "/" + session} {
		if got, _ := s.call("GET", path, "", adminHeader).at("data").(map[string]any); !maps.Equal(got, want) {
			t.Errorf("%s for the admin: %v", path, got)
		}
	}
	for path, header := range map[string][]string{
		"/events/stats/user/" + alice:       as(alice, aliceSession),
		"/api/wa/stats/" + alice:            as(alice, aliceSession),
		"/events/admin/stats/user/" + alice: adminHeader,
	} {
		res := s.call("GET", path, "", header)
		res.wantAnswer(t, 200, "")
		user, _ := res.at("data").(map[string]any)
		sessions, _ := user["sessions"].([]any)
		found := false
		for _, one := range sessions {
			if m := one.(map[string]any); m["session_id"] == session {
				found = maps.Equal(m, want)
			}
		}
		if !found {
			t.Errorf("%s: the session is missing or wrong: %s", path, res.text)
		}
		names := slices.Sorted(maps.Keys(user))
		if !slices.Equal(names, []string{"last_message_failed_at", "last_message_sent_at", "sessions", "success_rate",
			"total_messages_delivered", "total_messages_failed", "total_messages_read", "total_messages_sent", "user_id"}) {
			t.Errorf("%s: members %v", path, names)
		}
	}
	all := s.call("GET", "/events/admin/stats", "", adminHeader)
	all.wantAnswer(t, 200, "")
	if users, _ := all.at("data", "users").([]any); len(users) == 0 || all.at("data", "total_users") != float64(len(users)) {
		t.Errorf("all statistics: %s", all.text)
	}
	for _, query := range []string{"?limit=0", "?limit=x", "?limit=1001", "?offset=-1"} {
		s.call("GET", "/events/admin/stats"+query, "", adminHeader).wantAnswer(t, 400, "")
	}
	// Somebody else's look as if they were nothing.
	s.call("GET", "/events/stats/session/"+alice+"/"+session, "", as(bob, bobSession)).wantAnswer(t, 403, "")
	s.call("GET", "/events/stats/session/"+session, "", as(bob, bobSession)).wantAnswer(t, 403, "")
	s.call("GET", "/events/stats/session/"+session, "", nil).wantAnswer(t, 401, messageUnauthenticated)
	s.call("GET", "/events/stats/session/no-session", "", adminHeader).wantAnswer(t, 404, "")
	zero := s.call("GET", "/events/stats/session/"+s.addSession(t, "ev-none"), "", as(alice, aliceSession))
	zero.wantAnswer(t, 200, "")
	if data, _ := zero.at("data").(map[string]any); data["success_rate"] != nil || data["last_message_sent_at"] != nil || totalsOf(data) != [4]float64{} {
		t.Errorf("nothing counted: %s", zero.text)
	}
}

func (s *setup) testResets(t *testing.T) {
	one, two := s.addSession(t, "ev-reset-1"), s.addSession(t, "ev-reset-2")
	post := func(session, id, status string, at time.Time) {
		t.Helper()
		s.call("POST", "/events/message", eventOf(alice, session, id, status, at), nil).wantAnswer(t, 200, "")
	}
	check := func(what, session string, want [4]float64) {
		t.Helper()
		if got := s.sessionTotals(t, session); got != want {
			t.Errorf("%s: %s has %v, want %v", what, session, got, want)
		}
	}
	before := time.Now().Add(-time.Minute)
	post(one, "old", "sent", before)
	post(two, "old", "sent", before)
	bobsBefore := totalsOf(s.call("GET", "/events/stats/user/"+bob, "", adminHeader).at("data"))

	path := "/events/admin/stats/session/" + alice + "/" + one
	res := s.call("DELETE", path, "", adminHeader)
	res.wantAnswer(t, 200, "")
	if res.at("data", "user_id") != alice || res.at("data", "session_id") != one {
		t.Errorf("reset: %s", res.text)
	}
	check("after the reset", one, [4]float64{})
	check("beside the reset", two, [4]float64{1, 0, 0, 0})
	post(one, "old", "read", time.Now()) // a message from before
	post(one, "late", "sent", before)    // told late
	post(one, "new", "sent", time.Now().Add(time.Second))
	check("what came later", one, [4]float64{1, 0, 0, 0})

	s.call("DELETE", "/events/admin/stats/user/"+alice, "", adminHeader).wantAnswer(t, 200, "")
	check("after the user's reset", two, [4]float64{})
	post(two, "old", "delivered", time.Now())
	post(two, "new", "failed", time.Now().Add(time.Second))
	check("after the user's reset", two, [4]float64{0, 1, 0, 0})
	if got := totalsOf(s.call("GET", "/events/stats/user/"+bob, "", adminHeader).at("data")); got != bobsBefore {
		t.Errorf("bob's statistics went from %v to %v", bobsBefore, got)
	}
	for _, path := range []string{"/events/admin/stats/user/nobody", "/events/admin/stats/session/" + alice + "/no-session"} {
		s.call("DELETE", path, "", adminHeader).wantAnswer(t, 404, "")
	}
}

func (s *setup) testDeletedSessionStats(t *testing.T) {
	session := s.addSession(t, "ev-deleted")
	at := time.Now()
	s.call("POST", "/events/message", eventOf(alice, session, "d1", "sent", at), nil).wantAnswer(t, 200, "")
	before := totalsOf(s.call("GET", "/events/stats/user/"+alice, "", adminHeader).at("data"))
	if res := s.call("DELETE", "/api/wa/sessions/"+session, "", as(alice, session)); res.status != 200 {
		t.Fatalf("deleting: %d %s", res.status, res.text)
	}
	s.wa.all()
	s.call("POST", "/api/wa/send-message", hello, as(alice, session)).wantAnswer(t, 403, "")
	// The statistics stay, and what is told late of its messages counts.
	s.call("POST", "/events/message", eventOf(alice, session, "d1", "read", at.Add(time.Second)), nil).wantAnswer(t, 200, "")
	res := s.call("GET", "/events/stats/session/"+alice+"/"+session, "", as(alice, aliceSession))
	if got := totalsOf(res.at("data")); got != [4]float64{1, 0, 1, 1} {
		t.Errorf("statistics of a deleted session: %s", res.text)
	}
	after := totalsOf(s.call("GET", "/events/stats/user/"+alice, "", adminHeader).at("data"))
	if after[0] != before[0] || after[3] != before[3]+1 {
		t.Errorf("the user's statistics went from %v to %v", before, after)
	}
	if got := totalsOf(s.call("GET", "/events/stats/session/"+session, "", adminHeader).at("data")); got != [4]float64{1, 0, 1, 1} {
		t.Errorf("the admin finds %v without the user's name", got)
	}
}

// testMirror looks at the table that the other application reads.
func (s *setup) testMirror(t *testing.T, d *storetest.Database) {
	session := s.addSession(t, "ev-mirror")
	for i, status := range []string{"sent", "sent", "sent", "failed"} {
		s.call("POST", "/events/message", eventOf(alice, session, fmt.Sprint(i), status, time.Now()), nil).wantAnswer(t, 200, "")
	}
	read := func() (sent, failed int) {
		t.Helper()
		row := d.SQL.QueryRowContext(t.Context(), d.Spell(`SELECT {whats_app_message_stats.total_messages_sent}, {whats_app_message_stats.total_messages_failed}
			FROM {whats_app_message_stats} WHERE {whats_app_message_stats.session_id} = $1`), session)
		if err := row.Scan(&sent, &failed); err != nil {
			t.Fatal(err)
		}
		return sent, failed
	}
	eventually(t, "the mirrored statistics", func() bool {
		sent, failed := read()
		return sent == 3 && failed == 1
	})
	s.call("DELETE", "/events/admin/stats/session/"+alice+"/"+session, "", adminHeader).wantAnswer(t, 200, "")
	if sent, failed := read(); sent != 0 || failed != 0 {
		t.Errorf("after a reset the mirror has %d and %d", sent, failed)
	}
}

func TestEventBounds(t *testing.T) {
	s := newSetup(t, storetest.New(t, storetest.SQLite))
	expect := []string{"Expect", "100-continue"} // refused by its length, the body is not sent
	one := eventOf(alice, aliceSession, "x", "sent", time.Now())
	at := time.Now()
	batch := func(n int) string {
		var b strings.Builder
		for i := range n {
			// All of few messages, so that it is no test of the database's speed.
			fmt.Fprintf(&b, ",%s", eventOf(alice, aliceSession, fmt.Sprint("big-", i%100), "sent", at))
		}
		return "[" + b.String()[1:] + "]"
	}
	res := s.call("POST", "/events/message/batch", batch(10_001), nil)
	res.wantAnswer(t, 400, "")
	if res.at("data", "max_events") != 10_000.0 {
		t.Errorf("10,001 events: %s", res.text)
	}
	if got := s.sessionTotals(t, aliceSession); got != [4]float64{} {
		t.Errorf("a batch that was refused counted: %v", got)
	}
	res = s.call("POST", "/events/message/batch", batch(10_000), nil)
	res.wantAnswer(t, 200, "")
	if res.at("data", "recorded") != 100.0 || res.at("data", "duplicates") != 9_900.0 {
		t.Errorf("10,000 events: %s", res.text)
	}
	for path, size := range map[string]int{"/events/message": maxEvent, "/events/message/batch": defaultMaxEvents, "/events/webhook": defaultMaxEvents} {
		res := s.call("POST", path, one+strings.Repeat(" ", size), expect)
		res.wantAnswer(t, 413, "")
		if res.at("data", "max_bytes") != float64(size) {
			t.Errorf("%s: %s", path, res.text)
		}
	}
	// Without a length the body is read up to the bound.
	res = s.send(t, "POST", "/events/message", "application/json", strings.NewReader(one+strings.Repeat(" ", maxEvent)), nil)
	res.wantAnswer(t, 413, "")
}

func signatureOf(key, body string) string {
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte(body))
	return hex.EncodeToString(mac.Sum(nil))
}

func TestWhoMayPostEvents(t *testing.T) {
	body := eventOf(alice, aliceSession, "who", "sent", time.Now())
	batch := "[" + body + "]"
	paths := map[string]string{"/events/message": body, "/events/message/batch": batch, "/events/webhook": body}
	t.Run("token", func(t *testing.T) {
		t.Setenv("EVENTS_TOKEN_OF_TEST", "events-secret")
		s := newSetup(t, storetest.New(t, storetest.SQLite), "{APP}", "events_token {env.EVENTS_TOKEN_OF_TEST}")
		for path, body := range paths {
			signed := signatureOf("events-secret", body)
			for name, c := range map[string]struct {
				header []string
				want   int
			}{
				"bearer":                   {[]string{"Authorization", "Bearer events-secret"}, 200},
				"bearer in small letters":  {[]string{"Authorization", "bearer events-secret"}, 200},
				"signature of GitHub":      {[]string{"X-Hub-Signature-256", "sha256=" + signed}, 200},
				"bare signature":           {[]string{"X-Hmac-Signature", signed}, 200},
				"signature in capitals":    {[]string{"X-Signature-256", strings.ToUpper(signed)}, 200},
				"nothing, though trusted":  {nil, 401},
				"wrong token":              {[]string{"Authorization", "Bearer events-secre"}, 401},
				"empty token":              {[]string{"Authorization", "Bearer "}, 401},
				"another scheme":           {[]string{"Authorization", "Basic events-secret"}, 401},
				"the admin token":          {adminHeader, 401},
				"the WA server's token":    {[]string{"Authorization", "Bearer wa-admin-secret"}, 401},
				"an API key":               {[]string{"Authorization", "Bearer column-key-" + alice}, 401},
				"signature of another key": {[]string{"X-Hub-Signature-256", "sha256=" + signatureOf("other", body)}, 401},
				"signature of other bytes": {[]string{"X-Hub-Signature-256", "sha256=" + signatureOf("events-secret", body+" ")}, 401},
				"no signature":             {[]string{"X-Hub-Signature-256", "sha256="}, 401},
				"no hexadecimal":           {[]string{"X-Hub-Signature-256", "sha256=xyz"}, 401},
				"an identity":              {as(alice, aliceSession), 401},
			} {
				res := s.call("POST", path, body, c.header)
				if res.status != c.want {
					t.Errorf("%s, %s: %d %s", path, name, res.status, res.text)
				}
			}
		}
		s.call("POST", "/events/message", body, nil).wantAnswer(t, 401, messageUnauthenticated)
	})
	t.Run("no token", func(t *testing.T) {
		s := newSetup(t, storetest.New(t, storetest.SQLite))
		for path, body := range paths {
			for name, c := range map[string]struct {
				header []string
				want   int
			}{
				"trusted":                {nil, 200},
				"any token":              {[]string{"Authorization", "Bearer x"}, 200},
				"through some proxy":     {[]string{"X-Forwarded-For", "10.0.0.1"}, 401},
				"through another":        {[]string{"Via", "1.1 proxy"}, 401},
				"a signature of nothing": {[]string{"X-Forwarded-For", "10.0.0.1", "X-Hub-Signature-256", signatureOf("", body)}, 401},
			} {
				if res := s.call("POST", path, body, c.header); res.status != c.want {
					t.Errorf("%s, %s: %d %s", path, name, res.status, res.text)
				}
			}
		}
	})
	t.Run("no token, nobody trusted", func(t *testing.T) {
		s := newSetup(t, storetest.New(t, storetest.SQLite), "	wa_events\n", "	wa_events {\n trusted_clients none\n}\n")
		for path, body := range paths {
			s.call("POST", path, body, nil).wantAnswer(t, 401, messageUnauthenticated)
		}
	})
}

func TestAdminEndpoints(t *testing.T) {
	rows := [][2]string{
		{"GET", "/events/admin/stats"},
		{"GET", "/events/admin/stats/user/" + alice},
		{"GET", "/events/admin/stats/session/" + alice + "/" + aliceSession},
		{"DELETE", "/events/admin/stats/user/" + alice},
		{"DELETE", "/events/admin/stats/session/" + alice + "/" + aliceSession},
	}
	t.Run("token", func(t *testing.T) {
		s := newSetup(t, storetest.New(t, storetest.SQLite))
		s.call("POST", "/events/message", eventOf(alice, aliceSession, "a", "sent", time.Now()), nil).wantAnswer(t, 200, "")
		for _, row := range rows {
			for name, header := range map[string][]string{
				"nothing": nil, "wrong": {"Authorization", "Bearer admin-secre"}, "empty": {"Authorization", "Bearer "},
				"an API key": {"Authorization", "Bearer column-key-" + alice}, "an identity": as(alice, aliceSession),
				"the WA server's": {"Authorization", "Bearer wa-admin-secret"},
			} {
				if res := s.call(row[0], row[1], "", header); res.status != 401 || res.at("message") != messageUnauthenticated {
					t.Errorf("%s %s, %s: %d %s", row[0], row[1], name, res.status, res.text)
				}
			}
			s.call(row[0], row[1], "", adminHeader).wantAnswer(t, 200, "")
			// From anywhere: the token says it all.
			s.call(row[0], row[1], "", append([]string{"X-Forwarded-For", "203.0.113.5"}, adminHeader...)).wantAnswer(t, 200, "")
		}
	})
	t.Run("no token", func(t *testing.T) {
		s := newSetup(t, storetest.New(t, storetest.SQLite), "admin_token admin-secret", "")
		for _, row := range rows {
			for _, header := range [][]string{nil, adminHeader, {"Authorization", "Bearer "}} {
				s.call(row[0], row[1], "", header).wantAnswer(t, 403, "")
			}
		}
	})
}
