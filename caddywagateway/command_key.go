package caddywagateway

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/genfity/wa-gateway/store"
)

// keyView is an API key as --json shows it. The key itself is only there when it
// has just been created. An empty list is no limit.
type keyView struct {
	ID         string     `json:"id"`
	UserID     string     `json:"user_id"`
	Name       string     `json:"name"`
	Prefix     string     `json:"prefix"`
	Mode       string     `json:"mode"`
	State      string     `json:"state"`
	Key        string     `json:"key,omitempty"`
	Scopes     []string   `json:"scopes"`
	Sessions   []string   `json:"sessions"`
	From       []string   `json:"from"`
	ReplacedBy *string    `json:"replaced_by"`
	CreatedAt  time.Time  `json:"created_at"`
	ExpiresAt  *time.Time `json:"expires_at"`
	RevokedAt  *time.Time `json:"revoked_at"`
	LastUsedAt *time.Time `json:"last_used_at"`
}

// The states of a key.
const (
	keyValid    = "valid"
	keyReplaced = "replaced" // valid for a while yet
	keyExpired  = "expired"
	keyRevoked  = "revoked"
)

func viewKey(k *store.APIKey, now time.Time) keyView {
	state := keyValid
	switch {
	case k.RevokedAt != nil:
		state = keyRevoked
	case k.ExpiresAt != nil && !k.ExpiresAt.After(now):
		state = keyExpired
	case k.ReplacedBy != nil:
		state = keyReplaced
	}
	return keyView{
		ID: k.ID, UserID: k.UserID, Name: k.Name, Prefix: k.Prefix, Mode: k.Mode, State: state,
		Scopes: listed(k.Scopes), Sessions: listed(k.Sessions), From: listed(k.Addresses), ReplacedBy: k.ReplacedBy,
		CreatedAt: k.CreatedAt.UTC(), ExpiresAt: pointerToUTC(k.ExpiresAt),
		RevokedAt: pointerToUTC(k.RevokedAt), LastUsedAt: pointerToUTC(k.LastUsedAt),
	}
}

// listed is a list for JSON: [] where there is none.
func listed(words store.Words) []string { return append([]string{}, words...) }

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
		Short: "Creates, lists, replaces and revokes API keys",
	}, o.keyCreate(), o.keyList(), o.keyRotate(), o.keyRevoke())
}

func (o *operator) keyCreate() *cobra.Command {
	var flags keyFlags
	cmd := &cobra.Command{
		Use:   "create <user>",
		Short: "Creates an API key and prints it, this once",
		Long: `
Creates an API key and prints it. It is shown this once: only its SHA-256 is kept.

A key may do for its user whatever the gateway offers, unless it is limited:
--scope to sending messages (send), to creating, pairing and deleting sessions
(sessions), to looking at things (read); --session to some of the user's sessions,
which need not exist yet; --from to the addresses or networks that its calls come
from. Each may be given more than once, or with commas.

Calls with a --test key are answered by the built-in sandbox and send nothing. The
key alone goes to standard output, so that a script can take it from there.`,
		Example: `  $ caddy wa-gateway key create customer1 --name "web shop"
  $ caddy wa-gateway key create customer1 --scope send --session shop --from 203.0.113.7,10.0.0.0/8
  $ caddy wa-gateway key create customer1 --test --expires 90d
  $ KEY=$(caddy wa-gateway key create customer1 --expires 2027-01-31)`,
		Args:              takes("<user>"),
		ValidArgsFunction: o.complete(completeUsers),
		PreRunE:           check(func([]string) error { return flags.check(o.now()) }),
		RunE: o.run(o.withDB(func(ctx context.Context, w *work) error {
			want := flags.want
			want.UserID = w.args[0]
			return w.createKey(ctx, want)
		})),
	}
	flags.add(cmd)
	_ = cmd.RegisterFlagCompletionFunc("scope", cobra.FixedCompletions(store.KeyScopes, cobra.ShellCompDirectiveNoFileComp))
	_ = cmd.RegisterFlagCompletionFunc("session", o.completeFlag(completeSessions))
	_ = cmd.RegisterFlagCompletionFunc("from", cobra.NoFileCompletions)
	return cmd
}

