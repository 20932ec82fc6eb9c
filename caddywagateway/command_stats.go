package caddywagateway

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/genfity/wa-gateway/store"
)

func (o *operator) statsCommand() *cobra.Command {
	var limit, offset int
	cmd := &cobra.Command{
		Use:   "stats [<user> [<session>]]",
		Short: "Shows statistics: of all, of a user, of a session",
		Long: `
Shows how many messages were sent and failed, and how many of those sent were
delivered and read: of all users, of a user with their sessions, or of a session.
With --json the documents are those of the gateway's /events/admin/stats.`,
		Example: `  $ caddy wa-gateway stats
  $ caddy wa-gateway stats customer1
  $ caddy wa-gateway stats customer1 shop --json`,
		Args:              takes("[user]", "[session]"),
		ValidArgsFunction: o.complete(completeUsers, completeSessions),
		PreRunE:           checkPage(&limit, &offset),
		RunE: o.run(o.withDB(func(ctx context.Context, w *work) error {
			switch len(w.args) {
			case 0:
				return w.allStats(ctx, limit, offset)
			case 1:
				return w.userStats(ctx, w.args[0])
			default:
				return w.sessionStats(ctx, w.args[0], w.args[1])
			}
		})),
	}
	addPageFlags(cmd, &limit, &offset)
	cmd.AddCommand(o.statsReset(), o.statsExport(), o.statsVerify())
	return cmd
}

var statsHeader = []string{"SENT", "FAILED", "DELIVERED", "READ", "SUCCESS", "LAST SENT", "LAST FAILED"}

// statsRow is a row of a table of statistics, after the cells that say whose.
func statsRow(v *totalsView, whose ...string) []string {
	rate := ""
	if v.SuccessRate != nil {
		rate = strconv.FormatFloat(*v.SuccessRate, 'f', 2, 64) + "%"
	}
	return append(whose,
		number(v.Sent), number(v.Failed), number(v.Delivered), number(v.Read), rate,
		timeText(v.LastSentAt), timeText(v.LastFailedAt))
}

// total marks the row that sums up. No id holds an asterisk.
const total = "*"

func (w *work) allStats(ctx context.Context, limit, offset int) error {
	sum, some, count, err := w.db.AllTotals(ctx, limit, offset)
	if err != nil {
		return err
	}
	all := viewTotals("", "", sum)
	users := make([]totalsView, 0, len(some))
	rows := make([][]string, 0, len(some)+1)
	for i := range some {
		v := viewTotals(some[i].UserID, "", some[i].Totals)
		users = append(users, v)
		rows = append(rows, statsRow(&v, v.UserID))
	}
	if w.json {
		return w.document(struct {
			totalsView
			Users      []totalsView `json:"users"`
			TotalUsers int64        `json:"total_users"`
		}{all, users, count})
	}
	rows = append(rows, statsRow(&all, total))
	return w.table("statistics", append([]string{"USER"}, statsHeader...), rows)
}

func (w *work) userStats(ctx context.Context, userID string) error {
	totals, sessions, err := w.db.UserTotals(ctx, userID)
	if errors.Is(err, store.ErrNotFound) {
		// Nothing was ever counted: zeros for a user who exists.
		err = w.checkUser(ctx, userID)
	}
	if err != nil {
		return err
	}
	view := viewTotals(userID, "", totals)
	view.Sessions = make([]totalsView, 0, len(sessions))
	rows := make([][]string, 0, len(sessions)+1)
	for i := range sessions {
		v := viewTotals(userID, sessions[i].SessionID, sessions[i].Totals)
		view.Sessions = append(view.Sessions, v)
		rows = append(rows, statsRow(&v, v.SessionID))
	}
	if w.json {
		return w.document(view)
	}
	rows = append(rows, statsRow(&view, total))
	return w.table("statistics", append([]string{"SESSION"}, statsHeader...), rows)
}

func (w *work) sessionStats(ctx context.Context, userID, sessionID string) error {
	totals, err := w.db.SessionTotals(ctx, userID, sessionID)
	if errors.Is(err, store.ErrNotFound) {
		var session *store.Session
		session, err = w.db.Session(ctx, sessionID)
		if errors.Is(err, store.ErrNotFound) || (err == nil && textOf(session.UserID) != userID) {
			return fmt.Errorf("user %s has no session %s, and never sent with one", quoted(userID), quoted(sessionID))
		}
	}
	if err != nil {
		return err
	}
	view := viewTotals(userID, sessionID, totals)
	if w.json {
		return w.document(view)
	}
	return w.table("statistics", append([]string{"SESSION"}, statsHeader...), [][]string{statsRow(&view, sessionID)})
}

func (o *operator) statsReset() *cobra.Command {
	return &cobra.Command{
		Use:   "reset <user> [<session>]",
		Short: "Starts the statistics of a user or a session again from zero",
		Long: `
Starts the statistics of a user, or of one of their sessions, again from zero. What
arrives later about messages from before is not counted. There is no way back.`,
		Example: `  $ caddy wa-gateway stats reset customer1
  $ caddy wa-gateway stats reset customer1 shop`,
		Args:              takes("<user>", "[session]"),
		ValidArgsFunction: o.complete(completeUsers, completeSessions),
		RunE: o.run(o.withDB(func(ctx context.Context, w *work) error {
			userID, sessionID := w.args[0], argument(w.args, 1)
			whose := "user " + userID
			var err error
			if sessionID == "" {
				err = w.db.ResetUser(ctx, userID, w.now)
			} else {
				whose = "session " + sessionID + " of " + whose
				err = w.db.ResetSession(ctx, userID, sessionID, w.now)
			}
			if errors.Is(err, store.ErrNotFound) {
				return errors.New("there is nothing to reset: no such user or session")
			}
			if err != nil {
				return err
			}
			return w.result(struct {
				UserID    string    `json:"user_id"`
				SessionID string    `json:"session_id,omitempty"`
				ResetAt   time.Time `json:"reset_at"`
			}{userID, sessionID, w.now.UTC()}, "The statistics of %s start again from zero.", whose)
		})),
	}
}
