package sandbox

import (
	"bytes"
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"github.com/genfity/wa-gateway/internal/qrcode"
)

func TestQR(t *testing.T) {
	s := newServer(t, Options{PairAfter: time.Minute})
	s.do("POST", "/sessions", `{"session_id":"mine & yours"}`).ok(201)
	const path = "/sessions/mine%20&%20yours"
	s.do("POST", path+"/start", "").ok(200)

	data := s.do("GET", path+"/qr", "", "Accept", "application/json").ok(200)
	code := data["code"].(string)
	if !strings.HasPrefix(code, "wa-sandbox:pair?session=mine+%26+yours&code=") || data["status"] != "qr" ||
		data["session_id"] != "mine & yours" || data["expires_at"] != stamp(s.clock.Now().Add(codeLife)) {
		t.Error(data)
	}
	a := s.do("GET", path+"/qr", "")
	if a.status != 200 || a.header.Get("Content-Type") != "image/png" || a.header.Get("Vary") != "Accept" || a.header.Get("Cache-Control") != "no-store" {
		t.Error(a.status, a.header)
	}
	if inline, _ := strings.CutPrefix(data["qr"].(string), "data:image/png;base64,"); inline != base64.StdEncoding.EncodeToString(a.raw) {
		t.Error("the two forms show different codes")
	}

	// The picture holds the code.
	want, err := qrcode.PNG(code)
	if err != nil || !bytes.Equal(a.raw, want) {
		t.Error("the picture shows another code", err)
	}

	s.clock.Add(codeLife - time.Nanosecond)
	if again := s.do("GET", path+"/qr", "", "Accept", "application/json").ok(200); again["code"] != code {
		t.Error("the code changed too early")
	}
	s.clock.Add(time.Nanosecond)
	if next := s.do("GET", path+"/qr", "", "Accept", "application/json").ok(200); next["code"] == code {
		t.Error("the code did not change")
	}
	s.clock.Add(time.Minute)
	s.do("GET", path+"/qr", "").refused(409, "no_qr", "")
}
