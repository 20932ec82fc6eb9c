package directory

import (
	"errors"
	"testing"
	"time"

	"github.com/genfity/wa-gateway/store"
)

func TestLinksAreRemembered(t *testing.T) {
	at(t, func(t *testing.T, s *source, d *Directory) {
		ctx := t.Context()
		if _, err := d.Link(ctx, "s-ann"); !errors.Is(err, store.ErrNotFound) {
			t.Fatalf("none: %v", err)
		}
		s.do(func() {
			s.links = map[string]store.SessionLink{"s-ann": {SessionID: "s-ann", Server: "main", RemoteID: "1"}}
		})
		time.Sleep(20 * time.Second)
		if _, err := d.Link(ctx, "s-ann"); !errors.Is(err, store.ErrNotFound) || s.calls.Load() != 1 {
			t.Fatalf("its absence was not remembered: %v", err)
		}
		d.ForgetSession("s-ann")
		before := s.calls.Load()
		for range 100 {
			link, err := d.Link(ctx, "s-ann")
			if err != nil || link.RemoteID != "1" {
				t.Fatalf("got %+v, %v", link, err)
			}
		}
		if n := s.calls.Load() - before; n != 1 {
			t.Errorf("%d calls", n)
		}

		for name, forget := range map[string]func(){
			"2": func() { d.ForgetSession("s-ann") },
			"3": func() { d.forget(store.Change{Kind: store.ChangeSession, Key: "s-ann"}) },
			"4": d.ForgetAll,
			"5": d.doubtAll,
		} {
			s.do(func() { s.links["s-ann"] = store.SessionLink{SessionID: "s-ann", RemoteID: name} })
			forget()
			if link, err := d.Link(ctx, "s-ann"); err != nil || link.RemoteID != name {
				t.Errorf("forgotten: %+v, %v, want %s", link, err, name)
			}
		}
	})
}

func TestLinksStayWhileTheDatabaseIsAway(t *testing.T) {
	at(t, func(t *testing.T, s *source, d *Directory) {
		s.do(func() { s.links = map[string]store.SessionLink{"s-ann": {SessionID: "s-ann", RemoteID: "1"}} })
		if _, err := d.Link(t.Context(), "s-ann"); err != nil {
			t.Fatal(err)
		}
		away := store.ErrUnavailable
		s.err.Store(&away)
		time.Sleep(time.Minute)
		if link, err := d.Link(t.Context(), "s-ann"); err != nil || link.RemoteID != "1" {
			t.Errorf("while away: %+v, %v", link, err)
		}
		if _, err := d.Link(t.Context(), "other"); !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("one that is not known: %v", err)
		}
	})
}
