package store_test

import (
	"errors"
	"testing"
	"time"

	"github.com/genfity/wa-gateway/store"
	"github.com/genfity/wa-gateway/store/storetest"
)

func link(session, server, remote string) *store.SessionLink {
	return &store.SessionLink{
		SessionID: session, UserID: "u", Server: server, RemoteID: remote,
		Credential: []byte{0, 1, 0xff}, WebhookSecret: []byte("sealed"),
	}
}

// announced tells whether the latest change is about a session.
func announced(t *testing.T, tr *store.Transactional, session string) bool {
	t.Helper()
	changes, err := tr.Changes(t.Context(), time.Minute)
	must(t, err)
	return len(changes) > 0 && changes[0].Kind == store.ChangeSession && changes[0].Key == session
}

func TestLinks(t *testing.T) {
	each(t, func(t *testing.T, d *storetest.Database, tr *store.Transactional) {
		ctx := t.Context()
		if _, err := tr.Link(ctx, "s1"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("none: %v", err)
		}
		must(t, tr.SaveLink(ctx, link("s1", "main", "r1")))
		if !announced(t, tr, "s1") {
			t.Error("nobody was told of the link")
		}
		got, err := tr.Link(ctx, "s1")
		must(t, err)
		if got.RemoteID != "r1" || string(got.Credential) != "\x00\x01\xff" || string(got.WebhookSecret) != "sealed" || got.CreatedAt.IsZero() {
			t.Errorf("got %+v", got)
		}

		// Without secrets, and with the gateway's own id.
		bare := &store.SessionLink{SessionID: "s2", UserID: "u", Server: "main"}
		must(t, tr.SaveLink(ctx, bare))
		got, err = tr.Link(ctx, "s2")
		if must(t, err); got.RemoteID != "s2" || len(got.Credential) != 0 {
			t.Errorf("got %+v", got)
		}

		// A second time it takes the place of the first.
		again := link("s1", "main", "r1b")
		again.Credential = []byte("other")
		must(t, tr.SaveLink(ctx, again))
		must(t, tr.SetLinkWebhook(ctx, "s1", "https://shop.example/hook"))
		got, err = tr.Link(ctx, "s1")
		if must(t, err); got.RemoteID != "r1b" || string(got.Credential) != "other" || got.Webhook != "https://shop.example/hook" {
			t.Errorf("got %+v", got)
		}
		if err := tr.SetLinkWebhook(ctx, "nobody", "x"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("the webhook of no link: %v", err)
		}

		// One remote id is one session's, at each server.
		if err := tr.SaveLink(ctx, link("s3", "main", "r1b")); !errors.Is(err, store.ErrConflict) {
			t.Errorf("a taken remote id: %v", err)
		}
		must(t, tr.SaveLink(ctx, link("s3", "other", "r1b")))

		must(t, tr.RemoveLink(ctx, "s1"))
		must(t, tr.RemoveLink(ctx, "s1"))
		if _, err := tr.Link(ctx, "s1"); !errors.Is(err, store.ErrNotFound) || !announced(t, tr, "s1") {
			t.Errorf("removed: %v", err)
		}
		for _, bad := range []*store.SessionLink{{UserID: "u", Server: "m"}, {SessionID: "s", Server: "m"}, {SessionID: "s", UserID: "u"}} {
			if err := tr.SaveLink(ctx, bad); err == nil {
				t.Errorf("kept %+v", bad)
			}
		}
	})
}

