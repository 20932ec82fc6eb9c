package crashtest

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// How often each test kills.
const (
	gatewayKills  = 30
	databaseKills = 20
	bothKills     = 20
)

// A gateway that is killed at any moment, its start and its taking over of what the
// last one left included, loses nothing that it has acknowledged, neither events nor
// the outcomes of messages that its clients know of, and counts nothing twice,
// whatever is told to it again. At every moment its counters agree with its ledger.
func TestKillGateway(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, d *database) {
		w := newWorld(t, d)
		w.load.breaks, w.load.refusesSends = true, true
		w.ready()
		w.load.start()
		r := chance(t)
		n := rounds(t, gatewayKills)
		for i := range n {
			time.Sleep(between(r, 50*time.Millisecond, 700*time.Millisecond))
			w.gateway.lives()
			w.gateway.kill()
			if i%10 == 9 {
				w.gateway.verify("after a kill")
			}
			if r.IntN(4) > 0 {
				w.gateway.start()
			} else {
				w.gateway.launch() // to be killed while it starts, perhaps
			}
		}
		w.gateway.kill()
		w.gateway.start()
		w.settle()
		w.busy(30 * n)
	})
}

// A database that is killed at any moment, or cut off from its clients, while the
// gateway lives takes nothing with it: events are acknowledged meanwhile, each once,
// and counted when it is back; messages of known callers go on. Nobody is told
// anything but 503 with Retry-After, and nobody waits for long.
func TestKillDatabase(t *testing.T) {
	t.Parallel()
	w := newWorld(t, newPostgres(t))
	w.ready()
	w.greet()
	w.load.start()
	w.load.client(func(c *client) { c.tellStrangers() })
	r := chance(t)
	n := rounds(t, databaseKills)
	for i := range n {
		if i%2 == 0 { // hit it while it is at work, too
			w.direct()
		}
		time.Sleep(between(r, 50*time.Millisecond, 700*time.Millisecond))
		w.gateway.lives()
		w.hitDatabase(r)
	}
	w.settle()
	w.busy(30 * n)
	w.spooled()
	if len(w.load.aside) == 0 {
		t.Error("no stranger's event was taken")
	}
	for _, kind := range []string{"event", "batch", "webhook", "send"} {
		for _, answer := range []string{" 200", " 200 spooled"} {
			if took := w.load.slow(kind + answer); took > 5*time.Second {
				t.Errorf("%s%s took %v", kind, answer, took)
			}
		}
	}
}

// The gateway and the database die in any order, and the gateway is stopped in order
// as well, with and without its database.
func TestKillBoth(t *testing.T) {
	t.Parallel()
	w := newWorld(t, newPostgres(t))
	w.load.breaks, w.load.refusesSends = true, true
	w.ready()
	w.load.start()
	r := chance(t)
	n := rounds(t, bothKills)
	for range n {
		time.Sleep(between(r, 50*time.Millisecond, 700*time.Millisecond))
		w.gateway.lives()
		switch r.IntN(4) {
		case 0:
			w.hitDatabase(r)
		case 1: // what was spooled waits in the journal of one that is dead
			w.db.server.Kill()
			time.Sleep(between(r, 0, 300*time.Millisecond))
			w.gateway.kill()
			w.gateway.start()
			time.Sleep(between(r, 0, 300*time.Millisecond))
			w.startDatabase()
		case 2:
			w.gateway.kill()
			w.gateway.start()
		default: // as a service manager does
			if r.IntN(2) == 0 {
				w.db.server.Kill()
			}
			w.gateway.stop()
			w.gateway.start()
			w.startDatabase()
		}
	}
	w.settle()
	w.busy(30 * n)
	w.spooled()
}

// hitDatabase ends the database, mostly by kill -9, and starts it again.
func (w *world) hitDatabase(r *rand.Rand) {
	w.Helper()
	switch r.IntN(8) {
	case 0:
		w.db.server.Stop()
	case 1: // one of its processes: it starts the others again by itself
		w.db.server.KillBackend()
		return
	default:
		w.db.server.Kill()
	}
	time.Sleep(between(r, 0, 400*time.Millisecond))
	if r.IntN(4) > 0 {
		w.startDatabase()
	} else if err := w.db.server.Launch(w.Context()); err != nil { // to be hit while it recovers, perhaps
		w.Fatal(err)
	}
}

func (w *world) startDatabase() {
	w.Helper()
	if err := w.db.server.Start(w.Context()); err != nil {
		w.Fatal(err)
	}
}

// greet makes every caller known to the gateway, for longer than to its next look at
// what has changed lately: they are new.
func (w *world) greet() {
	time.Sleep(2500 * time.Millisecond)
	w.load.client(func(c *client) {
		for _, u := range w.users {
			for _, session := range u.sessions {
				c.send(u, session, message{Message: answerOK + "/greeting-" + session})
			}
		}
	})
	w.load.clients.Wait()
}

// direct waits until the gateway gives events to the database itself, and none to
// its journal.
func (w *world) direct() {
	w.Helper()
	w.startDatabase()
	eventually(w, 30*time.Second, "events reach the database", func() error {
		direct, spooled := w.load.answered("event 200"), w.load.answered("event 200 spooled")
		time.Sleep(150 * time.Millisecond)
		if n := w.load.answered("event 200 spooled") - spooled; n > 0 || w.load.answered("event 200") == direct {
			return fmt.Errorf("%d were spooled since, %d not", n, w.load.answered("event 200")-direct)
		}
		return nil
	})
}

// spooled fails when nothing was: then the test has not shown what it should.
func (w *world) spooled() {
	w.Helper()
	if w.load.answered("event 200 spooled") == 0 || w.load.answered("batch 200 spooled") == 0 {
		w.Error("no event was spooled")
	}
}
