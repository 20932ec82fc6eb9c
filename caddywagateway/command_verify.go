package caddywagateway

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/genfity/wa-gateway/store"
)

// differenceView is a number that is not what the ledger says.
type differenceView struct {
	UserID    string `json:"user_id"`
	SessionID string `json:"session_id"`
	What      string `json:"what"`
	Stored    string `json:"stored"`
	Recounted string `json:"recounted"`
}

func (o *operator) statsVerify() *cobra.Command {
	return &cobra.Command{
		Use:   "verify [<user> [<session>]]",
		Short: "Recounts the statistics from the ledger",
		Long: `
Recounts every message of the ledger and compares what comes out with the counters,
with the counts by the hour, and with the statistics table of the other application.
It changes nothing, and may run beside the gateway: each session is looked at in one
moment. Any difference is reported, and ends it with exit code 1.`,
		Example: `  $ caddy wa-gateway stats verify
  $ caddy wa-gateway stats verify customer1 --json`,
		Args:              takes("[user]", "[session]"),
		ValidArgsFunction: o.complete(completeUsers, completeSessions),
		RunE: o.run(o.withDBFor(longCommand, func(ctx context.Context, w *work) error {
			return w.verify(ctx)
		})),
	}
}

func (w *work) verify(ctx context.Context) error {
	bar := newProgress(w.note, "messages")
	opts := store.VerifyOptions{UserID: argument(w.args, 0), SessionID: argument(w.args, 1)}
	if bar != nil {
		opts.Progress = func(r store.VerifyReport) {
			bar.done = r.Messages
			bar.show()
		}
	}
	differences := []differenceView{}
	report, err := w.db.Verify(ctx, opts, func(d store.Difference) error {
		differences = append(differences, differenceView(d))
		return nil
	})
	if err != nil {
		return err
	}
	bar.end()
	if w.json {
		err = w.document(struct {
			Sessions    int64            `json:"sessions"`
			Messages    int64            `json:"messages"`
			Differences []differenceView `json:"differences"`
		}{report.Sessions, report.Messages, differences})
	} else {
		err = w.tellDifferences(&report, differences)
	}
	if err == nil && len(differences) > 0 {
		err = errSilent
	}
	return err
}

func (w *work) tellDifferences(report *store.VerifyReport, differences []differenceView) error {
	if len(differences) == 0 {
		return w.result(nil, "The statistics are right: %d sessions with %d messages recounted.", report.Sessions, report.Messages)
	}
	rows := make([][]string, 0, len(differences))
	for _, d := range differences {
		rows = append(rows, []string{d.UserID, d.SessionID, d.What, d.Stored, d.Recounted})
	}
	w.notef("%d differences in %d sessions with %d messages.", len(differences), report.Sessions, report.Messages)
	return w.table("differences", []string{"USER", "SESSION", "WHAT", "STORED", "RECOUNTED"}, rows)
}
