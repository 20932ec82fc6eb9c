package caddywagateway

import (
	"context"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sync/semaphore"

	"github.com/genfity/wa-gateway/export"
	"github.com/genfity/wa-gateway/stats"
	"github.com/genfity/wa-gateway/store"
)

// What can be exported.
const (
	exportSessions = "sessions"
	exportMessages = "messages"
	exportRollups  = "rollups"
)

var exportKinds = []string{exportSessions, exportMessages, exportRollups}

// exportQuery is what an export is asked for with, by the endpoint and the command
// alike: of, format, user_id, session_id, from, to, tz.
type exportQuery struct {
	of     string
	format export.Format
	filter store.ExportFilter
}

// parseExport reads the query. Without from and to there is no bound in time.
func parseExport(query url.Values, accept string) (*exportQuery, error) {
	q := &exportQuery{of: exportSessions, format: wantedFormat(accept)}
	for name := range query {
		if len(query[name]) > 1 {
			return nil, wrongQuery(name, "is given more than once")
		}
	}
	if text := query.Get("of"); text != "" {
		if q.of = text; !slices.Contains(exportKinds, text) {
			return nil, wrongQuery("of", "must be one of "+strings.Join(exportKinds, ", "))
		}
	}
	if text := query.Get("format"); text != "" {
		if q.format = export.Format(text); q.format != export.CSV && q.format != export.NDJSON {
			return nil, wrongQuery("format", "must be csv or ndjson")
		}
	}
	q.filter.UserID, q.filter.SessionID = query.Get("user_id"), query.Get("session_id")
	for name, id := range map[string]string{"user_id": q.filter.UserID, "session_id": q.filter.SessionID} {
		if id != "" && !stats.ValidID(id) {
			return nil, wrongQuery(name, "cannot be an id")
		}
	}
	if q.of == exportSessions {
		for _, name := range []string{"from", "to", "tz"} {
			if query.Get(name) != "" {
				return nil, wrongQuery(name, "is for messages and rollups: sessions have totals since ever")
			}
		}
		return q, nil
	}
	var err error
	q.filter.From, q.filter.To, err = exportRange(query)
	return q, err
}

func exportRange(query url.Values) (from, to time.Time, err error) {
	location, err := parseZone(query.Get("tz"))
	if err != nil {
		return from, to, err
	}
	if text := query.Get("from"); text != "" {
		var ok bool
		if from, _, ok = parseMoment(text, location); !ok {
			return from, to, wrongQuery("from", wrongMoment)
		}
	}
	if text := query.Get("to"); text != "" {
		var ok bool
		if _, to, ok = parseMoment(text, location); !ok {
			return from, to, wrongQuery("to", wrongMoment)
		}
	}
	if !to.IsZero() && !from.Before(to) {
		return from, to, wrongQuery("from", "must be before to")
	}
	return from, to, nil
}

// wantedFormat is what an Accept header asks for, else CSV.
func wantedFormat(accept string) export.Format {
	for part := range strings.SplitSeq(accept, ",") {
		switch kind, _, _ := mime.ParseMediaType(part); kind {
		case "text/csv":
			return export.CSV
		case "application/x-ndjson", "application/jsonl":
			return export.NDJSON
		}
	}
	return export.CSV
}

// write writes the rows and counts them with row, which may be nil.
func (q *exportQuery) write(ctx context.Context, db *store.Transactional, out io.Writer, row func()) error {
	switch q.of {
	case exportMessages:
		return writeRows(ctx, q, out, export.Messages, db.ExportMessages, row)
	case exportRollups:
		return writeRows(ctx, q, out, export.Rollups, db.ExportRollups, row)
	default:
		return writeRows(ctx, q, out, export.Sessions, db.ExportSessions, row)
	}
}

func writeRows[T any](ctx context.Context, q *exportQuery, out io.Writer, kind export.Kind[T],
	read func(context.Context, store.ExportFilter, func(T) error) error, row func(),
) error {
	w, err := export.NewWriter(q.format, out, kind)
	if err != nil {
		return err
	}
	err = read(ctx, q.filter, func(r T) error {
		if row != nil {
			row()
		}
		return w.Write(r)
	})
	if err != nil {
		return err
	}
	return w.Flush()
}

// exports bounds those that are under way: each keeps a database busy.
var exports = semaphore.NewWeighted(4)

// serveExport streams an export. What goes wrong before its first byte is answered
// as ever; after that the connection is cut, so that nobody takes a part of it for
// the whole.
func (e *Events) serveExport(w http.ResponseWriter, r *http.Request) error {
	q, err := parseExport(r.URL.Query(), r.Header.Get("Accept"))
	if err != nil {
		return err
	}
	if !exports.TryAcquire(1) {
		return unavailable("Too many exports at once; wait for one to end", nil)
	}
	defer exports.Release(1)
	out := &exportStream{w: w, control: http.NewResponseController(w), patience: time.Duration(e.Timeouts.Write), query: q}
	err = q.write(r.Context(), e.app.databases.transactional, out, nil)
	switch {
	case err == nil:
		return out.finish()
	case !out.begun:
		return databaseFailure(err)
	case r.Context().Err() == nil && !errors.Is(err, errClientGone):
		e.logger.Error("an export broke off", zap.String("of", q.of), zap.Error(err))
	}
	panic(http.ErrAbortHandler)
}

// errClientGone says that the client takes no more.
var errClientGone = errors.New("the client has gone away")

// exportStream is the body of an answer that begins with the first write; each
// write has its own time to end.
type exportStream struct {
	w        http.ResponseWriter
	control  *http.ResponseController
	patience time.Duration
	query    *exportQuery
	begun    bool
}

func (s *exportStream) begin() {
	if s.begun {
		return
	}
	s.begun = true
	h := s.w.Header()
	h.Set("Content-Type", s.query.format.ContentType())
	h.Set("Content-Disposition", `attachment; filename="wa-gateway-`+s.query.of+`.`+string(s.query.format)+`"`)
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	s.w.WriteHeader(http.StatusOK)
}

// Write implements io.Writer.
func (s *exportStream) Write(p []byte) (int, error) {
	s.begin()
	_ = s.control.SetWriteDeadline(time.Now().Add(s.patience))
	n, err := s.w.Write(p)
	if err != nil {
		err = errors.Join(errClientGone, err)
	}
	return n, err
}

func (s *exportStream) finish() error {
	s.begin() // an export of nothing
	return nil
}
