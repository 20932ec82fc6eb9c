package media

import (
	"bufio"
	"bytes"
	"io"
	"mime"
	"net/url"
	"strings"
	"unicode/utf8"
)

// Bounds of texts, in bytes.
const (
	maxURL  = 8 << 10
	maxHead = 1 << 10 // of a data URL before its comma
)

// Source is what a text names: a URL, or content.
type Source struct {
	File     *File  // nil where there is a URL
	URL      string // empty where there is a File
	MIMEType string // of a data URL; empty where it says none
	Filename string // likewise (name=)
}

// ReadText reads a text that names media: an http or https URL, a data URL, or base64,
// told apart by how it begins. Content is decoded while it is read, and kept like
// Spool does. An empty text is nil without an error. Errors are a *TextError,
// ErrTooLarge, or those of r and the disk.
func ReadText(r io.Reader, max int64, dir string) (*Source, error) {
	text := bufio.NewReaderSize(r, maxURL+1)
	if err := skipSpace(text); err != nil {
		if err == io.EOF {
			return nil, nil
		}
		return nil, err
	}
	head, err := text.Peek(len("https://"))
	if err != nil && err != io.EOF {
		return nil, err
	}
	lower := bytes.ToLower(head)
	switch {
	case bytes.HasPrefix(lower, []byte("http://")), bytes.HasPrefix(lower, []byte("https://")):
		return readURL(text)
	case bytes.HasPrefix(lower, []byte("data:")):
		return readDataURL(text, max, dir)
	}
	file, err := spoolBase64(text, max, dir)
	if err != nil {
		return nil, err
	}
	return &Source{File: file}, nil
}

// skipSpace leaves out white space; io.EOF says that there is nothing else.
func skipSpace(text *bufio.Reader) error {
	for {
		c, err := text.ReadByte()
		if err != nil {
			return err
		}
		if base64Clean[c] != ' ' {
			return text.UnreadByte()
		}
	}
}

func readURL(text *bufio.Reader) (*Source, error) {
	whole, err := text.Peek(maxURL + 1)
	if err == nil {
		return nil, &TextError{Reason: "is a URL that is too long"}
	}
	if err != io.EOF {
		return nil, err
	}
	address, bad := CheckURL(strings.TrimSpace(string(whole)))
	if bad != nil {
		return nil, bad
	}
	return &Source{URL: address}, nil
}

// CheckURL tells whether a text is a URL that a Fetcher may be given, and returns it
// without its fragment. The error is a *TextError.
func CheckURL(text string) (string, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil || !utf8.ValidString(text) || u.Hostname() == "" || u.Opaque != "":
		return "", &TextError{Reason: "is a malformed URL"}
	case u.Scheme != "http" && u.Scheme != "https":
		return "", errNotBase64
	case u.User != nil:
		return "", &TextError{Reason: "is a URL with a user or password in it"}
	case len(text) > maxURL:
		return "", &TextError{Reason: "is a URL that is too long"}
	}
	u.Fragment, u.RawFragment = "", ""
	return u.String(), nil
}

// readDataURL reads data:[type][;name=value]…;base64,content.
func readDataURL(text *bufio.Reader, max int64, dir string) (*Source, error) {
	window, err := text.Peek(maxHead)
	if err != nil && err != io.EOF {
		return nil, err
	}
	comma := bytes.IndexByte(window, ',')
	if comma < 0 {
		return nil, &TextError{Reason: "is a malformed data URL"}
	}
	source, err := dataURLHead(string(window[len("data:"):comma]))
	if err != nil {
		return nil, err
	}
	if _, err := text.Discard(comma + 1); err != nil {
		return nil, err
	}
	if source.File, err = spoolBase64(text, max, dir); err != nil {
		return nil, err
	}
	return source, nil
}

// dataURLHead reads what stands between "data:" and the comma.
func dataURLHead(head string) (*Source, error) {
	const marker = ";base64"
	head = strings.TrimSpace(head)
	cut := len(head) - len(marker)
	if cut < 0 || !strings.EqualFold(head[cut:], marker) {
		return nil, &TextError{Reason: "is a data URL that is not in base64"}
	}
	source := new(Source)
	if head = head[:cut]; head == "" {
		return source, nil
	}
	kind, params, err := mime.ParseMediaType(head)
	if err != nil || strings.Count(kind, "/") != 1 {
		return nil, &TextError{Reason: "is a data URL with a malformed MIME type"}
	}
	for _, name := range []string{"name", "filename"} {
		if value, err := url.PathUnescape(params[name]); err == nil && source.Filename == "" {
			source.Filename = value
		}
		delete(params, name)
	}
	source.MIMEType = mime.FormatMediaType(kind, params)
	return source, nil
}

// spoolBase64 keeps content that comes as base64. There must be some.
func spoolBase64(text io.Reader, max int64, dir string) (*File, error) {
	file, err := Spool(DecodeBase64(text), max, dir)
	if err != nil {
		return nil, err
	}
	if file.Size() == 0 { // nothing but white space
		file.Close()
		return nil, errNotBase64
	}
	return file, nil
}
