package caddywagateway

import (
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/genfity/wa-gateway/stats"
	"github.com/genfity/wa-gateway/store"
	"github.com/genfity/wa-gateway/store/storetest"
)

// An operator's day, on every kind of database.
func TestCommandData(t *testing.T) {
	onEach(t, func(t *testing.T, d *storetest.Database) {
		c := cliOn(t, d)
		c.ok("migrate")
		t.Run("user", func(t *testing.T) { c.t = t; c.testUsers(d) })
		t.Run("key", func(t *testing.T) { c.t = t; c.testKeys(d) })
		t.Run("key limits", func(t *testing.T) { c.t = t; c.testKeyLimits(d) })
		t.Run("session", func(t *testing.T) { c.t = t; c.testSessions(d) })
		t.Run("subscription", func(t *testing.T) { c.t = t; c.testSubscriptions() })
		t.Run("stats", func(t *testing.T) { c.t = t; c.testStats(d) })
		t.Run("complete", func(t *testing.T) { c.t = t; c.testComplete() })
		if said := c.said.String(); strings.Contains(said, d.DSN) || (d.Postgres() && strings.Contains(said, passwordOf(d.DSN))) {
			t.Errorf("a DSN was printed:\n%s", said)
		}
	})
}

func passwordOf(dsn string) string {
	return regexp.MustCompile(`://[^:]*:([^@]*)@`).FindStringSubmatch(dsn)[1]
}

func (c *cli) testUsers(d *storetest.Database) {
	t := c.t
	if r := c.run("user", "list"); r.code != 0 || r.stdout != "" || r.stderr != "There are no users.\n" {
		t.Errorf("an empty list: %+v", r)
	}
	if text := c.ok("user", "list", "--json"); text != "[]\n" {
		t.Errorf("an empty list is %q", text)
	}
	var one userView
	c.document(&one, "user", "add", "one", "--name", "Toko 日本", "--email", "one@example.com", "--role", "admin")
	if one.ID != "one" || textOf(one.Name) != "Toko 日本" || textOf(one.Email) != "one@example.com" || !one.IsActive ||
		one.CreatedAt == nil || time.Since(*one.CreatedAt).Abs() > time.Minute || one.CreatedAt.Location() != time.UTC {
		t.Errorf("added %+v", one)
	}
	if d.Complete() && one.Role != "admin" {
		t.Errorf("the role is %s", one.Role)
	}
	var made userView
	c.document(&made, "user", "add")
	if !regexp.MustCompile(`^c[0-9a-z]{24}$`).MatchString(made.ID) {
		t.Errorf("the id made is %q", made.ID)
	}
	if text := c.ok("user", "add", "two", "--phone", "628123"); text != "Added user two.\n" {
		t.Errorf("said %q", text)
	}
	c.fails(1, "there is a user one already", "user", "add", "one")
	c.fails(1, "another user has this e-mail address", "user", "add", "three", "--email", "one@example.com")

	list := c.ok("user", "list")
	contains(t, list, `^ID +NAME +EMAIL +PHONE +ROLE +ACTIVE +CREATED$`,
		`^one +Toko 日本 +one@example\.com +- +\w+ +yes +\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$`)
	var users, page []userView
	c.document(&users, "user", "list")
	c.document(&page, "user", "list", "--limit", "1", "--offset", "1")
	if len(users) != 3 || len(page) != 1 || page[0].ID != users[1].ID {
		t.Errorf("users %+v, page %+v", users, page)
	}

	if !d.Complete() {
		c.fails(1, "cannot be switched off", "user", "disable", "one")
		return
	}
	c.fails(1, `no user "nobody"`, "user", "disable", "nobody")
	c.document(&one, "user", "disable", "one")
	if one.IsActive {
		t.Error("still active")
	}
	r := c.run("user", "enable", "one")
	if r.stdout != "Enabled user one.\n" || !strings.Contains(r.stderr, "within two seconds") {
		t.Errorf("%+v", r)
	}
}

