package webhook

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"mime/multipart"
	"unicode/utf8"
)

// file is what becomes of a file in a form.
type file struct {
	Filename    string `json:"filename"`
	ContentType string `json:"content_type"`
	Size        int    `json:"size"`
	SHA256      string `json:"sha256"`
	Data        []byte `json:"data"` // base64
}

// parseMultipart reads a multipart form as an object of its fields. A part with a file
// name, or with a Content-Type and no text in it, is a file.
func parseMultipart(body []byte, boundary string) (Payload, *Error) {
	if len(body) == 0 {
		return nil, &Error{Reason: "The body is empty", kind: ErrEmpty}
	}
	if boundary == "" {
		return nil, &Error{Reason: "multipart/form-data needs a boundary in its Content-Type", kind: ErrUnsupported}
	}
	var form fields
	parts := multipart.NewReader(bytes.NewReader(body), boundary)
	for {
		part, err := parts.NextPart()
		if errors.Is(err, io.EOF) && form.count > 0 {
			return form.payload()
		}
		if err != nil {
			return nil, wrong("the form cannot be read: it is wrong or ends too early after %d fields", form.count)
		}
		if part.FormName() == "" {
			return nil, wrong("the form cannot be read: part %d has no name", form.count+1)
		}
		content, err := io.ReadAll(part)
		if err != nil {
			return nil, wrong("the form cannot be read: field %s ends too early", shown(part.FormName()))
		}
		name, contentType := part.FileName(), part.Header.Get("Content-Type")
		if name == "" && (contentType == "" || utf8.Valid(content)) {
			if err := form.add(part.FormName(), string(content)); err != nil {
				return nil, err
			}
			continue
		}
		if !utf8.ValidString(name) || !utf8.ValidString(contentType) {
			return nil, wrong("the file %s has a name or a type that is not in UTF-8", shown(part.FormName()))
		}
		sum := sha256.Sum256(content)
		if err := form.add(part.FormName(), file{
			Filename: name, ContentType: contentType,
			Size: len(content), SHA256: hex.EncodeToString(sum[:]), Data: content,
		}); err != nil {
			return nil, err
		}
	}
}
