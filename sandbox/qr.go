package sandbox

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/boombuler/barcode/qr"
)

const (
	codeLife   = 20 * time.Second // WhatsApp changes its codes as often
	modulePix  = 6
	quietZone  = 4 // modules, ISO/IEC 18004
	pngType    = "image/png"
	jsonType   = "application/json"
	anyPicture = "image/*"
)

// sessionQR shows the code to scan: a PNG, or JSON with a data URL where Accept asks for JSON.
func (s *Sandbox) sessionQR(c *call) (*reply, error) {
	var text string
	var expires time.Time
	_, err := s.onSession(c, func(x *session) (*reply, error) {
		switch x.phase {
		case phaseQR:
			text, expires = x.pairing(c.now)
			return nil, nil
		case phaseConnected:
			return nil, noCode("The session is connected: there is nothing to scan")
		default:
			return nil, noCode("The session shows no code (status " + string(x.phase) + "): start it with POST /sessions/{id}/start")
		}
	})
	if err != nil {
		return nil, err
	}
	picture, err := drawQR(text)
	if err != nil {
		return nil, err
	}
	if !wantsJSON(c.r.Header.Values("Accept")) {
		return &reply{png: picture, vary: "Accept"}, nil
	}
	return &reply{vary: "Accept", data: map[string]any{
		"session_id": c.id,
		"status":     phaseQR,
		"code":       text,
		"qr":         "data:" + pngType + ";base64," + base64.StdEncoding.EncodeToString(picture),
		"expires_at": stamp(expires),
	}}, nil
}

func noCode(message string) error {
	return &refusal{status: http.StatusConflict, code: "no_qr", message: message}
}

// pairing is the text of the code at a time, and when the next one takes its place. A phone
// that scans it sees that it is none of WhatsApp's.
func (x *session) pairing(now time.Time) (string, time.Time) {
	turn := max(now.Sub(x.started), 0) / codeLife
	sum := sha256.Sum256(fmt.Appendf(nil, "%q %q %d %d", x.key.user, x.key.session, x.started.UnixNano(), turn))
	text := "wa-sandbox:pair?session=" + url.QueryEscape(x.key.session) + "&code=" + hex.EncodeToString(sum[:16])
	return text, x.started.Add((turn + 1) * codeLife)
}

// drawQR makes a PNG of a text, with the quiet zone that scanners need.
func drawQR(text string) ([]byte, error) {
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

// wantsJSON reads Accept (RFC 9110, section 12.5.1) for the two things that can be had. Only
// what is named counts: a mere */* means the default, the picture.
func wantsJSON(accept []string) bool {
	best, json := 0.0, false
	for entry := range strings.SplitSeq(strings.Join(accept, ","), ",") {
		kind, params, err := mime.ParseMediaType(entry)
		if err != nil || (kind != jsonType && kind != pngType && kind != anyPicture) {
			continue
		}
		q := 1.0
		if text, has := params["q"]; has {
			if q, err = strconv.ParseFloat(text, 64); err != nil {
				continue
			}
		}
		if q > best {
			best, json = q, kind == jsonType
		}
	}
	return json
}
