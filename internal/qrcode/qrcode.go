// Package qrcode draws QR codes, and tells which form of one a client wants.
package qrcode

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"mime"
	"strconv"
	"strings"

	"github.com/boombuler/barcode/qr"
)

const (
	modulePix = 6
	quietZone = 4 // modules, ISO/IEC 18004
)

// PNG draws a text, with the quiet zone that scanners need.
func PNG(text string) ([]byte, error) {
	code, err := qr.Encode(text, qr.M, qr.Auto)
	if err != nil {
		return nil, fmt.Errorf("encoding the QR code: %w", err)
	}
	modules := code.Bounds().Dx()
	side := (modules + 2*quietZone) * modulePix
	picture := image.NewPaletted(image.Rect(0, 0, side, side), color.Palette{color.White, color.Black})
	for y := range modules * modulePix {
		for x := range modules * modulePix {
			if code.At(x/modulePix, y/modulePix) == color.Black {
				picture.SetColorIndex(x+quietZone*modulePix, y+quietZone*modulePix, 1)
			}
		}
	}
	var b bytes.Buffer
	if err := png.Encode(&b, picture); err != nil {
		return nil, fmt.Errorf("drawing the QR code: %w", err)
	}
	return b.Bytes(), nil
}

// WantsJSON reads Accept (RFC 9110, section 12.5.1) for the two things that can be had,
// a picture and JSON with a data URL. Only what is named counts: a mere */* means the
// default, the picture.
func WantsJSON(accept []string) bool {
	best, json := 0.0, false
	for entry := range strings.SplitSeq(strings.Join(accept, ","), ",") {
		kind, params, err := mime.ParseMediaType(entry)
		if err != nil || (kind != "application/json" && kind != "image/png" && kind != "image/*") {
			continue
		}
		q := 1.0
		if text, has := params["q"]; has {
			if q, err = strconv.ParseFloat(text, 64); err != nil {
				continue
			}
		}
		if q > best {
			best, json = q, kind == "application/json"
		}
	}
	return json
}