func (c *cli) testKeys(d *storetest.Database) {
	t := c.t
	c.fails(1, `no user "nobody"`, "key", "create", "nobody")
	c.fails(1, `no user "nobody"`, "key", "list", "nobody")

	r := c.run("key", "create", "one", "--name", "shop", "--expires", "90d")
	live := strings.TrimSuffix(r.stdout, "\n")
	if r.code != 0 || !regexp.MustCompile(`^wak_live_[0-9A-Za-z]{43}$`).MatchString(live) || !strings.Contains(r.stderr, "expires at 20") {
		t.Fatalf("created %+v", r)
	}
	var test keyView
	c.document(&test, "key", "create", "one", "--test")
	if !strings.HasPrefix(test.Key, test.Prefix) || test.Mode != "test" || test.State != keyValid || test.ExpiresAt != nil {
		t.Errorf("created %+v", test)
	}
	db := openStore(t, d.DSN)
	if key, err := db.KeyByHash(t.Context(), store.HashKey(live)); err != nil || key.UserID != "one" ||
		time.Until(*key.ExpiresAt).Round(time.Hour) != 90*24*time.Hour {
		t.Errorf("the database holds %+v, %v", key, err)
	}

	// Nothing shows a key again.
	before := c.said.Len()
	var keys []keyView
	c.document(&keys, "key", "list", "one")
	if len(keys) != 2 || keys[0].Key != "" || keys[1].Prefix != live[:13] {
		t.Errorf("keys %+v", keys)
	}
	contains(t, c.ok("key", "list"), `^ID +USER +PREFIX +NAME +MODE +STATE`, live[:13]+` +shop +live +valid +— +— +— `, test.Prefix+` +- +test +valid`)
	c.fails(1, `no API key with the id or prefix "wak_live_"`, "key", "revoke", "wak_live_")
	c.fails(1, `no such API key`, "key", "revoke", live+"0")
	contains(t, c.ok("key", "revoke", live[:13]), `^Revoked key c\w+ \(`+live[:13]+`…\) of user one\.$`)
	var revoked keyView
	c.document(&revoked, "key", "revoke", test.Key)
	if revoked.ID != test.ID || revoked.State != keyRevoked || revoked.RevokedAt == nil {
		t.Errorf("revoked %+v", revoked)
	}
	c.document(&revoked, "key", "revoke", test.ID) // again, by its id
	if later := c.said.String()[before:]; strings.Contains(later, live[14:]) || strings.Contains(later, test.Key[14:]) {
		t.Errorf("a key was printed again:\n%s", later)
	}
}

func (c *cli) testKeyLimits(d *storetest.Database) {
	t := c.t
	var limited keyView
	c.document(&limited, "key", "create", "two", "--name", "limited", "--scope", "send,read", "--session", "a,b", "--session", "c",
		"--from", "10.1.2.3/8,203.0.113.7", "--expires", "90d")
	want := [][]string{{"read", "send"}, {"a", "b", "c"}, {"10.0.0.0/8", "203.0.113.7"}}
	if got := [][]string{limited.Scopes, limited.Sessions, limited.From}; !reflect.DeepEqual(got, want) {
		t.Errorf("limited to %q", got)
	}
	contains(t, c.ok("key", "list", "two"), `SCOPES +SESSIONS +FROM +CREATED`, ` valid +read,send +a,b,c +10\.0\.0\.0/8,203\.0\.113\.7 `)
	contains(t, c.ok("key", "create", "one", "--json"), `"scopes": \[\]`, `"sessions": \[\]`, `"from": \[\]`, `"replaced_by": null`)
	c.fails(2, `--scope "admin" is none of send, sessions, read`, "key", "create", "two", "--scope", "send,admin")
	c.fails(2, `cannot be an id`, "key", "create", "two", "--session", "a b")
	c.fails(2, `--from "10.0.0.0/33" is neither`, "key", "create", "two", "--from", "10.0.0.0/33")

	r := c.run("key", "rotate", limited.Prefix, "--overlap", "2h")
	next := strings.TrimSuffix(r.stdout, "\n")
	if r.code != 0 || !regexp.MustCompile(`^wak_live_[0-9A-Za-z]{43}$`).MatchString(next) || !strings.Contains(r.stderr, limited.ID) {
		t.Fatalf("rotated %+v", r)
	}
	db := openStore(t, d.DSN)
	key, err := db.KeyByHash(t.Context(), store.HashKey(next))
	if err != nil || key.Name != "limited" || !slices.Equal(key.Sessions, want[1]) || time.Until(*key.ExpiresAt).Round(time.Hour) != 90*24*time.Hour {
		t.Errorf("the new key is %+v, %v", key, err)
	}
	old, err := db.KeyByHash(t.Context(), store.HashKey(limited.Key))
	if err != nil || textOf(old.ReplacedBy) != key.ID || time.Until(*old.ExpiresAt).Round(time.Minute) != 2*time.Hour {
		t.Errorf("the old key is %+v, %v", old, err)
	}
	contains(t, c.ok("key", "list", "two"), limited.ID+` .* replaced `)
	c.fails(1, "replaced already", "key", "rotate", limited.ID)
	c.fails(1, `no API key with the id or prefix "nothing"`, "key", "rotate", "nothing")
	c.fails(2, "--overlap", "key", "rotate", key.ID, "--overlap=-1h")
	var last keyView
	c.document(&last, "key", "rotate", key.ID, "--overlap", "0s", "--expires", "never")
	if last.ExpiresAt != nil || last.State != keyValid || !strings.HasPrefix(last.Key, last.Prefix) {
		t.Errorf("rotated again %+v", last)
	}
	c.fails(1, "replaced already", "key", "rotate", key.ID)
	c.ok("key", "revoke", last.ID)
	c.fails(1, "the key is revoked", "key", "rotate", last.ID)
}

