package caddywagateway

import (
	"database/sql"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/genfity/wa-gateway/routes"
	"github.com/genfity/wa-gateway/store"
	"github.com/genfity/wa-gateway/store/storetest"
)

// TestTwoTenants plays alice against bob over every endpoint of both tables and
// every place in which an id can stand. Whatever alice's credentials cause, the
// WA server sees alice and her session, and alice sees nothing of bob's.
func TestTwoTenants(t *testing.T) {
	for _, kind := range []storetest.Kind{storetest.SQLite, storetest.PostgresSnake} {
		t.Run(string(kind), func(t *testing.T) { newTenants(t, kind).test(t) })
	}
}

// tenants is the stage: a gateway before a WA server that keeps the bytes it
// gets. Every id and name of bob's holds the text "bob", and his statistics a
// number that nothing else has.
type tenants struct {
	*gateway
	d      *storetest.Database
	wa     *wireRecorder
	client *rawClient
	oracle *attackOracle
	counts map[string]int
}

const (
	bobMark       = "bob"
	bobSent       = 1709
	tenantsEvents = "hush-events-token"
)

func newTenants(t *testing.T, kind storetest.Kind) *tenants {
	d := storetest.New(t, kind)
	db := openStore(t, d.DSN)
	seed(t, db)
	user, name := bob, "bob's shop"
	if err := db.AddSession(t.Context(), &store.Session{SessionID: "bob-2", SessionName: &name, UserID: &user, Status: "connected"}); err != nil {
		t.Fatal(err)
	}
	wa := newWireRecorder(t)
	g := startCaddy(t, caddyfileFor(d.DSN, wa.url, "{APP}", "rate_limit 1000000 60s\n events_token "+tenantsEvents, noAccessLog, "\n"))
	g.ready()
	return &tenants{g, d, wa, newRawClient(t, g), aliceOracle(), map[string]int{}}
}

func (s *tenants) test(t *testing.T) {
	s.tellOfBob(t)
	before := s.bobsRows(t)
	for _, table := range []struct {
		prefix string
		rows   []routes.Route
	}{{routes.Prefix, routes.API.Routes()}, {routes.EventsPrefix, routes.Events.Routes()}} {
		for _, route := range table.rows {
			t.Run(route.Method+" "+table.prefix+strings.Join(route.Pattern, "/"), func(t *testing.T) {
				s.testEndpoint(t, table.prefix, route)
			})
		}
	}
	t.Run("events", s.testEvents)
	if after := s.bobsRows(t); after != before {
		t.Errorf("bob's rows were\n%s\nand are\n%s", before, after)
	}
	t.Logf("requests, by what became of them: %v", s.counts)
}

// tellOfBob gives bob statistics.
func (s *tenants) tellOfBob(t *testing.T) {
	events := make([]string, bobSent)
	for i := range events {
		events[i] = eventOf(bob, bobSession, fmt.Sprint("bob-message-", i), "sent", time.Now().Add(-time.Hour))
	}
	s.call("POST", "/events/message/batch", "["+strings.Join(events, ",")+"]", []string{"Authorization", "Bearer " + tenantsEvents}).wantAnswer(t, 200, "")
	eventually(t, "bob's statistics", func() bool {
		return s.call("GET", "/events/admin/stats/user/"+bob, "", adminHeader).at("data", "total_messages_sent") == float64(bobSent)
	})
}

// bobsRows is what the databases and the statistics hold of bob.
func (s *tenants) bobsRows(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	for _, query := range []string{
		`SELECT * FROM {users} WHERE {users.id} = $1`,
		`SELECT * FROM {whats_app_sessions} WHERE {whats_app_sessions.user_id} = $1 ORDER BY 1`,
		`SELECT * FROM {services_whatsapp_customers} WHERE {services_whatsapp_customers.customer_id} = $1 ORDER BY 1`,
		`SELECT {whats_app_message_stats.session_id}, {whats_app_message_stats.total_messages_sent}, {whats_app_message_stats.total_messages_failed}
			FROM {whats_app_message_stats} WHERE {whats_app_message_stats.user_id} = $1 ORDER BY 1`,
	} {
		s.writeRows(t, &b, query)
	}
	b.WriteString(s.call("GET", "/events/admin/stats/user/"+bob, "", adminHeader).text)
	return b.String()
}

