package caddywagateway

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/genfity/wa-gateway/store"
)

// subscriptionView is a subscription as --json shows it.
type subscriptionView struct {
	UserID      string     `json:"user_id"`
	PackageID   string     `json:"package_id"`
	PackageName *string    `json:"package_name"`
	Status      string     `json:"status"`
	IsActive    bool       `json:"is_active"`
	ActivatedAt *time.Time `json:"activated_at"`
	ExpiresAt   *time.Time `json:"expires_at"`
	CreatedAt   *time.Time `json:"created_at"`
	UpdatedAt   *time.Time `json:"updated_at"`
}

func viewSubscription(s *store.Subscription, now time.Time) subscriptionView {
	v := subscriptionView{
		UserID: s.UserID, PackageID: s.PackageID, Status: s.Status,
		IsActive:    s.Status == store.SubscriptionActive && s.ExpiredAt.After(now),
		ActivatedAt: utcPointer(s.ActivatedAt), ExpiresAt: timeOrNil(s.ExpiredAt.Time),
		CreatedAt: timeOrNil(s.CreatedAt.Time), UpdatedAt: timeOrNil(s.UpdatedAt.Time),
	}
	if s.Package != nil {
		v.PackageName = &s.Package.Name
	}
	return v
}

// newSubscription is how long a subscription lasts when nothing is said.
const newSubscription = 30 * 24 * time.Hour

func (o *operator) subscriptionCommand() *cobra.Command {
	return asGroup(&cobra.Command{
		Use:   "subscription",
		Short: "Sets and lists the subscriptions of users to packages",
	}, o.subscriptionSet(), o.subscriptionList())
}

func (o *operator) subscriptionSet() *cobra.Command {
	var status, expires string
	var until *time.Time
	cmd := &cobra.Command{
		Use:   "set <user> <package>",
		Short: "Gives a user a package, prolongs it, or ends it",
		Long: `
Gives a user a package, by its name or id, or changes the subscription that they
have to it. The gateway lets calls through while the status is active and the
subscription has not expired.

Without --expires a new subscription lasts 30 days, and one that exists keeps its
time.`,
		Example: `  $ caddy wa-gateway subscription set customer1 Basic
  $ caddy wa-gateway subscription set customer1 Basic --expires 2027-01-31
  $ caddy wa-gateway subscription set customer1 Basic --status expired`,
		Args:              takes("<user>", "<package>"),
		ValidArgsFunction: o.complete(completeUsers, completePackages),
		PreRunE: check(func([]string) error {
			if !slices.Contains(store.SubscriptionStatuses, status) {
				return usagef("--status %q is none of %s", status, strings.Join(store.SubscriptionStatuses, ", "))
			}
			if expires == "" {
				return nil
			}
			at, err := parseExpiry(expires, o.now())
			until = &at
			return err
		}),
		RunE: o.run(o.withDB(func(ctx context.Context, w *work) error {
			return w.setSubscription(ctx, w.args[0], w.args[1], status, until)
		})),
	}
	cmd.Flags().StringVar(&status, "status", store.SubscriptionActive, "One of "+strings.Join(store.SubscriptionStatuses, ", "))
	cmd.Flags().StringVar(&expires, "expires", "", "When it ends: 30d, 2027-01-31 (the end of that day, UTC) or RFC 3339")
	_ = cmd.RegisterFlagCompletionFunc("status", cobra.FixedCompletions(store.SubscriptionStatuses, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

func (w *work) setSubscription(ctx context.Context, userID, packageName, status string, until *time.Time) error {
	if err := w.checkUser(ctx, userID); err != nil {
		return err
	}
	pkg, err := w.findPackage(ctx, packageName)
	if err != nil {
		return err
	}
	existing, err := w.subscription(ctx, userID, pkg.ID)
	if err != nil {
		return err
	}
	at := w.now.Add(newSubscription).UTC().Truncate(time.Second)
	switch {
	case until != nil:
		at = *until
	case existing != nil:
		at = existing.ExpiredAt.Time
	}
	if status == store.SubscriptionActive && !at.After(w.now) {
		return usagef("an active subscription cannot have ended at %s: give a later --expires, or another --status", timeText(&at))
	}
	if err := w.db.SetSubscription(ctx, userID, pkg.ID, status, at); err != nil {
		return err
	}
	now, err := w.subscription(ctx, userID, pkg.ID)
	if err != nil {
		return err
	}
	if now == nil {
		return fmt.Errorf("the subscription of user %s was removed by somebody else meanwhile", userID)
	}
	v := viewSubscription(now, w.now)
	if err := w.result(v, "User %s has package %s, status %s, until %s.", userID, pkg.Name, v.Status, timeText(v.ExpiresAt)); err != nil {
		return err
	}
	if existing != nil {
		w.noteFollows()
	}
	return nil
}

// subscription is a user's subscription to a package, nil for none.
func (w *work) subscription(ctx context.Context, userID, packageID string) (*store.Subscription, error) {
	all, err := w.db.SubscriptionsOf(ctx, userID)
	for i := range all {
		if all[i].PackageID == packageID {
			return &all[i], nil
		}
	}
	return nil, err
}

func (o *operator) subscriptionList() *cobra.Command {
	var limit, offset int
	cmd := &cobra.Command{
		Use:   "list [<user>]",
		Short: "Lists the subscriptions of a user, or of all, the newest first",
		Example: `  $ caddy wa-gateway subscription list
  $ caddy wa-gateway subscription list customer1 --json`,
		Args:              takes("[user]"),
		ValidArgsFunction: o.complete(completeUsers),
		PreRunE:           checkPage(&limit, &offset),
		RunE: o.run(o.withDB(func(ctx context.Context, w *work) error {
			userID := argument(w.args, 0)
			if userID != "" {
				if err := w.checkUser(ctx, userID); err != nil {
					return err
				}
			}
			subscriptions, err := w.db.ListSubscriptions(ctx, userID, limit, offset)
			if err != nil {
				return err
			}
			views := make([]subscriptionView, 0, len(subscriptions))
			rows := make([][]string, 0, len(subscriptions))
			for i := range subscriptions {
				v := viewSubscription(&subscriptions[i], w.now)
				views = append(views, v)
				name := v.PackageID
				if v.PackageName != nil {
					name = *v.PackageName
				}
				rows = append(rows, []string{
					v.UserID, name, v.Status, yesNo(v.IsActive), timeText(v.ActivatedAt), timeText(v.ExpiresAt),
				})
			}
			if w.json {
				return w.document(views)
			}
			return w.table("subscriptions", []string{"USER", "PACKAGE", "STATUS", "IN FORCE", "ACTIVATED", "EXPIRES"}, rows)
		})),
	}
	addPageFlags(cmd, &limit, &offset)
	return cmd
}