func (c *cli) testSessions(d *storetest.Database) {
	t := c.t
	c.fails(1, `no user "nobody"`, "session", "add", "nobody", "s")
	var added sessionView
	c.document(&added, "session", "add", "one", "shop", "--name", "Web shop")
	if added.SessionID != "shop" || textOf(added.UserID) != "one" || textOf(added.SessionName) != "Web shop" || added.Connected {
		t.Errorf("added %+v", added)
	}
	c.ok("session", "add", "two", "phone-2")
	c.fails(1, "user one has a session shop already", "session", "add", "one", "shop")
	c.fails(1, "session shop belongs to user one", "session", "add", "two", "shop")

	d.Exec(t, `UPDATE {whats_app_sessions} SET {whats_app_sessions.status} = $1 WHERE {whats_app_sessions.session_id} = $2`, "ok\nshop  two", "shop")
	contains(t, c.ok("session", "list"), `^SESSION +USER +NAME`, `^shop +one +Web shop +ok\x{FFFD}shop  two +no `, `^phone-2 +two +- `)
	var sessions []sessionView
	c.document(&sessions, "session", "list", "two")
	if len(sessions) != 1 || sessions[0].SessionID != "phone-2" {
		t.Errorf("sessions %+v", sessions)
	}
	c.fails(1, `user "one" has no session "phone-2"`, "session", "remove", "one", "phone-2")
	contains(t, c.ok("session", "remove", "two", "phone-2"), `^Removed session phone-2 of user two\.$`)
	c.fails(1, `has no session`, "session", "remove", "two", "phone-2")
}

func (c *cli) testSubscriptions() {
	t := c.t
	var basic packageView
	c.document(&basic, "package", "add", "Basic", "--max-session", "2", "--price-month", "50000", "--description", "For a start")
	if basic.Name != "Basic" || basic.MaxSession != 2 || basic.PriceMonth != 50000 || textOf(basic.Description) == "" && c.has("description") {
		t.Errorf("added %+v", basic)
	}
	c.ok("package", "add", "Pro", "--max-session", "10", "--id", "pro-1")
	c.fails(1, "there is a package Basic already", "package", "add", "Basic", "--max-session", "1")
	c.fails(1, "there is a package Pro already", "package", "add", "Other", "--max-session", "1", "--id", "pro-1")
	contains(t, c.ok("package", "list"), `^ID +NAME +MAX SESSIONS`, `^pro-1 +Pro +10 +0 +0 +-$`, ` +Basic +2 +50000 +0 `)
	var packages []packageView
	c.document(&packages, "package", "list")
	if len(packages) != 2 {
		t.Errorf("packages %+v", packages)
	}

	c.fails(1, `no user "nobody"`, "subscription", "set", "nobody", "Basic")
	c.fails(1, `no package "Gold"`, "subscription", "set", "one", "Gold")
	var s subscriptionView
	c.document(&s, "subscription", "set", "one", "Basic")
	if s.PackageID != basic.ID || textOf(s.PackageName) != "Basic" || s.Status != "active" || !s.IsActive ||
		time.Until(*s.ExpiresAt).Round(time.Hour) != 30*24*time.Hour {
		t.Errorf("set %+v", s)
	}
	first := *s.ExpiresAt
	c.document(&s, "subscription", "set", "one", "Basic", "--status", "expired")
	if s.Status != "expired" || s.IsActive || !s.ExpiresAt.Equal(first) {
		t.Errorf("ended %+v", s)
	}
	contains(t, c.ok("subscription", "set", "one", "Basic", "--expires", "2031-01-31"),
		`^User one has package Basic, status active, until 2031-01-31T23:59:59Z\.$`)
	c.ok("subscription", "set", "one", "pro-1", "--status", "expired", "--expires", "2020-01-31")
	c.fails(2, "cannot have ended at 2020-01-31T23:59:59Z", "subscription", "set", "one", "Pro")
	contains(t, c.ok("subscription", "list"), `^USER +PACKAGE +STATUS +IN FORCE +ACTIVATED +EXPIRES$`,
		`^one +Basic +active +yes +\S+ +2031-01-31T23:59:59Z$`, `^one +Pro +expired +no +\S+ +2020-01-31T23:59:59Z$`)
	var subscriptions []subscriptionView
	c.document(&subscriptions, "subscription", "list", "two")
	if subscriptions == nil || len(subscriptions) != 0 {
		t.Errorf("subscriptions %+v", subscriptions)
	}
}

