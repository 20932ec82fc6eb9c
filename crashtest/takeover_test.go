package crashtest

import (
	"testing"
	"time"
)

// What a gateway had spooled when it was killed is counted by another one that uses
// the same folder for its journal and was there all the time: nobody has to start the
// dead one again.
func TestTakeOver(t *testing.T) {
	t.Parallel()
	w := newWorld(t, newPostgres(t))
	w.load.breaks, w.load.refusesSends = true, true
	w.ready()
	dead, heir := w.gateway, newGateway(t, w.gateway.settings)
	heir.start()
	w.gateway = heir
	w.ready()
	w.load.start() // tells the one that will die
	w.direct()
	w.db.server.Kill()
	eventually(w, 30*time.Second, "events are spooled", func() error {
		if n := w.load.answered("event 200 spooled"); n < 300 {
			return tooFewError(n)
		}
		return nil
	})
	dead.kill()
	w.load.turnTo(heir)
	w.startDatabase()
	w.within = 60 * time.Second // it looks for the dead every 30 s
	w.settle()
	w.spooled()
}
