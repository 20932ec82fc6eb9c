package qrcode

import (
	"bytes"
	"image/png"
	"strings"
	"testing"
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

func TestPNG(t *testing.T) {
	raw, err := PNG("wa:pair?" + strings.Repeat("x", 200))
	if err != nil {
		t.Fatal(err)
	}
	picture, err := png.Decode(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	// The quiet zone is white, the first module of the finder pattern black.
	white, black := picture.At(quietZone*modulePix-1, quietZone*modulePix-1), picture.At(quietZone*modulePix, quietZone*modulePix)
	if r, _, _, _ := white.RGBA(); r != 0xffff {
		t.Error("there is no quiet zone")
	}
	if r, _, _, _ := black.RGBA(); r != 0 {
		t.Error("there is no finder pattern")
	}
	if _, err := PNG(strings.Repeat("x", 5000)); err == nil {
		t.Error("a text of any length is drawn")
	}
}
