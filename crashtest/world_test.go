package crashtest

import (
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/genfity/wa-gateway/crashtest/told"
)

// world is a gateway under load, with what is before and behind it.
type world struct {
	*testing.T
	db      *database
	wa      *waServer
	gateway *gateway
	load    *load
	users   []user
	reset   func(told.Owner) (at, done time.Time)
	within  time.Duration // everything is counted at the end
}

// newWorld starts a gateway on a database. changes are made to its settings.
func newWorld(t *testing.T, d *database, changes ...func(*settings)) *world {
	t.Helper()
	w := &world{T: t, db: d, users: d.seed(t, 4), wa: newWAServer(t, told.NewBook()), within: 30 * time.Second}
	s := settings{dsn: d.dsn, primary: d.primary, wa: w.wa.URL}
	for _, change := range changes {
		change(&s)
	}
	w.gateway = newGateway(t, s)
	w.load = newLoad(t, w.gateway, w.users, w.wa)
	w.gateway.start()
	return w
}

// ready waits until the gateway knows its callers.
func (w *world) ready() {
	w.Helper()
	eventually(w, 30*time.Second, "the gateway is ready", func() error {
		return w.gateway.get("/events/admin/stats", new(struct{}))
	})
}

// totals are the statistics as customers see them, by session; the sums for each
// user have to fit.
func (w *world) totals() (map[told.Owner]told.Counts, error) {
	type counts struct {
		SessionID string `json:"session_id"`
		Sent      int64  `json:"total_messages_sent"`
		Failed    int64  `json:"total_messages_failed"`
		Delivered int64  `json:"total_messages_delivered"`
		Read      int64  `json:"total_messages_read"`
	}
	read := func(c counts) told.Counts {
		return told.Counts{Sent: c.Sent, Failed: c.Failed, Delivered: c.Delivered, Read: c.Read}
	}
	all := map[told.Owner]told.Counts{}
	for _, u := range w.users {
		var view struct {
			counts
			Sessions []counts
		}
		if err := w.gateway.get("/events/admin/stats/user/"+u.id, &view); err != nil {
			return nil, err
		}
		var sum told.Counts
		for _, s := range view.Sessions {
			all[told.Owner{User: u.id, Session: s.SessionID}] = read(s)
			sum.Add(read(s))
		}
		if sum != read(view.counts) {
			return nil, fmt.Errorf("the statistics of %s are %+v, but those of the sessions add up to %+v", u.id, read(view.counts), sum)
		}
	}
	return all, nil
}

// compare holds the gateway's ledger against what it was told.
func (w *world) compare() error {
	var ledger told.Ledger
	err := w.db.look(func(db *sql.DB) (err error) {
		if ledger.Rows, err = w.db.messages(w.Context(), db); err != nil {
			return err
		}
		ledger.Rollups, err = w.db.rollups(w.Context(), db)
		return err
	})
	if err != nil {
		return err
	}
	if ledger.Totals, err = w.totals(); err != nil {
		return err
	}
	if report := w.wa.book.Compare(&ledger, w.reset); !report.OK() {
		return errors.New(report.String())
	}
	return w.load.hooks.compare(w.db)
}

// deadLetters lists the messages of the events that were set aside.
func (w *world) deadLetters() (messages []string, err error) {
	err = w.db.look(func(db *sql.DB) error {
		rows, err := db.Query(`SELECT message_id FROM ` + w.db.own("dead_letters"))
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var message string
			if err := rows.Scan(&message); err != nil {
				return err
			}
			messages = append(messages, message)
		}
		return rows.Err()
	})
	return messages, err
}

// compareDeadLetters finds those of strangers among them, each once, and nothing else.
func (w *world) compareDeadLetters() error {
	has, err := w.deadLetters()
	if err != nil {
		return err
	}
	want := slices.Clone(w.load.aside)
	slices.Sort(has)
	slices.Sort(want)
	if !slices.Equal(has, want) {
		return fmt.Errorf("%d events were set aside, not %d: %.300v, not %.300v", len(has), len(want), has, want)
	}
	return nil
}

// settle ends the load and holds the gateway to account: within a while, everything
// that was acknowledged is counted, once; nothing waits any more; and a gateway that
// starts again finds nothing to count twice.
func (w *world) settle() {
	w.Helper()
	if w.db.server != nil {
		w.startDatabase()
	}
	w.load.finish(30 * time.Second)
	w.load.log()
	w.load.problems.report(w)
	w.wa.problems.report(w)
	eventually(w, w.within, "everything is counted once", w.compare)
	eventually(w, w.within, "what nobody can count is set aside", w.compareDeadLetters)
	w.gateway.verify("at the end")
	w.gateway.stop()
	if files := w.gateway.waiting(); len(files) > 0 {
		w.Errorf("the gateway has stopped, and something waits: %v", files)
	}
	w.gateway.start()
	w.ready()
	if err := w.compare(); err != nil {
		w.Errorf("after another start: %v", err)
	}
	if err := w.compareDeadLetters(); err != nil {
		w.Errorf("after another start: %v", err)
	}
}

// busy fails when the load was none: then the test has shown nothing.
func (w *world) busy(least int) {
	w.Helper()
	if _, acknowledged := w.wa.book.Size(); acknowledged < least {
		w.Errorf("only %d things were acknowledged: too few to show anything", acknowledged)
	}
}
