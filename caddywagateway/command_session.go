package caddywagateway

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/genfity/wa-gateway/store"
)

// sessionView is a session as --json shows it. Its token is nobody's business.
type sessionView struct {
	SessionID   string     `json:"session_id"`
	SessionName *string    `json:"session_name"`
	UserID      *string    `json:"user_id"`
	Status      string     `json:"status"`
	Connected   bool       `json:"connected"`
	LoggedIn    bool       `json:"logged_in"`
	JID         *string    `json:"jid"`
	CreatedAt   *time.Time `json:"created_at"`
	UpdatedAt   *time.Time `json:"updated_at"`
}

func viewSession(s *store.Session) sessionView {
	return sessionView{
		SessionID: s.SessionID, SessionName: s.SessionName, UserID: s.UserID, Status: s.Status,
		Connected: s.Connected, LoggedIn: s.LoggedIn, JID: s.JID,
		CreatedAt: timeOrNil(s.CreatedAt.Time), UpdatedAt: timeOrNil(s.UpdatedAt.Time),
	}
}

func (o *operator) sessionCommand() *cobra.Command {
	return asGroup(&cobra.Command{
		Use:   "session",
		Short: "Adds, lists and removes sessions of WA servers",
		Long: `
Adds, lists and removes the sessions that the gateway knows. The WA server is not
asked and not told: users make and delete sessions there by way of the gateway's
/api/wa/sessions.`,
	}, o.sessionAdd(), o.sessionLink(), o.sessionList(), o.sessionRemove())
}

func (o *operator) sessionAdd() *cobra.Command {
	var name string
	var sessionName *string
	cmd := &cobra.Command{
		Use:   "add <user> <session>",
		Short: "Gives a user a session that the WA server has",
		Long: `
Gives a user a session that exists at the WA server already, so that they may send
with it. The package's max_session is not looked at.`,
		Example:           `  $ caddy wa-gateway session add customer1 shop --name "Web shop"`,
		Args:              takes("<user>", "<session>"),
		ValidArgsFunction: o.complete(completeUsers),
		PreRunE: check(func(args []string) (err error) {
			if sessionName, err = optionalText("--name", name); err != nil {
				return err
			}
			return checkID("session", args[1])
		}),
		RunE: o.run(o.withDB(func(ctx context.Context, w *work) error {
			userID, sessionID := w.args[0], w.args[1]
			if err := w.checkUser(ctx, userID); err != nil {
				return err
			}
			err := w.db.AddSession(ctx, &store.Session{
				SessionID: sessionID, SessionName: sessionName, UserID: &userID, Status: "disconnected",
			})
			if errors.Is(err, store.ErrConflict) {
				return w.takenSession(ctx, userID, sessionID)
			}
			if err != nil {
				return err
			}
			added, err := w.db.Session(ctx, sessionID)
			if err != nil {
				return err
			}
			w.noteDropped("the session's name", sessionName, added.SessionName)
			return w.result(viewSession(added), "Added session %s of user %s.", sessionID, userID)
		})),
	}
	cmd.Flags().StringVar(&name, "name", "", "Name")
	return cmd
}

// takenSession says whose the session is.
func (w *work) takenSession(ctx context.Context, userID, sessionID string) error {
	session, err := w.db.Session(ctx, sessionID)
	switch {
	case errors.Is(err, store.ErrNotFound):
		// Its place is being held while a WA server creates it.
		return fmt.Errorf("session %s is just being created through the gateway", sessionID)
	case err != nil:
		return err
	case session.UserID == nil:
		return fmt.Errorf("there is a session %s already, which belongs to no user", sessionID)
	case *session.UserID == userID:
		return fmt.Errorf("user %s has a session %s already", userID, sessionID)
	default:
		return fmt.Errorf("session %s belongs to user %s", sessionID, *session.UserID)
	}
}

func (o *operator) sessionList() *cobra.Command {
	var limit, offset int
	cmd := &cobra.Command{
		Use:   "list [<user>]",
		Short: "Lists the sessions of a user, or of all, the newest first",
		Example: `  $ caddy wa-gateway session list
  $ caddy wa-gateway session list customer1 --json`,
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
			sessions, err := w.db.ListSessions(ctx, userID, limit, offset)
			if err != nil {
				return err
			}
			views := make([]sessionView, 0, len(sessions))
			rows := make([][]string, 0, len(sessions))
			for i := range sessions {
				v := viewSession(&sessions[i])
				views = append(views, v)
				rows = append(rows, []string{
					v.SessionID, textOf(v.UserID), textOf(v.SessionName), v.Status, yesNo(v.Connected), textOf(v.JID), timeText(v.CreatedAt),
				})
			}
			if w.json {
				return w.document(views)
			}
			return w.table("sessions", []string{"SESSION", "USER", "NAME", "STATUS", "CONNECTED", "JID", "CREATED"}, rows)
		})),
	}
	addPageFlags(cmd, &limit, &offset)
	return cmd
}

func (o *operator) sessionRemove() *cobra.Command {
	return &cobra.Command{
		Use:   "remove <user> <session>",
		Short: "Takes a session away from a user",
		Long: `
Takes a session out of the sessions table, so that the gateway refuses it from then
on. The WA server keeps it, and the gateway keeps its statistics.`,
		Example:           `  $ caddy wa-gateway session remove customer1 shop`,
		Args:              takes("<user>", "<session>"),
		ValidArgsFunction: o.complete(completeUsers, completeSessions),
		RunE: o.run(o.withDB(func(ctx context.Context, w *work) error {
			userID, sessionID := w.args[0], w.args[1]
			err := w.db.RemoveSession(ctx, userID, sessionID)
			if errors.Is(err, store.ErrNotFound) {
				return fmt.Errorf("user %s has no session %s", quoted(userID), quoted(sessionID))
			}
			if err != nil {
				return err
			}
			err = w.result(struct {
				SessionID string `json:"session_id"`
				UserID    string `json:"user_id"`
				Removed   bool   `json:"removed"`
			}{sessionID, userID, true}, "Removed session %s of user %s.", sessionID, userID)
			if err != nil {
				return err
			}
			w.noteFollows()
			return nil
		})),
	}
}
