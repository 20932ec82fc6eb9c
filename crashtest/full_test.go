package crashtest

import (
	"fmt"
	"os"
	"os/exec"
	"testing"
	"time"
)

type tooFewError int

func (n tooFewError) Error() string { return fmt.Sprintf("only %d yet", int(n)) }

// moreThan waits until there were n answers of a kind.
func (w *world) moreThan(n int, answer string) {
	w.Helper()
	eventually(w, 40*time.Second, fmt.Sprintf("%d times %s", n, answer), func() error {
		w.gateway.lives()
		if has := w.load.answered(answer); has < n {
			return tooFewError(has)
		}
		return nil
	})
}

// A journal that has reached its bound while the database is away takes no more
// events, which are refused with 503, and goes on for a while to take the outcomes of
// messages; then these are refused before they are sent. What was acknowledged before
// is counted when the database is back, and everything goes on.
func TestFullJournal(t *testing.T) {
	t.Parallel()
	w := newWorld(t, newPostgres(t), func(s *settings) { s.size = "1MiB" })
	w.load.refusesSends = true
	w.ready()
	w.greet()
	w.load.start()
	w.direct()
	w.db.server.Kill()
	w.moreThan(1, "event 503")
	w.moreThan(1, "batch 503")
	if n := w.load.answered("send 503"); n > 0 {
		t.Errorf("%d messages were refused as soon as events were", n)
	}
	w.moreThan(w.load.answered("send 200")+50, "send 200")
	w.moreThan(20, "send 503")
	w.startDatabase()
	w.load.log()
	w.load.forgetAnswers()
	w.direct()
	w.moreThan(50, "send 200")
	w.settle()
}

// A disk on which nothing can be written any more, while the database is away, is
// answered by 503 for all that would have to be kept, and takes nothing with it that
// was acknowledged.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	w := newWorld(t, newPostgres(t), func(s *settings) { s.journal, s.shell = smallDisk(t) })
	w.load.refusesSends = true
	w.ready()
	w.greet()
	w.load.start()
	w.direct()
	w.db.server.Kill()
	w.moreThan(20, "event 503")
	w.moreThan(1, "batch 503")
	w.moreThan(20, "send 503")
	w.startDatabase()
	w.load.log()
	w.load.forgetAnswers()
	w.direct()
	w.moreThan(50, "send 200")
	w.settle()
	w.busy(1000)
}

// smallFiles bounds the size of files, in blocks.
const smallFiles = "ulimit -f 1000"

// smallDisk is a folder for the journal in which little can be written: on a disk of
// its own where we may mount one; else with a bound on the size of files, which shell
// sets.
func smallDisk(t *testing.T) (folder, shell string) {
	t.Helper()
	folder = t.TempDir()
	if os.Geteuid() != 0 {
		return folder, smallFiles
	}
	out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=1m,mode=700", "tmpfs", folder).CombinedOutput()
	if err != nil { // in a container, mostly
		t.Logf("no disk of its own for the journal, but small files: %v %s", err, out)
		return folder, smallFiles
	}
	t.Cleanup(func() {
		if out, err := exec.Command("umount", folder).CombinedOutput(); err != nil {
			t.Errorf("umount: %v\n%s", err, out)
		}
	})
	return folder, ""
}
