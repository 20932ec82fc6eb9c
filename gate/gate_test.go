package gate

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/genfity/wa-gateway/directory"
	"github.com/genfity/wa-gateway/guard"
	"github.com/genfity/wa-gateway/routes"
	"github.com/genfity/wa-gateway/signature"
	"github.com/genfity/wa-gateway/store"
)

// fakeDirectory knows alice with two sessions, and her key.
type fakeDirectory struct {
	caller       directory.Caller // what the key "key" stands for
	err          error            // what every question is answered with
	unsubscribed bool
	asked        []string
	used         []string
}

func (d *fakeDirectory) ask(what string) error {
	d.asked = append(d.asked, what)
	return d.err
}

func (d *fakeDirectory) Caller(_ context.Context, secret string) (*directory.Caller, error) {
	if err := d.ask("caller"); err != nil {
		return nil, err
	}
	if secret != "key" {
		return nil, store.ErrNotFound
	}
	return &d.caller, nil
}

func (d *fakeDirectory) User(_ context.Context, id string) (*store.User, error) {
	if err := d.ask("user"); err != nil {
		return nil, err
	}
	if id != "alice" {
		return nil, store.ErrNotFound
	}
	return &store.User{ID: id}, nil
}

func (d *fakeDirectory) Session(_ context.Context, userID, sessionID string) (*store.Session, error) {
	if err := d.ask("session"); err != nil {
		return nil, err
	}
	if userID != "alice" || (sessionID != "a1" && sessionID != "a2") {
		return nil, store.ErrNotFound
	}
	return &store.Session{SessionID: sessionID}, nil
}

func (d *fakeDirectory) Subscription(context.Context, string) (*store.Subscription, error) {
	if err := d.ask("subscription"); err != nil {
		return nil, err
	}
	if d.unsubscribed {
		return nil, store.ErrNotFound
	}
	return &store.Subscription{Package: &store.Package{Name: "Basic"}}, nil
}

func (d *fakeDirectory) Used(keyID string, _ time.Time) { d.used = append(d.used, keyID) }

// newTestGate is a gate whose admin and events tokens are "admin" and "events".
func newTestGate(t *testing.T) (*Gate, *fakeDirectory) {
	t.Helper()
	signatures, err := signature.New(signature.Options{Secrets: []string{"events"}})
	if err != nil {
		t.Fatal(err)
	}
	rule, err := routes.ParseRule("POST", "/groups/*")
	if err != nil {
		t.Fatal(err)
	}
	d := &fakeDirectory{caller: directory.Caller{User: &store.User{ID: "alice"}, KeyID: "k1", Mode: directory.ModeLive}}
	return &Gate{
		Directory: d, Failures: guard.NewFailures(guard.FailuresOptions{Max: 1000}), HookFailures: guard.NewFailures(guard.FailuresOptions{Max: 1000}),
		Admin: NewTokens("admin"), Events: NewTokens("events"), Signatures: signatures,
		Rules: []routes.Rule{rule}, Ready: func(context.Context) bool { return true },
	}, d
}