func TestFindLink(t *testing.T) {
	each(t, func(t *testing.T, d *storetest.Database, tr *store.Transactional) {
		ctx := t.Context()
		for _, l := range []*store.SessionLink{link("a", "main", "b"), link("b", "main", "x"), link("c", "other", "y"), link("d", "main", "d")} {
			must(t, tr.SaveLink(ctx, l))
		}
		for _, c := range []struct {
			server string
			names  []string
			want   string
		}{
			{"main", []string{"b"}, "a"}, // the server's own name, not the gateway's id
			{"main", []string{"x"}, "b"},
			{"main", []string{"a"}, ""},           // its owner may have chosen that
			{"main", []string{"nobody", "a"}, ""}, // to look like somebody else's
			{"main", []string{"", "nobody", "x", "d"}, "b"},
			{"main", []string{"y"}, ""}, // another server's
			{"other", []string{"y"}, "c"},
			{"other", []string{"d"}, ""},
			{"main", []string{"%", "\x00", "' OR 1=1"}, ""},
			{"main", nil, ""},
			{"", []string{"d"}, ""},
		} {
			got, err := tr.FindLink(ctx, c.server, c.names)
			if c.want == "" {
				if !errors.Is(err, store.ErrNotFound) {
					t.Errorf("%s %q: %+v, %v", c.server, c.names, got, err)
				}
			} else if err != nil || got.SessionID != c.want {
				t.Errorf("%s %q: %+v, %v", c.server, c.names, got, err)
			}
		}

		var all []string
		for after := ""; ; {
			links, err := tr.LinksOf(ctx, "main", 2, after)
			must(t, err)
			if len(links) == 0 {
				break
			}
			for _, l := range links {
				all = append(all, l.SessionID)
			}
			after = all[len(all)-1]
		}
		if len(all) != 3 || all[0] != "a" || all[2] != "d" {
			t.Errorf("links %q", all)
		}
	})
}

func TestConfirmSessionWithLink(t *testing.T) {
	each(t, func(t *testing.T, d *storetest.Database, tr *store.Transactional) {
		ctx := t.Context()
		addUser(t, tr, "u")
		reserved, err := tr.ReserveSession(ctx, "u", "s", 5, time.Minute)
		must(t, err)
		l := &store.SessionLink{Server: "main", RemoteID: "r"}
		must(t, tr.ConfirmSessionWithLink(ctx, reserved, &store.Session{SessionID: "s", UserID: ptr("u"), Status: "created"}, l))
		got, err := tr.Link(ctx, "s")
		if must(t, err); got.UserID != "u" || got.RemoteID != "r" || !announced(t, tr, "s") {
			t.Errorf("got %+v", got)
		}

		// Both or neither: the remote id is another session's.
		reserved, err = tr.ReserveSession(ctx, "u", "s2", 5, time.Minute)
		must(t, err)
		err = tr.ConfirmSessionWithLink(ctx, reserved, &store.Session{SessionID: "s2", UserID: ptr("u")}, &store.SessionLink{Server: "main", RemoteID: "r"})
		if !errors.Is(err, store.ErrConflict) {
			t.Errorf("a taken remote id: %v", err)
		}
		if _, err := tr.Session(ctx, "s2"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("the session without its link: %v", err)
		}

		// The row that the same user has already gets the link.
		addSession(t, tr, "u", "s3")
		must(t, tr.ConfirmSessionWithLink(ctx, "none", &store.Session{SessionID: "s3", UserID: ptr("u")}, &store.SessionLink{Server: "main"}))
		if got, err = tr.Link(ctx, "s3"); err != nil || got.RemoteID != "s3" {
			t.Errorf("got %+v, %v", got, err)
		}
		// Somebody else's does not.
		addUser(t, tr, "thief")
		err = tr.ConfirmSessionWithLink(ctx, "none", &store.Session{SessionID: "s3", UserID: ptr("thief")}, &store.SessionLink{Server: "main"})
		if !errors.Is(err, store.ErrConflict) {
			t.Errorf("somebody else's: %v", err)
		}
		if got, err = tr.Link(ctx, "s3"); err != nil || got.UserID != "u" {
			t.Errorf("got %+v, %v", got, err)
		}

		must(t, tr.RemoveSession(ctx, "u", "s"))
		if _, err := tr.Link(ctx, "s"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("the link of a removed session: %v", err)
		}
	})
}
