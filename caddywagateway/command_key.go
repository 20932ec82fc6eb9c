package caddywagateway

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/genfity/wa-gateway/store"
)

// keyView is an API key as --json shows it. The key itself is only there when it
// has just been created.
type keyView struct {
	ID         string     `json:"id"`
	UserID     string     `json:"user_id"`
	Name       string     `json:"name"`
	Prefix     string     `json:"prefix"`
	Mode       string     `json:"mode"`
	State      string     `json:"state"`
	Key        string     `json:"key,omitempty"`
	CreatedAt  time.Time  `json:"created_at"`
	ExpiresAt  *time.Time `json:"expires_at"`
	RevokedAt  *time.Time `json:"revoked_at"`
	LastUsedAt *time.Time `json:"last_used_at"`
}

// The states of a key.
const (
	keyValid   = "valid"
	keyExpired = "expired"
	keyRevoked = "revoked"
)

func viewKey(k *store.APIKey, now time.Time) keyView {
	state := keyValid
	switch {
	case k.RevokedAt != nil:
		state = keyRevoked
	case k.ExpiresAt != nil && !k.ExpiresAt.After(now):
		state = keyExpired
	}
	return keyView{
		ID: k.ID, UserID: k.UserID, Name: k.Name, Prefix: k.Prefix, Mode: k.Mode, State: state,
		CreatedAt: k.CreatedAt.UTC(), ExpiresAt: pointerToUTC(k.ExpiresAt),
		RevokedAt: pointerToUTC(k.RevokedAt), LastUsedAt: pointerToUTC(k.LastUsedAt),
	}
}

// isKey tells whether a text looks like a whole API key of ours.
func isKey(text string) bool {
	for _, prefix := range []string{store.KeyPrefixLive, store.KeyPrefixTest} {
		// What is shown of a key is the prefix and four characters.
		if rest, ok := strings.CutPrefix(text, prefix); ok && len(rest) > 4 {
			return true
		}
	}
	return false
}

func (o *operator) keyCommand() *cobra.Command {
	return asGroup(&cobra.Command{
		Use:   "key",
		Short: "Creates, lists and revokes API keys",
	}, o.keyCreate(), o.keyList(), o.keyRevoke())
}

func (o *operator) keyCreate() *cobra.Command {
	var name, expires string
	var test bool
	var until *time.Time
	cmd := &cobra.Command{
		Use:   "create <user>",
		Short: "Creates an API key and prints it, this once",
		Long: `
Creates an API key and prints it. It is shown this once: only its SHA-256 is kept.

Calls with a --test key are answered by the built-in sandbox and send nothing. The
key alone goes to standard output, so that a script can take it from there.`,
		Example: `  $ caddy wa-gateway key create customer1 --name "web shop"
  $ caddy wa-gateway key create customer1 --test --expires 90d
  $ KEY=$(caddy wa-gateway key create customer1 --expires 2027-01-31)`,
		Args:              takes("<user>"),
		ValidArgsFunction: o.complete(completeUsers),
		PreRunE: check(func([]string) error {
			if name != "" {
				if err := checkText("--name", name); err != nil {
					return err
				}
			}
			if expires == "" {
				return nil
			}
			at, err := parseFutureExpiry(expires, o.now())
			until = &at
			return err
		}),
		RunE: o.run(o.withDB(func(ctx context.Context, w *work) error {
			mode := store.KeyModeLive
			if test {
				mode = store.KeyModeTest
			}
			return w.createKey(ctx, w.args[0], name, mode, until)
		})),
	}
	cmd.Flags().StringVar(&name, "name", "", "What it is for")
	cmd.Flags().BoolVar(&test, "test", false, "A key for tests, which send nothing")
	cmd.Flags().StringVar(&expires, "expires", "", "When it ends: 90d, 2027-01-31 (the end of that day, UTC) or RFC 3339 (default: never)")
	return cmd
}

