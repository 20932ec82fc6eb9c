// Package export writes rows of statistics as CSV (RFC 4180) or NDJSON, one after
// another, so that an export of any length takes the memory of one row.
package export

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

// Format is how rows are written.
type Format string

// The formats.
const (
	CSV    Format = "csv"
	NDJSON Format = "ndjson"
)

// ErrFormat means that a format is not known.
var ErrFormat = errors.New("the format must be csv or ndjson")

// ContentType is the media type of what is written in the format.
func (f Format) ContentType() string {
	if f == NDJSON {
		return "application/x-ndjson"
	}
	return "text/csv; charset=utf-8; header=present"
}

// column is one value of a row: a string, an int64, a *float64 or a time.Time, of
// which a nil one and a zero one are none.
type column[T any] struct {
	name  string
	value func(row *T) any
}

// Writer writes rows of one kind.
type Writer[T any] struct {
	columns []column[T]
	csv     *csv.Writer
	record  []string
	out     io.Writer
	line    bytes.Buffer
}

// NewWriter begins an export; CSV begins with its header, also where no row
// follows. The error is ErrFormat, or out's.
func NewWriter[T any](format Format, out io.Writer, of Kind[T]) (*Writer[T], error) {
	w := &Writer[T]{columns: of.columns, out: out}
	switch format {
	case NDJSON:
		return w, nil
	case CSV:
		w.csv = csv.NewWriter(out)
		w.csv.UseCRLF = true
		for _, c := range of.columns {
			w.record = append(w.record, c.name)
		}
		return w, w.csv.Write(w.record)
	}
	return nil, ErrFormat
}

// Write writes one row; it may stay in a buffer until Flush.
func (w *Writer[T]) Write(row T) error {
	if w.csv != nil {
		for i, c := range w.columns {
			w.record[i] = cell(c.value(&row))
		}
		return w.csv.Write(w.record)
	}
	w.line.WriteByte('{')
	for i, c := range w.columns {
		if i > 0 {
			w.line.WriteByte(',')
		}
		w.line.WriteString(strconv.Quote(c.name))
		w.line.WriteByte(':')
		if err := w.appendJSON(c.value(&row)); err != nil {
			return fmt.Errorf("write %s: %w", c.name, err)
		}
	}
	w.line.WriteString("}\n")
	if w.line.Len() >= bufferSize {
		return w.Flush()
	}
	return nil
}

const bufferSize = 4 << 10

// Flush hands what is still in a buffer to the writer below.
func (w *Writer[T]) Flush() error {
	if w.csv != nil {
		w.csv.Flush()
		return w.csv.Error()
	}
	_, err := w.line.WriteTo(w.out)
	return err
}

func (w *Writer[T]) appendJSON(value any) error {
	switch v := value.(type) {
	case time.Time:
		if v.IsZero() {
			value = nil
		} else {
			value = v.UTC()
		}
	case *float64:
		if v == nil {
			value = nil
		}
	}
	encoder := json.NewEncoder(&w.line)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return err
	}
	w.line.Truncate(w.line.Len() - 1) // Encode ends each value with a newline
	return nil
}

func cell(value any) string {
	switch v := value.(type) {
	case string:
		return harmless(v)
	case int64:
		return strconv.FormatInt(v, 10)
	case *float64:
		if v == nil {
			return ""
		}
		return strconv.FormatFloat(*v, 'f', 2, 64)
	case time.Time:
		if v.IsZero() {
			return ""
		}
		return v.UTC().Format(time.RFC3339Nano)
	}
	return fmt.Sprint(value)
}

// harmless keeps a spreadsheet from taking a text that somebody else chose for a
// formula (CWE-1236): it gets an apostrophe, which spreadsheets do not show. A
// phone number stays as it is.
func harmless(text string) string {
	if text == "" {
		return text
	}
	switch text[0] {
	case '=', '@', '\t', '\r', '\n':
		return "'" + text
	case '+', '-':
		if strings.Trim(text[1:], "0123456789 ") != "" {
			return "'" + text
		}
	}
	return text
}
