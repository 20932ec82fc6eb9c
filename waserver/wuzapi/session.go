package wuzapi

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/genfity/wa-gateway/message"
	"github.com/genfity/wa-gateway/waserver"
)

// allEvents is every kind of event. Some cannot be subscribed to by name.
const allEvents = "All"

// cleanUp bounds what is done about a session that could not be made as a whole.
const cleanUp = 10 * time.Second

// CreateSession implements waserver.Translator. The session's name at the server is
// its id at the gateway, by which webhooks tell whose they are.
func (t Translator) CreateSession(ctx context.Context, c *waserver.Client, s *waserver.NewSession) (*waserver.Link, error) {
	if s.Credential == "" {
		return nil, errors.New("wuzapi: a session without a token would be open to everybody")
	}
	body := map[string]any{
		"name": s.ID, "token": s.Credential, "events": allEvents, "expiration": 0,
	}
	if s.WebhookURL != "" {
		body["webhook"] = s.WebhookURL
	}
	if s.WebhookSecret != "" {
		body["hmacKey"] = s.WebhookSecret
	}
	if t.History > 0 {
		body["history"] = t.History
	}
	link := &waserver.Link{SessionID: s.ID, Server: c.Server.Name, Credential: s.Credential, WebhookSecret: s.WebhookSecret}
	if c.Link != nil {
		link.UserID, link.Webhook = c.Link.UserID, c.Link.Webhook
	}
	withLink := *c
	withLink.Link = link
	a, err := admin(ctx, &withLink, http.MethodPost, []string{"admin", "users"}, body)
	if err != nil {
		return nil, err
	}
	var made account
	if err := a.read(&made); err != nil {
		return nil, err
	}
	link.RemoteID = string(made.ID)
	if !isID(link.RemoteID) {
		return nil, &waserver.ServerError{Status: a.status, Message: "the answer names no session"}
	}
	if err := secureWebhook(ctx, &withLink, s.WebhookURL); err != nil {
		// A session whose webhooks nobody could believe is none.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanUp)
		defer cancel()
		return nil, errors.Join(err, t.DeleteSession(ctx, &withLink))
	}
	return link, nil
}

// secureWebhook makes the server prove that its webhooks are its own: by a signature,
// or where it has none by the secret in the URL.
func secureWebhook(ctx context.Context, c *waserver.Client, webhook string) error {
	if webhook == "" || c.Link.WebhookSecret == "" {
		return nil
	}
	if !first(c.Link) {
		if err := sign(ctx, c, c.Link.Credential); !isNoRoute(err) {
			return err
		}
	}
	withSecret, err := secretURL(webhook, c.Link)
	if err != nil {
		return err
	}
	// Without events, the server would forget those it has.
	_, err = session(ctx, c, c.Link.Credential, http.MethodPost, []string{"webhook"}, nil, map[string]any{
		"webhookurl": withSecret, "events": []string{allEvents},
	})
	return err
}

// sign gives the server the key for its signatures. A key that came with the session's
// creation is only stored: what the server signs with is in its memory, where it comes by
// this call alone, and from where it is gone after a restart.
func sign(ctx context.Context, c *waserver.Client, token string) error {
	_, err := session(ctx, c, token, http.MethodPost, []string{"session", "hmac", "config"}, nil,
		map[string]any{"hmac_key": c.Link.WebhookSecret})
	return err
}

// secretURL is the gateway's URL for webhooks of a server that does not sign and does
// not say whose they are. It names the session as the server does: another session may
// be called by the gateway like this one's number.
func secretURL(webhook string, link *waserver.Link) (string, error) {
	u, err := url.Parse(webhook)
	if err != nil {
		return "", errors.New("wuzapi: the gateway's URL for webhooks is none")
	}
	u = u.JoinPath(link.WebhookSecret)
	query := u.Query()
	query.Set(sessionParameter, link.RemoteID)
	u.RawQuery = query.Encode()
	return u.String(), nil
}