func (w *work) createKey(ctx context.Context, userID, name, mode string, until *time.Time) error {
	secret, key, err := w.db.CreateKey(ctx, userID, name, mode, until)
	if errors.Is(err, store.ErrNotFound) {
		return noSuchUser(userID)
	}
	if err != nil {
		return err
	}
	view := viewKey(key, w.now)
	if w.json {
		view.Key = secret
		return w.document(view)
	}
	ends := "it does not expire"
	if view.ExpiresAt != nil {
		ends = "it expires at " + timeText(view.ExpiresAt)
	}
	w.notef("Created %s key %s for user %s; %s. It is shown this once:", mode, view.ID, userID, ends)
	_, err = fmt.Fprintln(w.out, secret)
	return err
}

func (o *operator) keyList() *cobra.Command {
	return &cobra.Command{
		Use:   "list [<user>]",
		Short: "Lists API keys, the newest first",
		Long: `
Lists the API keys of a user, or of all. Of a key there are only its first
characters to see, its prefix.`,
		Example: `  $ caddy wa-gateway key list
  $ caddy wa-gateway key list customer1 --json`,
		Args:              takes("[user]"),
		ValidArgsFunction: o.complete(completeUsers),
		RunE: o.run(o.withDB(func(ctx context.Context, w *work) error {
			userID := argument(w.args, 0)
			if userID != "" {
				if err := w.checkUser(ctx, userID); err != nil {
					return err
				}
			}
			keys, err := w.db.ListKeys(ctx, userID)
			if err != nil {
				return err
			}
			views := make([]keyView, 0, len(keys))
			rows := make([][]string, 0, len(keys))
			for i := range keys {
				v := viewKey(&keys[i], w.now)
				views = append(views, v)
				rows = append(rows, []string{
					v.ID, v.UserID, v.Prefix, v.Name, v.Mode, v.State, timeText(&v.CreatedAt), timeText(v.ExpiresAt), timeText(v.LastUsedAt),
				})
			}
			if w.json {
				return w.document(views)
			}
			return w.table("API keys", []string{"ID", "USER", "PREFIX", "NAME", "MODE", "STATE", "CREATED", "EXPIRES", "LAST USED"}, rows)
		})),
	}
}

func (o *operator) keyRevoke() *cobra.Command {
	return &cobra.Command{
		Use:   "revoke <id|prefix>",
		Short: "Ends an API key",
		Long: `
Ends an API key for good, by its id or by its prefix, as 'key list' shows them. A
whole key will do, too, if that is all you have.`,
		Example: `  $ caddy wa-gateway key revoke ckx2m1q0z8v7n6b5c4d3f2g1h
  $ caddy wa-gateway key revoke wak_live_Ab3x`,
		Args:              takes("<id|prefix>"),
		ValidArgsFunction: o.complete(completeKeys),
		RunE: o.run(o.withDB(func(ctx context.Context, w *work) error {
			key, err := w.findKey(ctx, w.args[0])
			if err != nil {
				return err
			}
			if err := w.db.RevokeKey(ctx, key.ID); err != nil {
				return err
			}
			if key, err = w.db.KeyByHash(ctx, key.Hash); err != nil {
				return err
			}
			if err := w.result(viewKey(key, w.now), "Revoked key %s (%s…) of user %s.", key.ID, key.Prefix, key.UserID); err != nil {
				return err
			}
			w.noteFollows()
			return nil
		})),
	}
}

// findKey finds a key by id, by prefix, or by itself.
func (w *work) findKey(ctx context.Context, named string) (*store.APIKey, error) {
	if isKey(named) {
		key, err := w.db.KeyByHash(ctx, store.HashKey(named))
		if errors.Is(err, store.ErrNotFound) {
			return nil, errors.New("there is no such API key")
		}
		return key, err
	}
	keys, err := w.db.ListKeys(ctx, "")
	if err != nil {
		return nil, err
	}
	var found *store.APIKey
	for i := range keys {
		if keys[i].ID != named && keys[i].Prefix != named {
			continue
		}
		if found != nil {
			return nil, fmt.Errorf("several keys begin with %s: use the id, as 'key list' shows it", named)
		}
		found = &keys[i]
	}
	if found == nil {
		return nil, fmt.Errorf("there is no API key with the id or prefix %q", named)
	}
	return found, nil
}
