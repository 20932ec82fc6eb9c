package caddywagateway

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"
)

func (o *operator) statsExport() *cobra.Command {
	var file string
	given := make(map[string]*string)
	cmd := &cobra.Command{
		Use:   "export",
		Short: "Writes statistics, messages or hours as CSV or NDJSON",
		Long: `
Writes one row for each session with its totals, for each message of the ledger, or
for each quarter of an hour with its counts by type of message. It is written as it
is read, in any length. A message belongs to the time at which it began.

In CSV a text that a spreadsheet would take for a formula begins with an
apostrophe.`,
		Example: `  $ caddy wa-gateway stats export > sessions.csv
  $ caddy wa-gateway stats export --of messages --user customer1 --from 2026-01-01 --to 2026-01-31 --tz Asia/Jakarta
  $ caddy wa-gateway stats export --of rollups --format ndjson --output hours.ndjson`,
		Args: takes(),
		RunE: o.run(o.withDBFor(longCommand, func(ctx context.Context, w *work) error {
			values := make(url.Values)
			for name, value := range given {
				if *value != "" {
					values.Set(name, *value)
				}
			}
			q, err := parseExport(values, "")
			if err != nil {
				return usageOf(err)
			}
			return w.export(ctx, q, file)
		})),
	}
	flags := cmd.Flags()
	for _, f := range []struct{ name, query, fallback, usage string }{
		{"of", "of", exportSessions, "What each row is: " + strings.Join(exportKinds, ", ")},
		{"format", "format", "csv", "csv or ndjson"},
		{"user", "user_id", "", "Only of this user"},
		{"session", "session_id", "", "Only of this session"},
		{"from", "from", "", "Not before this date or time"},
		{"to", "to", "", "Up to this date, which is included, or time"},
		{"tz", "tz", "", "The time zone of dates (default UTC)"},
	} {
		given[f.query] = flags.String(f.name, f.fallback, f.usage)
	}
	flags.StringVarP(&file, "output", "o", "", "Write to this file, which must not exist (default: standard output)")
	return cmd
}

// usageOf makes the answer to a wrong query the error of a wrong flag.
func usageOf(err error) error {
	var e *refusal
	if errors.As(err, &e) {
		return usagef("--%s", e.Message)
	}
	return err
}

// export writes to a file or to standard output. A file that is not complete does
// not stay.
func (w *work) export(ctx context.Context, q *exportQuery, path string) (err error) {
	progress := newProgress(w.note, q.of)
	if progress != nil {
		progress.total, progress.about, err = w.countExport(ctx, q)
		if err != nil {
			return err
		}
	}
	if path == "" {
		out := bufio.NewWriterSize(w.out, 64<<10)
		if err := q.write(ctx, w.db, out, progress.row); err != nil {
			return err
		}
		progress.end()
		return out.Flush()
	}
	file, err := os.OpenFile(filepath.Clean(path), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	out := bufio.NewWriterSize(file, 64<<10)
	err = q.write(ctx, w.db, out, progress.row)
	if err == nil {
		err = out.Flush()
	}
	if err = errors.Join(err, file.Close()); err != nil {
		return errors.Join(err, os.Remove(file.Name()))
	}
	progress.end()
	return nil
}

func (w *work) countExport(ctx context.Context, q *exportQuery) (total int64, about bool, err error) {
	switch q.of {
	case exportMessages:
		var exact bool
		total, exact, err = w.db.CountMessages(ctx, q.filter)
		return total, !exact, err
	case exportRollups:
		total, err = w.db.CountRollups(ctx, q.filter)
	default:
		total, err = w.db.CountSessions(ctx, q.filter)
	}
	return total, false, err
}

// progress shows on a terminal how far a long command has come. A nil one shows
// nothing.
type progress struct {
	out   io.Writer
	what  string
	total int64
	about bool // total is an estimate
	done  int64
	shown time.Time
}

const progressInterval = 200 * time.Millisecond

// newProgress is nil where notes do not go to a terminal.
func newProgress(note io.Writer, what string) *progress {
	file, ok := note.(*os.File)
	if !ok {
		return nil
	}
	if info, err := file.Stat(); err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return nil
	}
	return &progress{out: note, what: what}
}

func (p *progress) row() {
	if p == nil {
		return
	}
	p.done++
	if p.done%256 == 0 && time.Since(p.shown) >= progressInterval {
		p.show()
	}
}

func (p *progress) show() {
	p.shown = time.Now()
	of := ""
	if p.total > 0 {
		about := ""
		if p.about {
			about = "about "
		}
		of = fmt.Sprintf(" of %s%s (%d%%)", about, humanize.Comma(max(p.total, p.done)), min(100, 100*p.done/max(p.total, p.done)))
	}
	fmt.Fprintf(p.out, "\r\033[K%s%s %s", humanize.Comma(p.done), of, p.what)
}

func (p *progress) end() {
	if p == nil {
		return
	}
	p.total, p.about = p.done, false
	p.show()
	fmt.Fprintln(p.out)
}
