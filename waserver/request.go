package waserver

import (
	"bytes"
	"encoding/json"
	"io"
)

// JSONBody is a body of v.
func JSONBody(v any) (*Body, error) {
	raw, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	return BytesBody("application/json", raw), nil
}

// BytesBody is a body that is in memory.
func BytesBody(contentType string, raw []byte) *Body {
	return &Body{ContentType: contentType, Length: int64(len(raw)), Open: func() io.Reader { return bytes.NewReader(raw) }}
}
