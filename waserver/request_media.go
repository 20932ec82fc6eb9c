package waserver

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"

	"github.com/genfity/wa-gateway/media"
)

// Embed stands for a File inside a value that JSONMediaBody writes. It must not be
// copied once it is part of one.
type Embed struct {
	File *media.File
	// DataURL is the MIME type where the server wants a data URL; empty where it
	// wants plain base64.
	DataURL string

	marker string // what is written in its place first; nobody else can know it
}

// MarshalJSON implements json.Marshaler.
func (e *Embed) MarshalJSON() ([]byte, error) {
	if e.marker == "" {
		e.marker = rand.Text()
	}
	return []byte(`"` + e.marker + `"`), nil
}

// open returns the text, and how long it is, in bytes.
func (e *Embed) open() (io.Reader, int64) {
	if e.DataURL != "" {
		return e.File.DataURL(e.DataURL)
	}
	return e.File.Base64(), e.File.Base64Len()
}

var errEmbed = errors.New("an embedded file is not in the value, or more than once")

// JSONMediaBody is a body of v as JSON, in which each of the embeds stands once, as a
// *Embed; nil ones are left out. The files' content is read and encoded while the body
// is sent, never held whole.
func JSONMediaBody(v any, embeds ...*Embed) (*Body, error) {
	raw, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	order := slices.DeleteFunc(slices.Clone(embeds), func(e *Embed) bool { return e == nil })
	for _, embed := range order {
		if embed.marker == "" || bytes.Count(raw, []byte(embed.marker)) != 1 {
			return nil, errEmbed
		}
	}
	slices.SortFunc(order, func(a, b *Embed) int {
		return bytes.Index(raw, []byte(a.marker)) - bytes.Index(raw, []byte(b.marker))
	})
	if len(slices.Compact(slices.Clone(order))) != len(order) {
		return nil, errEmbed
	}
	var texts [][]byte // around the embeds
	rest := raw
	for _, embed := range order {
		before, after, _ := bytes.Cut(rest, []byte(embed.marker))
		texts, rest = append(texts, before), after
	}
	texts = append(texts, rest)
	length := int64(len(raw))
	for _, embed := range order {
		_, size := embed.open()
		length += size - int64(len(embed.marker))
	}
	open := func() io.Reader {
		readers := []io.Reader{bytes.NewReader(texts[0])}
		for i, embed := range order {
			content, _ := embed.open()
			readers = append(readers, content, bytes.NewReader(texts[i+1]))
		}
		return io.MultiReader(readers...)
	}
	return &Body{ContentType: "application/json", Length: length, Open: open}, nil
}

// MultipartBody is multipart/form-data of fields (name and value) and, behind them, a
// file under the name part. The file's content is read while the body is sent. A nil
// file leaves its part out.
func MultipartBody(fields [][2]string, part, filename, mime string, f *media.File) *Body {
	boundary := rand.Text() // not to be guessed by who wrote the content
	var head strings.Builder
	for _, field := range fields {
		head.WriteString("--" + boundary + "\r\nContent-Disposition: form-data; name=\"" + partName.Replace(field[0]) + "\"\r\n\r\n" +
			field[1] + "\r\n")
	}
	tail := "--" + boundary + "--\r\n"
	size := int64(0)
	if f != nil {
		if mime == "" || strings.ContainsAny(mime, "\r\n\x00") {
			mime = "application/octet-stream"
		}
		head.WriteString("--" + boundary + "\r\nContent-Disposition: form-data; name=\"" + partName.Replace(part) +
			"\"; filename=\"" + partName.Replace(filename) + "\"\r\nContent-Type: " + mime + "\r\n\r\n")
		tail = "\r\n" + tail
		size = f.Size()
	}
	start := head.String()
	open := func() io.Reader {
		readers := []io.Reader{strings.NewReader(start)}
		if f != nil {
			readers = append(readers, f.Open())
		}
		return io.MultiReader(append(readers, strings.NewReader(tail))...)
	}
	return &Body{
		ContentType: "multipart/form-data; boundary=" + boundary,
		Length:      int64(len(start)) + size + int64(len(tail)), Open: open,
	}
}

// partName escapes names as the HTML standard has forms do it.
var partName = strings.NewReplacer(`"`, "%22", "\r", "%0D", "\n", "%0A")
