package caddywagateway

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"go.uber.org/zap"

	"github.com/genfity/wa-gateway/internal/qrcode"
	"github.com/genfity/wa-gateway/waserver"
)

// qrAnswer is the data of the answer to GET …/qr as JSON.
type qrAnswer struct {
	SessionID string     `json:"session_id"`
	Status    string     `json:"status"`
	Code      string     `json:"code,omitempty"` // what the picture says, where the server tells
	QR        string     `json:"qr"`             // a data URL of a PNG
	ExpiresAt *time.Time `json:"expires_at"`
}

// translateQR shows the code that pairs a session: a PNG, or JSON where Accept asks
// for it.
func (x *exchange) translateQR() error {
	client, err := x.sessionClient(x.r.Context())
	if err != nil {
		return err
	}
	x.outcome = outcomeForwarded
	code, err := x.pairingCode(client)
	if err != nil {
		return x.translatedFailure(err, client.Link)
	}
	if len(code.PNG) == 0 {
		if code.PNG, err = qrcode.PNG(code.Text); err != nil {
			return refuse(http.StatusBadGateway, messageNotForwarded).because(fmt.Errorf("drawing the QR code: %w", err))
		}
	}
	x.w.Header().Add("Vary", "Accept")
	if qrcode.WantsJSON(x.r.Header.Values("Accept")) {
		answer := qrAnswer{
			SessionID: x.call.SessionID, Status: string(waserver.StateQR), Code: code.Text,
			QR: "data:image/png;base64," + base64.StdEncoding.EncodeToString(code.PNG),
		}
		if !code.Expires.IsZero() {
			expires := code.Expires.UTC()
			answer.ExpiresAt = &expires
		}
		return x.answerCanonical(http.StatusOK, answer)
	}
	h := x.w.Header()
	h.Set("Content-Type", "image/png")
	h.Set("Content-Length", strconv.Itoa(len(code.PNG)))
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	x.limitWrite()
	x.w.WriteHeader(http.StatusOK)
	_, err = x.w.Write(code.PNG)
	return err
}

// pairingCode is the code that can be scanned now. Some servers begin the pairing anew
// whenever they are asked, so a code is shown again as long as it lives.
func (x *exchange) pairingCode(client *waserver.Client) (*waserver.QR, error) {
	ctx, cancel := context.WithTimeout(x.r.Context(), keepTime)
	defer cancel()
	primary := x.app.databases.primary
	if known, err := primary.SessionState(ctx, x.call.SessionID); err == nil {
		if code := known.Code(time.Now()); code != nil && !code.Expires.IsZero() {
			return code, x.refusePaired(client)
		}
	}
	code, err := x.server.translator.QR(x.r.Context(), client)
	if err == nil && !code.Expires.IsZero() {
		x.keepCode(code)
	}
	return code, err
}

// keepCode has a code shown again until its time is over.
func (x *exchange) keepCode(code *waserver.QR) {
	ctx, cancel := context.WithTimeout(x.r.Context(), keepTime)
	defer cancel()
	updates := []waserver.Update{{At: x.start, QR: code}}
	if err := x.app.databases.primary.ApplyUpdates(ctx, x.call.SessionID, updates); err != nil {
		x.logger.Debug("a QR code cannot be kept", zap.Error(err))
	}
}

// refusePaired refuses a code that was kept and has been scanned, where the server does
// not tell of that by itself.
func (x *exchange) refusePaired(client *waserver.Client) error {
	if !x.server.translator.Traits().Polls {
		return nil
	}
	state, err := x.server.translator.Session(x.r.Context(), client)
	if err != nil || state.State != waserver.StateConnected {
		return nil // whatever it is, the code is the last word
	}
	x.app.learnState(x.r.Context(), x.call.SessionID, time.Now(), state)
	answer := kindAnswers[waserver.KindAlreadyPaired]
	return refuse(answer.status, answer.message)
}
