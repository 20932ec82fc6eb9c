package crashtest

import (
	"testing"
	"time"
)

// tolerance is what answers may take beyond the gateway's own patience, on a machine
// that does much else.
const tolerance = 3 * time.Second

// newDistantWorld is a gateway with a bad network between it and its PostgreSQL, at
// work.
func newDistantWorld(t *testing.T, changes ...func(*settings)) (*world, *proxy) {
	t.Helper()
	d := newPostgres(t)
	p := newProxy(t, d.server.Addr())
	w := newWorld(t, d, append(changes, func(s *settings) {
		s.dsn = d.server.URL(p.addr(), "postgres")
		s.primary = s.dsn
	})...)
	w.ready()
	w.greet()
	return w, p
}

// A database that is slow, cut off, silent, or behind a firewall that has forgotten
// its connections, keeps nobody waiting for much longer than the gateway's patience:
// events are acknowledged, known callers send, unknown ones are refused with 503, and
// when it is over, all is counted once.
func TestFaults(t *testing.T) {
	t.Parallel()
	w, p := newDistantWorld(t)
	w.load.start()
	w.direct()
	for _, fault := range []struct {
		name    string
		begin   func()
		lasts   time.Duration
		away    bool          // for events
		patient time.Duration // what an event may take
	}{
		{"slow", func() { p.slow(60 * time.Millisecond) }, 3 * time.Second, false, 2 * time.Second},
		{"very slow", func() { p.slow(300 * time.Millisecond) }, 5 * time.Second, false, 3 * time.Second},
		{"cut", p.cut, 3 * time.Second, true, time.Second},
		{"cut for a moment", p.cut, 100 * time.Millisecond, false, time.Second},
		{"silent", p.hush, 5 * time.Second, true, 2 * time.Second},
		{"silent for a moment", p.hush, time.Second, false, 2 * time.Second},
		{"forgotten", p.forget, 3 * time.Second, false, 2 * time.Second},
	} {
		w.load.forgetAnswers()
		fault.begin()
		began := time.Now()
		if fault.away {
			w.stranger(fault.name)
		}
		time.Sleep(fault.lasts - time.Since(began))
		p.heal()
		w.direct()
		w.load.log()
		w.Logf("%s: events reach the database again %v after it began", fault.name, time.Since(began).Round(100*time.Millisecond))
		w.gateway.lives()
		for what, most := range map[string]time.Duration{
			"event 200": fault.patient, "event 200 spooled": fault.patient,
			"batch 200": fault.patient, "batch 200 spooled": fault.patient,
			"webhook 200": 2 * fault.patient, "webhook 200 spooled": 2 * fault.patient,
			"send 200": time.Second,
		} {
			if took := w.load.slow(what); took > most+tolerance {
				t.Errorf("%s: %s took %v", fault.name, what, took)
			}
		}
		if fault.away && w.load.answered("event 200 spooled") == 0 {
			t.Errorf("%s: no event was spooled", fault.name)
		}
		if n := w.load.answered("event 503") + w.load.answered("batch 503") + w.load.answered("webhook 503"); n > 0 {
			t.Errorf("%s: events were refused %d times", fault.name, n)
		}
	}
	w.settle()
	w.spooled()
}

// stranger is a caller whom the gateway does not know: without its database it can
// only say so.
func (w *world) stranger(name string) {
	w.Helper()
	w.load.client(func(c *client) {
		start := time.Now()
		a, err := c.post("stranger", "/api/wa/send-message", `{"to":"6281234567890","message":"ok/stranger"}`,
			"Authorization", "Bearer nobody-knows-"+name, "X-Session-ID", w.users[0].sessions[0])
		if err == nil && a.status != 503 {
			c.problems.add("%s: a caller nobody knows was answered %d: %s", name, a.status, a.body)
		}
		if took := time.Since(start); took > 6*time.Second+tolerance {
			c.problems.add("%s: a caller nobody knows waited for %v", name, took)
		}
	})
}
