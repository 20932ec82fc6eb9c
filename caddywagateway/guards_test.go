package caddywagateway

import (
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/genfity/wa-gateway/store/storetest"
)

// behindProxy makes Caddy believe the proxy that the tests play, so that a test can
// come from any address.
var behindProxy = []string{"{GLOBAL}", "{GLOBAL}\n\tservers {\n\t\ttrusted_proxies static 127.0.0.1/32\n\t}"}

// withKey are the headers of a call with a credential, from an address.
func withKey(key, address string) []string {
	header := []string{"Authorization", "Bearer " + key, "X-Session-ID", aliceSession}
	if address != "" {
		header = append(header, "X-Forwarded-For", address)
	}
	return header
}

// refusedForFailures checks a 429 of an address and returns the seconds to wait.
func refusedForFailures(t *testing.T, res response) int {
	t.Helper()
	res.wantAnswer(t, 429, "Too many wrong credentials from your address; try again later")
	seconds, err := strconv.Atoi(res.header.Get("Retry-After"))
	if err != nil || seconds < 1 || res.at("data", "retry_after") != float64(seconds) {
		t.Fatalf("Retry-After %q: %s", res.header.Get("Retry-After"), res.text)
	}
	return seconds
}

// TestAuthFailures: three wrong credentials in two seconds are what an address may
// show, whatever they are for.
func TestAuthFailures(t *testing.T) {
	d := storetest.New(t, storetest.SQLite)
	changes := append([]string{"{GUESSES}", "3 2s", "{APP}", "events_token events-secret"}, behindProxy...)
	s := newSetup(t, d, changes...)
	own := func(key, address string) response {
		return s.call("GET", "/api/wa/subscription/"+alice, "", withKey(key, address))
	}
	admin := func(token, address string) response {
		return s.call("GET", "/events/admin/stats", "", withKey(token, address))
	}
	event := func(header []string) response {
		return s.call("POST", "/events/message", eventOf(alice, aliceSession, "guess", "sent", time.Now()), header)
	}
	fail := func(address string) {
		t.Helper()
		for i := range 3 {
			own(fmt.Sprint("wrong-", i), address).wantAnswer(t, 401, messageUnauthenticated)
		}
	}

	t.Run("the wait is true", func(t *testing.T) {
		const address = "203.0.113.1"
		fail(address)
		// From here on nothing is looked at, so even the right one has to wait.
		refusedForFailures(t, own("wrong-3", address))
		seconds := refusedForFailures(t, own(columnKey+alice, address))
		asked := time.Now()
		if seconds > 2 {
			t.Fatalf("Retry-After %d in a window of 2 s", seconds)
		}
		// A whole second less is too early.
		time.Sleep(time.Duration(seconds-1)*time.Second - 300*time.Millisecond)
		if early := own(columnKey+alice, address); time.Since(asked) < time.Duration(seconds-1)*time.Second {
			refusedForFailures(t, early)
		}
		time.Sleep(time.Until(asked.Add(time.Duration(seconds) * time.Second)))
		own(columnKey+alice, address).wantAnswer(t, 200, "")
	})

	t.Run("known keys go on", func(t *testing.T) {
		const address = "203.0.113.2"
		own(columnKey+alice, address).wantAnswer(t, 200, "")
		admin("admin-secret", address).wantAnswer(t, 200, "")
		fail(address)
		for range 5 {
			own(columnKey+alice, address).wantAnswer(t, 200, "")
			admin("admin-secret", address).wantAnswer(t, 200, "")
			refusedForFailures(t, own("wrong-3", address))
		}
		// It is the credential that is known there, not the account.
		refusedForFailures(t, own(columnKey+bob, address))
		// From elsewhere nobody has to wait.
		own(columnKey+alice, "203.0.113.3").wantAnswer(t, 200, "")
		own("wrong-4", "203.0.113.3").wantAnswer(t, 401, messageUnauthenticated)
	})

	t.Run("what is no guess", func(t *testing.T) {
		const inside, outside = "10.1.2.3", "203.0.113.4"
		for i := range 5 {
			s.call("GET", "/api/wa/subscription/"+alice, "", []string{"X-User-ID", fmt.Sprint("nobody-", i), "X-Forwarded-For", inside}).wantAnswer(t, 401, "")
			s.call("GET", "/api/wa/subscription/"+alice, "", []string{"X-User-ID", alice, "X-Forwarded-For", outside}).wantAnswer(t, 401, "")
			s.call("GET", "/api/wa/subscription/"+alice, "", []string{"X-Forwarded-For", outside}).wantAnswer(t, 401, "")
			s.call("GET", "/events/admin/stats", "", []string{"X-Forwarded-For", outside}).wantAnswer(t, 401, "")
			event([]string{"X-Forwarded-For", outside}).wantAnswer(t, 401, "")
			// A key that is good is no guess, whatever it may not do.
			s.call("GET", "/api/wa/subscription/"+bob, "", withKey(columnKey+alice, outside)).wantAnswer(t, 403, "")
			s.call("GET", "/api/wa/unknown", "", withKey("wrong", outside)).wantAnswer(t, 404, "")
		}
		fail(inside)
		fail(outside)
		refusedForFailures(t, own("wrong-3", inside))
		// Who asserts an identity shows no credential, so there is nothing to slow.
		s.call("GET", "/api/wa/subscription/"+alice, "", []string{"X-User-ID", alice, "X-Forwarded-For", inside}).wantAnswer(t, 200, "")
	})

	t.Run("tokens count too", func(t *testing.T) {
		const adminOnly, eventsOnly, mixed = "203.0.113.5", "203.0.113.6", "203.0.113.7"
		for range 3 {
			admin("admin-wrong", adminOnly).wantAnswer(t, 401, "")
			event(withKey("events-wrong", eventsOnly)).wantAnswer(t, 401, "")
		}
		refusedForFailures(t, admin("admin-secret", adminOnly))
		refusedForFailures(t, event(withKey("events-secret", eventsOnly)))

		own("wrong", mixed).wantAnswer(t, 401, "")
		event(withKey("events-wrong", mixed)).wantAnswer(t, 401, "")
		event([]string{"X-Hub-Signature-256", "sha256=" + signatureOf("another", "body"), "X-Forwarded-For", mixed}).wantAnswer(t, 401, "")
		refusedForFailures(t, admin("admin-secret", mixed))
		refusedForFailures(t, own(columnKey+alice, mixed))
		refusedForFailures(t, event(withKey("events-secret", mixed)))
	})

	t.Run("networks", func(t *testing.T) {
		// An IPv6 customer has a whole /64 to guess from.
		for i := range 3 {
			own(fmt.Sprint("wrong-", i), fmt.Sprintf("2001:db8::%x", i+1)).wantAnswer(t, 401, "")
		}
		refusedForFailures(t, own("wrong", "2001:db8::ffff:4"))
		own("wrong", "2001:db8:0:1::1").wantAnswer(t, 401, "")
	})

	t.Run("reload", func(t *testing.T) {
		const address = "203.0.113.8"
		own(columnKey+alice, address).wantAnswer(t, 200, "")
		fail(address)
		s.load(caddyfileFor(d.DSN, s.wa.URL, changes...))
		s.ready()
		refusedForFailures(t, own(columnKey+bob, address))
		own(columnKey+alice, address).wantAnswer(t, 200, "")
	})
}
