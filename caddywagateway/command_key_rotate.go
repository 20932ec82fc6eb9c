package caddywagateway

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/spf13/cobra"

	"github.com/genfity/wa-gateway/store"
)

// defaultOverlap is how long a replaced key works on.
const defaultOverlap = "24h"

// never as an expiry asks for none.
const never = "never"

func (o *operator) keyRotate() *cobra.Command {
	var expires, overlapText string
	var until *time.Time
	var overlap time.Duration
	cmd := &cobra.Command{
		Use:   "rotate <id|prefix>",
		Short: "Replaces an API key by a new one and prints that, this once",
		Long: `
Makes a new API key for the same user, with the same name, mode and limits, and
prints it, this once. The old key works on for the overlap, so that whoever uses it
can change over, and not longer than it would have by itself.

The new key lives as long as the old one was made for, unless --expires says
otherwise. The key alone goes to standard output.`,
		Example: `  $ caddy wa-gateway key rotate wak_live_Ab3x
  $ caddy wa-gateway key rotate ckx2m1q0z8v7n6b5c4d3f2g1h --overlap 7d --expires 90d
  $ KEY=$(caddy wa-gateway key rotate wak_live_Ab3x --overlap 0s)   # the old one ends at once`,
		Args:              takes("<id|prefix>"),
		ValidArgsFunction: o.complete(completeKeys),
		PreRunE: check(func([]string) (err error) {
			if overlap, err = caddy.ParseDuration(overlapText); err != nil || overlap < 0 || overlap > farFuture {
				return usagef("--overlap %q is no duration such as 24h or 7d", overlapText)
			}
			if expires == "" || expires == never {
				return nil
			}
			at, err := parseFutureExpiry(expires, o.now())
			until = &at
			return err
		}),
		RunE: o.run(o.withDB(func(ctx context.Context, w *work) error {
			old, err := w.findKey(ctx, w.args[0])
			if err != nil {
				return err
			}
			if expires == "" && old.ExpiresAt != nil {
				at := w.now.Add(old.ExpiresAt.Sub(old.CreatedAt)).UTC().Truncate(time.Second)
				until = &at
			}
			return w.rotateKey(ctx, old, overlap, until)
		})),
	}
	cmd.Flags().StringVar(&overlapText, "overlap", defaultOverlap, "How long the old key works on")
	cmd.Flags().StringVar(&expires, "expires", "", "When the new key ends: as for 'key create', or never (default: after as long as the old one was made for)")
	return cmd
}

func (w *work) rotateKey(ctx context.Context, old *store.APIKey, overlap time.Duration, until *time.Time) error {
	secret, key, err := w.db.RotateKey(ctx, old.ID, overlap, until)
	switch {
	case errors.Is(err, store.ErrConflict):
		return fmt.Errorf("%w: create another with 'key create'", err)
	case errors.Is(err, store.ErrNotFound):
		return noSuchUser(old.UserID)
	case err != nil:
		return err
	}
	if old, err = w.db.KeyByHash(ctx, old.Hash); err != nil {
		return err
	}
	return w.showKey(secret, key, fmt.Sprintf("Key %s (%s…) of user %s works until %s; %s key %s comes after it",
		old.ID, old.Prefix, old.UserID, timeText(old.ExpiresAt), key.Mode, key.ID))
}
