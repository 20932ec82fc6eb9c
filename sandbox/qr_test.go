package sandbox

import (
	"bytes"
	"encoding/base64"
	"image/color"
	"image/png"
	"strings"
	"testing"
	"time"

	"github.com/boombuler/barcode/qr"
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

	// The picture holds the code, module for module, in a white margin.
	picture, err := png.Decode(bytes.NewReader(a.raw))
	if err != nil {
		t.Fatal(err)
	}
	want, err := qr.Encode(code, qr.M, qr.Auto)
	if err != nil {
		t.Fatal(err)
	}
	side := want.Bounds().Dx()
	if got := picture.Bounds().Dx(); got != (side+2*quietZone)*modulePix || got != picture.Bounds().Dy() {
		t.Fatal(picture.Bounds())
	}
	for y := -quietZone; y < side+quietZone; y++ {
		for x := -quietZone; x < side+quietZone; x++ {
			dark := x >= 0 && y >= 0 && x < side && y < side && want.At(x, y) == color.Black
			r, _, _, _ := picture.At((x+quietZone)*modulePix+modulePix/2, (y+quietZone)*modulePix+modulePix/2).RGBA()
			if (r == 0) != dark {
				t.Fatalf("module %d,%d", x, y)
			}
		}
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
