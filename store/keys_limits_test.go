package store_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/genfity/wa-gateway/store"
	"github.com/genfity/wa-gateway/store/storetest"
)

func TestKeyLimits(t *testing.T) {
	each(t, func(t *testing.T, d *storetest.Database, tr *store.Transactional) {
		addUser(t, tr, "u")
		plain, key, err := tr.CreateKey(t.Context(), store.NewKey{
			UserID: "u", Mode: "live",
			Scopes:    []string{"send", "read", "send"},
			Sessions:  []string{"s2", "shop:1@wa|x~", "s1", "s2"},
			Addresses: []string{"203.0.113.7", "10.1.2.3/8", "::ffff:192.0.2.1", "2001:DB8::1/32", "::ffff:10.0.0.0/104", "203.0.113.7/32"},
		})
		must(t, err)
		check := func(k *store.APIKey) {
			t.Helper()
			if !slices.Equal(k.Scopes, []string{"read", "send"}) || !slices.Equal(k.Sessions, []string{"s1", "s2", "shop:1@wa|x~"}) ||
				!slices.Equal(k.Addresses, []string{"10.0.0.0/8", "192.0.2.1", "2001:db8::/32", "203.0.113.7"}) || k.ReplacedBy != nil {
				t.Errorf("limits %q %q %q %v", k.Scopes, k.Sessions, k.Addresses, k.ReplacedBy)
			}
		}
		check(key)
		got, err := tr.KeyByHash(t.Context(), store.HashKey(plain))
		must(t, err)
		check(got)

		_, free, err := tr.CreateKey(t.Context(), store.NewKey{UserID: "u", Mode: "live", Scopes: []string{}})
		must(t, err)
		got, err = tr.KeyByHash(t.Context(), free.Hash)
		if must(t, err); got.Scopes != nil || got.Sessions != nil || got.Addresses != nil {
			t.Errorf("no limits: %+v", got)
		}
		for want, k := range map[string]store.NewKey{
			`scope "admin"`:        {Scopes: []string{"send", "admin"}},
			`scope ""`:             {Scopes: []string{""}},
			`"a b" cannot`:         {Sessions: []string{"a b"}},
			`"a,b" cannot`:         {Sessions: []string{"a,b"}},
			`"" cannot`:            {Sessions: []string{""}},
			`"10.0.0.0/33"`:        {Addresses: []string{"10.0.0.0/33"}},
			`"localhost"`:          {Addresses: []string{"localhost"}},
			`"fe80::1%eth0"`:       {Addresses: []string{"fe80::1%eth0"}},
			`"::ffff:10.0.0.0/90"`: {Addresses: []string{"::ffff:10.0.0.0/90"}},
			`""`:                   {Addresses: []string{""}},
			"256 addresses":        {Addresses: slices.Repeat([]string{"10.0.0.1"}, 257)},
			"1000 sessions":        {Sessions: slices.Repeat([]string{"s"}, 1001)},
		} {
			k.UserID, k.Mode = "u", "live"
			if _, _, err := tr.CreateKey(t.Context(), k); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v", want, err)
			}
		}
		if n := d.Count(t, d.Own("api_keys"), "true"); n != 2 {
			t.Errorf("%d keys", n)
		}
	})
}

