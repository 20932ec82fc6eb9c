package store_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/genfity/wa-gateway/directory"
	"github.com/genfity/wa-gateway/store"
	"github.com/genfity/wa-gateway/store/storetest"
)

// Everything that a running gateway must hear of is told.
func TestChanges(t *testing.T) {
	each(t, func(t *testing.T, d *storetest.Database, tr *store.Transactional) {
		ctx := t.Context()
		seen := map[int64]bool{}
		// told lists what is new since the last time, as "kind key".
		told := func() (list []string) {
			t.Helper()
			changes, err := tr.Changes(ctx, time.Minute)
			must(t, err)
			for i, c := range changes {
				if i > 0 && c.ID >= changes[i-1].ID {
					t.Errorf("out of order: %+v", changes)
				}
				if !seen[c.ID] {
					seen[c.ID] = true
					list = append(list, c.Kind+" "+c.Key)
				}
			}
			slices.Reverse(list)
			return list
		}
		expect := func(doing string, want ...string) {
			t.Helper()
			if got := told(); !slices.Equal(got, want) {
				t.Errorf("%s: told %q, want %q", doing, got, want)
			}
		}
		expect("nothing")
		addUser(t, tr, "u")
		expect("a user", "user u")
		must(t, tr.AddPackage(ctx, &store.Package{ID: "p", Name: "P", MaxSession: 3}))
		expect("a package")
		must(t, tr.SetSubscription(ctx, "u", "p", "active", time.Now().Add(time.Hour)))
		must(t, tr.SetSubscription(ctx, "u", "p", "expired", time.Now().Add(time.Hour)))
		expect("a subscription", "user u", "user u")

		_, key, err := tr.CreateKey(ctx, store.NewKey{UserID: "u", Mode: "live"})
		must(t, err)
		expect("a key", "key "+key.Hash)
		_, next, err := tr.RotateKey(ctx, key.ID, time.Hour, nil)
		must(t, err)
		expect("a rotated key", "key "+key.Hash, "key "+next.Hash)
		must(t, tr.TouchKeys(ctx, map[string]time.Time{key.ID: time.Now()}))
		must(t, tr.RevokeKey(ctx, key.ID))
		must(t, tr.RevokeKey(ctx, key.ID))
		expect("a revoked key", "key "+key.Hash)

		addSession(t, tr, "u", "s1")
		expect("a session", "session s1")
		id, err := tr.ReserveSession(ctx, "u", "s2", 5, time.Minute)
		must(t, err)
		must(t, tr.ConfirmSession(ctx, id, &store.Session{SessionID: "s2", UserID: ptr("u")}))
		expect("a session that was reserved", "session s2")
		must(t, tr.UpdateSession(ctx, "s1", store.SessionUpdate{Status: ptr("connected")}))
		must(t, tr.RemoveSession(ctx, "u", "s1"))
		expect("a removed session", "session s1")
		if d.Complete() {
			must(t, tr.SetUserActive(ctx, "u", false))
			expect("a user who is kept out", "user u")
		}

		// What fails tells nothing.
		if _, _, err := tr.CreateKey(ctx, store.NewKey{UserID: "nobody", Mode: "live"}); err == nil {
			t.Error("a key of nobody")
		}
		if err := tr.RemoveSession(ctx, "u", "s1"); !errors.Is(err, store.ErrNotFound) {
			t.Error(err)
		}
		if err := tr.AddSession(ctx, &store.Session{SessionID: "s2", UserID: ptr("u")}); !errors.Is(err, store.ErrConflict) {
			t.Error(err)
		}
		expect("what failed")
	})
}

func TestChangesGrowOld(t *testing.T) {
	each(t, func(t *testing.T, d *storetest.Database, tr *store.Transactional) {
		age := func(by time.Duration) {
			t.Helper()
			if d.Postgres() {
				d.Exec(t, `UPDATE `+d.Own("changes")+` SET created_at = created_at - $1::float8 * interval '1 second'`, by.Seconds())
			} else {
				d.Exec(t, `UPDATE `+d.Own("changes")+` SET created_at = created_at - $1`, by.Milliseconds())
			}
		}
		rows := func() int { return d.Count(t, d.Own("changes"), "true") }
		for i := range 150 {
			addUser(t, tr, fmt.Sprint("u", i))
		}
		if changes, err := tr.Changes(t.Context(), time.Minute); err != nil || len(changes) != 150 {
			t.Errorf("%d changes, %v", len(changes), err)
		}
		age(61 * time.Second)
		if changes, err := tr.Changes(t.Context(), time.Minute); err != nil || len(changes) != 0 {
			t.Errorf("%d changes of the last minute, %v", len(changes), err)
		}
		addUser(t, tr, "v1")
		if n := rows(); n != 151 {
			t.Errorf("%d rows are kept within the hour", n)
		}
		age(time.Hour)
		for i, want := range []int{52, 2, 3} { // a hundred go with each, and the new ones stay
			addUser(t, tr, fmt.Sprint("w", i))
			if n := rows(); n != want {
				t.Errorf("%d rows after %d changes more, want %d", n, i+1, want)
			}
		}
	})
}

