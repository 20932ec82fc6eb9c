package gowa

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/genfity/wa-gateway/message"
	"github.com/genfity/wa-gateway/waserver"
)

// cleanUp bounds what is done about a device that could not be made as a whole.
const cleanUp = 10 * time.Second

// CreateSession implements waserver.Translator.
func (t Translator) CreateSession(ctx context.Context, c *waserver.Client, s *waserver.NewSession) (*waserver.Link, error) {
	if s.WebhookURL != "" && s.WebhookSecret == "" {
		return nil, errors.New("gowa: a webhook without a secret would be signed with one that everybody knows")
	}
	link := &waserver.Link{SessionID: s.ID, Server: c.Server.Name, RemoteID: s.ID, WebhookSecret: s.WebhookSecret}
	if c.Link != nil {
		link.UserID, link.Webhook = c.Link.UserID, c.Link.Webhook
	}
	withLink := *c
	withLink.Link = link
	body := map[string]any{"device_id": s.ID}
	if s.WebhookURL != "" {
		body["webhook_url"], body["webhook_secret"] = s.WebhookURL, s.WebhookSecret
	}
	var made struct{ ID string }
	err := call(ctx, &withLink, http.MethodPost, []string{"devices"}, nil, body, &made)
	e, failed := errors.AsType[*waserver.ServerError](err)
	switch {
	case failed && strings.Contains(e.Message, "created but"):
		// Without its webhook it would send them to the server's own, signed with a
		// secret that all devices share.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanUp)
		defer cancel()
		return nil, errors.Join(err, t.DeleteSession(ctx, &withLink))
	case err != nil:
		return nil, err
	case made.ID != s.ID:
		return nil, &waserver.ServerError{Status: http.StatusOK, Message: "the answer names another device"}
	}
	return link, nil
}

// device is what the server tells of a device.
type device struct {
	State string `json:"state"`
	JID   string `json:"jid"`
	Name  string `json:"display_name"`
}

// The states of a device that matter. One that is connected is not logged in.
const (
	deviceLoggedIn   = "logged_in"
	deviceConnected  = "connected"
	deviceConnecting = "connecting"
)

// readDevice also is how it is known that there is one: logging in to a device that the
// server does not have creates it, and nobody deletes it again.
func readDevice(ctx context.Context, c *waserver.Client) (*device, error) {
	var d device
	if err := call(ctx, c, http.MethodGet, []string{"devices", c.Link.RemoteID}, nil, nil, &d); err != nil {
		return nil, err
	}
	return &d, nil
}

func (d *device) state() *waserver.SessionState {
	s := &waserver.SessionState{JID: message.CanonicalJID(d.JID), Name: d.Name}
	paired := d.JID != ""
	switch {
	case d.State == deviceLoggedIn:
		s.State = waserver.StateConnected
	case d.State == deviceConnected && !paired:
		s.State = waserver.StateQR
	case d.State == deviceConnected || d.State == deviceConnecting:
		s.State = waserver.StateConnecting
	case paired:
		s.State = waserver.StateDisconnected
	default:
		s.State = waserver.StateCreated
	}
	return s
}

// Session implements waserver.Translator.
func (t Translator) Session(ctx context.Context, c *waserver.Client) (*waserver.SessionState, error) {
	d, err := readDevice(ctx, c)
	if err != nil {
		return nil, err
	}
	return d.state(), nil
}

// StartSession implements waserver.Translator. Connecting again drops the connection, and
// a pairing that is going on, so it is only done to a device that has neither.
func (t Translator) StartSession(ctx context.Context, c *waserver.Client) (*waserver.SessionState, error) {
	d, err := readDevice(ctx, c)
	if err != nil {
		return nil, err
	}
	s := d.state()
	switch s.State {
	case waserver.StateDisconnected:
		err := call(ctx, c, http.MethodPost, []string{"devices", c.Link.RemoteID, "reconnect"}, nil, nil, nil)
		if err == nil {
			s.State = waserver.StateConnecting
			return s, nil
		}
		if !neverPaired(err) {
			return nil, notReady(err)
		}
	case waserver.StateCreated:
	default:
		return s, nil
	}
	p, err := login(ctx, c)
	if err != nil {
		return nil, err
	}
	s.State = waserver.StateQR
	// A code that cannot be had now is made anew when it is asked for.
	s.QR, _ = t.picture(ctx, c, p)
	return s, nil
}

