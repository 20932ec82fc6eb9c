package caddywagateway

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/genfity/wa-gateway/store"
)

// userView is a user as --json shows them.
type userView struct {
	ID        string     `json:"id"`
	Name      *string    `json:"name"`
	Email     *string    `json:"email"`
	Phone     *string    `json:"phone"`
	Role      string     `json:"role"`
	IsActive  bool       `json:"is_active"`
	CreatedAt *time.Time `json:"created_at"`
	UpdatedAt *time.Time `json:"updated_at"`
}

func viewUser(u *store.User) userView {
	return userView{
		ID: u.ID, Name: u.Name, Email: u.Email, Phone: u.Phone, Role: u.Role, IsActive: u.IsActive,
		CreatedAt: timeOrNil(u.CreatedAt.Time), UpdatedAt: timeOrNil(u.UpdatedAt.Time),
	}
}

func (o *operator) userCommand() *cobra.Command {
	return asGroup(&cobra.Command{
		Use:   "user",
		Short: "Adds, lists, disables and enables users",
	}, o.userAdd(), o.userList(), o.userSwitch(false), o.userSwitch(true))
}

func (o *operator) userAdd() *cobra.Command {
	var name, email, phone, role string
	user := &store.User{IsActive: true}
	cmd := &cobra.Command{
		Use:   "add [<id>]",
		Short: "Adds a user",
		Long: `
Adds a user. Without an id one is made, and printed.

A user needs an active subscription before the gateway lets their calls through:
see 'package add' and 'subscription set'.`,
		Example: `  $ caddy wa-gateway user add customer1 --name "Customer One" --email one@example.com
  $ caddy wa-gateway user add --name "Customer Two"`,
		Args: takes("[id]"),
		PreRunE: check(func(args []string) error {
			if user.ID = argument(args, 0); user.ID != "" {
				if err := checkID("user", user.ID); err != nil {
					return err
				}
			}
			var errs [4]error
			user.Name, errs[0] = optionalText("--name", name)
			user.Email, errs[1] = optionalText("--email", email)
			user.Phone, errs[2] = optionalText("--phone", phone)
			if user.Role = role; role != "" {
				errs[3] = checkText("--role", role)
			}
			return errors.Join(errs[:]...)
		}),
		RunE: o.run(o.withDB(func(ctx context.Context, w *work) error { return w.addUser(ctx, user) })),
	}
	cmd.Flags().StringVar(&name, "name", "", "Name")
	cmd.Flags().StringVar(&email, "email", "", "E-mail address, which no other user may have")
	cmd.Flags().StringVar(&phone, "phone", "", "Phone number, which no other user may have")
	cmd.Flags().StringVar(&role, "role", "", "Role in the application that owns the table (default: customer)")
	return cmd
}

func (w *work) addUser(ctx context.Context, user *store.User) error {
	id := user.ID
	err := w.db.CreateUser(ctx, user)
	if errors.Is(err, store.ErrConflict) {
		if _, err := w.db.User(ctx, id); err == nil {
			return fmt.Errorf("there is a user %s already", id)
		}
		return errors.New("another user has this e-mail address or phone number")
	}
	if err != nil {
		return err
	}
	added, err := w.db.User(ctx, user.ID)
	if err != nil {
		return err
	}
	w.noteDropped("name", user.Name, added.Name)
	w.noteDropped("email", user.Email, added.Email)
	w.noteDropped("phone", user.Phone, added.Phone)
	return w.result(viewUser(added), "Added user %s.", added.ID)
}

func (o *operator) userList() *cobra.Command {
	var limit, offset int
	cmd := &cobra.Command{
		Use:   "list",
		Short: "Lists users, the newest first",
		Example: `  $ caddy wa-gateway user list
  $ caddy wa-gateway user list --limit 100 --offset 200 --json`,
		Args:    takes(),
		PreRunE: checkPage(&limit, &offset),
		RunE: o.run(o.withDB(func(ctx context.Context, w *work) error {
			users, err := w.db.ListUsers(ctx, limit, offset)
			if err != nil {
				return err
			}
			views := make([]userView, 0, len(users))
			rows := make([][]string, 0, len(users))
			for i := range users {
				v := viewUser(&users[i])
				views = append(views, v)
				rows = append(rows, []string{
					v.ID, textOf(v.Name), textOf(v.Email), textOf(v.Phone), v.Role, yesNo(v.IsActive), timeText(v.CreatedAt),
				})
			}
			if w.json {
				return w.document(views)
			}
			return w.table("users", []string{"ID", "NAME", "EMAIL", "PHONE", "ROLE", "ACTIVE", "CREATED"}, rows)
		})),
	}
	addPageFlags(cmd, &limit, &offset)
	return cmd
}

// addPageFlags gives a list its page.
func addPageFlags(cmd *cobra.Command, limit, offset *int) {
	cmd.Flags().IntVar(limit, "limit", 0, "The most to list (default: all)")
	cmd.Flags().IntVar(offset, "offset", 0, "How many to leave out first")
}

func checkPage(limit, offset *int) func(*cobra.Command, []string) error {
	return check(func([]string) error {
		if *limit < 0 || *offset < 0 {
			return usagef("--limit and --offset must not be negative")
		}
		return nil
	})
}

func (o *operator) userSwitch(active bool) *cobra.Command {
	verb, done, short := "disable", "Disabled", "Keeps a user out"
	long := `
Keeps a user out: whatever they show, the gateway answers 401. Their keys, sessions
and statistics stay.`
	if active {
		verb, done, short = "enable", "Enabled", "Lets a disabled user in again"
		long = short + "."
	}
	return &cobra.Command{
		Use:               verb + " <id>",
		Short:             short,
		Long:              long,
		Example:           "  $ caddy wa-gateway user " + verb + " customer1",
		Args:              takes("<id>"),
		ValidArgsFunction: o.complete(completeUsers),
		RunE: o.run(o.withDB(func(ctx context.Context, w *work) error {
			id := w.args[0]
			err := w.db.SetUserActive(ctx, id, active)
			if errors.Is(err, store.ErrNotFound) {
				return noSuchUser(id)
			}
			if err != nil {
				return err
			}
			user, err := w.db.User(ctx, id)
			if err != nil {
				return err
			}
			if err := w.result(viewUser(user), "%s user %s.", done, id); err != nil {
				return err
			}
			w.noteFollows()
			return nil
		})),
	}
}

// noteDropped says that a value was not kept, because the table of the other
// application has no column for it.
func (w *work) noteDropped(column string, given, kept *string) {
	if given != nil && kept == nil {
		w.notef("The database has no column for %s, so it was not kept.", column)
	}
}

// noteFollows says when a change that takes something away is in force.
func (w *work) noteFollows() {
	w.notef("Gateways that run on this database follow within two seconds.")
}

func noSuchUser(id string) error { return fmt.Errorf("there is no user %s", quoted(id)) }

// checkUser says so when a user does not exist.
func (w *work) checkUser(ctx context.Context, id string) error {
	_, err := w.db.User(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return noSuchUser(id)
	}
	return err
}
