package sandbox

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/genfity/wa-gateway/internal/qrcode"
)

const (
	codeLife = 20 * time.Second // WhatsApp changes its codes as often
	pngType  = "image/png"
	jsonType = "application/json"
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
	picture, err := qrcode.PNG(text)
	if err != nil {
		return nil, err
	}
	if !qrcode.WantsJSON(c.r.Header.Values("Accept")) {
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
