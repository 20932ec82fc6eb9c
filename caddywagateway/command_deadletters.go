package caddywagateway

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/genfity/wa-gateway/store"
)

func (o *operator) deadLettersCommand() *cobra.Command {
	return asGroup(&cobra.Command{
		Use:   "dead-letters",
		Short: "Shows events that could not be counted, and tries them again",
		Long: `
An event that was taken but cannot be counted is set aside with the reason: of a
session that is gone, say, or one that the database refuses. Here they are seen, tried
again, or given up.`,
	}, o.deadLettersList(), o.deadLettersShow(), o.deadLettersRetry(), o.deadLettersDrop())
}

func (o *operator) deadLettersList() *cobra.Command {
	var limit int
	var after string
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "Lists dead letters, the newest first",
		Example: `  $ caddy wa-gateway dead-letters list --limit 20`,
		Args:    takes(),
		PreRunE: check(func([]string) error {
			if limit < 1 || limit > maxPage {
				return usagef("--limit must be between 1 and %d", maxPage)
			}
			return nil
		}),
		RunE: o.run(o.withDB(func(ctx context.Context, w *work) error {
			page, err := readLetters(ctx, w.db, limit, after)
			if errors.Is(err, store.ErrCursor) {
				return usagef("--after must be the next of another page")
			}
			if err != nil {
				return err
			}
			if w.json {
				return w.document(page)
			}
			rows := make([][]string, 0, len(page.DeadLetters))
			for i := range page.DeadLetters {
				l := &page.DeadLetters[i]
				rows = append(rows, []string{l.ID, l.CreatedAt.Format(time.RFC3339), l.Source, l.UserID, l.SessionID, l.MessageID, l.Reason})
			}
			if err := w.table("dead letters", []string{"ID", "SINCE", "SOURCE", "USER", "SESSION", "MESSAGE", "REASON"}, rows); err != nil {
				return err
			}
			if page.Next != nil {
				w.notef("%d in all; go on with --after %s", page.Total, *page.Next)
			}
			return nil
		})),
	}
	cmd.Flags().IntVar(&limit, "limit", defaultPage, "Show so many")
	cmd.Flags().StringVar(&after, "after", "", "Go on after a page")
	return cmd
}

func (o *operator) deadLettersShow() *cobra.Command {
	return &cobra.Command{
		Use:     "show <id>",
		Short:   "Shows a dead letter with its event, as JSON",
		Example: `  $ caddy wa-gateway dead-letters show cm4x0a8z90000…`,
		Args:    takes("<id>"),
		RunE: o.run(o.withDB(func(ctx context.Context, w *work) error {
			letter, err := w.db.DeadLetter(ctx, w.args[0])
			if err != nil {
				return noLetter(err, w.args[0])
			}
			return w.document(viewLetter(letter))
		})),
	}
}

func noLetter(err error, id string) error {
	if errors.Is(err, store.ErrNotFound) {
		return fmt.Errorf("there is no dead letter %s", quoted(id))
	}
	return err
}

func (o *operator) deadLettersDrop() *cobra.Command {
	return &cobra.Command{
		Use:     "drop <id>",
		Short:   "Gives an event up for good",
		Example: `  $ caddy wa-gateway dead-letters drop cm4x0a8z90000…`,
		Args:    takes("<id>"),
		RunE: o.run(o.withDB(func(ctx context.Context, w *work) error {
			removed, err := w.db.RemoveDeadLetters(ctx, w.args[0])
			if err == nil && removed == 0 {
				err = store.ErrNotFound
			}
			if err != nil {
				return noLetter(err, w.args[0])
			}
			return w.result(map[string]string{"id": w.args[0]}, "The event was given up.")
		})),
	}
}

func (o *operator) deadLettersRetry() *cobra.Command {
	var all bool
	cmd := &cobra.Command{
		Use:   "retry <id> | --all",
		Short: "Tries once more to count an event, or all of them",
		Example: `  $ caddy wa-gateway dead-letters retry cm4x0a8z90000…
  $ caddy wa-gateway dead-letters retry --all`,
		Args: takes("[id]"),
		PreRunE: check(func(args []string) error {
			if all == (len(args) == 1) {
				return usagef("give an id, or --all")
			}
			return nil
		}),
		RunE: o.run(o.withDBFor(longCommand, func(ctx context.Context, w *work) error {
			primary, err := openPrimary(w)
			if err != nil {
				return err
			}
			err = w.retryLetters(ctx, primary)
			return errors.Join(err, primary.DB().Close())
		})),
	}
	cmd.Flags().BoolVar(&all, "all", false, "Try all of them")
	return cmd
}

func openPrimary(w *work) (*store.Primary, error) {
	db, err := store.Open(w.settings.primary)
	if err != nil {
		return nil, fmt.Errorf("primary database: %w", err)
	}
	return store.NewPrimary(db), nil
}

// retryLetters tries one letter, or all that there are.
func (w *work) retryLetters(ctx context.Context, primary *store.Primary) error {
	if len(w.args) == 1 {
		letter, err := w.db.DeadLetter(ctx, w.args[0])
		if err != nil {
			return noLetter(err, w.args[0])
		}
		if err := w.retryLetter(ctx, primary, letter); err != nil {
			return fmt.Errorf("it still cannot be recorded: %w", err)
		}
		return w.result(map[string]string{"id": letter.ID}, "The event was recorded.")
	}
	recorded, dead, after := 0, 0, ""
	for {
		letters, err := w.db.DeadLetters(ctx, maxPage, after)
		if err != nil {
			return err
		}
		for i := range letters {
			after = letters[i].Cursor()
			err := w.retryLetter(ctx, primary, &letters[i])
			var still *retryError
			switch {
			case err == nil:
				recorded++
			case errors.As(err, &still):
				dead++
			default:
				return err
			}
		}
		if len(letters) < maxPage {
			break
		}
	}
	err := w.result(map[string]int{"recorded": recorded, "dead": dead}, "%d events were recorded; %d still cannot be.", recorded, dead)
	if err == nil && dead > 0 {
		err = errSilent
	}
	return err
}

func (w *work) retryLetter(ctx context.Context, primary *store.Primary, letter *store.DeadLetter) error {
	if err := replay(ctx, w.db, primary, letter); err != nil {
		return err
	}
	_, err := w.db.RemoveDeadLetters(ctx, letter.ID)
	return err
}