// writeRows writes the rows of bob that a query finds.
func (s *tenants) writeRows(t *testing.T, b *strings.Builder, query string) {
	t.Helper()
	rows, err := s.d.SQL.QueryContext(t.Context(), s.d.Spell(query), bob)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	for rows.Next() {
		values := make([]sql.NullString, len(columns))
		into := make([]any, len(columns))
		for i := range values {
			into[i] = &values[i]
		}
		if err := rows.Scan(into...); err != nil {
			t.Fatal(err)
		}
		for i, column := range columns {
			fmt.Fprintf(b, "%s=%q ", column, values[i].String)
		}
		b.WriteByte('\n')
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
}

// attempt is a request in its parts, as they are written to the wire.
type attempt struct {
	name                string
	method, path, query string
	header              []string // names and values
	contentType, body   string
	plain               bool // bob's id stands where any text may stand
}

func (a attempt) wire() []byte {
	target := a.path
	if a.query != "" {
		target += "?" + a.query
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: gateway.example\r\n", a.method, target)
	for i := 0; i+1 < len(a.header); i += 2 {
		fmt.Fprintf(&b, "%s: %s\r\n", a.header[i], a.header[i+1])
	}
	if a.contentType != "" {
		fmt.Fprintf(&b, "Content-Type: %s\r\n", a.contentType)
	}
	if a.body != "" {
		fmt.Fprintf(&b, "Content-Length: %d\r\n", len(a.body))
	}
	return []byte(b.String() + "\r\n" + a.body)
}

// with is the attempt with more in it.
func (a attempt) with(name, query string, header ...string) attempt {
	a.name += ", " + name
	if query != "" {
		a.query = strings.TrimPrefix(a.query+"&"+query, "&")
	}
	a.header = append(slices.Clip(a.header), header...)
	return a
}

// before is the attempt with more in it, ahead of what alice says.
func (a attempt) before(name, query string, header ...string) attempt {
	a.name += ", " + name + " first"
	if query != "" {
		a.query = strings.TrimSuffix(query+"&"+a.query, "&")
	}
	a.header = append(slices.Clone(header), a.header...)
	return a
}

func (a attempt) carrying(name, contentType, body string) attempt {
	a.name += ", " + name
	a.contentType, a.body = contentType, body
	return a
}

// credentials are the ways in which alice says who she is; the session can be
// left out where another's shall stand in its place.
func credentials(session string) []attempt {
	var header []string
	query := "user_id=" + alice
	if session != "" {
		header = []string{"X-Session-ID", session}
		query += "&session_id=" + session
	}
	return []attempt{
		{name: "key", header: append([]string{"Authorization", "Bearer " + columnKey + alice}, header...)},
		{name: "asserted", header: append([]string{"X-User-ID", alice}, header...)},
		{name: "query", query: query},
	}
}

// pathOf fills a pattern in.
func pathOf(prefix string, route routes.Route, user, session, chat string) string {
	return strings.NewReplacer(routes.ParamUser, user, routes.ParamSession, session, routes.ParamChat, chat, routes.ParamLetter, "cm4x0a8z90000",
		routes.ParamServer, defaultServer, routes.ParamToken, "no-secret-of-the-server").
		Replace(prefix + strings.Join(route.Pattern, "/"))
}

// plainBody is what an honest client sends.
func plainBody(route routes.Route) string {
	switch {
	case route.Method == http.MethodGet || route.Method == http.MethodDelete:
		return ""
	case route.Endpoint == "broadcast":
		return `{"recipients":["628123456789"],"message":"Hello"}`
	case route.Endpoint == "create-session":
		return `{"session_id":"alice-new"}`
	default:
		return hello
	}
}

func (s *tenants) testEndpoint(t *testing.T, prefix string, route routes.Route) {
	forwarded := prefix == routes.Prefix && route.Class != routes.ClassOwn
	path := pathOf(prefix, route, alice, aliceSession, "628123@s.whatsapp.net")
	base := credentials(aliceSession)
	for i := range base {
		base[i].method, base[i].path = route.Method, path
		if body := plainBody(route); body != "" {
			base[i].contentType, base[i].body = "application/json", body
		}
		// An honest call must arrive, or the rest of the test shows nothing.
		honest := base[i]
		res, got := s.play(t, honest)
		switch {
		case forwarded && len(got) != 1:
			t.Errorf("%s: the honest call did not reach the WA server: %d %s", honest.name, res.status, res.text)
		case route.Class == routes.ClassAdmin || route.Class == routes.ClassIngest || route.Class == routes.ClassHook:
			if res.status != http.StatusUnauthorized {
				t.Errorf("%s: %d %s", honest.name, res.status, res.text)
			}
		case !forwarded && res.status != http.StatusOK:
			t.Errorf("%s: the honest call was answered %d %s", honest.name, res.status, res.text)
		}
	}
	sent, arrived := 0, 0
	try := func(a attempt) {
		sent++
		_, got := s.play(t, a)
		arrived += len(got)
	}
	for i, a := range inPaths(prefix, route) {
		a.query, a.header = credentials("")[i%3].query, credentials("")[i%3].header
		try(a)
	}
	// Each way in takes its turn; what is played is the same for all endpoints.
	all := beside(base[0], route)
	for i := range all {
		turn := beside(base[(i+len(path))%3], route)
		try(turn[i])
	}
	if forwarded && arrived < sent/10 {
		t.Errorf("of %d attempts %d reached the WA server: the test shows nothing", sent, arrived)
	}
	s.counts["tried"] += sent
	s.counts["reached the WA server"] += arrived
}

// answer makes an attempt.
func (s *tenants) answer(t *testing.T, a attempt) response {
	t.Helper()
	payload := a.wire()
	res, err := s.client.exchange(payload, 20*time.Second)
	if err != nil { // an idle connection may have been closed; nothing else may be amiss
		res, err = s.client.exchange(payload, 20*time.Second)
	}
	if err != nil {
		t.Fatalf("%s: %v\n%s", a.name, err, payload)
	}
	s.answers.scan(res)
	return res
}

// play makes an attempt and judges what came of it.
func (s *tenants) play(t *testing.T, a attempt) (response, []wireRequest) {
	t.Helper()
	res := s.answer(t, a)
	s.counts[fmt.Sprint(res.status)]++
	got, err := s.wa.take()
	if err != nil {
		t.Errorf("%s: what the WA server got: %v", a.name, err)
	}
	for i := range got {
		if err := s.oracle.judge(&got[i]); err != nil {
			t.Errorf("%s: %v\n%s", a.name, err, &got[i])
		}
		if seen := everyReading(got[i].String()); strings.Contains(seen, bobMark) && !a.plain {
			t.Errorf("%s: something of bob's reached the WA server:\n%s", a.name, &got[i])
		}
	}
	var header strings.Builder
	_ = res.header.Write(&header)
	answer := strings.ToLower(header.String() + res.text)
	if strings.Contains(answer, bobMark) || strings.Contains(answer, fmt.Sprint(`_sent":`, bobSent)) {
		t.Errorf("%s: alice was told of bob: %d %s", a.name, res.status, answer)
	}
	if res.status == http.StatusInternalServerError && res.at("status") != nil {
		t.Errorf("%s: %s", a.name, res.text)
	}
	return res, got
}

// everyReading is a text as it stands and with its escapes undone.
func everyReading(text string) string {
	readings := text
	for range 2 {
		if unescaped, err := url.QueryUnescape(text); err == nil {
			text = unescaped
			readings += "\n" + text
		}
	}
	readings += "\n" + strings.NewReplacer(`\u0062`, "b", `\u006f`, "o", `\u0042`, "b").Replace(text)
	return strings.ToLower(readings)
}

// inPaths are the attempts at the path: somebody else's id, in every spelling,
// where alice's belongs. They carry no credential yet.
func inPaths(prefix string, route routes.Route) (attempts []attempt) {
	add := func(user, session, chat string) {
		path := pathOf(prefix, route, user, session, chat)
		attempts = append(attempts,
			attempt{name: path, method: route.Method, path: path},
			attempt{name: path, method: route.Method, path: path, contentType: "application/json", body: plainBody(route)})
	}
	has := func(param string) bool { return slices.Contains(route.Pattern, param) }
	if has(routes.ParamSession) {
		for _, session := range []string{
			bobSession, "bob-2", "%62ob-1", "bob%2d1", "bob%252d1", "BOB-1", "bob-1.", "bob-1%20", "bob-1%00", "bob-1;a=b",
			aliceSession + "%2f..%2fbob-1", aliceSession + "/../bob-1", aliceSession + "%2f" + bobSession, "..%2fsessions%2fbob-1",
			aliceSession + "%3fsession_id=bob-1", aliceSession + "%26session_id=bob-1", aliceSession + "%0d%0aX-Session-ID:bob-1", aliceSession + ";bob-1", aliceSession + ",bob-1",
			"%C0%AE%C0%AE%2fbob-1", "b\u043eb-1", "bob-1%EF%BC%8E", "%2562ob-1",
		} {
			add(alice, session, "628123@s.whatsapp.net")
		}
	}
	if has(routes.ParamUser) {
		for _, user := range []string{
			bob, "CKBOB", "ck%62ob", "ckbob.", "ckbob%00", "ckbob%20", "ckalice%2f..%2fckbob", "ckalice/../ckbob", "ckalice;ckbob", "ckalice,ckbob", "ckalice%26user_id=ckbob", "%2563kbob",
		} {
			add(user, aliceSession, "")
			if has(routes.ParamSession) {
				add(user, bobSession, "")
			}
		}
	}
	if has(routes.ParamChat) {
		for _, chat := range []string{
			"..%2f..%2fbob-1%2fchats", "../../bob-1/chats", "%2e%2e/%2e%2e/bob-1/chats", "x%3fsession_id=bob-1", "x%2f..%2f..%2fbob-1", "x%0d%0aX-Session-ID:%20bob-1", "x%5c..%5cbob-1",
		} {
			add(alice, aliceSession, chat)
		}
	}
	path := pathOf(prefix, route, alice, aliceSession, "628123")
	for _, spelling := range []string{
		path + ";session_id=bob-1", path + "/..;/bob-1", path + "/bob-1", path + "//bob-1", path + "%3fsession_id=bob-1", path + "/%2e%2e/bob-1", path + "#bob-1", path + "\\..\\bob-1",
	} {
		attempts = append(attempts, attempt{name: spelling, method: route.Method, path: spelling})
	}
	return attempts
}

// The names under which some server looks for a session or a user.
var (
	sessionSpellings = []string{
		"session_id", "sessionId", "SESSION_ID", "SessionID", "session-id", "session.id", "sessionid", "session", "sid", "sessionKey",
		"session_id[]", "session_id[0]", "session[id]", "instance", "instanceId", "instance_name", "deviceId", "x-session-id",
	}
	userSpellings = []string{"user_id", "userId", "USER_ID", "user-id", "userid", "user", "uid", "user_id[]", "user[id]", "x-user-id"}
)

// beside are the attempts at everything but the path: alice's own call, with
// bob's ids somewhere in it.
func beside(base attempt, route routes.Route) (attempts []attempt) {
	add := func(a attempt) { attempts = append(attempts, a) }
	inQuery(base, add)
	inHeaders(base, add)
	inJSON(base, route, add)
	inForms(base, add)
	// All of them at once.
	add(base.with("everywhere", "sessionId=bob-1&userId=ckbob", "X-Device-Id", bobSession, "Cookie", "session_id=bob-1; user_id=ckbob", "Token", columnKey+bob).
		carrying("and in the body", "application/json", `{"session_id":"bob-1","user_id":"ckbob","to":"1","recipients":["1"]}`))
	return attempts
}

func inQuery(base attempt, add func(attempt)) {
	for i, names := range [][]string{sessionSpellings, userSpellings} {
		value := []string{bobSession, bob}[i]
		for _, name := range names {
			add(base.with("query "+name, name+"="+value))
		}
		add(base.before("query "+names[0], names[0]+"="+value))
		add(base.before("query "+names[1], names[1]+"="+value))
	}
	for _, query := range []string{
		"%73ession_id=bob-1", "session%5Fid=bob-1", "session%255fid=bob-1", "session_id=%62ob-1", "session_id=", "session_id=alice-1&session_id=bob-1",
		"session_id=bob-1;user_id=ckbob", "a=b;session_id=bob-1", "session_id=bob-1%00", "session_id%00=bob-1", "session_id%20=bob-1", "+session_id=bob-1",
		"session_id=bob-1&user_id=ckbob", "session_id[$ne]=bob-1", "session_id=[\"bob-1\"]", "session_id=alice-1,bob-1", "session_id=alice-1%26session_id%3Dbob-1",
		"%C5%BFession_id=bob-1", "%F0%9F%98%80=1&session_id=bob-1", "user_id=ckalice&user_id=ckbob", "token=column-key-ckbob", "api_key=column-key-ckbob", "apikey=column-key-ckbob",
		"access_token=column-key-ckbob&session_id=bob-1", "_session_id=bob-1", "session__id=bob-1", "SeSsIoNiD=bob-1&UsErId=ckbob",
	} {
		add(base.with("query "+query, query))
	}
}

func inHeaders(base attempt, add func(attempt)) {
	for _, f := range [][2]string{
		{"X-Session-ID", bobSession},
		{"x-session-id", bobSession},
		{"X_Session_ID", bobSession},
		{"X-SessionID", bobSession},
		{"Session", bobSession},
		{"Session-ID", bobSession},
		{"session_id", bobSession},
		{"SessionId", bobSession},
		{"Instance", bobSession},
		{"Instance-Id", bobSession},
		{"X-Device-Id", bobSession},
		{"X-Instance-Name", bobSession},
		{"X-User-ID", bob},
		{"x-user-id", bob},
		{"X_User_ID", bob},
		{"User", bob},
		{"User-ID", bob},
		{"user_id", bob},
		{"UserId", bob},
		{"X-User", bob},
		{"X-Session-ID", aliceSession + ", " + bobSession},
		{"X-User-ID", alice + ", " + bob},
		{"X-Session-ID", ""},
		{"X-User-ID", ""},
		{"Cookie", "session_id=bob-1; user_id=ckbob; token=column-key-ckbob"},
		{"Cookie", "X-Session-ID=bob-1"},
		{"Token", columnKey + bob},
		{"Apikey", columnKey + bob},
		{"X-Api-Key", columnKey + bob},
		{"X-Auth-Token", columnKey + bob},
		{"Authorization", "Bearer " + columnKey + bob},
		{"Authorization", "Basic Y2tib2I6Ym9iLTE="},
		{"Authorization", "Bearer"},
		{"Proxy-Authorization", "Bearer " + columnKey + bob},
		{"Connection", "X-Session-ID, X-User-ID, Authorization"},
		{"X-Original-URL", "/sessions/bob-1"},
		{"X-Rewrite-URL", "/sessions/bob-1"},
		{"X-Forwarded-Prefix", "/sessions/bob-1"},
		{"X-HTTP-Method-Override", "DELETE"},
	} {
		add(base.with("header "+f[0]+" "+f[1], "", f[0], f[1]))
		add(base.before("header "+f[0]+" "+f[1], "", f[0], f[1]))
	}
	add(base.with("headers of bob", "", "X-User-ID", bob, "X-Session-ID", bobSession))
	add(base.before("headers of bob", "", "X-User-ID", bob, "X-Session-ID", bobSession))
	add(base.with("header and query of bob", "session_id="+bobSession, "X-User-ID", bob))
}

func inJSON(base attempt, route routes.Route, add func(attempt)) {
	const to = `"to":"628123456789","recipients":["628123456789"]`
	creates := route.Endpoint == "create-session"
	rest := to
	if creates {
		rest = `"session_id":"alice-new"`
	}
	json := func(name, body string) { add(base.carrying("JSON "+name, "application/json", body)) }
	for i, names := range [][]string{sessionSpellings, userSpellings} {
		value := quote([]string{bobSession, bob}[i])
		for _, name := range names {
			json(name, `{"`+name+`":`+value+`,`+rest+`}`)
		}
		// Where the body names a session to be created, its second name is next.
		json(names[0]+" last", `{`+to+`,"`+names[0]+`":`+value+`}`)
		json(names[0]+" thrice", `{"`+names[0]+`":`+value+`,`+rest+`,"`+names[0]+`":"alice-1","`+names[0]+`":`+value+`}`)
	}
	for _, member := range []string{
		`"\u0073ession_id":"bob-1"`, `"session\u005fid":"bob-1"`, `"\u0075ser_id":"ckbob"`, `"session_id":"\u0062ob-1"`, `"session_id":["bob-1"]`, `"session_id":{"id":"bob-1"}`,
		`"session_id\u0000":"bob-1"`, `"session_id ":"bob-1"`, `" session_id":"bob-1"`, `"\u017fession_id":"bob-1"`, `"session":{"id":"bob-1"}`, `"user":{"id":"ckbob"}`,
		`"\ufeffsession_id":"bob-1"`, `"ses\u200bsion_id":"bob-1"`, `"__proto__":{"session_id":"bob-1"}`, `"constructor":{"prototype":{"session_id":"bob-1"}}`,
		`"data":{"session_id":"bob-1"}`, `"data":{"userId":"ckbob"}`, `"options":[{"sessionId":"bob-1"}]`, `"a":{"b":{"c":[[{"session-id":"bob-1"}]]}}`, `"message":{"user\u005fid":"ckbob"}`,
	} {
		json(member, `{`+rest+`,`+member+`}`)
	}
	if creates {
		for _, name := range []string{"id", "ID", "session", "session_id"} {
			json("creating, "+name, `{"`+name+`":"bob-1"}`)
		}
		for _, name := range []string{"name", "sessionName"} { // any text, shown to people
			label := base.carrying("JSON creating, a label", "application/json", `{"`+name+`":"bob-1"}`)
			label.plain = true
			add(label)
		}
		add(base.carrying("form creating", formType, "id=bob-1"))
		json("creating, id after", `{"session_id":"alice-new","id":"bob-1"}`)
		json("creating, id before", `{"id":"bob-1","session_id":"alice-new"}`)
	}
	json("array", `[{"session_id":"bob-1"}]`)
	json("two documents", `{`+rest+`}{"session_id":"bob-1"}`)
	json("as text", `"session_id=bob-1"`)
	add(base.carrying("JSON, as a form", formType, `{"session_id":"bob-1",`+to+`}`))
	add(base.carrying("JSON, of no type", "", `{"session_id":"bob-1",`+to+`}`))
	add(base.carrying("JSON, as text", "text/plain", `{"session_id":"bob-1",`+to+`}`))
	add(base.with("JSON, two types", "", "Content-Type", formType).carrying("", "application/json", `{"session_id":"bob-1",`+to+`}`))
}

func inForms(base attempt, add func(attempt)) {
	for _, form := range []string{
		"session_id=bob-1&to=1", "to=1&session_id=bob-1", "to=1&sessionId=bob-1&user_id=ckbob", "to=1&%73ession_id=bob-1", "to=1&session_id[]=bob-1", "to=1&session_id%5B%5D=bob-1",
		"to=1&session+id=bob-1", "to=1&session_id=alice-1&session_id=bob-1", "to=1&_charset_=utf-7&session_id=bob-1", "to=1&session%255fid=1", "to=1&data[session_id]=bob-1",
		"session_id=bob-1", "to=1&session_id%00=bob-1",
	} {
		add(base.carrying("form "+form, formType, form))
	}
	semicolon := base.carrying("form, semicolon", formType, "to=1;session_id=bob-1")
	semicolon.plain = true // of the field to
	add(semicolon)
	add(base.carrying("form, UTF-16", formType+"; charset=utf-16", "to=1&session_id=bob-1"))
	field := func(disposition, more, value string) string {
		return "--xyz\r\nContent-Disposition: form-data; " + disposition + "\r\n" + more + "\r\n" + value + "\r\n"
	}
	const end = "--xyz--\r\n"
	to := field(`name="to"`, "", "1")
	for name, body := range map[string]string{
		"plain":          to + field(`name="session_id"`, "", bobSession),
		"first":          field(`name="session_id"`, "", bobSession) + to,
		"camelCase":      to + field(`name="sessionId"`, "", bobSession) + field(`name="userId"`, "", bob),
		"no quotes":      to + field(`name=session_id`, "", bobSession),
		"a file":         to + field(`name="session_id"; filename="a"`, "Content-Type: text/plain\r\n", bobSession),
		"a charset":      to + field(`name="session_id"`, "Content-Type: text/plain; charset=utf-16\r\n", bobSession),
		"encoded":        to + field(`name="session_id"`, "Content-Transfer-Encoding: base64\r\n", "Ym9iLTE="),
		"brackets":       to + field(`name="session_id[]"`, "", bobSession),
		"escaped":        to + field(`name="%73ession_id"`, "", "bob-1"),
		"backslashes":    to + field(`name="\session_id"`, "", bobSession),
		"extended":       to + field(`name*=utf-8''session_id`, "", bobSession),
		"both names":     to + field(`name="x"; name*=utf-8''session_id`, "", bobSession),
		"two names":      to + field(`name="x"; name="session_id"`, "", bobSession),
		"two headers":    to + field(`name="x"`, "Content-Disposition: form-data; name=\"session_id\"\r\n", bobSession),
		"a folded one":   to + field("\r\n name=\"session_id\"", "", bobSession),
		"preamble":       field(`name="session_id"`, "", bobSession)[2:] + to,
		"part in a part": to + field(`name="x"`, "Content-Type: multipart/form-data; boundary=abc\r\n", "--abc\r\nContent-Disposition: form-data; name=\"session_id\"\r\n\r\nbob-1\r\n--abc--"),
		"after the end":  to + end + field(`name="session_id"`, "", bobSession),
	} {
		add(base.carrying("multipart "+name, multipartType, body+end))
	}
	add(base.carrying("multipart, two boundaries", `multipart/form-data; boundary=abc; boundary=xyz`, to+field(`name="session_id"`, "", bobSession)+end))
}

// testEvents: what WA servers tell of alice and of bob's sessions, mixed, changes
// nothing of bob's.
func (s *tenants) testEvents(t *testing.T) {
	now := time.Now()
	for _, header := range [][]string{
		{"Authorization", "Bearer " + tenantsEvents},
		{"Authorization", "Bearer " + columnKey + alice, "X-Session-ID", aliceSession},
		{"X-User-ID", alice, "X-Session-ID", aliceSession},
		{"Cookie", "token=" + tenantsEvents},
		{"Token", tenantsEvents},
		{"X-Hub-Signature-256", "sha256=" + strings.Repeat("0", 64)},
		{"X-Hub-Signature-256", "sha256=" + signatureOf(columnKey+alice, eventOf(bob, bobSession, "m", "failed", now))},
	} {
		entitled := header[1] == "Bearer "+tenantsEvents
		for _, event := range []string{
			eventOf(alice, bobSession, "crossed", "failed", now),
			eventOf(bob, aliceSession, "crossed", "failed", now),
			eventOf(alice, bobSession, "bob-message-1", "failed", now),
			eventOf(alice, aliceSession, "bob-message-2", "failed", now), // alice's own message, of the same id
			eventOf(alice, aliceSession, "m1", "sent", now, "userId", quote(bob), "sessionId", quote(bobSession)),
			eventOf(alice, aliceSession, "m2", "sent", now, "USER_ID", quote(bob), "SESSION_ID", quote(bobSession)),
		} {
			for _, path := range []string{"/events/message", "/events/message/batch", "/events/webhook"} {
				body := event
				if path == "/events/message/batch" {
					body = `{"events":[` + event + `]}`
				}
				a := attempt{name: "event", method: "POST", path: path, header: header, contentType: "application/json", body: body}
				res := s.answer(t, a)
				if !entitled && res.status != http.StatusUnauthorized && res.status != http.StatusTooManyRequests {
					t.Errorf("%v: %d %s", header[0], res.status, res.text)
				}
			}
		}
	}
	// What came later is on disk before bob's rows are looked at again.
	time.Sleep(time.Second)
	if got, err := s.wa.take(); len(got) != 0 || err != nil {
		t.Errorf("events reached the WA server: %v, %v", got, err)
	}
}
