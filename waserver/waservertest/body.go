package waservertest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"strings"
	"unicode/utf8"
)

// maxShown is how much of content a golden file holds.
const maxShown = 200

func boundaryOf(contentType string) string {
	_, params, err := mime.ParseMediaType(contentType)
	if err != nil {
		return ""
	}
	return params["boundary"]
}

// bodyText is a body as people read it: JSON indented, the parts of multipart one
// below the other.
func bodyText(contentType string, body []byte) string {
	mediaType, _, _ := mime.ParseMediaType(contentType)
	switch {
	case mediaType == "multipart/form-data":
		return partsText(body, boundaryOf(contentType))
	case json.Valid(body):
		var b bytes.Buffer
		if json.Indent(&b, body, "", "  ") == nil {
			return b.String()
		}
	}
	return contentText(body)
}

func partsText(body []byte, boundary string) string {
	var b strings.Builder
	for parts := multipart.NewReader(bytes.NewReader(body), boundary); ; {
		part, err := parts.NextRawPart()
		if err == io.EOF {
			return b.String()
		}
		if err != nil {
			return b.String() + "what is no multipart: " + err.Error() + "\n"
		}
		content, err := io.ReadAll(part)
		if err != nil {
			return b.String() + "a part that ends early: " + err.Error() + "\n"
		}
		b.WriteString("--\n")
		for _, name := range []string{"Content-Disposition", "Content-Type"} {
			if v := part.Header.Get(name); v != "" {
				b.WriteString(name + ": " + v + "\n")
			}
		}
		b.WriteString("\n" + contentText(content) + "\n")
	}
}

func contentText(content []byte) string {
	text := string(content)
	if !utf8.Valid(content) {
		text = fmt.Sprintf("%q", text)
	}
	if len(text) > maxShown && !json.Valid(content) {
		return fmt.Sprintf("%s… (%d bytes)", strings.ToValidUTF8(text[:maxShown], ""), len(content))
	}
	return text
}