// Session implements waserver.Translator.
func (t Translator) Session(ctx context.Context, c *waserver.Client) (*waserver.SessionState, error) {
	token, err := token(ctx, c)
	if err != nil {
		return nil, err
	}
	return state(ctx, c, token)
}

// status is what the server tells of a session. Field names match in any case: the
// first generation writes Connected, the others connected.
type status struct {
	Connected bool
	LoggedIn  bool
	JID       *string // not told by the first generation, nor the code
	QRCode    string
	// History is how many messages of each chat are kept; "" or "0" for none.
	History json.RawMessage
}

func (s *status) keepsHistory() bool {
	history := strings.Trim(string(s.History), `"`)
	return history != "" && history != "0" && history != "null"
}

func readStatus(ctx context.Context, c *waserver.Client, token string) (*status, error) {
	a, err := session(ctx, c, token, http.MethodGet, []string{"session", "status"}, nil, nil)
	if err != nil {
		return nil, err
	}
	var s status
	if err := a.read(&s); err != nil {
		return nil, err
	}
	return &s, nil
}

func state(ctx context.Context, c *waserver.Client, token string) (*waserver.SessionState, error) {
	s, err := readStatus(ctx, c, token)
	switch {
	case says(err, "no session"): // never started, or stopped
		s = &status{}
	case err != nil:
		return nil, err
	}
	jid, code := "", s.QRCode
	if s.JID != nil {
		jid = *s.JID
	} else {
		// Only the admin is told which account it is, which is not worth failing for, and
		// whether there still is a session: its token goes on opening it.
		found, err := lookUp(ctx, c)
		switch {
		case err == nil:
			jid, code = found.JID, found.QRCode
		case kind(err) == waserver.KindNotFound:
			return nil, err
		}
	}
	told := &waserver.SessionState{JID: message.CanonicalJID(jid)}
	switch {
	case s.Connected && s.LoggedIn:
		told.State = waserver.StateConnected
	// One that was logged out keeps the JID that it had.
	case s.Connected && (jid == "" || code != ""):
		told.State = waserver.StateQR
	case s.Connected:
		told.State = waserver.StateConnecting
	case jid != "":
		told.State = waserver.StateDisconnected
	default:
		told.State = waserver.StateCreated
	}
	return told, nil
}

// StartSession implements waserver.Translator.
func (t Translator) StartSession(ctx context.Context, c *waserver.Client) (*waserver.SessionState, error) {
	token, err := token(ctx, c)
	if err != nil {
		return nil, err
	}
	if first(c.Link) {
		// One that was deleted would be started all the same.
		if _, err := lookUp(ctx, c); kind(err) == waserver.KindNotFound {
			return nil, err
		}
	} else if c.Link.WebhookSecret != "" {
		if err := sign(ctx, c, token); err != nil && !isNoRoute(err) {
			return nil, err
		}
	}
	// Immediate: else the server answers only after ten seconds. Subscribe: a stop has
	// emptied the list, and without it nothing would be told.
	a, err := session(ctx, c, token, http.MethodPost, []string{"session", "connect"}, nil,
		map[string]any{"Immediate": true, "Subscribe": []string{allEvents}})
	if says(err, "already connected") {
		return state(ctx, c, token)
	}
	if err != nil {
		return nil, err
	}
	var started struct {
		JID string `json:"jid"`
	}
	if err := a.read(&started); err != nil {
		return nil, err
	}
	// The answer says nothing of the connection, which is only being made.
	return &waserver.SessionState{State: waserver.StateConnecting, JID: message.CanonicalJID(started.JID)}, nil
}