// keyFlags are the flags of a key that is to be created; check makes want of them.
type keyFlags struct {
	test    bool
	expires string
	want    store.NewKey
}

func (f *keyFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.want.Name, "name", "", "What it is for")
	flags.BoolVar(&f.test, "test", false, "A key for tests, which send nothing")
	flags.StringVar(&f.expires, "expires", "", "When it ends: 90d, 2027-01-31 (the end of that day, UTC) or RFC 3339 (default: never)")
	flags.StringSliceVar(&f.want.Scopes, "scope", nil, "What it may be used for: "+strings.Join(store.KeyScopes, ", ")+" (default: all)")
	flags.StringSliceVar(&f.want.Sessions, "session", nil, "The sessions that it may use (default: all of the user)")
	flags.StringSliceVar(&f.want.Addresses, "from", nil, "The IP addresses and networks (CIDR) that it may be used from (default: anywhere)")
}

func (f *keyFlags) check(now time.Time) error {
	f.want.Mode = store.KeyModeLive
	if f.test {
		f.want.Mode = store.KeyModeTest
	}
	if f.want.Name != "" {
		if err := checkText("--name", f.want.Name); err != nil {
			return err
		}
	}
	for _, scope := range f.want.Scopes {
		if !slices.Contains(store.KeyScopes, scope) {
			return usagef("--scope %s is none of %s", quoted(scope), strings.Join(store.KeyScopes, ", "))
		}
	}
	for _, id := range f.want.Sessions {
		if err := checkID("--session", id); err != nil {
			return err
		}
	}
	for _, address := range f.want.Addresses {
		if _, err := store.ParseKeyAddress(address); err != nil {
			return usagef("--from %s is neither an IP address nor a network such as 10.0.0.0/8", quoted(address))
		}
	}
	if f.expires != "" {
		at, err := parseFutureExpiry(f.expires, now)
		if err != nil {
			return err
		}
		f.want.ExpiresAt = &at
	}
	return nil
}

func (w *work) createKey(ctx context.Context, want store.NewKey) error {
	secret, key, err := w.db.CreateKey(ctx, want)
	if errors.Is(err, store.ErrNotFound) {
		return noSuchUser(want.UserID)
	}
	if err != nil {
		return err
	}
	return w.showKey(secret, key, fmt.Sprintf("Created %s key %s for user %s", key.Mode, key.ID, key.UserID))
}

// showKey prints a key that was just made: the key alone is the result.
func (w *work) showKey(secret string, key *store.APIKey, made string) error {
	view := viewKey(key, w.now)
	if w.json {
		view.Key = secret
		return w.document(view)
	}
	ends := "it does not expire"
	if view.ExpiresAt != nil {
		ends = "it expires at " + timeText(view.ExpiresAt)
	}
	w.notef("%s; %s. It is shown this once:", made, ends)
	_, err := fmt.Fprintln(w.out, secret)
	return err
}

func (o *operator) keyList() *cobra.Command {
	return &cobra.Command{
		Use:   "list [<user>]",
		Short: "Lists API keys, the newest first",
		Long: `
Lists the API keys of a user, or of all. Of a key there are only its first
characters to see, its prefix. SCOPES, SESSIONS and FROM are what it is limited to,
— where it is not. A key that is replaced works until it expires.`,
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
					v.ID, v.UserID, v.Prefix, v.Name, v.Mode, v.State, unlimited(v.Scopes), unlimited(v.Sessions), unlimited(v.From),
					timeText(&v.CreatedAt), timeText(v.ExpiresAt), timeText(v.LastUsedAt),
				})
			}
			if w.json {
				return w.document(views)
			}
			return w.table("API keys", []string{"ID", "USER", "PREFIX", "NAME", "MODE", "STATE", "SCOPES", "SESSIONS", "FROM", "CREATED", "EXPIRES", "LAST USED"}, rows)
		})),
	}
}

// unlimited shows a limit in a table.
func unlimited(limit []string) string {
	if len(limit) == 0 {
		return "—"
	}
	return strings.Join(limit, ",")
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
