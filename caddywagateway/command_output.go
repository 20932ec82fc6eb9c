package caddywagateway

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"github.com/genfity/wa-gateway/store"
)

// output is where a command prints: results, and notes for people beside them.
type output struct {
	out  io.Writer
	note io.Writer
	json bool
}

// document prints one JSON document.
func (o *output) document(v any) error {
	encoder := json.NewEncoder(o.out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	return encoder.Encode(v)
}

// result prints what a command did: a document, or a sentence.
func (o *output) result(v any, format string, args ...any) error {
	if o.json {
		return o.document(v)
	}
	_, err := fmt.Fprintf(o.out, format+"\n", args...)
	return err
}

// notef tells people something that is no result.
func (o *output) notef(format string, args ...any) {
	if !o.json {
		fmt.Fprintf(o.note, format+"\n", args...)
	}
}

// table prints rows below their header; none says what there is nothing of.
func (o *output) table(none string, header []string, rows [][]string) error {
	if len(rows) == 0 {
		o.notef("There are no %s.", none)
		return nil
	}
	w := tabwriter.NewWriter(o.out, 0, 0, 2, ' ', 0)
	for _, row := range append([][]string{header}, rows...) {
		cells := make([]string, len(row))
		for i, cell := range row {
			cells[i] = printable(cell)
		}
		if _, err := fmt.Fprintln(w, strings.Join(cells, "\t")); err != nil {
			return err
		}
	}
	return w.Flush()
}

// printable keeps what stands in a database from moving the cursor or pretending
// to be another row.
func printable(text string) string {
	if text == "" {
		return "-"
	}
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || r == '\u2028' || r == '\u2029' {
			return '\uFFFD'
		}
		return r
	}, text)
}

func textOf(p *string) string {
	if p == nil {
		return ""
	}
	return *p
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

func timeText(t *time.Time) string {
	if t == nil {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

func number[T int | int64](n T) string { return strconv.FormatInt(int64(n), 10) }

// utcPointer is a time of the database for JSON: null where there is none.
func utcPointer(t *store.UTCTime) *time.Time {
	if t == nil {
		return nil
	}
	return timeOrNil(t.Time)
}

// pointerToUTC likewise, for times of our own tables.
func pointerToUTC(t *time.Time) *time.Time {
	if t == nil {
		return nil
	}
	return timeOrNil(*t)
}