// request is one of the API, or below /events; header are pairs.
func request(method, path string, header ...string) *Request {
	r := &Request{
		Method: method, Path: path, Prefix: routes.Prefix, Table: routes.API, Query: url.Values{}, Header: http.Header{},
		Client: netip.MustParseAddr("10.0.0.1"), Vouched: true,
	}
	if strings.HasPrefix(path, routes.EventsPrefix) {
		r.Prefix, r.Table = routes.EventsPrefix, routes.Events
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	return r
}

// everyRow calls do with each row of both tables, for alice's session a1.
func everyRow(do func(route *routes.Route, r *Request)) {
	for prefix, table := range map[string]*routes.Table{routes.Prefix: routes.API, routes.EventsPrefix: routes.Events} {
		for _, route := range table.Routes() {
			path := strings.NewReplacer(routes.ParamSession, "a1", routes.ParamUser, "alice", routes.ParamChat, "c", routes.ParamLetter, "cm4x").Replace(strings.Join(route.Pattern, "/"))
			do(&route, request(route.Method, prefix+path))
		}
	}
}

// TestNothingWithoutCredentials: whoever shows nothing, or something wrong, gets
// nowhere but to what is open to all, and no session or subscription is looked at.
func TestNothingWithoutCredentials(t *testing.T) {
	g, d := newTestGate(t)
	everyRow(func(route *routes.Route, r *Request) {
		for _, credential := range []string{"", "Bearer ", "Bearer wrong", "Basic a2V5", "key", "Bearer key key", "Bearer " + strings.Repeat("k", maxCredential+1)} {
			r.Header = http.Header{"X-User-Id": {"alice"}, "X-Session-Id": {"a1"}}
			if credential != "" {
				r.Header["Authorization"] = []string{credential}
			}
			grant, err := g.Admit(t.Context(), r)
			if route.Class == routes.ClassHook {
				// Its body will have to prove it.
				if err != nil || grant.Hook != HookUnproven || grant.Caller != nil || grant.Admin {
					t.Errorf("%s %s with %q: %+v, %v", route.Method, r.Path, credential, grant, err)
				}
				continue
			}
			if route.Anonymous != (err == nil) || (err != nil && !errors.Is(err, ErrUnauthenticated)) {
				t.Errorf("%s %s with %q: %v", route.Method, r.Path, credential, err)
			}
		}
		r.Header = http.Header{"Authorization": {"Bearer key", "Bearer key"}}
		if _, err := g.Admit(t.Context(), r); !route.Anonymous && route.Class != routes.ClassHook && !errors.Is(err, ErrUnauthenticated) {
			t.Errorf("%s %s with two credentials: %v", route.Method, r.Path, err)
		}
	})
	if slices.Contains(d.asked, "session") || slices.Contains(d.asked, "subscription") || len(d.used) > 0 {
		t.Errorf("asked for %v", d.asked)
	}
}

// TestEachCredentialOpensItsOwn: no token does for what another one is for.
func TestEachCredentialOpensItsOwn(t *testing.T) {
	g, _ := newTestGate(t)
	everyRow(func(route *routes.Route, r *Request) {
		for token, opens := range map[string][]routes.Class{
			"key":    {routes.ClassMessage, routes.ClassSession, routes.ClassChat, routes.ClassConfig, routes.ClassOwn, routes.ClassStats},
			"admin":  {routes.ClassOwn, routes.ClassStats, routes.ClassAdmin},
			"events": {routes.ClassIngest},
		} {
			r.Header = http.Header{"Authorization": {"bearer " + token}, "X-Session-Id": {"a1"}}
			grant, err := g.Admit(t.Context(), r)
			if route.Class == routes.ClassHook {
				if proven := grant.Hook == HookProven; err != nil || proven != (token == "events") || grant.Caller != nil || grant.Admin {
					t.Errorf("%s %s with %s: %+v, %v", route.Method, r.Path, token, grant, err)
				}
				continue
			}
			if want := route.Anonymous || slices.Contains(opens, route.Class); want != (err == nil) {
				t.Errorf("%s %s with %s: %v", route.Method, r.Path, token, err)
			}
			if err == nil && !route.Anonymous && (grant.Admin != (token == "admin" && route.Class != routes.ClassAdmin) || (grant.Caller != nil) != (token == "key")) {
				t.Errorf("%s %s with %s: %+v", route.Method, r.Path, token, grant)
			}
		}
	})
}

// TestHookOfTrustedClient: who may post events without a token may post a webhook for
// which there is no secret, as long as no token is set.
func TestHookOfTrustedClient(t *testing.T) {
	g, _ := newTestGate(t)
	for _, c := range []struct {
		trusted, token bool
		want           HookProof
	}{{true, false, HookTrusted}, {false, false, HookUnproven}, {true, true, HookUnproven}, {false, true, HookUnproven}} {
		g.Events = NewTokens()
		if c.token {
			g.Events = NewTokens("events")
		}
		r := request("POST", "/events/webhook/main")
		r.Trusted = c.trusted
		if grant, err := g.Admit(t.Context(), r); err != nil || grant.Hook != c.want {
			t.Errorf("%+v: %+v, %v", c, grant, err)
		}
	}
}

// TestHookGuesses: the events token is not compared any more with what an address shows
// that has guessed too often, and what proves itself goes on.
func TestHookGuesses(t *testing.T) {
	g, _ := newTestGate(t)
	g.HookFailures = guard.NewFailures(guard.FailuresOptions{Max: 5})
	admit := func(token string) *Grant {
		t.Helper()
		grant, err := g.Admit(t.Context(), request("POST", "/events/webhook/main", "Authorization", "Bearer "+token))
		if err != nil {
			t.Fatal(err)
		}
		return grant
	}
	for range 20 {
		grant := admit("a session's own secret")
		grant.HookEnded(true)
		grant.Release()
	}
	if grant := admit("events"); grant.Hook != HookProven {
		t.Error("the events token is not taken")
	}
	for i := range 5 {
		admit(fmt.Sprint("guess", i)).HookEnded(false)
	}
	if grant := admit("a new secret"); grant.Hook != HookUnproven {
		t.Errorf("%+v", grant)
	}
	for i := range 5 {
		if grant := admit(fmt.Sprint("events", i)); grant.Hook != HookUnproven {
			t.Errorf("a guess is taken: %+v", grant)
		}
	}
}

func TestUnknownClassIsRefused(t *testing.T) {
	g, _ := newTestGate(t)
	r := request("GET", "/api/wa/new", "Authorization", "Bearer key", "X-Session-ID", "a1")
	r.Table = routes.NewTable([]routes.Route{{Method: "GET", Pattern: []string{"new"}, Class: "new"}})
	if _, err := g.Admit(t.Context(), r); !errors.Is(err, routes.ErrNotFound) {
		t.Errorf("a row that says nothing about who may call it: %v", err)
	}
}

func TestSessions(t *testing.T) {
	g, d := newTestGate(t)
	admit := func(header ...string) (*Grant, error) {
		return g.Admit(t.Context(), request("POST", "/api/wa/send-message", append(header, "Authorization", "Bearer key")...))
	}
	for _, c := range []struct {
		header []string
		want   error
	}{
		{[]string{"X-Session-ID", "a2"}, nil},
		{[]string{"X-Session-ID", "a1", "X-User-ID", "alice"}, nil},
		{[]string{"X-Session-ID", "a1", "X-Session-ID", "a1"}, nil},
		{nil, ErrNoSessionNamed},
		{[]string{"X-Session-ID", ""}, ErrNoSessionNamed},
		{[]string{"X-Session-ID", "b1"}, ErrForeignSession},
		{[]string{"X-Session-ID", "../a1"}, ErrForeignSession},
		{[]string{"X-Session-ID", "a1 "}, ErrForeignSession},
		{[]string{"X-Session-ID", "a1", "X-Session-ID", "a2"}, ErrUnauthenticated},
		{[]string{"X-Session-ID", "a1", "X-User-ID", "bob"}, ErrUnauthenticated},
		{[]string{"X-Session-ID", "a1", "X-User-ID", "alice", "X-User-ID", "bob"}, ErrUnauthenticated},
	} {
		grant, err := admit(c.header...)
		if !errors.Is(err, c.want) {
			t.Errorf("%v: %v, want %v", c.header, err, c.want)
		}
		if (err == nil) != (grant.Session != "") {
			t.Errorf("%v: session %q, %v", c.header, grant.Session, err)
		}
	}
	// The path's session is the one that counts.
	r := request("GET", "/api/wa/sessions/a2", "Authorization", "Bearer key", "X-Session-ID", "a1")
	if grant, err := g.Admit(t.Context(), r); err != nil || grant.Session != "a2" {
		t.Errorf("%+v, %v", grant, err)
	}
	// Header and query must agree.
	r = request("POST", "/api/wa/send-message", "Authorization", "Bearer key", "X-Session-ID", "a1")
	r.Query = url.Values{"session_id": {"a2"}}
	if _, err := g.Admit(t.Context(), r); !errors.Is(err, ErrUnauthenticated) {
		t.Errorf("two sessions: %v", err)
	}
	// What the operator allows needs a session like everything else.
	if _, err := g.Admit(t.Context(), request("POST", "/api/wa/groups/a1", "Authorization", "Bearer key")); !errors.Is(err, ErrNoSessionNamed) {
		t.Errorf("an allowed call without a session: %v", err)
	}
	d.caller.Sessions = []string{"a1"}
	if _, err := admit("X-Session-ID", "a2"); !errors.Is(err, ErrForeignSession) {
		t.Errorf("a session that the key may not use: %v", err)
	}
}

func TestOrderOfRefusals(t *testing.T) {
	g, d := newTestGate(t)
	call := func() error {
		_, err := g.Admit(t.Context(), request("POST", "/api/wa/send-message", "Authorization", "Bearer key", "X-Session-ID", "b1"))
		return err
	}
	g.Ready = func(context.Context) bool { return false }
	if err := call(); !errors.Is(err, ErrStarting) || len(d.asked) != 0 {
		t.Errorf("while starting: %v, asked for %v", err, d.asked)
	}
	g.Ready = func(context.Context) bool { return true }
	d.unsubscribed = true
	if err := call(); !errors.Is(err, ErrNoSubscription) {
		t.Errorf("without a subscription: %v", err)
	}
	// What a key may not do is told before anything is looked up for it.
	d.caller.Scopes, d.asked = []string{"read"}, nil
	var key *KeyError
	if err := call(); !errors.As(err, &key) || key.Address || !slices.Equal(key.Scopes, []routes.Scope{routes.ScopeSend}) || slices.Contains(d.asked, "subscription") {
		t.Errorf("with another scope: %v, asked for %v", err, d.asked)
	}
	d.caller.Addresses = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
	if err := call(); !errors.As(err, &key) || !key.Address {
		t.Errorf("from elsewhere: %v", err)
	}
	d.err = store.ErrUnavailable
	if err := call(); !errors.Is(err, store.ErrUnavailable) || errors.Is(err, ErrUnauthenticated) {
		t.Errorf("a database that is away is nobody's fault: %v", err)
	}
}

// TestAddresses: an address that nobody vouches for is nobody's.
func TestAddresses(t *testing.T) {
	g, d := newTestGate(t)
	d.caller.Addresses = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	r := request("POST", "/api/wa/send-message", "Authorization", "Bearer key", "X-Session-ID", "a1")
	for _, c := range []struct {
		client  string
		vouched bool
		ok      bool
	}{{"10.0.0.1", true, true}, {"10.0.0.1", false, false}, {"11.0.0.1", true, false}} {
		r.Client, r.Vouched = netip.MustParseAddr(c.client), c.vouched
		if _, err := g.Admit(t.Context(), r); (err == nil) != c.ok {
			t.Errorf("%+v: %v", c, err)
		}
	}
	r.Client, r.Vouched = netip.Addr{}, true
	if _, err := g.Admit(t.Context(), r); err == nil {
		t.Error("no address at all passes")
	}
}

// TestAssertedIdentity counts from trusted clients alone, and not beside a
// credential of whatever kind.
func TestAssertedIdentity(t *testing.T) {
	g, d := newTestGate(t)
	for _, c := range []struct {
		header  []string
		trusted bool
		ok      bool
	}{
		{[]string{"X-User-ID", "alice"}, true, true},
		{[]string{"X-User-ID", "alice"}, false, false},
		{[]string{"X-User-ID", "bob"}, true, false},
		{[]string{"X-User-ID", "al ice"}, true, false},
		{nil, true, false},
		{[]string{"X-User-ID", "alice", "Authorization", "Bearer wrong"}, true, false},
		{[]string{"X-User-ID", "alice", "Authorization", ""}, true, false},
		{[]string{"X-User-ID", "alice", "Authorization", "Basic x"}, true, false},
		{[]string{"X-User-ID", "alice", "Authorization", "Bearer admin"}, true, false},
	} {
		r := request("POST", "/api/wa/send-message", append(c.header, "X-Session-ID", "a1")...)
		r.Trusted = c.trusted
		if _, err := g.Admit(t.Context(), r); (err == nil) != c.ok {
			t.Errorf("%+v: %v", c, err)
		}
	}
	if len(d.used) != 0 {
		t.Errorf("the keys %v are said to be used", d.used)
	}
}

func TestOwnAccount(t *testing.T) {
	g, d := newTestGate(t)
	for _, path := range []string{"/api/wa/stats/", "/api/wa/subscription/", "/events/stats/user/"} {
		if _, err := g.Admit(t.Context(), request("GET", path+"bob", "Authorization", "Bearer key")); !errors.Is(err, ErrForeignUser) {
			t.Errorf("%s of another: %v", path, err)
		}
		grant, err := g.Admit(t.Context(), request("GET", path+"bob", "Authorization", "Bearer admin"))
		if err != nil || !grant.May("bob") || !grant.May("alice") {
			t.Errorf("%s for the admin: %v", path, err)
		}
		grant, err = g.Admit(t.Context(), request("GET", path+"alice", "Authorization", "Bearer key"))
		if err != nil || !grant.May("alice") || grant.May("bob") || grant.May("") {
			t.Errorf("%s of one's own: %v", path, err)
		}
	}
	if (&Grant{}).May("") {
		t.Error("an empty grant is good for nobody")
	}
	d.unsubscribed = true // needs no subscription
	if _, err := g.Admit(t.Context(), request("GET", "/api/wa/stats/alice", "Authorization", "Bearer key")); err != nil {
		t.Error(err)
	}
}

func TestEventsAndAdminWithoutTokens(t *testing.T) {
	g, _ := newTestGate(t)
	g.Events, g.Admin = nil, nil
	for trusted, want := range map[bool]error{true: nil, false: ErrUnauthenticated} {
		r := request("POST", "/events/message")
		r.Trusted = trusted
		if _, err := g.Admit(t.Context(), r); !errors.Is(err, want) {
			t.Errorf("trusted %t: %v", trusted, err)
		}
	}
	r := request("GET", "/events/admin/stats", "Authorization", "Bearer ")
	r.Trusted = true
	if _, err := g.Admit(t.Context(), r); !errors.Is(err, ErrAdminClosed) {
		t.Errorf("no admin token: %v", err)
	}
	// With an empty token nobody is the admin either.
	r = request("GET", "/api/wa/stats/alice", "Authorization", "Bearer ")
	if grant, err := g.Admit(t.Context(), r); err == nil || grant.Admin {
		t.Errorf("%+v, %v", grant, err)
	}
}

func TestSignedEvents(t *testing.T) {
	g, _ := newTestGate(t)
	g.Failures = guard.NewFailures(guard.FailuresOptions{Max: 2})
	body := []byte(`{"a":1}`)
	signed := func(secret, id string) *Request {
		header, err := signature.Sign(secret, id, time.Now(), body)
		if err != nil {
			t.Fatal(err)
		}
		r := request("POST", "/events/message")
		r.Header = header
		return r
	}
	post := func(r *Request, body []byte) error {
		grant, err := g.Admit(t.Context(), r)
		if err != nil {
			return err
		}
		defer grant.Release()
		if !grant.Signed() {
			t.Error("a signed request passes before its body is seen")
		}
		if err := g.Verify(grant, r.Header, body); err != nil {
			return err
		}
		grant.Acknowledged()
		return nil
	}
	known := signed("events", "m1")
	known.Client = netip.MustParseAddr("10.0.0.2")
	if err := post(known, body); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		// Told again it is refused, but it is no guess.
		if err := post(known, body); !errors.Is(err, ErrReplayed) {
			t.Fatalf("told again: %v", err)
		}
	}
	for _, r := range []*Request{signed("events", "m2"), signed("wrong", "m3")} {
		if err := post(r, []byte(`{"a":2}`)); !errors.Is(err, ErrUnauthenticated) {
			t.Fatal(err)
		}
	}
	var tooMany *guard.TooManyFailures
	if err := post(signed("events", "m4"), body); !errors.As(err, &tooMany) {
		t.Errorf("after two failures: %v", err)
	}
	later := signed("events", "m5")
	later.Client = known.Client
	if err := post(later, body); err != nil {
		t.Errorf("from an address where nobody guessed: %v", err)
	}
	// A bearer token beside it does not open what the signature does not.
	both := signed("wrong", "m6")
	both.Client = netip.MustParseAddr("10.0.0.3")
	both.Header.Set("Authorization", "Bearer wrong")
	if err := post(both, body); !errors.Is(err, ErrUnauthenticated) {
		t.Error(err)
	}
}

// TestAbandonedAttempts: bodies that never come use up nothing.
func TestAbandonedAttempts(t *testing.T) {
	g, d := newTestGate(t)
	g.Failures = guard.NewFailures(guard.FailuresOptions{Max: 1})
	for range 5 {
		header, err := signature.Sign("events", "m", time.Now(), []byte("{}"))
		if err != nil {
			t.Fatal(err)
		}
		r := request("POST", "/events/message")
		r.Header = header
		grant, err := g.Admit(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		grant.Release()
	}
	d.err = store.ErrUnavailable
	for range 5 {
		if _, err := g.Admit(t.Context(), request("GET", "/api/wa/stats/alice", "Authorization", "Bearer x")); !errors.Is(err, store.ErrUnavailable) {
			t.Fatal(err)
		}
	}
}

func TestTokens(t *testing.T) {
	tokens := NewTokens("", "one", "", "two")
	for token, want := range map[string]bool{"one": true, "two": true, "": false, "on": false, "onetwo": false, "One": false} {
		if tokens.Equal(token) != want {
			t.Errorf("%q: %t", token, !want)
		}
	}
	if none := NewTokens("", ""); none.Set() || none.Equal("") {
		t.Error("empty tokens are tokens")
	}
}