// neverPaired tells that there is nothing to connect with.
func neverPaired(err error) bool {
	e, is := errors.AsType[*waserver.ServerError](err)
	return is && hasAny(strings.ToLower(e.Message), "session deleted", "client not initialized")
}

// notReady makes of an error that says that WhatsApp could not be reached one that says
// to try again.
func notReady(err error) error {
	if e, is := errors.AsType[*waserver.ServerError](err); is &&
		(e.Kind == waserver.KindNotConnected || e.Status == http.StatusGatewayTimeout) {
		e.Kind = waserver.KindNotReady
	}
	return err
}

// pairing is a code to be scanned.
type pairing struct {
	Link     string `json:"qr_link"`
	Duration int64  `json:"qr_duration"` // seconds
}

// login starts a pairing. It is a GET that changes state, so it is only made where the
// device was read before.
func login(ctx context.Context, c *waserver.Client) (*pairing, error) {
	var p pairing
	if err := call(ctx, c, http.MethodGet, []string{"devices", c.Link.RemoteID, "login"}, nil, nil, &p); err != nil {
		return nil, notReady(err)
	}
	return &p, nil
}

// StopSession implements waserver.Translator. Logging out would unpair.
func (Translator) StopSession(context.Context, *waserver.Client) (*waserver.SessionState, error) {
	return nil, &waserver.UnsupportedError{Reason: "GOWA keeps a session connected until it is deleted"}
}

// DeleteSession implements waserver.Translator. The server calls it a success too when it
// does not have the device.
func (Translator) DeleteSession(ctx context.Context, c *waserver.Client) error {
	err := call(ctx, c, http.MethodDelete, []string{"devices", c.Link.RemoteID}, nil, nil, nil)
	if kind(err) == waserver.KindNotFound {
		return nil
	}
	return err
}

// QR implements waserver.Translator. Each call starts a new pairing, so a code should be
// shown until it expires.
func (t Translator) QR(ctx context.Context, c *waserver.Client) (*waserver.QR, error) {
	d, err := readDevice(ctx, c)
	if err != nil {
		return nil, err
	}
	if d.JID != "" {
		return nil, &waserver.ServerError{Kind: waserver.KindAlreadyPaired, Status: http.StatusOK, Message: "the device is paired"}
	}
	p, err := login(ctx, c)
	if err != nil {
		return nil, err
	}
	return t.picture(ctx, c, p)
}

// picture fetches the code of a pairing that has begun.
func (t Translator) picture(ctx context.Context, c *waserver.Client, p *pairing) (*waserver.QR, error) {
	made := t.now()
	name, ok := qrName(p.Link)
	if !ok {
		return nil, &waserver.ServerError{Status: http.StatusOK, Message: "the answer has no QR code"}
	}
	resp, err := do(ctx, c, &waserver.Request{Method: http.MethodGet, Path: []string{"statics", "qrcode", name}})
	if err != nil {
		return nil, err
	}
	if resp.Status == http.StatusNotFound { // its time is over
		return nil, &waserver.ServerError{Kind: waserver.KindNotReady, Status: resp.Status, Message: "the QR code is gone"}
	}
	if resp.Status != http.StatusOK || !bytes.HasPrefix(resp.Body, []byte("\x89PNG\r\n\x1a\n")) {
		return nil, &waserver.ServerError{Status: resp.Status, Message: "the QR code is no picture"}
	}
	qr := &waserver.QR{PNG: resp.Body}
	if p.Duration > 0 && p.Duration < int64(time.Hour/time.Second) {
		qr.Expires = made.Add(time.Duration(p.Duration) * time.Second)
	}
	return qr, nil
}

// qrName is the file that a link to a QR code names. The link's host is whatever host the
// server thinks it was asked as, and its path has the server's own base in it, so nothing
// but the name is taken, which has to be one of a picture in the folder of the codes.
func qrName(link string) (string, bool) {
	const folder, longest = "/statics/qrcode/", 200
	u, err := url.Parse(link)
	if err != nil {
		return "", false
	}
	at := strings.LastIndex(u.Path, folder)
	if at < 0 {
		return "", false
	}
	name, isPNG := strings.CutSuffix(u.Path[at+len(folder):], ".png")
	for i := range len(name) {
		if !isWord(name[i]) {
			return "", false
		}
	}
	return name + ".png", isPNG && name != "" && len(name) < longest
}
