package message

import (
	"context"
	"strings"
	"testing"
)

func parse(t *testing.T, kind Kind, contentType, body string) (*Message, error) {
	t.Helper()
	m, err := Parse(context.Background(), kind, contentType, strings.NewReader(body), Options{Region: "ID", MaxBytes: 1 << 20, Dir: t.TempDir()})
	if m != nil {
		t.Cleanup(func() { m.Close() })
	}
	return m, err
}

func TestSmoke(t *testing.T) {
	m, err := parse(t, KindText, "application/json", `{"to":"0812-3456-789","message":"h\u00e9y \ud83d\ude00","session_id":"x"}`)
	t.Log(m, err)
	m, err = parse(t, KindMedia, "application/json", `{"to":"628123456789@c.us","media":"data:image/png;base64,iVBORw0KGgo=","caption":"x"}`)
	t.Log(m, m.Media, err)
	m, err = parse(t, KindImage, "application/x-www-form-urlencoded", `to=%2B62+812-3456-789&image=iVBOR+0KGgo&mentions=628123456789,628123456780`)
	t.Log(m, m.Media, err)
}
