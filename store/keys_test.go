package store_test

import (
	"errors"
	"regexp"
	"testing"
	"time"

	"github.com/genfity/wa-gateway/store"
	"github.com/genfity/wa-gateway/store/storetest"
)

func TestKeys(t *testing.T) {
	each(t, func(t *testing.T, d *storetest.Database, tr *store.Transactional) {
		addUser(t, tr, "u")
		expires := time.Date(2031, 1, 1, 0, 0, 0, 0, time.FixedZone("WIB", 7*60*60))
		live, key, err := tr.CreateKey(t.Context(), store.NewKey{UserID: "u", Name: "shop", Mode: store.KeyModeLive, ExpiresAt: &expires})
		must(t, err)
		test, _, err := tr.CreateKey(t.Context(), store.NewKey{UserID: "u", Mode: store.KeyModeTest})
		must(t, err)
		if !regexp.MustCompile(`^wak_live_[0-9A-Za-z]{43}$`).MatchString(live) || !regexp.MustCompile(`^wak_test_[0-9A-Za-z]{43}$`).MatchString(test) {
			t.Errorf("keys %q, %q", live, test)
		}
		if key.Prefix != live[:13] || key.Hash != store.HashKey(live) {
			t.Errorf("key %+v", key)
		}
		if n := d.Count(t, d.Own("api_keys"), "hash = $1 OR prefix = $2 OR name = $3", live, live, live); n != 0 {
			t.Error("the key itself is in the database")
		}

		got, err := tr.KeyByHash(t.Context(), store.HashKey(live))
		must(t, err)
		if got.ID != key.ID || got.UserID != "u" || got.Name != "shop" || got.Mode != "live" || got.RevokedAt != nil || got.LastUsedAt != nil {
			t.Errorf("got %+v", got)
		}
		if got.ExpiresAt == nil || !got.ExpiresAt.Equal(expires) || got.ExpiresAt.Location() != time.UTC {
			t.Errorf("expires %v", got.ExpiresAt)
		}
		if _, err := tr.KeyByHash(t.Context(), store.HashKey("wak_live_other")); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("unknown key: %v", err)
		}
		if _, err := tr.KeyByHash(t.Context(), live); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("a plain key is no hash: %v", err)
		}
		if _, _, err := tr.CreateKey(t.Context(), store.NewKey{UserID: "nobody", Mode: "live"}); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("unknown user: %v", err)
		}
		if _, _, err := tr.CreateKey(t.Context(), store.NewKey{UserID: "u", Mode: "both"}); err == nil {
			t.Error("took an unknown mode")
		}
		keys, err := tr.ListKeys(t.Context(), "u")
		if must(t, err); len(keys) != 2 {
			t.Errorf("%d keys", len(keys))
		}
	})
}

func TestRevokeKey(t *testing.T) {
	each(t, func(t *testing.T, d *storetest.Database, tr *store.Transactional) {
		addUser(t, tr, "u")
		first, byID, err := tr.CreateKey(t.Context(), store.NewKey{UserID: "u", Mode: "live"})
		must(t, err)
		second, byPrefix, err := tr.CreateKey(t.Context(), store.NewKey{UserID: "u", Mode: "live"})
		must(t, err)
		must(t, tr.RevokeKey(t.Context(), byID.ID))
		must(t, tr.RevokeKey(t.Context(), byPrefix.Prefix))
		for _, plain := range []string{first, second} {
			key, err := tr.KeyByHash(t.Context(), store.HashKey(plain))
			if must(t, err); key.RevokedAt == nil || time.Since(*key.RevokedAt) > time.Minute {
				t.Errorf("revoked at %v", key.RevokedAt)
			}
		}
		d.Exec(t, `UPDATE `+d.Own("api_keys")+` SET revoked_at = '2026-01-01T00:00:00.000Z'`)
		must(t, tr.RevokeKey(t.Context(), byID.ID))
		if key, err := tr.KeyByHash(t.Context(), store.HashKey(first)); err != nil || key.RevokedAt.Year() != 2026 || key.RevokedAt.YearDay() != 1 {
			t.Errorf("revoked again: %v %v", key, err)
		}
		d.Exec(t, `UPDATE `+d.Own("api_keys")+` SET prefix = 'wak_live_same'`)
		if err := tr.RevokeKey(t.Context(), "wak_live_same"); !errors.Is(err, store.ErrConflict) {
			t.Errorf("two keys: %v", err)
		}
		for _, none := range []string{"", "wak_live_none", "none", "%"} {
			if err := tr.RevokeKey(t.Context(), none); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("%q: %v", none, err)
			}
		}
	})
}

func TestTouchKeys(t *testing.T) {
	each(t, func(t *testing.T, _ *storetest.Database, tr *store.Transactional) {
		addUser(t, tr, "u")
		_, key, err := tr.CreateKey(t.Context(), store.NewKey{UserID: "u", Mode: "live"})
		must(t, err)
		at := time.Date(2026, 5, 6, 7, 8, 9, 123_456_789, time.FixedZone("WIB", 7*60*60))
		must(t, tr.TouchKeys(t.Context(), map[string]time.Time{key.ID: at, "gone": at}))
		must(t, tr.TouchKeys(t.Context(), map[string]time.Time{key.ID: at.Add(-time.Hour)}))
		must(t, tr.TouchKeys(t.Context(), nil))
		keys, err := tr.ListKeys(t.Context(), "u")
		must(t, err)
		if got := keys[0].LastUsedAt; got == nil || !got.Equal(at.Truncate(time.Millisecond)) {
			t.Errorf("last used %v, want %v", got, at)
		}
	})
}
