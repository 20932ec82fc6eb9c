package caddywagateway

import (
	"testing"
	"time"

	"github.com/genfity/wa-gateway/signature"
	"github.com/genfity/wa-gateway/store/storetest"
)

// signed are the headers of a Standard Webhooks signature.
func signed(t *testing.T, secret, id string, at time.Time, body string) []string {
	t.Helper()
	header, err := signature.Sign(secret, id, at, []byte(body))
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for name, values := range header {
		list = append(list, name, values[0])
	}
	return list
}

// bodySigned is the header of a signature that knows no time.
func bodySigned(secret, body string) []string {
	return []string{"X-Hub-Signature-256", signature.SignBody(secret, []byte(body)).Get("X-Hub-Signature-256")}
}

const twoTokens = "events_token events-secret events-before\n"

func TestSignatures(t *testing.T) {
	s := newSetup(t, storetest.New(t, storetest.SQLite), "{APP}", twoTokens)
	now := time.Now()
	post := func(body string, header []string) response {
		return s.call("POST", "/events/message", body, header)
	}

	t.Run("once", func(t *testing.T) {
		body := eventOf(alice, aliceSession, "signed", "sent", now)
		header := signed(t, "events-secret", "msg_1", now, body)
		res := post(body, header)
		res.wantAnswer(t, 200, "Event recorded")
		for range 3 {
			post(body, header).wantAnswer(t, 409, "")
		}
		// The same event told anew is no repetition of the request; it counts once.
		res = post(body, signed(t, "events-secret", "msg_2", now, body))
		res.wantAnswer(t, 200, "")
		if res.at("data", "duplicate") != true {
			t.Errorf("told anew: %s", res.text)
		}
		if got := s.sessionTotals(t, aliceSession); got != [4]float64{1, 0, 0, 0} {
			t.Errorf("totals %v", got)
		}
		batch := "[" + eventOf(alice, aliceSession, "in-batch", "sent", now) + "]"
		header = signed(t, "events-secret", "msg_3", now, batch)
		for _, want := range []int{200, 409} {
			s.call("POST", "/events/message/batch", batch, header).wantAnswer(t, want, "")
		}
	})

	t.Run("not good", func(t *testing.T) {
		body := eventOf(alice, aliceOther, "never", "sent", now)
		for name, header := range map[string][]string{
			"stale":         signed(t, "events-secret", "old", now.Add(-6*time.Minute), body),
			"of the future": signed(t, "events-secret", "new", now.Add(6*time.Minute), body),
			"another body":  signed(t, "events-secret", "other", now, body+" "),
			"another key":   signed(t, "events-wrong", "key", now, body),
			"another id":    append(signed(t, "events-secret", "one", now, body), "Webhook-Id", "two"),
			"another time":  append(signed(t, "events-secret", "time", now, body), "Webhook-Timestamp", "1"),
			"of the body":   bodySigned("events-wrong", body),
			"admin token":   {"Authorization", "Bearer admin-secret"},
			"nothing":       nil,
		} {
			if res := post(body, header); res.status != 401 {
				t.Errorf("%s: %d %s", name, res.status, res.text)
			}
		}
		if got := s.sessionTotals(t, aliceOther); got != [4]float64{} {
			t.Errorf("totals %v", got)
		}
	})

	t.Run("again after a refusal", func(t *testing.T) {
		body := eventOf(alice, "later-1", "early", "sent", now)
		header := signed(t, "events-secret", "msg_early", now, body)
		for range 2 {
			post(body, header).wantAnswer(t, 422, "")
		}
		s.addSession(t, "later-1")
		eventually(t, "the session", func() bool {
			res := post(body, header)
			if res.status != 200 && res.status != 422 {
				t.Fatalf("%d %s", res.status, res.text)
			}
			return res.status == 200
		})
		post(body, header).wantAnswer(t, 409, "")
	})

	t.Run("two tokens", func(t *testing.T) {
		for i, secret := range []string{"events-secret", "events-before"} {
			id := "rotated-" + string(rune('a'+i))
			body := eventOf(alice, aliceSession, id, "sent", now)
			for name, header := range map[string][]string{
				"token":       {"Authorization", "Bearer " + secret},
				"timestamped": signed(t, secret, id, now, body),
				"body":        bodySigned(secret, body),
			} {
				if res := post(body, header); res.status != 200 {
					t.Errorf("%s, %s: %d %s", secret, name, res.status, res.text)
				}
			}
			// A signature of the body can be sent again; it counts once all the same.
			post(body, bodySigned(secret, body)).wantAnswer(t, 200, "")
		}
	})
}

func TestTimestampedSignaturesOnly(t *testing.T) {
	s := newSetup(t, storetest.New(t, storetest.SQLite), "admin_token admin-secret", "admin_token admin-secret admin-before",
		"{APP}", twoTokens+"signatures timestamped 10s")
	now := time.Now()
	body := eventOf(alice, aliceSession, "stamped", "sent", now)
	for _, c := range []struct {
		header []string
		want   int
	}{
		{bodySigned("events-secret", body), 401},
		{signed(t, "events-secret", "a", now.Add(-15*time.Second), body), 401},
		{append(signed(t, "events-wrong", "b", now, body), bodySigned("events-secret", body)...), 401},
		{signed(t, "events-before", "c", now, body), 200},
		{[]string{"Authorization", "Bearer events-before"}, 200},
	} {
		s.call("POST", "/events/message", body, c.header).wantAnswer(t, c.want, "")
	}
	for token, want := range map[string]int{"admin-secret": 200, "admin-before": 200, "admin-later": 401, "events-secret": 401, "": 401} {
		for _, path := range []string{"/events/admin/stats", "/events/stats/user/" + alice, "/api/wa/stats/" + alice} {
			if res := s.call("GET", path, "", []string{"Authorization", "Bearer " + token}); res.status != want {
				t.Errorf("%q at %s: %d %s", token, path, res.status, res.text)
			}
		}
	}
}

// TestSignedWhileDatabaseIsAway: what was not acknowledged is told again, and taken.
func TestSignedWhileDatabaseIsAway(t *testing.T) {
	d := storetest.New(t, storetest.PostgresPrisma)
	s := &setup{wa: newWARecorder(t), db: openStore(t, d.DSN)}
	seed(t, s.db)
	l, dsn := newLink(t, d.DSN, true)
	s.gateway = startCaddy(t, caddyfileFor(dsn, s.wa.URL, "{APP}", twoTokens, "journal {DIR}/journal", "journal {DIR}/journal {\n\t\t\tspool off\n\t\t}"))
	s.ready()
	now := time.Now()
	body := eventOf(alice, aliceSession, "told-again", "sent", now)
	header := signed(t, "events-secret", "again", now, body)
	l.cut()
	for range 2 {
		wantUnavailable(t, s.call("POST", "/events/message", body, header))
	}
	l.mend()
	eventually(t, "the database", func() bool {
		res := s.call("POST", "/events/message", body, header)
		if res.status != 200 && res.status != 503 {
			t.Fatalf("%d %s", res.status, res.text)
		}
		return res.status == 200
	})
	s.call("POST", "/events/message", body, header).wantAnswer(t, 409, "")
	if got := s.sessionTotals(t, aliceSession); got != [4]float64{1, 0, 0, 0} {
		t.Errorf("totals %v", got)
	}
}
