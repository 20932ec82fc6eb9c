package qrcode

import (
	"bytes"
	"image/color"
	"image/png"
	"strings"
	"testing"

	"github.com/boombuler/barcode/qr"
)

func TestAccept(t *testing.T) {
	for accept, want := range map[string]bool{
		"": false, "*/*": false, "text/html": false, "image/png": false, "application/json": true,
		"application/json, text/plain, */*": true, "text/html, image/*;q=0.9, */*;q=0.8": false,
		"image/png, application/json": false, "application/json, image/png": true,
		"image/png;q=0.5, application/json": true, "application/json;q=0": false,
		"application/json;q=x": false, ";;, application/json": true, "Application/JSON; charset=utf-8": true,
	} {
		if got := WantsJSON([]string{accept}); got != want {
			t.Errorf("%q: %v", accept, got)
		}
	}
	if !WantsJSON([]string{"text/html", "application/json"}) {
		t.Error("two header lines")
	}
}

// The picture holds the code, module for module, in a white margin.
func TestPNG(t *testing.T) {
	text := "wa:pair?" + strings.Repeat("x", 200)
	raw, err := PNG(text)
	if err != nil {
		t.Fatal(err)
	}
	picture, err := png.Decode(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	want, err := qr.Encode(text, qr.M, qr.Auto)
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
	if _, err := PNG(strings.Repeat("x", 5000)); err == nil {
		t.Error("a text of any length is drawn")
	}
}