// StopSession implements waserver.Translator.
func (t Translator) StopSession(ctx context.Context, c *waserver.Client) (*waserver.SessionState, error) {
	token, err := token(ctx, c)
	if err != nil {
		return nil, err
	}
	_, err = session(ctx, c, token, http.MethodPost, []string{"session", "disconnect"}, nil, nil)
	if err != nil && !says(err, "no session", "not logged in", "not connected") {
		return nil, err
	}
	stopped := err == nil
	s, err := state(ctx, c, token)
	if err == nil && stopped && s.State == waserver.StateConnected {
		s.State = waserver.StateDisconnected // the server lets go of the connection only now
	}
	return s, err
}

// DeleteSession implements waserver.Translator.
func (t Translator) DeleteSession(ctx context.Context, c *waserver.Client) error {
	id, token := c.Link.RemoteID, c.Link.Credential
	if token != "" && isID(id) && !first(c.Link) {
		err := deleteAccount(ctx, c, id, token)
		if kind(err) != waserver.KindNotFound {
			return err
		}
	}
	// Its number may have come to another session, after an upgrade it has another id, and
	// of one that was there before the gateway only the name may be known.
	found, err := find(ctx, c)
	if err == nil {
		err = deleteAccount(ctx, c, string(found.ID), found.Token)
	}
	if kind(err) == waserver.KindNotFound {
		return nil
	}
	return err
}

func deleteAccount(ctx context.Context, c *waserver.Client, id, token string) error {
	_, err := admin(ctx, c, http.MethodDelete, []string{"admin", "users", id, "full"}, nil)
	if isNoRoute(err) {
		return deleteFirst(ctx, c, id, token)
	}
	return err
}

// deleteFirst deletes a session of a server that cannot do so by one call: what deletes
// it leaves it connected, and its token valid, until the next restart.
func deleteFirst(ctx context.Context, c *waserver.Client, id, token string) error {
	if token != "" {
		_, err := session(ctx, c, token, http.MethodPost, []string{"session", "logout"}, nil, nil)
		if err != nil && !says(err, "no session", "not logged in", "not connected") && kind(err) != waserver.KindNotFound {
			return fmt.Errorf("wuzapi: logging out before deleting: %w", err)
		}
		// One that waits for its QR code cannot be logged out, so at least it shall tell
		// nobody anything any more.
		if _, err := session(ctx, c, token, http.MethodDelete, []string{"webhook"}, nil, nil); err != nil && kind(err) != waserver.KindNotFound {
			return fmt.Errorf("wuzapi: removing the webhook before deleting: %w", err)
		}
	}
	_, err := admin(ctx, c, http.MethodDelete, []string{"admin", "users", id}, nil)
	return err
}

// QR implements waserver.Translator. The session has to be started; the code is a new
// one every 20 seconds or so, and after the last of them the server stops the session.
func (t Translator) QR(ctx context.Context, c *waserver.Client) (*waserver.QR, error) {
	token, err := token(ctx, c)
	if err != nil {
		return nil, err
	}
	a, err := session(ctx, c, token, http.MethodGet, []string{"session", "qr"}, nil, nil)
	if err != nil {
		if e, is := errors.AsType[*waserver.ServerError](err); is && says(err, "not connected") {
			e.Kind = waserver.KindNotReady // it is on its way to WhatsApp
		}
		return nil, err
	}
	var code struct{ QRCode string }
	if err := a.read(&code); err != nil {
		return nil, err
	}
	if code.QRCode == "" {
		return nil, &waserver.ServerError{Kind: waserver.KindNotReady, Status: a.status, Message: "there is no code yet"}
	}
	png, ok := pngOf(code.QRCode)
	if !ok {
		return nil, &waserver.ServerError{Status: a.status, Message: "the QR code is no picture"}
	}
	return &waserver.QR{PNG: png}, nil
}

// pngOf is the picture in a data URL.
func pngOf(dataURL string) ([]byte, bool) {
	encoded, ok := strings.CutPrefix(dataURL, "data:image/png;base64,")
	if !ok {
		return nil, false
	}
	png, err := base64.StdEncoding.DecodeString(encoded)
	return png, err == nil && len(png) > 0
}
