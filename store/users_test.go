package store_test

import (
	"errors"
	"testing"
	"time"

	"github.com/genfity/wa-gateway/store"
	"github.com/genfity/wa-gateway/store/storetest"
)

func TestUser(t *testing.T) {
	each(t, func(t *testing.T, d *storetest.Database, tr *store.Transactional) {
		user := &store.User{Name: ptr("Rina"), Email: ptr("rina@example.com"), APIKey: ptr("secret-1"), IsActive: true}
		must(t, tr.CreateUser(t.Context(), user))
		if user.ID == "" || user.Role != "customer" {
			t.Fatalf("created %+v", user)
		}
		got, err := tr.User(t.Context(), user.ID)
		must(t, err)
		if *got.Name != "Rina" || *got.Email != "rina@example.com" || got.Role != "customer" || !got.IsActive {
			t.Errorf("got %+v", got)
		}
		if age := time.Since(got.CreatedAt.Time); age < -time.Minute || age > time.Minute {
			t.Errorf("created %v ago", age)
		}

		byKey, err := tr.UserByAPIKey(t.Context(), "secret-1")
		if d.Complete() {
			if must(t, err); byKey.ID != user.ID {
				t.Errorf("found %+v by key", byKey)
			}
		} else if !errors.Is(err, store.ErrNotFound) {
			t.Errorf("no api_key column: %v", err)
		}
		for _, id := range []string{"", "nobody", "' OR '1'='1"} {
			if _, err := tr.User(t.Context(), id); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("user %q: %v", id, err)
			}
		}
		if err := tr.CreateUser(t.Context(), &store.User{ID: user.ID}); !errors.Is(err, store.ErrConflict) {
			t.Errorf("the same id twice: %v", err)
		}
		if err := tr.CreateUser(t.Context(), &store.User{Email: ptr("rina@example.com")}); !errors.Is(err, store.ErrConflict) {
			t.Errorf("the same email twice: %v", err)
		}
	})
}

// A user whose api_key is empty must not be the one that an empty key opens.
func TestEmptyKeyOpensNothing(t *testing.T) {
	each(t, func(t *testing.T, d *storetest.Database, tr *store.Transactional) {
		must(t, tr.CreateUser(t.Context(), &store.User{ID: "u", APIKey: ptr(""), IsActive: true}))
		if _, err := tr.UserByAPIKey(t.Context(), ""); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("empty key: %v", err)
		}
		d.Exec(t, `INSERT INTO {user_sessions} ("id", {user_sessions.user_id}, "token", {user_sessions.expires_at}) VALUES ('l', 'u', '', '2999-01-01')`)
		if _, _, err := tr.UserBySessionToken(t.Context(), ""); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("empty token: %v", err)
		}
	})
}

func TestSetUserActive(t *testing.T) {
	each(t, func(t *testing.T, d *storetest.Database, tr *store.Transactional) {
		addUser(t, tr, "u")
		if !d.Complete() {
			if err := tr.SetUserActive(t.Context(), "u", false); err == nil {
				t.Error("switched off a user whose table cannot say so")
			}
			return
		}
		d.Exec(t, `UPDATE {users} SET {users.updated_at} = '2020-01-01 00:00:00'`)
		must(t, tr.SetUserActive(t.Context(), "u", false))
		user, err := tr.User(t.Context(), "u")
		must(t, err)
		if user.IsActive || user.UpdatedAt.Year() == 2020 {
			t.Errorf("got %+v", user)
		}
		must(t, tr.SetUserActive(t.Context(), "u", true))
		if err := tr.SetUserActive(t.Context(), "nobody", true); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("unknown user: %v", err)
		}
	})
}

func TestListUsers(t *testing.T) {
	each(t, func(t *testing.T, _ *storetest.Database, tr *store.Transactional) {
		for _, id := range []string{"a", "b", "c"} {
			addUser(t, tr, id)
		}
		all, err := tr.ListUsers(t.Context(), 0, 0)
		must(t, err)
		seen := map[string]bool{}
		for offset := range 3 {
			page, err := tr.ListUsers(t.Context(), 1, offset)
			must(t, err)
			if len(page) != 1 || !page[0].IsActive {
				t.Fatalf("page %d: %+v", offset, page)
			}
			seen[page[0].ID] = true
		}
		if len(all) != 3 || len(seen) != 3 {
			t.Errorf("%d users, %d over the pages", len(all), len(seen))
		}
	})
}

func TestUserBySessionToken(t *testing.T) {
	each(t, func(t *testing.T, d *storetest.Database, tr *store.Transactional) {
		addUser(t, tr, "u")
		login := func(id, expires string) {
			d.Exec(t, `INSERT INTO {user_sessions} ("id", {user_sessions.user_id}, "token", {user_sessions.expires_at}) VALUES ($1, 'u', $2, $3)`,
				id, "token-"+id, expires)
		}
		login("live", time.Now().UTC().Add(time.Hour).Format("2006-01-02 15:04:05.000"))
		login("over", time.Now().UTC().Add(-time.Minute).Format("2006-01-02 15:04:05.000"))
		login("off", "2999-01-01 00:00:00")

		user, session, err := tr.UserBySessionToken(t.Context(), "token-live")
		must(t, err)
		if left := time.Until(session.ExpiresAt.Time); user.ID != "u" || !session.IsActive || left < 59*time.Minute || left > 61*time.Minute {
			t.Errorf("got %+v, %v left", session, left)
		}
		dead := []string{"token-over", "token-unknown"}
		if d.Complete() {
			d.Exec(t, `UPDATE {user_sessions} SET {user_sessions.is_active} = false WHERE "id" = 'off'`)
			dead = append(dead, "token-off")
		}
		for _, token := range dead {
			if _, _, err := tr.UserBySessionToken(t.Context(), token); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("%s: %v", token, err)
			}
		}
	})
}
