package message

import (
	"context"
	"errors"
	"io"
	"mime"

	"github.com/genfity/wa-gateway/internal/bodyedit"
	"github.com/genfity/wa-gateway/media"
)

// unbounded is the limit of media whose body is bounded already, or by nothing.
const unbounded = 1 << 62

// errKept is more than is kept of a body in memory.
var errKept = errors.New("more than is kept of a body")

// reading is a body on its way to fields.
type reading struct {
	fields *fields
	names  map[string]string // the members that are read, by their normalized names
	media  map[string]bool   // those of them that hold media, likewise
	dir    string
	kept   int
}

// read reads the named members of a body. bodyedit goes before: what reaches this
// package is well-formed, bounded, and holds nothing else.
func read(ctx context.Context, contentType string, body io.Reader, o Options, names *nameSet) (*fields, error) {
	clean, kind, err := bodyedit.Edit(contentType, contextReader{ctx, body}, bodyedit.Rules{
		Drop:     func(name string) bool { return names.all[name] == "" },
		MaxBytes: o.MaxBytes, MaxDepth: o.MaxDepth,
	})
	if err != nil {
		return nil, err
	}
	b := &reading{fields: newFields("", true), names: names.all, media: names.media, dir: o.Dir}
	kind, params, err := mime.ParseMediaType(kind)
	switch {
	case err != nil: // no Content-Type, and so no body
		_, err = io.Copy(io.Discard, clean)
	case kind == "application/x-www-form-urlencoded":
		err = b.readForm(clean)
	case kind == "multipart/form-data":
		err = b.readMultipart(clean, params["boundary"])
	default:
		b.fields.form = false
		err = b.readJSON(clean)
	}
	if err != nil {
		b.fields.close()
		return nil, err
	}
	return b.fields, nil
}

// contextReader stops reading when the call is over.
type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (c contextReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}

// keep counts towards maxKept.
func (b *reading) keep(n int) error {
	if b.kept += n; b.kept > maxKept {
		return errKept
	}
	return nil
}

// canonical is the name of a member as docs/api.md has it.
func (b *reading) canonical(name string) string { return b.names[normal(name)] }

func (b *reading) isMedia(name string) bool { return b.media[normal(name)] }

// mediaText reads media that comes as a text; nil where the text is empty.
func (b *reading) mediaText(field string, text io.Reader) (*medium, error) {
	source, err := media.ReadText(text, unbounded, b.dir)
	if bad, is := errors.AsType[*media.TextError](err); is {
		return nil, &FieldError{Field: field, Reason: bad.Reason}
	}
	if err != nil || source == nil {
		return nil, err
	}
	return &medium{source}, nil
}