// has tells whether the database keeps an optional text of a package.
func (c *cli) has(string) bool {
	var packages []packageView
	c.document(&packages, "package", "list")
	return len(packages) > 0 && packages[0].Description != nil
}

// statsDocument is what `stats --json` prints for everybody.
type statsDocument struct {
	totalsView
	Users      []totalsView `json:"users"`
	TotalUsers int64        `json:"total_users"`
}

func (c *cli) testStats(d *storetest.Database) {
	t := c.t
	var view totalsView
	c.document(&view, "stats", "two")
	if view.UserID != "two" || view.Sent != 0 || view.SuccessRate != nil || view.Sessions == nil {
		t.Errorf("of a new user %+v", view)
	}
	c.document(&view, "stats", "one", "shop")
	if view.SessionID != "shop" || view.Sent != 0 {
		t.Errorf("of a new session %+v", view)
	}
	c.fails(1, `no user "nobody"`, "stats", "nobody")
	c.fails(1, `has no session "shop"`, "stats", "two", "shop")

	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	var events []stats.Event
	for i, status := range []stats.Status{"sent", "delivered", "failed"} {
		events = append(events, stats.Event{UserID: "one", SessionID: "shop", MessageID: string(rune('a' + i)), Status: status, At: at})
	}
	if _, err := openStore(t, d.DSN).Record(t.Context(), events); err != nil {
		t.Fatal(err)
	}
	contains(t, c.ok("stats"), `^USER +SENT +FAILED +DELIVERED +READ +SUCCESS +LAST SENT +LAST FAILED$`,
		`^one +2 +1 +1 +0 +66\.67% +2026-01-02T03:04:05Z +2026-01-02T03:04:05Z$`, `^\* +2 +1 +1 +0 +66\.67% `)
	contains(t, c.ok("stats", "one"), `^shop +2 +1 `, `^\* +2 +1 `)
	contains(t, c.ok("stats", "one", "shop"), `^shop +2 +1 `)
	var all statsDocument
	c.document(&all, "stats")
	if all.Sent != 2 || len(all.Users) == 0 || int(all.TotalUsers) != len(all.Users) || all.Users[0].UserID != "one" || *all.Users[0].SuccessRate != 66.67 {
		t.Errorf("of all %+v", all)
	}

	c.fails(1, "nothing to reset", "stats", "reset", "nobody")
	c.fails(1, "nothing to reset", "stats", "reset", "one", "nothing")
	contains(t, c.ok("stats", "reset", "one", "shop"), `^The statistics of session shop of user one start again from zero\.$`)
	c.document(&view, "stats", "one")
	if view.Sent != 0 || view.Failed != 0 {
		t.Errorf("after the reset %+v", view)
	}
	contains(t, c.ok("stats", "reset", "one", "--json"), `"reset_at": "20`)
}

func (c *cli) testComplete() {
	t := c.t
	complete := func(args ...string) string {
		root := c.command()
		var out strings.Builder
		root.SetOut(&out)
		root.SetErr(&out)
		root.SetArgs(append([]string{"__complete", "wa-gateway"}, args...))
		if err := root.Execute(); err != nil {
			t.Error(err)
		}
		return out.String()
	}
	contains(t, complete("user", "disable", ""), `^one\tToko 日本$`, `^two$`)
	contains(t, complete("session", "remove", "one", ""), `^shop\tWeb shop$`)
	contains(t, complete("subscription", "set", "one", ""), `^Basic\t`)
	contains(t, complete("subscription", "set", "one", "Basic", "--status", ""), `^active$`)
	contains(t, complete("key", "create", "one", "--scope", ""), `^send$`, `^sessions$`, `^read$`)
	contains(t, complete("key", "create", "one", "--session", "a,"), `^a,shop\tWeb shop$`)
	contains(t, complete("key", "rotate", ""), `^wak_live_.{4}\tone`)
	contains(t, complete("us"), `^user\t`)
	if text := complete("user", "disable", "--config", "nope", ""); !strings.HasPrefix(text, ":4\n") {
		t.Errorf("without a configuration: %q", text)
	}
}
