package media

import (
	"encoding/base64"
	"io"
	"strings"
)

// base64Block is how much content is encoded at a time, in bytes: a multiple of three.
const base64Block = 12 << 10

// Base64 returns a reader of the content in base64 (standard alphabet, padded, in one
// line), which is Base64Len bytes long.
func (f *File) Base64() io.Reader { return &base64Encoder{r: f.Open()} }

// Base64Len is how long Base64 is, in bytes.
func (f *File) Base64Len() int64 { return (f.size + 2) / 3 * 4 }

// DataURL returns a reader of the content as a data URL of this MIME type, and how
// long it is, in bytes.
func (f *File) DataURL(mime string) (io.Reader, int64) {
	head := DataURLHead(mime)
	return io.MultiReader(strings.NewReader(head), f.Base64()), int64(len(head)) + f.Base64Len()
}

// DataURLHead is what stands before the base64 of a data URL. Of a MIME type's
// parameters only plain ones are in it, without the spaces that parsers trip over.
func DataURLHead(mime string) string {
	kept := make([]string, 0, 2)
	for i, piece := range strings.Split(mime, ";") {
		piece = strings.TrimSpace(piece)
		if i == 0 && !plainMIME(piece) {
			return "data:application/octet-stream;base64,"
		}
		if i == 0 || plainMIME(piece) && strings.Contains(piece, "=") {
			kept = append(kept, piece)
		}
	}
	return "data:" + strings.Join(kept, ";") + ";base64,"
}

// plainMIME tells whether s is put together of what needs no escape in a URL, JSON or
// a header.
func plainMIME(s string) bool {
	for i := 0; i < len(s); i++ {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && strings.IndexByte("/+-._=", c) < 0 {
			return false
		}
	}
	return s != ""
}

// base64Encoder encodes what it reads.
type base64Encoder struct {
	r     io.Reader
	block []byte // of content
	text  []byte // its base64
	rest  []byte // of text, to be handed out
	err   error
}

func (e *base64Encoder) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if len(e.rest) == 0 {
		if e.err != nil {
			return 0, e.err
		}
		e.fill()
		if len(e.rest) == 0 {
			return 0, e.err
		}
	}
	n := copy(p, e.rest)
	e.rest = e.rest[n:]
	return n, nil
}

func (e *base64Encoder) fill() {
	if e.block == nil {
		e.block = make([]byte, base64Block)
		e.text = make([]byte, base64.StdEncoding.EncodedLen(base64Block))
	}
	n, err := io.ReadFull(e.r, e.block)
	if err == io.ErrUnexpectedEOF { //nolint:errorlint // ReadFull returns it unwrapped
		err = io.EOF
	}
	e.err = err
	base64.StdEncoding.Encode(e.text, e.block[:n])
	e.rest = e.text[:base64.StdEncoding.EncodedLen(n)]
}
