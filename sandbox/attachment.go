package sandbox

import (
	"bufio"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Bounds of the files that come in by the admin call, and that the servers then give out.
const (
	maxStored     = 100
	maxStoredSize = 256 << 10
)

// attachment is what is known of a message's medium after it was read.
type attachment struct {
	Source string `json:"source"` // file, url, data_url or base64
	URL    string `json:"url,omitempty"`
	Name   string `json:"filename,omitempty"`
	Type   string `json:"mimetype,omitempty"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256,omitempty"`

	declared string // the type that its part of a form has
	looks    string // the type that its first bytes have
	data     []byte // of an incoming one
	path     string // in core.stored
}

// storedFile is one that a server gives out, until a time if there is one.
type storedFile struct {
	kind   string
	data   []byte
	folder string // in the server's paths
	until  time.Time
}

var errMedium = errors.New("the medium cannot be decoded")

// attach reads a medium to its end.
func attach(source, name, kind string, r io.Reader) (*attachment, error) {
	b := bufio.NewReaderSize(r, sniffed)
	head, err := b.Peek(sniffed)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, errMedium
	}
	a := &attachment{Source: source, Name: cut(name, maxIDBytes), Type: cut(kind, maxIDBytes)}
	a.looks, _, _ = mime.ParseMediaType(http.DetectContentType(head))
	if a.Type == "" || a.Type == "application/octet-stream" {
		a.Type = a.looks
	}
	sum := sha256.New()
	if a.Size, err = io.Copy(sum, b); err != nil || a.Size == 0 {
		return nil, errMedium
	}
	a.SHA256 = hex.EncodeToString(sum.Sum(nil))
	return a, nil
}

// attachBase64 decodes standard base64 with its padding.
func attachBase64(source, name, kind, text string) (*attachment, error) {
	return attach(source, name, kind, base64.NewDecoder(base64.StdEncoding.Strict(), strings.NewReader(text)))
}

// attachDataURL decodes data:<type>;base64,<data>.
func attachDataURL(name, text string) (*attachment, error) {
	rest, ok := strings.CutPrefix(text, "data:")
	head, data, found := strings.Cut(rest, ",")
	kind, is64 := strings.CutSuffix(head, ";base64")
	if !ok || !found || !is64 {
		return nil, errMedium
	}
	return attachBase64("data_url", name, kind, data)
}

// attachURL keeps the address of a medium. The sandbox does not fetch it.
func attachURL(name, kind, text string) *attachment {
	return &attachment{Source: "url", URL: cut(text, maxURL), Name: cut(name, maxIDBytes), Type: cut(kind, maxIDBytes)}
}

func isHTTP(text string) bool {
	u, err := url.Parse(text)
	return err == nil && u.Host != "" && (u.Scheme == "http" || u.Scheme == "https")
}

// store keeps a file that a server gives out, under a name that cannot be guessed.
func (c *core) store(a *attachment, extension string) {
	for len(c.names) >= maxStored {
		delete(c.stored, c.names[0])
		c.names = c.names[1:]
	}
	a.path = randomHex(16) + extension
	c.stored[a.path] = storedFile{kind: a.Type, data: a.data}
	c.names = append(c.names, a.path)
}

// extension is the ending of a file of a type.
func extension(kind string) string {
	base, _, _ := mime.ParseMediaType(kind)
	switch base {
	case "image/jpeg":
		return ".jpeg"
	case "audio/ogg":
		return ".oga"
	case "text/plain":
		return ".txt"
	}
	if list, err := mime.ExtensionsByType(base); err == nil && len(list) > 0 {
		return list[0]
	}
	return ".bin"
}

func randomHex(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails
	return hex.EncodeToString(b)
}