// Changes side by side do not wait for each other, nor end each other.
func TestChangesSideBySide(t *testing.T) {
	each(t, func(t *testing.T, d *storetest.Database, tr *store.Transactional) {
		addUser(t, tr, "u")
		for range 300 {
			d.Exec(t, `INSERT INTO `+d.Own("changes")+` (kind, key) VALUES ('user', 'old')`)
		}
		if d.Postgres() {
			d.Exec(t, `UPDATE `+d.Own("changes")+` SET created_at = created_at - interval '2 hours'`)
		} else {
			d.Exec(t, `UPDATE `+d.Own("changes")+` SET created_at = created_at - 7200000`)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		errs := make(chan error)
		for range 20 {
			go func() {
				_, _, err := tr.CreateKey(ctx, store.NewKey{UserID: "u", Mode: "live"})
				errs <- err
			}()
		}
		for range 20 {
			must(t, <-errs)
		}
		changes, err := tr.Changes(ctx, time.Minute)
		if must(t, err); len(changes) != 20 { // the user's own was made old, too
			t.Errorf("%d changes", len(changes))
		}
		if n := d.Count(t, d.Own("changes"), "key = 'old' OR key = 'u'"); n != 0 {
			t.Errorf("%d old ones are left", n)
		}
	})
}

// A transaction that commits late shows its change late, with its early id.
func TestChangesAppearWhenTheyAreCommitted(t *testing.T) {
	d := storetest.New(t, storetest.PostgresSnake)
	tr := migrated(t, d)
	late, err := d.SQL.BeginTx(t.Context(), nil)
	must(t, err)
	defer func() { _ = late.Rollback() }()
	_, err = late.ExecContext(t.Context(), `INSERT INTO wa_gateway.changes (kind, key) VALUES ('session', 'late')`)
	must(t, err)
	addUser(t, tr, "u")
	before, err := tr.Changes(t.Context(), time.Minute)
	if must(t, err); len(before) != 1 || before[0].Key != "u" {
		t.Fatalf("before the commit: %+v", before)
	}
	must(t, late.Commit())
	after, err := tr.Changes(t.Context(), time.Minute)
	if must(t, err); len(after) != 2 || after[1].Key != "late" || after[1].ID >= before[0].ID {
		t.Errorf("after the commit: %+v", after)
	}
}

// Two gateways on one database: what is done at one is felt at the other.
func TestAnotherGatewayFollows(t *testing.T) {
	each(t, func(t *testing.T, d *storetest.Database, tr *store.Transactional) {
		ctx := t.Context()
		addUser(t, tr, "u")
		addSession(t, tr, "u", "s")
		plain, key, err := tr.CreateKey(ctx, store.NewKey{UserID: "u", Mode: "live"})
		must(t, err)

		other := directory.New(directory.Options{Source: migrated(t, d), TTL: time.Hour})
		watching, stop := context.WithCancel(ctx)
		var watch sync.WaitGroup
		watch.Go(func() { other.Watch(watching) })
		t.Cleanup(func() {
			stop()
			watch.Wait()
			other.Close()
		})
		caller := func() error { _, err := other.Caller(ctx, plain); return err }
		session := func() error { _, err := other.Session(ctx, "u", "s"); return err }
		must(t, caller())
		must(t, session())
		gone := func(what string, look func() error) {
			t.Helper()
			for began := time.Now(); ; time.Sleep(20 * time.Millisecond) {
				err := look()
				if errors.Is(err, store.ErrNotFound) {
					return
				}
				must(t, err)
				if time.Since(began) > 2*time.Second {
					t.Fatalf("%s is still there after two seconds", what)
				}
			}
		}
		must(t, tr.RemoveSession(ctx, "u", "s"))
		gone("the session", session)
		must(t, caller())
		must(t, tr.RevokeKey(ctx, key.ID))
		gone("the key", caller)

		// Last uses arrive as well.
		_, used, err := tr.CreateKey(ctx, store.NewKey{UserID: "u", Mode: "live"})
		must(t, err)
		other.Used(used.ID, time.Now())
		must(t, other.FlushUsed(ctx))
		used, err = tr.KeyByHash(ctx, used.Hash)
		if must(t, err); used.LastUsedAt == nil {
			t.Error("the last use was not written down")
		}
	})
}