func TestRotateKey(t *testing.T) {
	each(t, func(t *testing.T, d *storetest.Database, tr *store.Transactional) {
		ctx := t.Context()
		addUser(t, tr, "u")
		soon := time.Now().Add(time.Hour).Truncate(time.Second)
		create := func(expires *time.Time) *store.APIKey {
			t.Helper()
			_, key, err := tr.CreateKey(ctx, store.NewKey{
				UserID: "u", Name: "shop", Mode: "test", ExpiresAt: expires,
				Scopes: []string{"send"}, Sessions: []string{"s"}, Addresses: []string{"10.0.0.0/8"},
			})
			must(t, err)
			return key
		}
		read := func(hash string) *store.APIKey {
			t.Helper()
			key, err := tr.KeyByHash(ctx, hash)
			must(t, err)
			return key
		}
		old := create(nil)
		plain, key, err := tr.RotateKey(ctx, old.ID, 24*time.Hour, &soon)
		must(t, err)
		got := read(store.HashKey(plain))
		if !strings.HasPrefix(plain, store.KeyPrefixTest) || got.ID != key.ID || got.ID == old.ID || got.UserID != "u" || got.Name != "shop" ||
			got.Mode != "test" || !slices.Equal(got.Scopes, old.Scopes) || !slices.Equal(got.Sessions, old.Sessions) ||
			!slices.Equal(got.Addresses, old.Addresses) || got.ExpiresAt == nil || !got.ExpiresAt.Equal(soon) || got.ReplacedBy != nil || got.LastUsedAt != nil {
			t.Errorf("the new key is %+v", got)
		}
		was := read(old.Hash)
		if was.ReplacedBy == nil || *was.ReplacedBy != key.ID || was.RevokedAt != nil ||
			was.ExpiresAt == nil || time.Until(*was.ExpiresAt).Round(time.Minute) != 24*time.Hour {
			t.Errorf("the old key is %+v", was)
		}
		// Its own expiry comes first, and a prefix will do.
		ending := create(&soon)
		_, _, err = tr.RotateKey(ctx, ending.Prefix, 24*time.Hour, nil)
		must(t, err)
		if got := read(ending.Hash); !got.ExpiresAt.Equal(soon) {
			t.Errorf("lives longer by being replaced: %v", got.ExpiresAt)
		}
		gone := create(nil)
		_, after, err := tr.RotateKey(ctx, gone.ID, 0, nil)
		must(t, err)
		if got := read(gone.Hash); got.ExpiresAt.After(time.Now().Add(time.Second)) || after.ExpiresAt != nil {
			t.Errorf("without overlap: %v, %v", got.ExpiresAt, after.ExpiresAt)
		}

		past := time.Now().Add(-time.Second)
		expired, revoked := create(&past), create(nil)
		must(t, tr.RevokeKey(ctx, revoked.ID))
		for want, id := range map[string]string{
			"rotate a key: the key has expired":               expired.ID,
			"rotate a key: the key is revoked":                revoked.ID,
			"rotate a key: the key has been replaced already": old.ID,
		} {
			if _, _, err := tr.RotateKey(ctx, id, time.Hour, nil); !errors.Is(err, store.ErrConflict) || err.Error() != want {
				t.Errorf("%v, want %s", err, want)
			}
		}
		if _, _, err := tr.RotateKey(ctx, "nothing", time.Hour, nil); !errors.Is(err, store.ErrNotFound) {
			t.Error(err)
		}
		if _, _, err := tr.RotateKey(ctx, key.ID, -time.Hour, nil); err == nil {
			t.Error("took a negative overlap")
		}

		// Of many at once, one makes the key that follows.
		again := create(nil)
		before := d.Count(t, d.Own("api_keys"), "true")
		var wg sync.WaitGroup
		var done atomic.Int64
		for range 8 {
			wg.Go(func() {
				_, _, err := tr.RotateKey(ctx, again.ID, time.Hour, nil)
				if err == nil {
					done.Add(1)
				} else if !errors.Is(err, store.ErrConflict) {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if n := d.Count(t, d.Own("api_keys"), "true") - before; n != 1 || done.Load() != 1 {
			t.Errorf("%d keys from %d rotations", n, done.Load())
		}
	})
}

// A database may take two texts for one; the gateway does not.
func TestSecretsAreComparedExactly(t *testing.T) {
	each(t, func(t *testing.T, d *storetest.Database, tr *store.Transactional) {
		if !d.Complete() {
			return // no api_key column
		}
		must(t, tr.CreateUser(t.Context(), &store.User{ID: "u", IsActive: true, APIKey: ptr("Secret-Key")}))
		d.Exec(t, `INSERT INTO {user_sessions} ("id", {user_sessions.user_id}, "token", {user_sessions.expires_at}) VALUES ('l', 'u', 'Login-Token', '2999-01-01')`)
		ignoreCase(t, d, "users", "api_key")
		ignoreCase(t, d, "user_sessions", "token")
		for _, same := range []string{"{users} WHERE {users.api_key} = 'SECRET-key'", "{user_sessions} WHERE {user_sessions.token} = 'LOGIN-token'"} {
			var n int
			d.Query(t, "SELECT count(*) FROM "+same, nil, &n)
			if n != 1 {
				t.Fatalf("the test's database tells %s apart", same)
			}
		}
		if _, err := tr.UserByAPIKey(t.Context(), "Secret-Key"); err != nil {
			t.Error(err)
		}
		if _, _, err := tr.UserBySessionToken(t.Context(), "Login-Token"); err != nil {
			t.Error(err)
		}
		for _, other := range []string{"secret-key", "SECRET-KEY"} {
			if u, err := tr.UserByAPIKey(t.Context(), other); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("%s: %v, %v", other, u, err)
			}
		}
		if u, _, err := tr.UserBySessionToken(t.Context(), "login-token"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("a token: %v, %v", u, err)
		}
	})
}

// ignoreCase makes a column compare without regard to case.
func ignoreCase(t *testing.T, d *storetest.Database, table, column string) {
	t.Helper()
	if d.Postgres() {
		d.Exec(t, `CREATE COLLATION IF NOT EXISTS ignoring_case (provider = icu, locale = 'und-u-ks-level2', deterministic = false)`)
		d.Exec(t, fmt.Sprintf(`ALTER TABLE {%s} ALTER {%s.%s} TYPE text COLLATE ignoring_case`, table, table, column))
		return
	}
	// SQLite cannot change a column, but the text of its table.
	name, spelled := d.Spell("{"+table+"}"), d.Spell("{"+table+"."+column+"}")
	conn, err := d.SQL.Conn(t.Context())
	must(t, err)
	defer conn.Close()
	for _, statement := range []string{
		"PRAGMA writable_schema = ON",
		fmt.Sprintf(`UPDATE sqlite_master SET sql = replace(sql, '%s TEXT', '%s TEXT COLLATE NOCASE') WHERE type = 'table' AND name = '%s'`,
			spelled, spelled, strings.Trim(name, `"`)),
		fmt.Sprintf(`UPDATE sqlite_master SET sql = replace(sql, '%s text', '%s text COLLATE NOCASE') WHERE type = 'table' AND name = '%s'`,
			spelled, spelled, strings.Trim(name, `"`)),
		"PRAGMA writable_schema = RESET",
	} {
		if _, err := conn.ExecContext(t.Context(), statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
	_, err = conn.ExecContext(t.Context(), "REINDEX")
	must(t, err)
}
